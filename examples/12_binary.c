/* SPDX-License-Identifier: Apache-2.0
 *
 * Two classes and one output: is a digit a 7 or a 1?  The model is a single linear unit, fitted to targets 0 and 1 by their
 * mean squared error with RMSprop at a small rate; an output above 1/2 counts as 1, which is the binary accuracy.
 */
#include "example.h"

enum { PIXELS = 784, ZERO = 1, ONE = 7 };

/* The rows of two digits, with targets 0 and 1. */
static gradus_data *two_digits(gradus_data *all) {
    int64_t rows = gradus_data_rows(all), count = 0;
    float *images = must_allocate((size_t)rows, PIXELS * sizeof *images);
    float *targets = must_allocate((size_t)rows, sizeof *targets);
    gradus_batches *batches;
    gradus_batch b;
    must(gradus_batches_create(all, gradus_batch_options(.no_shuffle = true), &batches));
    while (gradus_batches_next(batches, &b)) {
        const float *x = b.inputs.items[0].data;
        const int32_t *digits = b.inputs.items[1].data;
        for (int64_t i = 0; i < b.size; i++) {
            if (digits[i] != ZERO && digits[i] != ONE) continue;
            memcpy(images + count * PIXELS, x + i * PIXELS, PIXELS * sizeof *images);
            targets[count++] = digits[i] == ONE;
        }
    }
    gradus_data *some;
    const gradus_data_array arrays[] = {{images, GRADUS_F32, GRADUS_SHAPE(count, PIXELS)},
                                        {targets, GRADUS_F32, GRADUS_SHAPE(count, 1)}};
    must(gradus_data_arrays(arrays, 2, &some));
    gradus_batches_destroy(&batches);
    gradus_data_destroy(&all);
    free(images), free(targets);
    return some;
}

int main(int argc, char **argv) {
    settings s = parse(argc, argv, (settings){.seed = 1, .epochs = 10});
    gradus_data *train, *test;
    load_images(&s, "mnist", &train, &test);
    train = two_digits(train), test = two_digits(test);

    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(PIXELS));
    gradus_model_add(m, gradus_layer_dense(.units = 1));
    must(gradus_model_compile(m, .optimizer = gradus_rmsprop(.learning_rate = 1e-4), .loss = GRADUS_MEAN_SQUARED_ERROR,
                              .metrics = GRADUS_BINARY_ACCURACY, .seed = s.seed));

    must(gradus_model_fit(m, train, .epochs = s.epochs, .validation_data = test, .seed = s.seed, .verbose = 1));
    float loss, accuracy;
    must(gradus_model_evaluate(m, test, &loss, &accuracy));
    printf("mean squared error = %.4f\nbinary accuracy = %.4f\n", (double)loss, (double)accuracy);

    gradus_model_destroy(&m);
    gradus_data_destroy(&train);
    gradus_data_destroy(&test);
}
