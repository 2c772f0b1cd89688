/* SPDX-License-Identifier: Apache-2.0
 * Graphs as files: gradus_graph_write and gradus_graph_read, around the printer and the parser. */
#include "base/file.h"
#include "ir/needs.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "runtime/world.h"

#define FILE_LIMIT ((size_t)1 << 30)

static gradus_status write_guarded(const gradus_graph *g, const char *path, arena *memory) {
    guard here;
    if (GUARDED(&here)) {
        text out = {.memory = memory};
        graph_print(g, &out);
        const gradus_status status = file_write(path, out.data, out.length);
        guard_leave(&here);
        return status;
    }
    return fail_out_of_memory("gradus_graph_write");
}

gradus_status gradus_graph_write(const gradus_graph *graph, const char *path) {
    ENTER;
    if (!graph || !path) return fail(GRADUS_ERROR_ARGUMENT, "gradus_graph_write: graph and path must not be NULL");
    if (graph->status != GRADUS_OK) return fail(GRADUS_ERROR_GRAPH, "%s", graph->error);
    arena memory = {0};
    const gradus_status status = write_guarded(graph, path, &memory);
    arena_free(&memory);
    return status;
}

static gradus_status read_guarded(const char *path, arena *memory, char **content, size_t *length) {
    guard here;
    if (GUARDED(&here)) {
        const gradus_status status = file_read_text(memory, path, FILE_LIMIT, content, length);
        guard_leave(&here);
        return status;
    }
    return fail_out_of_memory("gradus_graph_read");
}

/* Whether an entry needs the seed, which only first values may. */
static bool entry_needs_seed(const needs *n, const entry *e) {
    bool seed = false;
    for (uint32_t i = 0; i < e->n_outputs; i++) seed = seed || needs_seed(n, e->outputs[i]);
    for (uint32_t i = 0; i < e->n_kept; i++) seed = seed || needs_seed(n, e->kept[i]);
    for (uint32_t i = 0; i < e->updates.count; i++) seed = seed || needs_seed(n, e->updates.items[i].value);
    return seed;
}

/* What the parser lets pass because the passes work with it, but the builders would not have made. */
static gradus_status check_whole(const gradus_graph *g, const char *path, arena *memory) {
    for (uint32_t i = 0; i < g->states.count; i++)
        if (!g->states.items[i].init)
            return fail(GRADUS_ERROR_FORMAT, "%s: expected a first value (init) of the state \"%.200s\"", path,
                        graph_node(g, g->states.items[i].node)->attr.name);
    if (graph_entry(g, "init")) return fail(GRADUS_ERROR_FORMAT, "%s: expected no entry of the name \"init\"", path);
    needs n;
    needs_of(g, memory, &n);
    for (uint32_t i = 0; i < g->entries.count; i++)
        if (entry_needs_seed(&n, &g->entries.items[i]))
            return fail(GRADUS_ERROR_FORMAT, "%s: expected no use of seed in the entry \"%.200s\"", path,
                        g->entries.items[i].name);
    for (uint32_t i = 0; i < g->attached.count; i++)
        if (needs_seed(&n, g->attached.items[i].update.value))
            return fail(GRADUS_ERROR_FORMAT, "%s: expected no use of seed in the update of a node", path);
    return GRADUS_OK;
}

static gradus_status check_guarded(const gradus_graph *g, const char *path, arena *memory) {
    guard here;
    if (GUARDED(&here)) {
        const gradus_status status = check_whole(g, path, memory);
        guard_leave(&here);
        return status;
    }
    return fail_out_of_memory("gradus_graph_read");
}

gradus_status gradus_graph_read(const char *path, gradus_graph **graph) {
    ENTER;
    if (!path || !graph) return fail(GRADUS_ERROR_ARGUMENT, "gradus_graph_read: path and graph must not be NULL");
    *graph = NULL;
    arena memory = {0};
    char *content = NULL;
    size_t length = 0;
    gradus_status status = read_guarded(path, &memory, &content, &length);
    gradus_graph *g = status == GRADUS_OK ? graph_new() : NULL;
    if (status == GRADUS_OK && !g) status = fail_out_of_memory("gradus_graph_read");
    if (status == GRADUS_OK) status = graph_parse(path, content, length, g);
    if (status == GRADUS_OK) status = check_guarded(g, path, &memory);
    if (status == GRADUS_OK) *graph = g;
    else if (g) graph_free(g);
    arena_free(&memory);
    return status;
}
