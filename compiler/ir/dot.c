/* SPDX-License-Identifier: Apache-2.0
 *
 * Draws a graph.  What would only be clutter is folded away: fills and counts stand in their users' labels, a
 * broadcast is a mark on the edge.  See dot.h.
 */
#include "ir/dot.h"

#include "base/file.h"
#include "ir/custom.h"
#include "ir/literal.h"
#include "ir/print.h"
#include "runtime/world.h"

#include <gradus/draw.h>

#include <string.h>

enum { FORWARD = 1, UPDATES = 2, DRAWN = 4 }; /* outputs need it; updates need it; it must not be folded away */

#define INPUT_COLOR "#c5e8c5"

typedef struct {
    const gradus_graph *g;
    unsigned char *marks;
    text *out;
} picture;

/* A trapezium is drawn around the box of its label, so it needs no margin of its own. */
static const struct {
    const char *shape, *style, *color, *margin;
} styles[] = {
    [KIND_SOURCE] = {"note", "filled", "#eeeeee", "0.12,0.06"},
    [KIND_ELEMENTWISE] = {"box", "rounded,filled", "#fff3c4", "0.12,0.06"},
    [KIND_MOVEMENT] = {"box", "rounded,filled", "#e3e8ee", "0.12,0.06"},
    [KIND_REDUCE] = {"invtrapezium", "filled", "#ffd8a8", "0,0"},
    [KIND_CONTRACT] = {"box3d", "filled", "#ffb3ab", "0.12,0.06"},
    [KIND_GATHER] = {"hexagon", "filled", "#d9c8f2", "0.05,0.06"},
    [KIND_SCATTER] = {"hexagon", "filled", "#c3aee8", "0.05,0.06"},
    [KIND_CALL] = {"component", "filled", "#c8e6c9", "0.12,0.06"},
    [KIND_STATE] = {"cylinder", "filled", "#bcd7f5", "0.12,0.06"},
};

/* --- what is drawn ----------------------------------------------------------------------------------------------- */

static void spread(const picture *p, unsigned char mark) {
    for (uint32_t id = p->g->nodes.count; id-- > 1;) {
        const node *n = graph_node(p->g, id);
        if (p->marks[id] & mark)
            for (uint32_t i = 0; i < n->n_inputs; i++) p->marks[n->inputs[i]] |= mark;
    }
}

static void mark_entry(const picture *p, const entry *e) {
    for (uint32_t i = 0; i < e->n_inputs; i++) p->marks[e->inputs[i]] |= DRAWN | FORWARD;
    for (uint32_t i = 0; i < e->n_outputs; i++) p->marks[e->outputs[i]] |= DRAWN | FORWARD;
    for (uint32_t i = 0; i < e->n_kept; i++) p->marks[e->kept[i]] |= DRAWN | FORWARD;
    for (uint32_t i = 0; i < e->updates.count; i++) p->marks[e->updates.items[i].value] |= DRAWN | UPDATES;
}

/* What stands behind the broadcasts in front of it. */
static uint32_t resolve(const gradus_graph *g, uint32_t id) {
    while (graph_node(g, id)->op == OP_broadcast) id = graph_node(g, id)->inputs[0];
    return id;
}

static bool folded(const picture *p, uint32_t id) {
    if (p->marks[id] & DRAWN) return false;
    const op_code op = graph_node(p->g, resolve(p->g, id))->op;
    return op == OP_fill || op == OP_count;
}

/* --- nodes ------------------------------------------------------------------------------------------------------- */

static void append_folded(const picture *p, uint32_t id) {
    char word[LITERAL_BYTES];
    const node *n = graph_node(p->g, resolve(p->g, id));
    if (n->op == OP_fill) text_append(p->out, "%s", literal_write(word, n->dtype, n->attr.value));
    else if (n->attr.bound >= 0) text_append(p->out, "%lld", (long long)n->attr.bound);
    else if (n->attr.bound == -1) text_append(p->out, "B");
    else text_append(p->out, "%lldB", (long long)-n->attr.bound);
}

/* "sub", or "sub(1, ·)" where an operand is folded into it. */
static void append_call(const picture *p, const node *n) {
    bool any = false;
    text_append(p->out, "%s", n->op == OP_custom ? custom_name(n) : op_name(n->op));
    for (uint32_t i = 0; i < n->n_inputs; i++) any = any || folded(p, n->inputs[i]);
    for (uint32_t i = 0; any && i < n->n_inputs; i++) {
        text_append(p->out, i ? ", " : "(");
        if (folded(p, n->inputs[i])) append_folded(p, n->inputs[i]);
        else text_append(p->out, "·");
    }
    if (any) text_append(p->out, ")");
}

static void append_label(const picture *p, const node *n) {
    if (op_infos[n->op].attributes & ATTR_NAME) {
        dot_escape(p->out, n->attr.name);
        text_append(p->out, "\\n%s %s ", op_name(n->op), gradus_dtype_name(n->dtype));
        text_shape(p->out, &n->shape);
        return;
    }
    append_call(p, n);
    graph_print_attributes(n, ATTR_AXES | ATTR_AXIS | ATTR_RANGE | ATTR_VALUE | ATTR_BOUND, p->out);
    text_append(p->out, "\\n%s ", gradus_dtype_name(n->dtype));
    text_shape(p->out, &n->shape);
    if (!n->name) return;
    text_append(p->out, "\\n");
    dot_escape(p->out, n->name);
}

static void draw_node(const picture *p, uint32_t id) {
    const node *n = graph_node(p->g, id);
    const op_kind kind = op_infos[n->op].kind;
    const bool input = n->op == OP_input, backward = !(p->marks[id] & FORWARD) && kind != KIND_STATE;
    text_append(p->out, "  n%lu [label=\"", (unsigned long)id);
    append_label(p, n);
    text_append(p->out, "\", shape=%s, margin=\"%s\", fillcolor=\"%s\", style=\"%s%s\"",
                input ? "ellipse" : styles[kind].shape, styles[kind].margin, input ? INPUT_COLOR : styles[kind].color,
                styles[kind].style, backward ? ",dashed" : "");
    text_append(p->out, ", tooltip=\"%%%lu %s", (unsigned long)id, n->where.file ? "of " : "");
    if (n->where.file) {
        dot_escape(p->out, n->where.file);
        text_append(p->out, ":%d", n->where.line);
    }
    text_append(p->out, "\"];\n");
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        const uint32_t from = n->inputs[i];
        if (folded(p, from)) continue;
        const bool spreads = graph_node(p->g, from)->op == OP_broadcast && !(p->marks[from] & DRAWN);
        text_append(p->out, "  n%lu -> n%lu%s;\n", (unsigned long)(spreads ? resolve(p->g, from) : from),
                    (unsigned long)id, spreads ? " [arrowhead=onormalnormal]" : "");
    }
}

static bool visible(const picture *p, uint32_t id) {
    if (p->marks[id] & DRAWN) return true;
    return p->marks[id] && graph_node(p->g, id)->op != OP_broadcast && !folded(p, id);
}

/* --- entries ----------------------------------------------------------------------------------------------------- */

static void draw_ends(const picture *p, const entry *e, uint32_t number) {
    for (uint32_t i = 0; i < e->n_outputs; i++) {
        const char *name = graph_node(p->g, e->outputs[i])->name;
        text_append(p->out, "  out%lu_%lu [label=\"", (unsigned long)number, (unsigned long)i);
        if (name) dot_escape(p->out, name);
        else text_append(p->out, "output %lu", (unsigned long)i);
        text_append(p->out, "\\nof %s\", shape=ellipse, peripheries=2, fillcolor=\"" INPUT_COLOR "\"];\n", e->name);
        text_append(p->out, "  n%lu -> out%lu_%lu;\n", (unsigned long)e->outputs[i], (unsigned long)number,
                    (unsigned long)i);
    }
    for (uint32_t i = 0; i < e->updates.count; i++) {
        const update *u = &e->updates.items[i];
        text_append(p->out, "  new%lu_%lu [label=\"new ", (unsigned long)number, (unsigned long)i);
        dot_escape(p->out, graph_node(p->g, u->state)->attr.name);
        text_append(p->out, "\", shape=cylinder, peripheries=1, fillcolor=\"#7fb2ea\"];\n");
        text_append(p->out, "  n%lu -> new%lu_%lu;\n", (unsigned long)u->value, (unsigned long)number,
                    (unsigned long)i);
    }
}

static void draw_start(const picture *p, const char *title) {
    text_append(p->out, "digraph gradus {\n  label=\"");
    dot_escape(p->out, title);
    text_append(p->out, "\"; labelloc=t; fontname=\"Helvetica\"; fontsize=18; nodesep=0.25; ranksep=0.35;\n"
                        "  node [fontname=\"Helvetica\", fontsize=11, style=filled, color=\"#555555\", penwidth=0.8, "
                        "margin=\"0.12,0.06\"];\n"
                        "  edge [color=\"#666666\", arrowsize=0.6, penwidth=0.8];\n");
}

void graph_dot(const gradus_graph *g, const char *entry_name, text *out) {
    const picture p = {g, ARENA_ARRAY(out->memory, unsigned char, g->nodes.count), out};
    const entry *only = entry_name ? graph_entry(g, entry_name) : NULL;
    const uint32_t count = only ? 1 : g->entries.count;
    const entry *entries = only ? only : g->entries.items;
    for (uint32_t i = 0; i < count; i++) mark_entry(&p, &entries[i]);
    if (!count) memset(p.marks, FORWARD, g->nodes.count);
    spread(&p, FORWARD);
    spread(&p, UPDATES);
    draw_start(&p, only ? only->name : "all entry points");
    for (uint32_t id = 1; id < g->nodes.count; id++)
        if (visible(&p, id)) draw_node(&p, id);
    for (uint32_t i = 0; i < count; i++) draw_ends(&p, &entries[i], i);
    text_append(out, "}\n");
}

/* --- files ------------------------------------------------------------------------------------------------------- */

static gradus_status draw_guarded(const gradus_graph *g, const char *entry_name, const char *path, bool svg,
                                  arena *memory) {
    guard here;
    if (GUARDED(&here)) {
        text out = {.memory = memory};
        graph_dot(g, entry_name, &out);
        const gradus_status status =
            svg ? dot_write(out.data, out.length, dot_format(path), path) : file_write(path, out.data, out.length);
        guard_leave(&here);
        return status;
    }
    return fail_out_of_memory(svg ? "gradus_graph_svg" : "gradus_graph_dot");
}

static gradus_status draw(const gradus_graph *g, const char *entry_name, const char *path, bool svg) {
    const char *caller = svg ? "gradus_graph_svg" : "gradus_graph_dot";
    if (!g || !path) return fail(GRADUS_ERROR_ARGUMENT, "%s: graph and path must not be NULL", caller);
    if (g->status != GRADUS_OK) return fail(GRADUS_ERROR_GRAPH, "%s", g->error);
    if (entry_name && !graph_entry(g, entry_name))
        return fail(GRADUS_ERROR_NOT_FOUND, "%s: the graph has no entry point \"%.200s\"", caller, entry_name);
    arena memory = {0};
    const gradus_status status = draw_guarded(g, entry_name, path, svg, &memory);
    arena_free(&memory);
    return status;
}

gradus_status gradus_graph_dot(const gradus_graph *graph, const char *entry_name, const char *path) {
    ENTER;
    return draw(graph, entry_name, path, false);
}

gradus_status gradus_graph_svg(const gradus_graph *graph, const char *entry_name, const char *path) {
    ENTER;
    return draw(graph, entry_name, path, true);
}
