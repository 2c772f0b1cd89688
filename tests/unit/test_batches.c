/* SPDX-License-Identifier: Apache-2.0
 * Data sets of tensors in memory, their parts, and the order and size of batches. */
#include "cmocka_all.h"
#include "heap.h"

#include <gradus/data.h>
#include <math.h>
#include <string.h>

enum { N = 103 };

/* N rows: the row's number as I32, and as a pair of F64. */
static gradus_data *numbered(void) {
    int32_t number[N];
    double pair[N][2];
    for (int i = 0; i < N; i++) {
        number[i] = i;
        pair[i][0] = pair[i][1] = i;
    }
    gradus_data *data = NULL;
    const gradus_data_array arrays[] = {{pair, GRADUS_F64, GRADUS_SHAPE(N, 2)}, {number, GRADUS_I32, GRADUS_SHAPE(N)}};
    assert_int_equal(gradus_data_arrays(arrays, 2, &data), GRADUS_OK);
    return data;
}

static void test_tensors_in_memory(void **state) {
    (void)state;
    gradus_data *data = numbered(), *none = data;
    assert_int_equal(gradus_data_rows(data), N);
    assert_int_equal(gradus_data_columns(data), 2);
    assert_int_equal(gradus_data_rows(NULL), 0);
    assert_int_equal(gradus_data_columns(NULL), 0);
    float x[4] = {0};
    const gradus_data_array fine = {x, GRADUS_F32, GRADUS_SHAPE(2, 2)};
    static const struct {
        gradus_data_array array;
        gradus_status status;
        const char *message;
    } wrong[] = {
        {{NULL, GRADUS_F32, {{2, 2, 2}}}, GRADUS_ERROR_ARGUMENT, "gradus_data_arrays: tensor 1: its data is NULL"},
        {{"", (gradus_dtype)0, {{2, 2, 2}}}, GRADUS_ERROR_ARGUMENT, "gradus_data_arrays: tensor 1: 0 is no dtype"},
        {{"", GRADUS_U8, {{0}}},
         GRADUS_ERROR_ARGUMENT,
         "gradus_data_arrays: tensor 1: the rank is 0, expected 1 … 8: rows come first"},
        {{"", GRADUS_U8, {{2, 2, -1}}},
         GRADUS_ERROR_ARGUMENT,
         "gradus_data_arrays: tensor 1: extent 1 is -1, expected at least 1"},
        {{"", GRADUS_U8, {{2, 2, INT64_MAX}}},
         GRADUS_ERROR_ARGUMENT,
         "gradus_data_arrays: tensor 1 is larger than memory can be"},
        {{"", GRADUS_U8, {{1, 3}}}, GRADUS_ERROR_MISMATCH, "gradus_data_arrays: tensor 1 has 3 rows, tensor 0 has 2"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const gradus_data_array arrays[] = {fine, wrong[i].array};
        assert_int_equal(gradus_data_arrays(arrays, 2, &none), wrong[i].status);
        assert_string_equal(gradus_last_error(), wrong[i].message);
        assert_null(none);
    }
    assert_int_equal(gradus_data_arrays(&fine, 0, &none), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_data_arrays(NULL, 1, &none), GRADUS_ERROR_ARGUMENT);
    gradus_data_destroy(&data);
    gradus_data_destroy(&data);
    gradus_data_destroy(NULL);
    assert_int_equal(heap.live, 0);
}

/* Walks one epoch: the rows' numbers in their order; checks the batches' own numbers and both tensors. */
static int64_t walk(gradus_batches *batches, int32_t *rows) {
    gradus_batch b;
    int64_t n = 0, index = 0, epoch = 0, at;
    gradus_batches_tell(batches, &epoch, &at);
    index = at;
    while (gradus_batches_next(batches, &b)) {
        assert_int_equal(b.index, index++);
        assert_int_equal(b.epoch, epoch);
        const double *pair = b.inputs.items[0].data;
        const int32_t *number = b.inputs.items[1].data;
        assert_int_equal((uintptr_t)pair % 64, 0);
        for (int64_t i = 0; i < b.size; i++) {
            assert_true(pair[2 * i] == number[i] && pair[2 * i + 1] == number[i]);
            rows[n++] = number[i];
        }
    }
    assert_int_equal(index, gradus_batches_count(batches));
    return n;
}

static gradus_batches *batches_of(const gradus_data *data, int64_t size, bool no_shuffle, bool drop_last,
                                  uint64_t seed) {
    gradus_batches *b = NULL;
    assert_int_equal(gradus_batches_create(data,
                                           gradus_batch_options(.batch_size = size, .no_shuffle = no_shuffle,
                                                                .drop_last = drop_last, .seed = seed),
                                           &b),
                     GRADUS_OK);
    return b;
}

static void assert_permutation(const int32_t *rows, int64_t n) {
    char seen[N] = {0};
    assert_int_equal(n, N);
    for (int64_t i = 0; i < n; i++) {
        assert_in_range(rows[i], 0, N - 1);
        assert_false(seen[rows[i]]++);
    }
}

static void test_orders(void **state) {
    (void)state;
    gradus_data *data = numbered();
    int32_t a[2][N], b[N];
    gradus_batches *batches = batches_of(data, 10, false, false, 5);
    assert_int_equal(gradus_batches_count(batches), 11);
    for (int e = 0; e < 2; e++) assert_permutation(a[e], walk(batches, a[e]));
    assert_memory_not_equal(a[0], a[1], sizeof b);
    gradus_batches_destroy(&batches);
    /* The batch's size changes nothing in the order, nor does the data set's early end; a seed does. */
    batches = batches_of(data, 17, false, false, 5);
    gradus_data_destroy(&data);
    for (int e = 0; e < 2; e++) {
        assert_permutation(b, walk(batches, b));
        assert_memory_equal(a[e], b, sizeof b);
    }
    gradus_batches_destroy(&batches);
    data = numbered();
    batches = batches_of(data, 17, false, false, 6);
    assert_permutation(b, walk(batches, b));
    assert_memory_not_equal(a[0], b, sizeof b);
    gradus_batches_destroy(&batches);
    batches = batches_of(data, 1000, true, false, 5);
    assert_int_equal(gradus_batches_count(batches), 1);
    for (int e = 0; e < 2; e++) {
        assert_int_equal(walk(batches, b), N);
        for (int i = 0; i < N; i++) assert_int_equal(b[i], i);
    }
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&data);
    assert_int_equal(heap.live, 0);
}

static void test_every_order_is_equally_likely(void **state) {
    (void)state;
    gradus_data *data = NULL;
    gradus_batches *batches = NULL;
    gradus_batch b;
    const gradus_data_array array = {"\0\1\2", GRADUS_U8, GRADUS_SHAPE(3)};
    assert_int_equal(gradus_data_arrays(&array, 1, &data), GRADUS_OK);
    assert_int_equal(gradus_batches_create(data, gradus_batch_options(.batch_size = 3, .seed = 3), &batches),
                     GRADUS_OK);
    int counts[27] = {0};
    for (int e = 0; e < 6000; e++) {
        assert_true(gradus_batches_next(batches, &b));
        const uint8_t *r = b.inputs.items[0].data;
        counts[9 * r[0] + 3 * r[1] + r[2]]++;
        assert_false(gradus_batches_next(batches, &b));
    }
    static const int orders[] = {5, 7, 11, 15, 19, 21};
    for (int i = 0; i < 6; i++) assert_in_range(counts[orders[i]], 850, 1150); /* five standard deviations */
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&data);
}

static void test_the_last_batch(void **state) {
    (void)state;
    gradus_data *data = numbered();
    int32_t rows[N];
    gradus_batches *batches = batches_of(data, 10, false, true, 1), *none;
    assert_int_equal(gradus_batches_count(batches), 10);
    for (int e = 0; e < 3; e++) assert_int_equal(walk(batches, rows), 100);
    gradus_batches_destroy(&batches);
    batches = batches_of(data, 0, false, false, 1); /* 32 */
    gradus_batch b = {0};
    for (int i = 0; i < 4; i++) assert_true(gradus_batches_next(batches, &b));
    assert_int_equal(b.size, N - 96);
    assert_false(gradus_batches_next(batches, &b));
    assert_int_equal(b.index, 3);
    assert_true(gradus_batches_next(batches, &b));
    assert_true(b.size == 32 && b.index == 0 && b.epoch == 1);
    gradus_batches_destroy(&batches);
    batches = batches_of(data, N, false, true, 1);
    assert_int_equal(gradus_batches_count(batches), 1);
    gradus_batches_destroy(&batches);
    assert_int_equal(gradus_batches_create(data, gradus_batch_options(.batch_size = 104, .drop_last = true), &none),
                     GRADUS_ERROR_ARGUMENT);
    assert_string_equal(gradus_last_error(),
                        "gradus_batches_create: with drop_last, batches of 104 of 103 rows leave nothing");
    assert_int_equal(gradus_batches_create(data, gradus_batch_options(.batch_size = -1), &none), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_batches_create(NULL, NULL, &none), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_batches_create(data, NULL, NULL), GRADUS_ERROR_ARGUMENT);
    assert_null(none);
    assert_false(gradus_batches_next(NULL, &b));
    assert_int_equal(gradus_batches_count(NULL), 0);
    gradus_batches_destroy(NULL);
    gradus_batches_destroy(&none);
    gradus_data_destroy(&data);
    assert_int_equal(heap.live, 0);
}

static void test_positions(void **state) {
    (void)state;
    gradus_data *data = numbered();
    int32_t all[4][N], some[N];
    gradus_batches *batches = batches_of(data, 10, false, false, 9);
    for (int e = 0; e < 4; e++) walk(batches, all[e]);
    gradus_batches_destroy(&batches);
    batches = batches_of(data, 10, false, false, 9);
    assert_int_equal(gradus_batches_seek(batches, 2, 7), GRADUS_OK);
    assert_int_equal(walk(batches, some), N - 70);
    assert_memory_equal(some, all[2] + 70, (N - 70) * sizeof *some);
    walk(batches, some);
    assert_memory_equal(some, all[3], sizeof some);
    assert_int_equal(gradus_batches_seek(batches, 1, 0), GRADUS_OK);
    walk(batches, some);
    assert_memory_equal(some, all[1], sizeof some);
    gradus_batch b;
    int64_t epoch, index;
    assert_int_equal(gradus_batches_seek(batches, 0, 11), GRADUS_OK);
    gradus_batches_tell(batches, &epoch, &index);
    assert_true(epoch == 0 && index == 11);
    assert_false(gradus_batches_next(batches, &b));
    assert_int_equal(gradus_batches_seek(batches, 0, 12), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_batches_seek(batches, -1, 0), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_batches_seek(NULL, 0, 0), GRADUS_ERROR_ARGUMENT);
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&data);
    assert_int_equal(heap.live, 0);
}

static int64_t rows_of(const gradus_data *data, int32_t *rows) {
    gradus_batches *batches = batches_of(data, 32, true, false, 0);
    int64_t n = walk(batches, rows);
    gradus_batches_destroy(&batches);
    return n;
}

static void test_parts(void **state) {
    (void)state;
    gradus_data *data = numbered(), *a, *b, *c, *d;
    int32_t first[N], both[N], again[N];
    assert_int_equal(gradus_data_split(data, 0.8, 42, &a, &b), GRADUS_OK);
    assert_int_equal(gradus_data_rows(a), 82);
    assert_int_equal(gradus_data_rows(b), 21);
    int64_t n = rows_of(a, first);
    memcpy(both, first, sizeof first);
    rows_of(b, both + n);
    assert_permutation(both, N);
    for (int i = 1; i < N; i++) assert_true(i == 82 || both[i] > both[i - 1]);
    assert_true(both[81] != 81);
    assert_int_equal(gradus_data_split(data, 0.8, 42, &c, &d), GRADUS_OK);
    rows_of(c, again);
    assert_memory_equal(first, again, 82 * sizeof *first);
    gradus_data_destroy(&c);
    gradus_data_destroy(&d);
    assert_int_equal(gradus_data_split(data, 0.8, 43, &c, &d), GRADUS_OK);
    rows_of(c, again);
    assert_memory_not_equal(first, again, 82 * sizeof *first);
    gradus_data_destroy(&c);
    gradus_data_destroy(&d);
    gradus_data_destroy(&data);
    assert_int_equal(gradus_data_slice(a, 80, 82, &c), GRADUS_OK);
    assert_int_equal(rows_of(c, again), 2);
    assert_true(again[0] == first[80] && again[1] == first[81]);
    assert_int_equal(gradus_data_slice(a, 80, 83, &d), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_data_slice(a, -1, 3, &d), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_data_slice(a, 3, 3, &d), GRADUS_ERROR_ARGUMENT);
    assert_null(d);
    gradus_data *one, *other;
    assert_int_equal(gradus_data_split(c, 1e-9, 1, &one, &other), GRADUS_OK);
    assert_int_equal(gradus_data_rows(one), 1);
    assert_int_equal(gradus_data_split(one, 0.5, 1, &d, &d), GRADUS_ERROR_ARGUMENT);
    static const double wrong[] = {0, 1, -0.5, 1.5, NAN};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(gradus_data_split(c, wrong[i], 1, &d, &data), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_data_split(NULL, 0.5, 1, &d, &data), GRADUS_ERROR_ARGUMENT);
    gradus_data_destroy(&one);
    gradus_data_destroy(&other);
    gradus_data_destroy(&c);
    gradus_data_destroy(&b);
    gradus_data_destroy(&a);
    assert_int_equal(heap.live, 0);
}

int main(void) {
    heap_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensors_in_memory),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_every_order_is_equally_likely),
        cmocka_unit_test(test_the_last_batch),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
