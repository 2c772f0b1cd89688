/* SPDX-License-Identifier: Apache-2.0
 * Files opened for reading, logs and temporary files.  See files.h; writing whole files is writer.c's. */
#include "runtime/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

gradus_status file_open_log(const char *path, bool resume, FILE **stream, bool *resumed) {
    struct stat about;
    *stream = NULL;
    *resumed = resume && stat(path, &about) == 0 && S_ISREG(about.st_mode);
    int flags = *resumed ? O_RDWR : O_WRONLY | O_CREAT | O_TRUNC;
    int file = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
    if (file < 0 && errno == ENXIO)
        return fail(GRADUS_ERROR_IO, "%s: cannot write: this is a pipe that nobody reads, or a socket", path);
    if (file >= 0) fcntl(file, F_SETFL, fcntl(file, F_GETFL) & ~O_NONBLOCK);
    *stream = file >= 0 ? fdopen(file, *resumed ? "r+b" : "wb") : NULL;
    if (*stream) return GRADUS_OK;
    int code = errno;
    if (file >= 0) close(file);
    return fail(GRADUS_ERROR_IO, "%s: cannot write: %s", path, strerror(code));
}

gradus_status file_temporary(const char *path, int *file) {
    enum { STANDARD = 3 };
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
