/* SPDX-License-Identifier: Apache-2.0
 * Programs: called, refused, described, read and written. */
#include "cmocka_all.h"
#include "fake_program.h"
#include "heap.h"

#include <fenv.h>
#include <math.h>

/* --- calls --------------------------------------------------------------------------------------------------------- */

static void test_a_program_trains(void **state) {
    (void)state;
    float first[20], w_first[WIDTH];
    static const int32_t threads[] = {1, 2, 3, 7};
    for (size_t t = 0; t < 4; t++) {
        gradus_program *p = make_initialized(threads[t]);
        float w[WIDTH], out[MAX_BATCH * WIDTH];
        for (int64_t i = 0; i < 20; i++) {
            float loss = NAN;
            assert_int_equal(gradus_call(p, "train", 1 + i % MAX_BATCH, GRADUS_INPUTS(xs, ys), GRADUS_OUTPUTS(&loss)),
                             GRADUS_OK);
            assert_true(loss == loss);
            if (t == 0) first[i] = loss;
            assert_memory_equal(&loss, &first[i], sizeof loss);
        }
        assert_int_equal(gradus_program_read(p, "w", w, sizeof w), GRADUS_OK);
        if (t == 0) memcpy(w_first, w, sizeof w);
        assert_memory_equal(w, w_first, sizeof w);
        assert_int_equal(gradus_call(p, "predict", 2, GRADUS_INPUTS(xs), GRADUS_OUTPUTS(out)), GRADUS_OK);
        assert_float_equal(out[4], xs[4] * w[1], 0);
        int32_t steps;
        assert_int_equal(gradus_program_read(p, "steps", &steps, sizeof steps), GRADUS_OK);
        assert_int_equal(steps, 20);
        unmake(p);
    }
}

static void test_wrong_calls_are_explained(void **state) {
    (void)state;
    gradus_program *p = make_initialized(2);
    float f[MAX_BATCH * WIDTH];
    double d[1];
    void *untyped = NULL;
    gradus_inputs in = GRADUS_INPUTS(xs, ys);
    assert_error(gradus_call(NULL, "train", 1, in, GRADUS_OUTPUTS(f)), GRADUS_ERROR_ARGUMENT,
                 "gradus_call: the program is NULL");
    assert_error(gradus_call(p, NULL, 1, in, GRADUS_OUTPUTS(f)), GRADUS_ERROR_ARGUMENT,
                 "gradus_call: the entry's name is NULL");
    assert_error(gradus_call(p, "trian", 1, in, GRADUS_OUTPUTS(f)), GRADUS_ERROR_NOT_FOUND,
                 "no entry point is named \"trian\"; near is \"train\"");
    assert_error(gradus_call(p, "xyzzy", 1, in, GRADUS_OUTPUTS(f)), GRADUS_ERROR_NOT_FOUND,
                 "no entry point is named \"xyzzy\"; there are \"train\", \"predict\", \"team\", \"two\", \"hold\", "
                 "\"hold_write\", \"nothing\", \"take_none\"");
    assert_error(gradus_call(p, "train", 1, GRADUS_INPUTS(xs), GRADUS_OUTPUTS(f)), GRADUS_ERROR_MISMATCH,
                 "train: got 1 input, expected 2 (x f32 (B, 3), y i32 (B))");
    assert_error(gradus_call(p, "train", 1, in, GRADUS_NO_OUTPUTS), GRADUS_ERROR_MISMATCH,
                 "train: got 0 outputs, expected 1 (loss f32 ())");
    assert_error(gradus_call(p, "hold", 1, in, GRADUS_NO_OUTPUTS), GRADUS_ERROR_MISMATCH,
                 "hold: got 2 inputs, expected 0");
    assert_error(gradus_call(p, "train", 1, GRADUS_INPUTS(xs, xs), GRADUS_OUTPUTS(f)), GRADUS_ERROR_MISMATCH,
                 "train: input 1 \"y\" is i32 (B), got f32");
    assert_error(gradus_call(p, "train", 1, in, GRADUS_OUTPUTS(d)), GRADUS_ERROR_MISMATCH,
                 "train: output 0 \"loss\" is f32 (), got f64");
    assert_error(gradus_call(p, "predict", 1, GRADUS_INPUTS(xs), GRADUS_OUTPUTS(untyped)), GRADUS_ERROR_ARGUMENT,
                 "predict: output 0 is f32 (B, 3), got NULL");
    assert_error(gradus_call(p, "train", 1, GRADUS_INPUTS(untyped, ys), GRADUS_OUTPUTS(f)), GRADUS_ERROR_ARGUMENT,
                 "train: input 0 \"x\" is f32 (B, 3), got NULL");
    assert_error(gradus_call(p, "train", 0, in, GRADUS_OUTPUTS(f)), GRADUS_ERROR_ARGUMENT,
                 "train: batch is 0, expected 1 … 8");
    assert_error(gradus_call(p, "train", 9, in, GRADUS_OUTPUTS(f)), GRADUS_ERROR_ARGUMENT,
                 "train: batch is 9, expected 1 … 8");
    assert_error(gradus_call(p, "train", INT64_MIN, in, GRADUS_OUTPUTS(f)), GRADUS_ERROR_ARGUMENT,
                 "train: batch is -9223372036854775808, expected 1 … 8");
    assert_error(gradus_call(p, "train", 1, (gradus_inputs){NULL, 2}, GRADUS_OUTPUTS(f)), GRADUS_ERROR_ARGUMENT,
                 "train: the list of inputs is NULL");
    /* What is right: untyped pointers, no batch where there is none, NULL for nothing. */
    const void *x = xs;
    untyped = f;
    assert_int_equal(gradus_call(p, "predict", MAX_BATCH, GRADUS_INPUTS(x), GRADUS_OUTPUTS(untyped)), GRADUS_OK);
    x = NULL;
    assert_int_equal(gradus_call(p, "nothing", -7, GRADUS_INPUTS(x), GRADUS_NO_OUTPUTS), GRADUS_OK);
    unmake(p);
}

static void test_a_wrong_index_changes_nothing(void **state) {
    (void)state;
    for (int32_t threads = 1; threads <= 3; threads++) {
        gradus_program *p = make_initialized(threads);
        int32_t wrong[MAX_BATCH] = {0, 1, 2, 3, 4, 10, 5, -1};
        float loss;
        void *blob;
        size_t bytes;
        fake_state before;
        assert_int_equal(gradus_program_state(p, &blob, &bytes), GRADUS_OK);
        assert_int_equal(bytes, sizeof before);
        memcpy(&before, blob, bytes);
        assert_error(gradus_call(p, "train", 8, GRADUS_INPUTS(xs, wrong), GRADUS_OUTPUTS(&loss)), GRADUS_ERROR_ARGUMENT,
                     "mlp.c:20: softmax_cross_entropy: index 10 at [5] of (8) is outside 0 … 9; the state is as it was");
        assert_error(gradus_call(p, "take_none", 1, GRADUS_NO_INPUTS, GRADUS_NO_OUTPUTS), GRADUS_ERROR_ARGUMENT,
                     "mlp.c:21: take: index -4 at [0] of (1) points into nothing: the axis is empty; the state "
                     "is as it was");
        assert_memory_equal(&before, blob, bytes);
        assert_int_equal(gradus_call(p, "train", 5, GRADUS_INPUTS(xs, wrong), GRADUS_OUTPUTS(&loss)), GRADUS_OK);
        unmake(p);
    }
}

static void test_before_the_first_values(void **state) {
    (void)state;
    gradus_program *p = make(2);
    float f[WIDTH] = {0};
    assert_error(gradus_call(p, "train", 1, GRADUS_INPUTS(xs, ys), GRADUS_OUTPUTS(f)), GRADUS_ERROR_UNINITIALIZED,
                 "train: the state has no values yet: gradus_program_init gives it first ones");
    assert_int_equal(gradus_program_read(p, "w", f, sizeof f), GRADUS_ERROR_UNINITIALIZED);
    assert_int_equal(gradus_program_reseed(p, 3), GRADUS_ERROR_UNINITIALIZED);
    /* All written, one by one, counts as initialised. */
    static const struct {
        const char *name;
        size_t bytes;
    } all[] = {{"w", 12}, {"rng", 16}, {"steps", 4}, {"flags", 4}, {"on", 1}, {"precise", 8}, {"large", 8}};
    static const unsigned char zeros[16];
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(gradus_program_write(p, all[i].name, zeros, all[i].bytes), GRADUS_OK);
        assert_int_equal(gradus_program_write(p, all[i].name, zeros, all[i].bytes), GRADUS_OK);
        assert_int_equal(gradus_program_read(p, "w", f, sizeof f), GRADUS_ERROR_UNINITIALIZED);
    }
    assert_int_equal(gradus_program_set(p, "adam/learning_rate", 1e-3), GRADUS_OK);
    assert_int_equal(gradus_call(p, "train", 1, GRADUS_INPUTS(xs, ys), GRADUS_OUTPUTS(f)), GRADUS_OK);
    unmake(p);
}

static void test_how_many_threads(void **state) {
    (void)state;
    for (int32_t threads = 1; threads <= TEAM; threads++) {
        gradus_program *p = make_initialized(threads);
        int32_t out[TEAM + 1] = {0};
        assert_int_equal(gradus_call(p, "team", 1, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(out)), GRADUS_OK);
        assert_int_equal(out[0], threads);
        for (int32_t i = 0; i < TEAM; i++) assert_int_equal(out[1 + i], i < threads);
        assert_int_equal(gradus_call(p, "two", 1, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(out)), GRADUS_OK);
        assert_int_equal(out[0], threads < 2 ? threads : 2);
        unmake(p);
    }
    gradus_program *p = make(0);
    unmake(p);
    assert_error(program_create(&code, -1, NULL, NULL, &p), GRADUS_ERROR_ARGUMENT,
                 "threads is -1, expected 1 … 1024, or 0 for as many as there are CPUs");
    assert_int_equal(program_create(&code, 1025, NULL, NULL, &p), GRADUS_ERROR_ARGUMENT);
    assert_null(p);
    gradus_abi_program other = code;
    other.version = 77;
    assert_error(program_create(&other, 1, NULL, NULL, &p), GRADUS_ERROR_MISMATCH,
                 "the compiled code has version 77 of the binary interface, this library has 1");
    /* Nothing that can be allocated. */
    gradus_abi_entry huge = entries[0];
    huge.scratch_bytes = INT64_MAX / 64 * 64;
    other = code;
    other.entries = &huge;
    other.n_entries = 1;
    assert_int_equal(program_create(&other, 3, NULL, NULL, &p), GRADUS_ERROR_MEMORY);
    assert_null(p);
    assert_int_equal(heap.live, 0);
}

static void test_the_floating_point_mode_is_the_codes_own(void **state) {
    (void)state;
    gradus_program *p = make_initialized(3);
    int32_t out[TEAM + 1] = {0};
    assert_int_equal(fesetround(FE_UPWARD), 0);
#ifdef __SSE__
    unsigned flush = __builtin_ia32_stmxcsr() | 0x8040;
    __builtin_ia32_ldmxcsr(flush);
#endif
    gradus_status status = gradus_call(p, "team", 1, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(out));
#ifdef __SSE__
    unsigned after = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(0x1f80);
    assert_int_equal(after & 0xffc0, flush & 0xffc0);
#endif
    assert_int_equal(fegetround() == FE_UPWARD || fegetround() == FE_TONEAREST, 1);
    fesetround(FE_TONEAREST);
    assert_int_equal(status, GRADUS_OK);
    for (int i = 1; i <= 3; i++) assert_int_equal(out[i], 1);
    unmake(p);
}

static void test_calls_allocate_nothing(void **state) {
    (void)state;
    gradus_program *p = make(3);
    long asked = heap.asked;
    float loss, w[WIDTH];
    int32_t wrong[1] = {-1};
    heap.countdown = 0;
    assert_int_equal(gradus_program_init(p, 1), GRADUS_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(gradus_call(p, "train", 8, GRADUS_INPUTS(xs, ys), GRADUS_OUTPUTS(&loss)), GRADUS_OK);
    }
    assert_int_equal(gradus_call(p, "train", 1, GRADUS_INPUTS(xs, wrong), GRADUS_OUTPUTS(&loss)),
                     GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_call(p, "tarin", 1, GRADUS_INPUTS(xs, ys), GRADUS_OUTPUTS(&loss)), GRADUS_ERROR_NOT_FOUND);
    assert_int_equal(gradus_program_read(p, "w", w, sizeof w), GRADUS_OK);
    assert_int_equal(gradus_program_set(p, "adam/learning_rate", 0.25), GRADUS_OK);
    assert_int_equal(heap.asked, asked);
    heap.countdown = -1;
    unmake(p);
}

/* --- state --------------------------------------------------------------------------------------------------------- */

static void test_state_by_name(void **state) {
    (void)state;
    gradus_program *p = make_initialized(1);
    float w[WIDTH], rate;
    assert_int_equal(gradus_program_read(p, "w", w, sizeof w), GRADUS_OK);
    assert_float_equal(w[0], 42, 0);
    assert_float_equal(w[2], 44, 0);
    w[1] = -1;
    assert_int_equal(gradus_program_write(p, "w", w, sizeof w), GRADUS_OK);
    float again[WIDTH] = {0};
    assert_int_equal(gradus_program_read(p, "w", again, sizeof again), GRADUS_OK);
    assert_memory_equal(w, again, sizeof w);
    assert_error(gradus_program_read(p, "w", w, 8), GRADUS_ERROR_MISMATCH,
                 "gradus_program_read: \"w\" is f32 (3): 12 bytes, got 8");
    assert_error(gradus_program_write(p, "w", w, 16), GRADUS_ERROR_MISMATCH,
                 "gradus_program_write: \"w\" is f32 (3): 12 bytes, got 16");
    assert_error(gradus_program_write(p, "w", NULL, 12), GRADUS_ERROR_ARGUMENT,
                 "gradus_program_write: \"w\": the data is NULL");
    assert_error(gradus_program_read(p, "adam/learningrate", &rate, 4), GRADUS_ERROR_NOT_FOUND,
                 "gradus_program_read: no state tensor is named \"adam/learningrate\"; near is \"adam/learning_rate\"");
    assert_error(gradus_program_read(p, "learning_rate", &rate, 4), GRADUS_ERROR_NOT_FOUND,
                 "gradus_program_read: no state tensor is named \"learning_rate\"; near is \"adam/learning_rate\"");
    assert_int_equal(gradus_program_read(p, NULL, &rate, 4), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_program_read(NULL, "w", &rate, 4), GRADUS_ERROR_ARGUMENT);
    void *blob;
    size_t bytes;
    assert_int_equal(gradus_program_state(p, &blob, &bytes), GRADUS_OK);
    assert_int_equal((uintptr_t)blob % GRADUS_ABI_ALIGN, 0);
    assert_memory_equal(((fake_state *)blob)->w, w, sizeof w);
    assert_int_equal(gradus_program_state(p, NULL, &bytes), GRADUS_ERROR_ARGUMENT);
    unmake(p);
}

static void test_setting_one_value(void **state) {
    (void)state;
    gradus_program *p = make_initialized(1);
    void *blob;
    size_t bytes;
    assert_int_equal(gradus_program_state(p, &blob, &bytes), GRADUS_OK);
    const fake_state *s = blob;
    assert_int_equal(gradus_program_set(p, "adam/learning_rate", 1e-4), GRADUS_OK);
    assert_true(s->rate == 1e-4f);
    assert_int_equal(gradus_program_set(p, "w", 0.125), GRADUS_OK);
    for (int i = 0; i < WIDTH; i++) assert_true(s->w[i] == 0.125f);
    assert_int_equal(gradus_program_set(p, "flags", 255), GRADUS_OK);
    for (int i = 0; i < 4; i++) assert_int_equal(s->flags[i], 255);
    assert_int_equal(gradus_program_set(p, "steps", -0x1p31), GRADUS_OK);
    assert_int_equal(s->steps, INT32_MIN);
    assert_int_equal(gradus_program_set(p, "large", -0x1p63), GRADUS_OK);
    assert_true(s->large == INT64_MIN);
    assert_int_equal(gradus_program_set(p, "on", 1), GRADUS_OK);
    assert_true(s->on);
    assert_int_equal(gradus_program_set(p, "precise", 1e300), GRADUS_OK);
    assert_true(s->precise == 1e300);
    assert_int_equal(gradus_program_set(p, "adam/learning_rate", INFINITY), GRADUS_OK);
    assert_true(isinf(s->rate));
    static const struct {
        const char *name;
        double value;
    } wrong[] = {
        {"steps", 0.5}, {"steps", 0x1p31}, {"steps", NAN}, {"large", 0x1p63},    {"flags", -1},
        {"flags", 256}, {"on", 2},         {"on", 0.5},    {"steps", -INFINITY}, {"adam/learning_rate", 1e300}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(gradus_program_set(p, wrong[i].name, wrong[i].value), GRADUS_ERROR_ARGUMENT);
    }
    assert_error(gradus_program_set(p, "on", 2), GRADUS_ERROR_ARGUMENT,
                 "gradus_program_set: \"on\" is bool, which cannot hold 2");
    assert_int_equal(s->steps, INT32_MIN);
    assert_int_equal(gradus_program_set(p, "stps", 1), GRADUS_ERROR_NOT_FOUND);
    unmake(p);
}

static void test_seeds(void **state) {
    (void)state;
    gradus_program *p = make_initialized(2);
    int64_t rng[2];
    float w[WIDTH];
    assert_int_equal(gradus_program_reseed(p, UINT64_MAX), GRADUS_OK);
    assert_int_equal(gradus_program_read(p, "rng", rng, sizeof rng), GRADUS_OK);
    assert_true(rng[0] == -1 && rng[1] == 0);
    assert_int_equal(gradus_program_read(p, "w", w, sizeof w), GRADUS_OK);
    assert_float_equal(w[0], 42, 0);
    assert_int_equal(gradus_program_init(p, 7), GRADUS_OK);
    assert_int_equal(gradus_program_read(p, "w", w, sizeof w), GRADUS_OK);
    assert_float_equal(w[0], 7, 0);
    assert_int_equal(gradus_program_init(NULL, 7), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_program_reseed(NULL, 7), GRADUS_ERROR_ARGUMENT);
    unmake(p);
    /* Without state there is nothing to initialise, and nothing to seed. */
    gradus_abi_program bare = {.version = GRADUS_ABI_VERSION, .entries = &entries[2], .n_entries = 1};
    int32_t out[TEAM + 1];
    assert_int_equal(program_create(&bare, 2, NULL, NULL, &p), GRADUS_OK);
    assert_int_equal(gradus_call(p, "team", 1, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(out)), GRADUS_OK);
    assert_int_equal(gradus_program_reseed(p, 1), GRADUS_OK);
    assert_int_equal(gradus_program_init(p, 1), GRADUS_OK);
    gradus_program_destroy(&p);
    assert_int_equal(heap.live, 0);
}

static void test_descriptions(void **state) {
    (void)state;
    gradus_program *p = make(1);
    gradus_info i;
    gradus_entry_info e;
    assert_int_equal(gradus_program_info(p, "train", GRADUS_INPUT, 0, 5, &i), GRADUS_OK);
    assert_string_equal(i.name, "x");
    assert_int_equal(i.dtype, GRADUS_F32);
    assert_true(i.shape.d[0] == 2 && i.shape.d[1] == 5 && i.shape.d[2] == WIDTH);
    assert_int_equal(i.bytes, 60);
    assert_int_equal(gradus_program_info(p, "train", GRADUS_INPUT, 0, 0, &i), GRADUS_OK);
    assert_true(i.shape.d[1] == -1);
    assert_int_equal(i.bytes, MAX_BATCH * WIDTH * 4);
    assert_int_equal(gradus_program_info(p, "predict", GRADUS_OUTPUT, 0, 1, &i), GRADUS_OK);
    assert_string_equal(i.name, "");
    assert_int_equal(gradus_program_info(p, "team", GRADUS_OUTPUT, 0, 99, &i), GRADUS_OK);
    assert_int_equal(i.bytes, (TEAM + 1) * 4);
    assert_int_equal(gradus_program_info(p, NULL, GRADUS_STATE, 0, 0, &i), GRADUS_OK);
    assert_true(i.trained && i.offset == 0 && i.bytes == 12);
    assert_int_equal(gradus_program_info(p, NULL, GRADUS_STATE, 2, 0, &i), GRADUS_OK);
    assert_true(!i.trained && i.offset == offsetof(fake_state, rng) && i.bytes == 16);
    assert_error(gradus_program_info(p, "train", GRADUS_INPUT, 2, 1, &i), GRADUS_ERROR_NOT_FOUND,
                 "gradus_program_info: train has 2 inputs, none has index 2");
    assert_int_equal(gradus_program_info(p, NULL, GRADUS_STATE, 8, 0, &i), GRADUS_ERROR_NOT_FOUND);
    assert_int_equal(gradus_program_info(p, "train", GRADUS_INPUT, 0, 9, &i), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_program_info(p, "train", GRADUS_INPUT, 0, -1, &i), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_program_info(p, "train", (gradus_role)9, 0, 1, &i), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_program_info(p, NULL, GRADUS_INPUT, 0, 1, &i), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_program_info(p, "none", GRADUS_INPUT, 0, 1, &i), GRADUS_ERROR_NOT_FOUND);
    assert_int_equal(gradus_program_info(NULL, "train", GRADUS_INPUT, 0, 1, &i), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_program_entry(p, 0, &e), GRADUS_OK);
    assert_string_equal(e.name, "train");
    assert_true(e.inputs == 2 && e.outputs == 1 && e.max_batch == MAX_BATCH && e.writes_state && e.arena_bytes == 128);
    assert_int_equal(gradus_program_entry(p, 2, &e), GRADUS_OK);
    assert_true(e.max_batch == 0 && !e.writes_state);
    assert_int_equal(gradus_program_entry(p, 8, &e), GRADUS_ERROR_NOT_FOUND);
    assert_int_equal(gradus_program_entry(NULL, 0, &e), GRADUS_ERROR_ARGUMENT);
    unmake(p);
}

int main(void) {
    heap_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_program_trains),
        cmocka_unit_test(test_wrong_calls_are_explained),
        cmocka_unit_test(test_a_wrong_index_changes_nothing),
        cmocka_unit_test(test_before_the_first_values),
        cmocka_unit_test(test_how_many_threads),
        cmocka_unit_test(test_the_floating_point_mode_is_the_codes_own),
        cmocka_unit_test(test_calls_allocate_nothing),
        cmocka_unit_test(test_state_by_name),
        cmocka_unit_test(test_setting_one_value),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_descriptions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
