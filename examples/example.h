/* SPDX-License-Identifier: Apache-2.0
 *
 * What the examples share and none of them is about: options, files, errors and printing.
 *
 *     usage: PROGRAM [--seed N] [--epochs N] [--data DIRECTORY] [--out DIRECTORY]
 *
 * Figures are printed as lines `name = value`.
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <gradus/gradus.h>
#include <gradus/plot.h>

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef EXAMPLES_DATA
#define EXAMPLES_DATA "examples/data"
#endif

enum { PATH = 4096 };

typedef struct {
    uint64_t seed;
    long epochs;
    const char *data, *out;
} settings;

/* --- errors -------------------------------------------------------------------------------------------------------- */

/* Ends the program where a call failed, with what the library says about it. */
static inline void must(gradus_status status) {
    if (!status) return;
    fprintf(stderr, "%s\n", gradus_last_error());
    exit(1);
}

/* Memory that is there, of zeros. */
static inline void *must_allocate(size_t count, size_t bytes) {
    void *memory = calloc(count, bytes);
    if (memory) return memory;
    fprintf(stderr, "out of memory\n");
    exit(1);
}

/* --- options ------------------------------------------------------------------------------------------------------- */

/* At the end: what was printed must have arrived; a full disk is a failure. */
static inline void check_output(void) {
    const bool before = ferror(stdout); /* errno is of something else by now */
    if (!fflush(stdout) && !before) return;
    fprintf(stderr, "standard output: %s\n", before ? "not all of it could be written" : strerror(errno));
    _exit(1);
}

/* The settings of the command line; `defaults` are those that it does not name. */
static inline settings parse(int argc, char **argv, settings defaults) {
    static const struct option names[] = {
        {"seed", required_argument, NULL, 's'}, {"epochs", required_argument, NULL, 'e'},
        {"data", required_argument, NULL, 'd'}, {"out", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0},
    };
    settings s = defaults;
    atexit(check_output);
    if (!s.data) s.data = access("examples/data", R_OK) ? EXAMPLES_DATA : "examples/data";
    if (!s.out) s.out = "out";
    bool good = true;
    for (int option; (option = getopt_long(argc, argv, "s:e:d:o:h", names, NULL)) != -1;) {
        char none[] = "", *end = none;
        switch (option) {
        case 's': s.seed = strtoull(optarg, &end, 10); break;
        case 'e': s.epochs = strtol(optarg, &end, 10); break;
        case 'd': s.data = optarg; break;
        case 'o': s.out = optarg; break;
        default: good = false;
        }
        good = good && !*end;
    }
    if (good && optind == argc && s.epochs >= (defaults.epochs > 0) && s.epochs <= 10000) return s;
    fprintf(stderr,
            "usage: %s [--seed N] [--epochs N] [--data DIRECTORY] [--out DIRECTORY]\n"
            "defaults: --seed %llu --epochs %ld --data %s --out %s\n",
            argv[0], (unsigned long long)defaults.seed, defaults.epochs, s.data, s.out);
    exit(2);
}

/* --- files --------------------------------------------------------------------------------------------------------- */

/* Where the file "mnist/NAME" is: below the data directory, right in it, or where Debian installs data sets.  `path` takes
 * the answer, the first of these if it is nowhere, and is returned. */
static inline const char *data_file(const settings *s, const char *name, char path[PATH]) {
    const char *last = strrchr(name, '/');
    char other[PATH];
    snprintf(path, PATH, "%s/%s", s->data, name);
    if (access(path, R_OK) && last) {
        snprintf(other, PATH, "%s%s", s->data, last);
        if (access(other, R_OK)) snprintf(other, PATH, "/usr/share/datasets/%s", name);
        if (!access(other, R_OK)) memcpy(path, other, PATH);
    }
    return path;
}

/* The path of a file to be written into the output directory, which is made. */
static inline const char *out_file(const settings *s, const char *name, char path[PATH]) {
    if (mkdir(s->out, 0777) && errno != EEXIST) fprintf(stderr, "%s: %s\n", s->out, strerror(errno));
    snprintf(path, PATH, "%s/%s", s->out, name);
    return path;
}

/* What was drawn, and what to do with it.  What cannot be drawn is said, and is no failure. */
static inline void tell_drawn(gradus_status status, const char *path, const char *advice) {
    if (status) printf("not drawn: %s\n", gradus_last_error());
    else printf("wrote %s: %s\n", path, advice);
}

/* Draws the losses of a fit's epochs, and those of the validation where there was one. */
static inline void draw_history(const settings *s, const char *file, const gradus_history *h) {
    char path[PATH];
    const gradus_series curves[] = {{.name = "training", .y = h->loss, .count = h->epochs},
                                    {.name = "validation", .y = h->val_loss, .count = h->epochs}};
    bool validated = h->epochs && h->val_loss[0] == h->val_loss[0]; /* else it is NaN */
    tell_drawn(gradus_plot_lines(out_file(s, file, path), curves, validated ? 2 : 1,
                                 gradus_plot_options(.title = "Loss", .x_label = "epoch")),
               path, "how it learned");
}

/* An image data set of the MNIST kind, in a folder of the data directory: images as 784 floats from 0 to 1, labels I32. */
static inline void load_images(const settings *s, const char *folder, gradus_data **train, gradus_data **test) {
    char paths[4][PATH];
    static const char *const files[] = {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
                                        "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"};
    for (size_t i = 0; i < 4; i++) {
        char name[256];
        snprintf(name, sizeof name, "%s/%s", folder, files[i]);
        data_file(s, name, paths[i]);
    }
    must(gradus_data_idx(paths[0], paths[1], NULL, train));
    must(gradus_data_idx(paths[2], paths[3], NULL, test));
}

/* --- computing and printing ---------------------------------------------------------------------------------------- */

/* Seconds, from some moment on. */
static inline double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The values of some tensors of a graph, once: compiles a program for them, calls it and forgets it. */
static inline void compute(gradus_graph *g, gradus_tensors from, gradus_inputs values, gradus_tensors wanted,
                           gradus_outputs results) {
    gradus_program *p = NULL;
    must(gradus_define(g, "compute", from, wanted, GRADUS_NO_UPDATES));
    must(gradus_jit(g, NULL, &p));
    must(gradus_program_init(p, 1));
    must(gradus_call(p, "compute", 1, values, results));
    gradus_program_destroy(&p);
}

/* The number of the largest, the first of equal ones: the class that a model says. */
static inline int argmax(const float *values, int count) {
    int best = 0;
    for (int i = 1; i < count; i++)
        if (values[i] > values[best]) best = i;
    return best;
}

/* A figure of one or more numbers. */
static inline void show(const char *name, const double *values, size_t count) {
    printf("%s =", name);
    for (size_t i = 0; i < count; i++) printf(" %.7g", values[i]);
    printf("\n");
}

#endif
