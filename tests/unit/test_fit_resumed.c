/* SPDX-License-Identifier: Apache-2.0
 *
 * A fit that is stopped after any epoch, or batch, and resumed from a checkpoint in a model that is new, is the fit that never
 * stopped: losses, metrics, the state, the best epoch's file, when it ends; and what a fit that a callback left by a jump leaves.
 */
#include "model_data.h"

#include <setjmp.h>
#include <unistd.h>

enum { EPOCHS = 7, MOST_BATCHES = 8, PATH = 256 };

typedef struct {
    const char *name;
    int64_t batch_size, patience;
    double rate, min_delta;
    int validation; /* 1: a split, 2: data of its own */
    bool restore_best, best_path, no_shuffle, regular;
    int schedule;
} config;

static const config configs[] = {
    {.name = "plain", .batch_size = 16, .rate = 0.01},
    {.name = "one batch, the loss",
     .batch_size = 75,
     .rate = 0.3,
     .patience = 2,
     .restore_best = true,
     .best_path = true},
    {.name = "below 32",
     .batch_size = 7,
     .rate = 0.2,
     .validation = 1,
     .patience = 3,
     .restore_best = true,
     .best_path = true},
    {.name = "above 32", .batch_size = 50, .rate = 0.2, .validation = 1, .patience = 2, .best_path = true},
    {.name = "no patience", .batch_size = 20, .rate = 0.3, .validation = 2, .restore_best = true, .no_shuffle = true},
    {.name = "dropout and statistics",
     .batch_size = 24,
     .rate = 0.1,
     .validation = 1,
     .patience = 2,
     .restore_best = true,
     .best_path = true,
     .regular = true},
    {.name = "a schedule", .batch_size = 32, .rate = 0.1, .validation = 2, .best_path = true, .schedule = 1},
    {.name = "a schedule of one's own",
     .batch_size = 13,
     .rate = 0.3,
     .min_delta = 0.05,
     .validation = 1,
     .patience = 1,
     .restore_best = true,
     .schedule = 2},
};
enum { CONFIGS = sizeof configs / sizeof *configs };

static char directory[] = "/tmp/gradus-fit-XXXXXX";

static const char *path_of(char *to, const char *kind, int64_t epoch, int64_t batch) {
    snprintf(to, PATH, "%s/%s-%lld-%lld", directory, kind, (long long)epoch, (long long)batch);
    return to;
}

static size_t read_all(const char *path, unsigned char **bytes) {
    FILE *file = fopen(path, "rb");
    if (!file) return *bytes = NULL, 0;
    fseek(file, 0, SEEK_END);
    const size_t size = (size_t)ftell(file);
    rewind(file);
    *bytes = malloc(size + 1);
    assert_int_equal(fread(*bytes, 1, size, file), size);
    fclose(file);
    return size;
}

static void copy_file(const char *from, const char *to) {
    unsigned char *bytes;
    const size_t size = read_all(from, &bytes);
    unlink(to);
    if (!bytes) return;
    FILE *file = fopen(to, "wb");
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
    free(bytes);
}

static void assert_same_file(const char *a, const char *b) {
    unsigned char *bytes[2];
    const size_t sizes[] = {read_all(a, &bytes[0]), read_all(b, &bytes[1])};
    assert_int_equal(sizes[0], sizes[1]);
    if (bytes[0] && memcmp(bytes[0], bytes[1], sizes[0]) != 0) fail_msg("%s and %s differ", a, b);
    free(bytes[0]), free(bytes[1]);
}

/* --- a run ----------------------------------------------------------------------------------------------------------- */

typedef struct {
    bool save_epochs, save_batches;
    int64_t stop_after; /* this epoch; 0: never */
    int64_t epochs, batches;
    gradus_history history;
    unsigned char *state;
    size_t bytes;
} run;

static double wear(void *user, int64_t epoch, double rate) {
    (void)user;
    return epoch ? rate * 0.75 : rate;
}

static gradus_model *make(const config *c, uint64_t seed) {
    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(FEATURES));
    gradus_model_add(m, gradus_layer_dense(.units = 8, .activation = GRADUS_RELU));
    if (c->regular) gradus_model_add(m, gradus_layer_batch_norm(.momentum = 0.8));
    if (c->regular) gradus_model_add(m, gradus_layer_dropout(.rate = 0.25));
    gradus_model_add(m, gradus_layer_dense(.units = CLASSES));
    OK(gradus_model_compile(m, .optimizer = gradus_adam(.learning_rate = c->rate),
                            .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY, .metrics = GRADUS_ACCURACY, .seed = seed,
                            .threads = 1, .max_batch = 32)); /* evaluated in several batches */
    return m;
}

static gradus_verdict at_epoch(void *user, const gradus_progress *now) {
    run *r = user;
    char to[PATH], best[PATH], copy[PATH];
    r->epochs = now->epoch;
    if (r->save_epochs) {
        OK(gradus_save(now->program, path_of(to, "epoch", now->epoch, 0)));
        copy_file(path_of(best, "best", 0, 0), path_of(copy, "best", now->epoch, 0));
    }
    return now->epoch == r->stop_after ? GRADUS_STOP : GRADUS_CONTINUE;
}

static gradus_verdict at_batch(void *user, const gradus_progress *now) {
    run *r = user;
    char to[PATH], best[PATH], copy[PATH];
    r->batches = now->batches;
    if (r->save_batches) {
        OK(gradus_save(now->program, path_of(to, "batch", now->epoch, now->batch)));
        copy_file(path_of(best, "best", 0, 0), path_of(copy, "best-batch", now->epoch, now->batch));
    }
    return GRADUS_CONTINUE;
}

static void fit(const config *c, gradus_model *m, run *r, int64_t initial_epoch) {
    gradus_data *data = class_data(), *own;
    char best[PATH];
    OK(gradus_data_slice(data, 50, ROWS, &own));
    const gradus_schedule schedules[] = {
        {0}, gradus_schedule_cosine(0.3, 0.01, 2, EPOCHS), gradus_schedule_custom(wear, NULL)};
    gradus_history_free(&r->history);
    OK(gradus_model_fit(m, data, .epochs = EPOCHS, .initial_epoch = initial_epoch, .batch_size = c->batch_size,
                        .validation_split = c->validation == 1 ? 0.3 : 0,
                        .validation_data = c->validation == 2 ? own : NULL, .patience = c->patience,
                        .min_delta = c->min_delta, .restore_best = c->restore_best,
                        .best_path = c->best_path ? path_of(best, "best", 0, 0) : NULL, .no_shuffle = c->no_shuffle,
                        .seed = 9, .schedule = schedules[c->schedule], .on_epoch = at_epoch, .on_batch = at_batch,
                        .user = r, .history = &r->history));
    free(r->state);
    r->state = state_of(gradus_model_program(m), &r->bytes);
    gradus_data_destroy(&own);
    gradus_data_destroy(&data);
}

static void free_run(run *r) {
    gradus_history_free(&r->history);
    free(r->state);
    memset(r, 0, sizeof *r);
}

/* The second is the first from an epoch on, which its history begins with. */
static void assert_same_run(const config *c, const run *whole, const run *part, int64_t from, const char *how) {
    const gradus_history *a = &whole->history, *b = &part->history;
    if (a->epochs != b->epochs + (size_t)from || a->best_epoch != b->best_epoch || a->stopped != b->stopped)
        fail_msg("%s, %s %lld: %zu epochs, best %lld, stopped %d, instead of %zu, %lld, %d", c->name, how,
                 (long long)from, b->epochs + (size_t)from, (long long)b->best_epoch, b->stopped, a->epochs,
                 (long long)a->best_epoch, a->stopped);
    for (size_t i = 0; i < b->epochs; i++) {
        const double *const as[] = {a->loss, a->val_loss, a->metric[0], a->val_metric[0], a->learning_rate};
        const double *const bs[] = {b->loss, b->val_loss, b->metric[0], b->val_metric[0], b->learning_rate};
        for (int k = 0; k < 5; k++)
            if (!same_bits(as[k][i + (size_t)from], bs[k][i]))
                fail_msg("%s, %s %lld: epoch %zu, value %d: %.17g instead of %.17g", c->name, how, (long long)from,
                         i + (size_t)from + 1, k, bs[k][i], as[k][i + (size_t)from]);
    }
    assert_int_equal(whole->bytes, part->bytes);
    if (memcmp(whole->state, part->state, whole->bytes) != 0)
        fail_msg("%s, %s %lld: the states differ", c->name, how, (long long)from);
}

/* The whole run, with checkpoints. */
static run whole_run(const config *c, bool batches) {
    run whole = {.save_epochs = !batches, .save_batches = batches};
    char best[PATH], kept[PATH];
    gradus_model *m = make(c, 3);
    unlink(path_of(best, "best", 0, 0));
    fit(c, m, &whole, 0);
    copy_file(best, path_of(kept, "kept", 0, 0));
    gradus_model_destroy(&m);
    return whole;
}

static bool no_checkpoints(void) {
    char to[PATH];
    gradus_model *m = make(&configs[0], 0);
    const gradus_status status = gradus_save(gradus_model_program(m), path_of(to, "probe", 0, 0));
    gradus_model_destroy(&m);
    return status != GRADUS_OK;
}

/* --- every epoch, every batch -------------------------------------------------------------------------------------------- */

/* In a model that has other weights and a progress of its own. */
static void resume(const config *c, gradus_model *m, const run *whole, int64_t epoch, int64_t batch) {
    char from[PATH], best[PATH], now[PATH], kept[PATH];
    run part = {.epochs = 0};
    OK(gradus_load(gradus_model_program(m),
                   path_of(from, batch ? "batch" : "epoch", batch ? epoch + 1 : epoch, batch)));
    copy_file(path_of(best, batch ? "best-batch" : "best", batch ? epoch + 1 : epoch, batch),
              path_of(now, "best", 0, 0));
    fit(c, m, &part, epoch);
    assert_same_run(c, whole, &part, epoch, batch ? "in the midst of the epoch after" : "after epoch");
    if (c->best_path) assert_same_file(now, path_of(kept, "kept", 0, 0));
    free_run(&part);
}

static void test_after_every_epoch(void **state) {
    (void)state;
    int stopped = 0, resumed = 0;
    if (no_checkpoints()) skip();
    for (const config *c = configs; c < configs + CONFIGS; c++) {
        run whole = whole_run(c, false);
        gradus_model *m = make(c, 77);
        stopped += whole.history.stopped;
        for (int64_t epoch = 1; epoch <= whole.epochs && epoch < EPOCHS; epoch++, resumed++)
            resume(c, m, &whole, epoch, 0);
        free_run(&whole);
        gradus_model_destroy(&m);
    }
    print_message("%d fits resumed, of %d that stopped early and %d that did not\n", resumed, stopped,
                  CONFIGS - stopped);
    assert_true(stopped >= 3 && stopped < CONFIGS);
}

static void test_after_every_batch(void **state) {
    (void)state;
    if (no_checkpoints()) skip();
    for (const config *c = configs; c < configs + CONFIGS; c += 2) {
        run whole = whole_run(c, true);
        gradus_model *m = make(c, 77);
        for (int64_t epoch = 0; epoch < whole.epochs; epoch += 2)
            for (int64_t batch = 1; batch <= whole.batches; batch++) resume(c, m, &whole, epoch, batch);
        free_run(&whole);
        gradus_model_destroy(&m);
    }
}

/* Stopped by a callback, and gone on with in the same model. */
static void test_in_the_same_model(void **state) {
    (void)state;
    if (no_checkpoints()) skip();
    for (const config *c = configs; c < configs + CONFIGS; c++) {
        if (c->restore_best) continue; /* the state is then that of another epoch */
        run whole = whole_run(c, false), part = {.epochs = 0};
        char best[PATH], kept[PATH];
        for (int64_t epoch = 1; epoch < whole.epochs; epoch += 3) {
            gradus_model *m = make(c, 3);
            unlink(path_of(best, "best", 0, 0));
            part.stop_after = epoch;
            fit(c, m, &part, 0);
            part.stop_after = 0;
            fit(c, m, &part, epoch);
            assert_same_run(c, &whole, &part, epoch, "in the same model");
            if (c->best_path) assert_same_file(best, path_of(kept, "kept", 0, 0));
            gradus_model_destroy(&m);
        }
        free_run(&part);
        free_run(&whole);
    }
}

/* A callback that goes back to an earlier state does not take the best epoch away. */
static gradus_verdict go_back(void *user, const gradus_progress *now) {
    char to[PATH];
    (void)user;
    if (now->epoch == 1) OK(gradus_save(now->program, path_of(to, "first", 0, 0)));
    if (now->epoch == 3) OK(gradus_load(now->program, path_of(to, "first", 0, 0)));
    if (now->epoch == 4) OK(gradus_program_init(now->program, 8));
    return GRADUS_CONTINUE;
}

static void test_loading_in_a_callback(void **state) {
    (void)state;
    char best[PATH];
    if (no_checkpoints()) skip();
    gradus_data *data = class_data();
    gradus_model *m = make(&configs[0], 3), *other = make(&configs[0], 4);
    gradus_history history = {0};
    OK(gradus_model_fit(m, data, .epochs = 5, .restore_best = true, .best_path = path_of(best, "best", 0, 0),
                        .on_epoch = go_back, .history = &history));
    assert_int_equal(history.best_epoch, 3);
    OK(gradus_load(gradus_model_program(other), best));
    assert_same_state(gradus_model_program(m), gradus_model_program(other));
    gradus_history_free(&history);
    gradus_model_destroy(&m);
    gradus_model_destroy(&other);
    gradus_data_destroy(&data);
}

/* In the midst of an epoch whose batches are others. */
static void test_other_batches(void **state) {
    (void)state;
    char path[PATH];
    if (no_checkpoints()) skip();
    run whole = whole_run(&configs[0], true);
    gradus_data *data = class_data();
    gradus_model *m = make(&configs[0], 3);
    OK(gradus_load(gradus_model_program(m), path_of(path, "batch", 2, 4)));
    FAILS(gradus_model_fit(m, data, .initial_epoch = 1, .epochs = 3, .batch_size = 50), GRADUS_ERROR_ARGUMENT,
          "saved after batch 4 of an epoch, which now has 2");
    free_run(&whole);
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
}

/* --- files of others ---------------------------------------------------------------------------------------------------- */

static char logged[512];
static void take_line(void *user, int32_t level, const char *message) {
    (void)user;
    if (level == 1) snprintf(logged, sizeof logged, "%s", message);
}

/* Names that are those of the best epoch's tensors would be there twice. */
static void test_reserved_names(void **state) {
    (void)state;
    char path[PATH];
    if (no_checkpoints()) skip();
    gradus_data *data = class_data();
    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(FEATURES));
    OK(gradus_model_add(m, gradus_layer_dense(.units = CLASSES, .name = "dense")));
    OK(gradus_model_add(m, gradus_layer_dense(.units = CLASSES, .name = "fit.best/dense")));
    OK(gradus_model_compile(m, .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY));
    OK(gradus_save(gradus_model_program(m), path_of(path, "reserved", 0, 0)));
    OK(gradus_load(gradus_model_program(m), path));
    OK(gradus_model_fit(m, data, .restore_best = true));
    FAILS(gradus_save(gradus_model_program(m), path), GRADUS_ERROR_ARGUMENT, "\"fit.best/dense/kernel\"", "best epoch");
    OK(gradus_load(gradus_model_program(m), path)); /* what was there */
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);
}

/* A checkpoint that says nothing of a fit loads, and the user is told what is lost. */
static void test_without_progress(void **state) {
    (void)state;
    const config *c = &configs[2];
    char path[PATH];
    if (no_checkpoints()) skip();
    gradus_model *m = make(c, 3);
    run part = {.epochs = 0};
    OK(gradus_save(gradus_model_program(m), path_of(path, "old", 0, 0)));
    OK(gradus_load(gradus_model_program(m), path));
    gradus_set_log(take_line, NULL, 1);
    fit(c, m, &part, 3);
    gradus_set_log(NULL, NULL, 0);
    assert_non_null(strstr(logged, ".initial_epoch is 3, but nothing is known of the epochs before"));
    assert_true(part.history.epochs > 0 && part.history.best_epoch > 3);
    free_run(&part);
    gradus_model_destroy(&m);
}

/* What cannot be is refused, and the state stays. */
static void test_spoiled_progress(void **state) {
    (void)state;
    static const char *const spoilt[][2] = {
        {"\"fit.epoch\":\"2\"", "\"fit.epoch\":\"x\""},
        {"\"fit.epoch\":\"2\"", "\"fit.epoch\":\"-\""},
        {"\"fit.waited\":\"0\"", "\"fit.waited\":\"9\""},
        {"\"fit.best_epoch\":\"2\"", "\"fit.best_epoch\":\"3\""},
        {"\"fit.monitor\":\"loss\"", "\"fit.monitor\":\"lose\""},
        {"\"fit.kept\":\"0\"", "\"fit.kept\":\"2\""},
        {"\"fit.sums\":\"0 ", "\"fit.sums\":\"0,"},
        {"\"fit.least\":\"", "\"fit.least\":\"z"},
        {"\"fit.order\":\"2\"", "\"fit.ordar\":\"2\""},
        {"\"fit.batch\":\"0\"", "\"fit.batch\":\"1\""},
    };
    const config c = {.name = "to be spoilt", .batch_size = 75, .rate = 0.01};
    char path[PATH], bad[PATH];
    if (no_checkpoints()) skip();
    run whole = whole_run(&c, false);
    unsigned char *bytes;
    const size_t size = read_all(path_of(path, "epoch", 2, 0), &bytes);
    gradus_model *m = make(&c, 5);
    size_t before_size, after_size;
    unsigned char *before = state_of(gradus_model_program(m), &before_size);
    for (size_t i = 0; i < sizeof spoilt / sizeof *spoilt; i++) {
        unsigned char *at = NULL;
        for (size_t k = 0; k + strlen(spoilt[i][0]) < size && !at; k++)
            if (memcmp(bytes + k, spoilt[i][0], strlen(spoilt[i][0])) == 0) at = bytes + k;
        if (!at) fail_msg("no %s", spoilt[i][0]);
        unsigned char was[64];
        memcpy(was, at, strlen(spoilt[i][1]));
        memcpy(at, spoilt[i][1], strlen(spoilt[i][1]));
        FILE *file = fopen(path_of(bad, "bad", 0, 0), "wb");
        assert_int_equal(fwrite(bytes, 1, size, file), size);
        fclose(file);
        memcpy(at, was, strlen(spoilt[i][1]));
        FAILS(gradus_load(gradus_model_program(m), bad), GRADUS_ERROR_FORMAT, bad);
        unsigned char *after = state_of(gradus_model_program(m), &after_size);
        assert_memory_equal(before, after, before_size);
        free(after);
    }
    free(before), free(bytes);
    gradus_model_destroy(&m);
    free_run(&whole);
}

/* The same bits of an evaluation, whatever the batch of the fit before, and of a model that was loaded. */
static void test_evaluation_forgets_the_batch(void **state) {
    (void)state;
    char path[PATH];
    if (no_checkpoints()) skip();
    gradus_data *data = class_data();
    for (int64_t batch = 1; batch <= ROWS; batch += 14) {
        gradus_model *m = make(&configs[5], 3), *other = make(&configs[5], 4);
        gradus_history history = {0};
        gradus_scores a, b;
        OK(gradus_model_fit(m, data, .batch_size = batch, .validation_data = data, .history = &history));
        OK(gradus_save(gradus_model_program(m), path_of(path, "evaluated", 0, 0)));
        OK(gradus_load(gradus_model_program(other), path));
        OK(gradus_model_evaluate_all(m, data, &a));
        OK(gradus_model_evaluate_all(other, data, &b));
        assert_true(same_bits(a.loss, b.loss) && same_bits(a.metric[0], b.metric[0]));
        assert_true(same_bits(a.loss, history.val_loss[0]) && same_bits(a.metric[0], history.val_metric[0][0]));
        gradus_history_free(&history);
        gradus_model_destroy(&m);
        gradus_model_destroy(&other);
    }
    gradus_data_destroy(&data);
}

/* --- a fit that is left -------------------------------------------------------------------------------------------------- */

static jmp_buf out;
static gradus_data *rows;

static gradus_verdict jump(void *user, const gradus_progress *now) {
    FAILS(gradus_model_fit(now->model, rows), GRADUS_ERROR_BUSY, "callback");
    FAILS(gradus_model_pop(now->model), GRADUS_ERROR_BUSY, "callback");
    if (now->batch >= *(int64_t *)user) longjmp(out, 1);
    return GRADUS_CONTINUE;
}

static double jumping_schedule(void *user, int64_t epoch, double rate) {
    (void)user;
    if (epoch == 1) longjmp(out, 1);
    return rate;
}

/* Leaves a fit from so many frames deep. */
static void __attribute__((noinline)) leave_a_fit(gradus_model *m, int way, int depth) {
    volatile char frame[256];
    frame[depth] = 1;
    if (depth) {
        leave_a_fit(m, way, depth - 1);
        assert_int_equal(frame[depth], 1); /* no tail call */
        return;
    }
    int64_t after = way == 1 ? 2 : 0;
    if (setjmp(out)) return;
    if (way < 2) {
        OK(gradus_model_fit(m, rows, .epochs = 3, .batch_size = 16, .validation_split = 0.2, .restore_best = true,
                            .on_batch = way == 1 ? jump : NULL, .on_epoch = way == 0 ? jump : NULL, .user = &after));
    } else {
        OK(gradus_model_fit(m, rows, .epochs = 3, .schedule = gradus_schedule_custom(jumping_schedule, NULL)));
    }
    fail_msg("no jump");
}

static void __attribute__((noinline)) use(gradus_model *m, int depth) {
    volatile char frame[256];
    frame[depth] = 1;
    if (depth) {
        use(m, depth - 1);
        assert_int_equal(frame[depth], 1);
        return;
    }
    float loss;
    gradus_history history = {0};
    OK(gradus_model_evaluate(m, rows, &loss, NULL));
    OK(gradus_model_fit(m, rows, .epochs = 2, .history = &history));
    assert_int_equal(history.epochs, 2);
    gradus_history_free(&history);
}

static void test_a_fit_that_is_left(void **state) {
    (void)state;
    rows = class_data();
    for (int way = 0; way < 3; way++) {
        gradus_model *m = make(&configs[0], 3);
        for (int from = 0; from <= 20; from += 10) {
            for (int to = 0; to <= 20; to += 5) {
                leave_a_fit(m, way, from);
                use(m, to);
            }
        }
        leave_a_fit(m, way, 5);
        gradus_model_destroy(&m); /* and what the fit held */
    }
    gradus_data_destroy(&rows);
}

static int begin(void **state) {
    (void)state;
    fill_data();
    return mkdtemp(directory) ? 0 : 1;
}

static int end(void **state) {
    (void)state;
    char command[PATH];
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_after_every_epoch),  cmocka_unit_test(test_after_every_batch),
        cmocka_unit_test(test_in_the_same_model),  cmocka_unit_test(test_loading_in_a_callback),
        cmocka_unit_test(test_other_batches),      cmocka_unit_test(test_without_progress),
        cmocka_unit_test(test_spoiled_progress),   cmocka_unit_test(test_evaluation_forgets_the_batch),
        cmocka_unit_test(test_a_fit_that_is_left), cmocka_unit_test(test_reserved_names),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
