/* SPDX-License-Identifier: Apache-2.0
 * The models whose training steps are timed. */
#ifndef BENCH_MODELS_H
#define BENCH_MODELS_H

#include <gradus/gradus.h>

enum { MOST_LAYERS = 8 };

typedef struct {
    const char *name;
    int64_t batch;
    gradus_optimizer (*optimizer)(void);
    /* Builds the inputs "x" and "y" and gives the loss. */
    gradus_tensor (*build)(gradus_graph *g, const int64_t *sizes);
    int64_t sizes[MOST_LAYERS]; /* what `build` makes of them: widths, ended by 0 */
    int32_t classes;            /* labels are below */
} workload;

extern const workload workloads[];
extern const size_t workload_count;

#endif
