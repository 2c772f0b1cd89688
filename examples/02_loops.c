/* SPDX-License-Identifier: Apache-2.0
 *
 * Naive loops against the compiled graph: relu and add on 20 × 100 numbers, a thousand times, and a dense layer, where
 * compiling pays more.  Prints both times, the best of five rounds, and the speed-up; the results are equal.
 */
#include "example.h"

enum { ROWS = 20, COLUMNS = 100, TIMES = 1000, UNITS = 512, PIXELS = 784, IMAGES = 128, ROUNDS = 5 };

/* --- as one would write it first ------------------------------------------------------------------------------------ */

static void naive_relu(const float *x, float *y, int rows, int columns) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            float v = x[i * columns + j];
            y[i * columns + j] = v > 0 ? v : 0;
        }
}

static void naive_add(const float *x, const float *y, float *z, int rows, int columns) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) z[i * columns + j] = x[i * columns + j] + y[i * columns + j];
}

static void naive_matmul(const float *x, const float *y, float *z, int rows, int inner, int columns) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            float sum = 0;
            for (int k = 0; k < inner; k++) sum += x[i * inner + k] * y[k * columns + j];
            z[i * columns + j] = sum;
        }
}

/* --- the same as graphs --------------------------------------------------------------------------------------------- */

/* A program with the entry point "run", from x and y to the result. */
static gradus_program *compiled(gradus_tensor x, gradus_tensor y, gradus_tensor result) {
    gradus_program *p = NULL;
    gradus_define(x.graph, "run", GRADUS_TENSORS(x, y), GRADUS_TENSORS(result), GRADUS_NO_UPDATES);
    must(gradus_jit(x.graph, NULL, &p));
    gradus_graph_destroy(&x.graph);
    must(gradus_program_init(p, 1));
    return p;
}

static gradus_program *compiled_relu_add(void) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(ROWS, COLUMNS));
    gradus_tensor y = gradus_input(g, "y", GRADUS_F32, GRADUS_SHAPE(ROWS, COLUMNS));
    return compiled(x, y, gradus_relu(gradus_add(x, y)));
}

static gradus_program *compiled_layer(void) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(IMAGES, PIXELS));
    gradus_tensor w = gradus_input(g, "w", GRADUS_F32, GRADUS_SHAPE(PIXELS, UNITS));
    return compiled(x, w, gradus_relu(gradus_matmul(x, w)));
}

/* --- the race ------------------------------------------------------------------------------------------------------- */

static float *numbers(int count, int from) {
    float *x = must_allocate((size_t)count, sizeof *x);
    for (int i = 0; i < count; i++) x[i] = (float)((int64_t)(from + i) * 7919 % 1009) / 500 - 1;
    return x;
}

static double smaller(double a, double b) { return a < b ? a : b; }

static void tell(const char *what, double naive, double fast, const float *a, const float *b, int count) {
    double worst = 0;
    for (int i = 0; i < count; i++) {
        double apart = a[i] > b[i] ? a[i] - b[i] : b[i] - a[i];
        if (apart > worst) worst = apart;
    }
    printf("%s, naive = %.3g us\n%s, compiled = %.3g us\n", what, naive * 1e6, what, fast * 1e6);
    printf("%s, speed-up = %.2f\n%s, difference = %.2g\n", what, naive / fast, what, worst);
}

static void race_relu_add(void) {
    float *x = numbers(ROWS * COLUMNS, 0), *y = numbers(ROWS * COLUMNS, 1);
    float *sum = numbers(ROWS * COLUMNS, 0), *a = numbers(ROWS * COLUMNS, 0), *b = numbers(ROWS * COLUMNS, 0);
    gradus_program *p = compiled_relu_add();

    double naive = 1e9, fast = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double from = now();
        for (int i = 0; i < TIMES; i++) {
            naive_add(x, y, sum, ROWS, COLUMNS);
            naive_relu(sum, a, ROWS, COLUMNS);
        }
        naive = smaller(naive, (now() - from) / TIMES);
        from = now();
        for (int i = 0; i < TIMES; i++) must(gradus_call(p, "run", 1, GRADUS_INPUTS(x, y), GRADUS_OUTPUTS(b)));
        fast = smaller(fast, (now() - from) / TIMES);
    }
    tell("relu and add", naive, fast, a, b, ROWS * COLUMNS);

    gradus_program_destroy(&p);
    free(x), free(y), free(sum), free(a), free(b);
}

static void race_layer(void) {
    float *x = numbers(IMAGES * PIXELS, 0), *w = numbers(PIXELS * UNITS, 0);
    float *product = numbers(IMAGES * UNITS, 0), *a = numbers(IMAGES * UNITS, 0), *b = numbers(IMAGES * UNITS, 0);
    gradus_program *p = compiled_layer();

    double naive = 1e9, fast = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double from = now();
        naive_matmul(x, w, product, IMAGES, PIXELS, UNITS);
        naive_relu(product, a, IMAGES, UNITS);
        naive = smaller(naive, now() - from);
        from = now();
        must(gradus_call(p, "run", 1, GRADUS_INPUTS(x, w), GRADUS_OUTPUTS(b)));
        fast = smaller(fast, now() - from);
    }
    tell("dense layer", naive, fast, a, b, IMAGES * UNITS);

    gradus_program_destroy(&p);
    free(x), free(w), free(product), free(a), free(b);
}

int main(int argc, char **argv) {
    parse(argc, argv, (settings){0});
    race_relu_add();
    race_layer();
}
