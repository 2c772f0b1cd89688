/* SPDX-License-Identifier: Apache-2.0
 * What all readers of files have in common: they refuse what is no file, and never wait for it. */
#include "cmocka_all.h"
#include "file.h"
#include "heap.h"
#include "runtime/core.h"

#include <gradus/checkpoint.h>
#include <gradus/csv.h>
#include <gradus/graph.h>
#include <gradus/npy.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char directory[] = "/tmp/gradus-readers-XXXXXX";
static char path[64], good[64];
static gradus_program *program;

static void released(void *owner) { (void)owner; }

static int make_directory(void **state) {
    (void)state;
    static gradus_abi_tensor tensor = {"w", GRADUS_F32, {{1, 2}}, 0, true};
    static gradus_abi_program abi = {.version = GRADUS_ABI_VERSION, .state_bytes = 64, .state = &tensor, .n_state = 1};
    if (!mkdtemp(directory)) return 1;
    snprintf(path, sizeof path, "%s/file", directory);
    snprintf(good, sizeof good, "%s/good", directory);
    write_file(good, "\0\0\x08\1\0\0\0\2\1\2", 10);
    heap_install();
    return program_create(&abi, 1, released, NULL, &program);
}

static int remove_directory(void **state) {
    (void)state;
    gradus_program_destroy(&program);
    unlink(path);
    unlink(good);
    return rmdir(directory);
}

/* --- the readers -------------------------------------------------------------------------------------------------- */

static gradus_status read_images(const char *from) {
    gradus_data *data;
    gradus_status status = gradus_data_idx(from, NULL, NULL, &data);
    gradus_data_destroy(&data);
    return status;
}

static gradus_status read_labels(const char *from) {
    gradus_data *data;
    gradus_status status = gradus_data_idx(good, from, NULL, &data);
    gradus_data_destroy(&data);
    return status;
}

static gradus_status read_csv(const char *from) {
    gradus_data *data;
    gradus_status status = gradus_data_csv(from, NULL, &data);
    gradus_data_destroy(&data);
    return status;
}

static gradus_status read_npy(const char *from) {
    gradus_npy array;
    gradus_status status = gradus_npy_read(from, &array);
    gradus_npy_free(&array);
    return status;
}

static gradus_status read_data_npy(const char *from) {
    gradus_data *data;
    gradus_status status = gradus_data_npy(&from, 1, &data);
    gradus_data_destroy(&data);
    return status;
}

static gradus_status read_safetensors(const char *from) {
    gradus_safetensors *file;
    gradus_status status = gradus_safetensors_open(from, &file);
    gradus_safetensors_close(&file);
    return status;
}

static gradus_status read_checkpoint(const char *from) { return gradus_load(program, from); }

static gradus_status read_part(const char *from) { return gradus_load_matching(program, from, NULL, NULL); }

static gradus_status read_graph(const char *from) {
    gradus_graph *graph;
    gradus_status status = gradus_graph_read(from, &graph);
    gradus_graph_destroy(&graph);
    return status;
}

typedef gradus_status reader(const char *from);
static reader *const readers[] = {read_images,      read_labels,     read_csv,  read_npy,  read_data_npy,
                                  read_safetensors, read_checkpoint, read_part, read_graph};
enum { READERS = sizeof readers / sizeof *readers };

/* --- what is no file ---------------------------------------------------------------------------------------------- */

/* Every reader refuses it with this behind the path, at once. */
static void refused(const char *from, gradus_status expected, const char *message) {
    for (int i = 0; i < READERS; i++) {
        alarm(20);
        gradus_status status = readers[i](from);
        alarm(0);
        if (status != expected) fail_msg("reader %d: status %d for %s", i, (int)status, from);
        assert_int_equal(strncmp(gradus_last_error(), from, strlen(from)), 0);
        assert_string_equal(gradus_last_error() + strlen(from), message);
    }
}

static const char a_pipe[] = ": cannot open: this is a pipe, expected a regular file";

static void test_no_file(void **state) {
    (void)state;
    refused(path, GRADUS_ERROR_NOT_FOUND, ": cannot open: No such file or directory");
    assert_int_equal(symlink("nothing", path), 0);
    refused(path, GRADUS_ERROR_NOT_FOUND, ": cannot open: No such file or directory");
    unlink(path);
    assert_int_equal(symlink("file", path), 0);
    refused(path, GRADUS_ERROR_IO, ": cannot open: Too many levels of symbolic links");
    unlink(path);
    refused(directory, GRADUS_ERROR_IO, ": cannot open: this is a directory, expected a regular file");
    static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/tty"};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        if (access(devices[i], F_OK) == 0)
            refused(devices[i], GRADUS_ERROR_IO, ": cannot open: this is a device, expected a regular file");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int listening = socket(AF_UNIX, SOCK_STREAM, 0);
    if (listening >= 0 && bind(listening, (struct sockaddr *)&address, sizeof address) == 0)
        refused(path, GRADUS_ERROR_IO, ": cannot open: this is a socket, expected a regular file");
    close(listening);
    unlink(path);
}

/* A pipe is refused whether somebody writes to it or not, and is not read from. */
static void test_pipes(void **state) {
    (void)state;
    char link_path[80], name[32], got[8];
    snprintf(link_path, sizeof link_path, "%s/link", directory);
    assert_int_equal(mkfifo(path, 0600) | symlink("file", link_path), 0);
    refused(path, GRADUS_ERROR_IO, a_pipe);
    refused(link_path, GRADUS_ERROR_IO, a_pipe);
    int both = open(path, O_RDWR);
    assert_int_equal(write(both, "1,2\n", 4), 4);
    refused(path, GRADUS_ERROR_IO, a_pipe);
    assert_int_equal(read(both, got, sizeof got), 4);
    close(both);
    unlink(link_path);
    unlink(path);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    snprintf(name, sizeof name, "/dev/fd/%d", ends[0]); /* as a shell's <(…) */
    if (access(name, F_OK) == 0) refused(name, GRADUS_ERROR_IO, a_pipe);
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_pipes),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
