/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of the compiler: arenas over the library's one allocator hook.
 *
 * Running out of memory.  Inside the compiler an allocation never returns NULL: where the allocator refuses, control
 * jumps back to the innermost guard, which every public entry of the compiler sets up.  What the compiler makes lives in
 * arenas, so whoever owns the arena has nothing else to undo.
 *
 *     guard here;
 *     if (GUARDED(&here)) { … work … guard_leave(&here); } else { … out of memory … }
 *
 * Locals that the else branch reads must not change after GUARDED, or be volatile.  Do not return out of the work.
 */
#ifndef GRADUS_BASE_MEMORY_H
#define GRADUS_BASE_MEMORY_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

typedef struct guard {
    jmp_buf jump;
    struct guard *outer;
} guard;

void guard_enter(guard *g);
void guard_leave(guard *g);
#define GUARDED(g) (guard_enter(g), setjmp((g)->jump) == 0)
guard *guard_innermost(void);
void guard_return_to(guard *g); /* forgets those inside of it, where control left them otherwise */
_Noreturn void guard_out_of_memory(void); /* leaves the innermost guard and jumps to its else branch */

/* Bump allocation; everything is freed at once.  {0} is an empty arena. */
typedef struct arena {
    struct arena_block *blocks;
    size_t used, room;
} arena;

void *arena_alloc(arena *a, size_t bytes); /* zeroed, 16-byte aligned, never NULL */
void *arena_copy(arena *a, const void *from, size_t bytes);
char *arena_string(arena *a, const char *s); /* NULL stays NULL */
void arena_free(arena *a);
void arena_join(arena *into, arena *from); /* what `from` holds now belongs to `into`, and `from` is empty */

#define ARENA_NEW(a, T) ((T *)arena_alloc((a), sizeof(T)))
#define ARENA_ARRAY(a, T, n) ((T *)arena_alloc((a), sizeof(T) * (size_t)(n)))

/* A growing array in an arena: struct { T *items; uint32_t count, room; }.  Growth leaves the old items behind. */
#define VEC(T)                \
    struct {                  \
        T *items;             \
        uint32_t count, room; \
    }
#define VEC_PUSH(a, v, item)                                                                              \
    do {                                                                                                  \
        if ((v)->count == (v)->room)                                                                      \
            (v)->items = vec_grow((a), (v)->items, sizeof *(v)->items, (v)->count, &(v)->room);           \
        (v)->items[(v)->count++] = (item);                                                                \
    } while (0)
void *vec_grow(arena *a, const void *items, size_t item_bytes, uint32_t count, uint32_t *room);

#endif
