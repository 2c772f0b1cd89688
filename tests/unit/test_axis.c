/* SPDX-License-Identifier: Apache-2.0
 * Axes of charts: round ticks that cover the data. */
#include "tests/cmocka_all.h"
#include "runtime/plot/axis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

/* Nothing overflows, and nothing loops for ever. */
static void test_an_axis_of_extremes(void **state) {
    (void)state;
    const double values[] = {-1e300, -1, -1e-300, -5e-324, 0, 5e-324, 1e-300, 1, 1e300};
    enum { COUNT = sizeof values / sizeof *values };
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = i; j < COUNT; j++) {
            axis a = axis_over(values[i], values[j], 7, i % 2, j % 2);
            char label[64];
            assert_true(a.ticks >= 0 && a.ticks <= 12);
            assert_true(a.high > a.low && a.step > 0 && isfinite(a.high - a.low));
            for (int k = 0; k < a.ticks; k++) axis_label(&a, k, label, sizeof label);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ticks_are_round),
        cmocka_unit_test(test_an_axis_covers_its_range),
        cmocka_unit_test(test_a_point_has_an_axis_too),
        cmocka_unit_test(test_an_axis_of_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
