/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model consists of: 784-50(sigmoid)-10 and the table of its layers.  A dense layer has a weight from each input to
 * each unit and a bias for each unit: 784 · 50 + 50 = 39,250 and 50 · 10 + 10 = 510.  Trained on MNIST with Adam in
 * batches of 32.
 */
#include "example.h"

int main(int argc, char **argv) {
    settings s = parse(argc, argv, (settings){.seed = 1, .epochs = 10});
    gradus_data *train, *test;
    load_images(&s, "mnist", &train, &test);

    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(784));
    gradus_model_add(m, gradus_layer_dense(.units = 50, .activation = GRADUS_SIGMOID));
    gradus_model_add(m, gradus_layer_dense(.units = 10, .activation = GRADUS_SOFTMAX));
    must(gradus_model_compile(m, .optimizer = gradus_adam(), .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY,
                              .metrics = GRADUS_ACCURACY, .seed = s.seed));
    must(gradus_model_summary(m, stdout));

    gradus_history history = {0};
    must(gradus_model_fit(m, train, .epochs = s.epochs, .batch_size = 32, .seed = s.seed, .verbose = 1,
                          .history = &history));
    draw_history(&s, "13_summary.svg", &history);

    float loss, accuracy;
    must(gradus_model_evaluate(m, test, &loss, &accuracy));
    printf("test loss = %.4f\ntest accuracy = %.4f\n", (double)loss, (double)accuracy);

    gradus_history_free(&history);
    gradus_model_destroy(&m);
    gradus_data_destroy(&train);
    gradus_data_destroy(&test);
}
