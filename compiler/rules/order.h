/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of summation: pure functions of an op's static logical extents and reduced axes alone, used by the evaluator
 * and by every emitter, so that a result has the same bits whoever computes it.  The run-time batch counts as "many":
 * a call with batch 1 rounds as one with batch 32 does.  Changing anything here changes every recorded bit.
 *
 * Reductions see their operand as [outer, n, inner] and reduce n.
 *
 *   inner is 1 (the innermost axes are reduced): ORDER_LANES virtual lanes; element e goes to lane e % ORDER_LANES, each
 *   lane is a chain that starts at the op's identity (+0 for sums) and takes its elements in order; then the lanes are
 *   combined by a tree: for (half = ORDER_LANES / 2; half; half /= 2) lane[i] = lane[i] op lane[i + half], i < half.
 *
 *   inner is not 1: blocks of ORDER_ROWS rows; in each block a chain from the identity takes the rows in order; the
 *   result is identity op block 0 op block 1 …, from left to right.
 *
 * Lanes and blocks that got no element hold the identity.  For sums that may be +0 or −0 alike: no chain is ever −0,
 * since it starts at +0.
 *
 * Contractions: for each output one chain acc = fma(x, y, acc) from +0 over k ascending, in chunks of ORDER_DEPTH; the
 * first chunk's chain is the result so far, each further chunk's chain is added to it: r = r + chain.
 */
#ifndef GRADUS_RULES_ORDER_H
#define GRADUS_RULES_ORDER_H

#include "ir/graph.h"

enum { ORDER_LANES = 64, ORDER_ROWS = 128, ORDER_DEPTH = 4096 };

typedef struct {
    extent outer, n, inner;
    bool lanes; /* the form for inner == 1 */
} reduction_order;

/* How a reduction of `shape` over `axes` (a run of neighbouring axes, ascending) goes. */
reduction_order order_of_reduction(const gradus_shape *shape, const gradus_axes *axes);

#endif
