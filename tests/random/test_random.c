/* SPDX-License-Identifier: Apache-2.0
 *
 * Random graphs: compiled code against the evaluator, bit for bit, with 1, 2 and 3 threads and several batches.  One that
 * fails is shrunk and written beside the test's log as random-SEED.gradus; once mended it belongs into regressions/,
 * whose graphs are tried each time.
 *
 *     GRADUS_RANDOM_FIRST=N GRADUS_RANDOM_COUNT=M    runs the M graphs from seed N on instead of the 300 from 1
 *     GRADUS_RANDOM_SHRINK=N                         shrinks the graph of seed N, also where it crashes
 */
#include "tests/compare.h"
#include "tests/environment.h"
#include "tests/random_graph.h"
#include "tests/shrink.h"

#include "ir/print.h"
#include "rewrite/rebuild.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool agrees(gradus_graph *g, uint64_t seed, char *why, size_t room) {
    static const int64_t batches[] = {5, 1};
    return graph_agrees(g, batches, 2, 1 + (int32_t)(seed % 3), (source_of_values){random_bind, &seed}, why, room);
}

static bool disagrees(void *user, gradus_graph *g) {
    char why[1024];
    return !agrees(g, *(uint64_t *)user, why, sizeof why);
}

static char *text_of(gradus_graph *g) {
    guard here;
    char *volatile result = NULL;
    if (GUARDED(&here)) {
        text t = {.memory = &g->memory};
        graph_print(g, &t);
        result = strdup(t.data);
        guard_leave(&here);
    }
    return result;
}

/* Writes the smallest graph that fails as this one does; says where. */
static void report(gradus_graph *g, uint64_t seed) {
    char path[64], *whole = text_of(g), *small = whole ? shrink(whole, disagrees, &seed) : NULL;
    snprintf(path, sizeof path, "random-%" PRIu64 ".gradus", seed);
    FILE *file = fopen(path, "w");
    if (file) {
        fputs(small ? small : whole ? whole : "", file);
        fclose(file);
        print_message("the graph, %s, is in %s:\n%s", small ? "shrunk" : "not shrunk, as it fails only here", path,
                      small ? small : "");
    }
    free(small);
    free(whole);
}

static gradus_graph *graph_for(uint64_t seed) {
    gradus_graph *g = random_graph(seed);
    assert_non_null(g);
    if (gradus_graph_status(g)) fail_msg("random graph %" PRIu64 ": %s", seed, gradus_graph_error(g));
    return g;
}

/* An assertion of the compiler's ends the process: then at least it is known which graph it was. */
static volatile sig_atomic_t now_trying;

static void say_which(int signal_number) {
    char line[160];
    int length = snprintf(line, sizeof line, "random graph %d; GRADUS_RANDOM_SHRINK=%d shrinks it\n", (int)now_trying,
                          (int)now_trying);
    (void)!write(STDERR_FILENO, line, (size_t)length);
    signal(signal_number, SIG_DFL);
}

static void test_random_graphs(void **state) {
    (void)state;
    signal(SIGABRT, say_which);
    uint64_t first = number_from_environment("GRADUS_RANDOM_FIRST", 1), count = number_from_environment("GRADUS_RANDOM_COUNT", long_run() ? 10000 : 300);
    uint64_t single = number_from_environment("GRADUS_RANDOM_SHRINK", 0);
    if (single) {
        gradus_graph *g = graph_for(single);
        report(g, single);
        gradus_graph_destroy(&g);
        return;
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        char why[1024];
        now_trying = (sig_atomic_t)seed;
        gradus_graph *g = graph_for(seed);
        bool good = agrees(g, seed, why, sizeof why);
        if (!good) report(g, seed);
        gradus_graph_destroy(&g);
        if (!good) fail_msg("random graph %" PRIu64 ": %s", seed, why);
    }
}

/* --- the generator ------------------------------------------------------------------------------------------------- */

/* Whether the seeds make valid graphs, and which ops are in them, with those of their gradients. */
static void test_every_op_is_drawn(void **state) {
    (void)state;
    const uint64_t count = long_run() ? 100000 : 5000;
    bool drawn[2][OP_COUNT] = {{false}}; /* tame, wild */
    for (uint64_t seed = 1; seed <= count; seed++) {
        gradus_graph *g = graph_for(seed);
        for (uint32_t id = 1; id < g->nodes.count; id++) drawn[random_is_wild(seed)][graph_node(g, id)->op] = true;
        gradus_graph_destroy(&g);
    }
    for (int op = 1; op < OP_COUNT; op++)
        for (int wild = 0; wild < 2; wild++)
            if (!drawn[wild][op] && op != OP_custom) /* a function of the program's own, which test_calls.c puts in */
                fail_msg(
                    "no %s graph has %s: tests/random_graph.c draws elementwise ops from the table, others by name",
                    wild ? "wild" : "tame", op_name(op));
}

/* --- graphs that once failed -------------------------------------------------------------------------------------- */

static void test_regressions(void **state) {
    (void)state;
    DIR *folder = opendir(TESTS_DIR "/random/regressions");
    assert_non_null(folder);
    int tried = 0;
    for (struct dirent *file; (file = readdir(folder));) {
        if (!strstr(file->d_name, ".gradus")) continue;
        char path[4096], why[1024];
        gradus_graph *g = NULL;
        snprintf(path, sizeof path, TESTS_DIR "/random/regressions/%s", file->d_name);
        if (gradus_graph_read(path, &g)) fail_msg("%s", gradus_last_error());
        for (uint64_t seed = 1; seed <= 3; seed++)
            if (!agrees(g, seed, why, sizeof why)) fail_msg("%s: %s", file->d_name, why);
        gradus_graph_destroy(&g);
        tried++;
    }
    closedir(folder);
    assert_true(tried > 0);
}

/* --- the shrinker ------------------------------------------------------------------------------------------------- */

/* Fails where an entry or a state needs a sine: what shrinking must leave is that, and no more. */
static bool has_sine(void *user, gradus_graph *g) {
    (void)user;
    const bool *needed = reachable_nodes(g, &g->memory);
    for (uint32_t i = 1; i < g->nodes.count; i++)
        if (needed[i] && graph_node(g, i)->op == OP_sin) return true;
    return false;
}

/* The same as a crash. */
static bool crashes_on_sine(void *user, gradus_graph *g) {
    if (has_sine(user, g)) abort();
    return false;
}

static void check_shrinking(shrink_failing failing) {
    int shrunk = 0;
    for (uint64_t seed = 1; seed <= 400 && shrunk < 3; seed++) {
        gradus_graph *g = graph_for(seed);
        char *whole = text_of(g), *small = NULL;
        bool fails = has_sine(NULL, g);
        gradus_graph_destroy(&g);
        assert_non_null(whole);
        small = shrink(whole, failing, NULL);
        assert_int_equal(small != NULL, fails);
        free(whole);
        if (!small) continue;
        int nodes = 0;
        for (const char *at = small; (at = strstr(at, "\n%")); at++) nodes++;
        if (nodes > 3) fail_msg("seed %" PRIu64 ": %d nodes are left:\n%s", seed, nodes, small);
        assert_non_null(strstr(small, "= sin %"));
        free(small);
        shrunk++;
    }
    assert_int_equal(shrunk, 3);
}

static void test_shrinking(void **state) {
    (void)state;
    check_shrinking(has_sine);
    check_shrinking(crashes_on_sine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_op_is_drawn),
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_regressions),
        cmocka_unit_test(test_shrinking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
