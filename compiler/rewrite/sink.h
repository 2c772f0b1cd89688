/* SPDX-License-Identifier: Apache-2.0
 *
 * Movements sink behind elementwise ops, where fewer elements are to be computed or movements meet and cancel. */
#ifndef GRADUS_REWRITE_SINK_H
#define GRADUS_REWRITE_SINK_H

#include "ir/graph.h"

/* What an elementwise node `n` (whose operands are in g) becomes when its operands' broadcast or reshape goes behind
 * it: the new id; 0 where there is nothing to gain. */
uint32_t sink(gradus_graph *g, const node *n);

#endif
