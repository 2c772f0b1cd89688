/* SPDX-License-Identifier: Apache-2.0
 * The walk that every rewriting pass is.  See rebuild.h. */
#include "rewrite/rebuild.h"

#include "ir/custom.h"

#include <assert.h>
#include <string.h>

void rebuild_begin(rebuild *r, gradus_graph *g) {
    *r = (rebuild){.g = g, .old = g->nodes.items, .count = g->nodes.count};
    r->map = ARENA_ARRAY(&g->memory, uint32_t, r->count);
    node *poison = g->nodes.items[0];
    g->nodes.items = ARENA_ARRAY(&g->memory, node *, r->count + 8);
    g->nodes.room = r->count + 8;
    g->nodes.items[0] = poison;
    g->nodes.count = 1;
}

node *rebuild_mapped(rebuild *r, uint32_t old) {
    node *n = r->old[old];
    bool same = true;
    for (uint32_t i = 0; i < n->n_inputs; i++) same = same && r->map[n->inputs[i]] == n->inputs[i];
    if (same) return n;
    node *copy = arena_copy(&r->g->memory, n, sizeof *n);
    uint32_t *inputs = ARENA_ARRAY(&r->g->memory, uint32_t, n->n_inputs);
    for (uint32_t i = 0; i < n->n_inputs; i++) inputs[i] = r->map[n->inputs[i]];
    copy->inputs = inputs;
    return copy;
}

uint32_t rebuild_append(rebuild *r, node *n) {
    for (uint32_t i = 0; i < n->n_inputs; i++)
        assert(n->inputs[i] && n->inputs[i] < r->g->nodes.count && "an operand was dropped");
    VEC_PUSH(&r->g->memory, &r->g->nodes, n);
    return r->g->nodes.count - 1;
}

uint32_t rebuild_keep(rebuild *r, uint32_t old) { return rebuild_append(r, rebuild_mapped(r, old)); }

static const uint32_t *mapped_ids(rebuild *r, const uint32_t *ids, uint32_t count) {
    uint32_t *mapped = ARENA_ARRAY(&r->g->memory, uint32_t, count);
    for (uint32_t i = 0; i < count; i++) {
        mapped[i] = r->map[ids[i]];
        assert(mapped[i] && "an entry's node was dropped");
    }
    return mapped;
}

static update_set mapped_updates(rebuild *r, update_set set) {
    update *items = ARENA_ARRAY(&r->g->memory, update, set.count);
    for (uint32_t i = 0; i < set.count; i++) {
        items[i] = (update){r->map[set.items[i].state], r->map[set.items[i].value]};
        assert(items[i].state && items[i].value && "an update's node was dropped");
    }
    return (update_set){items, set.count};
}

/* A check of constants that are right is a constant. */
static void map_kept(rebuild *r, entry *e) {
    uint32_t *kept = ARENA_ARRAY(&r->g->memory, uint32_t, e->n_kept), count = 0;
    bool *listed = ARENA_ARRAY(&r->g->memory, bool, r->g->nodes.count);
    for (uint32_t i = 0; i < e->n_kept; i++) {
        const uint32_t id = r->map[e->kept[i]];
        assert(id && "a check or a call with effects was dropped");
        if (node_acts(graph_node(r->g, id)) && !listed[id]) kept[count++] = id;
        listed[id] = true;
    }
    e->kept = kept;
    e->n_kept = count;
}

void rebuild_end(rebuild *r) {
    gradus_graph *g = r->g;
    for (uint32_t i = 0; i < g->states.count; i++) {
        g->states.items[i].node = r->map[g->states.items[i].node];
        g->states.items[i].init = r->map[g->states.items[i].init];
    }
    for (uint32_t i = 0; i < g->updates.count; i++) g->updates.items[i] = mapped_updates(r, g->updates.items[i]);
    for (uint32_t i = 0; i < g->attached.count; i++) {
        attachment *a = &g->attached.items[i];
        *a = (attachment){r->map[a->node], {r->map[a->update.state], r->map[a->update.value]}};
        assert(a->node && a->update.state && a->update.value && "a node that an update needs was dropped");
    }
    for (uint32_t i = 0; i < g->entries.count; i++) {
        entry *e = &g->entries.items[i];
        e->inputs = mapped_ids(r, e->inputs, e->n_inputs);
        e->outputs = mapped_ids(r, e->outputs, e->n_outputs);
        e->updates = mapped_updates(r, e->updates);
        if (e->n_kept) map_kept(r, e);
    }
    g->rng = r->map[g->rng];
}

static void mark_updates(update_set set, bool *marked) {
    for (uint32_t i = 0; i < set.count; i++) marked[set.items[i].state] = marked[set.items[i].value] = true;
}

bool *reachable_nodes(const gradus_graph *g, arena *a) {
    bool *marked = ARENA_ARRAY(a, bool, g->nodes.count);
    for (uint32_t i = 0; i < g->states.count; i++)
        marked[g->states.items[i].node] = marked[g->states.items[i].init] = true;
    for (uint32_t i = 0; i < g->updates.count; i++) mark_updates(g->updates.items[i], marked);
    for (uint32_t i = 0; i < g->attached.count; i++) {
        marked[g->attached.items[i].node] = true;
        mark_updates((update_set){&g->attached.items[i].update, 1}, marked);
    }
    for (uint32_t i = 0; i < g->entries.count; i++) {
        const entry *e = &g->entries.items[i];
        for (uint32_t k = 0; k < e->n_inputs; k++) marked[e->inputs[k]] = true;
        mark_results(e, marked);
        mark_updates(e->updates, marked);
    }
    for (uint32_t i = 1; i < g->nodes.count; i++) marked[i] |= g->nodes.items[i]->attr.call && g->nodes.items[i]->attr.call->effects;
    marked[0] = true;
    mark_operands(g->nodes.items, g->nodes.count, marked);
    return marked;
}
