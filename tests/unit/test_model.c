/* SPDX-License-Identifier: Apache-2.0
 *
 * The stack of layers, losses and metrics, evaluation and prediction, the summary, and what users are told about a stack
 * that cannot be.  Fitting is in test_fit.c.
 */
#include "model_data.h"

#include <unistd.h>

/* --- the stack ------------------------------------------------------------------------------------------------------- */

static void test_summary(void **state) {
    (void)state;
    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(784));
    OK(gradus_model_add(m, gradus_layer_dense(.units = 50, .activation = GRADUS_RELU)));
    OK(gradus_model_add(m, gradus_layer_dense(.units = 10, .name = "output", .frozen = true)));
    FILE *stream = tmpfile();
    OK(gradus_model_summary(m, stream));
    char text[4096];
    rewind(stream);
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    fclose(stream);
    assert_string_equal(
        text, "┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓\n"
              "┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃\n"
              "┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩\n"
              "│ dense (Dense)                   │ (B, 50)                │        39,250 │\n"
              "├─────────────────────────────────┼────────────────────────┼───────────────┤\n"
              "│ output (Dense)                  │ (B, 10)                │           510 │\n"
              "└─────────────────────────────────┴────────────────────────┴───────────────┘\n"
              " Total params: 39,760 (155.31 KB)\n"
              " Trainable params: 39,250 (153.32 KB)\n"
              " Non-trainable params: 510 (1.99 KB)\n");
    FAILS(gradus_model_summary(m, NULL), GRADUS_ERROR_ARGUMENT, "stream is NULL");
    gradus_model_destroy(&m);
    gradus_model_destroy(&m);
    gradus_model_destroy(NULL);
}

static size_t read_file(const char *path, char *to, size_t room) {
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    const size_t length = fread(to, 1, room - 1, stream);
    to[length] = '\0';
    fclose(stream);
    unlink(path);
    return length;
}

static void test_plot(void **state) {
    (void)state;
    static char text[1 << 16];
    char path[64];
    gradus_model *m = two_layers();
    OK(gradus_model_add(m, gradus_layer_flatten(.name = "a<b>&\"c\n")));
    const char *const endings[] = {"gv", "svg", "png"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "model-%ld.%s", (long)getpid(), endings[i]);
        const gradus_status status = gradus_model_plot(m, path, .horizontal = i == 1);
        if (i && status == GRADUS_ERROR_NOT_FOUND) continue; /* no Graphviz here */
        OK(status);
        const size_t length = read_file(path, text, sizeof text);
        if (i == 2) {
            assert_true(length > 100);
            assert_memory_equal(text, "\x89PNG\r\n", 6);
            continue;
        }
        const char *const parts[][4] = {{"<B>dense</B> (Dense, relu)", "in: f32 (B, 5)", "out: f32 (B, 8)", "a&#60;b&#62;&#38;&#34;c?"},
                                        {"<svg", "dense_2", "(B, 8)", "(B, 3)"}};
        for (int k = 0; k < 4; k++)
            if (!strstr(text, parts[i][k])) fail_msg("\"%s\" is not in %s", parts[i][k], text);
    }
    OK(gradus_model_pop(m));
    OK(gradus_model_compile(m, .loss = GRADUS_MEAN_SQUARED_ERROR));
    snprintf(path, sizeof path, "model-%ld.dot", (long)getpid());
    OK(gradus_model_plot(m, path, .no_shapes = true));
    read_file(path, text, sizeof text);
    assert_true(!strstr(text, "(B, 3)") && !strstr(text, "Flatten") && strstr(text, "dense_2"));
    FAILS(gradus_model_plot(m, "model.jpg"), GRADUS_ERROR_ARGUMENT, "model.jpg", ".svg, .png");
    FAILS(gradus_model_plot(m, "no/such/folder/m.gv"), GRADUS_ERROR_IO, "no/such/folder");
    gradus_model_destroy(&m);
}

static void test_a_layer_that_does_not_fit(void **state) {
    (void)state;
    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(4, 6));
    gradus_data *data = class_data();
    char here[64];
    OK(gradus_model_add(m, gradus_layer_dense(.units = 3)));
    snprintf(here, sizeof here, "test_model.c:%d: gradus_model_add: layer 2, \"flat\" (Reshape)", __LINE__ + 1);
    FAILS(gradus_model_add(m, gradus_layer_reshape(.name = "flat", .shape = GRADUS_SHAPE(11))), GRADUS_ERROR_GRAPH, here,
          "on input f32 (B, 4, 3)", "(B, 11)");
    /* the error stays, whoever does not look */
    FAILS(gradus_model_add(m, gradus_layer_dense(.units = 3)), GRADUS_ERROR_GRAPH, here);
    FAILS(gradus_model_compile(m, .loss = GRADUS_MEAN_SQUARED_ERROR), GRADUS_ERROR_GRAPH, here);
    FAILS(gradus_model_fit(m, data), GRADUS_ERROR_GRAPH, here);
    OK(gradus_model_pop(m)); /* takes that layer away */
    OK(gradus_model_add(m, gradus_layer_flatten()));
    FAILS(gradus_model_add(m, gradus_layer_dense(.units = 0)), GRADUS_ERROR_GRAPH, "layer 3, \"dense_2\"", "(B, 12)",
          ".units is 0");
    OK(gradus_model_pop(m));
    FAILS(gradus_model_add(m, gradus_layer_dense(.units = 1, .name = "dense")), GRADUS_ERROR_ARGUMENT, "\"dense\" is taken");
    OK(gradus_model_pop(m));
    FAILS(gradus_model_add(m, gradus_layer_dense(.units = 1, .activation = (gradus_activation)77)), GRADUS_ERROR_GRAPH,
          "77 is no activation");
    OK(gradus_model_pop(m));
    FAILS(gradus_model_add(m, gradus_layer_reshape(.shape = {{8, 1, 1, 1, 1, 1, 1, 1, 12}})), GRADUS_ERROR_GRAPH, "Reshape");
    OK(gradus_model_pop(m));
    FAILS(gradus_model_add(m, gradus_layer_dropout(.rate = 1)), GRADUS_ERROR_GRAPH, "Dropout", "rate is 1");
    OK(gradus_model_pop(m));
    FAILS(gradus_model_add(m, (gradus_layer){.kind = 99}), GRADUS_ERROR_ARGUMENT, "99 is no kind of layer");
    OK(gradus_model_pop(m));
    OK(gradus_model_pop(m));
    OK(gradus_model_pop(m));
    FAILS(gradus_model_pop(m), GRADUS_ERROR_ARGUMENT, "no layers");
    FAILS(gradus_model_compile(m, .loss = GRADUS_MEAN_SQUARED_ERROR), GRADUS_ERROR_ARGUMENT, "no layers");
    gradus_model_destroy(&m);

    m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 3));
    FAILS(gradus_model_add(m, gradus_layer_dense(.units = 3)), GRADUS_ERROR_ARGUMENT, "without the batch");
    gradus_model_destroy(&m);
    FAILS(gradus_model_add(m, gradus_layer_dense(.units = 3)), GRADUS_ERROR_ARGUMENT, "model is NULL");
    gradus_data_destroy(&data);
}

static void test_after_compilation_the_stack_is_fixed(void **state) {
    (void)state;
    gradus_model *m = classifier(gradus_sgd());
    FAILS(gradus_model_add(m, gradus_layer_dense(.units = 3)), GRADUS_ERROR_ARGUMENT, "compiled already");
    FAILS(gradus_model_pop(m), GRADUS_ERROR_ARGUMENT, "compiled already");
    assert_non_null(gradus_model_program(m)); /* it works all the same */
    gradus_model_destroy(&m);
}

/* Names, initialisers and their data are copied. */
static void test_options_are_copied(void **state) {
    (void)state;
    float kernel[FEATURES * 2], read[FEATURES * 2], want[FEATURES * 2];
    char name[] = "first";
    for (int i = 0; i < FEATURES * 2; i++) want[i] = kernel[i] = (float)i;
    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(FEATURES));
    OK(gradus_model_add(m, gradus_layer_dense(.units = 2, .name = name, .kernel_init = gradus_from(kernel, sizeof kernel))));
    memset(kernel, 0, sizeof kernel);
    name[0] = 'x';
    OK(gradus_model_add(m, gradus_layer_dense(.units = 1)));
    OK(gradus_model_pop(m)); /* builds the first layer again */
    OK(gradus_model_compile(m, .loss = GRADUS_MEAN_SQUARED_ERROR));
    OK(gradus_program_read(gradus_model_program(m), "first/kernel", read, sizeof read));
    assert_memory_equal(read, want, sizeof want);
    gradus_model_destroy(&m);
}

static void test_all_kinds_of_layers(void **state) {
    (void)state;
    enum { LENGTH = 4 };
    int32_t tokens[ROWS * LENGTH];
    gradus_data *data;
    for (int i = 0; i < ROWS * LENGTH; i++) tokens[i] = labels[i / LENGTH] * 2 + i % 2;
    const gradus_data_array arrays[] = {{tokens, GRADUS_I32, GRADUS_SHAPE(ROWS, LENGTH)},
                                        {labels, GRADUS_I32, GRADUS_SHAPE(ROWS)}};
    OK(gradus_data_arrays(arrays, 2, &data));
    gradus_model *m = gradus_model_create(GRADUS_I32, GRADUS_SHAPE(LENGTH));
    OK(gradus_model_add(m, gradus_layer_embedding(.rows = 7, .units = 6)));
    OK(gradus_model_add(m, gradus_layer_layer_norm()));
    OK(gradus_model_add(m, gradus_layer_reshape(.shape = GRADUS_SHAPE(2, GRADUS_INFER))));
    OK(gradus_model_add(m, gradus_layer_flatten()));
    OK(gradus_model_add(m, gradus_layer_dropout(.rate = 0.1)));
    OK(gradus_model_add(m, gradus_layer_batch_norm(.momentum = 0.9)));
    OK(gradus_model_add(m, gradus_layer_dense(.units = CLASSES)));
    OK(gradus_model_add(m, gradus_layer_activation(.activation = GRADUS_SOFTMAX)));
    OK(gradus_model_compile(m, .optimizer = gradus_adam(.learning_rate = 0.05), .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY,
                            .metrics = GRADUS_ACCURACY));
    FILE *stream = tmpfile();
    char text[8192];
    OK(gradus_model_summary(m, stream));
    rewind(stream);
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    fclose(stream);
    /* 7*6 rows of the table, 2*6 of the layer norm, 4*24 of the batch norm, half of it statistics, 24*3 + 3 of the rest */
    assert_non_null(strstr(text, "batch_norm (BatchNorm)"));
    assert_non_null(strstr(text, "Total params: 225 "));
    assert_non_null(strstr(text, "Trainable params: 177 "));
    assert_non_null(strstr(text, "Non-trainable params: 48 "));
    OK(gradus_model_fit(m, data, .epochs = 20));
    float moved[LENGTH * 6];
    OK(gradus_program_read(gradus_model_program(m), "batch_norm/moving_mean", moved, sizeof moved));
    assert_true(moved[0] != 0); /* the statistics follow by themselves */
    float loss, accuracy, once[ROWS * CLASSES], again[ROWS * CLASSES];
    OK(gradus_model_evaluate(m, data, &loss, &accuracy));
    assert_true(accuracy > 0.9f);
    OK(gradus_model_predict(m, data, once));
    OK(gradus_model_predict(m, data, again));
    assert_memory_equal(once, again, sizeof once); /* nothing is dropped */
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
}

/* --- losses and metrics ------------------------------------------------------------------------------------------------ */

/* A softmax in the model and the loss of its logits are one model. */
static void test_probabilities_or_logits(void **state) {
    (void)state;
    gradus_data *data = class_data();
    gradus_model *logits = classifier(gradus_adam()), *softmax = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(FEATURES));
    gradus_model_add(softmax, gradus_layer_dense(.units = 8, .activation = GRADUS_RELU));
    gradus_model_add(softmax, gradus_layer_dense(.units = CLASSES, .activation = GRADUS_SOFTMAX));
    OK(gradus_model_compile(softmax, .optimizer = gradus_adam(), .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY,
                            .metrics = GRADUS_ACCURACY, .seed = 3));
    OK(gradus_model_fit(logits, data, .epochs = 2));
    OK(gradus_model_fit(softmax, data, .epochs = 2));
    assert_same_state(gradus_model_program(logits), gradus_model_program(softmax));
    float a[ROWS * CLASSES], b[ROWS * CLASSES], accuracy;
    OK(gradus_model_predict(logits, data, a));
    OK(gradus_model_predict(softmax, data, b));
    assert_memory_equal(a, b, sizeof a);
    int right = 0;
    for (int r = 0; r < ROWS; r++) {
        int best = 0;
        double sum = 0;
        for (int i = 0; i < CLASSES; i++) {
            sum += a[r * CLASSES + i];
            if (a[r * CLASSES + i] > a[r * CLASSES + best]) best = i;
        }
        assert_true(fabs(sum - 1) < 1e-6);
        right += best == labels[r];
    }
    OK(gradus_model_evaluate(logits, data, NULL, &accuracy));
    assert_true(fabs(accuracy - (double)right / ROWS) < 1e-6);
    gradus_model_destroy(&logits);
    gradus_model_destroy(&softmax);
    gradus_data_destroy(&data);
}

static double share_right(const float *a, const float *b, int n) {
    int right = 0;
    for (int i = 0; i < n; i++) right += (a[i] > 0.5f) == (b[i] > 0.5f);
    return (double)right / n;
}

/* Each loss with all metrics that go with it, against the same computed here from the predictions. */
static void check_loss(gradus_loss loss, unsigned metrics, int units, const void *y, gradus_dtype dtype, const float *dense) {
    gradus_data *data = units == 1 || dtype == GRADUS_I32 ? data_of(y, dtype, GRADUS_SHAPE(ROWS))
                                                          : data_of(y, dtype, GRADUS_SHAPE(ROWS, units));
    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(FEATURES));
    gradus_model_add(m, gradus_layer_dense(.units = units));
    OK(gradus_model_compile(m, .loss = loss, .metrics = metrics, .top_k = 2));
    float p[ROWS * CLASSES];
    gradus_scores s;
    OK(gradus_model_fit(m, data, .epochs = 3));
    OK(gradus_model_evaluate_all(m, data, &s));
    OK(gradus_model_predict(m, data, p));
    const int n = ROWS * units;
    double mse = 0, mae = 0, cross = 0, binary_cross = 0, first = 0, top = 0;
    for (int i = 0; i < n; i++) {
        mse += pow((double)p[i] - dense[i], 2) / n;
        mae += fabs((double)p[i] - dense[i]) / n;
        cross -= dense[i] * log((double)p[i]) / ROWS;
        binary_cross -= (dense[i] * log((double)p[i]) + (1 - dense[i]) * log1p(-(double)p[i])) / n;
    }
    for (int r = 0; r < ROWS; r++) {
        int wanted = 0, above = 0;
        for (int i = 0; i < units; i++) wanted = dense[r * units + i] > dense[r * units + wanted] ? i : wanted;
        for (int i = 0; i < units; i++) above += p[r * units + i] > p[r * units + wanted];
        first += (double)(above == 0) / ROWS;
        top += (double)(above < 2) / ROWS;
    }
    const double losses[] = {0, cross, cross, binary_cross, mse, mae};
    if (!(fabs(s.loss - losses[loss]) < 1e-5)) fail_msg("loss %d: %g instead of %g", (int)loss, s.loss, losses[loss]);
    const bool of_classes = loss == GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY || (units > 1 && loss != GRADUS_BINARY_CROSSENTROPY);
    const struct {
        unsigned bit;
        const char *name;
        double value;
    } all[] = {{GRADUS_ACCURACY, "accuracy", of_classes ? first : share_right(p, dense, n)},
               {GRADUS_BINARY_ACCURACY, "binary_accuracy", share_right(p, dense, n)},
               {GRADUS_TOP_K_ACCURACY, "top_2_accuracy", top},
               {GRADUS_MSE, "mse", mse},
               {GRADUS_MAE, "mae", mae}};
    size_t count = 0;
    for (size_t i = 0; i < 5; i++) {
        if (!(metrics & all[i].bit)) continue;
        assert_string_equal(s.names[count], all[i].name);
        if (!(fabs(s.metric[count] - all[i].value) < 1e-5))
            fail_msg("loss %d, %s: %g instead of %g", (int)loss, all[i].name, s.metric[count], all[i].value);
        count++;
    }
    assert_int_equal(s.metrics, count);
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
}

static void test_losses_and_metrics(void **state) {
    (void)state;
    const unsigned all = GRADUS_ACCURACY | GRADUS_BINARY_ACCURACY | GRADUS_TOP_K_ACCURACY | GRADUS_MSE | GRADUS_MAE;
    const unsigned binaries = all & ~(unsigned)GRADUS_TOP_K_ACCURACY;
    check_loss(GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY, GRADUS_ACCURACY | GRADUS_TOP_K_ACCURACY, CLASSES, labels, GRADUS_I32,
               one_hot);
    check_loss(GRADUS_CATEGORICAL_CROSSENTROPY, all, CLASSES, one_hot, GRADUS_F32, one_hot);
    check_loss(GRADUS_BINARY_CROSSENTROPY, binaries, 1, binary, GRADUS_F32, binary);
    check_loss(GRADUS_BINARY_CROSSENTROPY, binaries, CLASSES, one_hot, GRADUS_F32, one_hot);
    check_loss(GRADUS_MEAN_SQUARED_ERROR, all, 2, targets, GRADUS_F32, targets);
    check_loss(GRADUS_MEAN_ABSOLUTE_ERROR, binaries, 1, binary, GRADUS_F32, binary);
    check_loss(GRADUS_MEAN_SQUARED_ERROR, 0, 2, targets, GRADUS_F32, targets);
}

/* Labels of other dtypes give the same model. */
static void test_label_dtypes(void **state) {
    (void)state;
    int64_t wide[ROWS];
    uint8_t bytes[ROWS];
    for (int r = 0; r < ROWS; r++) bytes[r] = (uint8_t)(wide[r] = labels[r]);
    gradus_data *data[] = {class_data(), data_of(wide, GRADUS_I64, GRADUS_SHAPE(ROWS)),
                           data_of(bytes, GRADUS_U8, GRADUS_SHAPE(ROWS, 1))};
    const gradus_dtype dtypes[] = {0, GRADUS_I64, GRADUS_U8};
    gradus_model *m[3];
    for (int i = 0; i < 3; i++) {
        m[i] = two_layers();
        OK(gradus_model_compile(m[i], .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY, .label_dtype = dtypes[i],
                                .metrics = GRADUS_ACCURACY | GRADUS_TOP_K_ACCURACY));
        OK(gradus_model_fit(m[i], data[i], .epochs = 2));
        assert_same_state(gradus_model_program(m[0]), gradus_model_program(m[i]));
    }
    for (int i = 0; i < 3; i++) gradus_model_destroy(&m[i]);
    for (int i = 0; i < 3; i++) gradus_data_destroy(&data[i]);
}

static void test_frozen_layers(void **state) {
    (void)state;
    gradus_data *data = class_data();
    float before[2][FEATURES * 8], after[2][FEATURES * 8];
    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(FEATURES));
    gradus_model_add(m, gradus_layer_dense(.units = 8, .activation = GRADUS_RELU, .frozen = true));
    gradus_model_add(m, gradus_layer_dense(.units = CLASSES));
    OK(gradus_model_compile(m, .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY));
    for (int round = 0; round < 2; round++) {
        gradus_program *p = gradus_model_program(m);
        OK(gradus_program_read(p, "dense/kernel", round ? after[0] : before[0], sizeof before[0]));
        OK(gradus_program_read(p, "dense_2/kernel", round ? after[1] : before[1], 8 * CLASSES * sizeof(float)));
        OK(gradus_model_fit(m, data));
    }
    assert_memory_equal(before[0], after[0], sizeof before[0]);
    assert_memory_not_equal(before[1], after[1], 8 * CLASSES * sizeof(float));
    gradus_model_destroy(&m);
    m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(FEATURES));
    gradus_model_add(m, gradus_layer_dense(.units = CLASSES, .frozen = true));
    FAILS(gradus_model_compile(m, .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY), GRADUS_ERROR_ARGUMENT, "frozen");
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
}

/* Weights stay, the optimizer begins anew. */
static void test_compiling_again(void **state) {
    (void)state;
    gradus_data *data = class_data();
    gradus_model *m = classifier(gradus_adam());
    float before[FEATURES * 8], after[FEATURES * 8];
    OK(gradus_model_fit(m, data, .epochs = 2));
    OK(gradus_program_read(gradus_model_program(m), "dense/kernel", before, sizeof before));
    FAILS(gradus_model_compile(m, .loss = (gradus_loss)9), GRADUS_ERROR_ARGUMENT, ".loss is 9");
    FAILS(gradus_model_fit(m, data), GRADUS_ERROR_ARGUMENT, ".loss is 9"); /* who does not look is told again */
    OK(gradus_model_compile(m, .optimizer = gradus_sgd(.learning_rate = 0.25), .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY));
    OK(gradus_program_read(gradus_model_program(m), "dense/kernel", after, sizeof after));
    assert_memory_equal(before, after, sizeof before);
    float rate;
    OK(gradus_program_read(gradus_model_program(m), "sgd/learning_rate", &rate, sizeof rate));
    assert_true(rate == 0.25f);
    OK(gradus_model_fit(m, data));
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
}

/* An optimizer that is called as a layer is not taken for one. */
static void test_an_optimizer_of_a_layers_name(void **state) {
    (void)state;
    gradus_data *data = class_data();
    gradus_model *m = two_layers();
    const gradus_loss sparse = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY;
    float before[FEATURES * 8], after[FEATURES * 8], rate;
    OK(gradus_model_compile(m, .optimizer = gradus_adam(.name = "dense"), .loss = sparse));
    OK(gradus_model_fit(m, data));
    OK(gradus_program_read(gradus_model_program(m), "dense/kernel", before, sizeof before));
    OK(gradus_model_compile(m, .optimizer = gradus_adam(.name = "dense", .learning_rate = 0.25), .loss = sparse));
    if (!gradus_model_program(m)) fail_msg("%s", gradus_last_error());
    OK(gradus_program_read(gradus_model_program(m), "dense/kernel", after, sizeof after));
    assert_memory_equal(before, after, sizeof before);
    OK(gradus_program_read(gradus_model_program(m), "dense/learning_rate", &rate, sizeof rate));
    assert_true(rate == 0.25f);
    OK(gradus_model_compile(m, .optimizer = gradus_sgd(), .loss = sparse));
    OK(gradus_model_fit(m, data));
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
}

static void test_wrong_compilations(void **state) {
    (void)state;
    gradus_model *m = two_layers();
    const gradus_loss sparse = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY;
    char here[64];
    snprintf(here, sizeof here, "test_model.c:%d: gradus_model_compile", __LINE__ + 1);
    FAILS(gradus_model_compile(m), GRADUS_ERROR_ARGUMENT, here, "no .loss");
    gradus_model *narrow = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(FEATURES));
    OK(gradus_model_add(narrow, gradus_layer_dense(.units = 1)));
    FAILS(gradus_model_compile(narrow, .loss = sparse), GRADUS_ERROR_ARGUMENT, "of one class is always 0", "\"dense\", has one unit");
    gradus_model_destroy(&narrow);
    FAILS(gradus_model_compile(m, .loss = sparse, .metrics = 1u << 20), GRADUS_ERROR_ARGUMENT, "0x100000");
    FAILS(gradus_model_compile(m, .loss = sparse, .metrics = GRADUS_MSE), GRADUS_ERROR_ARGUMENT, "class numbers");
    FAILS(gradus_model_compile(m, .loss = sparse, .label_dtype = GRADUS_F32), GRADUS_ERROR_ARGUMENT, "class numbers");
    FAILS(gradus_model_compile(m, .loss = sparse, .metrics = GRADUS_TOP_K_ACCURACY, .top_k = -1), GRADUS_ERROR_ARGUMENT, ".top_k");
    FAILS(gradus_model_compile(m, .loss = GRADUS_BINARY_CROSSENTROPY, .metrics = GRADUS_TOP_K_ACCURACY),
          GRADUS_ERROR_ARGUMENT, "GRADUS_TOP_K_ACCURACY");
    FAILS(gradus_model_compile(m, .loss = sparse, .optimizer = gradus_adam(.beta1 = 2)), GRADUS_ERROR_GRAPH, "test_model.c:",
          "adam: .beta1 is 2");
    FAILS(gradus_model_compile(m, .loss = sparse, .max_batch = -1), GRADUS_ERROR_ARGUMENT, ".max_batch is -1");
    OK(gradus_model_compile(m, .loss = sparse, .max_batch = 7)); /* after all that */
    gradus_entry_info entry;
    OK(gradus_program_entry(gradus_model_program(m), 2, &entry));
    assert_true(strcmp(entry.name, "predict") == 0 && entry.max_batch == 7);
    OK(gradus_model_compile(m, .loss = sparse));
    OK(gradus_program_entry(gradus_model_program(m), 2, &entry));
    assert_int_equal(entry.max_batch, 256);
    gradus_model_destroy(&m);
    m = two_layers();
    OK(gradus_model_add(m, gradus_layer_activation(.activation = GRADUS_SIGMOID, .name = "squash")));
    FAILS(gradus_model_compile(m, .loss = sparse), GRADUS_ERROR_ARGUMENT, "layer 3, \"squash\"", "sigmoid", "softmax");
    OK(gradus_model_compile(m, .loss = GRADUS_BINARY_CROSSENTROPY));
    gradus_model_destroy(&m);
}

static int begin(void **state) {
    (void)state;
    fill_data();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_plot),
        cmocka_unit_test(test_a_layer_that_does_not_fit),
        cmocka_unit_test(test_after_compilation_the_stack_is_fixed),
        cmocka_unit_test(test_options_are_copied),
        cmocka_unit_test(test_all_kinds_of_layers),
        cmocka_unit_test(test_probabilities_or_logits),
        cmocka_unit_test(test_losses_and_metrics),
        cmocka_unit_test(test_label_dtypes),
        cmocka_unit_test(test_frozen_layers),
        cmocka_unit_test(test_compiling_again),
        cmocka_unit_test(test_an_optimizer_of_a_layers_name),
        cmocka_unit_test(test_wrong_compilations),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
