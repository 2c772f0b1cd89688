/* SPDX-License-Identifier: Apache-2.0
 * For tests of derivatives: inputs with values, nodes evaluated at them, and gradients against central differences. */
#ifndef TESTS_UNIT_DIFFERENCES_H
#define TESTS_UNIT_DIFFERENCES_H

#include "evaluating.h"

#include "autodiff.h"

enum { NODES_MAX = 1 << 16 };

static array values_of[NODES_MAX]; /* of inputs, params and states, by node */

static inline void bind_value(void *user, uint32_t id, const node *n, array *out) {
    (void)user;
    if (n->op == OP_training) {
        *(uint8_t *)out->data = 1;
        return;
    }
    assert_non_null(values_of[id].data);
    assert_int_equal(size_of(&out->shape), size_of(&values_of[id].shape));
    memcpy(out->data, values_of[id].data, (size_t)size_of(&out->shape) * gradus_dtype_size(out->dtype));
}

/* The values of nodes; `into` keeps them until the test ends.  Needs a guard. */
static inline gradus_status try_evaluate(const gradus_graph *g, int64_t batch, const uint32_t *ids, uint32_t count,
                                         array *into) {
    arena scratch = {0};
    if (g->status) fail_msg("%s", g->error);
    entry e = {.name = "run", .outputs = ids, .n_outputs = count};
    evaluation how = {.batch = batch, .bind = bind_value, .memory = &scratch, .outputs = into};
    gradus_status status = evaluate_entry(g, &e, &how);
    for (uint32_t i = 0; i < count && status == GRADUS_OK; i++)
        into[i].data =
            arena_copy(&memory, into[i].data, (size_t)size_of(&into[i].shape) * gradus_dtype_size(into[i].dtype));
    arena_free(&scratch);
    return status;
}

static inline void evaluate_nodes(const gradus_graph *g, int64_t batch, const uint32_t *ids, uint32_t count,
                                  array *into) {
    if (try_evaluate(g, batch, ids, count, into)) fail_msg("%s", gradus_last_error());
}

static inline double element(const array *a, int64_t i) { return scalar_to_double(a->dtype, get(a, i)); }

static inline double evaluate_sum(const gradus_graph *g, int64_t batch, uint32_t id) {
    arena before = memory;
    memory = (arena){0};
    array a;
    evaluate_nodes(g, batch, &id, 1, &a);
    double sum = 0;
    for (int64_t i = 0; i < size_of(&a.shape); i++) sum += element(&a, i);
    arena_free(&memory);
    memory = before;
    return sum;
}

/* Element i of x moved by d. */
static inline double moved_sum(const gradus_graph *g, int64_t batch, uint32_t y, uint32_t x, int64_t i, double d) {
    array *a = &values_of[x];
    scalar old = get(a, i);
    set(a, i, scalar_from_double(a->dtype, scalar_to_double(a->dtype, old) + d));
    double sum = evaluate_sum(g, batch, y);
    set(a, i, old);
    return sum;
}

/* The derivative of the sum of y along element i of x, from five points: exact up to h^4. */
static inline double difference(const gradus_graph *g, int64_t batch, uint32_t y, uint32_t x, int64_t i, double h) {
    double near = moved_sum(g, batch, y, x, i, h) - moved_sum(g, batch, y, x, i, -h);
    double far = moved_sum(g, batch, y, x, i, 2 * h) - moved_sum(g, batch, y, x, i, -2 * h);
    return (8 * near - far) / (12 * h);
}

/* Every element of `gradients` against differences of the sum of y.  Returns the largest gradient. */
static inline double check_differences(const gradus_graph *g, int64_t batch, const char *what, uint32_t y,
                                       const uint32_t *x, const uint32_t *gradients, uint32_t count, double h,
                                       double tolerance) {
    double largest = 0;
    array *of = room(sizeof(array) * (count + 1));
    evaluate_nodes(g, batch, gradients, count, of);
    for (uint32_t k = 0; k < count; k++) {
        assert_int_equal(of[k].dtype, graph_node(g, x[k])->dtype);
        assert_true(shape_equal(&graph_node(g, gradients[k])->shape, &graph_node(g, x[k])->shape));
        for (int64_t i = 0; i < size_of(&of[k].shape); i++) {
            double got = element(&of[k], i), expected = difference(g, batch, y, x[k], i, h);
            if (!(fabs(got - expected) <= tolerance * (1 + fabs(expected))))
                fail_msg("%s: operand %u, element %lld: %.12g, by differences %.12g", what, k, (long long)i, got,
                         expected);
            largest = fmax(largest, fabs(got));
        }
    }
    return largest;
}

/* Builds the gradients of the sum of y, and checks them. */
static inline double check_gradients(gradus_graph *g, int64_t batch, const char *what, uint32_t y, const uint32_t *x,
                                     uint32_t count, double h, double tolerance) {
    uint32_t *of = room(sizeof *of * (count + 1));
    autodiff_gradients(g, "test", y, x, count, of);
    return check_differences(g, batch, what, y, x, of, count, h, tolerance);
}

static uint32_t inputs_made;

/* An input with those values. */
static inline uint32_t input_of(gradus_graph *g, array value) {
    char name[32];
    snprintf(name, sizeof name, "input%u", inputs_made++);
    uint32_t id =
        graph_add(g, &(node_spec){.op = OP_input, .attr.name = name, .dtype = value.dtype, .shape = value.shape});
    assert_true(id > 0 && id < NODES_MAX);
    values_of[id] = value;
    return id;
}

/* Elements in random order from a grid between low and high, none equal to another of the same grid; `offset` (0 … 1)
 * keeps two grids apart. */
static inline array grid(gradus_shape s, double low, double high, double offset) {
    array a = array_of(GRADUS_F64, s);
    int64_t n = size_of(&s);
    int64_t *order = room((size_t)n * sizeof *order + 1);
    for (int64_t i = 0; i < n; i++) order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = random_below(i + 1), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    for (int64_t i = 0; i < n; i++)
        set(&a, i, (scalar){.f64 = low + (high - low) * ((double)order[i] + offset) / (double)n});
    return a;
}

static inline gradus_axes all_axes_of(const gradus_graph *g, uint32_t x) {
    gradus_axes all = {.d = {shape_rank(&graph_node(g, x)->shape)}};
    for (int axis = 0; axis < all.d[0]; axis++) all.d[1 + axis] = axis;
    return all;
}

/* The sum of all elements of x, each times a weight: a scalar whose derivatives tell the elements apart. */
static inline uint32_t weighted_sum_of(gradus_graph *g, uint32_t x, int64_t batch) {
    const node *n = graph_node(g, x);
    const gradus_shape s = n->shape, at = shape_at(&s, batch);
    if (n->dtype == GRADUS_F32) x = build_cast(g, x, GRADUS_F64);
    uint32_t weights = input_of(g, grid(at, 0.5, 1.5, 0.3));
    g->nodes.items[weights]->shape = s; /* with the batch in it */
    uint32_t product = build_op2(g, OP_mul, x, weights);
    return s.d[0] ? build_reduce(g, OP_sum, product, all_axes_of(g, product)) : product;
}

static inline uint32_t weighted_sum(gradus_graph *g, uint32_t x) { return weighted_sum_of(g, x, 1); }

#define GUARDED_TEST(name)             \
    static void name##_body(void);     \
    static void name(void **state) {   \
        (void)state;                   \
        guard here;                    \
        if (GUARDED(&here)) {          \
            name##_body();             \
            guard_leave(&here);        \
        } else {                       \
            fail_msg("out of memory"); \
        }                              \
    }                                  \
    static void name##_body(void)

#endif
