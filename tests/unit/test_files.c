/* SPDX-License-Identifier: Apache-2.0
 * Files written whole or not at all: what is there afterwards, whatever happened. */
#include "cmocka_all.h"
#include "heap.h"

#include "runtime/files.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
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
    assert_int_equal(heap.live, 0);
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
    assert_int_equal(heap.live, 0);
}

static void test_links(void **state) {
    (void)state;
    assert_int_equal(symlink("file", link_path), 0);
    assert_int_equal(put(link_path, "made"), GRADUS_OK); /* it pointed to nothing */
    assert_holds(path, "made");
    assert_int_equal(put(link_path, "through"), GRADUS_OK);
    assert_holds(path, "through");
    struct stat there;
    assert_int_equal(lstat(link_path, &there), 0);
    assert_true(S_ISLNK(there.st_mode));
    assert_int_equal(entries(), 2);
}

static void test_a_pipe(void **state) {
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    pid_t child = fork();
    if (child == 0) {
        char got[8] = "";
        FILE *f = fopen(path, "rb");
        size_t n = f ? fread(got, 1, sizeof got, f) : 0;
        _exit(n == 4 && memcmp(got, "flow", 4) == 0 ? 0 : 1);
    }
    assert_int_equal(put(path, "flow"), GRADUS_OK);
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
    assert_int_equal(put("/dev/null", "gone"), GRADUS_OK);
}

static void assert_refused(const char *where, int code) {
    char message[256];
    assert_int_equal(put(where, "content"), GRADUS_ERROR_IO);
    snprintf(message, sizeof message, "%s: cannot write: %s", where, strerror(code));
    assert_string_equal(gradus_last_error(), message);
    assert_int_equal(heap.live, 0);
}

static void test_refusals(void **state) {
    (void)state;
    char inner[96];
    snprintf(inner, sizeof inner, "%s/none/file", directory);
    assert_refused(inner, ENOENT);
    assert_int_equal(put(path, "old"), GRADUS_OK);
    snprintf(inner, sizeof inner, "%s/file/file", directory);
    assert_refused(inner, ENOTDIR);
    assert_refused(directory, EISDIR);
    assert_refused("", ENOENT);
    assert_refused("/dev/full", ENOSPC);
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
    heap.countdown = 0;
    assert_int_equal(put(path, "content"), GRADUS_ERROR_MEMORY);
    heap.countdown = -1;
    assert_holds(path, "old");
}

int main(void) {
    heap_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_new_and_replaced, clean),
        cmocka_unit_test_teardown(test_until_the_end_the_old_one_stays, clean),
        cmocka_unit_test_teardown(test_links, clean),
        cmocka_unit_test_teardown(test_a_pipe, clean),
        cmocka_unit_test_teardown(test_refusals, clean),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
