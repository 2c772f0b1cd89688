/* SPDX-License-Identifier: Apache-2.0
 * Variance, layer and batch normalisation of what plain sums lose: equal elements, small differences of large numbers, numbers
 * whose squares overflow or underflow; in f32 and f64, along rows and columns. */
#include "constant_graph.h"

enum { LONGEST = 100000 };

static const gradus_dtype dtypes[] = {GRADUS_F32, GRADUS_F64};
static double numbers[LONGEST];
static arena scratch;

/* x as n elements along axis 0 or the last one of a matrix, or both axes. */
typedef enum { ROW, COLUMN, BLOCK, LAYOUTS } layout;

static gradus_tensor arranged(gradus_dtype dtype, layout how, int64_t n, const double *x) {
    const gradus_shape shapes[] = {GRADUS_SHAPE(1, n), GRADUS_SHAPE(n, 1),
                                   GRADUS_SHAPE(n % 2 ? 1 : 2, n % 2 ? n : n / 2, 1)};
    gradus_tensor t = gradus_constant(g, GRADUS_F64, shapes[how], x, (size_t)n * sizeof *x);
    return dtype == GRADUS_F64 ? t : gradus_cast(t, dtype);
}

static gradus_axes axes_of(layout how) {
    return how == ROW ? GRADUS_AXES(1) : how == COLUMN ? GRADUS_AXES(0) : GRADUS_AXES(0, 1);
}

static gradus_tensor layer(gradus_tensor x, layout how, double epsilon) {
    return gradus_layer_norm_with(x, (gradus_tensor){0}, (gradus_tensor){0}, .axes = axes_of(how), .epsilon = epsilon);
}

/* Over columns the last axis is the channels; rows have theirs at the first. */
static gradus_tensor batch(gradus_tensor x, layout how, double epsilon) {
    return gradus_batch_norm(x, .axis = how == ROW ? -2 : -1, .epsilon = epsilon, .beta_init = gradus_fill(0.5));
}

static double only(gradus_tensor x) {
    double value;
    assert_int_equal(values(x, 1, &value), 1);
    return value;
}

static double largest(gradus_tensor x) { return only(gradus_max(gradus_abs(x), GRADUS_ALL_AXES, false)); }

static void assert_close(const char *what, double got, double expected, double tolerance) {
    if (!(fabs(got - expected) <= tolerance * fabs(expected)) && !(got == expected))
        fail_msg("%s: %.17g instead of %.17g", what, got, expected);
}

static void check_equal(gradus_dtype dtype, layout how, int64_t n, double value, double epsilon) {
    make_graph(NULL);
    for (int64_t i = 0; i < n; i++) numbers[i] = value;
    gradus_tensor x = arranged(dtype, how, n, numbers), y = layer(x, how, epsilon);
    const double norm = largest(y), variance = largest(gradus_var(x, axes_of(how), false));
    const double slope = largest(gradus_gradient(gradus_add(gradus_square(y), y), x));
    if (norm != 0 || variance != 0 || !isfinite(slope))
        fail_msg("%lld times %g, %s: layer_norm gives %g, var %g", (long long)n, value, gradus_dtype_name(dtype), norm,
                 variance);
    free_graph(NULL);
}

static void test_equal_elements(void **state) {
    (void)state;
    static const int64_t lengths[] = {1, 3, 454, 1000, LONGEST};
    static const double of[] = {5000.3, 3.3e15, 1e30, -1e-30, 0.1, 0, -7.7e37};
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
            for (size_t v = 0; v < sizeof of / sizeof *of; v++)
                for (layout how = ROW; how < (lengths[i] == LONGEST ? COLUMN + (v < 2) : LAYOUTS); how++) {
                    check_equal(dtypes[k], how, lengths[i], of[v], 1e-5);
                    if (lengths[i] == 3) check_equal(dtypes[k], how, lengths[i], of[v], GRADUS_ZERO);
                }
}

/* The param or state of that name, with its first value. */
static void bind_first(void *user, uint32_t id, const node *n, array *out) {
    (void)user, (void)id;
    if (n->op == OP_training) {
        *(uint8_t *)out->data = 1;
        return;
    }
    const bool ones = strstr(n->attr.name, "gamma") || strstr(n->attr.name, "variance");
    const double first = ones ? 1 : strstr(n->attr.name, "beta") ? 0.5 : 0;
    for (int64_t i = 0; i < shape_elements(&out->shape); i++) {
        const scalar s = scalar_from_double(out->dtype, first);
        memcpy((char *)out->data + (size_t)i * gradus_dtype_size(out->dtype), &s, gradus_dtype_size(out->dtype));
    }
}

/* y of batch normalisation, and what the running statistics become. */
static void run_batch(gradus_tensor y, array out[3]) {
    if (gradus_graph_status(g)) fail_msg("%s", gradus_graph_error(g));
    assert_int_equal(g->attached.count, 2);
    const uint32_t ids[] = {y.id, g->attached.items[0].update.value, g->attached.items[1].update.value};
    entry e = {.name = "e", .outputs = ids, .n_outputs = 3};
    guard here;
    gradus_status status = GRADUS_ERROR_MEMORY;
    if (GUARDED(&here)) {
        status =
            evaluate_entry(g, &e, &(evaluation){.batch = 1, .bind = bind_first, .memory = &scratch, .outputs = out});
        guard_leave(&here);
    }
    if (status) fail_msg("%s", gradus_last_error());
}

static double element(const array *a, int64_t i) {
    scalar s = {.bits = 0};
    memcpy(&s, (const char *)a->data + (size_t)i * gradus_dtype_size(a->dtype), gradus_dtype_size(a->dtype));
    return scalar_to_double(a->dtype, s);
}

static void test_equal_in_batches(void **state) {
    (void)state;
    static const double of[] = {5000.3, 3.3e15, -1e-30, 1e30};
    for (int k = 0; k < 2; k++)
        for (size_t v = 0; v < sizeof of / sizeof *of; v++)
            for (int64_t n = 1; n <= LONGEST; n *= n == 1 ? 454 : 1000) {
                make_graph(NULL);
                for (int64_t i = 0; i < n; i++) numbers[i] = of[v];
                array out[3];
                run_batch(batch(arranged(dtypes[k], COLUMN, n, numbers), COLUMN, 1e-3), out);
                for (int64_t i = 0; i < n; i++)
                    if (element(&out[0], i) != 0.5)
                        fail_msg("%lld times %g gives %g", (long long)n, of[v], element(&out[0], i));
                assert_close("moving_mean", element(&out[1], 0), 0.01 * of[v], 1e-6);
                assert_close("moving_variance", element(&out[2], 0), 0.99, 1e-6);
                arena_free(&scratch);
                free_graph(NULL);
            }
}

/* Rows, their variance and what they are normalised to, with epsilon 0. */
static const double steps[] = {-1.3416407864998738, -0.44721359549995793, 0.44721359549995793, 1.3416407864998738};
static const struct {
    gradus_dtype dtype;
    double x[4], variance;
} exact[] = {
    {GRADUS_F32, {1e8, 1e8 + 8, 1e8 + 16, 1e8 + 24}, 80},
    {GRADUS_F64, {1e8, 1e8 + 8, 1e8 + 16, 1e8 + 24}, 80},
    {GRADUS_F64, {1e16, 1e16 + 2, 1e16 + 4, 1e16 + 6}, 5},
    {GRADUS_F32, {16777216, 16777218, 16777220, 16777222}, 5},
    {GRADUS_F32, {-1e8 - 24, -1e8 - 16, -1e8 - 8, -1e8}, 80},
    {GRADUS_F32, {1, 2, 3, 4}, 1.25},
    {GRADUS_F32, {1e30, 2e30, 3e30, 4e30}, INFINITY},
    {GRADUS_F32, {-1.5e38, -0.5e38, 0.5e38, 1.5e38}, INFINITY},
    {GRADUS_F32, {-3.3e38, -1.1e38, 1.1e38, 3.3e38}, INFINITY}, /* whose sums may be of opposite infinities */
    {GRADUS_F64, {-1.7e308, -1.7e308 / 3, 1.7e308 / 3, 1.7e308}, INFINITY},
    {GRADUS_F32, {0.25e38, 1.25e38, 2.25e38, 3.25e38}, INFINITY},
    {GRADUS_F64, {1e300, 2e300, 3e300, 4e300}, INFINITY},
    {GRADUS_F64, {-1.5e308, -0.5e308, 0.5e308, 1.5e308}, INFINITY},
    {GRADUS_F32, {1e-30, 2e-30, 3e-30, 4e-30}, 0},
    {GRADUS_F32, {1e-18, 2e-18, 3e-18, 4e-18}, 1.25e-36},
    {GRADUS_F64, {1e-200, 2e-200, 3e-200, 4e-200}, 0},
};

static void check_exact(size_t i, layout how) {
    const gradus_dtype dtype = exact[i].dtype;
    const double tolerance = dtype == GRADUS_F32 ? 4e-7 : 1e-15;
    const double small = 1e-5, step = exact[i].x[1] - exact[i].x[0];
    double got[4];
    make_graph(NULL);
    gradus_tensor x = arranged(dtype, how, 4, exact[i].x);
    assert_close("var", only(gradus_var(x, axes_of(how), true)), exact[i].variance,
                 exact[i].variance == 80 || exact[i].variance == 5 ? 0 : tolerance);
    gradus_tensor y = layer(x, how, GRADUS_ZERO);
    values(y, 1, got);
    for (int j = 0; j < 4; j++) assert_close("layer_norm", got[j], steps[j], tolerance);
    /* by the row itself: its scale does not change y, nor does y have a derivative along it */
    gradus_tensor dx = gradus_gradient(gradus_sum(gradus_mul(y, gradus_square(y)), GRADUS_ALL_AXES, false), x);
    if (!isfinite(only(gradus_sum(dx, GRADUS_ALL_AXES, false))))
        fail_msg("row %zu: layer_norm's gradient is not finite", i);
    /* with an epsilon that counts beside small ones alone */
    values(layer(x, how, small), 1, got);
    for (int j = 0; j < 4; j++) {
        const double v = exact[i].variance,
                     expected = steps[j] * (isinf(v) ? 1 : 0.5 * step / sqrt(v + small) * sqrt(5));
        assert_close("layer_norm with epsilon", got[j], expected, tolerance * 2);
    }
    free_graph(NULL);
}

static void test_exact(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        for (layout how = ROW; how < LAYOUTS; how++) check_exact(i, how);
}

/* Elements that are multiples of the least number, whose reciprocal is infinite. */
static void test_least(void **state) {
    (void)state;
    for (int k = 0; k < 2; k++)
        for (int digits = 0; digits < 24; digits += 4)
            for (layout how = ROW; how < LAYOUTS; how++) {
                const double unit = ldexp(1, (k == 0 ? -149 : -1074) + digits),
                             x[4] = {unit, 2 * unit, 3 * unit, 4 * unit};
                double got[4];
                make_graph(NULL);
                values(layer(arranged(dtypes[k], how, 4, x), how, GRADUS_ZERO), 1, got);
                for (int j = 0; j < 4; j++) assert_close("layer_norm", got[j], steps[j], k == 0 ? 4e-7 : 1e-15);
                free_graph(NULL);
            }
}

static void test_exact_in_batches(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        for (layout how = ROW; how <= COLUMN; how++) {
            make_graph(NULL);
            array out[3];
            const double *x = exact[i].x, tolerance = exact[i].dtype == GRADUS_F32 ? 1e-6 : 4e-15;
            run_batch(batch(arranged(exact[i].dtype, how, 4, x), how, GRADUS_ZERO), out);
            for (int j = 0; j < 4; j++) assert_close("batch_norm", element(&out[0], j), steps[j] + 0.5, 8 * tolerance);
            assert_close("moving_mean", element(&out[1], 0), 0.01 * (x[0] / 4 + x[1] / 4 + x[2] / 4 + x[3] / 4),
                         tolerance);
            assert_close("moving_variance", element(&out[2], 0), 0.99 + 0.01 * exact[i].variance, tolerance);
            arena_free(&scratch);
            free_graph(NULL);
        }
}

/* Elements that are large beside their differences, against sums in long double of the same elements. */
static void test_offsets(void **state) {
    (void)state;
    static const double offsets[] = {0, 1, -1e3, 1e5, 3e7};
    for (int k = 0; k < 2; k++)
        for (size_t o = 0; o < sizeof offsets / sizeof *offsets; o++)
            for (int64_t n = 10; n <= LONGEST; n *= 100) {
                make_graph(NULL);
                long double mean = 0, variance = 0;
                for (int64_t i = 0; i < n; i++) {
                    numbers[i] = offsets[o] + sin((double)i * 12.9898) * 30;
                    if (dtypes[k] == GRADUS_F32) numbers[i] = (double)(float)numbers[i];
                    mean += (numbers[i] - offsets[o]) / (long double)n;
                }
                for (int64_t i = 0; i < n; i++) variance += powl(numbers[i] - offsets[o] - mean, 2) / (long double)n;
                for (layout how = ROW; how <= COLUMN; how++) {
                    gradus_tensor x = arranged(dtypes[k], how, n, numbers), y = layer(x, how, 1e-5);
                    assert_close("var", only(gradus_var(x, axes_of(how), false)), (double)variance,
                                 dtypes[k] == GRADUS_F32 ? 2e-6 : 2e-14);
                    const double first = only(gradus_slice(gradus_reshape(y, GRADUS_SHAPE(n)), 0, n - 1, n));
                    assert_close("layer_norm", first,
                                 (double)((numbers[n - 1] - offsets[o] - mean) / sqrtl(variance + 1e-5L)),
                                 dtypes[k] == GRADUS_F32 ? 1e-5 : 1e-13);
                }
                free_graph(NULL);
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_elements),   cmocka_unit_test(test_equal_in_batches), cmocka_unit_test(test_exact),
        cmocka_unit_test(test_exact_in_batches), cmocka_unit_test(test_offsets),          cmocka_unit_test(test_least),
    };
    return cmocka_run_group_tests_name("moments", tests, NULL, NULL);
}
