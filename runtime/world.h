/* SPDX-License-Identifier: Apache-2.0
 *
 * What a thread's surroundings are while the library works: the floating-point mode of float_mode.h and the C locale, so
 * that a program that rounds upwards, flushes subnormals, traps or writes a decimal comma gets the same bits and the same
 * text as any other.  Each public function that computes, reads or prints begins with ENTER, and the caller's own
 * surroundings are back when it returns, or is left by a C++ exception.  tests/headers/world.py looks that none is
 * forgotten.
 *
 * The user's functions (callbacks) run in the caller's surroundings: who calls one does it in a scope of its own that
 * begins with LEAVE.  So a longjmp out of them takes nothing of ours along.
 *
 * gradus_call has its own, cheaper way: it prints nothing on its way to the compiled code, and threads that run that
 * enter the floating-point mode alone.
 */
#ifndef GRADUS_RUNTIME_WORLD_H
#define GRADUS_RUNTIME_WORLD_H

#include "runtime/float_mode.h"

#include <locale.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif
#include <stdbool.h>

typedef struct world {
    bool entered; /* false: the thread was in the library's surroundings already */
    float_mode mode;
    locale_t locale;
} world;

/* Into the library's surroundings; `caller` keeps what the thread has, and must live until world_leave.  Nests. */
void world_enter(world *caller);
void world_leave(world *caller);
#define ENTER                                            \
    __attribute__((cleanup(world_leave))) world caller_; \
    world_enter(&caller_)

/* Out of them, for a function of the user's, and back.  NULL and nothing where the thread is not in them. */
world *world_visit(void);
void world_return(world **caller);
#define LEAVE __attribute__((cleanup(world_return), unused)) world *visited_ = world_visit()

/* The caller's locale alone, until the end of the scope: for functions of the user's that are part of a graph. */
locale_t world_callers_locale(void);
void world_locale_back(const locale_t *before);
#define CALLERS_LOCALE __attribute__((cleanup(world_locale_back), unused)) const locale_t before_ = world_callers_locale()

#endif
