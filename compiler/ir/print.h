/* SPDX-License-Identifier: Apache-2.0
 * The graph's text form, written.  docs/ir.md specifies it; parse.h reads it. */
#ifndef GRADUS_IR_PRINT_H
#define GRADUS_IR_PRINT_H

#include "ir/graph.h"

/* All nodes, states and entries.  Sets of updates that no entry has are left out.  Printing what parse made of it gives
 * the same text again.  Needs a guard. */
void graph_print(const gradus_graph *g, text *out);

/* One node's line without its end: "%5 = matmul %1 %2 : f32 (B, 512)". */
void graph_print_node(const gradus_graph *g, uint32_t id, text *out);

/* Those attributes of a node that are in `which`, bits of op_attrs: " axes (0, 1)". */
void graph_print_attributes(const node *n, unsigned which, text *out);

/* The word before each attribute, by its bit in op_attrs in ascending order; NULL ends the list.  A name has none. */
typedef struct {
    unsigned bit;
    const char *word;
} attribute_word;
extern const attribute_word attribute_words[];

#endif
