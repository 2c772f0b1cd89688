/* SPDX-License-Identifier: Apache-2.0
 * A table from names to numbers, in an arena.  {.memory = …} is an empty one. */
#ifndef GRADUS_BASE_NAMES_H
#define GRADUS_BASE_NAMES_H

#include "base/memory.h"

#include <stdbool.h>

typedef struct {
    const char *start; /* the caller's, not copied; NULL is a free place */
    size_t length;
    uint32_t value;
} named;

typedef struct {
    arena *memory;
    named *places;
    uint32_t count, room;
} names;

bool names_find(const names *table, const char *start, size_t length, uint32_t *value);
bool names_add(names *table, const char *start, size_t length, uint32_t value); /* false where it is there already */

#endif
