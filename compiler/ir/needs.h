/* SPDX-License-Identifier: Apache-2.0
 *
 * Which inputs each node depends on, and whether on the seed.  Nodes with the same needs share one set, and a set is a
 * union of two earlier ones, so that all nodes together take time and memory linear in their operands; and so does asking
 * for entry after entry, where entries do not need many inputs in many combinations.
 */
#ifndef GRADUS_IR_NEEDS_H
#define GRADUS_IR_NEEDS_H

#include "ir/graph.h"

typedef struct {
    uint32_t parts[2]; /* a union: the sets that it is made of */
    uint32_t source;   /* else: an input, or the node `seed` */
    bool seed;         /* whether the seed is in it */
} source_set;

typedef struct {
    arena *memory;
    uint32_t *of; /* by node: its set; 0 is the empty one */
    VEC(source_set) sets;
    uint32_t *table, room;  /* from a union's parts to its number */
    uint32_t *walked, walk; /* by set: the last walk that met it */
    VEC(uint32_t) open;
} needs;

/* Of all nodes of a graph.  Needs a guard. */
void needs_of(const gradus_graph *g, arena *memory, needs *out);

/* The last input that the entry's results depend on and that `listed` does not mark with `mark`; 0 if there is none. */
uint32_t needs_unlisted(needs *n, const gradus_graph *g, const entry *e, const uint32_t *listed, uint32_t mark);

static inline bool needs_seed(const needs *n, uint32_t id) { return n->sets.items[n->of[id]].seed; }

#endif
