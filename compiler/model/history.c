/* SPDX-License-Identifier: Apache-2.0
 *
 * What a fit leaves of each epoch: arrays for the program, a line in a JSON Lines or CSV file for others.
 */
#include "model/fit.h"
#include "runtime/files.h"
#include "runtime/names.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- history ----------------------------------------------------------------------------------------------------- */

enum { FIXED = 4, ARRAYS = FIXED + 2 * GRADUS_METRICS };

/* All arrays, those of metrics that there are. */
static size_t arrays_of(gradus_history *h, double **arrays[ARRAYS]) {
    double **const fixed[FIXED] = {&h->loss, &h->val_loss, &h->learning_rate, &h->seconds};
    memcpy(arrays, fixed, sizeof fixed);
    size_t count = FIXED;
    for (size_t i = 0; i < h->metrics; i++) {
        arrays[count++] = &h->metric[i];
        arrays[count++] = &h->val_metric[i];
    }
    return count;
}

void gradus_history_free(gradus_history *h) {
    if (!h) return;
    double **arrays[ARRAYS];
    const size_t count = arrays_of(h, arrays);
    for (size_t i = 0; i < count; i++) memory_free(*arrays[i]);
    memset(h, 0, sizeof *h);
}

gradus_status history_begin(const fit *f) {
    gradus_history *h = f->o.history;
    const model_training *t = &f->model->training;
    if (!h) return GRADUS_OK;
    bool same = h->metrics == t->metrics;
    for (size_t i = 0; same && i < t->metrics; i++) same = strcmp(h->names[i], t->names[i]) == 0;
    if (!same && h->epochs)
        return fail(GRADUS_ERROR_ARGUMENT,
                    "gradus_model_fit: .history is of a fit with other metrics; gradus_history_free clears it");
    h->metrics = t->metrics;
    memcpy(h->names, t->names, sizeof h->names);
    h->best_epoch = 0;
    h->stopped = false;
    return GRADUS_OK;
}

/* Room for one epoch more in each array. */
static bool history_grow(gradus_history *h) {
    double **arrays[ARRAYS];
    const size_t count = arrays_of(h, arrays), room = h->room_ ? h->room_ * 2 : 16;
    if (h->epochs < h->room_) return true;
    for (size_t i = 0; i < count; i++) {
        double *bigger = memory_reallocate(*arrays[i], room * sizeof **arrays[i]);
        if (!bigger) return false;
        *arrays[i] = bigger;
    }
    h->room_ = room;
    return true;
}

gradus_status history_add(const fit *f) {
    gradus_history *h = f->o.history;
    if (!h) return GRADUS_OK;
    if (!history_grow(h)) return fail_out_of_memory("gradus_model_fit: .history");
    const epoch_record *e = &f->now;
    const size_t at = h->epochs++;
    h->loss[at] = e->means[0];
    h->val_loss[at] = e->validation[0];
    h->learning_rate[at] = e->learning_rate;
    h->seconds[at] = e->seconds;
    for (size_t i = 0; i < h->metrics; i++) {
        h->metric[i][at] = e->means[1 + i];
        h->val_metric[i][at] = e->validation[1 + i];
    }
    h->best_epoch = f->progress.best_epoch;
    return GRADUS_OK;
}

/* --- logs -------------------------------------------------------------------------------------------------------- */

enum { LINE = 2048 };

/* Where the lines of the epochs that are done end in the log of a run that is resumed: what comes after, of epochs that
 * are trained again or cut off when the run was killed, gives way.  -1 where the file has another header. */
static long end_of_done(FILE *log, const char *header, int64_t done) {
    char line[LINE];
    long end = 0;
    for (long number = 0; fgets(line, sizeof line, log); number++) {
        static const char key[] = "{\"epoch\":";
        const bool is_header = *header && number == 0, named = strncmp(line, key, strlen(key)) == 0;
        if (is_header && strcmp(line, header) != 0) return -1;
        const long long epoch = is_header ? 0 : strtoll(line + (named ? strlen(key) : 0), NULL, 10); /* saturates */
        if (epoch > done || !strchr(line, '\n')) break;
        end = ftell(log);
    }
    return end;
}

/* Opens a log, whose first line is the header. */
static gradus_status open_one(const fit *f, const char *path, const char *header, FILE **stream) {
    if (!path) return GRADUS_OK;
    bool resumed;
    const gradus_status status = file_open_log(path, f->o.initial_epoch > 0, stream, &resumed);
    if (status) return fail(status, "gradus_model_fit: %s", gradus_last_error());
    const long end = resumed ? end_of_done(*stream, header, f->o.initial_epoch) : 0;
    if (end < 0)
        return fail(
            GRADUS_ERROR_MISMATCH,
            "gradus_model_fit: %s: its columns are not those of this fit, %.*s; a run that is resumed goes on with "
            "the same metrics and validation, or with another file",
            path, (int)strlen(header) - 1, header);
    if (resumed && (ftruncate(fileno(*stream), end) != 0 || fseek(*stream, end, SEEK_SET) != 0))
        return fail(GRADUS_ERROR_IO, "gradus_model_fit: %s: cannot write: %s", path, strerror(errno));
    if (!end) fputs(header, *stream);
    return GRADUS_OK;
}

static void csv_header(const fit *f, char to[LINE]) {
    const model_training *t = &f->model->training;
    message m = {to, LINE, 0};
    message_put(&m, "epoch,loss");
    for (size_t i = 0; i < t->metrics; i++) message_put(&m, ",%s", t->names[i]);
    if (f->validation) message_put(&m, ",val_loss");
    for (size_t i = 0; f->validation && i < t->metrics; i++) message_put(&m, ",val_%s", t->names[i]);
    message_put(&m, ",learning_rate,seconds\n");
}

gradus_status log_open(fit *f) {
    char header[LINE];
    csv_header(f, header);
    gradus_status status = open_one(f, f->o.log_jsonl, "", &f->jsonl);
    if (!status) status = open_one(f, f->o.log_csv, header, &f->csv);
    return status;
}

void log_close(fit *f) {
    if (f->jsonl) fclose(f->jsonl);
    if (f->csv) fclose(f->csv);
    f->jsonl = f->csv = NULL;
}

/* JSON has no word for what is not finite but null. */
static void put_json(FILE *stream, const char *prefix, const char *name, double value) {
    fprintf(stream, isfinite(value) ? ",\"%s%s\":%.9g" : ",\"%s%s\":null", prefix, name, value);
}

static void put_jsonl(const fit *f) {
    const model_training *t = &f->model->training;
    const epoch_record *e = &f->now;
    fprintf(f->jsonl, "{\"epoch\":%lld", (long long)e->epoch);
    put_json(f->jsonl, "", "loss", e->means[0]);
    for (size_t i = 0; i < t->metrics; i++) put_json(f->jsonl, "", t->names[i], e->means[1 + i]);
    if (f->validation) put_json(f->jsonl, "val_", "loss", e->validation[0]);
    for (size_t i = 0; f->validation && i < t->metrics; i++)
        put_json(f->jsonl, "val_", t->names[i], e->validation[1 + i]);
    if (!isnan(e->learning_rate)) put_json(f->jsonl, "", "learning_rate", e->learning_rate);
    put_json(f->jsonl, "", "seconds", e->seconds);
    fprintf(f->jsonl, "}\n");
}

static void put_csv(const fit *f) {
    const epoch_record *e = &f->now;
    fprintf(f->csv, "%lld", (long long)e->epoch);
    for (size_t i = 0; i <= f->model->training.metrics; i++) fprintf(f->csv, ",%.9g", e->means[i]);
    for (size_t i = 0; f->validation && i <= f->model->training.metrics; i++)
        fprintf(f->csv, ",%.9g", e->validation[i]);
    if (isnan(e->learning_rate)) fprintf(f->csv, ",");
    else fprintf(f->csv, ",%.9g", e->learning_rate);
    fprintf(f->csv, ",%.9g\n", e->seconds);
}

static gradus_status flush(FILE *stream, const char *path) {
    errno = 0;
    if (fflush(stream) == 0 && !ferror(stream)) return GRADUS_OK;
    return fail(GRADUS_ERROR_IO, "gradus_model_fit: %s: cannot write: %s", path, strerror(errno));
}

gradus_status log_epoch(const fit *f) {
    gradus_status status = GRADUS_OK;
    if (f->jsonl) {
        put_jsonl(f);
        status = flush(f->jsonl, f->o.log_jsonl);
    }
    if (!status && f->csv) {
        put_csv(f);
        status = flush(f->csv, f->o.log_csv);
    }
    return status;
}
