/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy's files of arrays.  What is read is written and read again, and has the same dtype, shape and elements; with rows
 * it is a data set too. */
#include "tests/fuzz/fuzz.h"

#include "ir/graph.h"

#include <string.h>

static void check_again(const gradus_npy *a) {
    gradus_npy b = {0};
    const size_t bytes = (size_t)shape_elements(&a->shape) * gradus_dtype_size(a->dtype);
    const char *path = fuzz_file(1, "", 0);
    FUZZ_REQUIRE(gradus_npy_write(path, a->data, a->dtype, a->shape) == GRADUS_OK, "%s", gradus_last_error());
    FUZZ_REQUIRE(gradus_npy_read(path, &b) == GRADUS_OK, "%s", gradus_last_error());
    FUZZ_REQUIRE(a->dtype == b.dtype && shape_equal(&a->shape, &b.shape), "another dtype or shape");
    FUZZ_REQUIRE(bytes == 0 || memcmp(a->data, b.data, bytes) == 0, "other elements");
    gradus_npy_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    gradus_npy a = {0};
    gradus_data *rows = NULL;
    const char *path = fuzz_file(0, data, size);
    const gradus_status status = gradus_npy_read(path, &a);
    fuzz_read(status, status == GRADUS_OK ? &a : NULL);
    if (status == GRADUS_OK) check_again(&a);
    else FUZZ_REQUIRE(!a.data && !a.dtype && !a.shape.d[0], "an array after an error");
    const gradus_status as_data = gradus_data_npy((const char *[]){path}, 1, &rows);
    if (fuzz_read(as_data, rows))
        FUZZ_REQUIRE(status == GRADUS_OK && gradus_data_rows(rows) == a.shape.d[1], "other rows");
    gradus_data_destroy(&rows);
    gradus_npy_free(&a);
    return 0;
}
