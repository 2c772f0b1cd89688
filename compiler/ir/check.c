/* SPDX-License-Identifier: Apache-2.0
 * What builders and shape rules check, and how they say that it is wrong.  See call.h. */
#include "ir/call.h"
#include "ir/literal.h"

#include <math.h>
#include <string.h>

uint32_t compose_fail(gradus_graph *g, const char *op, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    text t = {.memory = &g->memory};
    text_append_v(&t, format, arguments);
    va_end(arguments);
    return graph_fail(g, GRADUS_ERROR_ARGUMENT, op, "%s", t.data).id;
}

const char *shape_text(gradus_graph *g, const gradus_shape *shape) {
    text t = {.memory = &g->memory};
    text_shape(&t, shape);
    return t.data;
}

int compose_axis(gradus_graph *g, const char *op, int axis, int rank) {
    if (axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis;
    if (rank == 0) compose_fail(g, op, "axis %d of a scalar, which has no axes", axis);
    else compose_fail(g, op, "axis %d of a tensor of rank %d; right are %d to %d", axis, rank, -rank, rank - 1);
    return -1;
}

bool compose_axes(gradus_graph *g, const char *op, const gradus_axes *axes, int rank, gradus_axes *sorted) {
    const bool all = axes->d[0] == -1;
    bool used[GRADUS_MAX_RANK] = {false};
    *sorted = (gradus_axes){{0}};
    if (!all && (axes->d[0] < 0 || axes->d[0] > GRADUS_MAX_RANK)) {
        compose_fail(g, op, "a list of %d axes; make it with GRADUS_AXES", axes->d[0]);
        return false;
    }
    for (int i = 1; i <= axes->d[0]; i++) {
        int axis = compose_axis(g, op, axes->d[i], rank);
        if (axis < 0) return false;
        if (used[axis]) {
            compose_fail(g, op, "axis %d is listed twice", axis);
            return false;
        }
        used[axis] = true;
    }
    for (int axis = 0; axis < rank; axis++)
        if (all || used[axis]) sorted->d[++sorted->d[0]] = axis;
    return true;
}

/* "(B, 3), (4, 1) and (2)" */
static const char *shapes_text(gradus_graph *g, const uint32_t *ids, uint32_t count) {
    text t = {.memory = &g->memory};
    for (uint32_t i = 0; i < count; i++) {
        if (i) text_append(&t, i + 1 == count ? " and " : ", ");
        text_shape(&t, &graph_node(g, ids[i])->shape);
    }
    return t.data;
}

static const char *dim_text(gradus_graph *g, int64_t dim) {
    const char *in_parentheses = shape_text(g, &(gradus_shape){{1, dim}});
    char *dim_only = arena_string(&g->memory, in_parentheses + 1);
    dim_only[strlen(dim_only) - 1] = '\0';
    return dim_only;
}

bool compose_shape(gradus_graph *g, const char *op, const uint32_t *ids, uint32_t count, gradus_shape *shape) {
    *shape = (gradus_shape){{0}};
    for (uint32_t i = 0; i < count; i++)
        if (graph_node(g, ids[i])->shape.d[0] > shape->d[0]) shape->d[0] = graph_node(g, ids[i])->shape.d[0];
    for (int back = 1; back <= shape_rank(shape); back++) {
        int64_t dim = 1;
        for (uint32_t i = 0; i < count; i++) {
            const gradus_shape *s = &graph_node(g, ids[i])->shape;
            int64_t mine = back <= shape_rank(s) ? shape_dim(s, shape_rank(s) - back) : 1;
            if (mine == 1 || mine == dim) continue;
            if (dim != 1) {
                compose_fail(g, op,
                             "shapes %s do not broadcast: extents %s and %s on axis %d from the end; they must be "
                             "equal, or one of them 1",
                             shapes_text(g, ids, count), dim_text(g, dim), dim_text(g, mine), back);
                return false;
            }
            dim = mine;
        }
        shape->d[shape_rank(shape) - back + 1] = dim;
    }
    return true;
}

/* "f32, f64 or bool" */
static const char *dtypes_text(gradus_graph *g, op_dtypes allowed) {
    text t = {.memory = &g->memory};
    unsigned left = allowed;
    for (gradus_dtype d = GRADUS_F32; d <= GRADUS_BOOL; d = (gradus_dtype)(d + 1)) {
        if (!(left & 1u << d)) continue;
        left &= ~(1u << d);
        if (t.length) text_append(&t, left ? ", " : " or ");
        text_append(&t, "%s", gradus_dtype_name(d));
    }
    return t.data;
}

static const char *dtype_constant(gradus_dtype dtype) {
    static const char *const names[] = {"",           "GRADUS_F32", "GRADUS_F64", "GRADUS_I32",
                                        "GRADUS_I64", "GRADUS_U8",  "GRADUS_BOOL"};
    return names[dtype];
}

bool compose_dtype(gradus_graph *g, const char *op, uint32_t x, op_dtypes allowed) {
    const node *n = graph_node(g, x);
    if (allowed & 1 << n->dtype) return true;
    gradus_dtype first = GRADUS_F32;
    while (!(allowed & 1 << first)) first = (gradus_dtype)(first + 1);
    compose_fail(g, op, "an operand is %s %s; right are %s: gradus_cast(…, %s)", gradus_dtype_name(n->dtype),
                 shape_text(g, &n->shape), dtypes_text(g, allowed), dtype_constant(first));
    return false;
}

bool compose_same_dtype(gradus_graph *g, const char *op, uint32_t x, uint32_t y) {
    const node *a = graph_node(g, x), *b = graph_node(g, y);
    if (a->dtype == b->dtype) return true;
    /* Cast towards the wider of the two: floats over integers, then by size. */
    bool a_float = DTYPES_FLOATS >> a->dtype & 1, b_float = DTYPES_FLOATS >> b->dtype & 1;
    bool to_a = a_float != b_float ? a_float : gradus_dtype_size(a->dtype) >= gradus_dtype_size(b->dtype);
    compose_fail(g, op, "operands of two dtypes, %s %s and %s %s; cast the %s: gradus_cast(…, %s)",
                 gradus_dtype_name(a->dtype), shape_text(g, &a->shape), gradus_dtype_name(b->dtype),
                 shape_text(g, &b->shape), to_a ? "second" : "first", dtype_constant(to_a ? a->dtype : b->dtype));
    return false;
}

bool compose_inner(gradus_graph *g, const gradus_shape *x, const gradus_shape *y) {
    const int xr = shape_rank(x), yr = shape_rank(y);
    if (xr < 1 || yr < 1) {
        compose_fail(g, "matmul", "%s x %s: a scalar has no axis to contract; use gradus_mul", shape_text(g, x),
                     shape_text(g, y));
        return false;
    }
    const int64_t left = shape_dim(x, xr - 1), right = shape_dim(y, yr > 1 ? yr - 2 : 0);
    if (left == right) return true;
    const bool transposed = yr > 1 && shape_dim(y, yr - 1) == left;
    compose_fail(g, "matmul",
                 "inner dimensions %s and %s differ: %s x %s; the last extent on the left must be the last but "
                 "one on the right%s",
                 dim_text(g, left), dim_text(g, right), shape_text(g, x), shape_text(g, y),
                 transposed ? ": the right operand transposed would fit" : "");
    return false;
}

/* Extents that are all fit to be multiplied, those that are 0 left out, so that any range of axes is. */
bool compose_valid_shape(gradus_graph *g, const char *op, gradus_dtype dtype, const gradus_shape *shape) {
    extent product = {(int64_t)gradus_dtype_size(dtype), 0};
    if (shape->d[0] < 0 || shape->d[0] > GRADUS_MAX_RANK) {
        compose_fail(g, op, "rank %lld; tensors have 0 to %d axes", (long long)shape->d[0], GRADUS_MAX_RANK);
        return false;
    }
    for (int i = 0; i < shape_rank(shape); i++) {
        int64_t dim = shape_dim(shape, i);
        if (dim == GRADUS_INFER) {
            compose_fail(g, op, "an extent is GRADUS_INFER, which gradus_reshape alone takes");
            return false;
        }
        if (dim != 0 && !extent_product(product, extent_of(dim), &product)) {
            compose_fail(g, op, "a tensor of shape %s has more than 2^62 bytes", shape_text(g, shape));
            return false;
        }
    }
    return true;
}

/* --- options of a dtype ------------------------------------------------------------------------------------------ */

/* The value as the dtype has it. */
static double in_dtype(double value, gradus_dtype dtype) {
    static const struct {
        double low, end; /* low <= value < end */
    } ranges[] = {[GRADUS_I32] = {-0x1p31, 0x1p31},
                  [GRADUS_I64] = {-0x1p63, 0x1p63},
                  [GRADUS_U8] = {0, 256},
                  [GRADUS_BOOL] = {0, 2}};
    if (dtype == GRADUS_F64) return value;
    if (dtype == GRADUS_F32) return (double)(float)value;
    if (value < ranges[dtype].low) return ranges[dtype].low;
    return value < ranges[dtype].end ? trunc(value) : nextafter(ranges[dtype].end, 0);
}

static bool cannot_hold(gradus_graph *g, const char *op, const char *what, double value, gradus_dtype dtype,
                        const char *hint) {
    char given[LITERAL_BYTES], kept[LITERAL_BYTES];
    literal_write(given, GRADUS_F64, (scalar){.f64 = value});
    literal_write(kept, GRADUS_F64, (scalar){.f64 = in_dtype(value, dtype)});
    compose_fail(g, op, "%s is %s, which %s cannot hold: it would be %s; %s", what, given, gradus_dtype_name(dtype),
                 kept, hint);
    return false;
}

bool compose_holds(gradus_graph *g, const char *op, const char *what, double value, gradus_dtype dtype) {
    const double became = in_dtype(value, dtype);
    if (!isfinite(value)) return true;
    if (dtype == GRADUS_F64 || dtype == GRADUS_F32) {
        if (fabs(became - value) <= 1e-3 * fabs(value)) return true;
        return cannot_hold(g, op, what, value, dtype, "right is 0, or a number of 1.2e-38 to 3.4e38");
    }
    return became == value || cannot_hold(g, op, what, value, dtype, "right is a whole number of its range");
}

bool compose_holds_share(gradus_graph *g, const char *op, const char *what, double share, gradus_dtype dtype) {
    if (!compose_holds(g, op, what, share, dtype)) return false;
    return share >= 1 || in_dtype(share, dtype) < 1 ||
           cannot_hold(g, op, what, share, dtype, "right is at most 0.9999999, or f64");
}
