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

/* Code in the making.  It is spread over modules, each with a context of its own, so that LLVM can work on them at the
 * same time: entry functions and what is not worth optimising go to the first, other kernels to the lightest of the
 * `hot` ones behind it; with 0 of those, everything goes to the first.  The caller makes modules and builders and disposes
 * of them. */
enum { EMIT_COLD, EMIT_HOT, EMIT_MODULES = 3 };

typedef struct {
    uint64_t hash;
    const char *text, *symbol;
    int64_t scratch_bytes;
} emitted_kernel;

typedef struct {
    struct {
        LLVMModuleRef module;
        LLVMBuilderRef builder;
        size_t weight; /* about how much LLVM has to do for it */
    } modules[EMIT_MODULES];
    int hot;
    const emit_target *target;
    arena *memory;
    VEC(emitted_kernel) kernels;
    VEC(const char *) shared; /* functions that some module defines for all */
} emission;

/* Adds an entry's function under the name `symbol` (see gradus_abi_function), and those of its kernels that there are not
 * yet: kernels of the same text share a function.  `once`: the entry runs once, so that nothing of it is hot.
 * *scratch_bytes is what each thread needs.  False, with the error set, for what is not available in compiled programs.
 * Needs a guard. */
bool emit_entry(emission *em, const kernel_list *l, const char *symbol, bool once, int64_t *scratch_bytes);

#endif
