/* SPDX-License-Identifier: Apache-2.0
 * Reads IDX files, the format of MNIST: 0 0 type rank, the extents as 32-bit numbers, then the elements, all
 * big-endian.  Nothing that a header claims is believed before the bytes have arrived. */
#include "runtime/data/data.h"
#include "runtime/data/stream.h"

#include "runtime/options.h"
#include "runtime/world.h"

#include <string.h>

enum { CHUNK = 1 << 14 };

typedef struct {
    unsigned char code;
    gradus_dtype dtype; /* what it becomes; labels that are bytes become I32 */
    const char *name;
    size_t size;
} idx_type;

static const idx_type types[] = {
    {0x08, GRADUS_U8, "unsigned bytes", 1},   {0x09, GRADUS_I32, "signed bytes", 1},
    {0x0b, GRADUS_I32, "16-bit integers", 2}, {0x0c, GRADUS_I32, "32-bit integers", 4},
    {0x0d, GRADUS_F32, "32-bit floats", 4},   {0x0e, GRADUS_F64, "64-bit floats", 8},
};

typedef struct {
    const idx_type *type;
    gradus_shape shape;
    int64_t elements; /* of all rows */
    int64_t bytes;    /* of them in the file */
} idx_header;

static uint32_t big_endian_32(const unsigned char *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static gradus_status read_exactly(stream *s, void *bytes, size_t size, const char *what) {
    size_t got;
    gradus_status status = stream_read(s, bytes, size, &got);
    if (status != GRADUS_OK || got == size) return status;
    return stream_fail(s, stream_place(s), "the file ends within %s", what);
}

static gradus_status read_header(stream *s, idx_header *h) {
    unsigned char magic[4], extents[4 * GRADUS_MAX_RANK];
    gradus_status status = read_exactly(s, magic, sizeof magic, "the first four bytes, 0 0 TYPE RANK");
    if (status != GRADUS_OK) return status;
    if (magic[0] != 0 || magic[1] != 0) {
        return stream_fail_begin(s, magic, sizeof magic, 0, "an IDX file begins with 00 00, got %02x %02x", magic[0],
                                 magic[1]);
    }
    memset(h, 0, sizeof *h);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].code == magic[2]) h->type = &types[i];
    }
    if (!h->type) {
        return stream_fail_begin(s, magic, sizeof magic, 2, "type %02x is none of IDX's: 08 09 0b 0c 0d 0e", magic[2]);
    }
    int rank = magic[3];
    if (rank < 1 || rank > GRADUS_MAX_RANK) {
        return stream_fail(s, 3, "the rank is %d, expected 1 … %d", rank, GRADUS_MAX_RANK);
    }
    status = read_exactly(s, extents, 4 * (size_t)rank, "the extents");
    if (status != GRADUS_OK) return status;
    h->shape.d[0] = rank;
    h->elements = 1;
    for (int i = 0; i < rank; i++) {
        int64_t d = big_endian_32(extents + 4 * i);
        h->shape.d[i + 1] = d;
        if (d == 0) return stream_fail(s, 4 + 4 * i, "extent %d is 0: there is no data", i);
        if (__builtin_mul_overflow(h->elements, d, &h->elements) ||
            __builtin_mul_overflow(h->elements, (int64_t)8, &h->bytes) || (uint64_t)h->bytes > SIZE_MAX / 2) {
            return stream_fail(s, 4 + 4 * i, "with extent %d, which is %lld, the data is larger than memory can be", i,
                               (long long)d);
        }
    }
    h->bytes = h->elements * (int64_t)h->type->size;
    return GRADUS_OK;
}

/* Elements of a file's type as elements of a column. */
static void convert(const idx_type *type, gradus_dtype to, const unsigned char *from, size_t n, unsigned char *out) {
    if (to == GRADUS_U8) {
        memcpy(out, from, n);
        return;
    }
    for (size_t i = 0; i < n; i++, from += type->size) {
        uint32_t word = 0;
        switch (type->code) {
        case 0x08: word = from[0]; break;
        case 0x09: word = (uint32_t)(int32_t)(int8_t)from[0]; break;
        case 0x0b: word = (uint32_t)(int32_t)(int16_t)(from[0] << 8 | from[1]); break;
        case 0x0e: {
            uint64_t wide = (uint64_t)big_endian_32(from) << 32 | big_endian_32(from + 4);
            memcpy(out + 8 * i, &wide, sizeof wide);
            continue;
        }
        default: word = big_endian_32(from); break;
        }
        memcpy(out + 4 * i, &word, sizeof word);
    }
}

static gradus_status read_elements(const char *path, stream *s, const idx_header *h, column *c) {
    unsigned char raw[CHUNK];
    int64_t begin = stream_place(s);
    size_t size = gradus_dtype_size(c->stored), total = (size_t)h->elements, capacity = 0, have = 0;
    while (have < total) {
        size_t n = CHUNK / h->type->size, got;
        if (n > total - have) n = total - have;
        gradus_status status = stream_read(s, raw, n * h->type->size, &got);
        if (status != GRADUS_OK) return status;
        if (got < n * h->type->size) {
            char count[32];
            snprintf(count, sizeof count, "%lld", (long long)(stream_place(s) - begin));
            return stream_fail(s, stream_place(s),
                               "the header claims %lld %s, which are %lld bytes, the file ends after %s",
                               (long long)h->elements, h->type->name, (long long)h->bytes, count);
        }
        if (!data_reserve(&c->data, &capacity, (have + n) * size, total * size)) {
            return fail(GRADUS_ERROR_MEMORY, "%s: out of memory (%lld bytes are there)", path,
                        (long long)(stream_place(s) - begin));
        }
        convert(h->type, c->stored, raw, n, c->data + have * size);
        have += n;
    }
    size_t more;
    gradus_status status = stream_read(s, raw, 1, &more);
    if (status == GRADUS_OK && more) {
        return stream_fail(s, begin + h->bytes, "the data that the header claims (%lld %s) ends here, the file goes on",
                           (long long)h->elements, h->type->name);
    }
    return status;
}

static void describe_images(const idx_header *h, const gradus_idx_options *o, column *c) {
    c->stored = c->delivered = h->type->dtype;
    if (c->stored == GRADUS_U8 && !o->raw) {
        c->delivered = GRADUS_F32;
        c->scaled = !o->no_scale;
    }
    if (o->no_flatten) return;
    memset(&c->row, 0, sizeof c->row);
    c->row.d[0] = 1;
    c->row.d[1] = c->elements;
}

/* One file as one column. */
static gradus_status read_file(const char *path, bool labels, const gradus_idx_options *o, column *c, int64_t *rows) {
    stream *s;
    idx_header h;
    gradus_status status = stream_open(path, &s);
    if (status != GRADUS_OK) return status;
    status = read_header(s, &h);
    if (status == GRADUS_OK) {
        *rows = h.shape.d[1];
        c->elements = h.elements / *rows;
        c->row.d[0] = h.shape.d[0] - 1;
        memcpy(c->row.d + 1, h.shape.d + 2, (size_t)c->row.d[0] * sizeof(int64_t));
        if (labels) c->stored = c->delivered = h.type->dtype == GRADUS_U8 ? GRADUS_I32 : h.type->dtype;
        else describe_images(&h, o, c);
        status = read_elements(path, s, &h, c);
    }
    stream_close(s);
    return status;
}

gradus_status gradus_data_idx(const char *images, const char *labels, const gradus_idx_options *options,
                              gradus_data **data) {
    ENTER;
    static const char *where = "gradus_data_idx";
    gradus_idx_options o;
    if (!data) return fail(GRADUS_ERROR_ARGUMENT, "%s: no place for the result (NULL)", where);
    *data = NULL;
    if (!images) return fail(GRADUS_ERROR_ARGUMENT, "%s: the path of the images is NULL", where);
    if (!options_read(where, OPTIONS_TYPE(gradus_idx_options), &o, options)) return GRADUS_ERROR_ARGUMENT;
    store *s = store_create(labels ? 2 : 1);
    if (!s) return fail_out_of_memory(where);
    int64_t n_labels = 0;
    gradus_status status = read_file(images, false, &o, &s->columns[0], &s->rows);
    if (status == GRADUS_OK && labels) status = read_file(labels, true, &o, &s->columns[1], &n_labels);
    if (status == GRADUS_OK && labels && n_labels != s->rows) {
        status = fail(GRADUS_ERROR_MISMATCH, "%s has %lld rows, %s has %lld", images, (long long)s->rows, labels,
                      (long long)n_labels);
    }
    if (status != GRADUS_OK) {
        store_release(s);
        return status;
    }
    return data_of_store(where, s, data);
}
