/* SPDX-License-Identifier: Apache-2.0
 * What a program is inside: a core (code, state, threads) that the programs of one state share, and for each program
 * an arena. */
#ifndef GRADUS_RUNTIME_CORE_H
#define GRADUS_RUNTIME_CORE_H

#include "runtime/pool.h"
#include "runtime/program.h"
#include "runtime/progress.h"
#include "runtime/support.h"

#include <stdatomic.h>

typedef struct {
    const gradus_abi_program *abi;
    unsigned char *state;
    bool *written; /* state tensors that were written since the beginning; only with the state locked for writing */
    int32_t n_written;
    atomic_bool initialized;
    atomic_int users; /* of the state: how many read it; -1 where one writes it */
    atomic_int programs;
    int32_t threads;
    size_t arena_bytes; /* what the most demanding entry needs */
    size_t n_arguments; /* the most inputs or outputs that an entry has */
    pool *pool;
    void (*release)(void *owner);
    void *owner;
    program_explain explain; /* NULL: results need not be finite */
    bool fitting;            /* a model's fit is under way: what follows is its own, whatever is loaded */
    fit_progress progress;   /* of the fit, which changes it with the state locked for writing, */
    unsigned char *best;     /* and the state of its best epoch; NULL: not kept */
    unsigned char *saved;    /* with `explain`: the state before a call that writes it */
} program_core;

struct gradus_program {
    program_core *core;
    unsigned char *arena;
    const void **inputs;
    void **outputs;
    int64_t report[2];
    atomic_bool calling; /* the arena is in use */
};

/* Takes the state for reading, together with other readers, or for writing, alone.  False where it is taken. */
bool core_lock(program_core *core, bool write);
void core_unlock(program_core *core, bool write);

/* "state is busy" and "never initialised", as errors of `where`. */
gradus_status fail_busy(const char *where);
gradus_status fail_uninitialized(const char *where);

/* How many threads an entry runs on. */
static inline int32_t core_threads(const program_core *core, const gradus_abi_entry *e) {
    return e->threads < core->threads ? e->threads : core->threads;
}

/* Runs an entry whose arguments were checked, with state and arena taken.  A failed check becomes an error. */
gradus_status program_run(gradus_program *program, const gradus_abi_entry *e, int64_t batch, const void *const *inputs,
                          void *const *outputs);

/* The same where results have to be finite (core->explain is there). */
gradus_status program_run_finite(gradus_program *program, const gradus_abi_entry *e, int64_t batch,
                                 const void *const *inputs, void *const *outputs);

/* The entry of a name, or NULL after setting the error. */
const gradus_abi_entry *program_find_entry(const gradus_program *program, const char *name);

/* The number of elements of a shape for a batch; -1 where it does not fit. */
int64_t abi_elements(const gradus_shape *shape, int64_t batch);

static inline size_t state_tensor_bytes(const gradus_abi_tensor *t) {
    return (size_t)abi_elements(&t->shape, 1) * gradus_dtype_size(t->dtype);
}

/* Frees the state of the best epoch. */
void core_forget_best(program_core *core);

/* Notes that a state tensor has a value now; all of them together make the state initialised.  The state is locked for
 * writing. */
void core_mark_written(program_core *core, const gradus_abi_tensor *t);

#endif
