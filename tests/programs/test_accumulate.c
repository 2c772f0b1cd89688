/* SPDX-License-Identifier: Apache-2.0
 * A user's gradient accumulation: four small batches and one step are one step on the large batch. */
#include "program.h"

#include "05_accumulate.c"

enum { FEATURES = 8, HIDDEN = 16, SMALL = 8, LARGE = MICRO * SMALL, STEPS = 3 };

typedef struct {
    gradus_graph *g;
    gradus_program *p;
    gradus_tensor x, y, loss;
} trial;

static trial network(void) {
    trial t = {.g = gradus_graph_create()};
    t.x = gradus_input(t.g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, FEATURES));
    t.y = gradus_input(t.g, "y", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH));
    gradus_tensor h = gradus_dense(t.x, .units = HIDDEN, .name = "hidden", .activation = GRADUS_TANH);
    gradus_tensor z = gradus_reshape(gradus_dense(h, .units = 1, .name = "out"), GRADUS_SHAPE(GRADUS_BATCH));
    t.loss = gradus_mean(gradus_mean_squared_error(z, t.y), GRADUS_ALL_AXES, false);
    return t;
}

static void compile(trial *t) {
    OK(gradus_jit(t->g, gradus_compile_options(.max_batch = LARGE), &t->p));
    OK(gradus_program_init(t->p, 7));
}

static void destroy(trial *t) {
    gradus_program_destroy(&t->p);
    gradus_graph_destroy(&t->g);
}

static void micro_batches_are_one_large_batch(void **state) {
    (void)state;
    static float x[STEPS * LARGE * FEATURES], y[STEPS * LARGE];
    uint64_t seed = 5;
    for (int i = 0; i < STEPS * LARGE * FEATURES; i++) x[i] = noise(&seed);
    for (int i = 0; i < STEPS * LARGE; i++) y[i] = 3 * noise(&seed);

    trial small = network(), large = network();
    OK(build(small.g, GRADUS_TENSORS(small.x, small.y), small.loss));
    gradus_tensor norm;
    gradus_tensors w = gradus_params(large.g, NULL);
    gradus_tensors clipped = gradus_clip_global_norm(gradus_gradients(large.loss, w), 1.0, &norm);
    OK(gradus_define(large.g, "train", GRADUS_TENSORS(large.x, large.y), GRADUS_TENSORS(norm),
                     gradus_apply(gradus_adamw(.learning_rate = 3e-4), w, clipped)));
    compile(&small);
    compile(&large);

    for (int step = 0; step < STEPS; step++) {
        float norms[2], loss;
        const float *xs = x + step * LARGE * FEATURES, *ys = y + step * LARGE;
        for (int m = 0; m < MICRO; m++) {
            const float *xm = xs + m * SMALL * FEATURES, *ym = ys + m * SMALL;
            OK(gradus_call(small.p, "micro", SMALL, GRADUS_INPUTS(xm, ym), GRADUS_OUTPUTS(&loss)));
        }
        OK(gradus_call(small.p, "apply", 0, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(&norms[0])));
        OK(gradus_call(large.p, "train", LARGE, GRADUS_INPUTS(xs, ys), GRADUS_OUTPUTS(&norms[1])));
        assert_float_equal(norms[0], norms[1], 1e-5F * norms[1]);
        assert_true(norms[1] > 1); /* so that clipping had something to do */
    }
    for (size_t i = 0; i < w.count; i++) {
        size_t count = 0;
        const char *name = gradus_name_of(w.items[i]);
        const float *a = read_state(small.p, name, 0, &count), *b = read_state(large.p, name, 1, &count);
        for (size_t k = 0; k < count; k++)
            if (!(fabsf(a[k] - b[k]) <= 1e-6F)) fail_msg("%s[%zu]: %.9g and %.9g", name, k, (double)a[k], (double)b[k]);
    }
    size_t count = 0;
    const float *cleared = read_state(small.p, "accumulator/hidden/kernel", 0, &count);
    for (size_t k = 0; k < count; k++) assert_true(cleared[k] == 0);
    destroy(&small);
    destroy(&large);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(micro_batches_are_one_large_batch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
