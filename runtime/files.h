/* SPDX-License-Identifier: Apache-2.0
 * Writing a file whole or not at all: what is there stays until its successor is on the disk.
 *
 *     writer w;
 *     gradus_status status = writer_begin(&w, path);
 *     if (status == GRADUS_OK) status = writer_put(&w, bytes, size);
 *     return writer_end(&w, status);
 */
#ifndef GRADUS_RUNTIME_FILES_H
#define GRADUS_RUNTIME_FILES_H

#include "runtime/support.h"

typedef struct {
    const char *path; /* as the caller wrote it, and as long as the caller's lives: for messages */
    char *target;     /* the same where links are followed; NULL: nothing is begun */
    char *temporary;  /* beside it, written to; "" where the target is no regular file and written to directly */
    int file;
} writer;

/* Begins a file beside `path`, path.PID.N.new, with the mode of the one that it is to replace; a symbolic link stays and
 * what it points to is replaced.  What is no regular file, a pipe, a terminal, is written to directly.  A process that is
 * killed leaves the file beside; `path` is then as it was.
 *
 * All of these set gradus_last_error() with the path and the operating system's reason: GRADUS_ERROR_IO where it
 * refuses, GRADUS_ERROR_MEMORY.  After an error only writer_end is to be called, which then removes what was begun. */
gradus_status writer_begin(writer *w, const char *path);

/* Appends bytes, unbuffered: give it much at a time. */
gradus_status writer_put(writer *w, const void *bytes, size_t size);

/* Where `status` is GRADUS_OK: waits for the disk, puts the file in its place and waits for the folder too.  Else
 * removes the file beside, and keeps the message of the failure that `status` is of.  Returns the first failure. */
gradus_status writer_end(writer *w, gradus_status status);

/* What stands behind the last dot of a path's last name: "svg"; "" where there is none. */
const char *path_ending(const char *path);

#endif
