/* SPDX-License-Identifier: Apache-2.0
 * One entry point from graph to planned kernels.  See lower.h. */
#include "lower.h"

#include "ir/call.h"
#include "ir/dot.h"
#include "ir/validate.h"
#include "pass.h"
#include "plan.h"
#include "schedule.h"
#include "runtime/world.h"

#include <assert.h>

void lowered_free(lowered *l) {
    if (l->graph) graph_free(l->graph);
    l->graph = NULL;
}

static bool depends_on_batch(const gradus_graph *g) {
    for (uint32_t id = 1; id < g->nodes.count; id++) {
        const node *n = graph_node(g, id);
        if (shape_has_batch(&n->shape) || (n->op == OP_count && n->attr.bound < 0)) return true;
    }
    return false;
}

static bool choose_batch(const entry *e, bool has_batch, int64_t offered, int64_t *max_batch) {
    *max_batch = 1;
    if (!has_batch) return true;
    if (e && e->max_batch > 0) offered = e->max_batch;
    *max_batch = offered;
    if (offered > 0) return true;
    char place[SOURCE_TEXT];
    fail(GRADUS_ERROR_ARGUMENT,
         "%sentry \"%s\": it has a batch dimension, but no largest batch is given: set .max_batch in the compile options "
         "or in gradus_define_with",
         source_text(e ? e->where : (source){NULL, 0}, place), e ? e->name : "init");
    return false;
}

/* Whether no node, stored or not, is larger than any memory: sums and products of a few sizes fit 64 bits from here on. */
static bool sizes_fit(const gradus_graph *g, int64_t max_batch) {
    static const int64_t largest = INT64_C(1) << 50;
    for (uint32_t id = 1; id < g->nodes.count; id++) {
        const node *n = graph_node(g, id);
        const int64_t bytes = shape_bytes(&n->shape, n->dtype, max_batch);
        if (bytes >= 0 && bytes <= largest &&
            (n->op != OP_count || extent_at(extent_of(n->attr.bound), max_batch) >= 0))
            continue;
        char place[SOURCE_TEXT];
        fail(GRADUS_ERROR_ARGUMENT, "%s%s: with a max_batch of %lld its result has too many elements",
             source_text(n->where, place), op_name(n->op), (long long)max_batch);
        return false;
    }
    return true;
}

static void check_valid(bool valid, const text *why) {
    (void)why;
#ifndef NDEBUG
    if (!valid) fprintf(stderr, "gradus: a bug of the compiler: %s\n", why->data ? why->data : "?");
#endif
    assert(valid && "what the passes make is valid");
    (void)valid;
}

static void dump(const kernel_list *l, const char *label) {
    if (!dump_wanted()) return;
    text t = {.memory = l->memory};
    plan_print(l, &t);
    text_append(&t, "\n");
    kernels_print(l, &t);
    dump_text(label, "kernels", "txt", t.data, t.length);
}

bool lower(const gradus_graph *g, const entry *e, int64_t max_batch, arena *memory, lowered *out) {
    const char *label = e ? e->name : "init";
    *out = (lowered){.graph = graph_new()};
    if (!out->graph) guard_out_of_memory();
    if (e) extract_entry(g, e, out->graph);
    else extract_init(g, out->graph);
    pass_run(out->graph, pipeline_rewrites, pipeline_rewrite_count, label);
    out->has_batch = depends_on_batch(out->graph);
    if (!choose_batch(e, out->has_batch, max_batch, &max_batch)) return false;
    if (!sizes_fit(out->graph, max_batch)) return false;
    if (!fuse(out->graph, &out->graph->entries.items[0], max_batch, memory, &out->kernels)) return false;
    schedule(&out->kernels);
    if (!plan(&out->kernels)) return false;
    dump(&out->kernels, label); /* before the check, so that what is wrong can be read */
    text why = {.memory = memory};
    check_valid(kernels_validate(&out->kernels, &why) && plan_validate(&out->kernels, &why), &why);
    return true;
}

static gradus_status draw(const gradus_graph *g, const entry *e, int64_t max_batch, arena *memory, lowered *l, const char *path) {
    text dot = {.memory = memory};
    if (!lower(g, e, max_batch, memory, l)) return fail_status();
    kernels_dot(&l->kernels, &dot);
    return dot_write(dot.data, dot.length, dot_format(path), path);
}

gradus_status gradus_kernels_svg(const gradus_graph *g, const gradus_compile_options *options, const char *entry_name, const char *path) {
    ENTER;
    gradus_compile_options o;
    if (!g || !entry_name || !path) return fail(GRADUS_ERROR_ARGUMENT, "gradus_kernels_svg: graph, entry and path are not NULL");
    if (!options_read("gradus_kernels_svg", OPTIONS_TYPE(gradus_compile_options), &o, options)) return GRADUS_ERROR_ARGUMENT;
    if (g->status) return graph_report(g);
    const entry *e = graph_entry(g, entry_name);
    if (!e) return fail(GRADUS_ERROR_NOT_FOUND, "gradus_kernels_svg: the graph has no entry \"%s\"", entry_name);
    guard here;
    arena memory = {0};
    lowered l = {0};
    gradus_status status;
    if (GUARDED(&here)) {
        status = draw(g, e, o.max_batch, &memory, &l, path);
        guard_leave(&here);
    } else {
        status = fail_out_of_memory("gradus_kernels_svg");
    }
    lowered_free(&l);
    arena_free(&memory);
    return status;
}
