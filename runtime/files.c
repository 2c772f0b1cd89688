/* SPDX-License-Identifier: Apache-2.0
 * Files opened for reading, logs and temporary files.  See files.h; writing whole files is writer.c's. */
#include "runtime/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STANDARD = 3 }; /* descriptors */

static const char *kind_of(mode_t mode) {
    return S_ISDIR(mode)    ? "a directory"
           : S_ISFIFO(mode) ? "a pipe"
           : S_ISSOCK(mode) ? "a socket"
           : S_ISREG(mode)  ? "a regular file"
                            : "a device";
}

/* A device is not even opened; should the name become a pipe's between the two calls, opening does not wait for it. */
gradus_status file_open(const char *path, int *file, uint64_t *bytes) {
    struct stat about;
    *file = -1;
    int code = stat(path, &about) == 0 ? 0 : errno;
    if (!code && S_ISREG(about.st_mode)) {
        *file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (*file < 0 || fstat(*file, &about) != 0) code = errno;
    }
    if (!code && S_ISREG(about.st_mode)) {
        if (bytes) *bytes = (uint64_t)about.st_size;
        return GRADUS_OK;
    }
    if (*file >= 0) close(*file);
    *file = -1;
    if (code)
        return fail(code == ENOENT ? GRADUS_ERROR_NOT_FOUND : GRADUS_ERROR_IO, "%s: cannot open: %s", path,
                    strerror(code));
    return fail(GRADUS_ERROR_IO, "%s: cannot open: this is %s, expected a regular file", path, kind_of(about.st_mode));
}

size_t path_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

int path_follow(const char *path, char target[PATH_MAX]) {
    enum { MOST_LINKS = 40 };
    char link[PATH_MAX];
    struct stat proc, about;
    bool has_proc = stat("/proc/self/fd", &proc) == 0;
    size_t length = strlen(path);
    if (length >= PATH_MAX) return ENAMETOOLONG;
    memcpy(target, path, length + 1);
    for (int links = 0; links < MOST_LINKS; links++) {
        if (has_proc && lstat(target, &about) == 0 && about.st_dev == proc.st_dev) return 0;
        ssize_t n = readlink(target, link, sizeof link);
        if (n < 0) return 0; /* no link; where it is something worse, opening says so */
        size_t kept = link[0] == '/' ? 0 : path_folder(target);
        if (kept + (size_t)n >= PATH_MAX) return ENAMETOOLONG;
        memcpy(target + kept, link, (size_t)n);
        target[kept + (size_t)n] = '\0';
    }
    return ELOOP;
}

int path_descriptor(const char *path) {
    char target[PATH_MAX], *end;
    struct stat link, named, open_one;
    if (path_follow(path, target) != 0 || lstat(target, &link) != 0 || !S_ISLNK(link.st_mode)) return -1;
    const char *name = target + path_folder(target);
    unsigned long number = strtoul(name, &end, 10);
    if (end == name || *end || number > INT_MAX || fstat((int)number, &open_one) != 0) return -1;
    bool same = stat(path, &named) == 0 && named.st_dev == open_one.st_dev && named.st_ino == open_one.st_ino;
    return same ? (int)number : -1;
}

gradus_status file_open_log(const char *path, bool resume, FILE **stream, bool *resumed) {
    struct stat about;
    const int descriptor = path_descriptor(path);
    *stream = NULL;
    *resumed = descriptor < 0 && resume && stat(path, &about) == 0 && S_ISREG(about.st_mode);
    int flags = *resumed ? O_RDWR : O_WRONLY | O_CREAT | O_TRUNC;
    int file = descriptor >= 0 ? fcntl(descriptor, F_DUPFD_CLOEXEC, STANDARD)
                               : open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
    if (file < 0 && errno == ENXIO)
        return fail(GRADUS_ERROR_IO, "%s: cannot write: this is a pipe that nobody reads, or a socket", path);
    if (file >= 0 && descriptor < 0) fcntl(file, F_SETFL, fcntl(file, F_GETFL) & ~O_NONBLOCK);
    *stream = file >= 0 ? fdopen(file, *resumed ? "r+b" : "wb") : NULL;
    if (*stream) return GRADUS_OK;
    int code = errno;
    if (file >= 0) close(file);
    return fail(GRADUS_ERROR_IO, "%s: cannot write: %s", path, strerror(code));
}

gradus_status file_temporary(const char *path, int *file) {
    char name[PATH_MAX];
    const char *wanted = getenv("TMPDIR"), *folder = wanted && *wanted ? wanted : "/tmp";
    int made = -1, code = ENAMETOOLONG;
    *file = -1;
    if (snprintf(name, sizeof name, "%s/gradus-XXXXXX", folder) < (int)sizeof name) {
        made = mkostemp(name, O_CLOEXEC);
        if (made >= 0) *file = fcntl(made, F_DUPFD_CLOEXEC, STANDARD);
        code = errno;
    }
    if (made >= 0) unlink(name), close(made);
    if (*file >= 0) return GRADUS_OK;
    return fail(GRADUS_ERROR_IO, "%s: cannot make a temporary file in \"%s\": %s%s", path, folder, strerror(code),
                folder == wanted ? "; TMPDIR names this directory" : "");
}

const char *path_ending(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot && !strchr(dot, '/') ? dot + 1 : "";
}
