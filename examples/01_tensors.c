/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors: rank, shape and dtype; broadcasting, dot products, reshaping, transposing and slicing.
 *
 * Each operation is tried in F32, F64 and I32.  Its figure is the shape of the result, the sum of its elements, and their
 * sum weighted by position (i mod 13), which an element at a wrong place would change.  The elements themselves go to
 * text files in the output directory, one a line.
 */
#include "example.h"

enum { SLOTS = 64 * 3 * 32 * 10, OPERATIONS = 9 };

static const char *shape_text(gradus_shape shape, char text[80]) {
    int at = snprintf(text, 80, "(");
    for (int64_t i = 1; i <= shape.d[0]; i++)
        at += snprintf(text + at, 80 - (size_t)at, "%s%lld", i > 1 ? ", " : "", (long long)shape.d[i]);
    snprintf(text + at, 80 - (size_t)at, ")");
    return text;
}

static int64_t elements(gradus_shape shape) {
    int64_t n = 1;
    for (int64_t i = 1; i <= shape.d[0]; i++) n *= shape.d[i];
    return n;
}

/* --- what a tensor is ---------------------------------------------------------------------------------------------- */

static void show_ranks(void) {
    const struct {
        gradus_dtype dtype;
        gradus_shape shape;
    } kinds[] = {
        {GRADUS_F32, GRADUS_SCALAR},
        {GRADUS_F64, GRADUS_SHAPE(4)},
        {GRADUS_I32, GRADUS_SHAPE(3, 5)},
        {GRADUS_F32, GRADUS_SHAPE(3, 3, 5)},
        {GRADUS_F64, GRADUS_SHAPE(2, 3, 4, 5)},
        {GRADUS_I32, GRADUS_SHAPE(2, 3, 4, 5, 6)},
    };
    gradus_graph *g = gradus_graph_create();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char name[16], text[80];
        snprintf(name, sizeof name, "rank %zu", i);
        gradus_tensor x = gradus_input(g, name, kinds[i].dtype, kinds[i].shape);
        gradus_shape shape = gradus_shape_of(x);
        printf("%s: ndim %lld, shape %s, dtype %s\n", name, (long long)shape.d[0], shape_text(shape, text),
               gradus_dtype_name(gradus_dtype_of(x)));
    }
    gradus_graph_destroy(&g);
}

/* --- what can be done with it -------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    gradus_tensor result;
} operation;

/* The operations on inputs of one dtype; all inputs are cut from the same numbers, which `pool` holds. */
static size_t operations(gradus_tensor pool, operation list[OPERATIONS]) {
#define TAKE(...) \
    gradus_reshape(gradus_slice(pool, 0, 0, elements(GRADUS_SHAPE(__VA_ARGS__))), GRADUS_SHAPE(__VA_ARGS__))
    gradus_tensor matrix = TAKE(300, 200), vector = TAKE(200);
    gradus_tensor x = TAKE(64, 3, 32, 10), y = gradus_neg(TAKE(32, 10));
    gradus_tensor small = TAKE(3, 2), column = gradus_reshape(small, GRADUS_SHAPE(6, 1));
    gradus_tensor images = TAKE(60, 28, 28);
    size_t n = 0;
    list[n++] = (operation){"add", gradus_add(matrix, vector)};
    list[n++] = (operation){"maximum", gradus_maximum(x, y)};
    list[n++] = (operation){"reshape to a column", column};
    list[n++] = (operation){"reshape to a row", gradus_reshape(column, GRADUS_SHAPE(1, 6))};
    list[n++] = (operation){"transpose", gradus_transpose(matrix, GRADUS_ALL_AXES)};
    list[n++] = (operation){"slice 10:50", gradus_slice(images, 0, 10, 50)};
    list[n++] = (operation){"slice :,14:,14:", gradus_slice(gradus_slice(images, 1, 14, INT64_MAX), 2, 14, INT64_MAX)};
    list[n++] = (operation){"slice :,7:-7,7:-7", gradus_slice(gradus_slice(images, 1, 7, -7), 2, 7, -7)};
    if (gradus_dtype_of(pool) != GRADUS_I32) /* a matrix product is for floating-point numbers */
        list[n++] = (operation){"dot", gradus_matmul(TAKE(300, 100), TAKE(100, 200))};
    return n;
#undef TAKE
}

static void write_elements(const settings *s, const char *name, const double *values, int64_t count) {
    char file[80], path[PATH];
    snprintf(file, sizeof file, "%s.txt", name);
    FILE *f = fopen(out_file(s, file, path), "w");
    if (!f) return;
    for (int64_t i = 0; i < count; i++) fprintf(f, "%.17g\n", values[i]);
    fclose(f);
}

static void show_operations(const settings *s, gradus_dtype dtype, const double *numbers, double *values) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor pool = gradus_input(g, "pool", GRADUS_F64, GRADUS_SHAPE(SLOTS));
    operation list[OPERATIONS];
    size_t n = operations(gradus_cast(pool, dtype), list);
    gradus_tensor results[OPERATIONS];
    gradus_out outputs[OPERATIONS];
    for (size_t i = 0; i < n; i++) {
        results[i] = gradus_cast(list[i].result, GRADUS_F64);
        outputs[i] = (gradus_out){values + i * SLOTS, GRADUS_F64};
    }
    compute(g, GRADUS_TENSORS(pool), GRADUS_INPUTS(numbers), gradus_list(results, n), (gradus_outputs){outputs, n});
    for (size_t i = 0; i < n; i++) {
        gradus_shape shape = gradus_shape_of(results[i]);
        const double *v = values + i * SLOTS;
        double sum = 0, weighted = 0;
        for (int64_t j = 0; j < elements(shape); j++) {
            sum += v[j];
            weighted += v[j] * (double)(j % 13);
        }
        char name[64], text[80];
        snprintf(name, sizeof name, "%s %s", gradus_dtype_name(dtype), list[i].name);
        printf("%s = %s %.10g %.10g\n", name, shape_text(shape, text), sum, weighted);
        write_elements(s, name, v, elements(shape));
    }
    gradus_graph_destroy(&g);
}

int main(int argc, char **argv) {
    settings s = parse(argc, argv, (settings){0});
    show_ranks();

    double *numbers = must_allocate(SLOTS, sizeof *numbers);
    double *values = must_allocate(OPERATIONS * SLOTS, sizeof *values);
    for (int i = 0; i < SLOTS; i++) numbers[i] = (double)(i * 7919 % 1009) / 100 - 5; /* -5 … 5.08, in no order */
    const gradus_dtype dtypes[] = {GRADUS_F32, GRADUS_F64, GRADUS_I32};
    for (size_t i = 0; i < 3; i++) show_operations(&s, dtypes[i], numbers, values);
    free(numbers);
    free(values);
}
