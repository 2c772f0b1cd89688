/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers that are options: what the dtype cannot hold is an error that names option, value and dtype, in F64 the same is
 * right.  The table has every `double` of every options struct in the headers below, which is checked.
 */
#include "tests/cmocka_all.h"

#include <gradus/gradus.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- what takes them ---------------------------------------------------------------------------------------------------- */

typedef void build_fn(gradus_graph *g, gradus_dtype dtype, double value);

static gradus_tensor x_of(gradus_graph *g, gradus_dtype dtype) {
    return gradus_input(g, "x", dtype, GRADUS_SHAPE(GRADUS_BATCH, 3));
}

static void minimize(gradus_graph *g, gradus_dtype dtype, gradus_optimizer o) {
    gradus_tensor w = gradus_param(g, "w", dtype, GRADUS_SHAPE(3), gradus_ones());
    gradus_minimize(gradus_sum(gradus_square(w), GRADUS_ALL_AXES, false), o);
}

#define OPTIMIZER(name, field) \
    static void name##_##field(gradus_graph *g, gradus_dtype d, double v) { minimize(g, d, gradus_##name(.field = v)); }
OPTIMIZER(sgd, learning_rate)
OPTIMIZER(sgd, momentum)
OPTIMIZER(rmsprop, learning_rate)
OPTIMIZER(rmsprop, rho)
OPTIMIZER(rmsprop, epsilon)
OPTIMIZER(adam, learning_rate)
OPTIMIZER(adam, beta1)
OPTIMIZER(adam, beta2)
OPTIMIZER(adam, epsilon)
OPTIMIZER(adamw, learning_rate)
OPTIMIZER(adamw, beta1)
OPTIMIZER(adamw, beta2)
OPTIMIZER(adamw, epsilon)
OPTIMIZER(adamw, weight_decay)

#define BUILDER(name, call) \
    static void name(gradus_graph *g, gradus_dtype d, double v) { call; }
static const gradus_tensor none;
BUILDER(layer_norm_epsilon, gradus_tensor x = x_of(g, d); gradus_layer_norm_with(x, none, none, .epsilon = v))
BUILDER(batch_norm_momentum, gradus_batch_norm(x_of(g, d), .momentum = v))
BUILDER(batch_norm_epsilon, gradus_batch_norm(x_of(g, d), .epsilon = v))
BUILDER(dropout, gradus_dropout(x_of(g, d), v))
BUILDER(clip_low, gradus_clip(x_of(g, d), v, INFINITY))
BUILDER(clip_high, gradus_clip(x_of(g, d), -INFINITY, v))
#define CLIP(name, call) BUILDER(name, gradus_tensor x = x_of(g, d); call)
CLIP(clip_value, gradus_clip_value(gradus_list(&x, 1), v))
CLIP(clip_norm, gradus_clip_norm(gradus_list(&x, 1), v))
CLIP(clip_global_norm, gradus_clip_global_norm(gradus_list(&x, 1), v, NULL))
#define INITIAL(name, initializer) BUILDER(name, gradus_param(g, "w", d, GRADUS_SHAPE(3), initializer))
INITIAL(fill, gradus_fill(v))
INITIAL(uniform_low, gradus_uniform(-v, 1))
INITIAL(uniform_high, gradus_uniform(-1, v))
INITIAL(normal_mean, gradus_normal(v, 1))
INITIAL(normal_deviation, gradus_normal(0, v))
INITIAL(truncated_mean, gradus_truncated_normal(v, 1))
INITIAL(truncated_deviation, gradus_truncated_normal(0, v))
BUILDER(decay_rate, gradus_step_decay(g, .every = 1, .learning_rate = v); (void)d)
BUILDER(decay_factor, gradus_exponential_decay(g, .every = 1, .factor = v); (void)d)
BUILDER(cosine_rate, gradus_cosine_decay(g, .decay_steps = 1, .learning_rate = v); (void)d)
BUILDER(cosine_initial, gradus_cosine_decay(g, .decay_steps = 1, .initial = v); (void)d)
BUILDER(cosine_alpha, gradus_cosine_decay(g, .decay_steps = 1, .alpha = v < 1 ? v : 1); (void)d)

/* Layers go through the builders of nn.h: they are tried in models below. */
static gradus_layer layer_dropout(double v) { return gradus_layer_dropout(.rate = v); }
static gradus_layer layer_layer_norm(double v) { return gradus_layer_layer_norm(.epsilon = v); }
static gradus_layer layer_batch_norm_momentum(double v) { return gradus_layer_batch_norm(.momentum = v); }
static gradus_layer layer_batch_norm_epsilon(double v) { return gradus_layer_batch_norm(.epsilon = v); }

enum { NUMBER, LIMIT, SHARE, F64_ALWAYS }; /* a limit is not 0 */
static const struct {
    const char *option; /* as in the headers, or what it is called */
    const char *said;   /* in messages */
    int kind;
    build_fn *build;
    gradus_layer (*layer)(double value);
} table[] = {
#define OF(name, field, kind) \
    { "gradus_" #name "_options." #field, #name ": ." #field " is ", kind, name##_##field, NULL }
    OF(sgd, learning_rate, NUMBER),
    OF(sgd, momentum, NUMBER),
    OF(rmsprop, learning_rate, NUMBER),
    OF(rmsprop, rho, SHARE),
    OF(rmsprop, epsilon, NUMBER),
    OF(adam, learning_rate, NUMBER),
    OF(adam, beta1, SHARE),
    OF(adam, beta2, SHARE),
    OF(adam, epsilon, NUMBER),
    OF(adamw, learning_rate, NUMBER),
    OF(adamw, beta1, SHARE),
    OF(adamw, beta2, SHARE),
    OF(adamw, epsilon, NUMBER),
    OF(adamw, weight_decay, NUMBER),
    OF(layer_norm, epsilon, NUMBER),
    OF(batch_norm, momentum, SHARE),
    OF(batch_norm, epsilon, NUMBER),
    {"gradus_layer_dropout_options.rate", "the rate is ", SHARE, NULL, layer_dropout},
    {"gradus_layer_layer_norm_options.epsilon", ".epsilon is ", NUMBER, NULL, layer_layer_norm},
    {"gradus_layer_batch_norm_options.momentum", ".momentum is ", SHARE, NULL, layer_batch_norm_momentum},
    {"gradus_layer_batch_norm_options.epsilon", ".epsilon is ", NUMBER, NULL, layer_batch_norm_epsilon},
    {"gradus_decay_options.learning_rate", NULL, F64_ALWAYS, decay_rate, NULL},
    {"gradus_decay_options.factor", NULL, F64_ALWAYS, decay_factor, NULL},
    {"gradus_cosine_options.learning_rate", NULL, F64_ALWAYS, cosine_rate, NULL},
    {"gradus_cosine_options.initial", NULL, F64_ALWAYS, cosine_initial, NULL},
    {"gradus_cosine_options.alpha", NULL, F64_ALWAYS, cosine_alpha, NULL},
    {"gradus_fit_options.validation_split", NULL, F64_ALWAYS, NULL, NULL},
    {"gradus_fit_options.min_delta", NULL, F64_ALWAYS, NULL, NULL},
    /* arguments */
    {"", "dropout: the rate is ", SHARE, dropout, NULL},
    {"", "clip: the lower bound is ", NUMBER, clip_low, NULL},
    {"", "clip: the upper bound is ", NUMBER, clip_high, NULL},
    {"", "clip_value: the limit is ", LIMIT, clip_value, NULL},
    {"", "clip_norm: max_norm is ", LIMIT, clip_norm, NULL},
    {"", "clip_global_norm: max_norm is ", LIMIT, clip_global_norm, NULL},
    {"", "param: the number of gradus_fill is ", NUMBER, fill, NULL},
    {"", "param: the lower bound of gradus_uniform is -", NUMBER, uniform_low, NULL},
    {"", "param: the upper bound of gradus_uniform is ", NUMBER, uniform_high, NULL},
    {"", "param: the mean of gradus_normal is ", NUMBER, normal_mean, NULL},
    {"", "param: the standard deviation of gradus_normal is ", NUMBER, normal_deviation, NULL},
    {"", "param: the mean of gradus_truncated_normal is ", NUMBER, truncated_mean, NULL},
    {"", "param: the standard deviation of gradus_truncated_normal is ", NUMBER, truncated_deviation, NULL},
};
enum { ROWS = sizeof table / sizeof *table };

/* --- every option of the headers is in the table -------------------------------------------------------------------------- */

static void look_for(const char *option) {
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(table[i].option, option) == 0) return;
    fail_msg("%s is not in the table", option);
}

static void test_the_table_is_whole(void **state) {
    (void)state;
    static const char *const headers[] = {"optim.h", "nn.h", "model.h", "schedule.h"};
    int found = 0;
    for (size_t h = 0; h < sizeof headers / sizeof *headers; h++) {
        char path[1024], line[1024], fields[16][64], type[64], option[256];
        int n = 0;
        snprintf(path, sizeof path, "%s/../include/gradus/%s", TESTS_DIR, headers[h]);
        FILE *file = fopen(path, "r");
        if (!file) fail_msg("%s", path);
        while (fgets(line, sizeof line, file)) {
            char *list = line + strspn(line, " ");
            if (strncmp(line, "typedef struct", 14) == 0) n = 0;
            if (strncmp(list, "double ", 7) == 0 && strchr(list, ';')) {
                *strchr(list, ';') = '\0';
                for (char *field = strtok(list + 7, ", "); field; field = strtok(NULL, ", "))
                    if (n < 16) snprintf(fields[n++], sizeof fields[0], "%s", field);
            }
            if (sscanf(line, "} %63[a-z_0-9];", type) != 1 || !strstr(type, "_options")) continue;
            for (int i = 0; i < n; i++, found++) {
                snprintf(option, sizeof option, "%.63s.%.63s", type, fields[i]);
                look_for(option);
            }
            n = 0;
        }
        fclose(file);
    }
    for (size_t i = 0; i < ROWS; i++) found -= *table[i].option != '\0';
    assert_int_equal(found, 0);
}

/* --- what each holds -------------------------------------------------------------------------------------------------------- */

/* The message, "" for none. */
static const char *try_it(size_t row, gradus_dtype dtype, double value) {
    static char message[1024];
    *message = '\0';
    if (table[row].layer) {
        gradus_model *m = gradus_model_create(dtype, GRADUS_SHAPE(3));
        if (gradus_model_add(m, table[row].layer(value))) snprintf(message, sizeof message, "%s", gradus_last_error());
        gradus_model_destroy(&m);
    } else if (table[row].build) {
        gradus_graph *g = gradus_graph_create();
        table[row].build(g, dtype, value);
        snprintf(message, sizeof message, "%s", gradus_graph_error(g));
        gradus_graph_destroy(&g);
    }
    return message;
}

static void test_what_f32_cannot_hold(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text, *would_be;
        bool of_share, of_number;
    } values[] = {
        {1e-50, "1e-50", "0", true, true},
        {1e-45, "1e-45", "1.401298464324817e-45", true, true},
        {1e39, "1e+39", "inf", false, true},
        {0.99999999999, "0.99999999999", "1", true, false},
    };
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
            const bool takes = table[i].kind == SHARE ? values[k].of_share : values[k].of_number || values[k].value < 1;
            const bool wrong =
                table[i].kind == SHARE ? values[k].of_share : table[i].kind < SHARE && values[k].of_number;
            if (!takes || (strstr(table[i].option, "alpha") && values[k].value > 1)) continue;
            char said[256];
            const char *message = try_it(i, GRADUS_F32, values[k].value);
            const char *before = table[i].said ? table[i].said : "", *sign = strchr(before, '-') ? "-" : "";
            snprintf(said, sizeof said, "%s%s, which f32 cannot hold: it would be %s%s;", before, values[k].text, sign,
                     values[k].would_be);
            if (wrong ? !strstr(message, said) && !strstr(message, "1e39, which f32") : *message)
                fail_msg("%s%s: \"%s\" instead of \"%s\"", table[i].option, table[i].said ? table[i].said : "", message,
                         wrong ? said : "");
            message = try_it(i, GRADUS_F64, values[k].value);
            if (*message) fail_msg("%s: %s", table[i].option, message);
        }
        const double right[] = {0.5, 1e-30, 0.999, 0x1p-149, 0};
        for (size_t k = 0; k < (table[i].kind == LIMIT ? 4 : 5); k++)
            if (*try_it(i, GRADUS_F32, right[k])) fail_msg("%s: %s", table[i].option, try_it(i, GRADUS_F32, right[k]));
    }
}

/* Integers hold whole numbers of their range. */
static void test_integers(void **state) {
    (void)state;
    static const struct {
        gradus_dtype dtype;
        double value;
        bool right;
    } cases[] = {
        {GRADUS_I32, 0.5, false},    {GRADUS_I32, -3, true},      {GRADUS_I32, 0x1p31 - 1, true},
        {GRADUS_I32, 0x1p31, false}, {GRADUS_I32, -0x1p31, true}, {GRADUS_I64, 0x1p62, true},
        {GRADUS_I64, 0x1p63, false}, {GRADUS_I64, 1e39, false},   {GRADUS_I64, INFINITY, true},
        {GRADUS_I32, 1e-50, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int way = 0; way < 2; way++) {
            gradus_graph *g = gradus_graph_create();
            if (way) gradus_clip(x_of(g, cases[i].dtype), -INFINITY, cases[i].value);
            else gradus_state(g, "s", cases[i].dtype, GRADUS_SCALAR, gradus_fill(cases[i].value));
            if ((gradus_graph_status(g) == GRADUS_OK) != cases[i].right)
                fail_msg("case %zu: %s", i, gradus_graph_error(g));
            if (!cases[i].right) assert_non_null(strstr(gradus_graph_error(g), "cannot hold"));
            gradus_graph_destroy(&g);
        }
    }
}

/* Rates of a model's schedule, which a state of the optimizer takes. */
static void test_schedules_of_models(void **state) {
    (void)state;
    float x[12] = {0}, y[4] = {0};
    gradus_data *data;
    const gradus_data_array arrays[] = {{x, GRADUS_F32, GRADUS_SHAPE(4, 3)}, {y, GRADUS_F32, GRADUS_SHAPE(4, 1)}};
    assert_int_equal(gradus_data_arrays(arrays, 2, &data), GRADUS_OK);
    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(3));
    gradus_model_add(m, gradus_layer_dense(.units = 1));
    assert_int_equal(gradus_model_compile(m, .loss = GRADUS_MEAN_SQUARED_ERROR), GRADUS_OK);
    const gradus_schedule wrong[] = {gradus_schedule_step(1e-50, 0.5, 1), gradus_schedule_exponential(1e39, 0.5),
                                     gradus_schedule_cosine(1e-50, 0, 1, 3), gradus_schedule_cosine(0.1, 1e-50, 1, 3)};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(gradus_model_fit(m, data, .schedule = wrong[i]), GRADUS_ERROR_ARGUMENT);
        assert_non_null(strstr(gradus_last_error(), ".schedule: the learning rate 1e"));
        assert_non_null(strstr(gradus_last_error(), "\"rmsprop/learning_rate\", f32, cannot hold"));
    }
    /* one that decays as far is right */
    assert_int_equal(gradus_model_fit(m, data, .epochs = 3, .schedule = gradus_schedule_exponential(0.1, 1e-30)),
                     GRADUS_OK);
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
}

/* One F32 parameter among F64 ones is enough; and a learning rate that nothing uses does not matter. */
static void test_mixed_parameters(void **state) {
    (void)state;
    for (int narrow = 0; narrow < 3; narrow++) {
        gradus_graph *g = gradus_graph_create();
        gradus_tensor w[2], dw[2];
        for (int i = 0; i < 2; i++) {
            w[i] = gradus_param(g, i ? "a" : "b", i + 1 == narrow ? GRADUS_F32 : GRADUS_F64, GRADUS_SHAPE(3),
                                gradus_ones());
            dw[i] = gradus_like(w[i], 1);
        }
        gradus_apply(gradus_adam(.epsilon = 1e-50), gradus_list(w, 2), gradus_list(dw, 2));
        assert_true((gradus_graph_status(g) == GRADUS_OK) == (narrow == 0));
        gradus_graph_destroy(&g);
    }
    gradus_graph *g = gradus_graph_create();
    minimize(g, GRADUS_F32, gradus_sgd(.learning_rate = 1e-50, .rate = gradus_scalar(g, GRADUS_F32, 0.1)));
    assert_int_equal(gradus_graph_status(g), GRADUS_OK);
    gradus_graph_destroy(&g);
}

/* --- what is used ----------------------------------------------------------------------------------------------------------- */

static void test_descriptions(void **state) {
    (void)state;
    gradus_graph *g = gradus_graph_create();
    char text[256];
    const struct {
        gradus_optimizer o;
        const char *text;
    } cases[] = {
        {gradus_sgd(), "sgd: learning_rate 0.01, momentum 0, nesterov 0"},
        {gradus_sgd(.learning_rate = 3, .momentum = 0.9, .nesterov = true, .name = "down"),
         "down: learning_rate 3, momentum 0.9, nesterov 1"},
        {gradus_rmsprop(.rho = GRADUS_ZERO), "rmsprop: learning_rate 0.001, rho 0, epsilon 1e-07"},
        {gradus_adam(), "adam: learning_rate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-08"},
        {gradus_adamw(), "adamw: learning_rate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-08, weight_decay 0"},
        {gradus_adamw(.weight_decay = 0.01),
         "adamw: learning_rate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-08, weight_decay 0.01"},
        {gradus_adam(.rate = gradus_scalar(g, GRADUS_F32, 1)),
         "adam: rate a tensor, beta1 0.9, beta2 0.999, epsilon 1e-08"},
        {gradus_optimizer_custom(NULL, NULL, 0.5, NULL), "custom: learning_rate 0.5"},
        {{0}, "no optimizer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(gradus_optimizer_describe(cases[i].o, text, sizeof text), cases[i].text);
    assert_string_equal(gradus_optimizer_describe(gradus_sgd(), text, 8), "sgd: le");
    assert_string_equal(gradus_optimizer_describe(gradus_sgd(), NULL, 0), "");
    gradus_graph_destroy(&g);
}

/* A weight decay of 0 decays nothing: adamw is adam. */
static void test_a_zero_is_a_zero(void **state) {
    (void)state;
    float w[2][3];
    for (int i = 0; i < 2; i++) {
        gradus_graph *g = gradus_graph_create();
        gradus_program *p = NULL;
        gradus_tensor t = gradus_param(g, "w", GRADUS_F32, GRADUS_SHAPE(3), gradus_ones());
        gradus_tensor loss = gradus_sum(gradus_sin(t), GRADUS_ALL_AXES, false);
        const double grid[] = {0};
        gradus_define(g, "train", GRADUS_NO_TENSORS, GRADUS_TENSORS(loss),
                      gradus_minimize(loss, i ? gradus_adamw(.weight_decay = grid[0]) : gradus_adam()));
        if (gradus_jit(g, NULL, &p) || gradus_program_init(p, 0)) fail_msg("%s", gradus_last_error());
        float l;
        for (int k = 0; k < 9; k++)
            assert_int_equal(gradus_call(p, "train", 1, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(&l)), GRADUS_OK);
        assert_int_equal(gradus_program_read(p, "w", w[i], sizeof w[i]), GRADUS_OK);
        gradus_program_destroy(&p);
        gradus_graph_destroy(&g);
    }
    assert_memory_equal(w[0], w[1], sizeof w[0]);
}

/* The summary of a model says every number. */
static void test_summary(void **state) {
    (void)state;
    char text[8192];
    for (int compiled = 0; compiled < 3; compiled++) {
        gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(3));
        gradus_model_add(m, gradus_layer_batch_norm(.epsilon = GRADUS_ZERO, .frozen = true));
        gradus_model_add(m, gradus_layer_dropout(.rate = 0));
        gradus_model_add(m, gradus_layer_layer_norm());
        gradus_model_add(m, gradus_layer_dense(.units = 2));
        if (compiled &&
            gradus_model_compile(m, .optimizer = gradus_adamw(.weight_decay = 0), .metrics = GRADUS_ACCURACY, .seed = 5,
                                 .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY))
            fail_msg("%s", gradus_last_error());
        if (compiled == 2) gradus_program_set(gradus_model_program(m), "adamw/learning_rate", 0.25);
        FILE *stream = tmpfile();
        assert_int_equal(gradus_model_summary(m, stream), GRADUS_OK);
        rewind(stream);
        text[fread(text, 1, sizeof text - 1, stream)] = '\0';
        fclose(stream);
        const char *numbers = strstr(text, " batch_norm: ");
        assert_non_null(numbers);
        char expected[1024];
        snprintf(expected, sizeof expected, "%s%s%s%s",
                 " batch_norm: momentum 0.99, epsilon 0, frozen\n dropout: rate 0\n layer_norm: epsilon 1e-05\n",
                 compiled ? " adamw: learning_rate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-08, weight_decay 0" : "",
                 compiled == 2 ? " (learning rate now: 0.25)" : "",
                 compiled ? "\n loss: sparse categorical cross-entropy\n metrics: accuracy\n seed: 5\n" : "");
        assert_string_equal(numbers, expected);
        gradus_model_destroy(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_is_whole),  cmocka_unit_test(test_what_f32_cannot_hold),
        cmocka_unit_test(test_schedules_of_models), cmocka_unit_test(test_integers),
        cmocka_unit_test(test_mixed_parameters),    cmocka_unit_test(test_descriptions),
        cmocka_unit_test(test_a_zero_is_a_zero),    cmocka_unit_test(test_summary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
