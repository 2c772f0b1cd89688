/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiling a graph's entry points (gradus_define, graph.h) into the running process.
 */
#ifndef GRADUS_COMPILE_H
#define GRADUS_COMPILE_H

#include <gradus/common.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero means the default. */
typedef struct {
    size_t size_;
    int64_t max_batch;     /* the largest batch of a call, for entries that do not say their own; memory is planned for
                              it.  Default: none, an error where such an entry has a batch dimension */
    int32_t threads;       /* how many a call may use; default: as many CPUs as the process may (affinity and the
                              control group's quota respected).  Results do not depend on it */
    bool check_nan;        /* a call whose values become NaN or infinite fails with GRADUS_ERROR_NAN and says where;
                              slower */
    uint64_t reserved_[8]; /* zero */
} gradus_compile_options;
#define gradus_compile_options(...) GRADUS_OPTIONS_(gradus_compile_options, __VA_ARGS__)

/* Compiles every entry point of the graph for this machine and makes a program of them, to be initialised by
 * gradus_program_init (run.h).  `options` may be NULL.  The graph stays as it is, may be built on and compiled
 * again, and may be destroyed before the program.
 *
 * GRADUS_ERROR_GRAPH: the graph has failed earlier (its first error is reported) or has no entry.
 * GRADUS_ERROR_ARGUMENT: wrong options.  GRADUS_ERROR_MEMORY.  GRADUS_ERROR_COMPILER: the back end refused.  Then
 * *program is NULL.
 *
 * Threads: a graph belongs to one thread at a time; several graphs may be compiled at once. */
GRADUS_API gradus_status gradus_jit(gradus_graph *graph, const gradus_compile_options *options,
                                    gradus_program **program);

#ifdef __cplusplus
}
#endif
#endif
