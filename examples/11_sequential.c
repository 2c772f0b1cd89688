/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras' first program: layers on top of each other, compile, fit, predict, evaluate.  784-512(relu)-10(softmax) on MNIST
 * with RMSprop, in batches of 128.
 */
#include "example.h"

enum { CLASSES = 10, SHOWN = 10 };

/* The first test images: a row of probabilities each, of which the largest is the model's answer. */
static void show_predictions(gradus_model *m, const gradus_data *test) {
    gradus_data *some;
    gradus_batches *batches;
    gradus_batch b;
    float p[SHOWN][CLASSES];
    must(gradus_data_slice(test, 0, SHOWN, &some));
    must(gradus_model_predict(m, some, p));

    must(gradus_batches_create(some, gradus_batch_options(.batch_size = SHOWN, .no_shuffle = true), &batches));
    gradus_batches_next(batches, &b);
    const int32_t *labels = b.inputs.items[1].data;
    int right = 0;
    for (int i = 0; i < SHOWN; i++) {
        int digit = argmax(p[i], CLASSES);
        printf("image %d: %d with probability %.4f, is a %d\n", i, digit, (double)p[i][digit], labels[i]);
        right += digit == labels[i];
    }
    printf("right of the first %d = %d\n", SHOWN, right);
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&some);
}

int main(int argc, char **argv) {
    settings s = parse(argc, argv, (settings){.seed = 1, .epochs = 5});
    gradus_data *train, *test;
    load_images(&s, "mnist", &train, &test);

    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(784));
    gradus_model_add(m, gradus_layer_dense(.units = 512, .activation = GRADUS_RELU));
    gradus_model_add(m, gradus_layer_dense(.units = CLASSES, .activation = GRADUS_SOFTMAX));
    must(gradus_model_compile(m, .optimizer = gradus_rmsprop(), .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY,
                              .metrics = GRADUS_ACCURACY, .seed = s.seed));

    gradus_history history = {0};
    must(gradus_model_fit(m, train, .epochs = s.epochs, .batch_size = 128, .seed = s.seed, .verbose = 1,
                          .history = &history));
    draw_history(&s, "11_sequential.svg", &history);

    show_predictions(m, test);
    float loss, accuracy;
    must(gradus_model_evaluate(m, test, &loss, &accuracy));
    printf("test loss = %.4f\ntest accuracy = %.4f\n", (double)loss, (double)accuracy);

    gradus_history_free(&history);
    gradus_model_destroy(&m);
    gradus_data_destroy(&train);
    gradus_data_destroy(&test);
}
