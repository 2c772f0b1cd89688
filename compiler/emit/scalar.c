/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementwise ops as IR on vectors of elements: the op table's emit column.  Each equals its scalar rule in
 * rules/evaluate_scalar.c bit for bit, so there is no fast-math flag, no contraction, and every comparison is ordered.
 */
#include "emit/emitter.h"
#include "emit/math.h"

#include <assert.h>
#include <math.h>

/* What a rule is called with; the operands and the result are vectors of `lanes` elements, or elements for 0. */
typedef struct {
    const emitter *e;
    gradus_dtype operand, result;
    unsigned lanes;
    op_code op;
} lane_call;

static bool is_float(gradus_dtype d) { return d == GRADUS_F32 || d == GRADUS_F64; }
static bool is_signed(gradus_dtype d) { return d == GRADUS_I32 || d == GRADUS_I64; }

static LLVMTypeRef lanes_type(const lane_call *c, gradus_dtype d) { return lanes_of(type_of(c->e, d), c->lanes); }

static llvm number(const lane_call *c, gradus_dtype d, double x) {
    return splat(c->e, constant(c->e, d, scalar_from_double(d, x)), c->lanes);
}

static llvm compare(const lane_call *c, LLVMRealPredicate real, LLVMIntPredicate with_sign, LLVMIntPredicate without,
                    llvm a, llvm b) {
    if (is_float(c->operand)) return LLVMBuildFCmp(c->e->b, real, a, b, "");
    return LLVMBuildICmp(c->e->b, is_signed(c->operand) ? with_sign : without, a, b, "");
}

static llvm below(const lane_call *c, llvm a, llvm b) { return compare(c, LLVMRealOLT, LLVMIntSLT, LLVMIntULT, a, b); }
static llvm choose(const lane_call *c, llvm condition, llvm a, llvm b) { return LLVMBuildSelect(c->e->b, condition, a, b, ""); }

static llvm lanes_neg(const lane_call *c, const llvm *x) {
    return is_float(c->operand) ? LLVMBuildFNeg(c->e->b, x[0], "") : LLVMBuildNeg(c->e->b, x[0], "");
}

static llvm lanes_abs(const lane_call *c, const llvm *x) {
    llvm args[1] = {x[0]};
    if (is_float(c->operand)) return call_intrinsic(c->e, "llvm.fabs", lanes_type(c, c->operand), 1, args);
    return is_signed(c->operand) ? choose(c, below(c, x[0], number(c, c->operand, 0)), lanes_neg(c, x), x[0]) : x[0];
}

static llvm lanes_sign(const lane_call *c, const llvm *x) {
    llvm zero = number(c, c->operand, 0), one = number(c, c->operand, 1);
    llvm positive = below(c, zero, x[0]), not_negative = zero;
    if (is_float(c->operand)) not_negative = choose(c, LLVMBuildFCmp(c->e->b, LLVMRealOEQ, x[0], zero, ""), zero, x[0]);
    if (c->operand == GRADUS_U8) return choose(c, positive, one, zero);
    return choose(c, positive, one, choose(c, below(c, x[0], zero), number(c, c->operand, -1), not_negative));
}

static llvm lanes_sqrt(const lane_call *c, const llvm *x) {
    llvm args[1] = {x[0]};
    return call_intrinsic(c->e, "llvm.sqrt", lanes_type(c, c->operand), 1, args);
}

static llvm lanes_relu(const lane_call *c, const llvm *x) {
    llvm zero = number(c, c->operand, 0);
    return choose(c, LLVMBuildFCmp(c->e->b, LLVMRealOLE, x[0], zero, ""), zero, x[0]);
}

static llvm lanes_isfinite(const lane_call *c, const llvm *x) {
    return LLVMBuildFCmp(c->e->b, LLVMRealOLT, lanes_abs(c, x), number(c, c->operand, (double)INFINITY), "");
}

static llvm lanes_logical_not(const lane_call *c, const llvm *x) { return LLVMBuildNot(c->e->b, x[0], ""); }
static llvm lanes_identity(const lane_call *c, const llvm *x) { return (void)c, x[0]; }

static llvm transcendental(const lane_call *c, const llvm *x, llvm y) {
    math_context m = {.builder = c->e->b, .module = c->e->module, .lanes = c->lanes, .separate_mul_add = !c->e->target->fma};
    return emit_math(c->op, c->operand, &m, x[0], y);
}

static llvm lanes_math(const lane_call *c, const llvm *x) { return transcendental(c, x, NULL); }
#define lanes_rsqrt lanes_math
#define lanes_exp lanes_math
#define lanes_expm1 lanes_math
#define lanes_log lanes_math
#define lanes_log1p lanes_math
#define lanes_sin lanes_math
#define lanes_cos lanes_math
#define lanes_tanh lanes_math
#define lanes_sigmoid lanes_math
#define lanes_erf lanes_math
#define lanes_erfc lanes_math
#define lanes_ndtr lanes_math
#define lanes_ndtri lanes_math
#define lanes_floor lanes_math
static llvm lanes_pow(const lane_call *c, const llvm *x) { return transcendental(c, x, x[1]); }

static llvm lanes_add(const lane_call *c, const llvm *x) {
    return is_float(c->operand) ? LLVMBuildFAdd(c->e->b, x[0], x[1], "") : LLVMBuildAdd(c->e->b, x[0], x[1], "");
}
static llvm lanes_sub(const lane_call *c, const llvm *x) {
    return is_float(c->operand) ? LLVMBuildFSub(c->e->b, x[0], x[1], "") : LLVMBuildSub(c->e->b, x[0], x[1], "");
}
static llvm lanes_mul(const lane_call *c, const llvm *x) {
    return is_float(c->operand) ? LLVMBuildFMul(c->e->b, x[0], x[1], "") : LLVMBuildMul(c->e->b, x[0], x[1], "");
}
static llvm lanes_div(const lane_call *c, const llvm *x) { return LLVMBuildFDiv(c->e->b, x[0], x[1], ""); }

/* x where x is 0 and r NaN, else r */
static llvm zero_unless_number(const lane_call *c, llvm x, llvm r) {
    llvm is_zero = LLVMBuildFCmp(c->e->b, LLVMRealOEQ, x, number(c, c->operand, 0), "");
    llvm is_nan = LLVMBuildFCmp(c->e->b, LLVMRealUNO, r, r, "");
    return choose(c, LLVMBuildAnd(c->e->b, is_zero, is_nan, ""), x, r);
}
static llvm lanes_multiply_no_nan(const lane_call *c, const llvm *x) {
    return zero_unless_number(c, x[0], lanes_mul(c, x));
}
static llvm lanes_divide_no_nan(const lane_call *c, const llvm *x) {
    return zero_unless_number(c, x[0], lanes_div(c, x));
}
static llvm lanes_multiply_or_zero(const lane_call *c, const llvm *x) {
    return zero_unless_number(c, x[1], lanes_multiply_no_nan(c, x));
}

/* x if x is NaN, else the one that wins the comparison, else y: so a NaN in either place comes through. */
static llvm extremum(const lane_call *c, llvm wins, const llvm *x) {
    llvm chosen = choose(c, wins, x[0], x[1]);
    if (!is_float(c->operand)) return chosen;
    return choose(c, LLVMBuildFCmp(c->e->b, LLVMRealUNO, x[0], x[0], ""), x[0], chosen);
}
static llvm lanes_maximum(const lane_call *c, const llvm *x) { return extremum(c, below(c, x[1], x[0]), x); }
static llvm lanes_minimum(const lane_call *c, const llvm *x) { return extremum(c, below(c, x[0], x[1]), x); }

static llvm lanes_less(const lane_call *c, const llvm *x) { return below(c, x[0], x[1]); }
static llvm lanes_less_equal(const lane_call *c, const llvm *x) {
    return compare(c, LLVMRealOLE, LLVMIntSLE, LLVMIntULE, x[0], x[1]);
}
static llvm lanes_equal(const lane_call *c, const llvm *x) {
    return compare(c, LLVMRealOEQ, LLVMIntEQ, LLVMIntEQ, x[0], x[1]);
}
static llvm lanes_logical_and(const lane_call *c, const llvm *x) { return LLVMBuildAnd(c->e->b, x[0], x[1], ""); }
static llvm lanes_logical_or(const lane_call *c, const llvm *x) { return LLVMBuildOr(c->e->b, x[0], x[1], ""); }
static llvm lanes_where(const lane_call *c, const llvm *x) { return choose(c, x[0], x[1], x[2]); }

static llvm lanes_cast(const lane_call *c, const llvm *x) {
    LLVMBuilderRef b = c->e->b;
    LLVMTypeRef from = lanes_type(c, c->operand), to = lanes_type(c, c->result);
    llvm args[1] = {x[0]};
    if (c->operand == c->result) return x[0];
    if (c->result == GRADUS_BOOL) {
        if (is_float(c->operand)) return LLVMBuildFCmp(b, LLVMRealUNE, x[0], number(c, c->operand, 0), "");
        return LLVMBuildICmp(b, LLVMIntNE, x[0], LLVMConstNull(from), "");
    }
    if (is_float(c->operand)) {
        if (c->result == GRADUS_F64) return LLVMBuildFPExt(b, x[0], to, "");
        if (c->result == GRADUS_F32) return LLVMBuildFPTrunc(b, x[0], to, "");
        return call_intrinsic2(c->e, is_signed(c->result) ? "llvm.fptosi.sat" : "llvm.fptoui.sat", to, from, 1, args);
    }
    if (is_float(c->result)) return is_signed(c->operand) ? LLVMBuildSIToFP(b, x[0], to, "") : LLVMBuildUIToFP(b, x[0], to, "");
    if (gradus_dtype_size(c->operand) > gradus_dtype_size(c->result)) return LLVMBuildTrunc(b, x[0], to, "");
    return is_signed(c->operand) ? LLVMBuildSExt(b, x[0], to, "") : LLVMBuildZExt(b, x[0], to, "");
}

static llvm lanes_random_uniform(const lane_call *c, const llvm *x) {
    (void)c, (void)x;
    assert(!"random numbers depend on their place: see emit_random");
    return NULL;
}

typedef llvm (*lane_rule)(const lane_call *c, const llvm *x);

#define LANES(f) lanes_##f
#define INDEX NULL
#define KERNEL NULL
#define GONE NULL
static const lane_rule lane_rules[OP_COUNT] = {
#define OP(name, builder, arity, kind, operands, attributes, shape, gradient, evaluate, emit, flags, mathematics) \
    [OP_##name] = emit,
#include "ir/ops.def"
#undef OP
};

bool emit_has_op(op_code op, gradus_dtype operand) {
    lane_rule rule = lane_rules[op];
    return rule && ((rule != lanes_math && rule != lanes_pow) || emit_math_has(op, operand));
}

llvm emit_op(const emitter *e, op_code op, gradus_dtype operand, gradus_dtype result, unsigned lanes, const llvm *x) {
    lane_call c = {.e = e, .operand = operand, .result = result, .lanes = lanes, .op = op};
    assert(lane_rules[op] && "an elementwise op");
    return lane_rules[op](&c, x);
}

llvm emit_combine(const emitter *e, op_code op, gradus_dtype dtype, unsigned lanes, llvm acc, llvm x) {
    llvm pair[2] = {acc, x};
    op_code pairwise = op == OP_sum ? OP_add : op == OP_prod ? OP_mul : op == OP_max ? OP_maximum : OP_minimum;
    if (dtype == GRADUS_BOOL) pairwise = op == OP_max ? OP_logical_or : OP_logical_and;
    return emit_op(e, pairwise, dtype, dtype, lanes, pair);
}

scalar reduction_identity(op_code op, gradus_dtype dtype) {
    if (dtype == GRADUS_BOOL) return scalar_from_double(dtype, op == OP_min);
    switch (op) {
    case OP_sum: return scalar_from_double(dtype, 0);
    case OP_prod: return scalar_from_double(dtype, 1);
    case OP_min: return scalar_from_double(dtype, (double)INFINITY);
    default: return scalar_from_double(dtype, -(double)INFINITY); /* max, argmax; saturates for integers */
    }
}

llvm emit_beats(const emitter *e, gradus_dtype dtype, unsigned lanes, llvm x, llvm best) {
    llvm pair[2] = {x, best}, swapped[2] = {best, x};
    if (!is_float(dtype)) return emit_op(e, OP_less, dtype, GRADUS_BOOL, lanes, swapped);
    llvm ordered = LLVMBuildFCmp(e->b, LLVMRealORD, best, best, "");
    llvm not_at_most = LLVMBuildNot(e->b, emit_op(e, OP_less_equal, dtype, GRADUS_BOOL, lanes, pair), "");
    return LLVMBuildAnd(e->b, ordered, not_at_most, "");
}

/* The numbers come from a function of their own, since Philox is long and several kernels draw. */
llvm emit_random(const emitter *e, gradus_dtype dtype, unsigned lanes, llvm seed, llvm counter, uint32_t stream, llvm index) {
    text name = {.memory = e->memory};
    text_append(&name, "gradus_random_uniform_%s_%u", gradus_dtype_name(dtype), lanes);
    LLVMTypeRef params[] = {e->i64, e->i64, e->i64, lanes_of(e->i64, lanes)};
    LLVMTypeRef type = LLVMFunctionType(lanes_of(type_of(e, dtype), lanes), params, 4, false);
    bool define;
    llvm function = shared_function(e, name.data, type, &define);
    if (define) {
        LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
        math_context m = {.builder = e->b, .module = e->module, .lanes = lanes, .separate_mul_add = !e->target->fma};
        LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->context, function, "entry"));
        LLVMBuildRet(e->b, emit_philox(&m, LLVMGetParam(function, 0), LLVMGetParam(function, 1), LLVMGetParam(function, 2),
                                       LLVMGetParam(function, 3), dtype));
        LLVMPositionBuilderAtEnd(e->b, here);
    }
    llvm args[4] = {seed, counter, int_constant(e, stream), index};
    return LLVMBuildCall2(e->b, type, function, args, 4, "");
}
