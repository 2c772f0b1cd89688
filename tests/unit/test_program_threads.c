/* SPDX-License-Identifier: Apache-2.0
 * Programs that several threads use, that share a state, that a child process inherits, and that find no memory. */
#include "cmocka_all.h"
#include "fake_program.h"
#include "heap.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    gradus_program *program;
    const char *entry;
    pthread_t thread;
    gradus_status status;
} caller;

static void *call_and_wait(void *context) {
    caller *c = context;
    c->status = gradus_call(c->program, c->entry, 1, GRADUS_NO_INPUTS, GRADUS_NO_OUTPUTS);
    return NULL;
}

static void begin(caller *c, gradus_program *p, const char *entry) {
    int before = waiting;
    *c = (caller){.program = p, .entry = entry};
    assert_int_equal(pthread_create(&c->thread, NULL, call_and_wait, c), 0);
    while (waiting == before) sched_yield();
}

static void end(caller *c, size_t n) {
    gate_open = true;
    for (size_t i = 0; i < n; i++) {
        pthread_join(c[i].thread, NULL);
        assert_int_equal(c[i].status, GRADUS_OK);
    }
    gate_open = false;
}

static void test_one_call_at_a_time(void **state) {
    (void)state;
    gradus_program *p = make_initialized(2);
    caller c;
    float f[WIDTH];
    begin(&c, p, "hold");
    assert_error(gradus_call(p, "predict", 1, GRADUS_INPUTS(xs), GRADUS_OUTPUTS(f)), GRADUS_ERROR_BUSY,
                 "predict: the program is in another call; gradus_program_share gives one for each thread");
    assert_int_equal(gradus_program_init(p, 1), GRADUS_ERROR_BUSY);
    assert_int_equal(gradus_program_set(p, "adam/learning_rate", 1), GRADUS_ERROR_BUSY);
    assert_int_equal(gradus_program_write(p, "w", f, sizeof f), GRADUS_ERROR_BUSY);
    assert_int_equal(gradus_program_reseed(p, 1), GRADUS_ERROR_BUSY);
    assert_int_equal(gradus_program_read(p, "w", f, sizeof f), GRADUS_OK); /* the call only reads, too */
    end(&c, 1);
    begin(&c, p, "hold_write");
    assert_int_equal(gradus_program_read(p, "w", f, sizeof f), GRADUS_ERROR_BUSY);
    end(&c, 1);
    assert_int_equal(gradus_call(p, "predict", 1, GRADUS_INPUTS(xs), GRADUS_OUTPUTS(f)), GRADUS_OK);
    unmake(p);
}

static void test_programs_of_one_state(void **state) {
    (void)state;
    gradus_program *p = make_initialized(3), *q = NULL, *r = NULL;
    assert_int_equal(gradus_program_share(p, &q), GRADUS_OK);
    assert_int_equal(gradus_program_share(q, &r), GRADUS_OK);
    gradus_program *none = p;
    assert_int_equal(gradus_program_share(NULL, &none), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_program_share(p, NULL), GRADUS_ERROR_ARGUMENT);
    assert_null(none);
    caller c[2];
    float loss, f[WIDTH];
    int32_t out[TEAM + 1];
    begin(&c[0], p, "hold");
    begin(&c[1], q, "hold"); /* two that read run together, and a third */
    assert_int_equal(gradus_call(r, "predict", 1, GRADUS_INPUTS(xs), GRADUS_OUTPUTS(f)), GRADUS_OK);
    assert_int_equal(gradus_call(r, "team", 1, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(out)), GRADUS_OK);
    assert_int_equal(out[0], 3);
    assert_error(gradus_call(r, "train", 1, GRADUS_INPUTS(xs, ys), GRADUS_OUTPUTS(&loss)), GRADUS_ERROR_BUSY,
                 "train: the state is in use by another call");
    end(c, 2);
    begin(&c[0], p, "hold_write");
    assert_int_equal(gradus_call(r, "predict", 1, GRADUS_INPUTS(xs), GRADUS_OUTPUTS(f)), GRADUS_ERROR_BUSY);
    assert_int_equal(gradus_program_init(q, 1), GRADUS_ERROR_BUSY);
    end(c, 1);
    /* One state: what one trains, another sees; it lives as long as the last. */
    assert_int_equal(gradus_call(r, "train", 1, GRADUS_INPUTS(xs, ys), GRADUS_OUTPUTS(&loss)), GRADUS_OK);
    gradus_program_destroy(&p);
    gradus_program_destroy(&r);
    assert_int_equal(released, 0);
    int32_t steps;
    assert_int_equal(gradus_program_read(q, "steps", &steps, sizeof steps), GRADUS_OK);
    assert_int_equal(steps, 1);
    unmake(q);
}

typedef struct {
    gradus_program *program;
    pthread_t thread;
    int done, busy, wrong;
} hammer;

static void *hammer_on(void *context) {
    hammer *h = context;
    for (int i = 0; i < 300; i++) {
        float loss, f[WIDTH];
        gradus_status s = i % 3 ? gradus_call(h->program, "predict", 1, GRADUS_INPUTS(xs), GRADUS_OUTPUTS(f))
                                : gradus_call(h->program, "train", 1, GRADUS_INPUTS(xs, ys), GRADUS_OUTPUTS(&loss));
        h->done += s == GRADUS_OK && i % 3 == 0;
        h->busy += s == GRADUS_ERROR_BUSY;
        h->wrong += s != GRADUS_OK && s != GRADUS_ERROR_BUSY;
    }
    return NULL;
}

static void test_threads_that_collide(void **state) {
    (void)state;
    gradus_program *p = make_initialized(2);
    hammer h[3] = {{.program = p}, {.program = p}};
    assert_int_equal(gradus_program_share(p, &h[2].program), GRADUS_OK);
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&h[i].thread, NULL, hammer_on, &h[i]), 0);
    int done = 0;
    for (int i = 0; i < 3; i++) {
        pthread_join(h[i].thread, NULL);
        assert_int_equal(h[i].wrong, 0);
        done += h[i].done;
    }
    int32_t steps;
    assert_int_equal(gradus_program_read(p, "steps", &steps, sizeof steps), GRADUS_OK);
    assert_int_equal(steps, done);
    gradus_program_destroy(&h[2].program);
    unmake(p);
}

static void test_a_child_process(void **state) {
    (void)state;
    gradus_program *p = make_initialized(3);
    float here[MAX_BATCH * WIDTH], there[MAX_BATCH * WIDTH];
    assert_int_equal(gradus_call(p, "predict", 8, GRADUS_INPUTS(xs), GRADUS_OUTPUTS(here)), GRADUS_OK);
    pid_t child = fork();
    if (child == 0) {
        gradus_status s = gradus_call(p, "predict", 8, GRADUS_INPUTS(xs), GRADUS_OUTPUTS(there));
        gradus_program_destroy(&p);
        _exit(s == GRADUS_OK && memcmp(here, there, sizeof here) == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    unmake(p);
}

static void test_short_memory(void **state) {
    (void)state;
    int failures = 0;
    for (long n = 0;; n++) {
        gradus_program *p = (void *)&p;
        released = 0;
        heap.countdown = n;
        gradus_status s = program_create(&code, 2, release, &released, &p);
        bool done = heap.countdown >= 0;
        heap.countdown = -1;
        assert_int_equal(released, 0);
        if (done) {
            assert_int_equal(s, GRADUS_OK);
            unmake(p);
            break;
        }
        assert_int_equal(s, GRADUS_ERROR_MEMORY);
        assert_non_null(strstr(gradus_last_error(), "out of memory"));
        assert_null(p);
        assert_int_equal(heap.live, 0);
        failures++;
    }
    assert_true(failures >= 7);
    gradus_program *p = make_initialized(2), *q;
    long live = heap.live;
    for (long n = 0; n < 4; n++) {
        heap.countdown = n;
        assert_int_equal(gradus_program_share(p, &q), GRADUS_ERROR_MEMORY);
        heap.countdown = -1;
        assert_null(q);
        assert_int_equal(heap.live, live);
    }
    unmake(p);
}

static void test_destroying_nothing(void **state) {
    (void)state;
    gradus_program *p = NULL;
    gradus_program_destroy(NULL);
    gradus_program_destroy(&p);
}

int main(void) {
    heap_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_call_at_a_time),   cmocka_unit_test(test_programs_of_one_state),
        cmocka_unit_test(test_threads_that_collide), cmocka_unit_test(test_a_child_process),
        cmocka_unit_test(test_short_memory),         cmocka_unit_test(test_destroying_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
