/* SPDX-License-Identifier: Apache-2.0
 * gradus_check_gradients: right gradients pass, wrong ones are found and named, and a user's mistakes are errors. */
#include "tests/cmocka_all.h"

#include "ir/graph.h"
#include "tests/heap.h"

#include <gradus/gradus.h>
#include <math.h>
#include <string.h>

#define OPTIONS(...) gradus_check_options(__VA_ARGS__)

static void passes(const char *what, gradus_status status) {
    if (status) fail_msg("%s: %s", what, gradus_last_error());
}

static void fails(gradus_status status, gradus_status expected, const char *message) {
    if (status != expected || !strstr(gradus_last_error(), message))
        fail_msg("%s: %s; expected %s: %s", gradus_status_name(status), gradus_last_error(),
                 gradus_status_name(expected), message);
}

/* A classifier with a bit of everything: look-ups, random numbers, kinks, layers, a constant, labels. */
static gradus_tensor classifier(gradus_graph *g, gradus_dtype dtype) {
    static const double scale[2][3] = {{0.5, 1, 2}, {1, -1, 1}};
    static const float narrow[2][3] = {{0.5F, 1, 2}, {1, -1, 1}};
    gradus_tensor words = gradus_input(g, "words", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH, 2));
    gradus_tensor x = gradus_input(g, "x", dtype, GRADUS_SHAPE(GRADUS_BATCH, 2, 3));
    gradus_tensor labels = gradus_input(g, "labels", GRADUS_I64, GRADUS_SHAPE(GRADUS_BATCH));
    gradus_tensor table = gradus_param(g, "table", dtype, GRADUS_SHAPE(7, 3), gradus_normal(0, 1));
    gradus_tensor c = dtype == GRADUS_F64 ? gradus_constant(g, dtype, GRADUS_SHAPE(2, 3), scale, sizeof scale)
                                          : gradus_constant(g, dtype, GRADUS_SHAPE(2, 3), narrow, sizeof narrow);
    gradus_tensor h = gradus_mul(gradus_add(gradus_take(table, words, 0), x), c);
    h = gradus_reshape(gradus_pad(h, 2, 1, 0, 0.25), GRADUS_SHAPE(GRADUS_BATCH, 8));
    h = gradus_dense(h, .units = 5, .activation = GRADUS_RELU, .name = "fc1");
    h = gradus_mul(h, gradus_random_uniform(g, dtype, GRADUS_SHAPE(GRADUS_BATCH, 5)));
    gradus_tensor z = gradus_dense(h, .units = 4, .name = "fc2");
    return gradus_mean(gradus_softmax_cross_entropy(z, labels), GRADUS_ALL_AXES, false);
}

static void right_gradients_pass(void **state) {
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        gradus_graph *g = gradus_graph_create();
        gradus_tensor loss = classifier(g, wide ? GRADUS_F64 : GRADUS_F32);
        uint32_t before = g->nodes.count;
        gradus_gradient_check worst[8];
        passes("all parameters",
               gradus_check_gradients(loss, GRADUS_NO_TENSORS, GRADUS_NO_TENSORS, GRADUS_NO_INPUTS, NULL, worst));
        assert_string_equal(worst[0].name, "table");
        assert_string_equal(worst[1].name, "fc1/kernel");
        double largest = 0;
        for (int i = 0; i < 5; i++) {
            assert_true(worst[i].error >= 0 && worst[i].error <= 1);
            largest = fmax(largest, fabs(worst[i].numeric));
        }
        assert_true(largest > 1e-3);
        gradus_tensor x = gradus_find(g, "x");
        passes("an input", gradus_check_gradients(loss, GRADUS_TENSORS(x), GRADUS_NO_TENSORS, GRADUS_NO_INPUTS,
                                                  OPTIONS(.seed = 9, .batch = 3), NULL));
        passes("its own dtypes", gradus_check_gradients(loss, GRADUS_NO_TENSORS, GRADUS_NO_TENSORS, GRADUS_NO_INPUTS,
                                                        OPTIONS(.no_widening = true, .seed = 4), NULL));
        assert_int_equal(g->nodes.count, before);
        gradus_graph_destroy(&g);
    }
}

static void wrong_gradients_are_named(void **state) {
    (void)state;
    for (int narrow = 0; narrow < 2; narrow++) {
        gradus_graph *g = gradus_graph_create();
        gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 3));
        gradus_tensor w = gradus_param(g, "w", GRADUS_F32, GRADUS_SHAPE(3, 2), gradus_glorot_uniform());
        gradus_tensor b = gradus_param(g, "b", GRADUS_F32, GRADUS_SHAPE(2), gradus_zeros());
        gradus_tensor z = gradus_tanh(gradus_add(gradus_matmul(x, w), b));
        /* the last column of w has a second path, which is hidden */
        gradus_tensor hidden = gradus_stop_gradient(gradus_slice(w, 1, 1, 2));
#line 7 "user.c"
        gradus_tensor y = gradus_add(gradus_sum(z, GRADUS_ALL_AXES, false),
                                     gradus_sum(gradus_square(hidden), GRADUS_ALL_AXES, false));
#line 1 "test_check_gradients.c"
        gradus_gradient_check worst[2];
        float xs[2][3] = {{1, 2, 3}, {-1, 0.5F, 0}};
        gradus_status status = gradus_check_gradients(y, GRADUS_TENSORS(b, w), GRADUS_TENSORS(x),
                                                      GRADUS_INPUTS(&xs[0][0]), OPTIONS(.no_widening = narrow), worst);
        fails(status, GRADUS_ERROR_MISMATCH, "user.c:7: add: its gradient with respect to \"w\" at [");
        fails(status, GRADUS_ERROR_MISMATCH, ", 1] of (3, 2) is ");
        assert_string_equal(worst[0].name, "b");
        assert_true(worst[0].error <= 1);
        assert_string_equal(worst[1].name, "w");
        assert_int_equal(worst[1].index % 2, 1);
        assert_true(worst[1].error > 1 && fabs(worst[1].numeric - worst[1].analytic) > 1e-3);
        fails(gradus_check_gradients(y, GRADUS_NO_TENSORS, GRADUS_NO_TENSORS, GRADUS_NO_INPUTS,
                                     OPTIONS(.no_widening = narrow), NULL),
              GRADUS_ERROR_MISMATCH, "\"w\"");
        /* a tolerance that lets it through */
        passes("tolerance", gradus_check_gradients(y, GRADUS_NO_TENSORS, GRADUS_NO_TENSORS, GRADUS_NO_INPUTS,
                                                   OPTIONS(.tolerance = 1e3), NULL));
        gradus_graph_destroy(&g);
    }
}

/* Half of the derivative is missing everywhere. */
static void a_factor_is_found(void **state) {
    (void)state;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F64, GRADUS_SHAPE(4));
    gradus_tensor y = gradus_mul(x, gradus_stop_gradient(x));
    gradus_gradient_check worst;
    const double xs[4] = {1, 3, -2, 0};
    fails(gradus_check_gradients(y, GRADUS_TENSORS(x), GRADUS_TENSORS(x), GRADUS_INPUTS(xs), NULL, &worst),
          GRADUS_ERROR_MISMATCH, "\"x\" at [");
    assert_true(fabs(worst.numeric - 2 * worst.analytic) < 1e-6);
    gradus_graph_destroy(&g);
}

static void kinks_are_fine(void **state) {
    (void)state;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(3)), zero = gradus_like(x, 0);
    gradus_tensor y = gradus_add(gradus_add(gradus_relu(x), gradus_abs(x)), gradus_maximum(x, zero));
    const float xs[3] = {0, 1e-6F, -1e-6F};
    passes("kinks", gradus_check_gradients(y, GRADUS_TENSORS(x), GRADUS_TENSORS(x), GRADUS_INPUTS(xs), NULL, NULL));
    gradus_tensor wrong = gradus_add(y, gradus_mul(gradus_stop_gradient(x), gradus_like(x, 3)));
    fails(gradus_check_gradients(wrong, GRADUS_TENSORS(x), GRADUS_TENSORS(x), GRADUS_INPUTS(xs), NULL, NULL),
          GRADUS_ERROR_MISMATCH, "\"x\"");
    gradus_graph_destroy(&g);
}

/* y = x0 x1, in C; the derivative is right, or takes x1 for x0. */
static void product(const float *x0, const float *x1, float *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = x0[i] * x1[i];
}
static void right(const float *x0, const float *x1, const float *dy, float *dx0, float *dx1, int64_t n) {
    for (int64_t i = 0; i < n; i++) dx0[i] = dy[i] * x1[i], dx1[i] = dy[i] * x0[i];
}
static void wrong(const float *x0, const float *x1, const float *dy, float *dx0, float *dx1, int64_t n) {
    (void)x0;
    for (int64_t i = 0; i < n; i++) dx0[i] = dx1[i] = dy[i] * x1[i];
}

static void functions_are_checked(void **state) {
    (void)state;
    for (int seeded = 0; seeded < 2; seeded++) {
        gradus_graph *g = gradus_graph_create();
        gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 4));
        gradus_tensor a = gradus_dense(x, .units = 3, .name = "a"), b = gradus_dense(x, .units = 3, .name = "b");
        gradus_tensor p =
            gradus_custom(GRADUS_TENSORS(gradus_tanh(a), gradus_exp(b)), .function = GRADUS_FUNCTION(product),
                          .signature = "void product(const float *x0, const float *x1, float *y, int64_t n)",
                          .backward = seeded ? GRADUS_FUNCTION(wrong) : GRADUS_FUNCTION(right),
                          .backward_symbol = seeded ? "wrong" : "right",
                          .backward_signature = "void product_backward(const float *x0, const float *x1, const float "
                                                "*dy, float *dx0, float *dx1, int64_t n)");
        gradus_gradient_check worst[4];
        gradus_status status = gradus_check_gradients(gradus_square(p), GRADUS_NO_TENSORS, GRADUS_NO_TENSORS,
                                                      GRADUS_NO_INPUTS, NULL, worst);
        if (!seeded) passes("a function in C", status);
        else fails(status, GRADUS_ERROR_MISMATCH, "with respect to \"b/");
        assert_true(worst[0].error <= 1 && worst[1].error <= 1); /* of a it is right */
        gradus_graph_destroy(&g);
    }
}

/* Constants are what they were.  And labels that are drawn fit their classes, even where there is one. */
static void widening_keeps_values(void **state) {
    (void)state;
    static const float weights[3] = {0.3F, -7, 1e-3F};
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(1)),
                  i = gradus_input(g, "i", GRADUS_I32, GRADUS_SHAPE(3));
    gradus_tensor one = gradus_state(g, "one", GRADUS_F32, GRADUS_SHAPE(1), gradus_fill(0.7));
    gradus_tensor w = gradus_constant(g, GRADUS_F32, GRADUS_SHAPE(3), weights, sizeof weights);
    gradus_tensor y = gradus_mul(gradus_add(gradus_mul(gradus_take(gradus_mul(x, one), i, 0), w), gradus_like(w, 0.9)),
                                 gradus_pad(x, 0, 1, 1, 4.5));
    const float xs[1] = {0.6F};
    gradus_gradient_check wide, narrow;
    passes("wide", gradus_check_gradients(y, GRADUS_TENSORS(x), GRADUS_TENSORS(x), GRADUS_INPUTS(xs), NULL, &wide));
    passes("narrow", gradus_check_gradients(y, GRADUS_TENSORS(x), GRADUS_TENSORS(x), GRADUS_INPUTS(xs),
                                            OPTIONS(.no_widening = true), &narrow));
    assert_true(fabs(wide.analytic - narrow.analytic) < 1e-5 * fabs(wide.analytic));
    assert_true(fabs(wide.analytic - (0.3 * 0.7 * 4.5 - 7 * 0.7 * 2 * 0.6 + 0.9 + 1e-3 * 0.7 * 4.5)) < 1e-5);
    gradus_graph_destroy(&g);
}

/* Of many elements some are drawn, the same ones for a seed. */
static void elements_are_drawn(void **state) {
    (void)state;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F64, GRADUS_SHAPE(1000)), y = gradus_mul(x, gradus_stop_gradient(x));
    gradus_gradient_check a, b, c;
    for (int i = 0; i < 2; i++)
        fails(gradus_check_gradients(y, GRADUS_TENSORS(x), GRADUS_NO_TENSORS, GRADUS_NO_INPUTS, OPTIONS(.seed = 1),
                                     i ? &b : &a),
              GRADUS_ERROR_MISMATCH, "of (1000)");
    fails(gradus_check_gradients(y, GRADUS_TENSORS(x), GRADUS_NO_TENSORS, GRADUS_NO_INPUTS,
                                 OPTIONS(.seed = 2, .samples = 3), &c),
          GRADUS_ERROR_MISMATCH, "of (1000)");
    assert_int_equal(a.index, b.index);
    assert_true(a.index != c.index);
    gradus_graph_destroy(&g);
}

static void mistakes_are_errors(void **state) {
    (void)state;
    gradus_graph *g = gradus_graph_create(), *other = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(3)),
                  elsewhere = gradus_input(other, "x", GRADUS_F32, GRADUS_SHAPE(3));
    gradus_tensor i = gradus_input(g, "i", GRADUS_I32, GRADUS_SHAPE(2)), h = gradus_exp(x),
                  y = gradus_sum(gradus_take(h, i, 0), GRADUS_ALL_AXES, false);
    gradus_tensor position = gradus_cast(gradus_argmax(h, GRADUS_AXES(0), false), GRADUS_F32);
    const float xs[3] = {1, 2, 3}, *nothing = NULL;
    const int32_t is[2] = {0, 3};
#define CHECK(y, x, inputs, data) gradus_check_gradients(y, x, inputs, data, NULL, NULL)
    fails(CHECK(y, GRADUS_TENSORS(h), GRADUS_NO_TENSORS, GRADUS_NO_INPUTS), GRADUS_ERROR_ARGUMENT,
          "exp, and only inputs, parameters and states");
    fails(CHECK(y, GRADUS_NO_TENSORS, GRADUS_NO_TENSORS, GRADUS_NO_INPUTS), GRADUS_ERROR_ARGUMENT, "no parameters");
    fails(CHECK(i, GRADUS_TENSORS(x), GRADUS_NO_TENSORS, GRADUS_NO_INPUTS), GRADUS_ERROR_ARGUMENT, "the tensor is i32");
    fails(CHECK(y, GRADUS_TENSORS(i), GRADUS_NO_TENSORS, GRADUS_NO_INPUTS), GRADUS_ERROR_GRAPH,
          "is i32, and only f32 and f64");
    fails(CHECK(position, GRADUS_TENSORS(x), GRADUS_NO_TENSORS, GRADUS_NO_INPUTS), GRADUS_ERROR_GRAPH, "argmax (");
    fails(CHECK(y, GRADUS_TENSORS(elsewhere), GRADUS_NO_TENSORS, GRADUS_NO_INPUTS), GRADUS_ERROR_ARGUMENT,
          "two graphs");
    fails(CHECK(y, GRADUS_TENSORS(x), GRADUS_TENSORS(elsewhere), GRADUS_INPUTS(xs)), GRADUS_ERROR_ARGUMENT,
          "two graphs");
    fails(CHECK(((gradus_tensor){NULL, 0}), GRADUS_TENSORS(x), GRADUS_NO_TENSORS, GRADUS_NO_INPUTS),
          GRADUS_ERROR_ARGUMENT, "absent");
    fails(CHECK(((gradus_tensor){g, 0}), GRADUS_TENSORS(x), GRADUS_NO_TENSORS, GRADUS_NO_INPUTS), GRADUS_ERROR_ARGUMENT,
          "not one of");
    fails(CHECK(y, GRADUS_TENSORS(x), GRADUS_TENSORS(x), GRADUS_NO_INPUTS), GRADUS_ERROR_MISMATCH,
          "1 inputs, but data for 0");
    fails(CHECK(y, GRADUS_TENSORS(x), GRADUS_TENSORS(h), GRADUS_INPUTS(xs)), GRADUS_ERROR_ARGUMENT,
          "no gradus_input but exp");
    fails(CHECK(y, GRADUS_TENSORS(x), GRADUS_TENSORS(x), GRADUS_INPUTS(nothing)), GRADUS_ERROR_ARGUMENT,
          "\"x\" is NULL");
    fails(CHECK(y, GRADUS_TENSORS(x), GRADUS_TENSORS(x), GRADUS_INPUTS(is)), GRADUS_ERROR_MISMATCH,
          "\"x\" is f32, its data is i32");
    fails(CHECK(y, GRADUS_TENSORS(x), GRADUS_TENSORS(i), GRADUS_INPUTS(is)), GRADUS_ERROR_ARGUMENT,
          "index 3 at [1] is outside 0 … 2");
    fails(
        gradus_check_gradients(y, GRADUS_TENSORS(x), GRADUS_NO_TENSORS, GRADUS_NO_INPUTS, OPTIONS(.samples = -1), NULL),
        GRADUS_ERROR_ARGUMENT, "above 0");
    gradus_tensor rows = gradus_input(g, "rows", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 1)),
                  pairs = gradus_matmul(rows, gradus_transpose(rows, GRADUS_AXES(1, 0)));
    fails(gradus_check_gradients(rows, GRADUS_TENSORS(rows), GRADUS_NO_TENSORS, GRADUS_NO_INPUTS,
                                 OPTIONS(.batch = INT64_MAX), NULL),
          GRADUS_ERROR_ARGUMENT, "input: with a batch of 9223372036854775807 its result has too many elements");
    fails(gradus_check_gradients(pairs, GRADUS_TENSORS(rows), GRADUS_NO_TENSORS, GRADUS_NO_INPUTS,
                                 OPTIONS(.batch = INT64_C(1) << 31), NULL),
          GRADUS_ERROR_ARGUMENT, "matmul: with a batch of 2147483648");
    fails(CHECK(gradus_log(gradus_like(y, 0)), GRADUS_TENSORS(x), GRADUS_NO_TENSORS, GRADUS_NO_INPUTS),
          GRADUS_ERROR_NAN, "not finite");
    assert_int_equal(gradus_graph_status(g), GRADUS_OK);
    passes("after all this", CHECK(y, GRADUS_TENSORS(x), GRADUS_TENSORS(x), GRADUS_INPUTS(xs)));
    gradus_add(x, i);
    fails(CHECK(y, GRADUS_TENSORS(x), GRADUS_NO_TENSORS, GRADUS_NO_INPUTS), GRADUS_ERROR_GRAPH, "add: ");
    gradus_graph_destroy(&g);
    gradus_graph_destroy(&other);
}

/* Each allocation fails in turn. */
static void memory_runs_out(void **state) {
    (void)state;
    heap_install();
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 2));
    gradus_tensor h = gradus_dense(x, .units = 2, .activation = GRADUS_TANH, .name = "fc");
    gradus_params(g, NULL);
    long before = heap.live, n = 0;
    for (bool spared = false; !spared; n++) {
        heap.countdown = n;
        gradus_status status =
            gradus_check_gradients(h, GRADUS_NO_TENSORS, GRADUS_NO_TENSORS, GRADUS_NO_INPUTS, NULL, NULL);
        spared = heap.countdown >= 0;
        heap.countdown = -1;
        assert_int_equal(status, spared ? GRADUS_OK : GRADUS_ERROR_MEMORY);
        assert_true(heap.live - before <= 1); /* the list of parameters is the graph's */
    }
    assert_true(n > 5);
    gradus_graph_destroy(&g);
    assert_int_equal(heap.live, 0);
    gradus_set_allocator(NULL, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_gradients_pass),  cmocka_unit_test(wrong_gradients_are_named),
        cmocka_unit_test(a_factor_is_found),     cmocka_unit_test(kinks_are_fine),
        cmocka_unit_test(functions_are_checked), cmocka_unit_test(widening_keeps_values),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(elements_are_drawn),    cmocka_unit_test(mistakes_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
