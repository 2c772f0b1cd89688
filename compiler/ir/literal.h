/* SPDX-License-Identifier: Apache-2.0
 *
 * Scalars and strings as words of the text form, which read back to the same bits in every locale.
 *
 * Floats are the shortest decimal that rounds to them, inf, -inf, or nan for the NaN of all zero payload; any other NaN
 * is 0x and its bits.  Integers are decimal; bool is true or false.  0x and two digits a byte reads as any dtype.
 */
#ifndef GRADUS_IR_LITERAL_H
#define GRADUS_IR_LITERAL_H

#include "ir/graph.h"

enum { LITERAL_BYTES = 40 };

const char *literal_write(char out[LITERAL_BYTES], gradus_dtype dtype, scalar value); /* returns out */
const char *literal_write_bits(char out[LITERAL_BYTES], gradus_dtype dtype, scalar value);

/* NULL, or what would have been right. */
const char *literal_read(const char *word, size_t length, gradus_dtype dtype, scalar *value);

/* The number at the beginning of a text as strtod reads it in the C locale, and how many characters it has; 0: none. */
double literal_double(const char *s, size_t *length);

/* One element of an array of `dtype`. */
scalar scalar_load(gradus_dtype dtype, const void *data, size_t index);
void scalar_store(gradus_dtype dtype, void *data, size_t index, scalar value);

/* "in quotes": \" \\ \n \t, and \xNN for what is neither printable nor a part of valid UTF-8. */
void text_quoted(text *out, const char *string);

#endif
