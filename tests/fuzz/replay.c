/* SPDX-License-Identifier: Apache-2.0
 *
 *     fuzz_TARGET [-OPTION…] PATH…    runs the target on files, and on all files in folders, once each
 *
 * Options are libFuzzer's, and mean nothing here. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int run_file(const char *path) {
    FILE *file = fopen(path, "rb");
    FUZZ_REQUIRE(file && fseek(file, 0, SEEK_END) == 0, "%s", path);
    const size_t size = (size_t)ftell(file);
    uint8_t *data = malloc(size + !size); /* of its exact size, so that a sanitizer sees its end */
    rewind(file);
    FUZZ_REQUIRE(data && fread(data, 1, size, file) == size, "%s", path);
    fclose(file);
    printf("%s\n", path); /* before, so that a crash has its input's name */
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int run_folder(const char *path) {
    char *names[4096];
    int count = 0;
    DIR *folder = opendir(path);
    FUZZ_REQUIRE(folder, "%s", path);
    for (const struct dirent *e; (e = readdir(folder));) {
        if (e->d_name[0] == '.') continue;
        FUZZ_REQUIRE(count < 4096 && asprintf(&names[count++], "%s/%s", path, e->d_name) > 0, "%s", path);
    }
    closedir(folder);
    qsort(names, (size_t)count, sizeof *names, by_name);
    for (int i = 0; i < count; i++) {
        run_file(names[i]);
        free(names[i]);
    }
    return count;
}

int main(int argc, char **argv) {
    int count = 0;
    for (int i = 1; i < argc; i++) {
        struct stat what;
        if (argv[i][0] == '-') continue;
        FUZZ_REQUIRE(stat(argv[i], &what) == 0, "%s", argv[i]);
        count += S_ISDIR(what.st_mode) ? run_folder(argv[i]) : run_file(argv[i]);
    }
    printf("%d inputs\n", count);
    return count ? 0 : 1;
}
