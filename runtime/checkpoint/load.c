/* SPDX-License-Identifier: Apache-2.0
 * gradus_load: the state from a safetensors file.
 *
 * Everything that can fail comes first: the file is read and checked to its end into memory beside the state, which then
 * only has to be copied. */
#include "runtime/checkpoint/compare.h"
#include "runtime/checkpoint/place.h"
#include "runtime/checkpoint/progress.h"
#include "runtime/core.h"
#include "runtime/options.h"
#include "runtime/world.h"

#include <string.h>

typedef struct {
    const char *where;
    program_core *core;
    gradus_safetensors *file;
    const stored **from;   /* for each state tensor; NULL: it stays as it is */
    unsigned char *staged; /* their values, at the offsets of the state */
    gradus_batches *batches;
    int64_t epoch, index;
    bool exact; /* the whole state, with the progress of the fit that it is of */
    fit_progress progress;
    unsigned char *best; /* NULL: not kept */
} loading;

static gradus_status stage(loading *l) {
    const gradus_abi_program *abi = l->core->abi;
    gradus_status status = GRADUS_OK;
    l->staged = memory_aligned(GRADUS_ABI_ALIGN, (size_t)abi->state_bytes);
    if (!l->staged) return fail_out_of_memory(l->where);
    for (int32_t i = 0; i < abi->n_state && status == GRADUS_OK; i++) {
        if (l->from[i]) status = reader_read(l->file, l->from[i], l->staged + abi->state[i].offset);
    }
    return status;
}

static gradus_status stage_progress(loading *l) {
    const gradus_abi_program *abi = l->core->abi;
    bool kept;
    const gradus_status status = progress_read(l->where, l->file, &l->progress, &kept);
    if (status != GRADUS_OK || !kept) return status;
    l->best = memory_aligned(GRADUS_ABI_ALIGN, (size_t)abi->state_bytes);
    if (!l->best) return fail_out_of_memory(l->where);
    memset(l->best, 0, (size_t)abi->state_bytes);
    for (int32_t i = 0; i < abi->n_state; i++)
        memcpy(l->best + abi->state[i].offset, l->staged + abi->state[i].offset, state_tensor_bytes(&abi->state[i]));
    return progress_read_best(l->where, l->file, abi, l->best);
}

static gradus_status commit(loading *l) {
    program_core *core = l->core;
    if (!core_lock(core, true)) return fail_busy(l->where);
    gradus_status status = l->batches ? gradus_batches_seek(l->batches, l->epoch, l->index) : GRADUS_OK;
    for (int32_t i = 0; i < core->abi->n_state && status == GRADUS_OK; i++) {
        const gradus_abi_tensor *t = &core->abi->state[i];
        if (!l->from[i]) continue;
        memcpy(core->state + t->offset, l->staged + t->offset, state_tensor_bytes(t));
        core_mark_written(core, t);
    }
    if (status == GRADUS_OK && l->exact && !core->fitting) {
        core_forget_best(core);
        core->best = l->best;
        core->progress = l->progress;
        l->best = NULL;
    }
    core_unlock(core, true);
    return status;
}

static gradus_status load(const char *where, gradus_program *program, const char *path, bool exact, const char *pattern,
                          gradus_batches *batches, size_t *loaded) {
    if (!program) return fail(GRADUS_ERROR_ARGUMENT, "%s: the program is NULL", where);
    if (!path) return fail(GRADUS_ERROR_ARGUMENT, "%s: the path is NULL", where);
    loading l = {.where = where, .core = program->core, .batches = batches, .exact = exact};
    gradus_status status = gradus_safetensors_open(path, &l.file);
    if (status == GRADUS_OK) {
        l.from = memory_zeroed((size_t)l.core->abi->n_state * sizeof *l.from);
        if (!l.from) status = fail_out_of_memory(where);
    }
    if (status == GRADUS_OK) status = compare(where, l.file, l.core->abi, exact, pattern, l.from, loaded);
    if (status == GRADUS_OK && batches) status = place_read(where, l.file, batches, &l.epoch, &l.index);
    if (status == GRADUS_OK) status = stage(&l);
    if (status == GRADUS_OK && exact) status = stage_progress(&l);
    if (status == GRADUS_OK) status = commit(&l);
    memory_free_aligned(l.staged);
    memory_free_aligned(l.best);
    memory_free(l.from);
    gradus_safetensors_close(&l.file);
    return status;
}

gradus_status gradus_load(gradus_program *program, const char *path) {
    ENTER;
    size_t count;
    return load("gradus_load", program, path, true, NULL, NULL, &count);
}

gradus_status(gradus_load_with)(gradus_program *program, const char *path, const gradus_load_options *options) {
    ENTER;
    static const char *where = "gradus_load_with";
    gradus_load_options o;
    size_t count;
    if (!options_read(where, OPTIONS_TYPE(gradus_load_options), &o, options)) return GRADUS_ERROR_ARGUMENT;
    return load(where, program, path, true, NULL, o.batches, &count);
}

gradus_status gradus_load_matching(gradus_program *program, const char *path, const char *pattern, size_t *loaded) {
    ENTER;
    size_t count = 0;
    gradus_status status = load("gradus_load_matching", program, path, false, pattern, NULL, &count);
    if (loaded) *loaded = status == GRADUS_OK ? count : 0;
    return status;
}
