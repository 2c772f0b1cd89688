/* SPDX-License-Identifier: Apache-2.0
 * For tests of gradients: every way to apply an op of the table that its shape rule agrees to, among the operands, attributes and
 * results tried here.  Some have the run-time batch, which is BATCH. */
#ifndef TESTS_UNIT_TRIALS_H
#define TESTS_UNIT_TRIALS_H

#include "differences.h"

#include "rules/gradient.h"

typedef struct {
    gradus_dtype dtype;
    gradus_shape shape;
} kind_of_tensor;

static const kind_of_tensor operand_kinds[] = {
    {GRADUS_F64, {{2, 3, 4}}},  {GRADUS_F64, {{2, 4, 3}}},    {GRADUS_F64, {{2, 2, 4}}},    {GRADUS_F64, {{1, 4}}},
    {GRADUS_F64, {{2, 3, 1}}},  {GRADUS_F64, {{3, 2, 3, 2}}}, {GRADUS_F64, {{3, 2, 2, 3}}}, {GRADUS_F64, {{2, 3, 2}}},
    {GRADUS_BOOL, {{2, 3, 4}}}, {GRADUS_I64, {{1, 2}}},       {GRADUS_I64, {{2, 2, 4}}},    {GRADUS_I32, {{2, 3, 4}}},
    {GRADUS_F32, {{2, 3, 4}}},  {GRADUS_F64, {{2, -1, 2}}},
};
static const kind_of_tensor result_kinds[] = {
    {GRADUS_F64, {{2, 3, 4}}}, {GRADUS_F64, {{1, 12}}},      {GRADUS_F64, {{3, 2, 3, 4}}},
    {GRADUS_F32, {{2, 3, 4}}}, {GRADUS_F64, {{3, 3, 2, 2}}}, {GRADUS_F64, {{2, 4, 3}}},
};
static const gradus_axes axes_tried[] = {{{1, 0}}, {{1, 1}}, {{2, 0, 1}}, {{2, 1, 0}}, {{2, 1, 2}}, {{3, 2, 0, 1}}};
static const int64_t ranges_tried[][2] = {{0, 2}, {1, 3}, {1, 1}};

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))
enum { ARITY_MAX = 3, BATCH = 3 };

typedef struct {
    int operands[ARITY_MAX], n;
    attrs attr;
    kind_of_tensor result;
} plan;

typedef void (*plan_test)(op_code op, const plan *p);

static inline const kind_of_tensor *operand_kind(const plan *p, int i) { return &operand_kinds[p->operands[i]]; }

static inline bool plan_has(const plan *p, gradus_dtype dtype) {
    for (int i = 0; i < p->n; i++)
        if (operand_kind(p, i)->dtype == dtype) return true;
    return p->result.dtype == dtype;
}

/* The op on these operands; 0 where the shape rule does not agree. */
static inline uint32_t plan_node(gradus_graph *g, op_code op, const plan *p, const uint32_t *inputs) {
    attrs attr = p->attr;
    if (op_infos[op].attributes & ATTR_VALUE) attr.value.f64 = 0.5;
    return graph_add(g, &(node_spec){.op = op,
                                     .n_inputs = (uint32_t)p->n,
                                     .inputs = inputs,
                                     .attr = attr,
                                     .dtype = p->result.dtype,
                                     .shape = p->result.shape});
}

/* What the shape rule makes of it; false where that is nothing. */
static inline bool plan_result(op_code op, const plan *p, kind_of_tensor *result) {
    gradus_graph *g = graph_new();
    uint32_t inputs[ARITY_MAX];
    for (int i = 0; i < p->n; i++) inputs[i] = build_fill(g, operand_kind(p, i)->dtype, &operand_kind(p, i)->shape, 0);
    const uint32_t y = plan_node(g, op, p, inputs);
    if (y) *result = (kind_of_tensor){graph_node(g, y)->dtype, graph_node(g, y)->shape};
    graph_free(g);
    return y != 0;
}

/* For one choice of operands and attributes, all results; those that the rule decides by itself count once. */
static inline void each_result(op_code op, plan p, plan_test visit) {
    kind_of_tensor last = {.dtype = 0}, made;
    for (int r = 0; r < COUNT(result_kinds); r++) {
        p.result = result_kinds[r];
        if (!plan_result(op, &p, &made)) continue;
        if (last.dtype == made.dtype && shape_equal(&last.shape, &made.shape)) continue;
        p.result = last = made;
        if (dtype_is_float(made.dtype)) visit(op, &p);
    }
}

static inline void each_attribute(op_code op, plan p, plan_test visit) {
    unsigned uses = op_infos[op].attributes;
    for (int a = 0; a < (uses & ATTR_AXES ? COUNT(axes_tried) : 1); a++)
        for (int axis = 0; axis < (uses & ATTR_AXIS ? 3 : 1); axis++)
            for (int r = 0; r < (uses & ATTR_RANGE ? COUNT(ranges_tried) : 1); r++) {
                p.attr = (attrs){.axis = axis};
                if (uses & ATTR_AXES) p.attr.axes = axes_tried[a];
                if (uses & ATTR_RANGE) p.attr.low = ranges_tried[r][0], p.attr.high = ranges_tried[r][1];
                each_result(op, p, visit);
            }
}

/* Whether some attributes and some result fit, since most choices of operands do not. */
static inline bool operands_fit(op_code op, plan p) {
    kind_of_tensor made;
    const unsigned uses = op_infos[op].attributes;
    for (int a = 0; a < COUNT(axes_tried); a++)
        for (int axis = 0; axis < 3; axis++)
            for (int r = 0; r < COUNT(result_kinds); r++) {
                p.attr = (attrs){.axis = uses & ATTR_AXIS ? axis : 0};
                if (uses & ATTR_AXES) p.attr.axes = axes_tried[a];
                if (uses & ATTR_RANGE) p.attr.high = 1;
                p.result = result_kinds[r];
                if (plan_result(op, &p, &made)) return true;
            }
    return false;
}

static inline void each_operands(op_code op, int n, plan_test visit) {
    int choices = 1;
    for (int i = 0; i < n; i++) choices *= COUNT(operand_kinds);
    for (int c = 0; c < choices; c++) {
        plan p = {.n = n};
        bool any_float = false, all_exact = true;
        for (int i = 0, rest = c; i < n; i++, rest /= COUNT(operand_kinds)) {
            p.operands[i] = rest % COUNT(operand_kinds);
            any_float |= dtype_is_float(operand_kind(&p, i)->dtype);
            all_exact &= operand_kind(&p, i)->dtype != GRADUS_F32;
        }
        if (any_float && (n == 1 || all_exact) && operands_fit(op, p)) each_attribute(op, p, visit);
    }
}

static inline void each_plan(op_code op, plan_test visit) {
    for (int n = 1; n <= ARITY_MAX; n++)
        if (op_infos[op].arity == ARITY_ANY || op_infos[op].arity == n) each_operands(op, n, visit);
}

/* Of rows with a rule of their own: what calls a user's function is test_custom.c's matter. */
static inline bool has_rule(op_code op) {
    return !op_is(op, CALL) && gradient_kind_of(&(node){.op = op}) == GRADIENT_RULE;
}

/* An input whose shape may have the batch in it; the value's shape has BATCH there. */
static inline uint32_t input_of_kind(gradus_graph *g, const kind_of_tensor *k, array value) {
    const uint32_t id = input_of(g, value);
    g->nodes.items[id]->shape = k->shape;
    return id;
}

#endif
