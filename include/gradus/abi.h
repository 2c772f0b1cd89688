/* SPDX-License-Identifier: Apache-2.0
 *
 * The plain-C contract between compiled code and whoever calls it.  The compiler makes these tables, the runtime reads
 * them; an ahead-of-time object has the same entry functions behind its header.
 *
 * Memory is three regions.  State: parameters first, then other state, each tensor at the offset given, aligned to
 * GRADUS_ABI_ALIGN.  Arena: planned temporaries, then `scratch_bytes` for each thread.  And the caller's arguments.
 */
#ifndef GRADUS_ABI_H
#define GRADUS_ABI_H

#include <gradus/common.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { GRADUS_ABI_VERSION = 1, GRADUS_ABI_ALIGN = 64, GRADUS_ABI_CALLED = -1 };

/* One call, seen by all its threads.  Everything but `report` is constant during the call. */
typedef struct {
    void *state;
    unsigned char *arena;        /* aligned to GRADUS_ABI_ALIGN */
    const void *const *inputs;   /* in the entry's order; init has one input: int64_t[2], the seed and 0 */
    void *const *outputs;
    int64_t batch;               /* 1 where the entry has no batch dimension */
    void (*barrier)(void *team); /* returns when all threads have called it; used only if threads > 1 */
    void *team;
    int64_t *report;             /* two: a failed check's position (of elements, row-major) and value; a failed function's
                                  * mark, below 0, and what it returned */
} gradus_abi_call;

/* Every thread of a call runs this with its number; the results agree.  0, or 1 + the number of the check that failed:
 * then state is as it was. */
typedef int32_t (*gradus_abi_function)(const gradus_abi_call *call, int32_t thread, int32_t threads);

typedef struct {
    const char *name;
    gradus_dtype dtype;
    gradus_shape shape; /* extents -k are k times the batch */
    int64_t offset;     /* state only: bytes from the start of the state */
    bool trained;       /* state only: a parameter */
} gradus_abi_tensor;

/* What can fail before anything is written: an index that is checked, or a function of the user's. */
typedef struct {
    const char *where;  /* "mlp.c:20: softmax_cross_entropy" */
    int64_t bound;      /* right are 0 … bound-1; GRADUS_ABI_CALLED: no index, but a function */
    gradus_shape shape; /* of the indices, so that a position has coordinates */
} gradus_abi_check;

typedef struct {
    const char *name;
    gradus_abi_function function;
    const gradus_abi_tensor *inputs, *outputs;
    const gradus_abi_check *checks;
    int32_t n_inputs, n_outputs, n_checks;
    bool has_batch;        /* some extent is a multiple of the batch */
    bool writes_state;
    int64_t max_batch;     /* 1 where there is no batch dimension */
    int64_t arena_bytes;   /* without scratch; a multiple of GRADUS_ABI_ALIGN */
    int64_t scratch_bytes; /* a thread; likewise */
    int32_t threads;       /* how many threads can gain anything: 1 for what is too small to share */
} gradus_abi_entry;

typedef struct {
    uint32_t version; /* GRADUS_ABI_VERSION */
    int64_t state_bytes, param_bytes;
    const gradus_abi_tensor *state;
    const gradus_abi_entry *entries;
    const gradus_abi_entry *init;
    int32_t n_state, n_entries;
} gradus_abi_program;

#ifdef __cplusplus
}
#endif
#endif
