/* SPDX-License-Identifier: Apache-2.0
 *
 * Every op of the table, compiled, against the evaluator, bit for bit.  Elementwise rows are enumerated from the table,
 * over all their dtypes and pairs of special values; the others stand in graphs below.  An op that no graph here holds
 * fails the last test.
 */
#include "tests/compare.h"

#include <math.h>
#include <string.h>

static bool covered[OP_COUNT];

static const gradus_dtype dtypes[] = {GRADUS_F32, GRADUS_F64, GRADUS_I32, GRADUS_I64, GRADUS_U8, GRADUS_BOOL};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

static const double specials[] = {0.0,    -0.0,  1.0,   -1.0,  0.5,    -0.5,     2.0,       -2.5,       3.75, 1e-3,
                                  -7.0,   12.25, 255.0, 256.0, 88.5,   -104.0,   710.0,     1e-40,      3e38, -3e38,
                                  1e-310, 1e300, 4e9,   -4e9,  0.9999, INFINITY, -INFINITY, (double)NAN};
enum { SPECIALS = sizeof specials / sizeof *specials };

/* splitmix64 of a position: values that fill what the special ones leave. */
static double noise(uint64_t i) {
    uint64_t z = i * UINT64_C(0x9E3779B97F4A7C15) + UINT64_C(0x1234567);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return ((double)((z ^ z >> 31) >> 11) * 0x1p-53 - 0.5) * 8;
}

/* Inputs "a…" run through the special values quickly, "b…" slowly, so that all pairs meet; "i…" are small indices; what
 * is left is noise. */
static double value_for(const char *name, int64_t i) {
    size_t fast = (size_t)i % (SPECIALS + 9), slow = (size_t)i / (SPECIALS + 9) % (SPECIALS + 9);
    if (name[0] == 'a') return fast < SPECIALS ? specials[fast] : noise((uint64_t)i);
    if (name[0] == 'b') return slow < SPECIALS ? specials[slow] : noise((uint64_t)i + 1000);
    if (name[0] == 'i') return (double)(i * 7 % 3);
    return noise((uint64_t)i + (uint64_t)name[0] * 7919);
}

static void bind_value(void *user, uint32_t id, const node *n, array *out) {
    (void)user, (void)id;
    size_t size = gradus_dtype_size(out->dtype);
    for (int64_t i = 0; i < shape_elements(&out->shape); i++) {
        double v = value_for(n->attr.name, i);
        scalar s = scalar_from_double(out->dtype, out->dtype == GRADUS_BOOL ? (double)(v > 0) : v);
        memcpy((unsigned char *)out->data + (size_t)i * size, &s, size);
    }
}

/* Compares and destroys. */
static void finish(gradus_graph *g, const char *what) {
    static const int64_t batches[] = {SPECIALS + 9, 1, 3};
    if (gradus_graph_status(g)) fail_msg("%s: %s", what, gradus_graph_error(g));
    for (uint32_t i = 0; i < g->nodes.count; i++) covered[graph_node(g, i)->op] = true;
    for (int32_t threads = 1; threads <= 3; threads += 2)
        compare_graph(g, what, batches, 3, threads, (source_of_values){bind_value, NULL});
    gradus_graph_destroy(&g);
}

static gradus_tensor input(gradus_graph *g, const char *name, gradus_dtype dtype, gradus_shape shape) {
    return gradus_input(g, name, dtype, shape);
}

/* An entry "f" over all inputs of the graph so far. */
static void define(gradus_graph *g, const gradus_tensor *outputs, size_t count) {
    gradus_tensor inputs[64];
    size_t n = 0;
    for (uint32_t i = 0; i < g->nodes.count; i++)
        if (graph_node(g, i)->op == OP_input) inputs[n++] = (gradus_tensor){g, i};
    gradus_define(g, "f", gradus_list(inputs, n), gradus_list(outputs, count), GRADUS_NO_UPDATES);
}

/* --- elementwise ------------------------------------------------------------------------------------------------- */

static gradus_tensor elementwise(gradus_graph *g, op_code op, gradus_dtype dtype, gradus_dtype to) {
    static const char *const names[] = {"a", "b", "c"};
    gradus_shape shape = GRADUS_SHAPE(GRADUS_BATCH, SPECIALS + 9);
    uint32_t ids[3] = {0};
    const uint32_t n = (uint32_t)op_infos[op].arity;
    for (uint32_t i = 0; i < n; i++) {
        gradus_dtype of = op == OP_where && i == 0 ? GRADUS_BOOL : dtype;
        ids[i] = input(g, op == OP_check_index ? "i" : names[i], of, shape).id;
    }
    volatile uint32_t made = 0;
    guard here;
    if (GUARDED(&here)) {
        node_spec spec = {.op = op, .n_inputs = n, .inputs = ids, .dtype = to, .shape = shape};
        if (op_infos[op].attributes & ATTR_BOUND) spec.attr.bound = 3;
        made = graph_add(g, &spec);
        guard_leave(&here);
    }
    return (gradus_tensor){g, made};
}

static void check_elementwise(op_code op, gradus_dtype dtype, gradus_dtype to) {
    char what[100];
    snprintf(what, sizeof what, "%s of %s to %s", op_name(op), gradus_dtype_name(dtype), gradus_dtype_name(to));
    gradus_graph *g = gradus_graph_create();
    gradus_tensor y = elementwise(g, op, dtype, to);
    define(g, &y, 1);
    finish(g, what);
}

static void test_elementwise(void **state) {
    (void)state;
    for (op_code op = OP_poison + 1; op < OP_COUNT; op++) {
        if (!op_is(op, ELEMENTWISE)) continue;
        for (int d = 0; d < DTYPES; d++) {
            if (!(op_infos[op].operands & 1U << dtypes[d])) continue;
            for (int t = 0; t < DTYPES; t++)
                if (op == OP_cast || t == d) check_elementwise(op, dtypes[d], dtypes[t]);
        }
    }
}

/* --- the others ---------------------------------------------------------------------------------------------------- */

static void test_movement(void **state) {
    (void)state;
    for (int d = 0; d < DTYPES; d++) {
        gradus_graph *g = gradus_graph_create();
        gradus_tensor x = input(g, "x", dtypes[d], GRADUS_SHAPE(GRADUS_BATCH, 6, 17));
        gradus_tensor y = input(g, "y", dtypes[d], GRADUS_SHAPE(5, 33));
        const gradus_tensor ys[] = {
            gradus_reshape(x, GRADUS_SHAPE(GRADUS_BATCH, 2, 51)),
            gradus_reshape(x, GRADUS_SHAPE(GRADUS_BATCH * 6, 17)),
            gradus_transpose(x, GRADUS_AXES(0, 2, 1)),
            gradus_transpose(x, GRADUS_AXES(2, 0, 1)),
            gradus_broadcast_to(gradus_reshape(y, GRADUS_SHAPE(5, 1, 33)), GRADUS_SHAPE(5, 7, 33)),
            gradus_slice(x, 2, 3, 16),
            gradus_slice(x, 1, 6, 6),
            gradus_pad(x, 2, 3, 1, 1.0),
            gradus_pad(y, 0, 0, 2, 0.0),
            gradus_transpose(gradus_pad(gradus_slice(x, 1, 1, 4), 1, 1, 2, 0.0), GRADUS_AXES(0, 2, 1)),
            gradus_concat(GRADUS_TENSORS(y, gradus_slice(y, 0, 0, 2), y), 0),
            gradus_concat(GRADUS_TENSORS(y, gradus_slice(y, 1, 1, 9)), -1),
        };
        define(g, ys, sizeof ys / sizeof *ys);
        finish(g, gradus_dtype_name(dtypes[d]));
    }
}

static void test_sources(void **state) {
    (void)state;
    for (int d = 0; d < DTYPES; d++) {
        static const uint64_t zeros[21];
        gradus_graph *g = gradus_graph_create();
        gradus_dtype t = dtypes[d];
        gradus_tensor x = input(g, "x", t, GRADUS_SHAPE(GRADUS_BATCH, 21));
        gradus_tensor c = gradus_constant(g, t, GRADUS_SHAPE(21), zeros, 21 * gradus_dtype_size(t));
        gradus_tensor p = gradus_state(g, "p", t, GRADUS_SHAPE(21), gradus_zeros());
        const gradus_tensor ys[] = {
            x,
            c,
            p,
            gradus_like(x, 1),
            t == GRADUS_BOOL ? x : gradus_arange(g, t, 70),
            gradus_equal(x, c),
            gradus_equal(p, x),
        };
        define(g, ys, sizeof ys / sizeof *ys);
        finish(g, gradus_dtype_name(t));
    }
}

static void test_reductions(void **state) {
    (void)state;
    static const int64_t widths[] = {1, 3, 8, 63, 64, 65, 200};
    for (int d = 0; d < DTYPES; d++) {
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            gradus_dtype t = dtypes[d];
            gradus_graph *g = gradus_graph_create();
            /* Names choose the values: the first has infinities and NaN. */
            gradus_tensor all[] = {input(g, "a", t, GRADUS_SHAPE(GRADUS_BATCH, widths[w])),
                                   input(g, "x", t, GRADUS_SHAPE(2, widths[w], 19)),
                                   input(g, "y", t, GRADUS_SHAPE(GRADUS_BATCH, 130, widths[w]))};
            gradus_tensor ys[40];
            size_t n = 0;
            for (int i = 0; i < 3; i++) {
                for (int axis = 0; axis < (i == 0 ? 2 : 3); axis++) {
                    gradus_axes axes = GRADUS_AXES(axis);
                    ys[n++] = gradus_max(all[i], axes, false);
                    ys[n++] = gradus_min(all[i], axes, true);
                    if (t == GRADUS_BOOL) continue;
                    ys[n++] = gradus_sum(all[i], axes, false);
                    ys[n++] = gradus_prod(all[i], axes, false);
                    ys[n++] = gradus_argmax(all[i], axes, false);
                }
            }
            define(g, ys, n);
            finish(g, gradus_dtype_name(t));
        }
    }
}

static void test_matmul(void **state) {
    (void)state;
    static const int64_t sizes[][3] = {{1, 1, 1},   {3, 5, 7},    {8, 16, 8},   {17, 33, 31}, {64, 64, 64},
                                       {65, 1, 65}, {1, 100, 50}, {50, 100, 1}, {6, 0, 4},    {2, 4100, 3}};
    for (int d = 0; d < 2; d++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            const int64_t m = sizes[i][0], k = sizes[i][1], n = sizes[i][2];
            gradus_dtype t = dtypes[d];
            gradus_graph *g = gradus_graph_create();
            gradus_tensor x = input(g, "x", t, GRADUS_SHAPE(m, k)), y = input(g, "y", t, GRADUS_SHAPE(k, n));
            gradus_tensor u = input(g, "u", t, GRADUS_SHAPE(k, m)), v = input(g, "v", t, GRADUS_SHAPE(n, k));
            gradus_tensor z = input(g, "z", t, GRADUS_SHAPE(GRADUS_BATCH, k)), b = input(g, "b", t, GRADUS_SHAPE(n));
            gradus_tensor s = input(g, "s", t, GRADUS_SHAPE(3, m, k)), r = input(g, "r", t, GRADUS_SHAPE(3, k, n));
            gradus_axes swap = GRADUS_AXES(1, 0);
            const gradus_tensor ys[] = {
                gradus_matmul(x, y),
                gradus_matmul(gradus_transpose(u, swap), y),
                gradus_matmul(x, gradus_transpose(v, swap)),
                gradus_matmul(gradus_transpose(u, swap), gradus_transpose(v, swap)),
                gradus_relu(gradus_add(gradus_matmul(z, y), b)),
                gradus_matmul(gradus_transpose(z, swap), z),
                gradus_matmul(s, r),
                gradus_matmul(gradus_add(x, x), gradus_exp(y)),
            };
            char what[80];
            snprintf(what, sizeof what, "%s %dx%dx%d", gradus_dtype_name(t), (int)m, (int)k, (int)n);
            define(g, ys, sizeof ys / sizeof *ys);
            finish(g, what);
        }
    }
}

static void test_look_up(void **state) {
    (void)state;
    for (int d = 0; d < 2; d++) {
        gradus_graph *g = gradus_graph_create();
        gradus_dtype t = dtypes[d];
        gradus_tensor x = input(g, "x", t, GRADUS_SHAPE(3, 18)),
                      i = input(g, "i", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH));
        gradus_tensor y = input(g, "y", t, GRADUS_SHAPE(GRADUS_BATCH, 5)),
                      j = input(g, "ij", GRADUS_I64, GRADUS_SHAPE(2, 7));
        gradus_tensor k = input(g, "ik", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH, 1));
        gradus_tensor rows = gradus_take(x, i, 0), columns = gradus_take(x, j, 1);
        gradus_tensor along = gradus_take_along_axis(y, k, 1);
        gradus_axes all = GRADUS_ALL_AXES;
        const gradus_tensor ys[] = {
            rows,
            columns,
            along,
            gradus_gradient(gradus_sum(gradus_exp(rows), all, false), x),
            gradus_gradient(gradus_sum(gradus_square(columns), all, false), x),
            gradus_gradient(gradus_sum(gradus_exp(along), all, false), y),
            gradus_one_hot(i, 3, t),
        };
        define(g, ys, sizeof ys / sizeof *ys);
        finish(g, gradus_dtype_name(t));
    }
}

static void test_composites(void **state) {
    (void)state;
    for (int d = 0; d < 2; d++) {
        gradus_graph *g = gradus_graph_create();
        gradus_dtype t = dtypes[d];
        gradus_tensor x = input(g, "x", t, GRADUS_SHAPE(GRADUS_BATCH, 70)),
                      i = input(g, "i", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH));
        gradus_tensor loss = gradus_mean(gradus_softmax_cross_entropy(x, i), GRADUS_ALL_AXES, false);
        const gradus_tensor ys[] = {
            gradus_softmax(x, -1),
            gradus_softmax(x, 0),
            gradus_log_softmax(x, -1),
            gradus_logsumexp(x, GRADUS_ALL_AXES, false),
            gradus_norm(x, GRADUS_AXES(-1), true),
            gradus_gradient(gradus_norm(x, GRADUS_ALL_AXES, false), x),
            gradus_var(x, GRADUS_AXES(0), true),
            loss,
            gradus_gradient(loss, x),
            gradus_random_uniform(g, t, GRADUS_SHAPE(GRADUS_BATCH, 9)),
            gradus_random_normal(g, t, GRADUS_SHAPE(33)),
            gradus_where(gradus_training(g), gradus_sum(x, GRADUS_AXES(1), false),
                         gradus_max(x, GRADUS_AXES(1), false)),
        };
        define(g, ys, sizeof ys / sizeof *ys);
        finish(g, gradus_dtype_name(t));
    }
}

static void copy(const void *x0, void *y, size_t n, int size, const void *user) {
    (void)user;
    memcpy(y, x0, n * (size_t)size);
}

/* More of it is in tests/unit/test_custom.c. */
static void test_call(void **state) {
    (void)state;
    for (int d = 0; d < DTYPES; d++) {
        char signature[100];
        gradus_graph *g = gradus_graph_create();
        gradus_tensor x = input(g, "a", dtypes[d], GRADUS_SHAPE(GRADUS_BATCH, 3)), z = input(g, "b", dtypes[d], GRADUS_SHAPE(3));
        snprintf(signature, sizeof signature, "void copy(const void *x0, void *y, size_t n, int size = %d, const void *user)",
                 (int)gradus_dtype_size(dtypes[d]));
        gradus_tensor y = gradus_custom(GRADUS_TENSORS(x, z), .function = GRADUS_FUNCTION(copy), .signature = signature);
        define(g, &y, 1);
        finish(g, gradus_dtype_name(dtypes[d]));
    }
}

/* After the others. */
static void test_no_op_is_forgotten(void **state) {
    (void)state;
    covered[OP_poison] = covered[OP_seed] = true; /* seed: gradus_program_init runs it, for states that draw */
    covered[OP_param] = true;                     /* one op with `state` but for its name */
    for (op_code op = 0; op < OP_COUNT; op++)
        if (!covered[op]) fail_msg("no graph of this file holds the op %s", op_name(op));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elementwise), cmocka_unit_test(test_movement),
        cmocka_unit_test(test_sources),     cmocka_unit_test(test_reductions),
        cmocka_unit_test(test_matmul),      cmocka_unit_test(test_look_up),
        cmocka_unit_test(test_composites),  cmocka_unit_test(test_call),
        cmocka_unit_test(test_no_op_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
