/* SPDX-License-Identifier: Apache-2.0
 * A user's logistic regression on a table: reads heart.csv in the current folder, splits it, trains for 50 epochs. */
#include "program.h"

#include <stdlib.h>
#include <unistd.h>

#define main logistic_regression
#include "01_logreg_csv.c"
#undef main

static char directory[] = "/tmp/gradus-logreg-XXXXXX";

static int go_there(void **state) {
    (void)state;
    return mkdtemp(directory) && chdir(directory) == 0 ? 0 : 1;
}

static int clean(void **state) {
    (void)state;
    unlink("heart.csv");
    return chdir("/") || rmdir(directory);
}

/* 303 patients of ages, pressures and pulses of usual sizes, the last column one of 0 and 1. */
static void write_patients(const char *label, const char *last_pulse) {
    uint64_t seed = 7;
    FILE *f = fopen("heart.csv", "w");
    assert_non_null(f);
    fprintf(f, "age,sex,\"pressure, at rest\",pulse,%s\r\n", label);
    for (int i = 0; i < 303; i++) {
        float age = 54 + 9 * noise(&seed), pressure = 130 + 18 * noise(&seed), pulse = 150 + 23 * noise(&seed);
        bool ill = (age - 54) / 9 - (pulse - 150) / 23 + noise(&seed) > 0;
        fprintf(f, "%.0f,%d,%.1f,", (double)age, noise(&seed) > 0, (double)pressure);
        if (i < 302) fprintf(f, "%.0f,%d\r\n", (double)pulse, ill);
        else fprintf(f, "%s,%d\r\n", last_pulse, ill);
    }
    assert_int_equal(fclose(f), 0);
}

static void it_trains(void **state) {
    (void)state;
    write_patients("disease", "150");
    assert_int_equal(logistic_regression(), 0);
}

static void it_says_what_is_wrong(void **state) {
    (void)state;
    write_patients("diseases", "150");
    assert_int_equal(logistic_regression(), 1);
    assert_string_equal(gradus_last_error(),
                        "heart.csv: .label: no column is called \"disease\"; near is \"diseases\"; columns "
                        "have the numbers 0 … 4");
    write_patients("disease", "15o");
    assert_int_equal(logistic_regression(), 1);
    assert_non_null(strstr(gradus_last_error(), "heart.csv:304:"));
    assert_non_null(strstr(gradus_last_error(), ": column 3 \"pulse\": \"15o\" is no number"));
    unlink("heart.csv");
    assert_int_equal(logistic_regression(), 1);
    assert_string_equal(gradus_last_error(), "heart.csv: cannot open: No such file or directory");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_trains), cmocka_unit_test(it_says_what_is_wrong)};
    return cmocka_run_group_tests(tests, go_there, clean);
}
