/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of fusion share while they work.  fuse.c decides which nodes are anchors and which kernel each anchor
 * joins; values.c writes an anchor's expression into a kernel; finish.c adds stores, collapses dimensions and estimates.
 */
#ifndef GRADUS_FUSE_FUSION_H
#define GRADUS_FUSE_FUSION_H

#include "fuse/kernel.h"

#define NO_ID UINT32_MAX

/* What a node of the graph becomes. */
typedef struct {
    bool anchor;       /* computed once, in one kernel; other elementwise nodes are written into each kernel they serve */
    bool forced;       /* an anchor because an index map to it could not be expressed */
    bool reached;
    uint32_t users;
    uint32_t size;     /* of the expression down to anchors and memory, what is shared counted each time */
    uint32_t depth;    /* of that expression */
    uint32_t kernel;   /* anchors: their kernel's number, once placed */
    uint32_t result;   /* anchors: their value in it */
    index_map natural; /* anchors: how their kernel's point looks into them */
    uint32_t buffer;   /* where their elements are, if anywhere */
} fused_node;

/* A kernel that is being filled, and its space before dimensions are collapsed. */
typedef struct {
    kernel *k;
    index_space space;
    VEC(struct { uint32_t node; uint32_t value; index_map map; }) memo;
} filling;

typedef struct {
    kernel_list *list;
    const gradus_graph *g;
    const entry *e;
    fused_node *nodes;
    VEC(filling *) fillings;
} fusion;

static inline bool fusion_is_stored(const fusion *f, uint32_t id) {
    op_code op = graph_node(f->g, id)->op;
    return op == OP_input || op == OP_constant || op == OP_seed || op_is(op, STATE);
}

/* The node whose elements a chain of views shows. */
uint32_t fusion_viewed(const fusion *f, uint32_t id);

/* The buffer of a stored node or an anchor; made when first asked for. */
uint32_t fusion_buffer(fusion *f, uint32_t id);

/* Writes the value of node `id`, seen through `map`, into kernel number `kernel`.  NO_ID where that cannot be: then
 * *force is a node that must become an anchor first, or 0 where only another kernel will do. */
uint32_t fusion_value(fusion *f, uint32_t at, uint32_t id, const index_map *map, uint32_t *force);

/* A load of a stored node or of an anchor of an earlier at, its memory seen as `shape`. */
uint32_t fusion_load(fusion *f, uint32_t at, uint32_t id, const index_space *shape, const index_map *map);

/* Stores of what leaves each at, collapsed dimensions, flags, costs. */
void fusion_finish(fusion *f);

#endif
