/* SPDX-License-Identifier: Apache-2.0
 * Programs: compiled code with its state, its arena and its threads. */
#ifndef GRADUS_RUNTIME_PROGRAM_H
#define GRADUS_RUNTIME_PROGRAM_H

#include <gradus/abi.h>
#include <gradus/run.h>

/* Makes a program of compiled code.  `abi` and what it points to must live until `release(owner)`, which the program's
 * destruction calls once (a program made by gradus_program_share counts as a user too).  `threads` 0: as many as the
 * process may use.  On failure `release` is not called and the error is set. */
gradus_status program_create(const gradus_abi_program *abi, int32_t threads, void (*release)(void *owner), void *owner,
                             gradus_program **program);

/* What explains results that are not finite.  It sees the call as it began, and returns GRADUS_OK where nothing is at
 * fault, else an error.  May allocate. */
typedef gradus_status (*program_explain)(void *owner, const gradus_abi_entry *e, const gradus_abi_call *call);

/* From now on a call of `program`, which shares its state with no other yet, ends by looking at its results: where one is
 * NaN or infinite and `explain` finds a fault, the call fails and the state is as it was.  GRADUS_ERROR_MEMORY. */
gradus_status program_check_finite(gradus_program *program, program_explain explain);

#endif
