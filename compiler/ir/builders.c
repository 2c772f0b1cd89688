/* SPDX-License-Identifier: Apache-2.0
 *
 * The public builders of the op table: those that it makes itself (UNARY, BINARY), and the elementwise and movement
 * ones that it leaves to be written (OWN).  The others are in source.c, reduce.c, matmul.c and gather.c.
 */
#include "ir/call.h"

#include <gradus/build.h>
#include <gradus/ops.h>

/* --- from the table -------------------------------------------------------------------------------------------- */

bool compose_pair(gradus_graph *g, const char *op, op_dtypes allowed, uint32_t *x, uint32_t *y) {
    gradus_shape shape;
    if (!compose_same_dtype(g, op, *x, *y) || !compose_dtype(g, op, *x, allowed)) return false;
    if (!compose_shape(g, op, (uint32_t[]){*x, *y}, 2, &shape)) return false;
    *x = build_broadcast(g, *x, &shape);
    *y = build_broadcast(g, *y, &shape);
    return true;
}

uint32_t compose_binary(gradus_graph *g, const char *name, op_code op, uint32_t x, uint32_t y) {
    return compose_pair(g, name, op_infos[op].operands, &x, &y) ? build_op2(g, op, x, y) : 0;
}

#define BUILDER_OWN(name)
#define BUILDER_INTERNAL(name)
#define BUILDER_UNARY(name)                                                         \
    gradus_tensor gradus_##name##_at(const char *file, int line, gradus_tensor x) { \
        CALL(NULL, #name, OPERANDS(x), build_op(g, OP_##name, x.id));               \
    }                                                                               \
    PLAIN(gradus_tensor, name, (gradus_tensor x), (NULL, 0, x))
#define BUILDER_BINARY(name)                                                                         \
    gradus_tensor gradus_##name##_at(const char *file, int line, gradus_tensor x, gradus_tensor y) { \
        CALL(NULL, #name, OPERANDS(x, y), compose_binary(g, #name, OP_##name, x.id, y.id));          \
    }                                                                                                \
    PLAIN(gradus_tensor, name, (gradus_tensor x, gradus_tensor y), (NULL, 0, x, y))

#define OP(name, builder, arity, kind, operands, attributes, shape, gradient, evaluate, emit, flags, mathematics) \
    BUILDER_##builder(name)
#include "ir/ops.def"
#include "runtime/world.h"
#undef OP

/* --- elementwise ----------------------------------------------------------------------------------------------- */

uint32_t compose_where(gradus_graph *g, uint32_t condition, uint32_t x, uint32_t y) {
    uint32_t ids[] = {condition, x, y};
    gradus_shape shape;
    if (!compose_same_dtype(g, "where", x, y) || !compose_shape(g, "where", ids, 3, &shape)) return 0;
    for (int i = 0; i < 3; i++) ids[i] = build_broadcast(g, ids[i], &shape);
    return build_op3(g, OP_where, ids[0], ids[1], ids[2]);
}

gradus_tensor gradus_where_at(const char *file, int line, gradus_tensor condition, gradus_tensor x, gradus_tensor y) {
    CALL(NULL, "where", OPERANDS(condition, x, y), compose_where(g, condition.id, x.id, y.id));
}
PLAIN(gradus_tensor, where, (gradus_tensor condition, gradus_tensor x, gradus_tensor y), (NULL, 0, condition, x, y))

static uint32_t cast(gradus_graph *g, uint32_t x, gradus_dtype dtype) {
    return graph_node(g, x)->dtype == dtype ? x : build_cast(g, x, dtype);
}

gradus_tensor gradus_cast_at(const char *file, int line, gradus_tensor x, gradus_dtype dtype) {
    CALL(NULL, "cast", OPERANDS(x), cast(g, x.id, dtype));
}
PLAIN(gradus_tensor, cast, (gradus_tensor x, gradus_dtype dtype), (NULL, 0, x, dtype))

/* --- movement -------------------------------------------------------------------------------------------------- */

/* The extent that makes the shape, whose axis `axis` is GRADUS_INFER, have as many elements as x. */
static bool infer_extent(gradus_graph *g, const gradus_shape *x, gradus_shape *shape, int axis) {
    const extent has = shape_extent(x, 0, shape_rank(x));
    extent rest;
    shape->d[axis + 1] = 1;
    if (!compose_valid_shape(g, "reshape", GRADUS_U8, shape)) return false;
    rest = shape_extent(shape, 0, shape_rank(shape));
    const int32_t power = has.factor ? has.power - rest.power : 0;
    if (rest.factor == 0 || has.factor % rest.factor != 0 || power < 0 || power > 1) {
        shape->d[axis + 1] = GRADUS_INFER;
        compose_fail(g, "reshape", "no extent for axis %d, GRADUS_INFER, gives as many elements as %s has", axis,
                     shape_text(g, x));
        return false;
    }
    shape->d[axis + 1] = power ? -(has.factor / rest.factor) : has.factor / rest.factor;
    return true;
}

static uint32_t reshape(gradus_graph *g, uint32_t x, gradus_shape shape) {
    int inferred = -1;
    for (int i = 0; i < shape_rank(&shape) && i < GRADUS_MAX_RANK; i++) {
        if (shape_dim(&shape, i) != GRADUS_INFER) continue;
        if (inferred >= 0) return compose_fail(g, "reshape", "two extents are GRADUS_INFER; one can be");
        inferred = i;
    }
    if (inferred >= 0 && !infer_extent(g, &graph_node(g, x)->shape, &shape, inferred)) return 0;
    if (!compose_valid_shape(g, "reshape", graph_node(g, x)->dtype, &shape)) return 0;
    return build_reshape(g, x, &shape);
}

gradus_tensor gradus_reshape_at(const char *file, int line, gradus_tensor x, gradus_shape shape) {
    CALL(NULL, "reshape", OPERANDS(x), reshape(g, x.id, shape));
}
PLAIN(gradus_tensor, reshape, (gradus_tensor x, gradus_shape shape), (NULL, 0, x, shape))

static uint32_t transpose(gradus_graph *g, uint32_t x, gradus_axes axes) {
    const int rank = shape_rank(&graph_node(g, x)->shape);
    if (axes.d[0] == -1) {
        axes.d[0] = rank;
        for (int i = 0; i < rank; i++) axes.d[i + 1] = rank - 1 - i;
    }
    if (axes.d[0] != rank)
        return compose_fail(g, "transpose", "%d axes for %s, which has %d", axes.d[0],
                            shape_text(g, &graph_node(g, x)->shape), rank);
    for (int i = 1; i <= rank; i++) {
        axes.d[i] = compose_axis(g, "transpose", axes.d[i], rank);
        if (axes.d[i] < 0) return 0;
    }
    return build_transpose(g, x, axes);
}

gradus_tensor gradus_transpose_at(const char *file, int line, gradus_tensor x, gradus_axes axes) {
    CALL(NULL, "transpose", OPERANDS(x), transpose(g, x.id, axes));
}
PLAIN(gradus_tensor, transpose, (gradus_tensor x, gradus_axes axes), (NULL, 0, x, axes))

uint32_t compose_broadcast_to(gradus_graph *g, const char *op, uint32_t x, const gradus_shape *shape) {
    const gradus_shape *from = &graph_node(g, x)->shape;
    if (!compose_valid_shape(g, op, graph_node(g, x)->dtype, shape)) return 0;
    const int more = shape_rank(shape) - shape_rank(from);
    bool fits = more >= 0;
    for (int i = 0; fits && i < shape_rank(from); i++)
        fits = shape_dim(from, i) == 1 || shape_dim(from, i) == shape_dim(shape, more + i);
    if (!fits)
        return compose_fail(g, op,
                            "%s does not broadcast to %s: aligned at the last axes, each extent must be equal or 1",
                            shape_text(g, from), shape_text(g, shape));
    return build_broadcast(g, x, shape);
}

gradus_tensor gradus_broadcast_to_at(const char *file, int line, gradus_tensor x, gradus_shape shape) {
    CALL(NULL, "broadcast_to", OPERANDS(x), compose_broadcast_to(g, "broadcast_to", x.id, &shape));
}
PLAIN(gradus_tensor, broadcast_to, (gradus_tensor x, gradus_shape shape), (NULL, 0, x, shape))

static uint32_t slice(gradus_graph *g, uint32_t x, int axis, int64_t low, int64_t high) {
    const gradus_shape *shape = &graph_node(g, x)->shape;
    axis = compose_axis(g, "slice", axis, shape_rank(shape));
    if (axis < 0) return 0;
    const int64_t dim = shape_dim(shape, axis);
    if (dim >= 0) {
        if (low < 0) low += dim;
        if (high < 0) high += dim;
        if (high == INT64_MAX) high = dim;
    }
    return build_slice(g, x, axis, low, high);
}

gradus_tensor gradus_slice_at(const char *file, int line, gradus_tensor x, int axis, int64_t low, int64_t high) {
    CALL(NULL, "slice", OPERANDS(x), slice(g, x.id, axis, low, high));
}
PLAIN(gradus_tensor, slice, (gradus_tensor x, int axis, int64_t low, int64_t high), (NULL, 0, x, axis, low, high))

static uint32_t pad(gradus_graph *g, uint32_t x, int axis, int64_t before, int64_t behind, double value) {
    axis = compose_axis(g, "pad", axis, shape_rank(&graph_node(g, x)->shape));
    return axis < 0 ? 0 : build_pad(g, x, axis, before, behind, value);
}

gradus_tensor gradus_pad_at(const char *file, int line, gradus_tensor x, int axis, int64_t before, int64_t behind,
                            double value) {
    CALL(NULL, "pad", OPERANDS(x), pad(g, x.id, axis, before, behind, value));
}
PLAIN(gradus_tensor, pad, (gradus_tensor x, int axis, int64_t before, int64_t behind, double value),
      (NULL, 0, x, axis, before, behind, value))

/* The ids of a list, in the graph's arena. */
static uint32_t *ids_of(gradus_graph *g, gradus_tensors list) {
    uint32_t *ids = ARENA_ARRAY(&g->memory, uint32_t, list.count);
    for (size_t i = 0; i < list.count; i++) ids[i] = list.items[i].id;
    return ids;
}

static uint32_t concat(gradus_graph *g, gradus_tensors list, int axis) {
    if (list.count == 0 || list.count > UINT32_MAX) return compose_fail(g, "concat", "%zu tensors", list.count);
    axis = compose_axis(g, "concat", axis, shape_rank(&node_of(list.items[0])->shape));
    if (axis < 0) return 0;
    return build_along(g, OP_concat, ids_of(g, list), (uint32_t)list.count, axis);
}

gradus_tensor gradus_concat_at(const char *file, int line, gradus_tensors list, int axis) {
    CALL(NULL, "concat", list, concat(g, list, axis));
}
PLAIN(gradus_tensor, concat, (gradus_tensors list, int axis), (NULL, 0, list, axis))

static uint32_t stack(gradus_graph *g, gradus_tensors list, int axis) {
    if (list.count == 0 || list.count > UINT32_MAX) return compose_fail(g, "stack", "%zu tensors", list.count);
    const gradus_shape *first = &node_of(list.items[0])->shape;
    axis = compose_axis(g, "stack", axis, shape_rank(first) + 1);
    if (axis < 0) return 0;
    if (shape_rank(first) == GRADUS_MAX_RANK)
        return compose_fail(g, "stack", "%s would get a ninth axis; %d are possible", shape_text(g, first),
                            GRADUS_MAX_RANK);
    gradus_shape with = {{shape_rank(first) + 1}};
    for (int i = 0; i < shape_rank(&with); i++) with.d[i + 1] = i == axis ? 1 : shape_dim(first, i < axis ? i : i - 1);
    uint32_t *ids = ids_of(g, list);
    for (size_t i = 0; i < list.count; i++) {
        const gradus_shape *mine = &node_of(list.items[i])->shape;
        if (!shape_equal(mine, first))
            return compose_fail(g, "stack", "shapes %s and %s; they must be equal", shape_text(g, first),
                                shape_text(g, mine));
        if (!compose_same_dtype(g, "stack", list.items[0].id, list.items[i].id)) return 0;
        ids[i] = build_reshape(g, ids[i], &with);
    }
    return build_along(g, OP_concat, ids, (uint32_t)list.count, axis);
}

gradus_tensor gradus_stack_at(const char *file, int line, gradus_tensors list, int axis) {
    CALL(NULL, "stack", list, stack(g, list, axis));
}
PLAIN(gradus_tensor, stack, (gradus_tensors list, int axis), (NULL, 0, list, axis))

enum { MOST_PARTS = 1024 };

static bool split(gradus_graph *g, uint32_t x, int64_t parts, int axis, gradus_tensor *made) {
    const gradus_shape *shape = &graph_node(g, x)->shape;
    axis = compose_axis(g, "split", axis, shape_rank(shape));
    if (axis < 0) return false;
    const int64_t dim = shape_dim(shape, axis);
    if (dim < 0)
        compose_fail(g, "split",
                     "splitting the batch dimension is not possible: axis %d of %s is a multiple of the run-time "
                     "batch",
                     axis, shape_text(g, shape));
    else if (dim % parts != 0)
        compose_fail(g, "split", "axis %d of %s is no multiple of %lld", axis, shape_text(g, shape), (long long)parts);
    for (int64_t i = 0; i < parts && g->status == GRADUS_OK; i++) {
        const uint32_t part = build_slice(g, x, axis, i * (dim / parts), (i + 1) * (dim / parts));
        made[i] = (gradus_tensor){g, part};
    }
    return g->status == GRADUS_OK;
}

gradus_tensors gradus_split_at(const char *file, int line, gradus_tensor x, int64_t parts, int axis) {
    ENTER;
    static const gradus_tensor poison[MOST_PARTS];
    const bool right = parts > 0 && parts <= MOST_PARTS;
    const gradus_tensors failed = {poison, right ? (size_t)parts : 0};
    call c;
    gradus_graph *const g = call_enter(&c, NULL, file, line, "split", OPERANDS(x));
    if (!g) return failed;
    if (!GUARDED(&c.guard)) {
        call_out_of_memory(&c);
        return failed;
    }
    call_at(&c, file, line);
    gradus_tensor *made = ARENA_ARRAY(&g->memory, gradus_tensor, right ? parts : 1);
    if (!right) compose_fail(g, "split", "%lld parts; right are 1 to %d", (long long)parts, MOST_PARTS);
    const bool done = right && split(g, x.id, parts, axis, made);
    call_leave(&c);
    return done ? (gradus_tensors){made, (size_t)parts} : failed;
}
PLAIN(gradus_tensors, split, (gradus_tensor x, int64_t parts, int axis), (NULL, 0, x, parts, axis))
