/* SPDX-License-Identifier: Apache-2.0
 * gradus_substitute: what depends on some tensors is made again from others. */
#include "ir/call.h"
#include "ir/custom.h"

#include <gradus/graph.h>

static bool replacements(gradus_graph *g, gradus_tensors from, gradus_tensors to, uint32_t *map) {
    if (from.count != to.count) {
        compose_fail(g, "substitute", "%zu tensors for %zu; there must be as many", to.count, from.count);
        return false;
    }
    for (size_t i = 0; i < from.count; i++) {
        const node *a = node_of(from.items[i]), *b = node_of(to.items[i]);
        if (map[from.items[i].id]) {
            compose_fail(g, "substitute", "tensor %zu of those to replace is listed before", i);
            return false;
        }
        if (a->dtype != b->dtype || !shape_equal(&a->shape, &b->shape)) {
            compose_fail(g, "substitute", "tensor %zu is %s %s, its replacement %s %s; they must be equal", i,
                         gradus_dtype_name(a->dtype), shape_text(g, &a->shape), gradus_dtype_name(b->dtype),
                         shape_text(g, &b->shape));
            return false;
        }
        map[from.items[i].id] = to.items[i].id;
    }
    return true;
}

/* The nodes that y needs. */
static bool *needed_for(gradus_graph *g, uint32_t y) {
    bool *needed = ARENA_ARRAY(&g->memory, bool, y + 1);
    needed[y] = true;
    for (uint32_t id = y; id > 0; id--)
        for (uint32_t i = 0; needed[id] && i < graph_node(g, id)->n_inputs; i++)
            needed[graph_node(g, id)->inputs[i]] = true;
    return needed;
}

/* A call with effects that is made again is another call: it gets a number of its own, the same for all its results. */
static const custom *another_call(gradus_graph *g, const custom *c, uint32_t *numbers) {
    if (!c || !c->effects) return c;
    custom *copy = arena_copy(&g->memory, c, sizeof *c);
    if (!numbers[c->effects]) numbers[c->effects] = ++g->effects;
    copy->effects = numbers[c->effects];
    return copy;
}

static uint32_t substitute(gradus_graph *g, uint32_t y, gradus_tensors from, gradus_tensors to) {
    uint32_t *map = ARENA_ARRAY(&g->memory, uint32_t, g->nodes.count); /* 0: as it was */
    if (!replacements(g, from, to, map)) return 0;
    uint32_t *numbers = ARENA_ARRAY(&g->memory, uint32_t, g->effects + 1); /* of calls with effects, old to new */
    const bool *needed = needed_for(g, y);
    const source here = g->here;
    for (uint32_t id = 1; id <= y && g->status == GRADUS_OK; id++) {
        const node *n = graph_node(g, id);
        bool changed = false;
        for (uint32_t i = 0; i < n->n_inputs; i++) changed |= map[n->inputs[i]] != 0;
        if (!needed[id] || map[id] || !changed) continue;
        uint32_t *inputs = ARENA_ARRAY(&g->memory, uint32_t, n->n_inputs);
        for (uint32_t i = 0; i < n->n_inputs; i++) inputs[i] = map[n->inputs[i]] ? map[n->inputs[i]] : n->inputs[i];
        attrs attr = n->attr;
        attr.call = another_call(g, attr.call, numbers);
        g->here = n->where; /* what goes wrong in it later is to be sought there */
        map[id] = graph_add(g, &(node_spec){.op = n->op,
                                            .n_inputs = n->n_inputs,
                                            .inputs = inputs,
                                            .attr = attr,
                                            .dtype = n->dtype,
                                            .shape = n->shape});
    }
    g->here = here;
    return map[y] ? map[y] : y;
}

/* All the tensors of a call in one list need memory; the graphs of three lists can be compared without. */
gradus_tensor gradus_substitute_at(const char *file, int line, gradus_tensor y, gradus_tensors from,
                                   gradus_tensors to) {
    call first;
    if (!from.items) from.count = 0;
    if (!to.items) to.count = 0;
    gradus_graph *const graph = call_enter(&first, NULL, file, line, "substitute", OPERANDS(y));
    if (!graph || !call_enter(&first, graph, file, line, "substitute", from)) return (gradus_tensor){first.graph, 0};
    CALL(graph, "substitute", to, substitute(g, y.id, from, to));
}
PLAIN(gradus_tensor, substitute, (gradus_tensor y, gradus_tensors from, gradus_tensors to), (NULL, 0, y, from, to))
