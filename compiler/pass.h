/* SPDX-License-Identifier: Apache-2.0
 *
 * Passes over a graph: one shape, one runner.  A pass rebuilds g->nodes (and the ids in entries, updates and states) in
 * the graph's own arena and says whether it changed anything.  After a pass ids ascending is again an order of evaluation.
 */
#ifndef GRADUS_PASS_H
#define GRADUS_PASS_H

#include "ir/graph.h"

typedef bool (*graph_pass)(gradus_graph *g);

typedef struct {
    const char *name;
    graph_pass run;
} pass_row;

/* Runs the rows in turn, again and again until none changes anything.  Validates the graph after each in debug builds,
 * and writes it to GRADUS_DUMP after each that changed something.  `label` names the graph in the dump's file names. */
void pass_run(gradus_graph *g, const pass_row *rows, size_t count, const char *label);

/* The passes that every entry goes through before fusion: the visible list is in pipeline.c. */
extern const pass_row pipeline_rewrites[];
extern const size_t pipeline_rewrite_count;

/* Copies what one entry of the user's graph needs into `into`, an empty graph: nodes that it reaches, `training` folded,
 * inputs in the entry's order.  `into` then has that one entry, and all of the user's states in the same order (their
 * init is 0: it is the init entry's matter).  Needs a guard. */
void extract_entry(const gradus_graph *g, const entry *e, gradus_graph *into);

/* The same for initialisation: an entry "init" without inputs whose updates set every state to its first value, in which
 * reading a state means reading that first value.  The state rng starts as `seed`. */
void extract_init(const gradus_graph *g, gradus_graph *into);

/* Writes `content` to $GRADUS_DUMP/NNN-label-stage.ext if that variable is set; NNN counts up in the process. */
bool dump_wanted(void);
void dump_text(const char *label, const char *stage, const char *extension, const char *content, size_t length);

#endif
