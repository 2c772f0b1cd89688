/* SPDX-License-Identifier: Apache-2.0
 * One file in a folder of its own, for tests that write it, read it as a table and see what came of it. */
#ifndef TESTS_UNIT_TABLES_H
#define TESTS_UNIT_TABLES_H

#include "cmocka_all.h"
#include "file.h"
#include "heap.h"

#include <gradus/csv.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/gradus-csv-XXXXXX";
static char path[64];

static inline int make_directory(void **state) {
    (void)state;
    if (!mkdtemp(directory)) return 1;
    snprintf(path, sizeof path, "%s/table", directory);
    return 0;
}

static inline int remove_directory(void **state) {
    (void)state;
    unlink(path);
    return rmdir(directory);
}

static inline void write_bytes(const void *bytes, size_t n) { write_file(path, bytes, n); }

static inline void write_text(const char *text) { write_bytes(text, strlen(text)); }

static inline gradus_data *load_file(const char *file, const gradus_csv_options *options) {
    gradus_data *data = NULL;
    gradus_status status = gradus_data_csv(file, options, &data);
    if (status != GRADUS_OK) fail_msg("%s", gradus_last_error());
    assert_non_null(data);
    return data;
}

static inline gradus_data *load(const char *text, const gradus_csv_options *options) {
    write_text(text);
    return load_file(path, options);
}

/* Expects an error; `message` is what follows the path. */
static inline void refuse(const char *text, const gradus_csv_options *options, gradus_status expected,
                          const char *message) {
    gradus_data *data = NULL;
    if (text) write_text(text);
    gradus_status status = gradus_data_csv(path, options, &data);
    if (status != expected) fail_msg("status %d for %s: %s", (int)status, message, gradus_last_error());
    assert_null(data);
    size_t n = strlen(path);
    if (strncmp(gradus_last_error(), path, n) == 0) assert_string_equal(gradus_last_error() + n, message);
    else assert_string_equal(gradus_last_error(), message);
    assert_int_equal(heap.live, 0);
}

#endif
