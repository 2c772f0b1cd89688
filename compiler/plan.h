/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory plan: where in the arena each temporary lives.  Temporaries whose phases do not meet may share memory.
 */
#ifndef GRADUS_PLAN_H
#define GRADUS_PLAN_H

#include "fuse/kernel.h"

/* Sets bytes of every buffer, offsets of those in the arena, and l->arena_bytes.  False, with the error set, where a
 * size does not fit. */
bool plan(kernel_list *l);

/* Independent of how `plan` works: no two temporaries that live in the same phase overlap, each fits, each is aligned. */
bool plan_validate(const kernel_list *l, text *why);

void plan_print(const kernel_list *l, text *out);

#endif
