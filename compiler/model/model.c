/* SPDX-License-Identifier: Apache-2.0
 *
 * The stack of layers: made, grown, taken down, and what is wrong with it.
 */
#include "model/model.h"

#include "runtime/world.h"

#include <string.h>

/* --- errors ------------------------------------------------------------------------------------------------------ */

gradus_status model_fail(gradus_model *m, gradus_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(m->error, sizeof m->error, format, arguments);
    va_end(arguments);
    return fail(m->status = status, "%s", m->error);
}

gradus_status model_report(const gradus_model *m) {
    return m->status ? fail(m->status, "%s", m->error) : GRADUS_OK;
}

gradus_status model_enter(gradus_model *m, const char *where) {
    if (!m) return fail(GRADUS_ERROR_ARGUMENT, "%s: the model is NULL", where);
    if (model_busy(m))
        return fail(GRADUS_ERROR_BUSY, "%s: the model is being fitted: this is called from a callback", where);
    return m->of_compile ? GRADUS_OK : model_report(m);
}

gradus_status model_enter_compiled(gradus_model *m, const char *where) {
    const gradus_status status = model_enter(m, where);
    if (status || m->compiled) return status;
    if (m->status) return model_report(m);
    return fail(GRADUS_ERROR_ARGUMENT, "%s: the model is not compiled; gradus_model_compile(m, .loss = …) comes first",
                where);
}

gradus_status model_graph_status(const gradus_model *m) {
    const gradus_status status = gradus_graph_status(m->graph);
    return status && status != GRADUS_ERROR_MEMORY ? GRADUS_ERROR_GRAPH : status;
}

const char *model_graph_error(const gradus_model *m, const char *file, int line) {
    const char *error = gradus_graph_error(m->graph);
    char place[SOURCE_TEXT];
    const size_t length = strlen(source_text((source){file, line}, place));
    return strncmp(error, place, length) == 0 ? error + length : error;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

gradus_model *gradus_model_create(gradus_dtype dtype, gradus_shape row) {
    gradus_model *m = memory_zeroed(sizeof *m);
    if (!m) {
        fail_out_of_memory("gradus_model_create");
        return NULL;
    }
    m->dtype = dtype;
    m->row = row;
    model_rebuild(m);
    return m;
}

void gradus_model_destroy(gradus_model **model) {
    if (!model || !*model) return;
    gradus_model *m = *model;
    *model = NULL;
    model_forget_fits(m);
    gradus_program_destroy(&m->program);
    gradus_program_destroy(&m->previous);
    gradus_graph_destroy(&m->graph);
    arena_free(&m->memory);
    memory_free(m);
}

gradus_graph *gradus_model_graph(gradus_model *m) { return m ? m->graph : NULL; }

/* --- the stack --------------------------------------------------------------------------------------------------- */

static void text_input(text *t, gradus_tensor x) {
    const gradus_shape shape = gradus_shape_of(x);
    text_append(t, "%s ", gradus_dtype_name(gradus_dtype_of(x)));
    text_shape(t, &shape);
}

/* The input of the first layer.  A row has no batch in it: its place is in front. */
static void build_input(gradus_model *m) {
    bool fixed = m->row.d[0] >= 0 && m->row.d[0] < GRADUS_MAX_RANK;
    gradus_shape shape = {{fixed ? m->row.d[0] + 1 : 0, GRADUS_BATCH}};
    for (int64_t i = 1; fixed && i <= m->row.d[0]; i++) {
        fixed = m->row.d[i] >= 0;
        shape.d[i + 1] = m->row.d[i];
    }
    if (!fixed)
        model_fail(m, GRADUS_ERROR_ARGUMENT,
                   "gradus_model_create: the shape is that of one row, up to 7 fixed extents without the batch");
    else m->x = gradus_input_at(NULL, 0, m->graph, "x", m->dtype, shape);
    if (fixed && model_graph_status(m))
        model_fail(m, model_graph_status(m), "gradus_model_create: %s", gradus_graph_error(m->graph));
}

void model_rebuild(gradus_model *m) {
    gradus_graph_destroy(&m->graph);
    m->graph = gradus_graph_create();
    m->compiled = m->of_compile = false;
    m->status = GRADUS_OK;
    build_input(m);
    gradus_tensor x = m->x;
    for (uint32_t i = 0; i < m->layers.count && !m->status; i++) {
        layer_build(&m->memory, &m->layers.items[i], x);
        x = m->layers.items[i].output;
    }
    if (!m->status && model_graph_status(m)) /* what was right before: memory is short */
        model_fail(m, model_graph_status(m), "%s", gradus_graph_error(m->graph));
}

void model_forgive(gradus_model *m) {
    if (m->of_compile) model_rebuild(m);
}

static bool name_taken(const gradus_model *m, const char *name) {
    for (uint32_t i = 0; i < m->layers.count; i++)
        if (strcmp(m->layers.items[i].name, name) == 0) return true;
    return false;
}

/* The first of "dense", "dense_2", … that no layer has. */
static const char *free_name(gradus_model *m, const char *standard) {
    for (int i = 1;; i++) {
        text name = {.memory = &m->memory};
        text_append(&name, i == 1 ? "%s" : "%s_%d", standard, i);
        if (!name_taken(m, name.data)) return name.data;
    }
}

static gradus_status add(const char *file, int line, gradus_model *m, const gradus_layer *layer) {
    model_forgive(m);
    model_layer l = {.file = arena_string(&m->memory, file), .line = line};
    text place = {.memory = &m->memory}, input = {.memory = &m->memory};
    char where[SOURCE_TEXT];
    const gradus_tensor x = model_output(m);
    text_append(&place, "%sgradus_model_add: layer %u", source_text((source){file, line}, where),
                m->layers.count + 1);
    text_input(&input, x);
    if (m->compiled)
        return fail(GRADUS_ERROR_ARGUMENT,
                    "%s: the model is compiled already; add all layers before gradus_model_compile", place.data);
    char why[OPTIONS_WHY];
    if (layer_why_unreadable(why, layer)) return model_fail(m, GRADUS_ERROR_ARGUMENT, "%s: %s", place.data, why);
    if (!layer_kind_of(layer))
        return model_fail(m, GRADUS_ERROR_ARGUMENT,
                          "%s: %d is no kind of layer; make it by gradus_layer_dense(…) and the like", place.data,
                          (int)layer->kind);
    layer_copy(&m->memory, &l, layer);
    if (!l.name) l.name = free_name(m, l.kind->name);
    if (name_taken(m, l.name) || !*l.name)
        return model_fail(m, GRADUS_ERROR_ARGUMENT,
                          "%s: the name \"%s\" is %s; names of layers are unique in a model", place.data, l.name,
                          *l.name ? "taken" : "empty");
    layer_build(&m->memory, &l, x);
    if (model_graph_status(m))
        return model_fail(m, model_graph_status(m), "%s, \"%s\" (%s), on input %s: %s", place.data, l.name,
                          l.kind->type, input.data, model_graph_error(m, l.file, line));
    VEC_PUSH(&m->memory, &m->layers, l);
    return GRADUS_OK;
}

gradus_status gradus_model_add_at(const char *file, int line, gradus_model *m, gradus_layer layer) {
    ENTER;
    static const char *where = "gradus_model_add";
    const gradus_status unfit = model_enter(m, where);
    if (unfit) return unfit;
    guard here;
    if (GUARDED(&here)) {
        const gradus_status status = add(file, line, m, &layer);
        guard_leave(&here);
        return status;
    }
    return model_fail(m, GRADUS_ERROR_MEMORY, "%s: out of memory", where);
}

gradus_status(gradus_model_add)(gradus_model *m, gradus_layer layer) { return gradus_model_add_at(NULL, 0, m, layer); }

gradus_status gradus_model_pop(gradus_model *m) {
    ENTER;
    static const char *where = "gradus_model_pop";
    if (!m || model_busy(m)) return model_enter(m, where);
    if (m->compiled) return fail(GRADUS_ERROR_ARGUMENT, "%s: the model is compiled already", where);
    if ((!m->status || m->of_compile) && !m->layers.count) return fail(GRADUS_ERROR_ARGUMENT, "%s: the model has no layers", where);
    if (!m->status || m->of_compile) m->layers.count--;
    guard here;
    if (GUARDED(&here)) {
        model_rebuild(m);
        guard_leave(&here);
        return model_report(m);
    }
    return model_fail(m, GRADUS_ERROR_MEMORY, "%s: out of memory", where);
}
