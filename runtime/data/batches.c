/* SPDX-License-Identifier: Apache-2.0
 * Batches: rows gathered into memory that is allocated once, in an order drawn anew each epoch. */
#include "runtime/data/data.h"

#include "runtime/data/random.h"
#include "runtime/options.h"
#include "runtime/world.h"

#include <string.h>

enum { DEFAULT_BATCH = 32, ALIGNMENT = 64 };

struct gradus_batches {
    gradus_data *data;
    int64_t batch_size, count;
    int64_t epoch, index; /* of the next batch; the index is `count` at the end of an epoch */
    uint64_t seed;
    int64_t *order;  /* NULL: as they are */
    int64_t ordered; /* the epoch that `order` is of; -1: none yet */
    gradus_in *inputs;
    unsigned char **buffers;
};

void gradus_batches_destroy(gradus_batches **batches) {
    if (!batches || !*batches) return;
    gradus_batches *b = *batches;
    *batches = NULL;
    for (size_t i = 0; b->buffers && i < b->data->store->n_columns; i++) memory_free_aligned(b->buffers[i]);
    memory_free(b->buffers);
    memory_free(b->inputs);
    memory_free(b->order);
    data_release(b->data);
    memory_free(b);
}

static bool allocate(gradus_batches *b, bool shuffle) {
    const store *s = b->data->store;
    b->inputs = memory_zeroed(s->n_columns * sizeof *b->inputs);
    b->buffers = memory_zeroed(s->n_columns * sizeof *b->buffers);
    if (shuffle) b->order = memory_zeroed((size_t)b->data->n_rows * sizeof *b->order);
    if (!b->inputs || !b->buffers || (shuffle && !b->order)) return false;
    for (size_t i = 0; i < s->n_columns; i++) {
        const column *c = &s->columns[i];
        size_t bytes;
        if (__builtin_mul_overflow((size_t)b->batch_size, column_row_delivered(c), &bytes)) return false;
        b->buffers[i] = memory_aligned(ALIGNMENT, bytes);
        if (!b->buffers[i]) return false;
        b->inputs[i] = (gradus_in){b->buffers[i], (int32_t)c->delivered};
    }
    return true;
}

gradus_status gradus_batches_create(const gradus_data *data, const gradus_batch_options *options,
                                    gradus_batches **batches) {
    ENTER;
    static const char *where = "gradus_batches_create";
    gradus_batch_options o;
    if (!batches) return fail(GRADUS_ERROR_ARGUMENT, "%s: no place for the result (NULL)", where);
    *batches = NULL;
    if (!data) return fail(GRADUS_ERROR_ARGUMENT, "%s: the data set is NULL", where);
    if (!options_read(where, OPTIONS_TYPE(gradus_batch_options), &o, options)) return GRADUS_ERROR_ARGUMENT;
    if (o.batch_size < 0) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: batch_size is %lld, expected at least 1", where,
                    (long long)o.batch_size);
    }
    int64_t size = o.batch_size ? o.batch_size : DEFAULT_BATCH, rows = data->n_rows;
    if (o.drop_last && size > rows) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: with drop_last, batches of %lld of %lld rows leave nothing", where,
                    (long long)size, (long long)rows);
    }
    if (size > rows) size = rows;
    gradus_batches *b = memory_zeroed(sizeof *b);
    if (!b) return fail_out_of_memory(where);
    b->data = data_retain(data);
    b->batch_size = size;
    b->count = rows / size + (rows % size != 0 && !o.drop_last);
    b->seed = o.seed;
    b->ordered = -1;
    if (!allocate(b, !o.no_shuffle)) {
        gradus_batches_destroy(&b);
        return fail_out_of_memory(where);
    }
    *batches = b;
    return GRADUS_OK;
}

/* A loop that compilers turn into vector code, faster than a table of the 256 quotients. */
static void bytes_to_floats(float *restrict to, const unsigned char *restrict from, int64_t n, float divisor) {
    for (int64_t i = 0; i < n; i++) to[i] = (float)from[i] / divisor;
}

/* Fills one tensor's buffer with `n` rows, from number `first` of the epoch on. */
static void gather(const gradus_batches *b, const column *c, unsigned char *buffer, int64_t first, int64_t n) {
    size_t row = column_row_stored(c), delivered = column_row_delivered(c);
    for (int64_t i = 0; i < n; i++, buffer += delivered) {
        int64_t number = b->order ? b->order[first + i] : first + i;
        const unsigned char *from = c->data + (size_t)b->data->rows[number] * row;
        if (c->stored == c->delivered) {
            memcpy(buffer, from, row);
            continue;
        }
        bytes_to_floats((float *)(void *)buffer, from, c->elements, c->scaled ? 255.0f : 1.0f);
    }
}

bool gradus_batches_next(gradus_batches *b, gradus_batch *batch) {
    ENTER;
    if (!b || !batch) return false;
    if (b->index == b->count) {
        b->epoch++;
        b->index = 0;
        return false;
    }
    if (b->order && b->ordered != b->epoch) {
        random_source r = random_of(b->seed, (uint64_t)b->epoch);
        random_order(&r, b->order, b->data->n_rows);
        b->ordered = b->epoch;
    }
    const store *s = b->data->store;
    int64_t first = b->index * b->batch_size, left = b->data->n_rows - first;
    int64_t n = left < b->batch_size ? left : b->batch_size;
    for (size_t i = 0; i < s->n_columns; i++) gather(b, &s->columns[i], b->buffers[i], first, n);
    *batch = (gradus_batch){.size = n, .index = b->index, .epoch = b->epoch, .inputs = {b->inputs, s->n_columns}};
    b->index++;
    return true;
}

int64_t gradus_batches_count(const gradus_batches *b) { return b ? b->count : 0; }

void gradus_batches_tell(const gradus_batches *b, int64_t *epoch, int64_t *index) {
    if (epoch) *epoch = b ? b->epoch : 0;
    if (index) *index = b ? b->index : 0;
}

batches_place batches_where(const gradus_batches *b) {
    return (batches_place){.epoch = b->epoch,
                           .index = b->index,
                           .rows = b->data->n_rows,
                           .batch_size = b->batch_size,
                           .count = b->count,
                           .seed = b->seed,
                           .shuffled = b->order != NULL};
}

gradus_status gradus_batches_seek(gradus_batches *b, int64_t epoch, int64_t index) {
    ENTER;
    static const char *where = "gradus_batches_seek";
    if (!b) return fail(GRADUS_ERROR_ARGUMENT, "%s: the batches are NULL", where);
    if (epoch < 0 || epoch > BATCHES_LAST_EPOCH || index < 0 || index > b->count) {
        return fail(GRADUS_ERROR_ARGUMENT,
                    "%s: batch %lld of epoch %lld, expected 0 … %lld of an epoch from 0 to 2^53 (%lld)", where,
                    (long long)index, (long long)epoch, (long long)b->count, (long long)BATCHES_LAST_EPOCH);
    }
    b->epoch = epoch;
    b->index = index;
    return GRADUS_OK;
}
