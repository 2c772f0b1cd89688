/* SPDX-License-Identifier: Apache-2.0
 *
 * Corners of the compiler, against the evaluator: nothing at all, several batch dimensions, reductions over
 * every axis, deep contractions, operands that are views, chains of movements, computed indices, state that is read and
 * written in every order, long rows of several rounds.
 */
#include "tests/compare.h"

#include <math.h>
#include <string.h>

static const gradus_dtype dtypes[] = {GRADUS_F32, GRADUS_F64, GRADUS_I32, GRADUS_I64, GRADUS_U8, GRADUS_BOOL};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

/* splitmix64 of a position */
static double noise(uint64_t i) {
    uint64_t z = i * UINT64_C(0x9E3779B97F4A7C15) + UINT64_C(0x1234567);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return ((double)((z ^ z >> 31) >> 11) * 0x1p-53 - 0.5) * 8;
}

/* Inputs "i…" are small indices, "t…" have many equal elements and zeros of both signs, "n…" some NaN and infinities
 * besides; what is left is noise. */
static double value_for(const char *name, int64_t i) {
    double x = noise((uint64_t)i + (uint64_t)name[0] * 7919);
    switch (name[0]) {
    case 'i': return (double)(i * 7 % 3);
    case 'n':
        if (i % 29 == 11) return (double)NAN;
        if (i % 37 == 5) return i % 2 ? (double)INFINITY : -(double)INFINITY;
        return i % 5 == 3 ? -0.0 : i % 5 == 1 ? 0.0 : x;
    case 't': return fabs(x) < 1.5 ? (i % 2 ? -0.0 : 0.0) : floor(x);
    default: return x;
    }
}

static void bind_value(void *user, uint32_t id, const node *n, array *out) {
    (void)user, (void)id;
    size_t size = gradus_dtype_size(out->dtype);
    for (int64_t i = 0; i < shape_elements(&out->shape); i++) {
        double v = strcmp(n->attr.name, "rng") ? value_for(n->attr.name, i) : (double)(7 * (i == 0));
        scalar s = scalar_from_double(out->dtype, out->dtype == GRADUS_BOOL ? (double)(v > 0) : v);
        memcpy((unsigned char *)out->data + (size_t)i * size, &s, size);
    }
}

/* Compares and destroys. */
static void finish(gradus_graph *g, const char *what) {
    static const int64_t batches[] = {13, 1, 2};
    static const int32_t teams[] = {1, 2, 7};
    if (gradus_graph_status(g)) fail_msg("%s: %s", what, gradus_graph_error(g));
    for (int i = 0; i < 3; i++) compare_graph(g, what, batches, 3, teams[i], (source_of_values){bind_value, NULL});
    gradus_graph_destroy(&g);
}

static gradus_tensor input(gradus_graph *g, const char *name, gradus_dtype dtype, gradus_shape shape) {
    return gradus_input(g, name, dtype, shape);
}

static gradus_tensor state_of(gradus_graph *g, const char *name, gradus_dtype dtype, gradus_shape shape) {
    return gradus_state(g, name, dtype, shape, gradus_zeros());
}

/* An entry over all inputs of the graph so far. */
static void define_named(gradus_graph *g, const char *name, gradus_tensors outputs, gradus_updates updates) {
    gradus_tensor inputs[64];
    size_t n = 0;
    for (uint32_t i = 0; i < g->nodes.count; i++)
        if (graph_node(g, i)->op == OP_input) inputs[n++] = (gradus_tensor){g, i};
    gradus_define(g, name, gradus_list(inputs, n), outputs, updates);
}

static void define(gradus_graph *g, gradus_tensors outputs, gradus_updates updates) {
    define_named(g, "f", outputs, updates);
}

#define ALL GRADUS_ALL_AXES
#define AXES(...) GRADUS_AXES(__VA_ARGS__)
#define SHAPE(...) GRADUS_SHAPE(__VA_ARGS__)
#define LIST(...) GRADUS_TENSORS(__VA_ARGS__)
#define SWAP GRADUS_AXES(1, 0)
#define B GRADUS_BATCH

/* --- extents ------------------------------------------------------------------------------------------------------- */

static void test_nothing(void **unused) {
    (void)unused;
    for (int d = 0; d < 5; d++) {
        gradus_dtype t = dtypes[d];
        gradus_graph *g = gradus_graph_create();
        gradus_tensor x = input(g, "x", t, SHAPE(0, 5)), y = input(g, "y", t, SHAPE(5, 0));
        gradus_tensor z = input(g, "z", t, SHAPE(B, 0)), e = input(g, "e", t, SHAPE(0)),
                      a = input(g, "a", t, SHAPE(B, 5));
        gradus_tensor s = state_of(g, "s", t, SHAPE(0, 3)), p = state_of(g, "p", t, SHAPE(5));
        gradus_tensor none = input(g, "none", GRADUS_I32, SHAPE(0));
        gradus_tensor ys[] = {
            x,
            z,
            e,
            s,
            gradus_neg(x),
            gradus_sum(x, AXES(0), false),
            gradus_sum(x, AXES(1), false),
            gradus_prod(y, AXES(1), true),
            gradus_prod(y, AXES(0), false),
            gradus_sum(z, AXES(0), false),
            gradus_sum(z, AXES(1), false),
            gradus_sum(e, ALL, false),
            gradus_sum(x, ALL, true),
            gradus_max(x, AXES(1), false),
            gradus_argmax(y, AXES(0), false),
            gradus_concat(LIST(x, x), 0),
            gradus_concat(LIST(x, gradus_reshape(p, SHAPE(1, 5)), x), 0),
            gradus_pad(x, 0, 2, 1, 3),
            gradus_pad(z, 1, 1, 1, 2),
            gradus_reshape(x, SHAPE(5, 0, 2)),
            gradus_transpose(x, SWAP),
            gradus_add(gradus_sum(x, AXES(0), false), p),
            gradus_add(a, gradus_sum(z, AXES(1), true)),
            gradus_take(a, none, 1),
            gradus_take(x, none, 0),
            gradus_slice(a, 1, 2, 2),
            gradus_sum(gradus_mul(gradus_slice(a, 1, 2, 2), z), AXES(1), false),
        };
        define(g, gradus_list(ys, sizeof ys / sizeof *ys),
               gradus_join(
                   GRADUS_UPDATES(gradus_assign(s, gradus_neg(s)), gradus_assign(p, gradus_sum(x, AXES(0), false)))));
        finish(g, gradus_dtype_name(t));
    }
}

/* Depth 0, one row or column, no batches. */
static void test_thin_products(void **unused) {
    (void)unused;
    static const int64_t sizes[][3] = {{5, 0, 7}, {1, 9, 17}, {7, 3, 1},  {13, 2, 17},
                                       {0, 4, 3}, {3, 4, 0},  {5, 65, 33}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int64_t m = sizes[i][0], k = sizes[i][1], n = sizes[i][2];
        gradus_dtype t = dtypes[i % 2];
        gradus_graph *g = gradus_graph_create();
        gradus_tensor x = input(g, "x", t, SHAPE(B, m, k)), y = input(g, "y", t, SHAPE(k, n));
        gradus_tensor u = input(g, "u", t, SHAPE(B, k, m)), v = input(g, "v", t, SHAPE(1, n, k));
        gradus_tensor c = input(g, "c", t, SHAPE(k, 1)), r = input(g, "r", t, SHAPE(k)),
                      q = input(g, "q", t, SHAPE(2, 3, m, k));
        gradus_tensor wide = input(g, "w", t, SHAPE(m, k + 5)), tall = input(g, "h", t, SHAPE(2, k + 3, n));
        gradus_axes flip = AXES(0, 2, 1);
        const gradus_tensor ys[] = {
            gradus_matmul(x, y),
            gradus_matmul(gradus_transpose(u, flip), y),
            gradus_matmul(x, gradus_transpose(v, flip)),
            gradus_matmul(gradus_transpose(u, flip), gradus_transpose(v, flip)),
            gradus_matmul(q, y),
            gradus_matmul(x, c),
            gradus_matmul(x, r),
            gradus_matmul(gradus_transpose(q, AXES(1, 0, 2, 3)), y),
            gradus_matmul(gradus_broadcast_to(r, SHAPE(m, k)), gradus_broadcast_to(c, SHAPE(k, n))),
            gradus_matmul(gradus_slice(wide, 1, 5, k + 5), gradus_slice(tall, 1, 2, k + 2)),
            gradus_matmul(gradus_pad(wide, 1, 1, 2, 0), gradus_pad(tall, 1, 2, 3, 1)),
            gradus_matmul(x, u),
            gradus_cast(gradus_matmul(x, y), GRADUS_I32),
            gradus_sum(gradus_exp(gradus_matmul(x, y)), AXES(2), false),
        };
        define(g, gradus_list(ys, sizeof ys / sizeof *ys), GRADUS_NO_UPDATES);
        finish(g, "thin products");
    }
}

static void test_batches(void **unused) {
    (void)unused;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = input(g, "x", GRADUS_F32, SHAPE(B, 5)), y = input(g, "n", GRADUS_F32, SHAPE(3, B));
    gradus_tensor z = input(g, "z", GRADUS_F32, SHAPE(B, 2, B)), q = input(g, "q", GRADUS_F32, SHAPE(4, B, B, B));
    gradus_tensor i = input(g, "i", GRADUS_I32, SHAPE(3, B)), two = input(g, "t", GRADUS_F32, SHAPE(2 * B, 3));
    gradus_tensor gram = gradus_matmul(x, gradus_transpose(x, SWAP));
    const gradus_tensor ys[] = {
        gram,
        gradus_softmax(gram, 1),
        gradus_softmax(gram, 0),
        gradus_sum(gram, ALL, false),
        gradus_mean(gram, AXES(0), false),
        gradus_argmax(gram, AXES(0), false),
        gradus_argmax(gram, ALL, false),
        gradus_argmax(y, AXES(1), false),
        gradus_argmax(y, AXES(0), true),
        gradus_argmax(z, AXES(0), false),
        gradus_argmax(z, AXES(0, 2), false),
        gradus_matmul(gram, gram),
        gradus_matmul(y, x),
        gradus_matmul(gradus_transpose(y, SWAP), y),
        gradus_max(z, AXES(0), false),
        gradus_sum(z, AXES(1), true),
        gradus_sum(z, AXES(0, 1), false),
        gradus_sum(z, AXES(1, 2), false),
        gradus_transpose(z, AXES(2, 1, 0)),
        gradus_softmax(y, 1),
        gradus_slice(q, 0, 1, 3),
        gradus_sum(gradus_slice(q, 0, 2, 4), AXES(1), false),
        gradus_pad(q, 0, 1, 2, 3),
        gradus_concat(LIST(gradus_slice(q, 0, 3, 4), q), 0),
        gradus_take(q, gradus_reshape(gradus_slice(i, 0, 0, 1), SHAPE(B)), 0),
        gradus_take_along_axis(gradus_reshape(y, SHAPE(3, B)), i, 0),
        gradus_reshape(two, SHAPE(B, 6)),
        gradus_reshape(two, SHAPE(B, 3, 2)),
        gradus_sum(gradus_reshape(gradus_exp(two), SHAPE(B, 6)), AXES(1), false),
        gradus_add(gradus_random_uniform(g, GRADUS_F32, SHAPE(2, B, B)), gram),
        gradus_add(gradus_arange(g, GRADUS_F32, 2 * B), gradus_sum(two, AXES(1), false)),
    };
    define(g, gradus_list(ys, sizeof ys / sizeof *ys), GRADUS_NO_UPDATES);
    finish(g, "several batch dimensions");
}

/* --- reductions ---------------------------------------------------------------------------------------------------- */

static void test_reduced_axes(void **unused) {
    (void)unused;
    for (int d = 0; d < DTYPES; d++) {
        gradus_dtype t = dtypes[d];
        gradus_graph *g = gradus_graph_create();
        gradus_tensor all[] = {input(g, "n", t, SHAPE(B, 70, 3)), input(g, "t", t, SHAPE(2, B, 131)),
                               input(g, "tt", t, SHAPE(300, 1, 65, 1))};
        gradus_tensor ys[64];
        size_t n = 0;
        for (int i = 0; i < 3; i++) {
            const gradus_axes axes[] = {AXES(0), AXES(1), AXES(2), AXES(0, 2), ALL};
            for (int a = 0; a < 5; a++) {
                ys[n++] = gradus_max(all[i], axes[a], false);
                ys[n++] = gradus_min(all[i], axes[a], true);
                if (t == GRADUS_BOOL) continue;
                ys[n++] = gradus_argmax(all[i], axes[a], a % 2);
                if (i < 2) ys[n++] = a % 2 ? gradus_sum(all[i], axes[a], false) : gradus_prod(all[i], axes[a], false);
            }
        }
        define(g, gradus_list(ys, n), GRADUS_NO_UPDATES);
        finish(g, gradus_dtype_name(t));
    }
}

/* Rows beyond what fits in registers, several rounds over each, values that rounds hand on. */
static void test_long_rows(void **unused) {
    (void)unused;
    static const int64_t widths[] = {1, 2, 63, 4099, 5000};
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        gradus_graph *g = gradus_graph_create();
        gradus_dtype t = dtypes[w % 2];
        gradus_tensor x = input(g, "x", t, SHAPE(B, widths[w])), y = input(g, "y", t, SHAPE(widths[w]));
        gradus_tensor s = gradus_softmax(x, 1), e = gradus_exp(gradus_mul(x, y)), c = gradus_cos(y);
        gradus_tensor v = gradus_var(e, AXES(1), true), m = gradus_mean(e, AXES(1), true);
        gradus_tensor normal = gradus_div(gradus_sub(e, m), gradus_sqrt(v));
        gradus_tensor top = gradus_argmax(normal, AXES(1), true);
        const gradus_tensor ys[] = {
            s,
            normal,
            top,
            gradus_sum(gradus_mul(s, gradus_log(s)), AXES(1), false),
            gradus_sum(gradus_mul(normal, c), AXES(1), false),
            gradus_cast(gradus_greater(normal, gradus_max(s, AXES(1), true)), GRADUS_U8),
            gradus_softmax(gradus_mul(y, y), 0),
            gradus_sum(gradus_where(gradus_equal(gradus_cast(top, t), gradus_arange(g, t, widths[w])), s, normal),
                       AXES(1), false),
        };
        define(g, gradus_list(ys, sizeof ys / sizeof *ys), GRADUS_NO_UPDATES);
        finish(g, "long rows");
    }
}

/* More depth than one chunk of order.h, over the batch too. */
static void test_deep_products(void **unused) {
    (void)unused;
    static const int64_t batches[] = {4300, 4096, 3};
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = input(g, "x", GRADUS_F32, SHAPE(B, 7)), y = input(g, "y", GRADUS_F32, SHAPE(B, 3));
    gradus_tensor u = input(g, "u", GRADUS_F64, SHAPE(2, 8195)), v = input(g, "v", GRADUS_F64, SHAPE(8195, 5));
    const gradus_tensor ys[] = {
        gradus_matmul(gradus_transpose(x, SWAP), y),
        gradus_matmul(gradus_transpose(y, SWAP), y),
        gradus_matmul(u, v),
        gradus_sum(x, AXES(0), false),
        gradus_argmax(x, AXES(0), false),
        gradus_sum(gradus_transpose(x, SWAP), AXES(1), false),
    };
    define(g, gradus_list(ys, sizeof ys / sizeof *ys), GRADUS_NO_UPDATES);
    assert_int_equal(gradus_graph_status(g), GRADUS_OK);
    for (int32_t threads = 1; threads <= 3; threads += 2)
        compare_graph(g, "deep products", batches, 3, threads, (source_of_values){bind_value, NULL});
    gradus_graph_destroy(&g);
}

/* --- movement ------------------------------------------------------------------------------------------------------ */

static void test_chains(void **unused) {
    (void)unused;
    for (int d = 0; d < DTYPES; d++) {
        gradus_dtype t = dtypes[d];
        static const unsigned char bytes[8 * 21] = {1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 1};
        gradus_graph *g = gradus_graph_create();
        gradus_tensor x = input(g, "x", t, SHAPE(B, 7, 19)), y = input(g, "y", t, SHAPE(7, 19)),
                      z = input(g, "z", t, SHAPE(B, 3, 19));
        gradus_tensor k = gradus_constant(g, t, SHAPE(21), bytes, 21 * gradus_dtype_size(t));
        gradus_tensor p = gradus_pad(gradus_pad(y, 1, 2, 3, 1), 1, 1, 0, 0), joined = gradus_concat(LIST(x, z, x), 1);
        gradus_tensor wide =
            gradus_concat(LIST(x, gradus_slice(x, 2, 0, 0), gradus_slice(x, 2, 4, 9), gradus_pad(x, 2, 1, 16, 1)), 2);
        const gradus_tensor ys[] = {
            p,
            gradus_slice(p, 1, 2, 24),
            gradus_pad(gradus_slice(x, 2, 1, 18), 1, 0, 2, 1),
            joined,
            wide,
            gradus_slice(joined, 1, 6, 9),
            gradus_transpose(joined, AXES(0, 2, 1)),
            gradus_transpose(wide, AXES(2, 1, 0)),
            gradus_max(wide, AXES(2), false),
            gradus_max(wide, AXES(1), false),
            gradus_min(joined, AXES(1), false),
            gradus_max(gradus_reshape(joined, SHAPE(B, 17 * 19)), AXES(1), false),
            gradus_equal(wide, gradus_slice(wide, 2, 0, 60)),
            gradus_pad(gradus_concat(LIST(y, y), 0), 0, 1, 2, 1),
            gradus_pad(gradus_concat(LIST(y, gradus_pad(y, 1, 0, 2, 1)), 1), 1, 3, 4, 0),
            gradus_concat(LIST(gradus_concat(LIST(y, y), 1), gradus_concat(LIST(y, y), 1)), 0),
            gradus_reshape(gradus_pad(gradus_reshape(y, SHAPE(7, 1, 19)), 1, 1, 1, 0), SHAPE(21, 19)),
            gradus_concat(LIST(k, k, gradus_reshape(gradus_slice(k, 0, 0, 20), SHAPE(20))), 0),
            gradus_reshape(k, SHAPE(3, 7)),
            gradus_transpose(gradus_reshape(k, SHAPE(3, 7)), SWAP),
            gradus_broadcast_to(gradus_pad(gradus_reshape(k, SHAPE(21, 1)), 1, 1, 0, 0), SHAPE(21, 2)),
            gradus_like(x, 1),
            gradus_broadcast_to(gradus_slice(y, 1, 3, 4), SHAPE(5, 7, 30)),
        };
        define(g, gradus_list(ys, sizeof ys / sizeof *ys), GRADUS_NO_UPDATES);
        finish(g, gradus_dtype_name(t));
    }
}

/* --- look-ups ------------------------------------------------------------------------------------------------------ */

static void test_computed_indices(void **unused) {
    (void)unused;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = input(g, "x", GRADUS_F32, SHAPE(B, 70)), table = state_of(g, "w", GRADUS_F32, SHAPE(70, 9));
    gradus_tensor line = input(g, "y", GRADUS_F64, SHAPE(71)), i = input(g, "i", GRADUS_I32, SHAPE(B));
    gradus_tensor top = gradus_argmax(x, AXES(1), false), column = gradus_argmax(x, AXES(1), true);
    gradus_tensor next = gradus_add(gradus_mul(i, gradus_like(i, 2)), gradus_like(i, 1));
    gradus_tensor far = gradus_cast(gradus_add(next, top), GRADUS_I64), near = gradus_clip(far, 0, 70);
    gradus_tensor rows = gradus_take(table, top, 0), chain = gradus_take(line, gradus_argmax(rows, AXES(1), false), 0);
    const gradus_tensor ys[] = {
        rows,
        gradus_exp(rows),
        chain,
        gradus_take_along_axis(x, column, 1),
        gradus_take(line, next, 0),
        gradus_take(line, near, 0),
        gradus_add(gradus_take(line, near, 0), gradus_cast(near, GRADUS_F64)),
        near,
        gradus_one_hot(next, 6, GRADUS_U8),
        gradus_sum(gradus_take(line, near, 0), ALL, false),
        gradus_softmax(gradus_take(gradus_exp(x), gradus_reshape(gradus_argmax(table, AXES(0), false), SHAPE(9)), 1),
                       1),
        gradus_gradient(gradus_sum(gradus_square(rows), ALL, false), table),
        gradus_gradient(gradus_sum(gradus_exp(gradus_take(line, near, 0)), ALL, false), line),
        gradus_gradient(gradus_sum(gradus_square(gradus_take_along_axis(x, column, 1)), ALL, false), x),
        gradus_take(
            gradus_transpose(table, SWAP),
            gradus_reshape(
                gradus_concat(LIST(gradus_argmax(table, AXES(0), false), gradus_argmax(table, AXES(0), false)), 0),
                SHAPE(3, 6)),
            1),
    };
    define(g, gradus_list(ys, sizeof ys / sizeof *ys),
           gradus_assign(table, gradus_gradient(gradus_sum(gradus_exp(rows), ALL, false), table)));
    finish(g, "computed indices");
}

/* Indices that are state, which the same call changes, beside work that is worth sharing. */
static void test_changing_indices(void **unused) {
    (void)unused;
    static const int64_t sizes[] = {3, 20000};
    for (int n = 0; n < 2; n++) {
        gradus_graph *g = gradus_graph_create();
        gradus_tensor table = input(g, "x", GRADUS_F32, SHAPE(400, 2)),
                      big = input(g, "y", GRADUS_F32, SHAPE(300, 300));
        gradus_tensor i = state_of(g, "i", GRADUS_I32, SHAPE(sizes[n])),
                      j = state_of(g, "index", GRADUS_I64, SHAPE(sizes[n]));
        gradus_tensor a = gradus_take(table, i, 0), b = gradus_take(table, j, 0);
        const gradus_tensor ys[] = {a, gradus_sum(gradus_mul(a, b), ALL, false), gradus_matmul(big, big)};
        define(
            g, gradus_list(ys, 3),
            gradus_join(GRADUS_UPDATES(gradus_assign(i, gradus_sub(gradus_neg(i), gradus_like(i, 7))),
                                       gradus_assign(j, gradus_sub(gradus_cast(i, GRADUS_I64), gradus_like(j, 9))))));
        finish(g, "indices that change");
    }
}

static void must(gradus_status status) {
    if (status) fail_msg("%s", gradus_last_error());
}

/* A call with a wrong index leaves the state as it was; the same call with right ones goes through. */
static void check_failure(gradus_graph *g, int32_t threads) {
    enum { N = 3000 };
    static int32_t indices[N], before[N], after[N];
    static float sum[2], x[N], line[10];
    gradus_program *program;
    must(gradus_jit(g, gradus_compile_options(.threads = threads), &program));
    must(gradus_program_init(program, 1));
    for (int k = 0; k < N; k++) indices[k] = k % 9;
    for (int k = 0; k < 10; k++) line[k] = (float)k;
    const gradus_in in[] = {{indices, 0}, {line, 0}, {x, 0}};
    const gradus_out out[] = {{sum, 0}};
    must(gradus_call(program, "f", 0, (gradus_inputs){in, 3}, (gradus_outputs){out, 1}));
    must(gradus_program_read(program, "s", before, sizeof before));
    for (int round = 0; round < 20; round++) {
        indices[N - 1] = round % 2 ? 2000000000 : -2000000000;
        assert_int_equal(gradus_call(program, "f", 0, (gradus_inputs){in, 3}, (gradus_outputs){out, 1}),
                         GRADUS_ERROR_ARGUMENT);
        must(gradus_program_read(program, "s", after, sizeof after));
        assert_memory_equal(before, after, sizeof before);
    }
    gradus_program_destroy(&program);
}

/* In the first the index is computed where the state is updated, in the second where it is used, in the third it is an
 * input. */
static void test_wrong_indices(void **unused) {
    (void)unused;
    for (int form = 0; form < 3; form++) {
        for (int32_t threads = 1; threads <= 3; threads++) {
            gradus_graph *g = gradus_graph_create();
            gradus_tensor i = input(g, "i", GRADUS_I32, SHAPE(3000)), line = input(g, "line", GRADUS_F32, SHAPE(10));
            gradus_tensor x = input(g, "x", GRADUS_F32, SHAPE(3000)), s = state_of(g, "s", GRADUS_I32, SHAPE(3000));
            gradus_tensor next = gradus_add(i, gradus_like(i, 1));
            gradus_tensor looked = gradus_take(line, form == 2 ? i : next, 0);
            gradus_tensor value = form == 0 ? next : gradus_add(s, next);
            gradus_tensor y = gradus_sum(
                form == 1 ? gradus_mul(looked, gradus_cast(next, GRADUS_F32)) : gradus_mul(looked, x), ALL, false);
            define(g, gradus_list(&y, 1), gradus_assign(s, value));
            if (gradus_graph_status(g)) fail_msg("%s", gradus_graph_error(g));
            check_failure(g, threads);
            gradus_graph_destroy(&g);
        }
    }
}

/* --- state --------------------------------------------------------------------------------------------------------- */

static void test_updates(void **unused) {
    (void)unused;
    static const int64_t sizes[] = {1, 5, 64, 130};
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        const gradus_shape shape = SHAPE(sizes[n], sizes[n]);
        gradus_graph *g = gradus_graph_create();
        gradus_tensor w[10];
        for (int i = 0; i < 10; i++) w[i] = state_of(g, (const char[]){(char)('a' + i), 0}, GRADUS_F32, shape);
        gradus_tensor column = state_of(g, "column", GRADUS_F32, SHAPE(sizes[n])),
                      one = state_of(g, "one", GRADUS_F32, GRADUS_SCALAR);
        gradus_tensor x = input(g, "x", GRADUS_F32, SHAPE(B, sizes[n])), same = gradus_mul(w[6], w[7]);
        gradus_tensor total = gradus_sum(w[8], AXES(1), false);
        gradus_updates u = gradus_join(GRADUS_UPDATES(
            gradus_assign(w[0], w[1]), gradus_assign(w[1], w[0]), gradus_assign(w[2], gradus_transpose(w[2], SWAP)),
            gradus_assign(w[3], gradus_sub(w[3], gradus_sum(w[3], AXES(0), false))),
            gradus_assign(w[4], gradus_matmul(w[4], w[5])),
            gradus_assign(w[5], gradus_add(gradus_matmul(gradus_transpose(x, SWAP), x), w[5])),
            gradus_assign(w[6], same), gradus_assign(w[7], same), gradus_assign(w[8], gradus_softmax(w[8], 1)),
            gradus_assign(column, gradus_add(column, total)),
            gradus_assign(one, gradus_add(one, gradus_sum(column, ALL, false))),
            gradus_assign(w[9], gradus_add(gradus_mul(w[9], one), column))));
        const gradus_tensor ys[] = {w[0],
                                    w[2],
                                    w[4],
                                    same,
                                    same,
                                    w[8],
                                    column,
                                    one,
                                    x,
                                    gradus_updated(u, w[3]),
                                    gradus_like(x, 2),
                                    gradus_sum(w[9], AXES(0), false)};
        define(g, gradus_list(ys, sizeof ys / sizeof *ys), u);
        define_named(g, "swap", LIST(w[1]),
                     gradus_join(GRADUS_UPDATES(gradus_assign(w[0], w[1]), gradus_assign(w[1], w[2]),
                                                gradus_assign(w[2], w[0]))));
        define_named(g, "rows", LIST(one),
                     gradus_join(GRADUS_UPDATES(gradus_assign(column, gradus_max(w[0], AXES(1), false)),
                                                gradus_assign(w[0], gradus_broadcast_to(column, shape)))));
        define_named(
            g, "columns", LIST(one),
            gradus_join(GRADUS_UPDATES(
                gradus_assign(column, gradus_sub(column, gradus_sum(gradus_mul(w[0], column), AXES(0), false))),
                gradus_assign(one, gradus_max(column, ALL, false)))));
        finish(g, "updates");
    }
}

static void test_draws(void **unused) {
    (void)unused;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = input(g, "x", GRADUS_F32, SHAPE(B, 67)),
                  w = gradus_param(g, "w", GRADUS_F64, SHAPE(5, 33), gradus_glorot_normal());
    gradus_tensor a = gradus_random_uniform(g, GRADUS_F32, SHAPE(B, 67)),
                  b = gradus_random_normal(g, GRADUS_F64, SHAPE(5, 33));
    gradus_tensor one = gradus_random_uniform(g, GRADUS_F64, GRADUS_SCALAR), t = gradus_transpose(b, SWAP);
    define_named(g, "f", LIST(a, b, one), gradus_assign(w, gradus_add(w, b)));
    define_named(
        g, "g",
        LIST(gradus_where(gradus_less(a, gradus_like(a, 0.5)), x, gradus_like(x, 0)), t, gradus_sum(a, AXES(0), false)),
        GRADUS_NO_UPDATES);
    define_named(g, "h",
                 LIST(gradus_softmax(a, 1), gradus_slice(a, 1, 3, 60), gradus_pad(b, 1, 2, 1, 0),
                      gradus_mul(gradus_cast(one, GRADUS_F32), a)),
                 GRADUS_NO_UPDATES);
    finish(g, "draws");
}

/* An expression of thousands of operations, each needed once. */
static void test_long_expression(void **unused) {
    (void)unused;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = input(g, "x", GRADUS_F32, SHAPE(B, 5)), y = x;
    for (int i = 0; i < 20000; i++) y = i % 2 ? gradus_mul(y, x) : gradus_sub(x, y);
    define(g, LIST(y), GRADUS_NO_UPDATES);
    finish(g, "a long expression");
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),          cmocka_unit_test(test_thin_products),
        cmocka_unit_test(test_batches),          cmocka_unit_test(test_reduced_axes),
        cmocka_unit_test(test_long_rows),        cmocka_unit_test(test_deep_products),
        cmocka_unit_test(test_chains),           cmocka_unit_test(test_computed_indices),
        cmocka_unit_test(test_changing_indices), cmocka_unit_test(test_wrong_indices),
        cmocka_unit_test(test_updates),          cmocka_unit_test(test_draws),
        cmocka_unit_test(test_long_expression),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]); /* a pattern */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
