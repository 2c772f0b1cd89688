/* SPDX-License-Identifier: Apache-2.0
 * An allocator for tests: counts what lives and what was asked for, and fails where it is told to. */
#ifndef TESTS_HEAP_H
#define TESTS_HEAP_H

#include "tests/cmocka_all.h"

#include <gradus/common.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

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

/* Runs the scenario with its first allocation failing, then its second, … until it needs no more: each time it must say
 * that memory is short, and nothing may live on.  How many allocations it needs. */
static inline long heap_fail_each(gradus_status (*scenario)(void)) {
    for (long n = 0;; n++) {
        heap.countdown = n;
        gradus_status s = scenario();
        bool done = heap.countdown >= 0;
        heap.countdown = -1;
        assert_int_equal(heap.live, 0);
        assert_int_equal(s, done ? GRADUS_OK : GRADUS_ERROR_MEMORY);
        if (done) return n;
        assert_non_null(strstr(gradus_last_error(), "out of memory"));
    }
}

#endif
