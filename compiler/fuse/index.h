/* SPDX-License-Identifier: Apache-2.0
 *
 * Index maps: where in a tensor a kernel's point looks.  They start as the identity and are pulled back through the
 * movement ops between a kernel and the memory it reads, which is how transposes, broadcasts, slices and pads cost
 * nothing.
 */
#ifndef GRADUS_FUSE_INDEX_H
#define GRADUS_FUSE_INDEX_H

#include "ir/graph.h"

enum { LOOP_MAX = GRADUS_MAX_RANK + 2, OFFSET_POWERS = GRADUS_MAX_RANK };

/* Loop dimension d moves axis[d] of the tensor by step[d]; axis a starts at start[a].  Each loop dimension moves at most
 * one axis.  Where guarded, only points with low[d] <= i[d] < high[d] for every d are in the tensor; the others read
 * `fill`. */
typedef struct {
    int8_t axis[LOOP_MAX]; /* -1: none */
    extent step[LOOP_MAX];
    int64_t start[GRADUS_MAX_RANK];
    bool guarded;
    int64_t low[LOOP_MAX], high[LOOP_MAX];
    scalar fill;
} index_map;

/* The same as offsets into a row-major buffer: element Σ offset[p]·batch^p + Σ stride[d]·i[d]. */
typedef struct {
    uint32_t buffer;
    extent stride[LOOP_MAX];
    int64_t offset[OFFSET_POWERS];
    bool guarded;
    int64_t low[LOOP_MAX], high[LOOP_MAX];
    scalar fill;
} access;

/* A shape whose extents may be products of several of a tensor's: neighbouring axes as one. */
typedef struct {
    int rank;
    extent dims[GRADUS_MAX_RANK];
} index_space;

index_space space_of(const gradus_shape *shape);
bool space_equal(const index_space *a, const index_space *b);

index_map index_identity(int rank);

/* Turns a map into the result of movement node `n` into a map into its operand.  `stored`: the operand is in memory, so
 * that any reshape of it will do.  False where the map would not be affine: the operand must be stored (or, if it is,
 * the node itself). */
typedef enum { INDEX_OK, INDEX_FILL, INDEX_FAILED } index_result; /* FILL: every point reads map->fill */
index_result index_through(const gradus_graph *g, const node *n, index_map *map);

/* A map into a tensor of this shape, stored in `buffer`, as an access.  False where strides are not representable. */
bool index_access(const index_map *map, const index_space *shape, uint32_t buffer, access *out);

/* As index_access, but for a map into `reshaped`, a reshape of what is stored: row-major order is all that counts. */
bool index_is_identity(const index_map *map, int rank); /* loop dimension d moves axis d by one, nothing else */

#endif
