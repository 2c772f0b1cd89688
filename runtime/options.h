/* SPDX-License-Identifier: Apache-2.0
 * Reading option structs, whose callers may have been compiled against an older or a newer header: `size_` comes
 * first and says what the caller knows of. */
#ifndef GRADUS_RUNTIME_OPTIONS_H
#define GRADUS_RUNTIME_OPTIONS_H

#include "runtime/support.h"

#include <string.h>

enum { OPTIONS_RESERVED = 4 * sizeof(uint64_t) };

/* Copies `given` (NULL: all defaults) to `options`, which has `size` bytes; what the caller does not know of is
 * zero.  False after setting the error: no size, or something set that this version does not know, be it in the
 * reserved fields with which every option struct ends. */
static inline bool options_read(const char *where, void *options, size_t size, const void *given) {
    memset(options, 0, size);
    if (!given) return true;
    size_t theirs;
    memcpy(&theirs, given, sizeof theirs);
    if (theirs < sizeof theirs || theirs > 4096) {
        fail(GRADUS_ERROR_ARGUMENT,
             "%s: the options' size_ is %zu, expected %zu: make them with the macro of their name", where, theirs,
             size);
        return false;
    }
    const unsigned char *bytes = given;
    for (size_t i = size - OPTIONS_RESERVED; i < theirs; i++) {
        if (bytes[i] != 0) {
            fail(GRADUS_ERROR_ARGUMENT, "%s: an option is set that this version of the library does not know", where);
            return false;
        }
    }
    memcpy(options, given, theirs < size ? theirs : size);
    return true;
}

#endif
