/* SPDX-License-Identifier: Apache-2.0
 * Compiled code against the evaluator.  See compare.h. */
#include "tests/compare.h"

#include <inttypes.h>
#include <string.h>

enum { SEED = 1 }; /* of first values */

typedef struct {
    arena memory; /* of one entry and batch */
    gradus_graph *g;
    gradus_program *program;
    const entry *e;
    int64_t batch;
    source_of_values values;
    char *why; /* the first disagreement, in words */
    size_t room;
} comparison;

static bool disagree(const comparison *c, const char *format, ...) PRINTF_LIKE(2, 3);
static bool disagree(const comparison *c, const char *format, ...) {
    int used = c->e ? snprintf(c->why, c->room, "entry %s, batch %" PRId64 ": ", c->e->name, c->batch) : 0;
    va_list arguments;
    va_start(arguments, format);
    if (used >= 0 && (size_t)used < c->room) vsnprintf(c->why + used, c->room - (size_t)used, format, arguments);
    va_end(arguments);
    return false;
}

static void bind(void *user, uint32_t id, const node *n, array *out) {
    const comparison *c = user;
    if (n->op == OP_training) *(uint8_t *)out->data = c->e->training;
    else c->values.bind(c->values.user, id, n, out);
}

static size_t bytes_of(const array *a) { return (size_t)shape_elements(&a->shape) * gradus_dtype_size(a->dtype); }

static array array_like(comparison *c, uint32_t id) {
    const node *n = graph_node(c->g, id);
    array a = {.dtype = n->dtype, .shape = shape_at(&n->shape, c->batch)};
    a.data = arena_alloc(&c->memory, bytes_of(&a) + 1);
    return a;
}

static array bound_array(comparison *c, uint32_t id) {
    array a = array_like(c, id);
    bind(c, id, graph_node(c->g, id), &a);
    return a;
}

static bool same_element(const array *a, const array *b, int64_t i) {
    size_t size = gradus_dtype_size(a->dtype);
    const unsigned char *x = (const unsigned char *)a->data + (size_t)i * size;
    const unsigned char *y = (const unsigned char *)b->data + (size_t)i * size;
    if (memcmp(x, y, size) == 0) return true;
    scalar s = {.bits = 0}, t = {.bits = 0};
    memcpy(&s, x, size);
    memcpy(&t, y, size);
    if (a->dtype == GRADUS_F32) return s.f32 != s.f32 && t.f32 != t.f32;
    if (a->dtype == GRADUS_F64) return s.f64 != s.f64 && t.f64 != t.f64;
    return false;
}

static double element(const array *a, int64_t i) {
    scalar s = {.bits = 0};
    size_t size = gradus_dtype_size(a->dtype);
    memcpy(&s, (const unsigned char *)a->data + (size_t)i * size, size);
    return scalar_to_double(a->dtype, s);
}

static bool equal(const comparison *c, const char *part, size_t number, const array *got, const array *expected) {
    for (int64_t i = 0; i < shape_elements(&expected->shape); i++) {
        if (same_element(got, expected, i)) continue;
        return disagree(c, "%s %zu (%s), element %" PRId64 ": compiled code %.17g, evaluator %.17g", part, number,
                        gradus_dtype_name(got->dtype), i, element(got, i), element(expected, i));
    }
    return true;
}

static bool good(const comparison *c, gradus_status status) {
    return status == GRADUS_OK || disagree(c, "%s", gradus_last_error());
}

static bool write_states(comparison *c) {
    for (uint32_t i = 0; i < c->g->states.count; i++) {
        uint32_t id = c->g->states.items[i].node;
        array a = bound_array(c, id);
        if (!good(c, gradus_program_write(c->program, graph_node(c->g, id)->attr.name, a.data, bytes_of(&a))))
            return false;
    }
    return true;
}

/* A state after the call: its update's value, or, without updated values, what it was. */
static bool states_agree(comparison *c, const array *updated) {
    for (uint32_t i = 0; i < c->g->states.count; i++) {
        uint32_t id = c->g->states.items[i].node;
        array got = array_like(c, id), expected = bound_array(c, id);
        for (uint32_t u = 0; updated && u < c->e->updates.count; u++)
            if (c->e->updates.items[u].state == id) expected = updated[u];
        if (!good(c, gradus_program_read(c->program, graph_node(c->g, id)->attr.name, got.data, bytes_of(&got))) ||
            !equal(c, "state", i, &got, &expected))
            return false;
    }
    return true;
}

static bool call_agrees(comparison *c) {
    const entry *e = c->e;
    arena *m = &c->memory;
    gradus_in *in = ARENA_ARRAY(m, gradus_in, e->n_inputs + 1);
    gradus_out *out = ARENA_ARRAY(m, gradus_out, e->n_outputs + 1);
    array *got = ARENA_ARRAY(m, array, e->n_outputs + 1);
    evaluation how = {.batch = c->batch,
                      .bind = bind,
                      .user = c,
                      .memory = m,
                      .outputs = ARENA_ARRAY(m, array, e->n_outputs + 1),
                      .values = ARENA_ARRAY(m, array, e->updates.count + 1)};
    const gradus_status expected = evaluate_entry(c->g, e, &how);
    if ((expected != GRADUS_ERROR_ARGUMENT && !good(c, expected)) || !write_states(c)) return false;
    for (uint32_t i = 0; i < e->n_inputs; i++) in[i] = (gradus_in){bound_array(c, e->inputs[i]).data, 0};
    for (uint32_t i = 0; i < e->n_outputs; i++) {
        got[i] = array_like(c, e->outputs[i]);
        memset(got[i].data, 0xA5, bytes_of(&got[i]));
        out[i] = (gradus_out){got[i].data, 0};
    }
    const gradus_status status = gradus_call(c->program, e->name, c->batch, (gradus_inputs){in, e->n_inputs},
                                             (gradus_outputs){out, e->n_outputs});
    if (status != expected)
        return disagree(c, "compiled code has status %d, evaluator %d: %s", (int)status, (int)expected, gradus_last_error());
    if (status != GRADUS_OK) return states_agree(c, NULL); /* an index was out of bounds: nothing is written */
    for (uint32_t i = 0; i < e->n_outputs; i++)
        if (!equal(c, "output", i, &got[i], &how.outputs[i])) return false;
    return states_agree(c, how.values);
}

static void bind_first(void *user, uint32_t id, const node *n, array *out) {
    const comparison *c = user;
    (void)id;
    if (n->op == OP_seed) memcpy(out->data, (int64_t[]){SEED, 0}, 2 * sizeof(int64_t));
    else good(c, gradus_program_read(c->program, n->attr.name, out->data, bytes_of(out)));
}

/* First values against the evaluator's, for which a state in another's first value is what the program has. */
static bool first_values_agree(comparison *c) {
    const uint32_t count = c->g->states.count;
    uint32_t *ids = ARENA_ARRAY(&c->memory, uint32_t, count + 1);
    array *first = ARENA_ARRAY(&c->memory, array, count + 1);
    for (uint32_t i = 0; i < count; i++) ids[i] = c->g->states.items[i].init;
    const entry init = {.name = "init", .outputs = ids, .n_outputs = count};
    const evaluation how = {.batch = 1, .bind = bind_first, .user = c, .memory = &c->memory, .outputs = first};
    if (!good(c, evaluate_entry(c->g, &init, &how))) return false;
    for (uint32_t i = 0; i < count; i++) {
        array got = array_like(c, c->g->states.items[i].node);
        if (!good(c, gradus_program_read(c->program, graph_node(c->g, c->g->states.items[i].node)->attr.name, got.data,
                                         bytes_of(&got))) ||
            !equal(c, "first value", i, &got, &first[i]))
            return false;
    }
    return true;
}

static bool agrees_guarded(comparison *c, bool (*agree)(comparison *)) {
    guard here;
    volatile bool agrees = false;
    if (GUARDED(&here)) {
        agrees = agree(c);
        guard_leave(&here);
    } else {
        disagree(c, "out of memory");
    }
    arena_free(&c->memory);
    return agrees;
}

/* False without a word where an index among first values is out of bounds. */
static bool initialize(const comparison *c) {
    const gradus_status status = gradus_program_init(c->program, SEED);
    if (status != GRADUS_ERROR_ARGUMENT) return good(c, status);
    for (uint32_t id = 1; id < c->g->nodes.count; id++)
        if (graph_node(c->g, id)->op == OP_check_index) return false;
    return good(c, status);
}

bool graph_agrees(gradus_graph *g, const int64_t *batches, size_t n_batches, int32_t threads, source_of_values values,
                  char *why, size_t room) {
    comparison c = {.g = g, .values = values, .why = why, .room = room};
    *why = '\0';
    int64_t most = 1;
    for (size_t i = 0; i < n_batches; i++) most = batches[i] > most ? batches[i] : most;
    bool agrees = good(&c, gradus_jit(g, gradus_compile_options(.max_batch = most, .threads = threads), &c.program));
    const bool initialized = agrees && initialize(&c);
    if (initialized) agrees = agrees_guarded(&c, first_values_agree);
    else agrees = agrees && *why == '\0';
    for (uint32_t i = 0; i < g->entries.count && initialized; i++) {
        for (size_t b = 0; b < n_batches && agrees; b++) {
            c.e = &g->entries.items[i];
            c.batch = c.e->max_batch && batches[b] > c.e->max_batch ? c.e->max_batch : batches[b];
            agrees = initialize(&c) && agrees_guarded(&c, call_agrees);
        }
    }
    gradus_program_destroy(&c.program);
    return agrees;
}

void compare_graph(gradus_graph *g, const char *what, const int64_t *batches, size_t n_batches, int32_t threads,
                   source_of_values values) {
    char why[1024];
    if (!graph_agrees(g, batches, n_batches, threads, values, why, sizeof why))
        fail_msg("%s, %d threads: %s", what, (int)threads, why);
}
