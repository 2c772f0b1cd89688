/* SPDX-License-Identifier: Apache-2.0
 * In the place of catch.cc where there is no C++ compiler. */
#include "base/catch.h"

caught catch_call(void (*function)(void *), void *user, char *what, size_t size) {
    (void)size;
    what[0] = '\0';
    function(user);
    return CAUGHT_NOTHING;
}
