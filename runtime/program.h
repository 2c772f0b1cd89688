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

#endif
