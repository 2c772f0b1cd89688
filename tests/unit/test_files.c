/* SPDX-License-Identifier: Apache-2.0
 * Files written whole or not at all: what is there afterwards, whatever happened; logs and temporary files. */
#include "cmocka_all.h"
#include "file.h"

#include "runtime/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[] = "/tmp/gradus-files-XXXXXX";
static char path[64], link_path[64];

static int make_directory(void **state) {
    (void)state;
    if (!mkdtemp(directory)) return 1;
    snprintf(path, sizeof path, "%s/file", directory);
    snprintf(link_path, sizeof link_path, "%s/link", directory);
    return 0;
}

static int clean(void **state) {
    (void)state;
    unlink(path);
    unlink(link_path);
    return 0;
}

static int remove_directory(void **state) {
    (void)state;
    return rmdir(directory); /* fails where a test left something beside */
}

static gradus_status put(const char *where, const char *content) {
    writer w;
    gradus_status status = writer_begin(&w, where);
    if (status == GRADUS_OK) status = writer_put(&w, content, strlen(content));
    return writer_end(&w, status);
}

static void assert_holds(const char *where, const char *content) {
    char got[64];
    FILE *f = fopen(where, "rb");
    assert_non_null(f);
    got[fread(got, 1, sizeof got - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(got, content);
}

static int entries(void) {
    DIR *d = opendir(directory);
    assert_non_null(d);
    int n = 0;
    while (readdir(d)) n++;
    closedir(d);
    return n - 2;
}

static mode_t mode_of(const char *where) {
    struct stat there;
    assert_int_equal(stat(where, &there), 0);
    return there.st_mode & 0777;
}

static void test_new_and_replaced(void **state) {
    (void)state;
    mode_t mask = umask(022);
    assert_int_equal(put(path, "first"), GRADUS_OK);
    assert_holds(path, "first");
    assert_int_equal(mode_of(path), 0644);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(put(path, "2nd"), GRADUS_OK);
    assert_holds(path, "2nd");
    assert_int_equal(mode_of(path), 0640);
    assert_int_equal(put(path, ""), GRADUS_OK);
    assert_holds(path, "");
    assert_int_equal(entries(), 1);
    umask(mask);
}

static void test_until_the_end_the_old_one_stays(void **state) {
    (void)state;
    assert_int_equal(put(path, "old"), GRADUS_OK);
    writer w, other;
    assert_int_equal(writer_begin(&w, path), GRADUS_OK);
    assert_int_equal(writer_begin(&other, path), GRADUS_OK); /* another thread's, say */
    assert_int_equal(writer_put(&w, "new", 3), GRADUS_OK);
    assert_int_equal(writer_put(&other, "other", 5), GRADUS_OK);
    assert_holds(path, "old");
    assert_int_equal(entries(), 3);
    assert_int_equal(writer_end(&w, GRADUS_OK), GRADUS_OK);
    assert_holds(path, "new");
    fail_out_of_memory("why");
    assert_int_equal(writer_end(&other, GRADUS_ERROR_MEMORY), GRADUS_ERROR_MEMORY);
    assert_string_equal(gradus_last_error(), "why: out of memory");
    assert_holds(path, "new");
    assert_int_equal(entries(), 1);
}

/* A path in the folder, valid until the fourth call from here. */
static const char *in_folder(const char *name) {
    static char paths[4][512];
    static int next;
    char *made = paths[next++ % 4];
    snprintf(made, sizeof paths[0], "%s/%s", directory, name);
    return made;
}

static void remove_all(void) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'/*", directory);
    assert_int_equal(system(command), 0);
}

/* Each kind of link: what it points to is made, then replaced, and while that happens it is not there in part. */
static void test_links(void **state) {
    (void)state;
    static const struct {
        const char *link, *to; /* a "@" begins a path of the folder */
    } links[] = {
        {"plain", "file"},
        {"absolute", "@file"},
        {"up", "sub/../file"},
        {"sub/down", "../file"},
        {"chain", "second"},
        {"second", "sub/third"},
        {"sub/third", "../absolute"},
        {"into", "sub/target"},
        {"through", "other/target"},
        {"name", "a file with a long name, longer than what is put beside can have and than eighty bytes, of "
                 "\xc3\xa4\xc3\xb6\xc3\xbc"},
    };
    enum { LINKS = sizeof links / sizeof *links };
    assert_int_equal(mkdir(in_folder("sub"), 0777), 0);
    assert_int_equal(symlink("sub", in_folder("other")), 0);
    for (int i = 0; i < LINKS; i++) {
        const char *to = links[i].to[0] == '@' ? in_folder(links[i].to + 1) : links[i].to;
        assert_int_equal(symlink(to, in_folder(links[i].link)), 0);
    }
    for (int i = 0; i < LINKS; i++) {
        struct stat there;
        writer w;
        char *target = NULL;
        for (int round = 0; round < 2; round++) {
            const char *link = in_folder(links[i].link), *content = round ? "second" : "first";
            assert_int_equal(writer_begin(&w, link), GRADUS_OK);
            assert_int_equal(writer_put(&w, content, strlen(content)), GRADUS_OK);
            if (round) assert_holds(link, "first"); /* the old one stays to the end */
            else assert_int_equal(access(link, F_OK), -1);
            assert_int_equal(writer_end(&w, GRADUS_OK), GRADUS_OK);
            assert_holds(link, content);
            assert_int_equal(lstat(link, &there), 0);
            assert_true(S_ISLNK(there.st_mode));
        }
        target = realpath(in_folder(links[i].link), NULL);
        assert_non_null(target);
        assert_int_equal(unlink(target), 0);
        free(target);
    }
    /* A failure leaves a link to nothing as it was. */
    writer w;
    assert_int_equal(writer_begin(&w, in_folder("plain")), GRADUS_OK);
    assert_int_equal(writer_end(&w, GRADUS_ERROR_MEMORY), GRADUS_ERROR_MEMORY);
    assert_int_equal(access(in_folder("plain"), F_OK), -1);
    /* Links in a ring, and one into a folder that is not there. */
    assert_int_equal(symlink("ring2", in_folder("ring1")), 0);
    assert_int_equal(symlink("ring1", in_folder("ring2")), 0);
    assert_int_equal(put(in_folder("ring1"), "x"), GRADUS_ERROR_IO);
    assert_non_null(strstr(gradus_last_error(), strerror(ELOOP)));
    assert_int_equal(symlink("none/file", in_folder("nowhere")), 0);
    assert_int_equal(put(in_folder("nowhere"), "x"), GRADUS_ERROR_IO);
    char message[512];
    snprintf(message, sizeof message, "%s: cannot write: %s: the directory \"%s\"", in_folder("nowhere"),
             strerror(ENOENT), in_folder("none"));
    assert_string_equal(gradus_last_error(), message);
    remove_all();
}

/* A link onto another file system: the file is made where the link points to. */
static void test_links_to_another_file_system(void **state) {
    (void)state;
    char far[] = "/dev/shm/gradus-files-XXXXXX", target[64];
    struct stat here, there;
    if (!mkdtemp(far)) skip();
    snprintf(target, sizeof target, "%s/file", far);
    assert_int_equal(stat(far, &there) | stat(directory, &here), 0);
    assert_int_equal(symlink(target, link_path), 0);
    assert_int_equal(put(link_path, "far"), GRADUS_OK);
    assert_holds(target, "far");
    assert_int_equal(entries(), 1);
    assert_int_equal(unlink(target) | rmdir(far), 0);
    if (here.st_dev == there.st_dev) skip();
}

/* Lengths of a name up to what a file can have, all of them around where a name begins to be cut. */
static void test_names_of_any_length(void **state) {
    (void)state;
    char name[NAME_MAX + 2], other[NAME_MAX + 1];
    static const size_t lengths[] = {1, 2, 40, 78, 79, 80, 81, 82, 83, 84, 100, 200, 253, 254, NAME_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t length = lengths[i];
        memset(name, 'n', length);
        for (size_t k = 0; k + 2 < length; k += 3) memcpy(name + k, "\xe2\x82\xac", 3);
        name[length] = '\0';
        assert_int_equal(put(in_folder(name), "1"), GRADUS_OK);
        assert_int_equal(put(in_folder(name), "2"), GRADUS_OK);
        assert_holds(in_folder(name), "2");
        assert_int_equal(unlink(in_folder(name)), 0);
    }
    memset(name, 'n', NAME_MAX + 1);
    name[NAME_MAX + 1] = '\0';
    assert_int_equal(put(in_folder(name), "1"), GRADUS_ERROR_IO);
    assert_non_null(strstr(gradus_last_error(), strerror(ENAMETOOLONG)));
    /* Two long names that begin alike are written at the same time. */
    name[NAME_MAX] = '\0';
    memcpy(other, name, sizeof other);
    other[NAME_MAX - 1] = 'o';
    writer a, b;
    assert_int_equal(writer_begin(&a, in_folder(name)), GRADUS_OK);
    assert_string_not_equal(a.temporary, "");
    assert_int_equal(writer_begin(&b, in_folder(other)), GRADUS_OK);
    assert_int_equal(memcmp(a.temporary + strlen(a.temporary) - 6, "-0.new", 6), 0);
    assert_int_equal(memcmp(b.temporary + strlen(b.temporary) - 6, "-0.new", 6), 0);
    assert_int_equal(writer_end(&a, GRADUS_OK) | writer_end(&b, GRADUS_OK), GRADUS_OK);
    assert_int_equal(entries(), 2);
    remove_all();
}

/* A child that begins to write, says so, and waits to be killed. */
static pid_t begin_in_child(const char *where) {
    int pipes[2];
    char ready;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        writer w;
        if (writer_begin(&w, where) != GRADUS_OK || writer_put(&w, "half", 4) != GRADUS_OK) _exit(1);
        if (write(pipes[1], "r", 1) != 1) _exit(1);
        for (;;) pause();
    }
    close(pipes[1]);
    assert_int_equal(read(pipes[0], &ready, 1), 1);
    close(pipes[0]);
    return child;
}

static void kill_child(pid_t child) {
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* What killed writers leave goes with the next one to the same path; what living ones write stays, and so do files that are
 * not theirs. */
static void test_what_killed_writers_leave(void **state) {
    (void)state;
    char name[NAME_MAX + 1], link_to[NAME_MAX + 1];
    memset(name, 'x', NAME_MAX);
    name[NAME_MAX] = '\0';
    snprintf(link_to, sizeof link_to, "link");
    assert_int_equal(symlink("file", link_path), 0);
    const char *const names[] = {"file", name, link_to};
    for (int i = 0; i < 3; i++) {
        const int before = entries();
        pid_t children[4];
        for (int k = 0; k < 4; k++) children[k] = begin_in_child(in_folder(names[i]));
        assert_int_equal(entries(), before + 4);
        for (int k = 0; k < 4; k += 2) kill_child(children[k]);
        assert_int_equal(entries(), before + 4);
        assert_int_equal(put(in_folder(names[i]), "whole"), GRADUS_OK);
        assert_int_equal(entries(), before + 3); /* the living two and the file */
        assert_int_equal(put(in_folder("another"), "whole"), GRADUS_OK);
        assert_int_equal(unlink(in_folder("another")), 0);
        for (int k = 1; k < 4; k += 2) kill_child(children[k]);
        assert_int_equal(put(in_folder(names[i]), "again"), GRADUS_OK);
        assert_holds(in_folder(names[i]), "again");
        assert_int_equal(entries(), before + 1);
        if (i != 1) assert_int_equal(unlink(path), 0);
    }
    static const char *const others[] = {"file.new", "file.gradus-0.new.txt", "file.1234.0.new", "xfile.gradus-0.new"};
    for (int i = 0; i < 4; i++) write_file(in_folder(others[i]), "mine", 4);
    assert_int_equal(symlink("file.new", in_folder("file.gradus-0.new")), 0); /* nobody's leftover */
    assert_int_equal(mkfifo(in_folder("file.gradus-1.new"), 0600), 0);
    assert_int_equal(put(path, "whole"), GRADUS_OK);
    for (int i = 0; i < 4; i++) assert_holds(in_folder(others[i]), "mine");
    assert_int_equal(access(in_folder("file.gradus-0.new"), F_OK) | access(in_folder("file.gradus-1.new"), F_OK), 0);
    remove_all();
}

/* Processes that write to one path at the same time take none of each other's for a leftover. */
static void test_many_writers(void **state) {
    (void)state;
    enum { WRITERS = 4, ROUNDS = 15 };
    pid_t children[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        children[i] = fork();
        if (children[i]) continue;
        for (int round = 0; round < ROUNDS; round++)
            if (put(path, "same") != GRADUS_OK) _exit(1);
        _exit(0);
    }
    for (int i = 0; i < WRITERS; i++) {
        int how;
        assert_int_equal(waitpid(children[i], &how, 0), children[i]);
        assert_int_equal(how, 0);
    }
    assert_holds(path, "same");
    assert_int_equal(entries(), 1);
}

static void test_a_pipe(void **state) {
    (void)state;
    char got[8] = "";
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(20);
    assert_int_equal(put(path, "flow"), GRADUS_ERROR_IO); /* instead of waiting */
    assert_non_null(strstr(gradus_last_error(), "file: cannot write: this is a pipe, and nobody reads it"));
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    assert_int_equal(put(path, "flow"), GRADUS_OK);
    assert_int_equal(read(reader, got, sizeof got), 4);
    assert_memory_equal(got, "flow", 4);
    close(reader);
    assert_int_equal(put("/dev/null", "gone"), GRADUS_OK);
    alarm(0);
}

/* The names of what a descriptor is open for: with /dev/stdout a shell's > FILE is such a one. */
static bool name_of_open(int kind, int file, char name[64]) {
    switch (kind) {
    case 0: snprintf(name, 64, "/dev/fd/%d", file); break;
    case 1: snprintf(name, 64, "/proc/self/fd/%d", file); break;
    case 2: snprintf(name, 64, "/proc/%d/fd/%d", (int)getpid(), file); break;
    default: /* a link of one's own to it */
        snprintf(name, 64, "/dev/fd/%d", file);
        unlink(link_path);
        assert_int_equal(symlink(name, link_path), 0);
        strcpy(name, link_path);
    }
    return access(name, F_OK) == 0;
}
enum { NAMES_OF_OPEN = 4 };

/* What is open is written to where it stands, after what was written before: a pipe, a file, one that has no name any more. */
static void test_open_files(void **state) {
    (void)state;
    for (int kind = 0; kind < NAMES_OF_OPEN; kind++) {
        char name[64], got[32] = "";
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        if (!name_of_open(kind, pipes[1], name)) skip();
        assert_int_equal(put(name, "flow"), GRADUS_OK);
        assert_int_equal(read(pipes[0], got, sizeof got), 4);
        close(pipes[0]);
        close(pipes[1]);
        for (int named = 0; named < 2; named++) {
            int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
            bool resumed;
            FILE *log;
            if (!named) unlink(path);
            assert_int_equal(write(file, "before ", 7), 7);
            assert_true(name_of_open(kind, file, name));
            assert_int_equal(put(name, "whole "), GRADUS_OK);
            assert_int_equal(file_open_log(name, true, &log, &resumed), GRADUS_OK);
            assert_false(resumed);
            fprintf(log, "log ");
            fclose(log);
            assert_int_equal(write(file, "after", 5), 5);
            assert_int_equal(pread(file, got, sizeof got, 0), 22);
            assert_memory_equal(got, "before whole log after", 22);
            close(file);
        }
        int file = open(path, O_RDONLY);
        assert_true(name_of_open(kind, file, name));
        assert_int_equal(put(name, "no"), GRADUS_ERROR_IO); /* which stays as it is */
        assert_holds(path, "before whole log after");
        close(file);
        unlink(path);
        unlink(link_path);
    }
    assert_int_equal(entries(), 0);
}

/* A disk that is full to the last byte. */
static void test_full_disk(void **state) {
    (void)state;
    const char *disk = in_folder("disk");
    static char filling[1 << 16];
    assert_int_equal(mkdir(disk, 0777), 0);
    if (mount("none", disk, "tmpfs", 0, "size=32k") != 0) {
        print_message("the test of a full disk is left out: this machine mounts none (%s)\n", strerror(errno));
        rmdir(disk);
        skip();
    }
    char where[96], message[256];
    snprintf(where, sizeof where, "%s/file", disk);
    assert_int_equal(symlink("disk/file", link_path), 0);
    assert_int_equal(put(link_path, "old"), GRADUS_OK);
    snprintf(message, sizeof message, "%s: cannot write: %s", link_path, strerror(ENOSPC));
    for (int i = 0; i < 3; i++) { /* nothing that would take room is left */
        writer w;
        assert_int_equal(writer_begin(&w, link_path), GRADUS_OK);
        assert_int_equal(writer_put(&w, filling, sizeof filling), GRADUS_ERROR_IO);
        assert_string_equal(gradus_last_error(), message);
        assert_int_equal(writer_end(&w, GRADUS_ERROR_IO), GRADUS_ERROR_IO);
        assert_holds(where, "old");
        writer fits;
        assert_int_equal(writer_begin(&fits, link_path), GRADUS_OK);
        assert_int_equal(writer_put(&fits, filling, 20000), GRADUS_OK);
        assert_int_equal(writer_end(&fits, GRADUS_ERROR_IO), GRADUS_ERROR_IO);
    }
    assert_int_equal(umount(disk), 0);
    assert_int_equal(rmdir(disk), 0);
}

static void assert_refused(const char *where, int code, const char *folder) {
    char message[512];
    assert_int_equal(put(where, "content"), GRADUS_ERROR_IO);
    int n = snprintf(message, sizeof message, "%s: cannot write: %s", where, strerror(code));
    if (folder) snprintf(message + n, sizeof message - (size_t)n, ": the directory \"%s\"", folder);
    assert_string_equal(gradus_last_error(), message);
}

static void test_refusals(void **state) {
    (void)state;
    char inner[96];
    snprintf(inner, sizeof inner, "%s/none/file", directory);
    assert_refused(inner, ENOENT, in_folder("none"));
    assert_int_equal(put(path, "old"), GRADUS_OK);
    snprintf(inner, sizeof inner, "%s/file/file", directory);
    assert_refused(inner, ENOTDIR, path);
    assert_refused(directory, EISDIR, NULL);
    assert_refused(in_folder("none/"), EISDIR, NULL);
    assert_refused("", ENOENT, NULL);
    assert_refused("/dev/full", ENOSPC, NULL);
    /* A file that may grow to four bytes alone: the disk that fills up. */
    struct rlimit before, small = {4, RLIM_INFINITY};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    gradus_status status = put(path, "content");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, GRADUS_ERROR_IO);
    assert_non_null(strstr(gradus_last_error(), strerror(EFBIG)));
    assert_holds(path, "old");
    assert_int_equal(entries(), 1);
}

static void test_logs(void **state) {
    (void)state;
    FILE *log;
    bool resumed;
    char got[8] = "";
    alarm(20);
    assert_int_equal(file_open_log(path, true, &log, &resumed), GRADUS_OK);
    assert_false(resumed);
    assert_true(fputs("line", log) >= 0 && fclose(log) == 0);
    assert_int_equal(file_open_log(path, true, &log, &resumed), GRADUS_OK);
    assert_true(resumed && fread(got, 1, sizeof got, log) == 4 && fclose(log) == 0);
    assert_int_equal(file_open_log(path, false, &log, &resumed), GRADUS_OK);
    assert_true(!resumed && fclose(log) == 0);
    assert_holds(path, "");
    for (int resume = 0; resume < 2; resume++) {
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(file_open_log(path, resume, &log, &resumed), GRADUS_ERROR_IO);
        assert_null(log);
        assert_non_null(strstr(gradus_last_error(), "a pipe that nobody reads"));
        int reader = open(path, O_RDONLY | O_NONBLOCK);
        assert_int_equal(file_open_log(path, resume, &log, &resumed), GRADUS_OK);
        assert_true(!resumed && fputs("flow", log) >= 0 && fclose(log) == 0);
        assert_int_equal(read(reader, got, sizeof got), 4);
        close(reader);
        assert_int_equal(file_open_log(directory, resume, &log, &resumed), GRADUS_ERROR_IO);
        assert_non_null(strstr(gradus_last_error(), strerror(EISDIR)));
        assert_int_equal(file_open_log("/dev/null", resume, &log, &resumed), GRADUS_OK);
        assert_true(!resumed && fclose(log) == 0);
    }
    alarm(0);
}

/* In TMPDIR, where it has no name; a folder that cannot be is an error, not another folder. */
static void test_temporary_files(void **state) {
    (void)state;
    int file;
    struct stat there, folder;
    char *before = getenv("TMPDIR") ? strdup(getenv("TMPDIR")) : NULL, got[8] = "";
    const char *const folders[] = {directory, "/dev/shm", "/tmp", "", NULL};
    for (int i = 0; i < 5; i++) {
        if (folders[i] ? setenv("TMPDIR", folders[i], 1) : unsetenv("TMPDIR")) skip();
        const char *expected = folders[i] && *folders[i] ? folders[i] : "/tmp";
        if (access(expected, W_OK) != 0) continue;
        assert_int_equal(file_temporary("what", &file), GRADUS_OK);
        assert_int_equal(fstat(file, &there) | stat(expected, &folder), 0);
        assert_true(file > 2 && there.st_nlink == 0 && there.st_dev == folder.st_dev);
        assert_int_equal(pwrite(file, "data", 4, 0), 4);
        assert_int_equal(pread(file, got, sizeof got, 0), 4);
        close(file);
    }
    assert_int_equal(entries(), 0);
    setenv("TMPDIR", in_folder("none"), 1);
    assert_int_equal(file_temporary("what", &file), GRADUS_ERROR_IO);
    char message[512];
    snprintf(message, sizeof message, "what: cannot make a temporary file in \"%s\": %s; TMPDIR names this directory",
             in_folder("none"), strerror(ENOENT));
    assert_string_equal(gradus_last_error(), message);
    assert_int_equal(file, -1);
    if (before) setenv("TMPDIR", before, 1);
    else unsetenv("TMPDIR");
    free(before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_new_and_replaced, clean),
        cmocka_unit_test_teardown(test_until_the_end_the_old_one_stays, clean),
        cmocka_unit_test_teardown(test_links, clean),
        cmocka_unit_test_teardown(test_links_to_another_file_system, clean),
        cmocka_unit_test_teardown(test_names_of_any_length, clean),
        cmocka_unit_test_teardown(test_what_killed_writers_leave, clean),
        cmocka_unit_test_teardown(test_many_writers, clean),
        cmocka_unit_test_teardown(test_a_pipe, clean),
        cmocka_unit_test_teardown(test_open_files, clean),
        cmocka_unit_test_teardown(test_full_disk, clean),
        cmocka_unit_test_teardown(test_refusals, clean),
        cmocka_unit_test_teardown(test_logs, clean),
        cmocka_unit_test_teardown(test_temporary_files, clean),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
