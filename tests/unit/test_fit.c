/* SPDX-License-Identifier: Apache-2.0
 *
 * Fitting a model: the same bits as a loop written by hand, validation, early stopping, callbacks, logs, schedules, and
 * what users are told.
 */
#include "file.h"
#include "model_data.h"

#include <sys/stat.h>
#include <unistd.h>

enum { BATCH = 16 };

/* --- against a loop written by hand ---------------------------------------------------------------------------------- */

/* The graph that the model stands for. */
static gradus_program *by_hand(void) {
    gradus_graph *g = gradus_graph_create();
    gradus_program *p = NULL;
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, FEATURES));
    gradus_tensor y = gradus_input(g, "y", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH));
    gradus_tensor h = gradus_dense(x, .units = 8, .activation = GRADUS_RELU, .name = "dense");
    gradus_tensor z = gradus_dense(h, .units = CLASSES, .name = "dense_2");
    gradus_tensor loss = gradus_mean(gradus_softmax_cross_entropy(z, y), GRADUS_ALL_AXES, false);
    gradus_tensor right = gradus_equal(gradus_argmax(z, GRADUS_AXES(-1), false), y);
    gradus_tensor accuracy = gradus_mean(gradus_cast(right, GRADUS_F32), GRADUS_ALL_AXES, false);
    gradus_updates step = gradus_minimize(loss, gradus_adam(.learning_rate = 0.01));
    gradus_define(g, "train", GRADUS_TENSORS(x, y), GRADUS_TENSORS(loss, accuracy), step);
    OK(gradus_jit(g, gradus_compile_options(.max_batch = BATCH), &p));
    gradus_graph_destroy(&g);
    OK(gradus_program_init(p, 3));
    return p;
}

static void test_fit_is_a_loop(void **state) {
    (void)state;
    gradus_data *data = class_data();
    gradus_model *m = classifier(gradus_adam(.learning_rate = 0.01));
    gradus_history history = {0};
    OK(gradus_model_fit(m, data, .epochs = 3, .batch_size = BATCH, .seed = 5, .history = &history));
    assert_int_equal(history.epochs, 3);
    gradus_program *p = by_hand();
    gradus_batches *batches;
    gradus_batch b;
    OK(gradus_batches_create(data, gradus_batch_options(.batch_size = BATCH, .seed = 5), &batches));
    for (size_t epoch = 0; epoch < 3; epoch++) {
        double sums[2] = {0, 0};
        while (gradus_batches_next(batches, &b)) {
            float loss, accuracy;
            OK(gradus_call(p, "train", b.size, b.inputs, GRADUS_OUTPUTS(&loss, &accuracy)));
            sums[0] += (double)loss * (double)b.size;
            sums[1] += (double)accuracy * (double)b.size;
        }
        assert_true(same_bits(history.loss[epoch], sums[0] / ROWS));
        assert_true(same_bits(history.metric[0][epoch], sums[1] / ROWS));
        assert_true(isnan(history.val_loss[epoch]) && history.seconds[epoch] > 0);
        assert_true(same_bits(history.learning_rate[epoch], (double)0.01f));
    }
    assert_string_equal(history.names[0], "accuracy");
    assert_same_state(p, gradus_model_program(m));
    assert_true(history.loss[2] < history.loss[0]);
    gradus_history_free(&history);
    assert_true(history.loss == NULL && history.epochs == 0);
    gradus_batches_destroy(&batches);
    gradus_program_destroy(&p);
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
}

static void test_two_fits_are_one(void **state) {
    (void)state;
    gradus_data *data = class_data();
    gradus_model *one = classifier(gradus_adam()), *two = classifier(gradus_adam()), *resumed = classifier(gradus_adam());
    gradus_history history = {0};
    OK(gradus_model_fit(one, data, .epochs = 5, .batch_size = BATCH));
    OK(gradus_model_fit(two, data, .epochs = 2, .batch_size = BATCH, .history = &history));
    size_t bytes;
    unsigned char *saved = state_of(gradus_model_program(two), &bytes);
    OK(gradus_model_fit(two, data, .epochs = 3, .batch_size = BATCH, .history = &history));
    assert_int_equal(history.epochs, 5);
    assert_same_state(gradus_model_program(one), gradus_model_program(two));
    void *into;
    OK(gradus_program_state(gradus_model_program(resumed), &into, &bytes));
    memcpy(into, saved, bytes);
    OK(gradus_model_fit(resumed, data, .initial_epoch = 2, .epochs = 5, .batch_size = BATCH));
    assert_same_state(gradus_model_program(one), gradus_model_program(resumed));
    free(saved);
    gradus_history_free(&history);
    gradus_model_destroy(&one);
    gradus_model_destroy(&two);
    gradus_model_destroy(&resumed);
    gradus_data_destroy(&data);
}

static double no_rate(void *user, int64_t epoch, double rate) {
    (void)user;
    (void)epoch;
    (void)rate;
    return 0;
}

static void test_a_larger_batch_keeps_the_state(void **state) {
    (void)state;
    gradus_data *data = class_data();
    gradus_model *m = classifier(gradus_sgd(.learning_rate = 0.1));
    float before[FEATURES * 8], after[FEATURES * 8];
    gradus_entry_info entry;
    OK(gradus_model_fit(m, data, .epochs = 2, .batch_size = 8));
    OK(gradus_program_read(gradus_model_program(m), "dense/kernel", before, sizeof before));
    OK(gradus_model_fit(m, data, .batch_size = 64, .schedule = gradus_schedule_custom(no_rate, NULL)));
    OK(gradus_program_read(gradus_model_program(m), "dense/kernel", after, sizeof after));
    assert_memory_equal(before, after, sizeof before);
    OK(gradus_program_entry(gradus_model_program(m), 0, &entry));
    assert_int_equal(entry.max_batch, 64);
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
}

/* Memory is planned for as many rows as there are. */
static void test_a_batch_larger_than_the_data(void **state) {
    (void)state;
    gradus_data *data = class_data();
    gradus_model *all = classifier(gradus_sgd()), *more = classifier(gradus_sgd());
    OK(gradus_model_fit(all, data, .batch_size = ROWS));
    OK(gradus_model_fit(more, data, .batch_size = INT64_MAX));
    assert_same_state(gradus_model_program(all), gradus_model_program(more));
    gradus_model_destroy(&all);
    gradus_model_destroy(&more);
    gradus_data_destroy(&data);
}

/* --- validation ------------------------------------------------------------------------------------------------------ */

static void test_the_last_rows_validate(void **state) {
    (void)state;
    gradus_data *data = class_data(), *train, *rest;
    OK(gradus_data_slice(data, 0, 60, &train)); /* floor(75 * 0.8) */
    OK(gradus_data_slice(data, 60, ROWS, &rest));
    gradus_model *split = classifier(gradus_adam()), *given = classifier(gradus_adam());
    gradus_history a = {0}, b = {0};
    OK(gradus_model_fit(split, data, .epochs = 2, .validation_split = 0.2, .history = &a));
    OK(gradus_model_fit(given, train, .epochs = 2, .validation_data = rest, .history = &b));
    assert_same_state(gradus_model_program(split), gradus_model_program(given));
    float loss, accuracy;
    OK(gradus_model_evaluate(split, rest, &loss, &accuracy));
    assert_true((float)a.val_loss[1] == loss && (float)a.val_metric[0][1] == accuracy);
    assert_memory_equal(a.val_loss, b.val_loss, 2 * sizeof(double));
    gradus_history_free(&a);
    gradus_history_free(&b);
    gradus_model_destroy(&split);
    gradus_model_destroy(&given);
    gradus_data_destroy(&rest);
    gradus_data_destroy(&train);
    gradus_data_destroy(&data);
}

/* --- early stopping -------------------------------------------------------------------------------------------------- */

enum { MOST = 60 };
static struct {
    unsigned char *states[MOST + 1];
    double val_loss[MOST + 1];
    int64_t epochs;
    size_t bytes;
} seen;

static gradus_verdict remember(void *user, const gradus_progress *now) {
    assert_ptr_equal(user, &seen);
    assert_int_equal(now->epoch, ++seen.epochs);
    assert_int_equal(now->batch, now->batches);
    seen.val_loss[now->epoch] = now->val_loss;
    seen.states[now->epoch] = state_of(now->program, &seen.bytes);
    return GRADUS_CONTINUE;
}

/* A rate so large that the validation gets worse soon. */
static void test_early_stopping(void **state) {
    (void)state;
    enum { PATIENCE = 3 };
    gradus_data *data = class_data();
    gradus_model *m = classifier(gradus_adam(.learning_rate = 0.2));
    gradus_history history = {0};
    memset(&seen, 0, sizeof seen);
    OK(gradus_model_fit(m, data, .epochs = MOST, .batch_size = BATCH, .validation_split = 0.2, .patience = PATIENCE,
                        .restore_best = true, .on_epoch = remember, .user = &seen, .history = &history));
    assert_true(seen.epochs < MOST && history.stopped);
    assert_int_equal(history.epochs, seen.epochs);
    int64_t best = 1;
    for (int64_t e = 2; e <= seen.epochs; e++)
        if (seen.val_loss[e] < seen.val_loss[best]) best = e;
    assert_int_equal(seen.epochs, best + PATIENCE);
    assert_int_equal(history.best_epoch, best);
    size_t bytes;
    unsigned char *final = state_of(gradus_model_program(m), &bytes);
    assert_int_equal(bytes, seen.bytes);
    assert_memory_equal(final, seen.states[best], bytes);
    assert_true(memcmp(final, seen.states[seen.epochs], bytes) != 0);
    free(final);
    for (int64_t e = 1; e <= seen.epochs; e++) free(seen.states[e]);
    gradus_history_free(&history);
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
}

/* The file of the best epoch is the state of the best epoch. */
static void test_best_checkpoint(void **state) {
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "best-%ld.safetensors", (long)getpid());
    gradus_data *data = class_data();
    gradus_model *m = classifier(gradus_adam(.learning_rate = 0.2)), *other = classifier(gradus_adam());
    gradus_status status = gradus_model_fit(m, data, .epochs = MOST, .batch_size = BATCH, .validation_split = 0.2,
                                            .patience = 3, .restore_best = true, .best_path = path);
    if (status == GRADUS_ERROR_IO && strstr(gradus_last_error(), "jansson")) skip();
    OK(status);
    OK(gradus_load(gradus_model_program(other), path));
    assert_same_state(gradus_model_program(m), gradus_model_program(other));
    unlink(path);
    FAILS(gradus_model_fit(m, data, .best_path = "no/such/folder/x"), GRADUS_ERROR_IO, "no/such/folder/x");
    gradus_model_destroy(&m);
    gradus_model_destroy(&other);
    gradus_data_destroy(&data);
}

/* --- callbacks ------------------------------------------------------------------------------------------------------- */

static gradus_verdict stop_in_second(void *user, const gradus_progress *now) {
    float loss;
    FAILS(gradus_model_fit(now->model, (gradus_data *)user), GRADUS_ERROR_BUSY, "callback");
    FAILS(gradus_model_pop(now->model), GRADUS_ERROR_BUSY, "callback");
    OK(gradus_model_evaluate(now->model, user, &loss, NULL));
    assert_true(isnan(now->val_loss) && isfinite(now->loss));
    return now->epoch == 2 && now->batch == 3 ? GRADUS_STOP : GRADUS_CONTINUE;
}

static gradus_verdict stop_at_once(void *user, const gradus_progress *now) {
    (void)user;
    assert_int_equal(now->metric_count, 1);
    assert_true(now->metric == now->metrics[0]);
    return GRADUS_STOP;
}

static void test_callbacks_stop(void **state) {
    (void)state;
    gradus_data *data = class_data();
    gradus_model *m = classifier(gradus_adam());
    gradus_history history = {0};
    OK(gradus_model_fit(m, data, .epochs = 9, .batch_size = BATCH, .on_batch = stop_in_second, .user = data,
                        .history = &history));
    assert_int_equal(history.epochs, 1);
    assert_true(history.stopped);
    OK(gradus_model_fit(m, data, .epochs = 9, .on_epoch = stop_at_once, .history = &history));
    assert_int_equal(history.epochs, 2);
    gradus_history_free(&history);
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
}

/* --- schedules ------------------------------------------------------------------------------------------------------- */

static double halve(void *user, int64_t epoch, double rate) {
    ++*(int *)user;
    return epoch ? rate / 2 : 0.5;
}

static void test_schedules(void **state) {
    (void)state;
    int calls = 0;
    const struct {
        gradus_schedule schedule;
        double rates[5];
    } cases[] = {
        {gradus_schedule_step(0.5, 0.25, 2), {0.5, 0.5, 0.125, 0.125, 0.03125}},
        {gradus_schedule_exponential(0.5, 0.5), {0.5, 0.25, 0.125, 0.0625, 0.03125}},
        {gradus_schedule_cosine(0.5, 0.25, 2, 5), {0.25, 0.5, 0.5, 0.375, 0.25}},
        {gradus_schedule_custom(halve, &calls), {0.5, 0.25, 0.125, 0.0625, 0.03125}},
    };
    gradus_data *data = class_data();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gradus_model *m = classifier(gradus_sgd(.name = "mine"));
        gradus_history history = {0};
        float rate;
        OK(gradus_model_fit(m, data, .epochs = 5, .schedule = cases[i].schedule, .history = &history));
        for (int e = 0; e < 5; e++) assert_true(fabs(history.learning_rate[e] - cases[i].rates[e]) < 1e-12);
        OK(gradus_program_read(gradus_model_program(m), "mine/learning_rate", &rate, sizeof rate));
        assert_true(rate == (float)cases[i].rates[4]);
        gradus_history_free(&history);
        gradus_model_destroy(&m);
    }
    assert_int_equal(calls, 5);
    gradus_model *m = classifier(gradus_sgd());
    FAILS(gradus_model_fit(m, data, .schedule = gradus_schedule_step(1, 1, 0)), GRADUS_ERROR_ARGUMENT, "every 1 or more");
    FAILS(gradus_model_fit(m, data, .schedule = gradus_schedule_cosine(1, 1, 5, 5)), GRADUS_ERROR_ARGUMENT, "warm-up");
    FAILS(gradus_model_fit(m, data, .schedule = gradus_schedule_custom(NULL, NULL)), GRADUS_ERROR_ARGUMENT, "NULL");
    FAILS(gradus_model_fit(m, data, .schedule = gradus_schedule_step(-1, 1, 1)), GRADUS_ERROR_ARGUMENT, "epoch 1 is -1", "not negative");
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
}

/* --- logs and what is printed ---------------------------------------------------------------------------------------- */

static char *contents(FILE *stream) {
    static char text[4096];
    rewind(stream);
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    return text;
}

static char *file_contents(const char *path) {
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    char *text = contents(stream);
    fclose(stream);
    return text;
}

/* Whole ones: none is cut off. */
static int count_lines(const char *text) {
    int lines = 0;
    assert_true(*text && text[strlen(text) - 1] == '\n');
    for (; *text; text++) lines += *text == '\n';
    return lines;
}

static void test_logs(void **state) {
    (void)state;
    char jsonl[64], csv[64];
    snprintf(jsonl, sizeof jsonl, "fit-%ld.jsonl", (long)getpid());
    snprintf(csv, sizeof csv, "fit-%ld.csv", (long)getpid());
    gradus_data *data = class_data();
    gradus_model *m = classifier(gradus_adam());
    gradus_history h = {0};
    OK(gradus_model_fit(m, data, .epochs = 2, .validation_split = 0.2, .log_jsonl = jsonl, .log_csv = csv, .history = &h));
    OK(gradus_model_fit(m, data, .initial_epoch = 2, .epochs = 3, .validation_split = 0.2, .log_jsonl = jsonl,
                        .log_csv = csv, .history = &h));
    char *line = file_contents(jsonl);
    for (size_t e = 0; e < 3; e++, line = strchr(line, '\n') + 1) {
        double v[6];
        int epoch, end = 0;
        sscanf(line,
               "{\"epoch\":%d,\"loss\":%lf,\"accuracy\":%lf,\"val_loss\":%lf,\"val_accuracy\":%lf,\"learning_rate\":%lf,"
               "\"seconds\":%lf}%n",
               &epoch, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &end);
        assert_true(end > 0 && line[end] == '\n');
        assert_int_equal(epoch, e + 1);
        const double wanted[] = {h.loss[e], h.metric[0][e], h.val_loss[e], h.val_metric[0][e], 1e-3};
        for (int i = 0; i < 5; i++) assert_true(fabs(v[i] - wanted[i]) < 1e-8 * (1 + fabs(wanted[i])));
    }
    assert_int_equal(*line, '\0');
    line = file_contents(csv);
    const char header[] = "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds\n";
    assert_memory_equal(line, header, sizeof header - 1);
    line += sizeof header - 1;
    for (size_t e = 0; e < 3; e++, line = strchr(line, '\n') + 1) {
        double v[6];
        int epoch;
        assert_int_equal(sscanf(line, "%d,%lf,%lf,%lf,%lf,%lf,%lf\n", &epoch, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5]), 7);
        assert_int_equal(epoch, e + 1);
        assert_true(fabs(v[2] - h.val_loss[e]) < 1e-8);
    }
    assert_int_equal(*line, '\0');

    /* Killed while it wrote of the third epoch, and resumed behind the first. */
    for (int i = 0; i < 2; i++) {
        FILE *log = fopen(i ? csv : jsonl, "r+b");
        assert_non_null(log);
        fseek(log, -5, SEEK_END);
        assert_int_equal(ftruncate(fileno(log), ftell(log)), 0);
        fclose(log);
    }
    OK(gradus_model_fit(m, data, .initial_epoch = 1, .epochs = 2, .validation_split = 0.2, .log_jsonl = jsonl, .log_csv = csv));
    assert_int_equal(count_lines(file_contents(jsonl)), 2);
    assert_int_equal(count_lines(file_contents(csv)), 3);
    assert_non_null(strstr(file_contents(csv), "\n2,"));
    FAILS(gradus_model_fit(m, data, .initial_epoch = 2, .epochs = 3, .log_csv = csv), GRADUS_ERROR_MISMATCH, csv,
          "epoch,loss,accuracy,learning_rate,seconds; ");
    assert_int_equal(count_lines(file_contents(csv)), 3);
    unlink(jsonl);
    unlink(csv);
    FAILS(gradus_model_fit(m, data, .log_jsonl = "no/such/folder/x"), GRADUS_ERROR_IO, "no/such/folder/x");
    /* Whatever number a log gives an epoch: what comes after those that are done gives way. */
    static const char *const epochs[] = {"2", "3", "9223372036854775807", "9223372036854775808",
                                         "99999999999999999999999"};
    for (size_t i = 0; i < sizeof epochs / sizeof *epochs; i++) {
        for (int json = 0; json < 2; json++) {
            char content[160];
            const int n =
                snprintf(content, sizeof content,
                         json ? "{\"epoch\":1}\n{\"epoch\":%s}\n{\"epoch\":1}\n"
                              : "epoch,loss,accuracy,learning_rate,seconds\n1,0,0,0,0\n%s,0,0,0,0\n1,0,0,0,0\n",
                         epochs[i]);
            write_file(jsonl, content, (size_t)n);
            OK(gradus_model_fit(m, data, .initial_epoch = 1, .epochs = 2, .log_jsonl = json ? jsonl : NULL,
                                .log_csv = json ? NULL : jsonl));
            assert_int_equal(count_lines(file_contents(jsonl)), json ? 2 : 3);
        }
    }
    unlink(jsonl);
    /* What is no regular file is waited for by nobody. */
    assert_int_equal(mkfifo(jsonl, 0600), 0);
    for (int resumed = 0; resumed < 2; resumed++) {
        alarm(60);
        FAILS(gradus_model_fit(m, data, .initial_epoch = resumed, .epochs = 2, .log_jsonl = jsonl), GRADUS_ERROR_IO,
              jsonl, "a pipe that nobody reads");
        FAILS(gradus_model_fit(m, data, .initial_epoch = resumed, .epochs = 2, .log_csv = "/"), GRADUS_ERROR_IO,
              "directory");
        OK(gradus_model_fit(m, data, .initial_epoch = resumed, .epochs = 2, .log_csv = "/dev/null"));
        alarm(0);
    }
    unlink(jsonl);
    gradus_history_free(&h);
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
}

static void test_printing(void **state) {
    (void)state;
    gradus_data *data = class_data();
    gradus_model *m = classifier(gradus_adam());
    for (int verbose = 0; verbose <= 2; verbose++) {
        FILE *stream = tmpfile();
        OK(gradus_model_fit(m, data, .epochs = 2, .verbose = verbose, .validation_split = 0.2, .stream = stream));
        const char *text = contents(stream);
        int lines = 0, end = 0;
        for (const char *s = text; *s; s++) lines += *s == '\n';
        assert_int_equal(lines, verbose ? 2 : 0);
        if (verbose) {
            double v[4];
            char time[32];
            sscanf(text, "Epoch 1/2 - 2/2 - 0s - %31s - accuracy: %lf - loss: %lf - val_accuracy: %lf - val_loss: %lf%n",
                   time, &v[0], &v[1], &v[2], &v[3], &end);
            if (!end || text[end] != '\n') fail_msg("%s", text);
            assert_non_null(strstr(time, "s/step"));
        }
        fclose(stream);
    }
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
}

/* --- errors ---------------------------------------------------------------------------------------------------------- */

static char logged[256];
static void take_line(void *user, int32_t level, const char *message) {
    (void)user;
    if (level == 1) snprintf(logged, sizeof logged, "%s", message);
}

static void test_a_loss_that_is_not_finite(void **state) {
    (void)state;
    gradus_data *data = class_data();
    gradus_model *m = classifier(gradus_sgd(.learning_rate = 1e30));
    gradus_set_log(take_line, NULL, 1);
    FAILS(gradus_model_fit(m, data, .epochs = 50), GRADUS_ERROR_NAN, "epoch 1, batch ", "of 3", "smaller learning rate",
          "sgd/learning_rate is 1e+30");
    assert_non_null(strstr(logged, "epoch 1"));
    gradus_set_log(NULL, NULL, 0);
    FAILS(gradus_model_fit(m, data), GRADUS_ERROR_NAN, "\"dense/kernel\" was not finite before this fit");
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);

    m = classifier(gradus_sgd());
    inputs[40 * FEATURES + 3] = NAN;
    data = class_data();
    FAILS(gradus_model_fit(m, data), GRADUS_ERROR_NAN, "epoch 1, batch ", "the loss is nan; ", /* never -nan */
          "row 40 (from 0) of the inputs has nan, at element 3");
    gradus_model_destroy(&m);
    m = two_layers();
    OK(gradus_model_compile(m, .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY, .check_nan = true));
    /* The user has no line of his own that made the model's input. */
    FAILS(gradus_model_fit(m, data), GRADUS_ERROR_NAN, "batch ", ": input \"x\": first NaN/Inf at ");
    assert_null(strstr(gradus_last_error(), "?:0"));
    fill_data();
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);

    m = two_layers();
    OK(gradus_model_compile(m, .loss = GRADUS_CATEGORICAL_CROSSENTROPY));
    one_hot[70 * CLASSES + 2] = INFINITY;
    data = data_of(one_hot, GRADUS_F32, GRADUS_SHAPE(ROWS, CLASSES));
    FAILS(gradus_model_fit(m, data), GRADUS_ERROR_NAN, "row 70 (from 0) of the labels has inf, at element 2");
    fill_data();
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
}

static void test_data_that_does_not_fit(void **state) {
    (void)state;
    gradus_model *m = classifier(gradus_sgd());
    gradus_data *data = data_of(one_hot, GRADUS_F32, GRADUS_SHAPE(ROWS, CLASSES));
    FAILS(gradus_model_fit(m, data), GRADUS_ERROR_MISMATCH, "labels are f32 (B, 3)", "want i32 (B)");
    FAILS(gradus_model_fit(m, NULL), GRADUS_ERROR_ARGUMENT, "data is NULL");
    gradus_data_destroy(&data);
    data = data_of(binary, GRADUS_F32, GRADUS_SHAPE(ROWS, 1, 1));
    FAILS(gradus_model_fit(m, data), GRADUS_ERROR_MISMATCH, "labels are f32 (B, 1, 1)", ".label_dtype");
    gradus_data_destroy(&data);

    const gradus_data_array wide[] = {{inputs, GRADUS_F32, GRADUS_SHAPE(25, FEATURES, 3)}, {labels, GRADUS_I32, GRADUS_SHAPE(25)}};
    OK(gradus_data_arrays(wide, 2, &data));
    FAILS(gradus_model_fit(m, data), GRADUS_ERROR_MISMATCH, "f32 (B, 5, 3)", "takes f32 (B, 5)");
    FAILS(gradus_model_evaluate(m, data, NULL, NULL), GRADUS_ERROR_MISMATCH, "gradus_model_evaluate");
    gradus_data_destroy(&data);
    OK(gradus_data_arrays(wide, 1, &data));
    gradus_data_destroy(&data);

    labels[70] = CLASSES;
    data = class_data();
    FAILS(gradus_model_fit(m, data), GRADUS_ERROR_ARGUMENT, "epoch 1, batch ", "row 70 (from 0) is 3", "classes 0 to 2");
    FAILS(gradus_model_evaluate(m, data, NULL, NULL), GRADUS_ERROR_ARGUMENT, "row 70");
    FAILS(gradus_model_fit(m, data, .validation_split = 0.2), GRADUS_ERROR_ARGUMENT, "validation", "row 70 ");
    fill_data();
    gradus_data_destroy(&data);
    gradus_model_destroy(&m);

    m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(FEATURES));
    OK(gradus_model_add(m, gradus_layer_dense(.units = 1)));
    OK(gradus_model_compile(m, .loss = GRADUS_BINARY_CROSSENTROPY));
    binary[70] = 2;
    data = data_of(binary, GRADUS_F32, GRADUS_SHAPE(ROWS));
    FAILS(gradus_model_fit(m, data), GRADUS_ERROR_ARGUMENT, "epoch 1, batch ", "row 70 (from 0) is 2", "from 0 to 1");
    FAILS(gradus_model_evaluate(m, data, NULL, NULL), GRADUS_ERROR_ARGUMENT, "gradus_model_evaluate", "row 70 (from 0) is 2");
    fill_data();
    gradus_data_destroy(&data);
    gradus_model_destroy(&m);
}

static void test_wrong_options(void **state) {
    (void)state;
    gradus_data *data = class_data();
    gradus_model *m = classifier(gradus_sgd());
    FAILS(gradus_model_fit(m, data, .epochs = -1), GRADUS_ERROR_ARGUMENT, ".epochs is -1");
    FAILS(gradus_model_fit(m, data, .batch_size = -1), GRADUS_ERROR_ARGUMENT, ".batch_size is -1");
    FAILS(gradus_model_fit(m, data, .validation_split = 1), GRADUS_ERROR_ARGUMENT, ".validation_split is 1");
    FAILS(gradus_model_fit(m, data, .validation_split = NAN), GRADUS_ERROR_ARGUMENT, ".validation_split is nan");
    FAILS(gradus_model_fit(m, data, .validation_split = 0.999), GRADUS_ERROR_ARGUMENT, "leaves 0 of 75 rows");
    FAILS(gradus_model_fit(m, data, .validation_split = 0.5, .validation_data = data), GRADUS_ERROR_ARGUMENT, "both");
    FAILS(gradus_model_fit(m, data, .patience = -1), GRADUS_ERROR_ARGUMENT, ".patience is -1");
    FAILS(gradus_model_fit(m, data, .min_delta = -1), GRADUS_ERROR_ARGUMENT, ".min_delta is -1");
    FAILS(gradus_model_fit(m, data, .verbose = 3), GRADUS_ERROR_ARGUMENT, ".verbose is 3");
    FAILS(gradus_model_fit(m, data, .initial_epoch = 2, .epochs = 2), GRADUS_ERROR_ARGUMENT, ".initial_epoch is 2 of 2");
    FAILS(gradus_model_fit(m, data, .initial_epoch = INT64_MAX), GRADUS_ERROR_ARGUMENT, ".initial_epoch is 9223372036854775807");
    FAILS(gradus_model_fit(m, data, .initial_epoch = INT64_MAX - 1), GRADUS_ERROR_ARGUMENT, "not more than 2^53");
    gradus_model_destroy(&m);
    m = two_layers();
    FAILS(gradus_model_fit(m, data), GRADUS_ERROR_ARGUMENT, "not compiled", "gradus_model_compile");
    FAILS(gradus_model_predict(m, data, inputs), GRADUS_ERROR_ARGUMENT, "gradus_model_predict", "not compiled");
    assert_null(gradus_model_program(m));
    gradus_model_destroy(&m);
    FAILS(gradus_model_fit((gradus_model *)NULL, data), GRADUS_ERROR_ARGUMENT, "model is NULL");
    gradus_data_destroy(&data);
}

static int begin(void **state) {
    (void)state;
    fill_data();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit_is_a_loop),
        cmocka_unit_test(test_two_fits_are_one),
        cmocka_unit_test(test_a_larger_batch_keeps_the_state),
        cmocka_unit_test(test_a_batch_larger_than_the_data),
        cmocka_unit_test(test_the_last_rows_validate),
        cmocka_unit_test(test_early_stopping),
        cmocka_unit_test(test_best_checkpoint),
        cmocka_unit_test(test_callbacks_stop),
        cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_logs),
        cmocka_unit_test(test_printing),
        cmocka_unit_test(test_a_loss_that_is_not_finite),
        cmocka_unit_test(test_data_that_does_not_fit),
        cmocka_unit_test(test_wrong_options),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
