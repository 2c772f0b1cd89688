/* SPDX-License-Identifier: Apache-2.0
 * Growing bytes and the ids in an SVG.  See bytes.h. */
#include "runtime/plot/bytes.h"

#include "runtime/support.h"

#include <stdio.h>
#include <string.h>

void bytes_append(byte_string *b, const void *data, size_t length) {
    if (b->refused || !length) return;
    if (length > b->room - b->length) {
        size_t room = b->length + length > b->room * 2 ? b->length + length : b->room * 2;
        char *more = length > SIZE_MAX / 4 || room > SIZE_MAX / 4 ? NULL : memory_reallocate(b->data, room);
        if (!more) {
            b->refused = true;
            return;
        }
        b->data = more;
        b->room = room;
    }
    memcpy(b->data + b->length, data, length);
    b->length += length;
}

void bytes_free(byte_string *b) {
    memory_free(b->data);
    *b = (byte_string){0};
}

typedef struct {
    const char *text;
    size_t length;
} slice;

/* The ids seen so far stand in `seen`; an id's place there is its new number.  Two kinds of ids may have had the same. */
static size_t place_of(byte_string *seen, slice id) {
    const size_t count = seen->length / sizeof id;
    for (size_t i = 0; i < count; i++) {
        slice other;
        memcpy(&other, seen->data + i * sizeof other, sizeof other);
        if (other.length == id.length && !memcmp(other.text, id.text, id.length)) return i;
    }
    bytes_append(seen, &id, sizeof id);
    return count;
}

static bool is_id_start(const char *svg, size_t at) {
    if (at >= 4 && !memcmp(svg + at - 4, "id=\"", 4)) return true;
    return at >= 2 && svg[at - 1] == '#' && (svg[at - 2] == '"' || svg[at - 2] == '(');
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

void svg_renumber(const char *svg, size_t length, byte_string *out) {
    byte_string seen = {0};
    size_t copied = 0;
    for (size_t at = 0; at < length; at++) {
        if (!is_id_start(svg, at)) continue;
        size_t end = at;
        while (end < length && svg[end] != '"' && svg[end] != ')') end++;
        size_t digits = end;
        while (digits > at && is_digit(svg[digits - 1])) digits--;
        if (digits == end) continue;
        char number[24];
        snprintf(number, sizeof number, "%zu", place_of(&seen, (slice){svg + at, end - at}));
        bytes_append(out, svg + copied, digits - copied);
        bytes_append(out, number, strlen(number));
        copied = end;
    }
    bytes_append(out, svg + copied, length - copied);
    out->refused = out->refused || seen.refused;
    bytes_free(&seen);
}
