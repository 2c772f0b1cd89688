/* SPDX-License-Identifier: Apache-2.0
 * NumPy's files of single arrays, read and written.  Their headers are npy_header.c's. */
#include "runtime/data/data.h"
#include "runtime/data/npy_header.h"

#include "runtime/files.h"
#include "runtime/names.h"
#include "runtime/world.h"

#include <gradus/npy.h>
#include <string.h>

/* Reads what the header claims, which then must be the end. */
static gradus_status read_elements(const char *path, stream *s, const npy_header *h, unsigned char **data) {
    size_t capacity = 0, have = 0, got;
    int64_t begin = stream_place(s);
    char shape[SHAPE_TEXT];
    shape_in_words(&h->shape, shape);
    do {
        size_t wanted = have < h->bytes ? have + 1 : 1;
        if (!data_reserve(data, &capacity, wanted, h->bytes ? h->bytes : 1)) {
            return fail(GRADUS_ERROR_MEMORY, "%s: out of memory (%zu bytes are there)", path, have);
        }
        size_t room = h->bytes ? capacity - have : 0;
        gradus_status status = stream_read(s, *data + have, room, &got);
        if (status != GRADUS_OK) return status;
        have += got;
        if (got < room) {
            return stream_fail(s, stream_place(s),
                               "the header claims %s %s, which are %zu bytes, the file ends after %zu",
                               gradus_dtype_name(h->dtype), shape, h->bytes, have);
        }
    } while (have < h->bytes);
    unsigned char more;
    gradus_status status = stream_read(s, &more, 1, &got);
    if (status != GRADUS_OK || !got) return status;
    return stream_fail(s, begin + (int64_t)h->bytes, "the %s %s that the header claims ends here, the file goes on",
                       gradus_dtype_name(h->dtype), shape);
}

static void swap_bytes(unsigned char *data, size_t bytes, size_t size) {
    for (unsigned char *e = data; e < data + bytes; e += size) {
        for (size_t i = 0; i < size / 2; i++) {
            unsigned char b = e[i];
            e[i] = e[size - 1 - i];
            e[size - 1 - i] = b;
        }
    }
}

static gradus_status check_booleans(stream *s, const unsigned char *data, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (data[i] <= 1) continue;
        return stream_fail(s, stream_place(s) - (int64_t)(n - i), "a boolean is %02x, expected 00 or 01", data[i]);
    }
    return GRADUS_OK;
}

/* Fortran's order, in which the first index varies fastest, becomes C's. */
static gradus_status reorder(const char *path, const npy_header *h, unsigned char **data) {
    int64_t rank = h->shape.d[0], index[GRADUS_MAX_RANK] = {0}, stride[GRADUS_MAX_RANK];
    size_t size = gradus_dtype_size(h->dtype), from = 0;
    if (rank < 2 || h->bytes == 0) return GRADUS_OK;
    unsigned char *ordered = memory_reallocate(NULL, h->bytes);
    if (!ordered) return fail_out_of_memory(path);
    stride[0] = (int64_t)size;
    for (int64_t k = 1; k < rank; k++) stride[k] = stride[k - 1] * h->shape.d[k];
    for (size_t to = 0; to < h->bytes; to += size) {
        memcpy(ordered + to, *data + from, size);
        for (int64_t k = rank - 1; k >= 0; k--) {
            from += (size_t)stride[k];
            if (++index[k] < h->shape.d[k + 1]) break;
            from -= (size_t)(stride[k] * index[k]);
            index[k] = 0;
        }
    }
    memory_free(*data);
    *data = ordered;
    return GRADUS_OK;
}

gradus_status gradus_npy_read(const char *path, gradus_npy *array) {
    ENTER;
    static const char *where = "gradus_npy_read";
    npy_header h;
    stream *s;
    unsigned char *data = NULL;
    if (!array) return fail(GRADUS_ERROR_ARGUMENT, "%s: no place for the result (NULL)", where);
    memset(array, 0, sizeof *array);
    if (!path) return fail(GRADUS_ERROR_ARGUMENT, "%s: the path is NULL", where);
    gradus_status status = stream_open(path, &s);
    if (status != GRADUS_OK) return status;
    status = npy_header_read(path, s, &h);
    if (status == GRADUS_OK) status = read_elements(path, s, &h, &data);
    if (status == GRADUS_OK && h.dtype == GRADUS_BOOL) status = check_booleans(s, data, h.bytes);
    if (status == GRADUS_OK && h.swapped) swap_bytes(data, h.bytes, gradus_dtype_size(h.dtype));
    if (status == GRADUS_OK && h.fortran) status = reorder(path, &h, &data);
    stream_close(s);
    if (status == GRADUS_OK) *array = (gradus_npy){data, h.dtype, h.shape};
    else memory_free(data);
    return status;
}

void gradus_npy_free(gradus_npy *array) {
    if (!array) return;
    memory_free(array->data);
    memset(array, 0, sizeof *array);
}

gradus_status gradus_npy_write(const char *path, const void *data, gradus_dtype dtype, gradus_shape shape) {
    ENTER;
    static const char *where = "gradus_npy_write";
    char header[NPY_HEADER];
    size_t bytes;
    if (!path) return fail(GRADUS_ERROR_ARGUMENT, "%s: the path is NULL", where);
    if (!gradus_dtype_size(dtype))
        return fail(GRADUS_ERROR_ARGUMENT, "%s: %s: %d is no dtype", where, path, (int)dtype);
    if (shape.d[0] < 0 || shape.d[0] > GRADUS_MAX_RANK) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: %s: the rank is %lld, expected 0 … %d", where, path,
                    (long long)shape.d[0], GRADUS_MAX_RANK);
    }
    for (int64_t i = 1; i <= shape.d[0]; i++) {
        if (shape.d[i] >= 0) continue;
        return fail(GRADUS_ERROR_ARGUMENT, "%s: %s: extent %lld is %lld, expected at least 0", where, path,
                    (long long)i - 1, (long long)shape.d[i]);
    }
    if (!npy_bytes(dtype, &shape, &bytes)) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: %s: the shape is larger than memory can be", where, path);
    }
    if (!data && bytes) return fail(GRADUS_ERROR_ARGUMENT, "%s: %s: the data is NULL", where, path);
    writer w;
    gradus_status status = writer_begin(&w, path);
    if (status == GRADUS_OK) status = writer_put(&w, header, npy_header_format(dtype, &shape, header));
    if (status == GRADUS_OK) status = writer_put(&w, data, bytes);
    return writer_end(&w, status);
}

/* --- data sets ------------------------------------------------------------------------------------------------------- */

/* One file as one column. */
static gradus_status read_column(const char *path, column *c, int64_t *rows) {
    gradus_npy array;
    gradus_status status = gradus_npy_read(path, &array);
    if (status != GRADUS_OK) return status;
    *c = (column){.stored = array.dtype, .delivered = array.dtype, .elements = 1, .data = array.data};
    char shape[SHAPE_TEXT];
    int64_t rank = array.shape.d[0], least = rank > 0;
    for (int64_t i = 1; i <= rank; i++) least = array.shape.d[i] < least ? array.shape.d[i] : least;
    if (least == 0) {
        shape_in_words(&array.shape, shape);
        return fail(GRADUS_ERROR_FORMAT, "%s: the shape is %s, expected rows, at least one, and no extent of 0", path,
                    shape);
    }
    *rows = array.shape.d[1];
    c->row.d[0] = rank - 1;
    for (int64_t i = 2; i <= rank; i++) c->elements *= c->row.d[i - 1] = array.shape.d[i];
    return GRADUS_OK;
}

gradus_status gradus_data_npy(const char *const *paths, size_t count, gradus_data **data) {
    ENTER;
    static const char *where = "gradus_data_npy";
    if (!data) return fail(GRADUS_ERROR_ARGUMENT, "%s: no place for the result (NULL)", where);
    *data = NULL;
    if (!paths || count == 0) return fail(GRADUS_ERROR_ARGUMENT, "%s: no paths", where);
    if (count > SIZE_MAX / 2 / sizeof(column)) return fail(GRADUS_ERROR_ARGUMENT, "%s: %zu paths", where, count);
    store *s = store_create(count);
    if (!s) return fail_out_of_memory(where);
    gradus_status status = GRADUS_OK;
    for (size_t i = 0; i < count && status == GRADUS_OK; i++) {
        int64_t rows = 0;
        status = read_column(paths[i], &s->columns[i], &rows);
        if (i == 0) s->rows = rows;
        if (status == GRADUS_OK && rows != s->rows) {
            status = fail(GRADUS_ERROR_MISMATCH, "%s has %lld rows, %s has %lld", paths[0], (long long)s->rows,
                          paths[i], (long long)rows);
        }
    }
    if (status == GRADUS_OK) return data_of_store(where, s, data);
    store_release(s);
    return status;
}
