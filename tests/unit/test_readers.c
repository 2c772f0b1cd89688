/* SPDX-License-Identifier: Apache-2.0
 * What all readers of files have in common: they refuse what is no file, and never wait for it; they say what a file of
 * another kind looks like. */
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
static long live_before;

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
    int status = program_create(&abi, 1, released, NULL, &program);
    live_before = heap.live;
    return status;
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

/* --- what is another file ----------------------------------------------------------------------------------------- */

#define BEGINS(bytes) bytes, sizeof bytes - 1
#define ZIP(name) "PK\3\4\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" name

/* A file of each kind that is told by its begin, and what readers of other kinds call it. */
static const struct {
    const char *bytes;
    size_t n;
    const char *what;
    reader *own[3]; /* which are right to read it */
} others[] = {
    {BEGINS(ZIP("\x09\0\0\0"
                "arr_0.npy\x93NUMPY")),
     "an .npz file of NumPy",
     {NULL}},
    {BEGINS(ZIP("\x10\0\0\0"
                "archive/data.pkl\x80\2")),
     "a file that torch.save wrote",
     {NULL}},
    {BEGINS(ZIP("\x13\0\0\0[Content_Types].xml")), "a spreadsheet (.xlsx)", {NULL}},
    {BEGINS(ZIP("\x0b\0\0\0"
                "config.json")),
     "a ZIP archive",
     {NULL}},
    {BEGINS("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), "a ZIP archive", {NULL}},
    {BEGINS("\x93NUMPY\1\0\x36\0{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }"),
     "an .npy file of NumPy",
     {read_npy, read_data_npy}},
    {BEGINS("\0\0\x08\1\0\0\0\2\1\2"), "an IDX file", {read_images, read_labels}},
    {BEGINS("\x40\0\0\0\0\0\0\0{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"),
     "a safetensors file",
     {read_safetensors, read_checkpoint, read_part}},
    {BEGINS("\x1f\x8b\x08\0\0\0\0\0"), "a file compressed with gzip", {NULL}},
    {BEGINS("\xfd\x37zXZ\0\0\4"), "a file compressed with xz", {NULL}},
    {BEGINS("\x28\xb5\x2f\xfd\4\0"), "a file compressed with Zstandard", {NULL}},
    {BEGINS("\x04\x22\x4d\x18\x64"), "a file compressed with LZ4", {NULL}},
    {BEGINS("BZh91AY&SY\1\2"), "a file compressed with bzip2", {NULL}},
    {BEGINS("7z\xbc\xaf\x27\x1c\0\4"), "a 7-Zip archive", {NULL}},
    {BEGINS("\x89HDF\r\n\x1a\n\0\0"), "an HDF5 file", {NULL}},
    {BEGINS("\x80\4\x95\0\0\0\0\0\0\0\0}."), "a pickle of Python's", {NULL}},
    {BEGINS("\x80\2\x8a\x0al\xfc\x9c"), "a pickle of Python's", {NULL}},
    {BEGINS("GGUF\3\0\0\0"), "a GGUF file", {NULL}},
    {BEGINS("PAR1\x15\4"), "a Parquet file", {NULL}},
    {BEGINS("ARROW1\0\0"), "an Arrow file", {NULL}},
    {BEGINS("SQLite format 3\0"), "an SQLite database", {NULL}},
    {BEGINS("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an older spreadsheet", {NULL}},
    {BEGINS("\x89PNG\r\n\x1a\n"), "a PNG picture", {NULL}},
    {BEGINS("\xff\xd8\xff\xe0"), "a JPEG picture", {NULL}},
    {BEGINS("%PDF-1.7\n"), "a PDF document", {NULL}},
    {BEGINS("\x7f\x45LF\2\1"), "a program or library", {NULL}},
    {BEGINS("version https://git-lfs.github.com/spec/v1\noid sha256:"), "a pointer of Git LFS", {NULL}},
    {BEGINS("<!DOCTYPE HTML>\n<html>"), "a page in HTML", {NULL}},
    {BEGINS("\xff\xfe\x61\0,\0b\0\n\0"), "text in UTF-16", {NULL}},
    {BEGINS("\xfe\xff\0a\0,\0b\0\n"), "text in UTF-16", {NULL}},
    {BEGINS("a\0,\0b\0\n\0"), "text in UTF-16", {NULL}},
    {BEGINS("\0a\0,\0b\0\n"), "text in UTF-16", {NULL}},
    {BEGINS("\xff\xfe\0\0a\0\0\0"), "text in UTF-32", {NULL}},
    {BEGINS("\0\0\xfe\xff\0\0\0a"), "text in UTF-32", {NULL}},
    {BEGINS("a table,of text\n1,2\n3,4\n"), "text", {read_csv, read_graph}},
};

/* Each is refused by every reader of another kind, which says what it looks like. */
static void test_other_files(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
        const bool gzip = others[k].n > 2 && memcmp(others[k].bytes, "\x1f\x8b", 2) == 0;
        write_file(path, others[k].bytes, others[k].n);
        for (int i = 0; i < READERS; i++) {
            bool own = gzip && i < 5; /* which decompress */
            for (int n = 0; n < 3; n++) own |= readers[i] == others[k].own[n];
            gradus_status status = readers[i](path);
            if (own) continue;
            if (status != GRADUS_ERROR_FORMAT) fail_msg("reader %d takes %s", i, others[k].what);
            assert_int_equal(strncmp(gradus_last_error(), path, strlen(path)), 0);
            if (!strstr(gradus_last_error(), others[k].what) || !strstr(gradus_last_error(), "this "))
                fail_msg("reader %d does not know %s: %s", i, others[k].what, gradus_last_error());
        }
        assert_int_equal(heap.live - live_before, 0);
    }
}

/* Text that only begins like something, or is of other than ASCII letters, is text. */
static void test_text_that_is_text(void **state) {
    (void)state;
    static const char *const texts[] = {"PK,PAR1\n",
                                        "version,https\n",
                                        "\xef\xbb\xbf"
                                        "a,b\n",
                                        "GIF,PDF\n",
                                        "\xe4,\xfc\n",
                                        "\xff,\xfe\n",
                                        "7z,1\n",
                                        "ustar\n",
                                        "<a,html\n",
                                        "BZh,1\n",
                                        "GGUF,SQLite format 3\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_file(path, texts[i], strlen(texts[i]));
        assert_int_equal(read_csv(path), GRADUS_ERROR_FORMAT);
        assert_non_null(strstr(gradus_last_error(), "is no number"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_pipes),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_text_that_is_text),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
