/* SPDX-License-Identifier: Apache-2.0
 *
 * Random graphs in which functions of the user's make many of the sums and products, in forward pass, gradients, optimizer
 * and first values: compiled code against the evaluator, bit for bit.  So calls stand wherever fusion, schedule and plan can
 * meet them; some have effects, and keep their order.
 */
#include "tests/compare.h"
#include "tests/random_graph.h"

#include "ir/custom.h"

#include <inttypes.h>

enum { GRAPHS = 100 };

static int called;

#define FUNCTIONS(T)                                                \
    static int add_##T(const T *x0, const T *x1, T *y, int64_t n) { \
        called++;                                                   \
        for (int64_t i = 0; i < n; i++) y[i] = x0[i] + x1[i];       \
        return 0;                                                   \
    }                                                               \
    static void mul_##T(const T *x0, T *y, const T *x1, size_t n) { \
        called++;                                                   \
        for (size_t i = 0; i < n; i++) y[i] = x0[i] * x1[i];        \
    }
FUNCTIONS(float)
FUNCTIONS(double)

static const struct {
    op_code op;
    gradus_dtype dtype;
    void (*function)(void);
    const char *signature;
} functions[] = {
    {OP_add, GRADUS_F32, GRADUS_FUNCTION(add_float),
     "int add_float(const float *x0, const float *x1, float *y, int64_t n)"},
    {OP_mul, GRADUS_F32, GRADUS_FUNCTION(mul_float),
     "void mul_float(const float *x0, float *y, const float *x1, size_t n)"},
    {OP_add, GRADUS_F64, GRADUS_FUNCTION(add_double),
     "int add_double(const double *x0, const double *x1, double *y, int64_t n)"},
    {OP_mul, GRADUS_F64, GRADUS_FUNCTION(mul_double),
     "void mul_double(const double *x0, double *y, const double *x1, size_t n)"},
};

/* Makes a node a call; 0 where there is no function for it. */
static int call_instead(gradus_graph *g, node *n, bool effects) {
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (n->op != functions[i].op || n->dtype != functions[i].dtype) continue;
        custom c = {.function = functions[i].function, .signature = functions[i].signature};
        text why = {.memory = &g->memory};
        if (effects) c.effects = ++g->effects;
        if (!custom_describe(&c, 2, &g->memory, &why)) fail_msg("%s", why.data);
        c.symbol = c.prototype.name;
        n->op = OP_custom;
        n->attr.call = custom_copy(&c, &g->memory);
        return 1;
    }
    return 0;
}

static int put_calls(gradus_graph *g, uint64_t seed) {
    random_source random = {seed};
    volatile int made = 0;
    guard here;
    if (GUARDED(&here)) {
        for (uint32_t id = 1; id < g->nodes.count; id++)
            if (random_up_to(&random, 4) > 0)
                made += call_instead(g, g->nodes.items[id], random_up_to(&random, 4) == 0);
        guard_leave(&here);
    }
    return made;
}

static void test_random_graphs_with_calls(void **state) {
    (void)state;
    static const int64_t batches[] = {5, 1};
    int calls = 0;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        char what[50];
        gradus_graph *g = random_graph(seed);
        assert_non_null(g);
        if (gradus_graph_status(g)) fail_msg("%s", gradus_graph_error(g));
        calls += put_calls(g, seed);
        snprintf(what, sizeof what, "random graph %" PRIu64 " with calls", seed);
        compare_graph(g, what, batches, 2, 1 + (int32_t)(seed % 3), (source_of_values){random_bind, &seed});
        gradus_graph_destroy(&g);
    }
    assert_true(calls > 5 * GRAPHS && called > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_graphs_with_calls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
