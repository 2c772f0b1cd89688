/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of an affine map y = x·w + b with respect to [w, b].  The target is no scalar: its gradient is that of the sum
 * of its elements, so dy/dw holds the column sums of x in each column, and dy/db the number of rows.
 */
#include "example.h"

enum { ROWS = 2, IN = 3, OUT = 4 };

int main(int argc, char **argv) {
    parse(argc, argv, (settings){0});
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(ROWS, IN));
    gradus_tensor w = gradus_param(g, "w", GRADUS_F32, GRADUS_SHAPE(IN, OUT), gradus_uniform(-1, 1));
    gradus_tensor b = gradus_param(g, "b", GRADUS_F32, GRADUS_SHAPE(OUT), gradus_zeros());
    gradus_tensor y = gradus_add(gradus_matmul(x, w), b);
    gradus_tensors of_y = gradus_gradients(y, GRADUS_TENSORS(w, b));

    /* The same by saying what is meant, and of a scalar target, the mean of y. */
    gradus_tensors of_sum = gradus_gradients(gradus_sum(y, GRADUS_ALL_AXES, false), GRADUS_TENSORS(w, b));
    gradus_tensors of_mean = gradus_gradients(gradus_mean(y, GRADUS_ALL_AXES, false), GRADUS_TENSORS(w, b));

    static const float data[ROWS * IN] = {1, 2, 3, 4, 5, 6};
    float dw[3][IN * OUT], db[3][OUT];
    compute(g, GRADUS_TENSORS(x), GRADUS_INPUTS(data),
            GRADUS_TENSORS(of_y.items[0], of_y.items[1], of_sum.items[0], of_sum.items[1], of_mean.items[0],
                           of_mean.items[1]),
            GRADUS_OUTPUTS(dw[0], db[0], dw[1], db[1], dw[2], db[2]));
    static const char *const names[] = {"y", "sum(y)", "mean(y)"};
    for (int i = 0; i < 3; i++) {
        printf("d %s / dw =", names[i]);
        for (int j = 0; j < IN * OUT; j++) printf(" %g", dw[i][j]);
        printf("\nd %s / db =", names[i]);
        for (int j = 0; j < OUT; j++) printf(" %g", db[i][j]);
        printf("\n");
    }
    gradus_graph_destroy(&g);
}
