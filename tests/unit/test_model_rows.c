/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model does row by row: which rows validate, what counts as right where something is NaN, by what a frozen
 * normalisation normalises. */
#include "model_data.h"

/* --- which rows validate ------------------------------------------------------------------------------------------------ */

static gradus_verdict first_batch(void *user, const gradus_progress *now) {
    *(int64_t *)user = now->batches;
    return GRADUS_STOP;
}

/* How many rows are trained on; -1 where the split is refused. */
static int64_t kept(gradus_model *m, int64_t rows, double split) {
    gradus_data *data;
    int64_t count = 0;
    const gradus_data_array arrays[] = {{inputs, GRADUS_F32, GRADUS_SHAPE(rows, FEATURES)},
                                        {labels, GRADUS_I32, GRADUS_SHAPE(rows)}};
    OK(gradus_data_arrays(arrays, 2, &data));
    const gradus_status status =
        gradus_model_fit(m, data, .batch_size = 1, .validation_split = split, .on_batch = first_batch, .user = &count);
    if (status && status != GRADUS_ERROR_ARGUMENT) fail_msg("%s", gradus_last_error());
    if (status) assert_non_null(strstr(gradus_last_error(), "both need 1"));
    gradus_data_destroy(&data);
    return status ? -1 : count;
}

/* A part is what it says in decimal, be it a double or a float: p/100 of the rows, rounded up. */
static void test_every_split(void **state) {
    (void)state;
    gradus_model *m = classifier(gradus_sgd());
    const int64_t some[] = {2, 3, 4, 5, 6, 7, 9, 10, 11, 20, 25, 30, 49, 50, 75};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        const int64_t n = some[i];
        for (int64_t p = 1; p < 100; p += i % 3 ? 1 : 7) {
            const int64_t left = n - (n * p + 99) / 100, expected = left ? left : -1;
            assert_int_equal(kept(m, n, (double)p / 100), expected);
            assert_int_equal(kept(m, n, (double)((float)p / 100)), expected);
            assert_int_equal(kept(m, n, 1 - (double)(100 - p) / 100), expected);
        }
        for (int64_t v = 1; v < n; v++) assert_int_equal(kept(m, n, (double)v / (double)n), n - v);
    }
    assert_int_equal(kept(m, 5, 0.8), 1);
    assert_int_equal(kept(m, 1, 0.5), -1);
    gradus_model_destroy(&m);
}

/* --- what counts as right ------------------------------------------------------------------------------------------------ */

/* Rows 3, 13, … have a NaN among the inputs and so in all predictions. */
static bool spoiled(int row) { return row % 10 == 3; }

static void check_nan(gradus_loss loss, unsigned metrics, int units, const void *y, gradus_dtype dtype,
                      const float *dense) {
    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(FEATURES));
    gradus_data *data = units == 1 || dtype == GRADUS_I32 ? data_of(y, dtype, GRADUS_SHAPE(ROWS))
                                                          : data_of(y, dtype, GRADUS_SHAPE(ROWS, units));
    gradus_scores s;
    float p[ROWS * CLASSES];
    gradus_model_add(m, gradus_layer_dense(.units = units));
    OK(gradus_model_compile(m, .loss = loss, .metrics = metrics, .top_k = 2));
    OK(gradus_model_evaluate_all(m, data, &s));
    OK(gradus_model_predict(m, data, p));
    double first = 0, top = 0, binary_right = 0;
    for (int r = 0; r < ROWS; r++) {
        assert_true(!isnan(p[r * units]) == !spoiled(r));
        if (spoiled(r)) continue;
        int wanted = 0, above = 0;
        for (int i = 0; i < units; i++) wanted = dense[r * units + i] > dense[r * units + wanted] ? i : wanted;
        for (int i = 0; i < units; i++) above += p[r * units + i] > p[r * units + wanted];
        for (int i = 0; i < units; i++)
            binary_right += (double)((p[r * units + i] > 0.5f) == (dense[r * units + i] > 0.5f)) / (ROWS * units);
        first += (double)(above == 0) / ROWS;
        top += (double)(above < 2) / ROWS;
    }
    const bool of_classes =
        loss == GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY || (units > 1 && loss != GRADUS_BINARY_CROSSENTROPY);
    for (size_t i = 0; i < s.metrics; i++) {
        double wanted = NAN;
        if (!strcmp(s.names[i], "accuracy")) wanted = of_classes ? first : binary_right;
        if (!strcmp(s.names[i], "binary_accuracy")) wanted = binary_right;
        if (!strcmp(s.names[i], "top_2_accuracy")) wanted = top;
        if (!(fabs(s.metric[i] - wanted) < 1e-6) && !(isnan(wanted) && isnan(s.metric[i])))
            fail_msg("loss %d, %s: %g instead of %g", (int)loss, s.names[i], s.metric[i], wanted);
    }
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
}

static void test_nan_is_never_right(void **state) {
    (void)state;
    const unsigned all = GRADUS_ACCURACY | GRADUS_BINARY_ACCURACY | GRADUS_TOP_K_ACCURACY | GRADUS_MSE | GRADUS_MAE;
    const unsigned binaries = all & ~(unsigned)GRADUS_TOP_K_ACCURACY;
    for (int r = 0; r < ROWS; r++)
        if (spoiled(r)) inputs[r * FEATURES + 2] = NAN;
    check_nan(GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY, GRADUS_ACCURACY | GRADUS_TOP_K_ACCURACY, CLASSES, labels,
              GRADUS_I32, one_hot);
    check_nan(GRADUS_CATEGORICAL_CROSSENTROPY, all, CLASSES, one_hot, GRADUS_F32, one_hot);
    check_nan(GRADUS_BINARY_CROSSENTROPY, binaries, 1, binary, GRADUS_F32, binary);
    check_nan(GRADUS_BINARY_CROSSENTROPY, binaries, CLASSES, one_hot, GRADUS_F32, one_hot);
    check_nan(GRADUS_MEAN_SQUARED_ERROR, all, 2, targets, GRADUS_F32, targets);
    check_nan(GRADUS_MEAN_ABSOLUTE_ERROR, binaries, 1, binary, GRADUS_F32, binary);
    fill_data();
}

/* The same of labels: a NaN label is of no row that is right. */
static void test_nan_labels(void **state) {
    (void)state;
    float values[2];
    for (int nan = 0; nan < 2; nan++) {
        for (int r = 0; r < ROWS; r++)
            for (int i = 0; i < CLASSES; i++) one_hot[r * CLASSES + i] = nan && i == r % CLASSES ? NAN : -1;
        gradus_data *data = data_of(one_hot, GRADUS_F32, GRADUS_SHAPE(ROWS, CLASSES));
        gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(FEATURES));
        gradus_model_add(m, gradus_layer_dense(.units = CLASSES, .kernel_init = gradus_zeros()));
        OK(gradus_model_compile(m, .loss = GRADUS_MEAN_SQUARED_ERROR, .metrics = GRADUS_BINARY_ACCURACY));
        OK(gradus_model_evaluate(m, data, NULL, &values[nan]));
        gradus_model_destroy(&m);
        gradus_data_destroy(&data);
    }
    assert_true(values[0] == 1 && fabs((double)values[1] - (CLASSES - 1.) / CLASSES) < 1e-6);
    fill_data();
}

/* --- frozen normalisation -------------------------------------------------------------------------------------------------- */

/* Its four states stay, and "train" normalises by the moving ones: its loss is that of "evaluate", before the step. */
static void test_a_frozen_batch_norm(void **state) {
    (void)state;
    gradus_data *data = class_data();
    static const char *const names[] = {"bn/gamma", "bn/beta", "bn/moving_mean", "bn/moving_variance"};
    const float given[][FEATURES] = {{1, 2, 3, 0.5f, 1}, {0.1f, 0, -0.1f, 0, 1}, {3, 2, 1, 0, -1}, {1, 4, 0.25f, 2, 1}};
    for (int frozen = 0; frozen < 2; frozen++) {
        gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(FEATURES));
        gradus_model_add(m, gradus_layer_batch_norm(.name = "bn", .frozen = frozen));
        gradus_model_add(m, gradus_layer_dense(.units = CLASSES));
        OK(gradus_model_compile(m, .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY, .max_batch = ROWS));
        gradus_program *p = gradus_model_program(m);
        for (int i = 0; i < 4; i++) OK(gradus_program_write(p, names[i], given[i], sizeof given[i]));
        gradus_history history = {0};
        float loss, now[FEATURES];
        OK(gradus_model_evaluate(m, data, &loss, NULL));
        OK(gradus_model_fit(m, data, .batch_size = ROWS, .no_shuffle = true, .history = &history));
        assert_true(((float)history.loss[0] == loss) == frozen);
        for (int i = 0; i < 4; i++) {
            OK(gradus_program_read(p, names[i], now, sizeof now));
            assert_true((memcmp(now, given[i], sizeof now) == 0) == frozen);
        }
        gradus_history_free(&history);
        gradus_model_destroy(&m);
    }
    gradus_data_destroy(&data);
}

/* In a graph of one's own: no attached update, whatever the axis, and derivatives that take the statistics as given. */
static void test_frozen_statistics_of_a_graph(void **state) {
    (void)state;
    for (int axis = 1; axis < 3; axis++) {
        gradus_graph *g = gradus_graph_create();
        gradus_program *p = NULL;
        gradus_tensor x = gradus_input(g, "x", GRADUS_F64, GRADUS_SHAPE(GRADUS_BATCH, 2, 2));
        gradus_tensor y =
            gradus_batch_norm(x, .axis = axis, .epsilon = GRADUS_ZERO, .name = "bn", .frozen_statistics = true);
        gradus_tensor dx = gradus_gradient(gradus_square(y), x);
        gradus_define_with(g, "f", GRADUS_TENSORS(x), GRADUS_TENSORS(y, dx), GRADUS_NO_UPDATES,
                           .mode = GRADUS_TRAINING);
        OK(gradus_jit(g, gradus_compile_options(.max_batch = 2), &p));
        OK(gradus_program_init(p, 0));
        const double mean[] = {1, -2}, variance[] = {4, 0.25};
        double xs[8], ys[8], dxs[8], after[2];
        for (int i = 0; i < 8; i++) xs[i] = i * i - 3;
        OK(gradus_program_write(p, "bn/moving_mean", mean, sizeof mean));
        OK(gradus_program_write(p, "bn/moving_variance", variance, sizeof variance));
        OK(gradus_call(p, "f", 2, GRADUS_INPUTS(xs), GRADUS_OUTPUTS(ys, dxs)));
        for (int i = 0; i < 8; i++) {
            const int c = axis == 2 ? i % 2 : i / 2 % 2;
            const double scale = 1 / sqrt(variance[c]), expected = (xs[i] - mean[c]) * scale;
            assert_true(ys[i] == expected && dxs[i] == 2 * expected * scale);
        }
        OK(gradus_program_read(p, "bn/moving_mean", after, sizeof after));
        assert_memory_equal(after, mean, sizeof mean);
        OK(gradus_program_read(p, "bn/moving_variance", after, sizeof after));
        assert_memory_equal(after, variance, sizeof variance);
        gradus_program_destroy(&p);
        gradus_graph_destroy(&g);
    }
}

static int begin(void **state) {
    (void)state;
    fill_data();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_nan_is_never_right),
        cmocka_unit_test(test_nan_labels),
        cmocka_unit_test(test_a_frozen_batch_norm),
        cmocka_unit_test(test_frozen_statistics_of_a_graph),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
