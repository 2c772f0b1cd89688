/* SPDX-License-Identifier: Apache-2.0
 * Where batches stand, as metadata of a checkpoint. */
#ifndef GRADUS_RUNTIME_CHECKPOINT_PLACE_H
#define GRADUS_RUNTIME_CHECKPOINT_PLACE_H

#include "runtime/checkpoint/reader.h"

enum { PLACE_FIELDS = 7, NUMBER_TEXT = 21 };

/* The pairs of a place; their texts are in `texts`. */
void place_write(const gradus_batches *batches, metadata pairs[PLACE_FIELDS], char texts[PLACE_FIELDS][NUMBER_TEXT]);

/* Reads a file's place and checks that `batches` can go there.  GRADUS_ERROR_MISMATCH where the file has none or one of
 * other batches; GRADUS_ERROR_FORMAT. */
gradus_status place_read(const char *where, const gradus_safetensors *file, const gradus_batches *batches,
                         int64_t *epoch, int64_t *index);

#endif
