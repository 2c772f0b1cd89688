/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of one entry point from the user's graph to planned kernels:
 * extract → rewrite → fuse → schedule → plan, with validators between them in debug builds and GRADUS_DUMP throughout.
 */
#ifndef GRADUS_LOWER_H
#define GRADUS_LOWER_H

#include "fuse/kernel.h"

typedef struct {
    gradus_graph *graph; /* the entry's own, rewritten; lowered_free frees it */
    kernel_list kernels;
    bool has_batch;      /* something in it depends on the batch of the call */
} lowered;

/* `e` is an entry of `g`, or NULL for initialisation.  `max_batch` is for entries that do not say their own; 0: none.
 * False, with the error set, for what cannot be compiled.  Needs a guard; out->graph is to be freed in any case. */
bool lower(const gradus_graph *g, const entry *e, int64_t max_batch, arena *memory, lowered *out);
void lowered_free(lowered *l);

#endif
