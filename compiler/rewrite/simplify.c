/* SPDX-License-Identifier: Apache-2.0
 *
 * Simplification: applies rules.def at every node, in one sweep in which a node sees what became of its operands.
 * Constant operands of commutative ops go to the right.  Beside the table, movements go behind elementwise ops
 * (sink.c).
 *
 *     %3 = neg %2                      %4 = sub %1, %2
 *     %4 = add %1, %3       →
 */
#include "rewrite/match.h"
#include "rewrite/rebuild.h"
#include "rewrite/rewrite.h"
#include "rewrite/sink.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* --- conditions of rules ---------------------------------------------------------------------------------- */

static bool when_same_shape(const match *m) { return shape_equal(&m->root->shape, &bound_node(m, 'x')->shape); }
static bool when_same_dtype(const match *m) { return m->root->dtype == bound_node(m, 'x')->dtype; }

static extent elements(const node *n) { return shape_extent(&n->shape, 0, shape_rank(&n->shape)); }

/* A broadcast between them only put extents of 1 in front. */
static bool when_same_count(const match *m) {
    extent x = elements(bound_node(m, 'x')), r = elements(m->root);
    return x.factor == r.factor && x.power == r.power;
}

/* x has one element, and no more axes than what is made of it. */
static bool when_one_value(const match *m) {
    const gradus_shape *x = &bound_node(m, 'x')->shape;
    for (int i = 0; i < shape_rank(x); i++)
        if (shape_dim(x, i) != 1) return false;
    return shape_rank(x) <= shape_rank(&m->root->shape);
}

static double fill_value(const match *m) {
    const node *k = bound_node(m, 'k');
    return scalar_to_double(k->dtype, k->attr.value);
}

/* k is ±2^n, and so is its reciprocal, however small: then x / k and x * (1 / k) are the same number, rounded once. */
static bool when_power_of_two(const match *m) {
    const gradus_dtype dtype = bound_node(m, 'k')->dtype;
    double value = fill_value(m);
    int exponent;
    if (!isfinite(value) || fabs(frexp(value, &exponent)) != 0.5) return false;
    double reciprocal = 1 / value;
    if (!isfinite(reciprocal) || reciprocal == 0) return false;
    return scalar_to_double(dtype, scalar_from_double(dtype, reciprocal)) == reciprocal;
}

static bool when_finite(const match *m) { return isfinite(fill_value(m)); }
static bool when_not_zero(const match *m) { return fill_value(m) != 0; } /* nor is NaN */
static bool when_finite_not_zero(const match *m) { return when_finite(m) && when_not_zero(m); }
static bool when_number_not_zero(const match *m) { return when_not_zero(m) && !isnan(fill_value(m)); }

/* Whether every value of one dtype is a value of the other. */
static bool is_lossless(gradus_dtype from, gradus_dtype to) {
    if (from == to || from == GRADUS_BOOL) return true;
    switch (from) {
    case GRADUS_U8: return to != GRADUS_BOOL;
    case GRADUS_I32: return to == GRADUS_I64 || to == GRADUS_F64;
    case GRADUS_F32: return to == GRADUS_F64;
    default: return false;
    }
}

static bool is_whole(gradus_dtype d) { return d == GRADUS_I32 || d == GRADUS_I64 || d == GRADUS_U8; }

/* The first of two casts loses nothing.  Then the value alone tells what the second makes of it, unless that goes from
 * integers to fewer bits, which wraps, where the way over floats saturates. */
static bool when_lossless(const match *m) {
    gradus_dtype from = bound_node(m, 'x')->dtype, over = m->parts[1]->dtype, to = m->root->dtype;
    if (!is_lossless(from, over)) return false;
    return is_whole(over) || !is_whole(from) || !is_whole(to) || is_lossless(from, to);
}

/* The reshape only puts extents of 1 in front of x. */
static bool when_leading_ones(const match *m) {
    const gradus_shape *x = &bound_node(m, 'x')->shape, *r = &m->parts[1]->shape;
    int more = shape_rank(r) - shape_rank(x);
    if (more < 0) return false;
    for (int i = 0; i < shape_rank(r); i++)
        if (shape_dim(r, i) != (i < more ? 1 : shape_dim(x, i - more))) return false;
    return true;
}

/* The transpose moves nothing but extents of 1. */
static bool when_order_kept(const match *m) {
    const gradus_shape *x = &bound_node(m, 'x')->shape;
    int last = -1;
    for (int i = 0; i < shape_rank(x); i++) {
        int axis = m->root->attr.axes.d[i + 1];
        if (shape_dim(x, axis) == 1) continue;
        if (axis < last) return false;
        last = axis;
    }
    return true;
}

/* x is the same all along the axis that is sliced. */
static bool when_repeated_axis(const match *m) {
    const gradus_shape *x = &bound_node(m, 'x')->shape;
    int axis = m->root->attr.axis - (shape_rank(&m->root->shape) - shape_rank(x));
    return axis < 0 || (shape_dim(x, axis) == 1 && shape_dim(&m->root->shape, m->root->attr.axis) != 0);
}

static bool when_one_element(const match *m) {
    const gradus_axes *axes = &m->root->attr.axes;
    for (int i = 1; i <= axes->d[0]; i++)
        if (shape_dim(&bound_node(m, 'x')->shape, axes->d[i]) != 1) return false;
    return true;
}

/* --- replacements that need attributes ---------------------------------------------------------------------- */

static uint32_t build_transposed_once(const match *m) {
    const gradus_axes *outer = &m->parts[0]->attr.axes, *inner = &m->parts[1]->attr.axes;
    gradus_axes both = *outer;
    for (int i = 1; i <= outer->d[0]; i++) both.d[i] = inner->d[outer->d[i] + 1];
    return build_transpose(m->g, bound_to(m, 'x'), both);
}

static uint32_t build_sliced_once(const match *m) {
    const attrs *outer = &m->parts[0]->attr, *inner = &m->parts[1]->attr;
    if (outer->axis != inner->axis) return 0;
    return build_slice(m->g, bound_to(m, 'x'), outer->axis, inner->low + outer->low, inner->low + outer->high);
}

/* A slice that lies within what was padded, or within the padding. */
static uint32_t build_slice_of_pad(const match *m) {
    const node *pad = m->parts[1], *x = bound_node(m, 'x');
    const attrs *slice = &m->root->attr;
    if (slice->axis != pad->attr.axis || slice->low == slice->high) return 0;
    int64_t begin = pad->attr.low, end = begin + shape_dim(&x->shape, slice->axis);
    if (shape_dim(&x->shape, slice->axis) < 0) return 0;
    if (slice->low >= begin && slice->high <= end) {
        if (slice->low == begin && slice->high == end) return bound_to(m, 'x');
        return build_slice(m->g, bound_to(m, 'x'), slice->axis, slice->low - begin, slice->high - begin);
    }
    if (slice->high > begin && slice->low < end) return 0;
    return build_fill_scalar(m->g, m->root->dtype, &m->root->shape, pad->attr.value);
}

static uint32_t build_padded_once(const match *m) {
    node both = *m->parts[0];
    const attrs *inner = &m->parts[1]->attr;
    if (both.attr.axis != inner->axis) return 0;
    if (memcmp(&both.attr.value, &inner->value, gradus_dtype_size(both.dtype)) != 0) return 0;
    both.attr.low += inner->low;
    both.attr.high += inner->high;
    uint32_t x = bound_to(m, 'x');
    return graph_add(m->g, &(node_spec){.op = OP_pad, .n_inputs = 1, .inputs = &x, .attr = both.attr});
}

#define FLOATS DTYPES_FLOATS
#define WHOLE (DTYPES_INTS | 1 << GRADUS_U8)
#define SIGNED (DTYPES_FLOATS | DTYPES_INTS)
#define NUMBERS DTYPES_NUMBERS
#define BOOLS DTYPES_BOOLS
#define ALL DTYPES_ALL
#define when_always NULL

const rule rules[] = {
#define RULE(name, dtypes, pattern, condition, replacement) \
    {#name, dtypes, pattern, when_##condition, replacement, NULL},
#define BUILD(name, dtypes, pattern, function) \
    {#name, dtypes, pattern, NULL, NULL, build_##function},
#include "rewrite/rules.def"
#undef RULE
#undef BUILD
};
const size_t rule_count = sizeof rules / sizeof *rules;

/* --- the pass ----------------------------------------------------------------------------------------------- */

static bool is_constant(const gradus_graph *g, uint32_t id) {
    op_code op = graph_node(g, id)->op;
    return op == OP_fill || op == OP_constant;
}

/* A constant operand to the right. */
static bool put_right(gradus_graph *g, node **n) {
    if (!(op_infos[(*n)->op].flags & FLAG_COMMUTATIVE)) return false;
    const uint32_t *x = (*n)->inputs;
    if (!is_constant(g, x[0]) || is_constant(g, x[1])) return false;
    uint32_t swapped[2] = {x[1], x[0]};
    *n = arena_copy(&g->memory, *n, sizeof **n);
    (*n)->inputs = arena_copy(&g->memory, swapped, sizeof swapped);
    return true;
}

bool simplify(gradus_graph *g) {
    rebuild r;
    rebuild_begin(&r, g);
    bool changed = false;
    source here = g->here;
    for (uint32_t i = 1; i < r.count; i++) {
        node *n = rebuild_mapped(&r, i);
        changed = put_right(g, &n) || changed;
        g->here = n->where; /* what is built instead comes from the same place */
        uint32_t before = g->nodes.count, simpler = rules_apply(g, n);
        if (!simpler) simpler = sink(g, n);
        changed = changed || simpler;
        r.map[i] = simpler ? simpler : rebuild_append(&r, n);
        if (simpler >= before && !graph_node(g, simpler)->name) g->nodes.items[simpler]->name = n->name;
    }
    g->here = here;
    rebuild_end(&r);
    assert(g->status == GRADUS_OK && "a rule built what does not fit");
    return changed;
}
