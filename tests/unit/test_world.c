/* SPDX-License-Identifier: Apache-2.0
 *
 * Whatever floating-point mode and locale the caller has set, the library's results, files and messages are the same bytes,
 * and the caller has what it had.  The same scenarios, which go through the public interface from graph to picture, run
 * under each of the surroundings; all that they give is recorded and compared with what the usual ones gave.
 *
 * The scenarios themselves compute nothing, so that a trap is the library's. */
#include "tests/cmocka_all.h"

#include "tests/file.h"
#include "tests/surroundings.h"

#include <gradus/gradus.h>
#include <gradus/plot.h>

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static FILE *record;
static surroundings outside; /* what the scenario runs in */
static char directory[64];

#define PATH(name) path_of((char[128]){0}, name)
static const char *path_of(char *path, const char *name) {
    strcat(strcat(strcat(path, directory), "/"), name);
    return path;
}

static void put(const char *what, const void *bytes, size_t n) {
    fprintf(record, "\n== %s\n", what);
    fwrite(bytes, 1, n, record);
    if (!surroundings_are(&outside)) fprintf(record, "\n(the caller's surroundings have changed)\n");
}

#define PUT(x) put(#x, &(x), sizeof(x))
#define PUT_TEXT(what, text) put(what, text, strlen(text))

/* A call's status and, where it failed, its message. */
#define CALLS(call) put_status(#call, call)
static void put_status(const char *call, gradus_status status) {
    const char *said = status ? gradus_last_error() : "";
    fprintf(record, "\n== %s: %s\n%s\n", call, gradus_status_name(status), said);
    if (!surroundings_are(&outside)) fprintf(record, "\n(the caller's surroundings have changed)\n");
}

static void put_file(const char *path) {
    char piece[4096];
    FILE *f = fopen(path, "rb");
    fprintf(record, "\n== %s\n", path);
    for (size_t n; f && (n = fread(piece, 1, sizeof piece, f));) fwrite(piece, 1, n, record);
    if (f) fclose(f);
    else fprintf(record, "(none)");
}

/* A log's or a progress line's times differ from run to run: from each `begin` to the next `end` nothing is kept. */
static void put_without_times(const char *path, const char *begin, const char *end) {
    static char text[65536];
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) fclose(f);
    text[n] = '\0';
    fprintf(record, "\n== %s\n", path);
    for (char *at = text, *cut; *at; at = cut) {
        cut = strstr(at, begin);
        if (!cut) cut = at + strlen(at);
        fwrite(at, 1, (size_t)(cut - at), record);
        if (*cut) cut = strstr(cut, end) ? strstr(cut, end) : cut + strlen(cut);
    }
}

/* --- a graph ------------------------------------------------------------------------------------------------------- */

static int function_surroundings; /* what a function in the graph saw: 0 for what it should */

static int observe(const float *x, float *y, int64_t n) {
    memcpy(y, x, (size_t)n * sizeof *y);
    if (strcmp(localeconv()->decimal_point, outside.point) != 0) function_surroundings |= 1;
    if (fegetround() != FE_TONEAREST) function_surroundings |= 2;
#if defined(__x86_64__)
    if ((_mm_getcsr() & ~(unsigned)_MM_EXCEPT_MASK) != 0x1f80) function_surroundings |= 4;
#endif
    return 0;
}

static int observe_backward(const float *x, const float *dy, float *dx, int64_t n) {
    (void)x;
    memcpy(dx, dy, (size_t)n * sizeof *dx);
    return 0;
}

static const float rows[4 * 3] = {0.1f, -0.7f, 1e-41f, 3.3f, 1e-30f, 0.3f, -2.2f, 5e-39f, 0.9f, 0.11f, 0.12f, -0.13f};

static gradus_tensor build(gradus_graph *g) {
    static const double tiny[3] = {1e-310, 0.1, 3e-320};
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 3));
    gradus_tensor c = gradus_constant(g, GRADUS_F64, GRADUS_SHAPE(3), tiny, sizeof tiny);
    gradus_tensor folded = gradus_mul(gradus_exp(gradus_scalar(g, GRADUS_F64, 0.1)), gradus_div(c, gradus_like(c, 3)));
    gradus_tensor w = gradus_param(g, "w", GRADUS_F32, GRADUS_SHAPE(3, 5), gradus_glorot_uniform());
    gradus_tensor b = gradus_param(g, "b", GRADUS_F32, GRADUS_SHAPE(5), gradus_truncated_normal(0.1, 1e-38));
    gradus_tensor seen = gradus_custom(GRADUS_TENSORS(x), .function = GRADUS_FUNCTION(observe),
                                       .signature = "int observe(const float *x, float *y, int64_t n)",
                                       .backward = GRADUS_FUNCTION(observe_backward));
    gradus_tensor h = gradus_tanh(gradus_add(gradus_matmul(gradus_add(seen, gradus_cast(folded, GRADUS_F32)), w), b));
    return gradus_mean(gradus_square(gradus_dropout(gradus_layer_norm(h, (gradus_tensor){0}, (gradus_tensor){0}), 0.3)),
                       GRADUS_ALL_AXES, false);
}

static void put_state(gradus_program *p) {
    void *state = NULL;
    size_t bytes = 0;
    CALLS(gradus_program_state(p, &state, &bytes));
    put("the state", state, bytes);
}

static void graph(void) {
    gradus_graph *g = gradus_graph_create(), *again = NULL;
    gradus_program *p = NULL;
    float loss;
    gradus_tensor y = build(g);
    gradus_tensor x = gradus_find(g, "x");
    gradus_tensor rate = gradus_exponential_decay(g, .learning_rate = 0.013, .factor = 0.77, .every = 3);
    gradus_updates step = gradus_minimize(y, gradus_adam(.rate = rate, .epsilon = 1e-30));
    CALLS(gradus_define(g, "train", GRADUS_TENSORS(x), GRADUS_TENSORS(y), step));
    CALLS(gradus_graph_write(g, PATH("graph.gradus")));
    put_file(PATH("graph.gradus"));
    CALLS(gradus_graph_dot(g, NULL, PATH("graph.dot")));
    put_file(PATH("graph.dot"));
    CALLS(gradus_jit(g, gradus_compile_options(.max_batch = 4), &p));
    CALLS(gradus_program_init(p, 42));
    put_state(p);
    for (int i = 0; i < 5; i++) {
        CALLS(gradus_call(p, "train", 4, GRADUS_INPUTS(rows), GRADUS_OUTPUTS(&loss)));
        PUT(loss);
    }
    CALLS(gradus_program_set(p, "b", 1.1e-41));
    CALLS(gradus_program_set(p, "rng", 0.5));
    put_state(p);
    CALLS(gradus_save(p, PATH("state.safetensors")));
    put_file(PATH("state.safetensors"));
    gradus_program_destroy(&p);
    CALLS(gradus_graph_read(PATH("graph.gradus"), &again));
    CALLS(gradus_graph_write(again, PATH("again.gradus")));
    put_file(PATH("again.gradus"));
    gradus_graph_destroy(&again);
    gradus_graph_destroy(&g);
    PUT(function_surroundings);
}

static void numbers_in_messages(void) {
    gradus_graph *g = gradus_graph_create();
    gradus_program *p = NULL;
    float y[4 * 3];
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 3));
    gradus_gradient_check worst = {0};
    gradus_tensor stopped = gradus_sum(gradus_mul(x, gradus_stop_gradient(gradus_exp(x))), GRADUS_ALL_AXES, false);
    CALLS(gradus_check_gradients(stopped, GRADUS_TENSORS(x), GRADUS_NO_TENSORS, GRADUS_NO_INPUTS, gradus_check_options(.batch = 2),
                                 &worst));
    PUT(worst.analytic);
    PUT(worst.numeric);
    CALLS(gradus_define(g, "log", GRADUS_TENSORS(x), GRADUS_TENSORS(gradus_log(x)), GRADUS_NO_UPDATES));
    CALLS(gradus_jit(g, gradus_compile_options(.max_batch = 4, .check_nan = true), &p));
    CALLS(gradus_call(p, "log", 4, GRADUS_INPUTS(rows), GRADUS_OUTPUTS(y)));
    gradus_program_destroy(&p);
    gradus_dropout(x, 1.25);
    PUT_TEXT("the error", gradus_graph_error(g));
    gradus_graph_destroy(&g);
}

/* --- data ---------------------------------------------------------------------------------------------------------- */

static void put_data(const gradus_data *data) {
    gradus_batches *batches = NULL;
    gradus_batch b;
    CALLS(gradus_batches_create(data, gradus_batch_options(.batch_size = 3, .seed = 5), &batches));
    while (batches && gradus_batches_next(batches, &b))
        for (size_t i = 0; i < b.inputs.count; i++) {
            gradus_info info;
            CALLS(gradus_data_info(data, i, &info));
            put("a batch", b.inputs.items[i].data,
                (size_t)b.size * info.bytes / (size_t)gradus_data_rows(data));
        }
    gradus_batches_destroy(&batches);
}

static const char table[] = "a,b,kind\n0.1,1e-40,x\n5000.3,2.00000000000000000001e-39,y\n-7.25,3.4e38,x\n"
                            "1.17549435e-38,123456789.123456789,y\n3,4,x\n2.5,1.5,y\n0.3,0.7,y\n";

static void data(void) {
    static const unsigned char images[] = {0, 0, 8, 2, 0, 0, 0, 4, 0, 0, 0, 3, 1, 2, 3, 77, 78, 79, 200, 254, 255, 9, 10, 11};
    static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 4, 0, 1, 2, 0};
    static const double column[4] = {0.1, 1e-310, -0.0, 5e300};
    gradus_data *d = NULL, *first = NULL, *second = NULL;
    gradus_npy array = {0};
    write_file(PATH("table.csv"), table, strlen(table));
    CALLS(gradus_data_csv(PATH("table.csv"), gradus_csv_options(.header = true, .label = "kind", .standardize = true), &d));
    put_data(d);
    CALLS(gradus_data_split(d, 0.3, 7, &first, &second));
    put_data(first);
    CALLS(gradus_data_split(d, 1.5, 7, &first, &second));
    gradus_data_destroy(&first);
    gradus_data_destroy(&second);
    gradus_data_destroy(&d);
    CALLS(gradus_data_csv(PATH("table.csv"), gradus_csv_options(.header = true, .label = "b"), &d));
    gradus_data_destroy(&d);
    write_file(PATH("images"), images, sizeof images);
    write_file(PATH("labels"), labels, sizeof labels);
    CALLS(gradus_data_idx(PATH("images"), PATH("labels"), NULL, &d));
    put_data(d);
    gradus_data_destroy(&d);
    CALLS(gradus_npy_write(PATH("column.npy"), column, GRADUS_F64, GRADUS_SHAPE(4)));
    put_file(PATH("column.npy"));
    CALLS(gradus_npy_read(PATH("column.npy"), &array));
    gradus_npy_free(&array);
}

/* --- a model ------------------------------------------------------------------------------------------------------- */

static bool callback_saw_its_own = true;

static gradus_verdict on_epoch(void *user, const gradus_progress *now) {
    (void)user;
    if (!surroundings_are(&outside)) callback_saw_its_own = false;
    put("in on_epoch", &now->val_loss, sizeof now->val_loss);
    return GRADUS_CONTINUE;
}

static double half(void *user, int64_t epoch, double rate) {
    (void)user;
    (void)epoch;
    if (!surroundings_are(&outside)) callback_saw_its_own = false;
    return rate;
}

static void log_function(void *user, int32_t level, const char *message) {
    (void)user;
    (void)level;
    (void)message;
}

static void model(void) {
    gradus_data *d = NULL;
    gradus_history history = {0};
    float predicted[7 * 2];
    gradus_scores scores;
    write_file(PATH("table.csv"), table, strlen(table));
    gradus_set_log(log_function, NULL, 2);
    CALLS(gradus_data_csv(PATH("table.csv"), gradus_csv_options(.header = true, .label = "kind", .standardize = true), &d));
    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(2));
    CALLS(gradus_model_add(m, gradus_layer_dense(.units = 4, .activation = GRADUS_GELU)));
    CALLS(gradus_model_add(m, gradus_layer_batch_norm(.momentum = 0.9)));
    CALLS(gradus_model_add(m, gradus_layer_dense(.units = 2)));
    CALLS(gradus_model_compile(m, .optimizer = gradus_adam(.learning_rate = 0.0123), .metrics = GRADUS_ACCURACY,
                               .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY));
    FILE *progress = fopen(PATH("progress"), "w"), *summary = fopen(PATH("summary"), "w");
    CALLS(gradus_model_fit(m, d, .epochs = 3, .batch_size = 2, .validation_split = 0.3, .verbose = 2, .stream = progress,
                           .history = &history, .schedule = gradus_schedule_cosine(0.0123, 0.001, 1, 3), .on_epoch = on_epoch,
                           .log_jsonl = PATH("log.jsonl"), .log_csv = PATH("log.csv")));
    CALLS(gradus_model_fit(m, d, .schedule = gradus_schedule_custom(half, NULL), .on_batch = on_epoch));
    CALLS(gradus_model_summary(m, summary));
    fclose(progress);
    fclose(summary);
    put_file(PATH("summary"));
    put_without_times(PATH("progress"), " - ", "/step");
    put_without_times(PATH("log.jsonl"), "\"seconds\":", "}");
    PUT_TEXT("columns of log.csv", "");
    FILE *log = fopen(PATH("log.csv"), "r");
    char line[512];
    while (log && fgets(line, sizeof line, log)) {
        if (strrchr(line, ',')) *strrchr(line, ',') = '\0'; /* the seconds are last */
        PUT_TEXT("a line", line);
    }
    if (log) fclose(log);
    put("loss", history.loss, history.epochs * sizeof *history.loss);
    put("rate", history.learning_rate, history.epochs * sizeof *history.learning_rate);
    CALLS(gradus_model_predict(m, d, predicted));
    PUT(predicted);
    CALLS(gradus_model_evaluate_all(m, d, &scores));
    PUT(scores.loss);
    put("metrics", scores.metric, scores.metrics * sizeof *scores.metric);
    CALLS(gradus_model_fit(m, d, .validation_split = 1.5));
    CALLS(gradus_model_fit(m, d, .min_delta = -0.25));
    put_state(gradus_model_program(m));
    gradus_set_log(NULL, NULL, 0);
    gradus_history_free(&history);
    gradus_model_destroy(&m);
    gradus_data_destroy(&d);
    PUT(callback_saw_its_own);
}

/* --- pictures ------------------------------------------------------------------------------------------------------ */

static void pictures(void) {
    static const double ys[5] = {0.1, 0.25, 1e-3, 0.77, 0.5};
    static const int64_t counts[4] = {5, 1, 0, 7};
    static const float shares[2 * 2 * 2] = {0.25f, 0.75f, 0.5f, 0.5f, 0.1f, 0.9f, 0.9f, 0.1f};
    const gradus_series series = {"loss", NULL, ys, 5};
    float inputs[2 * 3 * 2];
    CALLS(gradus_plot_lines(PATH("lines.svg"), &series, 1, NULL));
    put_file(PATH("lines.svg"));
    CALLS(gradus_plot_confusion(PATH("confusion.svg"), counts, 2, NULL, NULL));
    put_file(PATH("confusion.svg"));
    CALLS(gradus_plot_histogram(PATH("histogram.svg"), rows, 12, NULL));
    put_file(PATH("histogram.svg"));
    CALLS(gradus_plot_weights(PATH("weights.svg"), rows, 2, 3, 2, NULL, NULL));
    put_file(PATH("weights.svg"));
    CALLS(gradus_plot_boundary(PATH("boundary.svg"),
                               gradus_boundary(.x_low = -0.5, .x_high = 1.5, .y_low = -0.3, .y_high = 0.3, .columns = 2,
                                               .rows = 2, .classes = 2, .probabilities = shares),
                               NULL));
    put_file(PATH("boundary.svg"));
    CALLS(gradus_boundary_inputs(gradus_boundary(.x_low = 0.1, .x_high = 0.3, .y_low = 1, .y_high = 2, .columns = 2,
                                                 .rows = 3, .classes = 1, .probabilities = shares),
                                 inputs));
    PUT(inputs);
}

/* --- the comparison ------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {{"graph", graph}, {"messages", numbers_in_messages}, {"data", data}, {"model", model}, {"pictures", pictures}};

enum { COUNT = sizeof scenarios / sizeof *scenarios };

static char *record_of(void (*run)(void), size_t *bytes) {
    char *text = NULL;
    record = open_memstream(&text, bytes);
    assert_non_null(record);
    callback_saw_its_own = true;
    function_surroundings = 0;
    outside = surroundings_now();
    run();
    fclose(record);
    return text;
}

/* All scenarios on a thread with as much stack as the headers ask for. */
static void *run_all(void *unused) {
    for (size_t s = 0; s < COUNT; s++) scenarios[s].run();
    return unused;
}

static void a_small_stack_is_enough(void **unused) {
    (void)unused;
    char *text = NULL;
    size_t bytes;
    pthread_t thread;
    pthread_attr_t attributes;
    record = open_memstream(&text, &bytes);
    outside = surroundings_now();
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    if (pthread_create(&thread, &attributes, run_all, NULL) != 0) skip();
    pthread_join(thread, NULL);
    fclose(record);
    free(text);
}

static void compare(const char *name, int which, const char *wanted, size_t n, const char *got, size_t m) {
    size_t i = 0;
    while (i < n && i < m && wanted[i] == got[i]) i++;
    if (i == n && i == m) return;
    size_t begin = i, place = i; /* where that line begins, and where the part does */
    while (begin > 0 && wanted[begin - 1] != '\n') begin--;
    while (place > 0 && strncmp(wanted + place, "\n== ", 4) != 0) place--;
    fail_msg("%s, %s, at byte %zu of%.160s\n  is\n%.200s\n  instead of\n%.200s", name, surroundings_names[which], i - place,
             wanted + place, got + begin, wanted + begin);
}

static void everything_is_the_same(void **unused) {
    (void)unused;
    char *usual[COUNT] = {NULL}, *text[COUNT];
    size_t bytes[COUNT], n[COUNT];
    for (int which = USUAL; which < SURROUNDINGS; which++) {
        if (!surroundings_set(which)) {
            printf("skipped: %s, which this machine has not\n", surroundings_names[which]);
            continue;
        }
        for (size_t s = 0; s < COUNT; s++) text[s] = record_of(scenarios[s].run, &n[s]);
        surroundings_reset();
        for (size_t s = 0; s < COUNT; s++) {
            if (which != USUAL) {
                compare(scenarios[s].name, which, usual[s], bytes[s], text[s], n[s]);
                free(text[s]);
                continue;
            }
            if (strstr(text[s], "surroundings have changed")) fail_msg("%s", text[s]);
            usual[s] = text[s];
            bytes[s] = n[s];
        }
    }
    for (size_t s = 0; s < COUNT; s++) free(usual[s]);
}

static int make_directory(void **unused) {
    (void)unused;
    strcpy(directory, "/tmp/gradus-world-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **unused) {
    (void)unused;
    return shell("rm -rf '%s'", directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(everything_is_the_same), cmocka_unit_test(a_small_stack_is_enough)};
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
