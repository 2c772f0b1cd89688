/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of fusion: what leaves each kernel, fewer and longer loop dimensions, and what is known of each value.
 */
#include "fuse/fusion.h"

#include <string.h>

static void add_store(fusion *f, uint32_t id, uint32_t to) {
    const fused_node *fn = &f->nodes[id];
    const node *n = graph_node(f->g, id);
    kernel *k = f->list->kernels.items[fn->kernel];
    const index_space shape = space_of(&n->shape);
    store s = {.value = fn->result};
    if (k->kind == KERNEL_SCATTER) s.to = (access){.buffer = to};
    else index_access(&fn->natural, &shape, to, &s.to);
    /* one element a row: the map leaves the last dimension alone, and there is one to leave */
    s.row = k->kind == KERNEL_ROWS && f->fillings.items[fn->kernel]->space.rank > 0 && fn->natural.axis[k->rank - 1] < 0;
    VEC_PUSH(f->list->memory, &k->stores, s);
}

static void add_result(fusion *f, uint32_t id, uint32_t to) {
    bool stored = fusion_is_stored(f, id);
    if (stored || kernel_takes_buffers(f->list->kernels.items[f->nodes[id].kernel]))
        kernel_add_copy(f->list, fusion_buffer(f, id), to);
    else add_store(f, id, to);
}

static void mark_loads(const kernel *k, bool *used) {
    for (uint32_t v = 0; v < k->values.count; v++)
        if (k->values.items[v].kind == VALUE_LOAD) used[k->values.items[v].at.buffer] = true;
    if (k->kind == KERNEL_CONTRACT) used[k->left.buffer] = used[k->right.buffer] = true;
}

static void add_stores(fusion *f) {
    kernel_list *l = f->list;
    uint32_t fused = l->kernels.count;
    const entry *e = f->e;
    for (uint32_t i = 0; i < e->n_outputs; i++) {
        const node *n = graph_node(f->g, e->outputs[i]);
        buffer b = {.place = PLACE_OUTPUT, .index = i, .node = e->outputs[i], .dtype = n->dtype, .shape = n->shape};
        VEC_PUSH(l->memory, &l->buffers, b);
        add_result(f, e->outputs[i], l->buffers.count - 1);
    }
    for (uint32_t i = 0; i < e->updates.count; i++) {
        const update *u = &e->updates.items[i];
        if (u->value != u->state) add_result(f, u->value, fusion_buffer(f, u->state));
    }
    bool *used = ARENA_ARRAY(l->memory, bool, l->buffers.count);
    for (uint32_t k = 0; k < l->kernels.count; k++) mark_loads(l->kernels.items[k], used);
    for (uint32_t id = 1; id < f->g->nodes.count; id++) {
        const fused_node *fn = &f->nodes[id];
        if (!fn->anchor || fn->kernel >= fused || fn->buffer == NO_ID || !used[fn->buffer]) continue;
        if (l->kernels.items[fn->kernel]->kind != KERNEL_CALL) add_store(f, id, fn->buffer); /* a call has its stores */
    }
}

/* --- collapsing dimensions -------------------------------------------------------------------------------------- */

static bool merges(const access *a, const kernel *k, int d) {
    extent inner = a->stride[d + 1], joined;
    if (a->guarded && (a->low[d] != INT64_MIN || a->high[d] != INT64_MAX || a->low[d + 1] != INT64_MIN || a->high[d + 1] != INT64_MAX))
        return false;
    if (inner.factor == 0) return a->stride[d].factor == 0;
    return extent_product(inner, k->dims[d + 1], &joined) && a->stride[d].factor == joined.factor &&
           a->stride[d].power == joined.power;
}

static bool has_access(const value *v) { return v->kind == VALUE_LOAD || v->kind == VALUE_INDEX || v->kind == VALUE_RANDOM; }

/* Removes dimension `d` from an access: the next one goes on in its place. */
static void drop_dim(access *a, int d) {
    for (int i = d; i + 1 < LOOP_MAX; i++) {
        a->stride[i] = a->stride[i + 1];
        a->low[i] = a->low[i + 1];
        a->high[i] = a->high[i + 1];
    }
    a->stride[LOOP_MAX - 1] = (extent){0, 0};
    a->low[LOOP_MAX - 1] = INT64_MIN;
    a->high[LOOP_MAX - 1] = INT64_MAX;
}

static void drop_everywhere(kernel *k, int d, extent merged) {
    for (uint32_t v = 0; v < k->values.count; v++)
        if (has_access(&k->values.items[v])) drop_dim(&k->values.items[v].at, d);
    for (uint32_t s = 0; s < k->stores.count; s++) drop_dim(&k->stores.items[s].to, d);
    for (int i = d; i + 1 < k->rank; i++) k->dims[i] = k->dims[i + 1];
    k->rank--;
    k->dims[k->rank] = (extent){0, 0};
    if (merged.factor >= 0) k->dims[d] = merged;
    if (k->kind == KERNEL_COLUMNS && d < k->reduced) k->reduced--;
}

static bool dims_merge(const kernel *k, int d) {
    bool inner = d + 1 == k->rank - 1;
    if (k->kind == KERNEL_COLUMNS && (d == k->reduced || d + 1 == k->reduced)) return false;
    if (k->kind == KERNEL_ROWS && inner) {
        if (k->reductions.count) return false;
        for (uint32_t s = 0; s < k->stores.count; s++)
            if (k->stores.items[s].row) return false;
    }
    for (uint32_t v = 0; v < k->values.count; v++)
        if (has_access(&k->values.items[v]) && !merges(&k->values.items[v].at, k, d)) return false;
    for (uint32_t s = 0; s < k->stores.count; s++)
        if (!merges(&k->stores.items[s].to, k, d)) return false;
    return true;
}

static bool never_moves(const kernel *k, int d) {
    if (k->dims[d].factor != 1 || k->dims[d].power != 0 || k->rank == 1) return false;
    if (d == k->rank - 1 || (k->kind == KERNEL_COLUMNS && d == k->reduced)) return false;
    for (uint32_t v = 0; v < k->values.count; v++) { /* a guard may leave no point at all: keep it */
        const access *a = &k->values.items[v].at;
        if (has_access(&k->values.items[v]) && a->guarded && (a->low[d] != INT64_MIN || a->high[d] != INT64_MAX)) return false;
    }
    return true;
}

static void collapse(kernel *k) {
    if (k->kind != KERNEL_ROWS && k->kind != KERNEL_COLUMNS && k->kind != KERNEL_CHECK) return;
    for (int d = k->rank - 1; d >= 0; d--)
        if (never_moves(k, d)) drop_everywhere(k, d, (extent){-1, 0});
    for (int d = k->rank - 2; d >= 0; d--) {
        extent merged;
        if (dims_merge(k, d) && extent_product(k->dims[d], k->dims[d + 1], &merged)) drop_everywhere(k, d, merged);
    }
}

/* --- what is known of values ------------------------------------------------------------------------------------ */

static void annotate(kernel *k) {
    int last = k->rank - 1;
    bool one_point = k->kind == KERNEL_ROWS && k->dims[last].factor == 1 && k->dims[last].power == 0;
    for (uint32_t i = 0; i < k->values.count; i++) {
        value *v = &k->values.items[i];
        if (has_access(v)) {
            bool guarded = v->at.guarded && (v->at.low[last] != INT64_MIN || v->at.high[last] != INT64_MAX);
            v->varies = v->at.stride[last].factor != 0 || guarded;
        }
        if (v->kind == VALUE_PRODUCT || (v->kind == VALUE_REDUCED && k->kind == KERNEL_COLUMNS)) v->varies = true;
        for (uint32_t a = 0; a < v->n_args; a++) {
            const value *arg = &k->values.items[v->args[a]];
            v->varies |= arg->varies;
            if (v->stage < arg->stage) v->stage = arg->stage;
        }
        if (one_point) v->varies = false; /* a row of one element: what holds for it holds for the row */
        if (v->kind == VALUE_REDUCED) {
            reduction *r = &k->reductions.items[v->reduction];
            r->stage = k->values.items[r->value].stage;
            v->stage = r->stage + 1;
        }
    }
}

/* Columns read what they reduce for many points before they write one. */
static void mark_reduced(kernel *k) {
    for (uint32_t i = 0; k->kind == KERNEL_COLUMNS && i < k->reductions.count; i++)
        k->values.items[k->reductions.items[i].value].reduced = true;
    for (uint32_t v = k->values.count; v-- > 0;) {
        const value *it = &k->values.items[v];
        for (uint32_t a = 0; it->reduced && a < it->n_args; a++) k->values.items[it->args[a]].reduced = true;
    }
}

/* --- costs -------------------------------------------------------------------------------------------------------- */

static double extent_estimate(extent e, int64_t batch) {
    double n = (double)e.factor;
    for (int p = 0; p < e.power; p++) n *= (double)batch;
    return n;
}

/* Nanoseconds on one thread, from a third of a nanosecond a vector operation on eight lanes; heavy ones are ten.  It
 * decides only what is too small to share, and which loop to split. */
static double estimate(const kernel_list *l, const kernel *k) {
    double points = 1, work = 0;
    for (int d = 0; d < k->rank; d++) points *= extent_estimate(k->dims[d], l->max_batch);
    for (uint32_t i = 0; i < k->values.count; i++) {
        const value *v = &k->values.items[i];
        if (!v->varies) continue;
        bool heavy = v->kind == VALUE_RANDOM || (v->kind == VALUE_OP && op_infos[v->op].flags & FLAG_HEAVY);
        work += heavy ? 10 : 1;
    }
    work += (double)(k->stores.count + k->reductions.count * 2);
    double ns = points * work / 24;
    if (k->kind == KERNEL_CONTRACT) ns += points * extent_estimate(k->depth, l->max_batch) / 32;
    if (k->kind == KERNEL_SCATTER) ns = points + extent_estimate(k->scattered, l->max_batch) * points;
    return ns;
}

void fusion_finish(fusion *f) {
    add_stores(f);
    for (uint32_t i = 0; i < f->list->kernels.count; i++) {
        kernel *k = f->list->kernels.items[i];
        collapse(k);
        annotate(k);
        mark_reduced(k);
        k->cost = estimate(f->list, k);
    }
}
