/* SPDX-License-Identifier: Apache-2.0
 *
 * Random graphs: compiled code against the evaluator, bit for bit, with 1, 2 and 3 threads and several batches.
 *
 *     GRADUS_RANDOM_FIRST=N GRADUS_RANDOM_COUNT=M    runs the M graphs from seed N on instead of the 300 from 1
 */
#include "tests/compare.h"
#include "tests/random_graph.h"

#include <inttypes.h>
#include <stdlib.h>

static uint64_t from_environment(const char *name, uint64_t otherwise) {
    const char *value = getenv(name);
    return value && *value ? strtoull(value, NULL, 10) : otherwise;
}

static void test_random_graphs(void **state) {
    (void)state;
    static const int64_t batches[] = {5, 1};
    uint64_t first = from_environment("GRADUS_RANDOM_FIRST", 1), count = from_environment("GRADUS_RANDOM_COUNT", 300);
    for (uint64_t seed = first; seed < first + count; seed++) {
        char what[64];
        snprintf(what, sizeof what, "random graph %" PRIu64, seed);
        gradus_graph *g = random_graph(seed);
        assert_non_null(g);
        if (gradus_graph_status(g)) fail_msg("%s: %s", what, gradus_graph_error(g));
        source_of_values values = {random_bind, &(uint64_t){seed}};
        compare_graph(g, what, batches, 2, 1 + (int32_t)(seed % 3), values);
        gradus_graph_destroy(&g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_graphs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
