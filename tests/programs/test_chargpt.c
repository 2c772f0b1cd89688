/* SPDX-License-Identifier: Apache-2.0
 * A user's character GPT: it learns a short text, and goes on with it one character at a time. */
#include "program.h"

#include "10_chargpt.c"

enum { BATCH = 4, STEPS = 80 };

static const char song[] = "row row row your boat gently down the stream merrily merrily merrily merrily life is but a dream ";

/* Characters as ids below V. */
static int32_t id_at(size_t position) {
    char c = song[position % (sizeof song - 1)];
    return c == ' ' ? 0 : c - 'a' + 1;
}

static void it_learns_a_song_and_goes_on(void **state) {
    (void)state;
    gradus_graph *g = gradus_graph_create();
    OK(build(g));
    gradus_program *p = NULL;
    OK(gradus_jit(g, gradus_compile_options(.max_batch = BATCH), &p));
    OK(gradus_program_init(p, 3));

    static int32_t ids[BATCH * T], y[BATCH * T];
    float first = 0, loss = 0;
    for (size_t step = 0; step < STEPS; step++) {
        for (size_t b = 0; b < BATCH; b++)
            for (size_t t = 0; t < T; t++) {
                size_t start = step * 37 + b * 29;
                ids[b * T + t] = id_at(start + t);
                y[b * T + t] = id_at(start + t + 1);
            }
        OK(gradus_call(p, "train", BATCH, GRADUS_INPUTS(ids, y), GRADUS_OUTPUTS(&loss)));
        if (step == 0) first = loss;
    }
    assert_float_equal(first, logf(V), 0.3F); /* it knows nothing yet */
    if (!(loss < first / 2)) fail_msg("the loss went from %g to %g", (double)first, (double)loss);

    /* generation, batch 1: the window moves on by what is most likely */
    static float z[T * V];
    size_t right = 0, made = 20;
    for (size_t t = 0; t < T; t++) ids[t] = id_at(t);
    for (size_t i = 0; i < made; i++) {
        OK(gradus_call(p, "next", 1, GRADUS_INPUTS(ids), GRADUS_OUTPUTS(z)));
        const float *last = z + (T - 1) * V;
        int32_t best = 0;
        for (int32_t v = 0; v < V; v++) {
            assert_true(isfinite(last[v]));
            if (last[v] > last[best]) best = v;
        }
        right += best == id_at(T + i);
        memmove(ids, ids + 1, (T - 1) * sizeof *ids);
        ids[T - 1] = id_at(T + i);
    }
    print_message("loss %g to %g, %zu of %zu next characters right\n", (double)first, (double)loss, right, made);
    assert_true(right >= made / 2); /* chance is 1 in 65; a mask that shows what comes gives 6 */
    assert_int_equal(gradus_call(p, "next", 2, GRADUS_INPUTS(ids), GRADUS_OUTPUTS(z)), GRADUS_ERROR_ARGUMENT);
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_learns_a_song_and_goes_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
