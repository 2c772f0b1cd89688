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
    bool check_nan;        /* a call whose results become NaN or infinite fails and says where they did, see below */
    uint64_t reserved_[8]; /* zero */
} gradus_compile_options;
#define gradus_compile_options(...) GRADUS_OPTIONS_(gradus_compile_options, __VA_ARGS__)

/* check_nan.  A call one of whose floating-point results (outputs, and the states that it updates) has a NaN or an
 * infinity fails with GRADUS_ERROR_NAN, and the state is as it was; outputs hold what was computed.  The error names the
 * first tensor in the order of building in which what then reached a result stopped being finite, and the first element
 * of it:
 *
 *     vae.c:41: exp: first NaN/Inf at [3, 7] of (32, 20): inf from 89.2
 *     vae.c:52: gradient of sqrt: div: first NaN/Inf at [0] of (8): inf from 0.5, 0
 *     vae.c:12: input "x": first NaN/Inf at [0, 4] of (32, 20): nan
 *
 * That is a tensor with a NaN or infinity where all that the element is made of is finite, or an input, state or constant
 * that has a NaN; failing these, one that makes NaN of infinities (inf - inf), or an input or state that has an infinity.
 * Infinities that come from constants alone (gradus_like(s, -INFINITY) in a mask) are no error even in a result, and
 * neither is what disappears before a result: log(0) that a gradus_where does not choose, exp(-inf), a NaN that is
 * compared or cast to an integer.  First values of states (gradus_program_init) are not looked at.
 *
 * The code that runs is the one that runs without it, and so are the bits; a call takes longer by looking at its results
 * and copying the state.  Only a result that is not finite takes much longer: the entry is then evaluated again, in plain
 * C on one thread, which allocates, and gives the same report whatever the number of threads.  GRADUS_DEBUG=nan in the
 * environment turns it on for every program. */

/* Compiles every entry point of the graph for this machine and makes a program of them, to be initialised by
 * gradus_program_init (run.h).  `options` may be NULL.  The graph stays as it is, may be built on and compiled
 * again, and may be destroyed before the program.
 *
 * GRADUS_ERROR_GRAPH: the graph has failed earlier (its first error is reported) or has no entry.
 * GRADUS_ERROR_ARGUMENT: wrong options.  GRADUS_ERROR_MEMORY.  GRADUS_ERROR_COMPILER: the back end refused.  Then
 * *program is NULL.
 *
 * Threads: a graph belongs to one thread at a time; several graphs may be compiled at once.  The work is done by threads of
 * the library's own, with stacks of 8 MB, for which the caller waits.  Where the system gives none, it is done by the caller's if
 * that has 2 MB of stack left, else the call fails with GRADUS_ERROR_MEMORY.
 *
 * LLVM's memory is malloc's, not the allocator's of gradus_set_allocator.  Where it runs out, or LLVM gives up otherwise, the call
 * fails, what LLVM had allocated for it is lost, and the next call works; but where memory runs out while LLVM is used for the
 * first time in the process, it cannot be used any more, and every later call fails.  In a library built without a C++
 * compiler, LLVM ends the process when memory runs out.  The process's fatal error handler of LLVM is the library's meanwhile.
 *
 * A child of fork() must not compile if another thread of its parent was compiling when it was made: LLVM's locks stay
 * locked in it. */
GRADUS_API gradus_status gradus_jit(gradus_graph *graph, const gradus_compile_options *options,
                                    gradus_program **program);

#ifdef __cplusplus
}
#endif
#endif
