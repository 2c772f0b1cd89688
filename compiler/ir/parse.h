/* SPDX-License-Identifier: Apache-2.0
 * The graph's text form, read.  docs/ir.md specifies it; print.h writes it. */
#ifndef GRADUS_IR_PARSE_H
#define GRADUS_IR_PARSE_H

#include "ir/graph.h"

/* Reads `content` into an empty graph.  Every node is made through graph_add, so that the shape rules check it, and the
 * result is valid as graph_validate has it.  GRADUS_ERROR_FORMAT: gradus_last_error() says "name:line:column: what was
 * expected".  GRADUS_ERROR_MEMORY.  After an error `into` is fit for graph_free alone.  Needs no guard. */
gradus_status graph_parse(const char *name, const char *content, size_t length, gradus_graph *into);

#endif
