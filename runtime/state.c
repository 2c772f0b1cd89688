/* SPDX-License-Identifier: Apache-2.0
 * A program's state: initialised, and read and written by name. */
#include "runtime/core.h"

#include "runtime/names.h"
#include "runtime/world.h"

#include <math.h>
#include <string.h>

bool core_lock(program_core *core, bool write) {
    int users = atomic_load_explicit(&core->users, memory_order_relaxed);
    do {
        if (users < 0 || (write && users > 0)) return false;
    } while (!atomic_compare_exchange_weak_explicit(&core->users, &users, write ? -1 : users + 1, memory_order_acquire,
                                                    memory_order_relaxed));
    return true;
}

void core_unlock(program_core *core, bool write) {
    if (write) atomic_store_explicit(&core->users, 0, memory_order_release);
    else atomic_fetch_sub_explicit(&core->users, 1, memory_order_release);
}

gradus_status fail_busy(const char *where) {
    return fail(GRADUS_ERROR_BUSY, "%s: the state is in use by another call", where);
}

gradus_status fail_uninitialized(const char *where) {
    return fail(GRADUS_ERROR_UNINITIALIZED, "%s: the state has no values yet: gradus_program_init gives it first ones",
                where);
}

static const char *tensor_name(const void *list, size_t i) { return ((const gradus_abi_tensor *)list)[i].name; }

/* The state tensor of a name, or NULL. */
static const gradus_abi_tensor *find(const gradus_abi_program *abi, const char *name) {
    for (int32_t i = 0; i < abi->n_state; i++) {
        if (strcmp(abi->state[i].name, name) == 0) return &abi->state[i];
    }
    return NULL;
}

/* The checks that reading, writing and setting share. */
static gradus_status look_up(const char *where, gradus_program *program, const char *name,
                             const gradus_abi_tensor **t) {
    if (!program) return fail(GRADUS_ERROR_ARGUMENT, "%s: the program is NULL", where);
    if (!name) return fail(GRADUS_ERROR_ARGUMENT, "%s: the name is NULL", where);
    const gradus_abi_program *abi = program->core->abi;
    *t = find(abi, name);
    if (*t) return GRADUS_OK;
    char near[512];
    names_near(name, tensor_name, abi->state, (size_t)abi->n_state, near, sizeof near);
    return fail(GRADUS_ERROR_NOT_FOUND, "%s: no state tensor is named \"%s\"%s", where, name, near);
}

static gradus_status check_block(const char *where, const gradus_abi_tensor *t, const void *data, size_t bytes) {
    size_t expected = state_tensor_bytes(t);
    if (bytes != expected) {
        char shape[SHAPE_TEXT];
        shape_in_words(&t->shape, shape);
        return fail(GRADUS_ERROR_MISMATCH, "%s: \"%s\" is %s %s: %zu bytes, got %zu", where, t->name,
                    gradus_dtype_name(t->dtype), shape, expected, bytes);
    }
    if (!data && bytes) return fail(GRADUS_ERROR_ARGUMENT, "%s: \"%s\": the data is NULL", where, t->name);
    return GRADUS_OK;
}

void core_mark_written(program_core *core, const gradus_abi_tensor *t) {
    bool *written = &core->written[t - core->abi->state];
    if (*written) return;
    *written = true;
    if (++core->n_written == core->abi->n_state) atomic_store(&core->initialized, true);
}

gradus_status gradus_program_read(gradus_program *program, const char *name, void *data, size_t bytes) {
    ENTER;
    static const char *where = "gradus_program_read";
    const gradus_abi_tensor *t;
    gradus_status status = look_up(where, program, name, &t);
    if (status == GRADUS_OK) status = check_block(where, t, data, bytes);
    if (status != GRADUS_OK) return status;
    program_core *core = program->core;
    if (!core_lock(core, false)) return fail_busy(where);
    bool initialized = atomic_load(&core->initialized);
    if (initialized && bytes) memcpy(data, core->state + t->offset, bytes);
    core_unlock(core, false);
    return initialized ? GRADUS_OK : fail_uninitialized(where);
}

gradus_status gradus_program_write(gradus_program *program, const char *name, const void *data, size_t bytes) {
    ENTER;
    static const char *where = "gradus_program_write";
    const gradus_abi_tensor *t;
    gradus_status status = look_up(where, program, name, &t);
    if (status == GRADUS_OK) status = check_block(where, t, data, bytes);
    if (status != GRADUS_OK) return status;
    program_core *core = program->core;
    if (!core_lock(core, true)) return fail_busy(where);
    if (bytes) memcpy(core->state + t->offset, data, bytes);
    core_mark_written(core, t);
    core_unlock(core, true);
    return GRADUS_OK;
}

/* A number as an element, in `element`'s first bytes; false where the dtype cannot hold it. */
static bool encode(gradus_dtype dtype, double value, unsigned char element[8]) {
    double low = 0, end = 0; /* low <= value < end for integers */
    switch (dtype) {
    case GRADUS_F32: {
        float f = (float)value;
        memcpy(element, &f, sizeof f);
        return isfinite(f) || !isfinite(value);
    }
    case GRADUS_F64: memcpy(element, &value, sizeof value); return true;
    case GRADUS_I32: low = -0x1p31, end = 0x1p31; break;
    case GRADUS_I64: low = -0x1p63, end = 0x1p63; break;
    case GRADUS_U8: end = 256; break;
    case GRADUS_BOOL: end = 2; break;
    }
    if (!(value >= low && value < end) || value != floor(value)) return false;
    int64_t wide = (int64_t)value;
    int32_t narrow = (int32_t)wide;
    if (dtype == GRADUS_I64) memcpy(element, &wide, sizeof wide);
    else if (dtype == GRADUS_I32) memcpy(element, &narrow, sizeof narrow);
    else element[0] = (unsigned char)narrow;
    return true;
}

gradus_status gradus_program_set(gradus_program *program, const char *name, double value) {
    ENTER;
    static const char *where = "gradus_program_set";
    const gradus_abi_tensor *t;
    unsigned char element[8];
    gradus_status status = look_up(where, program, name, &t);
    if (status != GRADUS_OK) return status;
    if (!encode(t->dtype, value, element)) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: \"%s\" is %s, which cannot hold %.17g", where, name,
                    gradus_dtype_name(t->dtype), value);
    }
    program_core *core = program->core;
    if (!core_lock(core, true)) return fail_busy(where);
    size_t bytes = state_tensor_bytes(t), size = gradus_dtype_size(t->dtype);
    for (size_t i = 0; i < bytes; i += size) memcpy(core->state + t->offset + i, element, size);
    core_mark_written(core, t);
    core_unlock(core, true);
    return GRADUS_OK;
}

gradus_status gradus_program_state(gradus_program *program, void **data, size_t *bytes) {
    if (!program || !data || !bytes) {
        return fail(GRADUS_ERROR_ARGUMENT, "gradus_program_state: the %s is NULL", program ? "result" : "program");
    }
    *data = program->core->state;
    *bytes = (size_t)program->core->abi->state_bytes;
    return GRADUS_OK;
}

gradus_status gradus_program_init(gradus_program *program, uint64_t seed) {
    ENTER;
    static const char *where = "gradus_program_init";
    if (!program) return fail(GRADUS_ERROR_ARGUMENT, "%s: the program is NULL", where);
    program_core *core = program->core;
    if (atomic_exchange_explicit(&program->calling, true, memory_order_acquire)) return fail_busy(where);
    gradus_status status = GRADUS_OK;
    if (core_lock(core, true)) {
        int64_t numbers[2] = {(int64_t)seed, 0};
        if (core->abi->init) status = program_run(program, core->abi->init, 1, (const void *const[]){numbers}, NULL);
        if (status == GRADUS_OK) {
            atomic_store(&core->initialized, true);
            if (!core->fitting) {
                core->progress = (fit_progress){0};
                core_forget_best(core);
            }
        }
        core_unlock(core, true);
    } else {
        status = fail_busy(where);
    }
    atomic_store_explicit(&program->calling, false, memory_order_release);
    return status;
}

gradus_status gradus_program_reseed(gradus_program *program, uint64_t seed) {
    ENTER;
    static const char *where = "gradus_program_reseed";
    if (!program) return fail(GRADUS_ERROR_ARGUMENT, "%s: the program is NULL", where);
    program_core *core = program->core;
    const gradus_abi_tensor *t = find(core->abi, "rng");
    if (!t || t->dtype != GRADUS_I64 || state_tensor_bytes(t) != 2 * sizeof(int64_t)) return GRADUS_OK;
    if (!core_lock(core, true)) return fail_busy(where);
    bool initialized = atomic_load(&core->initialized);
    if (initialized) memcpy(core->state + t->offset, (const int64_t[]){(int64_t)seed, 0}, 2 * sizeof(int64_t));
    core_unlock(core, true);
    return initialized ? GRADUS_OK : fail_uninitialized(where);
}
