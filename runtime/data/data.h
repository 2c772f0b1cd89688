/* SPDX-License-Identifier: Apache-2.0
 * Data sets inside: tensors in a store that never changes, and the rows of it that a data set has. */
#ifndef GRADUS_RUNTIME_DATA_DATA_H
#define GRADUS_RUNTIME_DATA_DATA_H

#include "runtime/data/text_list.h"

#include <gradus/data.h>

#include <stdatomic.h>

/* A tensor as it is stored and as batches deliver it: the same dtype, or bytes that become F32. */
typedef struct {
    gradus_dtype stored, delivered;
    bool scaled;      /* bytes become 0 … 1, not 0 … 255 */
    gradus_shape row; /* a row's shape, as delivered */
    int64_t elements; /* of a row */
    unsigned char *data;
} column;

typedef struct {
    atomic_int users;
    int64_t rows;
    text_list names, classes;   /* of a table's features and labels; empty where there are none */
    double *means, *deviations; /* of its features, where they are standardised: one allocation */
    size_t n_columns;
    column columns[];
} store;

struct gradus_data {
    atomic_int users; /* the owner and batches */
    store *store;
    int64_t n_rows;
    int64_t rows[]; /* their places in the store */
};

/* A store for `n` columns, all zero, in the use of one; NULL where memory is short. */
store *store_create(size_t n);
void store_release(store *s); /* takes NULL */

/* Grows memory in which `capacity` bytes are to hold `needed`, to twice what is there, at most to `most`: what a file
 * claims.  False where memory is short. */
bool data_reserve(unsigned char **memory, size_t *capacity, size_t needed, size_t most);

/* A data set of `n_rows` rows of a store, which it retains; its rows are to be filled in.  NULL where memory is
 * short. */
gradus_data *data_create(store *s, int64_t n_rows);

/* A data set of all rows of a store, which it takes over even where it fails. */
gradus_status data_of_store(const char *where, store *s, gradus_data **data);

gradus_data *data_retain(const gradus_data *data);
void data_release(gradus_data *data); /* takes NULL */

/* No walk begins at a later epoch than this, which a file may claim: so counting on never overflows. */
#define BATCHES_LAST_EPOCH ((int64_t)1 << 53)

/* Where batches stand, and what decides which rows come next: a checkpoint keeps both. */
typedef struct {
    int64_t epoch, index;
    int64_t rows, batch_size, count; /* count: batches in an epoch */
    uint64_t seed;
    bool shuffled;
} batches_place;

batches_place batches_where(const gradus_batches *batches);

static inline size_t column_row_stored(const column *c) { return (size_t)c->elements * gradus_dtype_size(c->stored); }
static inline size_t column_row_delivered(const column *c) {
    return (size_t)c->elements * gradus_dtype_size(c->delivered);
}

#endif
