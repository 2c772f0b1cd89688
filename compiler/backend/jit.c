/* SPDX-License-Identifier: Apache-2.0
 *
 * The JIT: every entry point of a graph lowered, emitted, made into objects in memory, linked by ORC, and handed to the
 * runtime as the tables of abi.h.  All of it happens on a thread of its own (llvm.h), which a second one helps to make machine
 * code of the modules; the one with initialisation and the entry functions is not optimised, since what is in it takes no
 * time.
 *
 * Objects are given to ORC ready-made, so that what runs is what an ahead-of-time object would hold.
 */
#include "backend/jit.h"

#include "backend/explain.h"
#include "backend/llvm.h"
#include "backend/target.h"
#include "base/names.h"
#include "ir/call.h"
#include "ir/custom.h"
#include "lower.h"
#include "runtime/options.h"
#include "runtime/program.h"
#include "runtime/world.h"

#include <gradus/abi.h>
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double milliseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* What a program's tables and code live in; freed with the program. */
typedef struct {
    arena memory;
    LLVMOrcLLJITRef jit;
    gradus_abi_program abi;
    explainer explainer; /* with check_nan */
    char reported[512];  /* the first error that the JIT had beside the one that it returned */
} code;

static void code_release(void *owner) {
    code *c = owner;
    if (c->jit && llvm_begin()) { /* while the process ends, its end is the JIT's */
        LLVMConsumeError(LLVMOrcDisposeLLJIT(c->jit));
        llvm_end();
    }
    explainer_free(&c->explainer);
    arena_free(&c->memory);
    memory_free(c);
}

/* A module on its way to an object; after emission it belongs to the thread that compiles it. */
typedef struct {
    LLVMContextRef context;
    LLVMModuleRef module;
    target target;
    LLVMMemoryBufferRef object;
    const char *label;
    bool lost; /* LLVM has given up on it */
} part;

/* What only compiling needs.  Entries are in the graph's order; initialisation is the last. */
typedef struct compilation {
    arena memory;
    const gradus_graph *g;
    const char *cpu;
    int64_t max_batch;
    bool check_nan;
    bool lost; /* LLVM has given up */
    uint32_t count;
    lowered *entries;
    int64_t *state_offsets, *scratch_bytes;
    int64_t state_bytes, param_bytes;
    emission emission;
    part parts[EMIT_MODULES];
} compilation;

static void compilation_free(compilation *c) {
    for (uint32_t i = 0; c->entries && i < c->count; i++) lowered_free(&c->entries[i]);
    for (int i = 0; i < EMIT_MODULES && !c->lost; i++) {
        if (c->parts[i].lost) continue;
        if (c->parts[i].object) LLVMDisposeMemoryBuffer(c->parts[i].object);
        if (c->emission.modules[i].builder) LLVMDisposeBuilder(c->emission.modules[i].builder);
        if (c->emission.modules[i].module) LLVMDisposeModule(c->emission.modules[i].module);
        if (c->parts[i].context) LLVMContextDispose(c->parts[i].context);
        target_free(&c->parts[i].target);
    }
    arena_free(&c->memory);
}

static bool fail_state_too_large(const node *of) {
    char place[SOURCE_TEXT];
    fail(GRADUS_ERROR_ARGUMENT, "%s%s \"%.200s\": with it the state has more than 2^62 bytes",
         source_text(of->where, place), op_name(of->op), of->attr.name);
    return false;
}

/* Parameters first, so that what inference needs is a prefix of the state. */
static bool lay_out_state(compilation *c) {
    static const int64_t largest = INT64_C(1) << 62; /* as of any one tensor */
    c->state_offsets = ARENA_ARRAY(&c->memory, int64_t, c->g->states.count + 1);
    for (int trained = 1; trained >= 0; trained--) {
        for (uint32_t i = 0; i < c->g->states.count; i++) {
            const node *n = graph_node(c->g, c->g->states.items[i].node);
            if ((n->op == OP_param) != trained) continue;
            int64_t bytes = shape_elements(&n->shape) * (int64_t)gradus_dtype_size(n->dtype);
            bytes = (bytes + GRADUS_ABI_ALIGN - 1) / GRADUS_ABI_ALIGN * GRADUS_ABI_ALIGN;
            if (bytes > largest - c->state_bytes) return fail_state_too_large(n);
            c->state_offsets[i] = c->state_bytes;
            c->state_bytes += bytes;
        }
        if (trained) c->param_bytes = c->state_bytes;
    }
    return true;
}

static const char *symbol_of(arena *memory, uint32_t i) {
    text t = {.memory = memory};
    text_append(&t, "gradus_entry_%u", i);
    return t.data;
}

/* What LLVM would write to standard error otherwise.  Its errors are fatal. */
static void diagnosed(LLVMDiagnosticInfoRef diagnostic, void *unused) {
    (void)unused;
    char *said = LLVMGetDiagInfoDescription(diagnostic);
    if (LLVMGetDiagInfoSeverity(diagnostic) == LLVMDSError) llvm_give_up(said);
    log_line(2, "LLVM: %s", said);
    LLVMDisposeMessage(said);
}

static bool make_modules(compilation *c) {
    static const char *const labels[EMIT_MODULES] = {"cold", "hot1", "hot2"};
    for (int i = 0; i < EMIT_MODULES; i++) {
        c->parts[i].label = labels[i];
        c->parts[i].context = LLVMContextCreate();
        LLVMContextSetDiagnosticHandler(c->parts[i].context, diagnosed, NULL);
        c->emission.modules[i].module = LLVMModuleCreateWithNameInContext(labels[i], c->parts[i].context);
        c->emission.modules[i].builder = LLVMCreateBuilderInContext(c->parts[i].context);
        if (!target_host(c->cpu, i == EMIT_COLD, &c->parts[i].target)) return false;
    }
    c->emission.hot = EMIT_MODULES - EMIT_HOT;
    /* the thread of the last hot module has the cold one to do first: some code for each state's first value and entry */
    c->emission.modules[EMIT_HOT + 1].weight = (size_t)c->g->states.count * 3 + (size_t)c->count * 20;
    c->emission.target = &c->parts[0].target.emit;
    c->emission.memory = &c->memory;
    return true;
}

static bool emit_all(compilation *c) {
    if (!lay_out_state(c)) return false;
    c->entries = ARENA_ARRAY(&c->memory, lowered, c->count);
    c->scratch_bytes = ARENA_ARRAY(&c->memory, int64_t, c->count);
    for (uint32_t i = 0; i < c->count; i++) {
        const entry *e = i < c->g->entries.count ? &c->g->entries.items[i] : NULL;
        if (!lower(c->g, e, c->max_batch, &c->memory, &c->entries[i])) return false;
        c->entries[i].kernels.state_offsets = c->state_offsets;
        const char *symbol = symbol_of(&c->memory, i);
        if (!emit_entry(&c->emission, &c->entries[i].kernels, symbol, !e, &c->scratch_bytes[i])) return false;
    }
    return true;
}

static void make_object(void *user) {
    part *p = user;
    double start = milliseconds();
    p->object = target_object(&p->target, p->module, p->label);
    if (!p->object) return;
    log_line(2, "%s: machine code %.1f ms, object %zu bytes", p->label, milliseconds() - start, LLVMGetBufferSize(p->object));
}

static bool compile_part(part *p) {
    p->lost = !llvm_attempt("gradus_jit", make_object, p);
    return !p->lost && p->object;
}

/* What the second thread does: the light part, and one of the heavy ones. */
static bool compile_others(void *all) {
    part *parts = ((struct compilation *)all)->parts;
    return compile_part(&parts[EMIT_COLD]) && compile_part(&parts[EMIT_HOT + 1]);
}

static gradus_status compile_parts(compilation *c) {
    llvm_thread others;
    for (int i = 0; i < EMIT_MODULES; i++) c->parts[i].module = c->emission.modules[i].module;
    llvm_thread_start(&others, compile_others, c);
    const bool mine = compile_part(&c->parts[EMIT_HOT]);
    return llvm_thread_join(&others) && mine ? GRADUS_OK : fail_status();
}

/* The error that it returns says what failed, mostly; why, it reports. */
static void report(void *to, LLVMErrorRef error) {
    code *c = to;
    char *message = LLVMGetErrorMessage(error);
    if (!*c->reported) snprintf(c->reported, sizeof c->reported, ": %s", message);
    LLVMDisposeErrorMessage(message);
}

static gradus_status orc_failed(const code *c, LLVMErrorRef error, const char *what) {
    char *message = LLVMGetErrorMessage(error);
    fail(GRADUS_ERROR_COMPILER, "gradus_jit: %s: %s%s", what, message, c->reported);
    LLVMDisposeErrorMessage(message);
    return GRADUS_ERROR_COMPILER;
}

/* Tells the linker where a function of the user's is. */
static LLVMErrorRef define_symbol(code *to, LLVMOrcJITDylibRef library, const char *symbol, void (*function)(void)) {
    LLVMOrcCSymbolMapPair pair = {LLVMOrcLLJITMangleAndIntern(to->jit, symbol), {(LLVMOrcExecutorAddress)(uintptr_t)function, {0, 0}}};
    pair.Sym.Flags.GenericFlags = LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable;
    LLVMOrcMaterializationUnitRef unit = LLVMOrcAbsoluteSymbols(&pair, 1);
    LLVMErrorRef error = LLVMOrcJITDylibDefine(library, unit);
    if (error) LLVMOrcDisposeMaterializationUnit(unit);
    return error;
}

/* The functions that the entries call, each once, and what calls them. */
static LLVMErrorRef define_symbols(code *to, compilation *c, LLVMOrcJITDylibRef library) {
    names defined = {.memory = &c->memory};
    for (uint32_t i = 0; i < c->count; i++) {
        const kernel_list *l = &c->entries[i].kernels;
        for (uint32_t k = 0; k < l->kernels.count; k++) {
            if (l->kernels.items[k]->kind != KERNEL_CALL) continue;
            const custom *called = graph_node(l->graph, l->kernels.items[k]->called)->attr.call;
            LLVMErrorRef error = NULL;
            if (names_add(&defined, CUSTOM_INVOKE, strlen(CUSTOM_INVOKE), i))
                error = define_symbol(to, library, CUSTOM_INVOKE, (void (*)(void))custom_invoke);
            if (error) return error;
            if (!names_add(&defined, called->symbol, strlen(called->symbol), i)) continue;
            error = define_symbol(to, library, called->symbol, called->function);
            if (error) return error;
        }
    }
    return NULL;
}

/* Links the objects into the process; what they may call, the user's functions, memcpy and memset, is the process'. */
static gradus_status link_objects(code *to, compilation *c) {
    LLVMOrcDefinitionGeneratorRef process = NULL;
    LLVMErrorRef error = LLVMOrcCreateLLJIT(&to->jit, NULL);
    if (error) return orc_failed(to, error, "the JIT cannot start");
    LLVMOrcExecutionSessionSetErrorReporter(LLVMOrcLLJITGetExecutionSession(to->jit), report, to);
    LLVMOrcJITDylibRef library = LLVMOrcLLJITGetMainJITDylib(to->jit);
    for (int i = 0; i < EMIT_MODULES; i++) {
        error = LLVMOrcLLJITAddObjectFile(to->jit, library, c->parts[i].object);
        c->parts[i].object = NULL; /* the JIT's, whatever happened */
        if (error) return orc_failed(to, error, "the JIT refuses the object");
    }
    error = define_symbols(to, c, library);
    if (error) return orc_failed(to, error, "the JIT refuses a function");
    error = LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(&process, LLVMOrcLLJITGetGlobalPrefix(to->jit), NULL, NULL);
    if (error) return orc_failed(to, error, "the JIT cannot see the process");
    LLVMOrcJITDylibAddGenerator(library, process);
    return GRADUS_OK;
}

static gradus_status look_up(const code *in, const char *symbol, gradus_abi_function *function) {
    LLVMOrcExecutorAddress address = 0;
    LLVMErrorRef error = LLVMOrcLLJITLookup(in->jit, &address, symbol);
    if (error) return orc_failed(in, error, "the JIT cannot link the object");
    *function = (gradus_abi_function)(uintptr_t)address;
    return GRADUS_OK;
}

/* --- tables --------------------------------------------------------------------------------------------------------------- */

static gradus_abi_tensor *tensors(code *to, const gradus_graph *g, const uint32_t *ids, uint32_t count, const char *unnamed) {
    gradus_abi_tensor *list = ARENA_ARRAY(&to->memory, gradus_abi_tensor, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        const node *n = graph_node(g, ids[i]);
        text name = {.memory = &to->memory};
        if (n->attr.name || n->name) text_append(&name, "%s", n->attr.name ? n->attr.name : n->name);
        else text_append(&name, "%s%u", unnamed, i);
        list[i] = (gradus_abi_tensor){.name = name.data, .dtype = n->dtype, .shape = n->shape};
    }
    return list;
}

static const gradus_abi_tensor *state_tensors(code *to, const compilation *c) {
    gradus_abi_tensor *list = ARENA_ARRAY(&to->memory, gradus_abi_tensor, c->g->states.count + 1);
    for (uint32_t i = 0; i < c->g->states.count; i++) {
        const node *n = graph_node(c->g, c->g->states.items[i].node);
        list[i] = (gradus_abi_tensor){arena_string(&to->memory, n->attr.name), n->dtype, n->shape, c->state_offsets[i], n->op == OP_param};
    }
    return list;
}

static gradus_abi_check *check_table(code *to, const kernel_list *l) {
    gradus_abi_check *list = ARENA_ARRAY(&to->memory, gradus_abi_check, l->checks.count + 1);
    for (uint32_t i = 0; i < l->checks.count; i++) {
        const node *n = graph_node(l->graph, l->checks.items[i]);
        text where = {.memory = &to->memory};
        char line[SOURCE_TEXT];
        text_append(&where, "%s", source_text(n->where, line));
        if (op_is(n->op, CALL)) {
            text_append(&where, "custom %s", custom_name(n));
            list[i] = (gradus_abi_check){.where = where.data, .bound = GRADUS_ABI_CALLED};
            continue;
        }
        text_append(&where, "%s", n->name ? n->name : "index");
        list[i] = (gradus_abi_check){where.data, n->attr.bound, n->shape};
    }
    return list;
}

/* One thread for what several could not make faster: waking another costs microseconds, and each phase ends in a barrier. */
static int32_t useful_threads(const kernel_list *l) {
    enum { WAKE_NS = 4000, BARRIER_NS = 200 };
    double shared = 0;
    for (uint32_t i = 0; i < l->kernels.count; i++) shared += l->kernels.items[i]->serial ? 0 : l->kernels.items[i]->cost;
    return shared / 2 < WAKE_NS + BARRIER_NS * l->phases ? 1 : INT32_MAX;
}

static bool writes_state(const kernel_list *l) {
    for (uint32_t i = 0; i < l->buffers.count; i++)
        if (l->buffers.items[i].place == PLACE_STATE && l->entry->updates.count) return true;
    return false;
}

static gradus_status fill_entry(code *to, const compilation *c, uint32_t i, gradus_abi_entry *out) {
    bool init = i == c->count - 1;
    const lowered *low = &c->entries[i];
    const kernel_list *l = &low->kernels;
    const entry *e = l->entry;
    *out = (gradus_abi_entry){
        .name = arena_string(&to->memory, init ? "init" : e->name),
        .inputs = tensors(to, low->graph, e->inputs, e->n_inputs, "input"),
        .outputs = tensors(to, low->graph, e->outputs, e->n_outputs, "output"),
        .checks = check_table(to, l),
        .n_inputs = (int32_t)e->n_inputs,
        .n_outputs = (int32_t)e->n_outputs,
        .n_checks = (int32_t)l->checks.count,
        .has_batch = low->has_batch,
        .writes_state = writes_state(l),
        .max_batch = l->max_batch,
        .arena_bytes = l->arena_bytes,
        .scratch_bytes = c->scratch_bytes[i],
        .threads = useful_threads(l),
    };
    if (init) {
        static const gradus_abi_tensor seed = {.name = "seed", .dtype = GRADUS_I64, .shape = {{1, 2}}};
        out->inputs = &seed;
        out->n_inputs = 1;
    }
    return look_up(to, symbol_of(&to->memory, i), &out->function);
}

static gradus_status fill_tables(code *to, const compilation *c) {
    gradus_abi_entry *entries = ARENA_ARRAY(&to->memory, gradus_abi_entry, c->count);
    for (uint32_t i = 0; i < c->count; i++) {
        gradus_status status = fill_entry(to, c, i, &entries[i]);
        if (status) return status;
    }
    to->abi = (gradus_abi_program){
        .version = GRADUS_ABI_VERSION,
        .state_bytes = c->state_bytes,
        .param_bytes = c->param_bytes,
        .state = state_tensors(to, c),
        .entries = entries,
        .init = &entries[c->count - 1],
        .n_state = (int32_t)c->g->states.count,
        .n_entries = (int32_t)c->count - 1,
    };
    return GRADUS_OK;
}

/* --- the whole ------------------------------------------------------------------------------------------------------------ */

static gradus_status compile(compilation *c, code *to) {
    double start = milliseconds(), emitted;
    if (!make_modules(c) || !emit_all(c)) return fail_status();
    emitted = milliseconds();
    gradus_status status = compile_parts(c);
    double compiled = milliseconds();
    if (!status) status = link_objects(to, c);
    if (!status) status = fill_tables(to, c);
    if (!status && c->check_nan) explainer_fill(&to->explainer, c->g, &to->memory);
    log_line(2, "compiled %u kernels: graph to IR %.1f ms, machine code %.1f ms, linking %.1f ms", c->emission.kernels.count,
             emitted - start, compiled - emitted, milliseconds() - compiled);
    return status;
}

typedef struct {
    compilation *c;
    code *to;
    gradus_status status;
} task;

static void compile_guarded(void *user) {
    task *t = user;
    guard here;
    if (GUARDED(&here)) {
        t->status = compile(t->c, t->to);
        guard_leave(&here);
    } else {
        t->status = fail_out_of_memory("gradus_jit");
    }
}

/* On a thread of LLVM's. */
static bool compile_on_thread(void *user) {
    task *t = user;
    if (!llvm_use_first(target_use_first)) {
        t->status = fail_status();
    } else if (!llvm_attempt("gradus_jit", compile_guarded, t)) {
        t->c->lost = true;
        t->to->jit = NULL;
        t->status = fail_status();
    }
    compilation_free(t->c);
    return t->status == GRADUS_OK;
}

static gradus_status compile_apart(compilation *c, code *to) {
    task t = {.c = c, .to = to};
    llvm_thread thread;
    if (!llvm_begin()) return fail_status();
    llvm_thread_start(&thread, compile_on_thread, &t);
    const bool done = llvm_thread_join(&thread);
    llvm_end();
    return done ? GRADUS_OK : fail_status();
}

static gradus_status check_arguments(gradus_graph *g, const gradus_compile_options *o) {
    if (!g) return fail(GRADUS_ERROR_ARGUMENT, "gradus_jit: the graph is NULL");
    if (g->status) return graph_report(g);
    if (!g->entries.count) return fail(GRADUS_ERROR_GRAPH, "gradus_jit: the graph has no entry point: gradus_define makes one");
    if (o && o->max_batch < 0)
        return fail(GRADUS_ERROR_ARGUMENT, "gradus_jit: max_batch is %lld; it counts rows, so 1 or more", (long long)o->max_batch);
    if (o && o->threads < 0)
        return fail(GRADUS_ERROR_ARGUMENT, "gradus_jit: threads is %d; it is 1 or more, or 0 for as many as there are CPUs", o->threads);
    return GRADUS_OK;
}

/* A program_explain. */
static gradus_status explain(void *owner, const gradus_abi_entry *e, const gradus_abi_call *run) {
    const code *c = owner;
    return explainer_run(&c->explainer, (uint32_t)(e - c->abi.entries), &c->abi, run);
}

/* Where the option is not at hand: GRADUS_DEBUG=nan in the environment. */
static bool debugs_nan(void) {
    const char *debug = getenv("GRADUS_DEBUG");
    return debug && strcmp(debug, "nan") == 0;
}

/* Takes the code: it is the program's, or released. */
static gradus_status make_program(code *c, int32_t threads, bool check_nan, gradus_program **program) {
    gradus_status status = program_create(&c->abi, threads, code_release, c, program);
    if (status) {
        code_release(c);
        return status;
    }
    if (check_nan) status = program_check_finite(*program, explain);
    if (status) gradus_program_destroy(program);
    return status;
}

gradus_status jit_for_cpu(gradus_graph *g, const gradus_compile_options *given, const char *cpu, gradus_program **program) {
    if (!program) return fail(GRADUS_ERROR_ARGUMENT, "gradus_jit: the place for the program is NULL");
    *program = NULL;
    gradus_compile_options o;
    if (!options_read("gradus_jit", OPTIONS_TYPE(gradus_compile_options), &o, given)) return fail_status();
    gradus_status status = check_arguments(g, &o);
    if (status) return status;
    o.check_nan |= debugs_nan();
    code *to = memory_zeroed(sizeof *to);
    if (!to) return fail_out_of_memory("gradus_jit");
    compilation c = {.g = g, .cpu = cpu, .max_batch = o.max_batch, .check_nan = o.check_nan, .count = g->entries.count + 1};
    status = compile_apart(&c, to);
    if (!status) return make_program(to, o.threads, o.check_nan, program);
    code_release(to);
    return status;
}

gradus_status(gradus_jit)(gradus_graph *g, const gradus_compile_options *options, gradus_program **program) {
    ENTER;
    return jit_for_cpu(g, options, NULL, program);
}
