/* SPDX-License-Identifier: Apache-2.0
 * Pictures: each as SVG and as PNG, twice the same, whole files, errors that say what is wrong.  What cannot be tested,
 * whether they are good to look at, is for people. */
#include "tests/cmocka_all.h"
#include "runtime/plot/bytes.h"
#include "runtime/plot/colour.h"
#include "tests/heap.h"

#include <gradus/plot.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static const double loss[] = {0.5, 0.25, NAN, 0.125, INFINITY, 0.1, 1e308}, at[] = {10, 20, 30, 40, 50, 60, -INFINITY};
static const gradus_series three[] = {{"training", NULL, loss, 7}, {"test", at, loss, 7}, {NULL, NULL, NULL, 0}};

static gradus_status curves(const char *path) { return gradus_plot_curves(path, "title", "x", three, 3); }

static gradus_status nothing(const char *path) {
    const gradus_series none = {0};
    return gradus_plot_lines(path, &none, 1, NULL);
}

static gradus_status lines(const char *path) {
    return gradus_plot_lines(path, three, 3,
                             gradus_plot_options(.title = "a \xff b", .y_label = "loss", .width = 240, .height = 180));
}

static const unsigned char bytes_6[] = {0, 50, 100, 150, 200, 250};
static const float floats_18[18] = {0, 0.5f, 1, 2, -1, NAN, INFINITY};
static const int32_t labels_3[] = {0, 1, 2}, other_3[] = {0, 2, 1};
static const float shares_9[] = {0.9f, 0.1f, 0, 0, NAN, 1, NAN, NAN, NAN};
static const char *const names[] = {"a name that is far too long for its place", NULL, "\xc3\xa4\xe2\x82\xac"};

#define GREY .images = bytes_6, .dtype = GRADUS_U8, .rows = 3, .height = 2, .width = 1

static gradus_status images(const char *path) {
    return gradus_plot_predictions(path, gradus_predictions(GREY, .classes = 3, .truth = labels_3), NULL);
}

static gradus_status predictions(const char *path) {
    return gradus_plot_predictions(path,
                                   gradus_predictions(.images = floats_18, .dtype = GRADUS_F32, .rows = 3, .height = 1,
                                                      .width = 2, .channels = 3, .classes = 3, .names = names,
                                                      .truth = labels_3, .predicted = other_3),
                                   gradus_plot_options(.title = "title", .columns = 2));
}

static gradus_status bars(const char *path) {
    return gradus_plot_predictions(path,
                                   gradus_predictions(GREY, .classes = 3, .names = names, .truth = labels_3,
                                                      .probabilities = shares_9, .invert = true),
                                   gradus_plot_options(.cell = 40));
}

static gradus_status weights(const char *path) {
    return gradus_plot_weights(path, floats_18, 3, 2, 3, names, gradus_plot_options(.title = "weights"));
}

static const int64_t counts_9[] = {5, 0, 1, 0, 0, 0, 7, 1000000000000, 3};

static gradus_status confusion(const char *path) {
    return gradus_plot_confusion(path, counts_9, 3, names, gradus_plot_options(.title = "title"));
}

static gradus_status large_confusion(const char *path) {
    static int64_t counts[50 * 50];
    for (size_t i = 0; i < 50 * 50; i += 7) counts[i] = (int64_t)i;
    return gradus_plot_confusion(path, counts, 50, NULL, NULL);
}

/* Three classes meet, and one answer is missing. */
#define BOX .x_low = -1, .x_high = 1, .y_low = 0, .y_high = 5, .columns = 3, .rows = 3
static const float answers_27[] = {1,    0, 0,    0,    1, 0, 0, 0, 1, 1, 0, 0, 0,  0.6f,
                                   0.4f, 0, 0.4f, 0.6f, 1, 0, 0, 0, 0, 1, 0, 1, NAN};
static const float points_6[] = {0, 1, NAN, 0, 7, 7};

static gradus_status boundary(const char *path) {
    return gradus_plot_boundary(path,
                                gradus_boundary(BOX, .classes = 3, .probabilities = answers_27, .names = names,
                                                .count = 3, .points = points_6, .labels = labels_3),
                                gradus_plot_options(.title = "boundary", .x_label = "x"));
}

static gradus_status two_classes(const char *path) {
    return gradus_plot_boundary(path, gradus_boundary(BOX, .classes = 1, .probabilities = answers_27), NULL);
}

static gradus_status histogram(const char *path) { return gradus_plot_histogram(path, floats_18, 18, NULL); }

static gradus_status no_histogram(const char *path) {
    static const float none[] = {NAN, INFINITY};
    return gradus_plot_histogram(path, none, 2, gradus_plot_options(.columns = 20));
}

typedef gradus_status (*picture)(const char *path);
static const picture pictures[] = {curves,    nothing,         lines,    images,      predictions, bars,        weights,
                                   confusion, large_confusion, boundary, two_classes, histogram,   no_histogram};
enum { PICTURES = sizeof pictures / sizeof *pictures };

static char directory[] = "/tmp/gradus-plot-XXXXXX";

static const char *in_directory(const char *name) {
    static char path[100];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

#ifdef GRADUS_WITH_CAIRO

static byte_string read_file(const char *path) {
    byte_string file = {0};
    char piece[4096];
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    for (size_t n; (n = fread(piece, 1, sizeof piece, stream)) > 0;) bytes_append(&file, piece, n);
    fclose(stream);
    return file;
}

static byte_string drawn(picture draw, const char *name) {
    const char *path = in_directory(name);
    if (draw(path)) fail_msg("%s", gradus_last_error());
    byte_string file = read_file(path);
    unlink(path);
    return file;
}

/* The elements of an SVG are closed in the order in which they were opened, and each reference has its id. */
static void check_svg(const char *svg) {
    size_t open[64], depth = 0;
    assert_non_null(strstr(svg, "<svg"));
    assert_null(strstr(svg, "nan"));
    assert_null(strstr(svg, "inf"));
    for (const char *s = strchr(svg, '<'); s; s = strchr(s + 1, '<')) {
        const char *end = strchr(s, '>');
        assert_non_null(end);
        if (s[1] == '?' || end[-1] == '/') continue;
        if (s[1] != '/') {
            assert_true(depth < 64);
            open[depth++] = (size_t)(s + 1 - svg);
            continue;
        }
        assert_true(depth > 0);
        size_t length = strcspn(s + 2, ">");
        assert_int_equal(strncmp(svg + open[--depth], s + 2, length), 0);
    }
    assert_int_equal(depth, 0);
    for (const char *s = strstr(svg, "\"#"); s; s = strstr(s + 1, "\"#")) {
        char id[64];
        snprintf(id, sizeof id, "id=\"%.*s\"", (int)strcspn(s + 2, "\""), s + 2);
        assert_non_null(strstr(svg, id));
    }
}

static size_t big_endian(const unsigned char *b) {
    return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
}

/* Signature, header, the sums of all chunks, and as many pixels as the header says (ISO/IEC 15948). */
static void check_png(const byte_string *file) {
    const unsigned char *png = (const unsigned char *)file->data;
    size_t where = 8;
    byte_string packed = {0};
    assert_memory_equal(png, "\x89PNG\r\n\x1a\n", 8);
    while (where + 12 <= file->length) {
        size_t length = big_endian(png + where);
        assert_true(length <= file->length - where - 12);
        assert_int_equal(crc32(0, png + where + 4, (unsigned)length + 4), big_endian(png + where + 8 + length));
        if (!memcmp(png + where + 4, "IDAT", 4)) bytes_append(&packed, png + where + 8, length);
        where += length + 12;
    }
    assert_int_equal(where, file->length);
    size_t width = big_endian(png + 16), height = big_endian(png + 20);
    uLongf size = (uLongf)(height * (3 * width + 1)), most = size + 1;
    assert_memory_equal(png + 24, ((unsigned char[]){8, 2, 0, 0, 0}), 5); /* red, green and blue, a byte each */
    unsigned char *pixels = malloc(most);
    assert_int_equal(uncompress(pixels, &most, (const unsigned char *)packed.data, packed.length), Z_OK);
    assert_int_equal(most, size);
    bool empty = true;
    for (size_t i = 2; i < size; i++) empty = empty && pixels[i] == pixels[1];
    assert_false(empty);
    free(pixels);
    bytes_free(&packed);
}

static void test_each_picture_is_a_whole_file(void **state) {
    (void)state;
    for (size_t i = 0; i < PICTURES; i++) {
        byte_string svg = drawn(pictures[i], "x.svg"), png = drawn(pictures[i], "x.PNG");
        byte_string svg_again = drawn(pictures[i], "y.svg"), png_again = drawn(pictures[i], "y.png");
        check_png(&png);
        assert_int_equal(svg.length, svg_again.length);
        assert_memory_equal(svg.data, svg_again.data, svg.length);
        assert_int_equal(png.length, png_again.length);
        assert_memory_equal(png.data, png_again.data, png.length);
        bytes_append(&svg, "", 1);
        check_svg(svg.data);
        bytes_free(&svg), bytes_free(&png), bytes_free(&svg_again), bytes_free(&png_again);
    }
}

static void test_wrong_paths_are_errors(void **state) {
    (void)state;
    static const char *const wrong[] = {"picture", "picture.pdf", "svg", "", "a.svg/b"};
    for (size_t i = 0; i < PICTURES; i++) {
        assert_int_equal(pictures[i](NULL), GRADUS_ERROR_ARGUMENT);
        for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
            assert_int_equal(pictures[i](wrong[k]), GRADUS_ERROR_ARGUMENT);
            assert_non_null(strstr(gradus_last_error(), ".svg or .png"));
            assert_non_null(strstr(gradus_last_error(), wrong[k]));
        }
        assert_int_equal(pictures[i]("/nowhere/at/all.png"), GRADUS_ERROR_IO);
        assert_non_null(strstr(gradus_last_error(), "/nowhere/at/all.png"));
    }
}

static void test_memory_runs_out(void **state) {
    (void)state;
    heap_install();
    for (size_t i = 0; i < 2 * PICTURES; i++) {
        const char *path = in_directory(i % 2 ? "x.png" : "x.svg");
        bool spared = false;
        for (long n = 0; !spared; n++) {
            heap.countdown = n;
            gradus_status status = pictures[i / 2](path);
            spared = heap.countdown >= 0; /* it needed fewer allocations */
            heap.countdown = -1;
            assert_int_equal(status, spared ? GRADUS_OK : GRADUS_ERROR_MEMORY);
            assert_int_equal(heap.live, 0);
            assert_int_equal(unlink(path), spared ? 0 : -1);
        }
    }
    gradus_set_allocator(NULL, NULL);
}

/* Each call is wrong, and its message names what is. */
#define WRONG(word, call)                                                            \
    do {                                                                             \
        assert_int_equal(call, GRADUS_ERROR_ARGUMENT);                               \
        if (!strstr(gradus_last_error(), word)) fail_msg("%s", gradus_last_error()); \
    } while (0)

static void test_wrong_arguments_are_errors(void **state) {
    (void)state;
    const gradus_series none = {0}, many[GRADUS_PLOT_SERIES + 1] = {{0}}, no_y = {.count = 3};
    WRONG("series", gradus_plot_curves("x.svg", "t", "x", NULL, 1));
    WRONG("series", gradus_plot_curves("x.svg", "t", "x", &none, 0));
    WRONG("9 series", gradus_plot_curves("x.svg", "t", "x", many, GRADUS_PLOT_SERIES + 1));
    WRONG("y is NULL", gradus_plot_lines("x.svg", &no_y, 1, NULL));
    WRONG(".width is 100", gradus_plot_lines("x.svg", &none, 1, gradus_plot_options(.width = 100)));
    WRONG(".height is -1", gradus_plot_lines("x.svg", &none, 1, gradus_plot_options(.height = -1)));
    WRONG(".cell is 5", gradus_plot_lines("x.svg", &none, 1, gradus_plot_options(.cell = 5)));
    WRONG(".columns is -3", gradus_plot_lines("x.svg", &none, 1, gradus_plot_options(.columns = -3)));
    WRONG("size_", gradus_plot_lines("x.svg", &none, 1, &(gradus_plot_options){.width = 300}));
}

static void test_wrong_images_are_errors(void **state) {
    (void)state;
#define IMAGES(...) gradus_plot_predictions("x.svg", gradus_predictions(__VA_ARGS__), NULL)
#define SIZED .images = bytes_6, .dtype = GRADUS_U8
    WRONG("no images", gradus_plot_predictions("x.svg", NULL, NULL));
    WRONG("no images", IMAGES(.rows = 3));
    WRONG("no images", IMAGES(SIZED, .height = 1, .width = 1));
    WRONG("401 images", IMAGES(SIZED, .rows = 401, .height = 1, .width = 1));
    WRONG(".height 0", IMAGES(SIZED, .rows = 1, .width = 1));
    WRONG(".width 5000", IMAGES(SIZED, .rows = 1, .height = 1, .width = 5000));
    WRONG(".channels is 2", IMAGES(GREY, .channels = 2));
    WRONG("not set", IMAGES(.images = bytes_6, .rows = 1, .height = 1, .width = 1));
    WRONG("i32", IMAGES(.images = bytes_6, .dtype = GRADUS_I32, .rows = 1, .height = 1, .width = 1));
    WRONG(".classes", IMAGES(GREY, .probabilities = shares_9));
    WRONG(".truth[2] is 2; with .classes = 2", IMAGES(GREY, .classes = 2, .truth = labels_3));
    WRONG(".predicted needs .classes", IMAGES(GREY, .predicted = labels_3));
    static const unsigned char blank[400];
    WRONG("8000",
          gradus_plot_predictions(
              "x.svg", gradus_predictions(.images = blank, .dtype = GRADUS_U8, .rows = 400, .height = 1, .width = 1),
              gradus_plot_options(.columns = 1)));
}

static void test_wrong_weights_and_counts_are_errors(void **state) {
    (void)state;
    static const int64_t negative[] = {1, 2, -3, 4};
    WRONG("kernel", gradus_plot_weights("x.svg", NULL, 1, 1, 1, NULL, NULL));
    WRONG("0 units", gradus_plot_weights("x.svg", floats_18, 1, 1, 0, NULL, NULL));
    WRONG("401 units", gradus_plot_weights("x.svg", floats_18, 1, 1, 401, NULL, NULL));
    WRONG("height 0", gradus_plot_weights("x.svg", floats_18, 0, 1, 1, NULL, NULL));
    WRONG("width 9999", gradus_plot_weights("x.svg", floats_18, 1, 9999, 1, NULL, NULL));
    WRONG("NULL", gradus_plot_confusion("x.svg", NULL, 2, NULL, NULL));
    WRONG("0 classes", gradus_plot_confusion("x.svg", negative, 0, NULL, NULL));
    WRONG("1001 classes", gradus_plot_confusion("x.svg", negative, 1001, NULL, NULL));
    WRONG("true 1, predicted 0 is -3", gradus_plot_confusion("x.svg", negative, 2, NULL, NULL));
    WRONG("no values", gradus_plot_histogram("x.svg", NULL, 1, NULL));
    WRONG("no values", gradus_plot_histogram("x.svg", floats_18, 0, NULL));
}

static void test_wrong_boundaries_are_errors(void **state) {
    (void)state;
#define BOUNDARY(...) gradus_plot_boundary("x.svg", gradus_boundary(__VA_ARGS__), NULL)
#define ANSWERS .classes = 3, .probabilities = answers_27
    WRONG(".columns 0", gradus_plot_boundary("x.svg", NULL, NULL));
    WRONG(".columns 1", BOUNDARY(.x_high = 1, .y_high = 1, .rows = 3, .columns = 1, ANSWERS));
    WRONG(".rows 3000", BOUNDARY(.x_high = 1, .y_high = 1, .rows = 3000, .columns = 3, ANSWERS));
    WRONG("x from 1 to 1", BOUNDARY(.x_low = 1, .x_high = 1, .y_high = 1, .rows = 3, .columns = 3, ANSWERS));
    WRONG("within 1e30", BOUNDARY(.x_high = 1e31, .y_high = 1, .rows = 3, .columns = 3, ANSWERS));
    WRONG("to nan", BOUNDARY(.x_high = 1, .y_high = NAN, .rows = 3, .columns = 3, ANSWERS));
    WRONG(".probabilities", BOUNDARY(BOX, .classes = 3));
    WRONG(".classes is 0", BOUNDARY(BOX, .probabilities = answers_27));
    WRONG(".classes is 9", BOUNDARY(BOX, .probabilities = answers_27, .classes = 9));
    WRONG(".points is NULL", BOUNDARY(BOX, ANSWERS, .count = 1, .labels = labels_3));
    WRONG(".labels is NULL", BOUNDARY(BOX, ANSWERS, .count = 1, .points = points_6));
    WRONG(".labels[2] is 2",
          BOUNDARY(BOX, .probabilities = answers_27, .classes = 1, .count = 3, .points = points_6, .labels = labels_3));
}

#else

static void test_without_cairo(void **state) {
    (void)state;
    for (size_t i = 0; i < PICTURES; i++) {
        assert_int_equal(pictures[i](in_directory("x.svg")), GRADUS_ERROR_IO);
        assert_non_null(strstr(gradus_last_error(), "without cairo"));
        assert_int_equal(access(in_directory("x.svg"), F_OK), -1);
    }
}

#endif

static void test_ids_are_numbered_anew(void **state) {
    (void)state;
    static const char svg[] =
        "<g id=\"surface71\"/><i id=\"a1b71\"/><use x=\"#\" y=\"9\" h=\"#surface71\" m=\"url(#mask71)\"/>#5 id=\"no\"";
    byte_string out = {0};
    svg_renumber(svg, sizeof svg, &out);
    assert_string_equal(
        out.data,
        "<g id=\"surface0\"/><i id=\"a1b1\"/><use x=\"#\" y=\"9\" h=\"#surface0\" m=\"url(#mask2)\"/>#5 id=\"no\"");
    bytes_free(&out);
}

static void test_confusion_counts(void **state) {
    (void)state;
    const int32_t truth[] = {0, 0, 1, 2, 2, 2}, predicted[] = {0, 1, 1, 2, 0, 2};
    const int64_t expected[] = {1, 1, 0, 0, 1, 0, 1, 0, 2};
    int64_t counts[9] = {-1, -1, -1};
    assert_int_equal(gradus_confusion(truth, predicted, 6, 3, counts), GRADUS_OK);
    assert_memory_equal(counts, expected, sizeof expected);
    assert_int_equal(gradus_confusion(truth, predicted, 6, 2, counts), GRADUS_ERROR_ARGUMENT);
    assert_string_equal(gradus_last_error(), "confusion: truth[3] is 2; with 2 classes it must be 0 to 1");
    assert_memory_equal(counts, expected, sizeof expected); /* as they were */
    assert_int_equal(gradus_confusion(predicted, (const int32_t[]){0, -7}, 2, 3, counts), GRADUS_ERROR_ARGUMENT);
    assert_non_null(strstr(gradus_last_error(), "predicted[1] is -7"));
    assert_int_equal(gradus_confusion(NULL, predicted, 6, 3, counts), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_confusion(truth, NULL, 6, 3, counts), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_confusion(truth, predicted, 6, 3, NULL), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_confusion(truth, predicted, -1, 3, counts), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_confusion(truth, predicted, 6, 0, counts), GRADUS_ERROR_ARGUMENT);
}

static void test_a_boundary_s_inputs(void **state) {
    (void)state;
    const gradus_boundary *box = gradus_boundary(BOX);
    const float expected[] = {-1, 0, 0, 0, 1, 0, -1, 2.5f, 0, 2.5f, 1, 2.5f, -1, 5, 0, 5, 1, 5};
    float inputs[18];
    assert_int_equal(gradus_boundary_inputs(box, inputs), GRADUS_OK);
    assert_memory_equal(inputs, expected, sizeof expected);
    assert_int_equal(gradus_boundary_inputs(box, NULL), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_boundary_inputs(NULL, inputs), GRADUS_ERROR_ARGUMENT);
}

/* What is darker in colour is darker in grey. */
static void test_scales_of_colour_are_monotone(void **state) {
    (void)state;
    assert_true(luminance((colour){1, 1, 1}) > 0.999 && luminance((colour){0, 0, 0}) < 0.001);
    for (double share = 0.01; share <= 1; share += 0.01) {
        assert_true(luminance(sequential_colour(share)) < luminance(sequential_colour(share - 0.01)));
        assert_true(luminance(diverging_colour(share)) < luminance(diverging_colour(share - 0.01)));
        assert_true(luminance(diverging_colour(-share)) < luminance(diverging_colour(0.01 - share)));
        assert_true(luminance(diverging_colour(-share)) < luminance(diverging_colour(share)));
    }
    assert_int_equal(pixel_of(sequential_colour(-1)), pixel_of(sequential_colour(0)));
    assert_int_equal(pixel_of(diverging_colour(7)), pixel_of(diverging_colour(1)));
    assert_int_equal(pixel_of((colour){1, 0.2, -3}), 0xff3300);
}

static int make_directory(void **state) {
    (void)state;
    return mkdtemp(directory) ? 0 : -1;
}

/* Which is empty: no picture left anything beside its file. */
static int remove_directory(void **state) {
    (void)state;
    return rmdir(directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#ifdef GRADUS_WITH_CAIRO
        cmocka_unit_test(test_each_picture_is_a_whole_file),
        cmocka_unit_test(test_wrong_paths_are_errors),
        cmocka_unit_test(test_memory_runs_out),
        cmocka_unit_test(test_wrong_arguments_are_errors),
        cmocka_unit_test(test_wrong_images_are_errors),
        cmocka_unit_test(test_wrong_weights_and_counts_are_errors),
        cmocka_unit_test(test_wrong_boundaries_are_errors),
#else
        cmocka_unit_test(test_without_cairo),
#endif
        cmocka_unit_test(test_ids_are_numbered_anew),
        cmocka_unit_test(test_confusion_counts),
        cmocka_unit_test(test_a_boundary_s_inputs),
        cmocka_unit_test(test_scales_of_colour_are_monotone),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
