/* SPDX-License-Identifier: Apache-2.0
 *
 * What a fit knows beside the state: where it is, the best epoch, how long that has been so.  After each batch and epoch the
 * program is told, so that a checkpoint which is saved then has it (runtime/progress.h), and a fit that is resumed goes on
 * with it.
 */
#include "model/fit.h"

#include <gradus/checkpoint.h>

#include <math.h>
#include <string.h>

_Static_assert(PROGRESS_SUMS == 1 + GRADUS_METRICS, "a progress has the sums of a score");

/* --- what was before --------------------------------------------------------------------------------------------- */

/* The epoch whose state the program has may be another than the user says: after .restore_best it is an earlier one. */
static void go_on(fit *f, const fit_progress *was) {
    fit_progress *p = &f->progress;
    const bool same = was->epoch == p->epoch;
    if (!was->known) {
        log_line(
            1,
            "gradus_model_fit: .initial_epoch is %lld, but nothing is known of the epochs before: the best one and "
            ".patience begin anew",
            (long long)p->epoch);
        return;
    }
    if (was->epoch > p->epoch) {
        log_line(1,
                 "gradus_model_fit: .initial_epoch is %lld, but the state is that of epoch %lld: the best epoch and "
                 ".patience begin anew",
                 (long long)p->epoch, (long long)was->epoch);
        return;
    }
    p->order = was->order + (p->epoch - was->epoch);
    if (same) {
        p->batch = was->batch;
        p->rows = was->rows;
        p->rate = was->rate;
        memcpy(p->sums, was->sums, sizeof p->sums);
    }
    if (was->best_epoch && was->of_loss != p->of_loss) {
        log_line(1, "gradus_model_fit: the best epoch so far is that of the least %s, now %s counts: it begins anew",
                 was->of_loss ? "loss" : "val_loss", p->of_loss ? "loss" : "val_loss");
        return;
    }
    p->best_epoch = was->best_epoch;
    p->least = was->least;
    p->waited = was->waited;
}

gradus_status best_begin(fit *f) {
    gradus_program *program = f->model->program;
    const fit_progress was = program_progress(program);
    const int64_t done = f->o.initial_epoch;
    fit_progress *p = &f->progress;
    *p = (fit_progress){
        .known = true, .epoch = done, .order = done ? done : f->model->epochs_trained, .of_loss = !f->validation};
    if (done || (was.loaded && was.epoch == 0 && was.batch)) go_on(f, &was);
    gradus_status status = GRADUS_OK;
    if (!f->o.restore_best || !p->best_epoch) status = program_drop_best(program);
    else if (program_has_best(program)) status = GRADUS_OK;
    else if (was.best_epoch == was.epoch && !was.batch) status = program_keep_best(program); /* it is what there is */
    else
        log_line(1,
                 "gradus_model_fit: the state of the best epoch so far, %lld, was not kept: .restore_best takes one "
                 "that is better, or none",
                 (long long)p->best_epoch);
    if (!status) status = program_set_progress(program, p);
    if (!status) program_begin_fit(program);
    return status;
}

bool best_hopeless(const fit *f) { return f->o.patience && f->progress.waited >= f->o.patience; }

/* --- what is so now -------------------------------------------------------------------------------------------------- */

gradus_status best_batch(fit *f, int64_t batches, const score *s) {
    fit_progress *p = &f->progress;
    p->batch = batches;
    p->rows = s->rows;
    p->rate = f->now.learning_rate;
    memcpy(p->sums, s->sums, sizeof p->sums);
    return program_set_progress(f->model->program, p);
}

gradus_status best_epoch(fit *f) {
    fit_progress *p = &f->progress;
    const double monitored = f->validation ? f->now.validation[0] : f->now.means[0];
    const bool better = !isnan(monitored) && !(p->best_epoch && !(monitored < p->least - f->o.min_delta));
    p->epoch = f->now.epoch;
    p->order++;
    p->batch = p->rows = 0;
    memset(p->sums, 0, sizeof p->sums);
    p->waited = better ? 0 : p->waited + 1;
    if (better) p->least = monitored, p->best_epoch = f->now.epoch;
    gradus_status status = program_set_progress(f->model->program, p);
    if (!better || status) return status;
    if (f->o.restore_best) status = program_keep_best(f->model->program);
    if (!status && f->o.best_path) status = gradus_save(f->model->program, f->o.best_path);
    return status;
}

/* The state is then that of the best epoch, and so is what is known. */
gradus_status best_end(fit *f) {
    gradus_program *program = f->model->program;
    fit_progress *p = &f->progress;
    if (!f->o.restore_best || !program_has_best(program)) return GRADUS_OK;
    gradus_status status = program_restore_best(program);
    if (status) return status;
    p->order -= p->epoch - p->best_epoch;
    p->epoch = p->best_epoch;
    p->batch = p->rows = p->waited = 0;
    memset(p->sums, 0, sizeof p->sums);
    status = program_set_progress(program, p);
    return status ? status : program_drop_best(program);
}
