/* SPDX-License-Identifier: Apache-2.0
 *
 * The program of a model: made at first use, made anew for larger batches and other compilations, its state kept.
 */
#include "model/model.h"
#include "runtime/progress.h"
#include "runtime/world.h"

#include <math.h>
#include <string.h>

/* The optimizer's learning rate is the state of that name: "adam/learning_rate". */
static void find_rate(gradus_model *m) {
    static const char ending[] = "/learning_rate";
    gradus_info info;
    m->rate = NULL;
    for (size_t i = 0; !m->rate && !gradus_program_info(m->program, NULL, GRADUS_STATE, i, 0, &info); i++) {
        const size_t length = strlen(info.name);
        if (info.trained || info.shape.d[0] || length < sizeof ending) continue;
        if (strcmp(info.name + length - (sizeof ending - 1), ending)) continue;
        m->rate = info.name;
        m->rate_dtype = info.dtype;
    }
}

double model_learning_rate(const gradus_model *m) {
    float single = NAN;
    double value = NAN;
    if (m->rate && m->rate_dtype == GRADUS_F64) gradus_program_read(m->program, m->rate, &value, sizeof value);
    else if (m->rate && !gradus_program_read(m->program, m->rate, &single, sizeof single)) value = (double)single;
    return value;
}

/* Whether a state is a layer's: those of the optimizer, which may have a layer's name, are made later. */
static bool of_layer(const gradus_model *m, const char *name) {
    for (uint32_t i = 0; i < m->layers.count; i++) {
        const size_t length = strlen(m->layers.items[i].name);
        if (strncmp(name, m->layers.items[i].name, length) == 0 && name[length] == '/')
            return gradus_find_at(NULL, 0, m->graph, name).id < model_output(m).id;
    }
    return false;
}

/* What the layers of an earlier compilation have learned. */
static gradus_status copy_weights(const gradus_model *m, gradus_program *from, gradus_program *to) {
    void *state;
    size_t bytes;
    gradus_info info;
    gradus_status status = gradus_program_state(to, &state, &bytes);
    for (size_t i = 0; !status && !gradus_program_info(to, NULL, GRADUS_STATE, i, 0, &info); i++)
        if (of_layer(m, info.name)) status = gradus_program_read(from, info.name, (char *)state + info.offset, info.bytes);
    return status;
}

/* Everything, between programs of one graph. */
static gradus_status copy_state(gradus_program *from, gradus_program *to) {
    void *old, *new;
    size_t old_bytes, new_bytes;
    gradus_status status = gradus_program_state(from, &old, &old_bytes);
    if (!status) status = gradus_program_state(to, &new, &new_bytes);
    if (!status && old_bytes == new_bytes) memcpy(new, old, old_bytes);
    else if (!status)
        status = fail(GRADUS_ERROR_ARGUMENT, "the model's graph has other state than when it was compiled; call "
                                             "gradus_model_compile again");
    return status;
}

gradus_status model_prepare(gradus_model *m, int64_t batch) {
    if (batch < m->training.max_batch) batch = m->training.max_batch; /* which it is evaluated in */
    if (m->program && m->max_batch >= batch) return GRADUS_OK;
    gradus_program *made = NULL;
    const gradus_compile_options options = {.size_ = sizeof options,
                                            .max_batch = batch,
                                            .threads = m->training.threads,
                                            .check_nan = m->training.check_nan};
    gradus_status status = gradus_jit(m->graph, &options, &made);
    if (!status) status = gradus_program_init(made, m->training.seed);
    if (!status && m->program) status = copy_state(m->program, made);
    else if (!status && m->previous) status = copy_weights(m, m->previous, made);
    if (status) {
        gradus_program_destroy(&made);
        return status;
    }
    if (m->program) program_move_progress(m->program, made);
    gradus_program_destroy(&m->previous);
    gradus_program_destroy(&m->program);
    m->program = made;
    m->max_batch = batch;
    find_rate(m);
    return GRADUS_OK;
}

gradus_program *gradus_model_program(gradus_model *m) {
    ENTER;
    if (m && model_busy(m)) return m->program;
    if (model_enter_compiled(m, "gradus_model_program")) return NULL;
    if (!m->program && model_prepare(m, m->training.max_batch)) return NULL;
    return m->program;
}
