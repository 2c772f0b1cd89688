/* SPDX-License-Identifier: Apache-2.0
 * usage: write_graph PATH    writes the graph file that 12_embed.py reads. */
#include <gradus/gradus.h>

int main(int argc, char **argv) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 8));
    gradus_tensor y = gradus_input(g, "y", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH));
    gradus_tensor z = gradus_dense(x, .units = 3, .name = "fc");
    gradus_tensor loss = gradus_named(gradus_mean(gradus_softmax_cross_entropy(z, y), GRADUS_ALL_AXES, false), "loss");
    gradus_define_with(g, "train", GRADUS_TENSORS(x, y), GRADUS_TENSORS(loss),
                       gradus_minimize(loss, gradus_adam(.learning_rate = 0.05)), .max_batch = 32);
    gradus_define_with(g, "predict", GRADUS_TENSORS(x), GRADUS_TENSORS(gradus_softmax(z, -1)), GRADUS_NO_UPDATES, .max_batch = 32);
    gradus_status status = argc == 2 ? gradus_graph_write(g, argv[1]) : GRADUS_ERROR_ARGUMENT;
    if (status) fprintf(stderr, "%s\n", gradus_last_error());
    gradus_graph_destroy(&g);
    return status != GRADUS_OK;
}
