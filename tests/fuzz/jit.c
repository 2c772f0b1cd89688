/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of a graph: compiled, called, and compared with the evaluator, bit for bit.  A graph that is too large to be
 * evaluated, or that calls functions, is compiled all the same. */
#include "tests/compare.h"
#include "tests/fuzz/graphs.h"
#include "tests/random_graph.h"

static int64_t largest_batch(const gradus_graph *g, int64_t largest) {
    for (uint32_t i = 0; i < g->entries.count; i++)
        if (g->entries.items[i].max_batch > largest) largest = g->entries.items[i].max_batch;
    return largest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const int64_t batches[] = {3, 1};
    const int32_t threads = 1 + (int32_t)(size % 2);
    gradus_graph *g = fuzz_graph(data, size);
    if (!g || g->entries.count == 0) {
        gradus_graph_destroy(&g);
        return 0;
    }
    if (fuzz_evaluable(g, largest_batch(g, batches[0]))) {
        uint64_t seed = size;
        char why[1024];
        const bool agrees =
            graph_agrees(g, batches, 2, threads, (source_of_values){random_bind, &seed}, why, sizeof why);
        FUZZ_REQUIRE(agrees, "%s", why);
    } else {
        gradus_program *p = NULL;
        const gradus_status status =
            gradus_jit(g, gradus_compile_options(.max_batch = batches[0], .threads = threads), &p);
        fuzz_read(status, p);
        FUZZ_REQUIRE(status != GRADUS_ERROR_COMPILER, "%s", gradus_last_error());
        gradus_program_destroy(&p);
    }
    gradus_graph_destroy(&g);
    return 0;
}
