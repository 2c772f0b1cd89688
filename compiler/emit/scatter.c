/* SPDX-License-Identifier: Apache-2.0
 *
 * Scatter: the result starts as a copy of x, then takes the elements of z in the order of the index.  A unit of work is
 * one setting of the outer axes, so that one thread does all additions to a place, in order.
 *
 *     for outer:  r[outer] = x[outer];  for j:  for inner:  r[outer, y[j], inner] += z[outer, j, inner]
 *
 * And the check of an index, which every thread runs in full before anything is written.
 */
#include "emit/span.h"

enum { START, INDEX, ADDEND };

static llvm load_element(const emitter *e, uint32_t v, llvm at) {
    const value *it = &e->k->values.items[v];
    return vector_load_at(e, storage_of(e, it->dtype), e->pointers[it->at.buffer], at, 0);
}

static llvm load_index(const emitter *e, llvm at) {
    llvm index = load_element(e, INDEX, at);
    return e->k->values.items[INDEX].dtype == GRADUS_I64 ? index : LLVMBuildSExt(e->b, index, e->i64, "");
}

llvm scatter_units(const emitter *e, const kernel *k) { return extent_value(e, k->dims[0]); }

void emit_scatter(emitter *e) {
    const kernel *k = e->k;
    gradus_dtype dtype = k->values.items[START].dtype;
    LLVMTypeRef type = storage_of(e, dtype);
    llvm axis = e->dims[1], inner = e->dims[2], zero = int_constant(e, 0), count = extent_value(e, k->scattered);
    llvm result = e->pointers[k->stores.items[0].to.buffer], plane = int_mul(e, axis, inner);
    loop outer = loop_begin(e, e->begin, e->end, 1);
    llvm first = int_mul(e, outer.i, plane);
    loop copy = loop_begin(e, zero, plane, 1);
    llvm at = int_add(e, first, copy.i);
    vector_store_at(e, load_element(e, START, at), result, at, type);
    loop_end(e, &copy);
    loop j = loop_begin(e, zero, count, 1);
    llvm z_row = int_mul(e, int_add(e, int_mul(e, outer.i, count), j.i), inner);
    loop i = loop_begin(e, zero, inner, 1);
    llvm z_at = int_add(e, z_row, i.i), index = load_index(e, k->along_axis ? z_at : j.i);
    llvm to = int_add(e, first, int_add(e, LLVMBuildMul(e->b, index, inner, ""), i.i));
    llvm pair[2] = {vector_load_at(e, type, result, to, 0), load_element(e, ADDEND, z_at)};
    vector_store_at(e, emit_op(e, OP_add, dtype, dtype, 0, pair), result, to, type);
    loop_end(e, &i);
    loop_end(e, &j);
    loop_end(e, &outer);
}

/* i32 check(…): 0 if every element of value 0 … is an index below the bound; the report says which is not. */
void emit_check(emitter *e) {
    const kernel *k = e->k;
    point p = point_new(e);
    uint32_t id = k->values.count - 1;
    llvm total = int_constant(e, 1), report = LLVMGetLastParam(e->function);
    for (int d = 0; d < k->rank; d++) total = int_mul(e, total, e->dims[d]);
    loop l = loop_begin(e, int_constant(e, 0), total, 1);
    point_forget(&p);
    split_index(e, l.i, 0, k->rank, -1, p.at);
    const value *it = &k->values.items[id];
    llvm pointer = access_base(&p, &it->at, it->dtype, p.at[k->rank - 1]);
    llvm index = vector_load_at(e, storage_of(e, it->dtype), pointer, int_constant(e, 0), 0);
    if (it->dtype != GRADUS_I64) index = LLVMBuildSExt(e->b, index, e->i64, "");
    branch bad = branch_begin(e, LLVMBuildICmp(e->b, LLVMIntUGE, index, int_constant(e, k->bound), ""));
    vector_store_at(e, l.i, report, int_constant(e, 0), e->i64);
    vector_store_at(e, index, report, int_constant(e, 1), e->i64);
    LLVMBuildRet(e->b, LLVMConstInt(e->i32, 1, false));
    LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->context, e->function, "unreachable"));
    branch_end(e, &bad);
    loop_end(e, &l);
}
