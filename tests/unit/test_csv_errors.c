/* SPDX-License-Identifier: Apache-2.0
 * Tables of text that are wrong, each in its way, cut anywhere, with any bit flipped, and where memory is short. */
#include "tables.h"

#include <zlib.h>

#define HEADER(...) gradus_csv_options(.header = true, __VA_ARGS__)

/* GRADUS_ERROR_FORMAT with this behind the path. */
static void wrong(const char *text, const gradus_csv_options *options, const char *message) {
    refuse(text, options, GRADUS_ERROR_FORMAT, message);
}

static void test_structure(void **state) {
    (void)state;
    wrong("", NULL, ": the file is empty");
    wrong("\n\r\n  \n", NULL, ": the file is empty");
    wrong("\xef\xbb\xbf", NULL, ": the file is empty");
    wrong("a,b\n", HEADER(.label = "b"), ": there is a header and no row");
    wrong("1,2\n3\n", NULL, ":2:1: the record has 1 field, expected 2 as in the first row");
    wrong("a,b,c\n1,2,3\n3,\"x\ny\"\n", HEADER(.skip = "b"),
          ":3:1: the record has 2 fields, expected 3 as in the header");
    wrong("1,2\n3,4,5,6\n", NULL, ":2:5: the record has more than 2 fields, expected 2 as in the first row");
    wrong("1,2\n3,4,\n", NULL, ":2:5: the record has more than 2 fields, expected 2 as in the first row");
    wrong("1,2\n\n\n3,4\n", NULL, ":2:1: an empty line, and line 4 goes on");
    wrong("\na,b\n1,2\n", HEADER(0), ":1:1: an empty line, and line 2 goes on");
    wrong("1,\"2\n3,4\n", NULL, ":1:3: the quote that begins here is never closed");
    wrong("1,2\r\n3, \"4\"x\r\n", NULL,
          ":2:7: expected \",\" or the end of the line after a closing quote (a quote within is doubled)");
    wrong("1;\"2\" ,\n", gradus_csv_options(.delimiter = ';'),
          ":1:7: expected \";\" or the end of the line after a closing quote (a quote within is doubled)");
    write_bytes("1,2\n3\0,4\n", 9);
    wrong(NULL, NULL, ":2:2: a byte of 0: expected text in UTF-8 or ASCII");
    write_bytes("\xff\xfe"
                "1\0,\0",
                6);
    wrong(NULL, NULL,
          ":1:1: this is text in UTF-16, which iconv -f UTF-16 -t UTF-8 converts; expected a table of text in UTF-8 or "
          "ASCII");
    write_bytes("1,\"\n2\0\"", 7);
    wrong(NULL, NULL, ":2:2: a byte of 0: expected text in UTF-8 or ASCII");
}

static void test_numbers(void **state) {
    (void)state;
    wrong("a,b\n1,2\n", NULL, ":1:1: column 0: \"a\" is no number; if this line names the columns, set .header");
    wrong("a,age\n1,2\n3, 12x\n", HEADER(0),
          ":3:4: column 1 \"age\": \"12x\" is no number; columns that are no features go to .label or .skip");
    wrong("1,2\n3,\"\xc3\xa4\t\n\"\n", NULL,
          ":2:3: column 1: \"\xc3\xa4??\" is no number; columns that are no features go to .label or .skip");
    wrong("1,2\n3,\n", NULL, ":2:3: column 1: \"\" is no number; to allow missing values, set .missing");
    wrong("1,2\n3,nan\n", NULL, ":2:3: column 1: \"nan\" is no number; to allow missing values, set .missing");
    wrong("1,2\n3,4\n-Inf,5\n", NULL,
          ":3:1: column 0: \"-Inf\" is no number; to read infinities as missing values, set .missing");
    wrong("inf\n", NULL, ":1:1: column 0: \"inf\" is no number; to read infinities as missing values, set .missing");
    wrong("1;2\n3;4\n", NULL, ":1:1: column 0: \"1;2\" is no number; what stands between fields is set by .delimiter");
    wrong("a\tb\n1\t2\n", HEADER(0),
          ":2:1: column 0 \"a?b\": \"1?2\" is no number; what stands between fields is set by .delimiter");
    wrong("1;2,5\n", gradus_csv_options(.delimiter = ';'),
          ":1:3: column 1: \"2,5\" is no number; numbers have a decimal point, not a comma");
    wrong("1,2\n3,1e39\n", gradus_csv_options(.missing = true), ":2:3: column 1: \"1e39\" is out of the range of f32");
    wrong("1,2\n3,-1e39\n", NULL, ":2:3: column 1: \"-1e39\" is out of the range of f32");
    wrong(
        "1,2\n3,4x56789012345678901234567890123456789012345678901234567890123456789\n", NULL,
        ":2:3: column 1: \"4x56789012345678901234567890123456789012345678901234567890…\" is no number; columns that are "
        "no features go to .label or .skip");
}

static void test_labels(void **state) {
    (void)state;
    const gradus_csv_options *o = gradus_csv_options(.label = "1");
    wrong("1,2\n1,no\n", o,
          ":2:3: column 1: the label \"no\" is no number, those before are; for names of classes set .label_names");
    wrong("1,2\n1,\n", o, ":2:3: column 1: the label is missing");
    wrong("1,2.5\n", o,
          ":1:3: column 1: the label \"2.5\" is no integer; for numbers like these set .label_dtype to GRADUS_F32");
    wrong("1,2147483648\n", o, ":1:3: column 1: the label \"2147483648\" is out of the range of i32");
    wrong("1,9223372036854775808\n", gradus_csv_options(.label = "1", .label_dtype = GRADUS_I64),
          ":1:3: column 1: the label \"9223372036854775808\" is out of the range of i64");
    wrong("1,-1\n", gradus_csv_options(.label = "1", .label_dtype = GRADUS_U8),
          ":1:3: column 1: the label \"-1\" is out of the range of u8");
    wrong("1,2\n", gradus_csv_options(.label = "1", .label_dtype = GRADUS_BOOL),
          ":1:3: column 1: the label \"2\" is out of the range of bool");
    wrong("1,1e39\n", gradus_csv_options(.label = "1", .label_dtype = GRADUS_F32),
          ":1:3: column 1: the label \"1e39\" is out of the range of f32");
    wrong("1,a\n1,b\n1,c\n", gradus_csv_options(.label = "1", .label_dtype = GRADUS_BOOL),
          ": 3 classes are more than labels of dtype bool can tell apart");
    enum { MANY = (1 << 16) + 1 };
    static char text[MANY * 10];
    size_t n = 0;
    for (int i = 0; i < MANY; i++) n += (size_t)snprintf(text + n, 16, "1,c%05d\n", i);
    wrong(text, o, ":65537:3: column 1: there are more than 65536 classes: is this the column of labels?");
}

/* Every label that is no number, in every row, under every dtype: an error that names the place and what to set, whatever
 * order the rows have. */
static void test_labels_that_are_no_numbers(void **state) {
    (void)state;
    static const char *const words[] = {"NA",  "na",   "n/a",       "?",    "null", "NaN",  "-nan",
                                        "inf", "-Inf", "+Infinity", "nine", "10x",  "NaNo", "infinite"};
    static const gradus_dtype dtypes[] = {0, GRADUS_F32, GRADUS_F64, GRADUS_I32, GRADUS_I64, GRADUS_U8, GRADUS_BOOL};
    enum {
        WORDS = sizeof words / sizeof *words,
        DTYPES = sizeof dtypes / sizeof *dtypes,
        ROWS = 4,
        MISSING = 7,
        INFINITE = 10
    };
    for (int w = 0; w < WORDS; w++) {
        const char *kind = w < MISSING
                               ? " is a missing value, which .missing allows in features alone: leave the row out"
                           : w < INFINITE ? " is infinite, but labels are finite numbers: leave the row out"
                                          : NULL;
        for (int d = 0; d < DTYPES; d++) {
            const bool floats = dtypes[d] == GRADUS_F32 || dtypes[d] == GRADUS_F64;
            for (int at = 0; at < ROWS; at++) {
                char text[64], message[256];
                size_t n = 0;
                for (int i = 0; i < ROWS; i++)
                    n += (size_t)snprintf(text + n, sizeof text - n, "7,%s\n", i == at ? words[w] : "1");
                const int line = kind || floats || at ? at + 1 : 2;
                n = (size_t)snprintf(message, sizeof message, ":%d:3: column 1: the label \"%s\"", line,
                                     line == at + 1 ? words[w] : "1");
                if (kind)
                    snprintf(message + n, sizeof message - n, "%s; if it is the name of a class, set .label_names",
                             kind);
                else if (floats)
                    snprintf(message + n, sizeof message - n,
                             " is no number, as a .label_dtype of %s asks for; for names of classes set .label_names",
                             gradus_dtype_name(dtypes[d]));
                else
                    snprintf(message + n, sizeof message - n, " is %s; for names of classes set .label_names",
                             at ? "no number, those before are" : "a number, those before are none");
                wrong(text, gradus_csv_options(.label = "1", .label_dtype = dtypes[d], .missing = true), message);
            }
        }
    }
    wrong("1,NA\n2,red\n", gradus_csv_options(.label = "1"),
          ":1:3: column 1: the label \"NA\" is a missing value, which .missing allows in features alone: leave the row "
          "out; if "
          "it is the name of a class, set .label_names");
    for (int d = 0; d < DTYPES; d++)
        wrong("1,1\n2,\n", gradus_csv_options(.label = "1", .label_dtype = dtypes[d], .missing = true),
              ":2:3: column 1: the label is missing");
    gradus_data *like = load("1,2\n", gradus_csv_options(.label = "1")), *data;
    assert_int_equal(gradus_data_csv(path, gradus_csv_options(.label = "1", .label_names = true, .like = like), &data),
                     GRADUS_ERROR_ARGUMENT);
    assert_string_equal(gradus_last_error(),
                        "gradus_data_csv: .label_names, but the labels of the data set that .like names "
                        "are numbers");
    gradus_data_destroy(&like);
}

static void test_columns(void **state) {
    (void)state;
    static const char text[] = "age,height,age,species\n1,2,3,4\n";
    refuse(text, HEADER(.label = "specis"), GRADUS_ERROR_NOT_FOUND,
           ": .label: no column is called \"specis\"; near is \"species\"; columns have the numbers 0 … 3");
    refuse(text, HEADER(.label = "zzzzzzzzz"), GRADUS_ERROR_NOT_FOUND,
           ": .label: no column is called \"zzzzzzzzz\"; there are \"age\", \"height\", \"age\", \"species\"; columns "
           "have the "
           "numbers 0 … 3");
    refuse(text, HEADER(.label = "4"), GRADUS_ERROR_NOT_FOUND,
           ": .label: no column is called \"4\"; there are \"age\", \"height\", \"age\", \"species\"; columns have the "
           "numbers 0 "
           "… 3");
    refuse("1,2\n", gradus_csv_options(.label = "y"), GRADUS_ERROR_NOT_FOUND,
           ": .label: no column is called \"y\"; columns have the numbers 0 … 1, and no names without .header");
    refuse("1,2\n", gradus_csv_options(.skip = "0,-3"), GRADUS_ERROR_NOT_FOUND,
           ": .skip: no column is called \"-3\"; columns have the numbers 0 … 1, and no names without .header");
    refuse(text, HEADER(.columns = "height, age"), GRADUS_ERROR_ARGUMENT,
           ": .columns: columns 0 and 2 are both called \"age\": use the number");
    refuse(text, HEADER(.columns = "height,,age"), GRADUS_ERROR_ARGUMENT,
           ": .columns: a name of 0 bytes, expected 1 … 255");
    refuse("1,2\n", gradus_csv_options(.skip = "0", .label = "1"), GRADUS_ERROR_ARGUMENT,
           ": no column is left for the features (the file has 2)");
}

static void test_options(void **state) {
    (void)state;
    static const char delimiters[] = "\"\n\r.-+0a\x80";
    static const char name[] = "gradus_data_csv: ";
    gradus_data *data = NULL, *plain = load("1,2\n", NULL);
    for (const char *c = delimiters; *c; c++) {
        assert_int_equal(gradus_data_csv(path, gradus_csv_options(.delimiter = *c), &data), GRADUS_ERROR_ARGUMENT);
        assert_non_null(strstr(gradus_last_error(), "the delimiter is byte "));
    }
    assert_int_equal(gradus_data_csv(path, NULL, NULL), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_data_csv(NULL, NULL, &data), GRADUS_ERROR_ARGUMENT);
    const gradus_csv_options *const bad[] = {
        gradus_csv_options(.label_dtype = (gradus_dtype)99), gradus_csv_options(.columns = "0", .skip = "1"),
        gradus_csv_options(.label_names = true), gradus_csv_options(.standardize = true, .like = plain),
        &(const gradus_csv_options){.header = true}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(gradus_data_csv(path, bad[i], &data), GRADUS_ERROR_ARGUMENT);
        assert_int_equal(strncmp(gradus_last_error(), name, strlen(name)), 0);
        assert_null(data);
    }
    gradus_data_destroy(&plain);
    unlink(path);
    refuse(NULL, NULL, GRADUS_ERROR_NOT_FOUND, ": cannot open: No such file or directory");
}

static void test_unlike(void **state) {
    (void)state;
    gradus_data *like = load("a,b,y\n1,2,red\n3,4,blue\n", HEADER(.label = "y")), *data = NULL;
    static const struct {
        const char *text, *message;
        gradus_status status;
    } cases[] = {
        {"a,y\n1,red\n", ": there are 1 features, .like has 2", GRADUS_ERROR_MISMATCH},
        {"a,c,y\n1,2,red\n", ": feature 1 is \"c\", that of .like \"b\"", GRADUS_ERROR_MISMATCH},
        {"a,b,y\n1,2,read\n", ":2:5: column 2 \"y\": \"read\" is none of the classes of .like; near is \"red\"",
         GRADUS_ERROR_FORMAT},
        {"a,b,y\n1,2,0\n", ":2:5: column 2 \"y\": \"0\" is none of the classes of .like; there are \"blue\", \"red\"",
         GRADUS_ERROR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_text(cases[i].text);
        assert_int_equal(gradus_data_csv(path, HEADER(.label = "y", .like = like), &data), cases[i].status);
        assert_string_equal(gradus_last_error() + strlen(path), cases[i].message);
    }
    gradus_data_destroy(&like);
    like = load("1,2\n", gradus_csv_options(.label = "1"));
    write_text("1,no\n");
    assert_int_equal(gradus_data_csv(path, gradus_csv_options(.label = "1", .like = like), &data), GRADUS_ERROR_FORMAT);
    assert_string_equal(gradus_last_error() + strlen(path),
                        ":1:3: column 1: the label \"no\" is no number, those of .like are");
    gradus_data_destroy(&like);
    assert_int_equal(heap.live, 0);
}

/* --- sizes ------------------------------------------------------------------------------------------------------------ */

static void test_large_fields_and_lines(void **state) {
    (void)state;
    enum { MOST = 1 << 20, COLUMNS = 100000 };
    char *text = malloc(MOST + 16);
    assert_non_null(text);
    for (int extra = 0; extra < 2; extra++) {
        size_t n = (size_t)snprintf(text, 8, "1,\"");
        memset(text + n, '7', (size_t)(MOST + extra));
        n += (size_t)(MOST + extra);
        memcpy(text + n, "\"\n", 3);
        if (extra)
            wrong(text, NULL,
                  ":1:3: the field that begins here is longer than 1048576 bytes: is its closing quote missing?");
        else
            wrong(text, NULL,
                  ":1:3: column 1: \"7777777777777777777777777777777777777777777777777777777777…\" is out of the range "
                  "of f32");
    }
    for (int i = 0; i < COLUMNS; i++) memcpy(text + 2 * i, i + 1 < COLUMNS ? "5," : "5\n", 3);
    gradus_data *data = load(text, NULL);
    assert_int_equal(gradus_data_columns(data), COLUMNS);
    gradus_data_destroy(&data);
    memset(text, ',', MOST + 1);
    text[MOST + 1] = '\0';
    wrong(text, NULL, ":1:1048577: there are more than 1048576 columns");
    free(text);
}

/* --- damage ------------------------------------------------------------------------------------------------------------ */

static const char small[] = "a,\"b c\",kind\r\n1.5,-2e3,red\r\n\"4\",0.25,\"bl\"\"ue\"\r\n";
#define SMALL_OPTIONS HEADER(.label = "-1", .standardize = true)

/* Reads the file: it is refused with its name, or it is a table. */
static bool loads(void) {
    gradus_data *data = NULL;
    gradus_batches *batches = NULL;
    gradus_batch b;
    gradus_status status = gradus_data_csv(path, SMALL_OPTIONS, &data);
    if (status != GRADUS_OK) {
        assert_int_equal(strncmp(gradus_last_error(), path, strlen(path)), 0);
        assert_in_range(gradus_last_error()[strlen(path)], ':', ':');
        assert_null(data);
    } else {
        assert_int_equal(gradus_batches_create(data, NULL, &batches), GRADUS_OK);
        assert_true(gradus_batches_next(batches, &b));
        gradus_batches_destroy(&batches);
        gradus_data_destroy(&data);
    }
    assert_int_equal(heap.live, 0);
    return status == GRADUS_OK;
}

static size_t compress_small(unsigned char *bytes, size_t room) {
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)small;
    z.avail_in = sizeof small - 1;
    z.next_out = bytes;
    z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static void test_every_truncation(void **state) {
    (void)state;
    unsigned char gzip[256];
    size_t n = compress_small(gzip, sizeof gzip);
    int loaded = 0;
    for (size_t k = 0; k < sizeof small; k++) {
        write_bytes(small, k);
        loaded += loads();
    }
    assert_int_equal(loaded, 9); /* behind r, re, red, CR, LF; "bl", "bl""ue", CR, LF */
    for (size_t k = 0; k <= n; k++) {
        write_bytes(gzip, k);
        assert_int_equal(loads(), k == n);
    }
}

static void test_every_bit_flip(void **state) {
    (void)state;
    unsigned char bytes[256];
    for (int gzip = 0; gzip < 2; gzip++) {
        size_t n = gzip ? compress_small(bytes, sizeof bytes) : sizeof small - 1;
        if (!gzip) memcpy(bytes, small, n);
        int loaded = 0;
        for (size_t bit = 0; bit < 8 * n; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            write_bytes(bytes, n);
            loaded += loads();
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        assert_in_range(loaded, gzip ? 1 : 100, gzip ? 80 : 300);
    }
}

static gradus_status scenario(void) {
    gradus_data *data = NULL, *test = NULL;
    gradus_status s = gradus_data_csv(path, SMALL_OPTIONS, &data);
    if (!s) s = gradus_data_csv(path, HEADER(.label = "-1", .like = data), &test);
    gradus_data_destroy(&data);
    gradus_data_destroy(&test);
    return s;
}

static void test_short_memory(void **state) {
    (void)state;
    unsigned char gzip[256];
    write_bytes(gzip, compress_small(gzip, sizeof gzip));
    assert_true(heap_fail_each(scenario) > 40);
}

int main(void) {
    heap_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure),        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_labels),           cmocka_unit_test(test_labels_that_are_no_numbers),
        cmocka_unit_test(test_columns),          cmocka_unit_test(test_options),
        cmocka_unit_test(test_unlike),           cmocka_unit_test(test_large_fields_and_lines),
        cmocka_unit_test(test_every_truncation), cmocka_unit_test(test_every_bit_flip),
        cmocka_unit_test(test_short_memory),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
