/* SPDX-License-Identifier: Apache-2.0
 * Index maps through movement ops.  See index.h. */
#include "fuse/index.h"

#include <assert.h>

static const extent one = {1, 0};

index_space space_of(const gradus_shape *shape) {
    index_space s = {.rank = shape_rank(shape)};
    for (int a = 0; a < s.rank; a++) s.dims[a] = extent_of(shape_dim(shape, a));
    return s;
}

bool space_equal(const index_space *a, const index_space *b) {
    if (a->rank != b->rank) return false;
    for (int d = 0; d < a->rank; d++)
        if (a->dims[d].factor != b->dims[d].factor || a->dims[d].power != b->dims[d].power) return false;
    return true;
}

index_map index_identity(int rank) {
    index_map map = {0};
    for (int d = 0; d < LOOP_MAX; d++) {
        map.axis[d] = (int8_t)(d < rank ? d : -1);
        map.step[d] = one;
        map.low[d] = INT64_MIN;
        map.high[d] = INT64_MAX;
    }
    return map;
}

bool index_is_identity(const index_map *map, int rank) {
    if (map->guarded) return false;
    for (int d = 0; d < LOOP_MAX; d++) {
        if (map->axis[d] != (d < rank ? d : -1)) return false;
        if (d < rank && (map->step[d].factor != 1 || map->step[d].power != 0 || map->start[d] != 0)) return false;
    }
    return true;
}

static void through_transpose(const node *n, index_map *map) {
    index_map old = *map;
    int rank = shape_rank(&n->shape);
    for (int d = 0; d < LOOP_MAX; d++)
        if (old.axis[d] >= 0) map->axis[d] = (int8_t)n->attr.axes.d[old.axis[d] + 1];
    for (int a = 0; a < rank; a++) map->start[n->attr.axes.d[a + 1]] = old.start[a];
}

static void through_broadcast(const gradus_shape *in, const gradus_shape *out, index_map *map) {
    int missing = shape_rank(out) - shape_rank(in);
    index_map old = *map;
    for (int d = 0; d < LOOP_MAX; d++) {
        if (old.axis[d] < 0) continue;
        int a = old.axis[d] - missing;
        bool repeated = a < 0 || (shape_dim(in, a) == 1 && shape_dim(out, a + missing) != 1);
        map->axis[d] = (int8_t)(repeated ? -1 : a);
    }
    for (int a = 0; a < shape_rank(in); a++) {
        bool repeated = shape_dim(in, a) == 1 && shape_dim(out, a + missing) != 1;
        map->start[a] = repeated ? 0 : old.start[a + missing];
    }
}

/* x sits at low … low + n behind the pad: points outside read the fill value. */
static index_result through_pad(const gradus_shape *in, const node *n, index_map *map) {
    int a = n->attr.axis, moving = -1;
    int64_t size = shape_dim(in, a), from = n->attr.low - map->start[a];
    if (map->guarded && map->fill.bits != n->attr.value.bits) return INDEX_FAILED;
    for (int d = 0; d < LOOP_MAX; d++) {
        if (map->axis[d] != a) continue;
        if (moving >= 0 || map->step[d].factor != 1 || map->step[d].power != 0) return INDEX_FAILED;
        moving = d;
    }
    map->start[a] -= n->attr.low;
    map->fill = n->attr.value;
    if (moving < 0) return from <= 0 && 0 < from + size ? INDEX_OK : INDEX_FILL;
    map->guarded = true;
    if (map->low[moving] < from) map->low[moving] = from;
    if (map->high[moving] > from + size) map->high[moving] = from + size;
    return INDEX_OK;
}

/* Groups of neighbouring axes with equal products on both sides.  A group whose operand side is one axis (extents of 1
 * apart) stays affine: its index is the row-major number of the result's axes in the group. */
static index_result through_reshape(const gradus_shape *in, const gradus_shape *out, index_map *map) {
    index_map old = *map;
    int i = 0, o = 0, in_rank = shape_rank(in), out_rank = shape_rank(out);
    for (int a = 0; a < GRADUS_MAX_RANK; a++) map->start[a] = 0;
    while (i < in_rank || o < out_rank) {
        int i0 = i, o0 = o;
        extent p = one, q = one;
        if (i < in_rank) p = extent_of(shape_dim(in, i++));
        if (o < out_rank) q = extent_of(shape_dim(out, o++));
        while (p.factor != q.factor || p.power != q.power) {
            bool grow_in = i < in_rank && (o == out_rank || p.power < q.power || (p.power == q.power && p.factor < q.factor));
            if (!grow_in && o == out_rank) return INDEX_FAILED; /* zero extents in odd places */
            extent *side = grow_in ? &p : &q;
            extent next = extent_of(grow_in ? shape_dim(in, i++) : shape_dim(out, o++));
            if (!extent_product(*side, next, side)) return INDEX_FAILED;
        }
        int target = -1; /* the one operand axis of the group that is not 1 */
        for (int a = i0; a < i; a++) {
            if (shape_dim(in, a) == 1) continue;
            if (target >= 0) return INDEX_FAILED;
            target = a;
        }
        extent stride = one;
        for (int a = o - 1; a >= o0; a--) {
            for (int d = 0; d < LOOP_MAX; d++) {
                if (old.axis[d] != a) continue;
                map->axis[d] = (int8_t)target;
                if (target >= 0 && !extent_product(old.step[d], stride, &map->step[d])) return INDEX_FAILED;
            }
            if (old.start[a] != 0) {
                if (target < 0 || stride.power != 0) return INDEX_FAILED;
                map->start[target] += old.start[a] * stride.factor;
            }
            if (!extent_product(stride, extent_of(shape_dim(out, a)), &stride)) return INDEX_FAILED;
        }
    }
    return INDEX_OK;
}

index_result index_through(const gradus_graph *g, const node *n, index_map *map) {
    const gradus_shape *in = &graph_node(g, n->inputs[0])->shape;
    switch (n->op) {
    case OP_transpose: through_transpose(n, map); return INDEX_OK;
    case OP_broadcast: through_broadcast(in, &n->shape, map); return INDEX_OK;
    case OP_slice: map->start[n->attr.axis] += n->attr.low; return INDEX_OK;
    case OP_pad: return through_pad(in, n, map);
    case OP_reshape: return through_reshape(in, &n->shape, map);
    default: assert(!"an op that moves elements by an index map"); return INDEX_FAILED;
    }
}

/* How many elements lie between neighbours along an axis. */
static bool natural_stride(const index_space *shape, int axis, extent *stride) {
    *stride = one;
    for (int a = axis + 1; a < shape->rank; a++)
        if (!extent_product(*stride, shape->dims[a], stride)) return false;
    return true;
}

bool index_access(const index_map *map, const index_space *shape, uint32_t buffer, access *out) {
    extent row;
    *out = (access){.buffer = buffer, .guarded = map->guarded, .fill = map->fill};
    for (int d = 0; d < LOOP_MAX; d++) {
        out->low[d] = map->low[d];
        out->high[d] = map->high[d];
        if (map->axis[d] < 0) continue;
        if (!natural_stride(shape, map->axis[d], &row) || !extent_product(map->step[d], row, &out->stride[d])) return false;
    }
    for (int a = 0; a < shape->rank; a++) {
        if (map->start[a] == 0) continue;
        if (!natural_stride(shape, a, &row) || row.power >= OFFSET_POWERS) return false;
        out->offset[row.power] += map->start[a] * row.factor;
    }
    return true;
}
