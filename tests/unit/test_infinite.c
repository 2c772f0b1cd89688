/* SPDX-License-Identifier: Apache-2.0
 * Softmax, its losses and the activations at infinities and NaN, in f32 and f64: values, gradients, gradients of gradients.
 * What they must be is what gradus/nn.h says; "." in a row of text is a finite number that is not compared. */
#include "constant_graph.h"

static const gradus_dtype dtypes[] = {GRADUS_F32, GRADUS_F64};

static gradus_tensor constant(gradus_dtype dtype, gradus_shape shape, const double *x) {
    int64_t count = 1;
    for (int i = 1; i <= shape.d[0]; i++) count *= shape.d[i];
    gradus_tensor t = gradus_constant(g, GRADUS_F64, shape, x, (size_t)count * sizeof *x);
    return dtype == GRADUS_F64 ? t : gradus_cast(t, dtype);
}

/* Each value is the expected one, to the digits of f32; a finite number is expected where ANY stands. */
#define ANY 12345.0

static void compare(const char *what, gradus_tensor x, const double *expected) {
    double got[MOST];
    const int count = values(x, 1, got);
    for (int i = 0; i < count; i++) {
        const double e = expected[i];
        const bool right = e == ANY   ? isfinite(got[i])
                           : isnan(e) ? isnan(got[i])
                                      : got[i] == e || fabs(got[i] - e) <= 3e-7 * fmax(fabs(e), 1);
        if (!right)
            fail_msg("%s of %s, element %d: %g instead of %g", what, gradus_dtype_name(gradus_dtype_of(x)), i, got[i],
                     e);
    }
}

static gradus_tensor summed(gradus_tensor x) { return gradus_sum(x, GRADUS_ALL_AXES, false); }

/* The sum of x times weights that tell its elements apart. */
static gradus_tensor weighed(gradus_tensor x) {
    gradus_shape s = gradus_shape_of(x);
    double w[16];
    int64_t count = 1;
    for (int i = 1; i <= s.d[0]; i++) count *= s.d[i];
    for (int64_t i = 0; i < count; i++) w[i] = (double)(i + 1);
    return summed(gradus_mul(x, constant(gradus_dtype_of(x), s, w)));
}

/* --- rows ------------------------------------------------------------------------------------------------------------ */

#define INF ((double)INFINITY)
#define NOT_A_NUMBER ((double)NAN)

typedef struct {
    double x[3], softmax[3], log_softmax[3], logsumexp;
    double d_softmax[3]; /* of softmax · (1 2 3) */
    double d_logsumexp[3];
    bool twice; /* whether the second derivatives are finite */
} row;

static row rows[] = {
    {{-INF, -INF, -INF}, {0, 0, 0}, {-INF, -INF, -INF}, -INF, {0, 0, 0}, {0, 0, 0}, true},
    {{1, INF, 2}, {0, 1, 0}, {-INF, 0, -INF}, INF, {0, 0, 0}, {0, 1, 0}, true},
    {{INF, -INF, -INF}, {1, 0, 0}, {0, -INF, -INF}, INF, {0, 0, 0}, {1, 0, 0}, true},
    {{INF, 1, INF},
     {0.5, 0, 0.5},
     {-0.69314718055994531, -INF, -0.69314718055994531},
     INF,
     {0, 0, 0},
     {0.5, 0, 0.5},
     true},
    {{INF, INF, INF},
     {1 / 3., 1 / 3., 1 / 3.},
     {-1.0986122886681098, -1.0986122886681098, -1.0986122886681098},
     INF,
     {0, 0, 0},
     {1 / 3., 1 / 3., 1 / 3.},
     true},
    {{-INF, 0, 1},
     {0, 0.26894142136999512, 0.73105857863000488},
     {-INF, -1.3132616875182228, -0.31326168751822283},
     1.3132616875182228,
     {0, -0.19661193324148185, 0.19661193324148185},
     {0, 0.26894142136999512, 0.73105857863000488},
     true},
    {{-1e30, 0, 1e30}, {0, 0, 1}, {-2e30, -1e30, 0}, 1e30, {0, 0, 0}, {0, 0, 1}, true},
    {{NOT_A_NUMBER, 1, 2},
     {NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER},
     {NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER},
     NOT_A_NUMBER,
     {NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER},
     {NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER},
     false},
    {{NOT_A_NUMBER, INF, -INF},
     {NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER},
     {NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER},
     NOT_A_NUMBER,
     {NOT_A_NUMBER, ANY, ANY},
     {NOT_A_NUMBER, ANY, ANY},
     false},
};
enum { ROWS = sizeof rows / sizeof *rows };

static void check_row(const row *r, gradus_dtype dtype, gradus_shape shape, int axis) {
    const double finite[3] = {ANY, ANY, ANY};
    make_graph(NULL);
    gradus_tensor x = constant(dtype, shape, r->x), s = gradus_softmax(x, axis);
    gradus_tensor lse = gradus_logsumexp(x, GRADUS_AXES(axis), false), ds = gradus_gradient(weighed(s), x);
    compare("softmax", s, r->softmax);
    compare("log_softmax", gradus_log_softmax(x, axis), r->log_softmax);
    compare("logsumexp", lse, &r->logsumexp);
    compare("logsumexp over all axes", gradus_logsumexp(x, GRADUS_ALL_AXES, true), &r->logsumexp);
    gradus_tensor dl = gradus_gradient(lse, x);
    if (r->twice) {
        compare("softmax's gradient", ds, r->d_softmax);
        compare("logsumexp's gradient", dl, r->d_logsumexp);
        compare("log_softmax's gradient", gradus_gradient(weighed(gradus_log_softmax(x, axis)), x), finite);
        compare("softmax's second derivative", gradus_gradient(weighed(ds), x), finite);
        compare("logsumexp's second derivative", gradus_gradient(weighed(dl), x), finite);
        gradus_tensors dx = GRADUS_TENSORS(gradus_like(x, 1));
        compare("softmax's jvp", gradus_jvp(s, GRADUS_TENSORS(x), dx), finite);
    }
    free_graph(NULL);
}

static void test_rows(void **state) {
    (void)state;
    const gradus_shape shapes[] = {GRADUS_SHAPE(3), GRADUS_SHAPE(1, 3), GRADUS_SHAPE(3, 1), GRADUS_SHAPE(1, 3, 1)};
    const int axes[] = {0, -1, 0, 1};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < ROWS; i++)
            for (int s = 0; s < 4; s++) check_row(&rows[i], dtypes[k], shapes[s], axes[s]);
}

/* --- cross-entropies ----------------------------------------------------------------------------------------------- */

/* Class numbers, one-hot labels and soft ones that are one-hot: the same losses and gradients. */
static void test_classes(void **state) {
    (void)state;
    static const struct {
        double x[3], loss[3], gradient[3][3]; /* for each class */
    } cases[] = {
        {{-INF, 0, 1},
         {INF, 1.3132616875182228, 0.31326168751822283},
         {{-1, 0.26894142136999512, 0.73105857863000488},
          {0, -0.73105857863000488, 0.73105857863000488},
          {0, 0.26894142136999512, -0.26894142136999512}}},
        {{1, INF, 2}, {INF, 0, INF}, {{-1, 0, 0}, {0, 0, 0}, {0, 0, -1}}},
        {{-INF, -INF, -INF}, {INF, INF, INF}, {{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}}},
        {{-INF, 5, -INF}, {INF, 0, INF}, {{-1, 1, 0}, {0, 0, 0}, {0, 1, -1}}},
        {{-1e4, 1e4, 0}, {2e4, 0, 1e4}, {{-1, 1, 0}, {0, 0, 0}, {0, 1, -1}}},
    };
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            for (int32_t label = 0; label < 3; label++) {
                make_graph(NULL);
                gradus_tensor x = constant(dtypes[k], GRADUS_SHAPE(1, 3), cases[i].x);
                gradus_tensor y = I32S(GRADUS_SHAPE(1), label), hot = gradus_one_hot(y, 3, dtypes[k]);
                gradus_tensor losses[] = {gradus_softmax_cross_entropy(x, y), gradus_softmax_cross_entropy(x, hot)};
                for (int form = 0; form < 2; form++) {
                    compare("cross-entropy", losses[form], &cases[i].loss[label]);
                    compare("cross-entropy's gradient", gradus_gradient(losses[form], x), cases[i].gradient[label]);
                }
                free_graph(NULL);
            }
}

static void test_soft_labels(void **state) {
    (void)state;
    static const struct {
        double x[3], y[3], loss, gradient[3];
    } cases[] = {
        {{-INF, 0, 1}, {0, 0.5, 0.5}, 0.81326168751822283, {0, -0.23105857863000488, 0.23105857863000488}},
        {{-INF, 0, 1}, {0.1, 0.4, 0.5}, INF, {-0.1, -0.13105857863000488, 0.23105857863000488}},
        {{1, INF, 2}, {0, 1, 0}, 0, {0, 0, 0}},
        {{1, INF, INF}, {0, 0.5, 0.5}, 0.69314718055994531, {0, ANY, ANY}},
        {{-INF, -INF, -INF}, {0, 0, 0}, 0, {0, 0, 0}},
    };
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            make_graph(NULL);
            gradus_tensor x = constant(dtypes[k], GRADUS_SHAPE(1, 3), cases[i].x);
            gradus_tensor y = constant(dtypes[k], GRADUS_SHAPE(1, 3), cases[i].y);
            gradus_tensor loss = gradus_softmax_cross_entropy(x, y);
            compare("soft cross-entropy", loss, &cases[i].loss);
            compare("soft cross-entropy's gradient", gradus_gradient(loss, x), cases[i].gradient);
            free_graph(NULL);
        }
}

static void test_binary(void **state) {
    (void)state;
    static const struct {
        double z, y, loss, gradient;
    } cases[] = {
        {INF, 1, 0, 0},
        {INF, 0, INF, 1},
        {INF, 0.25, INF, 0.75},
        {-INF, 0, 0, 0},
        {-INF, 1, INF, -1},
        {-INF, 0.25, INF, -0.25},
        {1e30, 1, 0, 0},
        {-1e30, 0, 0, 0},
        {-1e30, 1, 1e30, -1},
        {0, 0.25, 0.69314718055994531, 0.25},
        {2, 0.25, 1.6269280110429725, 0.63079707797788},
        {NOT_A_NUMBER, 0, NOT_A_NUMBER, NOT_A_NUMBER},
        {NOT_A_NUMBER, 1, NOT_A_NUMBER, NOT_A_NUMBER},
        {1, NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER},
    };
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            make_graph(NULL);
            gradus_tensor z = constant(dtypes[k], GRADUS_SHAPE(1), &cases[i].z),
                          y = constant(dtypes[k], GRADUS_SHAPE(1), &cases[i].y);
            gradus_tensor loss = gradus_binary_cross_entropy(z, y), slope = gradus_gradient(loss, z);
            compare("binary cross-entropy", loss, &cases[i].loss);
            compare("binary cross-entropy's gradient", slope, &cases[i].gradient);
            if (isfinite(cases[i].y) && !isnan(cases[i].z)) {
                compare("its second derivative", gradus_gradient(slope, z), (double[]){ANY});
                const double by_label = -cases[i].z;
                compare("its gradient by the label", gradus_gradient(loss, y), &by_label);
            }
            free_graph(NULL);
        }
}

/* --- activations --------------------------------------------------------------------------------------------------- */

#define ACTIVATION(name) \
    static gradus_tensor name##_of(gradus_tensor x) { return gradus_##name(x); }
ACTIVATION(gelu)
ACTIVATION(silu)
ACTIVATION(softplus)
ACTIVATION(sigmoid)
ACTIVATION(tanh)
ACTIVATION(relu)
ACTIVATION(erf)
ACTIVATION(erfc)

static void test_activations(void **state) {
    (void)state;
    static const struct {
        const char *name;
        gradus_tensor (*of)(gradus_tensor);
        double low, high, d_low, d_high; /* limits of the function and of its derivative */
    } functions[] = {
        {"gelu", gelu_of, 0, INF, 0, 1},     {"silu", silu_of, 0, INF, 0, 1}, {"softplus", softplus_of, 0, INF, 0, 1},
        {"sigmoid", sigmoid_of, 0, 1, 0, 0}, {"tanh", tanh_of, -1, 1, 0, 0},  {"relu", relu_of, 0, INF, 0, 1},
        {"erf", erf_of, -1, 1, 0, 0},        {"erfc", erfc_of, 2, 0, 0, 0},
    };
    static const double at[] = {-INF, INF, NOT_A_NUMBER, -1e4, 1e4, -1e30, 1e30};
    for (int k = 0; k < 2; k++)
        for (size_t f = 0; f < sizeof functions / sizeof *functions; f++)
            for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
                make_graph(NULL);
                gradus_tensor x = constant(dtypes[k], GRADUS_SCALAR, &at[i]), y = functions[f].of(x);
                gradus_tensor dy = gradus_gradient(y, x), d2y = gradus_gradient(dy, x);
                const double high = isinf(functions[f].high) ? at[i] : functions[f].high, nan = NOT_A_NUMBER, zero = 0;
                compare(functions[f].name, y, isnan(at[i]) ? &nan : at[i] < 0 ? &functions[f].low : &high);
                if (!isnan(at[i])) {
                    compare("its derivative", dy, at[i] < 0 ? &functions[f].d_low : &functions[f].d_high);
                    compare("its second derivative", d2y, &zero);
                }
                free_graph(NULL);
            }
}

/* --- entropies ------------------------------------------------------------------------------------------------------- */

static gradus_tensor entropy_of_logs(gradus_tensor x) {
    return gradus_multiply_no_nan(gradus_softmax(x, -1), gradus_log_softmax(x, -1));
}

static gradus_tensor entropy_of_shares(gradus_tensor x) {
    gradus_tensor p = gradus_softmax(x, -1);
    return gradus_multiply_no_nan(p, gradus_log(p));
}

static gradus_tensor entropy_of_some(gradus_tensor x) {
    gradus_tensor p = gradus_softmax(x, -1), none = gradus_like(x, 0);
    return gradus_where(gradus_greater(p, none), gradus_mul(p, gradus_log(p)), none);
}

/* p log p, whose derivative by p is infinite where p is 0: by the logits it is p (log p + entropy), which is 0 there.  The
 * logits have a factor, too, by which the derivatives are finite though a logit is infinite. */
static void test_entropies(void **state) {
    (void)state;
    static const struct {
        double x[3], entropy, gradient[3];
    } cases[] = {
        {{-INF, 0, 1}, 0.58220310093, {0, 0.19661193324, -0.19661193324}},
        {{-1e4, 0, 1}, 0.58220310093, {0, 0.19661193324, -0.19661193324}},
        {{-INF, 5, -INF}, 0, {0, 0, 0}},
        {{-INF, -INF, -INF}, 0, {0, 0, 0}},
        {{1, INF, 2}, 0, {0, 0, 0}},
    };
    static gradus_tensor (*const forms[])(gradus_tensor) = {entropy_of_logs, entropy_of_shares, entropy_of_some};
    static const double ones[3] = {1, 1, 1}, any[3] = {ANY, ANY, ANY};
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            for (int form = 0; form < 3; form++) {
                make_graph(NULL);
                gradus_tensor x = constant(dtypes[k], GRADUS_SHAPE(1, 3), cases[i].x),
                              factor = constant(dtypes[k], GRADUS_SCALAR, ones);
                gradus_tensor entropy = gradus_neg(summed(forms[form](x))), dx = gradus_gradient(entropy, x);
                gradus_tensor scaled = gradus_neg(summed(forms[form](gradus_mul(x, factor))));
                gradus_tensor slope = gradus_gradient(scaled, factor);
                compare("entropy", entropy, &cases[i].entropy);
                compare("entropy's gradient", dx, cases[i].gradient);
                compare("entropy's second derivative", gradus_gradient(weighed(dx), x), any);
                if (cases[i].x[1] != INF)
                    compare("entropy's second derivative by a factor", gradus_gradient(slope, factor), any);
                free_graph(NULL);
            }
}

/* --- gelu's tail --------------------------------------------------------------------------------------------------- */

/* Against the C library's long double: the largest errors in units of the last place, and of the derivative relatively. */
static void test_gelu_tail(void **state) {
    (void)state;
    enum { POINTS = 1000 };
    static double x[POINTS], y[POINTS], dy[POINTS];
    for (int k = 0; k < 2; k++) {
        const bool f32 = dtypes[k] == GRADUS_F32;
        make_graph(NULL);
        for (int i = 0; i < POINTS; i++) {
            x[i] = (f32 ? -14.5 : -39.5) * (double)i / POINTS + 1;
            if (f32) x[i] = (double)(float)x[i];
        }
        gradus_tensor t = constant(dtypes[k], GRADUS_SHAPE(POINTS), x), gelu = gradus_gelu(t);
        values(gelu, 1, y);
        values(gradus_gradient(gelu, t), 1, dy);
        double worst = 0, worst_slope = 0;
        for (int i = 0; i < POINTS; i++) {
            const long double root = 0.70710678118654752440084436210484903928L,
                              pi = 3.14159265358979323846264338327950288L;
            const long double phi = erfcl(-(long double)x[i] * root) / 2, exact = x[i] * phi;
            const long double slope = phi + x[i] * expl(-(long double)x[i] * x[i] / 2) / sqrtl(2 * pi);
            const int least = f32 ? -126 : -1022, digits = f32 ? 23 : 52;
            if (phi == 0 || ilogbl(phi) < least) continue; /* what is below has the digits that a subnormal has */
            worst = fmax(worst, (double)(fabsl(y[i] - exact) / ldexpl(1, ilogbl(exact) - digits)));
            if (x[i] < -1) worst_slope = fmax(worst_slope, (double)(fabsl(dy[i] - slope) / fabsl(slope)));
        }
        print_message("gelu %s: %.2f ulp, derivative %.2g\n", f32 ? "f32" : "f64", worst, worst_slope);
        assert_true(worst <= 3);
        assert_true(worst_slope <= (f32 ? 1e-5 : 2e-13));
        free_graph(NULL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),      cmocka_unit_test(test_classes),     cmocka_unit_test(test_soft_labels),
        cmocka_unit_test(test_binary),    cmocka_unit_test(test_activations), cmocka_unit_test(test_gelu_tail),
        cmocka_unit_test(test_entropies),
    };
    return cmocka_run_group_tests_name("infinite", tests, NULL, NULL);
}
