/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sets and batches.  A data set is a list of tensors with a common leading dimension, its rows: images and their
 * labels, say.  Batches walk through it in a new order each epoch and give what gradus_call takes.
 *
 *     gradus_data_idx("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", NULL, &data);
 *     gradus_batches_create(data, gradus_batch_options(.batch_size = 128, .seed = 1), &batches);
 *     while (gradus_batches_next(batches, &b)) gradus_call(p, "train", b.size, b.inputs, GRADUS_OUTPUTS(&loss));
 *
 * A data set never changes, so threads may share it.  Batches belong to one thread at a time.
 */
#ifndef GRADUS_DATA_H
#define GRADUS_DATA_H

#include <gradus/run.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gradus_data gradus_data;
typedef struct gradus_batches gradus_batches;

/* Frees a data set and clears the pointer; takes NULL and a pointer to NULL.  Parts and batches made of it stay
 * valid. */
GRADUS_API void gradus_data_destroy(gradus_data **data);

/* How IDX files are delivered; zero means the default. */
typedef struct {
    size_t size_;
    bool no_flatten;       /* keep a row's shape, (28, 28); default: rows are flat, (784) */
    bool no_scale;         /* bytes as F32 from 0 to 255; default: divided by 255, from 0 to 1 */
    bool raw;              /* bytes as U8, unchanged */
    uint64_t reserved_[4]; /* zero */
} gradus_idx_options;
#define gradus_idx_options(...) GRADUS_OPTIONS_(gradus_idx_options, __VA_ARGS__)

/* Reads a file of inputs and a file of labels in the IDX format of MNIST (http://yann.lecun.com/exdb/mnist: 0 0 type
 * rank, the extents, then the elements, all big-endian), plain or compressed with gzip.  `labels` may be NULL,
 * `options` too.
 *
 * The first tensor is `images`: bytes, which stay bytes in memory and become F32 in batches as the options say;
 * signed bytes and 16-bit integers become I32; I32, F32 and F64 stay.  The second is `labels`: I32 where the file
 * has integers.
 *
 * GRADUS_ERROR_NOT_FOUND, GRADUS_ERROR_IO (no regular file, such as a pipe, too).  GRADUS_ERROR_FORMAT: the message names
 * file, byte and what was expected; a file must be whole and hold nothing more.  Memory grows with what arrives, not with what a header claims.
 * GRADUS_ERROR_MISMATCH: the files have different numbers of rows.  GRADUS_ERROR_MEMORY. */
GRADUS_API gradus_status gradus_data_idx(const char *images, const char *labels, const gradus_idx_options *options,
                                         gradus_data **data);

/* A tensor in the caller's memory, row-major; shape.d[1] is the number of rows. */
typedef struct {
    const void *data;
    gradus_dtype dtype;
    gradus_shape shape;
} gradus_data_array;

/* A data set of copies of the caller's tensors, which have equally many rows, at least one: batches deliver them as
 * they are.  GRADUS_ERROR_ARGUMENT, GRADUS_ERROR_MISMATCH (rows differ), GRADUS_ERROR_MEMORY. */
GRADUS_API gradus_status gradus_data_arrays(const gradus_data_array *arrays, size_t count, gradus_data **data);

/* The number of rows, and of elements in a row of the first tensor (784 for MNIST); 0 for NULL. */
GRADUS_API int64_t gradus_data_rows(const gradus_data *data);
GRADUS_API int64_t gradus_data_columns(const gradus_data *data);

/* Describes the `index`-th tensor as batches deliver it: dtype, shape with the rows first, bytes of all rows; the
 * name is "".  GRADUS_ERROR_NOT_FOUND past the last. */
GRADUS_API gradus_status gradus_data_info(const gradus_data *data, size_t index, gradus_info *info);

/* Splits rows at random: about `fraction` of them (0 < fraction < 1, rounded to nearest, at least one row each) to
 * `first`, the others to `second`.  Equal seeds give equal parts; both keep the rows' order and share the tensors
 * with `data`. */
GRADUS_API gradus_status gradus_data_split(const gradus_data *data, double fraction, uint64_t seed, gradus_data **first,
                                           gradus_data **second);

/* The rows `from` … `to`-1 as a data set that shares the tensors with `data`; at least one row. */
GRADUS_API gradus_status gradus_data_slice(const gradus_data *data, int64_t from, int64_t to, gradus_data **part);

/* Zero means the default. */
typedef struct {
    size_t size_;
    int64_t batch_size;    /* 32 */
    bool no_shuffle;       /* rows in their order */
    bool drop_last;        /* leave out the last batch of an epoch where it is shorter than batch_size */
    uint64_t seed;         /* of the shuffling */
    uint64_t reserved_[4]; /* zero */
} gradus_batch_options;
#define gradus_batch_options(...) GRADUS_OPTIONS_(gradus_batch_options, __VA_ARGS__)

/* A batch.  The inputs are the data set's tensors in their order, with dtypes, in memory of the gradus_batches:
 * valid until its next _next, _seek or _destroy. */
typedef struct {
    int64_t size;  /* rows in it */
    int64_t index; /* its number in the epoch, from 0 */
    int64_t epoch; /* from 0 */
    gradus_inputs inputs;
} gradus_batch;

/* Begins before the first batch of epoch 0.  `options` may be NULL.  Allocates everything that walking needs.
 * GRADUS_ERROR_ARGUMENT, GRADUS_ERROR_MEMORY. */
GRADUS_API gradus_status gradus_batches_create(const gradus_data *data, const gradus_batch_options *options,
                                               gradus_batches **batches);
/* Frees them and clears the pointer; takes NULL and a pointer to NULL. */
GRADUS_API void gradus_batches_destroy(gradus_batches **batches);

/* The next batch; false at the end of an epoch (`batch` is then left alone), after which the next call begins the
 * next epoch.  An epoch's order depends on the seed and the epoch alone. */
GRADUS_API bool gradus_batches_next(gradus_batches *batches, gradus_batch *batch);

/* How many batches an epoch has. */
GRADUS_API int64_t gradus_batches_count(const gradus_batches *batches);

/* Where it stands, as the epoch and the index of the batch that _next gives next (_count at the end of an epoch),
 * and the way back there.  An epoch is at most 2^53, an index at most _count: else GRADUS_ERROR_ARGUMENT. */
GRADUS_API void gradus_batches_tell(const gradus_batches *batches, int64_t *epoch, int64_t *index);
GRADUS_API gradus_status gradus_batches_seek(gradus_batches *batches, int64_t epoch, int64_t index);

#ifdef __cplusplus
}
#endif
#endif
