/* SPDX-License-Identifier: Apache-2.0
 * Whole files, read and written with the operating system's refusals told apart from everything else. */
#ifndef GRADUS_BASE_FILE_H
#define GRADUS_BASE_FILE_H

#include "base/memory.h"
#include "runtime/support.h"

/* Reads a text file of at most `limit` bytes; data[length] is '\0'.  GRADUS_ERROR_NOT_FOUND where there is none,
 * GRADUS_ERROR_IO where it cannot be read or is no regular file, GRADUS_ERROR_FORMAT where it is too long or no text (a byte of 0).
 * Needs a guard. */
gradus_status file_read_text(arena *memory, const char *path, size_t limit, char **data, size_t *length);

/* Writes a file whole or not at all, see runtime/files.h.  GRADUS_ERROR_IO where that fails; what was
 * there before is then still there. */
gradus_status file_write(const char *path, const char *data, size_t length);

#endif
