/* SPDX-License-Identifier: Apache-2.0
 *
 * The public reductions.  A node reduces a run of neighbouring axes and drops them, so axes 0 and 2 are two nodes, the
 * innermost run first, and keepdims is a reshape after that.
 */
#include "ir/call.h"

#include <gradus/build.h>

#include <float.h>
#include <math.h>

gradus_shape compose_reduced_shape(const gradus_shape *shape, const gradus_axes *sorted, bool keepdims) {
    gradus_shape to = {{0}};
    for (int i = 0, k = 1; i < shape_rank(shape); i++) {
        const bool gone = k <= sorted->d[0] && sorted->d[k] == i;
        k += gone;
        if (!gone || keepdims) to.d[++to.d[0]] = gone ? 1 : shape_dim(shape, i);
    }
    return to;
}

extent compose_reduced_extent(const gradus_shape *shape, const gradus_axes *sorted) {
    gradus_shape only = {{sorted->d[0]}};
    for (int i = 1; i <= sorted->d[0]; i++) only.d[i] = shape_dim(shape, sorted->d[i]);
    return shape_extent(&only, 0, shape_rank(&only));
}

static uint32_t reduce(gradus_graph *g, op_code op, uint32_t x, const gradus_axes *sorted, bool keepdims) {
    if (sorted->d[0] == 0) return x;
    const gradus_shape to = compose_reduced_shape(&graph_node(g, x)->shape, sorted, keepdims);
    for (int last = sorted->d[0]; last > 0;) {
        int first = last;
        while (first > 1 && sorted->d[first - 1] == sorted->d[first] - 1) first--;
        gradus_axes run = {{last - first + 1}};
        for (int i = first; i <= last; i++) run.d[i - first + 1] = sorted->d[i];
        x = build_reduce(g, op, x, run);
        last = first - 1;
    }
    return build_reshape(g, x, &to);
}

uint32_t compose_reduce(gradus_graph *g, const char *name, op_code op, uint32_t x, const gradus_axes *axes,
                        bool keepdims) {
    const gradus_shape *shape = &graph_node(g, x)->shape;
    gradus_axes sorted;
    if (!compose_dtype(g, name, x, op_infos[op].operands)) return 0;
    if (!compose_axes(g, name, axes, shape_rank(shape), &sorted)) return 0;
    if ((op == OP_max || op == OP_min) && compose_reduced_extent(shape, &sorted).factor == 0)
        return compose_fail(g, name, "there is none among no elements: %s has an extent of 0", shape_text(g, shape));
    return reduce(g, op, x, &sorted, keepdims);
}

uint32_t compose_reduce_axis(gradus_graph *g, op_code op, uint32_t x, int axis, bool keepdims) {
    return reduce(g, op, x, &(gradus_axes){{1, axis}}, keepdims);
}

/* How many elements the axes hold, as a scalar: of the call, where the batch is among them. */
static uint32_t count(gradus_graph *g, gradus_dtype dtype, const gradus_shape *shape, const gradus_axes *sorted) {
    const extent e = compose_reduced_extent(shape, sorted);
    if (e.power == 0) return build_fill(g, dtype, &GRADUS_SCALAR, (double)e.factor);
    uint32_t n = build_count(g, dtype, -e.factor);
    for (int32_t i = 1; i < e.power; i++) n = build_op2(g, OP_mul, n, build_count(g, dtype, -1));
    return n;
}

uint32_t compose_mean(gradus_graph *g, const char *name, uint32_t x, const gradus_axes *axes, bool keepdims) {
    const node *n = graph_node(g, x);
    gradus_axes sorted;
    if (!compose_dtype(g, name, x, DTYPES_FLOATS)) return 0;
    if (!compose_axes(g, name, axes, shape_rank(&n->shape), &sorted)) return 0;
    const uint32_t sum = reduce(g, OP_sum, x, &sorted, keepdims);
    if (!sum) return 0;
    const uint32_t elements = count(g, n->dtype, &n->shape, &sorted);
    return build_op2(g, OP_div, sum, build_broadcast(g, elements, &graph_node(g, sum)->shape));
}

static uint32_t var(gradus_graph *g, uint32_t x, const gradus_axes *axes, bool keepdims) {
    const gradus_shape *shape = &graph_node(g, x)->shape;
    gradus_axes sorted;
    moments m;
    if (!compose_dtype(g, "var", x, DTYPES_FLOATS)) return 0;
    if (!compose_axes(g, "var", axes, shape_rank(shape), &sorted)) return 0;
    const gradus_shape to = compose_reduced_shape(shape, &sorted, keepdims);
    if (compose_reduced_extent(shape, &sorted).factor == 0) return compose_mean(g, "var", x, axes, keepdims); /* NaN */
    if (!compose_moments(g, "var", x, &sorted, false, &m)) return 0;
    return build_reshape(g, compose_variance_of(g, &m), &to);
}

/* Axes that are no run of neighbours are brought together at the end first. */
static uint32_t argmax(gradus_graph *g, uint32_t x, const gradus_axes *axes, bool keepdims) {
    const gradus_shape shape = graph_node(g, x)->shape;
    const int rank = shape_rank(&shape);
    gradus_axes sorted, order = {{rank}}, run;
    if (!compose_dtype(g, "argmax", x, op_infos[OP_argmax].operands)) return 0;
    if (!compose_axes(g, "argmax", axes, rank, &sorted)) return 0;
    const int reduced = sorted.d[0];
    if (reduced == 0) return build_fill(g, GRADUS_I32, &shape, 0);
    run = sorted;
    if (sorted.d[reduced] - sorted.d[1] != reduced - 1) {
        for (int i = 0, k = 1, kept = 0; i < rank; i++) {
            if (k <= reduced && sorted.d[k] == i) order.d[rank - reduced + k++] = i;
            else order.d[++kept] = i;
        }
        x = build_transpose(g, x, order);
        for (int i = 1; i <= reduced; i++) run.d[i] = rank - reduced + i - 1;
    }
    const gradus_shape to = compose_reduced_shape(&shape, &sorted, keepdims);
    return build_reshape(g, build_reduce(g, OP_argmax, x, run), &to);
}

/* Of nothing, all are true and any is false. */
static uint32_t all_or_any(gradus_graph *g, const char *name, op_code op, uint32_t x, const gradus_axes *axes,
                           bool keepdims) {
    const gradus_shape *shape = &graph_node(g, x)->shape;
    gradus_axes sorted;
    if (!compose_dtype(g, name, x, DTYPES_BOOLS)) return 0;
    if (!compose_axes(g, name, axes, shape_rank(shape), &sorted)) return 0;
    if (compose_reduced_extent(shape, &sorted).factor > 0) return reduce(g, op, x, &sorted, keepdims);
    const gradus_shape to = compose_reduced_shape(shape, &sorted, keepdims);
    return build_fill(g, GRADUS_BOOL, &to, op == OP_min);
}

/* The last axis first, whose elements lie side by side, then the others. */
static uint32_t reduce_rows(gradus_graph *g, op_code op, uint32_t x, const gradus_axes *sorted) {
    gradus_axes others = *sorted;
    if (others.d[0] < 2) return reduce(g, op, x, sorted, true);
    const gradus_axes last = {{1, others.d[others.d[0]--]}};
    return reduce(g, op, reduce(g, op, x, &last, true), &others, true);
}

/* A power of two that makes the magnitude from 1 to below 2, nearly: 2^-floor(log2(it)). */
static uint32_t scale_for(gradus_graph *g, uint32_t magnitude) {
    const bool f32 = graph_node(g, magnitude)->dtype == GRADUS_F32;
    const uint32_t low = compose_like(g, magnitude, f32 ? FLT_MIN : DBL_MIN),
                   high = compose_like(g, magnitude, f32 ? FLT_MAX : DBL_MAX);
    const uint32_t normal = build_op2(g, OP_minimum, build_op2(g, OP_maximum, magnitude, low), high);
    const uint32_t per_ln_2 = compose_like(g, magnitude, 1.44269504088896340736);
    const uint32_t exponent = build_op(g, OP_floor, build_op2(g, OP_mul, build_op(g, OP_log, normal), per_ln_2));
    return build_op2(g, OP_pow, compose_like(g, magnitude, 2), build_op(g, OP_neg, exponent));
}

/* sqrt(sum(x^2)) = sqrt(sum((s x)^2)) / s, the same for every constant s > 0, hence with the right derivatives of every
 * order.  With the power of two that belongs to the largest |x|, scaling rounds nothing, no square overflows, and those
 * that underflow do not count.  Of zeros it is the constant 0. */
static uint32_t norm(gradus_graph *g, uint32_t x, const gradus_axes *sorted, bool keepdims) {
    const node *n = graph_node(g, x);
    const gradus_shape shape = n->shape, to = compose_reduced_shape(&shape, sorted, keepdims);
    if (compose_reduced_extent(&shape, sorted).factor == 0) return build_fill(g, n->dtype, &to, 0);
    const uint32_t largest = build_op(g, OP_stop_gradient, reduce_rows(g, OP_max, build_op(g, OP_abs, x), sorted));
    if (!largest) return 0;
    const uint32_t s = scale_for(g, largest), scaled = build_op2(g, OP_mul, x, build_broadcast(g, s, &shape));
    const uint32_t sum = reduce_rows(g, OP_sum, compose_square(g, scaled), sorted);
    const uint32_t zero = compose_like(g, largest, 0), zeros = build_op2(g, OP_equal, largest, zero);
    const uint32_t root = build_op(g, OP_sqrt, build_op3(g, OP_where, zeros, compose_like(g, largest, 1), sum));
    return build_reshape(g, build_op3(g, OP_where, zeros, zero, build_op2(g, OP_div, root, s)), &to);
}

uint32_t compose_norm(gradus_graph *g, const char *name, uint32_t x, const gradus_axes *axes, bool keepdims) {
    gradus_axes sorted;
    if (!compose_dtype(g, name, x, DTYPES_FLOATS)) return 0;
    if (!compose_axes(g, name, axes, shape_rank(&graph_node(g, x)->shape), &sorted)) return 0;
    return norm(g, x, &sorted, keepdims);
}

/* --- the public names ------------------------------------------------------------------------------------------ */

#define REDUCTION(name, expression)                                                                                  \
    gradus_tensor gradus_##name##_at(const char *file, int line, gradus_tensor x, gradus_axes axes, bool keepdims) { \
        CALL(NULL, #name, OPERANDS(x), expression);                                                                  \
    }                                                                                                                \
    PLAIN(gradus_tensor, name, (gradus_tensor x, gradus_axes axes, bool keepdims), (NULL, 0, x, axes, keepdims))

REDUCTION(sum, compose_reduce(g, "sum", OP_sum, x.id, &axes, keepdims))
REDUCTION(prod, compose_reduce(g, "prod", OP_prod, x.id, &axes, keepdims))
REDUCTION(max, compose_reduce(g, "max", OP_max, x.id, &axes, keepdims))
REDUCTION(min, compose_reduce(g, "min", OP_min, x.id, &axes, keepdims))
REDUCTION(mean, compose_mean(g, "mean", x.id, &axes, keepdims))
REDUCTION(var, var(g, x.id, &axes, keepdims))
REDUCTION(norm, compose_norm(g, "norm", x.id, &axes, keepdims))
REDUCTION(argmax, argmax(g, x.id, &axes, keepdims))
REDUCTION(all, all_or_any(g, "all", OP_min, x.id, &axes, keepdims))
REDUCTION(any, all_or_any(g, "any", OP_max, x.id, &axes, keepdims))
