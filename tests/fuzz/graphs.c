/* SPDX-License-Identifier: Apache-2.0
 * Graphs for the targets that are given texts of them.  See graphs.h. */
#include "tests/fuzz/graphs.h"

#include "ir/print.h"

#include <string.h>

enum { MOST_WORK = 1 << 20 }; /* elements of all nodes, and products of contractions */

gradus_graph *fuzz_graph(const void *content, size_t size) {
    gradus_graph *g = NULL;
    const char *path = fuzz_file(0, content, size);
    const gradus_status status = gradus_graph_read(path, &g);
    if (fuzz_read(status, g)) return g;
    const char *message = gradus_last_error();
    FUZZ_REQUIRE(strncmp(message, path, strlen(path)) == 0, "refused without saying which file: %s", message);
    return NULL;
}

char *fuzz_text(const gradus_graph *g) {
    arena memory = {0};
    guard here;
    char *volatile copy = NULL;
    if (GUARDED(&here)) {
        text t = {.memory = &memory};
        graph_print(g, &t);
        copy = strdup(t.data);
        guard_leave(&here);
    }
    arena_free(&memory);
    FUZZ_REQUIRE(copy, "out of memory");
    return copy;
}

/* Elements at a batch, or too many. */
static int64_t elements(const gradus_shape *s, int64_t batch) {
    const int64_t count = extent_at(shape_extent(s, 0, shape_rank(s)), batch);
    return count < 0 || count > MOST_WORK ? MOST_WORK + 1 : count;
}

bool fuzz_evaluable(const gradus_graph *g, int64_t batch) {
    int64_t work = 0;
    for (uint32_t id = 1; id < g->nodes.count && work <= MOST_WORK; id++) {
        const node *n = graph_node(g, id);
        if (op_is(n->op, CALL)) return false;
        int64_t count = elements(&n->shape, batch);
        if (op_is(n->op, CONTRACT)) {
            const gradus_shape *x = &graph_node(g, n->inputs[0])->shape;
            const int64_t depth = extent_at(extent_of(shape_dim(x, shape_rank(x) - 1)), batch);
            count *= depth < 0 || depth > MOST_WORK ? MOST_WORK : depth;
        }
        work += count;
    }
    return work <= MOST_WORK;
}
