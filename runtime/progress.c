/* SPDX-License-Identifier: Apache-2.0
 * The progress of a fit, beside the state.  See progress.h. */
#include "runtime/progress.h"

#include "runtime/core.h"

#include <string.h>

static const char where[] = "gradus_model_fit";

fit_progress program_progress(const gradus_program *program) { return program->core->progress; }

gradus_status program_set_progress(gradus_program *program, const fit_progress *progress) {
    program_core *core = program->core;
    if (!core_lock(core, true)) return fail_busy(where);
    core->progress = *progress;
    core_unlock(core, true);
    return GRADUS_OK;
}

void program_begin_fit(gradus_program *program) { program->core->fitting = true; }
void program_end_fit(gradus_program *program) { program->core->fitting = false; }

gradus_status program_keep_best(gradus_program *program) {
    program_core *core = program->core;
    const size_t bytes = (size_t)core->abi->state_bytes;
    if (!core_lock(core, true)) return fail_busy(where);
    if (!core->best) core->best = memory_aligned(GRADUS_ABI_ALIGN, bytes);
    if (core->best) memcpy(core->best, core->state, bytes);
    const bool kept = core->best != NULL;
    core_unlock(core, true);
    return kept ? GRADUS_OK : fail_out_of_memory("gradus_model_fit: .restore_best");
}

bool program_has_best(const gradus_program *program) { return program->core->best != NULL; }

void core_forget_best(program_core *core) {
    memory_free_aligned(core->best);
    core->best = NULL;
}

gradus_status program_restore_best(gradus_program *program) {
    program_core *core = program->core;
    if (!core_lock(core, true)) return fail_busy(where);
    if (core->best) memcpy(core->state, core->best, (size_t)core->abi->state_bytes);
    core_unlock(core, true);
    return GRADUS_OK;
}

gradus_status program_drop_best(gradus_program *program) {
    program_core *core = program->core;
    if (!core_lock(core, true)) return fail_busy(where);
    core_forget_best(core);
    core_unlock(core, true);
    return GRADUS_OK;
}

void program_move_progress(gradus_program *from, gradus_program *to) {
    core_forget_best(to->core);
    to->core->progress = from->core->progress;
    to->core->best = from->core->best;
    from->core->progress = (fit_progress){0};
    from->core->best = NULL;
}
