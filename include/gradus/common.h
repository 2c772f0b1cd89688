/* SPDX-License-Identifier: Apache-2.0
 *
 * What every other header of Gradus needs: status codes, dtypes, shapes and the lists that calls take.  macros.h, which it
 * includes, makes shapes, lists and options.
 *
 * Errors.  Builder calls (those that return a gradus_tensor) never fail on the spot: the graph keeps the first
 * error and the call returns poison, see graph.h.  Everything else returns a gradus_status; gradus_last_error()
 * then explains it.  Nothing calls exit or abort on bad input, and nothing prints unless asked.
 *
 * The caller's surroundings.  Every function computes in a floating-point mode of its own (round to nearest, subnormals
 * kept, no traps), and reads and writes numbers in the C locale, whatever the calling thread has set; the thread finds its
 * mode, exception flags and locale as they were.  The user's functions that the library calls run in the caller's
 * surroundings; those that are part of a graph (custom.h) see the caller's locale, and compute in the library's mode.
 *
 * Leaving a function of the user's otherwise than by returning.  Those that a builder calls (an update rule, a gradient, a
 * shape) and those of a fit (model.h) may be left by a C++ exception or by longjmp, which pass the library by: what the call
 * had allocated for itself is lost then.  Those of a graph say in custom.h what becomes of an exception.  The log and the
 * allocator must return.
 *
 * Stack.  Every call works on a thread with 256 kB, whatever the graph, if the user's functions do; compiling has threads of
 * its own.  No thread of the library's takes signals of the process's.
 *
 * The end.  exit may be called while other threads are in the library.  It waits for machine code that is being made; calls
 * that would make more fail, a second later, so that the process has ended by then.  During the first compilation of a
 * process the main thread alone may call exit: LLVM's own static objects are being made.
 */
#ifndef GRADUS_COMMON_H
#define GRADUS_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#if defined(__GNUC__) && !defined(GRADUS_STATIC)
#define GRADUS_API __attribute__((visibility("default")))
#else
#define GRADUS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define GRADUS_VERSION_MAJOR 0
#define GRADUS_VERSION_MINOR 1
#define GRADUS_VERSION_PATCH 0

/* The version of the library that runs, as major << 16 | minor << 8 | patch.  Thread-safe. */
GRADUS_API uint32_t gradus_version(void);

typedef enum {
    GRADUS_OK = 0,
    GRADUS_ERROR_ARGUMENT = -1,       /* a wrong argument of this call */
    GRADUS_ERROR_GRAPH = -2,          /* the graph holds an error from an earlier builder call */
    GRADUS_ERROR_MEMORY = -3,         /* an allocation failed; nothing was changed */
    GRADUS_ERROR_IO = -4,             /* the operating system refused to read or write */
    GRADUS_ERROR_FORMAT = -5,         /* a file is not what it should be */
    GRADUS_ERROR_NOT_FOUND = -6,      /* no entry point, tensor or file of that name */
    GRADUS_ERROR_MISMATCH = -7,       /* a name, count, dtype, shape or size differs from what is expected */
    GRADUS_ERROR_BUSY = -8,           /* the program is running a call in another thread */
    GRADUS_ERROR_NAN = -9,            /* a value became NaN or infinite where that is checked */
    GRADUS_ERROR_CALLBACK = -10,      /* a function of the user's reported failure */
    GRADUS_ERROR_COMPILER = -11,      /* LLVM refused, or this build cannot compile the graph */
    GRADUS_ERROR_UNINITIALIZED = -12, /* the program's state was never initialised nor loaded */
} gradus_status;

/* The enumerator's name, "GRADUS_OK" for 0; "unknown status" for any other number.  Thread-safe. */
GRADUS_API const char *gradus_status_name(gradus_status status);

/* What the last failing call of this thread had to say; "" before the first.  Valid until the thread's next failure. */
GRADUS_API const char *gradus_last_error(void);

/* Where messages go: by default nowhere.  `level` 0 is silent, 1 warnings, 2 notes.  The message has no newline.
 * Set it before other threads use the library.  While a graph is compiled, threads of the library's call it. */
typedef void (*gradus_log_fn)(void *user, int32_t level, const char *message);
GRADUS_API void gradus_set_log(gradus_log_fn log, void *user, int32_t level);

/* The one allocator of the library (LLVM's own memory apart).  `reallocate(user, NULL, n)` allocates,
 * `reallocate(user, p, 0)` frees and returns NULL; memory is aligned as malloc's.  NULL restores the C library's.
 * Call it before anything else; memory is freed by the allocator that is set at that time. */
typedef void *(*gradus_reallocate_fn)(void *user, void *memory, size_t bytes);
GRADUS_API void gradus_set_allocator(gradus_reallocate_fn reallocate, void *user);

/* Element types.  BOOL is one byte, 0 or 1. */
typedef enum { GRADUS_F32 = 1, GRADUS_F64, GRADUS_I32, GRADUS_I64, GRADUS_U8, GRADUS_BOOL } gradus_dtype;

/* Bytes of an element; 0 for what is no dtype.  "f32", "f64", "i32", "i64", "u8", "bool"; "?" for what is none. */
GRADUS_API size_t gradus_dtype_size(gradus_dtype dtype);
GRADUS_API const char *gradus_dtype_name(gradus_dtype dtype);

enum { GRADUS_MAX_RANK = 8 };

/* A shape by value: d[0] is the rank, d[1] … d[rank] the extents, outermost first.  An extent -k is k times the
 * run-time batch. */
typedef struct {
    int64_t d[GRADUS_MAX_RANK + 1];
} gradus_shape;

/* A list of axes by value: d[0] is the count.  -1 is the last axis. */
typedef struct {
    int32_t d[GRADUS_MAX_RANK + 1];
} gradus_axes;

typedef struct gradus_graph gradus_graph;
typedef struct gradus_program gradus_program;

/* A tensor of a graph.  {g, 0} is poison; {NULL, 0} as an option means "absent". */
typedef struct {
    gradus_graph *graph;
    uint32_t id;
} gradus_tensor;

/* A set of state updates of a graph. */
typedef struct {
    gradus_graph *graph;
    uint32_t id;
} gradus_updates;

typedef struct {
    const gradus_tensor *items;
    size_t count;
} gradus_tensors;

typedef struct {
    const gradus_updates *items;
    size_t count;
} gradus_update_list;

/* A caller's memory, with its dtype where the compiler could tell (0 otherwise). */
typedef struct {
    const void *data;
    int32_t dtype;
} gradus_in;

typedef struct {
    void *data;
    int32_t dtype;
} gradus_out;

typedef struct {
    const gradus_in *items;
    size_t count;
} gradus_inputs;

typedef struct {
    const gradus_out *items;
    size_t count;
} gradus_outputs;

#define GRADUS_BATCH ((int64_t)-1)
#define GRADUS_INFER INT64_MIN
#define GRADUS_ZERO (-0.0) /* as an option: a real 0, where 0 would mean the default */

/* An array as a list; the array stays the caller's and must live as long as the list is used.  Lists of single tensors are
 * made by GRADUS_TENSORS, see macros.h. */
static inline gradus_tensors gradus_list(const gradus_tensor *items, size_t count) {
    gradus_tensors list;
    list.items = items;
    list.count = count;
    return list;
}

#ifdef __cplusplus
}
#endif

#include <gradus/macros.h>
#endif
