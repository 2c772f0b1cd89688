/* SPDX-License-Identifier: Apache-2.0
 * The header of a safetensors file: JSON that says which tensors are in it and where.
 *
 *     8 bytes       how long the header is, N, little-endian
 *     N bytes       {"fc/kernel": {"dtype": "F32", "shape": [784, 10], "data_offsets": [0, 31360]}, …,
 *                    "__metadata__": {"key": "value", …}}, with spaces at the end
 *     the rest      the tensors: little-endian, row-major, without holes or overlap, to the end of the file
 */
#ifndef GRADUS_RUNTIME_CHECKPOINT_HEADER_H
#define GRADUS_RUNTIME_CHECKPOINT_HEADER_H

#include "runtime/support.h"

enum { HEADER_START = 8, HEADER_LONGEST = 100000000 };

typedef struct {
    const char *name;
    const char *kind;   /* its dtype as the file says it: "F32", "BF16", … */
    gradus_dtype dtype; /* what it is read as: BF16 and F16 as F32; 0 for what cannot be read */
    gradus_shape shape; /* of a tensor with more axes than Gradus has: (elements), and dtype 0 */
    size_t rank;        /* in the file, */
    int64_t elements;   /* whose product of extents fits */
    uint64_t begin, end; /* its bytes, counted from the end of the header */
} stored;

typedef struct {
    const char *key, *value;
} metadata;

typedef struct {
    stored *tensors; /* by name */
    size_t count;
    void *json; /* has the names and the metadata */
} header;

/* Parses and checks a header in a file with `data_bytes` after it.  GRADUS_ERROR_FORMAT, whose message begins with the
 * path; GRADUS_ERROR_MEMORY; GRADUS_ERROR_IO in a build without jansson.  After an error there is nothing to free. */
gradus_status header_parse(header *h, const char *path, const char *text, size_t length, uint64_t data_bytes);
void header_free(header *h);

/* What a header can say of a dtype that Gradus reads: "F32, F64, …". */
enum { KINDS_TEXT = 64 };
void header_readable(char text[KINDS_TEXT]);

const stored *header_find(const header *h, const char *name);  /* NULL where there is none */
const char *header_metadata(const header *h, const char *key); /* likewise */

/* Writes the header of tensors and metadata with its length before and padding behind, all of which begin the file;
 * memory_free frees it.  Of a tensor name, dtype, shape, begin and end are used.  GRADUS_ERROR_ARGUMENT for a name that
 * JSON cannot hold; GRADUS_ERROR_MEMORY; GRADUS_ERROR_IO in a build without jansson. */
gradus_status header_format(const char *where, const stored *tensors, size_t count, const metadata *pairs,
                            size_t n_pairs, char **bytes, size_t *length);

#endif
