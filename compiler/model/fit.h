/* SPDX-License-Identifier: Apache-2.0
 *
 * A fit under way, and those who take part in it: the schedule of the learning rate, the history and the logs, what is
 * printed, and who decides when it is over.
 */
#ifndef GRADUS_MODEL_FIT_H
#define GRADUS_MODEL_FIT_H

#include "model/model.h"
#include "runtime/progress.h"

#include <pthread.h>

/* An epoch, or what there is of it.  Loss first, then the metrics. */
typedef struct {
    int64_t epoch, batch, batches; /* as in gradus_progress */
    double means[1 + GRADUS_METRICS], validation[1 + GRADUS_METRICS];
    double learning_rate, seconds;
} epoch_record;

typedef struct fit fit;
struct fit {
    gradus_model *model;
    gradus_fit_options o;
    const gradus_data *data, *validation; /* validation: NULL for none */
    gradus_data *train_part, *validation_part;
    int64_t first_validated; /* row of the user's data; 0 for data of its own */
    gradus_batches *batches;
    epoch_record now;
    FILE *jsonl, *csv, *stream;
    const char *spoiled; /* a state that is not finite before the first step; NULL for none */
    bool bar; /* the stream is a terminal with a progress bar */
    double drawn; /* when the bar was */
    fit_progress progress;
    /* for left.c */
    pthread_t thread;
    fit *volatile *frame;
    bool visiting; /* a function of the user's runs */
    bool closed;   /* it was left */
    fit *next;
};

/* A fit that a model has begun runs; and ends, or was left: closes and frees all that it holds but itself. */
typedef gradus_status (*fit_run)(fit *f);
gradus_status fit_own(gradus_model *m, fit *f, fit_run run);
void fit_close(fit *f);

/* The best epoch: what was before this fit, whether that leaves no hope; a batch more is done, an epoch more; and the state in
 * the end. */
gradus_status best_begin(fit *f);
bool best_hopeless(const fit *f);
gradus_status best_batch(fit *f, int64_t batches, const score *s);
gradus_status best_epoch(fit *f);
gradus_status best_end(fit *f);

double fit_clock(void); /* seconds */

/* What is wrong with a schedule, NULL for nothing; the rate of an epoch (from 0), given the rate before. */
const char *schedule_fault(const gradus_schedule *s);
/* Whether the dtype of the learning rate holds those that the schedule was made of, within a thousandth; else *rate is the
 * first that it does not.  (What it decays to may be small.) */
bool schedule_holds(const gradus_schedule *s, gradus_dtype dtype, double *rate);
double schedule_rate(const gradus_schedule *s, int64_t epoch, double rate);

/* A parameter or other state that has a NaN or an infinity, NULL for none. */
const char *state_not_finite(gradus_program *program);
/* Fails because of the loss of a batch, and says what is to blame: the data, the state or the learning rate. */
gradus_status blame(const fit *f, const gradus_batch *b, double loss);

/* Whether a history can go on with this model's metrics; an epoch more in it. */
gradus_status history_begin(const fit *f);
gradus_status history_add(const fit *f);

gradus_status log_open(fit *f);
gradus_status log_epoch(const fit *f);
void log_close(fit *f);

void print_begin(fit *f);
void print_epoch_begins(fit *f);
void print_batch(fit *f);
void print_epoch(fit *f);

#endif
