/* SPDX-License-Identifier: Apache-2.0
 * Bytes that grow, and SVG without the numbers that differ from one run to the next. */
#ifndef GRADUS_RUNTIME_PLOT_BYTES_H
#define GRADUS_RUNTIME_PLOT_BYTES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char *data; /* from memory_reallocate, freed by bytes_free */
    size_t length, room;
    bool refused; /* out of memory: nothing is appended any more */
} byte_string;

void bytes_append(byte_string *b, const void *data, size_t length);
void bytes_free(byte_string *b);

/* Appends `svg` to `out`, its ids numbered anew in the order in which they appear: cairo takes their numbers from a count
 * of the whole process.  An id is a name that ends in a number, in id="…", "#…" or (#…). */
void svg_renumber(const char *svg, size_t length, byte_string *out);

#endif
