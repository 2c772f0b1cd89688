/* SPDX-License-Identifier: Apache-2.0
 * What happens where LLVM runs out of memory.  bad_alloc.cc sets it; without a C++ compiler bad_alloc_none.c takes its
 * place, and LLVM ends the process. */
#ifndef GRADUS_BACKEND_BAD_ALLOC_H
#define GRADUS_BACKEND_BAD_ALLOC_H

#ifdef __cplusplus
extern "C" {
#endif

/* Has LLVM call `handler`, which does not return, where malloc refuses; NULL: LLVM ends the process. */
void bad_alloc_handle(void (*handler)(void));

#ifdef __cplusplus
}
#endif
#endif
