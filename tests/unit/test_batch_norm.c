/* SPDX-License-Identifier: Apache-2.0
 * Batch normalisation and the updates that it attaches: its formulas written out here once more, derivatives through the
 * batch's statistics, running statistics over several steps, which entries update them, compiled code against the
 * evaluator, and what users are told. */
#include "layer_tests.h"

enum { BATCH = 3, CHANNELS_MAX = 8 };

typedef struct {
    gradus_shape shape;
    int axis; /* as the option */
    bool no_scale, no_center;
    double momentum, epsilon; /* as the options */
} norm_case;

static const norm_case cases[] = {
    {{{2, GRADUS_BATCH, 5}}, 0, false, false, 0, 0},
    {{{2, GRADUS_BATCH, 1}}, -1, true, false, 0.5, 1e-2},
    {{{2, 4, 2 * GRADUS_BATCH}}, -2, false, true, 0.75, 0},
    {{{2, 7, 3}}, 1, true, true, GRADUS_ZERO, 0},
    {{{3, GRADUS_BATCH, 4, 3}}, 0, false, false, 0.9, 1e-5},
    {{{3, 2, GRADUS_BATCH, 3}}, -3, false, false, 1, 0.1},
    {{{4, GRADUS_BATCH, 2, 3, 4}}, 0, false, false, 0, 0},
    {{{4, GRADUS_BATCH, 4, 2, 3}}, 1, false, false, 0, 0}, /* channels first */
    {{{5, GRADUS_BATCH, 2, 1, 2, 3}}, 0, false, false, 0, 0},
};
enum { CASES = sizeof cases / sizeof *cases };

typedef struct {
    gradus_tensor x, y, gamma, beta, mean, variance;
    double momentum, epsilon;
    int axis, channels;
} norm;

static norm norm_of(const norm_case *c, gradus_dtype dtype) {
    norm n = {.x = given("x", dtype, c->shape)};
    const gradus_initializer scales = gradus_uniform(0.5, 1.5), shifts = gradus_uniform(-1, 1), none = {0};
    n.y = gradus_batch_norm(n.x, .axis = c->axis, .momentum = c->momentum, .epsilon = c->epsilon, .name = "bn",
                            .no_scale = c->no_scale, .no_center = c->no_center,
                            .gamma_init = c->no_scale ? none : scales, .beta_init = c->no_center ? none : shifts);
    if (!c->no_scale) n.gamma = gradus_find(g, "bn/gamma");
    if (!c->no_center) n.beta = gradus_find(g, "bn/beta");
    n.mean = gradus_find(g, "bn/moving_mean");
    n.variance = gradus_find(g, "bn/moving_variance");
    if (g->status) fail_msg("%s", g->error);
    n.momentum = c->momentum == 0 ? (signbit(c->momentum) ? 0 : 0.99) : c->momentum;
    n.epsilon = c->epsilon == 0 ? 1e-3 : c->epsilon;
    n.axis = c->axis > 0 ? c->axis : (int)c->shape.d[0] + (c->axis ? c->axis : -1);
    n.channels = (int)c->shape.d[n.axis + 1];
    assert_int_equal(gradus_shape_of(n.mean).d[1], n.channels);
    assert_true(gradus_name_of(n.mean) && gradus_dtype_of(n.variance) == dtype);
    assert_int_equal(gradus_params(g, NULL).count, !c->no_scale + !c->no_center);
    return n;
}

static int channel_of(const norm *n, const gradus_shape *s, int64_t i) {
    int64_t index[GRADUS_MAX_RANK];
    unravel(s, i, index);
    return (int)index[n->axis];
}

/* The statistics of x for each channel. */
static void statistics(const norm *n, const array *x, double *mean, double *variance) {
    const int64_t size = size_of(&x->shape);
    const double count = (double)(size / n->channels);
    for (int c = 0; c < n->channels; c++) mean[c] = variance[c] = 0;
    for (int64_t i = 0; i < size; i++) mean[channel_of(n, &x->shape, i)] += element(x, i) / count;
    for (int64_t i = 0; i < size; i++) {
        const int c = channel_of(n, &x->shape, i);
        variance[c] += pow(element(x, i) - mean[c], 2) / count;
    }
}

static void assert_near(const char *what, int64_t i, double got, double expected, double tolerance) {
    if (!(fabs(got - expected) <= tolerance * (1 + fabs(expected))))
        fail_msg("%s, element %lld: %.17g instead of %.17g", what, (long long)i, got, expected);
}

/* --- meaning ------------------------------------------------------------------------------------------------------- */

static void set_states(norm *n) {
    const gradus_shape s = GRADUS_SHAPE(n->channels);
    if (n->gamma.id) values_of[n->gamma.id] = grid(s, 0.5, 1.5, 0.1);
    if (n->beta.id) values_of[n->beta.id] = grid(s, -1, 1, 0.3);
    values_of[n->mean.id] = grid(s, -3, -2, 0.5);
    values_of[n->variance.id] = grid(s, 4, 5, 0.5);
}

GUARDED_TEST(values_and_derivatives) {
    for (int k = 0; k < CASES; k++) {
        begin(NULL);
        norm n = norm_of(&cases[k], GRADUS_F64);
        set_states(&n);
        double mean[CHANNELS_MAX], variance[CHANNELS_MAX];
        const array *x = &values_of[n.x.id];
        statistics(&n, x, mean, variance);
        assert_int_equal(g->attached.count, 2);
        const uint32_t of_interest[] = {n.y.id, g->attached.items[0].update.value, g->attached.items[1].update.value};
        array got[3];
        evaluate_nodes(g, BATCH, of_interest, 3, got);
        for (int64_t i = 0; i < size_of(&x->shape); i++) {
            const int c = channel_of(&n, &x->shape, i);
            const double gamma = n.gamma.id ? element(&values_of[n.gamma.id], c) : 1;
            const double beta = n.beta.id ? element(&values_of[n.beta.id], c) : 0;
            assert_near("y", i, element(&got[0], i),
                        (element(x, i) - mean[c]) / sqrt(variance[c] + n.epsilon) * gamma + beta, 1e-13);
        }
        for (int c = 0; c < n.channels; c++) {
            const double m = n.momentum, old_mean = element(&values_of[n.mean.id], c),
                         old_variance = element(&values_of[n.variance.id], c);
            assert_near("mean", c, element(&got[1], c), m * old_mean + (1 - m) * mean[c], 1e-13);
            assert_near("variance", c, element(&got[2], c), m * old_variance + (1 - m) * variance[c], 1e-13);
        }
        uint32_t of[3] = {n.x.id}, count = 1, dx;
        if (n.gamma.id) of[count++] = n.gamma.id;
        if (n.beta.id) of[count++] = n.beta.id;
        const uint32_t sum = weighted_sum_of(g, n.y.id, BATCH);
        assert_true(check_gradients(g, BATCH, "batch_norm", sum, of, count, 1e-3, 1e-7) > 0.1);
        autodiff_gradients(g, "test", sum, of, 1, &dx);
        assert_true(check_gradients(g, BATCH, "its derivative", weighted_sum_of(g, dx, BATCH), of, 1, 1e-3, 1e-6) >
                    0.01);
        gradus_graph_destroy(&g);
    }
    begin(NULL);
}

static void test_compiled(void **state) {
    (void)state;
    for (int k = 0; k < 2 * CASES; k++) {
        begin(NULL);
        norm n = norm_of(&cases[k / 2], k % 2 ? GRADUS_F64 : GRADUS_F32);
        gradus_tensor loss = gradus_sum(gradus_square(gradus_sub(n.y, gradus_sin(n.x))), GRADUS_ALL_AXES, false);
        gradus_tensors in = GRADUS_TENSORS(n.x), out = GRADUS_TENSORS(n.y, gradus_gradient(loss, n.x));
        if (gradus_params(g, NULL).count)
            OK(gradus_define(g, "train", in, GRADUS_TENSORS(loss), gradus_minimize(loss, gradus_sgd())));
        OK(gradus_define_with(g, "watch", in, out, GRADUS_NO_UPDATES, .mode = GRADUS_TRAINING));
        OK(gradus_define(g, "predict", in, out, GRADUS_NO_UPDATES));
        compare_compiled("batch_norm");
        gradus_graph_destroy(&g);
    }
}

/* --- running statistics ------------------------------------------------------------------------------------------ */

enum { FEATURES = 3, STEPS = 6, MOST = 16 };

static double xs[MOST * FEATURES], running_mean[FEATURES], running_variance[FEATURES];

static void assert_running(gradus_program *p, const char *when) {
    double mean[FEATURES], variance[FEATURES];
    OK(gradus_program_read(p, "batch_norm/moving_mean", mean, sizeof mean));
    OK(gradus_program_read(p, "batch_norm/moving_variance", variance, sizeof variance));
    for (int c = 0; c < FEATURES; c++) {
        assert_near(when, c, mean[c], running_mean[c], 1e-13);
        assert_near(when, c, variance[c], running_variance[c], 1e-13);
    }
}

/* New inputs, and what the running statistics become by a step on them. */
static void next_batch(int64_t batch, bool moves) {
    for (int64_t i = 0; i < batch * FEATURES; i++) xs[i] = random_signed() * (double)(1 + i % FEATURES) + 2;
    for (int c = 0; c < FEATURES && moves; c++) {
        double mean = 0, variance = 0;
        for (int64_t i = 0; i < batch; i++) mean += xs[i * FEATURES + c] / (double)batch;
        for (int64_t i = 0; i < batch; i++) variance += pow(xs[i * FEATURES + c] - mean, 2) / (double)batch;
        running_mean[c] = 0.99 * running_mean[c] + (1 - 0.99) * mean;
        running_variance[c] = 0.99 * running_variance[c] + (1 - 0.99) * variance;
    }
}

static void test_running_statistics(void **state) {
    (void)state;
    gradus_tensor x = gradus_input(g, "x", GRADUS_F64, GRADUS_SHAPE(GRADUS_BATCH, FEATURES));
    gradus_tensor y = gradus_batch_norm(x), loss = gradus_sum(gradus_square(y), GRADUS_ALL_AXES, false);
    gradus_tensor slope = gradus_gradient(loss, x);
    gradus_tensors in = GRADUS_TENSORS(x), out = GRADUS_TENSORS(y, slope);
    gradus_updates other = gradus_assign(gradus_state(g, "other", GRADUS_F64, GRADUS_SCALAR, gradus_zeros()), loss);
    OK(gradus_define(g, "train", in, GRADUS_TENSORS(loss), gradus_minimize(loss, gradus_sgd())));
    OK(gradus_define_with(g, "watch", in, GRADUS_TENSORS(slope), GRADUS_NO_UPDATES, .mode = GRADUS_TRAINING));
    OK(gradus_define(g, "predict", in, out, GRADUS_NO_UPDATES));
    OK(gradus_define_with(g, "frozen", in, GRADUS_TENSORS(loss), other, .mode = GRADUS_INFERENCE));
    gradus_program *p = compiled();
    OK(gradus_program_init(p, 1));
    double of_batch, ys[MOST * FEATURES], slopes[MOST * FEATURES];
    for (int c = 0; c < FEATURES; c++) running_mean[c] = 0, running_variance[c] = 1;
    assert_running(p, "at first");
    for (int t = 0; t < STEPS; t++) {
        const int64_t batch = 2 + 3 * t % (MOST - 1);
        next_batch(batch, true);
        OK(gradus_call(p, "train", batch, GRADUS_INPUTS(xs), GRADUS_OUTPUTS(&of_batch)));
        assert_running(p, "trained");
    }
    next_batch(5, true);
    OK(gradus_call(p, "watch", 5, GRADUS_INPUTS(xs), GRADUS_OUTPUTS(slopes)));
    assert_running(p, "watched, without other updates");
    next_batch(7, false);
    OK(gradus_call(p, "frozen", 7, GRADUS_INPUTS(xs), GRADUS_OUTPUTS(&of_batch)));
    assert_running(p, "frozen, with other updates");
    OK(gradus_call(p, "predict", 7, GRADUS_INPUTS(xs), GRADUS_OUTPUTS(ys, slopes)));
    assert_running(p, "predicted");
    double gamma[FEATURES], beta[FEATURES];
    OK(gradus_program_read(p, "batch_norm/gamma", gamma, sizeof gamma));
    OK(gradus_program_read(p, "batch_norm/beta", beta, sizeof beta));
    for (int i = 0; i < 7 * FEATURES; i++) {
        const int c = i % FEATURES;
        const double scale = gamma[c] / sqrt(running_variance[c] + 1e-3);
        assert_near("predicted y", i, ys[i], (xs[i] - running_mean[c]) * scale + beta[c], 1e-12);
        assert_near("predicted slope", i, slopes[i], 2 * ys[i] * scale, 1e-12);
    }
    gradus_program_destroy(&p);
}

/* Nothing of the batch's statistics is left in inference, not even in derivatives: an infinite x stays where it is. */
static void test_inference_is_elementwise(void **state) {
    (void)state;
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 2));
    gradus_tensor y = gradus_batch_norm(x), slope = gradus_gradient(y, x);
    OK(gradus_define(g, "predict", GRADUS_TENSORS(x), GRADUS_TENSORS(y, slope), GRADUS_NO_UPDATES));
    gradus_program *p = compiled();
    OK(gradus_program_init(p, 1));
    const float in[] = {INFINITY, 1, 2, NAN, 0, 3};
    float out[6], slopes[6];
    OK(gradus_call(p, "predict", 3, GRADUS_INPUTS(in), GRADUS_OUTPUTS(out, slopes)));
    for (int i = 0; i < 6; i++) {
        if (isfinite(in[i])) assert_true(fabsf(out[i] - in[i] / sqrtf(1.001f)) < 1e-6f);
        assert_true(fabsf(slopes[i] - 1 / sqrtf(1.001f)) < 1e-6f);
    }
    gradus_program_destroy(&p);
}

/* --- attached updates -------------------------------------------------------------------------------------------- */

static gradus_tensor bn_x, bn_y;

/* How many updates the entry "e" of outputs and updates has. */
static uint32_t updates_of(gradus_tensor out, gradus_updates updates, gradus_mode mode) {
    char name[32];
    static int made;
    snprintf(name, sizeof name, "e%d", made++);
    if (gradus_define_with(g, name, GRADUS_TENSORS(bn_x), GRADUS_TENSORS(out), updates, .mode = mode))
        fail_msg("%s", gradus_last_error());
    return graph_entry(g, name)->updates.count;
}

static void make_attached(void) {
    bn_x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 2));
    bn_y = gradus_batch_norm(gradus_batch_norm(bn_x, .no_scale = true), .name = "second");
}

static void test_who_is_updated(void **state) {
    (void)state;
    make_attached();
    gradus_tensor first_mean = gradus_find(g, "batch_norm/moving_mean");
    assert_int_equal(updates_of(bn_x, GRADUS_NO_UPDATES, GRADUS_TRAINING), 0); /* does not depend on them */
    assert_int_equal(updates_of(first_mean, GRADUS_NO_UPDATES, GRADUS_TRAINING), 0);
    assert_int_equal(updates_of(bn_y, GRADUS_NO_UPDATES, GRADUS_TRAINING), 4);
    assert_int_equal(updates_of(bn_y, GRADUS_NO_UPDATES, GRADUS_MODE_AUTO), 0);
    gradus_tensor loss = gradus_sum(gradus_square(bn_y), GRADUS_ALL_AXES, false);
    gradus_updates step = gradus_minimize(loss, gradus_sgd());
    assert_int_equal(updates_of(bn_x, step, GRADUS_MODE_AUTO), 3 + 4); /* by the gradients alone */
    assert_int_equal(updates_of(loss, step, GRADUS_INFERENCE), 3);
    /* an update of one's own stands instead */
    gradus_updates own = gradus_assign(first_mean, gradus_scalar(g, GRADUS_F32, 7));
    assert_int_equal(updates_of(loss, gradus_join(GRADUS_UPDATES(step, own)), GRADUS_MODE_AUTO), 3 + 4);
    const entry *last = &g->entries.items[g->entries.count - 1];
    int found = 0;
    for (uint32_t i = 0; i < last->updates.count; i++)
        if (last->updates.items[i].state == first_mean.id)
            found += last->updates.items[i].value == gradus_updated(own, first_mean).id;
    assert_int_equal(found, 1);
    /* copies update nothing */
    gradus_tensor z = gradus_input(g, "z", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 2));
    gradus_tensor copy = gradus_substitute(bn_y, GRADUS_TENSORS(bn_x), GRADUS_TENSORS(z));
    bn_x = z;
    assert_int_equal(updates_of(copy, GRADUS_NO_UPDATES, GRADUS_TRAINING), 0);
}

static void test_an_input_of_an_attached_update(void **state) {
    (void)state;
    make_attached();
    assert_int_equal(
        gradus_define_with(g, "e", GRADUS_NO_TENSORS, GRADUS_TENSORS(bn_y), GRADUS_NO_UPDATES, .mode = GRADUS_TRAINING),
        GRADUS_ERROR_ARGUMENT);
    assert_non_null(strstr(gradus_last_error(), "depends on the input \"x\""));
}

static void test_files(void **state) {
    (void)state;
    make_attached();
    static const char path[] = "batch_norm_test.gradus";
    OK(gradus_graph_write(g, path));
    gradus_graph_destroy(&g);
    OK(gradus_graph_read(path, &g));
    remove(path);
    assert_int_equal(g->attached.count, 4);
    bn_x = gradus_find(g, "x");
    /* the file names no result: the last node is the second norm's */
    assert_int_equal(updates_of((gradus_tensor){g, g->nodes.count - 1}, GRADUS_NO_UPDATES, GRADUS_TRAINING), 4);
}

static void test_two_attached_updates(void **state) {
    (void)state;
    gradus_tensor s = gradus_state(g, "s", GRADUS_F32, GRADUS_SCALAR, gradus_zeros());
    gradus_tensor a = gradus_scalar(g, GRADUS_F32, 1), b = gradus_scalar(g, GRADUS_F32, 2), c = gradus_add(a, b);
    guard here;
    if (GUARDED(&here)) {
        graph_attach(g, a.id, s.id, c.id);
        graph_attach(g, b.id, s.id, c.id); /* the same update */
        guard_leave(&here);
    }
    OK(gradus_define_with(g, "one", GRADUS_NO_TENSORS, GRADUS_TENSORS(a, b), GRADUS_NO_UPDATES,
                          .mode = GRADUS_TRAINING));
    assert_int_equal(graph_entry(g, "one")->updates.count, 1);
    if (GUARDED(&here)) {
        graph_attach(g, c.id, s.id, a.id);
        guard_leave(&here);
    }
    assert_int_equal(
        gradus_define_with(g, "two", GRADUS_NO_TENSORS, GRADUS_TENSORS(c), GRADUS_NO_UPDATES, .mode = GRADUS_TRAINING),
        GRADUS_ERROR_ARGUMENT);
    if (!strstr(gradus_last_error(), "test_batch_norm.c:") ||
        !strstr(gradus_last_error(), "update \"s\" by themselves"))
        fail_msg("%s", gradus_last_error());
}

/* --- errors ------------------------------------------------------------------------------------------------------ */

static void test_errors(void **state) {
    (void)state;
#define X(...) given("x", GRADUS_F32, GRADUS_SHAPE(__VA_ARGS__))
    assert_failed(gradus_batch_norm(given("x", GRADUS_I32, GRADUS_SHAPE(2, 3))),
                  "batch_norm: an operand is i32 (2, 3)");
    assert_failed(gradus_batch_norm(X(3)), "batch_norm: statistics of axis 0 of (3)");
    assert_failed(gradus_batch_norm(given("x", GRADUS_F32, GRADUS_SCALAR)), "axis -1 of a scalar");
    assert_failed(gradus_batch_norm(X(GRADUS_BATCH, 3), .axis = -2), "statistics of axis 0 of (B, 3)");
    assert_failed(gradus_batch_norm(X(2, 0, 3)), "others that have elements");
    assert_failed(gradus_batch_norm(X(2, 3), .axis = 2), "axis 2 of a tensor of rank 2");
    assert_failed(gradus_batch_norm(X(2, 3), .momentum = 1.5), ".momentum is 1.5");
    assert_failed(gradus_batch_norm(X(2, 3), .momentum = NAN), ".momentum is nan");
    assert_failed(gradus_batch_norm(X(2, 3), .epsilon = -1e-3), ".epsilon is -0.001");
    assert_failed(gradus_batch_norm(X(2, 3), .no_scale = true, .gamma_init = gradus_ones()),
                  ".no_scale and a .gamma_init");
    assert_failed(gradus_batch_norm(X(2, 3), .no_center = true, .beta_init = gradus_ones()),
                  ".no_center and a .beta_init");
    assert_failed(gradus_batch_norm(gradus_batch_norm(X(2, 3), .name = "a"), .name = "a"),
                  "the name \"a/gamma\" is taken");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(values_and_derivatives),
        TEST(test_compiled),
        TEST(test_running_statistics),
        TEST(test_inference_is_elementwise),
        TEST(test_who_is_updated),
        TEST(test_an_input_of_an_attached_update),
        TEST(test_files),
        TEST(test_two_attached_updates),
        TEST(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
