/* SPDX-License-Identifier: Apache-2.0
 *
 * Constant folding, by the evaluator, so that no bit changes:
 *
 *   - a fill is one value however many elements it has: elementwise ops of fills, and movements of them, are fills
 *     again, of any shape, the run-time batch included;
 *   - other ops of fills and constants become constants where every extent is known and the result is not large, or
 *     fills where all its elements came out the same;
 *   - constants of equal elements, counts that are known and everything that has no elements become fills.
 *
 *     %1 = fill f32 () 2                      %4 = fill f32 (B, 10) 1.4142135
 *     %2 = sqrt %1                    →
 *     %3 = broadcast %2 : (B, 10)
 */
#include "rewrite/rebuild.h"
#include "rewrite/rewrite.h"
#include "rules/evaluate.h"

#include <string.h>

enum {
    MAX_ELEMENTS = 1 << 16, /* of a result and of each operand */
    MAX_PRODUCTS = 1 << 22, /* of a matmul */
    MAX_OPERANDS = 64,
};

static uint32_t add_fill(rebuild *r, const node *n, scalar value) {
    node *fill = ARENA_NEW(&r->g->memory, node);
    *fill = (node){.op = OP_fill, .dtype = n->dtype, .shape = n->shape, .where = n->where, .name = n->name};
    fill->attr.value = value;
    return rebuild_append(r, fill);
}

static scalar load(const void *data, size_t bytes) {
    scalar value = {.bits = 0};
    memcpy(&value, data, bytes);
    return value;
}

/* A fill where all elements have the same bits, a constant otherwise. */
static uint32_t add_elements(rebuild *r, const node *n, const void *data, size_t count) {
    size_t bytes = gradus_dtype_size(n->dtype);
    if (count == 0) return add_fill(r, n, (scalar){.bits = 0});
    if (memcmp(data, (const char *)data + bytes, (count - 1) * bytes) == 0) return add_fill(r, n, load(data, bytes));
    if (n->op == OP_constant) return 0;
    node *constant = ARENA_NEW(&r->g->memory, node);
    *constant = (node){.op = OP_constant, .dtype = n->dtype, .shape = n->shape, .where = n->where, .name = n->name};
    constant->attr.data = arena_copy(&r->g->memory, data, count * bytes);
    constant->attr.bytes = count * bytes;
    return rebuild_append(r, constant);
}

static const node *operand(const rebuild *r, const node *n, uint32_t i) { return r->g->nodes.items[n->inputs[i]]; }

static bool has_no_elements(const gradus_shape *s) {
    for (int i = 0; i < shape_rank(s); i++)
        if (shape_dim(s, i) == 0) return true;
    return false;
}

/* The number of elements if it is known and not large, otherwise -1. */
static int64_t few_elements(const gradus_shape *s) {
    if (shape_has_batch(s)) return -1;
    int64_t count = shape_elements(s);
    return count <= MAX_ELEMENTS ? count : -1;
}

/* The operands' values, where they are fills. */
static bool fills_only(const rebuild *r, const node *n, scalar *values) {
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        if (operand(r, n, i)->op != OP_fill) return false;
        values[i] = operand(r, n, i)->attr.value;
    }
    return n->n_inputs > 0;
}

/* An elementwise op of fills, computed at one element. */
static uint32_t fold_elementwise(rebuild *r, const node *n) {
    scalar values[MAX_OPERANDS], result = {.bits = 0};
    if (!fills_only(r, n, values)) return 0;
    array x[MAX_OPERANDS], out = {n->dtype, shape_make(0, NULL), &result};
    for (uint32_t i = 0; i < n->n_inputs; i++) x[i] = (array){operand(r, n, i)->dtype, shape_make(0, NULL), &values[i]};
    node one = *n;
    one.shape = out.shape;
    return evaluate_node(&one, 1, x, &out) == GRADUS_OK ? add_fill(r, n, result) : 0;
}

static bool same_bits(scalar a, scalar b, gradus_dtype dtype) { return !memcmp(&a, &b, gradus_dtype_size(dtype)); }

/* A movement of one and the same value everywhere. */
static uint32_t fold_movement(rebuild *r, const node *n) {
    scalar values[MAX_OPERANDS];
    if (!fills_only(r, n, values)) return 0;
    for (uint32_t i = 1; i < n->n_inputs; i++)
        if (!same_bits(values[0], values[i], n->dtype)) return 0;
    bool pads = n->op == OP_pad && (n->attr.low || n->attr.high);
    if (pads && !same_bits(values[0], n->attr.value, n->dtype)) return 0;
    return add_fill(r, n, values[0]);
}

/* A dense result would cost more memory than the operand where an index map costs none. */
static bool is_better_moved(const rebuild *r, const node *n) {
    return n->op == OP_broadcast || n->op == OP_pad ||
           (op_is(n->op, MOVEMENT) && n->n_inputs == 1 && operand(r, n, 0)->op == OP_fill);
}

static bool is_foldable(const rebuild *r, const node *n) {
    if (op_is(n->op, SOURCE) ? n->op != OP_count || n->attr.bound < 0 : n->n_inputs == 0) return false;
    if (n->n_inputs > MAX_OPERANDS || is_better_moved(r, n)) return false;
    int64_t count = few_elements(&n->shape);
    if (count < 0) return false;
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        const node *x = operand(r, n, i);
        if ((x->op != OP_fill && x->op != OP_constant) || few_elements(&x->shape) < 0) return false;
    }
    if (n->op != OP_matmul) return true;
    const gradus_shape *x = &operand(r, n, 0)->shape;
    int64_t depth = shape_dim(x, shape_rank(x) - 1);
    return depth == 0 || count <= MAX_PRODUCTS / depth;
}

static array operand_array(rebuild *r, const node *x) {
    size_t bytes = gradus_dtype_size(x->dtype), count = (size_t)shape_elements(&x->shape);
    array a = {x->dtype, x->shape, (void *)(uintptr_t)x->attr.data};
    if (x->op == OP_constant) return a;
    a.data = arena_alloc(&r->g->memory, bytes * count);
    for (size_t i = 0; i < count; i++) memcpy((char *)a.data + i * bytes, &x->attr.value, bytes);
    return a;
}

static uint32_t fold_dense(rebuild *r, const node *n) {
    if (!is_foldable(r, n)) return 0;
    array x[MAX_OPERANDS];
    for (uint32_t i = 0; i < n->n_inputs; i++) x[i] = operand_array(r, operand(r, n, i));
    size_t count = (size_t)shape_elements(&n->shape);
    array out = {n->dtype, n->shape, arena_alloc(&r->g->memory, gradus_dtype_size(n->dtype) * count)};
    if (evaluate_node(n, 1, x, &out) != GRADUS_OK) return 0; /* an index out of its bound: the call shall say so */
    return add_elements(r, n, out.data, count);
}

static uint32_t fold_node(rebuild *r, const node *n) {
    if (n->op == OP_fill || n->op == OP_input || op_is(n->op, STATE) || n->op == OP_seed || op_is(n->op, CALL)) return 0;
    if (has_no_elements(&n->shape)) return add_fill(r, n, (scalar){.bits = 0});
    if (n->op == OP_constant) return add_elements(r, n, n->attr.data, (size_t)shape_elements(&n->shape));
    if (n->op == OP_iota && shape_dim(&n->shape, n->attr.axis) == 1) return add_fill(r, n, (scalar){.bits = 0});
    uint32_t folded = 0;
    if (n->n_inputs <= MAX_OPERANDS && op_is(n->op, ELEMENTWISE)) folded = fold_elementwise(r, n);
    if (n->n_inputs <= MAX_OPERANDS && op_is(n->op, MOVEMENT)) folded = fold_movement(r, n);
    return folded ? folded : fold_dense(r, n);
}

bool fold(gradus_graph *g) {
    rebuild r;
    rebuild_begin(&r, g);
    bool changed = false;
    for (uint32_t i = 1; i < r.count; i++) {
        node *n = rebuild_mapped(&r, i);
        uint32_t folded = fold_node(&r, n);
        changed = changed || folded;
        r.map[i] = folded ? folded : rebuild_append(&r, n);
    }
    rebuild_end(&r);
    return changed;
}
