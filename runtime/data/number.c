/* SPDX-License-Identifier: Apache-2.0
 * Numbers out of text.  See number.h.
 *
 * Short numbers, which are nearly all, are a product or quotient of two exact floats, and so rounded once (W. D. Clinger,
 * How to read floating point numbers accurately, 1990).  The C library, which rounds right too, reads the others; it expects
 * the point of the current locale, so it is given that. */
#include "runtime/data/number.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The number is whole * 10^power, and a little more where digits were cut off. */
typedef struct {
    bool negative, cut;
    int digits; /* significant ones, up to MOST_DIGITS + 1 */
    uint64_t whole;
    int64_t power;
} decimal;

enum { MOST_DIGITS = 19, FURTHEST = 1 << 20 };

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static const char *scan_digits(const char *p, decimal *d, bool fraction) {
    for (; is_digit(*p); p++) {
        if (d->digits || *p != '0') d->digits += d->digits <= MOST_DIGITS;
        bool fits = d->digits <= MOST_DIGITS;
        if (fits) d->whole = 10 * d->whole + (uint64_t)(*p - '0');
        else d->cut |= *p != '0';
        d->power += !fits - fraction;
    }
    return p;
}

/* False where the text is no number. */
static bool scan(const char *text, size_t length, decimal *d) {
    const char *p = text;
    *d = (decimal){.negative = *p == '-'};
    if (*p == '-' || *p == '+') p++;
    const char *begin = p;
    p = scan_digits(p, d, false);
    size_t count = (size_t)(p - begin);
    if (*p == '.') {
        begin = ++p;
        p = scan_digits(p, d, true);
        count += (size_t)(p - begin);
    }
    if (count == 0) return false;
    if (*p == 'e' || *p == 'E') {
        bool down = *++p == '-';
        if (*p == '-' || *p == '+') p++;
        if (!is_digit(*p)) return false;
        int64_t power = 0;
        for (; is_digit(*p); p++)
            if (power < FURTHEST) power = 10 * power + (*p - '0');
        d->power += down ? -power : power;
    }
    return p == text + length;
}

/* For the numbers that are not short.  Without memory for a locale the current one serves; where its point is another, the
 * text is then no number, never another one. */
static number_result by_library(const char *text, size_t length, bool narrow, double *value) {
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    char *end;
    if (c) *value = narrow ? (double)strtof_l(text, &end, c) : strtod_l(text, &end, c);
    else *value = narrow ? (double)strtof(text, &end) : strtod(text, &end);
    if (c) freelocale(c);
    if (end != text + length) return NUMBER_NONE;
    return isinf(*value) ? NUMBER_TOO_LARGE : NUMBER_READ;
}

/* Evaluation in a wider type would round twice. */
static bool is_short(const decimal *d, uint64_t most, int64_t furthest) {
    return FLT_EVAL_METHOD == 0 && !d->cut && d->whole <= most && d->power <= furthest && d->power >= -furthest;
}

number_result number_f32(const char *text, size_t length, float *value) {
    static const float tens[] = {1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f, 1e7f, 1e8f, 1e9f, 1e10f};
    decimal d;
    if (!scan(text, length, &d)) return NUMBER_NONE;
    if (is_short(&d, 1 << FLT_MANT_DIG, 10)) {
        float whole = d.negative ? -(float)d.whole : (float)d.whole;
        *value = d.power < 0 ? whole / tens[-d.power] : whole * tens[d.power];
        return NUMBER_READ;
    }
    double read;
    number_result result = by_library(text, length, true, &read);
    *value = (float)read;
    return result;
}

number_result number_f64(const char *text, size_t length, double *value) {
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    decimal d;
    if (!scan(text, length, &d)) return NUMBER_NONE;
    if (!is_short(&d, UINT64_C(1) << DBL_MANT_DIG, 22)) return by_library(text, length, false, value);
    double whole = d.negative ? -(double)d.whole : (double)d.whole;
    *value = d.power < 0 ? whole / tens[-d.power] : whole * tens[d.power];
    return NUMBER_READ;
}

number_result number_i64(const char *text, size_t length, int64_t *value) {
    decimal d;
    if (!scan(text, length, &d)) return NUMBER_NONE;
    if (d.cut) return d.power < 0 ? NUMBER_FRACTION : NUMBER_TOO_LARGE;
    for (; d.power < 0 && d.whole % 10 == 0 && d.whole; d.power++) d.whole /= 10;
    if (d.whole == 0) d.power = 0;
    if (d.power < 0) return NUMBER_FRACTION;
    for (; d.power > 0; d.power--)
        if (__builtin_mul_overflow(d.whole, (uint64_t)10, &d.whole)) return NUMBER_TOO_LARGE;
    if (d.whole > (uint64_t)INT64_MAX + d.negative) return NUMBER_TOO_LARGE;
    *value = (int64_t)(d.negative ? -d.whole : d.whole);
    return NUMBER_READ;
}
