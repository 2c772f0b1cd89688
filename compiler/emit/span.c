/* SPDX-License-Identifier: Apache-2.0
 * Spans and the evaluation of a kernel's values in them.  See span.h. */
#include "emit/span.h"

#include <assert.h>
#include <llvm/Config/llvm-config.h>
#include <string.h>

point point_new(emitter *e) {
    uint32_t n = e->k->values.count + e->k->stores.count + 1;
    return (point){.e = e,
                   .known = ARENA_ARRAY(e->memory, llvm, n),
                   .spread = ARENA_ARRAY(e->memory, llvm, n),
                   .bases = ARENA_ARRAY(e->memory, llvm, n)};
}

void point_forget(point *p) {
    size_t bytes = sizeof(llvm) * p->e->k->values.count;
    memset(p->known, 0, bytes);
    memset(p->spread, 0, bytes);
    memset(p->bases, 0, bytes);
}

/* --- memory --------------------------------------------------------------------------------------------------------- */

static unsigned alignment_of(const emitter *e, LLVMTypeRef type) {
    if (type == e->i8) return 1;
    return type == e->f64 || type == e->i64 ? 8 : 4;
}

llvm vector_load_at(const emitter *e, LLVMTypeRef type, llvm base, llvm index, unsigned lanes) {
    llvm load = LLVMBuildLoad2(e->b, lanes_of(type, lanes), element_pointer(e, type, base, index), "");
    LLVMSetAlignment(load, alignment_of(e, type));
    return load;
}

void vector_store_at(const emitter *e, llvm x, llvm base, llvm index, LLVMTypeRef type) {
    llvm s = LLVMBuildStore(e->b, x, element_pointer(e, type, base, index));
    LLVMSetAlignment(s, alignment_of(e, type));
}

/* The alignment of masked accesses is an operand of the intrinsic up to LLVM 21, then an attribute of its pointer; without
 * `stored` it is a load. */
static llvm masked_access(const emitter *e, LLVMTypeRef type, llvm stored, llvm pointers, llvm mask, llvm otherwise) {
    bool many = LLVMGetTypeKind(LLVMTypeOf(pointers)) == LLVMVectorTypeKind;
    const char *name = stored ? many ? "llvm.masked.scatter" : "llvm.masked.store" : many ? "llvm.masked.gather" : "llvm.masked.load";
    LLVMTypeRef of = LLVMTypeOf(stored ? stored : otherwise);
    llvm args[4];
    unsigned n = 0, pointer = stored ? 1 : 0;
    if (stored) args[n++] = stored;
    args[n++] = pointers;
#if LLVM_VERSION_MAJOR < 22
    (void)pointer;
    args[n++] = LLVMConstInt(e->i32, alignment_of(e, type), false);
#endif
    args[n++] = mask;
    if (!stored) args[n++] = otherwise;
    llvm call = call_intrinsic2(e, name, of, LLVMTypeOf(pointers), n, args);
#if LLVM_VERSION_MAJOR >= 22
    unsigned align = LLVMGetEnumAttributeKindForName("align", 5);
    LLVMAddCallSiteAttribute(call, pointer + 1, LLVMCreateEnumAttribute(e->context, align, alignment_of(e, type)));
#endif
    return call;
}

llvm vector_load_masked(const emitter *e, LLVMTypeRef type, llvm pointers, llvm mask, llvm otherwise) {
    return masked_access(e, type, NULL, pointers, mask, otherwise);
}

void vector_store_masked(const emitter *e, llvm x, LLVMTypeRef type, llvm pointers, llvm mask) {
    masked_access(e, type, x, pointers, mask, NULL);
}

/* BOOL is i1 as a value and i8, 0 or 1, in memory. */
static llvm from_storage(const emitter *e, gradus_dtype dtype, llvm x) {
    return dtype == GRADUS_BOOL ? LLVMBuildICmp(e->b, LLVMIntNE, x, LLVMConstNull(LLVMTypeOf(x)), "") : x;
}

static llvm to_storage(const emitter *e, gradus_dtype dtype, llvm x, unsigned lanes) {
    return dtype == GRADUS_BOOL ? LLVMBuildZExt(e->b, x, lanes_of(e->i8, lanes), "") : x;
}

llvm element_load(const emitter *e, gradus_dtype dtype, llvm base, llvm index, unsigned lanes) {
    return from_storage(e, dtype, vector_load_at(e, storage_of(e, dtype), base, index, lanes));
}

void element_store(const emitter *e, gradus_dtype dtype, llvm x, llvm base, llvm index, unsigned lanes) {
    vector_store_at(e, to_storage(e, dtype, x, lanes), base, index, storage_of(e, dtype));
}

llvm access_offset(const point *p, const access *a, int rank) {
    const emitter *e = p->e;
    llvm offset = int_constant(e, 0);
    for (int power = 0; power < OFFSET_POWERS; power++)
        if (a->offset[power]) offset = int_add(e, offset, extent_value(e, (extent){a->offset[power], power}));
    for (int d = 0; d < rank; d++)
        if (a->stride[d].factor) offset = int_add(e, offset, int_mul(e, p->at[d], extent_value(e, a->stride[d])));
    return offset;
}

llvm access_base(const point *p, const access *a, gradus_dtype dtype, llvm last) {
    const emitter *e = p->e;
    const int inner = e->k->rank - 1;
    llvm offset = access_offset(p, a, inner);
    if (last && a->stride[inner].factor) offset = int_add(e, offset, int_mul(e, last, extent_value(e, a->stride[inner])));
    return element_pointer(e, storage_of(e, dtype), e->pointers[a->buffer], offset);
}

static bool contiguous(const emitter *e, const access *a) {
    extent s = a->stride[e->k->rank - 1];
    return s.factor == 1 && s.power == 0;
}

/* The pointers of a vector whose elements are `stride` apart. */
static llvm spread_pointers(const emitter *e, LLVMTypeRef type, llvm base, llvm offsets) {
    return LLVMBuildGEP2(e->b, type, base, &offsets, 1, "");
}

static llvm strided_offsets(const vector *v, const access *a) {
    const emitter *e = v->p->e;
    llvm numbers = LLVMBuildAdd(e->b, splat(e, v->i, v->lanes), lane_numbers(e, e->i64, v->lanes), "");
    return LLVMBuildMul(e->b, numbers, splat(e, extent_value(e, a->stride[e->k->rank - 1]), v->lanes), "");
}

static llvm all_lanes(const emitter *e, unsigned lanes) { return LLVMConstAllOnes(LLVMVectorType(e->i1, lanes)); }

/* Lanes that are inside the guard of an access; NULL where it has none. */
static llvm guard_mask(const vector *v, const access *a) {
    const emitter *e = v->p->e;
    llvm inside = NULL;
    if (!a->guarded) return NULL;
    for (int d = 0; d < e->k->rank; d++) {
        bool last = d == e->k->rank - 1;
        for (int side = 0; side < 2; side++) {
            int64_t limit = side ? a->high[d] : a->low[d];
            if (limit == (side ? INT64_MAX : INT64_MIN)) continue;
            llvm at = last ? v->i : v->p->at[d], bound = int_constant(e, limit);
            if (last && v->lanes) {
                at = LLVMBuildAdd(e->b, splat(e, at, v->lanes), lane_numbers(e, e->i64, v->lanes), "");
                bound = splat(e, bound, v->lanes);
            }
            llvm ok = LLVMBuildICmp(e->b, side ? LLVMIntSLT : LLVMIntSGE, at, bound, "");
            if (!last && v->lanes) ok = splat(e, ok, v->lanes);
            inside = inside ? LLVMBuildAnd(e->b, inside, ok, "") : ok;
        }
    }
    return inside;
}

static llvm both_masks(const emitter *e, llvm a, llvm b) {
    return !a ? b : !b ? a : LLVMBuildAnd(e->b, a, b, "");
}

/* One element under a guard: a branch around the load. */
static llvm guarded_element(const vector *v, LLVMTypeRef type, llvm pointer, llvm inside, llvm otherwise) {
    const emitter *e = v->p->e;
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->b);
    branch b = branch_begin(e, inside);
    llvm loaded = vector_load_at(e, type, pointer, int_constant(e, 0), 0);
    LLVMBasicBlockRef then = LLVMGetInsertBlock(e->b);
    branch_end(e, &b);
    llvm phi = LLVMBuildPhi(e->b, type, "");
    LLVMAddIncoming(phi, (llvm[]){loaded, otherwise}, (LLVMBasicBlockRef[]){then, from}, 2);
    return phi;
}

static llvm load_value(vector *v, uint32_t id) {
    const emitter *e = v->p->e;
    const value *it = &e->k->values.items[id];
    const access *a = &it->at;
    LLVMTypeRef type = storage_of(e, it->dtype);
    llvm fill = splat(e, LLVMBuildBitCast(e->b, constant(e, it->dtype, a->fill), type_of(e, it->dtype), ""), v->lanes);
    if (it->dtype == GRADUS_BOOL) fill = to_storage(e, it->dtype, fill, v->lanes);
    llvm base = v->p->bases[id], guard_lanes = guard_mask(v, a), mask = both_masks(e, v->mask, guard_lanes), index = NULL;
    if (!base) base = access_base(v->p, a, it->dtype, NULL);
    if (it->n_args) {
        bool varies = e->k->values.items[it->args[0]].varies && v->lanes;
        index = varies ? vector_value(v, it->args[0]) : point_value(v->p, it->args[0]);
        if (e->k->values.items[it->args[0]].dtype == GRADUS_I32) index = LLVMBuildSExt(e->b, index, varies ? LLVMVectorType(e->i64, v->lanes) : e->i64, "");
        llvm along = extent_value(e, it->along);
        index = LLVMBuildMul(e->b, index, varies ? splat(e, along, v->lanes) : along, "");
        if (!varies) {
            base = element_pointer(e, type, base, index);
            index = NULL;
        }
    }
    if (!v->lanes) {
        llvm pointer = base;
        return from_storage(e, it->dtype, guard_lanes ? guarded_element(v, type, pointer, guard_lanes, fill)
                                                      : vector_load_at(e, type, pointer, int_constant(e, 0), 0));
    }
    llvm loaded;
    if (index || !contiguous(e, a)) {
        llvm offsets = strided_offsets(v, a);
        if (index) offsets = LLVMBuildAdd(e->b, offsets, index, "");
        loaded = vector_load_masked(e, type, spread_pointers(e, type, base, offsets), mask ? mask : all_lanes(e, v->lanes), fill);
    } else if (mask) {
        loaded = vector_load_masked(e, type, element_pointer(e, type, base, v->i), mask, fill);
    } else {
        loaded = vector_load_at(e, type, base, v->i, v->lanes);
    }
    return from_storage(e, it->dtype, loaded);
}

void vector_store(vector *v, const access *to, llvm base, gradus_dtype dtype, llvm x) {
    const emitter *e = v->p->e;
    LLVMTypeRef type = storage_of(e, dtype);
    x = to_storage(e, dtype, x, v->lanes);
    if (!contiguous(e, to)) {
        llvm mask = v->mask ? v->mask : all_lanes(e, v->lanes);
        vector_store_masked(e, x, type, spread_pointers(e, type, base, strided_offsets(v, to)), mask);
    } else if (v->mask) {
        vector_store_masked(e, x, type, element_pointer(e, type, base, v->i), v->mask);
    } else {
        vector_store_at(e, x, base, v->i, type);
    }
}

void point_store(const point *p, const access *to, gradus_dtype dtype, llvm x, llvm last) {
    const emitter *e = p->e;
    element_store(e, dtype, x, access_base(p, to, dtype, last), int_constant(e, 0), 0);
}

/* --- values ----------------------------------------------------------------------------------------------------------- */

/* The affine function of an iota or a random number's place, as i64. */
static llvm affine(const vector *v, const access *a) {
    const emitter *e = v->p->e;
    const int last = e->k->rank - 1;
    llvm base = access_offset(v->p, a, last);
    if (!v->lanes) return base;
    llvm all = splat(e, base, v->lanes);
    if (!a->stride[last].factor) return all;
    return LLVMBuildAdd(e->b, all, strided_offsets(v, a), "");
}

static llvm compute(vector *v, uint32_t id) {
    const emitter *e = v->p->e;
    const value *it = &e->k->values.items[id];
    llvm args[3];
    switch (it->kind) {
    case VALUE_LOAD: return load_value(v, id);
    case VALUE_FILL: return splat(e, constant(e, it->dtype, it->fill), v->lanes);
    case VALUE_INDEX:
    case VALUE_COUNT: {
        llvm n = it->kind == VALUE_INDEX ? affine(v, &it->at) : splat(e, extent_value(e, it->count), v->lanes);
        return emit_op(e, OP_cast, GRADUS_I64, it->dtype, v->lanes, &n);
    }
    case VALUE_RANDOM: {
        llvm seed = point_value(v->p, it->args[0]), counter = point_value(v->p, it->args[1]);
        return emit_random(e, it->dtype, v->lanes, seed, counter, it->stream, affine(v, &it->at));
    }
    case VALUE_OP:
        for (uint32_t i = 0; i < it->n_args; i++)
            args[i] = v->lanes ? vector_value(v, it->args[i]) : point_value(v->p, it->args[i]);
        return emit_op(e, it->op, e->k->values.items[it->args[0]].dtype, it->dtype, v->lanes, args);
    case VALUE_REDUCED: {
        assert(v->p->accumulators && "reductions along rows are known before they are used");
        return element_load(e, it->dtype, v->p->accumulators[it->reduction], int_sub(e, v->i, v->p->from), v->lanes);
    }
    case VALUE_PRODUCT: return vector_load_at(e, type_of(e, it->dtype), v->p->tile, int_sub(e, v->i, v->p->from), v->lanes);
    case VALUE_CALLED: break; /* calls have no spans */
    }
    assert(!"a kind of value");
    return NULL;
}

/* The values that a value is made of come before it: computed in the order of their numbers, each finds its operands, and
 * nothing recurses over a long chain of them. */
llvm point_value(point *p, uint32_t id) {
    assert(!p->e->k->values.items[id].varies);
    if (p->known[id]) return p->known[id];
    const value *it = &p->e->k->values.items[id];
    bool ready = true;
    for (uint32_t a = 0; a < it->n_args; a++) ready = ready && p->known[it->args[a]];
    vector here = {.p = p, .i = int_constant(p->e, 0)};
    if (ready) return p->known[id] = compute(&here, id);
    bool *needed = ARENA_ARRAY(p->e->memory, bool, id + 1);
    needed[id] = true;
    for (uint32_t i = id + 1; i-- > 0;) {
        it = &p->e->k->values.items[i];
        for (uint32_t a = 0; needed[i] && !p->known[i] && a < it->n_args; a++) needed[it->args[a]] = true;
    }
    for (uint32_t i = 0; i <= id; i++)
        if (needed[i] && !p->known[i]) p->known[i] = compute(&here, i);
    return p->known[id];
}

/* Whether a value is read from where an earlier round has kept it. */
static bool is_kept(const point *p, uint32_t id) { return p->kept && p->kept[id] >= 0; }
static bool is_reloaded(const point *p, uint32_t id) { return is_kept(p, id) && p->kept[id] < p->round; }

/* Marks, of the values up to `last`, what the marked ones need at each element of a span. */
static void mark_varying(const point *p, uint32_t last, const llvm *cache, bool *needed) {
    for (uint32_t i = last + 1; i-- > 0;) {
        const value *it = &p->e->k->values.items[i];
        if (!needed[i] || !it->varies || it->kind == VALUE_RANDOM || is_reloaded(p, i) || (cache && cache[i])) continue;
        for (uint32_t a = 0; a < it->n_args; a++) needed[it->args[a]] = true;
    }
}

static llvm varying_value(vector *v, uint32_t id) {
    const emitter *e = v->p->e;
    const gradus_dtype dtype = e->k->values.items[id].dtype;
    if (is_reloaded(v->p, id)) return element_load(e, dtype, v->p->rows[id], v->i, v->lanes);
    llvm x = compute(v, id);
    if (is_kept(v->p, id) && v->p->kept[id] == v->p->round) element_store(e, dtype, x, v->p->rows[id], v->i, v->lanes);
    return x;
}

llvm vector_value(vector *v, uint32_t id) {
    const emitter *e = v->p->e;
    if (v->cache[id]) return v->cache[id];
    if (!e->k->values.items[id].varies) {
        if (v->p->spread[id]) return v->p->spread[id];
        return v->cache[id] = splat(e, point_value(v->p, id), v->lanes);
    }
    bool *needed = ARENA_ARRAY(e->memory, bool, id + 1);
    needed[id] = true;
    mark_varying(v->p, id, v->cache, needed);
    for (uint32_t i = 0; i <= id; i++)
        if (needed[i] && !v->cache[i] && e->k->values.items[i].varies) v->cache[i] = varying_value(v, i);
    return v->cache[id];
}

/* Computes, in front of the loop, what the roots need and what does not vary along it. */
static void hoist(point *p, const uint32_t *roots, uint32_t count) {
    const emitter *e = p->e;
    bool *needed = ARENA_ARRAY(e->memory, bool, e->k->values.count + 1);
    for (uint32_t i = 0; i < count; i++) needed[roots[i]] = true;
    if (e->k->values.count) mark_varying(p, e->k->values.count - 1, NULL, needed);
    for (uint32_t id = 0; id < e->k->values.count; id++) {
        const value *it = &e->k->values.items[id];
        if (!needed[id]) continue;
        if (!it->varies) {
            if (!p->spread[id]) p->spread[id] = splat(e, point_value(p, id), e->lanes);
        } else if (!is_reloaded(p, id)) {
            for (uint32_t a = 0; it->kind == VALUE_RANDOM && a < it->n_args; a++) point_value(p, it->args[a]);
            if (it->kind == VALUE_LOAD && !p->bases[id]) p->bases[id] = access_base(p, &it->at, it->dtype, NULL);
        }
    }
}

static void one_vector(point *p, llvm i, llvm mask, span_body each, void *user) {
    vector v = {.p = p, .i = i, .mask = mask, .lanes = p->e->lanes};
    v.cache = ARENA_ARRAY(p->e->memory, llvm, p->e->k->values.count + 1);
    each(&v, user);
}

static llvm rest_mask(const emitter *e, llvm remaining) {
    int64_t n;
    if (is_constant(remaining, &n)) {
        llvm bits[64];
        for (unsigned i = 0; i < e->lanes; i++) bits[i] = LLVMConstInt(e->i1, i < n, false);
        return LLVMConstVector(bits, e->lanes);
    }
    llvm left = LLVMBuildTrunc(e->b, remaining, e->i32, "");
    return LLVMBuildICmp(e->b, LLVMIntULT, lane_numbers(e, e->i32, e->lanes), splat(e, left, e->lanes), "");
}

void span(point *p, llvm from, llvm to, bool whole, const uint32_t *roots, uint32_t n_roots, span_body each, void *user) {
    const emitter *e = p->e;
    hoist(p, roots, n_roots);
    llvm length = int_sub(e, to, from), full = NULL;
    int64_t n = 0, lanes = e->lanes;
    bool known = is_constant(length, &n);
    llvm rest = known ? int_constant(e, n % lanes) : LLVMBuildAnd(e->b, length, int_constant(e, lanes - 1), "");
    full = whole ? to : int_sub(e, to, rest);
    if (known && n / lanes == 1) {
        one_vector(p, from, NULL, each, user);
    } else if (!known || n >= lanes) {
        loop l = loop_begin(e, from, full, lanes);
        one_vector(p, l.i, NULL, each, user);
        loop_end(e, &l);
    }
    if (whole || (known && n % lanes == 0)) return;
    if (known) {
        one_vector(p, full, rest_mask(e, rest), each, user);
        return;
    }
    branch b = branch_begin(e, LLVMBuildICmp(e->b, LLVMIntNE, rest, int_constant(e, 0), ""));
    one_vector(p, full, rest_mask(e, rest), each, user);
    branch_end(e, &b);
}

/* All reads of a point come before its writes, so that updates may happen in place. */
static void store_everything(vector *v, void *user) {
    (void)user;
    const kernel *k = v->p->e->k;
    llvm *stored = ARENA_ARRAY(v->p->e->memory, llvm, k->stores.count + 1);
    for (uint32_t s = 0; s < k->stores.count; s++) stored[s] = vector_value(v, k->stores.items[s].value);
    for (uint32_t s = 0; s < k->stores.count; s++)
        vector_store(v, &k->stores.items[s].to, v->p->bases[k->values.count + s],
                     k->values.items[k->stores.items[s].value].dtype, stored[s]);
}

void span_of_stores(point *p, llvm from, llvm to, bool whole) {
    const kernel *k = p->e->k;
    uint32_t *roots = ARENA_ARRAY(p->e->memory, uint32_t, k->stores.count + 1);
    for (uint32_t s = 0; s < k->stores.count; s++) {
        const store *st = &k->stores.items[s];
        roots[s] = st->value;
        p->bases[k->values.count + s] = access_base(p, &st->to, k->values.items[st->value].dtype, NULL);
    }
    span(p, from, to, whole, roots, k->stores.count, store_everything, NULL);
}
