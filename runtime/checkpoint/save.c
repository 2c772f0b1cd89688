/* SPDX-License-Identifier: Apache-2.0
 * gradus_save: the state as a safetensors file. */
#include "runtime/checkpoint/place.h"
#include "runtime/checkpoint/progress.h"
#include "runtime/core.h"
#include "runtime/files.h"
#include "runtime/options.h"
#include "runtime/world.h"

#include <string.h>

/* What a file holds: tensors in the order of their size of element, the largest first, so that each is aligned. */
typedef struct {
    const unsigned char **values;
    stored *tensors;
    size_t count;
    char *names; /* of those of the best epoch */
    metadata pairs[PLACE_FIELDS + PROGRESS_FIELDS];
    size_t n_pairs;
    char place[PLACE_FIELDS][NUMBER_TEXT], progress[PROGRESS_FIELDS][PROGRESS_TEXT];
} contents;

/* Whether the best epoch, where it is kept, has another value. */
static bool differs(const program_core *core, const gradus_abi_tensor *t) {
    return core->best && memcmp(core->best + t->offset, core->state + t->offset, state_tensor_bytes(t)) != 0;
}

static bool allocate(contents *c, const program_core *core) {
    size_t room = 0, letters = 0;
    for (int32_t i = 0; i < core->abi->n_state; i++) {
        const gradus_abi_tensor *t = &core->abi->state[i];
        const bool twice = differs(core, t);
        room += 1 + twice;
        if (twice) letters += strlen(PROGRESS_BEST) + strlen(t->name) + 1;
    }
    c->values = memory_zeroed(room * sizeof *c->values);
    c->tensors = memory_zeroed(room * sizeof *c->tensors);
    c->names = memory_zeroed(letters);
    return c->values && c->tensors && c->names;
}

static void add(contents *c, uint64_t *end, const gradus_abi_tensor *t, const char *name, const unsigned char *state) {
    const uint64_t begin = *end;
    *end += state_tensor_bytes(t);
    c->values[c->count] = state + t->offset;
    c->tensors[c->count++] = (stored){.name = name, .dtype = t->dtype, .shape = t->shape, .begin = begin, .end = *end};
}

static void lay_out(contents *c, const program_core *core) {
    static const size_t sizes[] = {8, 4, 1};
    uint64_t end = 0;
    char *name = c->names;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        for (int32_t i = 0; i < core->abi->n_state; i++) {
            const gradus_abi_tensor *t = &core->abi->state[i];
            if (gradus_dtype_size(t->dtype) != sizes[k]) continue;
            add(c, &end, t, t->name, core->state);
            if (!differs(core, t)) continue;
            const size_t length = strlen(PROGRESS_BEST) + strlen(t->name) + 1;
            snprintf(name, length, PROGRESS_BEST "%s", t->name);
            add(c, &end, t, name, core->best);
            name += length;
        }
    }
}

/* Beside a fit's progress, names of the best epoch's tensors are no others'. */
static gradus_status check_names(const char *where, const program_core *core) {
    for (int32_t i = 0; core->progress.known && i < core->abi->n_state; i++) {
        const char *name = core->abi->state[i].name;
        if (strncmp(name, PROGRESS_BEST, strlen(PROGRESS_BEST)) == 0)
            return fail(GRADUS_ERROR_ARGUMENT,
                        "%s: \"%s\": no state tensor of a model can be named \"" PROGRESS_BEST
                        "…\", as those of the best epoch are in a checkpoint",
                        where, name);
    }
    return GRADUS_OK;
}

static void add_metadata(contents *c, const program_core *core, const gradus_batches *batches) {
    if (batches) {
        place_write(batches, c->pairs, c->place);
        c->n_pairs = PLACE_FIELDS;
    }
    c->n_pairs += progress_write(&core->progress, core->best != NULL, c->pairs + c->n_pairs, c->progress);
}

static gradus_status write_file(const contents *c, const char *path, const char *start, size_t length) {
    writer w;
    gradus_status status = writer_begin(&w, path);
    if (status == GRADUS_OK) status = writer_put(&w, start, length);
    for (size_t i = 0; i < c->count && status == GRADUS_OK; i++)
        status = writer_put(&w, c->values[i], (size_t)(c->tensors[i].end - c->tensors[i].begin));
    return writer_end(&w, status);
}

static gradus_status save(const char *where, program_core *core, const char *path, const gradus_batches *batches) {
    contents c = {.count = 0};
    char *start = NULL;
    size_t length = 0;
    gradus_status status = check_names(where, core);
    if (status == GRADUS_OK && !allocate(&c, core)) status = fail_out_of_memory(where);
    if (status == GRADUS_OK) {
        lay_out(&c, core);
        add_metadata(&c, core, batches);
        status = header_format(where, c.tensors, c.count, c.pairs, c.n_pairs, &start, &length);
    }
    if (status == GRADUS_OK) {
        status = write_file(&c, path, start, length);
        memory_free(start);
    }
    memory_free(c.values);
    memory_free(c.tensors);
    memory_free(c.names);
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
