/* SPDX-License-Identifier: Apache-2.0
 * The public derivatives, made of passes backward.  See gradus/autodiff.h for the calls, autodiff.h for the pass. */
#include "autodiff.h"
#include "ir/call.h"
#include "runtime/world.h"

enum { MOST_PASSES = 4096 };

/* NULL where memory is short. */
static const gradus_tensor *list_items(gradus_graph *g, const uint32_t *ids, size_t count) {
    guard memory;
    if (GUARDED(&memory)) {
        gradus_tensor *items = ARENA_ARRAY(&g->memory, gradus_tensor, count);
        for (size_t i = 0; i < count; i++) items[i] = (gradus_tensor){g, ids ? ids[i] : 0};
        guard_leave(&memory);
        return items;
    }
    graph_fail(g, GRADUS_ERROR_MEMORY, "graph", "out of memory");
    return NULL;
}

gradus_tensors autodiff_list(gradus_graph *g, const uint32_t *ids, size_t count) {
    static const gradus_tensor absent[1024];
    const gradus_tensor *items = g && g->status != GRADUS_ERROR_MEMORY ? list_items(g, ids, count) : NULL;
    return items ? gradus_list(items, count) : gradus_list(absent, count < 1024 ? count : 1024);
}

static uint32_t *ids_of(gradus_graph *g, gradus_tensors list) {
    uint32_t *ids = ARENA_ARRAY(&g->memory, uint32_t, list.count);
    for (size_t i = 0; i < list.count; i++) ids[i] = list.items[i].id;
    return ids;
}

static bool check_like(gradus_graph *g, const char *call_name, const char *what, uint32_t x, uint32_t like) {
    const node *a = graph_node(g, x), *b = graph_node(g, like);
    if (a->dtype == b->dtype && shape_equal(&a->shape, &b->shape)) return true;
    compose_fail(g, call_name, "the %s is %s %s, but must be like its tensor, %s %s", what, gradus_dtype_name(a->dtype),
                 shape_text(g, &a->shape), gradus_dtype_name(b->dtype), shape_text(g, &b->shape));
    return false;
}

/* --- gradient, gradients, vjp ------------------------------------------------------------------------------------ */

static uint32_t gradient(gradus_graph *g, uint32_t y, uint32_t x) {
    uint32_t of;
    autodiff_gradients(g, "gradient", y, &x, 1, &of);
    return of;
}

gradus_tensor gradus_gradient_at(const char *file, int line, gradus_tensor y, gradus_tensor x) {
    CALL(NULL, "gradient", OPERANDS(y, x), gradient(g, y.id, x.id));
}

/* The one body of gradients and vjp; seed is NULL for ones. */
static gradus_tensors backward_at(const char *file, int line, const char *name, gradus_tensor y,
                                  const gradus_tensor *seed, gradus_tensors xs) {
    call c;
    gradus_graph *g = call_enter(&c, NULL, file, line, name, (gradus_tensors){&y, 1});
    if (g) g = call_enter(&c, g, file, line, name, xs);
    if (g && seed) g = call_enter(&c, g, file, line, name, (gradus_tensors){seed, 1});
    if (!g) return autodiff_list(c.graph, NULL, xs.count);
    if (GUARDED(&c.guard)) {
        call_at(&c, file, line);
        uint32_t *x = ids_of(g, xs), *of = ARENA_ARRAY(&g->memory, uint32_t, xs.count);
        if (!seed) autodiff_gradients(g, name, y.id, x, (uint32_t)xs.count, of);
        else if (check_like(g, name, "seed", seed->id, y.id))
            autodiff_backward(g, name, &(cotangents){&y.id, &seed->id, 1}, x, (uint32_t)xs.count, of);
        call_leave(&c);
        return autodiff_list(g, of, xs.count);
    }
    call_out_of_memory(&c);
    return autodiff_list(g, NULL, xs.count);
}

gradus_tensors gradus_gradients_at(const char *file, int line, gradus_tensor y, gradus_tensors xs) {
    ENTER;
    return backward_at(file, line, "gradients", y, NULL, xs);
}

gradus_tensors gradus_vjp_at(const char *file, int line, gradus_tensor y, gradus_tensor seed, gradus_tensors xs) {
    ENTER;
    return backward_at(file, line, "vjp", y, &seed, xs);
}

/* --- jvp --------------------------------------------------------------------------------------------------------- */

/* A product of a cotangent and the Jacobian is linear in the cotangent, whose own value therefore does not matter: the
 * derivative of u^T J t with respect to u is J t. */
static uint32_t jvp(gradus_graph *g, const char *name, uint32_t y, const uint32_t *x, const uint32_t *tangents,
                    uint32_t count) {
    const node *n = graph_node(g, y);
    if (!dtype_is_float(n->dtype))
        return compose_fail(g, name, "what is differentiated is %s, and only f32 and f64 tensors have derivatives",
                            gradus_dtype_name(n->dtype));
    uint32_t u = build_fill(g, n->dtype, &n->shape, 0), product = 0;
    uint32_t *back = ARENA_ARRAY(&g->memory, uint32_t, count);
    autodiff_backward(g, name, &(cotangents){&y, &u, 1}, x, count, back);
    autodiff_backward(g, name, &(cotangents){back, tangents, count}, &u, 1, &product);
    return product;
}

static uint32_t checked_jvp(gradus_graph *g, uint32_t y, gradus_tensors xs, gradus_tensors tangents) {
    if (xs.count != tangents.count)
        return compose_fail(g, "jvp", "%zu tensors, but %zu tangents", xs.count, tangents.count);
    for (size_t i = 0; i < xs.count; i++)
        if (!check_like(g, "jvp", "tangent", tangents.items[i].id, xs.items[i].id)) return 0;
    return jvp(g, "jvp", y, ids_of(g, xs), ids_of(g, tangents), (uint32_t)xs.count);
}

gradus_tensor gradus_jvp_at(const char *file, int line, gradus_tensor y, gradus_tensors xs, gradus_tensors tangents) {
    call c;
    if (!call_enter(&c, NULL, file, line, "jvp", (gradus_tensors){&y, 1}) ||
        !call_enter(&c, c.graph, file, line, "jvp", xs))
        return (gradus_tensor){c.graph, 0};
    CALL(y.graph, "jvp", tangents, checked_jvp(g, y.id, xs, tangents));
}

/* --- jacobian ---------------------------------------------------------------------------------------------------- */

/* 1 at the k-th element of a tensor of that dtype and shape, 0 elsewhere. */
static uint32_t unit(gradus_graph *g, gradus_dtype dtype, const gradus_shape *shape, int64_t elements, int64_t k) {
    gradus_shape flat = shape_make(1, &elements);
    uint32_t here =
        build_op2(g, OP_equal, build_iota(g, GRADUS_I64, &flat, 0), build_fill(g, GRADUS_I64, &flat, (double)k));
    uint32_t e = build_op3(g, OP_where, here, build_fill(g, dtype, &flat, 1), build_fill(g, dtype, &flat, 0));
    return build_reshape(g, e, shape);
}

/* Rows: the gradient of each element of y.  Columns: the derivative of y along each element of x, by the second of the
 * passes of jvp, the first being shared. */
static uint32_t jacobian_parts(gradus_graph *g, uint32_t y, uint32_t x, bool rows, int64_t ny, int64_t nx) {
    const node *to = graph_node(g, y), *from = graph_node(g, x);
    const int64_t count = rows ? ny : nx;
    const int64_t row[] = {1, nx}, column[] = {ny, 1};
    gradus_shape part = shape_make(2, rows ? row : column);
    uint32_t *parts = ARENA_ARRAY(&g->memory, uint32_t, count);
    uint32_t u = 0, back = 0;
    if (!rows) {
        u = build_fill(g, to->dtype, &to->shape, 0);
        autodiff_backward(g, "jacobian", &(cotangents){&y, &u, 1}, &x, 1, &back);
    }
    for (int64_t k = 0; k < count; k++) {
        uint32_t e = rows ? unit(g, to->dtype, &to->shape, ny, k) : unit(g, from->dtype, &from->shape, nx, k), of = 0;
        if (rows) autodiff_backward(g, "jacobian", &(cotangents){&y, &e, 1}, &x, 1, &of);
        else autodiff_backward(g, "jacobian", &(cotangents){&back, &e, 1}, &u, 1, &of);
        parts[k] = build_reshape(g, of, &part);
    }
    return count == 1 ? parts[0] : build_along(g, OP_concat, parts, (uint32_t)count, rows ? 0 : 1);
}

static uint32_t jacobian(gradus_graph *g, uint32_t y, uint32_t x) {
    const gradus_shape *to = &graph_node(g, y)->shape, *from = &graph_node(g, x)->shape;
    const gradus_dtype dtype = graph_node(g, x)->dtype;
    if (shape_has_batch(to) || shape_has_batch(from))
        return compose_fail(g, "jacobian", "the run-time batch is in %s or %s; a Jacobian needs fixed extents",
                            shape_text(g, to), shape_text(g, from));
    if (shape_rank(to) + shape_rank(from) > GRADUS_MAX_RANK)
        return compose_fail(g, "jacobian", "the axes of %s and %s together are more than %d", shape_text(g, to),
                            shape_text(g, from), GRADUS_MAX_RANK);
    const extent ny = shape_extent(to, 0, shape_rank(to)), nx = shape_extent(from, 0, shape_rank(from));
    if (ny.factor > MOST_PASSES && nx.factor > MOST_PASSES)
        return compose_fail(g, "jacobian", "%s and %s both have more than %d elements", shape_text(g, to),
                            shape_text(g, from), MOST_PASSES);
    gradus_shape shape = *to;
    for (int axis = 0; axis < shape_rank(from); axis++) shape.d[++shape.d[0]] = shape_dim(from, axis);
    if (ny.factor == 0 || nx.factor == 0) return build_fill(g, dtype, &shape, 0);
    return build_reshape(g, jacobian_parts(g, y, x, ny.factor <= nx.factor, ny.factor, nx.factor), &shape);
}

gradus_tensor gradus_jacobian_at(const char *file, int line, gradus_tensor y, gradus_tensor x) {
    CALL(NULL, "jacobian", OPERANDS(y, x), jacobian(g, y.id, x.id));
}

/* --- without file and line, for other languages ------------------------------------------------------------------ */

gradus_tensor(gradus_gradient)(gradus_tensor y, gradus_tensor x) { return gradus_gradient_at(NULL, 0, y, x); }
gradus_tensors(gradus_gradients)(gradus_tensor y, gradus_tensors xs) { return gradus_gradients_at(NULL, 0, y, xs); }
gradus_tensors(gradus_vjp)(gradus_tensor y, gradus_tensor seed, gradus_tensors xs) {
    return gradus_vjp_at(NULL, 0, y, seed, xs);
}
gradus_tensor(gradus_jvp)(gradus_tensor y, gradus_tensors xs, gradus_tensors tangents) {
    return gradus_jvp_at(NULL, 0, y, xs, tangents);
}
gradus_tensor(gradus_jacobian)(gradus_tensor y, gradus_tensor x) { return gradus_jacobian_at(NULL, 0, y, x); }
