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

namespace llvm {
void install_bad_alloc_error_handler(void (*handler)(void *user, const char *reason, bool diagnostics), void *user);
void remove_bad_alloc_error_handler();
} // namespace llvm

static void (*out_of_memory)();

static void on_bad_alloc(void *, const char *, bool) { out_of_memory(); }

void catch_llvm_bad_alloc(void (*handler)()) {
    if (out_of_memory) llvm::remove_bad_alloc_error_handler();
    out_of_memory = handler;
    if (handler) llvm::install_bad_alloc_error_handler(on_bad_alloc, nullptr);
}
