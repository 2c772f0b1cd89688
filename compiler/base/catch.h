/* SPDX-License-Identifier: Apache-2.0
 * C++ exceptions where C must not be left by one: around functions of the user's that compiled code calls, and around
 * LLVM.  The one place of C++ in the library, in catch.cc; without a C++ compiler catch_none.c stands in, which catches
 * nothing. */
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

/* Has LLVM call `handler`, which does not return, where malloc refuses; NULL: LLVM ends the process, as is its custom.
 * (LLVM's C interface has no such function.) */
void catch_llvm_bad_alloc(void (*handler)(void));

#ifdef __cplusplus
}
#endif
#endif
