/* SPDX-License-Identifier: Apache-2.0
 * The evaluator: the op table's evaluate column, one node, one entry.  See evaluate.h.  The rules themselves are in
 * evaluate_scalar.c (elementwise), evaluate_tensor.c (sources, movement, gather, scatter) and evaluate_reduce.c
 * (reductions and contractions). */
#include "rules/evaluate_rules.h"

#include <assert.h>
#include <inttypes.h>

const evaluate_rule evaluate_rules[OP_COUNT] = {
#define SCALAR(f) \
    { .scalar = evaluate_##f }
#define TENSOR(f) \
    { .tensor = evaluate_##f }
#define OP(name, builder, arity, kind, operands, attributes, shape, gradient, evaluate, emit, flags, mathematics) \
    [OP_##name] = evaluate,
#include "ir/ops.def"
#undef OP
#undef SCALAR
#undef TENSOR
};

enum { OPERANDS_MAX = 4 }; /* of an elementwise op */

gradus_status check_bound(const node *n, int64_t index, int64_t position, int64_t bound) {
    if (index >= 0 && index < bound) return GRADUS_OK;
    const char *op = n->op == OP_check_index && n->name ? n->name : op_name(n->op);
    char place[512] = "";
    if (n->where.file) snprintf(place, sizeof place, "%.480s:%d: ", n->where.file, n->where.line);
    if (bound <= 0)
        return fail(GRADUS_ERROR_ARGUMENT,
                    "%s%s: index %" PRId64 " at [%" PRId64 "] points into nothing: the axis is empty", place, op, index,
                    position);
    return fail(GRADUS_ERROR_ARGUMENT, "%s%s: index %" PRId64 " at [%" PRId64 "] is outside 0 … %" PRId64, place, op,
                index, position, bound - 1);
}

static gradus_status check_all(const node *n, const array *x) {
    int64_t count = shape_elements(&x->shape);
    for (int64_t i = 0; i < count; i++) {
        int64_t index = cast_scalar(x->dtype, GRADUS_I64, element_get(x, i)).i64;
        gradus_status status = check_bound(n, index, i, n->attr.bound);
        if (status) return status;
    }
    return GRADUS_OK;
}

gradus_status evaluate_node(const node *n, int64_t batch, const array *x, array *out) {
    const evaluate_rule *rule = &evaluate_rules[n->op];
    assert((rule->scalar || rule->tensor) && "poison has no value");
    if (rule->tensor) return rule->tensor(n, batch, x, out);
    assert(n->n_inputs > 0 && n->n_inputs <= OPERANDS_MAX);
    if (n->op == OP_check_index) {
        gradus_status status = check_all(n, x);
        if (status) return status;
    }
    int64_t count = shape_elements(&out->shape);
    for (int64_t i = 0; i < count; i++) {
        scalar operands[OPERANDS_MAX];
        for (uint32_t k = 0; k < n->n_inputs; k++) operands[k] = element_get(&x[k], i);
        element_set(out, i, rule->scalar(n, x[0].dtype, operands));
    }
    return GRADUS_OK;
}

static array array_for(const node *n, int64_t batch, arena *memory) {
    if (shape_bytes(&n->shape, n->dtype, batch) < 0) guard_out_of_memory();
    array a = {.dtype = n->dtype, .shape = shape_at(&n->shape, batch)};
    uint64_t count = (uint64_t)shape_elements(&a.shape), size = gradus_dtype_size(a.dtype);
    if (count > SIZE_MAX / 2 / size) guard_out_of_memory();
    a.data = arena_alloc(memory, (size_t)(count * size));
    return a;
}

static gradus_status evaluate_one(const gradus_graph *g, uint32_t id, const evaluation *how, array *values) {
    const node *n = graph_node(g, id);
    values[id] = array_for(n, how->batch, how->memory);
    switch (n->op) {
    case OP_input:
    case OP_param:
    case OP_state:
    case OP_training:
    case OP_seed: how->bind(how->user, id, n, &values[id]); return GRADUS_OK;
    default: break;
    }
    array *operands = ARENA_ARRAY(how->memory, array, n->n_inputs);
    for (uint32_t k = 0; k < n->n_inputs; k++) operands[k] = values[n->inputs[k]];
    return evaluate_node(n, how->batch, operands, &values[id]);
}

gradus_status evaluate_entry(const gradus_graph *g, const entry *e, const evaluation *how) {
    bool *wanted = ARENA_ARRAY(how->memory, bool, g->nodes.count);
    mark_results(e, wanted);
    mark_operands(g->nodes.items, g->nodes.count, wanted);
    array *values = how->nodes ? how->nodes : ARENA_ARRAY(how->memory, array, g->nodes.count);
    for (uint32_t id = 0; id < g->nodes.count; id++) {
        gradus_status status = wanted[id] ? evaluate_one(g, id, how, values) : GRADUS_OK;
        if (status) return status;
    }
    for (uint32_t i = 0; how->outputs && i < e->n_outputs; i++) how->outputs[i] = values[e->outputs[i]];
    for (uint32_t i = 0; how->values && i < e->updates.count; i++) how->values[i] = values[e->updates.items[i].value];
    return GRADUS_OK;
}
