/* SPDX-License-Identifier: Apache-2.0
 * Reading safetensors files, tensor by tensor.  See gradus/checkpoint.h. */
#include "runtime/checkpoint/reader.h"

#include "runtime/core.h"
#include "runtime/files.h"
#include "runtime/formats.h"
#include "runtime/names.h"
#include "runtime/world.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* Reads exactly `size` bytes at a place of the file. */
static gradus_status read_at(const gradus_safetensors *f, uint64_t place, void *bytes, size_t size) {
    unsigned char *to = bytes;
    while (size) {
        ssize_t n = pread(f->file, to, size < (1 << 30) ? size : 1 << 30, (off_t)place);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(GRADUS_ERROR_IO, "%s: byte %" PRIu64 ": %s", f->path, place, strerror(errno));
        if (n == 0) return fail(GRADUS_ERROR_IO, "%s: byte %" PRIu64 ": the file became shorter", f->path, place);
        to += n;
        place += (uint64_t)n;
        size -= (size_t)n;
    }
    return GRADUS_OK;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* An error at the begin of a file, which goes on with what the file looks like instead. */
static gradus_status fail_begin(const gradus_safetensors *f, uint64_t bytes, const char *format, ...) PRINTF_LIKE(3, 4);
static gradus_status fail_begin(const gradus_safetensors *f, uint64_t bytes, const char *format, ...) {
    char said[512], looks[FORMAT_TEXT];
    unsigned char begin[FORMAT_BYTES];
    size_t n = bytes < sizeof begin ? (size_t)bytes : sizeof begin;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(said, sizeof said, format, arguments);
    va_end(arguments);
    if (read_at(f, 0, begin, n) != GRADUS_OK) n = 0;
    return fail(GRADUS_ERROR_FORMAT, "%s: %s%s", f->path, said, format_in_words(begin, n, looks));
}

static gradus_status read_header(gradus_safetensors *f, uint64_t bytes) {
    unsigned char start[HEADER_START];
    uint64_t length = 0;
    if (bytes < HEADER_START)
        return fail_begin(
            f, bytes, "%" PRIu64 " bytes are no safetensors file, which begins with 8 that say how long its header is",
            bytes);
    gradus_status status = read_at(f, 0, start, HEADER_START);
    if (status != GRADUS_OK) return status;
    for (size_t i = 0; i < HEADER_START; i++) length |= (uint64_t)start[i] << 8 * i;
    if (length > HEADER_LONGEST)
        return fail_begin(f, bytes,
                          "byte 0: a header of %" PRIu64 " bytes, expected at most %d: this is no safetensors file",
                          length, HEADER_LONGEST);
    if (length > bytes - HEADER_START)
        return fail_begin(f, bytes,
                          "byte 0: a header of %" PRIu64 " bytes, but only %" PRIu64 " follow: the file is cut short",
                          length, bytes - HEADER_START);
    char *text = memory_reallocate(NULL, (size_t)length);
    if (!text) return fail_out_of_memory(f->path);
    f->data = HEADER_START + length;
    status = read_at(f, HEADER_START, text, (size_t)length);
    if (status == GRADUS_OK) status = header_parse(&f->header, f->path, text, (size_t)length, bytes - f->data);
    memory_free(text);
    return status;
}

gradus_status gradus_safetensors_open(const char *path, gradus_safetensors **file) {
    ENTER;
    static const char *where = "gradus_safetensors_open";
    if (!file) return fail(GRADUS_ERROR_ARGUMENT, "%s: no place for the result (NULL)", where);
    *file = NULL;
    if (!path) return fail(GRADUS_ERROR_ARGUMENT, "%s: the path is NULL", where);
    size_t length = strlen(path) + 1;
    gradus_safetensors *f = memory_zeroed(sizeof *f);
    if (!f) return fail_out_of_memory(path);
    f->file = -1;
    f->path = memory_reallocate(NULL, length);
    uint64_t bytes = 0;
    gradus_status status = f->path ? GRADUS_OK : fail_out_of_memory(path);
    if (status == GRADUS_OK) {
        memcpy(f->path, path, length);
        status = file_open(path, &f->file, &bytes);
    }
    if (status == GRADUS_OK) status = read_header(f, bytes);
    if (status == GRADUS_OK) *file = f;
    else gradus_safetensors_close(&f);
    return status;
}

void gradus_safetensors_close(gradus_safetensors **file) {
    if (!file || !*file) return;
    gradus_safetensors *f = *file;
    *file = NULL;
    header_free(&f->header);
    if (f->file >= 0) close(f->file);
    memory_free(f->path);
    memory_free(f);
}

/* --- tensors ------------------------------------------------------------------------------------------------------ */

/* bfloat16 is the upper half of an f32. */
static uint32_t from_bf16(uint16_t half) { return (uint32_t)half << 16; }

/* IEEE 754 binary16 to binary32, exactly: the exponent's bias grows from 15 to 127, the fraction from 10 to 23 bits. */
static uint32_t from_f16(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31) return sign | 0x7f800000 | fraction << 13;
    if (exponent) return sign | (exponent + 112) << 23 | fraction << 13;
    if (!fraction) return sign;
    for (exponent = 113; !(fraction & 1024); exponent--) fraction <<= 1; /* subnormal: normal as f32 */
    return sign | exponent << 23 | (fraction & 1023) << 13;
}

/* Widens 16-bit floats that fill the second half of `data`, front to back: what is written never reaches what is still
 * to be read. */
static void widen(unsigned char *data, size_t elements, uint32_t (*from)(uint16_t)) {
    for (size_t i = 0; i < elements; i++) {
        uint16_t half;
        memcpy(&half, data + 2 * elements + 2 * i, sizeof half);
        uint32_t bits = from(half);
        memcpy(data + 4 * i, &bits, sizeof bits);
    }
}

size_t reader_bytes(const stored *t) { return (size_t)t->elements * gradus_dtype_size(t->dtype); }

gradus_status reader_read(const gradus_safetensors *f, const stored *t, void *data) {
    unsigned char *bytes = data;
    size_t size = (size_t)(t->end - t->begin), wide = reader_bytes(t);
    gradus_status status = read_at(f, f->data + t->begin, bytes + (wide - size), size);
    if (status != GRADUS_OK) return status;
    if (wide != size) widen(bytes, wide / 4, strcmp(t->kind, "BF16") == 0 ? from_bf16 : from_f16);
    for (size_t i = 0; t->dtype == GRADUS_BOOL && i < size; i++) {
        if (bytes[i] > 1)
            return fail(GRADUS_ERROR_FORMAT, "%s: \"%s\": element %zu is %d, a BOOL is 0 or 1", f->path, t->name, i,
                        bytes[i]);
    }
    return GRADUS_OK;
}

gradus_status gradus_safetensors_info(const gradus_safetensors *file, size_t index, gradus_info *info) {
    ENTER;
    static const char *where = "gradus_safetensors_info";
    if (!file || !info) return fail(GRADUS_ERROR_ARGUMENT, "%s: the %s is NULL", where, file ? "result" : "file");
    size_t count = file->header.count;
    if (index >= count)
        return fail(GRADUS_ERROR_NOT_FOUND, "%s: %s has %zu tensors, and no index %zu", where, file->path, count,
                    index);
    const stored *t = &file->header.tensors[index];
    *info = (gradus_info){.name = t->name,
                          .dtype = t->dtype,
                          .shape = t->shape,
                          .bytes = t->dtype ? reader_bytes(t) : (size_t)(t->end - t->begin)};
    return GRADUS_OK;
}

static const char *stored_name(const void *list, size_t i) { return ((const stored *)list)[i].name; }

gradus_status gradus_safetensors_read(const gradus_safetensors *file, const char *name, void *data, size_t bytes) {
    ENTER;
    static const char *where = "gradus_safetensors_read";
    if (!file || !name) return fail(GRADUS_ERROR_ARGUMENT, "%s: the %s is NULL", where, file ? "name" : "file");
    const stored *t = header_find(&file->header, name);
    if (!t) {
        char near[512];
        names_near(name, stored_name, file->header.tensors, file->header.count, near, sizeof near);
        return fail(GRADUS_ERROR_NOT_FOUND, "%s: %s has no tensor \"%s\"%s", where, file->path, name, near);
    }
    char shape[SHAPE_TEXT];
    shape_in_words(&t->shape, shape);
    if (!t->dtype) {
        char readable[KINDS_TEXT];
        header_readable(readable);
        if (t->rank > GRADUS_MAX_RANK)
            return fail(GRADUS_ERROR_MISMATCH, "%s: %s: \"%s\" has %zu axes, at most %d can be read", where, file->path,
                        name, t->rank, GRADUS_MAX_RANK);
        return fail(GRADUS_ERROR_MISMATCH, "%s: %s: \"%s\" is %.40s %s, a dtype that Gradus has not; it reads %s",
                    where, file->path, name, t->kind, shape, readable);
    }
    if (bytes != reader_bytes(t))
        return fail(GRADUS_ERROR_MISMATCH, "%s: %s: \"%s\" is %s %s: %zu bytes, got %zu", where, file->path, name,
                    gradus_dtype_name(t->dtype), shape, reader_bytes(t), bytes);
    if (!data && bytes) return fail(GRADUS_ERROR_ARGUMENT, "%s: \"%s\": the data is NULL", where, name);
    return reader_read(file, t, data);
}

const char *gradus_safetensors_metadata(const gradus_safetensors *file, const char *key) {
    return file && key ? header_metadata(&file->header, key) : NULL;
}
