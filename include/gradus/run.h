/* SPDX-License-Identifier: Apache-2.0
 *
 * Programs: compiled entry points with their state, to be called, read and written by name.  A program comes from
 * gradus_jit (compile.h) and outlives its graph.
 *
 *     gradus_program_init(p, 42);
 *     gradus_call(p, "train", 128, GRADUS_INPUTS(images, labels), GRADUS_OUTPUTS(&loss));
 *
 * Memory.  All of it is allocated when the program is made; a call allocates nothing.
 *
 * Threads.  Any thread may use a program, one call at a time: a call that meets another gets GRADUS_ERROR_BUSY at
 * once and changes nothing.  Programs of one state (gradus_program_share) run their calls at the same time as long
 * as none of these writes the state; a call that writes it (an entry with updates, _init, _reseed, _write, _set)
 * needs it alone.  Results do not depend on the number of threads.
 *
 * fork().  Worker threads do not survive it: in the child, a program of the parent runs on the calling thread alone.
 * Do not fork while a call runs in another thread.
 */
#ifndef GRADUS_RUN_H
#define GRADUS_RUN_H

#include <gradus/common.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Frees a program and clears the pointer; takes NULL and a pointer to NULL.  State that is shared lives on until the
 * last of its programs is destroyed.  No call of this program may be running. */
GRADUS_API void gradus_program_destroy(gradus_program **program);

/* A second program over the same state, with an arena of its own, so that another thread can call at the same time
 * (see above).  The two are equals: destroy both, in any order.  GRADUS_ERROR_MEMORY. */
GRADUS_API gradus_status gradus_program_share(gradus_program *program, gradus_program **shared);

/* Gives every state tensor its first value, drawn with `seed`: equal seeds give equal bits.  May be called again, to
 * start over.  Writes the state. */
GRADUS_API gradus_status gradus_program_init(gradus_program *program, uint64_t seed);

/* Restarts the random numbers that entries draw (dropout, gradus_random_normal, …) at `seed`, and leaves all else as
 * it is.  A program that draws none takes it for granted.  Writes the state. */
GRADUS_API gradus_status gradus_program_reseed(gradus_program *program, uint64_t seed);

/* Runs an entry point.
 *
 * `batch` is the value of GRADUS_BATCH in this call, from 1 to the entry's max_batch; an entry without a batch
 * dimension ignores it.  `inputs` and `outputs` are the caller's memory in the order of gradus_define, dense and
 * row-major, aligned to their elements; GRADUS_INPUTS and GRADUS_OUTPUTS make them.  Outputs must overlap neither
 * inputs nor each other.  NULL is fine for a tensor without elements, and for no other.
 *
 * GRADUS_ERROR_NOT_FOUND: no such entry.  GRADUS_ERROR_MISMATCH: a wrong number of inputs or outputs, or a pointer
 * whose type is known to be wrong.  GRADUS_ERROR_ARGUMENT: a batch out of range, a NULL pointer, or an index (a
 * label, an index of gradus_take) out of range.  GRADUS_ERROR_UNINITIALIZED: the state has no values yet.
 * GRADUS_ERROR_BUSY: see above.  GRADUS_ERROR_NAN: a result is not finite, in a program compiled with check_nan
 * (compile.h).  After any of these the state is as it was. */
GRADUS_API gradus_status gradus_call(gradus_program *program, const char *entry, int64_t batch, gradus_inputs inputs,
                                     gradus_outputs outputs);

/* Copies a state tensor (a parameter, an optimizer's slot, …) out of or into the program.  `bytes` must be the
 * tensor's size exactly, else GRADUS_ERROR_MISMATCH.  GRADUS_ERROR_NOT_FOUND names what is near.  A program whose
 * state tensors were all written is initialised; before that, _read gives GRADUS_ERROR_UNINITIALIZED. */
GRADUS_API gradus_status gradus_program_read(gradus_program *program, const char *name, void *data, size_t bytes);
GRADUS_API gradus_status gradus_program_write(gradus_program *program, const char *name, const void *data,
                                              size_t bytes);

/* Sets every element of a state tensor to one value, typically a scalar such as "adam/learning_rate".  The value is
 * rounded to a floating-point dtype; an integer dtype must be able to hold it exactly, BOOL takes 0 and 1, and what
 * does not fit is GRADUS_ERROR_ARGUMENT. */
GRADUS_API gradus_status gradus_program_set(gradus_program *program, const char *name, double value);

/* An entry point. */
typedef struct {
    const char *name;        /* lives as long as the program */
    size_t inputs, outputs;  /* how many there are: gradus_program_info tells of each */
    int64_t max_batch;       /* 0 without a batch dimension */
    bool writes_state;
    size_t arena_bytes;      /* temporaries of one call with one thread */
} gradus_entry_info;

/* The entry points in the order of definition, `index` from 0; GRADUS_ERROR_NOT_FOUND past the last. */
GRADUS_API gradus_status gradus_program_entry(const gradus_program *program, size_t index, gradus_entry_info *info);

typedef enum { GRADUS_INPUT, GRADUS_OUTPUT, GRADUS_STATE } gradus_role;

/* A tensor of a program. */
typedef struct {
    const char *name; /* lives as long as the program; "" for an output without a name */
    gradus_dtype dtype;
    gradus_shape shape;
    size_t bytes;
    size_t offset; /* state: where it is in gradus_program_state; else 0 */
    bool trained;  /* state: a parameter */
} gradus_info;

/* Describes the `index`-th input or output of an entry, or state tensor (`entry` is then ignored and may be NULL;
 * parameters come first).  With a `batch` from 1 to max_batch, shape and bytes are those of a call with that batch;
 * with 0 the shape keeps GRADUS_BATCH (extents -k) and `bytes` is what max_batch needs.  GRADUS_ERROR_NOT_FOUND past
 * the last. */
GRADUS_API gradus_status gradus_program_info(const gradus_program *program, const char *entry, gradus_role role,
                                             size_t index, int64_t batch, gradus_info *info);

/* The whole state as one block, in the layout of an object that is compiled ahead of time: gradus_program_info gives
 * the offsets, bytes between tensors mean nothing.  The block is the program's, stays where it is, and may be read
 * and written while no call runs.  It is all zeros until gradus_program_init, which comes first also where the block
 * is then filled from a copy.  A state without tensors has 0 bytes. */
GRADUS_API gradus_status gradus_program_state(gradus_program *program, void **data, size_t *bytes);

#ifdef __cplusplus
}
#endif
#endif
