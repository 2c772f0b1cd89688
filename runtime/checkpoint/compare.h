/* SPDX-License-Identifier: Apache-2.0
 * Which tensors of a file belong to which of a program. */
#ifndef GRADUS_RUNTIME_CHECKPOINT_COMPARE_H
#define GRADUS_RUNTIME_CHECKPOINT_COMPARE_H

#include "runtime/checkpoint/reader.h"

#include <gradus/abi.h>

/* Sets from[i] to the file's tensor for the i-th state tensor, NULL for one that stays as it is, and *count to how many
 * are not NULL.  With `exact` the two sides must be the same tensors; without, only those matter whose names match the
 * pattern (NULL: all) and are on both sides.  GRADUS_ERROR_MISMATCH lists what does not fit; GRADUS_ERROR_MEMORY. */
gradus_status compare(const char *where, const gradus_safetensors *f, const gradus_abi_program *abi, bool exact,
                      const char *pattern, const stored **from, size_t *count);

#endif
