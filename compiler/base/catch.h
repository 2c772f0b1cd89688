/* SPDX-License-Identifier: Apache-2.0
 * C++ exceptions where C must not be left by one: around functions of the user's that compiled code calls, and around
 * LLVM.  catch.cc does it; without a C++ compiler catch_none.c takes its place, which catches nothing. */
#ifndef GRADUS_BASE_CATCH_H
#define GRADUS_BASE_CATCH_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { CAUGHT_NOTHING, CAUGHT_EXCEPTION, CAUGHT_NO_MEMORY } caught;

/* Calls the function.  An exception that it throws ends here, and `what` is what that says of itself, "" where it says
 * nothing; CAUGHT_NO_MEMORY is std::bad_alloc. */
caught catch_call(void (*function)(void *), void *user, char *what, size_t size);

#ifdef __cplusplus
}
#endif
#endif
