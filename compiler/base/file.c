/* SPDX-License-Identifier: Apache-2.0
 * Whole files.  See file.h. */
#include "base/file.h"

#include "runtime/files.h"

#include <errno.h>
#include <string.h>

static gradus_status fail_io(const char *path, const char *what, int code) {
    return fail(code == ENOENT ? GRADUS_ERROR_NOT_FOUND : GRADUS_ERROR_IO, "%s: cannot %s: %s", path, what,
                strerror(code));
}

/* Reads what the stream gives piece by piece, so that memory grows with what is really there. */
static gradus_status read_stream(arena *memory, FILE *stream, const char *path, size_t limit, char **data,
                                 size_t *length) {
    size_t room = 1 << 16, used = 0;
    char *bytes = arena_alloc(memory, room + 1);
    for (;;) {
        size_t got = fread(bytes + used, 1, room - used, stream);
        if (memchr(bytes + used, '\0', got))
            return fail(GRADUS_ERROR_FORMAT, "%s: this is no text: it holds a byte of 0", path);
        used += got;
        if (used > limit) return fail(GRADUS_ERROR_FORMAT, "%s: the file is longer than %zu bytes", path, limit);
        if (used < room) break;
        char *bigger = arena_alloc(memory, room * 2 + 1);
        bytes = memcpy(bigger, bytes, used);
        room *= 2;
    }
    if (ferror(stream)) return fail_io(path, "read", errno);
    bytes[used] = '\0';
    *data = bytes;
    *length = used;
    return GRADUS_OK;
}

/* The stream is closed on every way out, that of a jump too. */
gradus_status file_read_text(arena *memory, const char *path, size_t limit, char **data, size_t *length) {
    errno = 0;
    FILE *const stream = fopen(path, "rb");
    if (!stream) return fail_io(path, "open", errno);
    volatile gradus_status status = GRADUS_OK;
    guard here;
    if (GUARDED(&here)) {
        status = read_stream(memory, stream, path, limit, data, length);
        guard_leave(&here);
    } else {
        fclose(stream);
        guard_out_of_memory();
    }
    fclose(stream);
    return status;
}

gradus_status file_write(const char *path, const char *data, size_t length) {
    writer w;
    gradus_status status = writer_begin(&w, path);
    if (status == GRADUS_OK) status = writer_put(&w, data, length);
    return writer_end(&w, status);
}
