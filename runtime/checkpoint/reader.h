/* SPDX-License-Identifier: Apache-2.0
 * A safetensors file that is open for reading. */
#ifndef GRADUS_RUNTIME_CHECKPOINT_READER_H
#define GRADUS_RUNTIME_CHECKPOINT_READER_H

#include "runtime/checkpoint/header.h"

#include <gradus/checkpoint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors go between file and memory as they are");

struct gradus_safetensors {
    int file;
    char *path;
    uint64_t data; /* where the tensors begin in the file */
    header header;
};

/* Reads a tensor whose dtype Gradus has, to memory of reader_bytes.  Sets the error. */
gradus_status reader_read(const gradus_safetensors *f, const stored *t, void *data);
size_t reader_bytes(const stored *t);

#endif
