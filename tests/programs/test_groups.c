/* SPDX-License-Identifier: Apache-2.0
 * A user's groups of parameters: a base that comes from a file and is frozen, and two learning rates for the rest. */
#include "program.h"

#include "02_groups.c"

#include <stdlib.h>
#include <unistd.h>

enum { BATCH = 16 };

static const char *const parameters[] = {"base/kernel", "base/bias", "mid/kernel", "mid/bias", "head/kernel", "head/bias"};
static float before[6][128 * 64];
static const float rates[] = {0, 0, 1e-4F, 1e-4F, 1e-3F, 1e-3F};

static void remember(gradus_program *p, int from, int to) {
    for (int k = from; k < to; k++) {
        size_t count = 0;
        const float *now = read_state(p, parameters[k], 0, &count);
        memcpy(before[k], now, count * sizeof *now);
    }
}

/* The file that the user has from elsewhere, in a folder of its own. */
static void write_pretrained(gradus_program *p) {
    OK(gradus_program_init(p, 7));
    OK(gradus_save(p, "imagenet.safetensors"));
}

static void groups_move_at_their_rates(void **state) {
    (void)state;
    static float x[BATCH * 64];
    static int32_t y[BATCH];
    char folder[] = "/tmp/gradus-groups-XXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    gradus_graph *g = gradus_graph_create();
    gradus_program *p = NULL;
    OK(build(g));
    OK(gradus_jit(g, gradus_compile_options(.max_batch = BATCH), &p));
    assert_int_equal(start(p), GRADUS_ERROR_NOT_FOUND); /* no file yet */
    write_pretrained(p);
    size_t count = 0;
    remember(p, 0, 2);
    const float pretrained_mid = read_state(p, "mid/kernel", 0, &count)[0];
    OK(start(p));
    unlink("imagenet.safetensors");
    assert_int_equal(chdir("/"), 0);
    rmdir(folder);
    assert_true(read_state(p, "mid/kernel", 0, &count)[0] != pretrained_mid);
    remember(p, 2, 6);

    uint64_t seed = 3;
    float first = 0, loss = 0;
    for (int i = 0; i < BATCH * 64; i++) x[i] = noise(&seed);
    for (int i = 0; i < BATCH; i++) y[i] = i % 10;
    for (int step = 0; step < 60; step++) {
        OK(gradus_call(p, "train", BATCH, GRADUS_INPUTS(x, y), GRADUS_OUTPUTS(&loss)));
        if (step == 0) first = loss;
        for (int k = 0; k < 6; k++) { /* Adam's first step is the rate, and the decay a hundredth of it */
            const float *now = read_state(p, parameters[k], 0, &count);
            float farthest = 0;
            for (size_t i = 0; i < count; i++) farthest = fmaxf(farthest, fabsf(now[i] - before[k][i]));
            if (k < 2) assert_true(farthest == 0); /* frozen, and what the file had */
            else if (step == 0 && !(farthest > 0.9F * rates[k] && farthest < 1.1F * rates[k]))
                fail_msg("%s moved by %g", parameters[k], (double)farthest);
        }
    }
    if (!(loss < 0.8F * first)) fail_msg("the loss went from %g to %g", (double)first, (double)loss);
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(groups_move_at_their_rates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
