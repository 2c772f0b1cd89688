/* SPDX-License-Identifier: Apache-2.0
 *
 * Times one training step of each workload and prints one JSON line for each.
 *
 *     usage: bench [--threads N] [--seconds S] [--list] [WORK…]
 *
 * first_s is from the call of gradus_jit to the end of the first step; then come 20 steps to warm up; then runs of as many
 * steps as last 20 ms, for S seconds: best_us and median_us are over these runs, by the step.
 */
#include "models.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { MOST_RUNS = 4096 };

typedef struct {
    int32_t threads;
    double seconds;
} settings;

typedef struct {
    gradus_program *program;
    const workload *work;
    void *x, *y;
} job;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int complain(const char *work) {
    fprintf(stderr, "bench: %s: %s\n", work, gradus_last_error());
    return 1;
}

/* xorshift32: any data will do, as long as it is the same every time. */
static uint32_t random_bits(void) {
    static uint32_t s = 2463534242U;
    s ^= s << 13;
    s ^= s >> 17;
    return s ^= s << 5;
}

/* Uniform in [0, 1) for floats, below `classes` for indices. */
static void *random_input(const gradus_info *info, int32_t classes) {
    void *data = malloc(info->bytes);
    size_t count = info->bytes / 4;
    for (size_t i = 0; data && i < count; i++) {
        if (info->dtype == GRADUS_F32) ((float *)data)[i] = (float)(random_bits() >> 8) * 0x1p-24F;
        else ((int32_t *)data)[i] = (int32_t)(random_bits() % (uint32_t)classes);
    }
    return data;
}

static gradus_status step(job *j) {
    float loss;
    return gradus_call(j->program, "train", j->work->batch, GRADUS_INPUTS((const void *)j->x, (const void *)j->y),
                       GRADUS_OUTPUTS(&loss));
}

static gradus_status steps(job *j, int64_t count) {
    gradus_status status = GRADUS_OK;
    for (int64_t i = 0; i < count && !status; i++) status = step(j);
    return status;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Fills `runs` with seconds a step; returns how many. */
static size_t measure(job *j, double seconds, double *runs) {
    size_t count = 0;
    int64_t n = 1;
    for (double end = now() + seconds; now() < end && count < MOST_RUNS;) {
        double from = now();
        if (steps(j, n)) return 0;
        double took = now() - from;
        if (took < 0.02) n *= 2;
        else runs[count++] = took / (double)n;
    }
    qsort(runs, count, sizeof *runs, by_size);
    return count;
}

static int report(job *j, double first, const settings *how) {
    static double runs[MOST_RUNS];
    if (steps(j, 20)) return complain(j->work->name);
    size_t count = measure(j, how->seconds, runs);
    if (!count) return complain(j->work->name);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"peer\":\"gradus\",\"version\":\"%d.%d.%d\",\"work\":\"%s\",\"threads\":%d,\"first_s\":%.4f,\"best_us\":%"
           ".1f,"
           "\"median_us\":%.1f,\"rss_mb\":%ld}\n",
           GRADUS_VERSION_MAJOR, GRADUS_VERSION_MINOR, GRADUS_VERSION_PATCH, j->work->name, (int)how->threads, first,
           runs[0] * 1e6, runs[count / 2] * 1e6, usage.ru_maxrss / 1024);
    fflush(stdout);
    return 0;
}

static int run_program(job *j, const settings *how, double from) {
    gradus_info x, y;
    if (gradus_program_init(j->program, 42) ||
        gradus_program_info(j->program, "train", GRADUS_INPUT, 0, j->work->batch, &x) ||
        gradus_program_info(j->program, "train", GRADUS_INPUT, 1, j->work->batch, &y)) {
        return complain(j->work->name);
    }
    double pause = now(); /* making data is no part of the first step */
    j->x = random_input(&x, j->work->classes);
    j->y = random_input(&y, j->work->classes);
    int failed = 1;
    if (!j->x || !j->y) {
        fprintf(stderr, "bench: out of memory\n");
    } else {
        from += now() - pause;
        failed = step(j) ? complain(j->work->name) : report(j, now() - from, how);
    }
    free(j->x);
    free(j->y);
    return failed;
}

static int run_workload(const workload *work, const settings *how) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor loss = work->build(g, work->sizes);
    gradus_tensor inputs[] = {gradus_find(g, "x"), gradus_find(g, "y")};
    gradus_define(g, "train", gradus_list(inputs, 2), GRADUS_TENSORS(loss), gradus_minimize(loss, work->optimizer()));
    job j = {.work = work};
    double from = now();
    gradus_status status =
        gradus_jit(g, gradus_compile_options(.max_batch = work->batch, .threads = how->threads), &j.program);
    int failed = status ? complain(work->name) : run_program(&j, how, from);
    gradus_program_destroy(&j.program);
    gradus_graph_destroy(&g);
    return failed;
}

static const workload *workload_by_name(const char *name) {
    for (size_t i = 0; i < workload_count; i++) {
        if (strcmp(workloads[i].name, name) == 0) return &workloads[i];
    }
    fprintf(stderr, "bench: no workload is called %s; --list names them\n", name);
    return NULL;
}

static int list(void) {
    for (size_t i = 0; i < workload_count; i++) puts(workloads[i].name);
    return 0;
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"threads", required_argument, NULL, 't'},
        {"seconds", required_argument, NULL, 's'},
        {"list", no_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    settings how = {.threads = 2, .seconds = 2};
    for (int option; (option = getopt_long(argc, argv, "t:s:l", options, NULL)) != -1;) {
        switch (option) {
        case 't': how.threads = (int32_t)strtol(optarg, NULL, 10); break;
        case 's': how.seconds = strtod(optarg, NULL); break;
        case 'l': return list();
        default: fprintf(stderr, "usage: bench [--threads N] [--seconds S] [--list] [WORK...]\n"); return 2;
        }
    }
    int failed = 0;
    for (int i = optind; i < argc; i++) {
        const workload *work = workload_by_name(argv[i]);
        failed |= !work || run_workload(work, &how);
    }
    for (size_t i = 0; optind == argc && i < workload_count; i++) failed |= run_workload(&workloads[i], &how);
    return failed;
}
