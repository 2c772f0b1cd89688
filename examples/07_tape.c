/* SPDX-License-Identifier: Apache-2.0
 *
 * What TensorFlow's GradientTape records is here the graph itself: it can be asked for the gradient of any value with
 * respect to any other, as often as one likes, and gradients can be differentiated again.
 */
#include "example.h"

/* x = ones(2, 2), y = sum(x), z = y². */
static void show_intermediate(void) {
    static const double ones[4] = {1, 1, 1, 1};
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F64, GRADUS_SHAPE(2, 2));
    gradus_tensor y = gradus_sum(x, GRADUS_ALL_AXES, false);
    gradus_tensor z = gradus_square(y);
    double dz_dx[4], dz_dy;
    compute(g, GRADUS_TENSORS(x), GRADUS_INPUTS(ones), gradus_gradients(z, GRADUS_TENSORS(x, y)),
            GRADUS_OUTPUTS(dz_dx, &dz_dy));
    gradus_graph_destroy(&g);
    show("dz/dx", dz_dx, 4);
    show("dz/dy", &dz_dy, 1);
}

/* y = x², z = y², at x = 3: no tape that is used up after the first. */
static void show_two_targets(void) {
    static const double point = 3;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F64, GRADUS_SCALAR);
    gradus_tensor y = gradus_square(x), z = gradus_square(y);
    double dz_dx, dy_dx;
    compute(g, GRADUS_TENSORS(x), GRADUS_INPUTS(&point), GRADUS_TENSORS(gradus_gradient(z, x), gradus_gradient(y, x)),
            GRADUS_OUTPUTS(&dz_dx, &dy_dx));
    gradus_graph_destroy(&g);
    show("d x^4 / dx at 3", &dz_dx, 1);
    show("d x^2 / dx at 3", &dy_dx, 1);
}

/* x³ at x = 1, differentiated four times. */
static void show_higher(void) {
    enum { ORDERS = 4 };
    static const double point = 1;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F64, GRADUS_SCALAR);
    gradus_tensor derivative = gradus_mul(gradus_mul(x, x), x), all[ORDERS];
    for (int i = 0; i < ORDERS; i++) all[i] = derivative = gradus_gradient(derivative, x);
    double values[ORDERS];
    compute(g, GRADUS_TENSORS(x), GRADUS_INPUTS(&point), GRADUS_TENSORS(gradus_stack(gradus_list(all, ORDERS), 0)),
            GRADUS_OUTPUTS(values));
    gradus_graph_destroy(&g);
    show("x^3 at 1, first derivative", &values[0], 1);
    show("x^3 at 1, second derivative", &values[1], 1);
    show("x^3 at 1, third derivative", &values[2], 1);
    show("x^3 at 1, fourth derivative", &values[3], 1);
}

int main(int argc, char **argv) {
    parse(argc, argv, (settings){0});
    show_intermediate();
    show_two_targets();
    show_higher();
}
