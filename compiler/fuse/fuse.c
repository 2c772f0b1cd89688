/* SPDX-License-Identifier: Apache-2.0
 *
 * Fusion: which nodes are computed where.
 *
 * An anchor is a node that is computed once: reductions, contractions, what leaves the entry, elementwise nodes that are
 * worth more than the look-up of a stored element and serve several users.  Every other node is written into each kernel
 * that needs it.  Anchors are taken in the graph's order; each joins a kernel that one of its operands is in, a reduction
 * also one that reads all that it reads, if it fits there (the same space, operands of that kernel at its own point, no
 * cycle between kernels), else starts a new one.
 *
 *     logits: (B, 10); m = max(logits); s = sum(exp(logits - m)); loss = log(s) + m - …   →  one kernel over rows
 *     dw = matmul(x', dh); m' = …dw…; v' = …dw…; w' = w - …m'…v'…                         →  one contraction, its epilogue
 *
 * Where an index map cannot be expressed, the node in its way is forced to be an anchor and fusion starts again.
 */
#include "fuse/fusion.h"
#include "ir/custom.h"
#include "rules/order.h"

#include <assert.h>

/* An expression is written into a kernel by recursion: its depth, not that of the graph, decides how much stack that takes. */
enum { CHEAP = 4, KERNEL_VALUES = 400, EXPRESSION_NODES = 400, EXPRESSION_DEPTH = 32 };

static int op_weight(op_code op) {
    switch (op_infos[op].kind) {
    case KIND_SOURCE: return op == OP_random_uniform ? 50 : 0;
    case KIND_STATE: return 0;
    case KIND_MOVEMENT: return op == OP_concat ? 10 : 0;
    case KIND_ELEMENTWISE: break;
    default: return 20;
    }
    return (op_infos[op].operands & DTYPES_INTS) || op_infos[op].operands == DTYPES_BOOLS || op == OP_relu ? 1 : 10;
}

static bool is_view(const node *n) { return op_is(n->op, MOVEMENT) && n->op != OP_concat; }

/* The weight of a node's expression down to anchors and memory; stops counting past CHEAP, and so soon: what is no view and
 * has operands weighs something. */
static int weight(const fusion *f, uint32_t id) {
    const node *n = graph_node(f->g, id);
    while (is_view(n) && !f->nodes[n->inputs[0]].anchor) n = graph_node(f->g, n->inputs[0]);
    int total = op_weight(n->op);
    for (uint32_t i = 0; i < n->n_inputs && total <= CHEAP; i++)
        if (!f->nodes[n->inputs[i]].anchor) total += weight(f, n->inputs[i]);
    return total;
}

uint32_t fusion_viewed(const fusion *f, uint32_t id) {
    while (is_view(graph_node(f->g, id)) && !f->nodes[id].anchor) id = graph_node(f->g, id)->inputs[0];
    return id;
}

/* The node whose memory, as it is, is that of `id`. */
static uint32_t in_memory(const fusion *f, uint32_t id) {
    while (graph_node(f->g, id)->op == OP_reshape && !f->nodes[id].anchor) id = graph_node(f->g, id)->inputs[0];
    return id;
}

static void make_anchor(fusion *f, uint32_t id) {
    if (!fusion_is_stored(f, id)) f->nodes[id].anchor = true;
}

static bool repeats(const fusion *f, const node *n) {
    if (n->op != OP_broadcast) return false;
    const gradus_shape *in = &graph_node(f->g, n->inputs[0])->shape;
    extent a = shape_extent(in, 0, shape_rank(in)), b = shape_extent(&n->shape, 0, shape_rank(&n->shape));
    return a.factor != b.factor || a.power != b.power;
}

/* Sets size and depth of a node's expression, from those of its operands; a long one is cut. */
static void measure(fusion *f, uint32_t id) {
    const node *n = graph_node(f->g, id);
    fused_node *fn = &f->nodes[id];
    fn->size = fn->depth = 1;
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        const fused_node *x = &f->nodes[n->inputs[i]];
        if (x->anchor) continue;
        fn->size += x->size;
        if (fn->depth <= x->depth) fn->depth = x->depth + 1;
    }
    if (fn->size > EXPRESSION_NODES || fn->depth > EXPRESSION_DEPTH) fn->anchor = true;
}

static void choose_anchors(fusion *f) {
    const gradus_graph *g = f->g;
    for (uint32_t id = 1; id < g->nodes.count; id++) {
        fused_node *fn = &f->nodes[id];
        const node *n = graph_node(g, id);
        if (!fn->reached || fusion_is_stored(f, id)) continue;
        bool computes = op_is(n->op, REDUCE) || op_is(n->op, CONTRACT) || op_is(n->op, SCATTER) || op_is(n->op, CALL);
        fn->anchor = fn->forced || computes || (fn->users > 1 && !is_view(n) && weight(f, id) > CHEAP);
        measure(f, id);
        if (op_is(n->op, CONTRACT) || op_is(n->op, SCATTER))
            for (uint32_t i = 0; i < n->n_inputs; i++) make_anchor(f, fusion_viewed(f, n->inputs[i]));
        if (op_is(n->op, GATHER)) make_anchor(f, n->inputs[0]);
        for (uint32_t i = 0; op_is(n->op, CALL) && i < n->n_inputs; i++) make_anchor(f, in_memory(f, n->inputs[i]));
        if (n->op == OP_check_index) make_anchor(f, fusion_viewed(f, n->inputs[0]));
        if (repeats(f, n)) {
            uint32_t x = fusion_viewed(f, n->inputs[0]);
            if (weight(f, x) > CHEAP) make_anchor(f, x);
        }
    }
    for (uint32_t i = 0; i < f->e->n_outputs; i++) make_anchor(f, f->e->outputs[i]);
    for (uint32_t i = 0; i < f->e->updates.count; i++) make_anchor(f, f->e->updates.items[i].value);
}

static void reach(fusion *f) {
    for (uint32_t i = 0; i < f->e->n_outputs; i++) f->nodes[f->e->outputs[i]].reached = true;
    for (uint32_t i = 0; i < f->e->updates.count; i++) f->nodes[f->e->updates.items[i].value].reached = true;
    for (uint32_t i = 0; i < f->e->n_kept; i++) f->nodes[f->e->kept[i]].reached = true;
    for (uint32_t id = f->g->nodes.count - 1; id >= 1; id--) {
        const node *n = graph_node(f->g, id);
        if (!f->nodes[id].reached) continue;
        for (uint32_t i = 0; i < n->n_inputs; i++) {
            f->nodes[n->inputs[i]].reached = true;
            f->nodes[n->inputs[i]].users++;
        }
    }
}

/* --- kernels ---------------------------------------------------------------------------------------------------- */

static uint32_t new_kernel(fusion *f, kernel_kind kind, const index_space *space) {
    filling *fill = ARENA_NEW(f->list->memory, filling);
    kernel *k = fill->k = ARENA_NEW(f->list->memory, kernel);
    k->kind = kind;
    fill->space = *space;
    k->rank = space->rank;
    for (int d = 0; d < k->rank; d++) k->dims[d] = space->dims[d];
    if (k->rank == 0) k->dims[k->rank++] = (extent){1, 0};
    VEC_PUSH(f->list->memory, &f->fillings, fill);
    VEC_PUSH(f->list->memory, &f->list->kernels, k);
    return f->fillings.count - 1;
}

/* Marks the kernels that an anchor's expression reads from. */
static void mark_operand_kernels(const fusion *f, uint32_t id, bool top, bool *marked) {
    const fused_node *fn = &f->nodes[id];
    const node *n = graph_node(f->g, id);
    if (!top && fn->anchor) {
        marked[fn->kernel] = true;
        return;
    }
    for (uint32_t i = 0; i < n->n_inputs; i++) mark_operand_kernels(f, n->inputs[i], false, marked);
}

/* Kernels that are met on a walk from kernels to what they read. */
typedef struct {
    const fusion *f;
    bool *met;
    uint32_t *open, count;
} upstream;

static void meet(upstream *u, uint32_t k) {
    if (u->met[k]) return;
    u->met[k] = true;
    u->open[u->count++] = k;
}

static void meet_writer(upstream *u, uint32_t id) {
    const fused_node *fn = &u->f->nodes[u->f->list->buffers.items[id].node];
    if (fn->anchor) meet(u, fn->kernel);
}

static void meet_writers(upstream *u, uint32_t user) {
    const kernel *k = u->f->list->kernels.items[user];
    if (k->kind == KERNEL_CONTRACT) {
        meet_writer(u, k->left.buffer);
        meet_writer(u, k->right.buffer);
    }
    for (uint32_t before = user; k->kind == KERNEL_CALL && before-- > 0;) { /* calls keep their order */
        if (u->f->list->kernels.items[before]->kind != KERNEL_CALL) continue;
        meet(u, before);
        break; /* of those before it, that one knows */
    }
    for (uint32_t v = 0; v < k->values.count; v++)
        if (k->values.items[v].kind == VALUE_LOAD) meet_writer(u, k->values.items[v].at.buffer);
}

/* Whether a node that reads from the marked kernels may live in kernel `at` without a cycle: none of the others reads from
 * that one, directly or through others. */
static bool stays_acyclic(const fusion *f, uint32_t at, const bool *operands) {
    upstream u = {.f = f};
    u.met = ARENA_ARRAY(f->list->memory, bool, f->fillings.count);
    u.open = ARENA_ARRAY(f->list->memory, uint32_t, f->fillings.count);
    for (uint32_t k = 0; k < f->fillings.count; k++)
        if (operands[k] && k != at) meet(&u, k);
    while (u.count && !u.met[at]) meet_writers(&u, u.open[--u.count]);
    return !u.met[at];
}

static void settle(fusion *f, uint32_t id, uint32_t at, uint32_t result, const index_map *natural) {
    f->nodes[id].kernel = at;
    f->nodes[id].result = result;
    f->nodes[id].natural = *natural;
}

/* Undoes what a failed attempt wrote. */
typedef struct {
    uint32_t values, memo;
} mark;

static mark mark_of(const fusion *f, uint32_t at) {
    return (mark){f->fillings.items[at]->k->values.count, f->fillings.items[at]->memo.count};
}

static void roll_back(fusion *f, uint32_t at, mark m) {
    f->fillings.items[at]->k->values.count = m.values;
    f->fillings.items[at]->memo.count = m.memo;
}

static bool same_extent(extent a, extent b) { return a.factor == b.factor && a.power == b.power; }

/* How a kernel's point looks into a tensor of this shape that would live in it; false if it could not. */
static bool natural_map(const filling *fill, const gradus_shape *shape, index_map *map) {
    const kernel *k = fill->k;
    index_space own = space_of(shape);
    int full = fill->space.rank;
    *map = index_identity(full);
    if (k->kind == KERNEL_COLUMNS) {
        if (own.rank != full - 1) return false;
        for (int d = 0, a = 0; d < full; d++) {
            map->axis[d] = (int8_t)(d == k->reduced ? -1 : a);
            if (d != k->reduced && !same_extent(own.dims[a++], fill->space.dims[d])) return false;
        }
        return true;
    }
    if (space_equal(&own, &fill->space)) return true;
    if (k->kind != KERNEL_ROWS || full == 0) return false;
    if (own.rank != full - 1 && !(own.rank == full && shape_dim(shape, own.rank - 1) == 1)) return false;
    map->axis[full - 1] = -1; /* one element a row */
    for (int d = 0; d < full - 1; d++)
        if (!same_extent(own.dims[d], fill->space.dims[d])) return false;
    return true;
}

/* Whether a value depends on the kernel's own reductions. */
static bool follows_reduction(const fusion *f, const kernel *k, uint32_t v) {
    bool *needed = ARENA_ARRAY(f->list->memory, bool, v + 1);
    needed[v] = true;
    for (uint32_t i = v + 1; i-- > 0;) {
        const value *it = &k->values.items[i];
        if (needed[i] && it->kind == VALUE_REDUCED) return true;
        for (uint32_t a = 0; needed[i] && a < it->n_args; a++) needed[it->args[a]] = true;
    }
    return false;
}

/* The space of a reduction: the operand's, its run of reduced axes one dimension, and extents of 1 behind a run that
 * is innermost but for them left out, since the order of summation does not see them. */
static index_space reduction_space(const gradus_shape *x, const gradus_axes *axes) {
    index_space space = {0};
    int first = axes->d[1], behind = axes->d[axes->d[0]] + 1;
    bool lanes = order_of_reduction(x, axes).lanes;
    for (int a = 0; a < (lanes ? behind : shape_rank(x)); a++) {
        if (a > first && a < behind) continue;
        space.dims[space.rank++] = a == first ? shape_extent(x, first, behind) : extent_of(shape_dim(x, a));
    }
    return space;
}

static bool place_reduction(fusion *f, uint32_t id, uint32_t at, uint32_t *force) {
    filling *fill = f->fillings.items[at];
    kernel *k = fill->k;
    const node *n = graph_node(f->g, id);
    uint32_t x = n->inputs[0];
    index_space space = reduction_space(&graph_node(f->g, x)->shape, &n->attr.axes);
    int run = n->attr.axes.d[0], axis = n->attr.axes.d[1], full = space.rank;
    bool rows = axis == full - 1;
    if (!space_equal(&space, &fill->space)) return false;
    if (rows ? k->kind != KERNEL_ROWS : k->kind != KERNEL_COLUMNS || k->reduced != axis) return false;
    index_map map = index_identity(full), natural;
    uint32_t v;
    if (run > 1) { /* a run of axes is one dimension of the space: right for whatever is in memory */
        if (!fusion_is_stored(f, x) && !f->nodes[x].anchor) return *force = x, false;
        if (!fusion_is_stored(f, x) && f->nodes[x].kernel == at) return false;
        v = fusion_load(f, at, x, &fill->space, &map);
    } else {
        v = fusion_value(f, at, x, &map, force);
    }
    if (v == NO_ID || (!rows && follows_reduction(f, k, v))) return false;
    natural = map;
    natural.axis[axis] = -1;
    for (int d = axis + 1; d < full; d++) natural.axis[d] = (int8_t)(d - 1);
    VEC_PUSH(f->list->memory, &k->reductions, ((reduction){.op = n->op, .value = v}));
    VEC_PUSH(f->list->memory, &k->values,
             ((value){.kind = VALUE_REDUCED, .op = n->op, .dtype = n->dtype, .node = id, .reduction = k->reductions.count - 1}));
    settle(f, id, at, k->values.count - 1, &natural);
    return true;
}

static bool place(fusion *f, uint32_t id, uint32_t at, uint32_t *force) {
    filling *fill = f->fillings.items[at];
    const node *n = graph_node(f->g, id);
    kernel_kind kind = fill->k->kind;
    if (kernel_takes_buffers(fill->k) || kind == KERNEL_CHECK || fill->k->values.count > KERNEL_VALUES) return false;
    mark before = mark_of(f, at);
    if (op_is(n->op, REDUCE)) {
        if (place_reduction(f, id, at, force)) return true;
    } else {
        index_map natural;
        if (!natural_map(fill, &n->shape, &natural)) return false;
        uint32_t v = fusion_value(f, at, id, &natural, force);
        if (v != NO_ID) {
            settle(f, id, at, v, &natural);
            return true;
        }
    }
    roll_back(f, at, before);
    return false;
}

static bool new_contraction(fusion *f, uint32_t id, uint32_t *force) {
    const node *n = graph_node(f->g, id);
    const gradus_shape *xs = &graph_node(f->g, n->inputs[0])->shape;
    int rank = shape_rank(&n->shape);
    index_space result = space_of(&n->shape);
    uint32_t at = new_kernel(f, KERNEL_CONTRACT, &result);
    kernel *k = f->fillings.items[at]->k;
    k->dtype = k->accumulate = n->dtype;
    k->depth = extent_of(shape_dim(xs, rank - 1));
    k->dims[rank] = k->depth;
    for (int side = 0; side < 2; side++) { /* left: (batch…, m, k), right: (batch…, k, n); n is loop rank-1, k loop rank */
        index_map map = index_identity(rank - 2);
        int moved_by_m_or_n = side ? rank - 1 : rank - 2;
        map.axis[moved_by_m_or_n] = (int8_t)(side ? rank - 1 : rank - 2);
        map.axis[rank] = (int8_t)(side ? rank - 2 : rank - 1);
        uint32_t v = fusion_value(f, at, n->inputs[side], &map, force);
        if (v == NO_ID) return false;
        const value *load = &k->values.items[v];
        if (load->kind != VALUE_LOAD || load->n_args || load->at.guarded) {
            *force = n->inputs[side];
            return false;
        }
        *(side ? &k->right : &k->left) = load->at;
        k->values.count = 0; /* the operands' loads belong to the chain, not to the epilogue */
        f->fillings.items[at]->memo.count = 0;
    }
    index_map natural = index_identity(rank);
    VEC_PUSH(f->list->memory, &k->values, ((value){.kind = VALUE_PRODUCT, .op = n->op, .dtype = n->dtype, .node = id}));
    settle(f, id, at, 0, &natural);
    return true;
}

/* The kernel's values are x (the start), the index and z, in this order; its space is the result's outer axes, the
 * scattered axis, its inner axes. */
static bool new_scatter(fusion *f, uint32_t id, uint32_t *force) {
    const node *n = graph_node(f->g, id);
    const gradus_shape *ys = &graph_node(f->g, n->inputs[1])->shape, *zs = &graph_node(f->g, n->inputs[2])->shape;
    int axis = n->attr.axis, rank = shape_rank(&n->shape);
    index_space space = {3, {shape_extent(&n->shape, 0, axis), extent_of(shape_dim(&n->shape, axis)), shape_extent(&n->shape, axis + 1, rank)}};
    for (int i = 0; i < 3; i++)
        if (!fusion_is_stored(f, n->inputs[i]) && !f->nodes[n->inputs[i]].anchor) return *force = n->inputs[i], false;
    uint32_t at = new_kernel(f, KERNEL_SCATTER, &space);
    kernel *k = f->fillings.items[at]->k;
    k->along_axis = n->op == OP_scatter_add_along_axis;
    k->scattered = k->along_axis ? extent_of(shape_dim(zs, axis)) : shape_extent(ys, 0, shape_rank(ys));
    for (int i = 0; i < 3; i++) {
        value v = {.kind = VALUE_LOAD, .node = n->inputs[i], .dtype = graph_node(f->g, n->inputs[i])->dtype};
        v.at = (access){.buffer = fusion_buffer(f, n->inputs[i])};
        VEC_PUSH(f->list->memory, &k->values, v);
    }
    index_map natural = index_identity(rank);
    settle(f, id, at, 0, &natural);
    return true;
}

static bool new_check(fusion *f, uint32_t id, uint32_t *force) {
    const node *n = graph_node(f->g, id);
    index_space space = space_of(&n->shape);
    uint32_t x = n->inputs[0], at = new_kernel(f, KERNEL_CHECK, &space);
    kernel *k = f->fillings.items[at]->k;
    index_map map = index_identity(shape_rank(&n->shape));
    uint32_t v = fusion_value(f, at, x, &map, force);
    if (v == NO_ID) return false;
    const value *load = &k->values.items[v];
    if (load->kind != VALUE_LOAD || load->n_args || load->at.guarded) return *force = x, false;
    k->bound = n->attr.bound;
    k->check = f->list->checks.count;
    VEC_PUSH(f->list->memory, &f->list->checks, id);
    return true;
}

/* Whether two nodes are results of one call. */
static bool same_call(const node *a, const node *b) {
    if (b->op != OP_custom || a->n_inputs != b->n_inputs || !custom_equal(a->attr.call, b->attr.call)) return false;
    for (uint32_t i = 0; i < a->n_inputs; i++)
        if (a->inputs[i] != b->inputs[i]) return false;
    return true;
}

/* The node from `first` on that is that result of its call and in no kernel yet; NO_ID where none is wanted. */
static uint32_t find_result(const fusion *f, uint32_t first, uint32_t result) {
    for (uint32_t id = first; id < f->g->nodes.count; id++) {
        const node *n = graph_node(f->g, id);
        if (!f->nodes[id].reached || f->nodes[id].kernel != NO_ID || !same_call(graph_node(f->g, first), n)) continue;
        if (n->attr.call->result == result) return id;
    }
    return NO_ID;
}

/* The results that nothing wants have memory, too, while the call lasts: the function writes all of them. */
static void add_called(fusion *f, uint32_t at, uint32_t id, uint32_t result, const node *like) {
    kernel *k = f->fillings.items[at]->k;
    const uint32_t wanted = find_result(f, id, result);
    buffer unwanted = {.node = id, .dtype = like->dtype, .shape = like->shape, .place = PLACE_ARENA, .first = -1, .last = -1};
    const index_map natural = index_identity(shape_rank(&like->shape));
    VEC_PUSH(f->list->memory, &k->values, ((value){.kind = VALUE_CALLED, .op = OP_custom, .dtype = like->dtype, .node = id, .result = result}));
    if (wanted != NO_ID) settle(f, wanted, at, k->values.count - 1, &natural);
    else VEC_PUSH(f->list->memory, &f->list->buffers, unwanted);
    const uint32_t to = wanted != NO_ID ? fusion_buffer(f, wanted) : f->list->buffers.count - 1;
    VEC_PUSH(f->list->memory, &k->stores, ((store){.value = k->values.count - 1, .to = {.buffer = to}}));
}

static bool new_call(fusion *f, uint32_t id) {
    const node *n = graph_node(f->g, id);
    const custom *c = n->attr.call;
    const index_space point = {0};
    if (f->nodes[id].kernel != NO_ID) return true; /* came with another result */
    const uint32_t at = new_kernel(f, KERNEL_CALL, &point), operands = custom_operands(n);
    kernel *k = f->fillings.items[at]->k;
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        const uint32_t x = in_memory(f, n->inputs[i]);
        value v = {.kind = VALUE_LOAD, .node = n->inputs[i], .dtype = graph_node(f->g, x)->dtype, .at = {.buffer = fusion_buffer(f, x)}};
        VEC_PUSH(f->list->memory, &k->values, v);
    }
    for (uint32_t i = 0; i < (c->backward ? operands : 1); i++) {
        const node *like = c->backward ? graph_node(f->g, n->inputs[i]) : n;
        if (custom_has_result(c, i, like->dtype)) add_called(f, at, id, i, like);
    }
    k->called = id;
    k->check = f->list->checks.count;
    VEC_PUSH(f->list->memory, &f->list->checks, id);
    return true;
}

static bool place_anew(fusion *f, uint32_t id, uint32_t *force) {
    const node *n = graph_node(f->g, id);
    if (op_is(n->op, CONTRACT)) return new_contraction(f, id, force);
    if (op_is(n->op, SCATTER)) return new_scatter(f, id, force);
    if (op_is(n->op, CALL)) return new_call(f, id);
    index_space space = space_of(&n->shape);
    kernel_kind kind = KERNEL_ROWS;
    if (op_is(n->op, REDUCE)) {
        space = reduction_space(&graph_node(f->g, n->inputs[0])->shape, &n->attr.axes);
        if (n->attr.axes.d[1] != space.rank - 1) kind = KERNEL_COLUMNS;
    }
    uint32_t at = new_kernel(f, kind, &space);
    f->fillings.items[at]->k->reduced = n->attr.axes.d[1];
    return place(f, id, at, force);
}

static bool loads(const kernel *k, uint32_t id) {
    for (uint32_t v = 0; v < k->values.count; v++)
        if (k->values.items[v].kind == VALUE_LOAD && k->values.items[v].node == id) return true;
    return false;
}

/* Whether all that an expression reads from memory, which is something, is read by kernel `at` anyway. */
static bool reads_the_same(const fusion *f, uint32_t id, uint32_t at, bool top, bool *any) {
    const fused_node *fn = &f->nodes[id];
    const node *n = graph_node(f->g, id);
    if (!top && (fusion_is_stored(f, id) || fn->anchor))
        return *any = (fn->anchor && fn->kernel == at) || loads(f->fillings.items[at]->k, id);
    for (uint32_t i = 0; i < n->n_inputs; i++)
        if (!reads_the_same(f, n->inputs[i], at, false, any)) return false;
    return true;
}

/* Sums, largest and least of the same elements: one pass over them, and nothing waits for more than it did. */
static bool is_sibling(const fusion *f, uint32_t id, uint32_t at) {
    const kernel_kind kind = f->fillings.items[at]->k->kind;
    bool any = false;
    if (!op_is(graph_node(f->g, id)->op, REDUCE) || (kind != KERNEL_ROWS && kind != KERNEL_COLUMNS)) return false;
    return reads_the_same(f, id, at, true, &any) && any;
}

/* Tries the kernels that the node's operands are in, the last one first; for a reduction also those that read the same.
 * Scalars may join any kernel of scalars: there is one for all those of an optimizer's step. */
static bool join(fusion *f, uint32_t id, uint32_t *force) {
    const node *n = graph_node(f->g, id);
    bool *operands = ARENA_ARRAY(f->list->memory, bool, f->fillings.count + 1);
    bool scalar_node = shape_rank(&n->shape) == 0 && !op_is(n->op, REDUCE);
    if (op_is(n->op, CONTRACT) || op_is(n->op, SCATTER) || op_is(n->op, CALL)) return false;
    mark_operand_kernels(f, id, true, operands);
    for (uint32_t k = f->fillings.count; k-- > 0;) {
        const filling *fill = f->fillings.items[k];
        bool scalars = scalar_node && fill->k->kind == KERNEL_ROWS && fill->space.rank == 0;
        if ((operands[k] || scalars || is_sibling(f, id, k)) && stays_acyclic(f, k, operands) && place(f, id, k, force))
            return true;
        if (*force) return false;
    }
    return false;
}

/* One attempt; false with *force set if that node has to become an anchor. */
static bool place_all(fusion *f, uint32_t *force) {
    for (uint32_t id = 1; id < f->g->nodes.count; id++) {
        const node *n = graph_node(f->g, id);
        if (!f->nodes[id].reached) continue;
        if (n->op == OP_check_index && !new_check(f, id, force)) return false;
        if (!f->nodes[id].anchor) continue;
        *force = 0;
        if (join(f, id, force)) continue;
        if (*force) return false;
        if (!place_anew(f, id, force)) return false;
    }
    return true;
}

/* One attempt, all of it in `memory`. */
static bool attempt(const gradus_graph *g, const entry *e, int64_t max_batch, const bool *forced, arena *memory,
                    kernel_list *out, uint32_t *force) {
    *out = (kernel_list){.memory = memory, .graph = g, .entry = e, .max_batch = max_batch};
    fusion f = {.list = out, .g = g, .e = e, .nodes = ARENA_ARRAY(memory, fused_node, g->nodes.count)};
    for (uint32_t id = 0; id < g->nodes.count; id++) {
        f.nodes[id].kernel = f.nodes[id].buffer = NO_ID;
        f.nodes[id].forced = forced[id];
    }
    reach(&f);
    choose_anchors(&f);
    if (!place_all(&f, force)) return false;
    fusion_finish(&f);
    return true;
}

/* The same, where an attempt that fails leaves no memory: there may be as many as nodes. */
static bool attempt_alone(const gradus_graph *g, const entry *e, int64_t max_batch, const bool *forced, arena *memory,
                          kernel_list *out, uint32_t *force) {
    arena own = {0};
    volatile bool placed = false;
    guard here;
    if (GUARDED(&here)) {
        placed = attempt(g, e, max_batch, forced, &own, out, force);
        guard_leave(&here);
    } else {
        arena_free(&own);
        guard_out_of_memory();
    }
    if (placed) arena_join(memory, &own);
    else arena_free(&own);
    out->memory = memory;
    return placed;
}

bool fuse(const gradus_graph *g, const entry *e, int64_t max_batch, arena *memory, kernel_list *out) {
    bool *forced = ARENA_ARRAY(memory, bool, g->nodes.count);
    for (uint32_t force = 0; !attempt_alone(g, e, max_batch, forced, memory, out, &force); forced[force] = true) {
        assert(force && "an anchor fits in a kernel of its own");
        if (!forced[force]) continue;
        const node *n = graph_node(g, force);
        char place[SOURCE_TEXT];
        fail(GRADUS_ERROR_COMPILER, "%s%s: its index map cannot be compiled", source_text(n->where, place), op_name(n->op));
        return false;
    }
    return true;
}
