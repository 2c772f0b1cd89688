/* SPDX-License-Identifier: Apache-2.0
 * Programs: made of compiled code, shared, described and destroyed.  Reading and writing state is in state.c,
 * running in call.c. */
#include "runtime/core.h"

#include "runtime/cpus.h"
#include "runtime/names.h"
#include "runtime/world.h"

#include <assert.h>
#include <string.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

enum { PAGE = 4096 };
static const size_t HUGE_PAGE = (size_t)2 << 20;

/* A block that begins on a page, on huge pages where it is large and the system has them: weights and activations are
 * walked through at every step. */
static unsigned char *allocate_block(size_t bytes) {
    unsigned char *block = memory_aligned(PAGE, bytes ? bytes : 1);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (block && bytes >= 2 * HUGE_PAGE) {
        uintptr_t first = ((uintptr_t)block + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
        uintptr_t end = ((uintptr_t)block + bytes) & ~(HUGE_PAGE - 1);
        madvise((void *)first, end - first, MADV_HUGEPAGE); /* advice: a refusal changes nothing */
    }
#endif
    return block;
}

int64_t abi_elements(const gradus_shape *shape, int64_t batch) {
    int64_t elements = 1;
    bool fits = true;
    for (int64_t i = 1; i <= shape->d[0]; i++) {
        int64_t d = shape->d[i];
        if (d == 0) return 0;
        if (d < 0 && __builtin_mul_overflow(-d, batch, &d)) fits = false;
        if (fits && __builtin_mul_overflow(elements, d, &elements)) fits = false;
    }
    return fits ? elements : -1;
}

/* The arena of the entry that needs most; false where it does not fit the address space. */
static bool measure_entry(program_core *core, const gradus_abi_entry *e) {
    int64_t bytes;
    assert(e->arena_bytes >= 0 && e->scratch_bytes >= 0 && e->n_inputs >= 0 && e->n_outputs >= 0);
    int32_t threads = core_threads(core, e);
    if (__builtin_mul_overflow(e->scratch_bytes, threads > 1 ? threads : 1, &bytes)) return false;
    if (__builtin_add_overflow(bytes, e->arena_bytes, &bytes) || (uint64_t)bytes > SIZE_MAX - 2 * HUGE_PAGE)
        return false;
    if ((size_t)bytes > core->arena_bytes) core->arena_bytes = (size_t)bytes;
    if ((size_t)e->n_inputs > core->n_arguments) core->n_arguments = (size_t)e->n_inputs;
    if ((size_t)e->n_outputs > core->n_arguments) core->n_arguments = (size_t)e->n_outputs;
    return true;
}

static void free_core(program_core *core) {
    if (!core) return;
    pool_destroy(core->pool);
    memory_free_aligned(core->state);
    memory_free_aligned(core->saved);
    memory_free_aligned(core->best);
    memory_free(core->written);
    memory_free(core);
}

/* A core in the use of no program yet, or NULL after setting the error. */
static program_core *make_core(const gradus_abi_program *abi, int32_t threads) {
    static const char *where = "making a program";
    program_core *core = memory_zeroed(sizeof *core);
    if (!core) return fail_out_of_memory(where), NULL;
    core->abi = abi;
    core->threads = threads ? threads : cpus_available();
    if (core->threads > POOL_MAX_THREADS) core->threads = POOL_MAX_THREADS;
    bool fits = !abi->init || measure_entry(core, abi->init);
    for (int32_t i = 0; i < abi->n_entries && fits; i++) fits = measure_entry(core, &abi->entries[i]);
    if (!fits || (uint64_t)abi->state_bytes > SIZE_MAX / 2) {
        fail(GRADUS_ERROR_MEMORY, "%s: it needs more memory than there are addresses", where);
        memory_free(core);
        return NULL;
    }
    size_t state_bytes = (size_t)abi->state_bytes;
    core->written = memory_zeroed((size_t)abi->n_state * sizeof *core->written);
    core->state = core->written ? allocate_block(state_bytes) : NULL;
    core->pool = core->state ? pool_create(core->threads) : NULL;
    if (!core->pool) {
        free_core(core);
        fail(GRADUS_ERROR_MEMORY, "%s: out of memory (the state needs %zu bytes)", where, state_bytes);
        return NULL;
    }
    memset(core->state, 0, state_bytes);
    atomic_init(&core->initialized, abi->n_state == 0);
    return core;
}

/* A program over a core, which counts it; NULL after setting the error. */
static gradus_program *make_program(program_core *core) {
    gradus_program *program = memory_zeroed(sizeof *program);
    if (program) {
        program->core = core;
        program->arena = allocate_block(core->arena_bytes);
        program->inputs = memory_zeroed(core->n_arguments * sizeof *program->inputs);
        program->outputs = memory_zeroed(core->n_arguments * sizeof *program->outputs);
        if (program->arena && program->inputs && program->outputs) {
            atomic_fetch_add(&core->programs, 1);
            return program;
        }
        memory_free_aligned(program->arena);
        memory_free(program->inputs);
        memory_free(program->outputs);
        memory_free(program);
    }
    fail(GRADUS_ERROR_MEMORY, "making a program: out of memory (its arena needs %zu bytes)", core->arena_bytes);
    return NULL;
}

gradus_status program_create(const gradus_abi_program *abi, int32_t threads, void (*release)(void *owner), void *owner,
                             gradus_program **program) {
    *program = NULL;
    if (abi->version != GRADUS_ABI_VERSION) {
        return fail(GRADUS_ERROR_MISMATCH,
                    "the compiled code has version %u of the binary interface, this library has %d", abi->version,
                    GRADUS_ABI_VERSION);
    }
    if (threads < 0 || threads > POOL_MAX_THREADS) {
        return fail(GRADUS_ERROR_ARGUMENT, "threads is %d, expected 1 … %d, or 0 for as many as there are CPUs",
                    threads, POOL_MAX_THREADS);
    }
    program_core *core = make_core(abi, threads);
    if (!core) return GRADUS_ERROR_MEMORY;
    *program = make_program(core);
    if (!*program) {
        free_core(core);
        return GRADUS_ERROR_MEMORY;
    }
    core->release = release;
    core->owner = owner;
    return GRADUS_OK;
}

gradus_status gradus_program_share(gradus_program *program, gradus_program **shared) {
    ENTER;
    if (!shared) return fail(GRADUS_ERROR_ARGUMENT, "gradus_program_share: no place for the result (NULL)");
    *shared = NULL;
    if (!program) return fail(GRADUS_ERROR_ARGUMENT, "gradus_program_share: the program is NULL");
    *shared = make_program(program->core);
    return *shared ? GRADUS_OK : GRADUS_ERROR_MEMORY;
}

void gradus_program_destroy(gradus_program **program) {
    if (!program || !*program) return;
    gradus_program *p = *program;
    program_core *core = p->core;
    *program = NULL;
    memory_free_aligned(p->arena);
    memory_free(p->inputs);
    memory_free(p->outputs);
    memory_free(p);
    if (atomic_fetch_sub(&core->programs, 1) != 1) return;
    void (*release)(void *) = core->release;
    void *owner = core->owner;
    free_core(core); /* joins the threads, which might still be inside the code */
    if (release) release(owner);
}

static const char *entry_name(const void *list, size_t i) { return ((const gradus_abi_entry *)list)[i].name; }

const gradus_abi_entry *program_find_entry(const gradus_program *program, const char *name) {
    const gradus_abi_program *abi = program->core->abi;
    for (int32_t i = 0; i < abi->n_entries; i++) {
        if (strcmp(abi->entries[i].name, name) == 0) return &abi->entries[i];
    }
    char near[512];
    names_near(name, entry_name, abi->entries, (size_t)abi->n_entries, near, sizeof near);
    fail(GRADUS_ERROR_NOT_FOUND, "no entry point is named \"%s\"%s", name, near);
    return NULL;
}

gradus_status gradus_program_entry(const gradus_program *program, size_t index, gradus_entry_info *info) {
    ENTER;
    if (!program || !info) {
        return fail(GRADUS_ERROR_ARGUMENT, "gradus_program_entry: the %s is NULL", program ? "result" : "program");
    }
    const gradus_abi_program *abi = program->core->abi;
    if (index >= (size_t)abi->n_entries) {
        return fail(GRADUS_ERROR_NOT_FOUND, "gradus_program_entry: there are %d entries, none has index %zu",
                    abi->n_entries, index);
    }
    const gradus_abi_entry *e = &abi->entries[index];
    *info = (gradus_entry_info){.name = e->name,
                                .inputs = (size_t)e->n_inputs,
                                .outputs = (size_t)e->n_outputs,
                                .max_batch = e->has_batch ? e->max_batch : 0,
                                .writes_state = e->writes_state,
                                .arena_bytes = (size_t)(e->arena_bytes + e->scratch_bytes)};
    return GRADUS_OK;
}

static gradus_info describe(const gradus_abi_tensor *t, int64_t batch, int64_t max_batch) {
    gradus_info info = {.name = t->name ? t->name : "",
                        .dtype = t->dtype,
                        .shape = t->shape,
                        .offset = (size_t)t->offset,
                        .trained = t->trained};
    int64_t elements = abi_elements(&t->shape, batch ? batch : max_batch);
    info.bytes = elements < 0 ? SIZE_MAX : (size_t)elements * gradus_dtype_size(t->dtype);
    for (int64_t i = 1; i <= info.shape.d[0] && batch; i++) {
        if (info.shape.d[i] < 0) info.shape.d[i] *= -batch;
    }
    return info;
}

gradus_status gradus_program_info(const gradus_program *program, const char *entry, gradus_role role, size_t index,
                                  int64_t batch, gradus_info *info) {
    ENTER;
    static const char *where = "gradus_program_info";
    if (!program || !info)
        return fail(GRADUS_ERROR_ARGUMENT, "%s: the %s is NULL", where, program ? "result" : "program");
    const gradus_abi_program *abi = program->core->abi;
    if (role == GRADUS_STATE) {
        if (index >= (size_t)abi->n_state) {
            return fail(GRADUS_ERROR_NOT_FOUND, "%s: there are %d state tensors, none has index %zu", where,
                        abi->n_state, index);
        }
        *info = describe(&abi->state[index], 1, 1);
        return GRADUS_OK;
    }
    if (role != GRADUS_INPUT && role != GRADUS_OUTPUT) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: role %d is none of GRADUS_INPUT, GRADUS_OUTPUT, GRADUS_STATE", where,
                    role);
    }
    if (!entry) return fail(GRADUS_ERROR_ARGUMENT, "%s: the entry's name is NULL", where);
    const gradus_abi_entry *e = program_find_entry(program, entry);
    if (!e) return GRADUS_ERROR_NOT_FOUND;
    if (e->has_batch && (batch < 0 || batch > e->max_batch)) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: %s: batch is %lld, expected 1 … %lld, or 0 for the batch as such",
                    where, entry, (long long)batch, (long long)e->max_batch);
    }
    int32_t n = role == GRADUS_INPUT ? e->n_inputs : e->n_outputs;
    if (index >= (size_t)n) {
        return fail(GRADUS_ERROR_NOT_FOUND, "%s: %s has %d %s, none has index %zu", where, entry, n,
                    role == GRADUS_INPUT ? "inputs" : "outputs", index);
    }
    *info =
        describe(role == GRADUS_INPUT ? &e->inputs[index] : &e->outputs[index], e->has_batch ? batch : 1, e->max_batch);
    return GRADUS_OK;
}
