/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations of one's own, run: compiled code against the evaluator, which calls the functions by another way, and against
 * built-in operations that do the same; derivatives; how often and in which order functions are called.  What goes wrong is
 * in test_custom_errors.c.
 */
#include "tests/compare.h"
#include "tests/german.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* --- functions, as users have them -------------------------------------------------------------------------------- */

static int multiplications, backwards;

static int multiply(const float *x0, const float *x1, float *y, int64_t n) {
    multiplications++;
    for (int64_t i = 0; i < n; i++) y[i] = x0[i] * x1[i];
    return 0;
}

static int multiply_backward(const float *x0, const float *x1, const float *dy, float *dx0, float *dx1, int64_t n) {
    backwards++;
    for (int64_t i = 0; i < n; i++) {
        dx0[i] = dy[i] * x1[i];
        dx1[i] = dy[i] * x0[i];
    }
    return 0;
}

#define MULTIPLY "int multiply(const float *x0, const float *x1, float *y, int64_t n)"

static gradus_tensor multiplied(gradus_tensor a, gradus_tensor b) {
    return gradus_custom(GRADUS_TENSORS(a, b), .function = GRADUS_FUNCTION(multiply), .signature = MULTIPLY,
                         .backward = GRADUS_FUNCTION(multiply_backward));
}

/* Row i of y is row i of x0 times alpha, plus x1, plus offset where it is asked for. */
static void affine(const double *restrict x, int rows, size_t columns, const double *x1, double alpha, bool shifted,
                   uint8_t offset, float half, int32_t minus, double y[]) {
    for (int i = 0; i < rows; i++)
        for (size_t k = 0; k < columns; k++)
            y[(size_t)i * columns + k] =
                x[(size_t)i * columns + k] * alpha + x1[k] + (shifted ? offset + (double)half + minus : 0);
}

#define AFFINE                                                                                                \
    "void affine(const double *restrict x, int x0_d0, size_t x0_d1, double const x1[], double alpha = -0.5, " \
    "bool shifted = true, uint8_t offset = 200, float half = 0.5f, int32_t minus = -0x10, double y[]);"

/* A function of a struct: y[b, k] = batch * x[b, k] + user's number; both derivatives, too. */
static gradus_status scaled(const gradus_custom_call *c) {
    const float *x = c->inputs[0];
    float *y = c->outputs[0];
    const gradus_shape *s = &c->shapes[0];
    if (s->d[0] != 2 || s->d[1] != c->batch || s->d[2] != 5 || memcmp(s, &c->shapes[2], sizeof *s) != 0)
        return GRADUS_ERROR_MISMATCH;
    if (c->shapes[1].d[0] != 0) return GRADUS_ERROR_MISMATCH;
    for (int64_t i = 0; i < c->batch * 5; i++)
        y[i] = (float)c->batch * x[i] + *(const float *)c->user + (float)*(const int32_t *)c->inputs[1];
    return GRADUS_OK;
}

static gradus_status scaled_backward(const gradus_custom_call *c) {
    const float *dy = c->inputs[3];
    float *dx = c->outputs[0];
    if (c->outputs[1]) return GRADUS_ERROR_MISMATCH; /* of an integer */
    for (int64_t i = 0; i < c->batch * 5; i++) dx[i] = (float)c->batch * dy[i];
    return GRADUS_OK;
}

/* The sums of the rows, as another dtype. */
static void row_sums(const int32_t *x0, int64_t *y, long rows, unsigned columns) {
    for (long i = 0; i < rows; i++) {
        y[i] = 0;
        for (unsigned k = 0; k < columns; k++) y[i] += x0[i * (long)columns + k];
    }
}

static gradus_status first_axis(void *user, const gradus_shape *in, size_t n, gradus_shape *out) {
    (void)user;
    if (n != 1) return GRADUS_ERROR_ARGUMENT;
    *out = in[0];
    out->d[0] = 1;
    return GRADUS_OK;
}

static void negate(const uint8_t *x0, const bool *x1, uint8_t *y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = x1[i] ? (uint8_t)(255 - x0[i]) : x0[i];
}

static void reversed(const void *x0, void *y, size_t n) {
    for (size_t i = 0; i < n; i++) memcpy((char *)y + i * 4, (const char *)x0 + (n - 1 - i) * 4, 4);
}

/* As a library has it: the result is returned, and a factor passed by its value. */
static double dot(int n, const double *x, int step_x, const double *y, int step_y, double factor, int32_t times,
                  bool also) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i * step_x] * y[i * step_y];
    return sum * factor * times * also;
}

static void dot_backward(int n, const double *x, int step_x, const double *y, int step_y, double factor, int32_t times,
                         bool also, const double *dy, double *dx0, double *dx1, double *dx2) {
    *dx2 = *dy * dot(n, x, step_x, y, step_y, 1, times, also);
    for (int i = 0; i < n; i++) {
        dx0[i] = *dy * y[i] * factor * times;
        dx1[i] = *dy * x[i] * factor * times;
    }
}

typedef struct {
    double number;
} context;

static int add_number(const double *x0, double *y, int64_t n, int64_t batch, const context *user) {
    for (int64_t i = 0; i < n; i++) y[i] = x0[i] + user->number * (double)batch;
    return n != 9 * batch;
}

static float first_of(const float *x0) { return x0[0]; }

/* --- values -------------------------------------------------------------------------------------------------------- */

static double value_for(const char *name, int64_t i) {
    return (double)((i * 37 + name[0] * 11 + (name[0] ? name[1] : 0)) % 101 - 50) / 16;
}

static void bind_value(void *user, uint32_t id, const node *n, array *out) {
    (void)user, (void)id;
    const size_t size = gradus_dtype_size(out->dtype);
    for (int64_t i = 0; i < shape_elements(&out->shape); i++) {
        const double v = value_for(n->attr.name, i) * (out->dtype == GRADUS_I32 ? 16 : 1);
        const scalar s = scalar_from_double(out->dtype, out->dtype == GRADUS_BOOL ? v > 0 : v);
        memcpy((char *)out->data + (size_t)i * size, &s, size);
    }
}

/* Every entry, compiled for each number of threads, against the evaluator; destroys the graph. */
static void finish(gradus_graph *g, const char *what) {
    static const int64_t batches[] = {64, 1, 7};
    if (gradus_graph_status(g)) fail_msg("%s: %s", what, gradus_graph_error(g));
    for (int32_t threads = 1; threads <= 3; threads++)
        compare_graph(g, what, batches, COUNT(batches), threads, (source_of_values){bind_value, NULL});
    gradus_graph_destroy(&g);
}

static void define(gradus_graph *g, const char *name, gradus_tensors outputs, gradus_updates updates) {
    gradus_tensor inputs[16];
    size_t n = 0;
    for (uint32_t i = 0; i < g->nodes.count; i++)
        if (graph_node(g, i)->op == OP_input) inputs[n++] = (gradus_tensor){g, i};
    gradus_define(g, name, gradus_list(inputs, n), outputs, updates);
}

static gradus_program *compiled(gradus_graph *g, int32_t threads) {
    gradus_program *p = NULL;
    if (gradus_jit(g, gradus_compile_options(.max_batch = 64, .threads = threads), &p))
        fail_msg("%s", gradus_last_error());
    assert_int_equal(gradus_program_init(p, 1), GRADUS_OK);
    return p;
}

static gradus_tensor sum_of(gradus_tensor x) { return gradus_sum(x, GRADUS_ALL_AXES, false); }

/* --- in both worlds ------------------------------------------------------------------------------------------------- */

static gradus_status as_first(void *user, const gradus_shape *in, size_t n, gradus_shape *out) {
    (void)user, (void)n;
    *out = in[0];
    return GRADUS_OK;
}

static void test_every_way_to_pass(void **state) {
    (void)state;
    static float number = 2.5f;
    static context seven = {7};
    gradus_graph *g = gradus_graph_create();
    gradus_tensor d = gradus_input(g, "d", GRADUS_F64, GRADUS_SHAPE(GRADUS_BATCH, 9));
    gradus_tensor v = gradus_param(g, "v", GRADUS_F64, GRADUS_SHAPE(9), gradus_ones());
    gradus_tensor f = gradus_input(g, "f", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 5));
    gradus_tensor i = gradus_input(g, "i", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH * 2, 3));
    gradus_tensor k = gradus_input(g, "k", GRADUS_I32, GRADUS_SCALAR);
    gradus_tensor u = gradus_input(g, "u", GRADUS_U8, GRADUS_SHAPE(7, 1)),
                  b = gradus_input(g, "b", GRADUS_BOOL, GRADUS_SHAPE(5));
    gradus_tensor by_struct = gradus_custom(GRADUS_TENSORS(f, k), .symbol = "scaled", .run = scaled, .shape = as_first,
                                            .user = &number, .backward = GRADUS_FUNCTION(scaled_backward));
    const gradus_tensor ys[] = {
        gradus_custom(GRADUS_TENSORS(d, v), .function = GRADUS_FUNCTION(affine), .signature = AFFINE,
                      .shape = as_first),
        gradus_custom(GRADUS_TENSORS(d), .function = GRADUS_FUNCTION(add_number), .user = &seven,
                      .signature =
                          "int add_number(const double *x0, double *y, int64_t n, int64_t batch, const context *user)"),
        by_struct,
        gradus_gradient(sum_of(gradus_square(by_struct)), f),
        gradus_custom(GRADUS_TENSORS(i), .function = GRADUS_FUNCTION(row_sums), .shape = first_axis,
                      .signature = "void row_sums(const int32_t *x, int64_t *y, long n, unsigned x_d1)"),
        gradus_custom(GRADUS_TENSORS(u, b), .function = GRADUS_FUNCTION(negate),
                      .signature = "void negate(const uint8_t *x0, const bool *x1, uint8_t *y, size_t n)"),
        gradus_custom(GRADUS_TENSORS(i), .function = GRADUS_FUNCTION(reversed),
                      .signature = "void reversed(const void *x0, void *y, size_t x0_n)"),
        gradus_custom(GRADUS_TENSORS(f), .symbol = "reversed_as_i32", .function = GRADUS_FUNCTION(reversed),
                      .dtype = GRADUS_I32, .signature = "void reversed(const void *x0, void *y, size_t y_n)"),
    };
    assert_int_equal(gradus_dtype_of(ys[4]), GRADUS_I64);
    assert_int_equal(gradus_dtype_of(ys[7]), GRADUS_I32);
    define(g, "f", gradus_list(ys, COUNT(ys)), GRADUS_NO_UPDATES);
    finish(g, "every way to pass");
}

static void plus(const double *x0, double *y, int64_t n, unsigned a, uint64_t b, double c, float d) {
    for (int64_t i = 0; i < n; i++) y[i] = x0[i] + a + (double)(b & 0xffff) + (double)(b >> 63) + c + (double)d;
}

/* The values that a signature has are read as C reads them, whatever the user's locale makes of a point. */
static void test_values(void **state) {
    (void)state;
    for (int german = 0; german < 2 && (!german || speak_german()); german++) {
        gradus_graph *g = gradus_graph_create();
        gradus_tensor x = gradus_input(g, "x", GRADUS_F64, GRADUS_SHAPE(2));
        gradus_tensor y = gradus_custom(
            GRADUS_TENSORS(x), .function = GRADUS_FUNCTION(plus),
            .signature = "void plus(const double *x0, double *y, int64_t n, unsigned a = 4000000000u, "
                         "uint64_t b = 0xfedcba9876543210ULL, double c = .125e-1, float d = 0x1.8p1f)");
        define(g, "f", GRADUS_TENSORS(y), GRADUS_NO_UPDATES);
        setlocale(LC_ALL, "C");
        if (gradus_graph_status(g)) fail_msg("%s", gradus_graph_error(g));
        gradus_program *p = compiled(g, 1);
        double in[2] = {1, 2}, out[2] = {0};
        assert_int_equal(gradus_call(p, "f", 1, GRADUS_INPUTS(in), GRADUS_OUTPUTS(out)), GRADUS_OK);
        for (int i = 0; i < 2; i++) assert_true(out[i] == in[i] + 4000000000.0 + 0x3210 + 1 + .0125 + 3);
        gradus_program_destroy(&p);
        finish(g, "values");
    }
}

/* Operands that are somewhere else than in a temporary, or nowhere; results that go everywhere. */
static void test_every_place(void **state) {
    (void)state;
    static const float numbers[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(3, 4)),
                  y = gradus_input(g, "y", GRADUS_F32, GRADUS_SHAPE(4, 3));
    gradus_tensor w = gradus_param(g, "w", GRADUS_F32, GRADUS_SHAPE(3, 4), gradus_ones());
    gradus_tensor c = gradus_constant(g, GRADUS_F32, GRADUS_SHAPE(3, 4), numbers, sizeof numbers);
    gradus_tensor twice = multiplied(gradus_reshape(y, GRADUS_SHAPE(3, 4)), gradus_transpose(y, GRADUS_AXES(1, 0)));
    gradus_tensor chain = multiplied(multiplied(x, x), gradus_exp(twice)), same = multiplied(w, w);
    const gradus_tensor ys[] = {
        twice,
        multiplied(x, c),
        multiplied(w, gradus_slice(x, 0, 1, 2)),
        multiplied(gradus_like(x, 2), gradus_scalar(g, GRADUS_F32, 3)),
        gradus_matmul(chain, gradus_transpose(multiplied(x, w), GRADUS_AXES(1, 0))),
        same,
        same,
        gradus_reshape(same, GRADUS_SHAPE(12)),
        gradus_softmax(multiplied(gradus_softmax(x, -1), x), -1),
        gradus_gradient(sum_of(gradus_mul(chain, chain)), y),
        gradus_gradient(sum_of(multiplied(same, same)), w),
    };
    gradus_updates step = gradus_assign(w, same);
    define(g, "f", gradus_list(ys, COUNT(ys)), GRADUS_NO_UPDATES);
    define(g, "step", GRADUS_TENSORS(same), step);
    define(g, "after", GRADUS_TENSORS(multiplied(gradus_updated(step, w), x)), step);
    finish(g, "every place");
}

/* --- derivatives ---------------------------------------------------------------------------------------------------- */

/* A network that is large enough for several threads, with a built-in product or one's own. */
static gradus_graph *network(gradus_tensor (*product)(gradus_tensor, gradus_tensor)) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 128));
    gradus_tensor h = gradus_dense(x, .units = 256, .activation = GRADUS_TANH, .name = "a");
    gradus_tensor gate = gradus_sigmoid(gradus_dense(x, .units = 256, .name = "b"));
    gradus_tensor y = gradus_dense(product(h, gate), .units = 1, .name = "c");
    gradus_tensor loss = gradus_mean(gradus_square(gradus_sub(y, sum_of(x))), GRADUS_ALL_AXES, false);
    define(g, "train", GRADUS_TENSORS(loss), gradus_minimize(loss, gradus_adam()));
    return g;
}

static gradus_tensor product_built_in(gradus_tensor a, gradus_tensor b) { return gradus_mul(a, b); }

static void test_training_equals_the_built_in(void **state) {
    (void)state;
    static float x[64 * 128];
    for (int i = 0; i < 64 * 128; i++) x[i] = (float)value_for("x", i);
    for (int32_t threads = 1; threads <= 3; threads++) {
        gradus_graph *graphs[] = {network(product_built_in), network(multiplied)};
        gradus_program *p[] = {compiled(graphs[0], threads), compiled(graphs[1], threads)};
        multiplications = backwards = 0;
        float first = 0;
        for (int step = 0; step < 20; step++) {
            float loss[2];
            for (int i = 0; i < 2; i++)
                assert_int_equal(
                    gradus_call(p[i], "train", step % 2 ? 64 : 31, GRADUS_INPUTS(x), GRADUS_OUTPUTS(&loss[i])),
                    GRADUS_OK);
            assert_memory_equal(&loss[0], &loss[1], sizeof *loss);
            if (step == 0) first = loss[0];
            if (step == 18) assert_true(loss[0] < first);
        }
        assert_int_equal(multiplications, 20);
        assert_int_equal(backwards, 20);
        for (int i = 0; i < 2; i++) {
            gradus_program_destroy(&p[i]);
            gradus_graph_destroy(&graphs[i]);
        }
    }
    finish(network(multiplied), "training");
}

static gradus_status multiply_gradient(void *user, gradus_tensors x, gradus_tensor y, gradus_tensor dy,
                                       gradus_tensor *dx) {
    (void)y;
    if (user != &multiplications || x.count != 2) return GRADUS_ERROR_ARGUMENT;
    dx[0] = gradus_mul(dy, x.items[1]);
    dx[1] = gradus_mul(dy, x.items[0]);
    return GRADUS_OK;
}

/* All orders, where the derivative is graph; and a network applied a second time. */
static void test_gradient_as_graph(void **state) {
    (void)state;
    for (int own = 0; own < 2; own++) {
        gradus_graph *g = gradus_graph_create();
        gradus_tensor a = gradus_input(g, "a", GRADUS_F32, GRADUS_SHAPE(4)),
                      b = gradus_input(g, "b", GRADUS_F32, GRADUS_SHAPE(4));
        gradus_tensor t = gradus_input(g, "t", GRADUS_F32, GRADUS_SHAPE(4));
        gradus_tensor ab =
            own ? gradus_custom(GRADUS_TENSORS(a, b), .function = GRADUS_FUNCTION(multiply), .signature = MULTIPLY,
                                .gradient = multiply_gradient, .user = &multiplications)
                : gradus_mul(a, b);
        gradus_tensor y = gradus_square(ab), first = gradus_gradient(sum_of(y), a);
        gradus_tensor again = gradus_substitute(first, GRADUS_TENSORS(a), GRADUS_TENSORS(t));
        define(g, "f",
               GRADUS_TENSORS(first, gradus_gradient(sum_of(first), b),
                              gradus_jvp(y, GRADUS_TENSORS(a), GRADUS_TENSORS(t)), gradus_jacobian(y, b), again),
               GRADUS_NO_UPDATES);
        static float results[2][4 + 4 + 4 + 16 + 4];
        const float in[][4] = {{1, -2, 3.5f, 0.25f}, {4, 0.5f, -1, 2}, {-1, 1, 0.5f, 3}};
        float *r = results[own];
        gradus_program *p = compiled(g, 1);
        assert_int_equal(
            gradus_call(p, "f", 1, GRADUS_INPUTS(in[0], in[1], in[2]), GRADUS_OUTPUTS(r, r + 4, r + 8, r + 12, r + 28)),
            GRADUS_OK);
        gradus_program_destroy(&p);
        finish(g, "gradient as graph");
        for (size_t i = 0; own && i < COUNT(results[0]); i++) assert_true(results[0][i] == results[1][i]);
    }
}

static void scale(const double *x0, const int32_t *x1, double *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = x0[i] * x1[i];
}

/* Not all of the operands; the result is asked for, and parameters stand in any order. */
static void scale_backward(double *dx0, const double *y, const double *dy, const int32_t *x1, int64_t n,
                           const double *x0) {
    for (int64_t i = 0; i < n; i++) dx0[i] = y[i] == x0[i] * x1[i] ? dy[i] * x1[i] : -1;
}

static void test_some_cotangents(void **state) {
    (void)state;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor a = gradus_input(g, "a", GRADUS_F64, GRADUS_SHAPE(GRADUS_BATCH, 5)),
                  k = gradus_input(g, "k", GRADUS_I32, GRADUS_SHAPE(5));
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH)),
                  w = gradus_param(g, "w", GRADUS_F32, GRADUS_SCALAR, gradus_ones());
    gradus_tensor y = gradus_custom(
        GRADUS_TENSORS(a, k), .function = GRADUS_FUNCTION(scale), .backward = GRADUS_FUNCTION(scale_backward),
        .signature = "void scale(const double *x0, const int32_t *x1, double *y, int64_t n)",
        .backward_signature = "void scale_backward(double *dx0, const double *y, const double *dy, const int32_t *x1, "
                              "int64_t n, const double *x0)");
    gradus_tensor own = gradus_gradient(sum_of(gradus_exp(y)), a);
    gradus_tensor built_in = gradus_gradient(sum_of(gradus_exp(gradus_mul(a, gradus_cast(k, GRADUS_F64)))), a);
    define(g, "f", GRADUS_TENSORS(own, gradus_gradient(sum_of(gradus_square(multiplied(x, w))), w)), GRADUS_NO_UPDATES);
    define(g, "same", GRADUS_TENSORS(gradus_min(gradus_equal(own, built_in), GRADUS_ALL_AXES, false)),
           GRADUS_NO_UPDATES);
    gradus_program *p = compiled(g, 1);
    const double values[] = {1, -2, 0.5, 0.25, 3};
    const int32_t factors[] = {2, 1, -1, 4, 1};
    bool same = false;
    assert_int_equal(gradus_call(p, "same", 1, GRADUS_INPUTS(values, factors, &(float){1}), GRADUS_OUTPUTS(&same)),
                     GRADUS_OK);
    assert_true(same);
    gradus_program_destroy(&p);
    finish(g, "some cotangents");
}

static void test_returned(void **state) {
    (void)state;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor a = gradus_input(g, "a", GRADUS_F64, GRADUS_SHAPE(GRADUS_BATCH)),
                  b = gradus_input(g, "bc", GRADUS_F64, GRADUS_SHAPE(GRADUS_BATCH));
    gradus_tensor c = gradus_input(g, "c", GRADUS_F64, GRADUS_SCALAR),
                  k = gradus_input(g, "k", GRADUS_I32, GRADUS_SCALAR);
    gradus_tensor also = gradus_input(g, "y", GRADUS_BOOL, GRADUS_SCALAR),
                  f = gradus_input(g, "f", GRADUS_F32, GRADUS_SHAPE(3));
    gradus_tensor y = gradus_custom(GRADUS_TENSORS(a, b, c, k, also), .function = GRADUS_FUNCTION(dot),
                                    .backward = GRADUS_FUNCTION(dot_backward),
                                    .signature = "double dot(int x0_n, const double *x0, int s0 = 1, const double *x1, "
                                                 "int s1 = 1, double x2, int x3, bool x4)");
    gradus_tensor built_in = gradus_mul(gradus_mul(sum_of(gradus_mul(a, b)), c), gradus_cast(k, GRADUS_F64));
    gradus_tensor ys[] = {y,
                          gradus_gradient(gradus_square(y), a),
                          gradus_gradient(y, b),
                          gradus_gradient(y, c),
                          built_in,
                          gradus_gradient(gradus_square(built_in), a),
                          gradus_gradient(built_in, b),
                          gradus_gradient(built_in, c),
                          gradus_custom(GRADUS_TENSORS(f), .function = GRADUS_FUNCTION(first_of),
                                        .signature = "float first_of(const float x[])")};
    define(g, "f", gradus_list(ys, COUNT(ys)), GRADUS_NO_UPDATES);
    const double in[3][2] = {{1, 2}, {3, -5}, {0.5, 0}};
    const float three[] = {7, 8, 9};
    double own[6], expected[6];
    float first;
    gradus_program *p = compiled(g, 1);
    const int32_t times = 3;
    const bool yes = true;
    if (gradus_call(
            p, "f", 2, GRADUS_INPUTS(in[0], in[1], in[2], &times, &yes, three),
            GRADUS_OUTPUTS(own, own + 1, own + 3, own + 5, expected, expected + 1, expected + 3, expected + 5, &first)))
        fail_msg("%s", gradus_last_error());
    assert_memory_equal(own, expected, sizeof own);
    assert_true(own[0] == -10.5 && first == 7);
    gradus_program_destroy(&p);
    finish(g, "returned");
}

/* --- how often, and when --------------------------------------------------------------------------------------------- */

static char calls[64];

static int note(const float *x0, float *y, void *user) {
    strncat(calls, user, sizeof calls - strlen(calls) - 1);
    *y = *x0;
    return 0;
}

static gradus_tensor noted(gradus_tensor x, const char *name, bool effects) {
    return gradus_custom(GRADUS_TENSORS(x), .function = GRADUS_FUNCTION(note),
                         .signature = "int note(const float *x0, float *y, char *user)",
                         .user = (void *)(uintptr_t)name, .effects = effects);
}

static void assert_calls(gradus_graph *g, const char *expected, size_t outputs) {
    for (int32_t threads = 1; threads <= 2; threads++) {
        gradus_program *p = compiled(g, threads);
        const float x = 3;
        float y[2] = {0};
        const gradus_out out[] = {{&y[0], 0}, {&y[1], 0}};
        calls[0] = '\0';
        for (int i = 0; i < 2; i++)
            assert_int_equal(gradus_call(p, "f", 1, GRADUS_INPUTS(&x), (gradus_outputs){out, outputs}), GRADUS_OK);
        assert_int_equal(strlen(calls), 2 * strlen(expected));
        assert_memory_equal(calls, expected, strlen(expected));
        assert_memory_equal(calls + strlen(expected), expected, strlen(expected));
        gradus_program_destroy(&p);
    }
    gradus_graph_destroy(&g);
}

static void test_called_once_and_in_order(void **state) {
    (void)state;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SCALAR);
    gradus_tensor a = noted(gradus_exp(x), "a", true), b = noted(x, "b", true), c = noted(b, "c", true);
    define(g, "f", GRADUS_TENSORS(gradus_add(gradus_mul(c, gradus_exp(c)), gradus_add(gradus_exp(a), a))),
           GRADUS_NO_UPDATES);
    assert_calls(g, "abc", 1);

    g = gradus_graph_create(); /* scalars all fit into one kernel, which would have to run before a and after b */
    x = gradus_input(g, "x", GRADUS_F32, GRADUS_SCALAR);
    a = noted(gradus_exp(x), "a", true), b = noted(x, "b", true);
    define(g, "f", GRADUS_TENSORS(a, gradus_exp(b)), GRADUS_NO_UPDATES);
    assert_calls(g, "ab", 2);

    g = gradus_graph_create(); /* made again for other inputs, be they the same after all */
    x = gradus_input(g, "x", GRADUS_F32, GRADUS_SCALAR);
    a = noted(x, "a", true),
    b = gradus_substitute(a, GRADUS_TENSORS(x), GRADUS_TENSORS(gradus_reshape(x, GRADUS_SCALAR)));
    c = gradus_substitute(a, GRADUS_TENSORS(x), GRADUS_TENSORS(gradus_neg(gradus_neg(x))));
    define(g, "f", GRADUS_TENSORS(b, c), GRADUS_NO_UPDATES);
    assert_calls(g, "aa", 2);

    g = gradus_graph_create(); /* equal pure ones are one; what nothing needs is none */
    x = gradus_input(g, "x", GRADUS_F32, GRADUS_SCALAR);
    noted(x, "d", false);
    a = noted(x, "a", false), b = noted(x, "b", false), c = noted(x, "a", false);
    define(g, "f", GRADUS_TENSORS(gradus_add(a, gradus_add(b, c))), GRADUS_NO_UPDATES);
    assert_calls(g, "ab", 1);

    g = gradus_graph_create(); /* with effects they are two, even if the result turns out not to matter */
    x = gradus_input(g, "x", GRADUS_F32, GRADUS_SCALAR);
    gradus_tensor dropped = gradus_where(gradus_training(g), noted(x, "a", true), noted(x, "a", true));
    define(g, "f", GRADUS_TENSORS(dropped), GRADUS_NO_UPDATES);
    assert_calls(g, "aa", 1);
}

/* --- as text --------------------------------------------------------------------------------------------------------- */

/* The C library's swab exchanges neighbouring bytes: its prototype is a signature as it stands. */
static void test_written_and_read(void **state) {
    (void)state;
    char path[] = "/tmp/gradus_custom_XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_U8, GRADUS_SHAPE(6));
    gradus_tensor y = gradus_custom(GRADUS_TENSORS(x), .function = GRADUS_FUNCTION(swab), .effects = true,
                                    .signature = "void swab(const void *restrict x, void *restrict y, ssize_t n)");
    define(g, "f", GRADUS_TENSORS(y), GRADUS_NO_UPDATES);
    assert_int_equal(gradus_graph_write(g, path), GRADUS_OK);
    gradus_graph_destroy(&g);
    if (gradus_graph_read(path, &g)) fail_msg("%s", gradus_last_error());
    remove(path);
    gradus_program *p = compiled(g, 1);
    uint8_t in[] = "badcfe", out[7] = "";
    assert_int_equal(gradus_call(p, "f", 1, GRADUS_INPUTS(in), GRADUS_OUTPUTS(out)), GRADUS_OK);
    assert_string_equal((char *)out, "abcdef");
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_way_to_pass),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_every_place),
        cmocka_unit_test(test_training_equals_the_built_in),
        cmocka_unit_test(test_gradient_as_graph),
        cmocka_unit_test(test_some_cotangents),
        cmocka_unit_test(test_returned),
        cmocka_unit_test(test_called_once_and_in_order),
        cmocka_unit_test(test_written_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
