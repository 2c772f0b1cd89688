/* SPDX-License-Identifier: Apache-2.0
 * For tests of layers: a graph for each test, inputs with values, programs, compiled code against the evaluator. */
#ifndef TESTS_UNIT_LAYER_TESTS_H
#define TESTS_UNIT_LAYER_TESTS_H

#include "tests/compare.h"

#include "differences.h"

static gradus_graph *g; /* of one test */

static inline int begin(void **state) {
    (void)state;
    gradus_graph_destroy(&g); /* a test may begin again */
    memset(values_of, 0, sizeof *values_of * 4096);
    g = gradus_graph_create();
    return 0;
}

static inline int end(void **state) {
    gradus_graph_destroy(&g);
    return forget(state);
}

static inline void assert_failed(gradus_tensor made, const char *part) {
    assert_int_equal(made.id, 0);
    assert_int_not_equal(g->status, GRADUS_OK);
    if (!strstr(g->error, part) || !strstr(g->error, "tests/unit/test_"))
        fail_msg("\"%s\" does not say \"%s\" and where", g->error, part);
    gradus_graph_destroy(&g);
    g = gradus_graph_create();
}

static inline gradus_program *compiled(void) {
    gradus_program *p = NULL;
    if (gradus_jit(g, gradus_compile_options(.max_batch = 64, .threads = 2), &p)) fail_msg("%s", gradus_last_error());
    return p;
}

#define OK(call) \
    if (call) fail_msg("%s", gradus_last_error())

/* An input of that dtype; its values for a batch of 3 are spread between -2 and 2. */
static inline gradus_tensor given(const char *name, gradus_dtype dtype, gradus_shape s) {
    gradus_tensor x = gradus_input(g, name, dtype, s);
    if (g->status) fail_msg("%s", g->error);
    gradus_shape at = shape_at(&s, 3);
    const array values = grid(at, -2, 2, 0.4);
    values_of[x.id] = array_of(dtype, at);
    for (int64_t i = 0; i < size_of(&at); i++) set(&values_of[x.id], i, scalar_from_double(dtype, element(&values, i)));
    return x;
}

/* For compiled code and evaluator alike: noise, small indices for the names in "i…", a seed. */
static inline void bind_noise(void *user, uint32_t id, const node *n, array *out) {
    (void)user, (void)id;
    for (int64_t i = 0; i < size_of(&out->shape); i++) {
        const double noise = sin((double)(i + 1) * 12.9898) * 3;
        set(out, i,
            scalar_from_double(out->dtype, n->attr.name[0] == 'i'        ? (double)(i * 7 % 3)
                                           : strcmp(n->attr.name, "rng") ? noise
                                                                         : (double)(9 * (i == 0))));
    }
}

static inline void compare_compiled(const char *what) {
    static const int64_t batches[] = {3, 1, 17};
    static const int32_t teams[] = {1, 3};
    if (g->status) fail_msg("%s: %s", what, g->error);
    for (int i = 0; i < 2; i++) compare_graph(g, what, batches, 3, teams[i], (source_of_values){bind_noise, NULL});
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
