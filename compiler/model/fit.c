/* SPDX-License-Identifier: Apache-2.0
 *
 * Fitting: the loop over epochs and batches.  Who takes part beside it is in fit.h.
 */
#include "model/fit.h"

#include "runtime/options.h"
#include "runtime/world.h"

#include <math.h>
#include <string.h>
#include <time.h>

static const char where[] = "gradus_model_fit";

double fit_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- options ----------------------------------------------------------------------------------------------------- */

#define WRONG(...) fail(GRADUS_ERROR_ARGUMENT, "gradus_model_fit: " __VA_ARGS__)

static gradus_status check_options(fit *f) {
    gradus_fit_options *o = &f->o;
    if (!o->epochs) o->epochs = o->initial_epoch < INT64_MAX ? o->initial_epoch + 1 : INT64_MAX;
    if (!o->batch_size) o->batch_size = MODEL_BATCH;
    if (o->epochs < 0) return WRONG(".epochs is %lld; right is 1 or more", (long long)o->epochs);
    if (o->initial_epoch < 0 || o->initial_epoch >= o->epochs || o->initial_epoch > (int64_t)1 << 53)
        return WRONG(
            ".initial_epoch is %lld of %lld epochs; right is 0 or more, fewer than .epochs, and not more than 2^53",
            (long long)o->initial_epoch, (long long)o->epochs);
    if (o->batch_size < 0) return WRONG(".batch_size is %lld; right is 1 or more", (long long)o->batch_size);
    if (!(o->validation_split >= 0 && o->validation_split < 1))
        return WRONG(".validation_split is %g; right is a part from 0 to below 1", o->validation_split);
    if (o->validation_split != 0 && o->validation_data)
        return WRONG(".validation_split and .validation_data are both given; right is one of them");
    if (o->patience < 0) return WRONG(".patience is %lld; right is 0 (never stop early) or more", (long long)o->patience);
    if (!(o->min_delta >= 0)) return WRONG(".min_delta is %g; right is 0 or more", o->min_delta);
    if (o->verbose < 0 || o->verbose > 2) return WRONG(".verbose is %d; right is 0, 1 or 2", (int)o->verbose);
    const char *fault = schedule_fault(&o->schedule);
    return fault ? WRONG(".schedule: %s", fault) : GRADUS_OK;
}

/* The last rows are the validation's, as many as Keras takes, but that a number such as 0.8, which is no binary fraction,
 * or 0.8f, means what it says. */
static gradus_status split(fit *f) {
    const int64_t rows = gradus_data_rows(f->data);
    const int64_t kept = rows - (int64_t)ceil((double)rows * f->o.validation_split - 1e-3);
    f->validation = f->o.validation_data;
    if (f->o.validation_split == 0) return GRADUS_OK;
    if (kept < 1 || kept >= rows)
        return WRONG(".validation_split of %g leaves %lld of %lld rows to train on and %lld to validate on; both need 1",
                     f->o.validation_split, (long long)kept, (long long)rows, (long long)(rows - kept));
    gradus_status status = gradus_data_slice(f->data, 0, kept, &f->train_part);
    if (!status) status = gradus_data_slice(f->data, kept, rows, &f->validation_part);
    if (status) return status;
    f->data = f->train_part;
    f->validation = f->validation_part;
    f->first_validated = kept;
    return GRADUS_OK;
}

/* Everything that can be wrong is found here, before the first step. */
static gradus_status begin(fit *f) {
    gradus_status status = check_options(f);
    if (!status) status = model_check_data(f->model, where, f->data, true);
    if (!status && f->o.validation_data)
        status = model_check_data(f->model, "gradus_model_fit: .validation_data", f->o.validation_data, true);
    if (!status) status = split(f);
    if (!status) status = history_begin(f);
    const int64_t rows = gradus_data_rows(f->data);
    if (f->o.batch_size > rows) f->o.batch_size = rows; /* memory is planned for it */
    if (!status) status = model_prepare(f->model, f->o.batch_size);
    if (status) return status;
    f->spoiled = state_not_finite(f->model->program);
    if (f->o.schedule.kind && !f->model->rate)
        return WRONG(".schedule sets the optimizer's learning rate, but this one has a .rate of its own");
    double rate;
    if (f->o.schedule.kind && !schedule_holds(&f->o.schedule, f->model->rate_dtype, &rate))
        return WRONG(".schedule: the learning rate %.9g is one that \"%s\", f32, cannot hold: it would be %.9g", rate,
                     f->model->rate, (double)(float)rate);
    const gradus_batch_options options = {.size_ = sizeof options,
                                          .batch_size = f->o.batch_size,
                                          .no_shuffle = f->o.no_shuffle,
                                          .seed = f->o.seed};
    status = gradus_batches_create(f->data, &options, &f->batches);
    if (!status) status = best_begin(f);
    if (!status && f->progress.batch > gradus_batches_count(f->batches))
        return WRONG(
            "the checkpoint was saved after batch %lld of an epoch, which now has %lld: right are the options and data "
            "of the fit that it is of",
            (long long)f->progress.batch, (long long)gradus_batches_count(f->batches));
    if (!status) status = log_open(f);
    if (!status) print_begin(f);
    return status;
}

void fit_close(fit *f) {
    if (f->model->program) program_end_fit(f->model->program);
    log_close(f);
    gradus_batches_destroy(&f->batches);
    gradus_data_destroy(&f->train_part);
    gradus_data_destroy(&f->validation_part);
    f->closed = true;
}

/* --- an epoch ---------------------------------------------------------------------------------------------------- */

static gradus_verdict call_function(gradus_progress_fn function, void *user, const gradus_progress *now) {
    LEAVE;
    return function(user, now);
}

static gradus_verdict tell(fit *f, gradus_progress_fn function) {
    if (!function) return GRADUS_CONTINUE;
    const epoch_record *e = &f->now;
    const size_t count = f->model->training.metrics;
    const gradus_progress now = {
        .epoch = e->epoch,
        .batch = e->batch,
        .batches = e->batches,
        .loss = e->means[0],
        .metric = count ? e->means[1] : NAN,
        .val_loss = e->validation[0],
        .val_metric = count ? e->validation[1] : NAN,
        .program = f->model->program,
        .epochs = f->o.epochs,
        .learning_rate = e->learning_rate,
        .metrics = e->means + 1,
        .val_metrics = e->validation + 1,
        .metric_count = count,
        .model = f->model,
    };
    f->visiting = true;
    const gradus_verdict verdict = call_function(function, f->o.user, &now);
    f->visiting = false;
    return f->closed ? GRADUS_STOP : verdict;
}

/* With the place, and the row of the data where a label is wrong. */
static gradus_status batch_failed(const fit *f, gradus_status status) {
    char place[128];
    snprintf(place, sizeof place, "%s: epoch %lld, batch %lld of %lld", where, (long long)f->now.epoch,
             (long long)f->now.batch + 1, (long long)f->now.batches);
    return score_explain(f->model, status, place, f->data, 0);
}

/* A callback that cannot be found on the stack has begun another fit, which closed this one. */
static gradus_status check_closed(const fit *f) {
    return f->closed ? fail(GRADUS_ERROR_BUSY, "%s: a callback of this fit has begun another one of the model", where)
                     : GRADUS_OK;
}

/* From where the epoch stands: at its beginning, or where a checkpoint was saved in its midst. */
static gradus_status train_epoch(fit *f, gradus_verdict *verdict) {
    gradus_batch b;
    score s = {.rows = f->progress.rows};
    double values[1 + GRADUS_METRICS];
    const double from = fit_clock();
    memcpy(s.sums, f->progress.sums, sizeof s.sums);
    f->now.batch = f->progress.batch;
    score_means(&s, f->now.means);
    gradus_status status = GRADUS_OK;
    while (!status && *verdict == GRADUS_CONTINUE && gradus_batches_next(f->batches, &b)) {
        status = score_batch(f->model, "train", &b, &s, values);
        if (status) return batch_failed(f, status);
        f->now.batch = b.index + 1;
        f->now.seconds = fit_clock() - from;
        score_means(&s, f->now.means);
        if (!isfinite(values[0])) return blame(f, &b, values[0]);
        status = best_batch(f, f->now.batch, &s);
        if (status) return status;
        print_batch(f);
        *verdict = tell(f, f->o.on_batch);
        status = check_closed(f);
    }
    return status;
}

static gradus_status set_rate(fit *f, int64_t epoch) {
    gradus_model *m = f->model;
    f->now.learning_rate = model_learning_rate(m);
    if (f->progress.batch) f->now.learning_rate = f->progress.rate; /* in its midst the epoch has one */
    if (f->progress.batch || !f->o.schedule.kind) return GRADUS_OK;
    f->visiting = true;
    const double rate = schedule_rate(&f->o.schedule, epoch, f->now.learning_rate);
    f->visiting = false;
    if (f->closed) return check_closed(f);
    if (!isfinite(rate) || rate < 0)
        return WRONG(".schedule: the learning rate of epoch %lld is %g; it must be finite and not negative",
                     (long long)epoch + 1, rate);
    const gradus_status status = gradus_program_set(m->program, m->rate, rate);
    if (!status) f->now.learning_rate = rate;
    return status;
}

/* --- the fit ----------------------------------------------------------------------------------------------------- */

static gradus_status finish_epoch(fit *f, gradus_verdict *verdict) {
    gradus_model *m = f->model;
    gradus_status status = GRADUS_OK;
    if (f->validation) status = score_data(m, f->validation, f->now.validation);
    if (status) return score_explain(m, status, "gradus_model_fit: validation", f->validation, f->first_validated);
    print_epoch(f);
    status = best_epoch(f);
    if (m->epochs_trained < INT64_MAX) m->epochs_trained++;
    if (m->epochs_trained < f->progress.order) m->epochs_trained = f->progress.order; /* some were trained elsewhere */
    if (best_hopeless(f)) *verdict = GRADUS_STOP;
    if (!status) status = history_add(f);
    if (!status) status = log_epoch(f);
    if (!status && tell(f, f->o.on_epoch) != GRADUS_CONTINUE) *verdict = GRADUS_STOP;
    return status ? status : check_closed(f);
}

static gradus_status one_epoch(fit *f, int64_t epoch, gradus_verdict *verdict) {
    f->now = (epoch_record){.epoch = epoch + 1, .batches = gradus_batches_count(f->batches)};
    score_means(&(score){{0}, 0}, f->now.means);
    score_means(&(score){{0}, 0}, f->now.validation);
    gradus_status status = gradus_batches_seek(f->batches, f->progress.order, f->progress.batch);
    if (!status) status = set_rate(f, epoch);
    if (f->closed) return status;
    if (!status) print_epoch_begins(f);
    if (!status) status = train_epoch(f, verdict);
    if (f->closed) return status;
    if (f->stream && (status || f->now.batch < f->now.batches)) fprintf(f->stream, "\n");
    if (!status && f->now.batch == f->now.batches) status = finish_epoch(f, verdict);
    return status;
}

static gradus_status run(fit *f) {
    gradus_verdict verdict = best_hopeless(f) ? GRADUS_STOP : GRADUS_CONTINUE;
    gradus_status status = GRADUS_OK;
    gradus_history *h = f->o.history;
    if (h) {
        h->best_epoch = f->progress.best_epoch;
        h->stopped = verdict != GRADUS_CONTINUE;
    }
    for (int64_t i = f->o.initial_epoch; !status && verdict == GRADUS_CONTINUE && i < f->o.epochs; i++) {
        status = one_epoch(f, i, &verdict);
        const bool last = i + 1 == f->o.epochs && f->now.batch == f->now.batches;
        if (h && !f->closed) h->stopped = verdict != GRADUS_CONTINUE && !last;
    }
    const gradus_status restored = f->closed ? GRADUS_OK : best_end(f);
    return status ? status : restored;
}

gradus_status(gradus_model_fit)(gradus_model *m, const gradus_data *data, const gradus_fit_options *options) {
    ENTER;
    gradus_status status = model_enter_compiled(m, where);
    if (status) return status;
    gradus_fit_options o;
    if (!options_read(where, OPTIONS_TYPE(gradus_fit_options), &o, options)) return GRADUS_ERROR_ARGUMENT;
    fit *f = memory_zeroed(sizeof *f);
    if (!f) return fail_out_of_memory(where);
    *f = (fit){.model = m, .data = data, .o = o};
    status = begin(f);
    if (!status) status = fit_own(m, f, run);
    if (f->closed) return status; /* the model keeps it */
    fit_close(f);
    memory_free(f);
    return status;
}
