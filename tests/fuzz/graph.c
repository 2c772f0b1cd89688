/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of a graph: read, printed, read again, evaluated.  What was printed is a graph too, and prints as itself. */
#include "tests/fuzz/graphs.h"
#include "tests/random_graph.h"

#include <string.h>

static void bind(void *user, uint32_t id, const node *n, array *out) {
    const entry *e = user;
    uint64_t seed = 1;
    random_bind(&seed, id, n, out);
    if (n->op == OP_training) *(uint8_t *)out->data = e->training;
}

/* Whether an index is in its bounds is up to the values; nothing else can go wrong. */
static void evaluate(const gradus_graph *g, const entry *e, int64_t batch) {
    arena memory = {0};
    guard here;
    if (GUARDED(&here)) {
        const evaluation how = {.batch = batch,
                                .bind = bind,
                                .user = (void *)e,
                                .memory = &memory,
                                .outputs = ARENA_ARRAY(&memory, array, e->n_outputs),
                                .values = ARENA_ARRAY(&memory, array, e->updates.count)};
        const gradus_status status = evaluate_entry(g, e, &how);
        FUZZ_REQUIRE(status == GRADUS_OK || status == GRADUS_ERROR_ARGUMENT, "%s: %s", e->name, gradus_last_error());
        guard_leave(&here);
    }
    arena_free(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    gradus_graph *g = fuzz_graph(data, size);
    if (!g) return 0;
    char *first = fuzz_text(g);
    gradus_graph *again = fuzz_graph(first, strlen(first));
    FUZZ_REQUIRE(again, "what was printed is refused: %s\n%s", gradus_last_error(), first);
    char *second = fuzz_text(again);
    FUZZ_REQUIRE(strcmp(first, second) == 0, "printed\n%s\nand then\n%s", first, second);
    for (int64_t batch = 1; batch <= 3 && fuzz_evaluable(g, batch); batch += 2)
        for (uint32_t i = 0; i < g->entries.count; i++) evaluate(g, &g->entries.items[i], batch);
    free(first);
    free(second);
    gradus_graph_destroy(&again);
    gradus_graph_destroy(&g);
    return 0;
}
