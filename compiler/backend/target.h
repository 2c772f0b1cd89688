/* SPDX-License-Identifier: Apache-2.0
 * The machine that code is made for. */
#ifndef GRADUS_BACKEND_TARGET_H
#define GRADUS_BACKEND_TARGET_H

#include "emit/emit.h"

#include <llvm-c/TargetMachine.h>

typedef struct {
    LLVMTargetMachineRef machine;
    emit_target emit;
} target;

/* This process' CPU with all of its features, or (not NULL) an x86-64 CPU by LLVM's name, "x86-64-v3" or "x86-64-v2+fma" for
 * instance, which this one must be able to run.  `once`: the code will run once, so that compiling it fast counts most.  False
 * with the error set.  target_free takes what target_host has left. */
bool target_host(const char *cpu, bool once, target *out);
void target_free(target *t);

/* LLVM's optimised machine code for a module; the caller disposes of the buffer.  NULL with the error set. */
LLVMMemoryBufferRef target_object(const target *t, LLVMModuleRef module, const char *label);

/* Makes some code for nothing, by which LLVM makes nearly all of its static objects.  False with the error set. */
bool target_use_first(void);

#endif
