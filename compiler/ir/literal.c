/* SPDX-License-Identifier: Apache-2.0
 * Scalars and strings as words of the text form.  See literal.h. */
#include "ir/literal.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

scalar scalar_load(gradus_dtype dtype, const void *data, size_t index) {
    const size_t bytes = gradus_dtype_size(dtype);
    scalar value = {.bits = 0};
    memcpy(&value, (const unsigned char *)data + index * bytes, bytes);
    return value;
}

void scalar_store(gradus_dtype dtype, void *data, size_t index, scalar value) {
    const size_t bytes = gradus_dtype_size(dtype);
    memcpy((unsigned char *)data + index * bytes, &value, bytes);
}

static uint64_t bits_of(gradus_dtype dtype, scalar value) {
    switch (gradus_dtype_size(dtype)) {
    case 8: return value.bits;
    case 4: return (uint32_t)value.i32;
    default: return value.u8;
    }
}

static scalar from_bits(gradus_dtype dtype, uint64_t bits) {
    scalar value = {.bits = 0};
    switch (gradus_dtype_size(dtype)) {
    case 8: value.bits = bits; break;
    case 4: value.i32 = (int32_t)(uint32_t)bits; break;
    default: value.u8 = (uint8_t)bits; break;
    }
    return value;
}

const char *literal_write_bits(char out[LITERAL_BYTES], gradus_dtype dtype, scalar value) {
    snprintf(out, LITERAL_BYTES, "0x%0*llx", (int)gradus_dtype_size(dtype) * 2,
             (unsigned long long)bits_of(dtype, value));
    return out;
}

/* The user's locale decides what stdio takes for a decimal point; the text form does not let it. */
static void exchange(char *word, const char *from, const char *to) {
    char *point = strstr(word, from);
    if (!point || strcmp(from, to) == 0) return;
    memmove(point + strlen(to), point + strlen(from), strlen(point + strlen(from)) + 1);
    memcpy(point, to, strlen(to));
}

static const char *locale_point(void) {
    const struct lconv *conventions = localeconv();
    const char *point = conventions && conventions->decimal_point ? conventions->decimal_point : ".";
    return *point && strlen(point) <= 8 ? point : ".";
}

double literal_double(const char *s, size_t *length) {
    static const char characters[] = "0123456789+-.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    char number[136], *end;
    const size_t span = strspn(s, characters);
    snprintf(number, 121, "%.*s", (int)(span < 120 ? span : 120), s);
    exchange(number, ".", locale_point());
    const double value = strtod(number, &end);
    const char *point = strstr(number, locale_point());
    *length = (size_t)(end - number);
    if (point && point < end) *length -= strlen(locale_point()) - 1;
    return value;
}

static const char *write_float(char out[LITERAL_BYTES], gradus_dtype dtype, scalar value) {
    const bool narrow = dtype == GRADUS_F32;
    const double number = narrow ? (double)value.f32 : value.f64;
    if (isnan(number)) {
        const uint64_t plain = narrow ? UINT64_C(0x7fc00000) : UINT64_C(0x7ff8000000000000);
        if (bits_of(dtype, value) != plain) return literal_write_bits(out, dtype, value);
        return strcpy(out, "nan");
    }
    if (isinf(number)) return strcpy(out, number < 0 ? "-inf" : "inf");
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(out, LITERAL_BYTES, "%.*g", precision, number);
        scalar again = {.bits = 0};
        if (narrow) again.f32 = strtof(out, NULL);
        else again.f64 = strtod(out, NULL);
        if (bits_of(dtype, again) == bits_of(dtype, value)) break;
    }
    if (strchr(out, 'e') && fabs(number) >= 1 && fabs(number) < 1e7)
        snprintf(out, LITERAL_BYTES, "%.0f", number); /* 10 */
    exchange(out, locale_point(), ".");
    return out;
}

const char *literal_write(char out[LITERAL_BYTES], gradus_dtype dtype, scalar value) {
    switch (dtype) {
    case GRADUS_F32:
    case GRADUS_F64: return write_float(out, dtype, value);
    case GRADUS_I32: snprintf(out, LITERAL_BYTES, "%lld", (long long)value.i32); return out;
    case GRADUS_I64: snprintf(out, LITERAL_BYTES, "%lld", (long long)value.i64); return out;
    case GRADUS_U8: snprintf(out, LITERAL_BYTES, "%u", (unsigned)value.u8); return out;
    case GRADUS_BOOL:
        if (value.u8 > 1) return literal_write_bits(out, dtype, value);
        return strcpy(out, value.u8 ? "true" : "false");
    }
    return strcpy(out, "?");
}

static bool word_is(const char *word, size_t length, const char *expected) {
    return strlen(expected) == length && memcmp(word, expected, length) == 0;
}

static const char *read_bits(const char *word, size_t length, gradus_dtype dtype, scalar *value) {
    static const char *const wanted[] = {[1] = "0x and 2 digits", [4] = "0x and 8 digits", [8] = "0x and 16 digits"};
    const size_t bytes = gradus_dtype_size(dtype);
    uint64_t bits = 0;
    if (length != 2 + bytes * 2) return wanted[bytes];
    for (size_t i = 2; i < length; i++) {
        const char c = word[i];
        unsigned digit;
        if (c >= '0' && c <= '9') digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f') digit = (unsigned)(c - 'a' + 10);
        else return wanted[bytes];
        bits = bits << 4 | digit;
    }
    *value = from_bits(dtype, bits);
    return NULL;
}

static size_t digits(const char *word, size_t length, size_t from) {
    size_t at = from;
    while (at < length && word[at] >= '0' && word[at] <= '9') at++;
    return at - from;
}

/* [-+] digits [. digits] [e [-+] digits] */
static bool decimal(const char *word, size_t length) {
    size_t at = length && (word[0] == '-' || word[0] == '+');
    const size_t whole = digits(word, length, at);
    if (!whole) return false;
    at += whole;
    if (at < length && word[at] == '.') {
        const size_t part = digits(word, length, at + 1);
        if (!part) return false;
        at += 1 + part;
    }
    if (at < length && (word[at] == 'e' || word[at] == 'E')) {
        at++;
        if (at < length && (word[at] == '-' || word[at] == '+')) at++;
        const size_t power = digits(word, length, at);
        if (!power) return false;
        at += power;
    }
    return at == length;
}

static const char *read_float(const char *word, size_t length, gradus_dtype dtype, scalar *value) {
    const bool narrow = dtype == GRADUS_F32;
    const bool minus = length && *word == '-';
    *value = (scalar){.bits = 0};
    if (word_is(word, length, "nan")) {
        *value = from_bits(dtype, narrow ? UINT64_C(0x7fc00000) : UINT64_C(0x7ff8000000000000));
        return NULL;
    }
    if (word_is(word + minus, length - minus, "inf")) {
        if (narrow) value->f32 = minus ? -INFINITY : INFINITY;
        else value->f64 = minus ? -(double)INFINITY : (double)INFINITY;
        return NULL;
    }
    char number[136];
    if (!decimal(word, length)) return "a number, inf, -inf, nan or 0x and the bits";
    if (length > 120) return "a number of at most 120 characters";
    memcpy(number, word, length);
    number[length] = '\0';
    exchange(number, ".", locale_point());
    if (narrow) value->f32 = strtof(number, NULL);
    else value->f64 = strtod(number, NULL);
    return isinf(narrow ? (double)value->f32 : value->f64)
               ? (narrow ? "a number that an f32 can hold" : "a number that an f64 can hold")
               : NULL;
}

static const char *read_integer(const char *word, size_t length, int64_t low, int64_t high, int64_t *number) {
    const bool minus = length && *word == '-';
    uint64_t magnitude = 0;
    if (length == minus || digits(word, length, minus) != length - minus) return "a whole number or 0x and the bits";
    for (size_t i = minus; i < length; i++) {
        const uint64_t digit = (uint64_t)(word[i] - '0');
        if (magnitude > (UINT64_MAX - digit) / 10) return "a number that fits the dtype";
        magnitude = magnitude * 10 + digit;
    }
    if (magnitude > (minus ? (uint64_t)0 - (uint64_t)low : (uint64_t)high)) return "a number that fits the dtype";
    *number = minus ? (int64_t)((uint64_t)0 - magnitude) : (int64_t)magnitude;
    return NULL;
}

const char *literal_read(const char *word, size_t length, gradus_dtype dtype, scalar *value) {
    if (length > 2 && word[0] == '0' && word[1] == 'x') return read_bits(word, length, dtype, value);
    if (dtype == GRADUS_F32 || dtype == GRADUS_F64) return read_float(word, length, dtype, value);
    if (dtype == GRADUS_BOOL) {
        const bool yes = word_is(word, length, "true");
        if (!yes && !word_is(word, length, "false")) return "true, false or 0x and the bits";
        *value = from_bits(dtype, yes);
        return NULL;
    }
    const int64_t low = dtype == GRADUS_I64 ? INT64_MIN : dtype == GRADUS_I32 ? INT32_MIN : 0;
    const int64_t high = dtype == GRADUS_I64 ? INT64_MAX : dtype == GRADUS_I32 ? INT32_MAX : UINT8_MAX;
    int64_t number = 0;
    const char *wrong = read_integer(word, length, low, high, &number);
    if (!wrong) *value = from_bits(dtype, (uint64_t)number);
    return wrong;
}

void text_quoted(text *out, const char *string) {
    text_append(out, "\"");
    for (const char *s = string; *s;) {
        const unsigned char c = (unsigned char)*s;
        size_t length = utf8_length(s);
        if (c == '"' || c == '\\') text_append(out, "\\%c", c);
        else if (c == '\n') text_append(out, "\\n");
        else if (c == '\t') text_append(out, "\\t");
        else if (c < 0x20 || c == 0x7f || !length) text_append(out, "\\x%02x", c);
        else text_append(out, "%.*s", (int)length, s);
        s += length ? length : 1;
    }
    text_append(out, "\"");
}
