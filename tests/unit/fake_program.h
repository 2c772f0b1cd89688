/* SPDX-License-Identifier: Apache-2.0
 * A program whose code is written by hand in the way that the compiler writes it: SPMD functions, checks, an arena with
 * scratch, barriers. */
#ifndef TESTS_FAKE_PROGRAM_H
#define TESTS_FAKE_PROGRAM_H

#include "cmocka_all.h"
#include "heap.h"
#include "runtime/program.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>

enum { WIDTH = 3, MAX_BATCH = 8, CLASSES = 10, TEAM = 7 };

typedef struct {
    _Alignas(64) float w[WIDTH];
    _Alignas(64) float rate;
    _Alignas(64) int64_t rng[2];
    _Alignas(64) int32_t steps;
    _Alignas(64) uint8_t flags[4];
    _Alignas(64) bool on;
    _Alignas(64) double precise;
    _Alignas(64) int64_t large;
} fake_state;

#define WHERE(field) .offset = (int64_t)offsetof(fake_state, field)
static const gradus_abi_tensor states[] = {
    {"w", GRADUS_F32, {{1, WIDTH}}, WHERE(w), true},
    {"adam/learning_rate", GRADUS_F32, {{0}}, WHERE(rate), false},
    {"rng", GRADUS_I64, {{1, 2}}, WHERE(rng), false},
    {"steps", GRADUS_I32, {{0}}, WHERE(steps), false},
    {"flags", GRADUS_U8, {{2, 2, 2}}, WHERE(flags), false},
    {"on", GRADUS_BOOL, {{0}}, WHERE(on), false},
    {"precise", GRADUS_F64, {{0}}, WHERE(precise), false},
    {"large", GRADUS_I64, {{0}}, WHERE(large), false},
};

static void meet(const gradus_abi_call *c, int32_t threads) {
    if (threads > 1) c->barrier(c->team);
}

static int32_t init(const gradus_abi_call *c, int32_t thread, int32_t threads) {
    fake_state *s = c->state;
    const int64_t *seed = c->inputs[0];
    for (int i = thread; i < WIDTH; i += threads) s->w[i] = (float)seed[0] + (float)i;
    if (thread == 0) {
        s->rate = 0.5f;
        memcpy(s->rng, seed, sizeof s->rng);
        s->steps = 0;
    }
    return 0;
}

/* loss = the sum of x*w + y in a fixed order; w += rate * the columns' sums.  Rows are shared among threads, their sums
 * go through the arena. */
static int32_t train(const gradus_abi_call *c, int32_t thread, int32_t threads) {
    fake_state *s = c->state;
    const float *x = c->inputs[0];
    const int32_t *y = c->inputs[1];
    float *rows = (float *)(void *)c->arena, *scratch = (float *)(void *)(c->arena + 64 + 64 * (size_t)thread);
    for (int64_t i = 0; i < c->batch; i++) {
        if (y[i] >= 0 && y[i] < CLASSES) continue;
        if (thread == 0) c->report[0] = i, c->report[1] = y[i];
        return 1;
    }
    for (int64_t i = thread; i < c->batch; i += threads) {
        scratch[0] = (float)y[i];
        for (int k = 0; k < WIDTH; k++) scratch[0] += x[i * WIDTH + k] * s->w[k];
        rows[i] = scratch[0];
    }
    meet(c, threads);
    if (thread == 0) {
        float loss = 0;
        for (int64_t i = 0; i < c->batch; i++) loss += rows[i];
        *(float *)c->outputs[0] = loss;
        s->steps++;
    }
    for (int k = thread; k < WIDTH; k += threads) {
        float sum = 0;
        for (int64_t i = 0; i < c->batch; i++) sum += x[i * WIDTH + k];
        s->w[k] += s->rate * sum * 1e-3f;
    }
    return 0;
}

static int32_t predict(const gradus_abi_call *c, int32_t thread, int32_t threads) {
    const fake_state *s = c->state;
    const float *x = c->inputs[0];
    float *out = c->outputs[0];
    for (int64_t i = thread; i < c->batch * WIDTH; i += threads) out[i] = x[i] * s->w[i % WIDTH];
    return 0;
}

/* Which threads ran it, and whether each has the floating-point mode it should. */
static int32_t team(const gradus_abi_call *c, int32_t thread, int32_t threads) {
    int32_t *out = c->outputs[0];
    volatile float tiny = 0x1p-126f, three = 3;
    bool subnormals = tiny * 0.5f != 0 && 1 / three == 0x1.555556p-2f;
    out[1 + thread] = subnormals && (uintptr_t)c->arena % GRADUS_ABI_ALIGN == 0 ? 1 : -1;
    if (thread == 0) out[0] = threads;
    return 0;
}

static atomic_int waiting;
static atomic_bool gate_open;

static int32_t hold(const gradus_abi_call *c, int32_t thread, int32_t threads) {
    (void)c, (void)thread, (void)threads;
    waiting++;
    while (!gate_open) sched_yield();
    return 0;
}

static int32_t nothing(const gradus_abi_call *c, int32_t thread, int32_t threads) {
    (void)thread, (void)threads;
    return c->batch == 1 ? 0 : 2;
}

static int32_t always_two(const gradus_abi_call *c, int32_t thread, int32_t threads) {
    (void)threads;
    if (thread == 0) c->report[0] = 0, c->report[1] = -4;
    return 2;
}

static const gradus_abi_tensor x_of = {"x", GRADUS_F32, {{2, -1, WIDTH}}, 0, false};
static const gradus_abi_tensor train_in[] = {{"x", GRADUS_F32, {{2, -1, WIDTH}}, 0, false},
                                             {"y", GRADUS_I32, {{1, -1}}, 0, false}};
static const gradus_abi_tensor loss_of = {"loss", GRADUS_F32, {{0}}, 0, false};
static const gradus_abi_tensor out_of = {NULL, GRADUS_F32, {{2, -1, WIDTH}}, 0, false};
static const gradus_abi_tensor team_of = {"team", GRADUS_I32, {{1, TEAM + 1}}, 0, false};
static const gradus_abi_tensor empty_of = {"empty", GRADUS_F32, {{2, 0, 4}}, 0, false};
static const gradus_abi_tensor seed_of = {"seed", GRADUS_I64, {{1, 2}}, 0, false};
static const gradus_abi_check checks[] = {{"mlp.c:20: softmax_cross_entropy", CLASSES, {{1, GRADUS_BATCH}}},
                                          {"mlp.c:21: take", 0, {{1, GRADUS_BATCH}}}};

static const gradus_abi_entry entries[] = {
    {.name = "train",
     .function = train,
     .inputs = train_in,
     .outputs = &loss_of,
     .checks = checks,
     .n_inputs = 2,
     .n_outputs = 1,
     .n_checks = 1,
     .has_batch = true,
     .writes_state = true,
     .max_batch = MAX_BATCH,
     .arena_bytes = 64,
     .scratch_bytes = 64,
     .threads = TEAM},
    {.name = "predict",
     .function = predict,
     .inputs = &x_of,
     .outputs = &out_of,
     .n_inputs = 1,
     .n_outputs = 1,
     .has_batch = true,
     .max_batch = MAX_BATCH,
     .threads = TEAM},
    {.name = "team", .function = team, .outputs = &team_of, .n_outputs = 1, .max_batch = 1, .threads = TEAM},
    {.name = "two", .function = team, .outputs = &team_of, .n_outputs = 1, .max_batch = 1, .threads = 2},
    {.name = "hold", .function = hold, .max_batch = 1, .threads = 1},
    {.name = "hold_write", .function = hold, .writes_state = true, .max_batch = 1, .threads = 1},
    {.name = "nothing", .function = nothing, .inputs = &empty_of, .n_inputs = 1, .max_batch = 1, .threads = 1},
    {.name = "take_none", .function = always_two, .checks = checks, .n_checks = 2, .max_batch = 1, .threads = TEAM},
};
static const gradus_abi_entry init_entry = {.name = "init",
                                            .function = init,
                                            .inputs = &seed_of,
                                            .n_inputs = 1,
                                            .writes_state = true,
                                            .max_batch = 1,
                                            .threads = TEAM};
static const gradus_abi_program code = {.version = GRADUS_ABI_VERSION,
                                        .state_bytes = sizeof(fake_state),
                                        .param_bytes = 64,
                                        .state = states,
                                        .entries = entries,
                                        .init = &init_entry,
                                        .n_state = sizeof states / sizeof *states,
                                        .n_entries = sizeof entries / sizeof *entries};

static int released;
static void release(void *owner) { ++*(int *)owner; }

static gradus_program *make(int32_t threads) {
    gradus_program *p = NULL;
    released = 0;
    assert_int_equal(program_create(&code, threads, release, &released, &p), GRADUS_OK);
    assert_non_null(p);
    return p;
}

static gradus_program *make_initialized(int32_t threads) {
    gradus_program *p = make(threads);
    assert_int_equal(gradus_program_init(p, 42), GRADUS_OK);
    return p;
}

static void unmake(gradus_program *p) {
    gradus_program_destroy(&p);
    assert_null(p);
    assert_int_equal(released, 1);
    assert_int_equal(heap.live, 0);
}

#define assert_error(call, status, message)                  \
    do {                                                     \
        assert_int_equal((call), (status));                  \
        assert_string_equal(gradus_last_error(), (message)); \
    } while (0)

static const float xs[MAX_BATCH * WIDTH] = {0.1f, -2, 3,    4, 5.5f, 6, 7, -8,   9,  1.25f, 11, 12,
                                            13,   14, 0.3f, 1, 2,    3, 4, 0.7f, -6, 7,     8,  9};
static const int32_t ys[MAX_BATCH] = {1, 2, 3, 4, 5, 6, 7, 9};

#endif
