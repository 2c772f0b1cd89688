/* SPDX-License-Identifier: Apache-2.0
 * What users are told, from the first builder call to the last program call, with real compiled code: the operation,
 * the shapes, the file and line of their call, and what would be right; and that a failed call changes nothing. */
#include <gradus/gradus.h>

#include "tests/cmocka_all.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BATCHES 4

/* A classifier of 10 classes with everything that can go wrong, compiled once a test. */
static gradus_graph *g;
static gradus_program *p;
static int loss_line;

static gradus_graph *make_model(void) {
    gradus_graph *m = gradus_graph_create();
    gradus_tensor x = gradus_input(m, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 3));
    gradus_tensor y = gradus_input(m, "y", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH));
    gradus_tensor z = gradus_dense(x, .units = 10, .name = "fc");
    loss_line = __LINE__ + 1;
    gradus_tensor loss = gradus_named(gradus_mean(gradus_softmax_cross_entropy(z, y), GRADUS_ALL_AXES, false), "loss");
    gradus_define(m, "train", GRADUS_TENSORS(x, y), GRADUS_TENSORS(loss), gradus_minimize(loss, gradus_adam()));
    gradus_define(m, "predict", GRADUS_TENSORS(x), GRADUS_TENSORS(gradus_softmax(z, -1)), GRADUS_NO_UPDATES);
    gradus_define(m, "norm", GRADUS_NO_TENSORS,
                  GRADUS_TENSORS(gradus_sum(gradus_square(gradus_find(m, "fc/kernel")), GRADUS_ALL_AXES, false)),
                  GRADUS_NO_UPDATES);
    return m;
}

static int make(void **state) {
    (void)state;
    p = NULL;
    g = make_model();
    if (gradus_jit(g, gradus_compile_options(.max_batch = BATCHES, .threads = 2), &p))
        print_error("%s\n", gradus_last_error());
    return p == NULL;
}

static int unmake(void **state) {
    (void)state;
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
    return 0;
}

/* The status, and each of the words, up to the NULL, in the message. */
static void assert_says(int line, gradus_status got, gradus_status expected, const char *const *words) {
    const char *message = gradus_last_error();
    if (got != expected)
        fail_msg("line %d: %s instead of %s: %s", line, gradus_status_name(got), gradus_status_name(expected), message);
    for (; *words; words++)
        if (!strstr(message, *words)) fail_msg("line %d: \"%s\" is not in \"%s\"", line, *words, message);
}
#define SAYS(call, status, ...) assert_says(__LINE__, (call), (status), (const char *const[]){__VA_ARGS__, NULL})
#define OK(call) assert_says(__LINE__, (call), GRADUS_OK, (const char *const[]){NULL})

static float x[BATCHES * 3] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, loss, probabilities[BATCHES * 10];
static int32_t y[BATCHES] = {0, 9, 4, 2};

/* --- calls ------------------------------------------------------------------------------------------------------- */

static void test_wrong_calls(void **state) {
    (void)state;
    double doubles[BATCHES * 3] = {0};
    int64_t wide[BATCHES] = {0};
    gradus_inputs in = GRADUS_INPUTS(x, y);
    gradus_outputs out = GRADUS_OUTPUTS(&loss);
    SAYS(gradus_call(p, "train", 2, in, out), GRADUS_ERROR_UNINITIALIZED, "train", "gradus_program_init");
    OK(gradus_program_init(p, 1));
    OK(gradus_call(p, "train", 2, in, out));
    SAYS(gradus_call(p, "trian", 2, in, out), GRADUS_ERROR_NOT_FOUND, "\"trian\"", "near is \"train\"");
    SAYS(gradus_call(p, "init", 2, in, out), GRADUS_ERROR_NOT_FOUND, "\"init\"");
    SAYS(gradus_call(p, "", 2, in, out), GRADUS_ERROR_NOT_FOUND, "\"train\", \"predict\", \"norm\"");
    SAYS(gradus_call(NULL, "train", 2, in, out), GRADUS_ERROR_ARGUMENT, "gradus_call", "program is NULL");
    SAYS(gradus_call(p, NULL, 2, in, out), GRADUS_ERROR_ARGUMENT, "gradus_call", "NULL");
    SAYS(gradus_call(p, "train", 2, GRADUS_INPUTS(x), out), GRADUS_ERROR_MISMATCH, "train: got 1 input, expected 2",
         "x f32 (B, 3), y i32 (B)");
    SAYS(gradus_call(p, "train", 2, GRADUS_INPUTS(x, y, y), out), GRADUS_ERROR_MISMATCH, "got 3 inputs, expected 2");
    SAYS(gradus_call(p, "train", 2, GRADUS_NO_INPUTS, out), GRADUS_ERROR_MISMATCH, "got 0 inputs");
    SAYS(gradus_call(p, "train", 2, in, GRADUS_NO_OUTPUTS), GRADUS_ERROR_MISMATCH, "got 0 outputs, expected 1",
         "loss f32 ()");
    SAYS(gradus_call(p, "train", 2, in, GRADUS_OUTPUTS(&loss, &loss)), GRADUS_ERROR_MISMATCH,
         "got 2 outputs, expected 1");
    SAYS(gradus_call(p, "norm", 1, in, out), GRADUS_ERROR_MISMATCH, "norm: got 2 inputs, expected 0");
    SAYS(gradus_call(p, "train", 0, in, out), GRADUS_ERROR_ARGUMENT, "train: batch is 0", "1 … 4");
    SAYS(gradus_call(p, "train", -1, in, out), GRADUS_ERROR_ARGUMENT, "batch is -1");
    SAYS(gradus_call(p, "train", 5, in, out), GRADUS_ERROR_ARGUMENT, "batch is 5", "1 … 4");
    SAYS(gradus_call(p, "train", INT64_MAX, in, out), GRADUS_ERROR_ARGUMENT, "batch is 9223372036854775807");
    SAYS(gradus_call(p, "train", INT64_MIN, in, out), GRADUS_ERROR_ARGUMENT, "batch is -9223372036854775808");
    OK(gradus_call(p, "norm", -7, GRADUS_NO_INPUTS, out)); /* no batch dimension: ignored */
    SAYS(gradus_call(p, "train", 2, GRADUS_INPUTS(doubles, y), out), GRADUS_ERROR_MISMATCH,
         "train: input 0 \"x\" is f32 (B, 3)", "got f64");
    SAYS(gradus_call(p, "train", 2, GRADUS_INPUTS(x, wide), out), GRADUS_ERROR_MISMATCH, "input 1 \"y\" is i32 (B)",
         "got i64");
    SAYS(gradus_call(p, "train", 2, GRADUS_INPUTS(y, x), out), GRADUS_ERROR_MISMATCH, "input 0 \"x\"", "got i32");
    SAYS(gradus_call(p, "train", 2, in, GRADUS_OUTPUTS(doubles)), GRADUS_ERROR_MISMATCH, "output 0 \"loss\" is f32 ()",
         "got f64");
    SAYS(gradus_call(p, "train", 2, GRADUS_INPUTS(x, (int32_t *)NULL), out), GRADUS_ERROR_ARGUMENT, "input 1 \"y\"",
         "NULL");
    SAYS(gradus_call(p, "train", 2, in, GRADUS_OUTPUTS((float *)NULL)), GRADUS_ERROR_ARGUMENT, "output 0 \"loss\"",
         "NULL");
    SAYS(gradus_call(p, "train", 2, (gradus_inputs){NULL, 2}, out), GRADUS_ERROR_ARGUMENT, "inputs is NULL");
    SAYS(gradus_call(p, "train", 2, in, (gradus_outputs){NULL, 1}), GRADUS_ERROR_ARGUMENT, "outputs is NULL");
    SAYS(gradus_call(p, "train", 2, (gradus_inputs){(gradus_in[]){{x, 99}, {y, 0}}, 2}, out), GRADUS_ERROR_MISMATCH,
         "input 0", "dtype 99");
    OK(gradus_call(p, "train", 2, GRADUS_INPUTS((void *)x, (const void *)y), GRADUS_OUTPUTS((void *)&loss)));
}

/* --- indices ----------------------------------------------------------------------------------------------------- */

static void test_label_out_of_range(void **state) {
    (void)state;
    static unsigned char before[1 << 16];
    void *block;
    size_t bytes;
    char place[64];
    snprintf(place, sizeof place, "test_jit_errors.c:%d: softmax_cross_entropy: ", loss_line);
    OK(gradus_program_init(p, 1));
    OK(gradus_program_state(p, &block, &bytes));
    assert_true(bytes > 0 && bytes <= sizeof before);
    memcpy(before, block, bytes);
    for (int at = 0; at < BATCHES; at++) {
        int32_t labels[BATCHES] = {0, 9, 4, 2};
        char where[64];
        labels[at] = at % 2 ? -1 : 10;
        snprintf(where, sizeof where, "index %d at [%d] of (4) is outside 0 … 9", labels[at], at);
        loss = 123;
        SAYS(gradus_call(p, "train", 4, GRADUS_INPUTS(x, labels), GRADUS_OUTPUTS(&loss)), GRADUS_ERROR_ARGUMENT, place,
             where, "the state is as it was");
        assert_memory_equal(before, block, bytes);
        assert_true(loss == 123);
        if (at > 0) { /* only what the batch covers is looked at */
            memcpy(before, block, bytes);
            OK(gradus_call(p, "train", at, GRADUS_INPUTS(x, labels), GRADUS_OUTPUTS(&loss)));
            memcpy(before, block, bytes);
        }
    }
}

static void test_index_coordinates(void **state) {
    (void)state;
    gradus_graph *m = gradus_graph_create();
    gradus_tensor table = gradus_param(m, "table", GRADUS_F32, GRADUS_SHAPE(5, 2), gradus_ones());
    gradus_tensor ids = gradus_input(m, "ids", GRADUS_I64, GRADUS_SHAPE(GRADUS_BATCH, 3));
    gradus_tensor id = gradus_input(m, "id", GRADUS_I32, GRADUS_SCALAR);
    int line = __LINE__ + 1;
    gradus_tensor rows = gradus_take(table, ids, 0), row = gradus_take(table, id, 0);
    gradus_define(m, "look", GRADUS_TENSORS(ids, id), GRADUS_TENSORS(rows, row), GRADUS_NO_UPDATES);
    gradus_program *q = NULL;
    OK(gradus_jit(m, gradus_compile_options(.max_batch = 2), &q));
    OK(gradus_program_init(q, 1));
    int64_t many[6] = {0, 1, 2, 3, 4, INT64_MIN};
    int32_t one = 4;
    float r[12], s[2];
    char place[64];
    snprintf(place, sizeof place, "test_jit_errors.c:%d: take: ", line);
    SAYS(gradus_call(q, "look", 2, GRADUS_INPUTS(many, &one), GRADUS_OUTPUTS(r, s)), GRADUS_ERROR_ARGUMENT, place,
         "index -9223372036854775808 at [1, 2] of (2, 3) is outside 0 … 4");
    many[5] = 0, one = 5;
    SAYS(gradus_call(q, "look", 2, GRADUS_INPUTS(many, &one), GRADUS_OUTPUTS(r, s)), GRADUS_ERROR_ARGUMENT, place,
         "take: index 5 is outside 0 … 4");
    one = 0;
    OK(gradus_call(q, "look", 2, GRADUS_INPUTS(many, &one), GRADUS_OUTPUTS(r, s)));
    /* The name of a check is none of the user's. */
    assert_int_equal(gradus_named(row, "take").id != 0, true);
    gradus_program_destroy(&q);
    gradus_graph_destroy(&m);
}

/* --- values ------------------------------------------------------------------------------------------------------ */

static void test_nan_is_a_value(void **state) {
    (void)state;
    float strange[BATCHES * 3];
    for (int i = 0; i < BATCHES * 3; i++) strange[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
    OK(gradus_program_init(p, 1));
    OK(gradus_call(p, "predict", 4, GRADUS_INPUTS(strange), GRADUS_OUTPUTS(probabilities)));
    for (int i = 0; i < BATCHES * 10; i++) assert_true(isnan(probabilities[i]));
    OK(gradus_call(p, "train", 4, GRADUS_INPUTS(strange, y), GRADUS_OUTPUTS(&loss)));
    assert_true(isnan(loss));
    OK(gradus_program_init(p, 1));
    OK(gradus_call(p, "train", 4, GRADUS_INPUTS(x, y), GRADUS_OUTPUTS(&loss)));
    assert_true(isfinite(loss));
}

/* --- state by name ----------------------------------------------------------------------------------------------- */

static void test_state_by_name(void **state) {
    (void)state;
    float kernel[30] = {0};
    SAYS(gradus_program_read(p, "fc/kernel", kernel, sizeof kernel), GRADUS_ERROR_UNINITIALIZED, "gradus_program_init");
    OK(gradus_program_init(p, 1));
    OK(gradus_program_read(p, "fc/kernel", kernel, sizeof kernel));
    SAYS(gradus_program_read(p, "fc/kernal", kernel, sizeof kernel), GRADUS_ERROR_NOT_FOUND, "gradus_program_read",
         "\"fc/kernal\"", "near", "\"fc/kernel\"");
    SAYS(gradus_program_read(p, "x", kernel, 4), GRADUS_ERROR_NOT_FOUND, "no state tensor is named \"x\"");
    SAYS(gradus_program_read(p, "fc/kernel", kernel, 119), GRADUS_ERROR_MISMATCH,
         "\"fc/kernel\" is f32 (3, 10): 120 bytes", "got 119");
    SAYS(gradus_program_write(p, "fc/kernel", kernel, 121), GRADUS_ERROR_MISMATCH, "gradus_program_write", "120 bytes",
         "got 121");
    SAYS(gradus_program_read(p, "fc/kernel", NULL, 120), GRADUS_ERROR_ARGUMENT, "\"fc/kernel\"", "NULL");
    SAYS(gradus_program_write(p, "fc/kernel", NULL, 120), GRADUS_ERROR_ARGUMENT, "NULL");
    SAYS(gradus_program_read(p, NULL, kernel, 120), GRADUS_ERROR_ARGUMENT, "name is NULL");
    SAYS(gradus_program_read(NULL, "fc/kernel", kernel, 120), GRADUS_ERROR_ARGUMENT, "program is NULL");
    SAYS(gradus_program_write(NULL, "fc/kernel", kernel, 120), GRADUS_ERROR_ARGUMENT, "program is NULL");
    SAYS(gradus_program_set(p, "adam/learning_rat", 1), GRADUS_ERROR_NOT_FOUND, "\"adam/learning_rate\"");
    SAYS(gradus_program_set(p, "adam/learning_rate", 1e300), GRADUS_ERROR_ARGUMENT, "\"adam/learning_rate\" is f32",
         "1e+300");
    SAYS(gradus_program_set(NULL, "adam/learning_rate", 1), GRADUS_ERROR_ARGUMENT, "NULL");
    OK(gradus_program_set(p, "adam/learning_rate", 0.5));
    SAYS(gradus_program_init(NULL, 1), GRADUS_ERROR_ARGUMENT, "gradus_program_init", "NULL");
    SAYS(gradus_program_reseed(NULL, 1), GRADUS_ERROR_ARGUMENT, "gradus_program_reseed", "NULL");
    OK(gradus_program_reseed(p, 1));
}

static void test_information(void **state) {
    (void)state;
    gradus_info info;
    gradus_entry_info e;
    void *block;
    size_t bytes;
    gradus_program *q;
    OK(gradus_program_entry(p, 0, &e));
    assert_string_equal(e.name, "train");
    assert_int_equal(e.max_batch, BATCHES);
    OK(gradus_program_entry(p, 2, &e));
    assert_int_equal(e.max_batch, 0);
    SAYS(gradus_program_entry(p, 3, &e), GRADUS_ERROR_NOT_FOUND, "3 entries", "index 3");
    SAYS(gradus_program_entry(p, 0, NULL), GRADUS_ERROR_ARGUMENT, "NULL");
    SAYS(gradus_program_entry(NULL, 0, &e), GRADUS_ERROR_ARGUMENT, "program is NULL");
    OK(gradus_program_info(p, "train", GRADUS_OUTPUT, 0, 0, &info));
    assert_string_equal(info.name, "loss");
    OK(gradus_program_info(p, "train", GRADUS_INPUT, 0, 2, &info));
    assert_int_equal(info.bytes, 24);
    SAYS(gradus_program_info(p, "train", GRADUS_INPUT, 2, 0, &info), GRADUS_ERROR_NOT_FOUND, "train has 2 inputs",
         "index 2");
    SAYS(gradus_program_info(p, "tain", GRADUS_INPUT, 0, 0, &info), GRADUS_ERROR_NOT_FOUND, "\"train\"");
    SAYS(gradus_program_info(p, NULL, GRADUS_INPUT, 0, 0, &info), GRADUS_ERROR_ARGUMENT, "NULL");
    SAYS(gradus_program_info(p, "train", GRADUS_INPUT, 0, 5, &info), GRADUS_ERROR_ARGUMENT, "batch is 5", "1 … 4");
    SAYS(gradus_program_info(p, "train", (gradus_role)7, 0, 0, &info), GRADUS_ERROR_ARGUMENT, "role 7", "GRADUS_STATE");
    SAYS(gradus_program_info(p, NULL, GRADUS_STATE, 1000, 0, &info), GRADUS_ERROR_NOT_FOUND, "state tensors", "1000");
    SAYS(gradus_program_info(p, "train", GRADUS_INPUT, 0, 0, NULL), GRADUS_ERROR_ARGUMENT, "NULL");
    SAYS(gradus_program_info(NULL, "train", GRADUS_INPUT, 0, 0, &info), GRADUS_ERROR_ARGUMENT, "program is NULL");
    SAYS(gradus_program_state(NULL, &block, &bytes), GRADUS_ERROR_ARGUMENT, "program is NULL");
    SAYS(gradus_program_state(p, NULL, &bytes), GRADUS_ERROR_ARGUMENT, "NULL");
    SAYS(gradus_program_share(NULL, &q), GRADUS_ERROR_ARGUMENT, "NULL");
    SAYS(gradus_program_share(p, NULL), GRADUS_ERROR_ARGUMENT, "NULL");
}

/* --- compiling --------------------------------------------------------------------------------------------------- */

/* A machine of 1 GB. */
static void *small_memory(void *user, void *memory, size_t bytes) {
    (void)user;
    if (bytes > 1 << 30) return NULL;
    if (bytes) return realloc(memory, bytes);
    free(memory);
    return NULL;
}

static void test_wrong_options(void **state) {
    (void)state;
    gradus_program *q = (gradus_program *)&q;
    gradus_compile_options newer = {.size_ = sizeof newer, .max_batch = 4, .reserved_ = {0, 7}};
    gradus_compile_options unsized = {.max_batch = 4}, huge = {.size_ = SIZE_MAX, .max_batch = 4};
    SAYS(gradus_jit(NULL, NULL, &q), GRADUS_ERROR_ARGUMENT, "gradus_jit", "graph is NULL");
    assert_null(q);
    SAYS(gradus_jit(g, NULL, NULL), GRADUS_ERROR_ARGUMENT, "gradus_jit", "NULL");
    SAYS(gradus_jit(g, NULL, &q), GRADUS_ERROR_ARGUMENT, "test_jit_errors.c:", "\"train\"", "batch dimension",
         ".max_batch");
    assert_null(q);
    SAYS(gradus_jit(g, gradus_compile_options(.max_batch = -1), &q), GRADUS_ERROR_ARGUMENT, "max_batch is -1");
    SAYS(gradus_jit(g, gradus_compile_options(.max_batch = 4, .threads = -1), &q), GRADUS_ERROR_ARGUMENT,
         "threads is -1");
    SAYS(gradus_jit(g, gradus_compile_options(.max_batch = 4, .threads = 1 << 30), &q), GRADUS_ERROR_ARGUMENT,
         "threads");
    SAYS(gradus_jit(g, gradus_compile_options(.max_batch = INT64_MAX), &q), GRADUS_ERROR_ARGUMENT,
         "test_jit_errors.c:", "max_batch of 9223372036854775807", "too many elements");
    gradus_set_allocator(small_memory, NULL);
    SAYS(gradus_jit(g, gradus_compile_options(.max_batch = (int64_t)1 << 40), &q), GRADUS_ERROR_MEMORY, "out of memory",
         "arena", "bytes");
    gradus_set_allocator(NULL, NULL);
    assert_null(q);
    SAYS(gradus_jit(g, &newer, &q), GRADUS_ERROR_ARGUMENT, "gradus_jit", "option");
    SAYS(gradus_jit(g, &unsized, &q), GRADUS_ERROR_ARGUMENT, "gradus_jit", "size_", "macro");
    SAYS(gradus_jit(g, &huge, &q), GRADUS_ERROR_ARGUMENT, "gradus_jit", "size_");
    assert_null(q);
    assert_int_equal(gradus_graph_status(g), GRADUS_OK); /* the graph is no worse for it */
}

static void *no_memory(void *user, void *memory, size_t bytes) {
    (void)user;
    if (!bytes) free(memory);
    return NULL;
}

static void test_graphs_that_do_not_compile(void **state) {
    (void)state;
    gradus_program *q = NULL;
    gradus_graph *m = gradus_graph_create();
    SAYS(gradus_jit(m, NULL, &q), GRADUS_ERROR_GRAPH, "no entry point", "gradus_define");
    gradus_set_allocator(no_memory, NULL);
    gradus_graph *poor = gradus_graph_create();
    gradus_set_allocator(NULL, NULL);
    SAYS(gradus_jit(poor, NULL, &q), GRADUS_ERROR_MEMORY, "out of memory");
    gradus_graph_destroy(&poor);
    gradus_tensor a = gradus_input(m, "a", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 784));
    gradus_tensor w = gradus_param(m, "w", GRADUS_F32, GRADUS_SHAPE(10, 784), gradus_zeros());
    char place[64];
    snprintf(place, sizeof place, "test_jit_errors.c:%d: matmul: ", __LINE__ + 1);
    gradus_tensor bad = gradus_matmul(a, w);
    gradus_tensor later = gradus_relu(gradus_add(bad, w));
    SAYS(gradus_graph_status(m), GRADUS_ERROR_ARGUMENT, "");
    assert_non_null(strstr(gradus_graph_error(m), place));
    SAYS(gradus_define(m, "f", GRADUS_TENSORS(a), GRADUS_TENSORS(later), GRADUS_NO_UPDATES), GRADUS_ERROR_GRAPH, place,
         "(B, 784) x (10, 784)", "inner dimensions 784 and 10 differ", "transposed would fit");
    SAYS(gradus_jit(m, gradus_compile_options(.max_batch = 4), &q), GRADUS_ERROR_GRAPH, place, "(B, 784) x (10, 784)");
    assert_null(q);
    assert_int_equal(gradus_params(m, NULL).count, 0);
    gradus_graph_destroy(&m);
}

/* --- defining ---------------------------------------------------------------------------------------------------- */

typedef gradus_status (*definition)(gradus_graph *m, gradus_tensor in, gradus_tensor w);
#define DEFINITION(name, ...)                                                       \
    static gradus_status name(gradus_graph *m, gradus_tensor in, gradus_tensor w) { \
        return (void)in, (void)w, (void)m, __VA_ARGS__;                             \
    }

DEFINITION(no_name, gradus_define(m, NULL, GRADUS_TENSORS(in), GRADUS_TENSORS(in), GRADUS_NO_UPDATES))
DEFINITION(no_identifier, gradus_define(m, "my entry", GRADUS_TENSORS(in), GRADUS_TENSORS(in), GRADUS_NO_UPDATES))
DEFINITION(called_init, gradus_define(m, "init", GRADUS_TENSORS(in), GRADUS_TENSORS(in), GRADUS_NO_UPDATES))
DEFINITION(twice, gradus_define(m, "f", GRADUS_TENSORS(in), GRADUS_TENSORS(in), GRADUS_NO_UPDATES) ||
                          gradus_define(m, "f", GRADUS_TENSORS(in), GRADUS_TENSORS(in), GRADUS_NO_UPDATES)
                      ? gradus_define(m, "g", GRADUS_TENSORS(in), GRADUS_TENSORS(in), GRADUS_NO_UPDATES)
                      : GRADUS_OK)
DEFINITION(input_missing, gradus_define(m, "f", GRADUS_NO_TENSORS, GRADUS_TENSORS(gradus_exp(in)), GRADUS_NO_UPDATES))
DEFINITION(input_listed_twice, gradus_define(m, "f", GRADUS_TENSORS(in, in), GRADUS_TENSORS(in), GRADUS_NO_UPDATES))
DEFINITION(input_is_none, gradus_define(m, "f", GRADUS_TENSORS(w), GRADUS_TENSORS(w), GRADUS_NO_UPDATES))
DEFINITION(does_nothing, gradus_define(m, "f", GRADUS_TENSORS(in), GRADUS_NO_TENSORS, GRADUS_NO_UPDATES))
DEFINITION(negative_batch,
           gradus_define_with(m, "f", GRADUS_TENSORS(in), GRADUS_TENSORS(in), GRADUS_NO_UPDATES, .max_batch = -2))
DEFINITION(absent, gradus_define(m, "f", GRADUS_TENSORS(in), GRADUS_TENSORS({NULL, 0}), GRADUS_NO_UPDATES))
DEFINITION(garbage, gradus_define(m, "f", GRADUS_TENSORS(in), GRADUS_TENSORS({m, 12345}), GRADUS_NO_UPDATES))

static void test_wrong_definitions(void **state) {
    (void)state;
    static const struct {
        definition define;
        const char *words[2];
    } cases[] = {
        {no_name, {"define", "C identifier"}},
        {no_identifier, {"\"my entry\"", "C identifier"}},
        {called_init, {"\"init\"", "initialises"}},
        {twice, {"\"f\"", "already"}},
        {input_missing, {"\"f\" depends on the input \"x\"", "not among its inputs"}},
        {input_listed_twice, {"\"x\"", "twice"}},
        {input_is_none, {"param (3)", "not a gradus_input"}},
        {does_nothing, {"\"f\"", "neither outputs nor updates"}},
        {negative_batch, {".max_batch = -2", "\"f\""}},
        {absent, {"define", "absent"}},
        {garbage, {"define", "not one of this graph's"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gradus_graph *m = gradus_graph_create();
        gradus_tensor in = gradus_input(m, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 3));
        gradus_tensor w = gradus_param(m, "w", GRADUS_F32, GRADUS_SHAPE(3), gradus_zeros());
        gradus_program *q = NULL;
        assert_true(cases[i].define(m, in, w) != GRADUS_OK);
        SAYS(gradus_jit(m, gradus_compile_options(.max_batch = 4), &q), GRADUS_ERROR_GRAPH,
             "test_jit_errors.c:", cases[i].words[0], cases[i].words[1]);
        gradus_graph_destroy(&m);
    }
    SAYS(gradus_define(NULL, "f", GRADUS_NO_TENSORS, GRADUS_NO_TENSORS, GRADUS_NO_UPDATES), GRADUS_ERROR_ARGUMENT,
         "graph is NULL");
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static void test_destroyed_twice(void **state) {
    (void)state;
    gradus_program *other = NULL;
    gradus_program_destroy(NULL);
    gradus_graph_destroy(NULL);
    OK(gradus_program_share(p, &other));
    OK(gradus_program_init(other, 3));
    gradus_graph_destroy(&g); /* programs outlive their graph */
    gradus_graph_destroy(&g);
    gradus_program_destroy(&p);
    gradus_program_destroy(&p);
    assert_null(p);
    int32_t bad[BATCHES] = {11, 0, 0, 0};
    SAYS(gradus_call(other, "train", 1, GRADUS_INPUTS(x, bad), GRADUS_OUTPUTS(&loss)), GRADUS_ERROR_ARGUMENT,
         "test_jit_errors.c:", "softmax_cross_entropy", "index 11");
    OK(gradus_call(other, "train", 4, GRADUS_INPUTS(x, y), GRADUS_OUTPUTS(&loss)));
    gradus_program_destroy(&other);
    assert_null(other);
}

static void *fail_elsewhere(void *user) {
    bool *right = user;
    *right = gradus_last_error()[0] == '\0';
    *right = gradus_call(p, "elsewhere", 1, GRADUS_NO_INPUTS, GRADUS_NO_OUTPUTS) == GRADUS_ERROR_NOT_FOUND && *right;
    *right = strstr(gradus_last_error(), "\"elsewhere\"") && *right;
    return NULL;
}

static void test_an_error_for_each_thread(void **state) {
    (void)state;
    pthread_t thread;
    bool right = false;
    SAYS(gradus_call(p, "here", 1, GRADUS_NO_INPUTS, GRADUS_NO_OUTPUTS), GRADUS_ERROR_NOT_FOUND, "\"here\"");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &right), 0);
    pthread_join(thread, NULL);
    assert_true(right);
    assert_non_null(strstr(gradus_last_error(), "\"here\""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_wrong_calls, make, unmake),
        cmocka_unit_test_setup_teardown(test_label_out_of_range, make, unmake),
        cmocka_unit_test(test_index_coordinates),
        cmocka_unit_test_setup_teardown(test_nan_is_a_value, make, unmake),
        cmocka_unit_test_setup_teardown(test_state_by_name, make, unmake),
        cmocka_unit_test_setup_teardown(test_information, make, unmake),
        cmocka_unit_test_setup_teardown(test_wrong_options, make, unmake),
        cmocka_unit_test(test_graphs_that_do_not_compile),
        cmocka_unit_test(test_wrong_definitions),
        cmocka_unit_test_setup_teardown(test_destroyed_twice, make, unmake),
        cmocka_unit_test_setup_teardown(test_an_error_for_each_thread, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
