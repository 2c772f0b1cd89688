/* SPDX-License-Identifier: Apache-2.0
 *
 * The rewriting passes.  None changes a bit of what the graph computes, a NaN's sign and payload apart; each takes time
 * linear in the nodes; each needs a guard.  Their order is in pipeline.c.
 */
#ifndef GRADUS_REWRITE_REWRITE_H
#define GRADUS_REWRITE_REWRITE_H

#include "ir/graph.h"

bool fold(gradus_graph *g);     /* computes what depends on constants alone */
bool simplify(gradus_graph *g); /* applies rules.def, and moves broadcasts and reshapes behind elementwise ops */
bool cse(gradus_graph *g);      /* makes equal nodes one */
bool dce(gradus_graph *g);      /* drops what nothing needs */

#endif
