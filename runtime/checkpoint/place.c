/* SPDX-License-Identifier: Apache-2.0
 * Where batches stand, as metadata of a checkpoint.  See place.h. */
#include "runtime/checkpoint/place.h"

#include "runtime/data/data.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A place, number by number: first where the batches stand, then what they are. */
enum { EPOCH, INDEX, ROWS, SIZE, COUNT, SHUFFLED, SEED };
static const struct {
    const char *key, *what;
} fields[PLACE_FIELDS] = {
    [EPOCH] = {"batches.epoch", "epoch"},
    [INDEX] = {"batches.index", "index"},
    [ROWS] = {"batches.rows", "rows"},
    [SIZE] = {"batches.batch_size", "rows in a batch"},
    [COUNT] = {"batches.count", "batches in an epoch"},
    [SHUFFLED] = {"batches.shuffled", "for shuffled"},
    [SEED] = {"batches.seed", "as the seed"},
};

static void numbers_of(const gradus_batches *batches, uint64_t numbers[PLACE_FIELDS]) {
    batches_place p = batches_where(batches);
    numbers[EPOCH] = (uint64_t)p.epoch;
    numbers[INDEX] = (uint64_t)p.index;
    numbers[ROWS] = (uint64_t)p.rows;
    numbers[SIZE] = (uint64_t)p.batch_size;
    numbers[COUNT] = (uint64_t)p.count;
    numbers[SHUFFLED] = p.shuffled;
    numbers[SEED] = p.seed;
}

void place_write(const gradus_batches *batches, metadata pairs[PLACE_FIELDS], char texts[PLACE_FIELDS][NUMBER_TEXT]) {
    uint64_t numbers[PLACE_FIELDS];
    numbers_of(batches, numbers);
    for (size_t i = 0; i < PLACE_FIELDS; i++) {
        snprintf(texts[i], NUMBER_TEXT, "%" PRIu64, numbers[i]);
        pairs[i] = (metadata){fields[i].key, texts[i]};
    }
}

/* A number as place_write writes it, and nothing else. */
static bool parse(const char *text, uint64_t *number) {
    size_t digits = strspn(text, "0123456789");
    errno = 0;
    *number = strtoull(text, NULL, 10);
    return digits > 0 && !text[digits] && errno == 0;
}

gradus_status place_read(const char *where, const gradus_safetensors *file, const gradus_batches *batches,
                         int64_t *epoch, int64_t *index) {
    uint64_t theirs[PLACE_FIELDS], ours[PLACE_FIELDS];
    for (size_t i = 0; i < PLACE_FIELDS; i++) {
        const char *text = header_metadata(&file->header, fields[i].key);
        if (!text)
            return fail(GRADUS_ERROR_MISMATCH,
                        "%s: %s does not say where batches stood (no \"%s\" in its metadata): it was saved without",
                        where, file->path, fields[i].key);
        if (!parse(text, &theirs[i]))
            return fail(GRADUS_ERROR_FORMAT, "%s: %s: \"%s\" is \"%.40s\", expected a number", where, file->path,
                        fields[i].key, text);
    }
    numbers_of(batches, ours);
    for (size_t i = ROWS; i < PLACE_FIELDS; i++) {
        if (theirs[i] != ours[i])
            return fail(GRADUS_ERROR_MISMATCH,
                        "%s: %s was saved with other batches: those had %" PRIu64 " %s, these have %" PRIu64, where,
                        file->path, theirs[i], fields[i].what, ours[i]);
    }
    if (theirs[EPOCH] > BATCHES_LAST_EPOCH)
        return fail(GRADUS_ERROR_FORMAT,
                    "%s: %s: \"%s\" is %" PRIu64 ", expected a number from 0 to 2^53 (%" PRId64 ")", where, file->path,
                    fields[EPOCH].key, theirs[EPOCH], BATCHES_LAST_EPOCH);
    if (theirs[INDEX] > theirs[COUNT])
        return fail(GRADUS_ERROR_FORMAT,
                    "%s: %s: batch %" PRIu64 " of epoch %" PRIu64 ", but an epoch has %" PRIu64 " batches", where,
                    file->path, theirs[INDEX], theirs[EPOCH], theirs[COUNT]);
    *epoch = (int64_t)theirs[EPOCH];
    *index = (int64_t)theirs[INDEX];
    return GRADUS_OK;
}
