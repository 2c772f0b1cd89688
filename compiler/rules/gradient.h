/* SPDX-License-Identifier: Apache-2.0
 *
 * The op table's gradient column.  A rule says, for one node r = op(x, y, z) and the cotangent dr (the derivative of
 * what is differentiated with respect to r), which cotangents its operands get.  Rules only build graph; who needs a
 * gradient and how several are added up is the driver's matter, see autodiff.h.
 */
#ifndef GRADUS_RULES_GRADIENT_H
#define GRADUS_RULES_GRADIENT_H

#include "ir/graph.h"

/* One application of a rule. */
typedef struct {
    gradus_graph *g;
    const node *n;     /* the node that is differentiated */
    uint32_t r;        /* its id */
    uint32_t dr;       /* its cotangent: of r's dtype and shape */
    const bool *wants; /* per operand: is its cotangent needed? */
    uint32_t *gives;   /* per operand: the cotangent, of its dtype and shape; 0 where none flows */
} derivation;

typedef void (*gradient_rule)(const derivation *d); /* a rule: gradient_CELL */

typedef enum {
    GRADIENT_NONE, /* there is none: asking for it is an error (and what the poison node has) */
    GRADIENT_ZERO, /* zero everywhere */
    GRADIENT_RULE,
} gradient_kind;

gradient_kind gradient_kind_of(const node *n);

/* Applies the rule of d->n's op; requires its kind to be GRADIENT_RULE. */
void gradient_of(const derivation *d);

#endif
