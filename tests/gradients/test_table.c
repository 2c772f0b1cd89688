/* SPDX-License-Identifier: Apache-2.0
 *
 * What every row of the op table says of its gradient, kept for every dtype that the op takes: a derivative, zeros, or an error
 * that says why.  Operands and attributes are tried until the op's shape rule agrees; an op that no trial reaches fails. */
#include "tests/cmocka_all.h"

#include "autodiff.h"
#include "rules/gradient.h"

#include <string.h>

typedef enum { RULE, ZERO, NONE } column;

static const char *const cells[OP_COUNT] = {
#define OP(name, builder, arity, kind, operands, attributes, shape, gradient, ...) [OP_##name] = #gradient,
#include "ir/ops.def"
#undef OP
};

static column column_of(op_code op) {
    return strcmp(cells[op], "ZERO") == 0 ? ZERO : strcmp(cells[op], "NONE") == 0 ? NONE : RULE;
}

static const gradus_shape shapes[] = {{{2, 2, 3}}, {{2, 3, 2}},    {{1, 2}},      {{2, 2, 2}},
                                      {{2, 1, 3}}, {{3, 2, 2, 3}}, {{3, 2, 3, 2}}};
static const gradus_axes axes[] = {{{1, 0}}, {{2, 1, 0}}, {{2, 0, 1}}};
static const int64_t ranges[][2] = {{0, 2}, {1, 1}};
static const gradus_dtype dtypes[] = {GRADUS_F32, GRADUS_F64, GRADUS_I32, GRADUS_I64, GRADUS_U8, GRADUS_BOOL};

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))
enum { OPERANDS_MAX = 3 };

typedef struct {
    gradus_graph *g;
    uint32_t inputs[OPERANDS_MAX], n, result;
} made;

static uint32_t input_of(gradus_graph *g, gradus_dtype dtype, gradus_shape shape, int number) {
    const char name[2] = {(char)('a' + number), 0};
    return graph_add(g, &(node_spec){.op = OP_input, .attr.name = name, .dtype = dtype, .shape = shape});
}

/* One trial: digits of `code` choose shapes, dtypes, attributes and the result. */
static bool try_to_make(op_code op, gradus_dtype dtype, gradus_dtype result, long code, made *m) {
    const int others = COUNT(shapes) * 3;
    *m = (made){.g = graph_new(), .n = op_infos[op].arity == ARITY_ANY ? 2 : (uint32_t)op_infos[op].arity};
    for (uint32_t i = 0; i < m->n; i++, code /= others) {
        const gradus_dtype kinds[] = {dtype, GRADUS_I32, GRADUS_BOOL};
        m->inputs[i] = input_of(m->g, kinds[code % 3], shapes[code / 3 % COUNT(shapes)], (int)i);
    }
    attrs attr = {.axes = axes[code % COUNT(axes)], .stream = 0, .bound = 2};
    code /= COUNT(axes);
    attr.low = ranges[code % 2][0], attr.high = ranges[code % 2][1];
    code /= 2;
    gradus_shape shape = shapes[code % COUNT(shapes)];
    m->result = graph_add(
        m->g,
        &(node_spec){.op = op, .n_inputs = m->n, .inputs = m->inputs, .attr = attr, .dtype = result, .shape = shape});
    if (m->result) return true;
    graph_free(m->g);
    return false;
}

/* Is some operand of that dtype, so that the trial is one of it? */
static bool has_operand(const made *m, gradus_dtype dtype) {
    for (uint32_t i = 0; i < m->n; i++)
        if (graph_node(m->g, m->inputs[i])->dtype == dtype) return true;
    return false;
}

static bool make(op_code op, gradus_dtype dtype, gradus_dtype result, made *m) {
    long codes = COUNT(axes) * 2 * COUNT(shapes);
    int n = op_infos[op].arity == ARITY_ANY ? 2 : op_infos[op].arity;
    for (int i = 0; i < n; i++) codes *= COUNT(shapes) * 3;
    for (long code = 0; code < codes; code++) {
        if (!try_to_make(op, dtype, result, code, m)) continue;
        if (has_operand(m, dtype)) return true;
        graph_free(m->g);
    }
    return false;
}

static void check_operand(made *m, uint32_t x) {
    gradus_graph *g = m->g;
    const node *r = graph_node(g, m->result), *operand = graph_node(g, x);
    op_code op = r->op;
    column says = column_of(op);
    bool to_integer = !dtype_is_float(r->dtype);
    uint32_t y = to_integer ? build_cast(g, m->result, GRADUS_F64) : m->result, of = 0;
    g->here = (source){"user.c", 5};
    autodiff_gradients(g, "gradient", y, &x, 1, &of);
    char what[128];
    snprintf(what, sizeof what, "%s to %s by its operand of %s", op_name(op), gradus_dtype_name(r->dtype),
             gradus_dtype_name(operand->dtype));
    if (!dtype_is_float(operand->dtype)) {
        if (!strstr(g->error, "user.c:5: gradient: ") || !strstr(g->error, gradus_dtype_name(operand->dtype)) ||
            !strstr(g->error, "cast it first"))
            fail_msg("%s: \"%s\"", what, g->error);
    } else if (says == NONE) {
        if (!strstr(g->error, "user.c:5: gradient: ") || !strstr(g->error, op_name(op)) ||
            !strstr(g->error, "has no derivative; put gradus_stop_gradient"))
            fail_msg("%s: \"%s\"", what, g->error);
    } else {
        if (g->status) fail_msg("%s: %s", what, g->error);
        const node *n = graph_node(g, of);
        bool zero = n->op == OP_fill && scalar_to_double(n->dtype, n->attr.value) == 0;
        if (zero != (says == ZERO || to_integer))
            fail_msg("%s: its gradient is %s", what, zero ? "zeros" : op_name(n->op));
        assert_int_equal(n->dtype, operand->dtype);
        assert_true(shape_equal(&n->shape, &operand->shape));
    }
}

static int seen[3];

/* How many operands were looked at: none where the shape rule takes less than the row. */
static int check_op(op_code op, gradus_dtype dtype, gradus_dtype result) {
    made m;
    if (!make(op, dtype, result, &m)) return 0;
    int n = (int)m.n;
    graph_free(m.g);
    for (int i = 0; i < n; i++) { /* a graph of its own for each, since errors stay */
        assert_true(make(op, dtype, result, &m));
        check_operand(&m, m.inputs[i]);
        seen[column_of(op)]++;
        graph_free(m.g);
    }
    return n;
}

static void every_op_and_dtype(void **state) {
    (void)state;
    for (int op = OP_poison + 1; op < OP_COUNT; op++) {
        int tried = 0;
        if (op_infos[op].arity == 0 || op_is(op, CALL)) continue; /* sources; a function brings its derivative along */
        for (int d = 0; d < COUNT(dtypes); d++) {
            if (!(op_infos[op].operands & 1 << dtypes[d])) continue;
            bool chosen = op == OP_cast || op == OP_random_uniform; /* by whoever makes the node */
            for (int r = 0; r < (chosen ? COUNT(dtypes) : 1); r++)
                tried += check_op((op_code)op, dtypes[d], dtypes[chosen ? r : d]);
        }
        if (!tried) fail_msg("%s: no trial fits", op_name(op));
    }
    assert_true(seen[RULE] > 100 && seen[ZERO] > 30 && seen[NONE] >= 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_op_and_dtype)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
