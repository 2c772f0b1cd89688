/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a graph keeps the rules that every pass may rely on.  Runs between passes in debug builds and behind the
 * parser always; docs/ir.md lists the rules.  Each function says why not in `why`, whose arena also serves as scratch
 * memory.  They need a guard.
 */
#ifndef GRADUS_IR_VALIDATE_H
#define GRADUS_IR_VALIDATE_H

#include "ir/graph.h"

bool graph_validate(const gradus_graph *g, text *why);

/* Its parts.  Nodes must have been found valid before states, and those before attached updates and entries. */
bool validate_node(const gradus_graph *g, uint32_t id, text *why);
bool validate_made(const gradus_graph *g, uint32_t id, text *why); /* the same of one that graph_add has just made */
bool validate_states(const gradus_graph *g, text *why);

/* Attached updates and entries are checked one after another; what these checks share lets all of them together take time
 * linear in the graph.  No node may come after the first of them. */
typedef struct entry_checks entry_checks;
entry_checks *entry_checks_new(const gradus_graph *g, arena *memory);
bool validate_attached(entry_checks *checks, const attachment *a, text *why);
bool validate_entry(entry_checks *checks, const entry *e, text *why); /* but for its name's being a new one */

#endif
