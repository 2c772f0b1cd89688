/* SPDX-License-Identifier: Apache-2.0
 * Whole files.  See file.h. */
#include "base/file.h"

#include "runtime/files.h"
#include "runtime/formats.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Reads what is there, into as much memory as the file is long; a file that is longer than it says, as those of the system
 * are, gets more. */
static gradus_status read_all(arena *memory, int file, uint64_t said, const char *path, size_t limit, char **data,
                              size_t *length) {
    size_t room = said < limit ? (size_t)said + 1 : limit + 1, used = 0;
    if (room < 1 << 16) room = 1 << 16;
    char *bytes = arena_alloc(memory, room + 1);
    for (;;) {
        ssize_t got = read(file, bytes + used, room - used);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail(GRADUS_ERROR_IO, "%s: cannot read: %s", path, strerror(errno));
        if (got == 0) break;
        const char *what = used ? NULL : format_of(bytes, (size_t)got < FORMAT_BYTES ? (size_t)got : FORMAT_BYTES);
        if (what) return fail(GRADUS_ERROR_FORMAT, "%s: this is %s; expected text in UTF-8 or ASCII", path, what);
        if (memchr(bytes + used, '\0', (size_t)got))
            return fail(GRADUS_ERROR_FORMAT, "%s: this is no text: it holds a byte of 0", path);
        used += (size_t)got;
        if (used > limit) return fail(GRADUS_ERROR_FORMAT, "%s: the file is longer than %zu bytes", path, limit);
        if (used < room) continue;
        char *bigger = arena_alloc(memory, room * 2 + 1);
        bytes = memcpy(bigger, bytes, used);
        room *= 2;
    }
    bytes[used] = '\0';
    *data = bytes;
    *length = used;
    return GRADUS_OK;
}

/* The file is closed on every way out, that of a jump too. */
gradus_status file_read_text(arena *memory, const char *path, size_t limit, char **data, size_t *length) {
    int opened;
    uint64_t bytes;
    volatile gradus_status status = file_open(path, &opened, &bytes);
    const int file = opened;
    if (status) return status;
    guard here;
    if (GUARDED(&here)) {
        status = read_all(memory, file, bytes, path, limit, data, length);
        guard_leave(&here);
    } else {
        close(file);
        guard_out_of_memory();
    }
    close(file);
    return status;
}

gradus_status file_write(const char *path, const char *data, size_t length) {
    writer w;
    gradus_status status = writer_begin(&w, path);
    if (status == GRADUS_OK) status = writer_put(&w, data, length);
    return writer_end(&w, status);
}
