/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients against differences, for the graphs of users: gradus_check_gradients.  See gradus/autodiff.h.
 *
 * The tensor and all that it needs are copied, F32 becomes F64, and the copy is differentiated; then the evaluator says
 * what the gradients are, and what the tensor is where one element of a leaf is moved.
 */
#include "autodiff.h"
#include "ir/call.h"
#include "pass.h"
#include "rules/evaluate_rules.h"
#include "runtime/names.h"
#include "runtime/world.h"

#include <math.h>

static const char *const where = "gradus_check_gradients";

typedef struct {
    const gradus_graph *user;
    gradus_graph *g; /* the copy; its one entry has the tensor as output */
    arena memory;
    gradus_check_options options;
    uint32_t *leaves; /* of the user's graph: 1 + the position among states, then inputs; 0 for what is neither */
    array *values;    /* in the copy, of states and inputs */
    array *gradients; /* of each x */
    uint32_t y;       /* in the copy */
    double step, noise, epsilon;
    uint64_t random;
} checking;

/* splitmix64 (Steele et al. 2014): in [0, 1). */
static double draw(checking *c) {
    uint64_t z = c->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

/* --- the copy ------------------------------------------------------------------------------------------------------ */

static uint32_t leaf_of(const checking *c, uint32_t user_id) {
    uint32_t at = c->leaves[user_id];
    const entry *e = &c->g->entries.items[0];
    if (!at) return 0;
    return at <= c->g->states.count ? c->g->states.items[at - 1].node : e->inputs[at - 1 - c->g->states.count];
}

static void copy_graph(checking *c, uint32_t y) {
    const gradus_graph *g = c->user;
    VEC(uint32_t) inputs = {0};
    c->leaves = ARENA_ARRAY(&c->memory, uint32_t, g->nodes.count);
    for (uint32_t i = 0; i < g->states.count; i++) c->leaves[g->states.items[i].node] = i + 1;
    for (uint32_t id = 1; id < g->nodes.count; id++) {
        if (graph_node(g, id)->op != OP_input) continue;
        VEC_PUSH(&c->memory, &inputs, id);
        c->leaves[id] = g->states.count + inputs.count;
    }
    entry e = {.name = "check",
               .inputs = inputs.items,
               .n_inputs = inputs.count,
               .outputs = &y,
               .n_outputs = 1,
               .training = !c->options.inference};
    extract_entry(g, &e, c->g);
    c->y = c->g->entries.items[0].outputs[0];
}

static array widened(arena *memory, const array *x) {
    array wide = *x;
    int64_t count = shape_elements(&x->shape);
    if (x->dtype != GRADUS_F32) return wide;
    wide.dtype = GRADUS_F64;
    wide.data = arena_alloc(memory, (size_t)count * sizeof(double));
    for (int64_t i = 0; i < count; i++) element_set(&wide, i, cast_scalar(GRADUS_F32, GRADUS_F64, element_get(x, i)));
    return wide;
}

/* F32 becomes F64 everywhere.  The copy is nobody else's, so its nodes are changed in place. */
static void widen_graph(checking *c) {
    for (uint32_t id = 1; id < c->g->nodes.count; id++) {
        node *n = c->g->nodes.items[id];
        if (n->dtype != GRADUS_F32) continue;
        n->dtype = GRADUS_F64;
        if (op_infos[n->op].attributes & ATTR_VALUE) n->attr.value = cast_scalar(GRADUS_F32, GRADUS_F64, n->attr.value);
        if (!n->attr.data) continue;
        array wide = widened(&c->g->memory, &(array){GRADUS_F32, n->shape, (void *)(uintptr_t)n->attr.data});
        n->attr.data = wide.data;
        n->attr.bytes *= 2;
    }
}

/* --- values -------------------------------------------------------------------------------------------------------- */

static void bind_seed(void *user, uint32_t id, const node *n, array *out) {
    (void)id, (void)n; /* of initialisation, the only node that is bound */
    const int64_t words[2] = {(int64_t)((checking *)user)->options.seed, 0};
    memcpy(out->data, words, sizeof words);
}

/* States have the first values that gradus_program_init gives them. */
static gradus_status first_values(checking *c, gradus_graph *init) {
    extract_init(c->user, init);
    const entry *e = &init->entries.items[0];
    array *values = ARENA_ARRAY(&c->memory, array, e->updates.count);
    evaluation how = {.batch = 1, .bind = bind_seed, .user = c, .memory = &c->memory, .values = values};
    gradus_status status = evaluate_entry(init, e, &how);
    for (uint32_t i = 0; i < e->updates.count && !status; i++)
        c->values[c->g->states.items[i].node] = c->options.no_widening ? values[i] : widened(&c->memory, &values[i]);
    return status;
}

/* Whether each tensor of the copy, as it is now, has at most so many elements for the batch that their bytes can be counted. */
static gradus_status check_batch(const checking *c) {
    for (uint32_t id = 1; id < c->g->nodes.count; id++) {
        const node *n = graph_node(c->g, id);
        const int64_t elements = extent_at(shape_extent(&n->shape, 0, shape_rank(&n->shape)), c->options.batch);
        if (elements >= 0 && elements <= INT64_MAX / 64) continue;
        char place[SOURCE_TEXT];
        return fail(GRADUS_ERROR_ARGUMENT, "%s: %s%s: with a batch of %lld its result has too many elements", where,
                    source_text(n->where, place), op_name(n->op), (long long)c->options.batch);
    }
    return GRADUS_OK;
}

static array room_for(checking *c, const node *n) {
    array a = {n->dtype, shape_at(&n->shape, c->options.batch), NULL};
    a.data = arena_alloc(&c->memory, (size_t)shape_elements(&a.shape) * gradus_dtype_size(a.dtype));
    return a;
}

static gradus_status given_inputs(checking *c, gradus_tensors inputs, gradus_inputs data) {
    if (inputs.count != data.count)
        return fail(GRADUS_ERROR_MISMATCH, "%s: %zu inputs, but data for %zu", where, inputs.count, data.count);
    for (size_t i = 0; i < inputs.count; i++) {
        const node *n = node_of(inputs.items[i]);
        if (n->op != OP_input)
            return fail(GRADUS_ERROR_ARGUMENT, "%s: input %zu is no gradus_input but %s", where, i, op_name(n->op));
        if (!data.items[i].data)
            return fail(GRADUS_ERROR_ARGUMENT, "%s: the data of input \"%s\" is NULL", where, n->attr.name);
        if (data.items[i].dtype && data.items[i].dtype != (int32_t)n->dtype)
            return fail(GRADUS_ERROR_MISMATCH, "%s: input \"%s\" is %s, its data is %s", where, n->attr.name,
                        gradus_dtype_name(n->dtype), gradus_dtype_name((gradus_dtype)data.items[i].dtype));
        array copy = room_for(c, n);
        memcpy(copy.data, data.items[i].data, (size_t)shape_elements(&copy.shape) * gradus_dtype_size(copy.dtype));
        c->values[leaf_of(c, inputs.items[i].id)] = c->options.no_widening ? copy : widened(&c->memory, &copy);
    }
    return GRADUS_OK;
}

/* The least bound under which indices are checked that an input becomes by way of unary ops; 2 where there is none. */
static int64_t bound_of(checking *c, uint32_t input) {
    const gradus_graph *g = c->g;
    int64_t bound = INT64_MAX;
    bool *follows = ARENA_ARRAY(&c->memory, bool, g->nodes.count);
    follows[input] = true;
    for (uint32_t id = input + 1; id < g->nodes.count; id++) {
        const node *n = graph_node(g, id);
        follows[id] = n->n_inputs == 1 && follows[n->inputs[0]];
        if (follows[id] && n->op == OP_check_index && n->attr.bound < bound) bound = n->attr.bound;
    }
    return bound == INT64_MAX ? 2 : bound;
}

static void drawn_inputs(checking *c) {
    const entry *e = &c->g->entries.items[0];
    for (uint32_t k = 0; k < e->n_inputs; k++) {
        array *a = &c->values[e->inputs[k]];
        if (a->data) continue;
        *a = room_for(c, graph_node(c->g, e->inputs[k]));
        bool is_float = dtype_is_float(a->dtype);
        double bound = is_float ? 0 : (double)bound_of(c, e->inputs[k]);
        for (int64_t i = 0, count = shape_elements(&a->shape); i < count; i++)
            element_set(a, i, scalar_from_double(a->dtype, is_float ? draw(c) * 2 - 1 : floor(draw(c) * bound)));
    }
}

/* --- evaluation ---------------------------------------------------------------------------------------------------- */

static void bind_value(void *user, uint32_t id, const node *n, array *out) {
    const checking *c = user;
    memcpy(out->data, c->values[id].data, (size_t)shape_elements(&out->shape) * gradus_dtype_size(n->dtype));
}

static gradus_status evaluate(checking *c, const uint32_t *ids, uint32_t count, arena *memory, array *results) {
    entry e = {.name = "check", .outputs = ids, .n_outputs = count};
    evaluation how = {.batch = c->options.batch, .bind = bind_value, .user = c, .memory = memory, .outputs = results};
    return evaluate_entry(c->g, &e, &how);
}

static double element(const array *a, int64_t i) { return scalar_to_double(a->dtype, element_get(a, i)); }

/* The sum of y with element i of a leaf moved by d.  Needs no guard of its own: what it allocates goes either way. */
static gradus_status moved_sum(checking *c, array *leaf, int64_t i, double d, double *sum, double *magnitude) {
    scalar old = element_get(leaf, i);
    array y;
    arena scratch = {0};
    volatile gradus_status status = GRADUS_ERROR_MEMORY;
    guard here;
    element_set(leaf, i, scalar_from_double(leaf->dtype, scalar_to_double(leaf->dtype, old) + d));
    if (GUARDED(&here)) {
        status = evaluate(c, &c->y, 1, &scratch, &y);
        guard_leave(&here);
    }
    element_set(leaf, i, old);
    *sum = *magnitude = 0;
    for (int64_t k = 0; !status && k < shape_elements(&y.shape); k++) {
        *sum += element(&y, k);
        *magnitude += fabs(element(&y, k));
    }
    arena_free(&scratch);
    if (status == GRADUS_ERROR_MEMORY) fail_out_of_memory(where);
    return status;
}

/* --- differences --------------------------------------------------------------------------------------------------- */

/* What differences say of one element.  The derivative from five points is right up to h^4; at a kink the slopes on both
 * sides bound what may be called a derivative. */
typedef struct {
    double derivative, low, high;
    double noise; /* how far rounding may carry them */
} difference;

static gradus_status differences(checking *c, array *leaf, int64_t i, difference *d) {
    static const double steps[5] = {0, 1, -1, 2, -2};
    double f[5], magnitude = 0, h = c->step * fmax(1, fabs(element(leaf, i)));
    for (int k = 0; k < 5; k++) {
        double size;
        gradus_status status = moved_sum(c, leaf, i, steps[k] * h, &f[k], &size);
        if (status) return status;
        magnitude = fmax(magnitude, size);
    }
    if (!isfinite(f[0])) {
        const node *y = graph_node(c->g, c->y);
        char place[SOURCE_TEXT];
        return fail(GRADUS_ERROR_NAN, "%s%s: it is not finite for these inputs, so that it has no derivative",
                    source_text(y->where, place), op_name(y->op));
    }
    double ahead = (f[1] - f[0]) / h, behind = (f[0] - f[2]) / h;
    *d = (difference){(8 * (f[1] - f[2]) - (f[3] - f[4])) / (12 * h), fmin(ahead, behind), fmax(ahead, behind), 0};
    d->noise = 64 * c->epsilon * magnitude / h;
    return GRADUS_OK;
}

/* By how many times what is allowed an analytic derivative is off. */
static double off_by(const checking *c, const difference *d, double analytic) {
    double allowed = c->options.tolerance * fmax(fabs(analytic), fabs(d->derivative)) + d->noise;
    double error = fabs(analytic - d->derivative);
    if (!(error <= allowed)) { /* perhaps a kink, between whose slopes it lies */
        double outside = fmax(fmax(d->low - analytic, analytic - d->high), 0);
        if (outside < error) error = outside;
    }
    return isfinite(error) ? error / (allowed > 0 ? allowed : 1e-300) : INFINITY;
}

/* All elements of a leaf, or as many as the options say, drawn. */
static gradus_status check_leaf(checking *c, uint32_t leaf, const array *gradient, gradus_gradient_check *worst) {
    array *x = &c->values[leaf];
    int64_t elements = shape_elements(&x->shape), tried = elements < c->options.samples ? elements : c->options.samples;
    *worst = (gradus_gradient_check){.name = worst->name, .error = -1};
    for (int64_t k = 0; k < tried; k++) {
        int64_t i = tried == elements ? k : (int64_t)(draw(c) * (double)elements);
        difference d;
        gradus_status status = differences(c, x, i, &d);
        if (status) return status;
        double analytic = element(gradient, i), error = off_by(c, &d, analytic);
        if (error > worst->error) *worst = (gradus_gradient_check){worst->name, i, analytic, d.derivative, error};
    }
    if (worst->error < 0) worst->error = 0; /* no elements */
    return GRADUS_OK;
}

/* --- the whole ----------------------------------------------------------------------------------------------------- */

static gradus_status differentiate(checking *c, gradus_tensors xs, uint32_t *leaves) {
    uint32_t *of = ARENA_ARRAY(&c->memory, uint32_t, xs.count);
    for (size_t i = 0; i < xs.count; i++) {
        const node *n = node_of(xs.items[i]);
        char place[SOURCE_TEXT];
        leaves[i] = leaf_of(c, xs.items[i].id);
        if (!leaves[i])
            return fail(GRADUS_ERROR_ARGUMENT, "%s: tensor %zu is %s%s, and only inputs, parameters and states can be moved",
                        where, i, source_text(n->where, place), op_name(n->op));
    }
    autodiff_gradients(c->g, where, c->y, leaves, (uint32_t)xs.count, of);
    if (c->g->status) return fail(c->g->status, "%s", c->g->error);
    c->gradients = ARENA_ARRAY(&c->memory, array, xs.count);
    const gradus_status status = check_batch(c);
    return status ? status : evaluate(c, of, (uint32_t)xs.count, &c->memory, c->gradients);
}

static gradus_status mismatch(const checking *c, gradus_tensor y, gradus_tensor x, const gradus_gradient_check *w) {
    char place[PLACE_TEXT], line[SOURCE_TEXT];
    const node *of = node_of(y);
    place_in_words(&node_of(x)->shape, c->options.batch, w->index, place);
    return fail(GRADUS_ERROR_MISMATCH, "%s%s: its gradient with respect to \"%s\"%s is %.9g, but differences say %.9g",
                source_text(of->where, line), op_name(of->op), w->name, place, w->analytic, w->numeric);
}

static gradus_status check(checking *c, gradus_graph *init, gradus_tensor y, gradus_tensors xs, gradus_tensors inputs,
                           gradus_inputs data, gradus_gradient_check *worst) {
    copy_graph(c, y.id);
    bool narrow = false;
    for (uint32_t id = 1; id < c->g->nodes.count; id++) {
        narrow |= graph_node(c->g, id)->dtype == GRADUS_F32;
        c->options.no_widening |= op_is(graph_node(c->g, id)->op, CALL); /* a C function takes what it takes */
    }
    if (!c->options.no_widening) widen_graph(c);
    narrow &= c->options.no_widening;
    c->epsilon = narrow ? 0x1p-23 : 0x1p-52;
    c->step = c->options.step > 0 ? c->options.step : narrow ? 0x1p-7 : 0x1p-17;
    if (!(c->options.tolerance > 0)) c->options.tolerance = narrow ? 1e-2 : 1e-5;
    c->values = ARENA_ARRAY(&c->memory, array, c->g->nodes.count);
    uint32_t *leaves = ARENA_ARRAY(&c->memory, uint32_t, xs.count);
    gradus_gradient_check *list = worst ? worst : ARENA_ARRAY(&c->memory, gradus_gradient_check, xs.count);
    gradus_status status = check_batch(c);
    if (!status) status = given_inputs(c, inputs, data);
    if (!status) drawn_inputs(c);
    if (!status) status = first_values(c, init);
    if (!status) status = differentiate(c, xs, leaves);
    size_t at = 0;
    for (size_t i = 0; i < xs.count && !status; i++) {
        list[i].name = node_of(xs.items[i])->attr.name;
        status = check_leaf(c, leaves[i], &c->gradients[i], &list[i]);
        if (list[i].error > list[at].error) at = i;
    }
    if (status || list[at].error <= 1) return status;
    return mismatch(c, y, xs.items[at], &list[at]);
}

static gradus_status check_arguments(gradus_tensor y, gradus_tensors xs, gradus_tensors inputs, const checking *c) {
    if (!y.graph) return fail(GRADUS_ERROR_ARGUMENT, "%s: the tensor is absent, {NULL, 0}", where);
    if (y.graph->status) return graph_report(y.graph);
    if (y.id == 0 || y.id >= y.graph->nodes.count)
        return fail(GRADUS_ERROR_ARGUMENT, "%s: the tensor is not one of its graph's", where);
    if (!dtype_is_float(node_of(y)->dtype))
        return fail(GRADUS_ERROR_ARGUMENT, "%s: the tensor is %s, and only f32 and f64 tensors have derivatives", where,
                    gradus_dtype_name(node_of(y)->dtype));
    if (xs.count == 0)
        return fail(GRADUS_ERROR_ARGUMENT,
                    "%s: there is nothing to differentiate with respect to: the graph has no parameters", where);
    if (c->options.batch < 0 || c->options.samples < 0 || c->options.step < 0 || c->options.tolerance < 0)
        return fail(GRADUS_ERROR_ARGUMENT, "%s: batch, samples, step and tolerance are above 0, or 0 for the default",
                    where);
    for (size_t i = 0; i < xs.count + inputs.count; i++) {
        gradus_tensor t = i < xs.count ? xs.items[i] : inputs.items[i - xs.count];
        if (t.graph != y.graph) return fail(GRADUS_ERROR_ARGUMENT, "%s: tensors of two graphs", where);
        if (t.id == 0 || t.id >= y.graph->nodes.count)
            return fail(GRADUS_ERROR_ARGUMENT, "%s: a tensor is not one of this graph's", where);
    }
    return GRADUS_OK;
}

gradus_status gradus_check_gradients(gradus_tensor y, gradus_tensors xs, gradus_tensors inputs, gradus_inputs data,
                                     const gradus_check_options *options, gradus_gradient_check *worst) {
    ENTER;
    checking c = {.user = y.graph};
    if (!options_read(where, OPTIONS_TYPE(gradus_check_options), &c.options, options)) return GRADUS_ERROR_ARGUMENT;
    if (y.graph && xs.count == 0) xs = gradus_params(y.graph, NULL);
    gradus_status status = check_arguments(y, xs, inputs, &c);
    if (status) return status;
    if (!c.options.batch) c.options.batch = 2;
    if (!c.options.samples) c.options.samples = 16;
    c.random = c.options.seed;
    gradus_graph *init = graph_new();
    c.g = graph_new();
    status = GRADUS_ERROR_MEMORY;
    guard here;
    if (!c.g || !init) {
        fail_out_of_memory(where);
    } else if (GUARDED(&here)) {
        status = check(&c, init, y, xs, inputs, data, worst);
        guard_leave(&here);
    } else {
        status = fail_out_of_memory(where);
    }
    if (c.g) graph_free(c.g);
    if (init) graph_free(init);
    arena_free(&c.memory);
    return status;
}
