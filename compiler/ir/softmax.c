/* SPDX-License-Identifier: Apache-2.0
 * Softmax and what is made of the same exponentials, in their stable forms: a rewrite after differentiation would come too
 * late to save a gradient.  Infinite elements have their limits: see gradus/nn.h. */
#include "ir/call.h"

#include <gradus/build.h>
#include <gradus/nn.h>

#include <math.h>

/* x with its largest element along the axes taken out, for exp not to overflow.  What is computed of x - m, with m added
 * again, has the right derivative whatever m is, so none flows through m. */
bool compose_soften(gradus_graph *g, const char *op, uint32_t x, const gradus_axes *axes, softened *s) {
    s->axes = *axes;
    s->largest = compose_reduce(g, op, OP_max, x, axes, true);
    if (!s->largest) return false;
    /* Of a row that is all -infinity x itself: all exponentials are 0. */
    const uint32_t none = build_op2(g, OP_equal, s->largest, compose_like(g, s->largest, -INFINITY));
    const uint32_t m = build_op3(g, OP_where, none, compose_like(g, s->largest, 0), s->largest);
    const uint32_t fixed = build_broadcast(g, build_op(g, OP_stop_gradient, m), &graph_node(g, x)->shape);
    /* An infinite element is one of the largest, though the difference of infinities is NaN. */
    const uint32_t infinite = build_op2(g, OP_equal, x, compose_like(g, x, INFINITY));
    s->below = build_op3(g, OP_where, infinite, compose_like(g, x, 0), build_op2(g, OP_sub, x, fixed));
    /* An exponential of 0 has derivatives of 0, whatever arrives: that of p log p, where p is 0, is infinite. */
    const uint32_t exp = build_op(g, OP_exp, s->below), zero = compose_like(g, exp, 0);
    s->exp = build_op3(g, OP_where, build_op2(g, OP_equal, exp, zero), zero, exp);
    return s->exp != 0;
}

/* Where all exponentials are 0 their sum is as good as 1: softmax is 0 there, and its derivatives are. */
static uint32_t sum_of(gradus_graph *g, const softened *s, bool keepdims) {
    const uint32_t sum = compose_reduce(g, "softmax", OP_sum, s->exp, &s->axes, keepdims);
    if (!sum) return 0;
    const uint32_t none = build_op2(g, OP_equal, sum, compose_like(g, sum, 0));
    return build_op3(g, OP_where, none, compose_like(g, sum, 1), sum);
}

uint32_t compose_log_of_sum(gradus_graph *g, const softened *s, bool keepdims) {
    return build_op(g, OP_log, sum_of(g, s, keepdims));
}

static bool soften_axis(gradus_graph *g, const char *op, uint32_t x, int axis, softened *s) {
    const gradus_shape *shape = &graph_node(g, x)->shape;
    if (!compose_dtype(g, op, x, DTYPES_FLOATS)) return false;
    axis = compose_axis(g, op, axis, shape_rank(shape));
    return axis >= 0 && compose_soften(g, op, x, &(gradus_axes){{1, axis}}, s);
}

uint32_t compose_softmax(gradus_graph *g, uint32_t x, int axis) {
    softened s;
    if (!soften_axis(g, "softmax", x, axis, &s)) return 0;
    return build_op2(g, OP_divide_no_nan, s.exp, build_broadcast(g, sum_of(g, &s, true), &graph_node(g, x)->shape));
}

gradus_tensor gradus_softmax_at(const char *file, int line, gradus_tensor x, int axis) {
    CALL(NULL, "softmax", OPERANDS(x), compose_softmax(g, x.id, axis));
}
PLAIN(gradus_tensor, softmax, (gradus_tensor x, int axis), (NULL, 0, x, axis))

uint32_t compose_log_softmax(gradus_graph *g, const char *op, uint32_t x, int axis) {
    softened s;
    if (!soften_axis(g, op, x, axis, &s)) return 0;
    const uint32_t log = compose_log_of_sum(g, &s, true);
    return build_op2(g, OP_sub, s.below, build_broadcast(g, log, &graph_node(g, x)->shape));
}

gradus_tensor gradus_log_softmax_at(const char *file, int line, gradus_tensor x, int axis) {
    CALL(NULL, "log_softmax", OPERANDS(x), compose_log_softmax(g, "log_softmax", x.id, axis));
}
PLAIN(gradus_tensor, log_softmax, (gradus_tensor x, int axis), (NULL, 0, x, axis))

/* m + log(sum(exp(x - m))).  An infinite m is the result, and has its derivative. */
static uint32_t logsumexp(gradus_graph *g, uint32_t x, const gradus_axes *axes, bool keepdims) {
    const gradus_shape *shape = &graph_node(g, x)->shape;
    gradus_axes sorted;
    softened s;
    if (!compose_dtype(g, "logsumexp", x, DTYPES_FLOATS)) return 0;
    if (!compose_axes(g, "logsumexp", axes, shape_rank(shape), &sorted)) return 0;
    const gradus_shape to = compose_reduced_shape(shape, &sorted, keepdims);
    if (compose_reduced_extent(shape, &sorted).factor == 0)
        return build_fill(g, graph_node(g, x)->dtype, &to, -INFINITY);
    if (!compose_soften(g, "logsumexp", x, &sorted, &s)) return 0;
    const uint32_t infinite = build_op2(g, OP_equal, s.largest, compose_like(g, s.largest, INFINITY));
    const uint32_t m = build_op3(g, OP_where, infinite, s.largest, build_op(g, OP_stop_gradient, s.largest));
    return build_op2(g, OP_add, compose_log_of_sum(g, &s, keepdims), build_reshape(g, m, &to));
}

gradus_tensor gradus_logsumexp_at(const char *file, int line, gradus_tensor x, gradus_axes axes, bool keepdims) {
    CALL(NULL, "logsumexp", OPERANDS(x), logsumexp(g, x.id, &axes, keepdims));
}
PLAIN(gradus_tensor, logsumexp, (gradus_tensor x, gradus_axes axes, bool keepdims), (NULL, 0, x, axes, keepdims))
