/* SPDX-License-Identifier: Apache-2.0
 * check_nan: which tensor is named, what is no fault, and that a call that fails leaves everything as it was. */
#include "tests/cmocka_all.h"

#include <gradus/gradus.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 2, COLUMNS = 3, ELEMENTS = ROWS * COLUMNS };

/* A graph of x f32 (B, 3) whose line `at_fault` is looked for.  Its entry "run" has one output, y. */
typedef struct {
    const char *what;
    gradus_tensor (*build)(gradus_tensor x);
    float x[ELEMENTS];
    const char *expected; /* behind the file and line; NULL: no fault */
} trial;

static int at_fault;
#define HERE at_fault = __LINE__

static gradus_compile_options options(int32_t threads, bool check_nan) {
    return (gradus_compile_options){.size_ = sizeof(gradus_compile_options), .max_batch = ROWS, .threads = threads, .check_nan = check_nan};
}

static void run_trial(const trial *t) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, COLUMNS)), y = t->build(x);
    gradus_program *p = NULL;
    gradus_define(g, "run", GRADUS_TENSORS(x), GRADUS_TENSORS(y), GRADUS_NO_UPDATES);
    gradus_compile_options o = options(0, true);
    if (gradus_jit(g, &o, &p)) fail_msg("%s: %s", t->what, gradus_last_error());
    assert_int_equal(gradus_program_init(p, 1), GRADUS_OK);
    static double out[64];
    gradus_status status = gradus_call(p, "run", ROWS, GRADUS_INPUTS(t->x), GRADUS_OUTPUTS((void *)out));
    if (!t->expected && status) fail_msg("%s: %s", t->what, gradus_last_error());
    if (t->expected) {
        char expected[512];
        snprintf(expected, sizeof expected, "%s:%d: %s", __FILE__, at_fault, t->expected);
        if (status != GRADUS_ERROR_NAN) fail_msg("%s: status %d", t->what, status);
        if (strcmp(gradus_last_error(), expected) != 0) fail_msg("%s: \"%s\", expected \"%s\"", t->what, gradus_last_error(), expected);
    }
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
}

/* --- what is at fault ---------------------------------------------------------------------------------------------- */

static gradus_tensor exp_of(gradus_tensor x) { HERE; return gradus_mul(gradus_add(gradus_exp(x), x), x); }
static gradus_tensor log_of(gradus_tensor x) { HERE; return gradus_neg(gradus_log(x)); }
static gradus_tensor log1p_of(gradus_tensor x) { HERE; return gradus_log1p(x); }
static gradus_tensor expm1_of(gradus_tensor x) { HERE; return gradus_expm1(x); }
static gradus_tensor sqrt_of(gradus_tensor x) { HERE; return gradus_sqrt(x); }
static gradus_tensor rsqrt_of(gradus_tensor x) { HERE; return gradus_rsqrt(x); }
static gradus_tensor inverse(gradus_tensor x) { HERE; return gradus_div(gradus_like(x, 1), x); }
static gradus_tensor sum_of_two(gradus_tensor x) { HERE; return gradus_add(x, x); }
static gradus_tensor difference(gradus_tensor x) { HERE; return gradus_sub(x, gradus_neg(x)); }
static gradus_tensor square(gradus_tensor x) { HERE; return gradus_mul(x, x); }
static gradus_tensor power(gradus_tensor x) { HERE; return gradus_pow(x, gradus_like(x, -1)); }
static gradus_tensor wide(gradus_tensor x) { return gradus_square(gradus_cast(x, GRADUS_F64)); }
static gradus_tensor narrowed(gradus_tensor x) { HERE; return gradus_cast(wide(x), GRADUS_F32); }
static gradus_tensor row_sum(gradus_tensor x) { HERE; return gradus_sum(x, GRADUS_AXES(1), false); }
static gradus_tensor product(gradus_tensor x) { HERE; return gradus_prod(x, GRADUS_AXES(1), false); }
static gradus_tensor matmul(gradus_tensor x) { HERE; return gradus_matmul(x, gradus_transpose(x, GRADUS_AXES(1, 0))); }
static gradus_tensor two_faults(gradus_tensor x) {
    gradus_tensor later = gradus_neg(x);
    HERE; gradus_tensor first = gradus_log(x);
    return gradus_add(gradus_exp(later), first);
}
static gradus_tensor named(gradus_tensor x) { HERE; return gradus_named(gradus_log(x), "likelihood"); }

/* Somewhere on the way it moves: the fault is still where it arose. */
static gradus_tensor moved(gradus_tensor x) {
    HERE; gradus_tensor y = gradus_exp(x);
    return gradus_concat(GRADUS_TENSORS(gradus_slice(gradus_transpose(y, GRADUS_AXES(1, 0)), 0, 1, 3), gradus_like(gradus_transpose(gradus_slice(y, 1, 0, 1), GRADUS_AXES(1, 0)), 2)), 0);
}

/* The derivative of sqrt at 0. */
static gradus_tensor gradient_of_sqrt(gradus_tensor x) {
    HERE; gradus_tensor y = gradus_sqrt(x);
    return gradus_gradient(y, x);
}

static void reciprocal(const float *x, float *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = 1 / x[i];
}
static gradus_tensor function(gradus_tensor x) {
    HERE; return gradus_custom(GRADUS_TENSORS(x), .function = GRADUS_FUNCTION(reciprocal), .signature = "void reciprocal(const float *x, float *y, int64_t n)");
}

/* A row all of which may be masked. */
static gradus_tensor masked_softmax(gradus_tensor x) {
    gradus_tensor mask = gradus_greater(x, gradus_like(x, 0));
    HERE; return gradus_softmax(gradus_where(mask, x, gradus_like(x, -INFINITY)), -1);
}

static gradus_tensor infinities_meet(gradus_tensor x) {
    gradus_tensor below = gradus_where(gradus_greater(x, gradus_like(x, 0)), x, gradus_like(x, -INFINITY));
    HERE; return gradus_sub(below, below);
}

/* An overflow beside an infinity that was asked for. */
static gradus_tensor sum_beside_mask(gradus_tensor x) {
    gradus_tensor below = gradus_where(gradus_greater(x, gradus_like(x, 0)), x, gradus_like(x, -INFINITY));
    HERE; return gradus_sum(below, GRADUS_AXES(1), false);
}
static gradus_tensor exp_beside_mask(gradus_tensor x) {
    gradus_tensor below = gradus_where(gradus_greater(x, gradus_like(x, 0)), x, gradus_like(x, -INFINITY));
    HERE; return gradus_exp(below);
}

static gradus_tensor nan_constant(gradus_tensor x) {
    static const float data[COLUMNS] = {0, NAN, 0};
    HERE; gradus_tensor c = gradus_constant(x.graph, GRADUS_F32, GRADUS_SHAPE(COLUMNS), data, sizeof data);
    return gradus_add(x, c);
}

/* log(0) at 60 is not chosen, exp(100) is. */
static gradus_tensor chosen_branch(gradus_tensor x) {
    gradus_tensor large = gradus_greater(x, gradus_like(x, 50));
    gradus_tensor harmless = gradus_log(gradus_abs(gradus_sub(x, gradus_like(x, 60))));
    HERE; gradus_tensor overflows = gradus_exp(x);
    return gradus_where(large, overflows, harmless);
}

/* --- what is not ---------------------------------------------------------------------------------------------------- */

static gradus_tensor not_chosen(gradus_tensor x) {
    return gradus_where(gradus_greater(x, gradus_like(x, 0)), gradus_log(x), gradus_like(x, 0));
}
static gradus_tensor disappears(gradus_tensor x) {
    return gradus_div(gradus_like(x, 1), gradus_add(gradus_like(x, 1), gradus_exp(x)));
}
static gradus_tensor asked_for(gradus_tensor x) { return gradus_add(x, gradus_like(x, INFINITY)); }
static gradus_tensor padded(gradus_tensor x) { return gradus_pad(x, 1, 1, 1, -INFINITY); }
static gradus_tensor compared(gradus_tensor x) { return gradus_less(gradus_log(x), gradus_like(x, 0)); }
static gradus_tensor position(gradus_tensor x) { return gradus_argmax(gradus_log(x), GRADUS_AXES(1), false); }

#define PLAIN {1, 2, 3, 4, 5, 6}

static const trial trials[] = {
    {"exp", exp_of, {1, 2, 3, 4, 100, 6}, "exp: first NaN/Inf at [1, 1] of (2, 3): inf from 100"},
    {"exp, fine", exp_of, PLAIN, NULL},
    {"log", log_of, {1, 2, 0, 4, 5, 6}, "log: first NaN/Inf at [0, 2] of (2, 3): -inf from 0"},
    {"log1p", log1p_of, {1, 2, -1, 4, 5, -2}, "log1p: first NaN/Inf at [0, 2] of (2, 3): -inf from -1"},
    {"expm1", expm1_of, {1, 2, 3, 4, 5, 90}, "expm1: first NaN/Inf at [1, 2] of (2, 3): inf from 90"},
    {"rsqrt", rsqrt_of, {0, 2, 3, 4, 5, 6}, "rsqrt: first NaN/Inf at [0, 0] of (2, 3): inf from 0"},
    {"div", inverse, {1, 2, 3, 0, 5, 6}, "div: first NaN/Inf at [1, 0] of (2, 3): inf from 1, 0"},
    {"add", sum_of_two, {1, 3e38f, 3, 4, 5, 6}, "add: first NaN/Inf at [0, 1] of (2, 3): inf from 3.00000001e+38, 3.00000001e+38"},
    {"sub", difference, {1, -3e38f, 3, 4, 5, 6}, "sub: first NaN/Inf at [0, 1] of (2, 3): -inf from -3.00000001e+38, 3.00000001e+38"},
    {"mul", square, {1, 2, 3, 4, 5, 1e20f}, "mul: first NaN/Inf at [1, 2] of (2, 3): inf from 1.00000002e+20, 1.00000002e+20"},
    {"pow", power, {1, 2, 3, 0, 5, 6}, "pow: first NaN/Inf at [1, 0] of (2, 3): inf from 0, -1"},
    {"cast", narrowed, {1, 2, 3, 4, 2e20f, 6}, "cast: first NaN/Inf at [1, 1] of (2, 3): inf from 4.00000016e+40"},
    {"sum", row_sum, {1, 2, 3, 3e38f, 3e38f, 6}, "sum: first NaN/Inf at [1] of (2): inf"},
    {"prod", product, {1e20f, 2, 1e20f, 4, 5, 6}, "prod: first NaN/Inf at [0] of (2): inf"},
    {"matmul", matmul, {1, 2, 3, 4, 5, 1e20f}, "matmul: first NaN/Inf at [1, 1] of (2, 2): inf"},
    {"the first of two", two_faults, {1, 2, 3, 0, -100, 6}, "log: first NaN/Inf at [1, 0] of (2, 3): -inf from 0"},
    {"a name", named, {1, 2, 3, 0, 5, 6}, "log \"likelihood\": first NaN/Inf at [1, 0] of (2, 3): -inf from 0"},
    {"behind movement", moved, {1, 2, 3, 4, 100, 6}, "exp: first NaN/Inf at [1, 1] of (2, 3): inf from 100"},
    {"gradient", gradient_of_sqrt, {1, 2, 3, 4, 0, 6}, "gradient of sqrt: divide_no_nan: first NaN/Inf at [1, 1] of (2, 3): inf from 0.5, 0"},
    {"a function in C", function, {1, 2, 3, 4, 0, 6}, "reciprocal: first NaN/Inf at [1, 1] of (2, 3): inf"},
    {"a masked row", masked_softmax, {1, 2, 3, -4, -5, -6}, NULL},
    {"a mask", masked_softmax, {1, -2, 3, -4, -5, 6}, NULL},
    {"inf - inf", infinities_meet, {1, -2, 3, 4, 5, 6}, "sub: first NaN/Inf at [0, 1] of (2, 3): nan from -inf, -inf"},
    {"a sum beside -inf", sum_beside_mask, {1, -2, 3, 3e38f, 3e38f, 6}, "sum: first NaN/Inf at [1] of (2): inf"},
    {"a sum with -inf", sum_beside_mask, {1, -2, 3, 4, 5, 6}, NULL},
    {"exp beside -inf", exp_beside_mask, {1, -2, 100, 4, 5, 6}, "exp: first NaN/Inf at [0, 2] of (2, 3): inf from 100"},
    {"exp of -inf", exp_beside_mask, {1, -2, 3, 4, 5, 6}, NULL},
    {"a NaN constant", nan_constant, PLAIN, "constant: first NaN/Inf at [1] of (3): nan"},
    {"the branch that is chosen", chosen_branch, {1, -2, 100, 0, 60, 6}, "exp: first NaN/Inf at [0, 2] of (2, 3): inf from 100"},
    {"log is not chosen", not_chosen, {1, -2, 0, 4, 5, 6}, NULL},
    {"1 / (1 + inf)", disappears, {1, 100, 3, 4, 5, 6}, NULL},
    {"an infinite constant", asked_for, PLAIN, NULL},
    {"infinite padding", padded, PLAIN, NULL},
    {"a comparison", compared, {1, -2, 0, 4, 5, 6}, NULL},
    {"argmax", position, {1, -2, 0, 4, 5, 6}, NULL},
};

static void test_faults(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) run_trial(&trials[i]);
    run_trial(&(trial){"sqrt", sqrt_of, {1, 2, 3, -4, 5, 6}, "sqrt: first NaN/Inf at [1, 0] of (2, 3): nan from -4"});
}

/* Inputs are named, and where their line is does not matter here. */
static void test_inputs(void **state) {
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    const char *const words[] = {"nan", "inf", "-inf"};
    for (int i = 0; i < 3; i++) {
        gradus_graph *g = gradus_graph_create();
        gradus_tensor x = gradus_input_at("data.c", 9, g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, COLUMNS));
        gradus_tensor y = gradus_input_at("data.c", 10, g, "y", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, COLUMNS));
        gradus_define(g, "run", GRADUS_TENSORS(y, x), GRADUS_TENSORS(gradus_mul(x, gradus_square(y))), GRADUS_NO_UPDATES);
        gradus_program *p = NULL;
        gradus_compile_options o = options(1, true);
        assert_int_equal(gradus_jit(g, &o, &p), GRADUS_OK);
        float xs[ELEMENTS] = PLAIN, ys[ELEMENTS] = PLAIN, out[ELEMENTS];
        ys[4] = bad[i];
        assert_int_equal(gradus_call(p, "run", ROWS, GRADUS_INPUTS(ys, xs), GRADUS_OUTPUTS(out)), GRADUS_ERROR_NAN);
        char expected[128];
        snprintf(expected, sizeof expected, "data.c:10: input \"y\": first NaN/Inf at [1, 1] of (2, 3): %s", words[i]);
        assert_string_equal(gradus_last_error(), expected);
        gradus_program_destroy(&p);
        gradus_graph_destroy(&g);
    }
}

/* --- state ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    gradus_graph *g;
    gradus_program *p;
} training;

/* A loss whose gradient divides by zero where a label is 0; random numbers, a running value and slots are state, too. */
static training train_with(int32_t threads, bool check_nan) {
    training t = {.g = gradus_graph_create()};
    gradus_tensor x = gradus_input(t.g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, COLUMNS));
    gradus_tensor h = gradus_dense(x, .units = 40, .name = "fc", .activation = GRADUS_TANH);
    h = gradus_mul(h, gradus_random_uniform(t.g, GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 40)));
    gradus_tensor loss = gradus_mean(gradus_sqrt(gradus_sum(gradus_square(gradus_mul(h, gradus_sum(x, GRADUS_AXES(1), true))), GRADUS_AXES(1), false)), GRADUS_ALL_AXES, false);
    gradus_tensor sum = gradus_state(t.g, "running", GRADUS_F32, GRADUS_SCALAR, gradus_zeros());
    gradus_updates step = gradus_join(GRADUS_UPDATES(gradus_minimize(loss, gradus_adam()), gradus_assign(sum, gradus_add(sum, loss))));
    gradus_define(t.g, "train", GRADUS_TENSORS(x), GRADUS_TENSORS(loss), step);
    gradus_compile_options o = options(threads, check_nan);
    if (gradus_jit(t.g, &o, &t.p)) fail_msg("%s", gradus_last_error());
    assert_int_equal(gradus_program_init(t.p, 3), GRADUS_OK);
    return t;
}

static void destroy(training *t) {
    gradus_program_destroy(&t->p);
    gradus_graph_destroy(&t->g);
}

static void good_step(training *t) {
    static const float x[ELEMENTS] = PLAIN;
    float loss;
    if (gradus_call(t->p, "train", ROWS, GRADUS_INPUTS(x), GRADUS_OUTPUTS(&loss))) fail_msg("%s", gradus_last_error());
}

/* Rows that are 0: sqrt'(0).  The loss is finite, so that it is the state alone that shows it. */
static void bad_step(training *t, char *error, size_t size) {
    static const float x[ELEMENTS];
    float loss;
    assert_int_equal(gradus_call(t->p, "train", ROWS, GRADUS_INPUTS(x), GRADUS_OUTPUTS(&loss)), GRADUS_ERROR_NAN);
    assert_true(loss == 0);
    snprintf(error, size, "%s", gradus_last_error());
}

static void test_state(void **state) {
    (void)state;
    char first[2048] = "", error[2048];
    for (int32_t threads = 1; threads <= 4; threads++) {
        training checked = train_with(threads, true), plain = train_with(threads, false);
        void *a, *b;
        size_t bytes, other;
        assert_int_equal(gradus_program_state(checked.p, &a, &bytes), GRADUS_OK);
        assert_int_equal(gradus_program_state(plain.p, &b, &other), GRADUS_OK);
        assert_int_equal(bytes, other);
        for (int i = 0; i < 3; i++) {
            good_step(&checked);
            good_step(&plain);
            assert_memory_equal(a, b, bytes);
            bad_step(&checked, error, sizeof error);
            assert_memory_equal(a, b, bytes); /* parameters, slots, the counter of random numbers */
        }
        if (threads == 1) memcpy(first, error, sizeof first);
        assert_string_equal(first, error);
        assert_non_null(strstr(error, "gradient of sqrt: divide_no_nan: first NaN/Inf at [0] of (2): "));
        destroy(&checked);
        destroy(&plain);
    }
}

static void test_state_with_a_nan(void **state) {
    (void)state;
    training t = train_with(1, true);
    float bias[40] = {0};
    bias[7] = NAN;
    assert_int_equal(gradus_program_write(t.p, "fc/bias", bias, sizeof bias), GRADUS_OK);
    static const float x[ELEMENTS] = PLAIN;
    float loss;
    assert_int_equal(gradus_call(t.p, "train", ROWS, GRADUS_INPUTS(x), GRADUS_OUTPUTS(&loss)), GRADUS_ERROR_NAN);
    assert_non_null(strstr(gradus_last_error(), ": param \"fc/bias\": first NaN/Inf at [7] of (40): "));
    destroy(&t);
}

/* A running minimum starts at infinity, which is fine until nothing finite comes. */
static void test_infinite_state(void **state) {
    (void)state;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SCALAR);
    gradus_tensor least = gradus_state(g, "least", GRADUS_F32, GRADUS_SCALAR, gradus_fill(INFINITY));
    gradus_define(g, "see", GRADUS_TENSORS(x), GRADUS_TENSORS(gradus_named(gradus_neg(x), "out")), gradus_assign(least, gradus_minimum(least, x)));
    gradus_define(g, "forget", GRADUS_NO_TENSORS, GRADUS_NO_TENSORS, gradus_assign(least, gradus_like(least, INFINITY)));
    gradus_define(g, "ask", GRADUS_NO_TENSORS, GRADUS_TENSORS(gradus_neg(least)), GRADUS_NO_UPDATES);
    gradus_program *p = NULL;
    gradus_compile_options o = options(1, true);
    assert_int_equal(gradus_jit(g, &o, &p), GRADUS_OK);
    assert_int_equal(gradus_program_init(p, 1), GRADUS_OK);
    float out;
    assert_int_equal(gradus_call(p, "ask", 0, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(&out)), GRADUS_ERROR_NAN);
    assert_non_null(strstr(gradus_last_error(), ": state \"least\": first NaN/Inf: inf"));
    assert_int_equal(gradus_call(p, "see", 0, GRADUS_INPUTS((const float[]){3}), GRADUS_OUTPUTS(&out)), GRADUS_OK);
    assert_int_equal(gradus_call(p, "ask", 0, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(&out)), GRADUS_OK);
    assert_true(out == -3);
    assert_int_equal(gradus_call(p, "forget", 0, GRADUS_NO_INPUTS, GRADUS_NO_OUTPUTS), GRADUS_OK);
    assert_int_equal(gradus_program_read(p, "least", &out, sizeof out), GRADUS_OK);
    assert_true(out == INFINITY);
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
}

static void test_environment(void **state) {
    (void)state;
    char error[2048];
    setenv("GRADUS_DEBUG", "nan", 1);
    training t = train_with(1, false);
    unsetenv("GRADUS_DEBUG");
    bad_step(&t, error, sizeof error);
    destroy(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults),           cmocka_unit_test(test_inputs),         cmocka_unit_test(test_state),
        cmocka_unit_test(test_state_with_a_nan), cmocka_unit_test(test_infinite_state), cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
