/* SPDX-License-Identifier: Apache-2.0
 * Files: opened for reading where they are files, and written whole or not at all: what is there stays until its successor
 * is on the disk.
 *
 *     writer w;
 *     gradus_status status = writer_begin(&w, path);
 *     if (status == GRADUS_OK) status = writer_put(&w, bytes, size);
 *     return writer_end(&w, status);
 *
 * All of these set gradus_last_error() with the path and the operating system's reason.
 */
#ifndef GRADUS_RUNTIME_FILES_H
#define GRADUS_RUNTIME_FILES_H

#include "runtime/support.h"

#include <limits.h>

/* Opens a regular file for reading and says how long it is (`bytes` may be NULL).  A directory, a pipe, a socket and a
 * device are errors: opening or reading those may wait for ever.  GRADUS_ERROR_NOT_FOUND, GRADUS_ERROR_IO. */
gradus_status file_open(const char *path, int *file, uint64_t *bytes);

/* How much of a path is its folder, with the slash. */
size_t path_folder(const char *path);

/* Follows links up to a name that is none, whether there is a file of it or not, or to a link of /proc: that is no name of a
 * file but stands for an open one.  Returns what went wrong, or 0. */
int path_follow(const char *path, char target[PATH_MAX]);

/* The descriptor that a path such as /dev/stdout or /dev/fd/3 stands for; -1 where it is none of this process.  What is written
 * to it itself follows what was written before, while opening such a path again would begin at the file's begin. */
int path_descriptor(const char *path);

/* Opens a log, to be written in place: line by line, to be read while it grows.  With `resume` a regular file that is there
 * keeps its content, which may be read, and *resumed becomes true; else it begins empty.  What is no regular file, a
 * terminal, a pipe that somebody reads, is only written to, and so is an open file, such as /dev/stdout.  GRADUS_ERROR_IO; then *stream is NULL. */
gradus_status file_open_log(const char *path, bool resume, FILE **stream, bool *resumed);

/* A file without a name for reading and writing, in $TMPDIR or else /tmp; `path` is what the message speaks of.  Its descriptor
 * is none of the three standard ones.  GRADUS_ERROR_IO; then *file is -1. */
gradus_status file_temporary(const char *path, int *file);

enum { WRITER_STEM = 80, WRITER_TEMPORARY = WRITER_STEM + 32 };

typedef struct {
    const char *path;                 /* as the caller wrote it, and as long as the caller's lives: for messages */
    int file;                         /* that is written to */
    int folder;                       /* of the file beside, and */
    char temporary[WRITER_TEMPORARY]; /* its name there; "" where the target is written to directly */
    char name[NAME_MAX + 1];          /* which it gets at the end */
} writer;

/* Begins a file beside `path`, with the mode of the one that it is to replace.  A symbolic link stays, also one to nothing,
 * and what it points to is replaced.  What is no regular file, a terminal, a pipe that somebody reads, is written to
 * directly, and so is an open file, such as /dev/stdout: from where it stands on.
 *
 * The file beside is called NAME.gradus-N.new, of a long NAME the beginning and a hash.  A process that is killed
 * leaves it, and `path` as it was; the next writer to the same path removes it, but never one that a living process writes
 * to: that holds a lock (flock).  Where a file system has no locks, it stays.
 *
 * GRADUS_ERROR_IO where the operating system refuses.  After an error only writer_end is to be called, which then removes
 * what was begun. */
gradus_status writer_begin(writer *w, const char *path);

/* Appends bytes, unbuffered: give it much at a time. */
gradus_status writer_put(writer *w, const void *bytes, size_t size);

/* Where `status` is GRADUS_OK: waits for the disk, puts the file in its place and waits for the folder too.  Else
 * removes the file beside, and keeps the message of the failure that `status` is of.  Returns the first failure. */
gradus_status writer_end(writer *w, gradus_status status);

/* What stands behind the last dot of a path's last name: "svg"; "" where there is none. */
const char *path_ending(const char *path);

#endif
