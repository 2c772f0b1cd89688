/* SPDX-License-Identifier: Apache-2.0
 * Reading a file front to back, plain or compressed.  See stream.h.
 *
 * zlib's own file reader would forgive a file that stops early or goes on after its end; this one does not. */
#include "runtime/data/stream.h"

#include "runtime/files.h"
#include "runtime/formats.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { WINDOW = 1 << 16, GZIP_ONLY = 16 + MAX_WBITS };

struct stream {
    int file;
    bool compressed;
    bool between; /* compressed: a member has ended, and another may follow */
    bool file_end;
    z_stream z;    /* its next_in and avail_in are the unread bytes of the window, compressed or not */
    int64_t taken; /* bytes of the file that were read into the window */
    int64_t place; /* bytes of content that were delivered */
    char *path;
    unsigned char window[WINDOW];
};

static void *zlib_allocate(void *user, unsigned items, unsigned size) {
    (void)user;
    return memory_reallocate(NULL, (size_t)items * size);
}

static void zlib_free(void *user, void *memory) {
    (void)user;
    memory_free(memory);
}

int64_t stream_place(const stream *s) { return s->place; }

gradus_status stream_fail(const stream *s, int64_t place, const char *format, ...) {
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return fail(GRADUS_ERROR_FORMAT, "%s: byte %lld%s: %s", s->path, (long long)place,
                s->compressed ? " of the decompressed data" : "", message);
}

/* An error of the compressed file itself, at the byte that comes next. */
static gradus_status fail_compressed(const stream *s, const char *message) {
    return fail(GRADUS_ERROR_FORMAT, "%s: byte %lld of the compressed file: %s", s->path,
                (long long)(s->taken - s->z.avail_in), message);
}

/* Makes sure that the window holds an unread byte, unless the file has ended. */
static gradus_status fill(stream *s) {
    while (s->z.avail_in == 0 && !s->file_end) {
        ssize_t n = read(s->file, s->window, WINDOW);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(GRADUS_ERROR_IO, "%s: byte %lld: %s", s->path, (long long)s->taken, strerror(errno));
        s->file_end = n == 0;
        s->taken += n;
        s->z.next_in = s->window;
        s->z.avail_in = (unsigned)n;
    }
    return GRADUS_OK;
}

/* gzip is told by its first two bytes. */
static gradus_status detect(stream *s) {
    gradus_status status = fill(s);
    if (status != GRADUS_OK || s->z.avail_in < 2 || s->window[0] != 0x1f || s->window[1] != 0x8b) return status;
    if (inflateInit2(&s->z, GZIP_ONLY) != Z_OK) return fail_out_of_memory(s->path);
    s->compressed = true;
    return GRADUS_OK;
}

gradus_status stream_open(const char *path, stream **out) {
    *out = NULL;
    int file;
    gradus_status status = file_open(path, &file, NULL);
    if (status != GRADUS_OK) return status;
    size_t length = strlen(path) + 1;
    stream *s = memory_reallocate(NULL, sizeof *s + length);
    if (!s) {
        close(file);
        return fail_out_of_memory(path);
    }
    memset(s, 0, offsetof(stream, window));
    s->file = file;
    s->path = memcpy((char *)s + sizeof *s, path, length);
    s->z.zalloc = zlib_allocate;
    s->z.zfree = zlib_free;
    status = detect(s);
    if (status != GRADUS_OK) {
        stream_close(s);
        return status;
    }
    *out = s;
    return GRADUS_OK;
}

void stream_close(stream *s) {
    if (!s) return;
    if (s->compressed) inflateEnd(&s->z);
    close(s->file);
    memory_free(s);
}

/* Inflates some more into z.next_out, of which z.avail_out bytes are free; *end at the end of the last member. */
static gradus_status inflate_some(stream *s, bool *end) {
    if (s->between) {
        *end = s->z.avail_in == 0;
        if (*end) return GRADUS_OK;
        if (*s->z.next_in != 0x1f) return fail_compressed(s, "something follows the compressed data");
        inflateReset(&s->z);
        s->between = false;
    }
    if (s->z.avail_in == 0) return fail_compressed(s, "the file is truncated: the compressed data goes on");
    switch (inflate(&s->z, Z_NO_FLUSH)) {
    case Z_OK:
    case Z_BUF_ERROR: return GRADUS_OK;
    case Z_STREAM_END: s->between = true; return GRADUS_OK;
    case Z_MEM_ERROR: return fail_out_of_memory(s->path);
    default: return fail_compressed(s, s->z.msg ? s->z.msg : "the compressed data is corrupt");
    }
}

static gradus_status read_compressed(stream *s, unsigned char *bytes, size_t size) {
    bool end = false;
    s->z.next_out = bytes;
    while (!end && (size_t)(s->z.next_out - bytes) < size) {
        size_t room = size - (size_t)(s->z.next_out - bytes);
        s->z.avail_out = room < WINDOW ? (unsigned)room : WINDOW;
        gradus_status status = fill(s);
        if (status == GRADUS_OK) status = inflate_some(s, &end);
        if (status != GRADUS_OK) return status;
    }
    return GRADUS_OK;
}

static gradus_status read_plain(stream *s, unsigned char *bytes, size_t size, size_t *got) {
    while (*got < size) {
        gradus_status status = fill(s);
        if (status != GRADUS_OK) return status;
        if (s->z.avail_in == 0) return GRADUS_OK;
        size_t n = size - *got < s->z.avail_in ? size - *got : s->z.avail_in;
        memcpy(bytes + *got, s->z.next_in, n);
        s->z.next_in += n;
        s->z.avail_in -= (unsigned)n;
        *got += n;
    }
    return GRADUS_OK;
}

gradus_status stream_read(stream *s, void *bytes, size_t size, size_t *got) {
    *got = 0;
    gradus_status status = s->compressed ? read_compressed(s, bytes, size) : read_plain(s, bytes, size, got);
    if (status != GRADUS_OK) return status;
    if (s->compressed) *got = (size_t)(s->z.next_out - (unsigned char *)bytes);
    s->place += (int64_t)*got;
    return GRADUS_OK;
}

gradus_status stream_fail_begin(stream *s, const void *begin, size_t n, int64_t place, const char *format, ...) {
    char message[512], looks[FORMAT_TEXT];
    unsigned char bytes[FORMAT_BYTES];
    size_t more;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    memcpy(bytes, begin, n);
    if (stream_read(s, bytes + n, sizeof bytes - n, &more) != GRADUS_OK) more = 0;
    return stream_fail(s, place, "%s%s", message, format_in_words(bytes, n + more, looks));
}
