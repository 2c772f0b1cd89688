/* SPDX-License-Identifier: Apache-2.0
 * Pictures of graphs in Graphviz' language DOT. */
#ifndef GRADUS_IR_DOT_H
#define GRADUS_IR_DOT_H

#include "base/graphviz.h"
#include "ir/graph.h"

/* One entry of the graph, or all where `entry_name` is NULL, as gradus/draw.h says.  Needs a guard. */
void graph_dot(const gradus_graph *g, const char *entry_name, text *out);

#endif
