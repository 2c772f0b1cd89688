/* SPDX-License-Identifier: Apache-2.0
 * Calls that do not say where they stand, as other languages make them: no message then names a place. */
#include "cmocka_all.h"

#include <gradus/gradus.h>

#include <string.h>

static gradus_graph *g;
static gradus_tensor x, y, w;

static int setup(void **state) {
    (void)state;
    g = gradus_graph_create();
    x = (gradus_input)(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 3));
    y = (gradus_input)(g, "y", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH));
    w = (gradus_param)(g, "w", GRADUS_F32, GRADUS_SHAPE(3), gradus_ones());
    return 0;
}

static int teardown(void **state) {
    (void)state;
    gradus_graph_destroy(&g);
    return 0;
}

/* The message begins with what was called, and has neither "?" nor a line 0. */
static void assert_no_place(const char *message, const char *begins) {
    if (strncmp(message, begins, strlen(begins)) || strstr(message, ":0") || strchr(message, '?'))
        fail_msg("\"%s\" should begin with \"%s\" and name no place", message, begins);
}

static int identity(const float *from, float *to, int64_t n) {
    memcpy(to, from, (size_t)n * sizeof *to);
    return 0;
}

static void test_builders_name_no_place(void **state) {
    (void)state;
    (gradus_input)(g, "x", GRADUS_F32, GRADUS_SHAPE(3));
    assert_no_place(gradus_graph_error(g), "input: the name \"x\" is taken by an input");
}

static void test_derivatives_name_no_place(void **state) {
    (void)state;
    gradus_tensor mine = (gradus_custom)(GRADUS_TENSORS(w), gradus_custom_options(
        .function = GRADUS_FUNCTION(identity), .signature = "int identity(const float *x, float *y, int64_t n)"));
    (gradus_gradient)(mine, w);
    assert_no_place(gradus_graph_error(g), "gradient: custom identity has no derivative");
}

static void test_optimizers_name_no_place(void **state) {
    (void)state;
    gradus_tensor loss = (gradus_sum)(w, GRADUS_ALL_AXES, false);
    (gradus_minimize)(loss, (gradus_sgd)(NULL));
    (gradus_minimize)(loss, (gradus_sgd)(NULL));
    assert_no_place(gradus_graph_error(g), "minimize: \"sgd/learning_rate\" exists already");
}

static void test_entries_name_no_place(void **state) {
    (void)state;
    assert_int_not_equal((gradus_define)(g, "e", GRADUS_NO_TENSORS, GRADUS_TENSORS(x), GRADUS_NO_UPDATES), GRADUS_OK);
    assert_no_place(gradus_last_error(), "define: entry \"e\" depends on the input");
}

static void test_calls_name_no_place(void **state) {
    (void)state;
    const float rows[2][3] = {{0}};
    const int32_t classes[2] = {0, 7};
    float losses[2], logs[2][3];
    gradus_program *p = NULL;
    gradus_tensor z = (gradus_mul)(x, w);
    (gradus_define)(g, "label", GRADUS_TENSORS(x, y), GRADUS_TENSORS((gradus_softmax_cross_entropy)(z, y)), GRADUS_NO_UPDATES);
    (gradus_define)(g, "log", GRADUS_TENSORS(x), GRADUS_TENSORS((gradus_log)(z)), GRADUS_NO_UPDATES);
    assert_int_equal(gradus_jit(g, gradus_compile_options(.max_batch = 2, .check_nan = true), &p), GRADUS_OK);
    assert_int_equal(gradus_program_init(p, 1), GRADUS_OK);
    assert_int_equal(gradus_call(p, "label", 2, GRADUS_INPUTS(rows, classes), GRADUS_OUTPUTS(losses)), GRADUS_ERROR_ARGUMENT);
    assert_no_place(gradus_last_error(), "softmax_cross_entropy: index 7");
    assert_int_equal(gradus_call(p, "log", 2, GRADUS_INPUTS(rows), GRADUS_OUTPUTS(logs)), GRADUS_ERROR_NAN);
    assert_no_place(gradus_last_error(), "log: first NaN/Inf");
    gradus_program_destroy(&p);
}

static void test_models_name_no_place(void **state) {
    (void)state;
    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(3));
    (gradus_model_add)(m, gradus_layer_dense(.units = 2, .name = "a"));
    assert_int_not_equal((gradus_model_compile)(m, NULL), GRADUS_OK);
    assert_no_place(gradus_last_error(), "gradus_model_compile: ");
    gradus_model_destroy(&m);
    m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(3));
    assert_int_not_equal((gradus_model_add)(m, gradus_layer_dense()), GRADUS_OK);
    assert_no_place(gradus_last_error(), "gradus_model_add: layer 1");
    gradus_model_destroy(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_builders_name_no_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_derivatives_name_no_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_optimizers_name_no_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_entries_name_no_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_calls_name_no_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_models_name_no_place, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
