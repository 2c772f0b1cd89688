/* SPDX-License-Identifier: Apache-2.0
 *
 * What a fit prints, in Keras' form: a bar that is written over and over on a terminal, a line an epoch elsewhere.
 */
#include "model/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { CELLS = 20 };
#define REDRAW 0.05 /* seconds */

void print_begin(fit *f) {
    if (!f->o.verbose) return;
    f->stream = f->o.stream ? f->o.stream : stdout;
    const int descriptor = fileno(f->stream);
    const char *terminal = getenv("TERM");
    f->bar = f->o.verbose == 1 && descriptor >= 0 && isatty(descriptor) && terminal && *terminal && strcmp(terminal, "dumb") != 0;
}

void print_epoch_begins(fit *f) {
    if (!f->stream) return;
    fprintf(f->stream, f->bar ? "Epoch %lld/%lld\n" : "Epoch %lld/%lld - ", (long long)f->now.epoch,
            (long long)f->o.epochs);
    fflush(f->stream);
    f->drawn = 0;
}

static void put_value(FILE *stream, const char *prefix, const char *name, double value) {
    const bool small = value != 0 && fabs(value) < 1e-3;
    fprintf(stream, small ? " - %s%s: %.4e" : " - %s%s: %.4f", prefix, name, value);
}

/* The loss has its place in the alphabet: after "accuracy", before "mse". */
static void put_values(const fit *f, const double *values, const char *prefix) {
    const model_training *t = &f->model->training;
    size_t i = 0;
    for (; i < t->metrics && strcmp(t->names[i], "loss") < 0; i++) put_value(f->stream, prefix, t->names[i], values[1 + i]);
    put_value(f->stream, prefix, "loss", values[0]);
    for (; i < t->metrics; i++) put_value(f->stream, prefix, t->names[i], values[1 + i]);
}

static void put_times(const fit *f) {
    const double each = f->now.seconds / (double)(f->now.batch ? f->now.batch : 1);
    fprintf(f->stream, f->bar ? " %.0fs " : " - %.0fs - ", f->now.seconds);
    if (each < 1e-3) fprintf(f->stream, "%.0fus/step", each * 1e6);
    else if (each < 1) fprintf(f->stream, "%.0fms/step", each * 1e3);
    else fprintf(f->stream, "%.0fs/step", each);
}

/* How many characters a line of the terminal has; 80 where nobody says. */
static int columns_of(FILE *stream) {
    struct winsize size;
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col) return size.ws_col;
    const char *columns = getenv("COLUMNS");
    const int number = columns ? atoi(columns) : 0;
    return number > 0 ? number : 80;
}

/* The bar gives way where the line has no room for it and a figure. */
static int cells_of(const fit *f) {
    const int room = columns_of(f->stream) - 60;
    return room > CELLS ? CELLS : room > 0 ? room : 0;
}

static void put_line(const fit *f) {
    const epoch_record *e = &f->now;
    if (f->bar) fprintf(f->stream, "\r");
    fprintf(f->stream, "%lld/%lld", (long long)e->batch, (long long)e->batches);
    if (f->bar) fprintf(f->stream, " ");
    const int cells = f->bar ? cells_of(f) : 0;
    for (int i = 0; i < cells; i++) fputs(i < cells * e->batch / e->batches ? "━" : "─", f->stream);
    put_times(f);
    put_values(f, e->means, "");
    if (!isnan(e->validation[0])) put_values(f, e->validation, "val_");
    if (f->o.schedule.kind) put_value(f->stream, "", "learning_rate", e->learning_rate);
    if (f->bar) fprintf(f->stream, "\033[K"); /* what an earlier, longer line left */
}

void print_batch(fit *f) {
    if (!f->bar || fit_clock() - f->drawn < REDRAW) return;
    f->drawn = fit_clock();
    fprintf(f->stream, "\033[?7l"); /* a line that is wrapped could not be written over */
    put_line(f);
    fprintf(f->stream, "\033[?7h");
    fflush(f->stream);
}

void print_epoch(fit *f) {
    if (!f->stream) return;
    put_line(f);
    fprintf(f->stream, "\n");
    fflush(f->stream);
}
