/* SPDX-License-Identifier: Apache-2.0
 * From scheduled kernels to an LLVM module. */
#ifndef GRADUS_EMIT_EMIT_H
#define GRADUS_EMIT_EMIT_H

#include "fuse/kernel.h"

#include <llvm-c/Core.h>

/* What emission wants to know of a target. */
typedef struct {
    unsigned vector_bytes; /* of a vector register */
    unsigned registers;    /* how many of them */
    bool fma;              /* fused multiply-add in hardware */
} emit_target;

/* A module that is being written.  The caller sets the first four, and disposes of them. */
typedef struct {
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    const emit_target *target;
    arena *memory;
    VEC(struct {
        uint64_t hash;
        const char *text; /* the kernel's */
        LLVMValueRef function;
        int64_t scratch_bytes;
    }) kernels;
} emission;

/* Adds an entry's function under the name `symbol` (see gradus_abi_function), and those of its kernels that the module
 * does not have yet: kernels of the same text share a function.  *scratch_bytes is what each thread needs.  False, with
 * the error set, for what is not available in compiled programs.  Needs a guard. */
bool emit_entry(emission *em, const kernel_list *l, const char *symbol, int64_t *scratch_bytes);

#endif
