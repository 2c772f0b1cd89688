/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy's files of single arrays, .npy: what numpy.save writes and numpy.load reads (numpy.lib.format, versions 1.0, 2.0
 * and 3.0).
 *
 *     gradus_npy_write("images.npy", images, GRADUS_F32, GRADUS_SHAPE(1000, 784));
 *     gradus_data_npy((const char *[]){"images.npy", "labels.npy"}, 2, &data);
 *
 * The dtypes are f4, f8, i4, i8, u1 and b1: F32, F64, I32, I64, U8 and BOOL.  Read are also their other names in NumPy ("?",
 * "float32"), either order of bytes, and the extents of Python 2 ("3L").
 */
#ifndef GRADUS_NPY_H
#define GRADUS_NPY_H

#include <gradus/data.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An array as it was read: row-major, in this machine's byte order.  Extents may be 0, and so may the rank. */
typedef struct {
    void *data;
    gradus_dtype dtype;
    gradus_shape shape;
} gradus_npy;

/* Reads a file, plain or compressed with gzip, of either byte order and of C's or Fortran's order of elements.  The
 * array is the caller's, who frees it with gradus_npy_free; it is all zero after an error.  Thread-safe.
 *
 * GRADUS_ERROR_NOT_FOUND, GRADUS_ERROR_IO (no regular file, such as a pipe, too), GRADUS_ERROR_MEMORY.
 * GRADUS_ERROR_FORMAT: the message names file, byte and
 * what was expected; a file must be whole and hold nothing more, and booleans must be 0 or 1.  Memory grows with what
 * arrives, not with what a header claims. */
GRADUS_API gradus_status gradus_npy_read(const char *path, gradus_npy *array);

/* Frees the data and clears the array; takes NULL and an array that is all zero. */
GRADUS_API void gradus_npy_free(gradus_npy *array);

/* Writes row-major elements in this machine's byte order, as version 1.0.  The file is written whole or not at all, as
 * checkpoints are.  `data` may be NULL where an extent is 0.  GRADUS_ERROR_ARGUMENT,
 * GRADUS_ERROR_IO, GRADUS_ERROR_MEMORY. */
GRADUS_API gradus_status gradus_npy_write(const char *path, const void *data, gradus_dtype dtype, gradus_shape shape);

/* A data set of the arrays of `count` files, which have equally many rows, at least one: batches deliver them as they
 * are.  Errors as of gradus_npy_read, and GRADUS_ERROR_MISMATCH: rows differ; GRADUS_ERROR_ARGUMENT. */
GRADUS_API gradus_status gradus_data_npy(const char *const *paths, size_t count, gradus_data **data);

#ifdef __cplusplus
}
#endif
#endif
