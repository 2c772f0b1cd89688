/* SPDX-License-Identifier: Apache-2.0
 *
 * An operation of one's own: Multiply, a C function, with its derivative, once as another C function and once as graph,
 * which can be differentiated again.  It equals the built-in gradus_mul, in values, in gradients, and in training.
 */
#include "example.h"

#include <math.h>

enum { N = 100, STEPS = 50 };

static void multiply(const double *x0, const double *x1, double *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = x0[i] * x1[i];
}

/* dy is the derivative of what is differentiated with respect to y; by the chain rule it goes to each factor times the other. */
static void multiply_backward(const double *x0, const double *x1, const double *dy, double *dx0, double *dx1,
                              int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        dx0[i] = dy[i] * x1[i];
        dx1[i] = dy[i] * x0[i];
    }
}

/* The same, built from operations. */
static gradus_status multiply_gradient(void *user, gradus_tensors x, gradus_tensor y, gradus_tensor dy,
                                       gradus_tensor *dx) {
    (void)user, (void)y;
    dx[0] = gradus_mul(dy, x.items[1]);
    dx[1] = gradus_mul(dy, x.items[0]);
    return GRADUS_OK;
}

static const char signature[] = "void multiply(const double *x0, const double *x1, double *y, int64_t n)";

static gradus_tensor my_multiply(gradus_tensor a, gradus_tensor b) {
    return gradus_custom(GRADUS_TENSORS(a, b), .function = GRADUS_FUNCTION(multiply), .signature = signature,
                         .backward = GRADUS_FUNCTION(multiply_backward));
}

static gradus_tensor my_multiply_as_graph(gradus_tensor a, gradus_tensor b) {
    return gradus_custom(GRADUS_TENSORS(a, b), .function = GRADUS_FUNCTION(multiply), .signature = signature,
                         .gradient = multiply_gradient);
}

static gradus_tensor built_in(gradus_tensor a, gradus_tensor b) { return gradus_mul(a, b); }

typedef gradus_tensor (*operation)(gradus_tensor a, gradus_tensor b);

/* --- what is compared ----------------------------------------------------------------------------------------------- */

/* y = multiply(sin(a), b) and its gradients. */
static void values_and_gradients(operation f, double y[N], double da[N], double db[N]) {
    double a[N], b[N];
    for (int i = 0; i < N; i++) a[i] = i / 10.0 - 5, b[i] = i % 7 - 3;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "a", GRADUS_F64, GRADUS_SHAPE(N));
    gradus_tensor z = gradus_input(g, "b", GRADUS_F64, GRADUS_SHAPE(N));
    gradus_tensor product = f(gradus_sin(x), z);
    compute(g, GRADUS_TENSORS(x, z), GRADUS_INPUTS(a, b),
            GRADUS_TENSORS(product, gradus_gradient(product, x), gradus_gradient(product, z)),
            GRADUS_OUTPUTS(y, da, db));
    gradus_graph_destroy(&g);
}

/* y = w · x is fitted to 3x; returns w after some steps. */
static double fitted(operation f) {
    static const double data[4] = {1, 2, 3, 4}, wanted[4] = {3, 6, 9, 12};
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F64, GRADUS_SHAPE(4));
    gradus_tensor target = gradus_input(g, "target", GRADUS_F64, GRADUS_SHAPE(4));
    gradus_tensor w = gradus_param(g, "w", GRADUS_F64, GRADUS_SCALAR, gradus_zeros());
    gradus_tensor loss = gradus_mean(gradus_mean_squared_error(f(w, x), target), GRADUS_ALL_AXES, false);
    gradus_define(g, "train", GRADUS_TENSORS(x, target), GRADUS_NO_TENSORS,
                  gradus_minimize(loss, gradus_sgd(.learning_rate = 0.01)));
    gradus_program *p = NULL;
    must(gradus_jit(g, NULL, &p));
    must(gradus_program_init(p, 0));
    for (int i = 0; i < STEPS; i++) must(gradus_call(p, "train", 1, GRADUS_INPUTS(data, wanted), GRADUS_NO_OUTPUTS));
    double result;
    must(gradus_program_read(p, "w", &result, sizeof result));
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
    return result;
}

/* The second derivative of x · x · x, at 2. */
static double second_derivative(operation f) {
    static const double point = 2;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F64, GRADUS_SCALAR);
    gradus_tensor first = gradus_gradient(f(f(x, x), x), x);
    double result;
    compute(g, GRADUS_TENSORS(x), GRADUS_INPUTS(&point), GRADUS_TENSORS(gradus_gradient(first, x)),
            GRADUS_OUTPUTS(&result));
    gradus_graph_destroy(&g);
    return result;
}

static double largest_difference(const double *a, const double *b) {
    double apart = 0;
    for (int i = 0; i < N; i++) apart = fmax(apart, fabs(a[i] - b[i]));
    return apart;
}

int main(int argc, char **argv) {
    parse(argc, argv, (settings){0});
    const struct {
        const char *name;
        operation f;
    } own[] = {{"backward in C", my_multiply}, {"backward as graph", my_multiply_as_graph}};
    double y[2][N], da[2][N], db[2][N];
    values_and_gradients(built_in, y[0], da[0], db[0]);
    for (int i = 0; i < 2; i++) {
        values_and_gradients(own[i].f, y[1], da[1], db[1]);
        printf("%s, difference of y = %g\n", own[i].name, largest_difference(y[0], y[1]));
        printf("%s, difference of dy/da = %g\n", own[i].name, largest_difference(da[0], da[1]));
        printf("%s, difference of dy/db = %g\n", own[i].name, largest_difference(db[0], db[1]));
        printf("%s, difference after training = %g\n", own[i].name, fabs(fitted(built_in) - fitted(own[i].f)));
    }
    printf("fitted weight = %.7g\n", fitted(my_multiply));
    printf("second derivative of x^3 at 2 = %.7g\n", second_derivative(my_multiply_as_graph));
}
