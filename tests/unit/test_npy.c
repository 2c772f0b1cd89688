/* SPDX-License-Identifier: Apache-2.0
 * NumPy's files: read and written as NumPy does it, and every way of being wrong. */
#include "cmocka_all.h"
#include "file.h"
#include "heap.h"
#include "python.h"

#include <gradus/npy.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/gradus-npy-XXXXXX";
static char path[64], other[64];

static int make_directory(void **state) {
    (void)state;
    if (!mkdtemp(directory)) return 1;
    snprintf(path, sizeof path, "%s/array.npy", directory);
    snprintf(other, sizeof other, "%s/other.npy", directory);
    return 0;
}

static int remove_directory(void **state) {
    (void)state;
    return shell("rm -r '%s'", directory);
}

/* A whole file in memory. */
typedef struct {
    unsigned char bytes[4096];
    size_t n;
} image;

/* Version `major`.0, a header of this text and the data. */
static image npy(int major, const char *header, const void *data, size_t size) {
    image f = {.n = 8};
    memcpy(f.bytes, "\x93NUMPY", 6);
    f.bytes[6] = (unsigned char)major;
    size_t length = strlen(header);
    for (int i = 0; i < (major == 1 ? 2 : 4); i++) f.bytes[f.n++] = (unsigned char)(length >> 8 * i);
    memcpy(f.bytes + f.n, header, length);
    memcpy(f.bytes + f.n + length, data, size);
    f.n += length + size;
    return f;
}

static image small(void) {
    static const float data[] = {1, -2, 3.5f, 0, 1e-30f, 6};
    return npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }\n", data, sizeof data);
}

/* Expects an error; `message` is what follows the path. */
static void refuse(const char *message) {
    gradus_npy a;
    gradus_status status = gradus_npy_read(path, &a);
    if (status != GRADUS_ERROR_FORMAT) fail_msg("status %d instead of %s", (int)status, message);
    assert_int_equal(strncmp(gradus_last_error(), path, strlen(path)), 0);
    assert_string_equal(gradus_last_error() + strlen(path), message);
    assert_true(!a.data && !a.dtype && !a.shape.d[0]);
    assert_int_equal(heap.live, 0);
}

/* --- with NumPy -------------------------------------------------------------------------------------------------------- */

/* As tests/oracle/npy_files.py fills arrays. */
static void fill(gradus_dtype dtype, size_t n, void *data) {
    for (size_t i = 0; i < n; i++) {
        int v = (int)((37 * i + 11) % 251), s = v - 100;
        switch (dtype) {
        case GRADUS_F32: ((float *)data)[i] = (float)s; break;
        case GRADUS_F64: ((double *)data)[i] = s; break;
        case GRADUS_I32: ((int32_t *)data)[i] = s; break;
        case GRADUS_I64: ((int64_t *)data)[i] = s; break;
        case GRADUS_U8: ((uint8_t *)data)[i] = (uint8_t)v; break;
        case GRADUS_BOOL: ((uint8_t *)data)[i] = (uint8_t)(v % 2); break;
        }
    }
}

static const gradus_dtype dtypes[] = {GRADUS_F32, GRADUS_F64, GRADUS_I32, GRADUS_I64, GRADUS_U8, GRADUS_BOOL};
enum { DTYPES = 6, MOST = 40000 };

static size_t elements(const gradus_shape *shape) {
    size_t n = 1;
    for (int64_t i = 1; i <= shape->d[0]; i++) n *= (size_t)shape->d[i];
    return n;
}

static void test_files_of_numpy(void **state) {
    (void)state;
    const char *python = find_python("numpy");
    if (!python) skip();
    static int64_t expected[MOST];
    char name[128], dtype[8];
    assert_int_equal(shell("'%s' '%s' write '%s'", python, TESTS_DIR "/oracle/npy_files.py", directory), 0);
    snprintf(name, sizeof name, "%s/list", directory);
    FILE *list = fopen(name, "r");
    assert_non_null(list);
    int n = 0;
    for (gradus_shape shape; fscanf(list, "%7s %ld", dtype, &shape.d[0]) == 2; n++) {
        for (int64_t i = 1; i <= shape.d[0]; i++) assert_int_equal(fscanf(list, "%ld", &shape.d[i]), 1);
        snprintf(name, sizeof name, "%s/%d.npy", directory, n);
        gradus_npy a;
        if (gradus_npy_read(name, &a)) fail_msg("%s", gradus_last_error());
        assert_string_equal(gradus_dtype_name(a.dtype), dtype);
        assert_memory_equal(a.shape.d, shape.d, ((size_t)shape.d[0] + 1) * sizeof shape.d[0]);
        fill(a.dtype, elements(&shape), expected);
        if (memcmp(a.data, expected, elements(&shape) * gradus_dtype_size(a.dtype)) != 0) fail_msg("%s differs", name);
        gradus_npy_free(&a);
    }
    fclose(list);
    assert_int_equal(n, DTYPES * 10 * 2 * 2 * 3);
    assert_int_equal(heap.live, 0);
}

static void test_files_for_numpy(void **state) {
    (void)state;
    const char *python = find_python("numpy");
    if (!python) skip();
    static const gradus_shape shapes[] = {{{0}},       {{1, 7}},       {{1, 0}},
                                          {{2, 3, 4}}, {{3, 4, 0, 2}}, {{8, 2, 1, 2, 1, 2, 1, 2, 2}}};
    static int64_t data[MOST];
    char name[128];
    int n = 0;
    snprintf(name, sizeof name, "%s/list", directory);
    FILE *list = fopen(name, "w");
    assert_non_null(list);
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        for (int d = 0; d < DTYPES; d++) {
            fill(dtypes[d], elements(&shapes[k]), data);
            snprintf(name, sizeof name, "%s/%d.npy", directory, n++);
            if (gradus_npy_write(name, data, dtypes[d], shapes[k])) fail_msg("%s", gradus_last_error());
            fprintf(list, "%s %ld", gradus_dtype_name(dtypes[d]), shapes[k].d[0]);
            for (int64_t i = 1; i <= shapes[k].d[0]; i++) fprintf(list, " %ld", shapes[k].d[i]);
            fprintf(list, "\n");
        }
    }
    fclose(list);
    assert_int_equal(shell("'%s' '%s' check '%s'", python, TESTS_DIR "/oracle/npy_files.py", directory), 0);
}

/* --- without it -------------------------------------------------------------------------------------------------------- */

static void test_there_and_back(void **state) {
    (void)state;
    static int64_t data[MOST];
    gradus_npy a;
    static const gradus_shape large = {{8, INT64_MAX, INT64_MAX, 0, 1, 1, 1, 1, INT64_MAX}}; /* the longest header */
    assert_int_equal(gradus_npy_write(path, NULL, GRADUS_F64, large), GRADUS_OK);
    assert_int_equal(gradus_npy_read(path, &a), GRADUS_OK);
    assert_memory_equal(&a.shape, &large, sizeof large);
    gradus_npy_free(&a);
    gradus_npy_free(&a);
    gradus_npy_free(NULL);
    for (int d = 0; d < DTYPES; d++) {
        gradus_shape shape = GRADUS_SHAPE(20, 2, 1000);
        fill(dtypes[d], MOST, data);
        assert_int_equal(gradus_npy_write(path, data, dtypes[d], shape), GRADUS_OK);
        assert_int_equal(gradus_npy_read(path, &a), GRADUS_OK);
        assert_true(a.dtype == dtypes[d] && memcmp(&a.shape, &shape, sizeof shape) == 0);
        assert_memory_equal(a.data, data, MOST * gradus_dtype_size(a.dtype));
        gradus_npy_free(&a);
    }
    assert_int_equal(heap.live, 0);
}

static void test_headers_of_any_form(void **state) {
    (void)state;
    static const char *const headers[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }\n",
        "{'shape':(3,2),\"descr\":\"<f4\",'fortran_order':False}",
        " {\n'fortran_order' : False , 'shape' : ( 3 , 2 , ) , 'descr' : '<f4' } \t\n"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        for (int major = 1; major <= 3; major++) {
            image s = small(), f = npy(major, headers[i], s.bytes + s.n - 24, 24);
            gradus_npy a;
            write_file(path, f.bytes, f.n);
            if (gradus_npy_read(path, &a)) fail_msg("%s", gradus_last_error());
            assert_true(a.shape.d[0] == 2 && a.shape.d[1] == 3 && a.shape.d[2] == 2 && a.dtype == GRADUS_F32);
            assert_memory_equal(a.data, s.bytes + s.n - 24, 24);
            gradus_npy_free(&a);
        }
    }
}

/* Each name of a dtype that NumPy reads, in each order of bytes; extents as Python 2 writes them. */
static void test_dtypes_of_any_name(void **state) {
    (void)state;
    static const struct {
        const char *name;
        gradus_dtype dtype;
    } names[] = {{"f4", GRADUS_F32},    {"f8", GRADUS_F64},      {"i4", GRADUS_I32},      {"i8", GRADUS_I64},
                 {"u1", GRADUS_U8},     {"b1", GRADUS_BOOL},     {"f", GRADUS_F32},       {"d", GRADUS_F64},
                 {"i", GRADUS_I32},     {"q", GRADUS_I64},       {"B", GRADUS_U8},        {"?", GRADUS_BOOL},
                 {"bool", GRADUS_BOOL}, {"float32", GRADUS_F32}, {"float64", GRADUS_F64}, {"int32", GRADUS_I32},
                 {"int64", GRADUS_I64}, {"uint8", GRADUS_U8}};
    static const char *const shapes[] = {"(2,)", "(2L,)", "(2L,1L)", "(1L, 2)", "( 2L , 1 )", "(2L,1,1L,)"};
    static const char orders[] = "=|<>", content[17] = "\0\1\0\0\0\0\0\1\1\0\0\0\0\0\1\0";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (size_t order = 0; order < sizeof orders; order++) {
            const size_t size = gradus_dtype_size(names[i].dtype);
            const char prefix[2] = {orders[order], '\0'}; /* the last is none */
            for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
                char header[128];
                gradus_npy a;
                snprintf(header, sizeof header, "{'descr': '%s%s', 'fortran_order': False, 'shape': %s, }", prefix,
                         names[i].name, shapes[k]);
                image f = npy(1, header, content, 2 * size);
                write_file(path, f.bytes, f.n);
                if (gradus_npy_read(path, &a)) fail_msg("%s", gradus_last_error());
                assert_int_equal(a.dtype, names[i].dtype);
                for (size_t b = 0; b < 2 * size; b++) {
                    const size_t from = orders[order] == '>' ? b / size * size + size - 1 - b % size : b;
                    assert_int_equal(((const char *)a.data)[b], content[from]);
                }
                gradus_npy_free(&a);
            }
        }
    }
}

static void test_headers_that_lie(void **state) {
    (void)state;
#define D "'descr': '<f4', "
#define F "'fortran_order': False, "
    static const char keys[] = ", expected each of the keys 'descr', 'fortran_order' and 'shape' once, and no other";
    static const struct {
        const char *header, *message;
    } cases[] = {
        {"", ": byte 10: the header has its end, expected \"{\""},
        {"{" D F "'shape': (1,), } x", ": byte 68: the header has \"x\", expected nothing after the dictionary"},
        {"{" D F "'shape': (1)}", ": byte 63: the header has \"}\", expected a tuple: one extent is written as (3,)"},
        {"{" D F "'shape': (-1,)}", ": byte 61: the header has \"-\", expected an extent"},
        {"{" D F "'shape': (1 2)}", ": byte 63: the header has \"2\", expected \",\" or \")\""},
        {"{" D F "'shape': 3}", ": byte 60: the header has \"3\", expected the shape as a tuple, like (3, 4)"},
        {"{" D F "'shape': (1,1,1,1,1,1,1,1,1)}", ": byte 77: the header has \"1\", expected at most 8 extents"},
        {"{" D F "'shape': (9223372036854775808,)}",
         ": byte 79: the header has \"8\", expected an extent of at most 64 bits"},
        {"{" D F "'shape': (4611686018427387904, 4)}", ": byte 10: the shape is larger than memory can be"},
        {"{" D F "}",
         ": byte 52: the header has its end, expected the keys 'descr', 'fortran_order' and 'shape' before"},
        {"{" D D "}", NULL},
        {"{" D "'order': 'C', }", NULL},
        {"{" D "'fortran_order': 0, }", ": byte 44: the header has \"0\", expected True or False"},
        {"{" D "'fortran_order' False, }", ": byte 43: the header has \"F\", expected \":\""},
        {"{'descr': '<f4' " F "}", ": byte 26: the header has \"'\", expected \",\" or \"}\""},
        {"{'descr': [('a', '<f4')]}",
         ": byte 20: the header has \"[\", expected the dtype as a string, like '<f4'; arrays of "
         "structures cannot be read"},
        {"{'descr': '<f4",
         ": byte 20: the header has \"'\", expected the dtype as a string, like '<f4'; arrays of structures "
         "cannot be read"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char message[256];
        image f = npy(1, cases[i].header, "1234", 4);
        write_file(path, f.bytes, f.n);
        snprintf(message, sizeof message, ": byte 27: the header has \"'\"%s", keys);
        refuse(cases[i].message ? cases[i].message : message);
    }
    static const char *const others[] = {"<c8", "!f4",     "=f2", "float16", "<f2", "|i1", "<u4",  "|O",
                                         "<U5", "<M8[ns]", "|S3", "",        "<",   "=",   "<<f4", "|f44"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char header[128], message[256];
        snprintf(header, sizeof header, "{'descr': '%s', " F "'shape': (1,), }", others[i]);
        snprintf(message, sizeof message,
                 ": byte 20: the dtype is '%s', expected f4, f8, i4 or i8 with <, > or = in front, |u1 or "
                 "|b1; NumPy's astype makes one of them",
                 others[i]);
        image f = npy(1, header, "12345678", 8);
        write_file(path, f.bytes, f.n);
        refuse(message);
    }
    heap.largest = 0;
    image f = npy(1, "{" D F "'shape': (1000000000,)}", "1234567890", 10);
    write_file(path, f.bytes, f.n);
    refuse(": byte 84: the header claims f32 (1000000000), which are 4000000000 bytes, the file ends after 10");
    f = npy(2, "", "", 0);
    memset(f.bytes + 8, 0xff, 4);
    write_file(path, f.bytes, f.n);
    refuse(": byte 8: the header has 4294967295 bytes, expected at most 65536");
    assert_true(heap.largest < 200000);
    f = small();
    f.bytes[f.n++] = 0;
    write_file(path, f.bytes, f.n);
    refuse(": byte 94: the f32 (3, 2) that the header claims ends here, the file goes on");
    f = npy(1, "{'descr': '|b1', " F "'shape': (3,)}", "\0\1\2", 3);
    write_file(path, f.bytes, f.n);
    refuse(": byte 67: a boolean is 02, expected 00 or 01");
    f = npy(4, "", "", 0);
    write_file(path, f.bytes, f.n);
    refuse(": byte 6: the version is 4.0, expected 1.0, 2.0 or 3.0");
    write_file(path, "\1\2 and so on", 12);
    refuse(": byte 0: this is no .npy file: it does not begin with 93, NUMPY and a version");
}

static void test_arguments(void **state) {
    (void)state;
    gradus_npy a;
    const float x[2] = {1, 2};
    assert_int_equal(gradus_npy_read(NULL, &a), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_npy_read(path, NULL), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_npy_read("/nonexistent.npy", &a), GRADUS_ERROR_NOT_FOUND);
    assert_int_equal(gradus_npy_write(NULL, x, GRADUS_F32, GRADUS_SHAPE(2)), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_npy_write(path, NULL, GRADUS_F32, GRADUS_SHAPE(2)), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_npy_write(path, x, (gradus_dtype)0, GRADUS_SHAPE(2)), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_npy_write(path, x, GRADUS_F32, (gradus_shape){{9}}), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_npy_write(path, x, GRADUS_F32, GRADUS_SHAPE(INT64_MAX, 2)), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_npy_write(path, x, GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 2)), GRADUS_ERROR_ARGUMENT);
    assert_non_null(strstr(gradus_last_error(), ": extent 0 is -1, expected at least 0"));
    assert_int_equal(gradus_npy_write("/nonexistent/a.npy", x, GRADUS_F32, GRADUS_SHAPE(2)), GRADUS_ERROR_IO);
}

static void test_data_sets(void **state) {
    (void)state;
    const char *const paths[] = {path, other};
    float x[24];
    const uint8_t y[4] = {3, 1, 4, 1};
    gradus_data *data;
    gradus_info info;
    gradus_batches *batches;
    gradus_batch b;
    fill(GRADUS_F32, 24, x);
    assert_int_equal(gradus_npy_write(path, x, GRADUS_F32, GRADUS_SHAPE(4, 2, 3)), GRADUS_OK);
    assert_int_equal(gradus_npy_write(other, y, GRADUS_U8, GRADUS_SHAPE(4)), GRADUS_OK);
    assert_int_equal(gradus_data_npy(paths, 2, &data), GRADUS_OK);
    assert_int_equal(gradus_data_rows(data), 4);
    assert_int_equal(gradus_data_columns(data), 6);
    assert_int_equal(gradus_data_info(data, 0, &info), GRADUS_OK);
    assert_memory_equal(&info.shape, &GRADUS_SHAPE(4, 2, 3), sizeof info.shape);
    assert_int_equal(gradus_batches_create(data, gradus_batch_options(.no_shuffle = true), &batches), GRADUS_OK);
    assert_true(gradus_batches_next(batches, &b));
    assert_memory_equal(b.inputs.items[0].data, x, sizeof x);
    assert_memory_equal(b.inputs.items[1].data, y, sizeof y);
    assert_int_equal(b.inputs.items[1].dtype, GRADUS_U8);
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&data);
    assert_int_equal(gradus_data_npy(NULL, 2, &data), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_data_npy(paths, 0, &data), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_data_npy(paths, 2, NULL), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_data_npy((const char *const[]){path, NULL}, 2, &data), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_npy_write(other, y, GRADUS_U8, GRADUS_SHAPE(3)), GRADUS_OK);
    assert_int_equal(gradus_data_npy(paths, 2, &data), GRADUS_ERROR_MISMATCH);
    assert_non_null(strstr(gradus_last_error(), "array.npy has 4 rows, "));
    const gradus_shape none[] = {GRADUS_SCALAR, GRADUS_SHAPE(0, 3), GRADUS_SHAPE(3, 0)};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(gradus_npy_write(path, x, GRADUS_F32, none[i]), GRADUS_OK);
        assert_int_equal(gradus_data_npy(paths, 1, &data), GRADUS_ERROR_FORMAT);
        assert_non_null(strstr(gradus_last_error(), "expected rows, at least one, and no extent of 0"));
        assert_null(data);
    }
    assert_int_equal(heap.live, 0);
}

/* --- damage ------------------------------------------------------------------------------------------------------------ */

static bool loads(void) {
    gradus_npy a;
    gradus_status status = gradus_npy_read(path, &a);
    if (status != GRADUS_OK) {
        assert_int_equal(status, GRADUS_ERROR_FORMAT);
        assert_int_equal(strncmp(gradus_last_error(), path, strlen(path)), 0);
        assert_non_null(strstr(gradus_last_error(), ": byte "));
    }
    gradus_npy_free(&a);
    assert_int_equal(heap.live, 0);
    return status == GRADUS_OK;
}

static void test_every_truncation_and_bit_flip(void **state) {
    (void)state;
    image f = small();
    for (size_t n = 0; n <= f.n; n++) {
        write_file(path, f.bytes, n);
        assert_int_equal(loads(), n == f.n);
    }
    int loaded = 0;
    for (size_t bit = 0; bit < 8 * f.n; bit++) {
        f.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        write_file(path, f.bytes, f.n);
        bool fine = loads();
        if (bit >= 8 * (f.n - 24)) assert_true(fine); /* elements may be anything */
        else loaded += fine;
        f.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    /* '<' for '>' is two bits away, f4 and i4 four; a blank may become no other, but 3 times 2 may become 2 times 3 … */
    assert_in_range(loaded, 0, 8);
}

static gradus_status scenario(void) {
    gradus_data *data = NULL;
    gradus_npy a = {0};
    gradus_status s = gradus_npy_read(path, &a); /* in Fortran's order */
    if (!s) s = gradus_npy_write(other, a.data, a.dtype, a.shape);
    if (!s) s = gradus_data_npy((const char *const[]){path, other}, 2, &data);
    gradus_npy_free(&a);
    gradus_data_destroy(&data);
    return s;
}

static void test_short_memory(void **state) {
    (void)state;
    static double data[20000];
    image f = npy(1, "{'descr': '>f8', 'fortran_order': True, 'shape': (100, 200), }\n", "", 0);
    write_file(path, f.bytes, f.n);
    FILE *file = fopen(path, "ab");
    assert_int_equal(fwrite(data, sizeof *data, 20000, file), 20000);
    fclose(file);
    assert_true(heap_fail_each(scenario) > 10);
}

int main(void) {
    heap_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_of_numpy),
        cmocka_unit_test(test_files_for_numpy),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_headers_of_any_form),
        cmocka_unit_test(test_dtypes_of_any_name),
        cmocka_unit_test(test_headers_that_lie),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_data_sets),
        cmocka_unit_test(test_every_truncation_and_bit_flip),
        cmocka_unit_test(test_short_memory),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
