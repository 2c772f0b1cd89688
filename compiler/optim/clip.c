/* SPDX-License-Identifier: Apache-2.0
 * Clipping gradients by the Euclidean norm of them all.  See gradus/optim.h. */
#include "autodiff.h"
#include "ir/call.h"

#include <math.h>
#include <string.h>

/* The sum of the squares of all elements, as a scalar. */
static uint32_t sum_of_squares(gradus_graph *g, uint32_t x) {
    const int rank = shape_rank(&graph_node(g, x)->shape);
    gradus_axes all = {.d = {rank}};
    for (int axis = 0; axis < rank; axis++) all.d[1 + axis] = axis;
    uint32_t squares = build_op2(g, OP_mul, x, x);
    return rank == 0 ? squares : build_reduce(g, OP_sum, squares, all);
}

static uint32_t in_dtype(gradus_graph *g, uint32_t x, gradus_dtype dtype) {
    return graph_node(g, x)->dtype == dtype ? x : build_cast(g, x, dtype);
}

/* The norm; clipped[i] is the i-th gradient, scaled.  0 after an error. */
static uint32_t clip(gradus_graph *g, gradus_tensors grads, double max_norm, uint32_t *clipped) {
    static const char name[] = "clip_global_norm";
    if (grads.count == 0) return compose_fail(g, name, "there are no gradients");
    if (!(max_norm > 0) || isinf(max_norm))
        return compose_fail(g, name, "max_norm is %g; it must be finite and above 0", max_norm);
    const gradus_dtype dtype = node_of(grads.items[0])->dtype;
    const gradus_shape scalar_shape = GRADUS_SCALAR;
    uint32_t total = 0;
    for (size_t i = 0; i < grads.count; i++) {
        if (!compose_dtype(g, name, grads.items[i].id, DTYPES_FLOATS)) return 0;
        uint32_t squares = in_dtype(g, sum_of_squares(g, grads.items[i].id), dtype);
        total = i == 0 ? squares : build_op2(g, OP_add, total, squares);
    }
    uint32_t norm = build_op(g, OP_sqrt, total), most = build_fill(g, dtype, &scalar_shape, max_norm);
    uint32_t scale = build_op2(g, OP_div, most, build_op2(g, OP_maximum, norm, most));
    for (size_t i = 0; i < grads.count; i++) {
        const node *n = node_of(grads.items[i]);
        uint32_t factor = build_broadcast(g, in_dtype(g, scale, n->dtype), &n->shape);
        clipped[i] = build_op2(g, OP_mul, grads.items[i].id, factor);
    }
    return norm;
}

gradus_tensors gradus_clip_global_norm_at(const char *file, int line, gradus_tensors grads, double max_norm,
                                          gradus_tensor *norm) {
    call c;
    gradus_graph *g = call_enter(&c, NULL, file, line, "clip_global_norm", grads);
    if (norm) *norm = (gradus_tensor){c.graph, 0};
    if (!g) return autodiff_list(c.graph, NULL, grads.count);
    if (GUARDED(&c.guard)) {
        call_at(&c, file, line);
        uint32_t *clipped = ARENA_ARRAY(&g->memory, uint32_t, grads.count);
        uint32_t made = clip(g, grads, max_norm, clipped);
        if (g->status != GRADUS_OK) memset(clipped, 0, grads.count * sizeof *clipped);
        if (norm) *norm = (gradus_tensor){g, made};
        call_leave(&c);
        return autodiff_list(g, clipped, grads.count);
    }
    call_out_of_memory(&c);
    return autodiff_list(g, NULL, grads.count);
}

gradus_tensors(gradus_clip_global_norm)(gradus_tensors grads, double max_norm, gradus_tensor *norm) {
    return gradus_clip_global_norm_at(NULL, 0, grads, max_norm, norm);
}
