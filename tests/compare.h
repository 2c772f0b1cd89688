/* SPDX-License-Identifier: Apache-2.0
 * Compiled code against the evaluator, bit for bit; a NaN equals any NaN. */
#ifndef TESTS_COMPARE_H
#define TESTS_COMPARE_H

#include "tests/cmocka_all.h"

#include "rules/evaluate.h"

/* Where inputs and states have their values from, as `bind` of an evaluation. */
typedef struct {
    void (*bind)(void *user, uint32_t id, const node *n, array *out);
    void *user;
} source_of_values;

/* Compiles the graph for `threads` threads and runs every entry point once with each of the batches, those above its
 * max_batch as that: whether first values, outputs and states are what the evaluator makes of the same values, and an index
 * out of bounds is an error of both, after which the state is as it was.  Where not, `why` says it in words. */
bool graph_agrees(gradus_graph *g, const int64_t *batches, size_t n_batches, int32_t threads, source_of_values values,
                  char *why, size_t room);

/* The same as a test, which fails naming `what`. */
void compare_graph(gradus_graph *g, const char *what, const int64_t *batches, size_t n_batches, int32_t threads,
                   source_of_values values);

#endif
