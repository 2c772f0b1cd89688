/* SPDX-License-Identifier: Apache-2.0
 * The schedule.  See schedule.h.
 *
 * Kernels and what must come before what form a graph; it is cut into phases greedily: a phase takes every kernel whose
 * predecessors ran in earlier phases.  Serial kernels, which thread 0 runs alone, may follow one another in one phase.
 */
#include "schedule.h"

#include <assert.h>
#include <string.h>

enum { SERIAL_NS = 400 }; /* about two barriers: not worth sharing */

typedef struct {
    kernel_list *l;
    uint32_t count;
    bool *before; /* before[a * count + b]: a must run before b */
} dependencies;

static bool *edge(const dependencies *d, uint32_t a, uint32_t b) { return &d->before[a * d->count + b]; }

typedef enum { BEFORE, BEHIND } direction;

/* For each kernel, whether it must run before `k`, or behind it; k itself is among them. */
static const bool *all(const dependencies *d, direction way, uint32_t k) {
    bool *marked = ARENA_ARRAY(d->l->memory, bool, d->count);
    uint32_t *open = ARENA_ARRAY(d->l->memory, uint32_t, d->count), count = 0;
    open[count++] = k;
    marked[k] = true;
    while (count) {
        const uint32_t at = open[--count];
        for (uint32_t i = 0; i < d->count; i++) {
            if (marked[i] || !(way == BEHIND ? *edge(d, at, i) : *edge(d, i, at))) continue;
            marked[i] = true;
            open[count++] = i;
        }
    }
    return marked;
}

static bool in_place(const dependencies *d, uint32_t at, const store *s) {
    const kernel *k = d->l->kernels.items[at];
    if (!kernel_may_overwrite(k, s, s->to.buffer)) return false;
    const bool *behind = all(d, BEHIND, at);
    for (uint32_t r = 0; r < d->count; r++) { /* checks and calls too: state is written once nothing can fail any more */
        const kernel *other = d->l->kernels.items[r];
        if (r == at || (!kernel_may_fail(other) && !kernel_reads(other, s->to.buffer))) continue;
        if (behind[r]) return false;
    }
    return true;
}

/* Sends a store of state to a temporary, from which a new kernel copies at the end. */
static void detour(kernel_list *l, store *s) {
    buffer b = l->buffers.items[s->to.buffer];
    uint32_t state = s->to.buffer;
    b.place = PLACE_ARENA;
    b.first = b.last = -1;
    VEC_PUSH(l->memory, &l->buffers, b);
    s->to.buffer = l->buffers.count - 1;
    kernel *copy = kernel_add_copy(l, s->to.buffer, state);
    copy->cost = (double)copy->dims[0].factor / 8;
    copy->serial = copy->cost < SERIAL_NS;
}

static void add_data_edges(dependencies *d) {
    for (uint32_t a = 0; a < d->count; a++)
        for (uint32_t b = 0; b < d->count; b++) {
            const kernel *writer = d->l->kernels.items[a];
            for (uint32_t s = 0; a != b && s < writer->stores.count; s++) {
                uint32_t id = writer->stores.items[s].to.buffer;
                if (d->l->buffers.items[id].place == PLACE_ARENA && kernel_reads(d->l->kernels.items[b], id))
                    *edge(d, a, b) = true;
            }
        }
}

/* What must not happen before an index is checked: writing state, and anything that may use the index. */
static void add_check_edges(dependencies *d) {
    for (uint32_t c = 0; c < d->count; c++) {
        if (d->l->kernels.items[c]->kind != KERNEL_CHECK) continue;
        const bool *before = all(d, BEFORE, c); /* an edge from c to one that is not among them changes nothing of it */
        for (uint32_t k = 0; k < d->count; k++)
            if (!before[k] && d->l->kernels.items[k]->kind != KERNEL_CHECK) *edge(d, c, k) = true;
    }
}

static bool writes_state(const kernel_list *l, const kernel *k) {
    for (uint32_t s = 0; s < k->stores.count; s++)
        if (l->buffers.items[k->stores.items[s].to.buffer].place == PLACE_STATE) return true;
    return false;
}

/* A function of the user's may fail, so it comes before state is written; the functions keep the order of the graph. */
static void add_call_edges(dependencies *d) {
    for (uint32_t c = 0; c < d->count; c++) {
        if (d->l->kernels.items[c]->kind != KERNEL_CALL) continue;
        const bool *before = all(d, BEFORE, c);
        for (uint32_t k = 0; k < d->count; k++) {
            const kernel *other = d->l->kernels.items[k];
            if (!before[k] && (other->kind == KERNEL_CALL ? k > c : writes_state(d->l, other))) *edge(d, c, k) = true;
        }
    }
}

static dependencies dependencies_of(kernel_list *l) {
    dependencies d = {.l = l, .count = l->kernels.count};
    d.before = ARENA_ARRAY(l->memory, bool, (size_t)d.count * d.count);
    add_data_edges(&d);
    add_call_edges(&d);
    add_check_edges(&d);
    return d;
}

/* Decides for each store of state whether it may happen in place, and adds the edges that make it so. */
static bool settle_state(dependencies *d) {
    for (uint32_t k = 0; k < d->count; k++) {
        kernel *writer = d->l->kernels.items[k];
        for (uint32_t s = 0; s < writer->stores.count; s++) {
            uint32_t state = writer->stores.items[s].to.buffer;
            if (d->l->buffers.items[state].place != PLACE_STATE) continue;
            if (!in_place(d, k, &writer->stores.items[s])) {
                detour(d->l, &writer->stores.items[s]);
                return false;
            }
            for (uint32_t r = 0; r < d->count; r++)
                if (r != k && kernel_reads(d->l->kernels.items[r], state)) *edge(d, r, k) = true;
        }
    }
    return true;
}

/* Every thread runs a check in full, so that what comes behind it needs no barrier, unless it overwrites what others may
 * still be checking.  Behind a call the threads meet, and agree on whether it failed. */
static bool same_phase(const kernel *before, const kernel *after) {
    if (before->kind == KERNEL_CALL) return false;
    if (before->kind != KERNEL_CHECK) return before->serial && after->serial;
    for (uint32_t s = 0; s < after->stores.count; s++)
        if (kernel_reads(before, after->stores.items[s].to.buffer)) return false;
    return true;
}

static bool ready(const dependencies *d, uint32_t k, const int32_t *phase, int32_t now) {
    for (uint32_t p = 0; p < d->count; p++) {
        if (!*edge(d, p, k)) continue;
        if (phase[p] < 0) return false;
        if (phase[p] == now && !same_phase(d->l->kernels.items[p], d->l->kernels.items[k])) return false;
    }
    return true;
}

static void cut_phases(const dependencies *d) {
    kernel_list *l = d->l;
    int32_t *phase = ARENA_ARRAY(l->memory, int32_t, d->count), now = 0;
    kernel **order = ARENA_ARRAY(l->memory, kernel *, d->count);
    for (uint32_t k = 0; k < d->count; k++) phase[k] = -1;
    for (uint32_t done = 0; done < d->count; now++) {
        uint32_t before = done;
        for (bool more = true; more;) {
            more = false;
            for (uint32_t k = 0; k < d->count; k++) {
                if (phase[k] >= 0 || !ready(d, k, phase, now)) continue;
                phase[k] = now;
                l->kernels.items[k]->phase = now;
                order[done++] = l->kernels.items[k];
                more = true;
            }
        }
        assert(done > before && "dependencies form no cycle");
        (void)before;
    }
    if (d->count) memcpy(l->kernels.items, order, sizeof *order * d->count);
    l->phases = now;
}

static void live(kernel_list *l, uint32_t id, int32_t phase) {
    buffer *b = &l->buffers.items[id];
    if (b->place != PLACE_ARENA) return;
    if (b->first < 0 || phase < b->first) b->first = phase;
    if (phase > b->last) b->last = phase;
}

static void set_lifetimes(kernel_list *l) {
    for (uint32_t i = 0; i < l->kernels.count; i++) {
        const kernel *k = l->kernels.items[i];
        for (uint32_t s = 0; s < k->stores.count; s++) live(l, k->stores.items[s].to.buffer, k->phase);
        for (uint32_t v = 0; v < k->values.count; v++)
            if (k->values.items[v].kind == VALUE_LOAD) live(l, k->values.items[v].at.buffer, k->phase);
        if (k->kind == KERNEL_CONTRACT) {
            live(l, k->left.buffer, k->phase);
            live(l, k->right.buffer, k->phase);
        }
    }
}

void schedule(kernel_list *l) {
    for (uint32_t i = 0; i < l->kernels.count; i++) {
        kernel *k = l->kernels.items[i];
        k->serial = k->kind == KERNEL_CALL || (k->kind != KERNEL_CHECK && k->cost < SERIAL_NS);
    }
    dependencies d = dependencies_of(l);
    while (!settle_state(&d)) d = dependencies_of(l);
    cut_phases(&d);
    set_lifetimes(l);
}
