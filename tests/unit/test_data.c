/* SPDX-License-Identifier: Apache-2.0
 * Data sets from files: what is right, and every way of being wrong. */
#include "cmocka_all.h"
#include "file.h"
#include "heap.h"

#include <gradus/data.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/gradus-data-XXXXXX";
static char images_path[64], labels_path[64];

static int make_directory(void **state) {
    (void)state;
    if (!mkdtemp(directory)) return 1;
    snprintf(images_path, sizeof images_path, "%s/images", directory);
    snprintf(labels_path, sizeof labels_path, "%s/labels", directory);
    return 0;
}

static int remove_directory(void **state) {
    (void)state;
    unlink(images_path);
    unlink(labels_path);
    return rmdir(directory);
}

/* A file in memory, header first. */
typedef struct {
    unsigned char bytes[512];
    size_t n;
} image;

static void add_32(image *f, uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) f->bytes[f->n++] = (unsigned char)(value >> shift);
}

static image idx(unsigned type, int rank, const uint32_t *extents) {
    image f = {{0, 0, (unsigned char)type, (unsigned char)rank}, 4};
    for (int i = 0; i < rank; i++) add_32(&f, extents[i]);
    return f;
}

enum { ROWS = 6, HIGH = 3, WIDE = 4, PIXELS = HIGH * WIDE };

static unsigned char pixel(int i) { return (unsigned char)(i % 3 ? i * 7 : 0); }

static image small_images(void) {
    image f = idx(0x08, 3, (const uint32_t[]){ROWS, HIGH, WIDE});
    for (int i = 0; i < ROWS * PIXELS; i++) f.bytes[f.n++] = pixel(i);
    return f;
}

static image small_labels(void) {
    image f = idx(0x08, 1, (const uint32_t[]){ROWS});
    for (int i = 0; i < ROWS; i++) f.bytes[f.n++] = (unsigned char)(i * 2);
    return f;
}

/* small_images, as gzip -9 writes it, with a name in its header. */
static const unsigned char compressed[] = {
    0x1f, 0x8b, 0x08, 0x08, 0x01, 0x02, 0x03, 0x04, 0x00, 0x03, 0x69, 0x6d, 0x67, 0x00, 0x63, 0x60, 0xe0, 0x60, 0x66,
    0x60, 0x60, 0x60, 0x03, 0x62, 0x10, 0xcd, 0xc2, 0xc0, 0xce, 0xc7, 0x20, 0xa3, 0xcc, 0x60, 0x68, 0xc1, 0xe0, 0xe6,
    0xcb, 0x10, 0x9d, 0xc4, 0x50, 0x50, 0xce, 0xd0, 0xda, 0xc3, 0x30, 0x6b, 0x21, 0xc3, 0xfa, 0x6d, 0x0c, 0x47, 0x4e,
    0x33, 0xdc, 0x7c, 0xc0, 0xf0, 0xee, 0x2b, 0x03, 0x33, 0x17, 0x83, 0x84, 0x3c, 0x83, 0xae, 0x09, 0x83, 0x93, 0x27,
    0x43, 0x78, 0x1c, 0x43, 0x4e, 0x31, 0x43, 0x63, 0x07, 0xc3, 0xb4, 0xb9, 0x0c, 0xab, 0x37, 0x31, 0x1c, 0x38, 0xce,
    0x70, 0xf5, 0x0e, 0xc3, 0xab, 0x8f, 0x00, 0x4e, 0xa8, 0x4c, 0xdf, 0x58, 0x00, 0x00, 0x00};

static gradus_data *load(const char *images, const char *labels, const gradus_idx_options *options) {
    gradus_data *data = NULL;
    gradus_status status = gradus_data_idx(images, labels, options, &data);
    if (status != GRADUS_OK) fail_msg("%s", gradus_last_error());
    assert_non_null(data);
    return data;
}

static gradus_data *small(void) {
    image i = small_images(), l = small_labels();
    write_file(images_path, i.bytes, i.n);
    write_file(labels_path, l.bytes, l.n);
    return load(images_path, labels_path, NULL);
}

/* Expects an error whose message is the path and `message`. */
static void assert_refused(gradus_status expected, const char *path, const char *message) {
    gradus_data *data = NULL;
    assert_int_equal(gradus_data_idx(path, NULL, NULL, &data), expected);
    assert_null(data);
    size_t n = strlen(path);
    assert_int_equal(strncmp(gradus_last_error(), path, n), 0);
    assert_string_equal(gradus_last_error() + n, message);
    assert_int_equal(heap.live, 0);
}

/* The first batch in the file's order; release with gradus_batches_destroy. */
static gradus_batches *first_batch(const gradus_data *data, gradus_batch *b) {
    gradus_batches *batches = NULL;
    assert_int_equal(gradus_batches_create(data, gradus_batch_options(.no_shuffle = true), &batches), GRADUS_OK);
    assert_true(gradus_batches_next(batches, b));
    return batches;
}

static void assert_is_small(gradus_data *data) {
    gradus_batch b;
    assert_int_equal(gradus_data_rows(data), ROWS);
    assert_int_equal(gradus_data_columns(data), PIXELS);
    gradus_batches *batches = first_batch(data, &b);
    assert_int_equal(b.size, ROWS);
    assert_int_equal(b.inputs.items[0].dtype, GRADUS_F32);
    const float *x = b.inputs.items[0].data;
    for (int i = 0; i < ROWS * PIXELS; i++) assert_true(x[i] == (float)pixel(i) / 255.0f);
    gradus_batches_destroy(&batches);
}

/* --- files ---------------------------------------------------------------------------------------------------------- */

static void test_images_and_labels(void **state) {
    (void)state;
    gradus_data *data = small();
    assert_is_small(data);
    gradus_batch b;
    gradus_info info;
    gradus_batches *batches = first_batch(data, &b);
    assert_int_equal(b.inputs.count, 2);
    assert_int_equal(b.inputs.items[1].dtype, GRADUS_I32);
    const int32_t *y = b.inputs.items[1].data;
    for (int i = 0; i < ROWS; i++) assert_int_equal(y[i], 2 * i);
    gradus_batches_destroy(&batches);
    assert_int_equal(gradus_data_info(data, 0, &info), GRADUS_OK);
    assert_true(info.dtype == GRADUS_F32 && info.shape.d[0] == 2 && info.shape.d[1] == ROWS &&
                info.shape.d[2] == PIXELS);
    assert_int_equal(info.bytes, ROWS * PIXELS * 4);
    assert_int_equal(gradus_data_info(data, 1, &info), GRADUS_OK);
    assert_true(info.dtype == GRADUS_I32 && info.shape.d[0] == 1 && info.shape.d[1] == ROWS && info.bytes == ROWS * 4);
    assert_int_equal(gradus_data_info(data, 2, &info), GRADUS_ERROR_NOT_FOUND);
    gradus_data_destroy(&data);
    assert_null(data);
    assert_int_equal(heap.live, 0);
}

static void test_options(void **state) {
    (void)state;
    gradus_data *data = small();
    gradus_data_destroy(&data);
    gradus_batch b;
    gradus_info info;
    data = load(images_path, NULL, gradus_idx_options(.no_flatten = true, .no_scale = true));
    assert_int_equal(gradus_data_info(data, 0, &info), GRADUS_OK);
    assert_true(info.shape.d[0] == 3 && info.shape.d[2] == HIGH && info.shape.d[3] == WIDE && info.dtype == GRADUS_F32);
    gradus_batches *batches = first_batch(data, &b);
    for (int i = 0; i < ROWS * PIXELS; i++) assert_true(((const float *)b.inputs.items[0].data)[i] == (float)pixel(i));
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&data);
    data = load(images_path, NULL, gradus_idx_options(.raw = true));
    batches = first_batch(data, &b);
    assert_int_equal(b.inputs.items[0].dtype, GRADUS_U8);
    for (int i = 0; i < ROWS * PIXELS; i++) assert_int_equal(((const uint8_t *)b.inputs.items[0].data)[i], pixel(i));
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&data);
    gradus_idx_options o = {0};
    assert_int_equal(gradus_data_idx(images_path, NULL, &o, &data), GRADUS_ERROR_ARGUMENT);
    struct {
        gradus_idx_options o;
        uint64_t newer;
    } future = {.o = {.size_ = sizeof future}};
    data = load(images_path, NULL, &future.o);
    gradus_data_destroy(&data);
    future.newer = 1;
    assert_int_equal(gradus_data_idx(images_path, NULL, &future.o, &data), GRADUS_ERROR_ARGUMENT);
    assert_string_equal(gradus_last_error(),
                        "gradus_data_idx: an option is set that this version of the library does not know");
    assert_int_equal(gradus_data_idx(images_path, NULL, gradus_idx_options(.reserved_ = {1}), &data),
                     GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_data_idx(NULL, NULL, NULL, &data), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_data_idx(images_path, NULL, NULL, NULL), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(heap.live, 0);
}

static void test_every_type(void **state) {
    (void)state;
    static const struct {
        unsigned code, size;
        gradus_dtype dtype;
        unsigned char bytes[16];
        double first, second;
    } cases[] = {
        {0x09, 1, GRADUS_I32, {0x80, 0x7f}, -128, 127},
        {0x0b, 2, GRADUS_I32, {0x80, 0x00, 0x01, 0x02}, -32768, 258},
        {0x0c, 4, GRADUS_I32, {0xff, 0xff, 0xff, 0xfe, 0x01, 0x02, 0x03, 0x04}, -2, 0x01020304},
        {0x0d, 4, GRADUS_F32, {0x3f, 0xc0, 0, 0, 0xc0, 0x49, 0x0f, 0xdb}, 1.5, -0x1.921fb6p+1},
        {0x0e,
         8,
         GRADUS_F64,
         {0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0xc0, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18},
         1.5,
         -0x1.921fb54442d18p+1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        image f = idx(cases[i].code, 2, (const uint32_t[]){2, 1});
        memcpy(f.bytes + f.n, cases[i].bytes, 2 * cases[i].size);
        write_file(images_path, f.bytes, f.n + 2 * cases[i].size);
        gradus_data *data = load(images_path, images_path, NULL);
        gradus_batch b;
        gradus_batches *batches = first_batch(data, &b);
        for (int k = 0; k < 2; k++) {
            const void *p = b.inputs.items[k].data;
            assert_int_equal(b.inputs.items[k].dtype, cases[i].dtype);
            for (int n = 0; n < 2; n++) {
                double value = cases[i].dtype == GRADUS_F32   ? (double)((const float *)p)[n]
                               : cases[i].dtype == GRADUS_F64 ? ((const double *)p)[n]
                                                              : (double)((const int32_t *)p)[n];
                assert_true(value == (n ? cases[i].second : cases[i].first));
            }
        }
        gradus_batches_destroy(&batches);
        gradus_data_destroy(&data);
    }
}

static void test_what_is_no_file(void **state) {
    (void)state;
    char missing[96];
    snprintf(missing, sizeof missing, "%s/missing", directory);
    assert_refused(GRADUS_ERROR_NOT_FOUND, missing, ": cannot open: No such file or directory");
    assert_refused(GRADUS_ERROR_IO, directory, ": cannot open: this is a directory, expected a regular file");
    write_file(images_path, "", 0);
    assert_refused(GRADUS_ERROR_FORMAT, images_path,
                   ": byte 0: the file ends within the first four bytes, 0 0 TYPE RANK");
    write_file(images_path, "PK\003\004", 4);
    assert_refused(
        GRADUS_ERROR_FORMAT, images_path,
        ": byte 0: an IDX file begins with 00 00, got 50 4b; this looks like a ZIP archive: unzip it and give a file "
        "of it");
}

static void refuse(image f, const char *message) {
    write_file(images_path, f.bytes, f.n);
    assert_refused(GRADUS_ERROR_FORMAT, images_path, message);
}

static void test_headers_that_lie(void **state) {
    (void)state;
    heap.largest = 0;
    refuse(idx(0x0a, 1, (const uint32_t[]){1}), ": byte 2: type 0a is none of IDX's: 08 09 0b 0c 0d 0e");
    refuse(idx(0x08, 0, NULL), ": byte 3: the rank is 0, expected 1 … 8");
    refuse(idx(0x08, 9, (const uint32_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1}), ": byte 3: the rank is 9, expected 1 … 8");
    refuse(idx(0x08, 3, (const uint32_t[]){5, 0, 28}), ": byte 8: extent 1 is 0: there is no data");
    refuse(idx(0x08, 3, (const uint32_t[]){UINT32_MAX, UINT32_MAX, 28}),
           ": byte 8: with extent 1, which is 4294967295, the data is larger than memory can be");
    image f = idx(0x08, 3, (const uint32_t[]){UINT32_MAX, 28, 28});
    memset(f.bytes + f.n, 7, 100);
    f.n += 100;
    refuse(f,
           ": byte 116: the header claims 3367254359280 unsigned bytes, which are 3367254359280 bytes, the file ends "
           "after 100");
    f = idx(0x0e, 1, (const uint32_t[]){UINT32_MAX});
    f.n += 12;
    refuse(
        f,
        ": byte 20: the header claims 4294967295 64-bit floats, which are 34359738360 bytes, the file ends after 12");
    /* More than is read at once. */
    static unsigned char large[50000];
    f = idx(0x08, 3, (const uint32_t[]){UINT32_MAX, 28, 28});
    memcpy(large, f.bytes, f.n);
    write_file(images_path, large, sizeof large);
    assert_refused(GRADUS_ERROR_FORMAT, images_path,
                   ": byte 50000: the header claims 3367254359280 unsigned bytes, which are 3367254359280 bytes, the "
                   "file ends after 49984");
    assert_true(heap.largest < 200000);
    f = small_images();
    f.n++;
    refuse(f, ": byte 88: the data that the header claims (72 unsigned bytes) ends here, the file goes on");
    f = small_images();
    image g = small_labels();
    g.bytes[7]--;
    write_file(images_path, f.bytes, f.n);
    write_file(labels_path, g.bytes, g.n - 1);
    gradus_data *data;
    assert_int_equal(gradus_data_idx(images_path, labels_path, NULL, &data), GRADUS_ERROR_MISMATCH);
    assert_non_null(strstr(gradus_last_error(), "images has 6 rows, "));
    assert_non_null(strstr(gradus_last_error(), "labels has 5"));
    assert_int_equal(heap.live, 0);
}

/* Loads what was written to images_path: either it is refused with the file's name, or its content is as it was. */
static bool loads(bool content_is_proved) {
    gradus_data *data = NULL;
    gradus_status status = gradus_data_idx(images_path, NULL, NULL, &data);
    if (status != GRADUS_OK) {
        assert_int_equal(status, GRADUS_ERROR_FORMAT);
        assert_int_equal(strncmp(gradus_last_error(), images_path, strlen(images_path)), 0);
        assert_non_null(strstr(gradus_last_error(), ": byte "));
        assert_null(data);
    } else {
        gradus_batch b;
        if (content_is_proved) assert_is_small(data);
        gradus_batches *batches = first_batch(data, &b);
        gradus_batches_destroy(&batches);
        gradus_data_destroy(&data);
    }
    assert_int_equal(heap.live, 0);
    return status == GRADUS_OK;
}

static void test_every_truncation(void **state) {
    (void)state;
    image f = small_images();
    for (size_t n = 0; n < f.n; n++) {
        write_file(images_path, f.bytes, n);
        assert_false(loads(false));
    }
    for (size_t n = 0; n < sizeof compressed; n++) {
        write_file(images_path, compressed, n);
        assert_false(loads(true));
    }
    write_file(images_path, compressed, sizeof compressed);
    assert_true(loads(true));
    write_file(images_path, compressed, sizeof compressed - 9);
    assert_refused(GRADUS_ERROR_FORMAT, images_path,
                   ": byte 101 of the compressed file: the file is truncated: the compressed data goes on");
}

static void test_every_bit_flip(void **state) {
    (void)state;
    image f = small_images();
    for (size_t bit = 0; bit < 8 * f.n; bit++) {
        f.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        write_file(images_path, f.bytes, f.n);
        bool loaded = loads(false);
        /* Pixels may be anything, and 0x08 is like 0x09. */
        assert_int_equal(loaded, bit >= 16 * 8 || bit == 16);
        f.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    /* Two codes may stand for the same bytes, so that a flip does no harm; that is seldom. */
    unsigned char g[sizeof compressed];
    int harmless = 0;
    memcpy(g, compressed, sizeof g);
    for (size_t bit = 0; bit < 8 * sizeof g; bit++) {
        g[bit / 8] ^= (unsigned char)(1 << bit % 8);
        write_file(images_path, g, sizeof g);
        harmless += loads(true) && bit >= 14 * 8;
        g[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    assert_in_range(harmless, 0, 10);
}

static void test_gzip_that_goes_on(void **state) {
    (void)state;
    unsigned char g[2 * sizeof compressed];
    memcpy(g, compressed, sizeof compressed);
    g[sizeof compressed] = 'x';
    write_file(images_path, g, sizeof compressed + 1);
    assert_refused(GRADUS_ERROR_FORMAT, images_path,
                   ": byte 110 of the compressed file: something follows the compressed data");
    /* Members may follow each other, but this content is too much. */
    memcpy(g + sizeof compressed, compressed, sizeof compressed);
    write_file(images_path, g, sizeof g);
    assert_refused(GRADUS_ERROR_FORMAT, images_path,
                   ": byte 88 of the decompressed data: the data that the header claims (72 unsigned bytes) ends here, "
                   "the file goes on");
    /* A member of no content, and then the content. */
    static const unsigned char empty[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    memcpy(g, empty, sizeof empty);
    memcpy(g + sizeof empty, compressed, sizeof compressed);
    write_file(images_path, g, sizeof empty + sizeof compressed);
    assert_true(loads(true));
}

static void test_mnist(void **state) {
    (void)state;
    gradus_data *data = load(MNIST_DIR "/t10k-images-idx3-ubyte.gz", MNIST_DIR "/t10k-labels-idx1-ubyte.gz", NULL);
    assert_int_equal(gradus_data_rows(data), 10000);
    assert_int_equal(gradus_data_columns(data), 784);
    gradus_batch b;
    gradus_batches *batches = first_batch(data, &b);
    static const int32_t first[] = {7, 2, 1, 0, 4, 1, 4, 9, 5, 9};
    assert_memory_equal(b.inputs.items[1].data, first, sizeof first);
    int64_t n = 1;
    while (gradus_batches_next(batches, &b)) n++;
    assert_int_equal(n, gradus_batches_count(batches));
    assert_int_equal(b.size, 10000 % 32);
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&data);
}

/* The rows of the one tensor of a file of labels, if it loads. */
static bool load_labels(const char *path, int32_t *labels, int64_t n) {
    gradus_data *data = NULL;
    gradus_batch b;
    gradus_batches *batches;
    if (gradus_data_idx(path, NULL, gradus_idx_options(.raw = true), &data) != GRADUS_OK) {
        assert_null(data);
        return false;
    }
    assert_int_equal(gradus_data_rows(data), n);
    assert_int_equal(gradus_batches_create(data, gradus_batch_options(.batch_size = n, .no_shuffle = true), &batches),
                     GRADUS_OK);
    assert_true(gradus_batches_next(batches, &b));
    memcpy(labels, b.inputs.items[0].data, (size_t)n);
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&data);
    return true;
}

static void test_damage_to_dynamic_codes(void **state) {
    (void)state;
    static const char path[] = MNIST_DIR "/t10k-labels-idx1-ubyte.gz";
    static unsigned char g[8192];
    static int32_t right[2500], got[2500]; /* 10000 bytes */
    assert_true(load_labels(path, right, 10000));
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(g, 1, sizeof g, file);
    fclose(file);
    assert_in_range(size, 1000, sizeof g - 1);
    int harmless = 0;
    for (size_t bit = 8 * 40; bit < 8 * size; bit += 37) {
        g[bit / 8] ^= (unsigned char)(1 << bit % 8);
        write_file(images_path, g, size);
        if (load_labels(images_path, got, 10000)) {
            assert_memory_equal(got, right, sizeof right);
            harmless++;
        }
        g[bit / 8] ^= (unsigned char)(1 << bit % 8);
        write_file(images_path, g, bit / 8);
        assert_false(load_labels(images_path, got, 10000));
        assert_int_equal(heap.live, 0);
    }
    assert_in_range(harmless, 0, 20);
}

/* --- short memory ------------------------------------------------------------------------------------------------------ */

static gradus_status scenario(void) {
    gradus_data *data = NULL, *a = NULL, *b = NULL, *c = NULL, *mine = NULL;
    gradus_batches *batches = NULL;
    gradus_batch batch;
    const gradus_data_array array = {"abc", GRADUS_U8, GRADUS_SHAPE(3)};
    gradus_status s = gradus_data_idx(images_path, labels_path, NULL, &data);
    if (!s) s = gradus_data_split(data, 0.5, 1, &a, &b);
    if (!s) s = gradus_data_slice(a, 0, 2, &c);
    if (!s) s = gradus_data_arrays(&array, 1, &mine);
    if (!s) s = gradus_batches_create(c, gradus_batch_options(.batch_size = 2), &batches);
    if (!s) assert_true(gradus_batches_next(batches, &batch));
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&mine);
    gradus_data_destroy(&c);
    gradus_data_destroy(&b);
    gradus_data_destroy(&a);
    gradus_data_destroy(&data);
    return s;
}

static void test_short_memory(void **state) {
    (void)state;
    image l = small_labels();
    write_file(images_path, compressed, sizeof compressed);
    write_file(labels_path, l.bytes, l.n);
    assert_true(heap_fail_each(scenario) > 15);
    /* Walking allocates nothing. */
    gradus_data *data = small();
    gradus_batches *batches = NULL;
    gradus_batch b;
    assert_int_equal(gradus_batches_create(data, gradus_batch_options(.batch_size = 4), &batches), GRADUS_OK);
    long asked = heap.asked;
    for (int i = 0; i < 20; i++) gradus_batches_next(batches, &b);
    assert_int_equal(heap.asked, asked);
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&data);
}

int main(void) {
    heap_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images_and_labels),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_what_is_no_file),
        cmocka_unit_test(test_headers_that_lie),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_every_bit_flip),
        cmocka_unit_test(test_gzip_that_goes_on),
        cmocka_unit_test(test_mnist),
        cmocka_unit_test(test_damage_to_dynamic_codes),
        cmocka_unit_test(test_short_memory),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
