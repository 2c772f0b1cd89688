/* SPDX-License-Identifier: Apache-2.0
 *
 * What every rewriting pass shares: it walks the old nodes in the order of their ids, maps operands to what became of
 * them, and appends to a fresh list.  So ids ascending stays an order of evaluation, and nothing is edited in place.
 *
 *     rebuild r;
 *     rebuild_begin(&r, g);
 *     for (uint32_t i = 1; i < r.count; i++)
 *         r.map[i] = worth_it(r.old[i]) ? something_built_in(g) : rebuild_keep(&r, i);
 *     rebuild_end(&r);
 *
 * No pass and no rule need think of checks of indices and of calls with effects, which run even where their value turns out
 * not to matter: extraction lists them in the entry (`kept`), and rebuild_end keeps the list.
 */
#ifndef GRADUS_REWRITE_REBUILD_H
#define GRADUS_REWRITE_REBUILD_H

#include "ir/graph.h"

typedef struct {
    gradus_graph *g;
    node *const *old;
    uint32_t count; /* of old nodes, poison included */
    uint32_t *map;  /* old id → new id; 0: dropped */
} rebuild;

/* From here on g->nodes holds poison alone, and what is built in g goes behind it. */
void rebuild_begin(rebuild *r, gradus_graph *g);

/* The old node with its operands mapped, not yet in the graph; the node itself where the ids are the same. */
node *rebuild_mapped(rebuild *r, uint32_t old);

/* Appends a node that lives in the graph's arena; gives its id. */
uint32_t rebuild_append(rebuild *r, node *n);

/* Appends the old node with its operands mapped. */
uint32_t rebuild_keep(rebuild *r, uint32_t old);

/* Maps the ids in states, updates (those that belong to nodes, too) and entries, and rng.  What an entry keeps and has become a constant leaves the list. */
void rebuild_end(rebuild *r);

/* For each node, whether an entry, a state's first value or an update needs it.  Inputs of entries and all states
 * count as needed: their order is the program's interface; and so do calls with effects.  The array lives in `a`. */
bool *reachable_nodes(const gradus_graph *g, arena *a);

#endif
