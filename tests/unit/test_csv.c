/* SPDX-License-Identifier: Apache-2.0
 * Tables of text that are right: forms, columns, labels, standardising. */
#include "tables.h"

#include <math.h>

/* All rows of a tensor in the file's order, copied; free it. */
static void *rows_of(const gradus_data *data, size_t tensor, gradus_dtype dtype) {
    gradus_batches *batches = NULL;
    gradus_batch b;
    gradus_info info;
    int64_t rows = gradus_data_rows(data);
    assert_int_equal(
        gradus_batches_create(data, gradus_batch_options(.batch_size = rows, .no_shuffle = true), &batches), GRADUS_OK);
    assert_true(gradus_batches_next(batches, &b));
    assert_true(tensor < b.inputs.count);
    assert_int_equal(b.inputs.items[tensor].dtype, dtype);
    assert_int_equal(gradus_data_info(data, tensor, &info), GRADUS_OK);
    assert_int_equal(info.shape.d[1], rows);
    void *copy = malloc(info.bytes);
    assert_non_null(copy);
    memcpy(copy, b.inputs.items[tensor].data, info.bytes);
    gradus_batches_destroy(&batches);
    return copy;
}

static void assert_features(const gradus_data *data, int64_t rows, int64_t columns, const float *expected) {
    assert_int_equal(gradus_data_rows(data), rows);
    assert_int_equal(gradus_data_columns(data), columns);
    float *x = rows_of(data, 0, GRADUS_F32);
    for (int64_t i = 0; i < rows * columns; i++) {
        if (!(x[i] == expected[i] || (isnan(x[i]) && isnan(expected[i]))))
            fail_msg("element %d is %.9g, expected %.9g", (int)i, (double)x[i], (double)expected[i]);
    }
    free(x);
}

static void assert_labels(const gradus_data *data, const int32_t *expected) {
    int32_t *y = rows_of(data, 1, GRADUS_I32);
    assert_memory_equal(y, expected, (size_t)gradus_data_rows(data) * sizeof *y);
    free(y);
}

/* --- what is right -------------------------------------------------------------------------------------------------- */

static const float one_to_six[] = {1, 2, 3, 4, 5, 6};

static void test_forms(void **state) {
    (void)state;
    static const char *const plain[] = {"1,2,3\n4,5,6\n",
                                        "1,2,3\n4,5,6",
                                        "1,2,3\r\n4,5,6\r\n",
                                        "1,2,3\r4,5,6\r",
                                        "1,2,3\n4,5,6\n\n\n",
                                        "1,2,3\r\n4,5,6\r\n\r\n  \t\r\n",
                                        "\xef\xbb\xbf"
                                        "1,2,3\n4,5,6\n",
                                        "\"1\",\"2\",\"3\"\r\n\"4\",\"5\",\"6\"",
                                        " 1 ,\t2,3  \n4, \"5\" ,6\n",
                                        "1.0,2e0,+3\n.4e1,50e-1,6.\n",
                                        "1,2,3\n4,5,6\n   "};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        gradus_data *data = load(plain[i], NULL);
        assert_features(data, 2, 3, one_to_six);
        assert_int_equal(gradus_data_names(data, NULL), 0);
        gradus_data_destroy(&data);
    }
    static const struct {
        char delimiter;
        const char *text;
    } others[] = {
        {';', "1;2;3\n4;5;6\n"}, {'\t', "1\t2\t3\n4\t 5\t6\n"}, {' ', "1 2 3\n4 5 6\n"}, {'|', "1|\"2\"|3\n4|5|6\n"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        gradus_data *data = load(others[i].text, gradus_csv_options(.delimiter = others[i].delimiter));
        assert_features(data, 2, 3, one_to_six);
        gradus_data_destroy(&data);
    }
    assert_int_equal(heap.live, 0);
}

static void assert_names(int64_t (*of)(const gradus_data *, const char *const **), const gradus_data *data,
                         const char *expected) {
    const char *const *names;
    char joined[256] = "";
    int64_t n = of(data, &names);
    for (int64_t i = 0; i < n; i++) {
        strcat(joined, names[i]);
        strcat(joined, "/");
    }
    assert_string_equal(joined, expected);
}

static void test_header(void **state) {
    (void)state;
    gradus_data *data = load("\"a, b\", c ,\"say \"\"x\"\"\",\"two\r\nlines\"\n1,2,3,7\n4,5,6,8\n",
                             gradus_csv_options(.header = true, .label = "two\r\nlines"));
    assert_features(data, 2, 3, one_to_six);
    assert_labels(data, (const int32_t[]){7, 8});
    assert_names(gradus_data_names, data, "a, b/c/say \"x\"/");
    assert_int_equal(gradus_data_classes(data, NULL), 0);
    gradus_data_destroy(&data);
    assert_int_equal(gradus_data_classes(NULL, NULL), 0);
    assert_int_equal(gradus_data_names(NULL, NULL), 0);
    assert_int_equal(gradus_data_scaling(NULL, NULL, NULL), 0);
}

static void test_columns(void **state) {
    (void)state;
    static const char text[] = "id,1,x,y,2\n7,8,1,2,3\n9,8,4,5,6\n";
    static const struct {
        const char *columns, *skip, *label;
        int64_t n;
        float expected[10];
    } cases[] = {{"x,y,2", NULL, NULL, 3, {1, 2, 3, 4, 5, 6}},
                 {" 2 , y,x ", NULL, NULL, 3, {1, 2, 3, 4, 5, 6}},
                 {"-3,3,4", NULL, NULL, 3, {1, 2, 3, 4, 5, 6}},
                 {NULL, "id,1", NULL, 3, {1, 2, 3, 4, 5, 6}},
                 {NULL, "id", "1", 3, {1, 2, 3, 4, 5, 6}}, /* a name comes before a number */
                 {"1,x", NULL, "x", 1, {8, 8}},
                 {NULL, "0,1", "-2", 2, {1, 3, 4, 6}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gradus_data *data = load(text, gradus_csv_options(.header = true, .columns = cases[i].columns,
                                                          .skip = cases[i].skip, .label = cases[i].label));
        assert_features(data, 2, cases[i].n, cases[i].expected);
        gradus_data_destroy(&data);
    }
}

static void test_label_dtypes(void **state) {
    (void)state;
    static const char text[] = "1,0\n2,1.0\n3,1e0\n";
    gradus_data *data = load(text, gradus_csv_options(.label = "1", .label_dtype = GRADUS_F32));
    float *f = rows_of(data, 1, GRADUS_F32);
    assert_true(f[0] == 0 && f[1] == 1 && f[2] == 1);
    gradus_data_destroy(&data);
    data = load(text, gradus_csv_options(.label = "1", .label_dtype = GRADUS_F64));
    double *d = rows_of(data, 1, GRADUS_F64);
    assert_true(d[0] == 0 && d[1] == 1 && d[2] == 1);
    gradus_data_destroy(&data);
    data = load(text, gradus_csv_options(.label = "1", .label_dtype = GRADUS_I64));
    int64_t *n = rows_of(data, 1, GRADUS_I64);
    assert_true(n[0] == 0 && n[1] == 1 && n[2] == 1);
    gradus_data_destroy(&data);
    uint8_t *b[2];
    for (int i = 0; i < 2; i++) {
        gradus_dtype dtype = i ? GRADUS_BOOL : GRADUS_U8;
        data = load(text, gradus_csv_options(.label = "-1", .label_dtype = dtype));
        b[i] = rows_of(data, 1, dtype);
        assert_memory_equal(b[i], ((const uint8_t[]){0, 1, 1}), 3);
        gradus_data *like = load(text, gradus_csv_options(.label = "-1", .like = data));
        free(rows_of(like, 1, dtype));
        gradus_data_destroy(&like);
        gradus_data_destroy(&data);
        free(b[i]);
    }
    free(f);
    free(d);
    free(n);
}

static void test_classes(void **state) {
    (void)state;
    static const char text[] = "c,x\nversicolor,1\nsetosa,2\n\"a, b\",3\nsetosa,4\nversicolor,5\nZ,6\n";
    gradus_data *data = load(text, gradus_csv_options(.header = true, .label = "c")), *half, *rest;
    assert_labels(data, (const int32_t[]){3, 2, 1, 2, 3, 0});
    assert_names(gradus_data_classes, data, "Z/a, b/setosa/versicolor/");
    assert_int_equal(gradus_data_split(data, 0.5, 1, &half, &rest), GRADUS_OK);
    gradus_data_destroy(&data);
    assert_names(gradus_data_classes, half, "Z/a, b/setosa/versicolor/"); /* parts have them too */
    /* Another file with the numbers of the first. */
    data = load("c,x\nsetosa,2\nversicolor,1\n", gradus_csv_options(.header = true, .label = "c", .like = rest));
    gradus_data_destroy(&half);
    gradus_data_destroy(&rest);
    assert_labels(data, (const int32_t[]){2, 3});
    assert_names(gradus_data_classes, data, "Z/a, b/setosa/versicolor/");
    gradus_data_destroy(&data);
    data = load("10,1\n9,1\n10,1\n", gradus_csv_options(.label = "0", .label_names = true, .label_dtype = GRADUS_F32));
    float *y = rows_of(data, 1, GRADUS_F32);
    assert_true(y[0] == 0 && y[1] == 1 && y[2] == 0);
    free(y);
    gradus_data_destroy(&data);
    assert_int_equal(heap.live, 0);
}

static char logged[1024];

static void keep_line(void *user, int32_t level, const char *line) {
    (void)user, (void)level;
    snprintf(logged, sizeof logged, "%s", line);
}

/* What was asked for is never guessed; what is guessed is said, and does not depend on the order of rows. */
static void test_guesses(void **state) {
    (void)state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"1,2\n2,1\n", ": column 1: labels are numbers, i32"},
        {"1,b\n2,a\n", ": column 1: labels are the names of 2 classes: \"a\" 0, \"b\" 1"},
        {"1,2\n2,10\n", ": column 1: labels are numbers, i32"},
        {"1,10a\n2,2\"b\n", ": column 1: labels are the names of 2 classes: \"10a\" 0, \"2\"b\" 1"},
        {"1,Nathan\n2,info\n", ": column 1: labels are the names of 2 classes: \"Nathan\" 0, \"info\" 1"},
    };
    gradus_set_log(keep_line, NULL, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gradus_data *data = load(cases[i].text, gradus_csv_options(.label = "1")), *like;
        assert_string_equal(logged + strlen(path), cases[i].said);
        assert_int_equal(gradus_data_classes(data, NULL), strstr(cases[i].said, "names") ? 2 : 0);
        logged[0] = '\0';
        like = load_file(path, gradus_csv_options(.label = "1", .like = data));
        gradus_data_destroy(&like);
        gradus_data_destroy(&data);
        data = load_file(path, gradus_csv_options(.label = "1", .label_names = true));
        gradus_data_destroy(&data);
        data = load("5,6\n", NULL);
        gradus_data_destroy(&data);
        assert_string_equal(logged, "");
    }
    gradus_set_log(NULL, NULL, 0);
    /* Asked for as names, anything is one. */
    gradus_data *data = load("1,NA\n1,10\n1,inf\n1,nan\n1,x\n", gradus_csv_options(.label = "1", .label_names = true));
    assert_labels(data, (const int32_t[]){1, 0, 2, 3, 4});
    gradus_data_destroy(&data);
    /* A data set without labels says nothing of what labels are. */
    gradus_data *bare = load("5\n6\n", NULL);
    data = load("1,x\n2,y\n", gradus_csv_options(.label = "1", .like = bare));
    assert_labels(data, (const int32_t[]){0, 1});
    gradus_data_destroy(&data);
    gradus_data_destroy(&bare);
    assert_int_equal(heap.live, 0);
}

static void test_many_classes(void **state) {
    (void)state;
    enum { CLASSES = 3000, ROWS = 2 * CLASSES };
    static char text[ROWS * 12];
    size_t n = 0;
    for (int i = 0; i < ROWS; i++) n += (size_t)snprintf(text + n, 16, "1,c%04d\n", i * 1237 % CLASSES);
    gradus_data *data = load(text, gradus_csv_options(.label = "1"));
    assert_int_equal(gradus_data_classes(data, NULL), CLASSES);
    int32_t *y = rows_of(data, 1, GRADUS_I32);
    for (int i = 0; i < ROWS; i++) assert_int_equal(y[i], i * 1237 % CLASSES);
    free(y);
    gradus_data_destroy(&data);
    char message[160];
    snprintf(message, sizeof message, ": %d classes are more than labels of dtype u8 can tell apart", CLASSES);
    refuse(text, gradus_csv_options(.label = "1", .label_dtype = GRADUS_U8), GRADUS_ERROR_FORMAT, message);
}

static void test_missing(void **state) {
    (void)state;
    gradus_data *data = load("1,?,NA\nnan,,Null\n4,N/A,6\n", gradus_csv_options(.missing = true));
    assert_features(data, 3, 3, (const float[]){1, NAN, NAN, NAN, NAN, NAN, 4, NAN, 6});
    gradus_data_destroy(&data);
    data = load("inf,-Inf,+INFINITY\n-nan,\"Infinity\",NaN\n1,2,3\n", gradus_csv_options(.missing = true));
    assert_features(data, 3, 3, (const float[]){NAN, NAN, NAN, NAN, NAN, NAN, 1, 2, 3});
    gradus_data_destroy(&data);
    data = load("1,?,NA\nnan,,Null\n4,N/A,6\n", gradus_csv_options(.missing = true, .standardize = true));
    assert_features(data, 3, 3, (const float[]){-1, 0, 0, 0, 0, 0, 1, 0, 0});
    gradus_data_destroy(&data);
}

static void test_standardize(void **state) {
    (void)state;
    static const char text[] =
        "a,b,c,y\n1,0.1,1e6,0\n2,0.1,1000001,1\n3,0.1,1000002,0\n4,0.1,1000003,1\n5,0.1,1000004,1\n";
    const double *means, *deviations;
    gradus_data *data = load(text, gradus_csv_options(.header = true, .label = "y", .standardize = true)), *first,
                *second;
    float r = (float)sqrt(0.5);
    const float z[] = {-2 * r, 0, -2 * r, -r, 0, -r, 0, 0, 0, r, 0, r, 2 * r, 0, 2 * r};
    assert_features(data, 5, 3, z);
    assert_labels(data, (const int32_t[]){0, 1, 0, 1, 1});
    assert_int_equal(gradus_data_scaling(data, &means, &deviations), 3);
    assert_true(means[0] == 3 && means[1] == (double)0.1f && means[2] == 1000002);
    assert_true(deviations[0] == sqrt(2) && deviations[1] == 1 && deviations[2] == sqrt(2));
    /* Another file by the first one's figures, asked for or not. */
    for (int ask = 0; ask < 2; ask++) {
        gradus_data *test = load("a,b,c,y\n5,0.1,1000002,9\n3,1.1,1000000,9\n",
                                 gradus_csv_options(.header = true, .label = "y", .standardize = ask, .like = data));
        assert_features(test, 2, 3, (const float[]){2 * r, 0, 0, 0, (float)((double)1.1f - (double)0.1f), -2 * r});
        assert_int_equal(gradus_data_scaling(test, NULL, NULL), 3);
        gradus_data_destroy(&test);
    }
    assert_int_equal(gradus_data_split(data, 0.5, 1, &first, &second), GRADUS_OK);
    assert_int_equal(gradus_data_scaling(first, &means, NULL), 3);
    gradus_data_destroy(&first);
    gradus_data_destroy(&second);
    gradus_data_destroy(&data);
    data = load("7,8\n", gradus_csv_options(.standardize = true));
    assert_features(data, 1, 2, (const float[]){0, 0});
    gradus_data_destroy(&data);
    assert_int_equal(heap.live, 0);
}

/* --- real files ------------------------------------------------------------------------------------------------------ */

static void test_iris(void **state) {
    (void)state;
    gradus_data *data = load_file(DATA_DIR "/iris/iris.csv", gradus_csv_options(.header = true, .label = "species"));
    assert_int_equal(gradus_data_rows(data), 150);
    assert_int_equal(gradus_data_columns(data), 4);
    assert_names(gradus_data_classes, data, "setosa/versicolor/virginica/");
    assert_names(gradus_data_names, data, "sepal_length/sepal_width/petal_length/petal_width/");
    float *x = rows_of(data, 0, GRADUS_F32);
    int32_t *y = rows_of(data, 1, GRADUS_I32);
    double sums[4] = {0};
    for (int i = 0; i < 600; i++) sums[i % 4] += (double)x[i];
    for (int i = 0; i < 150; i++) assert_int_equal(y[i], i / 50);
    static const double known[] = {876.5, 458.6, 563.7, 179.9}; /* the set's published means times 150 */
    for (int k = 0; k < 4; k++) assert_true(fabs(sums[k] - known[k]) < 1e-3);
    free(x);
    free(y);
    gradus_data_destroy(&data);
}

static void test_digits(void **state) {
    (void)state;
    gradus_data *data = load_file(DATA_DIR "/digits/digits.csv.gz", gradus_csv_options(.label = "-1"));
    assert_int_equal(gradus_data_rows(data), 1797);
    assert_int_equal(gradus_data_columns(data), 64);
    float *x = rows_of(data, 0, GRADUS_F32);
    int32_t *y = rows_of(data, 1, GRADUS_I32), counts[10] = {0};
    for (int i = 0; i < 1797 * 64; i++) assert_true(x[i] >= 0 && x[i] <= 16 && x[i] == (float)(int)x[i]);
    for (int i = 0; i < 1797; i++) {
        assert_in_range(y[i], 0, 9);
        counts[y[i]]++;
    }
    static const int32_t known[10] = {178, 182, 177, 183, 181, 182, 181, 179, 174, 180};
    assert_memory_equal(counts, known, sizeof known);
    free(x);
    free(y);
    gradus_data_destroy(&data);
}

int main(void) {
    heap_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),        cmocka_unit_test(test_header),      cmocka_unit_test(test_columns),
        cmocka_unit_test(test_label_dtypes), cmocka_unit_test(test_classes),     cmocka_unit_test(test_many_classes),
        cmocka_unit_test(test_missing),      cmocka_unit_test(test_standardize), cmocka_unit_test(test_iris),
        cmocka_unit_test(test_guesses),      cmocka_unit_test(test_digits),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
