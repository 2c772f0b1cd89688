/* SPDX-License-Identifier: Apache-2.0
 * For tests of checkpoints: programs that are nothing but state, files made by hand, a folder for them. */
#ifndef TESTS_CHECKPOINTS_H
#define TESTS_CHECKPOINTS_H

#include "cmocka_all.h"
#include "file.h"
#include "heap.h"
#include "runtime/core.h"

#include <gradus/checkpoint.h>

#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/gradus-checkpoint-XXXXXX";
static char path[64];

static inline int make_directory(void **state) {
    (void)state;
    if (!mkdtemp(directory)) return 1;
    snprintf(path, sizeof path, "%s/file.safetensors", directory);
    heap_install();
    return 0;
}

static inline int remove_directory(void **state) {
    (void)state;
    unlink(path);
    return rmdir(directory); /* fails where a test left something beside */
}

/* A program whose state are these tensors, which get their offsets here. */
typedef struct {
    gradus_abi_tensor tensors[64];
    gradus_abi_program abi;
} state_only;

/* Every dtype at every rank, one of them without elements; sizes that leave gaps between tensors of the state. */
static inline size_t all_tensors(gradus_abi_tensor *tensors) {
    static char names[64][32];
    size_t n = 0;
    for (int dtype = GRADUS_F32; dtype <= GRADUS_BOOL; dtype++) {
        for (int rank = 0; rank <= GRADUS_MAX_RANK; rank++) {
            gradus_shape shape = {{rank}};
            for (int i = 1; i <= rank; i++) shape.d[i] = rank == 3 && i == 2 ? 0 : 1 + (i + rank + dtype) % 2;
            snprintf(names[n], sizeof names[n], "%s/\"rank\"/%d \xc3\xa9\\", gradus_dtype_name((gradus_dtype)dtype),
                     rank);
            tensors[n] = (gradus_abi_tensor){.name = names[n], .dtype = (gradus_dtype)dtype, .shape = shape};
            n++;
        }
    }
    return n;
}

static inline void released(void *owner) { (void)owner; }

static inline gradus_program *make_program(state_only *s, const gradus_abi_tensor *tensors, size_t count) {
    gradus_program *p = NULL;
    int64_t bytes = 0;
    assert_in_range(count, 0, sizeof s->tensors / sizeof *s->tensors);
    if (count) memcpy(s->tensors, tensors, count * sizeof *tensors);
    for (size_t i = 0; i < count; i++) {
        s->tensors[i].offset = bytes;
        bytes += (int64_t)((state_tensor_bytes(&tensors[i]) + 63) / 64 * 64);
    }
    s->abi = (gradus_abi_program){
        .version = GRADUS_ABI_VERSION, .state_bytes = bytes, .state = s->tensors, .n_state = (int32_t)count};
    assert_int_equal(program_create(&s->abi, 1, released, NULL, &p), GRADUS_OK);
    return p;
}

/* Gives every state tensor elements that depend on the number: any bytes, but 0 and 1 for BOOL. */
static inline void fill(gradus_program *p, uint32_t number) {
    gradus_info info;
    for (size_t i = 0; gradus_program_info(p, NULL, GRADUS_STATE, i, 0, &info) == GRADUS_OK; i++) {
        unsigned char *bytes = malloc(info.bytes + 1);
        for (size_t k = 0; k < info.bytes; k++) {
            number = number * 1664525 + 1013904223;
            bytes[k] = (unsigned char)(number >> 24 & (info.dtype == GRADUS_BOOL ? 1 : 255));
        }
        assert_int_equal(gradus_program_write(p, info.name, bytes, info.bytes), GRADUS_OK);
        free(bytes);
    }
}

/* The whole state, to be freed. */
static inline unsigned char *snapshot(gradus_program *p, size_t *bytes) {
    void *data;
    assert_int_equal(gradus_program_state(p, &data, bytes), GRADUS_OK);
    unsigned char *copy = malloc(*bytes + 1);
    memcpy(copy, data, *bytes);
    return copy;
}

static inline void assert_state(gradus_program *p, const unsigned char *expected, size_t bytes) {
    void *data;
    size_t now;
    assert_int_equal(gradus_program_state(p, &data, &now), GRADUS_OK);
    assert_int_equal(now, bytes);
    assert_memory_equal(data, expected, bytes);
}

static inline void write_bytes(const void *bytes, size_t size) {
    unlink(path); /* some file systems wait for the disk where a file is truncated and written again */
    write_file(path, bytes, size);
}

/* The whole file, to be freed. */
static inline unsigned char *read_bytes(const char *from, size_t *size) {
    FILE *f = fopen(from, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *size = (size_t)ftell(f);
    rewind(f);
    unsigned char *bytes = malloc(*size + 1);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    bytes[*size] = '\0';
    fclose(f);
    return bytes;
}

/* A file with this header, whose length may be another than it says, and `size` bytes of data. */
static inline void write_crafted(const char *header, size_t length, uint64_t said, const void *data, size_t size) {
    unsigned char *bytes = malloc(8 + length + size);
    for (size_t i = 0; i < 8; i++) bytes[i] = (unsigned char)(said >> 8 * i);
    memcpy(bytes + 8, header, length);
    if (size) memcpy(bytes + 8 + length, data, size);
    write_bytes(bytes, 8 + length + size);
    free(bytes);
}

#define assert_message(call, status, ...)                    \
    do {                                                     \
        char expected_[2048];                                \
        snprintf(expected_, sizeof expected_, __VA_ARGS__);  \
        assert_int_equal((call), (status));                  \
        assert_string_equal(gradus_last_error(), expected_); \
    } while (0)

#endif
