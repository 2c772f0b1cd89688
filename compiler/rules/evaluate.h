/* SPDX-License-Identifier: Apache-2.0
 *
 * The meaning of every op, as plain scalar C: what constant folding uses and what emitted code must equal bit for bit.
 * Built with -ffp-contract=off; a fused multiply-add is written fma().
 */
#ifndef GRADUS_RULES_EVALUATE_H
#define GRADUS_RULES_EVALUATE_H

#include "ir/graph.h"

/* A tensor's elements, row-major and dense, every extent of the shape a number. */
typedef struct {
    gradus_dtype dtype;
    gradus_shape shape;
    void *data;
} array;

/* The table's evaluate column: an elementwise op at one index … */
typedef scalar (*scalar_rule)(const node *n, gradus_dtype operand, const scalar *x);
/* … or the whole result of another: fills out->data; `x` are the operands' arrays in order. */
typedef gradus_status (*tensor_rule)(const node *n, int64_t batch, const array *x, array *out);

typedef struct {
    scalar_rule scalar; /* one of the two is NULL */
    tensor_rule tensor;
} evaluate_rule;
extern const evaluate_rule evaluate_rules[OP_COUNT];

/* One node from its operands; out->dtype and out->shape are set, out->data has room.  Nodes that are bound (input, param,
 * state, training, seed) are the caller's.  An index outside its bound is GRADUS_ERROR_ARGUMENT with a message. */
gradus_status evaluate_node(const node *n, int64_t batch, const array *x, array *out);

/* One entry of a graph.  `bound(user, id, out)` fills out->data of the nodes that are bound.  Afterwards `outputs[i]` is
 * the i-th output, `values[i]` the i-th update's value and `nodes[id]` each node's (of those that nothing needs, without
 * data), in `memory`; each list may be NULL.  Needs a guard. */
typedef struct {
    int64_t batch;
    void (*bind)(void *user, uint32_t id, const node *n, array *out);
    void *user;
    arena *memory;
    array *outputs, *values, *nodes;
} evaluation;
gradus_status evaluate_entry(const gradus_graph *g, const entry *e, const evaluation *how);

#endif
