/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of rules/math.inc and the random numbers of rules/philox.h as LLVM IR, built inline at the builder's
 * position.  The IR has no control flow, calls nothing but llvm.fma, llvm.sqrt and llvm.fabs, which are instructions
 * of every target with fused multiply-adds, and gives the evaluator's bits.
 */
#ifndef GRADUS_EMIT_MATH_H
#define GRADUS_EMIT_MATH_H

#include "ir/op.h"

#include <llvm-c/Core.h>
#include <stdbool.h>

typedef struct {
    LLVMBuilderRef builder;
    LLVMModuleRef module;
    unsigned lanes;        /* elements of a vector; 0: scalars */
    bool separate_mul_add; /* the target has no fused multiply-add: round the product too */
} math_context;

/* Whether emit_math knows the op: the transcendental functions, rsqrt, ndtr, ndtri, and floor. */
bool emit_math_has(op_code op, gradus_dtype dtype);

/* op of x, or of x and y, which are of the dtype's LLVM type or vectors of m->lanes of it; NULL unless emit_math_has.
 * y is read for binary ops only. */
LLVMValueRef emit_math(op_code op, gradus_dtype dtype, const math_context *m, LLVMValueRef x, LLVMValueRef y);

/* The four words of a Philox4x32-10 block: `seed`, `counter`, `stream` are i64, `block` is i32 or a vector of m->lanes,
 * and so are the words. */
void emit_philox_block(const math_context *m, LLVMValueRef seed, LLVMValueRef counter, LLVMValueRef stream,
                       LLVMValueRef block, LLVMValueRef words[4]);

/* The uniform number of words as i32 or vectors of it: f32 of `high` alone, f64 of both. */
LLVMValueRef emit_philox_uniform(const math_context *m, gradus_dtype dtype, LLVMValueRef high, LLVMValueRef low);

/* random_uniform's elements: `seed`, `counter`, `stream` are i64, `index` is i64 or a vector of m->lanes of any
 * indices. */
LLVMValueRef emit_philox(const math_context *m, LLVMValueRef seed, LLVMValueRef counter, LLVMValueRef stream,
                         LLVMValueRef index, gradus_dtype dtype);

#endif
