/* SPDX-License-Identifier: Apache-2.0
 *
 * From the user's graph, a pool of nodes for many entries, to the graph of one entry.  Both functions copy: states
 * first, then inputs, in the order that the program's interface has, then what the entry computes, in the old order.
 *
 * What passes may rely on afterwards begins here.  The entry lists its checks and its calls with effects, which run even
 * where their value turns out not to matter; and no index of a gather or scatter is without a check, as a text may have it.
 */
#include "ir/custom.h"
#include "ir/literal.h"
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

/* Whether an index is in 0 … bound-1 whatever the data of the call are. */
static bool is_within(scalar index, gradus_dtype dtype, int64_t bound) {
    const int64_t i = dtype == GRADUS_I32 ? index.i32 : index.i64;
    return i >= 0 && i < bound;
}

/* The same of all indices that node `id` holds: they are checked, or known. */
static bool all_within(const gradus_graph *g, uint32_t id, int64_t bound) {
    const node *n = graph_node(g, id);
    while (op_is(n->op, MOVEMENT) && n->n_inputs == 1 && n->op != OP_pad) n = graph_node(g, n->inputs[0]);
    if (n->op == OP_check_index) return n->attr.bound <= bound;
    if (n->op == OP_fill) return is_within(n->attr.value, n->dtype, bound);
    if (n->op != OP_constant) return false;
    const size_t count = n->attr.bytes / gradus_dtype_size(n->dtype);
    for (size_t i = 0; i < count; i++)
        if (!is_within(scalar_load(n->dtype, n->attr.data, i), n->dtype, bound)) return false;
    return true;
}

/* The indices of a gather or scatter, behind a check where they have none.  Builders always put one. */
static uint32_t checked_indices(extraction *x, const node *user) {
    const uint32_t indices = user->inputs[1];
    const int64_t bound = shape_dim(&graph_node(x->into, user->inputs[0])->shape, user->attr.axis);
    if (all_within(x->into, indices, bound)) return indices;
    const node *n = graph_node(x->into, indices);
    node check = {.op = OP_check_index, .dtype = n->dtype, .shape = n->shape, .n_inputs = 1, .where = user->where};
    check.inputs = arena_copy(&x->into->memory, &indices, sizeof indices);
    check.attr.bound = bound;
    check.name = op_name(user->op);
    return append(x, &check);
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
    if (op_is(copy.op, GATHER) || op_is(copy.op, SCATTER)) inputs[1] = checked_indices(x, &copy);
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

/* Adds the entry, which keeps all checks and calls with effects: what was copied is what it needs. */
static void add_entry(extraction *x, entry e) {
    gradus_graph *g = x->into;
    uint32_t *kept = ARENA_ARRAY(&g->memory, uint32_t, g->nodes.count);
    e.kept = kept;
    e.n_kept = 0;
    for (uint32_t id = 1; id < g->nodes.count; id++)
        if (node_acts(graph_node(g, id))) kept[e.n_kept++] = id;
    VEC_PUSH(&g->memory, &g->entries, e);
}

void extract_entry(const gradus_graph *g, const entry *e, gradus_graph *into) {
    extraction x = begin(g, into);
    arena *memory = &into->memory;
    copy_states(&x);
    for (uint32_t i = 0; i < e->n_inputs; i++) copy_node(&x, e->inputs[i]);

    bool *needed = ARENA_ARRAY(memory, bool, g->nodes.count);
    mark_results(e, needed);
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
    add_entry(&x, copy);
}

/* --- initialisation -------------------------------------------------------------------------------------------------- */

typedef VEC(uint32_t) id_stack;

typedef struct {
    const uint32_t *ids;
    uint32_t count;
} id_list;

/* What a node is made from in initialisation, where reading a state means reading its first value.  `first` has the first
 * value of each state's node, and 0 of others. */
static id_list made_from(const gradus_graph *g, const uint32_t *first, uint32_t id) {
    const node *n = graph_node(g, id);
    return first[id] ? (id_list){&first[id], 1} : (id_list){n->inputs, n->n_inputs};
}

static bool *needed_for_init(const gradus_graph *g, const uint32_t *first, arena *memory) {
    bool *needed = ARENA_ARRAY(memory, bool, g->nodes.count);
    id_stack open = {0};
    for (uint32_t i = 0; i < g->states.count; i++) VEC_PUSH(memory, &open, g->states.items[i].node);
    while (open.count) {
        const uint32_t id = open.items[--open.count];
        const id_list from = made_from(g, first, id);
        if (needed[id]) continue;
        needed[id] = true;
        for (uint32_t i = 0; i < from.count; i++) VEC_PUSH(memory, &open, from.ids[i]);
    }
    return needed;
}

/* Copies a node, and before it what it is made from: builders make first values before their state, a text need not.  First
 * values never depend on themselves. */
static void copy_made(extraction *x, const uint32_t *first, uint32_t start, id_stack *open) {
    VEC_PUSH(&x->into->memory, open, start);
    while (open->count) {
        const uint32_t id = open->items[open->count - 1], depth = open->count;
        const id_list from = made_from(x->from, first, id);
        for (uint32_t i = 0; i < from.count && !x->map[id]; i++)
            if (!x->map[from.ids[i]]) VEC_PUSH(&x->into->memory, open, from.ids[i]);
        if (open->count > depth) continue;
        open->count--;
        if (x->map[id]) continue;
        if (first[id]) x->map[id] = x->map[first[id]];
        else copy_node(x, id);
    }
}

void extract_init(const gradus_graph *g, gradus_graph *into) {
    extraction x = begin(g, into);
    arena *memory = &into->memory;
    uint32_t *first = ARENA_ARRAY(memory, uint32_t, g->nodes.count);
    copy_states(&x);
    for (uint32_t i = 0; i < g->states.count; i++) {
        const state_info *s = &g->states.items[i];
        assert(s->init && "the builders and gradus_graph_read give every state a first value");
        first[s->node] = s->init;
        x.map[s->node] = 0; /* from here on: of its first value */
    }
    const bool *needed = needed_for_init(g, first, memory);
    id_stack open = {0};
    for (uint32_t i = 1; i < g->nodes.count; i++)
        if (needed[i] && !x.map[i]) copy_made(&x, first, i, &open);

    update *updates = ARENA_ARRAY(memory, update, g->states.count);
    for (uint32_t i = 0; i < g->states.count; i++)
        updates[i] = (update){into->states.items[i].node, x.map[g->states.items[i].node]};
    add_entry(&x, (entry){.name = "init", .training = true, .updates = {updates, g->states.count}});
}
