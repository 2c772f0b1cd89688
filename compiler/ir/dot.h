/* SPDX-License-Identifier: Apache-2.0
 * Pictures in Graphviz' language DOT, and DOT made SVG. */
#ifndef GRADUS_IR_DOT_H
#define GRADUS_IR_DOT_H

#include "ir/graph.h"

/* One entry of the graph, or all where `entry_name` is NULL, as gradus/draw.h says.  Needs a guard. */
void graph_dot(const gradus_graph *g, const char *entry_name, text *out);

/* `string` as it stands in a DOT label between quotes.  Needs a guard. */
void dot_escape(text *out, const char *string);

/* Lays DOT out as SVG by Graphviz' `dot` and writes it.  GRADUS_ERROR_NOT_FOUND where that program is not on the PATH,
 * GRADUS_ERROR_IO with what it said where it fails.  Needs no guard. */
gradus_status dot_write_svg(const char *dot, size_t length, const char *path);

#endif
