/* SPDX-License-Identifier: Apache-2.0
 * Target machines and object code.  See target.h. */
#include "backend/target.h"

#include "pass.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t initialized = PTHREAD_ONCE_INIT;

static void initialize(void) {
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
}

/* Whether a comma-separated list of +feature,-feature has +name. */
static bool has_feature(const char *features, const char *name) {
    size_t n = strlen(name);
    for (const char *at = features; (at = strstr(at, name)); at += n)
        if (at > features && at[-1] == '+' && (at[n] == ',' || at[n] == '\0')) return true;
    return false;
}

/* Levels of x86-64 have their features by definition; a host's CPU has those that it reports. */
static emit_target emit_target_of(const char *triple, const char *cpu, const char *features) {
    if (strncmp(triple, "aarch64", 7) == 0 || strncmp(triple, "arm64", 5) == 0) return (emit_target){16, 32, true};
    bool v4 = strcmp(cpu, "x86-64-v4") == 0, v3 = v4 || strcmp(cpu, "x86-64-v3") == 0;
    if (v4 || (has_feature(features, "avx512f") && has_feature(features, "avx512vl") && has_feature(features, "avx512bw") &&
               has_feature(features, "avx512dq")))
        return (emit_target){64, 32, true};
    if (v3 || (has_feature(features, "avx2") && has_feature(features, "fma"))) return (emit_target){32, 16, true};
    return (emit_target){16, 16, has_feature(features, "fma")};
}

/* "NAME+feature+feature", as LLVM wants it: the name alone, and "+feature,+feature". */
static void split_features(char *cpu, char *features) {
    size_t used = 0;
    for (char *plus = strchr(cpu, '+'); plus && *plus; plus++) {
        if (used && *plus == '+') features[used++] = ',';
        features[used++] = *plus;
    }
    features[used] = '\0';
    cpu[strcspn(cpu, "+")] = '\0';
}

bool target_host(const char *given, bool once, target *out) {
    LLVMTargetRef llvm_target;
    char *error = NULL, cpu[64], wanted[2 * sizeof cpu];
    *out = (target){0};
    pthread_once(&initialized, initialize);
    char *triple = LLVMGetDefaultTargetTriple();
    char *name = LLVMGetHostCPUName(), *features = LLVMGetHostCPUFeatures();
    snprintf(cpu, sizeof cpu, "%s", given ? given : name);
    if (given) split_features(cpu, wanted);
    const char *with = given ? wanted : features;
    if (LLVMGetTargetFromTriple(triple, &llvm_target, &error)) {
        fail(GRADUS_ERROR_COMPILER, "LLVM has no target for this machine: %s", error);
        LLVMDisposeMessage(error);
    } else {
        LLVMCodeGenOptLevel level = once ? LLVMCodeGenLevelNone : LLVMCodeGenLevelDefault;
        out->machine = LLVMCreateTargetMachine(llvm_target, triple, cpu, with, level, LLVMRelocPIC, LLVMCodeModelDefault);
        out->emit = emit_target_of(triple, cpu, with);
        if (!out->machine) fail(GRADUS_ERROR_COMPILER, "LLVM cannot make code for %s", cpu);
    }
    LLVMDisposeMessage(triple);
    LLVMDisposeMessage(name);
    LLVMDisposeMessage(features);
    return out->machine;
}

void target_free(target *t) {
    if (t->machine) LLVMDisposeTargetMachine(t->machine);
    t->machine = NULL;
}

static void dump(const target *t, LLVMModuleRef module, const char *label) {
    LLVMMemoryBufferRef assembly = NULL;
    char *ir, *error = NULL;
    if (!dump_wanted()) return;
    ir = LLVMPrintModuleToString(module);
    dump_text(label, "llvm", "ll", ir, strlen(ir));
    LLVMDisposeMessage(ir);
    if (LLVMTargetMachineEmitToMemoryBuffer(t->machine, module, LLVMAssemblyFile, &error, &assembly)) {
        LLVMDisposeMessage(error);
        return;
    }
    dump_text(label, "assembly", "s", LLVMGetBufferStart(assembly), LLVMGetBufferSize(assembly));
    LLVMDisposeMemoryBuffer(assembly);
}

LLVMMemoryBufferRef target_object(const target *t, LLVMModuleRef module, const char *label) {
    LLVMMemoryBufferRef object = NULL;
    char *error = NULL;
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(t->machine);
    LLVMSetModuleDataLayout(module, layout);
    LLVMDisposeTargetData(layout);
    char *triple = LLVMGetTargetMachineTriple(t->machine);
    LLVMSetTarget(module, triple);
    LLVMDisposeMessage(triple);
#ifndef NDEBUG
    if (LLVMVerifyModule(module, LLVMReturnStatusAction, &error)) {
        fprintf(stderr, "gradus: a bug of the compiler: %s\n", error);
        abort();
    }
    LLVMDisposeMessage(error);
    error = NULL;
#endif
    dump(t, module, label);
    if (LLVMTargetMachineEmitToMemoryBuffer(t->machine, module, LLVMObjectFile, &error, &object)) {
        fail(GRADUS_ERROR_COMPILER, "LLVM cannot make an object of %s: %s", label, error);
        LLVMDisposeMessage(error);
        return NULL;
    }
    return object;
}

/* void f(ptr to, i64 n) { do { *to = fma(*to, *to, *to * numbers) } while (--n); memset(to, 0, n) }, on vectors.  The
 * constant in the loop is what the target's largest tables are made for. */
static LLVMModuleRef small_module(LLVMContextRef context) {
    LLVMModuleRef module = LLVMModuleCreateWithNameInContext("first", context);
    LLVMBuilderRef b = LLVMCreateBuilderInContext(context);
    LLVMTypeRef ptr = LLVMPointerTypeInContext(context, 0), i64 = LLVMInt64TypeInContext(context);
    LLVMTypeRef vector = LLVMVectorType(LLVMFloatTypeInContext(context), 8), parameters[] = {ptr, i64};
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(context), parameters, 2, false);
    LLVMValueRef f = LLVMAddFunction(module, "f", type), to = LLVMGetParam(f, 0), n = LLVMGetParam(f, 1);
    LLVMBasicBlockRef before = LLVMAppendBasicBlockInContext(context, f, "entry");
    LLVMBasicBlockRef loop = LLVMAppendBasicBlockInContext(context, f, "loop"), end = LLVMAppendBasicBlockInContext(context, f, "end");
    LLVMPositionBuilderAtEnd(b, before);
    LLVMBuildBr(b, loop);
    LLVMPositionBuilderAtEnd(b, loop);
    LLVMValueRef left = LLVMBuildPhi(b, i64, ""), v = LLVMBuildLoad2(b, vector, to, "");
    LLVMValueRef fma = LLVMGetIntrinsicDeclaration(module, LLVMLookupIntrinsicID("llvm.fma", 8), &vector, 1);
    LLVMValueRef numbers[8];
    for (int i = 0; i < 8; i++) numbers[i] = LLVMConstReal(LLVMFloatTypeInContext(context), i + 0.1);
    LLVMValueRef arguments[] = {v, v, LLVMBuildFMul(b, v, LLVMConstVector(numbers, 8), "")};
    LLVMBuildStore(b, LLVMBuildCall2(b, LLVMGlobalGetValueType(fma), fma, arguments, 3, ""), to);
    LLVMValueRef less = LLVMBuildSub(b, left, LLVMConstInt(i64, 1, false), "");
    LLVMAddIncoming(left, (LLVMValueRef[]){n, less}, (LLVMBasicBlockRef[]){before, loop}, 2);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntNE, less, LLVMConstInt(i64, 0, false), ""), loop, end);
    LLVMPositionBuilderAtEnd(b, end);
    LLVMBuildMemSet(b, to, LLVMConstInt(LLVMInt8TypeInContext(context), 0, false), n, 16);
    LLVMBuildRetVoid(b);
    LLVMDisposeBuilder(b);
    return module;
}

bool target_use_first(void) {
    bool made = true;
    LLVMLoadLibraryPermanently(NULL); /* this process itself */
    for (int once = 0; once <= 1 && made; once++) {
        target t;
        LLVMContextRef context = LLVMContextCreate();
        LLVMModuleRef module = small_module(context);
        made = target_host(NULL, once, &t);
        LLVMMemoryBufferRef object = made ? target_object(&t, module, "first") : NULL;
        if (object) LLVMDisposeMemoryBuffer(object);
        LLVMDisposeModule(module);
        target_free(&t);
        LLVMContextDispose(context);
    }
    return made;
}
