/* SPDX-License-Identifier: Apache-2.0
 * The progress of a fit in a checkpoint.  See progress.h. */
#include "runtime/checkpoint/progress.h"

#include "runtime/names.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Counts, then what is no count.  A count is at most what a double tells apart, so that sums of some do not overflow. */
enum { EPOCH, ORDER, BATCH, ROWS, BEST_EPOCH, WAITED, COUNTS, SUMS = COUNTS, MONITOR, LEAST, RATE, KEPT, ALL };
static const char *const keys[PROGRESS_FIELDS] = {
    [EPOCH] = "fit.epoch",           [ORDER] = "fit.order",   [BATCH] = "fit.batch", [ROWS] = "fit.rows",
    [BEST_EPOCH] = "fit.best_epoch", [WAITED] = "fit.waited", [SUMS] = "fit.sums",   [MONITOR] = "fit.monitor",
    [LEAST] = "fit.least",           [RATE] = "fit.rate",     [KEPT] = "fit.kept",
};
static const int64_t most = (int64_t)1 << 53;

static int64_t *count_of(fit_progress *p, size_t field) {
    int64_t *const counts[COUNTS] = {[EPOCH] = &p->epoch, [ORDER] = &p->order,           [BATCH] = &p->batch,
                                     [ROWS] = &p->rows,   [BEST_EPOCH] = &p->best_epoch, [WAITED] = &p->waited};
    return counts[field];
}

size_t progress_write(const fit_progress *p, bool kept, metadata pairs[PROGRESS_FIELDS],
                      char texts[PROGRESS_FIELDS][PROGRESS_TEXT]) {
    if (!p->known) return 0;
    fit_progress copy = *p;
    for (size_t i = 0; i < COUNTS; i++) snprintf(texts[i], PROGRESS_TEXT, "%" PRId64, *count_of(&copy, i));
    message sums = {texts[SUMS], PROGRESS_TEXT, 0};
    for (size_t i = 0; i < PROGRESS_SUMS; i++) message_put(&sums, "%s%.17g", i ? " " : "", p->sums[i]);
    snprintf(texts[MONITOR], PROGRESS_TEXT, "%s", p->of_loss ? "loss" : "val_loss");
    snprintf(texts[LEAST], PROGRESS_TEXT, "%.17g", p->least);
    snprintf(texts[RATE], PROGRESS_TEXT, "%.17g", p->rate);
    snprintf(texts[KEPT], PROGRESS_TEXT, "%d", kept);
    for (size_t i = 0; i < ALL; i++) pairs[i] = (metadata){keys[i], texts[i]};
    return ALL;
}

static gradus_status wrong(const char *where, const gradus_safetensors *file, const char *key, const char *text,
                           const char *right) {
    return fail(GRADUS_ERROR_FORMAT, "%s: %s: \"%s\" is \"%.40s\", expected %s", where, file->path, key, text, right);
}

static bool parse_count(const char *text, int64_t *count) {
    const size_t digits = strspn(text, "0123456789");
    if (!digits || text[digits] || digits > 16) return false;
    *count = strtoll(text, NULL, 10);
    return *count <= most;
}

/* So many numbers, a blank between two. */
static bool parse_numbers(const char *text, double *numbers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char *end;
        numbers[i] = strtod(text, &end);
        if (end == text || *end != (i + 1 < count ? ' ' : '\0')) return false;
        text = end + 1;
    }
    return true;
}

gradus_status progress_read(const char *where, const gradus_safetensors *file, fit_progress *p, bool *kept) {
    const char *texts[ALL];
    *p = (fit_progress){0};
    *kept = false;
    if (!header_metadata(&file->header, keys[EPOCH])) return GRADUS_OK;
    for (size_t i = 0; i < ALL; i++) {
        texts[i] = header_metadata(&file->header, keys[i]);
        if (!texts[i])
            return fail(GRADUS_ERROR_FORMAT, "%s: %s: its metadata have \"%s\", but no \"%s\"", where, file->path,
                        keys[EPOCH], keys[i]);
        if (i < COUNTS && !parse_count(texts[i], count_of(p, i)))
            return wrong(where, file, keys[i], texts[i], "a number from 0 to 2^53");
    }
    if (!parse_numbers(texts[SUMS], p->sums, PROGRESS_SUMS))
        return wrong(where, file, keys[SUMS], texts[SUMS], "nine numbers");
    if (!parse_numbers(texts[LEAST], &p->least, 1) || isnan(p->least))
        return wrong(where, file, keys[LEAST], texts[LEAST], "a number");
    if (!parse_numbers(texts[RATE], &p->rate, 1)) return wrong(where, file, keys[RATE], texts[RATE], "a number");
    p->of_loss = strcmp(texts[MONITOR], "loss") == 0;
    if (!p->of_loss && strcmp(texts[MONITOR], "val_loss") != 0)
        return wrong(where, file, keys[MONITOR], texts[MONITOR], "\"loss\" or \"val_loss\"");
    *kept = strcmp(texts[KEPT], "1") == 0;
    if (!*kept && strcmp(texts[KEPT], "0") != 0) return wrong(where, file, keys[KEPT], texts[KEPT], "0 or 1");
    if (p->best_epoch > p->epoch || p->waited > p->epoch || (p->batch > 0) != (p->rows > 0) || p->batch > p->rows)
        return fail(GRADUS_ERROR_FORMAT,
                    "%s: %s: %" PRId64 " epochs with the best of number %" PRId64 ", %" PRId64
                    " since then, and %" PRId64 " batches of %" PRId64 " rows cannot be",
                    where, file->path, p->epoch, p->best_epoch, p->waited, p->batch, p->rows);
    p->known = p->loaded = true;
    return GRADUS_OK;
}

bool progress_has(const gradus_safetensors *file, const char *name) {
    return strncmp(name, PROGRESS_BEST, strlen(PROGRESS_BEST)) == 0 && header_metadata(&file->header, keys[EPOCH]);
}

gradus_status progress_read_best(const char *where, const gradus_safetensors *file, const gradus_abi_program *abi,
                                 unsigned char *best) {
    gradus_status status = GRADUS_OK;
    for (int32_t i = 0; i < abi->n_state && status == GRADUS_OK; i++) {
        const gradus_abi_tensor *t = &abi->state[i];
        const size_t room = strlen(PROGRESS_BEST) + strlen(t->name) + 1;
        char *name = memory_reallocate(NULL, room);
        if (!name) return fail_out_of_memory(where);
        snprintf(name, room, "%s%s", PROGRESS_BEST, t->name);
        const stored *s = header_find(&file->header, name);
        memory_free(name);
        if (!s) continue; /* as in the state */
        const size_t extents = (size_t)t->shape.d[0] + 1;
        if (s->dtype != t->dtype || memcmp(t->shape.d, s->shape.d, extents * sizeof *t->shape.d) != 0)
            return fail(GRADUS_ERROR_MISMATCH, "%s: %s: \"%s\" has another dtype or shape than \"%s\"", where,
                        file->path, s->name, t->name);
        status = reader_read(file, s, best + t->offset);
    }
    return status;
}
