/* SPDX-License-Identifier: Apache-2.0
 * Saving and loading: what is written and read back, what does not fit the program, and files that are broken in every
 * way that a short one can be. */
#include "checkpoints.h"

#include <jansson.h>

static void test_round_trip(void **state) {
    (void)state;
    gradus_abi_tensor tensors[64];
    size_t n = all_tensors(tensors), bytes, size;
    state_only s, other;
    gradus_program *p = make_program(&s, tensors, n), *q = make_program(&other, tensors, n);
    assert_message(gradus_save(p, path), GRADUS_ERROR_UNINITIALIZED,
                   "gradus_save: the state has no values yet: gradus_program_init gives it first ones");
    assert_int_equal(access(path, F_OK), -1);
    fill(p, 1);
    assert_int_equal(gradus_save(p, path), GRADUS_OK);
    unsigned char *was = snapshot(p, &bytes), *file = read_bytes(path, &size);
    assert_int_equal(gradus_load(q, path), GRADUS_OK);
    assert_state(q, was, bytes);
    /* Loading initialises: what was read can be saved, to the same bytes. */
    assert_int_equal(gradus_save(q, path), GRADUS_OK);
    size_t again_size;
    unsigned char *again = read_bytes(path, &again_size);
    assert_int_equal(again_size, size);
    assert_memory_equal(again, file, size);
    fill(p, 2);
    assert_int_equal(gradus_load(p, path), GRADUS_OK);
    assert_state(p, was, bytes);
    free(was), free(file), free(again);
    gradus_program_destroy(&p);
    gradus_program_destroy(&q);
    assert_int_equal(heap.live, 0);
}

/* The very bytes of a file: header padded to 8, tensors aligned to their elements. */
static void test_bytes(void **state) {
    (void)state;
    static const gradus_abi_tensor tensors[] = {{"on", GRADUS_BOOL, {{0}}, 0, false},
                                                {"w", GRADUS_F32, {{2, 1, 2}}, 0, true},
                                                {"steps", GRADUS_I64, {{0}}, 0, false}};
    static const char header[] = "{\"steps\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
                                 "\"w\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[8,16]},"
                                 "\"on\":{\"dtype\":\"BOOL\",\"shape\":[],\"data_offsets\":[16,17]}}       ";
    static const unsigned char data[] = {7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 1};
    state_only s;
    gradus_program *p = make_program(&s, tensors, 3);
    assert_int_equal(gradus_program_set(p, "steps", 7), GRADUS_OK);
    assert_int_equal(gradus_program_set(p, "on", 1), GRADUS_OK);
    assert_int_equal(gradus_program_write(p, "w", (const float[]){1, -2}, 8), GRADUS_OK);
    assert_int_equal(gradus_save(p, path), GRADUS_OK);
    size_t size;
    unsigned char *file = read_bytes(path, &size);
    assert_int_equal(size, 8 + sizeof header - 1 + sizeof data);
    assert_int_equal(file[0] | file[1] << 8, sizeof header - 1);
    assert_memory_equal(file + 8, header, sizeof header - 1);
    assert_memory_equal(file + 8 + sizeof header - 1, data, sizeof data);
    free(file);
    gradus_program_destroy(&p);

    p = make_program(&s, NULL, 0);
    assert_int_equal(gradus_save(p, path), GRADUS_OK);
    assert_int_equal(gradus_load(p, path), GRADUS_OK);
    file = read_bytes(path, &size);
    assert_memory_equal(file, "\x08\0\0\0\0\0\0\0{}      ", 16);
    assert_int_equal(size, 16);
    free(file);
    gradus_program_destroy(&p);
}

/* --- what does not fit --------------------------------------------------------------------------------------------- */

static const gradus_abi_tensor small[] = {{"fc/kernel", GRADUS_F32, {{2, 3, 2}}, 0, true},
                                          {"fc/bias", GRADUS_F32, {{1, 2}}, 0, true},
                                          {"adam/step", GRADUS_I64, {{0}}, 0, false},
                                          {"flag", GRADUS_BOOL, {{1, 3}}, 0, false}};

static void test_other_graphs(void **state) {
    (void)state;
    state_only s, t;
    gradus_program *p = make_program(&s, small, 4), *q;
    size_t bytes;
    fill(p, 3);
    assert_int_equal(gradus_save(p, path), GRADUS_OK);

    const gradus_abi_tensor shapes[] = {{"fc/kernel", GRADUS_F32, {{2, 2, 3}}, 0, true},
                                        small[1],
                                        {"adam/step", GRADUS_I32, {{0}}, 0, false},
                                        small[3]};
    q = make_program(&t, shapes, 4);
    fill(q, 4);
    unsigned char *was = snapshot(q, &bytes);
    assert_message(
        gradus_load(q, path), GRADUS_ERROR_MISMATCH,
        "gradus_load: %s does not hold this program's tensors; 2 differ: \"fc/kernel\" is f32 (2, 3), in the "
        "file F32 (3, 2), \"adam/step\" is i32 (), in the file I64 ()",
        path);
    assert_state(q, was, bytes);
    size_t loaded = 9;
    assert_message(gradus_load_matching(q, path, "fc/*", &loaded), GRADUS_ERROR_MISMATCH,
                   "gradus_load_matching: %s does not hold this program's tensors; 1 differs: \"fc/kernel\" is f32 "
                   "(2, 3), in the file F32 (3, 2)",
                   path);
    assert_int_equal(loaded, 0);
    assert_state(q, was, bytes);
    free(was);
    gradus_program_destroy(&q);

    const gradus_abi_tensor names[] = {{"fc1/kernel", GRADUS_F32, {{2, 3, 2}}, 0, true},
                                       small[1],
                                       small[3],
                                       {"x", GRADUS_F32, {{0}}, 0, false},
                                       {"y", GRADUS_F32, {{0}}, 0, false},
                                       {"something else", GRADUS_F32, {{0}}, 0, false}};
    q = make_program(&t, names, 6);
    fill(q, 5);
    was = snapshot(q, &bytes);
    assert_message(
        gradus_load(q, path), GRADUS_ERROR_MISMATCH,
        "gradus_load: %s does not hold this program's tensors; it lacks 4: \"fc1/kernel\" (near is "
        "\"fc/kernel\"), \"x\", \"y\", …; 2 in it are not in the program: \"adam/step\", \"fc/kernel\" (near "
        "is \"fc1/kernel\"); gradus_load_matching reads what is in both",
        path);
    assert_state(q, was, bytes);
    free(was);
    gradus_program_destroy(&q);
    gradus_program_destroy(&p);
    assert_int_equal(heap.live, 0);
}

static void test_matching(void **state) {
    (void)state;
    state_only s, t;
    gradus_program *p = make_program(&s, small, 4);
    const gradus_abi_tensor others[] = {small[1],
                                        {"fc/new", GRADUS_F32, {{0}}, 0, true},
                                        small[0],
                                        {"adam/step", GRADUS_F64, {{3, 4, 4, 4}}, 0, false}};
    gradus_program *q = make_program(&t, others, 4);
    fill(p, 6);
    assert_int_equal(gradus_save(p, path), GRADUS_OK);
    float kernel[6], bias[2], mine[6], fresh = 4;
    static const struct {
        const char *pattern;
        size_t count;
    } cases[] = {{"fc/*", 2}, {"fc/bias", 1}, {"nothing", 0}, {"", 0}, {"*/kern?l", 1}, {"f*", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t loaded = 9;
        fill(q, 7);
        assert_int_equal(gradus_program_set(q, "fc/new", fresh), GRADUS_OK);
        assert_int_equal(gradus_program_read(q, "fc/kernel", mine, sizeof mine), GRADUS_OK);
        assert_int_equal(gradus_load_matching(q, path, cases[i].pattern, &loaded), GRADUS_OK);
        assert_int_equal(loaded, cases[i].count);
        bool takes = name_matches("fc/kernel", cases[i].pattern);
        assert_int_equal(gradus_program_read(takes ? p : q, "fc/kernel", kernel, sizeof kernel), GRADUS_OK);
        if (!takes) assert_memory_equal(kernel, mine, sizeof mine);
        assert_int_equal(gradus_program_read(q, "fc/kernel", mine, sizeof mine), GRADUS_OK);
        assert_memory_equal(kernel, mine, sizeof mine);
        assert_int_equal(gradus_program_read(q, "fc/new", &fresh, sizeof fresh), GRADUS_OK);
        assert_true(fresh == 4);
    }
    assert_int_equal(gradus_load_matching(q, path, NULL, NULL), GRADUS_ERROR_MISMATCH); /* adam/step */
    assert_int_equal(gradus_load_matching(p, path, NULL, NULL), GRADUS_OK);
    gradus_program_destroy(&q);
    /* Without values before, the rest still has none. */
    q = make_program(&t, others, 4);
    assert_int_equal(gradus_load_matching(q, path, "fc/*", NULL), GRADUS_OK);
    assert_int_equal(gradus_program_read(q, "fc/bias", bias, sizeof bias), GRADUS_ERROR_UNINITIALIZED);
    gradus_program_destroy(&q);
    gradus_program_destroy(&p);
    assert_int_equal(heap.live, 0);
}

static void test_arguments(void **state) {
    (void)state;
    state_only s;
    gradus_program *p = make_program(&s, small, 4);
    fill(p, 8);
    char none[96], folder[96];
    snprintf(none, sizeof none, "%s/none", directory);
    snprintf(folder, sizeof folder, "%s/none/file", directory);
    unlink(path);
    assert_message(gradus_save(NULL, path), GRADUS_ERROR_ARGUMENT, "gradus_save: the program is NULL");
    assert_message(gradus_save(p, NULL), GRADUS_ERROR_ARGUMENT, "gradus_save: the path is NULL");
    assert_message(gradus_load(NULL, path), GRADUS_ERROR_ARGUMENT, "gradus_load: the program is NULL");
    assert_message(gradus_load(p, NULL), GRADUS_ERROR_ARGUMENT, "gradus_load: the path is NULL");
    assert_message(gradus_load(p, none), GRADUS_ERROR_NOT_FOUND, "%s: cannot open: No such file or directory", none);
    assert_message(gradus_load(p, directory), GRADUS_ERROR_IO,
                   "%s: cannot open: this is a directory, expected a regular file", directory);
    assert_message(gradus_save(p, folder), GRADUS_ERROR_IO,
                   "%s: cannot write: No such file or directory: the directory \"%s\"", folder, none);
    assert_message(gradus_save(p, "/dev/full"), GRADUS_ERROR_IO, "/dev/full: cannot write: No space left on device");
    assert_int_equal((gradus_save_with)(p, path, NULL), GRADUS_OK);
    assert_int_equal((gradus_load_with)(p, path, NULL), GRADUS_OK);
    gradus_save_options newer[2] = {{.size_ = sizeof newer}, {.size_ = 1}};
    assert_int_equal((gradus_save_with)(p, path, newer), GRADUS_ERROR_ARGUMENT);
    gradus_program_destroy(&p);

    static const char *const names[][2] = {
        {"__metadata__", "gradus_save: a state tensor cannot be named \"__metadata__\" in a safetensors file"},
        {"caf\xe9", "gradus_save: the name \"caf\xe9\" of a state tensor is not UTF-8, as it must be in a safetensors "
                    "file"}};
    for (int i = 0; i < 2; i++) {
        p = make_program(&s, &(gradus_abi_tensor){names[i][0], GRADUS_F32, {{0}}, 0, true}, 1);
        fill(p, 9);
        assert_message(gradus_save(p, path), GRADUS_ERROR_ARGUMENT, "%s", names[i][1]);
        gradus_program_destroy(&p);
    }
    assert_int_equal(heap.live, 0);
}

/* A call that reads or writes the state meanwhile. */
static void test_busy(void **state) {
    (void)state;
    state_only s;
    gradus_program *p = make_program(&s, small, 4);
    size_t bytes;
    fill(p, 10);
    assert_int_equal(gradus_save(p, path), GRADUS_OK);
    fill(p, 11);
    unsigned char *was = snapshot(p, &bytes);
    assert_true(core_lock(p->core, false));
    assert_int_equal(gradus_save(p, path), GRADUS_OK);
    assert_message(gradus_load(p, path), GRADUS_ERROR_BUSY, "gradus_load: the state is in use by another call");
    core_unlock(p->core, false);
    assert_true(core_lock(p->core, true));
    assert_int_equal(gradus_save(p, path), GRADUS_ERROR_BUSY);
    core_unlock(p->core, true);
    assert_state(p, was, bytes);
    free(was);
    gradus_program_destroy(&p);
}

/* --- broken files -------------------------------------------------------------------------------------------------- */

/* Every length that is shorter, a longer one, and every bit turned: an error that changes nothing, or other values. */
static void test_every_bit(void **state) {
    (void)state;
    state_only s;
    gradus_program *p = make_program(&s, small, 4);
    size_t size, bytes, fine = 0;
    fill(p, 12);
    assert_int_equal(gradus_save(p, path), GRADUS_OK);
    unsigned char *file = read_bytes(path, &size);
    fill(p, 13);
    unsigned char *was = snapshot(p, &bytes);
    for (size_t length = 0; length <= size + 1; length++) {
        if (length == size) continue;
        write_bytes(file, length); /* read_bytes gave one byte more */
        assert_int_equal(gradus_load(p, path), GRADUS_ERROR_FORMAT);
        assert_non_null(strstr(gradus_last_error(), path));
        assert_state(p, was, bytes);
    }
    size_t data = 8 + (size_t)(file[0] | file[1] << 8);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        file[bit / 8] ^= (unsigned char)(1 << bit % 8);
        write_bytes(file, size);
        gradus_status status = gradus_load(p, path);
        if (status == GRADUS_OK) {
            fine++;
            fill(p, 13);
        } else {
            assert_true(status == GRADUS_ERROR_FORMAT || status == GRADUS_ERROR_MISMATCH);
            assert_true(bit / 8 < data || size - bit / 8 <= 3); /* the BOOLs are last */
        }
        assert_state(p, was, bytes);
        file[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    size_t values = 8 * (size - data - 3) + 3;
    assert_in_range(fine, values, values + 8); /* a turned bit of the padding may be space of another kind */
    free(file), free(was);
    gradus_program_destroy(&p);
    assert_int_equal(heap.live, 0);
}

/* Headers that lie; "%s" stands for the path. */
static void test_headers(void **state) {
    (void)state;
#define ONE(dtype, shape, offsets) "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define TWO(b, offsets)                                                   \
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"" b \
    "\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" offsets "}}"
    static const struct {
        const char *header, *message;
    } cases[] = {
        {"", "%s: byte 8: no header of safetensors, which begins with {"},
        {" {}", "%s: byte 8: no header of safetensors, which begins with {"},
        {"[]", "%s: byte 8: no header of safetensors, which begins with {"},
        {"{", "%s: byte 9: the header is no JSON: string or '}' expected near end of file"},
        {"{} {}", "%s: byte 12: the header is no JSON: end of file expected near '{'"},
        {"{\"a\":1,\"a\":1}", "%s: byte 18: the header is no JSON: duplicate object key near '\"a\"'"},
        {"{\"a\\u0000b\":1}", NULL},
        {"{\"\xff\":1}", NULL},
        {"{\"a\":1}", "%s: the header: \"a\" is no object"},
        {"{\"a\":{}}", "%s: the header: \"a\" has no \"dtype\", a string"},
        {ONE("7", "[8]", "[0,8]"), "%s: the header: \"a\" has no \"dtype\", a string"},
        {ONE("\"U8\"", "8", "[0,8]"), "%s: the header: \"a\" has no \"shape\", a list of extents"},
        {ONE("\"U8\"", "[8.0]", "[0,8]"),
         "%s: the header: \"a\" has a \"shape\" whose extent 0 is no integer from 0 on"},
        {ONE("\"U8\"", "[1,-8]", "[0,8]"),
         "%s: the header: \"a\" has a \"shape\" whose extent 1 is no integer from 0 on"},
        {ONE("\"U8\"", "[4294967296,4294967296]", "[0,8]"), "%s: the header: \"a\" is larger than a file can be"},
        {ONE("\"F64\"", "[2305843009213693952]", "[0,8]"), "%s: the header: \"a\" is larger than a file can be"},
        {ONE("\"U8\"", "[99999999999999999999]", "[0,8]"), NULL},
        {ONE("\"U8\"", "[8]", "[0]"),
         "%s: the header: \"a\" has no \"data_offsets\", two ascending integers from 0 on"},
        {ONE("\"U8\"", "[8]", "{}"), "%s: the header: \"a\" has no \"data_offsets\", two ascending integers from 0 on"},
        {ONE("\"U8\"", "[8]", "[8,0]"),
         "%s: the header: \"a\" has no \"data_offsets\", two ascending integers from 0 on"},
        {ONE("\"U8\"", "[8]", "[-8,0]"),
         "%s: the header: \"a\" has no \"data_offsets\", two ascending integers from 0 on"},
        {ONE("\"U8\"", "[8]", "[0,8e0]"),
         "%s: the header: \"a\" has no \"data_offsets\", two ascending integers from 0 on"},
        {ONE("\"U8\"", "[8]", "[\"0\",8]"),
         "%s: the header: \"a\" has no \"data_offsets\", two ascending integers from 0 on"},
        {ONE("\"F32\"", "[8]", "[0,8]"), "%s: the header: \"a\" has 8 bytes, but 8 elements of F32 need 32"},
        {ONE("\"F4\"", "[3]", "[0,2]"), "%s: the header: \"a\" has 3 elements of F4, whose 12 bits are no whole bytes"},
        {ONE("\"U8\"", "[0]", "[0,0]"), "%s: 8 bytes of data follow the header, which speaks of 0"},
        {ONE("\"U8\"", "[9]", "[0,9]"),
         "%s: 8 bytes of data follow the header, which speaks of 9: the file is cut short"},
        {ONE("\"U8\"", "[7]", "[1,8]"),
         "%s: the header: \"a\" begins at byte 1 of the data, after a hole that begins at byte 0"},
        {TWO("b", "[3,7]"), "%s: the header: \"b\" begins at byte 3 of the data, inside a tensor that ends at byte 4"},
        {TWO("b", "[5,9]"), "%s: the header: \"b\" begins at byte 5 of the data, after a hole that begins at byte 4"},
        {TWO("a", "[4,8]"), NULL},
        {"{\"__metadata__\":[]}", "%s: the header: \"__metadata__\" is no object"},
        {"{\"__metadata__\":{\"k\":1}}", "%s: the header: \"__metadata__\" has \"k\", which is no string"},
    };
#undef ONE
#undef TWO
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gradus_safetensors *f;
        size_t length = strlen(cases[i].header);
        write_crafted(cases[i].header, length, length, "\1\2\3\4\5\6\7\10", 8);
        if (gradus_safetensors_open(path, &f) != GRADUS_ERROR_FORMAT) fail_msg("taken: %s", cases[i].header);
        assert_null(f);
        char expected[512];
        snprintf(expected, sizeof expected, cases[i].message ? cases[i].message : "%s", path);
        if (cases[i].message) assert_string_equal(gradus_last_error(), expected);
    }
    /* Nested as deep as memory would go. */
    size_t deep = 100000;
    char *text = malloc(deep + 5);
    memcpy(text, "{\"a\":", 5);
    memset(text + 5, '[', deep);
    gradus_safetensors *f;
    write_crafted(text, deep + 5, deep + 5, NULL, 0);
    assert_int_equal(gradus_safetensors_open(path, &f), GRADUS_ERROR_FORMAT);
    free(text);
    /* Lengths that lie. */
    static const uint64_t lengths[] = {1, 3, 100000000, 100000001, INT64_MAX, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        write_crafted("{}", 2, lengths[i], NULL, 0);
        assert_int_equal(gradus_safetensors_open(path, &f), GRADUS_ERROR_FORMAT);
    }
    assert_true(heap.largest < 1 << 20); /* and took no memory for what was only said to be there */
    assert_int_equal(heap.live, 0);
}

/* --- memory that runs out ------------------------------------------------------------------------------------------ */

static void *jansson_allocate(size_t bytes) { return heap_reallocate(NULL, NULL, bytes ? bytes : 1); }
static void jansson_free(void *memory) { heap_reallocate(NULL, memory, 0); }

/* Each allocation fails once, those of jansson too. */
static void test_out_of_memory(void **state) {
    (void)state;
    state_only s;
    gradus_program *p = make_program(&s, small, 4);
    size_t bytes, size, again;
    json_set_alloc_funcs(jansson_allocate, jansson_free);
    fill(p, 14);
    assert_int_equal(gradus_save(p, path), GRADUS_OK);
    unsigned char *file = read_bytes(path, &size);
    fill(p, 15);
    unsigned char *was = snapshot(p, &bytes);
    long live = heap.live;
    for (int saving = 0; saving < 2; saving++) {
        gradus_status status = GRADUS_ERROR_MEMORY;
        for (long n = 0; status != GRADUS_OK; n++) {
            heap.countdown = n;
            status = saving ? gradus_save(p, path) : gradus_load(p, path);
            heap.countdown = -1;
            if (status == GRADUS_ERROR_FORMAT) assert_non_null(strstr(gradus_last_error(), "no JSON")); /* jansson's */
            else assert_true(status == GRADUS_OK || status == GRADUS_ERROR_MEMORY);
            assert_int_equal(heap.live, live);
            if (status == GRADUS_OK) break;
            assert_state(p, was, bytes);
            unsigned char *now = read_bytes(path, &again);
            assert_int_equal(again, size);
            assert_memory_equal(now, file, size);
            free(now);
            assert_in_range(n, 0, 1000);
        }
        fill(p, 15);
    }
    json_set_alloc_funcs(malloc, free);
    free(file), free(was);
    gradus_program_destroy(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_bytes),     cmocka_unit_test(test_other_graphs),
        cmocka_unit_test(test_matching),   cmocka_unit_test(test_arguments), cmocka_unit_test(test_busy),
        cmocka_unit_test(test_every_bit),  cmocka_unit_test(test_headers),   cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
