/* SPDX-License-Identifier: Apache-2.0
 * How the runtime's messages speak of names and tensors. */
#ifndef GRADUS_RUNTIME_NAMES_H
#define GRADUS_RUNTIME_NAMES_H

#include "runtime/support.h"

/* A text that grows in memory of `size` bytes and is cut where these end; text[0] is '\0' at the beginning. */
typedef struct {
    char *text;
    size_t size, used;
} message;

void message_put(message *m, const char *format, ...) PRINTF_LIKE(2, 3);

/* Writes the names of a list that are near to a wrong one, or the first few where none is: `; near is "adam/beta1"`,
 * `; there are "train", "predict"`; "" for an empty list.  `text` has `size` bytes. */
void names_near(const char *wrong, const char *(*name)(const void *list, size_t index), const void *list, size_t count,
                char *text, size_t size);

/* The nearest name alone, of the first few thousand; NULL where none is near. */
const char *names_nearest(const char *wrong, const char *(*name)(const void *list, size_t index), const void *list,
                          size_t count);

enum { SHAPE_TEXT = 224 }; /* enough for any shape */

/* A shape as "(B, 28, 28)"; extents -k read as "k*B". */
void shape_in_words(const gradus_shape *shape, char text[SHAPE_TEXT]);

enum { PLACE_TEXT = SHAPE_TEXT * 2 + 16 };

/* Where the element at a row-major position is, as " at [2, 3] of (32, 64)"; "" for the one element of a scalar. */
void place_in_words(const gradus_shape *shape, int64_t batch, int64_t position, char text[PLACE_TEXT]);

#endif
