/* SPDX-License-Identifier: Apache-2.0
 * Checkpoints as files among other programs': written by PyTorch, opened by Python's package, killed while being written, on
 * a disk that is full. */
#include "checkpoints.h"
#include "python.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* --- other programs' files ---------------------------------------------------------------------------------------- */

static void test_torch(void **state) {
    (void)state;
    static const char torch[] = TESTS_DIR "/data/torch.safetensors";
    static const struct {
        const char *name;
        gradus_dtype dtype;
        gradus_shape shape;
        size_t bytes;
    } all[] = {
        {"brain", GRADUS_F32, {{2, 2, 2}}, 16}, {"bytes", (gradus_dtype)0, {{1, 2}}, 2},
        {"fc.bias", GRADUS_F32, {{1, 2}}, 8},   {"fc.weight", GRADUS_F32, {{2, 2, 3}}, 24},
        {"half", GRADUS_F32, {{1, 8}}, 32},     {"mask", GRADUS_BOOL, {{1, 3}}, 3},
        {"steps", GRADUS_I64, {{0}}, 8},
    };
    enum { COUNT = sizeof all / sizeof *all };
    gradus_safetensors *f;
    gradus_info info;
    assert_int_equal(gradus_safetensors_open(torch, &f), GRADUS_OK);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(gradus_safetensors_info(f, i, &info), GRADUS_OK);
        assert_string_equal(info.name, all[i].name);
        assert_int_equal(info.dtype, all[i].dtype);
        assert_memory_equal(&info.shape, &all[i].shape, sizeof info.shape);
        assert_int_equal(info.bytes, all[i].bytes);
    }
    assert_message(gradus_safetensors_info(f, COUNT, &info), GRADUS_ERROR_NOT_FOUND,
                   "gradus_safetensors_info: %s has 7 tensors, and no index 7", torch);
    assert_string_equal(gradus_safetensors_metadata(f, "format"), "pt");
    assert_null(gradus_safetensors_metadata(f, "none"));

    static const float weight[2][3] = {{1.5f, -2.25f, 3}, {0.1f, 1e-40f, -7}}, bias[2] = {0.5f, -INFINITY};
    static const float half[8] = {0, -0.0f, 1, -1.5f, 65504, 0x1p-24f, 0x1p-15f, INFINITY};
    static const float brain[4] = {1, -3.140625f, 0x1.2cp126f, 0x1p-133f};
    float got[8];
    int64_t steps;
    unsigned char mask[3];
    assert_int_equal(gradus_safetensors_read(f, "fc.bias", got, sizeof bias), GRADUS_OK);
    assert_memory_equal(got, bias, sizeof bias);
    assert_int_equal(gradus_safetensors_read(f, "half", got, sizeof half), GRADUS_OK);
    assert_memory_equal(got, half, sizeof half);
    assert_int_equal(gradus_safetensors_read(f, "brain", got, sizeof brain), GRADUS_OK);
    assert_memory_equal(got, brain, sizeof brain);
    assert_int_equal(gradus_safetensors_read(f, "steps", &steps, sizeof steps), GRADUS_OK);
    assert_int_equal(steps, -5);
    assert_int_equal(gradus_safetensors_read(f, "mask", mask, sizeof mask), GRADUS_OK);
    assert_memory_equal(mask, "\1\0\1", 3);
    assert_message(gradus_safetensors_read(f, "bytes", got, 2), GRADUS_ERROR_MISMATCH,
                   "gradus_safetensors_read: %s: \"bytes\" is I8 (2), a dtype that Gradus has not; it reads F32, "
                   "F64, I32, I64, U8, BOOL, BF16, F16",
                   torch);
    assert_message(gradus_safetensors_read(f, "half", got, 16), GRADUS_ERROR_MISMATCH,
                   "gradus_safetensors_read: %s: \"half\" is f32 (8): 32 bytes, got 16", torch);
    assert_message(gradus_safetensors_read(f, "fc.wait", got, 16), GRADUS_ERROR_NOT_FOUND,
                   "gradus_safetensors_read: %s has no tensor \"fc.wait\"; near is \"fc.weight\"", torch);
    assert_int_equal(gradus_safetensors_read(f, "half", NULL, 32), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_safetensors_read(f, NULL, got, 32), GRADUS_ERROR_ARGUMENT);

    /* As the header's example: the kernel is (in, out) here. */
    const gradus_abi_tensor ours[] = {{"fc/kernel", GRADUS_F32, {{2, 3, 2}}, 0, true}};
    state_only s;
    gradus_program *p = make_program(&s, ours, 1);
    float theirs[2][3], kernel[3][2];
    assert_int_equal(gradus_safetensors_read(f, "fc.weight", theirs, sizeof theirs), GRADUS_OK);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 2; j++) kernel[i][j] = theirs[j][i];
    assert_int_equal(gradus_program_write(p, "fc/kernel", kernel, sizeof kernel), GRADUS_OK);
    assert_memory_equal(theirs, weight, sizeof weight);
    assert_int_equal(gradus_load(p, torch), GRADUS_ERROR_MISMATCH);
    assert_non_null(strstr(gradus_last_error(), "it lacks 1: \"fc/kernel\"; 7 in it are not in the program"));
    gradus_program_destroy(&p);
    gradus_safetensors_close(&f);
    gradus_safetensors_close(&f);
    gradus_safetensors_close(NULL);

    /* A program whose tensors are these takes them, the halves as f32, in one go. */
    const gradus_abi_tensor some[] = {{"half", GRADUS_F32, {{1, 8}}, 0, true},
                                      {"steps", GRADUS_I64, {{0}}, 0, false},
                                      {"brain", GRADUS_F32, {{2, 2, 2}}, 0, true}};
    size_t loaded;
    p = make_program(&s, some, 3);
    assert_int_equal(gradus_load_matching(p, torch, NULL, &loaded), GRADUS_OK);
    assert_int_equal(loaded, 3);
    assert_int_equal(gradus_program_read(p, "brain", got, sizeof brain), GRADUS_OK);
    assert_memory_equal(got, brain, sizeof brain);
    gradus_program_destroy(&p);
    assert_int_equal(heap.live, 0);
}

/* A file opens whatever dtypes it has; what is not a dtype of Gradus is described, and cannot be read. */
static void test_every_dtype(void **state) {
    (void)state;
    static const struct {
        const char *kind;
        gradus_dtype dtype;
    } kinds[] = {
        {"F32", GRADUS_F32}, {"F64", GRADUS_F64},
        {"I32", GRADUS_I32}, {"I64", GRADUS_I64},
        {"U8", GRADUS_U8},   {"BOOL", GRADUS_BOOL},
        {"F16", GRADUS_F32}, {"BF16", GRADUS_F32},
        {"I8", 0},           {"I16", 0},
        {"U16", 0},          {"U32", 0},
        {"U64", 0},          {"C64", 0},
        {"F4", 0},           {"F6_E2M3", 0},
        {"F6_E3M2", 0},      {"F8_E4M3", 0},
        {"F8_E5M2", 0},      {"F8_E8M0", 0},
        {"F8_E4M3FNUZ", 0},  {"F8_E5M2FNUZ", 0},
        {"C128", 0},         {"F8_E3M4", 0},
        {"I4", 0},           {"MXFP4", 0},
        {"float32", 0},      {"", 0},
    };
    static const char ours[16] = {0};
    char header[256], got[64];
    gradus_safetensors *f;
    gradus_info info;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        int bits = 0; /* those that the name says; a number that nobody knows takes any */
        if (strcspn(kinds[i].kind, "0123456789"))
            sscanf(kinds[i].kind + strcspn(kinds[i].kind, "0123456789"), "%d", &bits);
        if (strcmp(kinds[i].kind, "BOOL") == 0) bits = 8;
        const int bytes = bits && kinds[i].kind[0] != 'M' && kinds[i].kind[0] != 'f' ? 8 * bits / 8 : 3;
        int length = snprintf(header, sizeof header,
                              "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                              "\"b\":{\"dtype\":\"%s\",\"shape\":[2,4],\"data_offsets\":[8,%d]}}",
                              kinds[i].kind, 8 + bytes);
        static const char data[256] = {0};
        write_crafted(header, (size_t)length, (uint64_t)length, data, (size_t)(8 + bytes));
        if (gradus_safetensors_open(path, &f)) fail_msg("%s", gradus_last_error());
        assert_int_equal(gradus_safetensors_read(f, "a", got, 8), GRADUS_OK);
        assert_memory_equal(got, ours, 8);
        assert_int_equal(gradus_safetensors_info(f, 1, &info), GRADUS_OK);
        assert_int_equal(info.dtype, kinds[i].dtype);
        assert_memory_equal(&info.shape, &GRADUS_SHAPE(2, 4), sizeof info.shape);
        assert_int_equal(info.bytes, kinds[i].dtype ? 8 * gradus_dtype_size(kinds[i].dtype) : (size_t)bytes);
        if (kinds[i].dtype) assert_int_equal(gradus_safetensors_read(f, "b", got, info.bytes), GRADUS_OK);
        else
            assert_message(
                gradus_safetensors_read(f, "b", got, info.bytes), GRADUS_ERROR_MISMATCH,
                "gradus_safetensors_read: %s: \"b\" is %s (2, 4), a dtype that Gradus has not; it reads F32, F64, "
                "I32, I64, U8, BOOL, BF16, F16",
                path, kinds[i].kind);
        gradus_safetensors_close(&f);
        /* A program takes what it has. */
        static const gradus_abi_tensor a[] = {{"a", GRADUS_F32, {{1, 2}}, 0, true}};
        state_only s;
        size_t loaded;
        gradus_program *p = make_program(&s, a, 1);
        assert_int_equal(gradus_load_matching(p, path, NULL, &loaded), GRADUS_OK);
        assert_int_equal(loaded, 1);
        gradus_program_destroy(&p);
    }
    /* More axes than Gradus has. */
    int length = snprintf(header, sizeof header,
                          "{\"a\":{\"dtype\":\"U8\",\"shape\":[2,1,1,1,1,1,1,1,4],\"data_offsets\":[0,8]}}");
    write_crafted(header, (size_t)length, (uint64_t)length, ours, 8);
    assert_int_equal(gradus_safetensors_open(path, &f), GRADUS_OK);
    assert_int_equal(gradus_safetensors_info(f, 0, &info), GRADUS_OK);
    assert_true(info.dtype == 0 && info.bytes == 8 && info.shape.d[0] == 1 && info.shape.d[1] == 8);
    assert_message(gradus_safetensors_read(f, "a", got, 8), GRADUS_ERROR_MISMATCH,
                   "gradus_safetensors_read: %s: \"a\" has 9 axes, at most 8 can be read", path);
    gradus_safetensors_close(&f);
    assert_int_equal(heap.live, 0);
}

/* Every number that says where batches stood, from one end of what a file can say to the other: what loads can be walked on
 * from, and nothing else does. */
static void test_every_place(void **state) {
    (void)state;
    static const char *const keys[] = {"epoch", "index", "rows", "batch_size", "count", "shuffled", "seed"};
    static const char *const right[] = {"3", "1", "10", "5", "2", "1", "7"};
    static const struct {
        const char *text;
        bool epoch, index; /* whether it may be one */
    } numbers[] = {
        {"0", true, true},
        {"2", true, true},
        {"3", true, false},
        {"0000000000000000000002", true, true},
        {"4503599627370496", true, false},
        {"9007199254740991", true, false},
        {"9007199254740992", true, false},
        {"9007199254740993", false, false},
        {"4611686018427387904", false, false},
        {"9223372036854775806", false, false},
        {"9223372036854775807", false, false},
        {"9223372036854775808", false, false},
        {"18446744073709551615", false, false},
        {"18446744073709551616", false, false},
        {"99999999999999999999999999999999", false, false},
        {"-1", false, false},
        {"+1", false, false},
        {" 1", false, false},
        {"1.0", false, false},
        {"1e3", false, false},
        {"0x1", false, false},
        {"nan", false, false},
        {"", false, false},
    };
    enum { KEYS = sizeof keys / sizeof *keys, NUMBERS = sizeof numbers / sizeof *numbers };
    static const gradus_abi_tensor a[] = {{"a", GRADUS_F32, {{1, 2}}, 0, true}};
    const gradus_data_array rows = {"\1\2\3\4\5\6\7\10\11\12", GRADUS_U8, GRADUS_SHAPE(10)};
    state_only s;
    gradus_data *data = NULL;
    gradus_batches *batches = NULL;
    gradus_batch b;
    gradus_program *p = make_program(&s, a, 1);
    assert_int_equal(gradus_data_arrays(&rows, 1, &data), GRADUS_OK);
    assert_int_equal(gradus_batches_create(data, gradus_batch_options(.batch_size = 5, .seed = 7), &batches),
                     GRADUS_OK);
    for (int key = 0; key < KEYS; key++) {
        for (int i = 0; i < NUMBERS; i++) {
            char header[512];
            int64_t epoch, index;
            int n = snprintf(header, sizeof header, "{\"__metadata__\":{");
            for (int k = 0; k < KEYS; k++)
                n += snprintf(header + n, sizeof header - (size_t)n, "%s\"batches.%s\":\"%s\"", k ? "," : "", keys[k],
                              k == key ? numbers[i].text : right[k]);
            n += snprintf(header + n, sizeof header - (size_t)n,
                          "},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}");
            write_crafted(header, (size_t)n, (uint64_t)n, "\0\0\0\0\0\0\0\0", 8);
            assert_int_equal(gradus_batches_seek(batches, 9, 1), GRADUS_OK);
            const gradus_status status = gradus_load_with(p, path, .batches = batches);
            gradus_batches_tell(batches, &epoch, &index);
            const bool same = strtoull(numbers[i].text, NULL, 10) == strtoull(right[key], NULL, 10);
            if (key == 0 ? numbers[i].epoch : key == 1 ? numbers[i].index : same && numbers[i].epoch) {
                if (status != GRADUS_OK) fail_msg("%s = %s: %s", keys[key], numbers[i].text, gradus_last_error());
                assert_int_equal(epoch, key == 0 ? strtoll(numbers[i].text, NULL, 10) : 3);
                for (int walks = 0; walks < 3; walks++)
                    while (gradus_batches_next(batches, &b)) assert_true(b.epoch == epoch + walks);
                gradus_batches_tell(batches, &index, NULL);
                assert_true(index == epoch + 3);
            } else {
                if (status != GRADUS_ERROR_FORMAT && status != GRADUS_ERROR_MISMATCH)
                    fail_msg("%s = %s gives status %d", keys[key], numbers[i].text, (int)status);
                assert_true(epoch == 9 && index == 1);
                assert_non_null(strstr(gradus_last_error(), path));
            }
        }
    }
    assert_int_equal(gradus_batches_seek(batches, ((int64_t)1 << 53) + 1, 0), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_batches_seek(batches, INT64_MAX - 1, 0), GRADUS_ERROR_ARGUMENT);
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&data);
    gradus_program_destroy(&p);
    assert_int_equal(heap.live, 0);
}

/* What a 16-bit float is, by its definition. */
static double meaning(uint16_t bits, int fraction_bits) {
    int exponent_bits = 15 - fraction_bits, bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1), fraction = bits & ((1 << fraction_bits) - 1);
    double sign = bits & 0x8000 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1) return fraction ? NAN : sign * INFINITY;
    double value = ldexp(fraction, -fraction_bits) + (exponent ? 1 : 0);
    return sign * ldexp(value, (exponent ? exponent : 1) - bias);
}

static void test_every_half(void **state) {
    (void)state;
    enum { ALL = 65536 };
    static uint16_t halves[ALL];
    static float wide[ALL];
    for (int i = 0; i < ALL; i++) halves[i] = (uint16_t)i;
    for (int brain = 0; brain < 2; brain++) {
        char header[128];
        gradus_safetensors *f;
        int length =
            snprintf(header, sizeof header, "{\"h\":{\"dtype\":\"%s\",\"shape\":[65536],\"data_offsets\":[0,131072]}}",
                     brain ? "BF16" : "F16");
        write_crafted(header, (size_t)length, (uint64_t)length, halves, sizeof halves);
        assert_int_equal(gradus_safetensors_open(path, &f), GRADUS_OK);
        assert_int_equal(gradus_safetensors_read(f, "h", wide, sizeof wide), GRADUS_OK);
        gradus_safetensors_close(&f);
        for (int i = 0; i < ALL; i++) {
            double expected = meaning((uint16_t)i, brain ? 7 : 10);
            if (isnan(expected) ? !isnan(wide[i]) : wide[i] != expected || !signbit(wide[i]) != !signbit(expected))
                fail_msg("%s 0x%04x is %a, expected %a", brain ? "BF16" : "F16", (unsigned)i, (double)wide[i],
                         expected);
        }
    }
}

/* Python's package opens ours, and writes a file that we open. */
static void test_python(void **state) {
    (void)state;
    const char *python = find_python("safetensors, numpy");
    if (!python) skip();
    gradus_abi_tensor tensors[64];
    size_t n = all_tensors(tensors), bytes;
    state_only s;
    char again[80];
    gradus_data *data = NULL;
    gradus_batches *batches = NULL;
    int64_t epoch, index;
    gradus_program *p = make_program(&s, tensors, n);
    const gradus_data_array rows = {"\1\2\3\4\5", GRADUS_U8, GRADUS_SHAPE(5)};
    snprintf(again, sizeof again, "%s/again", directory);
    assert_int_equal(gradus_data_arrays(&rows, 1, &data), GRADUS_OK);
    assert_int_equal(gradus_batches_create(data, gradus_batch_options(.batch_size = 2, .seed = UINT64_MAX), &batches),
                     GRADUS_OK);
    assert_int_equal(gradus_batches_seek(batches, 4, 2), GRADUS_OK);
    fill(p, 21);
    unsigned char *was = snapshot(p, &bytes);
    assert_int_equal(gradus_save_with(p, path, .batches = batches), GRADUS_OK);
    fill(p, 22);
    assert_int_equal(gradus_batches_seek(batches, 0, 0), GRADUS_OK);
    assert_int_equal(shell("'%s' '%s' '%s' '%s'", python, TESTS_DIR "/oracle/safetensors_oracle.py", path, again), 0);
    assert_int_equal(gradus_load_with(p, again, .batches = batches), GRADUS_OK);
    assert_state(p, was, bytes);
    gradus_batches_tell(batches, &epoch, &index);
    assert_true(epoch == 4 && index == 2);
    unlink(again);
    free(was);
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&data);
    gradus_program_destroy(&p);
}

/* --- accidents ----------------------------------------------------------------------------------------------------- */

enum { LARGE = 1 << 18, KILLS = 120 };

static const gradus_abi_tensor large[] = {{"w", GRADUS_F32, {{1, LARGE}}, 0, true},
                                          {"on", GRADUS_BOOL, {{0}}, 0, false}};

/* How many files killed processes left beside. */
static int left_beside(void) {
    DIR *d = opendir(directory);
    assert_non_null(d);
    int n = 0;
    for (struct dirent *e; (e = readdir(d));) n += strstr(e->d_name, ".new") != NULL;
    closedir(d);
    return n;
}

/* A process saves one state and another in turn and is killed at a random moment: the file is one of them, whole. */
static void test_killed_while_saving(void **state) {
    (void)state;
    state_only s;
    gradus_program *p = make_program(&s, large, 2);
    unsigned char *states[2];
    size_t bytes;
    int left = 0, seen[2] = {0};
    for (int i = 0; i < 2; i++) {
        fill(p, 31 + (uint32_t)i);
        states[i] = snapshot(p, &bytes);
    }
    assert_int_equal(gradus_save(p, path), GRADUS_OK);
    uint32_t random = 7;
    for (int kill_number = 0; kill_number < KILLS; kill_number++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            for (int i = kill_number;; i++) {
                void *data;
                gradus_program_state(p, &data, &bytes);
                memcpy(data, states[i % 2], bytes);
                if (gradus_save(p, path) != GRADUS_OK) _exit(1);
            }
        }
        random = random * 1664525 + 1013904223;
        usleep(random % 10000);
        int status;
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        if (gradus_load(p, path) != GRADUS_OK) fail_msg("kill %d: %s", kill_number, gradus_last_error());
        void *data;
        gradus_program_state(p, &data, &bytes);
        int which = memcmp(data, states[0], bytes) == 0 ? 0 : 1;
        assert_memory_equal(data, states[which], bytes);
        seen[which]++;
        assert_in_range(left_beside(), 0, 1); /* what the one before left is gone */
        left += left_beside();
    }
    assert_int_equal(gradus_save(p, path), GRADUS_OK);
    assert_int_equal(left_beside(), 0);
    print_message("%d kills, %d of them while writing; found %d and %d times\n", KILLS, left, seen[0], seen[1]);
    free(states[0]), free(states[1]);
    gradus_program_destroy(&p);
}

/* No room for the file: an error, and the old one is there. */
static void test_full_disk(void **state) {
    (void)state;
    state_only s;
    gradus_program *p = make_program(&s, large, 2);
    size_t size, now;
    fill(p, 41);
    assert_int_equal(gradus_save(p, path), GRADUS_OK);
    unsigned char *file = read_bytes(path, &size);
    static const rlim_t rooms[] = {0, 100, 4096, LARGE};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            signal(SIGXFSZ, SIG_IGN);
            setrlimit(RLIMIT_FSIZE, &(struct rlimit){rooms[i], rooms[i]});
            fill(p, 42);
            _exit(gradus_save(p, path) == GRADUS_ERROR_IO && strstr(gradus_last_error(), "File too large") ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        unsigned char *there = read_bytes(path, &now);
        assert_int_equal(now, size);
        assert_memory_equal(there, file, size);
        free(there);
        assert_int_equal(left_beside(), 0);
    }
    free(file);
    gradus_program_destroy(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_dtype),
        cmocka_unit_test(test_every_place),
        cmocka_unit_test(test_torch),
        cmocka_unit_test(test_every_half),
        cmocka_unit_test(test_python),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_killed_while_saving),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
