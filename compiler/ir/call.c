/* SPDX-License-Identifier: Apache-2.0
 * Entering and leaving public builders.  See call.h. */
#include "ir/call.h"

#include <math.h>
#include <string.h>

/* A text of the user's may be gone tomorrow, so it is copied, but not once for each of a thousand nodes. */
static const char *file_in(gradus_graph *g, const char *file) {
    if (!file) return NULL;
    const char *used[] = {g->here.file, graph_node(g, g->nodes.count - 1)->where.file};
    for (int i = 0; i < 2; i++)
        if (used[i] && strcmp(used[i], file) == 0) return used[i];
    return arena_string(&g->memory, file);
}

/* Without memory: the file's name is not copied, since the message keeps it. */
static void fail_at(gradus_graph *g, const char *file, int line, const char *op, const char *why) {
    source here = g->here;
    if (g->status != GRADUS_OK) return;
    g->here = (source){file, line};
    graph_fail(g, GRADUS_ERROR_ARGUMENT, op, "%s", why);
    g->here = here;
}

gradus_graph *call_enter(call *c, gradus_graph *graph, const char *file, int line, const char *op,
                         gradus_tensors operands) {
    bool mixed = false, absent = false;
    const bool missing = operands.count && !operands.items;
    c->graph = graph;
    if (missing) operands.count = 0;
    for (size_t i = 0; i < operands.count; i++) {
        const gradus_tensor *t = &operands.items[i];
        if (!t->graph) absent = true;
        else if (!c->graph) c->graph = t->graph;
        else if (t->graph != c->graph) mixed = true;
    }
    if (!c->graph) {
        fail(GRADUS_ERROR_ARGUMENT, "%s: %s", op,
             operands.count ? "all tensors are {NULL, 0}" : "no graph, or an empty list");
        return NULL;
    }
    for (size_t i = 0; mixed && i < operands.count; i++)
        if (operands.items[i].graph) fail_at(operands.items[i].graph, file, line, op, "tensors of two graphs");
    if (mixed) fail_at(c->graph, file, line, op, "tensors of two graphs");
    if (missing) fail_at(c->graph, file, line, op, "a list of tensors is NULL");
    if (absent) fail_at(c->graph, file, line, op, "a tensor is absent, {NULL, 0}");
    if (c->graph->status != GRADUS_OK) return NULL;
    for (size_t i = 0; i < operands.count; i++)
        if (operands.items[i].id == 0 || operands.items[i].id >= c->graph->nodes.count)
            fail_at(c->graph, file, line, op, "a tensor is not one of this graph's");
    if (c->graph->status != GRADUS_OK) return NULL;
    c->outer = c->graph->here;
    return c->graph;
}

void call_at(call *c, const char *file, int line) {
    const char *copy = file_in(c->graph, file);
    c->graph->here = (source){copy, copy ? line : 0};
}

void call_leave(call *c) {
    c->graph->here = c->outer;
    guard_leave(&c->guard);
}

void call_out_of_memory(call *c) {
    graph_fail(c->graph, GRADUS_ERROR_MEMORY, "graph", "out of memory");
    c->graph->here = c->outer;
}

uint32_t call_unreadable(gradus_graph *g, const char *op, options_type type, const void *options) {
    char why[OPTIONS_WHY];
    return compose_fail(g, op, "%s", options_explain(why, type, options_size(options)));
}

double option_value(double given, double standard) {
    if (given != 0) return given;
    return signbit(given) ? 0 : standard;
}
