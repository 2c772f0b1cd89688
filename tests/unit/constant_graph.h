/* SPDX-License-Identifier: Apache-2.0
 * For tests of what builders mean: a graph for each test, made of constants, and the values of its nodes. */
#ifndef TESTS_UNIT_CONSTANT_GRAPH_H
#define TESTS_UNIT_CONSTANT_GRAPH_H

#include "ir/graph.h"
#include "rules/evaluate.h"

#include "tests/cmocka_all.h"

#include <math.h>
#include <string.h>

enum { MOST = 4096 };

static gradus_graph *g; /* of one test */

static inline int make_graph(void **state) {
    (void)state;
    g = gradus_graph_create();
    return gradus_graph_status(g) != GRADUS_OK;
}

static inline int free_graph(void **state) {
    (void)state;
    gradus_graph_destroy(&g);
    return g != NULL;
}

#define B GRADUS_BATCH

static inline void bind_training(void *user, uint32_t id, const node *n, array *out) {
    (void)user;
    (void)id;
    assert_int_equal(n->op, OP_training);
    memset(out->data, 1, 1);
}

/* The elements of x, all of whose sources are constants, as doubles; returns their number. */
static inline int values(gradus_tensor x, int64_t batch, double *out) {
    static arena memory;
    array result = {.data = NULL};
    if (gradus_graph_status(g)) fail_msg("%s", gradus_graph_error(g));
    entry e = {.name = "e", .outputs = &x.id, .n_outputs = 1};
    guard here;
    gradus_status status = GRADUS_ERROR_MEMORY;
    if (GUARDED(&here)) {
        status = evaluate_entry(
            g, &e, &(evaluation){.batch = batch, .bind = bind_training, .memory = &memory, .outputs = &result});
        guard_leave(&here);
    }
    if (status) fail_msg("%s", gradus_last_error());
    const int64_t count = shape_elements(&result.shape);
    assert_true(count <= MOST);
    for (int64_t i = 0; i < count; i++) {
        scalar s = {.bits = 0};
        const size_t size = gradus_dtype_size(result.dtype);
        memcpy(&s, (const char *)result.data + (size_t)i * size, size);
        out[i] = scalar_to_double(result.dtype, s);
    }
    arena_free(&memory);
    return (int)count;
}

static inline void assert_values(int line, gradus_tensor x, int count, const double *expected) {
    double got[MOST];
    if (values(x, 5, got) != count) fail_msg("line %d: not %d elements", line, count);
    for (int i = 0; i < count; i++) {
        const double e = expected[i];
        if (isnan(e) ? !isnan(got[i]) : !(got[i] == e || fabs(got[i] - e) <= 1e-12 * fabs(e)))
            fail_msg("line %d, element %d: %.17g instead of %.17g", line, i, got[i], e);
    }
}
#define VALUES_ARE(x, ...) \
    assert_values(__LINE__, (x), (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (double[]){__VA_ARGS__})
#define F64S(shape, ...) gradus_constant(g, GRADUS_F64, shape, (double[]){__VA_ARGS__}, sizeof((double[]){__VA_ARGS__}))
#define I32S(shape, ...) \
    gradus_constant(g, GRADUS_I32, shape, (int32_t[]){__VA_ARGS__}, sizeof((int32_t[]){__VA_ARGS__}))

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_graph, free_graph)

#endif
