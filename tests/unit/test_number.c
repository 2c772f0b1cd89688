/* SPDX-License-Identifier: Apache-2.0
 * Numbers out of text: against the C library, and what is no number. */
#include "cmocka_all.h"
#include "german.h"

#include "runtime/data/number.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed = 1;

static uint64_t draw(uint64_t below) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (seed >> 33) % below;
}

static void check_floats(const char *text) {
    float f = 0, expected_f = strtof(text, NULL);
    double d = 0, expected_d = strtod(text, NULL);
    number_result narrow = number_f32(text, strlen(text), &f), wide = number_f64(text, strlen(text), &d);
    if (narrow != (isinf(expected_f) ? NUMBER_TOO_LARGE : NUMBER_READ) || memcmp(&f, &expected_f, sizeof f) != 0)
        fail_msg("\"%s\" is read as %.9g, %d", text, (double)f, (int)narrow);
    if (wide != (isinf(expected_d) ? NUMBER_TOO_LARGE : NUMBER_READ) || memcmp(&d, &expected_d, sizeof d) != 0)
        fail_msg("\"%s\" is read as %.17g, %d", text, d, (int)wide);
}

static void test_known(void **state) {
    (void)state;
    static const char *const texts[] = {"0",
                                        "-0",
                                        "+0",
                                        "-0.0",
                                        ".5",
                                        "5.",
                                        "-.5e1",
                                        "1e5",
                                        "1E+5",
                                        "1e-5",
                                        "00012.50",
                                        "0.1",
                                        "0.3",
                                        "16777216",
                                        "16777217",
                                        "16777219",
                                        "9007199254740993",
                                        "1e22",
                                        "1e23",
                                        "1e10",
                                        "1e11",
                                        "3.4028235e38",
                                        "3.4028236e38",
                                        "1e39",
                                        "-1e39",
                                        "1e400",
                                        "1e-46",
                                        "1e-45",
                                        "7e-46",
                                        "1e-400",
                                        "1e-99999999999999999999",
                                        "0e99999999999999999999",
                                        "4.9e-324",
                                        "0.000000000000000000000000000000000000000000000000123",
                                        "123456789012345678901234567890",
                                        "12345678901234567890.5",
                                        "1.00000005960464477539062500000000000000000000000000000000000001",
                                        "1.000000059604644775390625",
                                        "1.0000001788139343",
                                        "8388608.5",
                                        "8388609.5"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check_floats(texts[i]);
}

/* Digits, a point somewhere, perhaps an exponent: short ones and long ones. */
static void test_random(void **state) {
    (void)state;
    for (int i = 0; i < 300000; i++) {
        char text[64];
        size_t n = 0, digits = 1 + draw(i % 4 ? 9 : 25), point = draw(digits + 3);
        if (draw(2)) text[n++] = draw(4) ? '-' : '+';
        for (size_t k = 0; k < digits; k++) {
            if (k == point) text[n++] = '.';
            text[n++] = (char)('0' + draw(10));
        }
        if (draw(3) == 0) n += (size_t)snprintf(text + n, 16, "e%d", (int)draw(i % 3 ? 30 : 700) - (i % 3 ? 15 : 350));
        text[n] = '\0';
        check_floats(text);
    }
    for (int i = 0; i < 100000; i++) {
        char text[64];
        uint32_t bits = (uint32_t)(draw(UINT64_C(1) << 31) << 1 | draw(2));
        float value, read;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        snprintf(text, sizeof text, "%.*g", i % 2 ? 9 : 17, (double)value);
        assert_int_equal(number_f32(text, strlen(text), &read), NUMBER_READ);
        assert_memory_equal(&read, &value, sizeof read);
    }
}

static void test_what_is_none(void **state) {
    (void)state;
    static const char *const texts[] = {"",     "-",     "+",   ".",    "-.",        "e5",       "1e",
                                        "1e+",  "1.2.3", "1,5", "0x10", "inf",       "nan",      "1 ",
                                        " 1",   "1f",    "--1", "+-1",  "1e5.5",     "1_000",    "1e5e5",
                                        "true", "½",     "१",   "1-",   "1\xc2\xa0", "infinity", "1e--5"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        float f;
        double d;
        int64_t n;
        if (number_f32(texts[i], strlen(texts[i]), &f) != NUMBER_NONE ||
            number_f64(texts[i], strlen(texts[i]), &d) != NUMBER_NONE ||
            number_i64(texts[i], strlen(texts[i]), &n) != NUMBER_NONE)
            fail_msg("\"%s\" is read as a number", texts[i]);
    }
}

static void test_integers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        number_result result;
        int64_t value;
    } cases[] = {
        {"0", NUMBER_READ, 0},
        {"-0.000", NUMBER_READ, 0},
        {"0e-5", NUMBER_READ, 0},
        {"007", NUMBER_READ, 7},
        {"+7", NUMBER_READ, 7},
        {"1.0", NUMBER_READ, 1},
        {"12.50e1", NUMBER_READ, 125},
        {"1e3", NUMBER_READ, 1000},
        {"1000e-3", NUMBER_READ, 1},
        {"9223372036854775807", NUMBER_READ, INT64_MAX},
        {"9223372036854775807.0", NUMBER_READ, INT64_MAX},
        {"-9223372036854775808", NUMBER_READ, INT64_MIN},
        {"1.0000000000000000000000000000", NUMBER_READ, 1},
        {"9223372036854775808", NUMBER_TOO_LARGE, 0},
        {"-9223372036854775809", NUMBER_TOO_LARGE, 0},
        {"18446744073709551616", NUMBER_TOO_LARGE, 0},
        {"99999999999999999999999", NUMBER_TOO_LARGE, 0},
        {"1e19", NUMBER_TOO_LARGE, 0},
        {"1e999999999", NUMBER_TOO_LARGE, 0},
        {"0.5", NUMBER_FRACTION, 0},
        {"1e-1", NUMBER_FRACTION, 0},
        {"1.0000000000000000000000000001", NUMBER_FRACTION, 0},
        {"1e-999999999", NUMBER_FRACTION, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t value = 0;
        number_result result = number_i64(cases[i].text, strlen(cases[i].text), &value);
        if (result != cases[i].result || (result == NUMBER_READ && value != cases[i].value))
            fail_msg("\"%s\" is read as %" PRId64 ", %d", cases[i].text, value, (int)result);
    }
}

static void test_locale(void **state) {
    (void)state;
    if (!speak_german()) skip();
    double d = 0, expected = 0;
    float f = 0;
    assert_true(strtod("1,5", NULL) == 1.5); /* it is German */
    number_result wide = number_f64("1.234567890123456789", 20, &d),
                  narrow = number_f32("1.234567890123456789", 20, &f);
    number_result comma = number_f64("1,5", 3, &expected);
    setlocale(LC_ALL, "C");
    assert_true(wide == NUMBER_READ && narrow == NUMBER_READ && comma == NUMBER_NONE);
    assert_true(d == 1.234567890123456789 && f == 1.234567890123456789f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),    cmocka_unit_test(test_random), cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_integers), cmocka_unit_test(test_locale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
