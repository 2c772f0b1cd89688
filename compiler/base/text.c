/* SPDX-License-Identifier: Apache-2.0
 * Growing text, places and hashes.  See text.h. */
#include "base/text.h"

#include <string.h>

void text_append_v(text *t, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    size_t room = t->room - t->length;
    int n = vsnprintf(room ? t->data + t->length : NULL, room, format, arguments);
    if (n >= 0 && (size_t)n >= room) {
        size_t bigger = (t->length + (size_t)n + 1) * 2;
        char *data = arena_alloc(t->memory, bigger);
        if (t->length) memcpy(data, t->data, t->length);
        t->data = data;
        t->room = bigger;
        n = vsnprintf(data + t->length, bigger - t->length, format, again);
    }
    va_end(again);
    if (n > 0) t->length += (size_t)n;
}

void text_append(text *t, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    text_append_v(t, format, arguments);
    va_end(arguments);
}

void text_shape(text *t, const gradus_shape *shape) {
    text_append(t, "(");
    for (int64_t i = 1; i <= shape->d[0]; i++) {
        int64_t d = shape->d[i];
        if (i > 1) text_append(t, ", ");
        if (d >= 0) text_append(t, "%lld", (long long)d);
        else if (d == -1) text_append(t, "B");
        else text_append(t, "%lldB", (long long)-d);
    }
    text_append(t, ")");
}

size_t utf8_length(const char *s) {
    const unsigned char *p = (const unsigned char *)s;
    const size_t length = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < length; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if (length == 3 && ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))) return 0;
    if (length == 4 && ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))) return 0;
    return p[0] ? length : 0;
}

const char *source_text(source where, char to[SOURCE_TEXT]) {
    const size_t room = SOURCE_TEXT - sizeof ":-2147483648: ", length = where.file ? strlen(where.file) : 0;
    *to = 0;
    if (!where.file) return to;
    snprintf(to, SOURCE_TEXT, "%s:%d: ", where.file + (length > room ? length - room : 0), where.line);
    return to;
}

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count) {
    const unsigned char *p = bytes;
    for (size_t i = 0; i < count; i++) hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}
