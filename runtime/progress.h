/* SPDX-License-Identifier: Apache-2.0
 *
 * How far a fit is: what gradus_model_fit has to know beside the state to go on as if it had never stopped.  A program keeps
 * it beside its state; gradus_save and gradus_load write and read both (checkpoint/progress.h), gradus_program_init clears
 * it.  Programs that no model fits have none. */
#ifndef GRADUS_RUNTIME_PROGRESS_H
#define GRADUS_RUNTIME_PROGRESS_H

#include <gradus/run.h>

enum { PROGRESS_SUMS = 9 }; /* loss and metrics */

typedef struct {
    bool known;                 /* false: there is none */
    bool loaded;                /* from a file, and not yet gone on with */
    int64_t epoch;              /* how many are done; the next one is under way where batch > 0 */
    int64_t order;              /* the number of the epoch after them, from 0, by which its rows are shuffled */
    int64_t batch, rows;        /* how many of its batches are done, with so many rows */
    double sums[PROGRESS_SUMS]; /* of loss and metrics over these rows, */
    double rate;                /* and the epoch's learning rate; NaN for none */
    int64_t best_epoch, waited; /* from 1, 0 for none; and how many epochs since then were not better */
    double least;               /* the best epoch's val_loss, */
    bool of_loss;               /* or its loss */
} fit_progress;

/* What is known of the program's, {0} for nothing. */
fit_progress program_progress(const gradus_program *program);
/* GRADUS_ERROR_BUSY, as in all that follows. */
gradus_status program_set_progress(gradus_program *program, const fit_progress *progress);

/* Between these two the progress is the fit's own: gradus_load and gradus_program_init, which a callback may call, change
 * the state alone. */
void program_begin_fit(gradus_program *program);
void program_end_fit(gradus_program *program);

/* The state of the best epoch, kept beside the state: the state as it is now; whether there is one; the state becomes it,
 * where there is one; none any more. */
gradus_status program_keep_best(gradus_program *program);
bool program_has_best(const gradus_program *program);
gradus_status program_restore_best(gradus_program *program);
gradus_status program_drop_best(gradus_program *program);

/* Both go to another program of the same graph. */
void program_move_progress(gradus_program *from, gradus_program *to);

#endif
