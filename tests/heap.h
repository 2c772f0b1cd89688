/* SPDX-License-Identifier: Apache-2.0
 * An allocator for tests: counts what lives and what was asked for, and fails where it is told to. */
#ifndef TESTS_HEAP_H
#define TESTS_HEAP_H

#include <gradus/common.h>
#include <stdatomic.h>
#include <stdlib.h>

static struct {
    atomic_long countdown; /* allocations until the one that fails; never where negative */
    atomic_long live;      /* blocks */
    atomic_long asked;     /* allocations since the beginning */
    atomic_size_t largest; /* bytes */
} heap = {.countdown = -1};

static void *heap_reallocate(void *user, void *memory, size_t bytes) {
    (void)user;
    if (!bytes) {
        if (memory) heap.live--;
        free(memory);
        return NULL;
    }
    heap.asked++;
    if (heap.countdown >= 0 && heap.countdown-- == 0) return NULL;
    if (bytes > heap.largest) heap.largest = bytes;
    void *made = realloc(memory, bytes);
    if (made && !memory) heap.live++;
    return made;
}

/* From now on the library allocates here. */
static inline void heap_install(void) {
    heap.countdown = -1;
    gradus_set_allocator(heap_reallocate, NULL);
}

#endif
