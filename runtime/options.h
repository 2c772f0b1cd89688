/* SPDX-License-Identifier: Apache-2.0
 * Reading option structs, whose callers may have been compiled against an older or a newer header: `size_` comes
 * first and says what the caller knows of.  All that take options read them here. */
#ifndef GRADUS_RUNTIME_OPTIONS_H
#define GRADUS_RUNTIME_OPTIONS_H

#include "runtime/support.h"

#include <stddef.h>
#include <string.h>

typedef struct {
    const char *name; /* of the type, and of the macro that makes it */
    size_t size, known; /* all of it, and what stands before the reserved fields */
} options_type;
#define OPTIONS_FIELDS(T) {#T, sizeof(T), offsetof(T, reserved_)}
#define OPTIONS_TYPE(T) ((options_type)OPTIONS_FIELDS(T))

enum { OPTIONS_WHY = 256, OPTIONS_LARGEST = 4096 };

/* Whether a struct can have that size: more than size_ itself, which is also more than a pointer's. */
static inline bool options_sized(size_t size) { return size > sizeof(uint64_t) && size <= OPTIONS_LARGEST; }

/* What is wrong with options of that size_, into OPTIONS_WHY bytes. */
static inline const char *options_explain(char *why, options_type type, size_t size) {
    if (options_sized(size))
        snprintf(why, OPTIONS_WHY, "an option is set that this version of the library does not know");
    else if (size == 0)
        snprintf(why, OPTIONS_WHY, "%s: size_ is 0; use the macro %s(…), which sets it", type.name, type.name);
    else
        snprintf(why, OPTIONS_WHY, "%s: size_ is %zu, expected %zu; use the macro %s(…), which sets it", type.name, size,
                 type.size, type.name);
    return why;
}

static inline size_t options_size(const void *given) {
    size_t size;
    memcpy(&size, given, sizeof size);
    return size;
}

/* Copies `given` (NULL: all defaults) to `options`; what the caller does not know of is zero.  False, and all of it zero,
 * size_ too, where there is no size, or something set that this version does not know, be it in the reserved fields. */
static inline bool options_copy(options_type type, void *options, const void *given) {
    memset(options, 0, type.size);
    if (!given) {
        memcpy(options, &type.size, sizeof type.size);
        return true;
    }
    const size_t theirs = options_size(given);
    if (!options_sized(theirs)) return false;
    const unsigned char *bytes = given;
    for (size_t i = type.known; i < theirs; i++)
        if (bytes[i] != 0) return false;
    memcpy(options, given, theirs < type.size ? theirs : type.size);
    return true;
}

/* The same with the error set, where it is of a call that returns a status. */
static inline bool options_read(const char *where, options_type type, void *options, const void *given) {
    char why[OPTIONS_WHY];
    if (options_copy(type, options, given)) return true;
    fail(GRADUS_ERROR_ARGUMENT, "%s: %s", where, options_explain(why, type, options_size(given)));
    return false;
}

#endif
