/* SPDX-License-Identifier: Apache-2.0
 *
 * The chain rule on computation graphs: a composition multiplies the derivatives of its parts, a value that is used twice
 * adds up what comes back from both uses, and max passes the derivative on to the larger.  Then the derivatives of
 * sigmoid, tanh and relu as curves.  All are compared with what one works out on paper.
 */
#include "example.h"

#include <math.h>

/* y = f(g(h(j(x)))) with j(x) = x², h = sin, g = exp and f = log(1 + ·). */
static void show_composition(double at) {
    gradus_graph *graph = gradus_graph_create();
    gradus_tensor x = gradus_input(graph, "x", GRADUS_F64, GRADUS_SCALAR);
    gradus_tensor j = gradus_square(x), h = gradus_sin(j), g = gradus_exp(h), f = gradus_log1p(g);

    gradus_tensor parts[] = {gradus_gradient(f, g), gradus_gradient(g, h), gradus_gradient(h, j),
                             gradus_gradient(j, x)};
    double df_dg, dg_dh, dh_dj, dj_dx, df_dx;
    compute(graph, GRADUS_TENSORS(x), GRADUS_INPUTS(&at),
            GRADUS_TENSORS(parts[0], parts[1], parts[2], parts[3], gradus_gradient(f, x)),
            GRADUS_OUTPUTS(&df_dg, &dg_dh, &dh_dj, &dj_dx, &df_dx));
    gradus_graph_destroy(&graph);

    double e = exp(sin(at * at));
    printf("df/dg = %.7g\ndg/dh = %.7g\ndh/dj = %.7g\ndj/dx = %.7g\n", df_dg, dg_dh, dh_dj, dj_dx);
    printf("df/dx = %.7g\n", df_dx);
    printf("product of the parts = %.7g\n", df_dg * dg_dh * dh_dj * dj_dx);
    printf("df/dx on paper = %.7g\n", e / (1 + e) * cos(at * at) * 2 * at);
}

/* y = u·u + 3u with u = 2x: three uses of u. */
static void show_fan_out(double at) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F64, GRADUS_SCALAR);
    gradus_tensor u = gradus_mul(x, gradus_like(x, 2));
    gradus_tensor y = gradus_add(gradus_mul(u, u), gradus_mul(u, gradus_like(u, 3)));
    double dy_du, dy_dx;
    compute(g, GRADUS_TENSORS(x), GRADUS_INPUTS(&at), GRADUS_TENSORS(gradus_gradient(y, u), gradus_gradient(y, x)),
            GRADUS_OUTPUTS(&dy_du, &dy_dx));
    gradus_graph_destroy(&g);
    printf("fan-out, dy/du = %.7g\nfan-out, dy/dx = %.7g\n", dy_du, dy_dx);
}

static void show_max(void) {
    static const double a[] = {1, 5, 2}, b[] = {4, 3, 2}; /* at the last, where they are equal, each gets half */
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F64, GRADUS_SHAPE(3));
    gradus_tensor y = gradus_input(g, "y", GRADUS_F64, GRADUS_SHAPE(3));
    gradus_tensors gradients = gradus_gradients(gradus_maximum(x, y), GRADUS_TENSORS(x, y));
    double dx[3], dy[3];
    compute(g, GRADUS_TENSORS(x, y), GRADUS_INPUTS(a, b), gradients, GRADUS_OUTPUTS(dx, dy));
    gradus_graph_destroy(&g);
    show("d max(x, y) / dx", dx, 3);
    show("d max(x, y) / dy", dy, 3);
}

/* --- activations ---------------------------------------------------------------------------------------------------- */

static double sigmoid_slope(double x) { return exp(-x) / ((1 + exp(-x)) * (1 + exp(-x))); }
static double tanh_slope(double x) { return 1 / (cosh(x) * cosh(x)); }
static double relu_slope(double x) { return x > 0; }

enum { POINTS = 241, CURVES = 3 };

static void draw_activations(const settings *s) {
    static double x[POINTS], y[CURVES][POINTS];
    for (int i = 0; i < POINTS; i++) x[i] = (i - POINTS / 2) / 20.0; /* -6 … 6 */
    gradus_graph *g = gradus_graph_create();
    gradus_tensor t = gradus_input(g, "x", GRADUS_F64, GRADUS_SHAPE(POINTS));
    compute(g, GRADUS_TENSORS(t), GRADUS_INPUTS(x),
            GRADUS_TENSORS(gradus_gradient(gradus_sigmoid(t), t), gradus_gradient(gradus_tanh(t), t),
                           gradus_gradient(gradus_relu(t), t)),
            GRADUS_OUTPUTS(y[0], y[1], y[2]));
    gradus_graph_destroy(&g);

    static const char *const names[CURVES] = {"sigmoid'", "tanh'", "relu'"};
    double (*const on_paper[CURVES])(double) = {sigmoid_slope, tanh_slope, relu_slope};
    gradus_series series[CURVES];
    for (int c = 0; c < CURVES; c++) {
        double apart = 0;
        for (int i = 0; i < POINTS; i++) apart = fmax(apart, fabs(y[c][i] - on_paper[c](x[i])));
        printf("%s, at 0 = %.7g\n%s, largest error = %.2g\n", names[c], y[c][POINTS / 2], names[c], apart);
        series[c] = (gradus_series){.name = names[c], .x = x, .y = y[c], .count = POINTS};
    }
    char path[PATH];
    out_file(s, "derivatives.svg", path);
    tell_drawn(gradus_plot_curves(path, "Derivatives of activations", "x", series, CURVES), path,
               "open it in a browser");
}

int main(int argc, char **argv) {
    settings s = parse(argc, argv, (settings){0});
    show_composition(0.5);
    show_fan_out(1.5);
    show_max();
    draw_activations(&s);
}
