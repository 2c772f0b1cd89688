/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns: reductions along a dimension that is not the last.  A unit of work is up to COLUMNS neighbouring elements of
 * the last dimension, for one setting of the others; the rows are taken in the blocks of rules/order.h.
 *
 *     for columns:  total = identity
 *                   for block of rows:  acc = identity;  for row: acc[j] = acc[j] op x[row, j];  total[j] = total[j] op acc[j]
 *                   stores of values behind the reduction, from total
 */
#include "emit/span.h"
#include "rules/order.h"

#include <string.h>

enum { COLUMNS = 64 };

typedef struct {
    point p;
    llvm *chains, *totals;       /* by reduction */
    llvm *chain_at, *total_at;   /* argmax: the rows */
    llvm row;
} columns;

static int last_dim(const kernel *k) { return k->rank - 1; }

llvm columns_units(const emitter *e, const kernel *k) {
    llvm units = int_div_up(e, extent_value(e, k->dims[last_dim(k)]), COLUMNS);
    for (int d = 0; d < last_dim(k); d++)
        if (d != k->reduced) units = int_mul(e, units, extent_value(e, k->dims[d]));
    return units;
}

static gradus_dtype dtype_of(const emitter *e, const reduction *r) { return e->k->values.items[r->value].dtype; }

static llvm stored_identity(const emitter *e, const reduction *r) {
    gradus_dtype dtype = dtype_of(e, r);
    scalar s = reduction_identity(r->op, dtype);
    return dtype == GRADUS_BOOL ? LLVMConstInt(e->i8, s.u8, false) : constant(e, dtype, s);
}

/* Rows come in order, so an equal one never wins. */
static void keep_larger(const vector *v, gradus_dtype dtype, llvm best, llvm best_at, llvm at, llvm x, llvm row) {
    const emitter *e = v->p->e;
    llvm old = element_load(e, dtype, best, at, v->lanes), old_row = vector_load_at(e, e->i32, best_at, at, v->lanes);
    llvm none = splat(e, LLVMConstInt(e->i32, INT32_MAX, false), v->lanes);
    llvm better = emit_beats(e, dtype, v->lanes, x, old);
    better = LLVMBuildOr(e->b, better, LLVMBuildICmp(e->b, LLVMIntEQ, old_row, none, ""), "");
    better = LLVMBuildAnd(e->b, better, LLVMBuildICmp(e->b, LLVMIntNE, row, none, ""), "");
    element_store(e, dtype, LLVMBuildSelect(e->b, better, x, old, ""), best, at, v->lanes);
    vector_store_at(e, LLVMBuildSelect(e->b, better, row, old_row, ""), best_at, at, e->i32);
}

static void chain_body(vector *v, void *user) {
    const columns *c = user;
    const emitter *e = v->p->e;
    llvm at = int_sub(e, v->i, v->p->from);
    for (uint32_t i = 0; i < e->k->reductions.count; i++) {
        const reduction *r = &e->k->reductions.items[i];
        gradus_dtype dtype = dtype_of(e, r);
        llvm x = vector_value(v, r->value);
        if (r->op == OP_argmax) {
            llvm row = splat(e, LLVMBuildTrunc(e->b, c->row, e->i32, ""), v->lanes);
            keep_larger(v, dtype, c->chains[i], c->chain_at[i], at, x, row);
        } else {
            llvm old = element_load(e, dtype, c->chains[i], at, v->lanes);
            element_store(e, dtype, emit_combine(e, r->op, dtype, v->lanes, old, x), c->chains[i], at, v->lanes);
        }
    }
}

static void total_body(vector *v, void *user) {
    const columns *c = user;
    const emitter *e = v->p->e;
    for (uint32_t i = 0; i < e->k->reductions.count; i++) {
        const reduction *r = &e->k->reductions.items[i];
        gradus_dtype dtype = dtype_of(e, r);
        llvm x = element_load(e, dtype, c->chains[i], v->i, v->lanes);
        if (r->op == OP_argmax) {
            keep_larger(v, dtype, c->totals[i], c->total_at[i], v->i, x, vector_load_at(e, e->i32, c->chain_at[i], v->i, v->lanes));
        } else {
            llvm old = element_load(e, dtype, c->totals[i], v->i, v->lanes);
            element_store(e, dtype, emit_combine(e, r->op, dtype, v->lanes, old, x), c->totals[i], v->i, v->lanes);
        }
    }
}

static void fill_arrays(const columns *c, llvm *arrays, llvm *places) {
    const emitter *e = c->p.e;
    for (uint32_t i = 0; i < e->k->reductions.count; i++)
        for (int64_t at = 0; at < COLUMNS; at += e->lanes) {
            const reduction *r = &e->k->reductions.items[i];
            vector_store_at(e, splat(e, stored_identity(e, r), e->lanes), arrays[i], int_constant(e, at), storage_of(e, dtype_of(e, r)));
            if (r->op == OP_argmax)
                vector_store_at(e, splat(e, LLVMConstInt(e->i32, INT32_MAX, false), e->lanes), places[i], int_constant(e, at), e->i32);
        }
}

static void new_arrays(columns *c) {
    emitter *e = c->p.e;
    uint32_t n = e->k->reductions.count;
    llvm **lists[4] = {&c->chains, &c->totals, &c->chain_at, &c->total_at};
    for (int l = 0; l < 4; l++) {
        *lists[l] = ARENA_ARRAY(e->memory, llvm, n + 1);
        for (uint32_t i = 0; i < n; i++) {
            const reduction *r = &e->k->reductions.items[i];
            if (l >= 2 && r->op != OP_argmax) continue;
            (*lists[l])[i] = stack_array(e, l >= 2 ? e->i32 : storage_of(e, dtype_of(e, r)), COLUMNS);
        }
    }
}

static void reduce_rows(columns *c, llvm from, llvm to) {
    emitter *e = c->p.e;
    const kernel *k = e->k;
    uint32_t *roots = ARENA_ARRAY(e->memory, uint32_t, k->reductions.count + 1);
    for (uint32_t i = 0; i < k->reductions.count; i++) roots[i] = k->reductions.items[i].value;
    loop block = loop_begin(e, int_constant(e, 0), e->dims[k->reduced], ORDER_ROWS);
    fill_arrays(c, c->chains, c->chain_at);
    loop row = loop_begin(e, block.i, int_min(e, int_add(e, block.i, int_constant(e, ORDER_ROWS)), e->dims[k->reduced]), 1);
    point_forget(&c->p);
    c->row = c->p.at[k->reduced] = row.i;
    span(&c->p, from, to, false, roots, k->reductions.count, chain_body, c);
    loop_end(e, &row);
    point_forget(&c->p);
    span(&c->p, int_constant(e, 0), int_constant(e, COLUMNS), true, NULL, 0, total_body, c);
    loop_end(e, &block);
}

static void store_results(columns *c, llvm from, llvm to) {
    emitter *e = c->p.e;
    const kernel *k = e->k;
    point_forget(&c->p);
    c->p.at[k->reduced] = int_constant(e, 0);
    c->p.accumulators = ARENA_ARRAY(e->memory, llvm, k->reductions.count + 1);
    for (uint32_t i = 0; i < k->reductions.count; i++)
        c->p.accumulators[i] = k->reductions.items[i].op == OP_argmax ? c->total_at[i] : c->totals[i];
    span_of_stores(&c->p, from, to, false);
    c->p.accumulators = NULL;
}

void emit_columns(emitter *e) {
    const kernel *k = e->k;
    columns c = {.p = point_new(e)};
    new_arrays(&c);
    loop unit = loop_begin(e, e->begin, e->end, 1);
    llvm blocks = int_div_up(e, e->dims[last_dim(k)], COLUMNS);
    llvm from = int_mul(e, LLVMBuildURem(e->b, unit.i, blocks, ""), int_constant(e, COLUMNS));
    llvm to = int_min(e, int_add(e, from, int_constant(e, COLUMNS)), e->dims[last_dim(k)]);
    split_index(e, LLVMBuildUDiv(e->b, unit.i, blocks, ""), 0, last_dim(k), k->reduced, c.p.at);
    c.p.from = from;
    fill_arrays(&c, c.totals, c.total_at);
    reduce_rows(&c, from, to);
    store_results(&c, from, to);
    loop_end(e, &unit);
}
