/* SPDX-License-Identifier: Apache-2.0
 *
 * Random graphs: the evaluator against NumPy in f64, which knows nothing of this code but the text form and the table's
 * formulas.  Every entry of every graph is one call of tests/oracle/numpy_oracle.py.  Skipped without Python or NumPy.
 *
 *     GRADUS_RANDOM_FIRST=N GRADUS_RANDOM_COUNT=M    the M graphs from seed N on instead of the 300 from 1
 *     GRADUS_RANDOM_KEEP=DIRECTORY                   leaves the calls there
 */
#include "tests/cmocka_all.h"
#include "tests/environment.h"
#include "tests/file.h"
#include "tests/python.h"
#include "tests/random_graph.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH = 512, GRAPHS_A_RUN = 50 }; /* of the oracle: a command line has an end */

static void write_into(const char *directory, const char *name, const void *data, size_t bytes) {
    char path[2 * PATH];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    write_file(path, data, bytes);
}

static void write_array(const char *directory, const char *name, const array *a) {
    write_into(directory, name, a->data, (size_t)shape_elements(&a->shape) * gradus_dtype_size(a->dtype));
}

typedef struct {
    const char *directory;
    const entry *e;
    uint64_t seed;
} call;

static void bind_and_write(void *user, uint32_t id, const node *n, array *out) {
    const call *c = user;
    random_values(c->seed, n, out);
    if (n->op == OP_training) *(uint8_t *)out->data = c->e->training;
    char name[32];
    snprintf(name, sizeof name, "%" PRIu32 ".in", id);
    write_array(c->directory, name, out);
}

static void write_call(gradus_graph *g, call c, int64_t batch) {
    char path[PATH], line[256];
    snprintf(path, sizeof path, "%s/graph.txt", c.directory);
    assert_int_equal(gradus_graph_write(g, path), GRADUS_OK);
    int length = snprintf(line, sizeof line, "%s %" PRId64 "\n", c.e->name, batch);
    write_into(c.directory, "call.txt", line, (size_t)length);
    arena memory = {0};
    guard here;
    volatile gradus_status status = GRADUS_ERROR_MEMORY;
    array *volatile outputs = NULL, *volatile values = NULL;
    if (GUARDED(&here)) {
        outputs = ARENA_ARRAY(&memory, array, c.e->n_outputs);
        values = ARENA_ARRAY(&memory, array, c.e->updates.count);
        evaluation how = {batch, bind_and_write, &c, &memory, outputs, values};
        status = evaluate_entry(g, c.e, &how);
        guard_leave(&here);
    }
    if (status) fail_msg("random graph %" PRIu64 ", %s: %s", c.seed, c.e->name, gradus_last_error());
    for (uint32_t i = 0; i < c.e->n_outputs; i++) {
        snprintf(line, sizeof line, "output.%" PRIu32, i);
        write_array(c.directory, line, &outputs[i]);
    }
    for (uint32_t i = 0; i < c.e->updates.count; i++) {
        snprintf(line, sizeof line, "update.%" PRIu32, i);
        write_array(c.directory, line, &values[i]);
    }
    arena_free(&memory);
}

static void write_graph(const char *root, uint64_t seed) {
    static const int64_t batches[] = {3, 1, 5};
    gradus_graph *g = random_graph(seed);
    assert_non_null(g);
    if (gradus_graph_status(g)) fail_msg("random graph %" PRIu64 ": %s", seed, gradus_graph_error(g));
    for (uint32_t i = 0; i < g->entries.count; i++) {
        char directory[PATH];
        snprintf(directory, sizeof directory, "%s/%" PRIu64 "_%s", root, seed, g->entries.items[i].name);
        assert_int_equal(mkdir(directory, 0700), 0);
        write_call(g, (call){directory, &g->entries.items[i], seed}, batches[seed % 3]);
    }
    gradus_graph_destroy(&g);
}

static void random_graphs(void **state) {
    (void)state;
    const char *python = find_python("numpy"), *keep = getenv("GRADUS_RANDOM_KEEP"), *temporary = getenv("TMPDIR");
    if (!python) skip();
    uint64_t first = number_from_environment("GRADUS_RANDOM_FIRST", 1), count = number_from_environment("GRADUS_RANDOM_COUNT", long_run() ? 10000 : 300);
    char root[PATH / 4];
    int wrong = 0;
    for (uint64_t seed = first; seed < first + count && !wrong; seed += GRAPHS_A_RUN) {
        snprintf(root, sizeof root, "%s/gradus-numpy-XXXXXX", keep ? keep : temporary ? temporary : "/tmp");
        assert_non_null(mkdtemp(root));
        for (uint64_t s = seed; s < seed + GRAPHS_A_RUN && s < first + count; s++) write_graph(root, s);
        wrong = shell("'%s' '%s' '%s'/*", python, TESTS_DIR "/oracle/numpy_oracle.py", root);
        if (!keep && shell("rm -rf '%s'", root)) print_message("%s is left behind\n", root);
    }
    if (wrong) fail_msg("%s", "the evaluator and NumPy differ, see above");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_graphs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
