/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels: the fused loop nests between the graph and the emitted code.
 *
 * A kernel iterates over a space of loop dimensions, outermost first, the last one vectorised.  What it computes at a
 * point is a list of values in SSA form (an operand's number is smaller than its user's): loads through affine index
 * maps, elementwise ops, and the results of the kernel's own reductions or contraction.  Stores say which values leave.
 *
 *   rows      any elementwise values over the space; reductions along the last dimension give values that hold for a
 *             whole row, which later values may use: softmax, its loss and its gradient are one kernel.
 *             Without reductions this is a map.
 *   columns   reductions along a dimension that is not the last; values behind them live on the space without it
 *   contract  space (batch…, m, n): an fma chain over k of two loads, then elementwise values on its result: the epilogue
 *   scatter   the ordered additions of scatter_add and scatter_add_along_axis
 *   check     whether every element of a load is an index below a bound; every thread runs it in full
 *   call      a function of the user's, on thread 0: loads are its operands in order, stores its results
 *
 * Everything here is independent of the target.
 */
#ifndef GRADUS_FUSE_KERNEL_H
#define GRADUS_FUSE_KERNEL_H

#include "fuse/index.h"
#include "ir/graph.h"

typedef enum { PLACE_INPUT, PLACE_OUTPUT, PLACE_STATE, PLACE_CONSTANT, PLACE_ARENA } buffer_place;

/* Something in memory, dense and row-major. */
typedef struct {
    buffer_place place;
    uint32_t index; /* input, output: position in the entry.  state: position in g->states */
    uint32_t node;  /* whose elements these are */
    gradus_dtype dtype;
    gradus_shape shape;
    int64_t bytes;         /* for max_batch; set by the plan */
    int64_t offset;        /* arena: set by the plan */
    int32_t first, last;   /* arena: phases in which it lives; set by the schedule */
    int32_t until;         /* arena: the last phase of those that take its place in turn; set by the plan */
    uint32_t heir;         /* arena: 1 + the buffer that takes its place in its last phase; 0 for none */
} buffer;

typedef enum {
    VALUE_LOAD,    /* an element of a buffer; with `n_args` 1 the element at a computed index along one axis: take */
    VALUE_FILL,    /* a constant */
    VALUE_INDEX,   /* an affine function of the loop variables: iota */
    VALUE_COUNT,   /* an extent as a number */
    VALUE_OP,      /* an elementwise op of other values */
    VALUE_RANDOM,  /* random_uniform: args are seed and counter, the element's number is the affine function `at` */
    VALUE_REDUCED, /* the result of reduction number `reduction` */
    VALUE_PRODUCT, /* contract: the finished chain */
    VALUE_CALLED,  /* call: result number `result` of the function */
} value_kind;

typedef struct {
    value_kind kind;
    op_code op;
    gradus_dtype dtype;
    uint32_t node;    /* the node that it comes from */
    uint32_t n_args, args[3];
    access at;        /* load, index, random */
    extent along;     /* take: elements that one step of the computed index moves */
    scalar fill;      /* fill */
    extent count;     /* count */
    uint32_t stream;  /* random */
    uint32_t reduction;
    uint32_t result;  /* called */
    bool varies;      /* along the last dimension; else it holds for the whole row */
    bool reduced;     /* columns: a reduction is made of it */
    int32_t stage;    /* rows: how many rounds of reductions come before it can be known */
} value;

typedef struct {
    op_code op; /* sum, prod, max, min, argmax */
    uint32_t value;
    int32_t stage; /* the round in which it runs: its operand's stage */
} reduction;

typedef struct {
    uint32_t value;
    access to;
    bool row; /* one element a row, not one a point */
} store;

typedef enum { KERNEL_ROWS, KERNEL_COLUMNS, KERNEL_CONTRACT, KERNEL_SCATTER, KERNEL_CHECK, KERNEL_CALL } kernel_kind;

typedef struct {
    kernel_kind kind;
    int rank;                 /* loop dimensions, at least 1 */
    extent dims[LOOP_MAX];
    int reduced;              /* columns: the reduced dimension */
    VEC(value) values;
    VEC(reduction) reductions;
    VEC(store) stores;

    extent depth;             /* contract: extent of k, which is loop dimension `rank` in left and right */
    access left, right;       /* contract: x over (batch…, m, k), y over (batch…, k, n) */
    gradus_dtype dtype;       /* contract: storage of operands … */
    gradus_dtype accumulate;  /* … and of the chain */

    int64_t bound;            /* check */
    uint32_t check;           /* check, call: its number in the entry, among what can fail */
    uint32_t called;          /* call: the node, or one of those that are its results */
    bool along_axis;          /* scatter: the index has an element for each element of z */
    extent scattered;         /* scatter: number of indices along the axis */

    double cost;              /* estimated nanoseconds on one thread, for max_batch */
    int32_t phase;            /* set by the schedule */
    bool serial;              /* runs on thread 0 alone */
} kernel;

/* The kernels of one entry, in an order of execution once scheduled. */
typedef struct {
    arena *memory;
    const gradus_graph *graph;
    const entry *entry;
    int64_t max_batch;
    VEC(buffer) buffers;
    VEC(kernel *) kernels;
    VEC(uint32_t) checks; /* check number → check_index or custom node */
    int32_t phases;
    int64_t arena_bytes;
    const int64_t *state_offsets; /* by position in graph->states; set for emission */
} kernel_list;

/* Graph → kernels, in an order that respects what they read.  Returns false after gradus_last_error is set: an op that
 * cannot be compiled.  Needs a guard. */
bool fuse(const gradus_graph *g, const entry *e, int64_t max_batch, arena *memory, kernel_list *out);

/* The buffers that a kernel touches, each once, in the order in which its text names them b0, b1, …  Returns how many. */
uint32_t kernel_buffers(const kernel *k, uint32_t *ids);

/* Whether a kernel loads from, or stores to, a buffer. */
bool kernel_reads(const kernel *k, uint32_t id);
bool kernel_writes(const kernel *k, uint32_t id);

/* Whether a kernel's store may go where buffer `id` is, which it may read: each element is read at the point that writes its
 * place, before that. */
bool kernel_may_overwrite(const kernel *k, const store *s, uint32_t id);

/* Whether a kernel may fail, and nothing is to be written to state before it has run. */
static inline bool kernel_may_fail(const kernel *k) { return k->kind == KERNEL_CHECK || k->kind == KERNEL_CALL; }

/* Whether a kernel's loads and stores are whole buffers, not elements at its points. */
static inline bool kernel_takes_buffers(const kernel *k) { return k->kind == KERNEL_SCATTER || k->kind == KERNEL_CALL; }

/* Appends a kernel that copies buffer `from` to buffer `to`, which hold as many elements of one dtype. */
kernel *kernel_add_copy(kernel_list *l, uint32_t from, uint32_t to);

const char *kernel_kind_name(kernel_kind kind); /* "rows", "columns", … */

/* A kernel as text that says all there is to emit, but not which buffers b0, b1, … are: equal texts are equal code. */
void kernel_print(const kernel_list *l, const kernel *k, text *out);
void kernels_print(const kernel_list *l, text *out);
void kernels_dot(const kernel_list *l, text *out);

/* True if the list keeps what this header promises; else `why` says what is broken. */
bool kernels_validate(const kernel_list *l, text *why);

#endif
