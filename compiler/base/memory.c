/* SPDX-License-Identifier: Apache-2.0
 * Guards against running out of memory, and arenas.  See memory.h. */
#include "base/memory.h"

#include "runtime/support.h"

#include <assert.h>
#include <string.h>

static _Thread_local guard *innermost;

void guard_enter(guard *g) {
    g->outer = innermost;
    innermost = g;
}

void guard_leave(guard *g) {
    assert(innermost == g && "guards are left in the order opposite to their entering");
    innermost = g->outer;
}

guard *guard_innermost(void) { return innermost; }

void guard_return_to(guard *g) { innermost = g; }

_Noreturn void guard_out_of_memory(void) {
    guard *g = innermost;
    assert(g && "the compiler allocates under a guard only");
    guard_leave(g);
    longjmp(g->jump, 1);
}

/* AddressSanitizer is told which bytes of a block are a piece's, and keeps some after each piece that are nobody's. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
enum { GAP_BYTES = 16 };
static void allow(const void *bytes, size_t count) { __asan_unpoison_memory_region(bytes, count); }
static void forbid(const void *bytes, size_t count) { __asan_poison_memory_region(bytes, count); }
#else
enum { GAP_BYTES = 0 };
static void allow(const void *bytes, size_t count) { (void)bytes, (void)count; }
static void forbid(const void *bytes, size_t count) { (void)bytes, (void)count; }
#endif

typedef struct arena_block {
    struct arena_block *next;
    size_t bytes;
    _Alignas(16) unsigned char data[];
} arena_block;

enum { BLOCK_BYTES = 1 << 16 };

void *arena_alloc(arena *a, size_t asked) {
    if (asked > SIZE_MAX / 2) guard_out_of_memory();
    const size_t bytes = ((asked + 15) & ~(size_t)15) + GAP_BYTES;
    if (a->used + bytes > a->room || !a->blocks) {
        size_t room = bytes > BLOCK_BYTES / 4 ? bytes : BLOCK_BYTES;
        arena_block *block = memory_reallocate(NULL, sizeof *block + room);
        if (!block) guard_out_of_memory();
        block->bytes = room;
        forbid(block->data, room);
        if (room == bytes && a->blocks) { /* a large piece of its own goes behind the block that is being filled */
            block->next = a->blocks->next;
            a->blocks->next = block;
            allow(block->data, asked);
            return memset(block->data, 0, asked);
        }
        block->next = a->blocks;
        a->blocks = block;
        a->used = 0;
        a->room = room;
    }
    void *piece = a->blocks->data + a->used;
    a->used += bytes;
    allow(piece, asked);
    return memset(piece, 0, asked);
}

void *arena_copy(arena *a, const void *from, size_t bytes) {
    void *copy = arena_alloc(a, bytes);
    return bytes ? memcpy(copy, from, bytes) : copy;
}

char *arena_string(arena *a, const char *s) { return s ? arena_copy(a, s, strlen(s) + 1) : NULL; }

void arena_free(arena *a) {
    for (arena_block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        allow(b->data, b->bytes);
        memory_free(b);
    }
    *a = (arena){0};
}

void arena_join(arena *into, arena *from) {
    if (!into->blocks) {
        *into = *from;
    } else if (from->blocks) { /* after the block that is being filled */
        arena_block *last = from->blocks;
        while (last->next) last = last->next;
        last->next = into->blocks->next;
        into->blocks->next = from->blocks;
    }
    *from = (arena){0};
}

void *vec_grow(arena *a, const void *items, size_t item_bytes, uint32_t count, uint32_t *room) {
    uint32_t bigger = *room ? *room * 2 : 8;
    if (bigger < *room) guard_out_of_memory();
    void *grown = arena_alloc(a, item_bytes * bigger);
    if (count) memcpy(grown, items, item_bytes * count);
    *room = bigger;
    return grown;
}
