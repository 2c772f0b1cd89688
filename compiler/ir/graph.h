/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph: typed, shaped SSA nodes made from the op table, the state they read, and the entry points that a program
 * made of it will have.  Nodes are only ever appended, so an operand's id is smaller than its user's: ids ascending is
 * an order of evaluation.  Everything lives in the graph's arena.
 *
 * The same struct serves the user's graph (many entries over one pool of nodes) and, behind `extract`, the graph of one
 * entry that the passes work on.
 */
#ifndef GRADUS_IR_GRAPH_H
#define GRADUS_IR_GRAPH_H

#include "base/memory.h"
#include "base/text.h"
#include "ir/op.h"

#include <gradus/gradus.h>

typedef union {
    float f32;
    double f64;
    int32_t i32;
    int64_t i64;
    uint8_t u8; /* BOOL too: 0 or 1 */
    uint64_t bits;
} scalar;

/* What a node says beside its operands and type; op_infos[op].attributes tells which fields mean something, the others
 * are zero. */
typedef struct {
    gradus_axes axes;  /* reductions: the axes, ascending, none negative.  transpose: the operand's axis of each axis */
    int32_t axis;      /* never negative */
    int64_t low, high; /* slice: from, up to.  pad: how many before, behind */
    scalar value;      /* fill, pad: of the node's dtype */
    const void *data;  /* constant: elements of the node's dtype, row-major */
    size_t bytes;
    const char *name;  /* input, param, state */
    uint32_t stream;   /* random: its own in the graph */
    int64_t bound;     /* check_index: constant.  count: an extent */
    const struct custom *call; /* custom: what is called, see custom.h */
} attrs;

typedef struct {
    op_code op;
    gradus_dtype dtype;
    gradus_shape shape;
    uint32_t n_inputs;
    const uint32_t *inputs;
    attrs attr;
    source where;
    const char *name; /* for people; NULL mostly */
    op_code forward;  /* made by autodiff: the op whose gradient it is part of; else 0 */
} node;

typedef struct {
    uint32_t node;    /* a param or state */
    uint32_t init;    /* its first value: a node made of constants, random numbers and `seed` */
} state_info;

typedef struct {
    uint32_t state, value; /* nodes; the value has the state's dtype and shape */
} update;

typedef struct {
    const update *items;
    uint32_t count;
} update_set;

/* An update that belongs to a node: gradus_define adds it to the entries of training mode that depend on the node. */
typedef struct {
    uint32_t node;
    update update;
} attachment;

typedef struct {
    const char *name;
    const uint32_t *inputs, *outputs; /* nodes; an input may be used nowhere */
    const uint32_t *kept; /* checks and calls with effects that run though nothing reads their value any more */
    uint32_t n_inputs, n_outputs, n_kept;
    update_set updates;
    bool training;
    int64_t max_batch; /* 0: the compile options' */
    source where;
} entry;

#define RNG_NAME "rng" /* of the random numbers' state */

struct gradus_graph {
    arena memory;
    VEC(node *) nodes;        /* [0] is poison */
    VEC(state_info) states;   /* in the order of making */
    VEC(update_set) updates;  /* what gradus_updates.id counts; [0] is the empty set */
    VEC(attachment) attached;
    VEC(entry) entries;
    source here;              /* where nodes that are made now come from */
    uint32_t streams;         /* random nodes made so far */
    uint32_t effects;         /* calls with effects made so far */
    uint32_t rng;             /* the state of the random numbers, (seed, counter) as i64; 0 while nothing draws */
    gradus_status status;
    char error[2048];
};

static inline const node *graph_node(const gradus_graph *g, uint32_t id) { return g->nodes.items[id]; }
static inline const node *node_of(gradus_tensor t) { return t.graph->nodes.items[t.id]; }

/* An empty graph with its poison node.  Out of memory: NULL (needs no guard). */
gradus_graph *graph_new(void);
void graph_free(gradus_graph *g);

/* What a node is made from: an op, operands, attributes, and for the ops whose shape rule is `given`, cast, reshape or
 * broadcast the result's dtype and shape. */
typedef struct {
    op_code op;
    uint32_t n_inputs;
    const uint32_t *inputs;
    attrs attr;
    gradus_dtype dtype;
    gradus_shape shape;
    const char *name;
    bool data_stays; /* attr.data is in the graph's arena already */
} node_spec;

/* Appends a node after its shape rule has agreed.  Where the rule does not, or an operand is poison, or the graph has
 * failed: node 0, and the graph keeps the first error.  Copies operands, names and data.  Needs a guard. */
uint32_t graph_add(gradus_graph *g, const node_spec *spec);

/* The graph's sticky error: "file:line: op: message".  Keeps the first one; returns poison. */
gradus_tensor graph_fail(gradus_graph *g, gradus_status status, const char *op, const char *format, ...) PRINTF_LIKE(4, 5);

/* From now on the update belongs to the node `to`; nothing where one of them is poison. */
void graph_attach(gradus_graph *g, uint32_t to, uint32_t state, uint32_t value);

/* The op table's shape column, filled in rules/shape.c.  A rule checks `n` (operands and attributes are set) and sets
 * its dtype and shape; false after graph_fail. */
typedef bool (*shape_rule)(gradus_graph *g, node *n);
extern const shape_rule shape_rules[OP_COUNT];

/* Marks, of the nodes by id, what an entry starts from: its outputs, its new values and what it keeps. */
void mark_results(const entry *e, bool *marked);

/* Marks the operands of what is marked, transitively. */
void mark_operands(node *const *nodes, uint32_t count, bool *marked);

/* The state record of a param or state node, by node or by name; NULL if there is none. */
const state_info *graph_state(const gradus_graph *g, uint32_t node);
const state_info *graph_state_by_name(const gradus_graph *g, const char *name);
const entry *graph_entry(const gradus_graph *g, const char *name);

/* --- extents and shapes ------------------------------------------------------------------------------------- */

/* A number of elements: factor × batch^power.  Products of extents; exact, checked. */
typedef struct {
    int64_t factor;
    int32_t power;
} extent;

static inline extent extent_of(int64_t d) { return d < 0 ? (extent){-d, 1} : (extent){d, 0}; }
bool extent_product(extent a, extent b, extent *product); /* false where it does not fit 2^62 */
extent shape_extent(const gradus_shape *s, int from, int to); /* product of axes from … to-1; validated shapes fit */
int64_t extent_at(extent e, int64_t batch);                   /* its value for a batch; -1 where it does not fit 2^62 */

static inline int shape_rank(const gradus_shape *s) { return (int)s->d[0]; }
static inline int64_t shape_dim(const gradus_shape *s, int axis) { return s->d[axis + 1]; }
bool shape_equal(const gradus_shape *a, const gradus_shape *b);
bool shape_has_batch(const gradus_shape *s);
gradus_shape shape_at(const gradus_shape *s, int64_t batch); /* every extent a number */
/* The bytes of a tensor for a batch, extents of 0 left out: no product of some of its extents is larger.  -1 where that does
 * not fit 2^62; then shape_at is not to be asked. */
int64_t shape_bytes(const gradus_shape *s, gradus_dtype dtype, int64_t batch);
gradus_shape shape_make(int rank, const int64_t *dims);
int64_t shape_elements(const gradus_shape *s); /* of a shape whose extents are all numbers */

/* --- building, for the compiler itself ------------------------------------------------------------------------
 * No broadcasting, no user errors: operands must fit exactly (poison passes through).  Nodes come from g->here. */

uint32_t build_op(gradus_graph *g, op_code op, uint32_t a);
uint32_t build_op2(gradus_graph *g, op_code op, uint32_t a, uint32_t b);
uint32_t build_op3(gradus_graph *g, op_code op, uint32_t a, uint32_t b, uint32_t c);
uint32_t build_fill(gradus_graph *g, gradus_dtype dtype, const gradus_shape *shape, double value);
uint32_t build_fill_scalar(gradus_graph *g, gradus_dtype dtype, const gradus_shape *shape, scalar value);
uint32_t build_iota(gradus_graph *g, gradus_dtype dtype, const gradus_shape *shape, int axis);
uint32_t build_count(gradus_graph *g, gradus_dtype dtype, int64_t dim);
uint32_t build_cast(gradus_graph *g, uint32_t x, gradus_dtype dtype);
uint32_t build_reshape(gradus_graph *g, uint32_t x, const gradus_shape *shape);   /* x itself where equal */
uint32_t build_broadcast(gradus_graph *g, uint32_t x, const gradus_shape *shape); /* x itself where equal */
uint32_t build_transpose(gradus_graph *g, uint32_t x, gradus_axes permutation);
uint32_t build_slice(gradus_graph *g, uint32_t x, int axis, int64_t low, int64_t high);
uint32_t build_pad(gradus_graph *g, uint32_t x, int axis, int64_t before, int64_t behind, double value);
uint32_t build_reduce(gradus_graph *g, op_code op, uint32_t x, gradus_axes axes); /* axes ascending; drops them */
uint32_t build_along(gradus_graph *g, op_code op, const uint32_t *inputs, uint32_t n, int axis); /* concat, take, … */

/* --- scalars ---------------------------------------------------------------------------------------------------- */

scalar scalar_from_double(gradus_dtype dtype, double value); /* rounded, saturated; NaN to an integer is 0 */
double scalar_to_double(gradus_dtype dtype, scalar value);

#endif
