/* SPDX-License-Identifier: Apache-2.0
 *
 * The emitted functions of emit/math.h, as machine code of this host, against the evaluator's: bit for bit the same, at
 * several vector widths.  Nothing outside the module can be resolved, so a call of the C library would fail to link. */
#include "tests/cmocka_all.h"

#include "emit/math.h"
#include "rules/math.h"
#include "rules/philox.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 1 << 16 };

typedef struct {
    const char *name;
    op_code op;
    float (*f32)(float);
    double (*f64)(double);
    float (*f32_2)(float, float);
    double (*f64_2)(double, double);
} function;

#define ONE(name) \
    { #name, OP_##name, math_##name##_f32, math_##name##_f64, NULL, NULL }
#define TWO(name) \
    { #name, OP_##name, NULL, NULL, math_##name##_f32, math_##name##_f64 }
static const function functions[] = {
    ONE(exp), ONE(expm1), ONE(log),  ONE(log1p), ONE(sin),   ONE(cos),   ONE(tanh), ONE(sigmoid),
    ONE(erf), ONE(erfc),  ONE(ndtr), ONE(rsqrt), ONE(ndtri), ONE(floor), TWO(pow),
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

typedef void (*compiled)(const void *x, const void *y, void *out, int64_t n);
typedef void (*compiled_random)(uint64_t seed, uint64_t counter, uint64_t first, void *out, int64_t n);

/* What the samples share: one module a type, width and machine. */
typedef struct {
    gradus_dtype dtype;
    unsigned lanes;
    bool baseline; /* the architecture's least CPU, without fused multiply-adds */
} variant;

typedef struct {
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    LLVMTypeRef element, vector;
    LLVMValueRef function, i;
    LLVMBasicBlockRef entry, body;
    unsigned step;
} loop;

static LLVMTypeRef i64_in(LLVMModuleRef module) { return LLVMInt64TypeInContext(LLVMGetModuleContext(module)); }

/* Begins void name(parameters …, i64 n) and its loop over i by step. */
static loop begin(LLVMModuleRef module, const variant *v, const char *name, LLVMTypeRef *parameters, unsigned count) {
    LLVMContextRef context = LLVMGetModuleContext(module);
    loop l = {.module = module, .builder = LLVMCreateBuilderInContext(context), .step = v->lanes ? v->lanes : 1};
    l.element = v->dtype == GRADUS_F32 ? LLVMFloatTypeInContext(context) : LLVMDoubleTypeInContext(context);
    l.vector = v->lanes ? LLVMVectorType(l.element, v->lanes) : l.element;
    l.function = LLVMAddFunction(module, name, LLVMFunctionType(LLVMVoidTypeInContext(context), parameters, count, 0));
    l.entry = LLVMAppendBasicBlockInContext(context, l.function, "entry");
    l.body = LLVMAppendBasicBlockInContext(context, l.function, "body");
    LLVMPositionBuilderAtEnd(l.builder, l.entry);
    LLVMBuildBr(l.builder, l.body);
    LLVMPositionBuilderAtEnd(l.builder, l.body);
    l.i = LLVMBuildPhi(l.builder, i64_in(module), "i");
    return l;
}

static LLVMValueRef at(const loop *l, unsigned parameter) {
    return LLVMBuildGEP2(l->builder, l->element, LLVMGetParam(l->function, parameter), (LLVMValueRef[]){l->i}, 1, "");
}

static LLVMValueRef load(const loop *l, unsigned parameter) {
    LLVMValueRef x = LLVMBuildLoad2(l->builder, l->vector, at(l, parameter), "");
    LLVMSetAlignment(x, 4);
    return x;
}

static void end(loop *l, LLVMValueRef result, unsigned parameter) {
    LLVMSetAlignment(LLVMBuildStore(l->builder, result, at(l, parameter)), 4);
    LLVMTypeRef i64 = i64_in(l->module);
    LLVMValueRef next = LLVMBuildAdd(l->builder, l->i, LLVMConstInt(i64, l->step, false), "");
    LLVMValueRef start = LLVMConstInt(i64, 0, false), n = LLVMGetParam(l->function, parameter + 1);
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(LLVMGetModuleContext(l->module), l->function, "done");
    LLVMBuildCondBr(l->builder, LLVMBuildICmp(l->builder, LLVMIntSLT, next, n, ""), l->body, done);
    LLVMAddIncoming(l->i, (LLVMValueRef[]){start, next}, (LLVMBasicBlockRef[]){l->entry, l->body}, 2);
    LLVMPositionBuilderAtEnd(l->builder, done);
    LLVMBuildRetVoid(l->builder);
    LLVMDisposeBuilder(l->builder);
}

static math_context math_of(const loop *l, const variant *v) {
    return (math_context){l->builder, l->module, v->lanes, v->baseline};
}

static void build_function(LLVMModuleRef module, const variant *v, const function *f) {
    LLVMTypeRef pointer = LLVMPointerTypeInContext(LLVMGetModuleContext(module), 0);
    loop l = begin(module, v, f->name, (LLVMTypeRef[]){pointer, pointer, pointer, i64_in(module)}, 4);
    math_context m = math_of(&l, v);
    end(&l, emit_math(f->op, v->dtype, &m, load(&l, 0), f->f32_2 ? load(&l, 1) : NULL), 2);
}

static void build_random(LLVMModuleRef module, const variant *v) {
    LLVMTypeRef pointer = LLVMPointerTypeInContext(LLVMGetModuleContext(module), 0), i64 = i64_in(module);
    loop l = begin(module, v, "random", (LLVMTypeRef[]){i64, i64, i64, pointer, i64}, 5);
    math_context m = math_of(&l, v);
    LLVMValueRef first = LLVMBuildAdd(l.builder, LLVMGetParam(l.function, 2), l.i, ""), index = first;
    if (v->lanes) {
        index = LLVMGetUndef(LLVMVectorType(i64, v->lanes));
        for (unsigned k = 0; k < v->lanes; k++) {
            LLVMValueRef e = LLVMBuildAdd(l.builder, first, LLVMConstInt(i64, k, false), "");
            index = LLVMBuildInsertElement(l.builder, index, e, LLVMConstInt(i64, k, false), "");
        }
    }
    end(&l,
        emit_philox(&m, LLVMGetParam(l.function, 0), LLVMGetParam(l.function, 1),
                    LLVMConstInt(LLVMTypeOf(LLVMGetParam(l.function, 1)), 7, false), index, v->dtype),
        3);
}

static LLVMTargetMachineRef host(bool baseline) {
    char *triple = LLVMGetDefaultTargetTriple(), *error = NULL;
    char *cpu = LLVMGetHostCPUName(), *features = LLVMGetHostCPUFeatures();
    LLVMTargetRef target;
    assert_int_equal(LLVMGetTargetFromTriple(triple, &target, &error), 0);
    LLVMTargetMachineRef machine =
        LLVMCreateTargetMachine(target, triple, baseline ? "" : cpu, baseline ? "" : features, LLVMCodeGenLevelDefault,
                                LLVMRelocPIC, LLVMCodeModelDefault);
    assert_non_null(machine);
    LLVMDisposeMessage(triple);
    LLVMDisposeMessage(cpu);
    LLVMDisposeMessage(features);
    return machine;
}

static void check(LLVMErrorRef error) {
    if (error) {
        char *message = LLVMGetErrorMessage(error);
        fail_msg("%s", message);
    }
}

/* Compiles everything for a variant and links it alone. */
static LLVMOrcLLJITRef compile(const variant *v) {
    LLVMContextRef context = LLVMContextCreate();
    LLVMModuleRef module = LLVMModuleCreateWithNameInContext("math", context);
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        if (emit_math_has(functions[i].op, v->dtype)) build_function(module, v, &functions[i]);
    }
    build_random(module, v);
    char *error = NULL;
    if (LLVMVerifyModule(module, LLVMReturnStatusAction, &error)) fail_msg("%s", error);
    LLVMDisposeMessage(error);
    LLVMTargetMachineRef machine = host(v->baseline);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    LLVMSetModuleDataLayout(module, layout);
    LLVMDisposeTargetData(layout);
    LLVMMemoryBufferRef object;
    error = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(machine, module, LLVMObjectFile, &error, &object)) fail_msg("%s", error);
    LLVMDisposeTargetMachine(machine);
    LLVMDisposeModule(module);
    LLVMContextDispose(context);
    LLVMOrcLLJITRef jit;
    check(LLVMOrcCreateLLJIT(&jit, NULL));
    check(LLVMOrcLLJITAddObjectFile(jit, LLVMOrcLLJITGetMainJITDylib(jit), object));
    return jit;
}

static void *symbol(LLVMOrcLLJITRef jit, const char *name) {
    LLVMOrcExecutorAddress address;
    check(LLVMOrcLLJITLookup(jit, &address, name));
    return (void *)(uintptr_t)address;
}

static uint64_t random_state = 88172645463325252u;

static uint64_t random_bits(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static const double specials[] = {0.0,  -0.0,  INFINITY,  -INFINITY, NAN,    1.0,    -1.0,      0.5,     2.0,   -2.0,
                                  3.0,  -3.0,  4.0,       0.25,      1e-45,  -1e-45, 1e-39,     -1e-39,  88.73, -87.5,
                                  -103, -104,  89.5,      -0.25,     709.79, -745.2, -708.5,    3.4e38,  1e300, 5e-324,
                                  1e5,  -1e10, 8388609.0, 8388607.5, 0x1p53, 0x1p30, 0x1.8p126, -0x1p40, 0.925, 1e-10};
enum { SPECIALS = sizeof specials / sizeof *specials };

/* Every pair of special values, then any bits, then values of ordinary size */
static double sample(gradus_dtype dtype, size_t i, bool second) {
    if (i < (size_t)SPECIALS * SPECIALS) return specials[second ? i / SPECIALS : i % SPECIALS];
    uint64_t bits = random_bits();
    if (i % 2) {
        double d;
        float f;
        memcpy(&d, &bits, sizeof d);
        memcpy(&f, &bits, sizeof f);
        return dtype == GRADUS_F32 ? (double)f : d;
    }
    double unit = (double)(bits >> 11) * 0x1p-53;
    return i % 4 ? unit : (unit - 0.5) * 40;
}

static bool same(gradus_dtype dtype, const void *a, const void *b, size_t i) {
    if (dtype == GRADUS_F32) {
        float x = ((const float *)a)[i], y = ((const float *)b)[i];
        return (isnan(x) && isnan(y)) || memcmp(&x, &y, sizeof x) == 0;
    }
    double x = ((const double *)a)[i], y = ((const double *)b)[i];
    return (isnan(x) && isnan(y)) || memcmp(&x, &y, sizeof x) == 0;
}

static double value(gradus_dtype dtype, const void *a, size_t i) {
    return dtype == GRADUS_F32 ? (double)((const float *)a)[i] : ((const double *)a)[i];
}

static union {
    float f32[COUNT];
    double f64[COUNT];
} x, y, got, want;

static void fill(const function *f, gradus_dtype dtype) {
    for (size_t i = 0; i < COUNT; i++) {
        double a = sample(dtype, i, false), b = sample(dtype, i, true);
        if (dtype == GRADUS_F32) {
            x.f32[i] = (float)a;
            y.f32[i] = (float)b;
            want.f32[i] = f->f32 ? f->f32(x.f32[i]) : f->f32_2(x.f32[i], y.f32[i]);
        } else {
            x.f64[i] = a;
            y.f64[i] = b;
            want.f64[i] = f->f64 ? f->f64(a) : f->f64_2(a, b);
        }
    }
}

CALLS_GENERATED_CODE static void functions_agree(const variant *v, LLVMOrcLLJITRef jit) {
    for (unsigned k = 0; k < FUNCTIONS; k++) {
        const function *f = &functions[k];
        if (!emit_math_has(f->op, v->dtype)) continue;
        fill(f, v->dtype);
        compiled run;
        *(void **)&run = symbol(jit, f->name);
        run(&x, &y, &got, COUNT);
        for (size_t i = 0; i < COUNT && !v->baseline; i++) {
            if (!same(v->dtype, &got, &want, i))
                fail_msg("%s of %a, %a in %u lanes of %s is %a, not %a", f->name, value(v->dtype, &x, i),
                         value(v->dtype, &y, i), v->lanes, gradus_dtype_name(v->dtype), value(v->dtype, &got, i),
                         value(v->dtype, &want, i));
        }
    }
}

CALLS_GENERATED_CODE static void random_agrees(const variant *v, LLVMOrcLLJITRef jit) {
    const uint64_t seed = 0x123456789abcdef0u, counter = 0xfedcba9876543210u, first = 0x12345;
    compiled_random run;
    *(void **)&run = symbol(jit, "random");
    run(seed, counter, first, &got, COUNT);
    for (uint64_t i = 0; i < COUNT; i++) {
        if (v->dtype == GRADUS_F32) want.f32[i] = philox_uniform_f32(seed, counter, 7, first + i);
        else want.f64[i] = philox_uniform_f64(seed, counter, 7, first + i);
        assert_true(same(v->dtype, &got, &want, i));
    }
}

static void agree(gradus_dtype dtype, bool baseline) {
    static const unsigned lanes[] = {0, 1, 4, 8, 16};
    for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++) {
        variant v = {dtype, lanes[i], baseline};
        LLVMOrcLLJITRef jit = compile(&v);
        functions_agree(&v, jit);
        random_agrees(&v, jit);
        check(LLVMOrcDisposeLLJIT(jit));
    }
}

static void f32_bits(void **state) {
    (void)state;
    agree(GRADUS_F32, false);
}

static void f64_bits(void **state) {
    (void)state;
    agree(GRADUS_F64, false);
}

/* No bits are promised there, but nothing may be called either. */
static void baseline_links(void **state) {
    (void)state;
    agree(GRADUS_F32, true);
    agree(GRADUS_F64, true);
}

static int initialise(void **state) {
    (void)state;
    return LLVMInitializeNativeTarget() || LLVMInitializeNativeAsmPrinter();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32_bits),
        cmocka_unit_test(f64_bits),
        cmocka_unit_test(baseline_links),
    };
    return cmocka_run_group_tests_name("emit_math", tests, initialise, NULL);
}
