/* SPDX-License-Identifier: Apache-2.0
 * The first steps of the MNIST classifier under each optimizer, against losses that record.py found in float64. */
#include "tests/cmocka_all.h"
#include "mnist_losses.h"

#include <gradus/gradus.h>
#include <math.h>
#include <string.h>
#include <zlib.h>

static float images[STEPS * BATCH * 784];
static int32_t labels[STEPS * BATCH];

static void read_bytes(const char *name, unsigned header, unsigned char *bytes, unsigned count) {
    gzFile file = gzopen(name, "rb");
    assert_non_null(file);
    assert_int_equal(gzseek(file, (z_off_t)header, SEEK_SET), header);
    assert_int_equal(gzread(file, bytes, count), count);
    gzclose(file);
}

static int read_data(void **state) {
    (void)state;
    static unsigned char bytes[STEPS * BATCH * 784];
    read_bytes(MNIST_DIR "/train-images-idx3-ubyte.gz", 16, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) images[i] = (float)bytes[i] / 255.0F;
    read_bytes(MNIST_DIR "/train-labels-idx1-ubyte.gz", 8, bytes, STEPS * BATCH);
    for (size_t i = 0; i < STEPS * BATCH; i++) labels[i] = bytes[i];
    return 0;
}

/* record.py has the same lines in Python. */
static void fill_weights(float *w, uint32_t count, uint32_t seed) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t h = (i + seed) * UINT32_C(0x9E3779B1);
        h ^= h >> 15;
        h *= UINT32_C(0x85EBCA77);
        h ^= h >> 13;
        h *= UINT32_C(0xC2B2AE3D);
        h ^= h >> 16;
        w[i] = ((float)(h >> 8) * 0x1p-24F - 0.5F) * 0x1p-3F;
    }
}

static void check_training(gradus_optimizer optimizer, const double *expected) {
    static float w1[784 * HIDDEN], w2[HIDDEN * 10];
    fill_weights(w1, 784 * HIDDEN, 1);
    fill_weights(w2, HIDDEN * 10, 1000003);
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 784));
    gradus_tensor y = gradus_input(g, "y", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH));
    gradus_tensor h = gradus_dense(x, .units = HIDDEN, .name = "fc1", .activation = GRADUS_RELU);
    gradus_tensor z = gradus_dense(h, .units = 10, .name = "fc2");
    gradus_tensor loss = gradus_mean(gradus_softmax_cross_entropy(z, y), GRADUS_ALL_AXES, false);
    gradus_define(g, "train", GRADUS_TENSORS(x, y), GRADUS_TENSORS(loss), gradus_minimize(loss, optimizer));

    gradus_program *p = NULL;
    gradus_status status = gradus_jit(g, gradus_compile_options(.max_batch = BATCH), &p);
    if (status) fail_msg("%s", gradus_last_error());
    assert_int_equal(gradus_program_init(p, 1), GRADUS_OK);
    assert_int_equal(gradus_program_write(p, "fc1/kernel", w1, sizeof w1), GRADUS_OK);
    assert_int_equal(gradus_program_write(p, "fc2/kernel", w2, sizeof w2), GRADUS_OK);
    for (size_t i = 0; i < STEPS; i++) {
        float l = 0;
        const float *xs = images + i * BATCH * 784;
        const int32_t *ys = labels + i * BATCH;
        status = gradus_call(p, "train", BATCH, GRADUS_INPUTS(xs, ys), GRADUS_OUTPUTS(&l));
        if (status) fail_msg("%s", gradus_last_error());
        double off = fabs((double)l - expected[i]) / expected[i];
        if (!(off <= 1e-5)) fail_msg("step %zu: loss %.9g, expected %.9g", i + 1, (double)l, expected[i]);
    }
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
}

static void test_sgd(void **state) {
    (void)state;
    check_training(gradus_sgd(.learning_rate = SGD_RATE), sgd_losses);
}

static void test_rmsprop(void **state) {
    (void)state;
    check_training(gradus_rmsprop(.learning_rate = RMSPROP_RATE), rmsprop_losses);
}

static void test_adam(void **state) {
    (void)state;
    check_training(gradus_adam(.learning_rate = ADAM_RATE), adam_losses);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgd),
        cmocka_unit_test(test_rmsprop),
        cmocka_unit_test(test_adam),
    };
    return cmocka_run_group_tests(tests, read_data, NULL);
}
