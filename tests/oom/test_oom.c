/* SPDX-License-Identifier: Apache-2.0
 * Each scenario runs again and again: its first allocation fails, then its second, … until none does.  Every time it must
 * end with an error, leave nothing allocated, and work afterwards. */
#include "tests/cmocka_all.h"

#include <gradus/gradus.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct {
    long countdown; /* allocations until the one that fails; never if negative */
    long live;
} heap;

static void *reallocate(void *user, void *memory, size_t bytes) {
    (void)user;
    if (!bytes) {
        if (memory) heap.live--;
        free(memory);
        return NULL;
    }
    if (heap.countdown >= 0 && heap.countdown-- == 0) return NULL;
    void *made = realloc(memory, bytes);
    if (made && !memory) heap.live++;
    return made;
}

static gradus_status halve(const gradus_custom_call *c) {
    for (int64_t i = 0; i < c->shapes[1].d[1] * 7; i++) ((float *)c->outputs[0])[i] = ((const float *)c->inputs[0])[i] / 2;
    return GRADUS_OK;
}

/* The function of one's own, once by its signature, once by a struct. */
static void quarter(const float *x0, float *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = x0[i] / 4;
}

static void quarter_backward(const float *x0, const float *dy, float *dx0, int64_t n) { quarter(dy, dx0, n + 0 * (x0 == dy)); }

static gradus_tensor own(gradus_tensor x) {
    gradus_tensor y = gradus_custom(GRADUS_TENSORS(x), .function = GRADUS_FUNCTION(quarter), .backward = GRADUS_FUNCTION(quarter_backward),
                                    .signature = "void quarter(const float *x0, float *y, int64_t n)");
    return gradus_add(y, gradus_custom(GRADUS_TENSORS(gradus_stop_gradient(gradus_like(x, 1))), .run = halve, .symbol = "halve"));
}

/* A small classifier with everything that builders, autodiff and optimizers do for one. */
static gradus_graph *build(void) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 5));
    gradus_tensor y = gradus_input(g, "y", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH));
    gradus_tensor h = gradus_dense(x, .units = 7, .activation = GRADUS_RELU, .name = "fc1");
    gradus_tensor noise = gradus_random_normal(g, GRADUS_F32, GRADUS_SHAPE(7));
    gradus_tensor z = gradus_dense(gradus_add(own(h), noise), .units = 3, .name = "fc2");
    gradus_tensor loss = gradus_mean(gradus_softmax_cross_entropy(z, y), GRADUS_ALL_AXES, false);
    gradus_tensors params = gradus_params(g, NULL), norm_of = gradus_gradients(loss, params);
    gradus_tensor norm;
    gradus_tensors clipped = gradus_clip_global_norm(norm_of, 1.0, &norm);
    gradus_updates step = gradus_apply(gradus_adam(), params, clipped);
    gradus_define(g, "train", GRADUS_TENSORS(x, y), GRADUS_TENSORS(loss, norm), step);
    gradus_define(g, "predict", GRADUS_TENSORS(x), GRADUS_TENSORS(gradus_softmax(z, -1)), GRADUS_NO_UPDATES);
    return g;
}

static gradus_status building(void) {
    gradus_graph *g = build();
    gradus_status status = gradus_graph_status(g);
    gradus_graph_destroy(&g);
    assert_null(g);
    return status;
}

/* Layers with names, states and updates of their own, a schedule, clipping of each gradient. */
static gradus_status building_layers(void) {
    const gradus_tensor none = {0};
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH));
    gradus_tensor h = gradus_embedding(x, .rows = 5, .units = 4, .init = gradus_truncated_normal(0, 1));
    h = gradus_dropout(gradus_layer_norm(gradus_batch_norm(h), none, none), 0.5);
    gradus_tensor loss = gradus_mean(gradus_square(h), GRADUS_ALL_AXES, false);
    gradus_tensor rate = gradus_cosine_decay(g, .decay_steps = 100, .warmup_steps = 10);
    gradus_tensors params = gradus_params(g, NULL), clipped = gradus_clip_norm(gradus_gradients(loss, params), 1);
    gradus_define(g, "train", GRADUS_TENSORS(x), GRADUS_TENSORS(loss),
                  gradus_apply(gradus_sgd(.rate = rate), params, gradus_clip_value(clipped, 0.5)));
    gradus_status status = gradus_graph_status(g);
    gradus_graph_destroy(&g);
    return status;
}

static gradus_status running(void) {
    static const float xs[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    static const int32_t ys[2] = {0, 2};
    gradus_graph *g = build();
    gradus_program *p = NULL, *q = NULL;
    float loss = 0, norm = 0;
    gradus_status status = gradus_jit(g, gradus_compile_options(.max_batch = 2, .threads = 1), &p);
    if (!status) status = gradus_program_init(p, 7);
    if (!status) status = gradus_program_share(p, &q);
    if (!status) status = gradus_call(q, "train", 2, GRADUS_INPUTS(xs, ys), GRADUS_OUTPUTS(&loss, &norm));
    gradus_program_destroy(&p);
    gradus_program_destroy(&q);
    gradus_graph_destroy(&g);
    return status;
}

/* A call that fails, and has to allocate to say why. */
static gradus_status explaining(void) {
    static const float xs[10] = {1, 2, 3, 4, NAN, 6, 7, 8, 9, 10};
    static const int32_t ys[2] = {0, 2};
    gradus_graph *g = build();
    gradus_program *p = NULL;
    float loss = 0, norm = 0;
    gradus_status status = gradus_jit(g, gradus_compile_options(.max_batch = 2, .threads = 1, .check_nan = true), &p);
    if (!status) status = gradus_program_init(p, 7);
    if (!status) {
        status = gradus_call(p, "train", 2, GRADUS_INPUTS(xs, ys), GRADUS_OUTPUTS(&loss, &norm));
        assert_int_equal(status, GRADUS_ERROR_NAN);
        status = strstr(gradus_last_error(), "out of memory") ? GRADUS_ERROR_MEMORY : GRADUS_OK;
    }
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
    return status;
}

/* A model from the first layer to its predictions. */
static gradus_status fitting(void) {
    static const float xs[20] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, -2, 3, -4, 5, -6, 7, -8, 9, -10};
    static const int32_t ys[4] = {0, 2, 1, 1};
    static const gradus_data_array arrays[] = {{xs, GRADUS_F32, {{2, 4, 5}}}, {ys, GRADUS_I32, {{1, 4}}}};
    gradus_data *data = NULL;
    gradus_history history = {0};
    float loss, accuracy, probabilities[12];
    gradus_status status = gradus_data_arrays(arrays, 2, &data);
    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(5));
    gradus_model_add(m, gradus_layer_dense(.units = 4, .activation = GRADUS_RELU));
    gradus_model_add(m, gradus_layer_dense(.units = 3));
    gradus_model_compile(m, .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY, .metrics = GRADUS_ACCURACY, .threads = 1);
    if (!status) {
        status = gradus_model_fit(m, data, .epochs = 2, .batch_size = 3, .validation_split = 0.25, .restore_best = true,
                                  .history = &history);
    }
    if (!status) status = gradus_model_evaluate(m, data, &loss, &accuracy);
    if (!status) status = gradus_model_predict(m, data, probabilities);
    gradus_history_free(&history);
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
    return status;
}

static gradus_status reading(void) {
    gradus_data *data = NULL, *first = NULL, *second = NULL;
    gradus_batches *batches = NULL;
    gradus_batch b;
    gradus_status status = gradus_data_idx(MNIST_DIR "/t10k-labels-idx1-ubyte.gz", NULL, NULL, &data);
    if (!status) status = gradus_data_split(data, 0.5, 1, &first, &second);
    if (!status) status = gradus_batches_create(first, gradus_batch_options(.batch_size = 64), &batches);
    if (!status) assert_true(gradus_batches_next(batches, &b));
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&second);
    gradus_data_destroy(&first);
    gradus_data_destroy(&data);
    return status;
}

static void check(gradus_status (*scenario)(void)) {
    gradus_set_allocator(reallocate, NULL);
    long n = 0;
    for (;; n++) {
        heap.countdown = n;
        gradus_status status = scenario();
        bool spared = heap.countdown >= 0; /* it needed fewer allocations */
        heap.countdown = -1;
        if (heap.live) fail_msg("allocation %ld failed, and %ld were left", n, heap.live);
        if (spared) {
            assert_int_equal(status, GRADUS_OK);
            break;
        }
        if (!status) fail_msg("allocation %ld failed, and nobody noticed", n);
        if (n % 16 == 0) assert_int_equal(scenario(), GRADUS_OK);
    }
    assert_true(n > 0);
    gradus_set_allocator(NULL, NULL);
}

static void test_building(void **state) {
    (void)state;
    check(building);
    check(building_layers);
}

static void test_running(void **state) {
    (void)state;
    check(running);
}

static void test_explaining(void **state) {
    (void)state;
    check(explaining);
}

static void test_fitting(void **state) {
    (void)state;
    check(fitting);
}

static void test_reading(void **state) {
    (void)state;
    check(reading);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_building),
        cmocka_unit_test(test_running),
        cmocka_unit_test(test_explaining),
        cmocka_unit_test(test_fitting),
        cmocka_unit_test(test_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
