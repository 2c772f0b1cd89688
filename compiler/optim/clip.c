/* SPDX-License-Identifier: Apache-2.0
 * Clipping gradients: by value, by the Euclidean norm of each, by that of them all.  See gradus/optim.h. */
#include "autodiff.h"
#include "ir/call.h"
#include "runtime/world.h"

#include <math.h>
#include <string.h>

static uint32_t in_dtype(gradus_graph *g, uint32_t x, gradus_dtype dtype) {
    return graph_node(g, x)->dtype == dtype ? x : build_cast(g, x, dtype);
}

/* max_norm / max(norm, max_norm), of the scalar norm */
static uint32_t scale_for(gradus_graph *g, uint32_t norm, double max_norm) {
    const uint32_t most = compose_like(g, norm, max_norm);
    return build_op2(g, OP_div, most, build_op2(g, OP_maximum, norm, most));
}

static uint32_t scaled(gradus_graph *g, uint32_t x, uint32_t scale) {
    const node *n = graph_node(g, x);
    return build_op2(g, OP_mul, x, build_broadcast(g, in_dtype(g, scale, n->dtype), &n->shape));
}

/* A rule makes clipped[i] of the i-th gradient, and returns the norm of all if it has that. */
typedef uint32_t (*clip_rule)(gradus_graph *g, gradus_tensors grads, double limit, uint32_t *clipped);

static uint32_t by_value(gradus_graph *g, gradus_tensors grads, double limit, uint32_t *clipped) {
    for (size_t i = 0; i < grads.count; i++) {
        const uint32_t x = grads.items[i].id, above = build_op2(g, OP_maximum, x, compose_like(g, x, -limit));
        clipped[i] = build_op2(g, OP_minimum, above, compose_like(g, x, limit));
    }
    return 0;
}

static uint32_t by_norm(gradus_graph *g, gradus_tensors grads, double limit, uint32_t *clipped) {
    for (size_t i = 0; i < grads.count; i++) {
        const uint32_t x = grads.items[i].id, norm = compose_norm(g, "clip_norm", x, &GRADUS_ALL_AXES, false);
        clipped[i] = scaled(g, x, scale_for(g, norm, limit));
    }
    return 0;
}

/* The norm of all is that of the norms, of the widest dtype. */
static uint32_t global_norm(gradus_graph *g, gradus_tensors grads) {
    static const char name[] = "clip_global_norm";
    gradus_dtype dtype = GRADUS_F32;
    for (size_t i = 0; i < grads.count; i++)
        if (node_of(grads.items[i])->dtype == GRADUS_F64) dtype = GRADUS_F64;
    uint32_t *norms = ARENA_ARRAY(&g->memory, uint32_t, grads.count);
    for (size_t i = 0; i < grads.count; i++) {
        const uint32_t norm = compose_norm(g, name, grads.items[i].id, &GRADUS_ALL_AXES, false);
        if (!norm) return 0;
        norms[i] = build_reshape(g, in_dtype(g, norm, dtype), &GRADUS_SHAPE(1));
    }
    if (grads.count == 1) return build_reshape(g, norms[0], &GRADUS_SCALAR);
    return compose_norm(g, name, build_along(g, OP_concat, norms, (uint32_t)grads.count, 0), &GRADUS_ALL_AXES, false);
}

static uint32_t by_global_norm(gradus_graph *g, gradus_tensors grads, double limit, uint32_t *clipped) {
    const uint32_t norm = global_norm(g, grads), scale = norm ? scale_for(g, norm, limit) : 0;
    for (size_t i = 0; i < grads.count && scale; i++) clipped[i] = scaled(g, grads.items[i].id, scale);
    return norm ? in_dtype(g, norm, node_of(grads.items[0])->dtype) : 0;
}

static bool check(gradus_graph *g, const char *name, gradus_tensors grads, const char *what, double limit) {
    if (grads.count == 0) return compose_fail(g, name, "there are no gradients");
    if (!(limit > 0) || isinf(limit))
        return compose_fail(g, name, "%s is %g; it must be finite and above 0", what, limit);
    for (size_t i = 0; i < grads.count; i++)
        if (!compose_dtype(g, name, grads.items[i].id, DTYPES_FLOATS) ||
            !compose_holds(g, name, what, limit, node_of(grads.items[i])->dtype))
            return false;
    return true;
}

static gradus_tensors clip(const char *file, int line, const char *name, const gradus_tensors *grads, const char *what,
                           double limit, clip_rule rule, gradus_tensor *norm) {
    call c;
    gradus_graph *g = call_enter(&c, NULL, file, line, name, *grads);
    if (norm) *norm = (gradus_tensor){c.graph, 0};
    if (!g) return autodiff_list(c.graph, NULL, grads->count);
    if (GUARDED(&c.guard)) {
        call_at(&c, file, line);
        uint32_t *clipped = ARENA_ARRAY(&g->memory, uint32_t, grads->count);
        const uint32_t made = check(g, name, *grads, what, limit) ? rule(g, *grads, limit, clipped) : 0;
        if (g->status != GRADUS_OK) memset(clipped, 0, grads->count * sizeof *clipped);
        if (norm) *norm = (gradus_tensor){g, made};
        call_leave(&c);
        return autodiff_list(g, clipped, grads->count);
    }
    call_out_of_memory(&c);
    return autodiff_list(g, NULL, grads->count);
}

/* --- the public calls -------------------------------------------------------------------------------------------- */

gradus_tensors gradus_clip_value_at(const char *file, int line, gradus_tensors grads, double limit) {
    ENTER;
    return clip(file, line, "clip_value", &grads, "the limit", limit, by_value, NULL);
}
PLAIN(gradus_tensors, clip_value, (gradus_tensors grads, double limit), (NULL, 0, grads, limit))

gradus_tensors gradus_clip_norm_at(const char *file, int line, gradus_tensors grads, double max_norm) {
    ENTER;
    return clip(file, line, "clip_norm", &grads, "max_norm", max_norm, by_norm, NULL);
}
PLAIN(gradus_tensors, clip_norm, (gradus_tensors grads, double max_norm), (NULL, 0, grads, max_norm))

gradus_tensors gradus_clip_global_norm_at(const char *file, int line, gradus_tensors grads, double max_norm,
                                          gradus_tensor *norm) {
    ENTER;
    return clip(file, line, "clip_global_norm", &grads, "max_norm", max_norm, by_global_norm, norm);
}
PLAIN(gradus_tensors, clip_global_norm, (gradus_tensors grads, double max_norm, gradus_tensor *norm),
      (NULL, 0, grads, max_norm, norm))
