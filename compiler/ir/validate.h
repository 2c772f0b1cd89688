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

/* Its parts.  Nodes must have been found valid before states, and those before entries. */
bool validate_node(const gradus_graph *g, uint32_t id, text *why);
bool validate_states(const gradus_graph *g, text *why);
bool validate_attached(const gradus_graph *g, const attachment *a, text *why); /* the others of g are valid */
bool validate_entry(const gradus_graph *g, const entry *e, text *why);

#endif
