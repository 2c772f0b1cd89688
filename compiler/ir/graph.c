/* SPDX-License-Identifier: Apache-2.0
 * The graph's life, its nodes, its sticky error and the nodes that the compiler itself builds.  See graph.h. */
#include "ir/graph.h"

#include "ir/call.h"
#include "ir/custom.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

/* What gradus_graph_create returns where there is no memory: it has failed, so nothing ever writes to it. */
static const node poison = {.op = OP_poison};
static node *poison_only[] = {(node *)&poison};
static const update_set no_updates;
static gradus_graph without_memory = {
    .nodes = {poison_only, 1, 1},
    .updates = {(update_set *)&no_updates, 1, 1},
    .status = GRADUS_ERROR_MEMORY,
    .error = "graph: out of memory",
};

gradus_graph *graph_new(void) {
    gradus_graph *g = memory_zeroed(sizeof *g);
    if (!g) return NULL;
    guard here;
    if (GUARDED(&here)) {
        node *first = ARENA_NEW(&g->memory, node);
        VEC_PUSH(&g->memory, &g->nodes, first);
        VEC_PUSH(&g->memory, &g->updates, (update_set){0});
        guard_leave(&here);
        return g;
    }
    graph_free(g);
    return NULL;
}

void graph_free(gradus_graph *g) {
    if (!g || g == &without_memory) return;
    arena_free(&g->memory);
    memory_free(g);
}

gradus_graph *gradus_graph_create(void) {
    gradus_graph *g = graph_new();
    if (g) return g;
    fail_out_of_memory("graph");
    return &without_memory;
}

void gradus_graph_destroy(gradus_graph **graph) {
    if (!graph) return;
    graph_free(*graph);
    *graph = NULL;
}

gradus_status gradus_graph_status(const gradus_graph *graph) { return graph ? graph->status : GRADUS_ERROR_ARGUMENT; }

const char *gradus_graph_error(const gradus_graph *graph) { return graph ? graph->error : "no graph"; }

gradus_status graph_report(const gradus_graph *g) {
    if (g->status == GRADUS_OK) return GRADUS_OK;
    return fail(g->status == GRADUS_ERROR_MEMORY ? GRADUS_ERROR_MEMORY : GRADUS_ERROR_GRAPH, "%s", g->error);
}

/* --- nodes ----------------------------------------------------------------------------------------------------- */

uint32_t graph_add(gradus_graph *g, const node_spec *spec) {
    if (g->status != GRADUS_OK) return 0;
    for (uint32_t i = 0; i < spec->n_inputs; i++) {
        assert(spec->inputs[i] < g->nodes.count && "operands are nodes of this graph");
        if (spec->inputs[i] == 0) return 0;
    }
    node *n = ARENA_NEW(&g->memory, node);
    *n = (node){
        .op = spec->op,
        .dtype = spec->dtype,
        .shape = spec->shape,
        .n_inputs = spec->n_inputs,
        .attr = spec->attr,
        .where = g->here,
    };
    n->inputs = spec->n_inputs ? arena_copy(&g->memory, spec->inputs, spec->n_inputs * sizeof *spec->inputs) : NULL;
    assert(shape_rules[spec->op]);
    if (!shape_rules[spec->op](g, n)) return 0;
    n->name = arena_string(&g->memory, spec->name);
    n->attr.name = arena_string(&g->memory, spec->attr.name);
    if (spec->attr.data && !spec->data_stays) n->attr.data = arena_copy(&g->memory, spec->attr.data, spec->attr.bytes);
    n->attr.call = custom_copy(spec->attr.call, &g->memory);
    VEC_PUSH(&g->memory, &g->nodes, n);
    return g->nodes.count - 1;
}

void graph_attach(gradus_graph *g, uint32_t to, uint32_t state, uint32_t value) {
    if (!to || !state || !value) return;
    VEC_PUSH(&g->memory, &g->attached, ((attachment){to, {state, value}}));
}

gradus_tensor graph_fail(gradus_graph *g, gradus_status status, const char *op, const char *format, ...) {
    if (g->status == GRADUS_OK) {
        char place[SOURCE_TEXT];
        const int room = (int)sizeof g->error;
        int length = snprintf(g->error, sizeof g->error, "%s%s: ", source_text(g->here, place), op);
        if (length < room) {
            va_list arguments;
            va_start(arguments, format);
            vsnprintf(g->error + length, (size_t)(room - length), format, arguments);
            va_end(arguments);
        }
        g->status = status;
    }
    return (gradus_tensor){g, 0};
}

void mark_results(const entry *e, bool *marked) {
    for (uint32_t i = 0; i < e->n_outputs; i++) marked[e->outputs[i]] = true;
    for (uint32_t i = 0; i < e->updates.count; i++) marked[e->updates.items[i].value] = true;
    for (uint32_t i = 0; i < e->n_kept; i++) marked[e->kept[i]] = true;
}

/* Ids of operands are smaller than their users': one sweep down marks all that is reached. */
void mark_operands(node *const *nodes, uint32_t count, bool *marked) {
    for (uint32_t id = count; id-- > 1;)
        for (uint32_t i = 0; marked[id] && i < nodes[id]->n_inputs; i++) marked[nodes[id]->inputs[i]] = true;
}

const state_info *graph_state(const gradus_graph *g, uint32_t id) {
    for (uint32_t i = 0; i < g->states.count; i++)
        if (g->states.items[i].node == id) return &g->states.items[i];
    return NULL;
}

const state_info *graph_state_by_name(const gradus_graph *g, const char *name) {
    for (uint32_t i = 0; i < g->states.count; i++)
        if (strcmp(graph_node(g, g->states.items[i].node)->attr.name, name) == 0) return &g->states.items[i];
    return NULL;
}

const entry *graph_entry(const gradus_graph *g, const char *name) {
    for (uint32_t i = 0; i < g->entries.count; i++)
        if (strcmp(g->entries.items[i].name, name) == 0) return &g->entries.items[i];
    return NULL;
}

/* --- extents and shapes ---------------------------------------------------------------------------------------- */

static const int64_t largest = INT64_C(1) << 62;

bool extent_product(extent a, extent b, extent *product) {
    int64_t factor;
    if (__builtin_mul_overflow(a.factor, b.factor, &factor) || factor > largest) return false;
    *product = factor ? (extent){factor, a.power + b.power} : (extent){0, 0};
    return true;
}

/* Axes with an extent of 0 make the product 0 even where the others alone would not fit. */
extent shape_extent(const gradus_shape *s, int from, int to) {
    extent product = {1, 0};
    for (int i = from; i < to; i++)
        if (shape_dim(s, i) == 0) return (extent){0, 0};
    for (int i = from; i < to; i++) {
        bool fits = extent_product(product, extent_of(shape_dim(s, i)), &product);
        assert(fits && "shapes are validated");
        (void)fits;
    }
    return product;
}

int64_t extent_at(extent e, int64_t batch) {
    int64_t value = e.factor;
    for (int32_t i = 0; i < e.power; i++)
        if (__builtin_mul_overflow(value, batch, &value) || value > largest) return -1;
    return value;
}

bool shape_equal(const gradus_shape *a, const gradus_shape *b) {
    return a->d[0] == b->d[0] && memcmp(a->d + 1, b->d + 1, (size_t)a->d[0] * sizeof a->d[0]) == 0;
}

bool shape_has_batch(const gradus_shape *s) {
    for (int i = 0; i < shape_rank(s); i++)
        if (shape_dim(s, i) < 0) return true;
    return false;
}

gradus_shape shape_at(const gradus_shape *s, int64_t batch) {
    gradus_shape at = *s;
    for (int i = 1; i <= shape_rank(s); i++)
        if (at.d[i] < 0) at.d[i] *= -batch;
    return at;
}

int64_t shape_bytes(const gradus_shape *s, gradus_dtype dtype, int64_t batch) {
    extent product = {(int64_t)gradus_dtype_size(dtype), 0};
    for (int i = 0; i < shape_rank(s); i++)
        if (shape_dim(s, i) != 0 && !extent_product(product, extent_of(shape_dim(s, i)), &product)) return -1;
    return extent_at(product, batch);
}

gradus_shape shape_make(int rank, const int64_t *dims) {
    gradus_shape s = {{rank}};
    assert(rank <= GRADUS_MAX_RANK);
    for (int i = 0; i < rank; i++) s.d[i + 1] = dims[i];
    return s;
}

int64_t shape_elements(const gradus_shape *s) {
    extent e = shape_extent(s, 0, shape_rank(s));
    assert(e.power == 0 && "every extent is a number");
    return e.factor;
}

/* --- building, for the compiler itself ------------------------------------------------------------------------- */

static uint32_t build(gradus_graph *g, op_code op, uint32_t n, const uint32_t *inputs) {
    return graph_add(g, &(node_spec){.op = op, .n_inputs = n, .inputs = inputs});
}

uint32_t build_op(gradus_graph *g, op_code op, uint32_t a) { return build(g, op, 1, (uint32_t[]){a}); }

uint32_t build_op2(gradus_graph *g, op_code op, uint32_t a, uint32_t b) { return build(g, op, 2, (uint32_t[]){a, b}); }

uint32_t build_op3(gradus_graph *g, op_code op, uint32_t a, uint32_t b, uint32_t c) {
    return build(g, op, 3, (uint32_t[]){a, b, c});
}

uint32_t build_fill_scalar(gradus_graph *g, gradus_dtype dtype, const gradus_shape *shape, scalar value) {
    return graph_add(g, &(node_spec){.op = OP_fill, .dtype = dtype, .shape = *shape, .attr = {.value = value}});
}

uint32_t build_fill(gradus_graph *g, gradus_dtype dtype, const gradus_shape *shape, double value) {
    return build_fill_scalar(g, dtype, shape, scalar_from_double(dtype, value));
}

uint32_t build_iota(gradus_graph *g, gradus_dtype dtype, const gradus_shape *shape, int axis) {
    return graph_add(g, &(node_spec){.op = OP_iota, .dtype = dtype, .shape = *shape, .attr = {.axis = axis}});
}

uint32_t build_count(gradus_graph *g, gradus_dtype dtype, int64_t dim) {
    return graph_add(g, &(node_spec){.op = OP_count, .dtype = dtype, .attr = {.bound = dim}});
}

uint32_t build_cast(gradus_graph *g, uint32_t x, gradus_dtype dtype) {
    return graph_add(g, &(node_spec){.op = OP_cast, .n_inputs = 1, .inputs = &x, .dtype = dtype});
}

uint32_t build_reshape(gradus_graph *g, uint32_t x, const gradus_shape *shape) {
    if (x == 0 || shape_equal(&graph_node(g, x)->shape, shape)) return x;
    return graph_add(g, &(node_spec){.op = OP_reshape, .n_inputs = 1, .inputs = &x, .shape = *shape});
}

uint32_t build_broadcast(gradus_graph *g, uint32_t x, const gradus_shape *shape) {
    if (x == 0 || shape_equal(&graph_node(g, x)->shape, shape)) return x;
    return graph_add(g, &(node_spec){.op = OP_broadcast, .n_inputs = 1, .inputs = &x, .shape = *shape});
}

uint32_t build_transpose(gradus_graph *g, uint32_t x, gradus_axes permutation) {
    return graph_add(g, &(node_spec){.op = OP_transpose, .n_inputs = 1, .inputs = &x, .attr = {.axes = permutation}});
}

uint32_t build_slice(gradus_graph *g, uint32_t x, int axis, int64_t low, int64_t high) {
    attrs a = {.axis = axis, .low = low, .high = high};
    return graph_add(g, &(node_spec){.op = OP_slice, .n_inputs = 1, .inputs = &x, .attr = a});
}

uint32_t build_pad(gradus_graph *g, uint32_t x, int axis, int64_t before, int64_t behind, double value) {
    attrs a = {.axis = axis, .low = before, .high = behind};
    a.value = scalar_from_double(graph_node(g, x)->dtype, value);
    return graph_add(g, &(node_spec){.op = OP_pad, .n_inputs = 1, .inputs = &x, .attr = a});
}

uint32_t build_reduce(gradus_graph *g, op_code op, uint32_t x, gradus_axes axes) {
    return graph_add(g, &(node_spec){.op = op, .n_inputs = 1, .inputs = &x, .attr = {.axes = axes}});
}

uint32_t build_along(gradus_graph *g, op_code op, const uint32_t *inputs, uint32_t n, int axis) {
    return graph_add(g, &(node_spec){.op = op, .n_inputs = n, .inputs = inputs, .attr = {.axis = axis}});
}
