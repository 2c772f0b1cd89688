/* SPDX-License-Identifier: Apache-2.0
 * Kernels as text and as pictures.  See kernel.h.
 *
 *     contract (B, 512) over 784: left b0 [784·i0 + 1·k], right b1 [1·i1 + 512·k]
 *       v0 = product : f32
 *       v1 = load b2 [1·i1] : f32
 *       v2 = add v0 v1 : f32
 *       v3 = relu v2 : f32
 *       store b3 [512·i0 + 1·i1] = v3
 */
#include "fuse/kernel.h"

#include "ir/custom.h"
#include "ir/literal.h"

#include <inttypes.h>

static uint32_t number_of(uint32_t id, const uint32_t *ids) {
    uint32_t i = 0;
    while (ids[i] != id) i++;
    return i;
}

static void print_extent(extent e, text *out) {
    if (e.power == 0) text_append(out, "%" PRId64, e.factor);
    else if (e.factor != 1) text_append(out, "%" PRId64, e.factor);
    for (int p = 0; p < e.power; p++) text_append(out, "B");
}

static void print_access(const kernel *k, const access *a, text *out) {
    const char *plus = "";
    text_append(out, "[");
    for (int p = 0; p < OFFSET_POWERS; p++) {
        if (!a->offset[p]) continue;
        text_append(out, "%s", plus);
        print_extent((extent){a->offset[p], p}, out);
        plus = " + ";
    }
    for (int d = 0; d < k->rank + (k->kind == KERNEL_CONTRACT); d++) {
        if (!a->stride[d].factor) continue;
        text_append(out, "%s", plus);
        print_extent(a->stride[d], out);
        if (d == k->rank) text_append(out, "·k");
        else text_append(out, "·i%d", d);
        plus = " + ";
    }
    for (int d = 0; a->guarded && d < k->rank; d++) {
        if (a->low[d] != INT64_MIN) text_append(out, ", i%d >= %" PRId64, d, a->low[d]);
        if (a->high[d] != INT64_MAX) text_append(out, ", i%d < %" PRId64, d, a->high[d]);
    }
    if (a->guarded) text_append(out, ", else bits %" PRIx64, a->fill.bits);
    text_append(out, "]");
}

static void print_value(const kernel *k, uint32_t id, const uint32_t *ids, text *out) {
    const value *v = &k->values.items[id];
    text_append(out, "  v%u = ", id);
    switch (v->kind) {
    case VALUE_LOAD:
        text_append(out, "load b%u ", number_of(v->at.buffer, ids));
        print_access(k, &v->at, out);
        if (v->n_args) {
            text_append(out, " at ");
            print_extent(v->along, out);
            text_append(out, "·v%u", v->args[0]);
        }
        break;
    case VALUE_FILL: text_append(out, "fill bits %" PRIx64, v->fill.bits); break;
    case VALUE_INDEX:
        text_append(out, "index ");
        print_access(k, &v->at, out);
        break;
    case VALUE_COUNT:
        text_append(out, "count ");
        print_extent(v->count, out);
        break;
    case VALUE_RANDOM:
        text_append(out, "random v%u v%u stream %u ", v->args[0], v->args[1], v->stream);
        print_access(k, &v->at, out);
        break;
    case VALUE_OP:
        text_append(out, "%s", op_name(v->op));
        for (uint32_t i = 0; i < v->n_args; i++) text_append(out, " v%u", v->args[i]);
        break;
    case VALUE_REDUCED:
        text_append(out, "%s v%u", op_name(v->op), k->reductions.items[v->reduction].value);
        break;
    case VALUE_PRODUCT: text_append(out, "product"); break;
    case VALUE_CALLED: text_append(out, "result %u", v->result); break;
    }
    text_append(out, " : %s%s\n", gradus_dtype_name(v->dtype), v->varies ? "" : " a row");
}

/* The function, and the tensors that its parameters tell of. */
static void print_called(const kernel_list *l, const kernel *k, text *out) {
    const node *n = graph_node(l->graph, k->called);
    const custom *c = n->attr.call;
    text_append(out, " %s", c->symbol);
    if (c->signature) text_append(out, " ");
    if (c->signature) text_quoted(out, c->signature);
    text_append(out, c->backward ? " backward of" : " of");
    for (uint32_t i = 0; i <= n->n_inputs; i++) {
        const node *x = i < n->n_inputs ? graph_node(l->graph, n->inputs[i]) : n;
        text_append(out, i < n->n_inputs ? " %s " : " to %s ", gradus_dtype_name(x->dtype));
        text_shape(out, &x->shape);
    }
}

void kernel_print(const kernel_list *l, const kernel *k, text *out) {
    uint32_t *ids = ARENA_ARRAY(out->memory, uint32_t, k->values.count + k->stores.count + 2);
    uint32_t count = kernel_buffers(k, ids);
    text_append(out, "%s (", kernel_kind_name(k->kind));
    for (int d = 0; d < k->rank; d++) {
        if (d) text_append(out, ", ");
        print_extent(k->dims[d], out);
    }
    text_append(out, ")");
    if (k->kind == KERNEL_COLUMNS) text_append(out, " over i%d", k->reduced);
    if (k->kind == KERNEL_CHECK) text_append(out, " below %" PRId64, k->bound);
    if (k->kind == KERNEL_CALL) print_called(l, k, out);
    if (k->kind == KERNEL_SCATTER) {
        text_append(out, k->along_axis ? " along axis of " : " of ");
        print_extent(k->scattered, out);
    }
    if (k->kind == KERNEL_CONTRACT) {
        text_append(out, " over ");
        print_extent(k->depth, out);
        text_append(out, ": left b%u ", number_of(k->left.buffer, ids));
        print_access(k, &k->left, out);
        text_append(out, ", right b%u ", number_of(k->right.buffer, ids));
        print_access(k, &k->right, out);
    }
    for (uint32_t i = 0; i < count; i++) {
        const buffer *b = &l->buffers.items[ids[i]];
        text_append(out, "%sb%u %s", i ? ", " : " {", i, gradus_dtype_name(b->dtype));
    }
    text_append(out, "}\n");
    for (uint32_t v = 0; v < k->values.count; v++) print_value(k, v, ids, out);
    for (uint32_t s = 0; s < k->stores.count; s++) {
        const store *st = &k->stores.items[s];
        text_append(out, "  store b%u ", number_of(st->to.buffer, ids));
        print_access(k, &st->to, out);
        text_append(out, " = v%u%s\n", st->value, st->row ? " a row" : "");
    }
}

static void print_buffer(const kernel_list *l, uint32_t id, text *out) {
    const buffer *b = &l->buffers.items[id];
    const node *n = graph_node(l->graph, b->node);
    switch (b->place) {
    case PLACE_INPUT: text_append(out, "input %u", b->index); break;
    case PLACE_OUTPUT: text_append(out, "output %u", b->index); break;
    case PLACE_STATE: text_append(out, "state %u", b->index); break;
    case PLACE_CONSTANT: text_append(out, "constant"); break;
    case PLACE_ARENA: text_append(out, "arena %" PRId64, b->offset); break;
    }
    if (n->attr.name) text_append(out, " \"%s\"", n->attr.name);
    text_append(out, " ");
    text_shape(out, &b->shape);
}

void kernels_print(const kernel_list *l, text *out) {
    for (uint32_t i = 0; i < l->kernels.count; i++) {
        const kernel *k = l->kernels.items[i];
        uint32_t *ids = ARENA_ARRAY(out->memory, uint32_t, k->values.count + k->stores.count + 2);
        uint32_t count = kernel_buffers(k, ids);
        text_append(out, "kernel %u, phase %d%s, about %.0f ns:", i, k->phase, k->serial ? ", serial" : "", k->cost);
        for (uint32_t b = 0; b < count; b++) {
            text_append(out, "%s b%u = ", b ? "," : "", b);
            print_buffer(l, ids[b], out);
        }
        text_append(out, "\n");
        kernel_print(l, k, out);
        text_append(out, "\n");
    }
}

/* --- pictures ----------------------------------------------------------------------------------------------------------- */

static void dot_label(const kernel_list *l, const kernel *k, text *out) {
    bool map = k->kind == KERNEL_ROWS && !k->reductions.count;
    text_append(out, "<b>%s</b> (", map ? "map" : kernel_kind_name(k->kind));
    for (int d = 0; d < k->rank; d++) {
        if (d) text_append(out, ", ");
        print_extent(k->dims[d], out);
    }
    text_append(out, ")");
    if (k->kind == KERNEL_CALL) text_append(out, "<br/>%s", custom_name(graph_node(l->graph, k->called)));
    if (k->kind == KERNEL_CONTRACT) {
        text_append(out, " over ");
        print_extent(k->depth, out);
    }
    uint32_t shown = 0;
    for (uint32_t v = 0; v < k->values.count; v++) {
        const value *it = &k->values.items[v];
        if (it->kind != VALUE_OP && it->kind != VALUE_REDUCED && it->kind != VALUE_PRODUCT && it->kind != VALUE_RANDOM) continue;
        text_append(out, "%s%s", shown % 8 == 0 ? "<br/>" : " ", it->kind == VALUE_RANDOM ? "random" : op_name(it->op));
        shown++;
    }
}

static void dot_name(const kernel_list *l, const buffer *b, text *out) {
    const node *n = graph_node(l->graph, b->node);
    const char *name = n->attr.name ? n->attr.name : n->name ? n->name : op_name(n->op);
    if (b->place == PLACE_OUTPUT) text_append(out, "output %u", b->index);
    else
        for (const char *c = name; *c; c++) text_append(out, *c == '<' ? "&lt;" : *c == '>' ? "&gt;" : *c == '&' ? "&amp;" : "%c", *c);
    text_append(out, "<br/><font color=\"#555555\">");
    text_shape(out, &b->shape);
    text_append(out, "</font>>];\n");
}

/* Memory as a box; state that is written is drawn a second time, so that time runs down the page. */
static void dot_buffer(const kernel_list *l, uint32_t id, bool read, bool written, text *out) {
    static const char *const looks[] = {
        [PLACE_INPUT] = "shape=ellipse, fillcolor=\"#c5e8c5\"",
        [PLACE_OUTPUT] = "shape=ellipse, peripheries=2, fillcolor=\"#c5e8c5\"",
        [PLACE_STATE] = "shape=cylinder, fillcolor=\"#bcd6f5\"",
        [PLACE_CONSTANT] = "shape=note, fillcolor=\"#eeeeee\"",
        [PLACE_ARENA] = "shape=box, fillcolor=\"#ffffff\"",
    };
    const buffer *b = &l->buffers.items[id];
    bool state = b->place == PLACE_STATE;
    if (read || (written && !state)) {
        text_append(out, "  b%u [style=filled, %s, label=<", id, looks[b->place]);
        dot_name(l, b, out);
    }
    if (written && state) {
        text_append(out, "  n%u [style=filled, shape=cylinder, fillcolor=\"#7fb0ea\", label=<new ", id);
        dot_name(l, b, out);
    }
}

void kernels_dot(const kernel_list *l, text *out) {
    text_append(out, "digraph kernels {\n  rankdir=TB; ranksep=0.3; nodesep=0.25; bgcolor=white;\n"
                     "  node [fontname=\"Helvetica\", fontsize=11]; edge [color=\"#888888\", arrowsize=0.6];\n");
    bool *read = ARENA_ARRAY(out->memory, bool, l->buffers.count), *written = ARENA_ARRAY(out->memory, bool, l->buffers.count);
    for (uint32_t i = 0; i < l->kernels.count; i++) {
        const kernel *k = l->kernels.items[i];
        text_append(out, "  k%u [shape=box, style=filled, fillcolor=\"#fde2b3\", label=<", i);
        dot_label(l, k, out);
        text_append(out, ">];\n");
        for (uint32_t b = 0; b < l->buffers.count; b++) {
            read[b] |= kernel_reads(k, b);
            written[b] |= kernel_writes(k, b);
            if (kernel_reads(k, b)) text_append(out, "  b%u -> k%u;\n", b, i);
            if (kernel_writes(k, b)) text_append(out, "  k%u -> %s%u;\n", i, l->buffers.items[b].place == PLACE_STATE ? "n" : "b", b);
        }
    }
    for (uint32_t b = 0; b < l->buffers.count; b++) dot_buffer(l, b, read[b], written[b], out);
    text_append(out, "}\n");
}
