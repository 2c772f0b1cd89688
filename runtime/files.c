/* SPDX-License-Identifier: Apache-2.0
 * Writing a file whole or not at all.  See files.h.
 *
 * The order is what matters: the content reaches the disk, then the name points to it, then the name reaches the disk. */
#include "runtime/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gradus_status refuse(const writer *w, int code) {
    return fail(GRADUS_ERROR_IO, "%s: cannot write: %s", w->path, strerror(code));
}

/* Threads and processes that write to one path must not meet in one file beside it. */
static int open_beside(writer *w, size_t room) {
    static atomic_uint count;
    for (int attempt = 0; attempt < 100; attempt++) {
        snprintf(w->temporary, room, "%s.%ld.%u.new", w->target, (long)getpid(), atomic_fetch_add(&count, 1));
        int file = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file >= 0 || errno != EEXIST) return file;
    }
    return -1;
}

gradus_status writer_begin(writer *w, const char *path) {
    *w = (writer){.path = path, .file = -1};
    char followed[PATH_MAX];
    const char *target = realpath(path, followed) ? followed : path;
    struct stat there;
    bool exists = lstat(target, &there) == 0;
    bool direct = exists && !S_ISREG(there.st_mode);
    size_t length = strlen(target) + 1, room = length + 48;
    w->target = memory_reallocate(NULL, length + room);
    if (!w->target) return fail_out_of_memory(path);
    memcpy(w->target, target, length);
    w->temporary = w->target + length;
    w->temporary[0] = '\0';
    w->file = direct ? open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : open_beside(w, room);
    if (w->file < 0) {
        w->temporary[0] = '\0';
        return refuse(w, errno);
    }
    /* A file that may not be written to is none to replace either. */
    if (exists && !direct && (access(target, W_OK) != 0 || fchmod(w->file, there.st_mode & 0777) != 0)) {
        return refuse(w, errno);
    }
    return GRADUS_OK;
}

gradus_status writer_put(writer *w, const void *bytes, size_t size) {
    const unsigned char *from = bytes;
    while (size) {
        ssize_t n = write(w->file, from, size < SSIZE_MAX ? size : SSIZE_MAX);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return refuse(w, errno);
        from += n;
        size -= (size_t)n;
    }
    return GRADUS_OK;
}

/* Pipes, and file systems that know no better, have nothing to wait for. */
static bool sync_file(int file) { return fsync(file) == 0 || errno == EINVAL || errno == EROFS || errno == ENOTSUP; }

/* A folder that may be written to but not read cannot be waited for. */
static bool sync_folder(writer *w) {
    char *slash = strrchr(w->target, '/');
    if (slash) slash[slash == w->target] = '\0';
    int folder = open(slash ? w->target : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return errno == EACCES;
    bool synced = sync_file(folder);
    int code = errno;
    close(folder);
    errno = code;
    return synced;
}

gradus_status writer_end(writer *w, gradus_status status) {
    if (!w->target) return status;
    bool beside = w->temporary[0] != '\0';
    if (status == GRADUS_OK && !sync_file(w->file)) status = refuse(w, errno);
    if (w->file >= 0 && close(w->file) != 0 && status == GRADUS_OK) status = refuse(w, errno);
    if (beside && status == GRADUS_OK && rename(w->temporary, w->target) != 0) status = refuse(w, errno);
    if (beside && status != GRADUS_OK) unlink(w->temporary);
    if (beside && status == GRADUS_OK && !sync_folder(w)) status = refuse(w, errno);
    memory_free(w->target);
    *w = (writer){.file = -1};
    return status;
}

const char *path_ending(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot && !strchr(dot, '/') ? dot + 1 : "";
}
