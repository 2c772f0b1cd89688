/* SPDX-License-Identifier: Apache-2.0
 *
 * The progress of a fit in a checkpoint: numbers in the metadata, "fit.epoch" and so on, and where the best epoch's state is
 * kept, each tensor of it that differs from the state's as "fit.best/NAME". */
#ifndef GRADUS_RUNTIME_CHECKPOINT_PROGRESS_H
#define GRADUS_RUNTIME_CHECKPOINT_PROGRESS_H

#include "runtime/checkpoint/reader.h"
#include "runtime/core.h"

enum { PROGRESS_FIELDS = 11, PROGRESS_TEXT = 288 };
#define PROGRESS_BEST "fit.best/"

/* The pairs of a progress that is known, in `texts`; returns how many. */
size_t progress_write(const fit_progress *p, bool kept, metadata pairs[PROGRESS_FIELDS],
                      char texts[PROGRESS_FIELDS][PROGRESS_TEXT]);

/* Reads a file's, {0} where it has none; *kept: whether the best epoch's state is in it.  GRADUS_ERROR_FORMAT. */
gradus_status progress_read(const char *where, const gradus_safetensors *file, fit_progress *p, bool *kept);

/* Reads the best epoch's state to `best`, which holds the state of the file; each tensor of it must have the dtype and shape
 * of the program's.  GRADUS_ERROR_MISMATCH, GRADUS_ERROR_MEMORY, errors of reading. */
gradus_status progress_read_best(const char *where, const gradus_safetensors *file, const gradus_abi_program *abi,
                                 unsigned char *best);

/* Whether a tensor of a file belongs to the best epoch's state. */
bool progress_has(const gradus_safetensors *file, const char *name);

#endif
