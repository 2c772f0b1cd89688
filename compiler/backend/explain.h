/* SPDX-License-Identifier: Apache-2.0
 * Explaining results that are not finite, for programs compiled with check_nan: their entries' graphs, as their user wrote
 * them, evaluated on what a call was given. */
#ifndef GRADUS_BACKEND_EXPLAIN_H
#define GRADUS_BACKEND_EXPLAIN_H

#include "ir/graph.h"

#include <gradus/abi.h>

typedef struct {
    gradus_graph **entries; /* in the order of the program's; NULL for a program that need not explain anything */
    uint32_t count;
} explainer;

/* Copies the entries of a graph; `memory` holds the list.  To be freed whatever happens.  Needs a guard. */
void explainer_fill(explainer *x, const gradus_graph *g, arena *memory);
void explainer_free(explainer *x);

/* As a program_explain (runtime/program.h): the node at fault in a call of entry number `index`, as GRADUS_ERROR_NAN. */
gradus_status explainer_run(const explainer *x, uint32_t index, const gradus_abi_program *abi, const gradus_abi_call *call);

#endif
