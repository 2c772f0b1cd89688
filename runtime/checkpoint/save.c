/* SPDX-License-Identifier: Apache-2.0
 * gradus_save: the state as a safetensors file. */
#include "runtime/checkpoint/place.h"
#include "runtime/core.h"
#include "runtime/files.h"
#include "runtime/options.h"
#include "runtime/world.h"

#include <string.h>

/* What a file holds: tensors in the order of their size of element, the largest first, so that each is aligned. */
typedef struct {
    const gradus_abi_tensor **from;
    stored *tensors;
    size_t count;
} contents;

static bool allocate(contents *c, const gradus_abi_program *abi) {
    c->count = (size_t)abi->n_state;
    c->from = memory_zeroed(c->count * sizeof *c->from);
    c->tensors = memory_zeroed(c->count * sizeof *c->tensors);
    return c->from && c->tensors;
}

static void lay_out(contents *c, const gradus_abi_program *abi) {
    static const size_t sizes[] = {8, 4, 1};
    uint64_t end = 0;
    size_t n = 0;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        for (int32_t i = 0; i < abi->n_state; i++) {
            const gradus_abi_tensor *t = &abi->state[i];
            if (gradus_dtype_size(t->dtype) != sizes[k]) continue;
            uint64_t begin = end;
            end += state_tensor_bytes(t);
            c->from[n] = t;
            c->tensors[n++] =
                (stored){.name = t->name, .dtype = t->dtype, .shape = t->shape, .begin = begin, .end = end};
        }
    }
}

static gradus_status write_file(const program_core *core, const contents *c, const char *path, const char *start,
                                size_t length) {
    writer w;
    gradus_status status = writer_begin(&w, path);
    if (status == GRADUS_OK) status = writer_put(&w, start, length);
    for (size_t i = 0; i < c->count && status == GRADUS_OK; i++) {
        status = writer_put(&w, core->state + c->from[i]->offset, state_tensor_bytes(c->from[i]));
    }
    return writer_end(&w, status);
}

static gradus_status save(const char *where, program_core *core, const char *path, const gradus_batches *batches) {
    contents c = {0};
    metadata pairs[PLACE_FIELDS];
    char texts[PLACE_FIELDS][NUMBER_TEXT], *start = NULL;
    size_t length = 0;
    gradus_status status = allocate(&c, core->abi) ? GRADUS_OK : fail_out_of_memory(where);
    if (status == GRADUS_OK) {
        lay_out(&c, core->abi);
        if (batches) place_write(batches, pairs, texts);
        status = header_format(where, c.tensors, c.count, pairs, batches ? PLACE_FIELDS : 0, &start, &length);
    }
    if (status == GRADUS_OK) {
        status = write_file(core, &c, path, start, length);
        memory_free(start);
    }
    memory_free(c.from);
    memory_free(c.tensors);
    return status;
}

static gradus_status save_locked(const char *where, gradus_program *program, const char *path,
                                 const gradus_batches *batches) {
    if (!program) return fail(GRADUS_ERROR_ARGUMENT, "%s: the program is NULL", where);
    if (!path) return fail(GRADUS_ERROR_ARGUMENT, "%s: the path is NULL", where);
    program_core *core = program->core;
    if (!core_lock(core, false)) return fail_busy(where);
    gradus_status status =
        atomic_load(&core->initialized) ? save(where, core, path, batches) : fail_uninitialized(where);
    core_unlock(core, false);
    return status;
}

gradus_status gradus_save(gradus_program *program, const char *path) {
    ENTER;
    return save_locked("gradus_save", program, path, NULL);
}

gradus_status(gradus_save_with)(gradus_program *program, const char *path, const gradus_save_options *options) {
    ENTER;
    static const char *where = "gradus_save_with";
    gradus_save_options o;
    if (!options_read(where, OPTIONS_TYPE(gradus_save_options), &o, options)) return GRADUS_ERROR_ARGUMENT;
    return save_locked(where, program, path, o.batches);
}
