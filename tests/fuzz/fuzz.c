/* SPDX-License-Identifier: Apache-2.0
 * What the fuzz targets share.  See fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char folder[256], paths[FUZZ_FILES][sizeof folder + 8];

static void remove_folder(void) {
    for (int i = 0; i < FUZZ_FILES; i++) remove(paths[i]);
    rmdir(folder);
}

/* In memory where there is such a place: a fuzzer writes some thousand files a second, and the library waits for the disk. */
static void make_folder(void) {
    const char *place = getenv("TMPDIR");
    if (!place) place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%s/gradus-fuzz-XXXXXX", place);
    FUZZ_REQUIRE(mkdtemp(folder), "%s", folder);
    for (int i = 0; i < FUZZ_FILES; i++) snprintf(paths[i], sizeof paths[i], "%s/%d", folder, i);
    atexit(remove_folder);
}

const char *fuzz_file(int place, const void *data, size_t size) {
    if (!*folder) make_folder();
    FILE *file = fopen(paths[place], "wb");
    FUZZ_REQUIRE(file, "%s", paths[place]);
    FUZZ_REQUIRE(fwrite(data, 1, size, file) == size, "%s", paths[place]);
    FUZZ_REQUIRE(fclose(file) == 0, "%s", paths[place]);
    return paths[place];
}

char *fuzz_content(int place) {
    FILE *file = fopen(paths[place], "rb");
    FUZZ_REQUIRE(file && fseek(file, 0, SEEK_END) == 0, "%s", paths[place]);
    const size_t size = (size_t)ftell(file);
    char *content = malloc(size + 1);
    rewind(file);
    FUZZ_REQUIRE(content && fread(content, 1, size, file) == size, "%s", paths[place]);
    fclose(file);
    content[size] = '\0';
    return content;
}

void fuzz_fail(const char *file, int line, const char *condition, const char *format, ...) {
    va_list arguments;
    fprintf(stderr, "%s:%d: %s: ", file, line, condition);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

bool fuzz_read(gradus_status status, const void *result) {
    FUZZ_REQUIRE((status == GRADUS_OK) == (result != NULL), "status %d: %s", (int)status, gradus_last_error());
    FUZZ_REQUIRE(status == GRADUS_OK || *gradus_last_error(), "status %d without a word", (int)status);
    return status == GRADUS_OK;
}

/* A size out of a file that no allocator grants is an error like another, not the end of the process. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1:max_allocation_size_mb=1024:strict_string_checks=1";
}
