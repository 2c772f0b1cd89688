/* SPDX-License-Identifier: Apache-2.0
 *
 * Random tables of text, quoted and delimited in every way: what is read against Python's csv module, which
 * tests/oracle/csv_tables.py asks.  Skipped without Python.
 *
 *     GRADUS_RANDOM_FIRST=N GRADUS_RANDOM_COUNT=M    M tables of the seed N instead of 400 of the seed 1
 */
#include "tests/cmocka_all.h"
#include "tests/environment.h"
#include "tests/python.h"

#include <gradus/csv.h>
#include <inttypes.h>
#include <string.h>

static void check_classes(FILE *expected, const gradus_data *data, int count, const char *path) {
    const char *const *names = NULL;
    if (gradus_data_classes(data, &names) != count) fail_msg("%s has not %d classes", path, count);
    for (int k = 0; k < count; k++) {
        char hex[512], mine[512] = "";
        assert_int_equal(fscanf(expected, "%511s", hex), 1);
        for (size_t i = 0; names[k][i] && i < 255; i++) sprintf(mine + 2 * i, "%02x", (unsigned char)names[k][i]);
        if (strcmp(mine, hex) != 0) fail_msg("%s: class %d is %s, expected %s", path, k, mine, hex);
    }
    assert_int_equal(fgetc(expected), '\n');
}

static void check_table(const char *directory, uint64_t number) {
    char path[128], out[128];
    snprintf(path, sizeof path, "%s/%" PRIu64 ".csv", directory, number);
    snprintf(out, sizeof out, "%s/%" PRIu64 ".out", directory, number);
    FILE *expected = fopen(out, "rb");
    assert_non_null(expected);
    int rows, features, classes, header, delimiter;
    assert_int_equal(fscanf(expected, "%d %d %d %d %d", &rows, &features, &classes, &header, &delimiter), 5);
    gradus_data *data = NULL;
    if (gradus_data_csv(
            path,
            gradus_csv_options(.header = header, .delimiter = (char)delimiter, .label = "-1", .label_names = true),
            &data))
        fail_msg("%s", gradus_last_error());
    if (gradus_data_rows(data) != rows || gradus_data_columns(data) != features) fail_msg("%s has another shape", path);
    check_classes(expected, data, classes, path);
    gradus_batches *batches = NULL;
    gradus_batch b;
    static float x[4096];
    static int32_t y[512];
    assert_int_equal(
        gradus_batches_create(data, gradus_batch_options(.batch_size = rows, .no_shuffle = true), &batches), GRADUS_OK);
    assert_true(gradus_batches_next(batches, &b));
    assert_int_equal(fread(x, sizeof *x, (size_t)(rows * features), expected), rows * features);
    assert_int_equal(fread(y, sizeof *y, (size_t)rows, expected), rows);
    if (memcmp(x, b.inputs.items[0].data, (size_t)(rows * features) * sizeof *x) != 0) fail_msg("%s: features", path);
    if (memcmp(y, b.inputs.items[1].data, (size_t)rows * sizeof *y) != 0) fail_msg("%s: labels", path);
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&data);
    fclose(expected);
}

static void random_tables(void **state) {
    (void)state;
    const char *python = find_python("csv");
    if (!python) skip();
    uint64_t seed = number_from_environment("GRADUS_RANDOM_FIRST", 1), count = number_from_environment("GRADUS_RANDOM_COUNT", long_run() ? 10000 : 400);
    char directory[] = "/tmp/gradus-tables-XXXXXX";
    assert_non_null(mkdtemp(directory));
    assert_int_equal(
        shell("'%s' '%s' '%s' %" PRIu64 " %" PRIu64, python, TESTS_DIR "/oracle/csv_tables.py", directory, seed, count),
        0);
    for (uint64_t i = 0; i < count; i++) check_table(directory, i); /* the folder stays where one fails */
    shell("rm -rf '%s'", directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_tables)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
