/* SPDX-License-Identifier: Apache-2.0
 * Losses, in their stable forms: a rewrite after differentiation would come too late to save a gradient. */
#include "ir/call.h"

#include <gradus/nn.h>

/* "; write gradus_reshape(labels, GRADUS_SHAPE(GRADUS_BATCH, 1))", where extents of 1 are all that `from` lacks or has
 * too many; else "". */
static const char *reshape_hint(gradus_graph *g, const char *what, const gradus_shape *from, const gradus_shape *to) {
    int64_t i = 1, j = 1;
    for (;; i++, j++) {
        while (i <= from->d[0] && from->d[i] == 1) i++;
        while (j <= to->d[0] && to->d[j] == 1) j++;
        if (i > from->d[0] || j > to->d[0]) break;
        if (from->d[i] != to->d[j]) return "";
    }
    if (i <= from->d[0] || j <= to->d[0]) return "";
    text hint = {.memory = &g->memory};
    text_append(&hint, "; write gradus_reshape(%s, GRADUS_SHAPE(", what);
    for (int64_t k = 1; k <= to->d[0]; k++) {
        const long long dim = to->d[k];
        text_append(&hint, k > 1 ? ", " : "");
        if (dim >= 0) text_append(&hint, "%lld", dim);
        else if (dim == GRADUS_BATCH) text_append(&hint, "GRADUS_BATCH");
        else text_append(&hint, "%lld * GRADUS_BATCH", -dim);
    }
    text_append(&hint, "))");
    return hint.data;
}

/* The extent of an axis, counted from 1 at the end; 1 before the first. */
static int64_t dim_from_end(const gradus_shape *s, int back) {
    return back <= shape_rank(s) ? shape_dim(s, shape_rank(s) - back) : 1;
}

/* Whether broadcasting to the shape of y repeats elements of x. */
static bool grows(const gradus_shape *x, const gradus_shape *y) {
    for (int back = 1; back <= shape_rank(y); back++)
        if (dim_from_end(x, back) == 1 && dim_from_end(y, back) != 1) return true;
    return false;
}

/* Whether extents of an axis differ, none of which is 1. */
static bool clash(const gradus_shape *x, const gradus_shape *y) {
    for (int back = 1; back <= shape_rank(x); back++) {
        const int64_t a = dim_from_end(x, back), b = dim_from_end(y, back);
        if (a != b && a != 1 && b != 1) return true;
    }
    return false;
}

/* Two operands of an elementwise loss, broadcast to one shape.  One may be repeated for the other; where both would be, as
 * (B, 1) and (B) for (B, B), each prediction would meet the labels of all rows. */
static bool loss_pair(gradus_graph *g, const char *op, const char *second, uint32_t *x, uint32_t *y) {
    const gradus_shape *xs = &graph_node(g, *x)->shape, *ys = &graph_node(g, *y)->shape;
    if (!grows(xs, ys) || !grows(ys, xs)) return compose_pair(g, op, DTYPES_FLOATS, x, y);
    const char *hint = reshape_hint(g, second, ys, xs);
    gradus_shape all;
    if (*hint && clash(xs, ys)) {
        compose_fail(g, op, "shapes %s and %s do not broadcast%s", shape_text(g, xs), shape_text(g, ys), hint);
        return false;
    }
    if (!compose_shape(g, op, (uint32_t[]){*x, *y}, 2, &all)) return false;
    compose_fail(g, op, "shapes %s and %s would broadcast to %s, each row against all rows%s", shape_text(g, xs),
                 shape_text(g, ys), shape_text(g, &all), hint);
    return false;
}

static const char cross_entropy[] = "softmax_cross_entropy";

/* Class numbers: log(sum(exp(z - m))) - (z - m) at the label. */
static uint32_t against_classes(gradus_graph *g, uint32_t logits, uint32_t labels) {
    const gradus_shape *zs = &graph_node(g, logits)->shape, *ys = &graph_node(g, labels)->shape;
    const int64_t classes = shape_dim(zs, shape_rank(zs) - 1);
    const gradus_shape rows = shape_make(shape_rank(zs) - 1, zs->d + 1);
    if (classes < 0)
        return compose_fail(g, cross_entropy, "the classes, the last axis of %s, are the batch dimension",
                            shape_text(g, zs));
    if (!shape_equal(ys, &rows))
        return compose_fail(g, cross_entropy,
                            "logits %s and class numbers %s; the labels' shape must be %s, the logits' "
                            "without the classes%s",
                            shape_text(g, zs), shape_text(g, ys), shape_text(g, &rows),
                            reshape_hint(g, "labels", ys, &rows));
    const int axis = shape_rank(zs) - 1;
    softened s;
    if (!compose_soften(g, cross_entropy, logits, &(gradus_axes){{1, axis}}, &s)) return 0;
    const uint32_t hot = compose_one_hot(g, cross_entropy, labels, classes);
    const uint32_t only = build_op3(g, OP_where, hot, s.below, compose_like(g, s.below, 0));
    return build_op2(g, OP_sub, compose_log_of_sum(g, &s, false), compose_reduce_axis(g, OP_sum, only, axis, false));
}

/* Probabilities: -sum(y * log_softmax(z)); one of 0 counts 0, though the logarithm be infinite. */
static uint32_t against_probabilities(gradus_graph *g, uint32_t logits, uint32_t labels) {
    const gradus_shape *zs = &graph_node(g, logits)->shape, *ys = &graph_node(g, labels)->shape;
    if (!compose_same_dtype(g, cross_entropy, logits, labels)) return 0;
    if (!shape_equal(zs, ys))
        return compose_fail(g, cross_entropy,
                            "logits %s and probabilities %s; their shapes must be equal, or the labels class "
                            "numbers, i32 or i64: gradus_cast(…, GRADUS_I32)%s",
                            shape_text(g, zs), shape_text(g, ys), reshape_hint(g, "labels", ys, zs));
    const uint32_t log = compose_log_softmax(g, cross_entropy, logits, -1);
    const uint32_t weighted = build_op2(g, OP_multiply_no_nan, labels, log);
    return build_op(g, OP_neg, compose_reduce_axis(g, OP_sum, weighted, shape_rank(zs) - 1, false));
}

static uint32_t softmax_cross_entropy(gradus_graph *g, uint32_t logits, uint32_t labels) {
    const node *z = graph_node(g, logits), *y = graph_node(g, labels);
    if (!compose_dtype(g, cross_entropy, logits, DTYPES_FLOATS)) return 0;
    if (shape_rank(&z->shape) == 0)
        return compose_fail(g, cross_entropy, "the logits are a scalar; the last axis is the classes");
    if (DTYPES_INTS >> y->dtype & 1) return against_classes(g, logits, labels);
    if (DTYPES_FLOATS >> y->dtype & 1) return against_probabilities(g, logits, labels);
    return compose_fail(g, cross_entropy,
                        "the labels are %s; right are class numbers, i32 or i64, or probabilities of the "
                        "logits' dtype: gradus_cast(…, GRADUS_I32)",
                        gradus_dtype_name(y->dtype));
}

gradus_tensor gradus_softmax_cross_entropy_at(const char *file, int line, gradus_tensor logits, gradus_tensor labels) {
    CALL(NULL, cross_entropy, OPERANDS(logits, labels), softmax_cross_entropy(g, logits.id, labels.id));
}
PLAIN(gradus_tensor, softmax_cross_entropy, (gradus_tensor logits, gradus_tensor labels), (NULL, 0, logits, labels))

/* |z| times the share of the label that is wrong, 0 where that is 0 though z be infinite, and log1p(exp(-|z|)): with
 * y log(sigmoid(z)) + (1 - y) log(sigmoid(-z)) = z y - max(z, 0) - log1p(exp(-|z|)) */
static uint32_t binary_cross_entropy(gradus_graph *g, uint32_t z, uint32_t y) {
    if (!loss_pair(g, "binary_cross_entropy", "labels", &z, &y)) return 0;
    const uint32_t above = compose_above_zero(g, z);
    const uint32_t size = build_op3(g, OP_where, above, z, build_op(g, OP_neg, z));
    const uint32_t wrong = build_op3(g, OP_where, above, build_op2(g, OP_sub, compose_like(g, y, 1), y), y);
    return build_op2(g, OP_add, build_op2(g, OP_multiply_no_nan, wrong, size), compose_log1p_exp_part(g, z));
}

gradus_tensor gradus_binary_cross_entropy_at(const char *file, int line, gradus_tensor logits, gradus_tensor labels) {
    CALL(NULL, "binary_cross_entropy", OPERANDS(logits, labels), binary_cross_entropy(g, logits.id, labels.id));
}
PLAIN(gradus_tensor, binary_cross_entropy, (gradus_tensor logits, gradus_tensor labels), (NULL, 0, logits, labels))

static uint32_t mean_squared_error(gradus_graph *g, uint32_t x, uint32_t y) {
    if (!loss_pair(g, "mean_squared_error", "y", &x, &y)) return 0;
    return compose_square(g, build_op2(g, OP_sub, x, y));
}

gradus_tensor gradus_mean_squared_error_at(const char *file, int line, gradus_tensor x, gradus_tensor y) {
    CALL(NULL, "mean_squared_error", OPERANDS(x, y), mean_squared_error(g, x.id, y.id));
}
PLAIN(gradus_tensor, mean_squared_error, (gradus_tensor x, gradus_tensor y), (NULL, 0, x, y))
