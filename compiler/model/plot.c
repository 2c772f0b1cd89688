/* SPDX-License-Identifier: Apache-2.0
 *
 * A picture of the stack: a box a layer, with its name and the shapes of what goes in and comes out.
 */
#include "model/model.h"

#include "base/file.h"
#include "base/graphviz.h"
#include "runtime/files.h"
#include "runtime/options.h"
#include "runtime/world.h"

#include <string.h>

/* Text of a label in Graphviz' likeness of HTML. */
static void escape(text *out, const char *string) {
    for (const char *s = string; *s;) {
        const size_t length = utf8_length(s);
        if (*s == '&' || *s == '<' || *s == '>' || *s == '"') text_append(out, "&#%d;", *s);
        else if (!length || (unsigned char)*s < ' ' || *s == 0x7f) text_append(out, "?");
        else text_append(out, "%.*s", (int)length, s);
        s += length ? length : 1;
    }
}

static void put_tensor(text *out, const char *what, gradus_tensor x) {
    const gradus_shape shape = gradus_shape_of(x);
    text_append(out, "<TD>%s%s ", what, gradus_dtype_name(gradus_dtype_of(x)));
    text_shape(out, &shape);
    text_append(out, "</TD>");
}

/* A box; `in` is poison for what has no input. */
static void put_box(text *out, uint32_t number, const char *name, const char *type, const char *color, bool shapes,
                    gradus_tensor in, gradus_tensor of) {
    text_append(out,
                "  n%u [label=<<TABLE BORDER=\"0\" CELLBORDER=\"1\" CELLSPACING=\"0\" CELLPADDING=\"6\"><TR>"
                "<TD COLSPAN=\"2\" BGCOLOR=\"%s\"><B>",
                number, color);
    escape(out, name);
    text_append(out, "</B> (%s)</TD></TR>", type);
    if (shapes) {
        text_append(out, "<TR>");
        if (in.id) put_tensor(out, "in: ", in);
        put_tensor(out, in.id ? "out: " : "", of);
        text_append(out, "</TR>");
    }
    text_append(out, "</TABLE>>];\n");
    if (number) text_append(out, "  n%u -> n%u;\n", number - 1, number);
}

static void draw(const gradus_model *m, const gradus_model_plot_options *o, text *out) {
    static const char *const activations[] = {[GRADUS_LINEAR] = "",           [GRADUS_RELU] = ", relu",
                                              [GRADUS_TANH] = ", tanh",       [GRADUS_SIGMOID] = ", sigmoid",
                                              [GRADUS_GELU] = ", gelu",       [GRADUS_SOFTMAX] = ", softmax"};
    gradus_tensor in = m->x;
    text_append(out, "digraph model {\n  rankdir=%s;\n  node [shape=plain, fontname=\"Helvetica\"];\n",
                o->horizontal ? "LR" : "TB");
    put_box(out, 0, "x", "input", "#c5e8c5", !o->no_shapes, (gradus_tensor){m->graph, 0}, m->x);
    for (uint32_t i = 0; i < m->layers.count; i++) {
        const model_layer *l = &m->layers.items[i];
        const bool weights = l->end_param > l->first_param;
        text type = {.memory = out->memory};
        text_append(&type, "%s%s%s", l->kind->type, activations[l->activation], l->frozen ? ", frozen" : "");
        put_box(out, i + 1, l->name, type.data, weights ? "#bcd7f5" : "#fff3c4", !o->no_shapes, in, l->output);
        in = l->output;
    }
    text_append(out, "}\n");
}

static gradus_status plot(const gradus_model *m, arena *memory, const char *path, const gradus_model_plot_options *o) {
    const char *ending = path_ending(path);
    const bool dot = strcmp(ending, "dot") == 0 || strcmp(ending, "gv") == 0;
    text out = {.memory = memory};
    if (!dot && strcmp(ending, "svg") && strcmp(ending, "png"))
        return fail(GRADUS_ERROR_ARGUMENT, "gradus_model_plot: %s: right are the endings .svg, .png, .dot and .gv", path);
    draw(m, o, &out);
    return dot ? file_write(path, out.data, out.length) : dot_write(out.data, out.length, ending, path);
}

gradus_status(gradus_model_plot)(gradus_model *m, const char *path, const gradus_model_plot_options *options) {
    ENTER;
    static const char *where = "gradus_model_plot";
    gradus_model_plot_options o;
    arena memory = {0};
    const gradus_status unfit = m && model_busy(m) ? GRADUS_OK : model_enter(m, where);
    if (unfit) return unfit;
    if (!path) return fail(GRADUS_ERROR_ARGUMENT, "%s: the path is NULL", where);
    if (!options_read(where, OPTIONS_TYPE(gradus_model_plot_options), &o, options)) return GRADUS_ERROR_ARGUMENT;
    gradus_status status;
    guard here;
    if (GUARDED(&here)) {
        status = plot(m, &memory, path, &o);
        guard_leave(&here);
    } else {
        status = fail_out_of_memory(where);
    }
    arena_free(&memory);
    return status;
}
