/* SPDX-License-Identifier: Apache-2.0
 *
 * IDX files, plain and under gzip.  The input's first byte has options as bits, the second how many of the bytes that
 * follow are the file of labels (0: there is none), the others are the file of images:
 *
 *     1 no_flatten   2 no_scale   4 raw   8 the images are compressed before they are read
 *
 * What is read has batches. */
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <zlib.h>

static const char *compressed_file(int place, const uint8_t *data, size_t size) {
    z_stream z = {0};
    FUZZ_REQUIRE(deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK, "zlib");
    const size_t room = deflateBound(&z, size);
    uint8_t *out = malloc(room);
    z.next_in = (uint8_t *)(uintptr_t)data;
    z.avail_in = (uInt)size;
    z.next_out = out;
    z.avail_out = (uInt)room;
    FUZZ_REQUIRE(out && deflate(&z, Z_FINISH) == Z_STREAM_END, "zlib");
    const char *path = fuzz_file(place, out, z.total_out);
    deflateEnd(&z);
    free(out);
    return path;
}

static void walk(const gradus_data *data) {
    gradus_batches *batches = NULL;
    gradus_batch b;
    int64_t rows = 0;
    gradus_status status = gradus_batches_create(data, gradus_batch_options(.batch_size = 7), &batches);
    FUZZ_REQUIRE(status == GRADUS_OK || status == GRADUS_ERROR_MEMORY, "%s", gradus_last_error());
    while (batches && gradus_batches_next(batches, &b)) rows += b.size;
    FUZZ_REQUIRE(!batches || rows == gradus_data_rows(data), "batches have %d rows", (int)rows);
    gradus_batches_destroy(&batches);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    const uint8_t flags = data[0];
    const size_t labels = data[1] < size - 2 ? data[1] : size - 2;
    const uint8_t *images = data + 2 + labels;
    const size_t rest = size - 2 - labels;
    const gradus_idx_options o = {.size_ = sizeof o, .no_flatten = flags & 1, .no_scale = flags & 2, .raw = flags & 4};
    const char *label_path = labels ? fuzz_file(1, data + 2, labels) : NULL;
    gradus_data *read = NULL;
    const char *path = flags & 8 ? compressed_file(0, images, rest) : fuzz_file(0, images, rest);
    const gradus_status status = (gradus_data_idx)(path, label_path, &o, &read);
    if (fuzz_read(status, read)) walk(read);
    gradus_data_destroy(&read);
    return 0;
}
