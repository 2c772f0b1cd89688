/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: rounds of spans over one row after another.  A round accumulates the reductions whose operands are known, in the
 * virtual lanes of rules/order.h, and stores what no later reduction is needed for.  Values that are dear and needed in
 * several rounds are kept in a row of scratch memory by the first.
 *
 *     for row:  round 0: lanes = max(lanes, z[i])           m = tree(lanes)
 *               round 1: e[i] = exp(z[i] - m); lanes += e   s = tree(lanes)
 *               round 2: dz[i] = e[i] / s - …               loss[row] = log(s) + m - …
 *
 * A kernel without reductions and with one row is split along it; a unit of work is then SPLIT elements, else a row.
 */
#include "emit/span.h"
#include "rules/order.h"

#include <assert.h>
#include <string.h>

enum { SPLIT = 1024 };

static bool splits(const kernel *k) {
    if (k->reductions.count || k->rank > 1) return false;
    for (uint32_t s = 0; s < k->stores.count; s++)
        if (k->stores.items[s].row) return false;
    return true;
}

llvm rows_units(const emitter *e, const kernel *k) {
    if (splits(k)) return int_div_up(e, extent_value(e, k->dims[0]), SPLIT);
    llvm rows = int_constant(e, 1);
    for (int d = 0; d < k->rank - 1; d++) rows = int_mul(e, rows, extent_value(e, k->dims[d]));
    return rows;
}

/* A reduction's lanes; argmax also remembers where it saw them. */
typedef struct {
    llvm lanes, places;
    unsigned vectors; /* how many vectors of them are in use */
} accumulator;

typedef struct {
    point p;
    accumulator *accumulators;
    int32_t rounds;
} rows;

/* --- what a round does ------------------------------------------------------------------------------------------------ */

static bool stores_in(const rows *r, const store *s, int32_t round) {
    return !s->row && r->p.e->k->values.items[s->value].stage == round;
}

static void accumulate(vector *v, const accumulator *a, const reduction *r) {
    const emitter *e = v->p->e;
    gradus_dtype dtype = e->k->values.items[r->value].dtype;
    llvm x = vector_value(v, r->value);
    llvm at = LLVMBuildAnd(e->b, v->i, int_constant(e, ORDER_LANES - 1), "");
    llvm old = element_load(e, dtype, a->lanes, at, v->lanes), new;
    if (r->op == OP_argmax) {
        llvm better = emit_beats(e, dtype, v->lanes, x, old);
        if (v->mask) better = LLVMBuildAnd(e->b, better, v->mask, "");
        llvm here = LLVMBuildAdd(e->b, splat(e, LLVMBuildTrunc(e->b, v->i, e->i32, ""), v->lanes), lane_numbers(e, e->i32, v->lanes), "");
        llvm places = vector_load_at(e, e->i32, a->places, at, v->lanes);
        /* the first element of a lane counts even where it does not beat the identity */
        llvm fresh = LLVMBuildICmp(e->b, LLVMIntEQ, places, splat(e, LLVMConstInt(e->i32, INT32_MAX, false), v->lanes), "");
        if (v->mask) fresh = LLVMBuildAnd(e->b, fresh, v->mask, "");
        better = LLVMBuildOr(e->b, better, fresh, "");
        vector_store_at(e, LLVMBuildSelect(e->b, better, here, places, ""), a->places, at, e->i32);
        new = LLVMBuildSelect(e->b, better, x, old, "");
    } else {
        new = emit_combine(e, r->op, dtype, v->lanes, old, x);
        if (v->mask) new = LLVMBuildSelect(e->b, v->mask, new, old, "");
    }
    element_store(e, dtype, new, a->lanes, at, v->lanes);
}

static void round_body(vector *v, void *user) {
    const rows *r = user;
    const kernel *k = v->p->e->k;
    llvm *stored = ARENA_ARRAY(v->p->e->memory, llvm, k->stores.count + 1);
    for (uint32_t i = 0; i < k->reductions.count; i++)
        if (k->reductions.items[i].stage == v->p->round) accumulate(v, &r->accumulators[i], &k->reductions.items[i]);
    for (uint32_t s = 0; s < k->stores.count; s++)
        if (stores_in(r, &k->stores.items[s], v->p->round)) stored[s] = vector_value(v, k->stores.items[s].value);
    for (uint32_t s = 0; s < k->stores.count; s++) /* all reads of a point come before its writes: updates in place */
        if (stored[s])
            vector_store(v, &k->stores.items[s].to, v->p->bases[k->values.count + s],
                         k->values.items[k->stores.items[s].value].dtype, stored[s]);
}

/* --- reductions -------------------------------------------------------------------------------------------------------- */

static void start(const rows *r, uint32_t i) {
    const emitter *e = r->p.e;
    const reduction *red = &e->k->reductions.items[i];
    gradus_dtype dtype = e->k->values.items[red->value].dtype;
    LLVMTypeRef kept = storage_of(e, dtype);
    llvm first = constant(e, dtype, reduction_identity(red->op, dtype));
    if (dtype == GRADUS_BOOL) first = LLVMConstInt(e->i8, reduction_identity(red->op, dtype).u8, false);
    for (unsigned j = 0; j < r->accumulators[i].vectors; j++) {
        llvm at = int_constant(e, (int64_t)j * e->lanes);
        vector_store_at(e, splat(e, first, e->lanes), r->accumulators[i].lanes, at, kept);
        if (red->op == OP_argmax)
            vector_store_at(e, splat(e, LLVMConstInt(e->i32, INT32_MAX, false), e->lanes), r->accumulators[i].places, at, e->i32);
    }
}

static llvm tree(const emitter *e, const accumulator *a, const reduction *r, gradus_dtype dtype) {
    llvm v[ORDER_LANES];
    unsigned n = a->vectors, width = e->lanes;
    for (unsigned j = 0; j < n; j++) v[j] = element_load(e, dtype, a->lanes, int_constant(e, (int64_t)j * width), width);
    for (unsigned half = ORDER_LANES / 2; half; half /= 2) {
        if (half >= width) { /* lanes beyond those in use hold the identity, which changes nothing */
            for (unsigned j = 0; j < half / width && j + half / width < n; j++)
                v[j] = emit_combine(e, r->op, dtype, width, v[j], v[j + half / width]);
            continue;
        }
        llvm numbers[ORDER_LANES];
        for (unsigned j = 0; j < width; j++) numbers[j] = LLVMConstInt(e->i32, j < half ? j + half : j, false);
        llvm moved = LLVMBuildShuffleVector(e->b, v[0], LLVMGetPoison(LLVMTypeOf(v[0])), LLVMConstVector(numbers, width), "");
        v[0] = emit_combine(e, r->op, dtype, width, v[0], moved);
    }
    return LLVMBuildExtractElement(e->b, v[0], LLVMConstInt(e->i32, 0, false), "");
}

/* The best of the lanes, the earliest of equals. */
static llvm best_place(const emitter *e, const accumulator *a, gradus_dtype dtype) {
    LLVMTypeRef type = storage_of(e, dtype);
    llvm best = stack_array(e, type, 1), place = stack_array(e, e->i32, 1), zero = int_constant(e, 0);
    vector_store_at(e, vector_load_at(e, type, a->lanes, zero, 0), best, zero, type);
    vector_store_at(e, vector_load_at(e, e->i32, a->places, zero, 0), place, zero, e->i32);
    loop l = loop_begin(e, int_constant(e, 1), int_constant(e, (int64_t)a->vectors * e->lanes), 1);
    llvm x = vector_load_at(e, type, a->lanes, l.i, 0), at = vector_load_at(e, e->i32, a->places, l.i, 0);
    llvm old = vector_load_at(e, type, best, zero, 0), old_at = vector_load_at(e, e->i32, place, zero, 0);
    llvm better = emit_beats(e, dtype, 0, x, old), beaten = emit_beats(e, dtype, 0, old, x);
    llvm earlier = LLVMBuildAnd(e->b, LLVMBuildNot(e->b, beaten, ""), LLVMBuildICmp(e->b, LLVMIntSLT, at, old_at, ""), "");
    llvm used = LLVMBuildICmp(e->b, LLVMIntNE, at, LLVMConstInt(e->i32, INT32_MAX, false), "");
    better = LLVMBuildAnd(e->b, LLVMBuildOr(e->b, better, earlier, ""), used, "");
    vector_store_at(e, LLVMBuildSelect(e->b, better, x, old, ""), best, zero, type);
    vector_store_at(e, LLVMBuildSelect(e->b, better, at, old_at, ""), place, zero, e->i32);
    loop_end(e, &l);
    return vector_load_at(e, e->i32, place, zero, 0);
}

static void finish(rows *r, uint32_t i) {
    const emitter *e = r->p.e;
    const reduction *red = &e->k->reductions.items[i];
    gradus_dtype dtype = e->k->values.items[red->value].dtype;
    const accumulator *a = &r->accumulators[i];
    llvm result = red->op == OP_argmax ? best_place(e, a, dtype) : tree(e, a, red, dtype);
    for (uint32_t v = 0; v < e->k->values.count; v++)
        if (e->k->values.items[v].kind == VALUE_REDUCED && e->k->values.items[v].reduction == i) r->p.known[v] = result;
}

/* --- keeping ------------------------------------------------------------------------------------------------------------ */

static bool is_dear(const value *v) {
    return v->varies && (v->kind == VALUE_RANDOM || (v->kind == VALUE_OP && op_infos[v->op].operands == DTYPES_FLOATS &&
                                                     v->op != OP_relu && v->op != OP_isfinite && v->op != OP_floor));
}

/* Notes the rounds in which what a round's needed values are made of is needed. */
static void note_needed(const kernel *k, int32_t round, int32_t *first, bool *again, bool *needed) {
    for (uint32_t v = k->values.count; v-- > 0;) {
        if (!needed[v]) continue;
        if (first[v] < 0) first[v] = round;
        else if (first[v] < round) again[v] = true;
        if (again[v] && is_dear(&k->values.items[v]))
            continue; /* it will be loaded: its operands are not needed again */
        for (uint32_t i = 0; i < k->values.items[v].n_args; i++) needed[k->values.items[v].args[i]] = true;
    }
}

/* Finds the dear values that several rounds need, and gives each a row of scratch memory. */
static void keep(rows *r, int64_t row_elements) {
    emitter *e = r->p.e;
    const kernel *k = e->k;
    int32_t *first = ARENA_ARRAY(e->memory, int32_t, k->values.count + 1);
    bool *again = ARENA_ARRAY(e->memory, bool, k->values.count + 1);
    r->p.rows = ARENA_ARRAY(e->memory, llvm, k->values.count + 1);
    for (uint32_t v = 0; v < k->values.count; v++) first[v] = -1;
    for (int32_t round = 0; round < r->rounds; round++) {
        bool *needed = ARENA_ARRAY(e->memory, bool, k->values.count + 1);
        for (uint32_t i = 0; i < k->reductions.count; i++)
            if (k->reductions.items[i].stage == round) needed[k->reductions.items[i].value] = true;
        for (uint32_t s = 0; s < k->stores.count; s++)
            if (stores_in(r, &k->stores.items[s], round)) needed[k->stores.items[s].value] = true;
        note_needed(k, round, first, again, needed);
    }
    for (uint32_t v = 0; v < k->values.count; v++) {
        if (!again[v] || !is_dear(&k->values.items[v])) {
            first[v] = -1;
            continue;
        }
        int64_t bytes = (row_elements + 64) * (int64_t)gradus_dtype_size(k->values.items[v].dtype);
        r->p.rows[v] = scratch_array(e, bytes);
    }
    r->p.kept = first;
}

/* --- the kernel ----------------------------------------------------------------------------------------------------------- */

static void one_round(rows *r, int32_t round, llvm from, llvm to, bool whole) {
    const emitter *e = r->p.e;
    const kernel *k = e->k;
    uint32_t *roots = ARENA_ARRAY(e->memory, uint32_t, k->reductions.count + k->stores.count + 1), n = 0;
    r->p.round = round;
    for (uint32_t i = 0; i < k->reductions.count; i++) {
        if (k->reductions.items[i].stage != round) continue;
        start(r, i);
        roots[n++] = k->reductions.items[i].value;
    }
    for (uint32_t s = 0; s < k->stores.count; s++) {
        if (!stores_in(r, &k->stores.items[s], round)) continue;
        const store *st = &k->stores.items[s];
        r->p.bases[k->values.count + s] = access_base(&r->p, &st->to, k->values.items[st->value].dtype, NULL);
        roots[n++] = st->value;
    }
    if (n) span(&r->p, from, to, whole, roots, n, round_body, r);
    for (uint32_t i = 0; i < k->reductions.count; i++)
        if (k->reductions.items[i].stage == round) finish(r, i);
}

static void one_row(rows *r, llvm from, llvm to, bool whole) {
    const kernel *k = r->p.e->k;
    point_forget(&r->p);
    for (int32_t round = 0; round < r->rounds; round++) one_round(r, round, from, to, whole);
    llvm *stored = ARENA_ARRAY(r->p.e->memory, llvm, k->stores.count + 1);
    for (uint32_t s = 0; s < k->stores.count; s++)
        if (k->stores.items[s].row) stored[s] = point_value(&r->p, k->stores.items[s].value);
    for (uint32_t s = 0; s < k->stores.count; s++)
        if (stored[s]) point_store(&r->p, &k->stores.items[s].to, k->values.items[k->stores.items[s].value].dtype, stored[s], NULL);
}

static unsigned lane_vectors(const emitter *e) {
    int64_t n;
    if (!is_constant(e->dims[e->k->rank - 1], &n) || n >= ORDER_LANES) return ORDER_LANES / e->lanes;
    return n ? (unsigned)((n + e->lanes - 1) / e->lanes) : 1;
}

void emit_rows(emitter *e) {
    const kernel *k = e->k;
    rows r = {.p = point_new(e), .rounds = 1};
    for (uint32_t v = 0; v < k->values.count; v++)
        if (k->values.items[v].stage + 1 > r.rounds) r.rounds = k->values.items[v].stage + 1;
    r.accumulators = ARENA_ARRAY(e->memory, accumulator, k->reductions.count + 1);
    for (uint32_t i = 0; i < k->reductions.count; i++) {
        accumulator *a = &r.accumulators[i];
        a->vectors = lane_vectors(e);
        a->lanes = stack_array(e, storage_of(e, k->values.items[k->reductions.items[i].value].dtype), ORDER_LANES);
        if (k->reductions.items[i].op == OP_argmax) a->places = stack_array(e, e->i32, ORDER_LANES);
    }
    llvm size = e->dims[k->rank - 1];
    if (splits(k)) {
        llvm from = int_mul(e, e->begin, int_constant(e, SPLIT));
        int64_t n = 0;
        bool whole = is_constant(size, &n) && n % e->lanes == 0;
        one_row(&r, from, int_min(e, int_mul(e, e->end, int_constant(e, SPLIT)), size), whole);
        return;
    }
    if (r.rounds > 1) keep(&r, extent_at(k->dims[k->rank - 1], e->list->max_batch));
    loop l = loop_begin(e, e->begin, e->end, 1);
    split_index(e, l.i, 0, k->rank - 1, -1, r.p.at);
    one_row(&r, int_constant(e, 0), size, false);
    loop_end(e, &l);
}
