/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs Graphviz' `dot` to make pictures.  Its three streams are unnamed temporary files, so nothing can block, no path
 * reaches its command line, and a program that dies early raises no SIGPIPE here.  See graphviz.h.
 */
#include "base/graphviz.h"

#include "base/file.h"
#include "runtime/files.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { STREAMS = 3, ABSENT = 127 };
#define PICTURE_LIMIT ((size_t)1 << 30)

void dot_escape(text *out, const char *string) {
    for (const char *s = string; *s;) {
        const size_t length = utf8_length(s);
        if (*s == '"' || *s == '\\') text_append(out, "\\%c", *s);
        else if (*s == '&') text_append(out, "&amp;");
        else if (*s == '\n') text_append(out, "\\n");
        else if (!length || (unsigned char)*s < ' ' || *s == 0x7f) text_append(out, "?");
        else text_append(out, "%.*s", (int)length, s);
        s += length ? length : 1;
    }
}

static bool write_all(int descriptor, const char *data, size_t length) {
    while (length) {
        const ssize_t done = write(descriptor, data, length);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        data += done;
        length -= (size_t)done;
    }
    return lseek(descriptor, 0, SEEK_SET) == 0;
}

/* The child's exit status; -1 where nobody knows, as in a process that ignores SIGCHLD. */
static int wait_for(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int run_dot(const int *descriptors, const char *format, int *code) {
    char program[] = "dot", option[16];
    snprintf(option, sizeof option, "-T%s", format);
    char *const command[] = {program, option, NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    if ((*code = posix_spawn_file_actions_init(&actions)) != 0) return -1;
    for (int i = 0; i < STREAMS && *code == 0; i++)
        *code = posix_spawn_file_actions_adddup2(&actions, descriptors[i], i);
    if (*code == 0) *code = posix_spawnp(&child, command[0], &actions, NULL, command, environ);
    posix_spawn_file_actions_destroy(&actions);
    return *code == 0 ? wait_for(child) : -1;
}

/* What stands in a temporary file, as a text; at most `limit` bytes of it. */
static char *read_back(arena *memory, int descriptor, size_t limit, size_t *length) {
    const off_t end = lseek(descriptor, 0, SEEK_END);
    const size_t bytes = end < 0 ? 0 : (size_t)end < limit ? (size_t)end : limit;
    char *data = arena_alloc(memory, bytes + 1);
    *length = 0;
    if (lseek(descriptor, 0, SEEK_SET) != 0) return data;
    while (*length < bytes) {
        const ssize_t done = read(descriptor, data + *length, bytes - *length);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) break;
        *length += (size_t)done;
    }
    return data;
}

static gradus_status convert(const int *descriptors, const char *dot, size_t length, const char *format,
                             const char *path, arena *memory) {
    if (!write_all(descriptors[0], dot, length))
        return fail(GRADUS_ERROR_IO, "%s: cannot write a temporary file: %s", path, strerror(errno));
    int code;
    const int status = run_dot(descriptors, format, &code);
    if (code == ENOENT || status == ABSENT)
        return fail(GRADUS_ERROR_NOT_FOUND,
                    "%s: Graphviz' program \"dot\" is not on the PATH; install Graphviz, or write DOT", path);
    if (code) return fail(GRADUS_ERROR_IO, "%s: cannot run \"dot\": %s", path, strerror(code));
    size_t picture_length, said_length;
    const char *picture = read_back(memory, descriptors[1], PICTURE_LIMIT, &picture_length);
    const char *said = read_back(memory, descriptors[2], 500, &said_length);
    if (status > 0 || picture_length == 0) return fail(GRADUS_ERROR_IO, "%s: \"dot\" failed: %s", path, said);
    return file_write(path, picture, picture_length);
}

static gradus_status convert_guarded(const int *descriptors, const char *dot, size_t length, const char *format,
                                     const char *path, arena *memory) {
    guard here;
    if (GUARDED(&here)) {
        const gradus_status status = convert(descriptors, dot, length, format, path, memory);
        guard_leave(&here);
        return status;
    }
    return fail_out_of_memory(path);
}

const char *dot_format(const char *path) { return strcasecmp(path_ending(path), "png") ? "svg" : "png"; }

gradus_status dot_write(const char *dot, size_t length, const char *format, const char *path) {
    int descriptors[STREAMS] = {-1, -1, -1};
    arena memory = {0};
    gradus_status status = GRADUS_OK;
    for (int i = 0; i < STREAMS && !status; i++) status = file_temporary(path, &descriptors[i]);
    if (!status) status = convert_guarded(descriptors, dot, length, format, path, &memory);
    for (int i = 0; i < STREAMS; i++)
        if (descriptors[i] >= 0) close(descriptors[i]);
    arena_free(&memory);
    return status;
}
