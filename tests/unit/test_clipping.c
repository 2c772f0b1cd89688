/* SPDX-License-Identifier: Apache-2.0
 * Clipping gradients by value, by the norm of each and by that of all: formulas, zeros, infinities and NaN, dtypes,
 * compiled code against the evaluator, and what users are told. */
#include "layer_tests.h"

#define INF ((double)INFINITY)
#define NOT_A_NUMBER ((double)NAN)

/* Two gradients, (3) in F64 and a scalar in F32, and what becomes of them. */
typedef struct {
    double a[3], b;
    double norm; /* of all */
    double value_a[3], value_b, norm_a[3], norm_b, global_a[3], global_b;
} clip_case;

/* The limit is 1 by value, 2 by norm, and 2.5 by the global norm. */
static const clip_case cases[] = {
    {{3, 0, -0.5},
     0.25,
     3.051639,
     {1, 0, -0.5},
     0.25,
     {1.972788, 0, -0.328798},
     0.25,
     {2.457696, 0, -0.409616},
     0.204808},
    {{0, 3, 0}, 4, 5, {0, 1, 0}, 1, {0, 2, 0}, 2, {0, 1.5, 0}, 2},
    {{1, 1, 1}, 1, 2, {1, 1, 1}, 1, {1, 1, 1}, 1, {1, 1, 1}, 1}, /* below each limit */
    {{0, 0, 0}, 0, 0, {0, 0, 0}, 0, {0, 0, 0}, 0, {0, 0, 0}, 0},
    {{INF, 1, 0}, -9, INF, {1, 1, 0}, -1, {NOT_A_NUMBER, 0, 0}, -2, {NOT_A_NUMBER, 0, 0}, -0.0},
    {{NOT_A_NUMBER, 1, 0},
     9,
     NOT_A_NUMBER,
     {NOT_A_NUMBER, 1, 0},
     1,
     {NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER},
     2,
     {NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER},
     NOT_A_NUMBER},
    {{0, 1, 0}, -INF, INF, {0, 1, 0}, -1, {0, 1, 0}, NOT_A_NUMBER, {0, 0, 0}, NOT_A_NUMBER},
    {{1e200, 1, -1}, 0, 1e200, {1, 1, -1}, 0, {2, 2e-200, -2e-200}, 0, {2.5, 0, 0}, 0}, /* squares overflow */
    {{3e-200, 0, -4e-200}, 0, 5e-200, {3e-200, 0, 0}, 0, {3e-200, 0, -4e-200}, 0, {3e-200, 0, -4e-200}, 0}, /* underflow */
};

static void assert_clipped(size_t k, const char *how, double got, double expected) {
    const bool fits = isnan(expected) ? isnan(got) : got == expected || fabs(got - expected) < 1e-6 * fmax(1, fabs(expected));
    if (!fits) fail_msg("case %zu, %s: %.9g instead of %.9g", k, how, got, expected);
}

GUARDED_TEST(formulas_and_special_values) {
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        begin(NULL);
        const clip_case *c = &cases[k];
        gradus_tensor a = given("a", GRADUS_F64, GRADUS_SHAPE(3)), b = given("b", GRADUS_F32, GRADUS_SCALAR), norm;
        for (int i = 0; i < 3; i++) set(&values_of[a.id], i, (scalar){.f64 = c->a[i]});
        set(&values_of[b.id], 0, (scalar){.f32 = (float)c->b});
        gradus_tensors by_value = gradus_clip_value(GRADUS_TENSORS(a, b), 1);
        gradus_tensors by_norm = gradus_clip_norm(GRADUS_TENSORS(a, b), 2);
        gradus_tensors by_all = gradus_clip_global_norm(GRADUS_TENSORS(a, b), 2.5, &norm);
        uint32_t ids[7] = {norm.id};
        for (size_t i = 0; i < 2; i++) {
            ids[1 + i] = by_value.items[i].id;
            ids[3 + i] = by_norm.items[i].id;
            ids[5 + i] = by_all.items[i].id;
        }
        array got[7];
        evaluate_nodes(g, 1, ids, 7, got);
        assert_clipped(k, "the norm", element(&got[0], 0), c->norm);
        for (int i = 0; i < 3; i++) {
            assert_clipped(k, "a by value", element(&got[1], i), c->value_a[i]);
            assert_clipped(k, "a by norm", element(&got[3], i), c->norm_a[i]);
            assert_clipped(k, "a by the global norm", element(&got[5], i), c->global_a[i]);
        }
        assert_clipped(k, "b by value", element(&got[2], 0), c->value_b);
        assert_clipped(k, "b by norm", element(&got[4], 0), c->norm_b);
        assert_clipped(k, "b by the global norm", element(&got[6], 0), c->global_b);
        for (int i = 0; i < 7; i++) assert_int_equal(got[i].dtype, i == 0 || i % 2 ? GRADUS_F64 : GRADUS_F32);
        gradus_graph_destroy(&g);
    }
    begin(NULL);
}

/* What f32 cannot hold, the norm of the others does: that gradients are of two dtypes costs none of them its digits. */
GUARDED_TEST(norms_of_two_dtypes) {
    static const double sizes[] = {1e300, 1e-300};
    for (int k = 0; k < 2; k++) {
        begin(NULL);
        gradus_tensor a = given("a", GRADUS_F32, GRADUS_SCALAR), b = given("b", GRADUS_F64, GRADUS_SCALAR), norm;
        set(&values_of[a.id], 0, (scalar){.f32 = k == 0 ? 3 : 0});
        set(&values_of[b.id], 0, (scalar){.f64 = sizes[k]});
        gradus_tensors out = gradus_clip_global_norm(GRADUS_TENSORS(a, b), 1, &norm);
        const uint32_t ids[] = {out.items[0].id, out.items[1].id, norm.id};
        array got[3];
        assert_int_equal(gradus_dtype_of(norm), GRADUS_F32);
        evaluate_nodes(g, 3, ids, 3, got);
        assert_clipped((size_t)k, "f32", element(&got[0], 0), 0);
        assert_true(element(&got[1], 0) == (k == 0 ? 1 : 1e-300));
        assert_clipped((size_t)k, "norm", element(&got[2], 0), k == 0 ? INF : 0);
    }
}

static void test_compiled(void **state) {
    (void)state;
    gradus_tensor a = given("a", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 21)), norm;
    gradus_tensor b = given("b", GRADUS_F64, GRADUS_SHAPE(2, 3, 3));
    gradus_tensors in = GRADUS_TENSORS(a, b), by_value = gradus_clip_value(in, 0.5),
                   by_norm = gradus_clip_norm(in, 0.5), by_all = gradus_clip_global_norm(in, 0.5, &norm);
    gradus_tensors out = GRADUS_TENSORS(norm, by_value.items[0], by_value.items[1], by_norm.items[0], by_norm.items[1],
                                        by_all.items[0], by_all.items[1]);
    OK(gradus_define(g, "clip", in, out, GRADUS_NO_UPDATES));
    compare_compiled("clipping");
}

static void test_errors(void **state) {
    (void)state;
    static const double wrong[] = {0, -1, NAN, INFINITY};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        gradus_tensor x = given("x", GRADUS_F32, GRADUS_SHAPE(2)), norm;
        assert_failed(gradus_clip_value(GRADUS_TENSORS(x), wrong[i]).items[0], "clip_value: the limit is");
        x = given("x", GRADUS_F32, GRADUS_SHAPE(2));
        assert_failed(gradus_clip_norm(GRADUS_TENSORS(x), wrong[i]).items[0], "clip_norm: max_norm is");
        x = given("x", GRADUS_F32, GRADUS_SHAPE(2));
        gradus_clip_global_norm(GRADUS_TENSORS(x), wrong[i], &norm);
        assert_failed(norm, "clip_global_norm: max_norm is");
    }
    gradus_tensor whole = given("x", GRADUS_I32, GRADUS_SHAPE(2));
    assert_failed(gradus_clip_value(GRADUS_TENSORS(whole), 1).items[0], "clip_value: an operand is i32 (2)");
    whole = given("x", GRADUS_I32, GRADUS_SHAPE(2));
    assert_failed(gradus_clip_norm(GRADUS_TENSORS(whole), 1).items[0], "clip_norm: an operand is i32 (2)");
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(formulas_and_special_values), TEST(norms_of_two_dtypes),
                                       TEST(test_compiled), TEST(test_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
