/* SPDX-License-Identifier: Apache-2.0
 * Calls: arguments checked, then the entry's function run by the team.  Nothing here allocates. */
#include "runtime/core.h"

#include "runtime/float_mode.h"
#include "runtime/names.h"

#include <assert.h>
#include <inttypes.h>

typedef struct {
    const gradus_abi_entry *entry;
    gradus_abi_call call;
    int32_t result; /* of the caller's thread; the others agree */
} run;

CALLS_GENERATED_CODE static void run_thread(void *context, int32_t thread, int32_t threads) {
    run *r = context;
    float_mode before = float_mode_enter();
    int32_t result = r->entry->function(&r->call, thread, threads);
    float_mode_leave(before);
    if (thread == 0) r->result = result;
}

/* The function was run by this thread, and so were its gradus_custom_fail and what else failed in it. */
static gradus_status fail_function(const gradus_abi_check *function, int64_t returned) {
    if (fail_status() != GRADUS_OK)
        return fail(GRADUS_ERROR_CALLBACK, "%s: %s; the state is as it was", function->where, gradus_last_error());
    return fail(GRADUS_ERROR_CALLBACK, "%s: it returned %" PRId64 "; the state is as it was", function->where, returned);
}

static gradus_status fail_check(const gradus_abi_check *check, int64_t batch, int64_t position, int64_t index) {
    char place[PLACE_TEXT];
    place_in_words(&check->shape, batch, position, place);
    if (check->bound == 0) {
        return fail(GRADUS_ERROR_ARGUMENT,
                    "%s: index %" PRId64 "%s points into nothing: the axis is empty; the state is as it was",
                    check->where, index, place);
    }
    return fail(GRADUS_ERROR_ARGUMENT, "%s: index %" PRId64 "%s is outside 0 … %" PRId64 "; the state is as it was",
                check->where, index, place, check->bound - 1);
}

gradus_status program_run(gradus_program *program, const gradus_abi_entry *e, int64_t batch, const void *const *inputs,
                          void *const *outputs) {
    program_core *core = program->core;
    run r = {.entry = e,
             .call = {.state = core->state,
                      .arena = program->arena,
                      .inputs = inputs,
                      .outputs = outputs,
                      .batch = batch,
                      .barrier = pool_barrier,
                      .team = core->pool,
                      .report = program->report}};
    fail_forget();
    pool_run(core->pool, core_threads(core, e), run_thread, &r);
    if (r.result == 0) return GRADUS_OK;
    assert(r.result > 0 && r.result <= e->n_checks);
    const gradus_abi_check *check = &e->checks[r.result - 1];
    if (check->bound == GRADUS_ABI_CALLED) return fail_function(check, program->report[1]);
    return fail_check(check, batch, program->report[0], program->report[1]);
}

/* "x f32 (B, 784), y i32 (B)" */
static void list_tensors(const gradus_abi_tensor *t, int32_t n, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (int32_t i = 0; i < n && used < size; i++) {
        char shape[SHAPE_TEXT];
        shape_in_words(&t[i].shape, shape);
        const char *name = t[i].name ? t[i].name : "";
        int length = snprintf(text + used, size - used, "%s%s%s%s %s", i ? ", " : "", name, *name ? " " : "",
                              gradus_dtype_name(t[i].dtype), shape);
        used += length > 0 ? (size_t)length : 0;
    }
}

static gradus_status check_count(const gradus_abi_entry *e, const char *role, const gradus_abi_tensor *t, int32_t n,
                                 size_t count) {
    if (count == (size_t)n) return GRADUS_OK;
    char list[1024];
    list_tensors(t, n, list, sizeof list);
    return fail(GRADUS_ERROR_MISMATCH, "%s: got %zu %s%s, expected %d%s%s%s", e->name, count, role,
                count == 1 ? "" : "s", n, n ? " (" : "", list, n ? ")" : "");
}

/* One argument: its dtype where it is known, and whether it is there at all. */
static gradus_status check_argument(const gradus_abi_entry *e, const char *role, const gradus_abi_tensor *t, size_t i,
                                    const void *data, int32_t dtype, int64_t batch) {
    bool typed = dtype == 0 || dtype == (int32_t)t->dtype;
    if (typed && (data || abi_elements(&t->shape, batch) == 0)) return GRADUS_OK;
    char shape[SHAPE_TEXT], name[256];
    shape_in_words(&t->shape, shape);
    snprintf(name, sizeof name, t->name && *t->name ? "%s %zu \"%s\"" : "%s %zu", role, i, t->name ? t->name : "");
    char got[32] = "NULL";
    gradus_dtype given = (gradus_dtype)dtype;
    if (!typed && gradus_dtype_size(given)) snprintf(got, sizeof got, "%s", gradus_dtype_name(given));
    else if (!typed) snprintf(got, sizeof got, "dtype %d, which is none", (int)dtype);
    return fail(typed ? GRADUS_ERROR_ARGUMENT : GRADUS_ERROR_MISMATCH, "%s: %s is %s %s, got %s", e->name, name,
                gradus_dtype_name(t->dtype), shape, got);
}

/* Everything about the arguments that can be known before the state is looked at. */
static gradus_status check_call(const gradus_abi_entry *e, int64_t batch, gradus_inputs inputs,
                                gradus_outputs outputs) {
    gradus_status status = check_count(e, "input", e->inputs, e->n_inputs, inputs.count);
    if (status == GRADUS_OK) status = check_count(e, "output", e->outputs, e->n_outputs, outputs.count);
    if (status != GRADUS_OK) return status;
    if (e->has_batch && (batch < 1 || batch > e->max_batch)) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: batch is %" PRId64 ", expected 1 … %" PRId64, e->name, batch,
                    e->max_batch);
    }
    if ((inputs.count && !inputs.items) || (outputs.count && !outputs.items)) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: the list of %s is NULL", e->name,
                    inputs.count && !inputs.items ? "inputs" : "outputs");
    }
    for (size_t i = 0; i < inputs.count && status == GRADUS_OK; i++) {
        status = check_argument(e, "input", &e->inputs[i], i, inputs.items[i].data, inputs.items[i].dtype, batch);
    }
    for (size_t i = 0; i < outputs.count && status == GRADUS_OK; i++) {
        status = check_argument(e, "output", &e->outputs[i], i, outputs.items[i].data, outputs.items[i].dtype, batch);
    }
    return status;
}

gradus_status gradus_call(gradus_program *program, const char *entry, int64_t batch, gradus_inputs inputs,
                          gradus_outputs outputs) {
    if (!program) return fail(GRADUS_ERROR_ARGUMENT, "gradus_call: the program is NULL");
    if (!entry) return fail(GRADUS_ERROR_ARGUMENT, "gradus_call: the entry's name is NULL");
    const gradus_abi_entry *e = program_find_entry(program, entry);
    if (!e) return GRADUS_ERROR_NOT_FOUND;
    if (!e->has_batch) batch = 1;
    gradus_status status = check_call(e, batch, inputs, outputs);
    if (status != GRADUS_OK) return status;
    if (atomic_exchange_explicit(&program->calling, true, memory_order_acquire)) {
        return fail(GRADUS_ERROR_BUSY,
                    "%s: the program is in another call; gradus_program_share gives one for each thread", entry);
    }
    program_core *core = program->core;
    if (!core_lock(core, e->writes_state)) {
        status = fail_busy(entry);
    } else {
        if (atomic_load_explicit(&core->initialized, memory_order_relaxed)) {
            for (size_t i = 0; i < inputs.count; i++) program->inputs[i] = inputs.items[i].data;
            for (size_t i = 0; i < outputs.count; i++) program->outputs[i] = outputs.items[i].data;
            status = core->explain
                         ? program_run_finite(program, e, batch, program->inputs, program->outputs)
                         : program_run(program, e, batch, program->inputs, program->outputs);
        } else {
            status = fail_uninitialized(entry);
        }
        core_unlock(core, e->writes_state);
    }
    atomic_store_explicit(&program->calling, false, memory_order_release);
    return status;
}
