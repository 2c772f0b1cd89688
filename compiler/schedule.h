/* SPDX-License-Identifier: Apache-2.0
 *
 * The schedule: kernels in phases.  Between two phases all threads meet at a barrier; within a phase no kernel needs what
 * another thread made.  Updates of state happen in place where every reader of the old value comes first, else through a
 * temporary and a copy.
 */
#ifndef GRADUS_KERNEL_SCHEDULE_H
#define GRADUS_KERNEL_SCHEDULE_H

#include "fuse/kernel.h"

/* Orders l->kernels, sets their phase and serial, and the phases in which each buffer of the arena lives. */
void schedule(kernel_list *l);

#endif
