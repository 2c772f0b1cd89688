/* SPDX-License-Identifier: Apache-2.0
 * The public builders: shapes of results and what they say of mistakes, the op table's enumerated; names, entries, and
 * graphs that have failed.  What they mean is in test_composites.c. */
#include "ir/graph.h"

#include "tests/cmocka_all.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static gradus_graph *g; /* of one test */

static int make_graph(void **state) {
    (void)state;
    g = gradus_graph_create();
    return gradus_graph_status(g) != GRADUS_OK;
}

static int free_graph(void **state) {
    (void)state;
    gradus_graph_destroy(&g);
    return g != NULL;
}

static void begin_again(void) {
    gradus_graph_destroy(&g);
    g = gradus_graph_create();
}

static gradus_tensor input_at(int line, gradus_dtype dtype, gradus_shape shape) {
    char name[32];
    snprintf(name, sizeof name, "input %u", g->nodes.count);
    return gradus_input_at(__FILE__, line, g, name, dtype, shape);
}
#define input(...) input_at(__LINE__, __VA_ARGS__)
#define F32(...) input(GRADUS_F32, GRADUS_SHAPE(__VA_ARGS__))
#define I32(...) input(GRADUS_I32, GRADUS_SHAPE(__VA_ARGS__))
#define BOOLS(...) input(GRADUS_BOOL, GRADUS_SHAPE(__VA_ARGS__))
#define B GRADUS_BATCH

static void assert_shape(int line, gradus_tensor x, gradus_shape expected) {
    gradus_shape s = gradus_shape_of(x);
    if (gradus_graph_status(g)) fail_msg("line %d: %s", line, gradus_graph_error(g));
    if (s.d[0] != expected.d[0]) fail_msg("line %d: rank %d", line, (int)s.d[0]);
    for (int i = 1; i <= s.d[0]; i++)
        if (s.d[i] != expected.d[i]) fail_msg("line %d: extent %lld on axis %d", line, (long long)s.d[i], i - 1);
}
#define SHAPE_IS(x, ...) assert_shape(__LINE__, (x), GRADUS_SHAPE(__VA_ARGS__))

/* The call is an error whose message has the words, and which stays the graph's. */
static void assert_error(int line, const char *words) {
    if (gradus_graph_status(g) == GRADUS_OK) fail_msg("line %d: no error, instead of \"%s\"", line, words);
    if (!strstr(gradus_graph_error(g), words))
        fail_msg("line %d: \"%s\" is not in \"%s\"", line, words, gradus_graph_error(g));
    char place[64];
    snprintf(place, sizeof place, "test_builders.c:%d: ", line);
    if (!strstr(gradus_graph_error(g), place)) fail_msg("\"%s\" is not in \"%s\"", place, gradus_graph_error(g));
    const uint32_t nodes = g->nodes.count;
    gradus_tensor after = gradus_input(g, "", GRADUS_F32, GRADUS_SCALAR);
    assert_int_equal(after.id, 0);
    assert_int_equal(g->nodes.count, nodes);
    assert_non_null(strstr(gradus_graph_error(g), words));
    begin_again();
}
#define FAILS(call, words) ((void)(call), assert_error(__LINE__, (words)))

/* --- the op table ---------------------------------------------------------------------------------------------- */

typedef struct {
    op_code op;
    gradus_tensor (*unary)(const char *, int, gradus_tensor);
    gradus_tensor (*binary)(const char *, int, gradus_tensor, gradus_tensor);
    gradus_tensor (*plain_unary)(gradus_tensor);
    gradus_tensor (*plain_binary)(gradus_tensor, gradus_tensor);
    bool predicate;
} row;

enum { same, predicate }; /* the shape cells that elementwise rows have */

#define ROW_OWN(name, shape)
#define ROW_INTERNAL(name, shape)
#define ROW_UNARY(name, shape) {OP_##name, gradus_##name##_at, NULL, (gradus_##name), NULL, shape == predicate},
#define ROW_BINARY(name, shape) {OP_##name, NULL, gradus_##name##_at, NULL, (gradus_##name), shape == predicate},
static const row rows[] = {
#define OP(name, builder, arity, kind, operands, attributes, shape, gradient, evaluate, emit, flags, mathematics) \
    ROW_##builder(name, shape)
#include "ir/ops.def"
#undef OP
};
enum { ROWS = sizeof rows / sizeof *rows };

static gradus_tensor apply(const row *r, gradus_tensor x, gradus_tensor y) {
    return r->unary ? r->unary(__FILE__, __LINE__, x) : r->binary(__FILE__, __LINE__, x, y);
}

static void test_dtypes(void **state) {
    (void)state;
    assert_true(ROWS > 20);
    for (int i = 0; i < ROWS; i++) {
        for (gradus_dtype d = GRADUS_F32; d <= GRADUS_BOOL; d = (gradus_dtype)(d + 1)) {
            gradus_tensor x = input(d, GRADUS_SHAPE(B, 3)), y = input(d, GRADUS_SHAPE(3));
            gradus_tensor r = apply(&rows[i], x, y);
            if (op_infos[rows[i].op].operands & 1 << d) {
                SHAPE_IS(r, B, 3);
                assert_int_equal(gradus_dtype_of(r), rows[i].predicate ? GRADUS_BOOL : d);
                gradus_tensor p = rows[i].unary ? rows[i].plain_unary(x) : rows[i].plain_binary(x, y);
                SHAPE_IS(p, B, 3);
                continue;
            }
            assert_int_equal(r.id, 0);
            assert_non_null(strstr(gradus_graph_error(g), op_name(rows[i].op)));
            assert_non_null(strstr(gradus_graph_error(g), "gradus_cast"));
            begin_again();
        }
        begin_again();
        if (rows[i].unary) continue;
        apply(&rows[i], input(GRADUS_F32, GRADUS_SHAPE(2)), input(GRADUS_I32, GRADUS_SHAPE(2)));
        assert_non_null(strstr(gradus_graph_error(g), "operands of two dtypes, f32 (2) and i32 (2)"));
        begin_again();
    }
}

/* The p-th of the shapes of rank 0 to 4 whose extents are 1 or that axis' own; counted from the last axis. */
static gradus_shape pattern(int p, int rank, const int64_t *own) {
    gradus_shape s = {{rank}};
    for (int i = 0; i < rank; i++) s.d[rank - i] = p >> i & 1 ? own[i] : 1;
    return s;
}

static void broadcast_all(const int64_t *own) {
    for (int xr = 0; xr <= 4; xr++)
        for (int yr = 0; yr <= 4; yr++)
            for (int p = 0; p < 1 << xr; p++)
                for (int q = 0; q < 1 << yr; q++) {
                    gradus_tensor r =
                        gradus_add(input(GRADUS_F32, pattern(p, xr, own)), input(GRADUS_F32, pattern(q, yr, own)));
                    gradus_shape s = gradus_shape_of(r);
                    assert_int_equal(s.d[0], xr > yr ? xr : yr);
                    for (int i = 0; i < s.d[0]; i++)
                        assert_int_equal(s.d[s.d[0] - i],
                                         (i < xr && p >> i & 1) || (i < yr && q >> i & 1) ? own[i] : 1);
                    begin_again();
                }
}

static void test_broadcasting(void **state) {
    (void)state;
    broadcast_all((int64_t[]){2, 3, 4, 5});
    broadcast_all((int64_t[]){0, 3, 0, 2});
    broadcast_all((int64_t[]){3, B, 2, 3 * B});
    FAILS(gradus_add(F32(B, 3), F32(B, 4)), "add: shapes (B, 3) and (B, 4) do not broadcast: extents 3 and 4");
    FAILS(gradus_mul(F32(B), F32(32)), "mul: shapes (B) and (32) do not broadcast: extents B and 32");
    FAILS(gradus_mul(F32(B), F32(2 * B)), "extents B and 2B");
    FAILS(gradus_where(BOOLS(2), F32(2), F32(3)), "where: shapes (2), (2) and (3)");
}

/* --- shapes ---------------------------------------------------------------------------------------------------- */

static void test_shapes(void **state) {
    (void)state;
    gradus_tensor x = F32(B, 4, 6);
    SHAPE_IS(gradus_reshape(x, GRADUS_SHAPE(4 * B, 6)), 4 * B, 6);
    SHAPE_IS(gradus_reshape(x, GRADUS_SHAPE(GRADUS_INFER, 6)), 4 * B, 6);
    SHAPE_IS(gradus_reshape(x, GRADUS_SHAPE(2 * B, GRADUS_INFER)), 2 * B, 12);
    SHAPE_IS(gradus_reshape(F32(0, 3), GRADUS_SHAPE(7, GRADUS_INFER)), 7, 0);
    SHAPE_IS(gradus_transpose(x, GRADUS_AXES(2, 0, -2)), 6, B, 4);
    SHAPE_IS(gradus_transpose(x, GRADUS_ALL_AXES), 6, 4, B);
    SHAPE_IS(gradus_broadcast_to(F32(4, 1), GRADUS_SHAPE(B, 4, 6)), B, 4, 6);
    SHAPE_IS(gradus_slice(x, -1, 1, 3), B, 4, 2);
    SHAPE_IS(gradus_slice(x, 1, -3, INT64_MAX), B, 3, 6);
    SHAPE_IS(gradus_pad(x, 1, 2, 1, 0.5), B, 7, 6);
    SHAPE_IS(gradus_concat(GRADUS_TENSORS(x, F32(B, 1, 6), x), 1), B, 9, 6);
    SHAPE_IS(gradus_stack(GRADUS_TENSORS(x, x), 0), 2, B, 4, 6);
    SHAPE_IS(gradus_stack(GRADUS_TENSORS(x, x), -1), B, 4, 6, 2);
    gradus_tensors parts = gradus_split(x, 3, 2);
    assert_int_equal(parts.count, 3);
    for (size_t i = 0; i < parts.count; i++) SHAPE_IS(parts.items[i], B, 4, 2);
    SHAPE_IS(gradus_where(BOOLS(4, 1), x, F32()), B, 4, 6);
    SHAPE_IS(gradus_take(F32(9, 5), I32(B, 7), 0), B, 7, 5);
    SHAPE_IS(gradus_take(F32(9, 5), I32(), 1), 9);
    SHAPE_IS(gradus_take_along_axis(F32(B, 4, 6), I32(1, 2, 6), 1), B, 2, 6);
    SHAPE_IS(gradus_one_hot(I32(B, 2), 10, GRADUS_F32), B, 2, 10);
    SHAPE_IS(gradus_arange(g, GRADUS_I64, 3 * B), 3 * B);
    SHAPE_IS(gradus_like(x, 2), B, 4, 6);
    SHAPE_IS(gradus_softmax(x, 1), B, 4, 6);
    SHAPE_IS(gradus_softmax_cross_entropy(x, I32(B, 4)), B, 4);
    SHAPE_IS(gradus_softmax_cross_entropy(x, F32(B, 4, 6)), B, 4);
    SHAPE_IS(gradus_binary_cross_entropy(x, F32(6)), B, 4, 6);
    SHAPE_IS(gradus_clip(x, -1, 1), B, 4, 6);
}

static void test_reduction_shapes(void **state) {
    (void)state;
    gradus_tensor x = F32(2, B, 3, 4);
    SHAPE_IS(gradus_sum(x, GRADUS_ALL_AXES, false), );
    SHAPE_IS(gradus_sum(x, GRADUS_ALL_AXES, true), 1, 1, 1, 1);
    SHAPE_IS(gradus_sum(x, GRADUS_AXES(0, 2), false), B, 4);
    SHAPE_IS(gradus_max(x, GRADUS_AXES(-1, 0), true), 1, B, 3, 1);
    SHAPE_IS(gradus_mean(x, GRADUS_AXES(1), false), 2, 3, 4);
    SHAPE_IS(gradus_var(x, GRADUS_AXES(1, 3), true), 2, 1, 3, 1);
    SHAPE_IS(gradus_argmax(x, GRADUS_AXES(0, 2), false), B, 4);
    SHAPE_IS(gradus_argmax(x, GRADUS_AXES(-1), true), 2, B, 3, 1);
    SHAPE_IS(gradus_logsumexp(x, GRADUS_AXES(1, 2), false), 2, 4);
    SHAPE_IS(gradus_sum(F32(), GRADUS_ALL_AXES, false), );
    SHAPE_IS(gradus_sum(x, GRADUS_AXES(), false), 2, B, 3, 4);
    SHAPE_IS(gradus_any(BOOLS(0, 3), GRADUS_AXES(0), false), 3);
    SHAPE_IS(gradus_prod(F32(0, 3), GRADUS_AXES(0), false), 3);
    assert_int_equal(gradus_dtype_of(gradus_argmax(x, GRADUS_ALL_AXES, false)), GRADUS_I32);
    FAILS(gradus_sum(F32(2, 3), GRADUS_AXES(2), false), "sum: axis 2 of a tensor of rank 2; right are -2 to 1");
    FAILS(gradus_sum(F32(2, 3), GRADUS_AXES(0, -2), false), "axis 0 is listed twice");
    FAILS(gradus_max(F32(0, 3), GRADUS_AXES(0), false), "max: there is none among no elements: (0, 3)");
    FAILS(gradus_argmax(F32(0), GRADUS_ALL_AXES, false), "argmax: there is none among no elements");
    FAILS(gradus_mean(I32(3), GRADUS_ALL_AXES, false), "mean: an operand is i32 (3); right are f32 or f64");
    FAILS(gradus_all(F32(3), GRADUS_ALL_AXES, false), "right are bool: gradus_cast(…, GRADUS_BOOL)");
}

static void test_matmul_shapes(void **state) {
    (void)state;
    SHAPE_IS(gradus_matmul(F32(B, 3), F32(3, 4)), B, 4);
    SHAPE_IS(gradus_matmul(F32(B, 2, 3), F32(3, 4)), B, 2, 4);
    SHAPE_IS(gradus_matmul(F32(B, B, 2, 3), F32(3, 4)), B, B, 2, 4);
    SHAPE_IS(gradus_matmul(F32(2, 3), F32(B, 3, 4)), B, 2, 4);
    SHAPE_IS(gradus_matmul(F32(5, 1, 2, 3), F32(B, 3, 4)), 5, B, 2, 4);
    SHAPE_IS(gradus_matmul(F32(3), F32(3)), );
    SHAPE_IS(gradus_matmul(F32(3), F32(B, 3, 4)), B, 4);
    SHAPE_IS(gradus_matmul(F32(B, 2, 3), F32(3)), B, 2);
    SHAPE_IS(gradus_matmul(F32(0, 3), F32(3, 4)), 0, 4);
    FAILS(gradus_matmul(F32(B, 784), F32(128, 10)),
          "matmul: inner dimensions 784 and 128 differ: (B, 784) x (128, 10)");
    FAILS(gradus_matmul(F32(B, 784), F32(128, 784)), "the right operand transposed would fit");
    FAILS(gradus_matmul(F32(), F32(2)), "a scalar has no axis");
    FAILS(gradus_matmul(F32(2, 4, 3), F32(5, 3, 4)), "leading extents do not broadcast: (2, 4, 3) x (5, 3, 4)");
    FAILS(gradus_matmul(I32(2, 2), I32(2, 2)), "right are f32 or f64");
}

static void test_mistakes(void **state) {
    (void)state;
    FAILS(gradus_reshape(F32(B, 4), GRADUS_SHAPE(3, B)), "reshape: (B, 4) has 4 * B elements and (3, B) has 3 * B");
    FAILS(gradus_reshape(F32(B, B), GRADUS_SHAPE(B)), "two batch dimensions cannot be flattened together");
    FAILS(gradus_reshape(F32(B, 4), GRADUS_SHAPE(128)), "B is the run-time batch");
    FAILS(gradus_reshape(F32(7), GRADUS_SHAPE(2, GRADUS_INFER)), "no extent for axis 1");
    FAILS(gradus_reshape(F32(7), GRADUS_SHAPE(GRADUS_INFER, GRADUS_INFER)), "two extents are GRADUS_INFER");
    FAILS(F32(GRADUS_INFER), "which gradus_reshape alone takes");
    FAILS(gradus_transpose(F32(2, 3), GRADUS_AXES(0)), "1 axes for (2, 3), which has 2");
    FAILS(gradus_transpose(F32(2, 3), GRADUS_AXES(0, 0)), "the axes of (2, 3) are 0 to 1, each once");
    FAILS(gradus_broadcast_to(F32(2, 3), GRADUS_SHAPE(3, 2)), "broadcast_to: (2, 3) does not broadcast to (3, 2)");
    FAILS(gradus_slice(F32(B, 3), 0, 0, 1), "slicing the batch dimension is not possible");
    FAILS(gradus_slice(F32(5), 0, 2, 7), "from 2 up to 7 along axis 0 of (5); right are 0 to 5");
    FAILS(gradus_slice(F32(5), 0, 3, 2), "ascending");
    FAILS(gradus_pad(F32(B), 0, 1, 1, 0), "padding the batch dimension");
    FAILS(gradus_pad(F32(2), 0, -1, 1, 0), "must not be negative");
    FAILS(gradus_pad(F32(2), 0, INT64_MAX, 1, 0), "does not fit 64 bits");
    FAILS(gradus_pad(F32(2), 0, INT64_MAX / 2, 1, 0), "more than 2^62 bytes");
    FAILS(gradus_concat(GRADUS_TENSORS(F32(B), F32(B)), 0), "concatenating along the batch dimension");
    FAILS(gradus_concat(GRADUS_TENSORS(F32(2, 3), F32(2, 4)), 0), "shapes (2, 3) and (2, 4) differ beside axis 0");
    FAILS(gradus_concat(GRADUS_TENSORS(F32(2, 3), F32(2)), 1), "shapes (2, 3) and (2) differ");
    FAILS(gradus_stack(GRADUS_TENSORS(F32(2), F32(3)), 0), "stack: shapes (2) and (3); they must be equal");
    FAILS(gradus_split(F32(B, 4), 2, 0), "splitting the batch dimension");
    FAILS(gradus_split(F32(5), 2, 0), "axis 0 of (5) is no multiple of 2");
    FAILS(gradus_split(F32(5), 0, 0), "0 parts; right are 1 to 1024");
    FAILS(gradus_where(F32(2), F32(2), F32(2)), "the condition is f32 (2); right is bool");
    FAILS(gradus_take(F32(B, 4), I32(3), 0), "looking up along the batch dimension");
    FAILS(gradus_take(F32(4), F32(3), 0), "take: an operand is f32 (3); right are i32 or i64");
    FAILS(gradus_take_along_axis(F32(4, 3), I32(4), 1), "they must have as many axes");
    FAILS(gradus_take_along_axis(F32(4, 3), I32(5, 3), 1), "axis 0 must have equal extents");
    FAILS(gradus_one_hot(I32(4), 0, GRADUS_F32), "0 classes");
    FAILS(gradus_clip(F32(2), 1, 0), "from 1 up to 0");
    FAILS(gradus_clip(F32(2), NAN, 0), "not be NaN");
    FAILS(gradus_cast(F32(2), (gradus_dtype)9), "dtype 9 is none");
    FAILS(gradus_arange(g, GRADUS_U8, 257), "do not fit u8");
    FAILS(gradus_arange(g, GRADUS_BOOL, 2), "dtype bool");
    FAILS(gradus_scalar(g, (gradus_dtype)0, 2), "dtype 0 is none");
    FAILS(gradus_constant(g, GRADUS_F32, GRADUS_SHAPE(3), "1234", 4), "4 bytes of data; f32 (3) has 12");
    FAILS(gradus_constant(g, GRADUS_F32, GRADUS_SHAPE(B), "1234", 4), "has the run-time batch in it");
    FAILS(gradus_constant(g, GRADUS_BOOL, GRADUS_SHAPE(2), "\1\2", 2), "element 1 is 2; a bool is 0 or 1");
    FAILS(gradus_state(g, "s", GRADUS_BOOL, GRADUS_SHAPE(2), gradus_from("\3\1", 2)), "element 0 is 3; a bool is 0 or 1");
    FAILS(F32((int64_t)1 << 40, (int64_t)1 << 40), "more than 2^62 bytes");
    FAILS(input(GRADUS_F32, (gradus_shape){{9}}), "rank 9");
    FAILS(gradus_softmax(F32(), 0), "axis 0 of a scalar");
    FAILS(gradus_softmax_cross_entropy(F32(B, 10), I32(B, 10)),
          "the labels' shape must be (B), the logits' without the classes");
    FAILS(gradus_softmax_cross_entropy(F32(B, 10), F32(B)),
          "logits (B, 10) and probabilities (B); their shapes must be equal, or the labels class numbers, i32 or i64");
    FAILS(gradus_softmax_cross_entropy(F32(B, 10), input(GRADUS_U8, GRADUS_SHAPE(B))), "gradus_cast(…, GRADUS_I32)");
    FAILS(gradus_random_uniform(g, GRADUS_I32, GRADUS_SHAPE(2)), "random numbers of dtype i32");
    FAILS(gradus_add(F32(2), (gradus_tensor){NULL, 0}), "a tensor is absent");
    FAILS(gradus_add(F32(2), (gradus_tensor){g, 77}), "not one of this graph's");
}

/* --- names, parameters and layers ------------------------------------------------------------------------------ */

static gradus_tensor param(const char *name, gradus_dtype dtype, gradus_shape shape, gradus_initializer first) {
    return gradus_param(g, name, dtype, shape, first);
}

static void test_names(void **state) {
    (void)state;
    gradus_tensor w = param("fc1/kernel", GRADUS_F32, GRADUS_SHAPE(2, 3), gradus_zeros());
    gradus_tensor b = param("fc1/bias", GRADUS_F32, GRADUS_SHAPE(3), gradus_zeros());
    gradus_tensor s = gradus_state(g, "fc1/count", GRADUS_I64, GRADUS_SCALAR, gradus_fill(7));
    gradus_tensor v = param("d/1/kernel", GRADUS_F32, GRADUS_SHAPE(3), gradus_zeros());
    gradus_tensors list = gradus_params(g, NULL);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.items[0].id, w.id);
    assert_int_equal(list.items[2].id, v.id);
    assert_int_equal(gradus_params(g, "*/kernel").count, 2);
    assert_int_equal(gradus_params(g, "fc?/*").count, 2);
    assert_int_equal(gradus_params(g, "*a*").items[0].id, b.id);
    assert_int_equal(gradus_find(g, "fc1/count").id, s.id);
    assert_string_equal(gradus_name_of(w), "fc1/kernel");
    gradus_tensor sum = gradus_add(b, v), twice = gradus_named(gradus_named(sum, "sum"), "again");
    assert_int_equal(gradus_find(g, "sum").id, sum.id);
    assert_string_equal(gradus_name_of(twice), "again");
    assert_null(gradus_name_of(gradus_neg(b)));
    FAILS(gradus_find(g, "fc1/kernl"),
          "find: no input, parameter, state or named tensor is \"fc1/kernl\"; near it: \"fc1/kernel\"");
    gradus_find(g, "anything");
    assert_int_equal(gradus_graph_status(g), GRADUS_ERROR_NOT_FOUND);
    assert_string_equal(strchr(gradus_graph_error(g), '"'), "\"anything\"");
    begin_again();
    F32(2);
    FAILS(gradus_input(g, "input 1", GRADUS_F32, GRADUS_SCALAR), "the name \"input 1\" is taken by the input at ");
    FAILS(gradus_input(g, "", GRADUS_F32, GRADUS_SCALAR), "the name is empty");
    FAILS(gradus_input(g, NULL, GRADUS_F32, GRADUS_SCALAR), "the name is NULL");
    FAILS(gradus_input(g, "a\nb", GRADUS_F32, GRADUS_SCALAR), "control character, 0x0a at byte 1");
    FAILS(gradus_state(g, "rng", GRADUS_I64, GRADUS_SHAPE(2), gradus_zeros()), "that of the random numbers' state");
    FAILS(gradus_param(g, "w", GRADUS_I32, GRADUS_SHAPE(2), gradus_zeros()), "dtype i32 cannot be trained");
    FAILS(gradus_param(g, "w", GRADUS_F32, GRADUS_SHAPE(B, 2), gradus_zeros()), "has the run-time batch in it");
    FAILS(gradus_param(g, "w", GRADUS_F32, GRADUS_SHAPE(2), gradus_from("", 1)),
          "gradus_from has 1 bytes; f32 (2) has 8");
    FAILS(gradus_param(g, "w", GRADUS_F32, GRADUS_SHAPE(2), gradus_uniform(1, 0)), "they must ascend");
    FAILS(gradus_state(g, "s", GRADUS_I32, GRADUS_SHAPE(2), gradus_he_normal()), "a random first value of dtype i32");
    FAILS(gradus_param(g, "w", GRADUS_F32, GRADUS_SHAPE(2), (gradus_initializer){.kind = 99}), "99 is no initialiser");
}

static void test_dense(void **state) {
    (void)state;
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(B, 784)), y = I32(B);
    gradus_tensor h = gradus_dense(x, .units = 512, .activation = GRADUS_RELU, .name = "fc1");
    gradus_tensor logits = gradus_dense(h, .units = 10, .name = "fc2");
    gradus_tensor loss = gradus_mean(gradus_softmax_cross_entropy(logits, y), GRADUS_ALL_AXES, false);
    SHAPE_IS(h, B, 512);
    SHAPE_IS(logits, B, 10);
    SHAPE_IS(loss, );
    SHAPE_IS(gradus_find(g, "fc1/kernel"), 784, 512);
    SHAPE_IS(gradus_find(g, "fc2/bias"), 10);
    gradus_tensor again = gradus_dense(x, .kernel = gradus_find(g, "fc1/kernel"), .bias = gradus_find(g, "fc1/bias"));
    SHAPE_IS(again, B, 512);
    assert_int_equal(gradus_params(g, NULL).count, 4);
    SHAPE_IS(gradus_dense(F32(B, 7, 3), .units = 2, .no_bias = true), B, 7, 2);
    gradus_dense(F32(B, 3), .units = 2);
    assert_int_equal(gradus_params(g, "dense_2/*").count, 2);
    assert_int_equal(gradus_params(g, "dense/*").count, 1);
    static const char *const taken[] = {"dense_4", "dense_02", "dense_", "dense_7x", "dense_-3", "dense_99999999999999999999"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) gradus_dense(F32(B, 3), .units = 2, .name = taken[i]);
    gradus_named(F32(B, 3), "dense_6/of_mine");
    for (int i = 0; i < 4; i++) gradus_dense(F32(B, 3), .units = 2);
    const gradus_tensors all = gradus_params(g, NULL);
    for (int i = 1; i < 10; i++) {
        char pattern[16];
        int count = 0;
        snprintf(pattern, sizeof pattern, "dense_%d/*", i);
        for (size_t k = 0; k < all.count; k++) count += name_matches(gradus_name_of(all.items[k]), pattern);
        assert_int_equal(count, strchr("234578", '0' + i) ? 2 : 0);
    }
    FAILS(gradus_dense(F32(B, 3), .name = "a"), "dense: .units is 0");
    (gradus_dense)(F32(B, 3), NULL);
    assert_true(strncmp(gradus_graph_error(g), "dense: .units is 0", 18) == 0);
    begin_again();
    gradus_dense(F32(B, 3), .units = 2, .name = "a");
    FAILS(gradus_dense(F32(B, 3), .units = 2, .name = "a"), "the name \"a/kernel\" is taken by the param at ");
    FAILS(gradus_dense(F32(B, 3), .units = 2, .kernel = F32(2, 2)), ".kernel is f32 (2, 2); right is f32 (3, 2)");
    FAILS(gradus_dense(F32(3, B), .units = 2), "the last axis of (3, B), the features, must have a fixed extent");
    FAILS(gradus_dense(F32(3), .units = 2, .activation = (gradus_activation)9), "9 is no activation");
}

static void test_substitute(void **state) {
    (void)state;
    gradus_tensor real = F32(B, 8), fake = F32(B, 8);
    gradus_tensor on_real = gradus_dense(real, .units = 1, .name = "d");
    gradus_tensor on_fake = gradus_substitute(on_real, GRADUS_TENSORS(real), GRADUS_TENSORS(fake));
    SHAPE_IS(on_fake, B, 1);
    assert_int_not_equal(on_fake.id, on_real.id);
    assert_int_equal(gradus_params(g, NULL).count, 2);
    assert_int_equal(gradus_substitute(on_real, GRADUS_TENSORS(fake), GRADUS_TENSORS(real)).id, on_real.id);
    assert_int_equal(gradus_substitute(real, GRADUS_TENSORS(real), GRADUS_TENSORS(fake)).id, fake.id);
    FAILS(gradus_substitute(real, GRADUS_TENSORS(real), GRADUS_NO_TENSORS), "0 tensors for 1");
    gradus_tensor x = F32(2), y = F32(3);
    FAILS(gradus_substitute(x, GRADUS_TENSORS(x), GRADUS_TENSORS(y)), "tensor 0 is f32 (2), its replacement f32 (3)");
}

/* --- entries --------------------------------------------------------------------------------------------------- */

static void test_updates(void **state) {
    (void)state;
    gradus_tensor a = gradus_state(g, "a", GRADUS_F32, GRADUS_SHAPE(2, 3), gradus_zeros());
    gradus_tensor b = gradus_state(g, "b", GRADUS_I32, GRADUS_SCALAR, gradus_ones());
    gradus_updates ua = gradus_assign(a, gradus_scalar(g, GRADUS_F32, 1)), ub = gradus_assign(b, b);
    gradus_updates both = gradus_join(GRADUS_UPDATES(ua, GRADUS_NO_UPDATES, ub));
    SHAPE_IS(gradus_updated(both, a), 2, 3);
    assert_int_equal(gradus_updated(both, b).id, b.id);
    assert_int_equal(gradus_define(g, "step", GRADUS_NO_TENSORS, GRADUS_NO_TENSORS, both), GRADUS_OK);
    assert_int_equal(graph_entry(g, "step")->updates.count, 2);
    assert_true(graph_entry(g, "step")->training);
    FAILS(gradus_join(GRADUS_UPDATES(both, ua)), "join: two updates of \"a\"");
    gradus_tensor c = gradus_state(g, "c", GRADUS_F32, GRADUS_SHAPE(2), gradus_zeros());
    FAILS(gradus_updated(GRADUS_NO_UPDATES, c), "the updates do not change \"c\"");
    gradus_tensor d = gradus_state(g, "d", GRADUS_F32, GRADUS_SHAPE(2), gradus_zeros());
    FAILS(gradus_assign(d, F32(3)), "assign: (3) does not broadcast to (2)");
    FAILS(gradus_assign(F32(3), F32(3)), "assign: an assignment to input; right is");
    d = gradus_state(g, "d", GRADUS_F32, GRADUS_SHAPE(2), gradus_zeros());
    FAILS(gradus_assign(d, I32(2)), "operands of two dtypes");
}

static gradus_status define(const char *name, gradus_tensors in, gradus_tensors out) {
    return gradus_define(g, name, in, out, GRADUS_NO_UPDATES);
}

static void test_define(void **state) {
    (void)state;
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(B)),
                  y = gradus_input(g, "y", GRADUS_F32, GRADUS_SHAPE(B));
    gradus_tensor z = gradus_add(x, y);
    assert_int_equal(define("sum", GRADUS_TENSORS(x, y), GRADUS_TENSORS(z)), GRADUS_OK);
    assert_int_equal(gradus_define_with(g, "one", GRADUS_TENSORS(x, y), GRADUS_TENSORS(z), GRADUS_NO_UPDATES,
                                        .max_batch = 1, .mode = GRADUS_TRAINING),
                     GRADUS_OK);
    assert_int_equal(graph_entry(g, "one")->max_batch, 1);
    assert_true(graph_entry(g, "one")->training);
    assert_false(graph_entry(g, "sum")->training);
    assert_int_equal((gradus_define)(g, "plain", GRADUS_TENSORS(x, y), GRADUS_TENSORS(z), GRADUS_NO_UPDATES),
                     GRADUS_OK);
    assert_int_not_equal(gradus_define(g, "less", GRADUS_TENSORS(x), GRADUS_TENSORS(z), GRADUS_NO_UPDATES), GRADUS_OK);
    assert_non_null(strstr(gradus_last_error(), "depends on the input \"y\", which is not among its inputs"));
    assert_int_equal(define("later", GRADUS_TENSORS(x, y), GRADUS_TENSORS(z)), GRADUS_ERROR_GRAPH);
    assert_non_null(strstr(gradus_last_error(), "depends on the input \"y\""));
    begin_again();
    gradus_tensor w = F32(2);
#define DEFINE(name, in, out) gradus_define(g, name, in, out, GRADUS_NO_UPDATES)
    FAILS(DEFINE("a b", GRADUS_TENSORS(w), GRADUS_TENSORS(w)), "\"a b\" is no C identifier");
    FAILS(DEFINE(NULL, GRADUS_NO_TENSORS, GRADUS_NO_TENSORS), "is no C identifier");
    FAILS(DEFINE("init", GRADUS_NO_TENSORS, GRADUS_NO_TENSORS), "that of the entry that initialises");
    FAILS(DEFINE("nothing", GRADUS_NO_TENSORS, GRADUS_NO_TENSORS), "neither outputs nor updates");
    w = F32(2);
    FAILS(DEFINE("twice", GRADUS_TENSORS(w, w), GRADUS_TENSORS(w)), "is listed twice");
    w = gradus_neg(F32(2));
    FAILS(DEFINE("not", GRADUS_TENSORS(w), GRADUS_TENSORS(w)), "input 0 of \"not\" is a neg (2), not a gradus_input");
    w = gradus_scalar(g, GRADUS_F32, 1);
    assert_int_equal(define("same", GRADUS_NO_TENSORS, GRADUS_TENSORS(w)), GRADUS_OK);
    FAILS(DEFINE("same", GRADUS_NO_TENSORS, GRADUS_TENSORS(w)), "there is an entry \"same\" already");
    assert_int_equal(gradus_define(NULL, "x", GRADUS_NO_TENSORS, GRADUS_NO_TENSORS, GRADUS_NO_UPDATES),
                     GRADUS_ERROR_ARGUMENT);
}

/* Only entries that draw advance the counter: not those that train only. */
static void test_random_entries(void **state) {
    (void)state;
    gradus_tensor x = F32(B, 3), noise = gradus_random_normal(g, GRADUS_F32, GRADUS_SHAPE(B, 3));
    gradus_tensor noisy = gradus_add(x, noise);
    gradus_tensor y = gradus_where(gradus_logical_not(gradus_training(g)), x, noisy);
    gradus_tensor w = gradus_param(g, "w", GRADUS_F32, GRADUS_SHAPE(3), gradus_normal(0, 1));
    define("predict", GRADUS_TENSORS(x), GRADUS_TENSORS(y));
    define("draw", GRADUS_TENSORS(x), GRADUS_TENSORS(noisy));
    gradus_define(g, "train", GRADUS_TENSORS(x), GRADUS_TENSORS(y), gradus_assign(w, gradus_like(w, 1)));
    assert_int_equal(gradus_graph_status(g), GRADUS_OK);
    assert_int_equal(graph_entry(g, "predict")->updates.count, 0);
    assert_int_equal(graph_entry(g, "draw")->updates.count, 1);
    assert_false(graph_entry(g, "draw")->training);
    assert_int_equal(graph_entry(g, "draw")->updates.items[0].state, g->rng);
    assert_int_equal(graph_entry(g, "train")->updates.count, 2);
    assert_int_equal(g->streams, 2);
}

/* --- failed graphs --------------------------------------------------------------------------------------------- */

static void *refuse(void *user, void *memory, size_t bytes) {
    (void)user;
    if (bytes) return NULL;
    free(memory);
    return NULL;
}

/* Whatever is called on it, and on nothing at all. */
static void call_everything(gradus_graph *on) {
    gradus_tensor x = gradus_input(on, "x", GRADUS_F32, GRADUS_SHAPE(B, 4));
    gradus_tensor w = gradus_param(on, "w", GRADUS_F32, GRADUS_SHAPE(4), gradus_he_normal());
    gradus_tensor y = gradus_relu(gradus_add(gradus_mul(x, w), gradus_like(x, 1)));
    gradus_tensors parts = gradus_split(y, 2, 1);
    assert_int_equal(parts.count, 2);
    y = gradus_concat(parts, 1);
    y = gradus_add(parts.items[1], gradus_dense(y, .units = 3));
    y = gradus_softmax(gradus_reshape(y, GRADUS_SHAPE(4, B)), 0);
    y = gradus_named(gradus_find(on, "w"), "y");
    y = gradus_substitute(y, GRADUS_TENSORS(x), GRADUS_TENSORS(w));
    y = gradus_random_uniform(on, GRADUS_F32, GRADUS_SHAPE(3));
    assert_int_equal(y.id, 0);
    assert_int_equal(gradus_shape_of(y).d[0], 0);
    assert_int_equal(gradus_dtype_of(y), 0);
    assert_null(gradus_name_of(y));
    assert_int_equal(gradus_params(on, NULL).count, 0);
    gradus_updates u = gradus_join(GRADUS_UPDATES(gradus_assign(w, x)));
    gradus_updated(u, w);
    assert_int_not_equal(gradus_define(on, "e", GRADUS_TENSORS(x), GRADUS_TENSORS(y), u), GRADUS_OK);
}

static void test_without_memory(void **state) {
    (void)state;
    gradus_set_allocator(refuse, NULL);
    gradus_graph *poor = gradus_graph_create();
    gradus_set_allocator(NULL, NULL);
    assert_non_null(poor);
    assert_int_equal(gradus_graph_status(poor), GRADUS_ERROR_MEMORY);
    call_everything(poor);
    assert_int_equal(gradus_define(poor, "e", GRADUS_NO_TENSORS, GRADUS_NO_TENSORS, GRADUS_NO_UPDATES),
                     GRADUS_ERROR_MEMORY);
    gradus_graph_destroy(&poor);
    assert_null(poor);
    call_everything(NULL);
    assert_int_equal(gradus_graph_status(NULL), GRADUS_ERROR_ARGUMENT);
    gradus_graph_destroy(NULL);
    gradus_graph_destroy(&poor);
    gradus_find(g, "none");
    call_everything(g);
}

static void test_two_graphs(void **state) {
    (void)state;
    gradus_graph *other = gradus_graph_create();
    gradus_tensor y = gradus_input(other, "y", GRADUS_F32, GRADUS_SHAPE(2));
    assert_int_equal(gradus_add(F32(2), y).id, 0);
    assert_non_null(strstr(gradus_graph_error(g), "add: tensors of two graphs"));
    assert_non_null(strstr(gradus_graph_error(other), "add: tensors of two graphs"));
    begin_again();
    gradus_graph_destroy(&other);
    other = gradus_graph_create();
    gradus_tensor s = gradus_state(other, "s", GRADUS_F32, GRADUS_SCALAR, gradus_zeros());
    gradus_tensor t = gradus_state(g, "t", GRADUS_F32, GRADUS_SCALAR, gradus_zeros());
    gradus_join(GRADUS_UPDATES(gradus_assign(s, s), gradus_assign(t, t)));
    assert_non_null(strstr(gradus_graph_error(g), "join: tensors of two graphs"));
    assert_non_null(strstr(gradus_graph_error(other), "join: tensors of two graphs"));
    gradus_graph_destroy(&other);
}

static struct { long countdown, live; } heap;

static void *counted(void *user, void *memory, size_t bytes) {
    (void)user;
    if (bytes && heap.countdown >= 0 && heap.countdown-- == 0) return NULL;
    heap.live += (!memory && bytes) - (memory && !bytes);
    if (bytes) return realloc(memory, bytes);
    free(memory);
    return NULL;
}

/* Large names and data, so that many calls allocate. */
static gradus_status build_something(void) {
    enum { LARGE = 20000 };
    static float zeros[LARGE];
    static char name[LARGE];
    gradus_graph *made = gradus_graph_create();
    memset(name, 'n', sizeof name - 1);
    for (int i = 0; i < 4; i++) {
        name[0] = (char)('a' + i);
        gradus_tensor w = gradus_param(made, name, GRADUS_F32, GRADUS_SHAPE(LARGE), gradus_from(zeros, sizeof zeros));
        name[0] = (char)('A' + i);
        gradus_tensor c =
            gradus_named(gradus_constant(made, GRADUS_F32, GRADUS_SHAPE(LARGE), zeros, sizeof zeros), name);
        gradus_params(made, "*");
        gradus_updates u = gradus_join(GRADUS_UPDATES(gradus_assign(w, gradus_softmax(gradus_add(w, c), 0))));
        name[0] = (char)('0' + i);
        gradus_input_at(name, 1, made, name, GRADUS_F32, GRADUS_SHAPE(2));
        gradus_define(made, name + 1, GRADUS_NO_TENSORS, GRADUS_TENSORS(c), i == 0 ? u : GRADUS_NO_UPDATES);
        name[LARGE - 2 - i] = '\0';
    }
    const gradus_status status = gradus_graph_status(made);
    gradus_graph_destroy(&made);
    return status;
}

static void test_every_allocation_fails(void **state) {
    (void)state;
    gradus_set_allocator(counted, NULL);
    gradus_status status = GRADUS_ERROR_MEMORY;
    long n = 0;
    for (; status == GRADUS_ERROR_MEMORY && n < 10000; n++) {
        heap.countdown = n;
        heap.live = 0;
        status = build_something();
        assert_int_equal(heap.live, 0);
        assert_true(status == GRADUS_ERROR_MEMORY || status == GRADUS_OK);
    }
    gradus_set_allocator(NULL, NULL);
    assert_int_equal(status, GRADUS_OK);
    assert_true(n > 16);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_graph, free_graph)
    const struct CMUnitTest tests[] = {
        TEST(test_dtypes),
        TEST(test_broadcasting),
        TEST(test_shapes),
        TEST(test_reduction_shapes),
        TEST(test_matmul_shapes),
        TEST(test_mistakes),
        TEST(test_names),
        TEST(test_dense),
        TEST(test_substitute),
        TEST(test_updates),
        TEST(test_define),
        TEST(test_random_entries),
        TEST(test_without_memory),
        TEST(test_two_graphs),
        TEST(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
