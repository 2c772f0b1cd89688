/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of emission share: the module that is being written, the kernel in it, and small helpers over LLVM's
 * builder.  Every kernel becomes one function
 *
 *     void kernel(ptr buffer0, ptr buffer1, …, i64 batch, i64 begin, i64 end, ptr scratch)
 *
 * over the units begin … end-1 of its work, so that kernels of the same text share their code.  Emitted IR is SSA
 * already, but for accumulators, which live in small arrays on the stack or in the thread's scratch memory.
 */
#ifndef GRADUS_EMIT_EMITTER_H
#define GRADUS_EMIT_EMITTER_H

#include "emit/emit.h"
#include "fuse/kernel.h"

#include <llvm-c/Core.h>

typedef LLVMValueRef llvm;

typedef struct {
    emission *em;
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef b;
    const emit_target *target;
    arena *memory;
    LLVMTypeRef i1, i8, i32, i64, f32, f64, ptr, none;

    /* the kernel that is being emitted */
    const kernel_list *list;
    const kernel *k;
    llvm function;
    llvm *pointers;        /* by buffer of the list; NULL where the kernel does not touch it */
    llvm batch, begin, end, scratch;
    llvm dims[LOOP_MAX];
    int64_t scratch_bytes; /* used so far by this kernel, a thread */
    unsigned lanes;        /* of its vectors */
} emitter;

/* --- types and constants -------------------------------------------------------------------------------------- */

LLVMTypeRef type_of(const emitter *e, gradus_dtype dtype);     /* of a value: BOOL is i1 */
LLVMTypeRef storage_of(const emitter *e, gradus_dtype dtype);  /* in memory: BOOL is i8 */
LLVMTypeRef lanes_of(LLVMTypeRef type, unsigned lanes);        /* the type itself for 0 lanes */
llvm constant(const emitter *e, gradus_dtype dtype, scalar s); /* one element */
llvm int_constant(const emitter *e, int64_t n);                /* i64 */
llvm splat(const emitter *e, llvm element, unsigned lanes);    /* the element itself for 0 lanes */
llvm lane_numbers(const emitter *e, LLVMTypeRef type, unsigned lanes); /* <0, 1, 2, …> */
llvm call_intrinsic(const emitter *e, const char *name, LLVMTypeRef overload, unsigned n, llvm *args);
llvm call_intrinsic2(const emitter *e, const char *name, LLVMTypeRef first, LLVMTypeRef second, unsigned n, llvm *args);

/* --- arithmetic on i64, constants folded ------------------------------------------------------------------------ */

llvm int_add(const emitter *e, llvm a, llvm b);
llvm int_sub(const emitter *e, llvm a, llvm b);
llvm int_mul(const emitter *e, llvm a, llvm b);
llvm int_min(const emitter *e, llvm a, llvm b);
llvm int_div_up(const emitter *e, llvm a, int64_t b);
llvm extent_value(const emitter *e, extent x); /* factor × batch^power */
bool is_constant(llvm v, int64_t *n);
llvm element_pointer(const emitter *e, LLVMTypeRef type, llvm base, llvm index);

/* --- control flow ------------------------------------------------------------------------------------------------ */

/* for (i = from; i < to; i += step): what is emitted between begin and end is its body. */
typedef struct {
    LLVMBasicBlockRef head, done;
    llvm i, step;
} loop;

loop loop_begin(const emitter *e, llvm from, llvm to, int64_t step);
void loop_end(const emitter *e, const loop *l);

/* if (condition) { … }. */
typedef struct {
    LLVMBasicBlockRef done;
} branch;

branch branch_begin(const emitter *e, llvm condition);
void branch_end(const emitter *e, const branch *b);

llvm stack_array(const emitter *e, LLVMTypeRef type, unsigned count); /* in the entry block, aligned to 64 */
llvm scratch_array(emitter *e, int64_t bytes);                       /* in the thread's scratch, aligned to 64 */

/* Splits a number of rows into loop variables at[from] … at[to-1]; `skip` is left alone (-1: none). */
void split_index(const emitter *e, llvm number, int from, int to, int skip, llvm *at);

/* What every function of a module has: it throws nothing, and vectors of 64 bytes are not cut in two where a CPU's tuning
 * prefers shorter ones. */
void set_attributes(const emitter *e, llvm function);

/* The function of that name, declared in this module; *define says that nobody has defined it yet, and that it is for the
 * caller to do so here. */
llvm shared_function(const emitter *e, const char *name, LLVMTypeRef type, bool *define);

/* --- elementwise ops: the op table's emit column ------------------------------------------------------------- */

/* `lanes` 0 for one element.  `operand` and `result` are dtypes; BOOL values are i1.  NULL where the op is not available
 * for the dtype. */
llvm emit_op(const emitter *e, op_code op, gradus_dtype operand, gradus_dtype result, unsigned lanes, const llvm *x);
bool emit_has_op(op_code op, gradus_dtype operand);

/* acc op x, for a reduction; its identity. */
llvm emit_combine(const emitter *e, op_code op, gradus_dtype dtype, unsigned lanes, llvm acc, llvm x);
scalar reduction_identity(op_code op, gradus_dtype dtype);

/* Whether x takes the place of the largest so far in an argmax: NaN beats all but NaN, equals do not beat. */
llvm emit_beats(const emitter *e, gradus_dtype dtype, unsigned lanes, llvm x, llvm best);

llvm emit_random(const emitter *e, gradus_dtype dtype, unsigned lanes, llvm seed, llvm counter, uint32_t stream, llvm index);

/* --- kernels ------------------------------------------------------------------------------------------------------- */

void emit_rows(emitter *e);
void emit_columns(emitter *e);
void emit_contract(emitter *e);
void emit_scatter(emitter *e);
void emit_check(emitter *e); /* i32 instead of void: whether it failed */
llvm emit_call(const emitter *e); /* i32: what the user's function returned; `scratch` is its user pointer */

/* Units of work of a kernel, as emitted code. */
llvm rows_units(const emitter *e, const kernel *k);
llvm columns_units(const emitter *e, const kernel *k);
llvm contract_units(const emitter *e, const kernel *k, int64_t max_batch);
llvm scatter_units(const emitter *e, const kernel *k);

#endif
