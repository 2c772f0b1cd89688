/* SPDX-License-Identifier: Apache-2.0
 * The public builders that take indices.  Every index goes through check_index, so that a wrong one fails the call. */
#include "ir/call.h"

#include <gradus/build.h>

uint32_t compose_index(gradus_graph *g, const char *op, uint32_t indices, int64_t bound) {
    if (!compose_dtype(g, op, indices, DTYPES_INTS)) return 0;
    /* Named as the user's call, for the message of a call that fails. */
    const attrs attr = {.bound = bound};
    return graph_add(
        g, &(node_spec){.op = OP_check_index, .n_inputs = 1, .inputs = &indices, .attr = attr, .name = op});
}

/* The axis that is looked up along, whose extent must be known to check indices; -1 after an error. */
static int look_up_axis(gradus_graph *g, const char *op, uint32_t x, int axis) {
    const gradus_shape *shape = &graph_node(g, x)->shape;
    axis = compose_axis(g, op, axis, shape_rank(shape));
    if (axis < 0 || shape_dim(shape, axis) >= 0) return axis;
    compose_fail(g, op,
                 "looking up along the batch dimension is not possible: axis %d of %s is a multiple of the run-time "
                 "batch",
                 axis, shape_text(g, shape));
    return -1;
}

static uint32_t take(gradus_graph *g, uint32_t x, uint32_t indices, int axis) {
    axis = look_up_axis(g, "take", x, axis);
    if (axis < 0) return 0;
    const uint32_t checked = compose_index(g, "take", indices, shape_dim(&graph_node(g, x)->shape, axis));
    return build_along(g, OP_take, (uint32_t[]){x, checked}, 2, axis);
}

gradus_tensor gradus_take_at(const char *file, int line, gradus_tensor x, gradus_tensor indices, int axis) {
    CALL(NULL, "take", OPERANDS(x, indices), take(g, x.id, indices.id, axis));
}
PLAIN(gradus_tensor, take, (gradus_tensor x, gradus_tensor indices, int axis), (NULL, 0, x, indices, axis))

static uint32_t take_along_axis(gradus_graph *g, uint32_t x, uint32_t indices, int axis) {
    static const char op[] = "take_along_axis";
    gradus_shape xs = graph_node(g, x)->shape, is = graph_node(g, indices)->shape;
    axis = look_up_axis(g, op, x, axis);
    if (axis < 0) return 0;
    if (shape_rank(&xs) != shape_rank(&is))
        return compose_fail(g, op, "indices %s for %s; they must have as many axes", shape_text(g, &is),
                            shape_text(g, &xs));
    const uint32_t checked = compose_index(g, op, indices, shape_dim(&xs, axis));
    for (int i = 1; i <= shape_rank(&xs); i++) {
        if (i == axis + 1) continue;
        if (xs.d[i] == 1) xs.d[i] = is.d[i];
        if (is.d[i] == 1) is.d[i] = xs.d[i];
        if (xs.d[i] != is.d[i])
            return compose_fail(
                g, op, "indices %s for %s along axis %d: axis %d must have equal extents, or one of them 1",
                shape_text(g, &graph_node(g, indices)->shape), shape_text(g, &graph_node(g, x)->shape), axis, i - 1);
    }
    x = build_broadcast(g, x, &xs);
    return build_along(g, OP_take_along_axis, (uint32_t[]){x, build_broadcast(g, checked, &is)}, 2, axis);
}

gradus_tensor gradus_take_along_axis_at(const char *file, int line, gradus_tensor x, gradus_tensor indices, int axis) {
    CALL(NULL, "take_along_axis", OPERANDS(x, indices), take_along_axis(g, x.id, indices.id, axis));
}
PLAIN(gradus_tensor, take_along_axis, (gradus_tensor x, gradus_tensor indices, int axis), (NULL, 0, x, indices, axis))

uint32_t compose_one_hot(gradus_graph *g, const char *op, uint32_t indices, int64_t depth) {
    gradus_shape shape = graph_node(g, indices)->shape;
    if (depth < 1) return compose_fail(g, op, "%lld classes; right is a number above 0", (long long)depth);
    if (shape_rank(&shape) == GRADUS_MAX_RANK)
        return compose_fail(g, op, "%s would get a ninth axis; %d are possible", shape_text(g, &shape),
                            GRADUS_MAX_RANK);
    const uint32_t checked = compose_index(g, op, indices, depth);
    if (!checked) return 0;
    shape.d[++shape.d[0]] = 1;
    const uint32_t column = build_reshape(g, checked, &shape);
    shape.d[shape.d[0]] = depth;
    const uint32_t position = build_iota(g, graph_node(g, checked)->dtype, &shape, shape_rank(&shape) - 1);
    return build_op2(g, OP_equal, position, build_broadcast(g, column, &shape));
}

static uint32_t one_hot(gradus_graph *g, uint32_t indices, int64_t depth, gradus_dtype dtype) {
    const uint32_t hot = compose_one_hot(g, "one_hot", indices, depth);
    return dtype == GRADUS_BOOL ? hot : build_cast(g, hot, dtype);
}

gradus_tensor gradus_one_hot_at(const char *file, int line, gradus_tensor indices, int64_t depth, gradus_dtype dtype) {
    CALL(NULL, "one_hot", OPERANDS(indices), one_hot(g, indices.id, depth, dtype));
}
PLAIN(gradus_tensor, one_hot, (gradus_tensor indices, int64_t depth, gradus_dtype dtype),
      (NULL, 0, indices, depth, dtype))
