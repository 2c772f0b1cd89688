/* SPDX-License-Identifier: Apache-2.0
 * The header of .npy files.  See npy_header.h; the format is numpy.lib.format's. */
#include "runtime/data/npy_header.h"

#include <inttypes.h>
#include <string.h>

enum { LONGEST = 1 << 16, ALIGNMENT = 64, MAGIC = 6 };

static const char magic[] = "\x93NUMPY";

/* The names that NumPy writes, and then the others that it reads. */
static const struct {
    const char *name;
    gradus_dtype dtype;
} types[] = {
    {"f4", GRADUS_F32},      {"f8", GRADUS_F64},      {"i4", GRADUS_I32},    {"i8", GRADUS_I64},
    {"u1", GRADUS_U8},       {"b1", GRADUS_BOOL},     {"f", GRADUS_F32},     {"d", GRADUS_F64},
    {"i", GRADUS_I32},       {"q", GRADUS_I64},       {"B", GRADUS_U8},      {"?", GRADUS_BOOL},
    {"float32", GRADUS_F32}, {"float64", GRADUS_F64}, {"int32", GRADUS_I32}, {"int64", GRADUS_I64},
    {"uint8", GRADUS_U8},    {"bool", GRADUS_BOOL},
};

static bool is_little(void) { return *(const unsigned char *)&(const uint16_t){1} == 1; }

bool npy_bytes(gradus_dtype dtype, const gradus_shape *shape, size_t *bytes) {
    size_t most = gradus_dtype_size(dtype);
    bool fits = true, none = false;
    *bytes = most;
    for (int64_t i = 1; i <= shape->d[0]; i++) {
        none |= shape->d[i] == 0;
        fits &= !__builtin_mul_overflow(*bytes, (size_t)shape->d[i], bytes) && *bytes <= SIZE_MAX / 2;
    }
    if (none) *bytes = 0;
    return fits || none;
}

/* --- reading --------------------------------------------------------------------------------------------------------- */

/* What is left of the dictionary, with '\0' after it. */
typedef struct {
    stream *s;
    const char *begin, *at;
    int64_t place; /* of the begin in the file */
} cursor;

static gradus_status expected(const cursor *c, const char *what) {
    char got[8] = "its end";
    if (*c->at) snprintf(got, sizeof got, *c->at < ' ' || *c->at > '~' ? "%02x" : "\"%c\"", (unsigned char)*c->at);
    return stream_fail(c->s, c->place + (c->at - c->begin), "the header has %s, expected %s", got, what);
}

/* Steps over blanks and, where it is there, a word. */
static bool accept(cursor *c, const char *word) {
    c->at += strspn(c->at, " \t\n");
    size_t n = strlen(word);
    if (strncmp(c->at, word, n) != 0) return false;
    c->at += n;
    return true;
}

/* A string of Python's without escapes; longer ones than `size` are cut. */
static bool accept_string(cursor *c, char *text, size_t size) {
    char quote[2] = {accept(c, "'") ? '\'' : accept(c, "\"") ? '"' : '\0', '\0'};
    if (!quote[0]) return false;
    size_t n = strcspn(c->at, quote);
    snprintf(text, size, "%.*s", (int)(n < size ? n : size - 1), c->at);
    c->at += n;
    return accept(c, quote) && !strchr(text, '\\');
}

static gradus_status read_descr(cursor *c, npy_header *h) {
    char text[24] = "";
    static const char what[] = "the dtype as a string, like '<f4'; arrays of structures cannot be read";
    accept(c, "");
    cursor begin = *c;
    if (!accept_string(c, text, sizeof text)) return expected(&begin, what);
    const bool ordered = text[0] && strchr("<>=|", text[0]);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(text + ordered, types[i].name) != 0) continue;
        h->dtype = types[i].dtype;
        h->swapped = gradus_dtype_size(h->dtype) > 1 && text[0] == (is_little() ? '>' : '<');
        return GRADUS_OK;
    }
    return stream_fail(
        c->s, begin.place + (begin.at - begin.begin),
        "the dtype is '%s', expected f4, f8, i4 or i8 with <, > or = in front, |u1 or |b1; NumPy's astype makes "
        "one of them",
        text);
}

static gradus_status read_shape(cursor *c, npy_header *h) {
    if (!accept(c, "(")) return expected(c, "the shape as a tuple, like (3, 4)");
    bool comma = true;
    int64_t rank = 0;
    while (!accept(c, ")")) {
        int64_t extent = 0;
        if (!comma || *c->at < '0' || *c->at > '9') return expected(c, comma ? "an extent" : "\",\" or \")\"");
        if (rank == GRADUS_MAX_RANK) return expected(c, "at most 8 extents");
        for (; *c->at >= '0' && *c->at <= '9'; c->at++) {
            if (__builtin_mul_overflow(extent, 10, &extent) || __builtin_add_overflow(extent, *c->at - '0', &extent)) {
                return expected(c, "an extent of at most 64 bits");
            }
        }
        if (*c->at == 'L') c->at++; /* a long number, as Python 2 writes it */
        h->shape.d[++rank] = extent;
        comma = accept(c, ",");
    }
    if (rank == 1 && !comma) return expected(c, "a tuple: one extent is written as (3,)");
    h->shape.d[0] = rank;
    return GRADUS_OK;
}

static gradus_status read_value(cursor *c, int key, npy_header *h) {
    if (key == 0) return read_descr(c, h);
    if (key == 2) return read_shape(c, h);
    h->fortran = accept(c, "True");
    return h->fortran || accept(c, "False") ? GRADUS_OK : expected(c, "True or False");
}

static gradus_status read_dictionary(cursor *c, npy_header *h) {
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    bool seen[3] = {false};
    if (!accept(c, "{")) return expected(c, "\"{\"");
    for (bool comma = true; !accept(c, "}");) {
        char text[24] = "";
        int key = -1;
        accept(c, "");
        cursor begin = *c;
        if (!comma) return expected(c, "\",\" or \"}\"");
        bool whole = accept_string(c, text, sizeof text);
        for (int i = 0; i < 3; i++)
            if (whole && !seen[i] && strcmp(text, keys[i]) == 0) key = i;
        if (key < 0)
            return expected(&begin, "each of the keys 'descr', 'fortran_order' and 'shape' once, and no other");
        if (!accept(c, ":")) return expected(c, "\":\"");
        gradus_status status = read_value(c, key, h);
        if (status != GRADUS_OK) return status;
        seen[key] = true;
        comma = accept(c, ",");
    }
    if (!seen[0] || !seen[1] || !seen[2]) return expected(c, "the keys 'descr', 'fortran_order' and 'shape' before");
    accept(c, "");
    return *c->at ? expected(c, "nothing after the dictionary") : GRADUS_OK;
}

static gradus_status read_text(const char *path, stream *s, size_t length, npy_header *h) {
    cursor c = {.s = s, .place = stream_place(s)};
    char *text = memory_reallocate(NULL, length + 1);
    if (!text) return fail_out_of_memory(path);
    size_t got;
    gradus_status status = stream_read(s, text, length, &got);
    text[got] = '\0';
    c.begin = c.at = text;
    if (status == GRADUS_OK && got < length) {
        status = stream_fail(s, stream_place(s), "the file ends within its header of %zu bytes", length);
    } else if (status == GRADUS_OK && strlen(text) < length) {
        status = stream_fail(s, c.place + (int64_t)strlen(text), "a byte of 0 in the header");
    }
    if (status == GRADUS_OK) status = read_dictionary(&c, h);
    memory_free(text);
    return status;
}

gradus_status npy_header_read(const char *path, stream *s, npy_header *h) {
    unsigned char begin[MAGIC + 2], count[4] = {0};
    size_t got;
    memset(h, 0, sizeof *h);
    gradus_status status = stream_read(s, begin, sizeof begin, &got);
    if (status != GRADUS_OK) return status;
    if (got < sizeof begin || memcmp(begin, magic, MAGIC) != 0) {
        return stream_fail_begin(s, begin, got, 0,
                                 "this is no .npy file: it does not begin with 93, NUMPY and a version");
    }
    if (begin[MAGIC] < 1 || begin[MAGIC] > 3 || begin[MAGIC + 1] != 0) {
        return stream_fail(s, MAGIC, "the version is %d.%d, expected 1.0, 2.0 or 3.0", begin[MAGIC], begin[MAGIC + 1]);
    }
    size_t width = begin[MAGIC] == 1 ? 2 : 4;
    status = stream_read(s, count, width, &got);
    if (status != GRADUS_OK) return status;
    if (got < width) return stream_fail(s, stream_place(s), "the file ends within the length of its header");
    size_t length = (size_t)count[0] | (size_t)count[1] << 8 | (size_t)count[2] << 16 | (size_t)count[3] << 24;
    if (length > LONGEST) {
        return stream_fail(s, MAGIC + 2, "the header has %zu bytes, expected at most %d", length, LONGEST);
    }
    status = read_text(path, s, length, h);
    if (status == GRADUS_OK && !npy_bytes(h->dtype, &h->shape, &h->bytes)) {
        return stream_fail(s, MAGIC + 2 + (int64_t)width, "the shape is larger than memory can be");
    }
    return status;
}

/* --- writing --------------------------------------------------------------------------------------------------------- */

size_t npy_header_format(gradus_dtype dtype, const gradus_shape *shape, char text[NPY_HEADER]) {
    const char *name = NULL;
    for (size_t i = 0; !name; i++)
        if (types[i].dtype == dtype) name = types[i].name;
    size_t n = MAGIC + 4;
    n += (size_t)snprintf(text + n, NPY_HEADER - n, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                          gradus_dtype_size(dtype) == 1 ? '|'
                          : is_little()                 ? '<'
                                                        : '>',
                          name);
    for (int64_t i = 1; i <= shape->d[0]; i++)
        n += (size_t)snprintf(text + n, NPY_HEADER - n, "%s%" PRId64, i == 1 ? "" : ", ", shape->d[i]);
    n += (size_t)snprintf(text + n, NPY_HEADER - n, "%s), }", shape->d[0] == 1 ? "," : "");
    size_t total = (n + ALIGNMENT) / ALIGNMENT * ALIGNMENT; /* with the newline at its end */
    memset(text + n, ' ', total - n - 1);
    text[total - 1] = '\n';
    size_t length = total - MAGIC - 4;
    memcpy(text, magic, MAGIC);
    text[MAGIC] = 1;
    text[MAGIC + 1] = 0;
    text[MAGIC + 2] = (char)(length & 0xff);
    text[MAGIC + 3] = (char)(length >> 8);
    return total;
}
