/* SPDX-License-Identifier: Apache-2.0
 *
 * Random valid graphs, for tests that compare two ways of computing the same: evaluator against evaluator after a pass,
 * fused against not fused, JIT against AOT.  A seed is a graph: the same on every machine.
 */
#ifndef TESTS_RANDOM_GRAPH_H
#define TESTS_RANDOM_GRAPH_H

#include "rules/evaluate.h"

typedef struct {
    uint64_t state;
} random_source; /* splitmix64 (Steele, Lea and Flood 2014) */

uint64_t random_next(random_source *r);
int64_t random_up_to(random_source *r, int64_t bound); /* 0 … bound-1 */
double random_between(random_source *r, double low, double high);

/* Every third seed is a wild one: among its constants and values are zeros of both signs, infinities, NaN, subnormals and
 * 1e±30, and operations may have operands that they are not defined for. */
bool random_is_wild(uint64_t seed);
double random_special(random_source *r);

/* A graph of 5 to 30 operations made through the public API, with inputs, parameters, shared values, views, reductions,
 * matmuls, look-ups and mixed dtypes, of extents 0 1 2 3 7 8 9 16 17 31 33 64 and often the batch.  It has the entry
 * "step": some tensors, a loss and gradients as outputs, or an optimizer's updates, and often second derivatives; and the entry "look", without
 * updates.  NULL where memory is short.  A graph whose status is not GRADUS_OK is a bug of the generator or the
 * builders. */
gradus_graph *random_graph(uint64_t seed);

/* Values for a call of it.  Fills out->data for a node that is bound: an input, param or state; `training` and `seed`
 * are the caller's, or taken as false and (7, 0).  Indices stay within their bounds; floats are within ±2, small
 * integers among them, special values where the seed is wild; the second moments of optimizers are not negative.  Values depend on the seed and the node's
 * name alone. */
void random_values(uint64_t seed, const node *n, array *out);

/* As `bind` of an evaluation; user is a uint64_t, the seed. */
void random_bind(void *user, uint32_t id, const node *n, array *out);

#endif
