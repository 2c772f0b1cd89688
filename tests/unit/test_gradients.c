/* SPDX-License-Identifier: Apache-2.0
 *
 * Every row of the op table that has a gradient rule, against central differences in f64, to first and second order.
 * Operands, attributes and result types are tried until the op's shape rule agrees, so a new row is tested by standing
 * in the table: a rule that no trial reaches fails the test. */
#include "differences.h"

#include "rules/gradient.h"

#include <stdlib.h>

/* --- trials of one op -------------------------------------------------------------------------------------------- */

typedef struct {
    gradus_dtype dtype;
    gradus_shape shape;
} kind_of_tensor;

static const kind_of_tensor operand_kinds[] = {
    {GRADUS_F64, {{2, 3, 4}}},  {GRADUS_F64, {{2, 4, 3}}},    {GRADUS_F64, {{2, 2, 4}}},    {GRADUS_F64, {{1, 4}}},
    {GRADUS_F64, {{2, 3, 1}}},  {GRADUS_F64, {{3, 2, 3, 2}}}, {GRADUS_F64, {{3, 2, 2, 3}}}, {GRADUS_F64, {{2, 3, 2}}},
    {GRADUS_BOOL, {{2, 3, 4}}}, {GRADUS_I64, {{1, 2}}},       {GRADUS_I64, {{2, 2, 4}}},    {GRADUS_I32, {{2, 3, 4}}},
    {GRADUS_F32, {{2, 3, 4}}},
};
static const kind_of_tensor result_kinds[] = {
    {GRADUS_F64, {{2, 3, 4}}}, {GRADUS_F64, {{1, 12}}},      {GRADUS_F64, {{3, 2, 3, 4}}},
    {GRADUS_F32, {{2, 3, 4}}}, {GRADUS_F64, {{3, 3, 2, 2}}}, {GRADUS_F64, {{2, 4, 3}}},
};
static const gradus_axes axes_tried[] = {{{1, 0}}, {{1, 1}}, {{2, 0, 1}}, {{2, 1, 0}}, {{2, 1, 2}}, {{3, 2, 0, 1}}};
static const int64_t ranges_tried[][2] = {{0, 2}, {1, 3}, {1, 1}};
static const double intervals[][2] = {{0, 0.65}, {-0.69, 1.87}, {-2, -0.05}}; /* where operands lie, moved from 0 */

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))
enum { ARITY_MAX = 3 };

typedef struct {
    int operands[ARITY_MAX], n;
    attrs attr;
    kind_of_tensor result;
} plan;

static int tried; /* of the op at hand: plans with some gradient */

static array operand_value(const kind_of_tensor *k, const double *interval, int place) {
    array a = grid(k->shape, interval[0], interval[1], 0.2 + 0.25 * place), converted = array_of(k->dtype, k->shape);
    for (int64_t i = 0; i < size_of(&k->shape); i++) {
        double x = get(&a, i).f64, away = x + copysign(0.25, x); /* kinks and poles are at 0 */
        set(&converted, i, scalar_from_double(k->dtype, dtype_is_float(k->dtype) ? away : (double)random_below(2)));
    }
    return converted;
}

/* Are the operands inside the op's domain and, where it looks something up, inside the axis? */
static bool defined_at(const gradus_graph *g, uint32_t y) {
    array value;
    if (try_evaluate(g, 1, &y, 1, &value)) return false;
    for (int64_t i = 0; i < size_of(&value.shape); i++)
        if (!isfinite(element(&value, i))) return false;
    return true;
}

/* First order: y's gradient.  Second: the gradient of a weighted sum of the first gradients. */
static void check_plan(gradus_graph *g, uint32_t y, const uint32_t *x, uint32_t count, bool exact) {
    const char *name = op_name(graph_node(g, y)->op);
    const double h = exact ? 5e-4 : 0x1p-6, tolerance = exact ? 1e-7 : 2e-3; /* f32 rounds */
    uint32_t s = weighted_sum(g, y), first[ARITY_MAX], sum = 0;
    autodiff_gradients(g, "test", s, x, count, first);
    if (check_differences(g, 1, name, s, x, first, count, h, tolerance) == 0) return;
    tried++;
    if (!exact) return;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t part = weighted_sum(g, first[i]);
        sum = i == 0 ? part : build_op2(g, OP_add, sum, part);
    }
    char second[64];
    snprintf(second, sizeof second, "%s, second order", name);
    check_gradients(g, 1, second, sum, x, count, h, 1e-6);
}

static void try_plan(op_code op, const plan *p, const double *interval, kind_of_tensor *last) {
    gradus_graph *g = graph_new();
    uint32_t inputs[ARITY_MAX], x[ARITY_MAX], count = 0;
    bool exact = true;
    for (int i = 0; i < p->n; i++) {
        const kind_of_tensor *k = &operand_kinds[p->operands[i]];
        inputs[i] = input_of(g, operand_value(k, interval, i));
        if (dtype_is_float(k->dtype)) x[count++] = inputs[i];
        exact &= k->dtype != GRADUS_F32;
    }
    attrs attr = p->attr;
    if (op_infos[op].attributes & ATTR_VALUE) attr.value.f64 = 0.5;
    uint32_t y = graph_add(g, &(node_spec){.op = op,
                                           .n_inputs = (uint32_t)p->n,
                                           .inputs = inputs,
                                           .attr = attr,
                                           .dtype = p->result.dtype,
                                           .shape = p->result.shape});
    if (y && count && dtype_is_float(graph_node(g, y)->dtype)) {
        const node *n = graph_node(g, y);
        bool repeated = last->dtype == n->dtype && shape_equal(&last->shape, &n->shape);
        *last = (kind_of_tensor){n->dtype, n->shape};
        if (!repeated && defined_at(g, y)) check_plan(g, y, x, count, exact && n->dtype == GRADUS_F64);
    }
    graph_free(g);
    arena_free(&memory);
}

/* For one choice of operands and attributes, all results; those that the rule decides by itself count once. */
static void try_results(op_code op, plan p) {
    for (int k = 0; k < COUNT(intervals); k++) {
        kind_of_tensor last = {.dtype = 0};
        for (int r = 0; r < COUNT(result_kinds); r++) {
            p.result = result_kinds[r];
            try_plan(op, &p, intervals[k], &last);
        }
    }
}

static void try_attributes(op_code op, plan p) {
    unsigned uses = op_infos[op].attributes;
    for (int a = 0; a < (uses & ATTR_AXES ? COUNT(axes_tried) : 1); a++)
        for (int axis = 0; axis < (uses & ATTR_AXIS ? 3 : 1); axis++)
            for (int r = 0; r < (uses & ATTR_RANGE ? COUNT(ranges_tried) : 1); r++) {
                p.attr = (attrs){.axis = axis};
                if (uses & ATTR_AXES) p.attr.axes = axes_tried[a];
                if (uses & ATTR_RANGE) p.attr.low = ranges_tried[r][0], p.attr.high = ranges_tried[r][1];
                try_results(op, p);
            }
}

/* A dry run of the shape rule alone, since most choices of operands do not fit. */
static bool fits(op_code op, const plan *p) {
    bool any = false;
    for (int a = 0; a < COUNT(axes_tried) && !any; a++)
        for (int axis = 0; axis < 3 && !any; axis++)
            for (int r = 0; r < COUNT(result_kinds) && !any; r++) {
                gradus_graph *g = graph_new();
                uint32_t inputs[ARITY_MAX];
                for (int i = 0; i < p->n; i++) {
                    const kind_of_tensor *k = &operand_kinds[p->operands[i]];
                    inputs[i] = build_fill(g, k->dtype, &k->shape, 0);
                }
                unsigned uses = op_infos[op].attributes;
                attrs attr = {.axis = uses & ATTR_AXIS ? axis : 0};
                if (uses & ATTR_AXES) attr.axes = axes_tried[a];
                if (uses & ATTR_RANGE) attr.high = 1;
                any = graph_add(g, &(node_spec){.op = op,
                                                .n_inputs = (uint32_t)p->n,
                                                .inputs = inputs,
                                                .attr = attr,
                                                .dtype = result_kinds[r].dtype,
                                                .shape = result_kinds[r].shape}) != 0;
                graph_free(g);
            }
    return any;
}

static void try_operands(op_code op, int n) {
    int choices = 1;
    for (int i = 0; i < n; i++) choices *= COUNT(operand_kinds);
    for (int c = 0; c < choices; c++) {
        plan p = {.n = n};
        bool any_float = false, all_small = true;
        for (int i = 0, rest = c; i < n; i++, rest /= COUNT(operand_kinds)) {
            p.operands[i] = rest % COUNT(operand_kinds);
            any_float |= dtype_is_float(operand_kinds[p.operands[i]].dtype);
            all_small &= operand_kinds[p.operands[i]].dtype != GRADUS_F32;
        }
        if (any_float && (n == 1 || all_small) && fits(op, &p)) try_attributes(op, p);
    }
}

GUARDED_TEST(every_rule) {
    for (int i = OP_poison + 1; i < OP_COUNT; i++) {
        op_code op = (op_code)i;
        if (op_is(op, CALL)) continue; /* the user's function: test_custom.c */
        if (gradient_kind_of(&(node){.op = op}) != GRADIENT_RULE) continue;
        tried = 0;
        int arity = op_infos[op].arity;
        for (int n = 1; n <= ARITY_MAX; n++)
            if (arity == ARITY_ANY || arity == n) try_operands(op, n);
        if (tried == 0) fail_msg("%s has a gradient rule, but no trial reached it", op_name(op));
        if (getenv("VERBOSE")) print_message("%s: %d trials\n", op_name(op), tried);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_rule, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
