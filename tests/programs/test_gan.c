/* SPDX-License-Identifier: Apache-2.0
 * A user's GAN: each of its two steps moves its own network alone, and what it draws is a picture. */
#include "program.h"

#include "03_gan.c"

enum { BATCH = 32, STEPS = 5 };

typedef struct {
    gradus_graph *g;
    gradus_program *p;
    gradus_data *data;
    gradus_batches *batches;
} gan;

static void start(gan *of) {
    of->g = gradus_graph_create();
    OK(build(of->g));
    OK(gradus_jit(of->g, gradus_compile_options(.max_batch = BATCH), &of->p));
    OK(gradus_program_init(of->p, 1));
    OK(gradus_data_idx(MNIST_DIR "/t10k-images-idx3-ubyte.gz", MNIST_DIR "/t10k-labels-idx1-ubyte.gz", NULL, &of->data));
    OK(gradus_batches_create(of->data, gradus_batch_options(.batch_size = BATCH, .seed = 1), &of->batches));
}

static void stop(gan *of) {
    gradus_batches_destroy(&of->batches);
    gradus_data_destroy(&of->data);
    gradus_program_destroy(&of->p);
    gradus_graph_destroy(&of->g);
}

static const char *const kernels[] = {"d/1/kernel", "d/2/kernel", "g/1/kernel", "g/2/kernel"};

/* Whether each kernel is another than before; then remembers it. */
static void changes(gan *of, bool *changed) {
    static float before[4][PARAMETER_MOST];
    for (int k = 0; k < 4; k++) {
        size_t count = 0;
        const float *now = read_state(of->p, kernels[k], 0, &count);
        changed[k] = memcmp(before[k], now, count * sizeof *now) != 0;
        memcpy(before[k], now, count * sizeof *now);
    }
}

static void each_step_moves_its_own_network(void **state) {
    (void)state;
    gan of = {0};
    start(&of);
    bool changed[4];
    changes(&of, changed);
    for (int i = 0; i < STEPS; i++) {
        gradus_batch b;
        float d_loss = NAN, g_loss = NAN;
        assert_true(gradus_batches_next(of.batches, &b));
        OK(gradus_call(of.p, "train_d", b.size, (gradus_inputs){b.inputs.items, 1}, GRADUS_OUTPUTS(&d_loss)));
        changes(&of, changed);
        assert_true(changed[0] && changed[1] && !changed[2] && !changed[3]);
        OK(gradus_call(of.p, "train_g", BATCH, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(&g_loss)));
        changes(&of, changed);
        assert_true(!changed[0] && !changed[1] && changed[2] && changed[3]);
        assert_true(isfinite(d_loss) && d_loss > 0 && isfinite(g_loss) && g_loss > 0);
    }
    stop(&of);
}

/* The discriminator, trained alone, learns to tell pictures from the fakes of a generator that stands still. */
static void the_discriminator_learns(void **state) {
    (void)state;
    gan of = {0};
    start(&of);
    float first = 0, last = 0;
    for (int i = 0; i < 30; i++) {
        gradus_batch b;
        assert_true(gradus_batches_next(of.batches, &b));
        OK(gradus_call(of.p, "train_d", b.size, (gradus_inputs){b.inputs.items, 1}, GRADUS_OUTPUTS(&last)));
        if (i == 0) first = last;
    }
    if (!(last < first / 2)) fail_msg("the discriminator's loss went from %g to %g", (double)first, (double)last);
    stop(&of);
}

static void samples_are_fresh_pictures(void **state) {
    (void)state;
    gan of = {0};
    start(&of);
    static float one[BATCH * 784], two[BATCH * 784];
    OK(gradus_call(of.p, "sample", BATCH, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(one)));
    OK(gradus_call(of.p, "sample", BATCH, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(two)));
    for (int i = 0; i < BATCH * 784; i++) assert_true(one[i] >= -1 && one[i] <= 1);
    assert_memory_not_equal(one, two, sizeof one);
    assert_memory_not_equal(one, one + 784, 784 * sizeof *one);
    stop(&of);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_step_moves_its_own_network),
        cmocka_unit_test(the_discriminator_learns),
        cmocka_unit_test(samples_are_fresh_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
