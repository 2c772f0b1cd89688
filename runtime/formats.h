/* SPDX-License-Identifier: Apache-2.0
 * What a file is by its first bytes, for messages of readers that expected another. */
#ifndef GRADUS_RUNTIME_FORMATS_H
#define GRADUS_RUNTIME_FORMATS_H

#include <stddef.h>

enum { FORMAT_BYTES = 512, FORMAT_TEXT = 160 };

/* What content that begins with these bytes is, of which FORMAT_BYTES are enough: "an .npz file of NumPy, …".  NULL for plain
 * text and for what is not known. */
const char *format_of(const void *bytes, size_t n);

/* The same to be put behind a message, as "; this looks like an HDF5 file"; plain text is named too.  "" for what is not
 * known. */
const char *format_in_words(const void *bytes, size_t n, char text[FORMAT_TEXT]);

#endif
