/* SPDX-License-Identifier: Apache-2.0
 *
 * Automatic differentiation as one meets it in PyTorch: gradients in every value on the way, gradients that accumulate, a
 * vector-Jacobian product for a target that is no scalar, a value held fixed, and the Jacobian beside the gradient.
 */
#include "example.h"

/* x = ones(2, 2), y = x + 2, z = y³, out = mean(z). */
static void show_backward(void) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F64, GRADUS_SHAPE(2, 2));
    gradus_tensor y = gradus_add(x, gradus_like(x, 2));
    gradus_tensor z = gradus_pow(y, gradus_like(y, 3));
    gradus_tensor out = gradus_mean(z, GRADUS_ALL_AXES, false);
    gradus_tensors gradients = gradus_gradients(out, GRADUS_TENSORS(x, y, z));

    /* A gradient is a tensor like others; to accumulate it is to add it to a state. */
    gradus_tensor sum = gradus_state(g, "sum", GRADUS_F64, GRADUS_SHAPE(2, 2), gradus_zeros());
    gradus_updates accumulate = gradus_assign(sum, gradus_add(sum, gradients.items[0]));
    gradus_define(g, "backward", GRADUS_TENSORS(x), gradients, accumulate);

    gradus_program *p = NULL;
    must(gradus_jit(g, NULL, &p));
    must(gradus_program_init(p, 0));
    static const double ones[4] = {1, 1, 1, 1};
    double dx[4], dy[4], dz[4], accumulated[4];
    for (int time = 1; time <= 2; time++) {
        must(gradus_call(p, "backward", 1, GRADUS_INPUTS(ones), GRADUS_OUTPUTS(dx, dy, dz)));
        must(gradus_program_read(p, "sum", accumulated, sizeof accumulated));
        printf("accumulated %d times", time);
        show("", accumulated, 4);
    }
    show("d mean(y^3) / dx", dx, 4);
    show("d mean(y^3) / dy", dy, 4);
    show("d mean(y^3) / d y^3", dz, 4);
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
}

/* y = 2x has three elements: `v` says how much each of them counts. */
static void show_vjp(void) {
    static const double point[3] = {1, 2, 3}, weights[3] = {0.1, 1, 0.0001};
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F64, GRADUS_SHAPE(3));
    gradus_tensor v = gradus_input(g, "v", GRADUS_F64, GRADUS_SHAPE(3));
    gradus_tensor y = gradus_mul(x, gradus_like(x, 2));
    double product[3];
    compute(g, GRADUS_TENSORS(x, v), GRADUS_INPUTS(point, weights), gradus_vjp(y, v, GRADUS_TENSORS(x)),
            GRADUS_OUTPUTS(product));
    gradus_graph_destroy(&g);
    show("v times the Jacobian of 2x", product, 3);
}

/* What stop_gradient holds is a constant to the derivative: x · x has 2x, x · stop_gradient(x) has x. */
static void show_stop_gradient(void) {
    static const double point = 3;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F64, GRADUS_SCALAR);
    gradus_tensor free_ = gradus_mul(x, x), held = gradus_mul(x, gradus_stop_gradient(x));
    gradus_tensor fixed = gradus_stop_gradient(gradus_square(x));
    double slopes[3];
    compute(g, GRADUS_TENSORS(x), GRADUS_INPUTS(&point),
            GRADUS_TENSORS(gradus_gradient(free_, x), gradus_gradient(held, x), gradus_gradient(fixed, x)),
            GRADUS_OUTPUTS(&slopes[0], &slopes[1], &slopes[2]));
    gradus_graph_destroy(&g);
    show("d x*x / dx", &slopes[0], 1);
    show("d x*stop_gradient(x) / dx", &slopes[1], 1);
    show("d stop_gradient(x*x) / dx", &slopes[2], 1);
}

/* y = x · sum(x): row i of the Jacobian is the gradient of y[i]; the gradient of y is the sum of the rows. */
static void show_jacobian(void) {
    static const double point[3] = {1, 2, 3};
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F64, GRADUS_SHAPE(3));
    gradus_tensor y = gradus_mul(x, gradus_sum(x, GRADUS_ALL_AXES, false));
    double jacobian[3][3], gradient[3];
    compute(g, GRADUS_TENSORS(x), GRADUS_INPUTS(point), GRADUS_TENSORS(gradus_jacobian(y, x), gradus_gradient(y, x)),
            GRADUS_OUTPUTS(jacobian[0], gradient));
    gradus_graph_destroy(&g);
    for (int i = 0; i < 3; i++) {
        printf("Jacobian, row %d", i);
        show("", jacobian[i], 3);
    }
    show("gradient", gradient, 3);
}

int main(int argc, char **argv) {
    parse(argc, argv, (settings){0});
    show_backward();
    show_vjp();
    show_stop_gradient();
    show_jacobian();
}
