/* SPDX-License-Identifier: Apache-2.0
 * Learning-rate schedules against their formulas, step by step; which calls count as steps; starting again; what users
 * are told. */
#include "layer_tests.h"

static const double pi = 3.14159265358979323846;

/* Each schedule with the t given (absent: the graph's own), and its formula. */
static gradus_tensor make_step(gradus_tensor t) {
    return gradus_step_decay(g, .learning_rate = 0.5, .every = 3, .factor = 0.25, .step = t);
}
static double step_formula(double t) { return 0.5 * pow(0.25, floor(t / 3)); }

static gradus_tensor make_default_step(gradus_tensor t) { return gradus_step_decay(g, .every = 4, .step = t); }
static double default_step_formula(double t) { return 1e-3 * pow(0.1, floor(t / 4)); }

static gradus_tensor make_exponential(gradus_tensor t) {
    return gradus_exponential_decay(g, .learning_rate = 2, .every = 5, .factor = 0.9, .step = t);
}
static double exponential_formula(double t) { return 2 * pow(0.9, t / 5); }

static gradus_tensor make_pieces(gradus_tensor t) {
    return gradus_piecewise_constant(g, .count = 3, .boundaries = (const int64_t[]){0, 2, 5},
                                     .values = (const double[]){1, 0.5, 0.125, 0}, .step = t);
}
static double pieces_formula(double t) { return t <= 0 ? 1 : t <= 2 ? 0.5 : t <= 5 ? 0.125 : 0; }

static gradus_tensor make_cosine(gradus_tensor t) {
    return gradus_cosine_decay(g, .learning_rate = 0.2, .decay_steps = 8, .step = t);
}
static double cosine_formula(double t) { return t < 8 ? 0.2 * (1 + cos(pi * t / 8)) / 2 : 0; }

static gradus_tensor make_warm(gradus_tensor t) {
    return gradus_cosine_decay(g, .learning_rate = 0.2, .decay_steps = 6, .warmup_steps = 4, .initial = 0.01,
                               .alpha = 0.1, .step = t);
}
static double warm_formula(double t) {
    if (t < 4) return 0.01 + (0.2 - 0.01) * t / 4;
    return 0.2 * (t < 10 ? 0.1 + 0.9 * (1 + cos(pi * (t - 4) / 6)) / 2 : 0.1);
}

static const struct {
    const char *name;
    gradus_tensor (*make)(gradus_tensor t);
    double (*formula)(double t);
} schedules[] = {
    {"step decay", make_step, step_formula},
    {"step decay by default", make_default_step, default_step_formula},
    {"exponential decay", make_exponential, exponential_formula},
    {"pieces", make_pieces, pieces_formula},
    {"cosine", make_cosine, cosine_formula},
    {"cosine behind a warm-up", make_warm, warm_formula},
};
enum { SCHEDULES = sizeof schedules / sizeof *schedules, STEPS = 14 };

static void assert_near(const char *name, double t, double got, double expected) {
    if (!(fabs(got - expected) <= 1e-14)) fail_msg("%s at %g: %.17g instead of %.17g", name, t, got, expected);
}

static void test_formulas(void **state) {
    (void)state;
    static const double far[] = {0, 1, 2.5, 1e6, 0x1p40};
    gradus_tensor t = gradus_input(g, "t", GRADUS_F64, GRADUS_SCALAR), outputs[SCHEDULES];
    for (int k = 0; k < SCHEDULES; k++) outputs[k] = schedules[k].make(t);
    OK(gradus_define(g, "look", GRADUS_TENSORS(t), gradus_list(outputs, SCHEDULES), GRADUS_NO_UPDATES));
    compare_compiled("schedules");
    gradus_program *p = compiled();
    OK(gradus_program_init(p, 1));
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        double rates[SCHEDULES];
        gradus_out out[SCHEDULES];
        for (int k = 0; k < SCHEDULES; k++) out[k] = (gradus_out){&rates[k], 0};
        OK(gradus_call(p, "look", 1, GRADUS_INPUTS(&far[i]), (gradus_outputs){out, SCHEDULES}));
        for (int k = 0; k < SCHEDULES; k++)
            assert_near(schedules[k].name, far[i], rates[k], schedules[k].formula(far[i]));
    }
    gradus_program_destroy(&p);
}

/* What sgd subtracts is the rate, since the gradient is 1. */
static void test_training_follows(void **state) {
    (void)state;
    for (int k = 0; k < SCHEDULES; k++) {
        begin(NULL);
        gradus_tensor w = gradus_param(g, "w", GRADUS_F32, GRADUS_SCALAR, gradus_zeros());
        gradus_tensor rate = schedules[k].make((gradus_tensor){0});
        gradus_updates follow = gradus_minimize(w, gradus_sgd(.rate = rate));
        OK(gradus_define(g, "train", GRADUS_NO_TENSORS, GRADUS_TENSORS(rate), follow));
        OK(gradus_define(g, "look", GRADUS_NO_TENSORS, GRADUS_TENSORS(rate), GRADUS_NO_UPDATES));
        gradus_program *p = compiled();
        OK(gradus_program_init(p, 1));
        for (int round = 0; round < 2; round++) {
            for (int t = 0; t < STEPS; t++) {
                const double expected = schedules[k].formula(t);
                double seen, looked;
                float at;
                OK(gradus_program_set(p, "w", 0));
                OK(gradus_call(p, "look", 1, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(&looked)));
                OK(gradus_call(p, "train", 1, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(&seen)));
                OK(gradus_program_read(p, "w", &at, sizeof at));
                assert_near(schedules[k].name, t, seen, expected);
                assert_near(schedules[k].name, t, looked, expected);
                assert_true(at == -(float)seen);
            }
            OK(gradus_program_set(p, "step", 0));
        }
        gradus_program_destroy(&p);
        gradus_graph_destroy(&g);
    }
}

static void test_who_counts(void **state) {
    (void)state;
    gradus_tensor w = gradus_param(g, "w", GRADUS_F64, GRADUS_SCALAR, gradus_zeros()), step = gradus_step(g);
    assert_int_equal(gradus_step(g).id, step.id);
    gradus_tensor rate = gradus_exponential_decay(g, .every = 1);
    gradus_updates scheduled = gradus_minimize(w, gradus_sgd(.rate = rate)), plain = gradus_minimize(w, gradus_sgd());
    OK(gradus_define(g, "a", GRADUS_NO_TENSORS, GRADUS_NO_TENSORS, scheduled));
    OK(gradus_define(g, "b", GRADUS_NO_TENSORS, GRADUS_TENSORS(step), plain));
    OK(gradus_define(g, "no", GRADUS_NO_TENSORS, GRADUS_NO_TENSORS, plain));
    OK(gradus_define(g, "look", GRADUS_NO_TENSORS, GRADUS_TENSORS(step), GRADUS_NO_UPDATES));
    gradus_program *p = compiled();
    OK(gradus_program_init(p, 1));
    int64_t seen;
    OK(gradus_call(p, "a", 1, GRADUS_NO_INPUTS, GRADUS_NO_OUTPUTS));
    OK(gradus_call(p, "b", 1, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(&seen)));
    assert_int_equal(seen, 1); /* the value from before */
    OK(gradus_call(p, "no", 1, GRADUS_NO_INPUTS, GRADUS_NO_OUTPUTS));
    OK(gradus_call(p, "look", 1, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(&seen)));
    assert_int_equal(seen, 2);
    gradus_program_destroy(&p);
    /* a graph from a file has the same counter */
    static const char path[] = "schedules_test.gradus";
    OK(gradus_graph_write(g, path));
    gradus_graph_destroy(&g);
    OK(gradus_graph_read(path, &g));
    remove(path);
    assert_int_equal(gradus_step(g).id, gradus_find(g, "step").id);
    assert_int_equal(g->attached.count, 1);
}

static void test_errors(void **state) {
    (void)state;
    static const int64_t boundaries[] = {1, 5, 5};
    static const double values[] = {1, 2, -3, 4};
    assert_failed(gradus_step_decay(g, .factor = 0.5), "step_decay: .every is 0; right is a number of steps from 1 on");
    assert_failed(gradus_step_decay(g, .every = 2, .factor = -1), "step_decay: .factor is -1");
    assert_failed(gradus_exponential_decay(g, .every = 2, .factor = GRADUS_ZERO), "exponential_decay: .factor is 0");
    assert_failed(gradus_exponential_decay(g, .every = 2, .learning_rate = -1), ".learning_rate is -1");
    assert_failed(gradus_piecewise_constant(g, .values = values), ".count is 0");
    assert_failed(gradus_piecewise_constant(g, .count = 1, .values = values), "boundaries or values are NULL");
    assert_failed(gradus_piecewise_constant(g, .count = 2, .values = values, .boundaries = boundaries),
                  "a value is -3");
    assert_failed(
        gradus_piecewise_constant(g, .count = 2, .values = (const double[]){1, 2, 3}, .boundaries = boundaries + 1),
        "boundary 5 stands behind 5");
    assert_failed(gradus_cosine_decay(g, .learning_rate = 1), "cosine_decay: .decay_steps is 0");
    assert_failed(gradus_cosine_decay(g, .decay_steps = 1, .warmup_steps = -1), ".warmup_steps is -1");
    assert_failed(gradus_cosine_decay(g, .decay_steps = 1, .alpha = 1.5), ".alpha is 1.5");
    assert_failed(gradus_cosine_decay(g, .decay_steps = 1, .initial = NAN), ".initial is nan");
    assert_failed(gradus_cosine_decay(g, .decay_steps = 1, .step = given("t", GRADUS_I32, GRADUS_SHAPE(2))),
                  ".step is (2); right is a scalar");
    assert_failed(gradus_cosine_decay(g, .decay_steps = 1, .step = gradus_training(g)), "an operand is bool ()");
    given("step", GRADUS_I64, GRADUS_SCALAR);
    assert_failed(gradus_step(g), "step: the name \"step\" is taken by the input");
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_formulas), TEST(test_training_follows), TEST(test_who_counts),
                                       TEST(test_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
