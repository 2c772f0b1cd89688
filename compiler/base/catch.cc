/* SPDX-License-Identifier: Apache-2.0
 * Catching C++ exceptions for C.  See catch.h. */
#include "base/catch.h"

#include <cstdio>
#include <exception>
#include <new>
#ifdef __GLIBCXX__
#include <cxxabi.h>
#endif

caught catch_call(void (*function)(void *), void *user, char *what, size_t size) {
    what[0] = '\0';
    try {
        function(user);
        return CAUGHT_NOTHING;
    } catch (const std::bad_alloc &e) {
        std::snprintf(what, size, "%s", e.what());
        return CAUGHT_NO_MEMORY;
    } catch (const std::exception &e) {
        std::snprintf(what, size, "%s", e.what());
#ifdef __GLIBCXX__
    } catch (abi::__forced_unwind &) { /* pthread_exit, which must not be stopped */
        throw;
#endif
    } catch (...) {
    }
    return CAUGHT_EXCEPTION;
}
