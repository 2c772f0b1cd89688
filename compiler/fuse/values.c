/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a node's expression into a kernel: elementwise nodes become values, movement nodes become index maps, what is
 * in memory becomes loads, and anchors of the same kernel are used where the map to them is their own.
 */
#include "fuse/fusion.h"

#include <assert.h>
#include <string.h>

/* What recurses keeps its frame small: the locals of its rarer cases are not in it. */
#define OWN_FRAME __attribute__((noinline))

uint32_t fusion_buffer(fusion *f, uint32_t id) {
    fused_node *fn = &f->nodes[id];
    if (fn->buffer != NO_ID) return fn->buffer;
    const node *n = graph_node(f->g, id);
    buffer b = {.node = id, .dtype = n->dtype, .shape = n->shape, .place = PLACE_ARENA, .first = -1, .last = -1};
    if (n->op == OP_input || n->op == OP_seed) {
        b.place = PLACE_INPUT;
        for (uint32_t i = 0; i < f->e->n_inputs; i++)
            if (f->e->inputs[i] == id) b.index = i;
    } else if (n->op == OP_constant) {
        b.place = PLACE_CONSTANT;
    } else if (op_is(n->op, STATE)) {
        b.place = PLACE_STATE;
        for (uint32_t i = 0; i < f->g->states.count; i++)
            if (f->g->states.items[i].node == id) b.index = i;
    }
    VEC_PUSH(f->list->memory, &f->list->buffers, b);
    return fn->buffer = f->list->buffers.count - 1;
}

static uint32_t add_value(fusion *f, uint32_t at, value v) {
    kernel *k = f->fillings.items[at]->k;
    VEC_PUSH(f->list->memory, &k->values, v);
    return k->values.count - 1;
}

OWN_FRAME uint32_t fusion_load(fusion *f, uint32_t at, uint32_t id, const index_space *shape, const index_map *map) {
    value v = {.kind = VALUE_LOAD, .node = id, .dtype = graph_node(f->g, id)->dtype};
    if (!index_access(map, shape, fusion_buffer(f, id), &v.at)) return NO_ID;
    return add_value(f, at, v);
}

/* Loop dimensions of extent 1 never move, whatever the maps say of them. */
static bool same_map(const kernel *k, const index_map *a, const index_map *b, int rank) {
    if (a->guarded || b->guarded) return false;
    for (int d = 0; d < k->rank; d++) {
        if (k->dims[d].factor == 1 && k->dims[d].power == 0) continue;
        if (a->axis[d] != b->axis[d]) return false;
        if (a->axis[d] < 0) continue;
        if (a->step[d].factor != b->step[d].factor || a->step[d].power != b->step[d].power) return false;
    }
    for (int i = 0; i < rank; i++)
        if (a->start[i] != b->start[i]) return false;
    return true;
}

/* The map seen by axes from … from+count-1 of the tensor alone, renumbered from `first` on. */
static void pick_axes(const index_map *map, int from, int count, int first, index_map *out) {
    for (int d = 0; d < LOOP_MAX; d++)
        if (map->axis[d] >= from && map->axis[d] < from + count) {
            out->axis[d] = (int8_t)(map->axis[d] - from + first);
            out->step[d] = map->step[d];
        }
    for (int a = 0; a < count; a++) out->start[first + a] = map->start[from + a];
}

/* x[i, y[j], k] and x[i, y[i, j, k], k]: x is in memory, and one of its axes moves by a computed index. */
OWN_FRAME static uint32_t gather_value(fusion *f, uint32_t at, const node *n, uint32_t id, const index_map *map,
                                       uint32_t *force) {
    uint32_t x = n->inputs[0], y = n->inputs[1];
    if (!fusion_is_stored(f, x) && (!f->nodes[x].anchor || f->nodes[x].kernel == at)) {
        *force = f->nodes[x].anchor ? 0 : x;
        return NO_ID;
    }
    const gradus_shape *xs = &graph_node(f->g, x)->shape;
    int axis = n->attr.axis, rank = shape_rank(xs), y_rank = shape_rank(&graph_node(f->g, y)->shape);
    index_map at_x = index_identity(0), at_y = index_identity(0);
    if (n->op == OP_take) {
        pick_axes(map, 0, axis, 0, &at_x);
        pick_axes(map, axis + y_rank, rank - axis - 1, axis + 1, &at_x);
        pick_axes(map, axis, y_rank, 0, &at_y);
    } else {
        pick_axes(map, 0, axis, 0, &at_x);
        pick_axes(map, axis + 1, rank - axis - 1, axis + 1, &at_x);
        at_y = *map;
    }
    uint32_t index = fusion_value(f, at, y, &at_y, force);
    if (index == NO_ID) return NO_ID;
    value v = {.kind = VALUE_LOAD, .node = id, .dtype = n->dtype, .n_args = 1, .args = {index}};
    v.along = shape_extent(xs, axis + 1, rank);
    const index_space space = space_of(xs);
    if (!index_access(&at_x, &space, fusion_buffer(f, x), &v.at)) return NO_ID;
    return add_value(f, at, v);
}

OWN_FRAME static uint32_t op_value(fusion *f, uint32_t at, op_code op, gradus_dtype dtype, uint32_t id, uint32_t n_args,
                                   const uint32_t *args) {
    value v = {.kind = VALUE_OP, .op = op, .dtype = dtype, .node = id, .n_args = n_args};
    memcpy(v.args, args, sizeof *args * n_args);
    return add_value(f, at, v);
}

/* concat: the operand whose part of the axis the point is in; each is read through a guard. */
OWN_FRAME static uint32_t concat_value(fusion *f, uint32_t at, const node *n, uint32_t id, const index_map *map,
                                       uint32_t *force) {
    int axis = n->attr.axis, moving = -1;
    for (int d = 0; d < LOOP_MAX; d++) {
        if (map->axis[d] != axis) continue;
        if (moving >= 0 || map->step[d].factor != 1 || map->step[d].power != 0) {
            *force = id;
            return NO_ID;
        }
        moving = d;
    }
    uint32_t result = NO_ID;
    int64_t from = 0;
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        uint32_t x = n->inputs[i];
        int64_t size = shape_dim(&graph_node(f->g, x)->shape, axis), low = from - map->start[axis];
        index_map part = *map;
        part.start[axis] -= from;
        from += size;
        if (moving < 0) { /* one point of the axis: one operand has it */
            if (low <= 0 && 0 < low + size) return fusion_value(f, at, x, &part, force);
            continue;
        }
        if (size == 0) continue;
        part.guarded = true;
        if (part.low[moving] < low) part.low[moving] = low;
        if (part.high[moving] > low + size) part.high[moving] = low + size;
        uint32_t v = fusion_value(f, at, x, &part, force);
        if (v == NO_ID) return NO_ID;
        if (result == NO_ID) {
            result = v;
            continue;
        }
        value index = {.kind = VALUE_INDEX, .dtype = GRADUS_I64, .node = id};
        index.at.stride[moving] = (extent){1, 0};
        value bound = {.kind = VALUE_FILL, .dtype = GRADUS_I64, .node = id, .fill.i64 = low};
        uint32_t compared[2] = {add_value(f, at, index), add_value(f, at, bound)};
        uint32_t chosen[3] = {op_value(f, at, OP_less, GRADUS_BOOL, id, 2, compared), result, v};
        result = op_value(f, at, OP_where, n->dtype, id, 3, chosen);
    }
    return result;
}

OWN_FRAME static uint32_t random_value(fusion *f, uint32_t at, const node *n, uint32_t id, const index_map *map,
                                       uint32_t *force) {
    value v = {.kind = VALUE_RANDOM, .node = id, .dtype = n->dtype, .n_args = 2, .stream = n->attr.stream};
    for (int i = 0; i < 2; i++) {
        index_map element = index_identity(0);
        element.start[0] = i;
        v.args[i] = fusion_value(f, at, n->inputs[0], &element, force);
        if (v.args[i] == NO_ID) return NO_ID;
    }
    const index_space space = space_of(&n->shape);
    if (!index_access(map, &space, 0, &v.at)) return NO_ID;
    return add_value(f, at, v);
}

OWN_FRAME static uint32_t moved_value(fusion *f, uint32_t at, const node *n, uint32_t id, const index_map *map,
                                      uint32_t *force) {
    uint32_t x = n->inputs[0];
    index_map through = *map;
    switch (index_through(f->g, n, &through)) {
    case INDEX_OK: return fusion_value(f, at, x, &through, force);
    case INDEX_FILL:
        return add_value(f, at, (value){.kind = VALUE_FILL, .dtype = n->dtype, .node = id, .fill = through.fill});
    case INDEX_FAILED: break;
    }
    bool elsewhere = f->nodes[x].anchor && f->nodes[x].kernel != at;
    const index_space space = space_of(&n->shape);
    if (n->op == OP_reshape && (fusion_is_stored(f, x) || elsewhere)) return fusion_load(f, at, x, &space, map);
    if (f->nodes[x].anchor && !elsewhere) *force = 0; /* of this very kernel: another one can load it */
    else *force = fusion_is_stored(f, x) || f->nodes[x].anchor ? id : x;
    return NO_ID;
}

/* An index may be used once it is checked, which happens behind the kernel that computes it. */
static uint32_t checked_value(fusion *f, uint32_t at, const node *n, const index_map *map, uint32_t *force) {
    const fused_node *index = &f->nodes[fusion_viewed(f, n->inputs[0])];
    if (index->anchor && index->kernel == at) {
        *force = 0;
        return NO_ID;
    }
    return fusion_value(f, at, n->inputs[0], map, force);
}

/* What has no operands, at the points of a map. */
OWN_FRAME static uint32_t source_value(fusion *f, uint32_t at, const node *n, uint32_t id, const index_map *map) {
    value v = {.dtype = n->dtype, .node = id};
    if (n->op == OP_fill) {
        v.kind = VALUE_FILL;
        v.fill = n->attr.value;
    } else if (n->op == OP_count) {
        v.kind = VALUE_COUNT;
        v.count = extent_of(n->attr.bound);
    } else {
        assert(n->op == OP_iota);
        v.kind = VALUE_INDEX;
        for (int d = 0; d < LOOP_MAX; d++)
            if (map->axis[d] == n->attr.axis) v.at.stride[d] = map->step[d];
        v.at.offset[0] = map->start[n->attr.axis];
    }
    return add_value(f, at, v);
}

static uint32_t inline_value(fusion *f, uint32_t at, const node *n, uint32_t id, const index_map *map,
                             uint32_t *force) {
    if (map->guarded && !op_is(n->op, MOVEMENT)) { /* points outside must not read the expression, but the fill */
        *force = id;
        return NO_ID;
    }
    switch (n->op) {
    case OP_fill:
    case OP_count:
    case OP_iota: return source_value(f, at, n, id, map);
    case OP_random_uniform: return random_value(f, at, n, id, map, force);
    case OP_concat: return concat_value(f, at, n, id, map, force);
    case OP_take: case OP_take_along_axis: return gather_value(f, at, n, id, map, force);
    case OP_check_index: return checked_value(f, at, n, map, force);
    default: break;
    }
    if (op_is(n->op, MOVEMENT)) return moved_value(f, at, n, id, map, force);
    assert(op_is(n->op, ELEMENTWISE));
    uint32_t args[3];
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        args[i] = fusion_value(f, at, n->inputs[i], map, force);
        if (args[i] == NO_ID) return NO_ID;
    }
    return op_value(f, at, n->op, n->dtype, id, n->n_inputs, args);
}

uint32_t fusion_value(fusion *f, uint32_t at, uint32_t id, const index_map *map, uint32_t *force) {
    filling *fill = f->fillings.items[at];
    const node *n = graph_node(f->g, id);
    int rank = shape_rank(&n->shape);
    fused_node *fn = &f->nodes[id];
    if (fn->anchor && fn->kernel == at) {
        if (same_map(fill->k, map, &fn->natural, rank)) return fn->result;
        *force = 0;
        return NO_ID;
    }
    for (uint32_t i = 0; i < fill->memo.count; i++)
        if (fill->memo.items[i].node == id && memcmp(&fill->memo.items[i].map, map, sizeof *map) == 0)
            return fill->memo.items[i].value;
    uint32_t v;
    if (fusion_is_stored(f, id) || (fn->anchor && fn->kernel != NO_ID)) {
        const index_space space = space_of(&n->shape);
        v = fusion_load(f, at, id, &space, map);
        if (v == NO_ID) *force = id; /* strides that are not representable */
    } else {
        v = inline_value(f, at, n, id, map, force);
    }
    if (v == NO_ID) return NO_ID;
    VEC_PUSH(f->list->memory, &fill->memo, ((__typeof__(*fill->memo.items)){id, v, *map}));
    return v;
}
