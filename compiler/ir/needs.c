/* SPDX-License-Identifier: Apache-2.0
 * Sets of inputs, shared between nodes.  See needs.h. */
#include "ir/needs.h"

static uint32_t place_of(const needs *n, uint32_t a, uint32_t b) {
    const uint32_t parts[2] = {a, b};
    const uint64_t hash = hash_bytes(HASH_START, parts, sizeof parts);
    for (uint32_t i = (uint32_t)(hash ^ hash >> 32) & (n->room - 1);; i = (i + 1) & (n->room - 1)) {
        const source_set *s = &n->sets.items[n->table[i]];
        if (!n->table[i] || (s->parts[0] == a && s->parts[1] == b)) return i;
    }
}

/* The table is at most half full. */
static void grow(needs *n) {
    n->room = n->room ? n->room * 2 : 64;
    n->table = ARENA_ARRAY(n->memory, uint32_t, n->room);
    for (uint32_t i = 1; i < n->sets.count; i++) {
        const source_set *s = &n->sets.items[i];
        if (!s->source) n->table[place_of(n, s->parts[0], s->parts[1])] = i;
    }
}

static uint32_t add_set(needs *n, source_set s) {
    VEC_PUSH(n->memory, &n->sets, s);
    return n->sets.count - 1;
}

static bool holds(const needs *n, uint32_t set, uint32_t part) {
    return n->sets.items[set].parts[0] == part || n->sets.items[set].parts[1] == part;
}

static uint32_t unite(needs *n, uint32_t a, uint32_t b) {
    if (!a || a == b) return b;
    if (!b) return a;
    if (a > b) {
        const uint32_t larger = a;
        a = b;
        b = larger;
    }
    if (holds(n, b, a)) return b;
    if (n->sets.count >= n->room / 2) grow(n);
    uint32_t *place = &n->table[place_of(n, a, b)];
    if (!*place)
        *place = add_set(n, (source_set){.parts = {a, b}, .seed = n->sets.items[a].seed || n->sets.items[b].seed});
    return *place;
}

void needs_of(const gradus_graph *g, arena *memory, needs *out) {
    *out = (needs){.memory = memory, .of = ARENA_ARRAY(memory, uint32_t, g->nodes.count)};
    add_set(out, (source_set){.seed = false});
    for (uint32_t id = 1; id < g->nodes.count; id++) {
        const node *n = graph_node(g, id);
        if (n->op == OP_input || n->op == OP_seed)
            out->of[id] = add_set(out, (source_set){.source = id, .seed = n->op == OP_seed});
        for (uint32_t i = 0; i < n->n_inputs; i++) out->of[id] = unite(out, out->of[id], out->of[n->inputs[i]]);
    }
    out->walked = ARENA_ARRAY(memory, uint32_t, out->sets.count);
}

static void meet(needs *n, uint32_t set) {
    if (!set || n->walked[set] == n->walk) return;
    n->walked[set] = n->walk;
    VEC_PUSH(n->memory, &n->open, set);
}

uint32_t needs_unlisted(needs *n, const gradus_graph *g, const entry *e, const uint32_t *listed, uint32_t mark) {
    uint32_t last = 0;
    n->walk++;
    for (uint32_t i = 0; i < e->n_outputs; i++) meet(n, n->of[e->outputs[i]]);
    for (uint32_t i = 0; i < e->n_kept; i++) meet(n, n->of[e->kept[i]]);
    for (uint32_t i = 0; i < e->updates.count; i++) meet(n, n->of[e->updates.items[i].value]);
    while (n->open.count) {
        const source_set s = n->sets.items[n->open.items[--n->open.count]];
        if (s.source > last && graph_node(g, s.source)->op == OP_input && listed[s.source] != mark) last = s.source;
        meet(n, s.parts[0]);
        meet(n, s.parts[1]);
    }
    return last;
}
