/* SPDX-License-Identifier: Apache-2.0
 * Data sets: made of the caller's tensors, split and described.  See data.h. */
#include "runtime/data/data.h"

#include "runtime/data/random.h"
#include "runtime/support.h"
#include "runtime/world.h"

#include <math.h>
#include <string.h>

store *store_create(size_t n) {
    store *s = memory_zeroed(sizeof(store) + n * sizeof(column));
    if (!s) return NULL;
    s->n_columns = n;
    atomic_init(&s->users, 1);
    return s;
}

void store_release(store *s) {
    if (!s || atomic_fetch_sub(&s->users, 1) != 1) return;
    for (size_t i = 0; i < s->n_columns; i++) memory_free(s->columns[i].data);
    text_list_free(&s->names);
    text_list_free(&s->classes);
    memory_free(s->means);
    memory_free(s);
}

bool data_reserve(unsigned char **memory, size_t *capacity, size_t needed, size_t most) {
    enum { FIRST_BYTES = 1 << 16 };
    if (needed <= *capacity) return true;
    size_t size = *capacity > SIZE_MAX / 2 ? most : *capacity ? 2 * *capacity : FIRST_BYTES;
    if (size < needed) size = needed;
    if (size > most) size = most;
    unsigned char *bigger = memory_reallocate(*memory, size);
    if (!bigger) return false;
    *memory = bigger;
    *capacity = size;
    return true;
}

gradus_data *data_create(store *s, int64_t n_rows) {
    if ((uint64_t)n_rows > (SIZE_MAX - sizeof(gradus_data)) / sizeof(int64_t)) return NULL;
    gradus_data *data = memory_reallocate(NULL, sizeof(gradus_data) + (size_t)n_rows * sizeof(int64_t));
    if (!data) return NULL;
    atomic_init(&data->users, 1);
    atomic_fetch_add(&s->users, 1);
    data->store = s;
    data->n_rows = n_rows;
    return data;
}

gradus_status data_of_store(const char *where, store *s, gradus_data **data) {
    *data = data_create(s, s->rows);
    store_release(s);
    if (!*data) return fail_out_of_memory(where);
    for (int64_t i = 0; i < (*data)->n_rows; i++) (*data)->rows[i] = i;
    return GRADUS_OK;
}

/* Counting users is no change of the data set that anyone could see. */
gradus_data *data_retain(const gradus_data *data) {
    gradus_data *d = (gradus_data *)(uintptr_t)data;
    atomic_fetch_add(&d->users, 1);
    return d;
}

void data_release(gradus_data *data) {
    if (!data || atomic_fetch_sub(&data->users, 1) != 1) return;
    store_release(data->store);
    memory_free(data);
}

void gradus_data_destroy(gradus_data **data) {
    if (!data) return;
    data_release(*data);
    *data = NULL;
}

/* A column like the caller's tensor, still without data. */
static gradus_status describe(const gradus_data_array *a, size_t i, int64_t rows, column *c, size_t *bytes) {
    static const char *where = "gradus_data_arrays";
    size_t size = gradus_dtype_size(a->dtype);
    int64_t rank = a->shape.d[0];
    if (size == 0) return fail(GRADUS_ERROR_ARGUMENT, "%s: tensor %zu: %d is no dtype", where, i, (int)a->dtype);
    if (rank < 1 || rank > GRADUS_MAX_RANK) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: tensor %zu: the rank is %lld, expected 1 … %d: rows come first", where,
                    i, (long long)rank, GRADUS_MAX_RANK);
    }
    *c = (column){.stored = a->dtype, .delivered = a->dtype, .elements = 1};
    c->row.d[0] = rank - 1;
    int64_t total = (int64_t)size;
    for (int64_t k = 1; k <= rank; k++) {
        int64_t d = a->shape.d[k];
        if (d < 1) {
            return fail(GRADUS_ERROR_ARGUMENT, "%s: tensor %zu: extent %lld is %lld, expected at least 1", where, i,
                        (long long)(k - 1), (long long)d);
        }
        if (__builtin_mul_overflow(total, d, &total) || (uint64_t)total > SIZE_MAX / 2) {
            return fail(GRADUS_ERROR_ARGUMENT, "%s: tensor %zu is larger than memory can be", where, i);
        }
        if (k == 1) continue;
        c->row.d[k - 1] = d;
        c->elements *= d;
    }
    if (a->shape.d[1] != rows) {
        return fail(GRADUS_ERROR_MISMATCH, "%s: tensor %zu has %lld rows, tensor 0 has %lld", where, i,
                    (long long)a->shape.d[1], (long long)rows);
    }
    if (!a->data) return fail(GRADUS_ERROR_ARGUMENT, "%s: tensor %zu: its data is NULL", where, i);
    *bytes = (size_t)total;
    return GRADUS_OK;
}

gradus_status gradus_data_arrays(const gradus_data_array *arrays, size_t count, gradus_data **data) {
    ENTER;
    static const char *where = "gradus_data_arrays";
    if (!data) return fail(GRADUS_ERROR_ARGUMENT, "%s: no place for the result (NULL)", where);
    *data = NULL;
    if (!arrays || count == 0) return fail(GRADUS_ERROR_ARGUMENT, "%s: no tensors", where);
    if (count > SIZE_MAX / 2 / sizeof(column)) return fail(GRADUS_ERROR_ARGUMENT, "%s: %zu tensors", where, count);
    store *s = store_create(count);
    if (!s) return fail_out_of_memory(where);
    s->rows = arrays[0].shape.d[1];
    for (size_t i = 0; i < count; i++) {
        size_t bytes = 0;
        gradus_status status = describe(&arrays[i], i, s->rows, &s->columns[i], &bytes);
        if (status == GRADUS_OK) {
            s->columns[i].data = memory_reallocate(NULL, bytes);
            if (!s->columns[i].data) status = fail_out_of_memory(where);
        }
        if (status != GRADUS_OK) {
            store_release(s);
            return status;
        }
        memcpy(s->columns[i].data, arrays[i].data, bytes);
    }
    return data_of_store(where, s, data);
}

int64_t gradus_data_rows(const gradus_data *data) { return data ? data->n_rows : 0; }

int64_t gradus_data_columns(const gradus_data *data) { return data ? data->store->columns[0].elements : 0; }

gradus_status gradus_data_info(const gradus_data *data, size_t index, gradus_info *info) {
    ENTER;
    static const char *where = "gradus_data_info";
    if (!data || !info) return fail(GRADUS_ERROR_ARGUMENT, "%s: the %s is NULL", where, data ? "result" : "data set");
    if (index >= data->store->n_columns) {
        return fail(GRADUS_ERROR_NOT_FOUND, "%s: there are %zu tensors, none has index %zu", where,
                    data->store->n_columns, index);
    }
    const column *c = &data->store->columns[index];
    *info = (gradus_info){.name = "", .dtype = c->delivered, .bytes = (size_t)data->n_rows * column_row_delivered(c)};
    info->shape.d[0] = c->row.d[0] + 1;
    info->shape.d[1] = data->n_rows;
    memcpy(info->shape.d + 2, c->row.d + 1, (size_t)c->row.d[0] * sizeof(int64_t));
    return GRADUS_OK;
}

gradus_status gradus_data_slice(const gradus_data *data, int64_t from, int64_t to, gradus_data **part) {
    ENTER;
    static const char *where = "gradus_data_slice";
    if (!part) return fail(GRADUS_ERROR_ARGUMENT, "%s: no place for the result (NULL)", where);
    *part = NULL;
    if (!data) return fail(GRADUS_ERROR_ARGUMENT, "%s: the data set is NULL", where);
    if (from < 0 || to > data->n_rows || from >= to) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: rows %lld up to %lld, expected some within 0 up to %lld", where,
                    (long long)from, (long long)to, (long long)data->n_rows);
    }
    *part = data_create(data->store, to - from);
    if (!*part) return fail_out_of_memory(where);
    memcpy((*part)->rows, data->rows + from, (size_t)(to - from) * sizeof(int64_t));
    return GRADUS_OK;
}

/* Which rows come first is drawn; both parts keep the rows' order.  `second` has room for n rows at first. */
static void divide(const gradus_data *data, uint64_t seed, gradus_data *first, int64_t *order) {
    random_source r = random_of(seed, UINT64_MAX);
    random_order(&r, order, data->n_rows);
    /* order[i] is where row i goes: the first part's share of places is in it. */
    int64_t a = 0, b = 0;
    for (int64_t i = 0; i < data->n_rows; i++) {
        if (order[i] < first->n_rows) first->rows[a++] = data->rows[i];
        else order[b++] = data->rows[i];
    }
}

gradus_status gradus_data_split(const gradus_data *data, double fraction, uint64_t seed, gradus_data **first,
                                gradus_data **second) {
    ENTER;
    static const char *where = "gradus_data_split";
    if (!first || !second) return fail(GRADUS_ERROR_ARGUMENT, "%s: no place for the result (NULL)", where);
    *first = *second = NULL;
    if (!data) return fail(GRADUS_ERROR_ARGUMENT, "%s: the data set is NULL", where);
    if (!(fraction > 0 && fraction < 1)) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: the fraction is %g, expected more than 0 and less than 1", where,
                    fraction);
    }
    int64_t n = data->n_rows;
    if (n < 2) return fail(GRADUS_ERROR_ARGUMENT, "%s: one row cannot be split", where);
    int64_t share = (int64_t)llround((double)n * fraction);
    if (share < 1) share = 1;
    if (share > n - 1) share = n - 1;
    gradus_data *a = data_create(data->store, share), *b = a ? data_create(data->store, n) : NULL;
    if (!b) {
        data_release(a);
        return fail_out_of_memory(where);
    }
    divide(data, seed, a, b->rows);
    b->n_rows = n - share;
    *first = a;
    *second = b;
    return GRADUS_OK;
}
