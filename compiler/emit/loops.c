/* SPDX-License-Identifier: Apache-2.0
 * Types, constants, integer arithmetic and control flow over LLVM's builder.  See emitter.h. */
#include "emit/emitter.h"

#include <assert.h>
#include <string.h>

LLVMTypeRef type_of(const emitter *e, gradus_dtype dtype) {
    switch (dtype) {
    case GRADUS_F32: return e->f32;
    case GRADUS_F64: return e->f64;
    case GRADUS_I32: return e->i32;
    case GRADUS_I64: return e->i64;
    case GRADUS_U8: return e->i8;
    case GRADUS_BOOL: return e->i1;
    }
    assert(!"a dtype");
    return e->f32;
}

LLVMTypeRef storage_of(const emitter *e, gradus_dtype dtype) { return dtype == GRADUS_BOOL ? e->i8 : type_of(e, dtype); }

LLVMTypeRef lanes_of(LLVMTypeRef type, unsigned lanes) { return lanes ? LLVMVectorType(type, lanes) : type; }

llvm int_constant(const emitter *e, int64_t n) { return LLVMConstInt(e->i64, (unsigned long long)n, true); }

llvm constant(const emitter *e, gradus_dtype dtype, scalar s) {
    switch (dtype) { /* through the bits, so that a NaN stays what it is */
    case GRADUS_F32: return LLVMConstBitCast(LLVMConstInt(e->i32, (uint32_t)s.i32, false), e->f32);
    case GRADUS_F64: return LLVMConstBitCast(LLVMConstInt(e->i64, s.bits, false), e->f64);
    case GRADUS_I32: return LLVMConstInt(e->i32, (uint32_t)s.i32, false);
    case GRADUS_I64: return LLVMConstInt(e->i64, s.bits, false);
    case GRADUS_U8: return LLVMConstInt(e->i8, s.u8, false);
    case GRADUS_BOOL: return LLVMConstInt(e->i1, s.u8, false);
    }
    assert(!"a dtype");
    return NULL;
}

llvm splat(const emitter *e, llvm element, unsigned lanes) {
    if (!lanes) return element;
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(element), lanes);
    if (LLVMIsConstant(element) && !LLVMIsUndef(element)) {
        llvm all[64];
        for (unsigned i = 0; i < lanes; i++) all[i] = element;
        return LLVMConstVector(all, lanes);
    }
    llvm one = LLVMBuildInsertElement(e->b, LLVMGetPoison(type), element, LLVMConstInt(e->i32, 0, false), "");
    return LLVMBuildShuffleVector(e->b, one, LLVMGetPoison(type), LLVMConstNull(LLVMVectorType(e->i32, lanes)), "");
}

llvm lane_numbers(const emitter *e, LLVMTypeRef type, unsigned lanes) {
    (void)e;
    llvm all[64];
    if (!lanes) return LLVMConstInt(type, 0, false);
    for (unsigned i = 0; i < lanes; i++) all[i] = LLVMConstInt(type, i, false);
    return LLVMConstVector(all, lanes);
}

static llvm call_overloaded(const emitter *e, const char *name, LLVMTypeRef *overloads, unsigned n_overloads, unsigned n, llvm *args) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    assert(id && "LLVM knows the intrinsic");
    llvm f = LLVMGetIntrinsicDeclaration(e->module, id, overloads, n_overloads);
    LLVMTypeRef type = LLVMIntrinsicGetType(e->context, id, overloads, n_overloads);
    return LLVMBuildCall2(e->b, type, f, args, n, "");
}

llvm call_intrinsic(const emitter *e, const char *name, LLVMTypeRef overload, unsigned n, llvm *args) {
    return call_overloaded(e, name, &overload, 1, n, args);
}

llvm call_intrinsic2(const emitter *e, const char *name, LLVMTypeRef first, LLVMTypeRef second, unsigned n, llvm *args) {
    LLVMTypeRef overloads[2] = {first, second};
    return call_overloaded(e, name, overloads, 2, n, args);
}

bool is_constant(llvm v, int64_t *n) {
    if (!LLVMIsAConstantInt(v)) return false;
    *n = LLVMConstIntGetSExtValue(v);
    return true;
}

llvm int_add(const emitter *e, llvm a, llvm b) {
    int64_t x = 0, y = 0;
    bool p = is_constant(a, &x), q = is_constant(b, &y);
    if (p && q) return int_constant(e, x + y);
    if (p && x == 0) return b;
    if (q && y == 0) return a;
    return LLVMBuildNSWAdd(e->b, a, b, "");
}

llvm int_sub(const emitter *e, llvm a, llvm b) {
    int64_t x = 0, y = 0;
    bool p = is_constant(a, &x), q = is_constant(b, &y);
    if (p && q) return int_constant(e, x - y);
    if (q && y == 0) return a;
    return LLVMBuildNSWSub(e->b, a, b, "");
}

llvm int_mul(const emitter *e, llvm a, llvm b) {
    int64_t x = 0, y = 0;
    bool p = is_constant(a, &x), q = is_constant(b, &y);
    if (p && q) return int_constant(e, x * y);
    if ((p && x == 0) || (q && y == 1)) return a;
    if ((q && y == 0) || (p && x == 1)) return b;
    return LLVMBuildNSWMul(e->b, a, b, "");
}

llvm int_min(const emitter *e, llvm a, llvm b) {
    int64_t x = 0, y = 0;
    if (is_constant(a, &x) && is_constant(b, &y)) return int_constant(e, x < y ? x : y);
    return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, a, b, ""), a, b, "");
}

llvm int_div_up(const emitter *e, llvm a, int64_t b) {
    int64_t x = 0;
    if (is_constant(a, &x)) return int_constant(e, (x + b - 1) / b);
    return LLVMBuildUDiv(e->b, int_add(e, a, int_constant(e, b - 1)), int_constant(e, b), "");
}

llvm extent_value(const emitter *e, extent x) {
    llvm v = int_constant(e, x.factor);
    for (int p = 0; p < x.power; p++) v = int_mul(e, v, e->batch);
    return v;
}

llvm element_pointer(const emitter *e, LLVMTypeRef type, llvm base, llvm index) {
    int64_t constant_index;
    if (is_constant(index, &constant_index) && constant_index == 0) return base;
    return LLVMBuildGEP2(e->b, type, base, &index, 1, "");
}

static LLVMBasicBlockRef new_block(const emitter *e, const char *name) {
    return LLVMAppendBasicBlockInContext(e->context, e->function, name);
}

loop loop_begin(const emitter *e, llvm from, llvm to, int64_t step) {
    loop l = {.head = new_block(e, "head"), .done = new_block(e, "done"), .step = int_constant(e, step)};
    LLVMBasicBlockRef before = LLVMGetInsertBlock(e->b), body = new_block(e, "body");
    LLVMBuildBr(e->b, l.head);
    LLVMPositionBuilderAtEnd(e->b, l.head);
    l.i = LLVMBuildPhi(e->b, e->i64, "i");
    LLVMAddIncoming(l.i, &from, &before, 1);
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, l.i, to, ""), body, l.done);
    LLVMPositionBuilderAtEnd(e->b, body);
    return l;
}

void loop_end(const emitter *e, const loop *l) {
    llvm next = LLVMBuildNSWAdd(e->b, l->i, l->step, "");
    LLVMBasicBlockRef last = LLVMGetInsertBlock(e->b);
    LLVMBuildBr(e->b, l->head);
    LLVMAddIncoming(l->i, &next, &last, 1);
    LLVMMoveBasicBlockAfter(l->done, last);
    LLVMPositionBuilderAtEnd(e->b, l->done);
}

branch branch_begin(const emitter *e, llvm condition) {
    branch b = {.done = new_block(e, "endif")};
    LLVMBasicBlockRef then = new_block(e, "then");
    LLVMBuildCondBr(e->b, condition, then, b.done);
    LLVMPositionBuilderAtEnd(e->b, then);
    return b;
}

void branch_end(const emitter *e, const branch *b) {
    LLVMBasicBlockRef last = LLVMGetInsertBlock(e->b);
    LLVMBuildBr(e->b, b->done);
    LLVMMoveBasicBlockAfter(b->done, last);
    LLVMPositionBuilderAtEnd(e->b, b->done);
}

llvm stack_array(const emitter *e, LLVMTypeRef type, unsigned count) {
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b), first = LLVMGetEntryBasicBlock(e->function);
    llvm start = LLVMGetFirstInstruction(first);
    if (start) LLVMPositionBuilderBefore(e->b, start);
    else LLVMPositionBuilderAtEnd(e->b, first);
    llvm array = LLVMBuildAlloca(e->b, LLVMArrayType2(type, count), "");
    LLVMSetAlignment(array, 64);
    LLVMPositionBuilderAtEnd(e->b, here);
    return array;
}

llvm scratch_array(emitter *e, int64_t bytes) {
    llvm at = element_pointer(e, e->i8, e->scratch, int_constant(e, e->scratch_bytes));
    e->scratch_bytes += (bytes + 63) / 64 * 64;
    return at;
}

void split_index(const emitter *e, llvm number, int from, int to, int skip, llvm *at) {
    for (int d = to - 1; d >= from; d--) {
        if (d == skip) continue;
        int64_t size = 0, whole = 0;
        bool known = is_constant(e->dims[d], &size);
        bool first = d == from || (d == from + 1 && skip == from);
        if (first) {
            at[d] = number;
        } else if (known && size == 1) {
            at[d] = int_constant(e, 0);
        } else if (is_constant(number, &whole) && known) {
            at[d] = int_constant(e, whole % size);
            number = int_constant(e, whole / size);
        } else {
            at[d] = LLVMBuildURem(e->b, number, e->dims[d], "");
            number = LLVMBuildUDiv(e->b, number, e->dims[d], "");
        }
    }
}

void set_attributes(const emitter *e, llvm function) {
    text width = {.memory = e->memory};
    text_append(&width, "%u", e->target->vector_bytes * 8);
    const char *const keys[] = {"min-legal-vector-width", "prefer-vector-width"};
    for (int i = 0; i < 2; i++)
        LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                                LLVMCreateStringAttribute(e->context, keys[i], (unsigned)strlen(keys[i]), width.data, (unsigned)width.length));
    unsigned nounwind = LLVMGetEnumAttributeKindForName("nounwind", 8);
    LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(e->context, nounwind, 0));
}

llvm shared_function(const emitter *e, const char *name, LLVMTypeRef type, bool *define) {
    *define = true;
    for (uint32_t i = 0; i < e->em->shared.count; i++)
        if (strcmp(e->em->shared.items[i], name) == 0) *define = false;
    if (*define) VEC_PUSH(e->memory, &e->em->shared, arena_string(e->memory, name));
    llvm function = LLVMGetNamedFunction(e->module, name);
    if (!function) {
        function = LLVMAddFunction(e->module, name, type);
        set_attributes(e, function);
    }
    return function;
}
