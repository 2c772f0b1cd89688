/* SPDX-License-Identifier: Apache-2.0
 * Sources, movement, gather and scatter: the ops that place elements.  See evaluate.h.
 *
 * Arrays are dense and row-major, so along an axis an array is [outer, extent, inner]; most rules move runs of
 * `inner`. */
#include "rules/evaluate_rules.h"
#include "rules/philox.h"

#include <assert.h>

/* --- sources ------------------------------------------------------------------------------------------------ */

gradus_status evaluate_bound(const node *n, int64_t batch, const array *x, array *out) {
    (void)batch, (void)x, (void)out;
    assert(false && "what the caller binds is not evaluated");
    return fail(GRADUS_ERROR_ARGUMENT, "%s: the value is the caller's, there is nothing to compute it from",
                op_name(n->op));
}

gradus_status evaluate_constant(const node *n, int64_t batch, const array *x, array *out) {
    (void)batch, (void)x;
    assert(n->attr.bytes == (size_t)shape_elements(&out->shape) * gradus_dtype_size(out->dtype));
    if (n->attr.bytes) memcpy(out->data, n->attr.data, n->attr.bytes);
    return GRADUS_OK;
}

static void fill_with(array *out, scalar value) {
    int64_t count = shape_elements(&out->shape);
    for (int64_t i = 0; i < count; i++) element_set(out, i, value);
}

gradus_status evaluate_fill(const node *n, int64_t batch, const array *x, array *out) {
    (void)batch, (void)x;
    fill_with(out, n->attr.value);
    return GRADUS_OK;
}

gradus_status evaluate_iota(const node *n, int64_t batch, const array *x, array *out) {
    (void)batch, (void)x;
    int axis = n->attr.axis, rank = shape_rank(&out->shape);
    assert(axis < rank);
    int64_t size = shape_dim(&out->shape, axis), inner = extents_product(&out->shape, axis + 1, rank);
    int64_t count = shape_elements(&out->shape);
    for (int64_t i = 0; i < count; i++)
        element_set(out, i, cast_scalar(GRADUS_I64, out->dtype, (scalar){.i64 = i / inner % size}));
    return GRADUS_OK;
}

gradus_status evaluate_count(const node *n, int64_t batch, const array *x, array *out) {
    (void)x;
    int64_t count = n->attr.bound < 0 ? -n->attr.bound * batch : n->attr.bound;
    element_set(out, 0, cast_scalar(GRADUS_I64, out->dtype, (scalar){.i64 = count}));
    return GRADUS_OK;
}

gradus_status evaluate_random_uniform(const node *n, int64_t batch, const array *x, array *out) {
    (void)batch;
    uint64_t seed = (uint64_t)element_get(&x[0], 0).i64, counter = (uint64_t)element_get(&x[0], 1).i64;
    int64_t count = shape_elements(&out->shape);
    for (int64_t i = 0; i < count; i++) {
        scalar u = {.bits = 0};
        if (out->dtype == GRADUS_F32) u.f32 = philox_uniform_f32(seed, counter, n->attr.stream, (uint64_t)i);
        else u.f64 = philox_uniform_f64(seed, counter, n->attr.stream, (uint64_t)i);
        element_set(out, i, u);
    }
    return GRADUS_OK;
}

/* --- movement ----------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t step[GRADUS_MAX_RANK]; /* elements of the operand from one index of a result's axis to the next */
} steps;

/* The row-major steps of a dense array. */
static steps steps_of(const gradus_shape *s) {
    steps dense = {{0}};
    int64_t step = 1;
    for (int axis = shape_rank(s) - 1; axis >= 0; axis--) {
        dense.step[axis] = step;
        step *= shape_dim(s, axis);
    }
    return dense;
}

/* out[i] = from[sum over the axes of i[axis] * step[axis]]. */
static void copy_steps(const array *from, const steps *by, array *out) {
    int rank = shape_rank(&out->shape);
    int64_t index[GRADUS_MAX_RANK] = {0}, at = 0, count = shape_elements(&out->shape);
    for (int64_t i = 0; i < count; i++) {
        element_set(out, i, element_get(from, at));
        for (int axis = rank - 1; axis >= 0; axis--) {
            at += by->step[axis];
            if (++index[axis] < shape_dim(&out->shape, axis)) break;
            at -= index[axis] * by->step[axis];
            index[axis] = 0;
        }
    }
}

gradus_status evaluate_reshape(const node *n, int64_t batch, const array *x, array *out) {
    (void)n, (void)batch;
    size_t bytes = (size_t)shape_elements(&out->shape) * gradus_dtype_size(out->dtype);
    assert(shape_elements(&x->shape) == shape_elements(&out->shape));
    if (bytes) memcpy(out->data, x->data, bytes);
    return GRADUS_OK;
}

gradus_status evaluate_broadcast(const node *n, int64_t batch, const array *x, array *out) {
    (void)n, (void)batch;
    int rank = shape_rank(&out->shape), fewer = rank - shape_rank(&x->shape);
    steps dense = steps_of(&x->shape), by = {{0}};
    for (int axis = fewer; axis < rank; axis++) {
        bool repeated = shape_dim(&x->shape, axis - fewer) == 1 && shape_dim(&out->shape, axis) != 1;
        by.step[axis] = repeated ? 0 : dense.step[axis - fewer];
    }
    copy_steps(x, &by, out);
    return GRADUS_OK;
}

gradus_status evaluate_transpose(const node *n, int64_t batch, const array *x, array *out) {
    (void)batch;
    steps dense = steps_of(&x->shape), by = {{0}};
    for (int axis = 0; axis < shape_rank(&out->shape); axis++) by.step[axis] = dense.step[n->attr.axes.d[axis + 1]];
    copy_steps(x, &by, out);
    return GRADUS_OK;
}

/* An array along an axis, in bytes: `outer` times `extent` runs of `run` bytes. */
typedef struct {
    unsigned char *data;
    int64_t outer, extent;
    size_t run;
} runs;

static runs runs_along(const array *a, int axis) {
    int rank = shape_rank(&a->shape);
    return (runs){
        .data = a->data,
        .outer = extents_product(&a->shape, 0, axis),
        .extent = shape_dim(&a->shape, axis),
        .run = (size_t)extents_product(&a->shape, axis + 1, rank) * gradus_dtype_size(a->dtype),
    };
}

/* `count` runs from index `first` of `from`, to index `at` of `to`, for every outer index. */
static void copy_runs(const runs *from, int64_t first, const runs *to, int64_t at, int64_t count) {
    size_t bytes = (size_t)count * from->run;
    assert(from->run == to->run && from->outer == to->outer);
    if (!bytes) return;
    for (int64_t o = 0; o < to->outer; o++)
        memcpy(to->data + (size_t)(o * to->extent + at) * to->run,
               from->data + (size_t)(o * from->extent + first) * from->run, bytes);
}

gradus_status evaluate_slice(const node *n, int64_t batch, const array *x, array *out) {
    (void)batch;
    runs from = runs_along(x, n->attr.axis), to = runs_along(out, n->attr.axis);
    copy_runs(&from, n->attr.low, &to, 0, to.extent);
    return GRADUS_OK;
}

gradus_status evaluate_pad(const node *n, int64_t batch, const array *x, array *out) {
    (void)batch;
    fill_with(out, n->attr.value);
    runs from = runs_along(x, n->attr.axis), to = runs_along(out, n->attr.axis);
    copy_runs(&from, 0, &to, n->attr.low, from.extent);
    return GRADUS_OK;
}

gradus_status evaluate_concat(const node *n, int64_t batch, const array *x, array *out) {
    (void)batch;
    runs to = runs_along(out, n->attr.axis);
    int64_t at = 0;
    for (uint32_t k = 0; k < n->n_inputs; k++) {
        runs from = runs_along(&x[k], n->attr.axis);
        copy_runs(&from, 0, &to, at, from.extent);
        at += from.extent;
    }
    return GRADUS_OK;
}

/* --- gather and scatter --------------------------------------------------------------------------------------- */

static int64_t index_get(const array *indices, int64_t position) {
    return cast_scalar(indices->dtype, GRADUS_I64, element_get(indices, position)).i64;
}

/* Every index before anything is written. */
static gradus_status check_indices(const node *n, const array *indices, int64_t bound) {
    int64_t count = shape_elements(&indices->shape);
    gradus_status status = GRADUS_OK;
    for (int64_t i = 0; i < count && !status; i++) status = check_bound(n, index_get(indices, i), i, bound);
    return status;
}

gradus_status evaluate_take(const node *n, int64_t batch, const array *x, array *out) {
    (void)batch;
    runs from = runs_along(&x[0], n->attr.axis);
    int64_t count = shape_elements(&x[1].shape);
    runs to = {.data = out->data, .outer = from.outer, .extent = count, .run = from.run};
    gradus_status status = check_indices(n, &x[1], from.extent);
    for (int64_t j = 0; j < count && !status; j++) copy_runs(&from, index_get(&x[1], j), &to, j, 1);
    return status;
}

gradus_status evaluate_take_along_axis(const node *n, int64_t batch, const array *x, array *out) {
    (void)batch;
    int axis = n->attr.axis, rank = shape_rank(&x[0].shape);
    int64_t size = shape_dim(&x[0].shape, axis), taken = shape_dim(&out->shape, axis);
    int64_t outer = extents_product(&out->shape, 0, axis), inner = extents_product(&out->shape, axis + 1, rank);
    gradus_status status = check_indices(n, &x[1], size);
    if (status) return status;
    for (int64_t i = 0; i < outer * taken * inner; i++) {
        int64_t o = i / (taken * inner), k = i % inner;
        element_set(out, i, element_get(&x[0], (o * size + index_get(&x[1], i)) * inner + k));
    }
    return GRADUS_OK;
}

static void add_to(array *out, int64_t position, scalar term) {
    scalar pair[2] = {element_get(out, position), term};
    element_set(out, position, evaluate_add(NULL, out->dtype, pair));
}

gradus_status evaluate_scatter_add(const node *n, int64_t batch, const array *x, array *out) {
    int axis = n->attr.axis, rank = shape_rank(&out->shape);
    int64_t outer = extents_product(&out->shape, 0, axis), inner = extents_product(&out->shape, axis + 1, rank);
    int64_t size = shape_dim(&out->shape, axis), count = shape_elements(&x[1].shape);
    gradus_status status = check_indices(n, &x[1], size);
    if (status) return status;
    evaluate_reshape(n, batch, &x[0], out);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t j = 0; j < count; j++) {
            int64_t to = (o * size + index_get(&x[1], j)) * inner, from = (o * count + j) * inner;
            for (int64_t k = 0; k < inner; k++) add_to(out, to + k, element_get(&x[2], from + k));
        }
    return GRADUS_OK;
}

gradus_status evaluate_scatter_add_along_axis(const node *n, int64_t batch, const array *x, array *out) {
    int axis = n->attr.axis, rank = shape_rank(&out->shape);
    int64_t size = shape_dim(&out->shape, axis), given = shape_dim(&x[2].shape, axis);
    int64_t outer = extents_product(&out->shape, 0, axis), inner = extents_product(&out->shape, axis + 1, rank);
    gradus_status status = check_indices(n, &x[1], size);
    if (status) return status;
    evaluate_reshape(n, batch, &x[0], out);
    for (int64_t i = 0; i < outer * given * inner; i++) { /* row-major, and so in the order of j for each result */
        int64_t o = i / (given * inner), k = i % inner;
        add_to(out, (o * size + index_get(&x[1], i)) * inner + k, element_get(&x[2], i));
    }
    return GRADUS_OK;
}
