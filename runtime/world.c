/* SPDX-License-Identifier: Apache-2.0
 * A thread's surroundings.  See world.h. */
#include "runtime/world.h"

#include <pthread.h>
#include <stddef.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

/* Without memory for it there is none, and uselocale leaves the thread's as it is.  (Where the C library has a C locale
 * at hand, as glibc and musl, this allocates nothing.) */
static void make_locale(void) { c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); }

/* What the caller of this thread had, while the thread is in the library's surroundings. */
static _Thread_local world *inside;

void world_enter(world *caller) {
    caller->entered = !inside;
    if (inside) return;
    pthread_once(&once, make_locale);
    caller->mode = float_mode_enter();
    caller->locale = uselocale(c_locale);
    inside = caller;
}

void world_leave(world *caller) {
    if (!caller->entered) return;
    inside = NULL;
    uselocale(caller->locale);
    float_mode_leave(caller->mode);
}

world *world_visit(void) {
    world *caller = inside;
    if (caller) world_leave(caller);
    return caller;
}

void world_return(world **caller) {
    if (*caller) world_enter(*caller);
}

locale_t world_callers_locale(void) { return inside ? uselocale(inside->locale) : (locale_t)0; }

void world_locale_back(const locale_t *before) {
    if (*before) uselocale(*before);
}
