/* SPDX-License-Identifier: Apache-2.0
 * Growing text, places in the user's program and 64-bit hashes. */
#ifndef GRADUS_BASE_TEXT_H
#define GRADUS_BASE_TEXT_H

#include "base/memory.h"
#include "runtime/support.h"

#include <stdarg.h>

/* Text that grows in an arena; `data` ends in '\0' from the first append on. */
typedef struct {
    arena *memory;
    char *data;
    size_t length, room;
} text;

void text_append(text *t, const char *format, ...) PRINTF_LIKE(2, 3);
void text_append_v(text *t, const char *format, va_list arguments);
void text_shape(text *t, const gradus_shape *shape); /* "(B, 3B, 784)" */

size_t utf8_length(const char *s); /* bytes of the valid UTF-8 character at s; 0 where there is none */

/* Where in the user's program something was asked for.  `file` is NULL where nobody knows. */
typedef struct {
    const char *file;
    int line;
} source;

/* "file:line: ", how messages about it begin, of a long path the end; "" where nobody knows.  Returns `to`. */
enum { SOURCE_TEXT = 512 };
const char *source_text(source where, char to[SOURCE_TEXT]);

/* FNV-1a over bytes; start with HASH_START. */
#define HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count);

#endif
