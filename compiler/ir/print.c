/* SPDX-License-Identifier: Apache-2.0
 * Writes the graph's text form; attributes by what the op table says of them, never by op.  See print.h. */
#include "ir/print.h"

#include "ir/custom.h"
#include "ir/literal.h"

enum {
    SOURCE_COLUMN = 64, /* sources stand there, where the rest of the line is shorter */
    DATA_COLUMNS = 8,   /* elements of a constant on a line */
    DATA_DECIMAL = 64,  /* constants of more floats than this are written as bits */
};

const attribute_word attribute_words[] = {
    {ATTR_AXES, "axes"},     {ATTR_AXIS, "axis"},   {ATTR_RANGE, "range"},
    {ATTR_VALUE, "value"},   {ATTR_DATA, "data"},   {ATTR_NAME, ""},
    {ATTR_STREAM, "stream"}, {ATTR_BOUND, "bound"}, {ATTR_CALL, "call"},
    {0, NULL},
};

static void print_axes(const gradus_axes *axes, text *out) {
    text_append(out, " (");
    for (int32_t i = 1; i <= axes->d[0]; i++) text_append(out, i > 1 ? ", %d" : "%d", (int)axes->d[i]);
    text_append(out, ")");
}

static void print_extent(int64_t d, text *out) {
    if (d >= 0) text_append(out, " %lld", (long long)d);
    else if (d == -1) text_append(out, " B");
    else text_append(out, " %lldB", (long long)-d);
}

static void print_data(const node *n, text *out) {
    char word[LITERAL_BYTES];
    const size_t count = n->attr.bytes / gradus_dtype_size(n->dtype);
    const bool bits = count > DATA_DECIMAL && (n->dtype == GRADUS_F32 || n->dtype == GRADUS_F64);
    text_append(out, " {");
    for (size_t i = 0; i < count; i++) {
        const scalar value = scalar_load(n->dtype, n->attr.data, i);
        if (i) text_append(out, ",");
        if (count > DATA_COLUMNS && i % DATA_COLUMNS == 0) text_append(out, "\n   ");
        if (count > DATA_COLUMNS || i) text_append(out, " ");
        text_append(out, "%s", (bits ? literal_write_bits : literal_write)(word, n->dtype, value));
    }
    text_append(out, count > DATA_COLUMNS ? "\n}" : "}");
}

static void print_call(const custom *c, text *out) {
    text_append(out, " ");
    text_quoted(out, c->symbol);
    if (c->signature) text_append(out, " ");
    if (c->signature) text_quoted(out, c->signature);
    if (c->backward) text_append(out, " backward %lu", (unsigned long)c->result);
    if (c->effects) text_append(out, " effects %lu", (unsigned long)c->effects);
    if (c->user) text_append(out, " user");
}

static void print_attribute(const node *n, unsigned bit, text *out) {
    char word[LITERAL_BYTES];
    switch (bit) {
    case ATTR_AXES: print_axes(&n->attr.axes, out); break;
    case ATTR_AXIS: text_append(out, " %d", (int)n->attr.axis); break;
    case ATTR_RANGE: text_append(out, " %lld %lld", (long long)n->attr.low, (long long)n->attr.high); break;
    case ATTR_VALUE: text_append(out, " %s", literal_write(word, n->dtype, n->attr.value)); break;
    case ATTR_DATA: print_data(n, out); break;
    case ATTR_NAME: text_quoted(out, n->attr.name ? n->attr.name : ""); break;
    case ATTR_STREAM: text_append(out, " %lu", (unsigned long)n->attr.stream); break;
    case ATTR_BOUND: print_extent(n->attr.bound, out); break;
    case ATTR_CALL: print_call(n->attr.call, out); break;
    }
}

static void print_ids(const uint32_t *ids, uint32_t count, text *out) {
    for (uint32_t i = 0; i < count; i++) text_append(out, " %%%lu", (unsigned long)ids[i]);
}

static void print_source(source where, text *out) {
    if (!where.file) return;
    text_append(out, "@ ");
    text_quoted(out, where.file);
    text_append(out, ":%d", where.line);
}

void graph_print_attributes(const node *n, unsigned which, text *out) {
    for (const attribute_word *a = attribute_words; a->word; a++) {
        if (!(op_infos[n->op].attributes & which & a->bit)) continue;
        text_append(out, " %s", a->word);
        print_attribute(n, a->bit, out);
    }
}

void graph_print_node(const gradus_graph *g, uint32_t id, text *out) {
    const node *n = graph_node(g, id);
    const size_t start = out->length;
    text_append(out, "%%%lu = %s", (unsigned long)id, op_name(n->op));
    print_ids(n->inputs, n->n_inputs, out);
    graph_print_attributes(n, ~0u, out);
    text_append(out, " : %s ", gradus_dtype_name(n->dtype));
    text_shape(out, &n->shape);
    if (n->name) {
        text_append(out, " as ");
        text_quoted(out, n->name);
    }
    if (!n->where.file) return;
    const size_t used = out->length - start;
    text_append(out, "%*s", used < SOURCE_COLUMN ? (int)(SOURCE_COLUMN - used) : 1, "");
    print_source(n->where, out);
}

static void print_state(const gradus_graph *g, const state_info *s, text *out) {
    text_append(out, "state %%%lu", (unsigned long)s->node);
    if (s->init) text_append(out, " init %%%lu", (unsigned long)s->init);
    if (s->node == g->rng) text_append(out, " rng");
    text_append(out, "\n");
}

static void print_update(const update *u, text *out) {
    text_append(out, "update %%%lu = %%%lu\n", (unsigned long)u->state, (unsigned long)u->value);
}

static void print_attached(const attachment *a, text *out) {
    text_append(out, "attach %%%lu ", (unsigned long)a->node);
    print_update(&a->update, out);
}

static void print_list(const char *word, const uint32_t *ids, uint32_t count, text *out) {
    if (!count) return;
    text_append(out, "    %s", word);
    print_ids(ids, count, out);
    text_append(out, "\n");
}

static void print_entry(const entry *e, text *out) {
    text_append(out, "\nentry ");
    text_quoted(out, e->name);
    text_append(out, e->training ? " training" : " inference");
    if (e->max_batch) text_append(out, " max_batch %lld", (long long)e->max_batch);
    if (e->where.file) text_append(out, " ");
    print_source(e->where, out);
    text_append(out, " {\n");
    print_list("inputs", e->inputs, e->n_inputs, out);
    print_list("outputs", e->outputs, e->n_outputs, out);
    print_list("keep", e->kept, e->n_kept, out);
    for (uint32_t i = 0; i < e->updates.count; i++) {
        text_append(out, "    ");
        print_update(&e->updates.items[i], out);
    }
    text_append(out, "}\n");
}

/* An error may hold line ends, and a comment must not. */
static void print_failure(const gradus_graph *g, text *out) {
    text_append(out, "# this graph has failed: ");
    for (const char *s = g->error; *s; s++) text_append(out, "%c", *s == '\n' ? ' ' : *s);
    text_append(out, "\n");
}

void graph_print(const gradus_graph *g, text *out) {
    text_append(out, "gradus 1\n");
    if (g->status != GRADUS_OK) print_failure(g, out);
    if (g->nodes.count > 1) text_append(out, "\n");
    for (uint32_t id = 1; id < g->nodes.count; id++) {
        graph_print_node(g, id, out);
        text_append(out, "\n");
    }
    if (g->states.count) text_append(out, "\n");
    for (uint32_t i = 0; i < g->states.count; i++) print_state(g, &g->states.items[i], out);
    if (g->attached.count) text_append(out, "\n");
    for (uint32_t i = 0; i < g->attached.count; i++) print_attached(&g->attached.items[i], out);
    for (uint32_t i = 0; i < g->entries.count; i++) print_entry(&g->entries.items[i], out);
}
