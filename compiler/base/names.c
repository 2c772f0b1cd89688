/* SPDX-License-Identifier: Apache-2.0
 * A hash table with linear probing, at most half full.  See names.h. */
#include "base/names.h"

#include "base/text.h"

#include <string.h>

static named *place_of(const names *table, const char *start, size_t length) {
    const uint32_t mask = table->room - 1;
    const uint64_t hash = hash_bytes(HASH_START, start, length);
    for (uint32_t i = (uint32_t)(hash ^ hash >> 32) & mask;; i = (i + 1) & mask) {
        named *n = &table->places[i];
        if (!n->start || (n->length == length && memcmp(n->start, start, length) == 0)) return n;
    }
}

bool names_find(const names *table, const char *start, size_t length, uint32_t *value) {
    if (!table->room) return false;
    const named *n = place_of(table, start, length);
    if (n->start) *value = n->value;
    return n->start;
}

static void grow(names *table) {
    names bigger = {.memory = table->memory, .room = table->room ? table->room * 2 : 64};
    if (!bigger.room) guard_out_of_memory();
    bigger.places = ARENA_ARRAY(table->memory, named, bigger.room);
    for (uint32_t i = 0; i < table->room; i++)
        if (table->places[i].start)
            *place_of(&bigger, table->places[i].start, table->places[i].length) = table->places[i];
    bigger.count = table->count;
    *table = bigger;
}

bool names_add(names *table, const char *start, size_t length, uint32_t value) {
    if (table->count >= table->room / 2) grow(table);
    named *n = place_of(table, start, length);
    if (n->start) return false;
    *n = (named){start, length, value};
    table->count++;
    return true;
}
