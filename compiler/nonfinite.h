/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a value stopped being finite: what a program compiled with check_nan says of a call whose results are NaN or
 * infinite.
 *
 * The entry is evaluated as its user wrote it, node by node, and followed back from each output and update that is not
 * finite through the operands that are not.  At fault is, of the nodes on these ways, the first in the graph's order
 *
 *   - whose element is NaN or infinite though those that it is made of are finite, or
 *   - that is an input, a state or a constant with a NaN in it;
 *
 * or, where there is none of these, the first that makes NaN of infinities (inf - inf, 0 * inf), or is an input or state
 * with an infinity in it.  What is left then are infinities that come from constants: those were asked for, and nothing is
 * at fault.  So -inf in a mask is no fault, nor is an infinity or NaN that disappears before it reaches a result.
 *
 * An element of an elementwise op is made of the operands' elements at its place; of any other op, of all of their
 * elements.
 */
#ifndef GRADUS_NONFINITE_H
#define GRADUS_NONFINITE_H

#include "rules/evaluate.h"

/* GRADUS_ERROR_NAN with the error "vae.c:41: exp: first NaN/Inf at [3, 7] of (32, 20): …" where a node is at fault, else
 * GRADUS_OK; or what evaluating failed with.  `how->nodes`, `outputs` and `values` are not looked at.  Needs a guard. */
gradus_status explain_nonfinite(const gradus_graph *g, const entry *e, const evaluation *how);

#endif
