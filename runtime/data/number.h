/* SPDX-License-Identifier: Apache-2.0
 * Numbers out of text: decimal, in every locale alike, rounded to nearest. */
#ifndef GRADUS_RUNTIME_DATA_NUMBER_H
#define GRADUS_RUNTIME_DATA_NUMBER_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    NUMBER_READ,
    NUMBER_NONE,      /* the text is no number */
    NUMBER_TOO_LARGE, /* for the type; to small a fraction is a zero or denormal number, and read */
    NUMBER_FRACTION,  /* an integer was wanted */
} number_result;

/* Each reads the whole text, "[+-]digits[.digits][e[+-]digits]" with a digit before or behind the point; text[length] is
 * '\0'.  Integers may be written as "2.0" or "1e3". */
number_result number_f32(const char *text, size_t length, float *value);
number_result number_f64(const char *text, size_t length, double *value);
number_result number_i64(const char *text, size_t length, int64_t *value);

#endif
