/* SPDX-License-Identifier: Apache-2.0
 * Derivatives of derivatives: of any order, Hessians times vectors over a batch, and what a jvp costs once it is
 * rewritten. */
#include "tests/unit/differences.h"

#include "pass.h"

static gradus_graph *g;

static int begin(void **state) {
    (void)state;
    g = gradus_graph_create();
    return 0;
}

static int end(void **state) {
    gradus_graph_destroy(&g);
    return forget(state);
}

GUARDED_TEST(five_orders) {
    array values = array_of(GRADUS_F64, SHAPE(3));
    for (int64_t i = 0; i < 3; i++) set(&values, i, (scalar){.f64 = 0.5 + 0.75 * (double)i});
    gradus_tensor x = {g, input_of(g, values)};
    gradus_tensor power = gradus_mul(gradus_square(x), gradus_square(x)); /* x^4 */
    gradus_tensor wave = gradus_mul(gradus_sin(x), gradus_exp(x));
    for (int order = 1; order <= 5; order++) {
        power = gradus_gradient(power, x);
        wave = gradus_gradient(wave, x);
        array got[2];
        evaluate_nodes(g, 1, (const uint32_t[]){power.id, wave.id}, 2, got);
        for (int64_t i = 0; i < 3; i++) {
            static const double factors[] = {1, 4, 12, 24, 24, 0};
            double v = get(&values, i).f64, powers = order <= 4 ? factors[order] * pow(v, 4 - order) : 0;
            double waves = pow(sqrt(2), order) * exp(v) * sin(v + order * acos(-1) / 4);
            assert_true(fabs(element(&got[0], i) - powers) < 1e-12 * (1 + fabs(powers)));
            assert_true(fabs(element(&got[1], i) - waves) < 1e-12 * (1 + fabs(waves)));
        }
    }
}

typedef struct {
    gradus_tensor x, loss;
    gradus_tensors w, v; /* parameters, and a direction to move them in */
} network;

static network mlp(gradus_dtype dtype) {
    network n;
    static gradus_tensor directions[6];
    static const char *const names[] = {"v0", "v1", "v2", "v3", "v4", "v5"};
    n.x = gradus_input(g, "x", dtype, GRADUS_SHAPE(GRADUS_BATCH, 4));
    gradus_tensor h = gradus_dense(n.x, .units = 5, .activation = GRADUS_TANH, .name = "a");
    h = gradus_dense(h, .units = 3, .activation = GRADUS_SIGMOID, .name = "b");
    h = gradus_dense(h, .units = 2, .name = "c");
    n.loss = gradus_mean(gradus_logsumexp(h, GRADUS_AXES(1), false), GRADUS_ALL_AXES, false);
    n.w = gradus_params(g, NULL);
    assert_int_equal(n.w.count, 6);
    for (size_t i = 0; i < 6; i++) directions[i] = gradus_input(g, names[i], dtype, gradus_shape_of(n.w.items[i]));
    n.v = gradus_list(directions, 6);
    return n;
}

static gradus_tensor inner(gradus_tensors a, gradus_tensors b) {
    gradus_tensor sum = gradus_scalar(g, GRADUS_F64, 0);
    for (size_t i = 0; i < a.count; i++)
        sum = gradus_add(sum, gradus_sum(gradus_mul(a.items[i], b.items[i]), GRADUS_ALL_AXES, false));
    return sum;
}

static void bind_random(gradus_tensor t, int64_t batch, double offset) {
    gradus_shape s = gradus_shape_of(t);
    for (int i = 1; i <= s.d[0]; i++)
        if (s.d[i] < 0) s.d[i] *= -batch;
    values_of[t.id] = grid(s, -1, 1, offset);
}

/* H v over a batch: against differences of the gradient along v, and by two ways. */
GUARDED_TEST(hessians_over_the_batch) {
    enum { BATCH = 3 };
    network n = mlp(GRADUS_F64);
    gradus_tensors first = gradus_gradients(n.loss, n.w), reverse = gradus_gradients(inner(first, n.v), n.w);
    gradus_tensor along = gradus_jvp(n.loss, n.w, n.v); /* forward over reverse: the gradient of the slope */
    gradus_tensors forward = gradus_gradients(along, n.w);
    if (g->status) fail_msg("%s", g->error);
    bind_random(n.x, BATCH, 0.1);
    for (size_t i = 0; i < 6; i++) bind_random(n.w.items[i], BATCH, 0.2), bind_random(n.v.items[i], BATCH, 0.3);
    double largest = 0;
    for (size_t i = 0; i < 6; i++) {
        array two[2], moved[2];
        evaluate_nodes(g, BATCH, (const uint32_t[]){reverse.items[i].id, forward.items[i].id}, 2, two);
        const double h = 1e-5;
        for (int side = 0; side < 2; side++) {
            for (size_t k = 0; k < 6; k++) {
                array *w = &values_of[n.w.items[k].id];
                for (int64_t e = 0; e < size_of(&w->shape); e++)
                    set(w, e,
                        (scalar){.f64 = get(w, e).f64 + (side ? -2 : 1) * h * get(&values_of[n.v.items[k].id], e).f64});
            }
            evaluate_nodes(g, BATCH, &first.items[i].id, 1, &moved[side]);
        }
        for (size_t k = 0; k < 6; k++) {
            array *w = &values_of[n.w.items[k].id];
            for (int64_t e = 0; e < size_of(&w->shape); e++)
                set(w, e, (scalar){.f64 = get(w, e).f64 + h * get(&values_of[n.v.items[k].id], e).f64});
        }
        for (int64_t e = 0; e < size_of(&two[0].shape); e++) {
            double difference = (element(&moved[0], e) - element(&moved[1], e)) / (2 * h);
            assert_true(fabs(element(&two[0], e) - difference) < 1e-8);
            assert_true(fabs(element(&two[0], e) - element(&two[1], e)) < 1e-14);
            largest = fmax(largest, fabs(difference));
        }
    }
    assert_true(largest > 1e-2);
}

/* Nodes and contractions that are left of an entry with these outputs. */
typedef struct {
    uint32_t nodes, contractions;
} cost;

static cost cost_of(const gradus_tensor *outputs, uint32_t count) {
    uint32_t ids[8], inputs[8], n_inputs = 0;
    for (uint32_t i = 0; i < count; i++) ids[i] = outputs[i].id;
    for (uint32_t id = 1; id < g->nodes.count; id++)
        if (graph_node(g, id)->op == OP_input) inputs[n_inputs++] = id;
    entry e = {.name = "run", .inputs = inputs, .n_inputs = n_inputs, .outputs = ids, .n_outputs = count};
    gradus_graph *one = graph_new();
    extract_entry(g, &e, one);
    pass_run(one, pipeline_rewrites, pipeline_rewrite_count, "cost");
    cost c = {one->nodes.count, 0};
    for (uint32_t id = 1; id < one->nodes.count; id++) c.contractions += op_is(graph_node(one, id)->op, CONTRACT);
    graph_free(one);
    return c;
}

/* The first of the two passes backward is there for its shape alone, and nothing of it is left. */
GUARDED_TEST(a_jvp_costs_one_more_forward_pass) {
    network n = mlp(GRADUS_F32);
    gradus_tensor both[7] = {n.loss};
    cost forward = cost_of(both, 1);
    gradus_tensors gradients = gradus_gradients(n.loss, n.w);
    for (int i = 0; i < 6; i++) both[1 + i] = gradients.items[i];
    cost reverse = cost_of(both, 7);
    both[1] = gradus_jvp(n.loss, n.w, n.v);
    cost tangent = cost_of(both, 2);
    if (g->status) fail_msg("%s", g->error);
    print_message("forward %u nodes, %u contractions; and gradients %u, %u; and jvp %u, %u\n", forward.nodes,
                  forward.contractions, reverse.nodes, reverse.contractions, tangent.nodes, tangent.contractions);
    assert_int_equal(forward.contractions, 3);
    assert_int_equal(reverse.contractions, 3 + 5);
    assert_int_equal(tangent.contractions, 3 + 5); /* x v, and for the other layers h v + dh w */
    assert_true(tangent.nodes <= reverse.nodes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(five_orders), TEST(hessians_over_the_batch),
                                       TEST(a_jvp_costs_one_more_forward_pass)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
