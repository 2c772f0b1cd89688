/* SPDX-License-Identifier: Apache-2.0
 * Files that a test writes for others to read. */
#ifndef TESTS_FILE_H
#define TESTS_FILE_H

#include "tests/cmocka_all.h"

#include <stdio.h>

/* A file of exactly these bytes; what was there is gone. */
static inline void write_file(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

#endif
