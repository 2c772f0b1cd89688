/* SPDX-License-Identifier: Apache-2.0
 * Derivatives as users meet them where functions have none: behind a mask, of norms at 0, through clipping, of products with
 * zeros; of several orders, forward over reverse, and compiled. */
#include "tests/unit/layer_tests.h"

static void set_all(gradus_tensor x, const double *values) {
    array *a = &values_of[x.id];
    for (int64_t i = 0; i < size_of(&a->shape); i++) set(a, i, scalar_from_double(a->dtype, values[i]));
}

static double at(gradus_tensor x, int64_t i) {
    array a;
    if (g->status) fail_msg("%s", g->error);
    evaluate_nodes(g, 3, &x.id, 1, &a);
    return element(&a, i);
}

static void near(const char *what, double got, double expected, double relative) {
    if (got == expected || fabs(got - expected) <= relative * fabs(expected)) return;
    fail_msg("%s: %.9g instead of %.9g", what, got, expected);
}

/* --- behind a mask ----------------------------------------------------------------------------------------------- */

static gradus_tensor like(gradus_tensor x, double v) { return gradus_like(x, v); }
static gradus_tensor f_sqrt(gradus_tensor x) { return gradus_sqrt(x); }
static gradus_tensor f_rsqrt(gradus_tensor x) { return gradus_rsqrt(x); }
static gradus_tensor f_log(gradus_tensor x) { return gradus_log(x); }
static gradus_tensor f_log1p(gradus_tensor x) { return gradus_log1p(gradus_sub(x, like(x, 1))); }
static gradus_tensor f_inverse(gradus_tensor x) { return gradus_div(like(x, 1), x); }
static gradus_tensor f_ratio(gradus_tensor x) { return gradus_div(gradus_sin(x), x); }
static gradus_tensor f_root(gradus_tensor x) { return gradus_pow(x, like(x, 0.3)); }
static gradus_tensor f_power(gradus_tensor x) { return gradus_pow(x, gradus_neg(gradus_add(x, like(x, 1)))); }
static gradus_tensor f_entropy(gradus_tensor x) { return gradus_mul(x, gradus_log(x)); }
static gradus_tensor f_logs(gradus_tensor x) { return gradus_log(gradus_sqrt(gradus_log1p(x))); }
static gradus_tensor f_exp(gradus_tensor x) { return gradus_exp(gradus_div(like(x, 1), x)); }
static gradus_tensor f_tan(gradus_tensor x) { return gradus_tanh(gradus_log(x)); }
static gradus_tensor f_sin(gradus_tensor x) { return gradus_sin(gradus_rsqrt(x)); }
static gradus_tensor f_square(gradus_tensor x) { return gradus_square(gradus_log(x)); }
static gradus_tensor f_infinite(gradus_tensor x) { return gradus_mul(x, gradus_div(like(x, 2), x)); }
static gradus_tensor f_abs(gradus_tensor x) { return gradus_abs(gradus_log(x)); }
static gradus_tensor f_quantile(gradus_tensor x) {
    return (gradus_tensor){g, build_op(g, OP_ndtri, gradus_mul(x, like(x, 0.25)).id)};
}

/* Each is infinite or NaN at 0, or its derivatives are, and smooth at 2. */
static const struct {
    const char *name;
    gradus_tensor (*of)(gradus_tensor x);
} functions[] = {
    {"sqrt", f_sqrt},   {"rsqrt", f_rsqrt},       {"log", f_log},     {"log1p", f_log1p},     {"1/x", f_inverse},
    {"ratio", f_ratio}, {"root", f_root},         {"power", f_power}, {"x log x", f_entropy}, {"logs", f_logs},
    {"exp 1/x", f_exp}, {"tanh log", f_tan},      {"sin", f_sin},     {"log^2", f_square},    {"x 2/x", f_infinite},
    {"|log|", f_abs},   {"quantile", f_quantile},
};

enum { ORDERS = 4, FUNCTIONS = sizeof functions / sizeof *functions };

/* Of where(x > 0, f, 0) at 0 and at 2: 0 there, f's own here, to each order; and so are its slope along a tangent and its
 * Hessian's product with one. */
GUARDED_TEST(masked_functions) {
    for (int f = 0; f < FUNCTIONS; f++) {
        begin(NULL);
        gradus_tensor x = given("x", GRADUS_F64, GRADUS_SHAPE(2)), t = given("t", GRADUS_F64, GRADUS_SHAPE(2));
        set_all(x, (const double[]){0, 2});
        set_all(t, (const double[]){3, 3});
        gradus_tensor plain = functions[f].of(x),
                      masked = gradus_where(gradus_greater(x, like(x, 0)), plain, like(x, 0));
        gradus_tensor slope = gradus_jvp(masked, GRADUS_TENSORS(x), GRADUS_TENSORS(t)), of[ORDERS + 1] = {plain};
        for (int order = 1; order <= ORDERS; order++) {
            of[order] = gradus_gradient(of[order - 1], x);
            masked = gradus_gradient(masked, x);
            near(functions[f].name, at(masked, 0), 0, 0);
            near(functions[f].name, at(masked, 1), at(of[order], 1), 1e-10);
        }
        const gradus_tensor products[] = {slope, gradus_gradient(slope, x),
                                          gradus_jvp(of[0], GRADUS_TENSORS(x), GRADUS_TENSORS(t))};
        near("slope", at(slope, 0), 0, 0);
        near("slope", at(slope, 1), 3 * at(of[1], 1), 1e-12);
        near("forward over reverse", at(products[1], 0), 0, 0);
        near("forward over reverse", at(products[1], 1), 3 * at(of[2], 1), 1e-12);
    }
}

/* What is not masked has its slope, infinite or not: a jvp differentiates at a cotangent of 0. */
GUARDED_TEST(slopes_at_singular_points) {
    gradus_tensor x = given("x", GRADUS_F64, GRADUS_SHAPE(2)), t = given("t", GRADUS_F64, GRADUS_SHAPE(2));
    set_all(x, (const double[]){0, 0});
    set_all(t, (const double[]){2, 0});
    gradus_tensor (*const infinite[])(gradus_tensor) = {f_sqrt, f_log, f_log1p, f_root};
    for (int f = 0; f < 4; f++) {
        gradus_tensor slope = gradus_jvp(infinite[f](x), GRADUS_TENSORS(x), GRADUS_TENSORS(t));
        assert_true(at(slope, 0) == (double)INFINITY && at(slope, 1) == 0);
    }
    gradus_tensor cubes = gradus_pow(x, like(x, 3)), first = gradus_gradient(cubes, x);
    near("0^3", at(gradus_jvp(gradus_gradient(first, x), GRADUS_TENSORS(x), GRADUS_TENSORS(t)), 0), 12, 0);
}

/* Cotangents that are 0 by value, on some rows and not on others. */
GUARDED_TEST(weights_of_zero) {
    gradus_tensor x = given("x", GRADUS_F64, GRADUS_SHAPE(GRADUS_BATCH)),
                  w = given("w", GRADUS_F64, GRADUS_SHAPE(GRADUS_BATCH));
    set_all(x, (const double[]){0, 4, 0});
    set_all(w, (const double[]){0, 0, -0.0});
    gradus_tensor dx = gradus_vjp(gradus_log(x), w, GRADUS_TENSORS(x)).items[0];
    gradus_tensor second = gradus_gradient(gradus_mul(dx, x), x), by_weight = gradus_gradient(gradus_mul(dx, x), w);
    for (int i = 0; i < 3; i++) assert_true(at(dx, i) == 0 && at(second, i) == 0);
    near("by the weight", at(by_weight, 1), 1, 1e-15);
}

/* --- norms ------------------------------------------------------------------------------------------------------- */

static const double scales_f32[] = {1, 1e-30, 1e30, 1e-38, 3e-42, 1e38}, scales_f64[] = {1, 1e-300, 1e300, 1e-310};

GUARDED_TEST(norms_of_all_magnitudes) {
    static const double shape_of_x[6] = {3, 0, -4, 12, 0, -84}; /* 5, 13 with 12, 85 with 84 */
    for (int wide = 0; wide < 2; wide++)
        for (int k = 0; k < (wide ? 4 : 6); k++) {
            begin(NULL);
            const gradus_dtype dtype = wide ? GRADUS_F64 : GRADUS_F32;
            const double unit = (wide ? scales_f64[k] : scales_f32[k]) / 85;
            const bool subnormal = unit * 85 < (wide ? 1e-307 : 2e-37);
            const double close = subnormal ? 2e-2 : wide ? 1e-15 : 5e-7;
            double values[6];
            gradus_tensor x = given("x", dtype, GRADUS_SHAPE(2, 3));
            for (int i = 0; i < 6; i++) values[i] = shape_of_x[i] * unit;
            set_all(x, values);
            gradus_tensor all = gradus_norm(x, GRADUS_ALL_AXES, false), rows = gradus_norm(x, GRADUS_AXES(1), true);
            gradus_tensor columns = gradus_norm(x, GRADUS_AXES(0), false), each = gradus_norm(x, GRADUS_AXES(), false);
            assert_int_equal(gradus_shape_of(rows).d[2], 1);
            const double root = sqrt(12 * 12 + 84 * 84), total = sqrt(25 + root * root);
            near("all", at(all, 0), total * unit, close);
            near("row", at(rows, 0), 5 * unit, close);
            near("row", at(rows, 1), root * unit, close);
            near("column", at(columns, 0), sqrt(9 + 144) * unit, close);
            near("column", at(columns, 1), 0, 0);
            gradus_tensor first = gradus_gradient(all, x), by_columns = gradus_gradient(columns, x);
            for (int i = 0; i < 6; i++) {
                near("each", at(each, i), fabs(at(x, i)), 0);
                near("derivative", at(first, i), shape_of_x[i] / total, close);
            }
            near("of a column of zeros", at(by_columns, 1), 0, 0);
            near("of a column", at(by_columns, 3), 12 / sqrt(9 + 144), close);
            if (subnormal || unit > 1e300) continue; /* 1 / norm is out of range */
            gradus_tensor second = gradus_gradient(gradus_slice(gradus_reshape(first, GRADUS_SHAPE(6)), 0, 3, 4), x);
            const double u = 12 / total, v = -84 / total;
            near("second derivative", at(second, 3), (1 - u * u) / (total * unit), 4 * close);
            near("second derivative", at(second, 5), -u * v / (total * unit), 4 * close);
        }
}

GUARDED_TEST(norms_of_nothing_much) {
    gradus_tensor x = given("x", GRADUS_F64, GRADUS_SHAPE(3)), t = given("t", GRADUS_F64, GRADUS_SHAPE(3));
    gradus_tensor n = gradus_norm(x, GRADUS_ALL_AXES, false), square = gradus_square(n);
    gradus_tensor first = gradus_gradient(n, x), of_square = gradus_gradient(square, x);
    const gradus_tensor zeros[] = {first,
                                   of_square,
                                   gradus_gradient(gradus_sqrt(n), x),
                                   gradus_gradient(gradus_log(n), x),
                                   gradus_gradient(of_square, x),
                                   gradus_gradient(gradus_gradient(first, x), x),
                                   gradus_jvp(n, GRADUS_TENSORS(x), GRADUS_TENSORS(t)),
                                   gradus_jvp(first, GRADUS_TENSORS(x), GRADUS_TENSORS(t))};
    set_all(x, (const double[]){0, -0.0, 0});
    assert_true(at(n, 0) == 0);
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++) assert_true(at(zeros[i], 0) == 0);
    set_all(x, (const double[]){INFINITY, 1, 0});
    assert_true(at(n, 0) == (double)INFINITY);
    set_all(x, (const double[]){NAN, INFINITY, 0});
    assert_true(isnan(at(n, 0)));
    assert_true(at(gradus_norm(gradus_slice(x, 0, 1, 1), GRADUS_ALL_AXES, false), 0) == 0);
    set_all(x, (const double[]){1.7e308, 1.7e308, 0});
    assert_true(at(n, 0) == (double)INFINITY);
    gradus_tensor whole = given("i", GRADUS_I32, GRADUS_SHAPE(3));
    assert_int_equal(gradus_norm(whole, GRADUS_ALL_AXES, false).id, 0);
    assert_non_null(strstr(g->error, "norm: an operand is i32 (3)"));
}

/* Against differences, third order too, over the batch and beside it. */
GUARDED_TEST(norms_are_smooth) {
    gradus_tensor x = given("x", GRADUS_F64, GRADUS_SHAPE(GRADUS_BATCH, 4));
    gradus_tensor of[] = {gradus_norm(x, GRADUS_AXES(0), false), gradus_norm(x, GRADUS_AXES(1), true),
                          gradus_norm(x, GRADUS_ALL_AXES, false)};
    for (int i = 0; i < 3; i++)
        for (int order = 1; order <= 3; order++) {
            const uint32_t sum = weighted_sum_of(g, of[i].id, 3);
            check_gradients(g, 3, "norm", sum, &x.id, 1, 1e-3, 1e-7);
            of[i] = gradus_gradient((gradus_tensor){g, sum}, x);
        }
}

/* --- clipping ---------------------------------------------------------------------------------------------------- */

/* The gradients of the sum of what was clipped, for a first tensor that is (3 0 4) times the scale and a second of zeros. */
GUARDED_TEST(gradients_through_clipping) {
    static const double scales[] = {0, 1e-30, 1, 1e30};
    for (int k = 0; k < 4; k++)
        for (int tight = 0; tight < 2; tight++)
            for (int global = 0; global < 2; global++) {
                begin(NULL);
                const double scale = scales[k], limit = (tight ? 2.5 : 10) * (scale ? scale : 1);
                gradus_tensor a = given("a", GRADUS_F32, GRADUS_SHAPE(3)), b = given("b", GRADUS_F32, GRADUS_SHAPE(2));
                set_all(a, (const double[]){3 * scale, 0, 4 * scale});
                set_all(b, (const double[]){0, 0});
                gradus_tensors in = GRADUS_TENSORS(a, b);
                gradus_tensors out = global ? gradus_clip_global_norm(in, limit, NULL) : gradus_clip_norm(in, limit);
                gradus_tensors d = gradus_gradients(gradus_add(gradus_sum(out.items[0], GRADUS_ALL_AXES, false),
                                                               gradus_sum(out.items[1], GRADUS_ALL_AXES, false)),
                                                    in);
                const bool clips = tight && scale != 0;
                const double f = clips ? 0.5 : 1, u[3] = {0.6, 0, 0.8}, along = clips ? 1.4 : 0;
                for (int i = 0; i < 3; i++) {
                    near("clipped", at(out.items[0], i), f * 5 * u[i] * scale, 1e-6);
                    near("through clipping", at(d.items[0], i), f * (1 - along * u[i]), 2e-6);
                }
                near("zeros", at(out.items[1], 0), 0, 0);
                near("through zeros", at(d.items[1], 0), global ? f : 1, 1e-6);
            }
}

/* --- products ---------------------------------------------------------------------------------------------------- */

/* The derivative by each of three elements of their product, along the batch and beside it, where 0 to 3 of them are 0. */
GUARDED_TEST(products_of_zeros) {
    for (int zeros = 0; zeros < 8; zeros++)
        for (int batch = 0; batch < 2; batch++) {
            begin(NULL);
            double v[3];
            for (int i = 0; i < 3; i++) v[i] = zeros >> i & 1 ? 0 : i + 2;
            gradus_tensor x = given("x", GRADUS_F64, GRADUS_SHAPE(batch ? GRADUS_BATCH : 3, 1));
            set_all(x, v);
            gradus_tensor d = gradus_prod(x, GRADUS_ALL_AXES, false);
            gradus_tensor pick[3];
            for (int i = 0; i < 3; i++) {
                pick[i] = given((const char[]){(char)('p' + i), 0}, GRADUS_F64, gradus_shape_of(x));
                set_all(pick[i], (const double[]){i == 0, i == 1, i == 2});
            }
            const double expected[] = {v[1] * v[2], v[2], 1, 0};
            for (int i = 0; i < 3; i++) {
                d = gradus_gradient(d, x);
                near("product", at(d, i), expected[i], 1e-15);
                d = gradus_sum(gradus_mul(d, pick[i]), GRADUS_ALL_AXES, false);
            }
            near("product, fourth order", at(gradus_gradient(d, x), 0), 0, 0);
        }
}

/* --- compiled ---------------------------------------------------------------------------------------------------- */

static void test_compiled(void **state) {
    (void)state;
    gradus_tensor x = given("x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 5)), out[FUNCTIONS + 6];
    gradus_tensor y = gradus_relu(x), positive = gradus_greater(y, like(y, 0));
    for (int f = 0; f < FUNCTIONS; f++)
        out[f] = gradus_gradient(gradus_where(positive, functions[f].of(y), like(y, 0)), x);
    out[FUNCTIONS] = gradus_norm(x, GRADUS_AXES(1), false);
    out[FUNCTIONS + 1] = gradus_gradient(gradus_norm(y, GRADUS_AXES(0), false), x);
    out[FUNCTIONS + 2] = gradus_gradient(gradus_prod(y, GRADUS_AXES(0), false), x);
    out[FUNCTIONS + 3] = gradus_multiply_no_nan(y, gradus_log(y));
    out[FUNCTIONS + 4] = (gradus_tensor){g, build_op2(g, OP_divide_no_nan, y.id, y.id)};
    out[FUNCTIONS + 5] = gradus_gradient(gradus_gradient(gradus_prod(y, GRADUS_ALL_AXES, false), x), x);
    OK(gradus_define(g, "f", GRADUS_TENSORS(x), gradus_list(out, FUNCTIONS + 6), GRADUS_NO_UPDATES));
    compare_compiled("singular points");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(masked_functions),           TEST(slopes_at_singular_points), TEST(weights_of_zero),
        TEST(norms_of_all_magnitudes),    TEST(norms_of_nothing_much),     TEST(norms_are_smooth),
        TEST(gradients_through_clipping), TEST(products_of_zeros),         TEST(test_compiled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
