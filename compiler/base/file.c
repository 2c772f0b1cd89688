/* SPDX-License-Identifier: Apache-2.0
 * Whole files.  See file.h. */
#include "base/file.h"

#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static gradus_status write_to(const char *path, const char *data, size_t length) {
    errno = 0;
    FILE *stream = fopen(path, "wb");
    if (!stream) return fail(GRADUS_ERROR_IO, "%s: cannot write: %s", path, strerror(errno));
    size_t written = length ? fwrite(data, 1, length, stream) : 0;
    int code = written == length ? 0 : errno;
    if (fclose(stream) != 0 && !code) code = errno;
    if (written == length && !code) return GRADUS_OK;
    return fail(GRADUS_ERROR_IO, "%s: cannot write: %s", path, strerror(code));
}

gradus_status file_write(arena *memory, const char *path, const char *data, size_t length) {
    struct stat there;
    bool plain = lstat(path, &there) != 0 || S_ISREG(there.st_mode);
    if (!plain) return write_to(path, data, length); /* a terminal, a pipe, a link: nothing to put in its place */
    text beside = {.memory = memory};
    text_append(&beside, "%s.%ld.new", path, (long)getpid());
    gradus_status status = write_to(beside.data, data, length);
    if (status == GRADUS_OK && rename(beside.data, path) != 0)
        status = fail(GRADUS_ERROR_IO, "%s: cannot write: %s", path, strerror(errno));
    if (status != GRADUS_OK) unlink(beside.data);
    return status;
}
