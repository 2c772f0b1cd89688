/* SPDX-License-Identifier: Apache-2.0
 * The header of .npy files: a magic, a version, a length, and a dictionary of Python's in as many bytes:
 *
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } */
#ifndef GRADUS_RUNTIME_DATA_NPY_HEADER_H
#define GRADUS_RUNTIME_DATA_NPY_HEADER_H

#include "runtime/data/stream.h"

typedef struct {
    gradus_dtype dtype;
    bool swapped; /* the bytes of an element are in the order that is not this machine's */
    bool fortran;
    gradus_shape shape;
    size_t bytes; /* of all elements */
} npy_header;

/* Reads and checks it; what follows are the elements.  GRADUS_ERROR_FORMAT, …_IO, …_MEMORY. */
gradus_status npy_header_read(const char *path, stream *s, npy_header *header);

/* Elements times their size; false where that is more than memory can be. */
bool npy_bytes(gradus_dtype dtype, const gradus_shape *shape, size_t *bytes);

/* Everything in front of the elements, for this machine's byte order; returns its length, a multiple of 64. */
enum { NPY_HEADER = 320 };
size_t npy_header_format(gradus_dtype dtype, const gradus_shape *shape, char text[NPY_HEADER]);

#endif
