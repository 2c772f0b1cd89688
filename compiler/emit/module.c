/* SPDX-License-Identifier: Apache-2.0
 * Entry points: the SPMD function that runs an entry's kernels phase by phase.  See emit.h.
 *
 *     i32 entry(call, thread, threads):
 *         if check(…) return 1 + its number
 *         units = …;  kernel(buffers…, batch, units·thread/threads, units·(thread+1)/threads, scratch)
 *         barrier, if there are others, wherever the phase changes
 *
 * A function of the user's is called by thread 0, at most one a phase.  If it fails, report[0] is -1 - its number, and
 * behind the barrier all threads return 1 + its number; they compare with the number, since thread 0 may already be in a
 * later call, which is also why report[0] is read and written atomically.
 */
#include "emit/emitter.h"
#include "ir/custom.h"

#include <assert.h>
#include <gradus/abi.h>
#include <llvm/Config/llvm-config.h>
#include <string.h>

static void set_types(emitter *e) {
    e->i1 = LLVMInt1TypeInContext(e->context);
    e->i8 = LLVMInt8TypeInContext(e->context);
    e->i32 = LLVMInt32TypeInContext(e->context);
    e->i64 = LLVMInt64TypeInContext(e->context);
    e->f32 = LLVMFloatTypeInContext(e->context);
    e->f64 = LLVMDoubleTypeInContext(e->context);
    e->ptr = LLVMPointerTypeInContext(e->context, 0);
    e->none = LLVMVoidTypeInContext(e->context);
}

static emitter emitter_for(emission *em, int number, const kernel_list *l) {
    LLVMModuleRef module = em->modules[number].module;
    emitter e = {.em = em, .context = LLVMGetModuleContext(module), .module = module, .target = em->target, .memory = em->memory, .list = l};
    e.b = em->modules[number].builder;
    set_types(&e);
    return e;
}

static bool is_available(const kernel_list *l, const kernel *k) {
    if (k->kind == KERNEL_CALL) return custom_numbers_fit(l->graph, graph_node(l->graph, k->called), l->max_batch);
    for (uint32_t v = 0; v < k->values.count; v++) {
        const value *it = &k->values.items[v];
        if (it->kind != VALUE_OP) continue;
        gradus_dtype operand = k->values.items[it->args[0]].dtype;
        if (emit_has_op(it->op, operand)) continue;
        const node *n = graph_node(l->graph, it->node);
        char place[SOURCE_TEXT];
        fail(GRADUS_ERROR_COMPILER, "%s%s: not available for %s in compiled programs", source_text(n->where, place),
             op_name(it->op), gradus_dtype_name(operand));
        return false;
    }
    return true;
}

/* Vectors hold as many elements as fit of the widest dtype in memory. */
static unsigned lanes_for(const emitter *e, const kernel *k) {
    size_t widest = 4;
    for (uint32_t v = 0; v < k->values.count; v++)
        if (k->values.items[v].kind != VALUE_INDEX && k->values.items[v].varies && gradus_dtype_size(k->values.items[v].dtype) > widest)
            widest = gradus_dtype_size(k->values.items[v].dtype);
    return e->target->vector_bytes / (unsigned)widest;
}

/* --- kernels ------------------------------------------------------------------------------------------------------------ */

/* What the function returns; NULL for nothing. */
static llvm kernel_body(emitter *e) {
    switch (e->k->kind) {
    case KERNEL_ROWS: emit_rows(e); break;
    case KERNEL_COLUMNS: emit_columns(e); break;
    case KERNEL_CONTRACT: emit_contract(e); break;
    case KERNEL_SCATTER: emit_scatter(e); break;
    case KERNEL_CHECK: emit_check(e); return LLVMConstInt(e->i32, 0, false);
    case KERNEL_CALL: return emit_call(e);
    }
    return NULL;
}

static LLVMTypeRef kernel_type(const emitter *e, const kernel *k, uint32_t n_buffers) {
    LLVMTypeRef *params = ARENA_ARRAY(e->memory, LLVMTypeRef, n_buffers + 4);
    for (uint32_t i = 0; i < n_buffers; i++) params[i] = e->ptr;
    for (uint32_t i = 0; i < 3; i++) params[n_buffers + i] = e->i64;
    params[n_buffers + 3] = e->ptr;
    return LLVMFunctionType(kernel_may_fail(k) ? e->i32 : e->none, params, n_buffers + 4, false);
}

static void emit_kernel(emitter *e, llvm function, const uint32_t *ids, uint32_t count) {
    const kernel *k = e->k;
    LLVMBasicBlockRef first = LLVMAppendBasicBlockInContext(e->context, function, "entry");
    LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(e->context, function, "work");
    LLVMPositionBuilderAtEnd(e->b, body);
    e->function = function;
    e->pointers = ARENA_ARRAY(e->memory, llvm, e->list->buffers.count + 1);
    for (uint32_t i = 0; i < count; i++) e->pointers[ids[i]] = LLVMGetParam(function, i);
    e->batch = LLVMGetParam(function, count);
    e->begin = LLVMGetParam(function, count + 1);
    e->end = LLVMGetParam(function, count + 2);
    e->scratch = LLVMGetParam(function, count + 3);
    e->lanes = lanes_for(e, k);
    for (int d = 0; d < k->rank; d++) e->dims[d] = extent_value(e, k->dims[d]);
    llvm result = kernel_body(e);
    if (result) LLVMBuildRet(e->b, result);
    else LLVMBuildRetVoid(e->b);
    LLVMPositionBuilderAtEnd(e->b, first);
    LLVMBuildBr(e->b, body);
}

/* The module for a kernel: the first for what takes no time, else the hot one with the least to do so far. */
static int module_for(emission *em, const kernel *k, bool once) {
    enum { TINY_NS = 30 };
    int best = EMIT_COLD;
    if (em->hot && !once && k->cost >= TINY_NS) {
        best = EMIT_HOT;
        for (int i = 1; i < em->hot; i++)
            if (em->modules[EMIT_HOT + i].weight < em->modules[best].weight) best = EMIT_HOT + i;
    }
    em->modules[best].weight += 20 + k->values.count + (k->kind == KERNEL_CONTRACT ? 30 : 0);
    return best;
}

/* The name of a kernel's function, emitted unless there is one of the same text. */
static const char *kernel_symbol(emission *em, const kernel_list *l, const kernel *k, bool once, int64_t *scratch) {
    text t = {.memory = em->memory}, symbol = {.memory = em->memory};
    text_append(&t, "batch %lld\n", (long long)l->max_batch);
    kernel_print(l, k, &t);
    uint64_t hash = hash_bytes(HASH_START, t.data, t.length);
    for (uint32_t i = 0; i < em->kernels.count; i++)
        if (em->kernels.items[i].hash == hash && strcmp(em->kernels.items[i].text, t.data) == 0) {
            *scratch = em->kernels.items[i].scratch_bytes;
            return em->kernels.items[i].symbol;
        }
    text_append(&symbol, "gradus_%s_%u", kernel_kind_name(k->kind), em->kernels.count);
    emitter e = emitter_for(em, module_for(em, k, once), l);
    uint32_t *ids = ARENA_ARRAY(em->memory, uint32_t, l->buffers.count + 1), count = kernel_buffers(k, ids);
    bool define;
    e.k = k;
    emit_kernel(&e, shared_function(&e, symbol.data, kernel_type(&e, k, count), &define), ids, count);
    *scratch = e.scratch_bytes;
    VEC_PUSH(em->memory, &em->kernels, ((emitted_kernel){hash, t.data, symbol.data, e.scratch_bytes}));
    return symbol.data;
}

/* --- the entry ---------------------------------------------------------------------------------------------------------- */

/* The fields of gradus_abi_call, in order. */
enum { CALL_STATE, CALL_ARENA, CALL_INPUTS, CALL_OUTPUTS, CALL_BATCH, CALL_BARRIER, CALL_TEAM, CALL_REPORT, CALL_FIELDS };

typedef struct {
    emitter *e;
    llvm fields[CALL_FIELDS], thread, threads;
    llvm *buffers; /* by number in the list */
    llvm scratch;
} entry_function;

static void load_fields(entry_function *f, llvm call) {
    const emitter *e = f->e;
    LLVMTypeRef types[CALL_FIELDS];
    for (int i = 0; i < CALL_FIELDS; i++) types[i] = i == CALL_BATCH ? e->i64 : e->ptr;
    LLVMTypeRef type = LLVMStructTypeInContext(e->context, types, CALL_FIELDS, false);
    for (int i = 0; i < CALL_FIELDS; i++)
        f->fields[i] = LLVMBuildLoad2(e->b, types[i], LLVMBuildStructGEP2(e->b, type, call, (unsigned)i, ""), "");
}

/* A constant tensor as a read-only array of the module. */
static llvm constant_array(const emitter *e, const buffer *b) {
    const node *n = graph_node(e->list->graph, b->node);
#if LLVM_VERSION_MAJOR >= 19
    llvm bytes = LLVMConstStringInContext2(e->context, n->attr.data, n->attr.bytes, true);
#else
    llvm bytes = LLVMConstStringInContext(e->context, n->attr.data, (unsigned)n->attr.bytes, true);
#endif
    llvm global = LLVMAddGlobal(e->module, LLVMTypeOf(bytes), "constant");
    LLVMSetInitializer(global, bytes);
    LLVMSetGlobalConstant(global, true);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    LLVMSetAlignment(global, GRADUS_ABI_ALIGN);
    return global;
}

static llvm list_item(const emitter *e, llvm list, uint32_t index) {
    return LLVMBuildLoad2(e->b, e->ptr, element_pointer(e, e->ptr, list, int_constant(e, index)), "");
}

static void load_buffers(entry_function *f) {
    const emitter *e = f->e;
    const kernel_list *l = e->list;
    f->buffers = ARENA_ARRAY(e->memory, llvm, l->buffers.count + 1);
    for (uint32_t i = 0; i < l->buffers.count; i++) {
        const buffer *b = &l->buffers.items[i];
        switch (b->place) {
        case PLACE_INPUT: f->buffers[i] = list_item(e, f->fields[CALL_INPUTS], b->index); break;
        case PLACE_OUTPUT: f->buffers[i] = list_item(e, f->fields[CALL_OUTPUTS], b->index); break;
        case PLACE_STATE:
            f->buffers[i] = element_pointer(e, e->i8, f->fields[CALL_STATE], int_constant(e, l->state_offsets[b->index]));
            break;
        case PLACE_ARENA: f->buffers[i] = element_pointer(e, e->i8, f->fields[CALL_ARENA], int_constant(e, b->offset)); break;
        case PLACE_CONSTANT: f->buffers[i] = constant_array(e, b); break;
        }
    }
}

static llvm units_of(const emitter *e, const kernel *k) {
    switch (k->kind) {
    case KERNEL_ROWS: return rows_units(e, k);
    case KERNEL_COLUMNS: return columns_units(e, k);
    case KERNEL_CONTRACT: return contract_units(e, k, e->list->max_batch);
    case KERNEL_SCATTER: return scatter_units(e, k);
    case KERNEL_CHECK: case KERNEL_CALL: break;
    }
    return int_constant(e, 1);
}

static void call_barrier(const entry_function *f) {
    const emitter *e = f->e;
    branch b = branch_begin(e, LLVMBuildICmp(e->b, LLVMIntSGT, f->threads, LLVMConstInt(e->i32, 1, false), ""));
    LLVMTypeRef type = LLVMFunctionType(e->none, (LLVMTypeRef[]){e->ptr}, 1, false);
    LLVMBuildCall2(e->b, type, f->fields[CALL_BARRIER], (llvm[]){f->fields[CALL_TEAM]}, 1, "");
    branch_end(e, &b);
}

static void return_failure(const entry_function *f, const kernel *k, llvm failed) {
    const emitter *e = f->e;
    branch b = branch_begin(e, failed);
    LLVMBuildRet(e->b, LLVMConstInt(e->i32, k->check + 1, false));
    LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->context, e->function, "unreachable"));
    branch_end(e, &b);
}

static llvm report_item(const entry_function *f, int64_t i) { return element_pointer(f->e, f->e->i64, f->fields[CALL_REPORT], int_constant(f->e, i)); }

static llvm failure_mark(const emitter *e, const kernel *k) { return int_constant(e, -1 - (int64_t)k->check); }

/* A load or store of an i64; the barriers order them. */
static llvm atomically(llvm instruction) {
    LLVMSetOrdering(instruction, LLVMAtomicOrderingMonotonic);
    LLVMSetAlignment(instruction, sizeof(int64_t));
    return instruction;
}

/* Thread 0 reports what the user's function returned. */
static void report_result(const entry_function *f, const kernel *k, llvm result) {
    const emitter *e = f->e;
    llvm failed = LLVMBuildICmp(e->b, LLVMIntNE, result, LLVMConstInt(e->i32, 0, false), "");
    llvm mark = LLVMBuildSelect(e->b, failed, failure_mark(e, k), int_constant(e, 0), "");
    atomically(LLVMBuildStore(e->b, mark, report_item(f, 0)));
    LLVMBuildStore(e->b, LLVMBuildSExt(e->b, result, e->i64, ""), report_item(f, 1));
}

/* What a phase ends with: the threads meet and, where a function of the user's has failed in it, return. */
static void end_phase(const entry_function *f, const kernel *called) {
    const emitter *e = f->e;
    call_barrier(f);
    if (!called) return;
    llvm mark = atomically(LLVMBuildLoad2(e->b, e->i64, report_item(f, 0), ""));
    return_failure(f, called, LLVMBuildICmp(e->b, LLVMIntEQ, mark, failure_mark(e, called), ""));
}

/* A constant: an address of this process. */
static llvm user_pointer(const emitter *e, const kernel *k) {
    const void *user = graph_node(e->list->graph, k->called)->attr.call->user;
    return LLVMConstIntToPtr(int_constant(e, (int64_t)(intptr_t)user), e->ptr);
}

static void call_kernel(const entry_function *f, const kernel *k, const char *symbol) {
    const emitter *e = f->e;
    uint32_t *ids = ARENA_ARRAY(e->memory, uint32_t, e->list->buffers.count + 1), count = kernel_buffers(k, ids);
    llvm *args = ARENA_ARRAY(e->memory, llvm, count + 4), units = units_of(e, k);
    LLVMTypeRef type = kernel_type(e, k, count);
    bool define;
    llvm function = shared_function(e, symbol, type, &define);
    for (uint32_t i = 0; i < count; i++) args[i] = f->buffers[ids[i]];
    args[count] = f->fields[CALL_BATCH];
    args[count + 1] = int_constant(e, 0);
    args[count + 2] = units;
    args[count + 3] = k->kind == KERNEL_CHECK ? f->fields[CALL_REPORT] : k->kind == KERNEL_CALL ? user_pointer(e, k) : f->scratch;
    if (k->kind == KERNEL_CHECK) {
        llvm failed = LLVMBuildCall2(e->b, type, function, args, count + 4, "");
        return_failure(f, k, LLVMBuildICmp(e->b, LLVMIntNE, failed, LLVMConstInt(e->i32, 0, false), ""));
        return;
    }
    if (k->serial) {
        branch b = branch_begin(e, LLVMBuildICmp(e->b, LLVMIntEQ, f->thread, LLVMConstInt(e->i32, 0, false), ""));
        llvm result = LLVMBuildCall2(e->b, type, function, args, count + 4, "");
        if (k->kind == KERNEL_CALL) report_result(f, k, result);
        branch_end(e, &b);
        return;
    }
    llvm thread = LLVMBuildZExt(e->b, f->thread, e->i64, ""), threads = LLVMBuildZExt(e->b, f->threads, e->i64, "");
    args[count + 1] = LLVMBuildUDiv(e->b, LLVMBuildMul(e->b, units, thread, ""), threads, "");
    llvm behind = LLVMBuildMul(e->b, units, LLVMBuildAdd(e->b, thread, int_constant(e, 1), ""), "");
    args[count + 2] = LLVMBuildUDiv(e->b, behind, threads, "");
    LLVMBuildCall2(e->b, type, function, args, count + 4, "");
}

static void emit_phases(emission *em, emitter *e, entry_function *f, bool once, int64_t *scratch_bytes) {
    const kernel_list *l = e->list;
    const char **symbols = ARENA_ARRAY(e->memory, const char *, l->kernels.count + 1);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    for (uint32_t i = 0; i < l->kernels.count; i++) {
        int64_t scratch = 0;
        symbols[i] = kernel_symbol(em, l, l->kernels.items[i], once, &scratch);
        if (scratch > *scratch_bytes) *scratch_bytes = scratch;
    }
    LLVMPositionBuilderAtEnd(e->b, here);
    llvm thread = LLVMBuildZExt(e->b, f->thread, e->i64, "");
    llvm offset = int_add(e, int_constant(e, l->arena_bytes), LLVMBuildMul(e->b, thread, int_constant(e, *scratch_bytes), ""));
    f->scratch = element_pointer(e, e->i8, f->fields[CALL_ARENA], offset);
    const kernel *called = NULL; /* in this phase */
    for (uint32_t i = 0; i < l->kernels.count; i++) {
        const kernel *k = l->kernels.items[i];
        if (i && k->phase != l->kernels.items[i - 1]->phase) {
            end_phase(f, called);
            called = NULL;
        }
        call_kernel(f, k, symbols[i]);
        if (k->kind == KERNEL_CALL) called = k;
    }
    if (called) end_phase(f, called);
}

bool emit_entry(emission *em, const kernel_list *l, const char *symbol, bool once, int64_t *scratch_bytes) {
    for (uint32_t i = 0; i < l->kernels.count; i++)
        if (!is_available(l, l->kernels.items[i])) return false;
    emitter e = emitter_for(em, EMIT_COLD, l);
    LLVMTypeRef type = LLVMFunctionType(e.i32, (LLVMTypeRef[]){e.ptr, e.i32, e.i32}, 3, false);
    llvm function = e.function = LLVMAddFunction(e.module, symbol, type);
    set_attributes(&e, function);
    LLVMPositionBuilderAtEnd(e.b, LLVMAppendBasicBlockInContext(e.context, function, "entry"));
    entry_function f = {.e = &e, .thread = LLVMGetParam(function, 1), .threads = LLVMGetParam(function, 2)};
    load_fields(&f, LLVMGetParam(function, 0));
    e.batch = f.fields[CALL_BATCH];
    load_buffers(&f);
    *scratch_bytes = 0;
    emit_phases(em, &e, &f, once, scratch_bytes);
    LLVMBuildRet(e.b, LLVMConstInt(e.i32, 0, false));
    return true;
}
