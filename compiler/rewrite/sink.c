/* SPDX-License-Identifier: Apache-2.0
 * Movements behind elementwise ops.  See sink.h.
 *
 *     %3 = broadcast %1 : (B, 10)             %5 = div %1, %2
 *     %4 = broadcast %2 : (B, 10)      →      %6 = broadcast %5 : (B, 10)
 *     %5 = div %3, %4
 *
 *     %2 = reshape %1 : (B, T, D)             %3 = relu %1
 *     %3 = relu %2                     →      %4 = reshape %3 : (B, T, D)
 */
#include "rewrite/sink.h"

enum { MAX_OPERANDS = 3 };

static const node *operand(const gradus_graph *g, const node *n, uint32_t i) { return graph_node(g, n->inputs[i]); }

/* The extent of an axis counted from the last one; 1 in front of the first. */
static int64_t dim_from_last(const gradus_shape *s, int axis) {
    return axis < shape_rank(s) ? shape_dim(s, shape_rank(s) - 1 - axis) : 1;
}

static uint32_t add_elementwise(gradus_graph *g, const node *n, const uint32_t *inputs, const gradus_shape *shape) {
    return graph_add(g, &(node_spec){.op = n->op, .n_inputs = n->n_inputs, .inputs = inputs, .attr = n->attr,
                                     .dtype = n->dtype, .shape = *shape});
}

static uint32_t fill_of(gradus_graph *g, const node *fill, const gradus_shape *shape) {
    return build_fill_scalar(g, fill->dtype, shape, fill->attr.value);
}

/* The smallest shape that what the operands broadcast can be broadcast to; false if it is no smaller than n's. */
static bool joint_shape(const gradus_graph *g, const node *n, gradus_shape *joint) {
    int rank = 0;
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        const node *x = operand(g, n, i);
        if (x->op == OP_fill) continue;
        if (x->op != OP_broadcast) return false;
        int r = shape_rank(&operand(g, x, 0)->shape);
        rank = r > rank ? r : rank;
    }
    int64_t dims[GRADUS_MAX_RANK];
    for (int axis = 0; axis < rank; axis++) {
        dims[rank - 1 - axis] = 1;
        for (uint32_t i = 0; i < n->n_inputs; i++) {
            const node *x = operand(g, n, i);
            int64_t d = x->op == OP_broadcast ? dim_from_last(&operand(g, x, 0)->shape, axis) : 1;
            if (d != 1) dims[rank - 1 - axis] = d;
        }
    }
    *joint = shape_make(rank, dims);
    for (int axis = 0; axis < shape_rank(&n->shape); axis++)
        if (dim_from_last(&n->shape, axis) != dim_from_last(joint, axis)) return true;
    return false;
}

static uint32_t sink_broadcast(gradus_graph *g, const node *n) {
    gradus_shape joint;
    if (!joint_shape(g, n, &joint)) return 0;
    uint32_t inputs[MAX_OPERANDS];
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        const node *x = operand(g, n, i);
        inputs[i] = x->op == OP_fill ? fill_of(g, x, &joint) : build_broadcast(g, x->inputs[0], &joint);
    }
    return build_broadcast(g, add_elementwise(g, n, inputs, &joint), &n->shape);
}

/* Whether broadcasting y to `to` and then reshaping to `from` is broadcasting y to `from`: y has extents other than 1
 * only where the two shapes end alike. */
static bool ends_alike(const gradus_shape *y, const gradus_shape *from, const gradus_shape *to) {
    if (shape_rank(y) > shape_rank(to)) return false;
    bool alike = true;
    for (int axis = 0; axis < shape_rank(y); axis++) {
        alike = alike && axis < shape_rank(from) && dim_from_last(from, axis) == dim_from_last(to, axis);
        if (!alike && dim_from_last(y, axis) != 1) return false;
    }
    return true;
}

static bool follows_reshape(const gradus_graph *g, const node *x, const gradus_shape *from, const gradus_shape *to) {
    if (x->op == OP_fill) return true;
    if (x->op == OP_reshape) return shape_equal(&operand(g, x, 0)->shape, to);
    return x->op == OP_broadcast && ends_alike(&operand(g, x, 0)->shape, from, to);
}

static uint32_t sink_reshape(gradus_graph *g, const node *n) {
    const node *first = NULL;
    for (uint32_t i = 0; i < n->n_inputs && !first; i++)
        if (operand(g, n, i)->op == OP_reshape) first = operand(g, n, i);
    if (!first) return 0;
    gradus_shape shape = operand(g, first, 0)->shape;
    for (uint32_t i = 0; i < n->n_inputs; i++)
        if (!follows_reshape(g, operand(g, n, i), &n->shape, &shape)) return 0;
    uint32_t inputs[MAX_OPERANDS];
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        const node *x = operand(g, n, i);
        if (x->op == OP_fill) inputs[i] = fill_of(g, x, &shape);
        else inputs[i] = x->op == OP_reshape ? x->inputs[0] : build_broadcast(g, x->inputs[0], &shape);
    }
    return build_reshape(g, add_elementwise(g, n, inputs, &shape), &n->shape);
}

uint32_t sink(gradus_graph *g, const node *n) {
    /* A check tells the position of what it found: it stays where the user put it. */
    if (!op_is(n->op, ELEMENTWISE) || n->op == OP_check_index || n->n_inputs > MAX_OPERANDS) return 0;
    uint32_t sunk = sink_broadcast(g, n);
    return sunk ? sunk : sink_reshape(g, n);
}
