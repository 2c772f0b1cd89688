/* SPDX-License-Identifier: Apache-2.0
 *
 * From the user's graph, a pool of nodes for many entries, to the graph of one entry.  Both functions copy: states
 * first, then inputs, in the order that the program's interface has, then what the entry computes, in the old order.
 */
#include "ir/custom.h"
#include "pass.h"
#include "rewrite/rebuild.h"

#include <assert.h>

typedef struct {
    const gradus_graph *from;
    gradus_graph *into;
    uint32_t *map; /* id in `from` → id in `into` */
} extraction;

static extraction begin(const gradus_graph *g, gradus_graph *into) {
    assert(into->nodes.count == 1 && into->states.count == 0 && "extraction fills an empty graph");
    into->streams = g->streams;
    return (extraction){g, into, ARENA_ARRAY(&into->memory, uint32_t, g->nodes.count)};
}

static uint32_t append(extraction *x, const node *n) {
    node *copy = arena_copy(&x->into->memory, n, sizeof *n);
    VEC_PUSH(&x->into->memory, &x->into->nodes, copy);
    return x->into->nodes.count - 1;
}

/* A copy shares nothing with the graph that it comes from, which its user may destroy. */
static uint32_t copy_node(extraction *x, uint32_t id) {
    arena *memory = &x->into->memory;
    node copy = *graph_node(x->from, id);
    uint32_t *inputs = ARENA_ARRAY(memory, uint32_t, copy.n_inputs);
    for (uint32_t i = 0; i < copy.n_inputs; i++) {
        inputs[i] = x->map[copy.inputs[i]];
        assert(inputs[i] && "operands are copied before their users");
    }
    copy.inputs = inputs;
    copy.name = arena_string(memory, copy.name);
    copy.attr.name = arena_string(memory, copy.attr.name);
    if (copy.attr.data) copy.attr.data = arena_copy(memory, copy.attr.data, copy.attr.bytes);
    copy.attr.call = custom_copy(copy.attr.call, memory);
    copy.where.file = arena_string(memory, copy.where.file);
    return x->map[id] = append(x, &copy);
}

static uint32_t append_training(extraction *x, uint32_t id, bool training) {
    const node *n = graph_node(x->from, id);
    node fill = {.op = OP_fill, .dtype = GRADUS_BOOL, .shape = n->shape, .where = n->where};
    fill.where.file = arena_string(&x->into->memory, n->where.file);
    fill.attr.value.u8 = training;
    return x->map[id] = append(x, &fill);
}

static void copy_states(extraction *x) {
    for (uint32_t i = 0; i < x->from->states.count; i++) {
        uint32_t id = x->from->states.items[i].node;
        state_info copy = {.node = copy_node(x, id)};
        VEC_PUSH(&x->into->memory, &x->into->states, copy);
        if (id == x->from->rng) x->into->rng = copy.node;
    }
}

static const uint32_t *mapped_ids(extraction *x, const uint32_t *ids, uint32_t count) {
    uint32_t *mapped = ARENA_ARRAY(&x->into->memory, uint32_t, count);
    for (uint32_t i = 0; i < count; i++) mapped[i] = x->map[ids[i]];
    return mapped;
}

void extract_entry(const gradus_graph *g, const entry *e, gradus_graph *into) {
    extraction x = begin(g, into);
    arena *memory = &into->memory;
    copy_states(&x);
    for (uint32_t i = 0; i < e->n_inputs; i++) copy_node(&x, e->inputs[i]);

    bool *needed = ARENA_ARRAY(memory, bool, g->nodes.count);
    for (uint32_t i = 0; i < e->n_outputs; i++) needed[e->outputs[i]] = true;
    for (uint32_t i = 0; i < e->updates.count; i++) needed[e->updates.items[i].value] = true;
    mark_operands(g->nodes.items, g->nodes.count, needed);
    for (uint32_t i = 1; i < g->nodes.count; i++) {
        if (!needed[i] || x.map[i]) continue;
        if (graph_node(g, i)->op == OP_training) append_training(&x, i, e->training);
        else copy_node(&x, i);
    }

    update *updates = ARENA_ARRAY(memory, update, e->updates.count);
    for (uint32_t i = 0; i < e->updates.count; i++)
        updates[i] = (update){x.map[e->updates.items[i].state], x.map[e->updates.items[i].value]};
    entry copy = *e;
    copy.name = arena_string(memory, e->name);
    copy.where.file = arena_string(memory, e->where.file);
    copy.inputs = mapped_ids(&x, e->inputs, e->n_inputs);
    copy.outputs = mapped_ids(&x, e->outputs, e->n_outputs);
    copy.updates = (update_set){updates, e->updates.count};
    VEC_PUSH(memory, &into->entries, copy);
}

/* What initialisation needs: the first values, the operands of what is needed, and, since there reading a state means
 * reading its first value, the first values of the states among them. */
static bool *needed_for_init(const gradus_graph *g, const uint32_t *init, arena *a) {
    bool *needed = ARENA_ARRAY(a, bool, g->nodes.count);
    for (uint32_t i = 0; i < g->states.count; i++) needed[g->states.items[i].init] = true;
    for (uint32_t i = g->nodes.count; i-- > 1;) {
        if (!needed[i]) continue;
        const node *n = graph_node(g, i);
        for (uint32_t k = 0; k < n->n_inputs; k++) needed[n->inputs[k]] = true;
        if (init[i]) needed[init[i]] = true;
    }
    return needed;
}

void extract_init(const gradus_graph *g, gradus_graph *into) {
    extraction x = begin(g, into);
    arena *memory = &into->memory;
    copy_states(&x);

    uint32_t *init = ARENA_ARRAY(memory, uint32_t, g->nodes.count); /* of each state's node */
    for (uint32_t i = 0; i < g->states.count; i++) {
        const state_info *s = &g->states.items[i];
        assert(s->init && s->init < s->node && "a first value is older than its state");
        init[s->node] = s->init;
    }
    bool *needed = needed_for_init(g, init, memory);
    uint32_t seed = 0;
    if (g->rng) {
        node n = {.op = OP_seed, .dtype = GRADUS_I64, .shape = graph_node(g, g->rng)->shape};
        seed = append(&x, &n);
    }
    for (uint32_t i = 1; i < g->nodes.count; i++) {
        if (i == g->rng) x.map[i] = seed;
        else if (init[i]) x.map[i] = x.map[init[i]];
        else if (!needed[i]) continue;
        else if (graph_node(g, i)->op == OP_training) append_training(&x, i, true);
        else copy_node(&x, i);
    }

    update *updates = ARENA_ARRAY(memory, update, g->states.count);
    for (uint32_t i = 0; i < g->states.count; i++)
        updates[i] = (update){into->states.items[i].node, x.map[g->states.items[i].node]};
    entry e = {.name = "init", .training = true, .updates = {updates, g->states.count}};
    VEC_PUSH(memory, &into->entries, e);
}
