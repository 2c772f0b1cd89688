/* SPDX-License-Identifier: Apache-2.0
 *
 * math.inc as a builder of LLVM IR, and Philox.  See math.h. */
#include "emit/math.h"

#include "rules/philox.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { MAX_LANES = 64 };

/* A math_context with the types of one element type */
typedef struct {
    LLVMBuilderRef builder;
    LLVMModuleRef module;
    LLVMContextRef context;
    unsigned lanes;
    bool separate_mul_add;
    LLVMTypeRef real, integer, wide; /* vectors if lanes is not 0 */
} machine;

static LLVMTypeRef vector_of(LLVMTypeRef element, unsigned lanes) {
    return lanes ? LLVMVectorType(element, lanes) : element;
}

static machine machine_for(const math_context *m, gradus_dtype dtype) {
    LLVMContextRef context = LLVMGetModuleContext(m->module);
    bool f32 = dtype == GRADUS_F32;
    return (machine){
        .builder = m->builder,
        .module = m->module,
        .context = context,
        .lanes = m->lanes,
        .separate_mul_add = m->separate_mul_add,
        .real = vector_of(f32 ? LLVMFloatTypeInContext(context) : LLVMDoubleTypeInContext(context), m->lanes),
        .integer = vector_of(LLVMIntTypeInContext(context, f32 ? 32 : 64), m->lanes),
        .wide = vector_of(LLVMInt64TypeInContext(context), m->lanes),
    };
}

/* The constant `one` in every lane */
static LLVMValueRef repeat_constant(const machine *m, LLVMValueRef one) {
    LLVMValueRef all[MAX_LANES];
    assert(m->lanes <= MAX_LANES);
    for (unsigned i = 0; i < m->lanes; i++) all[i] = one;
    return m->lanes ? LLVMConstVector(all, m->lanes) : one;
}

static LLVMTypeRef element_of(LLVMTypeRef type) {
    return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetElementType(type) : type;
}

static LLVMValueRef real_constant(const machine *m, double c) {
    return repeat_constant(m, LLVMConstReal(element_of(m->real), c));
}

static LLVMValueRef integer_constant(const machine *m, LLVMTypeRef type, uint64_t c) {
    return repeat_constant(m, LLVMConstInt(element_of(type), c, false));
}

static LLVMValueRef intrinsic(const machine *m, const char *name, LLVMValueRef *arguments, unsigned count) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMTypeRef type = m->real;
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(m->module, id, &type, 1);
    return LLVMBuildCall2(m->builder, LLVMIntrinsicGetType(m->context, id, &type, 1), function, arguments, count, "");
}

static LLVMValueRef fused(const machine *m, LLVMValueRef x, LLVMValueRef y, LLVMValueRef z) {
    if (m->separate_mul_add) return LLVMBuildFAdd(m->builder, LLVMBuildFMul(m->builder, x, y, ""), z, "");
    return intrinsic(m, "llvm.fma", (LLVMValueRef[]){x, y, z}, 3);
}

static LLVMValueRef test_bits(const machine *m, LLVMValueRef x, uint64_t mask) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef bits = LLVMBuildAnd(m->builder, x, integer_constant(m, type, mask), "");
    return LLVMBuildICmp(m->builder, LLVMIntNE, bits, LLVMConstNull(type), "");
}

#define T LLVMValueRef
#define I LLVMValueRef
#define L LLVMValueRef
#define B LLVMValueRef
#define FUNCTION(name, ...) static LLVMValueRef NAME(name)(const machine *m, __VA_ARGS__)
#define FUNCTION_I FUNCTION
#define FUNCTION_B FUNCTION
#define CALL(name, ...) NAME(name)(m, __VA_ARGS__)
#define K(c) real_constant(m, (c))
#define IK(c) integer_constant(m, m->integer, (c))
#define LK(c) integer_constant(m, m->wide, (c))
#define ADD(x, y) LLVMBuildFAdd(m->builder, x, y, "")
#define SUB(x, y) LLVMBuildFSub(m->builder, x, y, "")
#define MUL(x, y) LLVMBuildFMul(m->builder, x, y, "")
#define DIV(x, y) LLVMBuildFDiv(m->builder, x, y, "")
#define FMA(x, y, z) fused(m, x, y, z)
#define NEG(x) LLVMBuildFNeg(m->builder, x, "")
#define ABS(x) intrinsic(m, "llvm.fabs", (LLVMValueRef[]){x}, 1)
#define SQRT(x) intrinsic(m, "llvm.sqrt", (LLVMValueRef[]){x}, 1)
#define LT(x, y) LLVMBuildFCmp(m->builder, LLVMRealOLT, x, y, "")
#define LE(x, y) LLVMBuildFCmp(m->builder, LLVMRealOLE, x, y, "")
#define EQ(x, y) LLVMBuildFCmp(m->builder, LLVMRealOEQ, x, y, "")
#define AND(x, y) LLVMBuildAnd(m->builder, x, y, "")
#define OR(x, y) LLVMBuildOr(m->builder, x, y, "")
#define NOT(x) LLVMBuildNot(m->builder, x, "")
#define SELECT(b, x, y) LLVMBuildSelect(m->builder, b, x, y, "")
#define BITS(x) LLVMBuildBitCast(m->builder, x, m->integer, "")
#define FROM_BITS(i) LLVMBuildBitCast(m->builder, i, m->real, "")
#define IADD(x, y) LLVMBuildAdd(m->builder, x, y, "")
#define ISUB(x, y) LLVMBuildSub(m->builder, x, y, "")
#define IMUL(x, y) LLVMBuildMul(m->builder, x, y, "")
#define IAND(x, y) LLVMBuildAnd(m->builder, x, y, "")
#define IOR(x, y) LLVMBuildOr(m->builder, x, y, "")
#define IXOR(x, y) LLVMBuildXor(m->builder, x, y, "")
#define ISHL(x, n) LLVMBuildShl(m->builder, x, integer_constant(m, LLVMTypeOf(x), (n)), "")
#define ISHR(x, n) LLVMBuildLShr(m->builder, x, integer_constant(m, LLVMTypeOf(x), (n)), "")
#define ISHLV(x, n) LLVMBuildShl(m->builder, x, n, "")
#define ISHRV(x, n) LLVMBuildLShr(m->builder, x, n, "")
#define ITEST(x, c) test_bits(m, x, (c))
#define WIDE(i) LLVMBuildZExt(m->builder, i, m->wide, "")
#define NARROW(l) LLVMBuildTrunc(m->builder, l, m->integer, "")

#define MATH_BITS 32
#define NAME(name) name##_f32
#include "rules/math.inc"

#undef MATH_BITS
#undef NAME

#define MATH_BITS 64
#define NAME(name) name##_f64
#include "rules/math.inc"

typedef struct {
    LLVMValueRef (*one)(const machine *m, LLVMValueRef x);
    LLVMValueRef (*two)(const machine *m, LLVMValueRef x, LLVMValueRef y);
} emitter;

#define ROW(name, type) [OP_##name] = {.one = name##_##type}
#define ROWS(type)                                                                                          \
    {                                                                                                       \
        ROW(exp, type), ROW(expm1, type), ROW(log, type), ROW(log1p, type), ROW(sin, type), ROW(cos, type), \
            ROW(tanh, type), ROW(sigmoid, type), ROW(erf, type), ROW(erfc, type), ROW(ndtr, type),          \
            ROW(rsqrt, type), ROW(ndtri, type), ROW(floor, type), [OP_pow] = {.two = pow_##type},           \
    }
static const emitter emitters_f32[OP_COUNT] = ROWS(f32);
static const emitter emitters_f64[OP_COUNT] = ROWS(f64);

static emitter emitter_of(op_code op, gradus_dtype dtype) {
    return dtype == GRADUS_F32 ? emitters_f32[op] : dtype == GRADUS_F64 ? emitters_f64[op] : (emitter){0};
}

bool emit_math_has(op_code op, gradus_dtype dtype) {
    emitter e = emitter_of(op, dtype);
    return e.one || e.two;
}

LLVMValueRef emit_math(op_code op, gradus_dtype dtype, const math_context *m, LLVMValueRef x, LLVMValueRef y) {
    emitter e = emitter_of(op, dtype);
    machine typed = machine_for(m, dtype);
    return e.one ? e.one(&typed, x) : e.two ? e.two(&typed, x, y) : NULL;
}

/* The i64 scalar x in every lane */
static LLVMValueRef splat(const machine *m, LLVMValueRef x) {
    if (!m->lanes) return x;
    LLVMTypeRef mask = LLVMVectorType(LLVMInt32TypeInContext(m->context), m->lanes);
    LLVMValueRef none = LLVMGetPoison(m->wide), zero = LLVMConstInt(LLVMInt32TypeInContext(m->context), 0, false);
    LLVMValueRef first = LLVMBuildInsertElement(m->builder, none, x, zero, "");
    return LLVMBuildShuffleVector(m->builder, first, none, LLVMConstNull(mask), "");
}

/* Each of the four words is the low half of 64 bits, since 32 x 32 -> 64 multiplications of vectors want it so; the
 * high half is anything until a multiplication masks it. */
static void philox_rounds(const machine *m, LLVMValueRef x[4], LLVMValueRef k0, LLVMValueRef k1) {
    LLVMValueRef low_half = LK(0xffffffffu);
    for (int round = 0; round < 10; round++) {
        LLVMValueRef p0 = IMUL(IAND(x[0], low_half), LK(PHILOX_MULTIPLIER_0));
        LLVMValueRef p1 = IMUL(IAND(x[2], low_half), LK(PHILOX_MULTIPLIER_1));
        LLVMValueRef x0 = IXOR(IXOR(ISHR(p1, 32), x[1]), k0);
        LLVMValueRef x2 = IXOR(IXOR(ISHR(p0, 32), x[3]), k1);
        x[0] = x0;
        x[1] = p1;
        x[2] = x2;
        x[3] = p0;
        k0 = IADD(k0, LK(PHILOX_KEY_STEP_0));
        k1 = IADD(k1, LK(PHILOX_KEY_STEP_1));
    }
}

void emit_philox_block(const math_context *context, LLVMValueRef seed, LLVMValueRef counter, LLVMValueRef stream,
                       LLVMValueRef block, LLVMValueRef words[4]) {
    machine typed = machine_for(context, GRADUS_F32), *m = &typed;
    LLVMValueRef key = splat(m, seed), count = splat(m, counter);
    words[0] = WIDE(block);
    words[1] = splat(m, stream);
    words[2] = count;
    words[3] = ISHR(count, 32);
    philox_rounds(m, words, key, ISHR(key, 32));
    for (int i = 0; i < 4; i++) words[i] = NARROW(words[i]);
}

LLVMValueRef emit_philox_uniform(const math_context *context, gradus_dtype dtype, LLVMValueRef high, LLVMValueRef low) {
    machine typed = machine_for(context, dtype), *m = &typed;
    /* 1 + u / 2^23 is exact, and so is what remains without 1 - 1 / 2^24 */
    if (dtype == GRADUS_F32) return SUB(FROM_BITS(IOR(ISHR(high, 9), IK(0x3f800000u))), K(1 - 0x1p-24));
    LLVMValueRef u = IOR(ISHL(WIDE(high), 20), ISHR(WIDE(low), 12));
    return SUB(FROM_BITS(IOR(u, IK(0x3ff0000000000000u))), K(1 - 0x1p-53));
}

LLVMValueRef emit_philox(const math_context *context, LLVMValueRef seed, LLVMValueRef counter, LLVMValueRef stream,
                         LLVMValueRef index, gradus_dtype dtype) {
    machine typed = machine_for(context, GRADUS_F32), *m = &typed;
    LLVMValueRef block = NARROW(IADD(ISHL(ISHR(index, 6), 4), IAND(index, LK(15))));
    LLVMValueRef first = test_bits(m, index, 16), second = test_bits(m, index, 32), chosen[2] = {NULL, NULL};
    for (uint32_t i = 0; i < (dtype == GRADUS_F64 ? 2 : 1); i++) {
        LLVMValueRef words[4];
        LLVMValueRef low = LLVMConstInt(LLVMTypeOf(stream), (uint64_t)i * PHILOX_LOW_STREAM, false);
        emit_philox_block(context, seed, counter, LLVMBuildAdd(m->builder, stream, low, ""), block, words);
        chosen[i] = SELECT(second, SELECT(first, words[3], words[2]), SELECT(first, words[1], words[0]));
    }
    return emit_philox_uniform(context, dtype, chosen[0], chosen[1]);
}
