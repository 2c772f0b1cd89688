/* SPDX-License-Identifier: Apache-2.0
 * Axes and curves. */
#include "tests/cmocka_all.h"
#include "runtime/plot/axis.h"

#include <gradus/plot.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void assert_labels(axis a, const char *const *labels) {
    char label[64];
    for (int i = 0; i < a.ticks; i++) {
        assert_non_null(labels[i]);
        axis_label(&a, i, label, sizeof label);
        assert_string_equal(label, labels[i]);
    }
    assert_null(labels[a.ticks]);
}

static void test_ticks_are_round(void **state) {
    (void)state;
    assert_labels(axis_over(0.037, 0.26, 7, 0, 0),
                  (const char *const[]){"0.00", "0.05", "0.10", "0.15", "0.20", "0.25", "0.30", NULL});
    assert_labels(axis_over(1, 5, 11, 1, 1), (const char *const[]){"1", "2", "3", "4", "5", NULL});
    assert_labels(axis_over(-3, 40, 7, 0, 0), (const char *const[]){"-10", "0", "10", "20", "30", "40", NULL});
    assert_labels(axis_over(0, 2e6, 3, 0, 0), (const char *const[]){"0", "1e+06", "2e+06", NULL});
}

static void test_an_axis_covers_its_range(void **state) {
    (void)state;
    for (double low = -1.3; low < 2; low += 0.37) {
        for (double width = 1e-7; width < 1e7; width *= 3) {
            axis a = axis_over(low, low + width, 7, 0, 0);
            assert_true(a.low <= low + 1e-6 * a.step && a.high >= low + width - 1e-6 * a.step);
            assert_true(a.ticks >= 2 && a.ticks <= 9);
            assert_true(fabs(axis_tick(&a, a.ticks - 1) - a.high) <= 1e-6 * a.step);
        }
    }
}

static void test_a_point_has_an_axis_too(void **state) {
    (void)state;
    axis a = axis_over(1, 1, 11, 1, 1);
    assert_true(a.low < 1 && a.high > 1);
    assert_labels(a, (const char *const[]){"1", NULL});
    a = axis_over(0, 0, 7, 0, 0);
    assert_true(a.low < 0 && a.high > 0);
}

static void test_wrong_arguments_are_errors(void **state) {
    (void)state;
    gradus_series none = {0}, many[GRADUS_PLOT_SERIES + 1] = {{0}};
    assert_int_not_equal(gradus_plot_curves(NULL, "t", "x", &none, 1), GRADUS_OK);
    assert_int_not_equal(gradus_plot_curves("unused.svg", "t", "x", NULL, 1), GRADUS_OK);
    assert_int_not_equal(gradus_plot_curves("unused.svg", "t", "x", &none, 0), GRADUS_OK);
    assert_int_not_equal(gradus_plot_curves("unused.svg", "t", "x", many, GRADUS_PLOT_SERIES + 1), GRADUS_OK);
    assert_int_equal(gradus_plot_curves("/nowhere/at/all.svg", "t", "x", &none, 1), GRADUS_ERROR_IO);
    assert_non_null(strstr(gradus_last_error(), "/nowhere/at/all.svg"));
}

#ifdef GRADUS_WITH_CAIRO

/* Draws, and returns the file's text, to be freed. */
static char *drawn(const gradus_series *series, size_t count) {
    char path[] = "/tmp/gradus-plot-XXXXXX";
    int made = mkstemp(path);
    assert_true(made >= 0);
    assert_int_equal(gradus_plot_curves(path, "title", "x", series, count), GRADUS_OK);
    FILE *file = fdopen(made, "rb");
    char *text = calloc(1, 1 << 20);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    unlink(path);
    return text;
}

static void test_curves_become_svg(void **state) {
    (void)state;
    const double loss[] = {0.5, 0.25, NAN, 0.125, INFINITY, 0.1}, at[] = {10, 20, 30, 40, 50, 60};
    const gradus_series series[] = {{"training", NULL, loss, 6}, {"test", at, loss, 6}, {NULL, NULL, NULL, 0}};
    char *first = drawn(series, 3), *second = drawn(series, 3);
    assert_non_null(strstr(first, "<svg"));
    assert_non_null(strstr(first, "</svg>"));
    assert_null(strstr(first, "nan"));
    assert_string_equal(first, second); /* the same bytes each time */
    free(first);
    free(second);
}

#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ticks_are_round),         cmocka_unit_test(test_an_axis_covers_its_range),
        cmocka_unit_test(test_a_point_has_an_axis_too), cmocka_unit_test(test_wrong_arguments_are_errors),
#ifdef GRADUS_WITH_CAIRO
        cmocka_unit_test(test_curves_become_svg),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
