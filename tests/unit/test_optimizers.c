/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimizers against their formulas, written out here once more in plain C, over several steps, and
 * against recorded runs of PyTorch; their state, options and errors. */
#include "differences.h"

#include <stdio.h>

enum { STEPS = 4, N = 3 };
static const double start[N] = {0.5, -1.25, 2}, slope[N] = {0.3, -2, 1e-3};

static gradus_graph *g; /* of one test */

static int begin(void **state) {
    (void)state;
    memset(values_of, 0, sizeof *values_of * 4096);
    g = gradus_graph_create();
    return 0;
}

static int end(void **state) {
    gradus_graph_destroy(&g);
    return forget(state);
}

/* Every state to its first value. */
static void initialize(void) {
    if (g->status) fail_msg("%s", g->error);
    for (uint32_t i = 0; i < g->states.count; i++) {
        const state_info *s = &g->states.items[i];
        if (!values_of[s->node].data) evaluate_nodes(g, 1, &s->init, 1, &values_of[s->node]);
    }
}

static void step(gradus_updates u) {
    array *values = room(sizeof(array) * 64);
    update_set set = g->updates.items[u.id];
    uint32_t ids[64];
    assert_true(u.id > 0 && set.count <= 64);
    for (uint32_t i = 0; i < set.count; i++) {
        const node *to = graph_node(g, set.items[i].state), *value = graph_node(g, set.items[i].value);
        assert_true(to->dtype == value->dtype && shape_equal(&to->shape, &value->shape));
        ids[i] = set.items[i].value;
    }
    evaluate_nodes(g, 1, ids, set.count, values);
    for (uint32_t i = 0; i < set.count; i++) values_of[set.items[i].state] = values[i];
}

static gradus_tensor param(const char *name, gradus_dtype dtype) {
    gradus_tensor p = gradus_param(g, name, dtype, GRADUS_SHAPE(N), gradus_zeros());
    if (g->status) fail_msg("%s", g->error);
    values_of[p.id] = array_of(dtype, GRADUS_SHAPE(N));
    for (int i = 0; i < N; i++) set(&values_of[p.id], i, scalar_from_double(dtype, start[i]));
    return p;
}

/* A loss whose gradient is slope * p. */
static gradus_tensor loss_of(gradus_tensor p) {
    gradus_tensor c =
        gradus_cast(gradus_constant(g, GRADUS_F64, GRADUS_SHAPE(N), slope, sizeof slope), gradus_dtype_of(p));
    gradus_tensor half = gradus_scalar(g, gradus_dtype_of(p), 0.5);
    return gradus_sum(gradus_mul(half, gradus_mul(c, gradus_square(p))), GRADUS_ALL_AXES, false);
}

typedef struct {
    double p, m, v, c1, c2;
} slots;
typedef void (*formula)(slots *s, double gradient);

/* STEPS steps of the optimizer, in F64 and F32, are those of the formula. */
static void check_steps(gradus_optimizer (*make)(void), formula formula_of) {
    const gradus_dtype dtypes[] = {GRADUS_F64, GRADUS_F32};
    for (int k = 0; k < 2; k++) {
        begin(NULL);
        gradus_tensor p = param("p", dtypes[k]);
        gradus_updates u = gradus_minimize(loss_of(p), make());
        slots s[N];
        for (int i = 0; i < N; i++) s[i] = (slots){.p = start[i]};
        initialize();
        for (int t = 0; t < STEPS; t++) {
            step(u);
            for (int i = 0; i < N; i++) {
                formula_of(&s[i], slope[i] * s[i].p);
                double got = element(&values_of[p.id], i), tolerance = k ? 3e-6 : 1e-14;
                if (!(fabs(got - s[i].p) <= tolerance * (1 + fabs(s[i].p))))
                    fail_msg("step %d, element %d: %.17g instead of %.17g", t, i, got, s[i].p);
            }
        }
        gradus_graph_destroy(&g);
    }
}

/* --- formulas ---------------------------------------------------------------------------------------------------- */

static gradus_optimizer make_sgd(void) { return gradus_sgd(.learning_rate = 0.1); }
static void sgd_formula(slots *s, double d) { s->p -= 0.1 * d; }

static gradus_optimizer make_default_sgd(void) { return gradus_sgd(); }
static void default_sgd_formula(slots *s, double d) { s->p -= 0.01 * d; }

static gradus_optimizer make_momentum(void) { return gradus_sgd(.learning_rate = 0.1, .momentum = 0.8); }
static void momentum_formula(slots *s, double d) {
    s->m = 0.8 * s->m + d;
    s->p -= 0.1 * s->m;
}

static gradus_optimizer make_nesterov(void) {
    return gradus_sgd(.learning_rate = 0.1, .momentum = 0.8, .nesterov = true);
}
static void nesterov_formula(slots *s, double d) {
    s->m = 0.8 * s->m + d;
    s->p -= 0.1 * (d + 0.8 * s->m);
}

static gradus_optimizer make_rmsprop(void) { return gradus_rmsprop(); }
static void rmsprop_formula(slots *s, double d) {
    s->v = 0.9 * s->v + (1 - 0.9) * d * d;
    s->p -= 1e-3 * d / (sqrt(s->v) + 1e-7);
}

static void adam_with(slots *s, double d, double rate, double beta1, double beta2, double epsilon) {
    s->m = beta1 * s->m + (1 - beta1) * d;
    s->v = beta2 * s->v + (1 - beta2) * d * d;
    s->c1 = s->c1 == 0 ? 1 : s->c1; /* beta^t here: the steps are few */
    s->c2 = s->c2 == 0 ? 1 : s->c2;
    s->c1 = beta1 == 0 ? 0x1p-1022 : s->c1 * beta1;
    s->c2 *= beta2;
    s->p -= rate * (s->m / (1 - s->c1)) / (sqrt(s->v / (1 - s->c2)) + epsilon);
}
static gradus_optimizer make_adam(void) { return gradus_adam(); }
static void adam_formula(slots *s, double d) { adam_with(s, d, 1e-3, 0.9, 0.999, 1e-8); }

static gradus_optimizer make_other_adam(void) {
    return gradus_adam(.learning_rate = 0.05, .beta1 = GRADUS_ZERO, .beta2 = 0.5, .epsilon = 0.1);
}
static void other_adam_formula(slots *s, double d) { adam_with(s, d, 0.05, 0, 0.5, 0.1); }

static gradus_optimizer make_adamw(void) { return gradus_adamw(.learning_rate = 0.05, .weight_decay = 0.2); }
static void adamw_formula(slots *s, double d) {
    double decay = 0.05 * 0.2 * s->p;
    adam_with(s, d, 0.05, 0.9, 0.999, 1e-8);
    s->p -= decay;
}

GUARDED_TEST(formulas) {
    gradus_graph_destroy(&g);
    check_steps(make_sgd, sgd_formula);
    check_steps(make_default_sgd, default_sgd_formula);
    check_steps(make_momentum, momentum_formula);
    check_steps(make_nesterov, nesterov_formula);
    check_steps(make_rmsprop, rmsprop_formula);
    check_steps(make_adam, adam_formula);
    check_steps(make_other_adam, other_adam_formula);
    check_steps(make_adamw, adamw_formula);
    begin(NULL);
}

/* --- recorded runs --------------------------------------------------------------------------------------------- */

enum { RECORDED = 5 };

/* What torch.optim of PyTorch 1.13 makes of `start` in double, with the options of make_…: the parameter after each step.
 * (RMSprop there: alpha = 0.9, eps = 1e-7, lr = 1e-3.) */
static const struct {
    const char *name;
    gradus_optimizer (*make)(void);
    double p[RECORDED][N];
} recorded[] = {
    {"sgd",
     make_sgd,
     {{0.48499999999999999, -1.5, 1.9998},
      {0.47044999999999998, -1.8, 1.9996000199999999},
      {0.45633649999999998, -2.1600000000000001, 1.999400059998},
      {0.44264640499999997, -2.5920000000000001, 1.9992001199920002},
      {0.42936701284999995, -3.1104000000000003, 1.9990001999800009}}},
    {"momentum",
     make_momentum,
     {{0.48499999999999999, -1.5, 1.9998},
      {0.45844999999999997, -2, 1.99944002},
      {0.42345649999999996, -2.7999999999999998, 1.9989520919979999},
      {0.38275800499999996, -4, 1.9983618543872002},
      {0.33871646884999995, -5.7600000000000007, 1.9976898281131217}}},
    {"nesterov",
     make_nesterov,
     {{0.47299999999999998, -1.7, 1.9996400000000001},
      {0.43785799999999997, -2.472, 1.9991520648000001},
      {0.39745206799999999, -3.7075200000000001, 1.9985618404683361},
      {0.35417350272799997, -5.6351232000000007, 1.9978898520369046},
      {0.30996413099508796, -8.6126469120000007, 1.9971525260656302}}},
    {"rmsprop",
     make_rmsprop,
     {{0.49683772900648421, -1.2531622772601685, 1.9968382222607872},
      {0.49455048253118711, -1.255459178078012, 1.9945460481789228},
      {0.49263878971743719, -1.2573837925817777, 1.9926275874171548},
      {0.49094407453586786, -1.2590931865896891, 1.9909251124925851},
      {0.48939276618492422, -1.2606603430725527, 1.9893653830545486}}},
    {"adam",
     make_adam,
     {{0.49900000006666667, -1.250999999996, 1.999000004999975},
      {0.49800005281790682, -1.2520000207562534, 1.9980000230684281},
      {0.49700019338529794, -1.2530000760503568, 1.9970000628929701},
      {0.49600045680761645, -1.2540001795551468, 1.9960001331190831},
      {0.49500087795263858, -1.2550003448251894, 1.9950002423311362}}},
    {"adamw",
     make_adamw,
     {{0.44500000333333312, -1.2874999998000001, 1.9300002499987501},
      {0.3907859342437987, -1.324658056804503, 1.8607548515253385},
      {0.33755062037300887, -1.3614981107544037, 1.7922944068781683},
      {0.28552381143750571, -1.3980427431416902, 1.7246505751056063},
      {0.23497634469346518, -1.4343132090040891, 1.657855991658898}}},
};

GUARDED_TEST(recorded_runs) {
    gradus_graph_destroy(&g);
    for (size_t k = 0; k < 2 * sizeof recorded / sizeof *recorded; k++) {
        begin(NULL);
        const bool wide = k % 2 == 0;
        gradus_tensor p = param("p", wide ? GRADUS_F64 : GRADUS_F32);
        gradus_program *program = NULL;
        gradus_define(g, "train", GRADUS_NO_TENSORS, GRADUS_NO_TENSORS,
                      gradus_minimize(loss_of(p), recorded[k / 2].make()));
        if (gradus_jit(g, NULL, &program) || gradus_program_init(program, 1)) fail_msg("%s", gradus_last_error());
        const size_t bytes = N * (wide ? sizeof(double) : sizeof(float));
        assert_int_equal(gradus_program_write(program, "p", values_of[p.id].data, bytes), GRADUS_OK);
        for (int t = 0; t < RECORDED; t++) {
            assert_int_equal(gradus_call(program, "train", 1, GRADUS_NO_INPUTS, GRADUS_NO_OUTPUTS), GRADUS_OK);
            assert_int_equal(gradus_program_read(program, "p", values_of[p.id].data, bytes), GRADUS_OK);
            for (int i = 0; i < N; i++) {
                const double got = element(&values_of[p.id], i), expected = recorded[k / 2].p[t][i];
                if (!(fabs(got - expected) <= (wide ? 1e-14 : 1e-6) * (1 + fabs(expected))))
                    fail_msg("%s, step %d, element %d: %.17g instead of %.17g", recorded[k / 2].name, t, i, got,
                             expected);
            }
        }
        gradus_program_destroy(&program);
        gradus_graph_destroy(&g);
    }
    begin(NULL);
}

static gradus_updates sign_rule(void *user, gradus_tensor p, gradus_tensor d, gradus_tensor rate, const char *prefix) {
    assert_string_equal(prefix, "signs/p");
    char name[64];
    snprintf(name, sizeof name, "%s/count", prefix);
    gradus_tensor count = gradus_state(g, name, GRADUS_F32, GRADUS_SCALAR, gradus_zeros());
    ++*(int *)user;
    return gradus_join(GRADUS_UPDATES(gradus_assign(p, gradus_sub(p, gradus_mul(rate, gradus_sign(d)))),
                                      gradus_assign(count, gradus_add(count, gradus_like(count, 1)))));
}

GUARDED_TEST(a_rule_of_ones_own) {
    int calls = 0;
    gradus_tensor p = param("p", GRADUS_F32);
    gradus_updates u = gradus_minimize(loss_of(p), gradus_optimizer_custom(sign_rule, &calls, 0.25, "signs"));
    initialize();
    step(u);
    step(u);
    assert_int_equal(calls, 1);
    assert_true(element(&values_of[p.id], 0) == 0 && element(&values_of[p.id], 1) == -1.75);
    assert_true(element(&values_of[gradus_find(g, "signs/p/count").id], 0) == 2);
}

/* --- state ------------------------------------------------------------------------------------------------------- */

static const node *state_named(const char *name) {
    const state_info *s = graph_state_by_name(g, name);
    if (!s) fail_msg("there is no state \"%s\"", name);
    return graph_node(g, s->node);
}

GUARDED_TEST(state_is_named) {
    gradus_tensor a = param("a", GRADUS_F32), b = param("b", GRADUS_F32), unused = param("c", GRADUS_F32);
    (void)unused;
    gradus_updates u = gradus_minimize(gradus_add(loss_of(a), loss_of(b)), gradus_adam(.learning_rate = 0.5));
    initialize();
    assert_int_equal(state_named("adam/learning_rate")->op, OP_state);
    assert_int_equal(state_named("adam/a/m")->shape.d[1], N);
    assert_int_equal(state_named("adam/b/v")->shape.d[1], N);
    assert_int_equal(state_named("adam/c1")->shape.d[0], 0);
    assert_null(graph_state_by_name(g, "adam/c/m"));
    assert_true(element(&values_of[graph_state_by_name(g, "adam/learning_rate")->node], 0) == 0.5);
    assert_int_equal(g->updates.items[u.id].count, 2 + 2 * 3); /* not the rate */
    gradus_tensor again = gradus_updated(u, a);
    assert_int_not_equal(again.id, a.id);
}

GUARDED_TEST(a_rate_in_the_graph) {
    gradus_tensor p = param("p", GRADUS_F64), rate = gradus_input(g, "rate", GRADUS_F32, GRADUS_SCALAR);
    gradus_updates u = gradus_minimize(loss_of(p), gradus_sgd(.rate = rate));
    gradus_updates v = gradus_minimize(loss_of(p), gradus_sgd(.rate = rate)); /* no state, so no clash */
    assert_true(u.id && v.id && !graph_state_by_name(g, "sgd/learning_rate"));
    values_of[rate.id] = array_of(GRADUS_F32, GRADUS_SCALAR);
    set(&values_of[rate.id], 0, (scalar){.f32 = 0.5f});
    initialize();
    step(u);
    assert_true(element(&values_of[p.id], 1) == -1.25 - 0.5 * -2 * -1.25);
}

GUARDED_TEST(two_dtypes) {
    gradus_tensor a = param("a", GRADUS_F32), b = param("b", GRADUS_F64);
    gradus_tensor loss = gradus_add(gradus_cast(loss_of(a), GRADUS_F64), loss_of(b));
    gradus_updates u = gradus_minimize(loss, gradus_adam());
    initialize();
    step(u);
    assert_int_equal(state_named("adam/learning_rate")->dtype, GRADUS_F64);
    assert_int_equal(state_named("adam/a/m")->dtype, GRADUS_F32);
    assert_true(fabs(element(&values_of[a.id], 0) - element(&values_of[b.id], 0)) < 1e-6);
}

/* --- errors ------------------------------------------------------------------------------------------------------ */

static void assert_failed(gradus_updates made, const char *part) {
    assert_int_equal(made.id, 0);
    assert_int_not_equal(g->status, GRADUS_OK);
    if (!strstr(g->error, part) || !strstr(g->error, "test_optimizers.c:"))
        fail_msg("\"%s\" does not say \"%s\" and where", g->error, part);
}

GUARDED_TEST(names_must_differ) {
    gradus_tensor a = param("a", GRADUS_F32), b = param("b", GRADUS_F32);
    assert_int_not_equal(gradus_minimize(loss_of(a), gradus_adam(.name = "first")).id, 0);
    assert_int_not_equal(gradus_minimize(loss_of(b), gradus_adam()).id, 0);
    assert_failed(gradus_minimize(loss_of(b), gradus_adam()), ".name = \"adam_2\"");
}

GUARDED_TEST(a_loss_must_reach_a_parameter) {
    gradus_tensor p = param("p", GRADUS_F32);
    assert_failed(gradus_minimize(loss_of(gradus_stop_gradient(p)), gradus_sgd()), "does not depend on any parameter");
}

GUARDED_TEST(options_have_ranges) {
    assert_failed(gradus_minimize(loss_of(param("p", GRADUS_F32)), gradus_adam(.beta2 = 1)), "adam: .beta2 is 1; a share");
}

GUARDED_TEST(options_are_named) {
    assert_failed(gradus_minimize(loss_of(param("p", GRADUS_F32)), gradus_adamw(.weight_decay = -1)),
                  "adamw: .weight_decay is -1; it must be");
}

GUARDED_TEST(an_optimizer_is_needed) {
    assert_failed(gradus_minimize(loss_of(param("p", GRADUS_F32)), (gradus_optimizer){0}), "gradus_adam()");
}

GUARDED_TEST(gradients_must_fit) {
    gradus_tensor p = param("p", GRADUS_F32), d = gradus_input(g, "d", GRADUS_F32, GRADUS_SHAPE(2));
    assert_failed(gradus_apply(gradus_sgd(), GRADUS_TENSORS(p), GRADUS_TENSORS(d)),
                  "\"p\" is f32 (3), but its gradient f32 (2)");
}

GUARDED_TEST(one_update_a_parameter) {
    gradus_tensor p = param("p", GRADUS_F32);
    assert_failed(gradus_apply(gradus_sgd(), GRADUS_TENSORS(p, p), GRADUS_TENSORS(p, p)), "\"p\" is given twice");
}

GUARDED_TEST(inputs_are_not_trained) {
    gradus_tensor d = gradus_input(g, "d", GRADUS_F32, GRADUS_SHAPE(2));
    assert_failed(gradus_apply(gradus_sgd(), GRADUS_TENSORS(d), GRADUS_TENSORS(d)), "but input, f32 (2)");
}

GUARDED_TEST(a_rate_is_a_scalar) {
    gradus_tensor p = param("p", GRADUS_F32);
    assert_failed(gradus_minimize(loss_of(p), gradus_sgd(.rate = p)), "the rate is f32 (3)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(formulas),
        TEST(recorded_runs),
        TEST(a_rule_of_ones_own),
        TEST(state_is_named),
        TEST(a_rate_in_the_graph),
        TEST(two_dtypes),
        TEST(names_must_differ),
        TEST(a_loss_must_reach_a_parameter),
        TEST(options_have_ranges),
        TEST(options_are_named),
        TEST(an_optimizer_is_needed),
        TEST(gradients_must_fit),
        TEST(one_update_a_parameter),
        TEST(inputs_are_not_trained),
        TEST(a_rate_is_a_scalar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
