/* SPDX-License-Identifier: Apache-2.0
 * Calls whose results have to be finite: the state is kept before the call, outputs and state are looked at after it, and
 * where a fault is found the state is put back.  The code that runs is the same. */
#include "runtime/core.h"

#include "runtime/world.h"

#include <math.h>
#include <string.h>

gradus_status program_check_finite(gradus_program *program, program_explain explain) {
    program_core *core = program->core;
    size_t bytes = (size_t)core->abi->state_bytes;
    core->saved = memory_aligned(GRADUS_ABI_ALIGN, bytes ? bytes : 1);
    if (!core->saved)
        return fail(GRADUS_ERROR_MEMORY, "making a program: out of memory (check_nan copies %zu bytes of state)", bytes);
    core->explain = explain;
    return GRADUS_OK;
}

static bool tensor_is_finite(const gradus_abi_tensor *t, int64_t batch, const void *data) {
    int64_t count = abi_elements(&t->shape, batch);
    const float *narrow = data;
    const double *wide = data;
    bool finite = true;
    if (t->dtype == GRADUS_F32)
        for (int64_t i = 0; i < count; i++) finite &= isfinite(narrow[i]) != 0;
    if (t->dtype == GRADUS_F64)
        for (int64_t i = 0; i < count; i++) finite &= isfinite(wide[i]) != 0;
    return finite;
}

static bool results_are_finite(const program_core *core, const gradus_abi_entry *e, int64_t batch,
                               void *const *outputs) {
    for (int32_t i = 0; i < e->n_outputs; i++)
        if (!tensor_is_finite(&e->outputs[i], batch, outputs[i])) return false;
    for (int32_t i = 0; i < core->abi->n_state && e->writes_state; i++)
        if (!tensor_is_finite(&core->abi->state[i], 1, core->state + core->abi->state[i].offset)) return false;
    return true;
}

static gradus_status explain(const program_core *core, const gradus_abi_entry *e, int64_t batch,
                             const void *const *inputs) {
    gradus_abi_call before = {.state = e->writes_state ? core->saved : core->state, .inputs = inputs, .batch = batch};
    ENTER;
    return core->explain(core->owner, e, &before);
}

gradus_status program_run_finite(gradus_program *program, const gradus_abi_entry *e, int64_t batch,
                                 const void *const *inputs, void *const *outputs) {
    program_core *core = program->core;
    size_t bytes = (size_t)core->abi->state_bytes;
    if (e->writes_state) memcpy(core->saved, core->state, bytes);
    gradus_status status = program_run(program, e, batch, inputs, outputs);
    if (status == GRADUS_OK && !results_are_finite(core, e, batch, outputs)) status = explain(core, e, batch, inputs);
    if (status != GRADUS_OK && e->writes_state) memcpy(core->state, core->saved, bytes);
    return status;
}
