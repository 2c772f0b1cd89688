/* SPDX-License-Identifier: Apache-2.0
 * Reading a file front to back, plain or compressed with gzip (RFC 1952), with errors that name the place. */
#ifndef GRADUS_RUNTIME_DATA_STREAM_H
#define GRADUS_RUNTIME_DATA_STREAM_H

#include "runtime/support.h"

typedef struct stream stream;

/* Opens a regular file.  GRADUS_ERROR_NOT_FOUND, GRADUS_ERROR_IO, GRADUS_ERROR_MEMORY; then *s is NULL. */
gradus_status stream_open(const char *path, stream **s);
void stream_close(stream *s); /* takes NULL */

/* Reads up to `size` bytes of (decompressed) content; fewer, in *got, only at its end.  GRADUS_ERROR_FORMAT where
 * compressed data is truncated, corrupt or followed by something else; GRADUS_ERROR_IO; GRADUS_ERROR_MEMORY. */
gradus_status stream_read(stream *s, void *bytes, size_t size, size_t *got);

/* An error at byte `place` of the content, as "path: byte 12: message" (gzip: "path: byte 12 of the decompressed
 * data: message"). */
gradus_status stream_fail(const stream *s, int64_t place, const char *format, ...) PRINTF_LIKE(3, 4);

/* The same for content that does not begin as it should: `begin` are the `n` bytes that were read so far, at most
 * FORMAT_BYTES.  The message goes on with what it looks like instead. */
gradus_status stream_fail_begin(stream *s, const void *begin, size_t n, int64_t place, const char *format, ...)
    PRINTF_LIKE(5, 6);

/* How much content was read so far. */
int64_t stream_place(const stream *s);

#endif
