/* SPDX-License-Identifier: Apache-2.0
 *
 * Derivatives as users ask for them: fan-out, broadcasting, the batch, higher orders, kinks, zeros, errors, and the
 * products with and the whole of the Jacobian.  Single rules are test_gradients.c's matter. */
#include "differences.h"

#define ALL GRADUS_ALL_AXES

static gradus_graph *g; /* of one test */

static int begin(void **state) {
    (void)state;
    g = gradus_graph_create();
    return 0;
}

static int end(void **state) {
    gradus_graph_destroy(&g);
    return forget(state);
}

static gradus_tensor given(const char *name, gradus_shape s, const double *values) {
    gradus_tensor x = gradus_input(g, name, GRADUS_F64, s);
    if (g->status) fail_msg("%s", g->error);
    values_of[x.id] = array_of(GRADUS_F64, s);
    for (int64_t i = 0; i < size_of(&s); i++) set(&values_of[x.id], i, (scalar){.f64 = values[i]});
    return x;
}

static gradus_tensor scattered(const char *name, gradus_shape s, double low, double high) {
    gradus_tensor x = gradus_input(g, name, GRADUS_F64, s);
    if (g->status) fail_msg("%s", g->error);
    values_of[x.id] = grid(shape_at(&s, 3), low, high, 0.4); /* tests with a batch use 3 */
    return x;
}

static double value_at(gradus_tensor x, int64_t i) {
    array a;
    if (g->status) fail_msg("%s", g->error);
    evaluate_nodes(g, 3, &x.id, 1, &a);
    return element(&a, i);
}

static void assert_near(double got, double expected) {
    if (!(fabs(got - expected) <= 1e-12 * (1 + fabs(expected)))) fail_msg("%.17g instead of %.17g", got, expected);
}

static void assert_values(gradus_tensor x, const double *expected) {
    array a;
    if (g->status) fail_msg("%s", g->error);
    evaluate_nodes(g, 3, &x.id, 1, &a);
    for (int64_t i = 0; i < size_of(&a.shape); i++) assert_near(element(&a, i), expected[i]);
}
#define VALUES(...) ((const double[]){__VA_ARGS__})

static void assert_failed(gradus_tensor made, const char *part) {
    assert_int_equal(made.id, 0);
    assert_int_not_equal(g->status, GRADUS_OK);
    if (!strstr(g->error, part) || !strstr(g->error, "test_derivatives.c:"))
        fail_msg("\"%s\" does not say \"%s\" and where", g->error, part);
}

static gradus_tensor number(double value) { return gradus_scalar(g, GRADUS_F64, value); }

/* --- what is right ----------------------------------------------------------------------------------------------- */

GUARDED_TEST(a_mean_of_cubes) {
    gradus_tensor x = given("x", GRADUS_SHAPE(2, 2), VALUES(1, 1, 1, 1)), y = gradus_add(x, number(2));
    gradus_tensor out = gradus_mean(gradus_pow(y, number(3)), ALL, false);
    assert_values(gradus_gradient(out, x), VALUES(6.75, 6.75, 6.75, 6.75));
}

GUARDED_TEST(higher_orders) {
    gradus_tensor x = given("x", GRADUS_SCALAR, VALUES(2)), z = gradus_pow(x, number(4));
    const double expected[] = {32, 48, 48, 24, 0};
    for (int order = 0; order < 5; order++) {
        z = gradus_gradient(z, x);
        assert_near(value_at(z, 0), expected[order]);
    }
    gradus_tensor t = gradus_tanh(x), s = gradus_square(gradus_square(x)), both = gradus_mul(t, s);
    for (int order = 0; order < 3; order++) {
        check_gradients(g, 1, "tanh(x) x^4", both.id, &x.id, 1, 1e-3, 1e-8);
        both = gradus_gradient(both, x);
    }
}

GUARDED_TEST(several_users_add_up) {
    gradus_tensor x = scattered("x", GRADUS_SHAPE(5), -1, 1);
    gradus_tensor y = gradus_add(gradus_mul(x, gradus_sin(x)), gradus_mul(gradus_mul(x, x), x));
    y = gradus_add(y, gradus_sub(x, gradus_exp(y)));
    check_gradients(g, 1, "fan-out", y.id, &x.id, 1, 1e-3, 1e-8);
    assert_values(gradus_gradient(gradus_add(x, x), x), VALUES(2, 2, 2, 2, 2));
    gradus_tensor deep = x; /* 2^60 paths, but each node is visited once */
    for (int i = 0; i < 60; i++) deep = gradus_add(deep, deep);
    assert_near(value_at(gradus_gradient(deep, x), 0), 0x1p60);
    assert_true(g->nodes.count < 1000);
}

GUARDED_TEST(by_a_tensor_on_the_way) {
    gradus_tensor x = given("x", GRADUS_SCALAR, VALUES(3)), a = gradus_square(x), b = gradus_mul(a, x);
    gradus_tensors of = gradus_gradients(b, GRADUS_TENSORS(x, a, b));
    assert_int_equal(of.count, 3);
    assert_near(value_at(of.items[0], 0), 27); /* every path: x^3 */
    assert_near(value_at(of.items[1], 0), 3);
    assert_near(value_at(of.items[2], 0), 1);
}

/* Ranks 0 to 3, extents 1 and n, both sides. */
GUARDED_TEST(broadcasting) {
    static const int64_t extents[] = {2, 3, 4};
    for (int a = 0; a < 32; a++)
        for (int b = 0; b < 32; b++) {
            gradus_shape s[2] = {{{0}}, {{0}}};
            for (int side = 0; side < 2; side++) {
                int choice = side ? b : a, rank = choice / 8;
                if (choice % 8 >= 1 << rank) goto next; /* one bit an axis */
                for (int axis = 0; axis < rank; axis++)
                    s[side].d[++s[side].d[0]] = choice >> axis & 1 ? extents[3 - rank + axis] : 1;
            }
            gradus_tensor x = given("x", s[0], (const double[24]){0}), y = given("y", s[1], (const double[24]){0});
            values_of[x.id] = grid(s[0], 0.5, 1.5, 0.3);
            values_of[y.id] = grid(s[1], 0.5, 1.5, 0.6);
            gradus_tensor r = gradus_div(x, y);
            check_gradients(g, 1, "x / y", weighted_sum(g, r.id), (const uint32_t[]){x.id, y.id}, 2, 1e-3, 1e-8);
            gradus_graph_destroy(&g);
            g = gradus_graph_create();
        next:;
        }
}

GUARDED_TEST(over_the_batch) {
    gradus_tensor x = scattered("x", GRADUS_SHAPE(GRADUS_BATCH, 4), 0.2, 1.7),
                  w = scattered("w", GRADUS_SHAPE(4), 0.5, 1);
    gradus_tensor h = gradus_mul(x, w);
    gradus_tensor parts[] = {
        gradus_mean(gradus_exp(h), ALL, false),
        gradus_sum(gradus_max(h, GRADUS_AXES(0), false), ALL, false),
        gradus_sum(gradus_prod(h, GRADUS_AXES(0), false), ALL, false),
        gradus_mean(gradus_var(h, GRADUS_AXES(0), true), ALL, false),
        gradus_sum(gradus_sigmoid(gradus_reshape(h, GRADUS_SHAPE(2 * GRADUS_BATCH, 2))), ALL, false),
        gradus_sum(gradus_logsumexp(h, GRADUS_AXES(-1), false), ALL, false),
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (g->status) fail_msg("%s", g->error);
        check_gradients(g, 3, "batch", parts[i].id, (const uint32_t[]){x.id, w.id}, 2, 1e-3, 1e-8);
    }
}

GUARDED_TEST(composites) {
    gradus_tensor x = scattered("x", GRADUS_SHAPE(3, 4), -1.3, 1.6), y = scattered("y", GRADUS_SHAPE(3, 4), 0.1, 0.9);
    const int32_t classes[] = {1, 3, 0};
    gradus_tensor labels = gradus_constant(g, GRADUS_I32, GRADUS_SHAPE(3), classes, sizeof classes);
    gradus_tensor parts[] = {
        gradus_softmax(x, -1), gradus_log_softmax(x, 0),           gradus_softmax_cross_entropy(x, labels),
        gradus_gelu(x),        gradus_softmax_cross_entropy(x, y), gradus_binary_cross_entropy(x, y),
        gradus_softplus(x),    gradus_mean_squared_error(x, y),    gradus_silu(x),
    };
    const uint32_t xs[] = {x.id, y.id};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (g->status) fail_msg("%s", g->error);
        char what[32];
        snprintf(what, sizeof what, "composite %zu", i);
        check_gradients(g, 1, what, weighted_sum(g, parts[i].id), xs, 2, 1e-3, 1e-8);
    }
}

GUARDED_TEST(single_precision) {
    static const float values[] = {0.1f, -0.7f, 1.3f, 2.1f, -1.9f, 0.4f};
    gradus_tensor x = gradus_constant(g, GRADUS_F32, GRADUS_SHAPE(2, 3), values, sizeof values);
    gradus_tensor wide = gradus_cast(x, GRADUS_F64), of[2];
    for (int i = 0; i < 2; i++) {
        gradus_tensor t = i ? wide : x;
        of[i] = gradus_gradient(gradus_mul(gradus_tanh(t), gradus_exp(gradus_softmax(t, -1))), t);
    }
    assert_int_equal(gradus_dtype_of(of[0]), GRADUS_F32);
    for (int64_t i = 0; i < 6; i++) assert_true(fabs(value_at(of[0], i) - value_at(of[1], i)) < 2e-6);
}

/* --- kinks, zeros, infinities ------------------------------------------------------------------------------------ */

GUARDED_TEST(kinks) {
    gradus_tensor x = given("x", GRADUS_SHAPE(4), VALUES(-1, 0, 2, 2)),
                  y = given("y", GRADUS_SHAPE(4), VALUES(-2, 0, 2, 3));
    assert_values(gradus_gradient(gradus_relu(x), x), VALUES(0, 0, 1, 1));
    assert_values(gradus_gradient(gradus_abs(x), x), VALUES(-1, 0, 1, 1));
    assert_values(gradus_gradient(gradus_maximum(x, y), x), VALUES(1, 0.5, 0.5, 0));
    assert_values(gradus_gradient(gradus_maximum(x, y), y), VALUES(0, 0.5, 0.5, 1));
    assert_values(gradus_gradient(gradus_minimum(x, y), x), VALUES(0, 0.5, 0.5, 1));
    assert_values(gradus_gradient(gradus_max(x, ALL, false), x), VALUES(0, 0, 0.5, 0.5));
    assert_values(gradus_gradient(gradus_min(x, ALL, false), x), VALUES(1, 0, 0, 0));
    assert_values(gradus_gradient(gradus_clip(x, -1, 1), x), VALUES(0.5, 1, 0, 0));
    assert_values(gradus_gradient(gradus_floor(x), x), VALUES(0, 0, 0, 0));
}

GUARDED_TEST(nothing_flows) {
    gradus_tensor x = given("x", GRADUS_SHAPE(2), VALUES(1, 2)), y = given("y", GRADUS_SHAPE(2), VALUES(3, 4));
    assert_values(gradus_gradient(gradus_square(y), x), VALUES(0, 0));
    assert_values(gradus_gradient(x, gradus_square(x)), VALUES(0, 0));
    assert_values(gradus_gradient(gradus_mul(gradus_stop_gradient(x), x), x), VALUES(1, 2));
    gradus_tensor steps = gradus_cast(gradus_cast(x, GRADUS_I32), GRADUS_F64);
    assert_values(gradus_gradient(gradus_mul(steps, x), x), VALUES(1, 2));
    gradus_tensor right =
        gradus_cast(gradus_equal(gradus_argmax(x, ALL, false), gradus_scalar(g, GRADUS_I32, 1)), GRADUS_F64);
    assert_values(gradus_gradient(gradus_mul(x, right), x), VALUES(1, 1));
    gradus_tensor looked_up = gradus_take_along_axis(x, gradus_argmax(x, ALL, true), 0);
    assert_values(gradus_gradient(looked_up, x), VALUES(0, 1));
}

GUARDED_TEST(zeros_and_infinities) {
    gradus_tensor x = given("x", GRADUS_SHAPE(3), VALUES(-1, 0, 1)), huge = number(INFINITY);
    gradus_tensor big = gradus_mul(gradus_relu(x), huge);
    assert_near(value_at(gradus_gradient(big, x), 0), 0);
    assert_near(value_at(gradus_gradient(gradus_mul(gradus_abs(x), huge), x), 1), 0);
    gradus_tensor zero = number(0), two = number(2);
    assert_values(gradus_gradient(gradus_pow(x, two), x), VALUES(-2, 0, 2));
    assert_values(gradus_gradient(gradus_pow(x, zero), x), VALUES(0, 0, 0));
    assert_values(gradus_gradient(gradus_gradient(gradus_pow(x, two), x), x), VALUES(2, 2, 2));
    gradus_tensor p = given("p", GRADUS_SHAPE(3), VALUES(2, 2, 2));
    assert_values(gradus_gradient(gradus_pow(x, p), p), VALUES(0, 0, 0));
}

GUARDED_TEST(products_with_zeros) {
    gradus_tensor x = given("x", GRADUS_SHAPE(3, 3), VALUES(2, 3, 4, 2, 0, 4, 0, 3, 0));
    gradus_tensor rows = gradus_prod(x, GRADUS_AXES(1), false);
    gradus_tensor first = gradus_gradient(rows, x);
    assert_values(first, VALUES(12, 8, 6, 0, 8, 0, 0, 0, 0));
    assert_values(gradus_gradient(first, x), VALUES(7, 6, 5, 4, 6, 2, 3, 0, 3));
    gradus_tensor b = gradus_input(g, "b", GRADUS_F64, GRADUS_SHAPE(GRADUS_BATCH, 3));
    values_of[b.id] = array_of(GRADUS_F64, GRADUS_SHAPE(3, 3));
    for (int64_t i = 0; i < 9; i++) set(&values_of[b.id], i, (scalar){.f64 = VALUES(2, 2, 0, 3, 0, 3, 4, 4, 0)[i]});
    gradus_tensor columns = gradus_prod(b, GRADUS_AXES(0), false);
    assert_values(gradus_gradient(columns, b), VALUES(12, 0, 0, 8, 8, 0, 6, 0, 0));
}

GUARDED_TEST(repeated_indices_add_up) {
    gradus_tensor x = given("x", GRADUS_SHAPE(3, 2), VALUES(1, 2, 3, 4, 5, 6));
    const int64_t indices[] = {2, 0, 2, 2};
    gradus_tensor i = gradus_constant(g, GRADUS_I64, GRADUS_SHAPE(2, 2), indices, sizeof indices);
    assert_values(gradus_gradient(gradus_take(x, i, 0), x), VALUES(1, 1, 0, 0, 3, 3));
}

/* --- vjp, jvp, jacobian ------------------------------------------------------------------------------------------ */

GUARDED_TEST(products_with_the_jacobian) {
    gradus_tensor a = given("a", GRADUS_SHAPE(2, 3), VALUES(1, 2, 3, 4, 5, 6)),
                  x = given("x", GRADUS_SHAPE(3), VALUES(1, -1, 2));
    gradus_tensor y = gradus_matmul(a, x), seed = given("seed", GRADUS_SHAPE(2), VALUES(10, 1));
    assert_values(gradus_vjp(y, seed, GRADUS_TENSORS(x)).items[0], VALUES(14, 25, 36));
    gradus_tensor t = given("t", GRADUS_SHAPE(3), VALUES(1, 0, 2));
    assert_values(gradus_jvp(y, GRADUS_TENSORS(x), GRADUS_TENSORS(t)), VALUES(7, 16));
    gradus_tensor zero = gradus_like(a, 0);
    assert_values(gradus_jvp(gradus_tanh(y), GRADUS_TENSORS(a, x), GRADUS_TENSORS(zero, t)),
                  VALUES(7 * (1 - pow(tanh(5), 2)), 16 * (1 - pow(tanh(11), 2))));
    assert_values(gradus_jvp(seed, GRADUS_TENSORS(x), GRADUS_TENSORS(t)), VALUES(0, 0));
}

GUARDED_TEST(jacobians_by_rows) {
    gradus_tensor a = given("a", GRADUS_SHAPE(2, 3), VALUES(1, 2, 3, 4, 5, 6)),
                  x = given("x", GRADUS_SHAPE(3), VALUES(1, -1, 2));
    gradus_tensor rows = gradus_jacobian(gradus_matmul(a, x), x);
    assert_int_equal(gradus_shape_of(rows).d[0], 2);
    assert_values(rows, VALUES(1, 2, 3, 4, 5, 6));
}

GUARDED_TEST(jacobians_by_columns) {
    gradus_tensor a = given("a", GRADUS_SHAPE(3, 2), VALUES(1, 2, 3, 4, 5, 6)),
                  x = given("x", GRADUS_SHAPE(2), VALUES(1, -1));
    gradus_tensor y = gradus_reshape(gradus_square(gradus_matmul(a, x)), GRADUS_SHAPE(3, 1));
    gradus_tensor j = gradus_jacobian(y, x), empty = gradus_jacobian(gradus_slice(y, 0, 1, 1), x);
    assert_int_equal(gradus_shape_of(j).d[0], 3);
    assert_values(j, VALUES(-2, -4, -6, -8, -10, -12));
    gradus_tensor s = gradus_sum(gradus_exp(x), ALL, false), hessian = gradus_jacobian(gradus_gradient(s, x), x);
    assert_values(hessian, VALUES(exp(1), 0, 0, exp(-1)));
    assert_int_equal(gradus_shape_of(empty).d[1], 0);
}

/* --- what is wrong, and where it came from ----------------------------------------------------------------------- */

GUARDED_TEST(no_derivative_through_argmax) {
    gradus_tensor x = given("x", GRADUS_SHAPE(3), VALUES(1, 2, 3));
    gradus_tensor y = gradus_mul(gradus_cast(gradus_argmax(x, ALL, false), GRADUS_F64), number(2));
    assert_failed(gradus_gradient(y, x), "gradient: argmax (");
    gradus_tensors of = gradus_gradients(y, GRADUS_TENSORS(x, x));
    assert_int_equal(of.count, 2);
    assert_int_equal(of.items[1].id, 0);
}

GUARDED_TEST(no_derivative_of_integers) {
    gradus_tensor x = given("x", GRADUS_SHAPE(3), VALUES(1, 2, 3));
    assert_failed(gradus_gradient(gradus_cast(x, GRADUS_I32), x), "gradient: what is differentiated is i32");
}

GUARDED_TEST(no_derivative_by_integers) {
    gradus_tensor i = gradus_input(g, "i", GRADUS_I64, GRADUS_SHAPE(2));
    assert_failed(gradus_gradient(gradus_cast(i, GRADUS_F64), i), "i64");
}

GUARDED_TEST(seeds_must_fit) {
    gradus_tensor x = given("x", GRADUS_SHAPE(3), VALUES(1, 2, 3));
    assert_failed(gradus_vjp(x, number(1), GRADUS_TENSORS(x)).items[0], "vjp: the seed is f64 ()");
}

GUARDED_TEST(tangents_must_fit) {
    gradus_tensor x = given("x", GRADUS_SHAPE(3), VALUES(1, 2, 3));
    assert_failed(gradus_jvp(x, GRADUS_TENSORS(x), GRADUS_TENSORS(x, x)), "jvp: 1 tensors, but 2 tangents");
}

GUARDED_TEST(lists_that_are_missing) {
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(2));
    assert_failed(gradus_gradients(gradus_square(x), gradus_list(NULL, 1)).items[0],
                  "gradients: a list of tensors is NULL");
}

GUARDED_TEST(no_jacobian_over_the_batch) {
    gradus_tensor x = gradus_input(g, "x", GRADUS_F64, GRADUS_SHAPE(GRADUS_BATCH, 2));
    assert_failed(gradus_jacobian(gradus_square(x), x), "jacobian: the run-time batch is in (B, 2)");
}

GUARDED_TEST(tensors_of_two_graphs) {
    gradus_graph *other = gradus_graph_create();
    gradus_tensor x = given("x", GRADUS_SHAPE(3), VALUES(1, 2, 3)),
                  y = gradus_input(other, "y", GRADUS_F64, GRADUS_SHAPE(3));
    assert_failed(gradus_gradient(x, y), "two graphs");
    assert_int_not_equal(gradus_graph_status(other), GRADUS_OK);
    gradus_graph_destroy(&other);
}

GUARDED_TEST(gradients_tell_where_they_come_from) {
    gradus_tensor x = given("x", GRADUS_SHAPE(3), VALUES(1, 2, 3));
    const int line = __LINE__ + 1;
    gradus_tensor y = gradus_named(gradus_exp(x), "y");
    const uint32_t before = g->nodes.count;
    gradus_tensor dx = gradus_gradient(y, x);
    assert_int_equal(node_of(dx)->where.line, line);
    assert_string_equal(node_of(dx)->name, "d(y)");
    assert_true(dx.id >= before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_mean_of_cubes),
        TEST(higher_orders),
        TEST(several_users_add_up),
        TEST(by_a_tensor_on_the_way),
        TEST(broadcasting),
        TEST(over_the_batch),
        TEST(composites),
        TEST(single_precision),
        TEST(kinks),
        TEST(nothing_flows),
        TEST(zeros_and_infinities),
        TEST(products_with_zeros),
        TEST(repeated_indices_add_up),
        TEST(products_with_the_jacobian),
        TEST(jacobians_by_rows),
        TEST(jacobians_by_columns),
        TEST(no_derivative_through_argmax),
        TEST(no_derivative_of_integers),
        TEST(no_derivative_by_integers),
        TEST(seeds_must_fit),
        TEST(tangents_must_fit),
        TEST(lists_that_are_missing),
        TEST(no_jacobian_over_the_batch),
        TEST(tensors_of_two_graphs),
        TEST(gradients_tell_where_they_come_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
