/* SPDX-License-Identifier: Apache-2.0
 * Dropout, layer normalisation, embeddings and the truncated normal distribution: what they mean, their derivatives,
 * compiled code against the evaluator, and what users are told. */
#include "layer_tests.h"

#include <stdlib.h>

/* --- dropout ------------------------------------------------------------------------------------------------------- */

enum { COLUMNS = 1000, ROWS = 8 };

static void drop(gradus_program *p, const char *how, const float *x, float *y, float *dx) {
    OK(gradus_call(p, how, ROWS, GRADUS_INPUTS(x), GRADUS_OUTPUTS(y, dx)));
}

static void test_dropout_draws(void **state) {
    (void)state;
    static float x[ROWS * COLUMNS], y[ROWS * COLUMNS], dx[ROWS * COLUMNS], again[ROWS * COLUMNS];
    const double rate = 0.3;
    const float scale = (float)(1 / (1 - rate));
    for (int i = 0; i < ROWS * COLUMNS; i++) x[i] = i % 100 == 7 ? INFINITY : (float)(i + 1);
    gradus_tensor in = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, COLUMNS));
    gradus_tensor out = gradus_dropout(in, rate);
    gradus_tensors outputs = GRADUS_TENSORS(out, gradus_gradient(out, in));
    OK(gradus_define_with(g, "train", GRADUS_TENSORS(in), outputs, GRADUS_NO_UPDATES, .mode = GRADUS_TRAINING));
    OK(gradus_define(g, "predict", GRADUS_TENSORS(in), outputs, GRADUS_NO_UPDATES));
    gradus_program *p = compiled();
    OK(gradus_program_init(p, 5));
    drop(p, "train", x, y, dx);
    int kept = 0, infinite = 0;
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        if (dx[i] != 0) assert_true(dx[i] == scale && y[i] == x[i] * scale);
        else assert_true(y[i] == 0); /* where x is infinite, too */
        kept += dx[i] != 0;
        infinite += dx[i] == 0 && isinf(x[i]);
    }
    const double n = ROWS * COLUMNS, deviation = sqrt(n * rate * (1 - rate));
    assert_true(fabs(kept - n * (1 - rate)) < 4 * deviation && infinite > 0);
    drop(p, "train", x, again, dx);
    assert_memory_not_equal(y, again, sizeof y);
    OK(gradus_program_reseed(p, 5));
    drop(p, "train", x, again, dx);
    assert_memory_equal(y, again, sizeof y);

    drop(p, "predict", x, again, dx);
    assert_memory_equal(x, again, sizeof x);
    for (int i = 0; i < ROWS * COLUMNS; i++) assert_true(dx[i] == 1);
    gradus_entry_info info;
    OK(gradus_program_entry(p, 0, &info));
    assert_true(info.writes_state);
    OK(gradus_program_entry(p, 1, &info));
    assert_false(info.writes_state); /* nothing was drawn */
    gradus_program_destroy(&p);
}

static void test_dropout_compiled(void **state) {
    (void)state;
    for (int k = 0; k < 2; k++) {
        begin(NULL);
        gradus_tensor x = given("x", k ? GRADUS_F64 : GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 19));
        gradus_tensor y = gradus_dropout(gradus_tanh(gradus_dropout(x, 0.25)), 0.5); /* two masks */
        gradus_tensors outputs = GRADUS_TENSORS(y, gradus_gradient(y, x));
        OK(gradus_define_with(g, "train", GRADUS_TENSORS(x), outputs, GRADUS_NO_UPDATES, .mode = GRADUS_TRAINING));
        OK(gradus_define(g, "predict", GRADUS_TENSORS(x), outputs, GRADUS_NO_UPDATES));
        compare_compiled("dropout");
        gradus_graph_destroy(&g);
    }
}

static void test_dropout_errors(void **state) {
    (void)state;
    static const double wrong[] = {-0.1, 1, 1.5, NAN, INFINITY};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_failed(gradus_dropout(given("x", GRADUS_F32, GRADUS_SHAPE(3)), wrong[i]), "dropout: the rate is");
    assert_failed(gradus_dropout(given("x", GRADUS_I32, GRADUS_SHAPE(3)), 0.5), "right are f32 or f64");
    gradus_tensor x = given("x", GRADUS_F32, GRADUS_SHAPE(3));
    assert_int_equal(gradus_dropout(x, 0).id, x.id);
}

/* --- layer_norm ---------------------------------------------------------------------------------------------------- */

typedef struct {
    gradus_shape shape;
    gradus_axes axes; /* {0}: the last */
    int reduced;      /* how many axes from the end that are */
    bool gamma, beta;
    double epsilon; /* 0: the default */
} norm_case;

static const norm_case norm_cases[] = {
    {{{1, 7}}, {{0}}, 1, true, true, 0},
    {{{2, GRADUS_BATCH, 5}}, {{0}}, 1, true, true, 0},
    {{{2, GRADUS_BATCH, 5}}, {{1, 1}}, 1, true, false, 0.5},
    {{{2, 4, 9}}, {{0}}, 1, false, true, 0},
    {{{3, GRADUS_BATCH, 2, 17}}, {{0}}, 1, false, false, 0},
    {{{3, GRADUS_BATCH, 3, 4}}, {{2, -1, 1}}, 2, true, true, 0},
    {{{5, 2, GRADUS_BATCH, 2, 2, 3}}, {{3, 2, 3, 4}}, 3, true, true, 1e-2},
};

static gradus_tensor norm_of(const norm_case *c, gradus_dtype dtype, gradus_tensor *x, gradus_tensor *gamma,
                             gradus_tensor *beta) {
    gradus_shape last = {{c->reduced}};
    for (int i = 1; i <= c->reduced; i++) last.d[i] = c->shape.d[c->shape.d[0] - c->reduced + i];
    *x = given("x", dtype, c->shape);
    *gamma = c->gamma ? given("gamma", dtype, last) : (gradus_tensor){0};
    *beta = c->beta ? given("beta", dtype, last) : (gradus_tensor){0};
    if (!c->axes.d[0] && c->epsilon == 0) return gradus_layer_norm(*x, *gamma, *beta);
    return gradus_layer_norm_with(*x, *gamma, *beta, .axes = c->axes, .epsilon = c->epsilon);
}

static void check_norm_values(const norm_case *c, gradus_tensor y, gradus_tensor x, gradus_tensor gamma,
                              gradus_tensor beta) {
    array got;
    evaluate_nodes(g, 3, &y.id, 1, &got);
    const array *of = &values_of[x.id];
    int64_t n = 1;
    for (int i = 0; i < c->reduced; i++) n *= of->shape.d[of->shape.d[0] - i];
    for (int64_t row = 0; row < size_of(&of->shape); row += n) {
        double mean = 0, variance = 0;
        for (int64_t i = 0; i < n; i++) mean += element(of, row + i) / (double)n;
        for (int64_t i = 0; i < n; i++) variance += pow(element(of, row + i) - mean, 2) / (double)n;
        for (int64_t i = 0; i < n; i++) {
            double expected = (element(of, row + i) - mean) / sqrt(variance + (c->epsilon ? c->epsilon : 1e-5));
            if (gamma.id) expected *= element(&values_of[gamma.id], i);
            if (beta.id) expected += element(&values_of[beta.id], i);
            if (!(fabs(element(&got, row + i) - expected) <= 1e-12))
                fail_msg("element %lld: %.17g instead of %.17g", (long long)(row + i), element(&got, row + i),
                         expected);
        }
    }
}

GUARDED_TEST(layer_norm_means) {
    for (size_t k = 0; k < sizeof norm_cases / sizeof *norm_cases; k++) {
        begin(NULL);
        gradus_tensor x, gamma, beta, y = norm_of(&norm_cases[k], GRADUS_F64, &x, &gamma, &beta);
        if (g->status) fail_msg("%s", g->error);
        check_norm_values(&norm_cases[k], y, x, gamma, beta);
        /* first derivatives, then those of the derivative with respect to x */
        uint32_t of[3] = {x.id}, count = 1;
        if (gamma.id) of[count++] = gamma.id;
        if (beta.id) of[count++] = beta.id;
        const uint32_t sum = weighted_sum_of(g, y.id, 3);
        assert_true(check_gradients(g, 3, "layer_norm", sum, of, count, 1e-3, 1e-7) > 0.1);
        uint32_t dx;
        autodiff_gradients(g, "test", sum, of, 1, &dx);
        assert_true(check_gradients(g, 3, "its derivative", weighted_sum_of(g, dx, 3), of, 1, 1e-3, 1e-6) > 0.01);
        gradus_graph_destroy(&g);
    }
    begin(NULL);
}

static void test_layer_norm_compiled(void **state) {
    (void)state;
    for (size_t k = 0; k < 2 * sizeof norm_cases / sizeof *norm_cases; k++) {
        begin(NULL);
        gradus_tensor x, gamma, beta,
            y = norm_of(&norm_cases[k / 2], k % 2 ? GRADUS_F64 : GRADUS_F32, &x, &gamma, &beta);
        gradus_tensor in[3] = {x}, out[4] = {y};
        size_t count = 1;
        if (gamma.id) in[count++] = gamma;
        if (beta.id) in[count++] = beta;
        gradus_tensors slopes = gradus_gradients(gradus_square(y), gradus_list(in, count));
        for (size_t i = 0; i < count; i++) out[1 + i] = slopes.items[i];
        OK(gradus_define(g, "run", gradus_list(in, count), gradus_list(out, 1 + count), GRADUS_NO_UPDATES));
        compare_compiled("layer_norm");
        gradus_graph_destroy(&g);
    }
}

static void test_layer_norm_errors(void **state) {
    (void)state;
    const gradus_tensor none = {0};
    const gradus_shape s = GRADUS_SHAPE(4, 3);
    assert_failed(gradus_layer_norm(given("x", GRADUS_I32, s), none, none), "right are f32 or f64");
    assert_failed(gradus_layer_norm(given("x", GRADUS_F32, s), given("c", GRADUS_F32, GRADUS_SHAPE(4)), none),
                  "layer_norm: gamma is f32 (4); right is f32 (3)");
    assert_failed(gradus_layer_norm(given("x", GRADUS_F32, s), none, given("c", GRADUS_F64, GRADUS_SHAPE(3))),
                  "layer_norm: beta is f64 (3); right is f32 (3)");
    assert_failed(gradus_layer_norm(given("x", GRADUS_F32, GRADUS_SCALAR), none, none), "axis -1 of a scalar");
    assert_failed(gradus_layer_norm_with(given("x", GRADUS_F32, s), none, none, .axes = GRADUS_AXES(2)),
                  "axis 2 of a tensor of rank 2");
    assert_failed(gradus_layer_norm_with(given("x", GRADUS_F32, s), none, none, .epsilon = -1), ".epsilon is -1");
    assert_failed(gradus_layer_norm_with(given("x", GRADUS_F32, s), none, none, .epsilon = NAN), ".epsilon is nan");
}

/* --- embedding ----------------------------------------------------------------------------------------------------- */

GUARDED_TEST(embedding_looks_up) {
    gradus_tensor i = given("i", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH, 2));
    gradus_tensor y = gradus_embedding(i, .rows = 5, .units = 4, .dtype = GRADUS_F64);
    gradus_tensor second = gradus_embedding(i, .rows = 5, .units = 4),
                  named = gradus_embedding(i, .rows = 2, .units = 1, .name = "words");
    gradus_tensor table = gradus_find(g, "embedding/embedding");
    gradus_tensor shared = gradus_embedding(i, .table = table);
    gradus_find(g, "embedding_2/embedding");
    gradus_find(g, "words/embedding");
    if (g->status) fail_msg("%s", g->error);
    assert_int_equal(gradus_dtype_of(second), GRADUS_F32);
    assert_int_equal(gradus_shape_of(named).d[3], 1);
    assert_int_equal(gradus_params(g, NULL).count, 3);

    const int32_t rows[] = {4, 0, 2, 2, 1, 4}; /* some twice, one never */
    for (int k = 0; k < 6; k++) set(&values_of[i.id], k, (scalar){.i32 = rows[k]});
    values_of[table.id] = grid(GRADUS_SHAPE(5, 4), -1, 1, 0.2);
    array got[2];
    evaluate_nodes(g, 3, (uint32_t[]){y.id, shared.id}, 2, got);
    for (int k = 0; k < 24; k++) {
        assert_true(element(&got[0], k) == element(&values_of[table.id], rows[k / 4] * 4 + k % 4));
        assert_true(element(&got[1], k) == element(&got[0], k));
    }
    const uint32_t sum = weighted_sum_of(g, build_op2(g, OP_mul, y.id, shared.id), 3);
    assert_true(check_gradients(g, 3, "embedding", sum, &table.id, 1, 1e-3, 1e-8) > 0.1);
}

static void test_embedding_compiled(void **state) {
    (void)state;
    gradus_tensor i = gradus_input(g, "i", GRADUS_I64, GRADUS_SHAPE(GRADUS_BATCH, 2));
    gradus_tensor loss = gradus_sum(gradus_square(gradus_embedding(i, .rows = 3, .units = 17)), GRADUS_ALL_AXES, false);
    OK(gradus_define(g, "train", GRADUS_TENSORS(i), GRADUS_TENSORS(loss), gradus_minimize(loss, gradus_sgd())));
    compare_compiled("embedding");
    gradus_program *p = compiled();
    OK(gradus_program_init(p, 1));
    float table[3 * 17], loss_value;
    OK(gradus_program_read(p, "embedding/embedding", table, sizeof table));
    for (int k = 0; k < 3 * 17; k++) assert_true(fabsf(table[k]) <= 0.05f && table[k] != table[(k + 1) % (3 * 17)]);
    const int64_t wrong[] = {0, 3};
    assert_int_equal(gradus_call(p, "train", 1, GRADUS_INPUTS(wrong), GRADUS_OUTPUTS(&loss_value)),
                     GRADUS_ERROR_ARGUMENT);
    assert_non_null(strstr(gradus_last_error(), "embedding: index 3"));
    gradus_program_destroy(&p);
}

static void test_embedding_errors(void **state) {
    (void)state;
    const gradus_shape s = GRADUS_SHAPE(2);
    assert_failed(gradus_embedding(given("i", GRADUS_F32, s), .rows = 1, .units = 1), "right are i32 or i64");
    assert_failed(gradus_embedding(given("i", GRADUS_I32, s), .units = 1), "embedding: .rows is 0 and .units 1");
    assert_failed(gradus_embedding(given("i", GRADUS_I32, s), .rows = 3, .units = -1), ".units -1");
    assert_failed(
        gradus_embedding(given("i", GRADUS_I32, s), .rows = 3, .table = given("t", GRADUS_F32, GRADUS_SHAPE(2, 4))),
        ".table is f32 (2, 4); right is f32 (3, 4)");
    assert_failed(gradus_embedding(given("i", GRADUS_I32, s), .table = given("t", GRADUS_F32, s)),
                  ".table is f32 (2); right is (rows, units)");
    assert_failed(gradus_embedding(given("i", GRADUS_I32, s), .rows = 3, .units = 2, .dtype = GRADUS_I32), "param");
}

/* --- the truncated normal distribution --------------------------------------------------------------------------- */

enum { DRAWN = 20000 };

static double drawn[DRAWN];

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double phi(double z) { return 0.5 * erfc(-z * sqrt(0.5)); }

/* Kolmogorov's distance from the distribution function, below what one sample in a million exceeds. */
static void check_truncated(void) {
    qsort(drawn, DRAWN, sizeof *drawn, ascending);
    assert_true(drawn[0] >= -2 && drawn[0] < -1.99 && drawn[DRAWN - 1] <= 2 && drawn[DRAWN - 1] > 1.99);
    assert_true(drawn[2] > -2 && drawn[DRAWN - 3] < 2); /* they are not what was clipped */
    for (int i = 0; i < DRAWN; i++) {
        const double expected = (phi(drawn[i]) - phi(-2)) / (phi(2) - phi(-2));
        assert_true(fabs(expected - (i + 0.5) / DRAWN) < 2.7 / sqrt(DRAWN));
    }
}

static void test_truncated_normal(void **state) {
    (void)state;
    static float floats[DRAWN];
    gradus_tensor a = gradus_param(g, "a", GRADUS_F64, GRADUS_SHAPE(DRAWN), gradus_truncated_normal(0, 1));
    gradus_tensor b = gradus_param(g, "b", GRADUS_F32, GRADUS_SHAPE(DRAWN), gradus_truncated_normal(-8, 0.5));
    OK(gradus_define(g, "look", GRADUS_NO_TENSORS, GRADUS_TENSORS(a, b), GRADUS_NO_UPDATES));
    gradus_program *p = compiled();
    OK(gradus_program_init(p, 3));
    OK(gradus_program_read(p, "a", drawn, sizeof drawn));
    check_truncated();
    OK(gradus_program_read(p, "b", floats, sizeof floats));
    for (int i = 0; i < DRAWN; i++) drawn[i] = ((double)floats[i] + 8) / 0.5;
    check_truncated();
    gradus_program_destroy(&p);
    assert_failed(gradus_param(g, "c", GRADUS_F32, GRADUS_SHAPE(2), gradus_truncated_normal(0, -1)),
                  "gradus_truncated_normal with a standard deviation of -1");
    assert_failed(gradus_state(g, "c", GRADUS_I32, GRADUS_SHAPE(2), gradus_truncated_normal(0, 1)), "of dtype i32");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_dropout_draws),    TEST(test_dropout_compiled),    TEST(test_dropout_errors),
        TEST(layer_norm_means),      TEST(test_layer_norm_compiled), TEST(test_layer_norm_errors),
        TEST(embedding_looks_up),    TEST(test_embedding_compiled),  TEST(test_embedding_errors),
        TEST(test_truncated_normal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
