/* SPDX-License-Identifier: Apache-2.0
 * The header of a safetensors file, read and written with jansson.  See header.h.
 *
 * Nothing of a header is believed: numbers are integers that fit, sizes are recomputed, tensors must follow each other
 * without hole or overlap and end where the file ends. */
#include "runtime/checkpoint/header.h"

#ifndef GRADUS_WITH_JANSSON

void header_readable(char text[KINDS_TEXT]) { text[0] = '\0'; }

static gradus_status without(const char *where) {
    return fail(GRADUS_ERROR_IO, "%s: this build of Gradus is without jansson, which checkpoints need", where);
}

gradus_status header_parse(header *h, const char *path, const char *text, size_t length, uint64_t data_bytes) {
    (void)text, (void)length, (void)data_bytes;
    *h = (header){0};
    return without(path);
}

void header_free(header *h) { (void)h; }

const stored *header_find(const header *h, const char *name) { return (void)h, (void)name, NULL; }

const char *header_metadata(const header *h, const char *key) { return (void)h, (void)key, NULL; }

gradus_status header_format(const char *where, const stored *tensors, size_t count, const metadata *pairs,
                            size_t n_pairs, char **bytes, size_t *length) {
    (void)tensors, (void)count, (void)pairs, (void)n_pairs, (void)bytes, (void)length;
    return without(where);
}

#else

#include "runtime/core.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char metadata_key[] = "__metadata__";

/* The dtypes of the format.  Those that Gradus has come first, each by its number less 1.  A file may have others, of which
 * nothing is known. */
static const struct {
    const char *name;
    uint32_t bits;
    gradus_dtype dtype;
} kinds[] = {
    {"F32", 32, GRADUS_F32},
    {"F64", 64, GRADUS_F64},
    {"I32", 32, GRADUS_I32},
    {"I64", 64, GRADUS_I64},
    {"U8", 8, GRADUS_U8},
    {"BOOL", 8, GRADUS_BOOL},
    {"BF16", 16, GRADUS_F32},
    {"F16", 16, GRADUS_F32},
    {"I8", 8, 0},
    {"I16", 16, 0},
    {"U16", 16, 0},
    {"U32", 32, 0},
    {"U64", 64, 0},
    {"C64", 64, 0},
    {"F8_E5M2", 8, 0},
    {"F8_E4M3", 8, 0},
    {"F8_E8M0", 8, 0},
    {"F8_E4M3FNUZ", 8, 0},
    {"F8_E5M2FNUZ", 8, 0},
    {"F6_E2M3", 6, 0},
    {"F6_E3M2", 6, 0},
    {"F4", 4, 0},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static gradus_status fault(const char *path, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);
static gradus_status fault(const char *path, const char *name, const char *format, ...) {
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return fail(GRADUS_ERROR_FORMAT, "%s: the header: \"%.200s\" %s", path, name, message);
}

/* A number of a header: an integer that is not negative; 1e3 and 1.0 are none. */
static bool get_number(const json_t *value, int64_t *number) {
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *number = json_integer_value(value);
    return true;
}

static gradus_status parse_shape(const char *path, const json_t *value, stored *t) {
    if (!json_is_array(value)) return fault(path, t->name, "has no \"shape\", a list of extents");
    bool fits = true, none = false;
    t->elements = 1;
    t->rank = json_array_size(value);
    for (size_t i = 0; i < t->rank; i++) {
        int64_t extent;
        if (!get_number(json_array_get(value, i), &extent))
            return fault(path, t->name, "has a \"shape\" whose extent %zu is no integer from 0 on", i);
        if (i < GRADUS_MAX_RANK) t->shape.d[1 + i] = extent;
        fits &= !__builtin_mul_overflow(t->elements, extent, &t->elements);
        none |= extent == 0;
    }
    if (none) t->elements = 0;
    else if (!fits) return fault(path, t->name, "is larger than a file can be");
    t->shape.d[0] = (int64_t)t->rank;
    if (t->rank > GRADUS_MAX_RANK) t->shape = (gradus_shape){{1, t->elements}};
    return GRADUS_OK;
}

static gradus_status parse_tensor(const char *path, const json_t *value, stored *t) {
    if (!json_is_object(value)) return fault(path, t->name, "is no object");
    t->kind = json_string_value(json_object_get(value, "dtype"));
    if (!t->kind) return fault(path, t->name, "has no \"dtype\", a string");
    size_t kind = 0;
    while (kind < N_KINDS && strcmp(kinds[kind].name, t->kind) != 0) kind++;
    gradus_status status = parse_shape(path, json_object_get(value, "shape"), t);
    if (status != GRADUS_OK) return status;
    if (kind < N_KINDS && t->rank <= GRADUS_MAX_RANK) t->dtype = kinds[kind].dtype;
    const json_t *offsets = json_object_get(value, "data_offsets");
    int64_t begin, end, bits;
    if (json_array_size(offsets) != 2 || !get_number(json_array_get(offsets, 0), &begin) ||
        !get_number(json_array_get(offsets, 1), &end) || begin > end)
        return fault(path, t->name, "has no \"data_offsets\", two ascending integers from 0 on");
    t->begin = (uint64_t)begin;
    t->end = (uint64_t)end;
    if (kind == N_KINDS) return GRADUS_OK; /* nobody knows how long it must be */
    if (__builtin_mul_overflow(t->elements, kinds[kind].bits, &bits))
        return fault(path, t->name, "is larger than a file can be");
    if (bits % 8)
        return fault(path, t->name, "has %" PRId64 " elements of %s, whose %" PRId64 " bits are no whole bytes",
                     t->elements, t->kind, bits);
    if (bits / 8 != end - begin)
        return fault(path, t->name, "has %" PRId64 " bytes, but %" PRId64 " elements of %s need %" PRId64, end - begin,
                     t->elements, t->kind, bits / 8);
    return GRADUS_OK;
}

static gradus_status check_metadata(const char *path, json_t *value) {
    if (!json_is_object(value)) return fault(path, metadata_key, "is no object");
    const char *key;
    json_t *text;
    json_object_foreach(value, key, text) {
        if (!json_is_string(text)) return fault(path, metadata_key, "has \"%.100s\", which is no string", key);
    }
    return GRADUS_OK;
}

static gradus_status parse_tensors(header *h, const char *path) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)h->json, key, value) {
        gradus_status status;
        if (strcmp(key, metadata_key) == 0) {
            status = check_metadata(path, value);
        } else {
            stored *t = &h->tensors[h->count++];
            *t = (stored){.name = key};
            status = parse_tensor(path, value, t);
        }
        if (status != GRADUS_OK) return status;
    }
    return GRADUS_OK;
}

static int by_place(const void *left, const void *right) {
    const stored *a = left, *b = right;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    return (a->end > b->end) - (a->end < b->end);
}

static int by_name(const void *left, const void *right) {
    return strcmp(((const stored *)left)->name, ((const stored *)right)->name);
}

/* Tensors follow each other and fill the data.  Leaves them in the order of their places. */
static gradus_status check_places(const header *h, const char *path, uint64_t data_bytes) {
    uint64_t end = 0;
    qsort(h->tensors, h->count, sizeof *h->tensors, by_place);
    for (size_t i = 0; i < h->count; i++) {
        const stored *t = &h->tensors[i];
        if (t->begin != end)
            return fault(path, t->name, "begins at byte %" PRIu64 " of the data, %s byte %" PRIu64, t->begin,
                         t->begin < end ? "inside a tensor that ends at" : "after a hole that begins at", end);
        end = t->end;
    }
    if (end == data_bytes) return GRADUS_OK;
    return fail(GRADUS_ERROR_FORMAT, "%s: %" PRIu64 " bytes of data follow the header, which speaks of %" PRIu64 "%s",
                path, data_bytes, end, end > data_bytes ? ": the file is cut short" : "");
}

static gradus_status parse(header *h, const char *path, uint64_t data_bytes) {
    h->tensors = memory_zeroed(json_object_size(h->json) * sizeof *h->tensors);
    if (!h->tensors) return fail_out_of_memory(path);
    gradus_status status = parse_tensors(h, path);
    if (status == GRADUS_OK) status = check_places(h, path, data_bytes);
    if (status == GRADUS_OK) qsort(h->tensors, h->count, sizeof *h->tensors, by_name);
    return status;
}

gradus_status header_parse(header *h, const char *path, const char *text, size_t length, uint64_t data_bytes) {
    *h = (header){0};
    if (length == 0 || text[0] != '{')
        return fail(GRADUS_ERROR_FORMAT, "%s: byte %d: no header of safetensors, which begins with {", path,
                    HEADER_START);
    json_error_t error;
    h->json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    /* Where memory is short, jansson says so, or nothing, or speaks of what it could not hold as if it were wrong: an
     * error all the same.  Its memory is malloc's: it has one allocator for all of a process, which is the user's. */
    if (!h->json && (!error.text[0] || json_error_code(&error) == json_error_out_of_memory))
        return fail_out_of_memory(path);
    if (!h->json)
        return fail(GRADUS_ERROR_FORMAT, "%s: byte %d: the header is no JSON: %s", path,
                    HEADER_START + (error.position > 0 ? error.position : 0), error.text);
    gradus_status status = parse(h, path, data_bytes);
    if (status != GRADUS_OK) header_free(h);
    return status;
}

void header_free(header *h) {
    memory_free(h->tensors);
    json_decref(h->json);
    *h = (header){0};
}

void header_readable(char text[KINDS_TEXT]) {
    size_t n = 0;
    for (size_t i = 0; i < N_KINDS; i++)
        if (kinds[i].dtype) n += (size_t)snprintf(text + n, KINDS_TEXT - n, "%s%s", i ? ", " : "", kinds[i].name);
}

const stored *header_find(const header *h, const char *name) {
    return bsearch(&(stored){.name = name}, h->tensors, h->count, sizeof *h->tensors, by_name);
}

const char *header_metadata(const header *h, const char *key) {
    return json_string_value(json_object_get(json_object_get(h->json, metadata_key), key));
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* A tensor's description, or NULL where memory is short. */
static json_t *describe(const stored *t) {
    json_t *shape = json_array();
    for (int64_t i = 1; i <= t->shape.d[0]; i++) {
        if (json_array_append_new(shape, json_integer(t->shape.d[i])) == 0) continue;
        json_decref(shape);
        return NULL;
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", kinds[t->dtype - 1].name, "shape", shape, "data_offsets",
                     (json_int_t)t->begin, (json_int_t)t->end);
}

static json_t *compose(const stored *tensors, size_t count, const metadata *pairs, size_t n_pairs) {
    json_t *root = json_object(), *notes = n_pairs ? json_object() : NULL;
    bool fine = root && (!n_pairs || notes);
    for (size_t i = 0; i < n_pairs && fine; i++) {
        fine = json_object_set_new(notes, pairs[i].key, json_string(pairs[i].value)) == 0;
    }
    if (fine && notes) fine = json_object_set(root, metadata_key, notes) == 0;
    for (size_t i = 0; i < count && fine; i++) {
        fine = json_object_set_new(root, tensors[i].name, describe(&tensors[i])) == 0;
    }
    json_decref(notes);
    if (fine) return root;
    json_decref(root);
    return NULL;
}

/* The format has one name for itself, and JSON is UTF-8. */
static gradus_status check_names(const char *where, const stored *tensors, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *name = tensors[i].name;
        if (strcmp(name, metadata_key) == 0)
            return fail(GRADUS_ERROR_ARGUMENT, "%s: a state tensor cannot be named \"%s\" in a safetensors file", where,
                        name);
        json_error_t error = {.line = 0}; /* jansson gives no code where memory runs out */
        json_t *text = json_pack_ex(&error, 0, "s", name);
        json_decref(text);
        if (text) continue;
        if (json_error_code(&error) != json_error_invalid_utf8) return fail_out_of_memory(where);
        return fail(GRADUS_ERROR_ARGUMENT,
                    "%s: the name \"%s\" of a state tensor is not UTF-8, as it must be in a safetensors file", where,
                    name);
    }
    return GRADUS_OK;
}

gradus_status header_format(const char *where, const stored *tensors, size_t count, const metadata *pairs,
                            size_t n_pairs, char **bytes, size_t *length) {
    gradus_status status = check_names(where, tensors, count);
    if (status != GRADUS_OK) return status;
    json_t *root = compose(tensors, count, pairs, n_pairs);
    size_t used = root ? json_dumpb(root, NULL, 0, JSON_COMPACT) : 0;
    size_t padded = (used + 7) & ~(size_t)7;
    *bytes = used ? memory_reallocate(NULL, HEADER_START + padded) : NULL;
    bool fine = *bytes && json_dumpb(root, *bytes + HEADER_START, used, JSON_COMPACT) == used;
    json_decref(root);
    if (!fine) {
        memory_free(*bytes);
        return fail_out_of_memory(where);
    }
    if (padded > HEADER_LONGEST) {
        memory_free(*bytes);
        return fail(GRADUS_ERROR_ARGUMENT,
                    "%s: the names of all tensors take %zu bytes, a safetensors file has room for %d", where, padded,
                    HEADER_LONGEST);
    }
    for (size_t i = 0; i < HEADER_START; i++) (*bytes)[i] = (char)(unsigned char)((uint64_t)padded >> 8 * i);
    memset(*bytes + HEADER_START + used, ' ', padded - used);
    *length = HEADER_START + padded;
    return GRADUS_OK;
}

#endif
