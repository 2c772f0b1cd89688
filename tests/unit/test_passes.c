/* SPDX-License-Identifier: Apache-2.0
 *
 * Extraction and the rewriting passes on random graphs: what an entry computes keeps its bits, and each pass keeps its
 * promises. */
#include "evaluating.h"

#include "ir/print.h"
#include "ir/validate.h"
#include "pass.h"
#include "tests/random_graph.h"
#include "rewrite/rewrite.h"

enum { GRAPHS = 300 };

typedef struct {
    array *outputs, *values;
} results;

typedef struct {
    uint64_t seed;
    bool training;
} binding;

static void bind(void *user, uint32_t id, const node *n, array *out) {
    const binding *b = user;
    (void)id;
    random_values(b->seed, n, out);
    if (n->op == OP_training) *(uint8_t *)out->data = b->training;
}

static results evaluate(const gradus_graph *g, const entry *e, uint64_t seed) {
    results r = {ARENA_ARRAY(&memory, array, e->n_outputs), ARENA_ARRAY(&memory, array, e->updates.count)};
    binding b = {seed, e->training};
    evaluation how = {.batch = 1 + (int64_t)(seed % 7), .bind = bind, .user = &b, .memory = &memory,
                      .outputs = r.outputs, .values = r.values};
    gradus_status status = evaluate_entry(g, e, &how);
    if (status) fail_msg("seed %llu: %s", (unsigned long long)seed, gradus_last_error());
    return r;
}

static void compare_arrays(uint64_t seed, const char *what, const array *a, const array *b) {
    char label[120];
    snprintf(label, sizeof label, "seed %llu, %s", (unsigned long long)seed, what);
    assert_int_equal(a->dtype, b->dtype);
    assert_true(shape_equal(&a->shape, &b->shape));
    for (int64_t i = 0; i < size_of(&a->shape); i++) assert_same(label, i, a->dtype, get(b, i), get(a, i));
}

static void compare_results(uint64_t seed, const char *what, const entry *e, const results *a, const results *b) {
    for (uint32_t i = 0; i < e->n_outputs; i++) compare_arrays(seed, what, &a->outputs[i], &b->outputs[i]);
    for (uint32_t i = 0; i < e->updates.count; i++) compare_arrays(seed, what, &a->values[i], &b->values[i]);
}

static void check_valid(const gradus_graph *g, uint64_t seed, const char *what) {
    text why = {.memory = &memory};
    if (!graph_validate(g, &why)) fail_msg("seed %llu, %s: %s", (unsigned long long)seed, what, why.data);
}

static gradus_graph *new_graph(void) {
    gradus_graph *g = graph_new();
    assert_non_null(g);
    return g;
}

/* --- every test looks at each entry of each random graph ------------------------------------------------------ */

typedef void (*look)(uint64_t seed, const gradus_graph *g, const entry *e);

static void each_entry_of(look at, uint64_t seed) {
    gradus_graph *g = random_graph(seed);
    assert_non_null(g);
    if (gradus_graph_status(g)) fail_msg("seed %llu: %s", (unsigned long long)seed, gradus_graph_error(g));
    guard here;
    volatile bool done = false;
    if (GUARDED(&here)) {
        for (uint32_t i = 0; i < g->entries.count; i++) at(seed, g, &g->entries.items[i]);
        done = true;
        guard_leave(&here);
    }
    assert_true(done);
    gradus_graph_destroy(&g);
    arena_free(&memory);
}

static void each_entry(look at) {
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) each_entry_of(at, seed);
}

static void look_at_extraction(uint64_t seed, const gradus_graph *g, const entry *e) {
    gradus_graph *x = new_graph();
    extract_entry(g, e, x);
    check_valid(x, seed, "extract");
    const entry *f = &x->entries.items[0];
    assert_int_equal(x->entries.count, 1);
    assert_string_equal(e->name, f->name);
    assert_int_equal(x->states.count, g->states.count);
    for (uint32_t i = 0; i < g->states.count; i++) {
        const node *a = graph_node(g, g->states.items[i].node), *b = graph_node(x, x->states.items[i].node);
        assert_int_equal(a->op, b->op);
        assert_string_equal(a->attr.name, b->attr.name);
        assert_true(g->states.items[i].node != g->rng || x->states.items[i].node == x->rng);
    }
    assert_int_equal(e->n_inputs, f->n_inputs);
    for (uint32_t i = 0; i < e->n_inputs; i++)
        assert_string_equal(graph_node(g, e->inputs[i])->attr.name, graph_node(x, f->inputs[i])->attr.name);
    for (uint32_t i = 1; i < x->nodes.count; i++) assert_int_not_equal(graph_node(x, i)->op, OP_training);
    results a = evaluate(g, e, seed), b = evaluate(x, f, seed);
    compare_results(seed, "extract", e, &a, &b);
    graph_free(x);
}

static void test_extraction(void **state) {
    (void)state;
    each_entry(look_at_extraction);
}

/* First values by the definition: in the order of the states, each from those before it. */
typedef struct {
    const gradus_graph *g;
    const array *first; /* of each state */
} first_values;

static void bind_first(void *user, uint32_t id, const node *n, array *out) {
    const first_values *f = user;
    if (n->op == OP_seed || id == f->g->rng) {
        ((int64_t *)out->data)[0] = 7;
        ((int64_t *)out->data)[1] = 0;
        return;
    }
    for (uint32_t i = 0; i < f->g->states.count; i++) {
        if (f->g->states.items[i].node != id) continue;
        memcpy(out->data, f->first[i].data, gradus_dtype_size(out->dtype) * (size_t)size_of(&out->shape));
        return;
    }
    fail_msg("%s has no value in init", op_name(n->op));
}

static void bind_seed_alone(void *user, uint32_t id, const node *n, array *out) {
    (void)user, (void)id;
    if (n->op != OP_seed) fail_msg("init reads a %s", op_name(n->op));
    ((int64_t *)out->data)[0] = 7;
    ((int64_t *)out->data)[1] = 0;
}

static void check_init(uint64_t seed, const gradus_graph *x, const array *first) {
    const entry *e = &x->entries.items[0];
    array *values = ARENA_ARRAY(&memory, array, e->updates.count);
    evaluation how = {.batch = 1, .bind = bind_seed_alone, .memory = &memory, .values = values};
    assert_int_equal(evaluate_entry(x, e, &how), GRADUS_OK);
    for (uint32_t i = 0; i < e->updates.count; i++) {
        assert_int_equal(e->updates.items[i].state, x->states.items[i].node);
        compare_arrays(seed, "init", &first[i], &values[i]);
    }
}

static void look_at_init(uint64_t seed, const gradus_graph *g, const entry *e) {
    if (e != &g->entries.items[0]) return;
    array *first = ARENA_ARRAY(&memory, array, g->states.count);
    for (uint32_t i = 0; i < g->states.count; i++) {
        first_values f = {g, first};
        entry one = {.name = "one", .outputs = &g->states.items[i].init, .n_outputs = 1};
        evaluation how = {.batch = 1, .bind = bind_first, .user = &f, .memory = &memory, .outputs = &first[i]};
        assert_int_equal(evaluate_entry(g, &one, &how), GRADUS_OK);
    }
    gradus_graph *x = new_graph();
    extract_init(g, x);
    check_valid(x, seed, "init");
    assert_int_equal(x->entries.count, 1);
    assert_int_equal(x->entries.items[0].n_inputs, 0);
    assert_int_equal(x->entries.items[0].updates.count, g->states.count);
    check_init(seed, x, first);
    pass_run(x, pipeline_rewrites, pipeline_rewrite_count, "init");
    check_init(seed, x, first);
    graph_free(x);
}

static void test_init(void **state) {
    (void)state;
    each_entry(look_at_init);
}

static void look_at_passes(uint64_t seed, const gradus_graph *g, const entry *e) {
    results before = evaluate(g, e, seed);
    for (size_t i = 0; i < pipeline_rewrite_count; i++) {
        const pass_row *row = &pipeline_rewrites[i];
        gradus_graph *x = new_graph();
        extract_entry(g, e, x);
        uint32_t count = x->nodes.count, states = x->states.count;
        bool changed = row->run(x);
        check_valid(x, seed, row->name);
        assert_true(changed || x->nodes.count == count);
        assert_int_equal(x->states.count, states);
        results after = evaluate(x, &x->entries.items[0], seed);
        compare_results(seed, row->name, e, &before, &after);
        if (row->run != simplify) assert_false(row->run(x)); /* rules may make room for rules */
        graph_free(x);
    }
}

static void test_each_pass(void **state) {
    (void)state;
    each_entry(look_at_passes);
}

static void look_at_pipeline(uint64_t seed, const gradus_graph *g, const entry *e) {
    gradus_graph *x = new_graph();
    extract_entry(g, e, x);
    pass_run(x, pipeline_rewrites, pipeline_rewrite_count, e->name);
    check_valid(x, seed, "pipeline");
    results before = evaluate(g, e, seed), after = evaluate(x, &x->entries.items[0], seed);
    compare_results(seed, "pipeline", e, &before, &after);
    for (size_t i = 0; i < pipeline_rewrite_count; i++) assert_false(pipeline_rewrites[i].run(x));
    for (uint32_t i = 1; i < x->nodes.count; i++) {
        op_code op = graph_node(x, i)->op;
        assert_true(op != OP_stop_gradient && op != OP_training);
    }
    graph_free(x);
}

static void test_pipeline(void **state) {
    (void)state;
    each_entry(look_at_pipeline);
}

/* --- single passes on graphs made for them ------------------------------------------------------------------ */

static gradus_graph *extracted(gradus_graph *g) {
    if (gradus_graph_status(g)) fail_msg("%s", gradus_graph_error(g));
    gradus_graph *x = new_graph();
    guard here;
    volatile bool done = false;
    if (GUARDED(&here)) {
        extract_entry(g, &g->entries.items[0], x);
        done = true;
        guard_leave(&here);
    }
    assert_true(done);
    gradus_graph_destroy(&g); /* what is extracted stands alone */
    return x;
}

static bool run_pass(graph_pass pass, gradus_graph *x) {
    guard here;
    volatile bool changed = false, done = false;
    if (GUARDED(&here)) {
        changed = pass(x);
        check_valid(x, 0, "pass");
        done = true;
        guard_leave(&here);
    }
    assert_true(done);
    return changed;
}

static uint32_t nodes_of(const gradus_graph *x, op_code op) {
    uint32_t count = 0;
    for (uint32_t i = 1; i < x->nodes.count; i++) count += graph_node(x, i)->op == op;
    return count;
}

static const node *output_of(const gradus_graph *x, uint32_t i) {
    return graph_node(x, x->entries.items[0].outputs[i]);
}

static void test_zeros_stay_two(void **state) {
    (void)state;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(4));
    gradus_tensor a = gradus_maximum(x, gradus_like(x, 0.0)), b = gradus_maximum(x, gradus_like(x, -0.0));
    gradus_tensor c = gradus_add(x, a), d = gradus_add(a, x);
    gradus_define(g, "look", GRADUS_TENSORS(x), GRADUS_TENSORS(a, b, c, d), GRADUS_NO_UPDATES);
    gradus_graph *y = extracted(g);
    assert_true(run_pass(cse, y));
    assert_int_equal(nodes_of(y, OP_fill), 2);
    assert_int_equal(nodes_of(y, OP_maximum), 2);
    assert_int_equal(nodes_of(y, OP_add), 1);
    graph_free(y);
}

static void test_fold_keeps_fills_small(void **state) {
    (void)state;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor two = gradus_scalar(g, GRADUS_F32, 2);
    gradus_tensor large = gradus_broadcast_to(gradus_sqrt(two), GRADUS_SHAPE(GRADUS_BATCH, 4096, 4096));
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH));
    gradus_tensor sum = gradus_add(gradus_sum(gradus_neg(large), GRADUS_AXES(1, 2), false), x);
    gradus_tensor ranges = gradus_mul(gradus_arange(g, GRADUS_I32, 5), gradus_arange(g, GRADUS_I32, 5));
    gradus_tensor counts = gradus_sum(gradus_constant(g, GRADUS_I32, GRADUS_SHAPE(3), (int32_t[]){1, 2, 3}, 12),
                                      GRADUS_ALL_AXES, false);
    gradus_tensor frame = gradus_pad(gradus_broadcast_to(two, GRADUS_SHAPE(3, 3)), 0, 1, 1, 0);
    gradus_tensor plate = gradus_pad(gradus_broadcast_to(two, GRADUS_SHAPE(3, 3)), 0, 1, 1, 2);
    gradus_define(g, "look", GRADUS_TENSORS(x), GRADUS_TENSORS(sum, ranges, counts, frame, plate), GRADUS_NO_UPDATES);
    gradus_graph *y = extracted(g);
    assert_true(run_pass(fold, y));
    assert_true(run_pass(dce, y));
    assert_int_equal(nodes_of(y, OP_sqrt) + nodes_of(y, OP_neg) + nodes_of(y, OP_constant), 0);
    assert_int_equal(output_of(y, 2)->op, OP_fill);
    assert_int_equal(output_of(y, 2)->attr.value.i32, 6);
    assert_int_equal(output_of(y, 3)->op, OP_pad);
    assert_int_equal(output_of(y, 4)->op, OP_fill);
    graph_free(y);
}

static void test_checks_stay(void **state) {
    (void)state;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor table = gradus_param(g, "table", GRADUS_F32, GRADUS_SHAPE(4, 2), gradus_zeros());
    gradus_tensor wrong = gradus_constant(g, GRADUS_I32, GRADUS_SHAPE(2), (int32_t[]){1, 9}, 8);
    gradus_define(g, "look", GRADUS_NO_TENSORS, GRADUS_TENSORS(gradus_take(table, wrong, 0)), GRADUS_NO_UPDATES);
    gradus_graph *y = extracted(g);
    uint32_t checks = nodes_of(y, OP_check_index);
    while (run_pass(fold, y) || run_pass(simplify, y) || run_pass(cse, y) || run_pass(dce, y)) {}
    assert_int_equal(nodes_of(y, OP_check_index), checks);
    graph_free(y);
}

static void test_unused_stay(void **state) {
    (void)state;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(2));
    gradus_tensor y = gradus_input(g, "y", GRADUS_F32, GRADUS_SHAPE(3));
    gradus_param(g, "w", GRADUS_F32, GRADUS_SHAPE(5), gradus_ones());
    gradus_exp(x);
    gradus_define(g, "look", GRADUS_TENSORS(y, x), GRADUS_TENSORS(gradus_neg(x)), GRADUS_NO_UPDATES);
    gradus_graph *z = extracted(g);
    run_pass(dce, z);
    assert_int_equal(z->nodes.count, 1 + 4);
    assert_int_equal(z->states.count, 1);
    assert_string_equal(graph_node(z, z->entries.items[0].inputs[0])->attr.name, "y");
    graph_free(z);
}

/* A dense layer over the last axis of (B, T, D): bias and activation go under the reshape, two reshapes cancel. */
static void test_reshapes_cancel(void **state) {
    (void)state;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 5, 8));
    gradus_tensor h = gradus_dense(x, .units = 16, .activation = GRADUS_TANH);
    gradus_define(g, "look", GRADUS_TENSORS(x), GRADUS_TENSORS(gradus_dense(h, .units = 3)), GRADUS_NO_UPDATES);
    gradus_graph *y = extracted(g);
    while (run_pass(fold, y) || run_pass(simplify, y) || run_pass(cse, y) || run_pass(dce, y)) {}
    assert_int_equal(nodes_of(y, OP_reshape), 2);
    graph_free(y);
}

/* A classifier with Adam: nothing is computed twice, marks are gone, the bits stay. */
static void test_classifier(void **state) {
    (void)state;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 20));
    gradus_tensor labels = gradus_input(g, "index_10", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH));
    gradus_tensor h = gradus_dense(x, .units = 16, .activation = GRADUS_RELU);
    gradus_tensor z = gradus_dense(h, .units = 10);
    gradus_tensor loss = gradus_mean(gradus_softmax_cross_entropy(z, labels), GRADUS_ALL_AXES, false);
    gradus_updates step = gradus_minimize(loss, gradus_adam(.learning_rate = 1e-3));
    gradus_define(g, "train", GRADUS_TENSORS(x, labels), GRADUS_TENSORS(loss), step);
    gradus_graph *y = extracted(g);
    const entry *e = &y->entries.items[0];
    guard here;
    volatile bool done = false;
    if (GUARDED(&here)) {
        results before = evaluate(y, e, 4);
        pass_run(y, pipeline_rewrites, pipeline_rewrite_count, "train");
        results after = evaluate(y, e, 4);
        compare_results(4, "classifier", e, &before, &after);
        done = true;
        guard_leave(&here);
    }
    assert_true(done);
    assert_int_equal(nodes_of(y, OP_matmul), 5);
    assert_int_equal(nodes_of(y, OP_transpose), 3);
    assert_int_equal(nodes_of(y, OP_exp), 1);
    assert_int_equal(nodes_of(y, OP_log), 1);
    assert_int_equal(nodes_of(y, OP_check_index), 1);
    assert_int_equal(nodes_of(y, OP_stop_gradient) + nodes_of(y, OP_neg), 0);
    assert_true(nodes_of(y, OP_reshape) <= 3);
    graph_free(y);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_extraction, forget),
        cmocka_unit_test_teardown(test_init, forget),
        cmocka_unit_test_teardown(test_each_pass, forget),
        cmocka_unit_test_teardown(test_pipeline, forget),
        cmocka_unit_test_teardown(test_zeros_stay_two, forget),
        cmocka_unit_test_teardown(test_fold_keeps_fills_small, forget),
        cmocka_unit_test_teardown(test_checks_stay, forget),
        cmocka_unit_test_teardown(test_unused_stay, forget),
        cmocka_unit_test_teardown(test_reshapes_cancel, forget),
        cmocka_unit_test_teardown(test_classifier, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
