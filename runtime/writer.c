/* SPDX-License-Identifier: Apache-2.0
 * Writing a file whole or not at all.  See files.h.
 *
 * The order is what matters: the content reaches the disk, then the name points to it, then the name reaches the disk. */
#include "runtime/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static gradus_status refuse(const writer *w, int code) {
    return fail(GRADUS_ERROR_IO, "%s: cannot write: %s", w->path, strerror(code));
}

/* --- where to ----------------------------------------------------------------------------------------------------- */

/* A folder that may be written to but not read serves too, though it cannot be waited for. */
static int open_folder(const char *path) {
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
#ifdef O_PATH
    if (folder < 0 && errno == EACCES) folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
#endif
    return folder;
}

/* Opens the folder of the target and keeps the target's name in it. */
static gradus_status enter(writer *w, char target[PATH_MAX]) {
    size_t length = path_folder(target);
    const char *name = target + length, *folder = length ? target : ".";
    if (!*name) return refuse(w, *w->path ? EISDIR : ENOENT);
    if (strlen(name) >= sizeof w->name) return refuse(w, ENAMETOOLONG);
    memcpy(w->name, name, strlen(name) + 1);
    target[length > 1 ? length - 1 : length] = '\0';
    w->folder = open_folder(folder);
    if (w->folder >= 0) return GRADUS_OK;
    return fail(GRADUS_ERROR_IO, "%s: cannot write: %s: the directory \"%s\"", w->path, strerror(errno), folder);
}

/* --- the file beside ---------------------------------------------------------------------------------------------- */

/* The beginning of a long name, of whole characters of UTF-8, and a hash of all of it (FNV-1a). */
static void name_beside(const char *name, unsigned slot, char beside[WRITER_TEMPORARY]) {
    enum { CUT = WRITER_STEM - 17 };
    size_t length = strlen(name);
    if (length <= WRITER_STEM) {
        snprintf(beside, WRITER_TEMPORARY, "%s.gradus-%u.new", name, slot);
        return;
    }
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *c = name; *c; c++) hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    for (length = CUT; length && ((unsigned char)name[length] & 0xc0) == 0x80;) length--;
    snprintf(beside, WRITER_TEMPORARY, "%.*s~%016" PRIx64 ".gradus-%u.new", (int)length, name, hash, slot);
}

static bool lock(int file) {
    while (flock(file, LOCK_EX | LOCK_NB) != 0)
        if (errno != EINTR) return false;
    return true;
}

/* Whether a name still stands for an open file. */
static bool is_named(const writer *w, const char *name, int file) {
    struct stat a, b;
    return fstat(file, &a) == 0 && fstatat(w->folder, name, &b, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(a.st_mode) &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Removes the file of a writer that was killed: its lock went with it. */
static void remove_leftover(const writer *w, const char *name) {
    int file = openat(w->folder, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0) return;
    if (lock(file) && is_named(w, name, file)) unlinkat(w->folder, name, 0);
    close(file);
}

/* A new file with a lock.  Before it had that, another writer may have taken it for a leftover: then again. */
static int create(const writer *w, const char *name) {
    for (;;) {
        int file = openat(w->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (file < 0) return file;
        bool locked = lock(file);
        if (!locked && errno != EWOULDBLOCK) return file; /* a file system without locks */
        if (locked && is_named(w, name, file)) return file;
        close(file);
    }
}

/* The first free slot; and the leftovers in others go, so that several that were killed at once leave nothing either. */
static int open_beside(writer *w) {
    enum { SWEPT = 16, MOST = 100000 };
    for (unsigned slot = 0; w->file < 0 || slot < SWEPT; slot++) {
        char name[WRITER_TEMPORARY];
        name_beside(w->name, slot, name);
        remove_leftover(w, name);
        if (w->file >= 0) continue;
        w->file = create(w, name);
        if (w->file >= 0) memcpy(w->temporary, name, sizeof name);
        else if (errno != EEXIST || slot == MOST) return errno;
    }
    return 0;
}

/* --- what is not replaced ----------------------------------------------------------------------------------------- */

/* A pipe that nobody reads is refused instead of waited for. */
static gradus_status open_directly(writer *w, mode_t mode) {
    int descriptor = path_descriptor(w->path);
    if (descriptor >= 0) {
        w->file = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
        return w->file >= 0 ? GRADUS_OK : refuse(w, errno);
    }
    int flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | (S_ISREG(mode) ? O_TRUNC : 0);
    w->file = open(w->path, flags);
    if (w->file < 0 && errno == ENXIO && S_ISFIFO(mode))
        return fail(GRADUS_ERROR_IO, "%s: cannot write: this is a pipe, and nobody reads it", w->path);
    if (w->file < 0 || fcntl(w->file, F_SETFL, fcntl(w->file, F_GETFL) & ~O_NONBLOCK) < 0) return refuse(w, errno);
    return GRADUS_OK;
}

/* --- from begin to end -------------------------------------------------------------------------------------------- */

gradus_status writer_begin(writer *w, const char *path) {
    char target[PATH_MAX];
    struct stat there, link;
    *w = (writer){.path = path, .file = -1, .folder = -1};
    bool exists = stat(path, &there) == 0;
    if (exists && !S_ISREG(there.st_mode)) return open_directly(w, there.st_mode);
    int code = path_follow(path, target);
    /* Names such as /dev/stdout lead to open files: who holds those would not see a file in their place. */
    if (!code && exists && lstat(target, &link) == 0 && S_ISLNK(link.st_mode)) return open_directly(w, there.st_mode);
    gradus_status status = code ? refuse(w, code) : enter(w, target);
    if (status != GRADUS_OK) return status;
    /* A file that may not be written to is none to replace either. */
    if (exists && access(path, W_OK) != 0) return refuse(w, errno);
    code = open_beside(w);
    if (!code && exists && fchmod(w->file, there.st_mode & 0777) != 0) code = errno;
    return code ? refuse(w, code) : GRADUS_OK;
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

/* Pipes, file systems that know no better, and folders that may not be read, have nothing to wait for. */
static bool sync_file(int file) {
    return fsync(file) == 0 || errno == EINVAL || errno == EROFS || errno == ENOTSUP || errno == EBADF;
}

/* The file beside is closed last: with it goes the lock, and then it must have its name. */
gradus_status writer_end(writer *w, gradus_status status) {
    bool beside = w->temporary[0] != '\0', begun = w->file >= 0;
    if (begun && status == GRADUS_OK && !sync_file(w->file)) status = refuse(w, errno);
    if (beside && status == GRADUS_OK && renameat(w->folder, w->temporary, w->folder, w->name) != 0)
        status = refuse(w, errno);
    if (beside && status != GRADUS_OK) unlinkat(w->folder, w->temporary, 0);
    if (beside && status == GRADUS_OK && !sync_file(w->folder)) status = refuse(w, errno);
    if (begun && close(w->file) != 0 && !beside && status == GRADUS_OK) status = refuse(w, errno);
    if (w->folder >= 0) close(w->folder);
    *w = (writer){.file = -1, .folder = -1};
    return status;
}
