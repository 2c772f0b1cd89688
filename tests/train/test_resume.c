/* SPDX-License-Identifier: Apache-2.0
 * A training run that is killed again and again, in the middle of epochs and of saving, and resumed from its checkpoint each
 * time, ends with the same bytes as one that was not.  Everything that a step depends on is in it: shuffled batches of
 * unequal sizes, random numbers, Adam. */
#include "tests/cmocka_all.h"

#include <dirent.h>
#include <gradus/gradus.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 103, WIDTH = 6, BATCH = 16, STEPS = 60 };

static char directory[] = "/tmp/gradus-resume-XXXXXX";
static char path[64];

static gradus_program *make_program(void) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, WIDTH));
    gradus_tensor y = gradus_input(g, "y", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH));
    gradus_tensor h = gradus_dense(x, .units = 16, .activation = GRADUS_RELU, .name = "fc1");
    h = gradus_mul(h, gradus_random_uniform(g, GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 16)));
    gradus_tensor z = gradus_dense(h, .units = 3, .name = "fc2");
    gradus_tensor loss = gradus_mean(gradus_softmax_cross_entropy(z, y), GRADUS_ALL_AXES, false);
    gradus_define(g, "train", GRADUS_TENSORS(x, y), GRADUS_TENSORS(loss), gradus_minimize(loss, gradus_adam()));
    gradus_program *p = NULL;
    if (gradus_jit(g, gradus_compile_options(.max_batch = BATCH, .threads = 1), &p))
        fail_msg("%s", gradus_last_error());
    gradus_graph_destroy(&g);
    return p;
}

static gradus_data *make_data(int rows) {
    static float xs[ROWS][WIDTH];
    static int32_t ys[ROWS];
    uint32_t random = 3;
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < WIDTH; k++) {
            random = random * 1664525 + 1013904223;
            xs[i][k] = (float)(random >> 8) / (1 << 23) - 1;
        }
        ys[i] = (int32_t)(random >> 16) % 3;
    }
    gradus_data *data = NULL;
    const gradus_data_array arrays[] = {{xs, GRADUS_F32, GRADUS_SHAPE(rows, WIDTH)},
                                        {ys, GRADUS_I32, GRADUS_SHAPE(rows)}};
    assert_int_equal(gradus_data_arrays(arrays, 2, &data), GRADUS_OK);
    return data;
}

static gradus_batches *make_batches(const gradus_data *data, const gradus_batch_options *options) {
    gradus_batches *batches = NULL;
    assert_int_equal(gradus_batches_create(data, options, &batches), GRADUS_OK);
    return batches;
}

static int64_t steps_done(const gradus_batches *b) {
    int64_t epoch, index;
    gradus_batches_tell(b, &epoch, &index);
    return epoch * gradus_batches_count(b) + index;
}

/* Trains to the last step, saving after each where `save` is set.  Runs in a child too: returns what failed. */
static gradus_status train(gradus_program *p, gradus_batches *batches, bool save) {
    gradus_status status = GRADUS_OK;
    gradus_batch b;
    float loss;
    while (status == GRADUS_OK && steps_done(batches) < STEPS) {
        if (!gradus_batches_next(batches, &b)) continue;
        status = gradus_call(p, "train", b.size, b.inputs, GRADUS_OUTPUTS(&loss));
        if (status == GRADUS_OK && save) status = gradus_save_with(p, path, .batches = batches);
    }
    return status;
}

/* The state's tensors, one after the other, to be freed. */
static unsigned char *values(gradus_program *p, size_t *bytes) {
    gradus_info info;
    unsigned char *all = NULL;
    *bytes = 0;
    for (size_t i = 0; gradus_program_info(p, NULL, GRADUS_STATE, i, 0, &info) == GRADUS_OK; i++) {
        all = realloc(all, *bytes + info.bytes);
        assert_int_equal(gradus_program_read(p, info.name, all + *bytes, info.bytes), GRADUS_OK);
        *bytes += info.bytes;
    }
    return all;
}

static int sweep(void) {
    DIR *d = opendir(directory);
    assert_non_null(d);
    int n = 0;
    for (struct dirent *e; (e = readdir(d));) {
        char name[512];
        snprintf(name, sizeof name, "%s/%s", directory, e->d_name);
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && unlink(name) == 0;
    }
    closedir(d);
    return n;
}

static void test_killed_and_resumed(void **state) {
    (void)state;
    gradus_program *p = make_program();
    gradus_data *data = make_data(ROWS);
    gradus_batches *batches = make_batches(data, gradus_batch_options(.batch_size = BATCH, .seed = 5));
    size_t bytes, now;
    assert_int_equal(gradus_program_init(p, 42), GRADUS_OK);
    assert_int_equal(train(p, batches, false), GRADUS_OK);
    unsigned char *expected = values(p, &bytes);

    uint32_t random = 9, longest = 2000; /* microseconds; grows, so that it ends on a busy machine too */
    int kills = 0, status = 0;
    bool resumed = false;
    for (;; kills++, longest += longest / 8) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            bool exists = access(path, F_OK) == 0;
            gradus_batches_seek(batches, 0, 0);
            gradus_status s = exists ? gradus_load_with(p, path, .batches = batches) : gradus_program_init(p, 42);
            if (s == GRADUS_OK) s = train(p, batches, true);
            if (s != GRADUS_OK) fprintf(stderr, "%s\n", gradus_last_error());
            _exit(s == GRADUS_OK ? 0 : 1);
        }
        random = random * 1664525 + 1013904223;
        usleep(random % longest);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSIGNALED(status)) break;
        if (access(path, F_OK) != 0) continue;
        resumed = true;
        if (gradus_load_with(p, path, .batches = batches)) fail_msg("kill %d: %s", kills, gradus_last_error());
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(resumed);
    assert_int_equal(gradus_program_init(p, 1), GRADUS_OK);
    assert_int_equal(gradus_load_with(p, path, .batches = batches), GRADUS_OK);
    assert_int_equal(steps_done(batches), STEPS);
    unsigned char *got = values(p, &now);
    assert_int_equal(now, bytes);
    assert_memory_equal(got, expected, bytes);
    print_message("%d kills, %d files left\n", kills, sweep());
    free(expected), free(got);
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&data);
    gradus_program_destroy(&p);
}

/* Each step of an epoch and a half is one to stop at. */
static void test_every_step(void **state) {
    (void)state;
    gradus_program *p = make_program(), *q = make_program();
    gradus_data *data = make_data(ROWS);
    gradus_batches *a = make_batches(data, gradus_batch_options(.batch_size = BATCH, .seed = 5));
    gradus_batches *b = make_batches(data, gradus_batch_options(.batch_size = BATCH, .seed = 5));
    gradus_batch batch[2];
    float loss[2];
    assert_int_equal(gradus_program_init(p, 42), GRADUS_OK);
    for (int step = 0; step < 12; step++) {
        assert_int_equal(gradus_save_with(p, path, .batches = a), GRADUS_OK);
        assert_int_equal(gradus_load_with(q, path, .batches = b), GRADUS_OK);
        bool more[2] = {gradus_batches_next(a, &batch[0]), gradus_batches_next(b, &batch[1])};
        assert_int_equal(more[0], more[1]);
        if (!more[0]) continue;
        assert_int_equal(batch[0].size, batch[1].size);
        assert_int_equal(gradus_call(p, "train", batch[0].size, batch[0].inputs, GRADUS_OUTPUTS(&loss[0])), GRADUS_OK);
        assert_int_equal(gradus_call(q, "train", batch[1].size, batch[1].inputs, GRADUS_OUTPUTS(&loss[1])), GRADUS_OK);
        assert_memory_equal(&loss[0], &loss[1], sizeof *loss);
    }
    gradus_batches_destroy(&a);
    gradus_batches_destroy(&b);
    gradus_data_destroy(&data);
    gradus_program_destroy(&p);
    gradus_program_destroy(&q);
}

/* Batches that are not those of the checkpoint: an error, and neither the state nor the batches change. */
static void test_other_batches(void **state) {
    (void)state;
    gradus_program *p = make_program();
    gradus_data *data = make_data(ROWS), *fewer = make_data(ROWS - 1);
    gradus_batches *batches = make_batches(data, gradus_batch_options(.batch_size = BATCH, .seed = 5));
    const struct {
        const gradus_data *data;
        const gradus_batch_options *options;
        const char *why;
    } cases[] = {
        {data, gradus_batch_options(.batch_size = BATCH, .seed = 6),
         " was saved with other batches: those had 5 as the seed, these have 6"},
        {data, gradus_batch_options(.batch_size = BATCH - 1, .seed = 5),
         " was saved with other batches: those had 16 rows in a batch, these have 15"},
        {fewer, gradus_batch_options(.batch_size = BATCH, .seed = 5),
         " was saved with other batches: those had 103 rows, these have 102"},
        {data, gradus_batch_options(.batch_size = BATCH, .seed = 5, .drop_last = true),
         " was saved with other batches: those had 7 batches in an epoch, these have 6"},
        {data, gradus_batch_options(.batch_size = BATCH, .seed = 5, .no_shuffle = true),
         " was saved with other batches: those had 1 for shuffled, these have 0"},
        {data, gradus_batch_options(.batch_size = BATCH, .seed = 5),
         " does not say where batches stood (no \"batches.epoch\" in its metadata): it was saved without"},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    size_t bytes, now;
    assert_int_equal(gradus_program_init(p, 42), GRADUS_OK);
    assert_int_equal(gradus_save_with(p, path, .batches = batches), GRADUS_OK);
    assert_int_equal(gradus_program_init(p, 43), GRADUS_OK);
    unsigned char *was = values(p, &bytes);
    for (size_t i = 0; i < CASES; i++) {
        if (i == CASES - 1) assert_int_equal(gradus_save(p, path), GRADUS_OK);
        gradus_batches *others = make_batches(cases[i].data, cases[i].options);
        char expected[256];
        int64_t epoch, index;
        snprintf(expected, sizeof expected, "gradus_load_with: %s%s", path, cases[i].why);
        assert_int_equal(gradus_batches_seek(others, 3, 2), GRADUS_OK);
        assert_int_equal(gradus_load_with(p, path, .batches = others), GRADUS_ERROR_MISMATCH);
        assert_string_equal(gradus_last_error(), expected);
        gradus_batches_tell(others, &epoch, &index);
        assert_true(epoch == 3 && index == 2);
        unsigned char *got = values(p, &now);
        assert_memory_equal(got, was, bytes);
        free(got);
        gradus_batches_destroy(&others);
    }
    /* The other way round it does not matter. */
    assert_int_equal(gradus_save_with(p, path, .batches = batches), GRADUS_OK);
    assert_int_equal(gradus_load(p, path), GRADUS_OK);
    free(was);
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&data);
    gradus_data_destroy(&fewer);
    gradus_program_destroy(&p);
}

static int make_directory(void **state) {
    (void)state;
    if (!mkdtemp(directory)) return 1;
    snprintf(path, sizeof path, "%s/run.safetensors", directory);
    return 0;
}

static int remove_directory(void **state) {
    (void)state;
    sweep();
    return rmdir(directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_batches),
        cmocka_unit_test(test_every_step),
        cmocka_unit_test(test_killed_and_resumed),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
