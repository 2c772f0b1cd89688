/* SPDX-License-Identifier: Apache-2.0
 *
 * Fashion-MNIST: ten kinds of clothes, 784-128(relu)-10 with Adam in batches of 32.  Three times, since one run says
 * little.  The test images are looked at after each epoch, but nothing is chosen by what they say.  Draws how it learned,
 * the first test images with prediction and truth, and which kinds are taken for which.
 *
 * The data set is Debian's package dataset-fashion-mnist, or the folder fashion-mnist of the data directory.
 */
#include "example.h"

enum { RUNS = 3, CLASSES = 10, PIXELS = 784, SHOWN = 24 };

static const char *const names[CLASSES] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                           "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

static gradus_model *build(uint64_t seed) {
    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(PIXELS));
    gradus_model_add(m, gradus_layer_dense(.units = 128, .activation = GRADUS_RELU));
    gradus_model_add(m, gradus_layer_dense(.units = CLASSES, .activation = GRADUS_SOFTMAX));
    must(gradus_model_compile(m, .optimizer = gradus_adam(), .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY,
                              .metrics = GRADUS_ACCURACY, .seed = seed));
    return m;
}

/* --- pictures ------------------------------------------------------------------------------------------------------ */

static void draw_images(const settings *s, const float *images, const int32_t *truth, const float *probabilities) {
    char path[PATH];
    gradus_status status =
        gradus_plot_predictions(out_file(s, "15_fashion-images.svg", path),
                                gradus_predictions(.images = images, .dtype = GRADUS_F32, .rows = SHOWN, .height = 28,
                                                   .width = 28, .invert = true, .classes = CLASSES, .names = names,
                                                   .truth = truth, .probabilities = probabilities),
                                gradus_plot_options(.columns = 4));
    tell_drawn(status, path, "what the model says of the first test images");
}

static void draw_confusion(const settings *s, const int32_t *truth, const float *probabilities, int64_t rows) {
    char path[PATH];
    int64_t counts[CLASSES * CLASSES];
    int32_t *predicted = must_allocate((size_t)rows, sizeof *predicted);
    for (int64_t i = 0; i < rows; i++) predicted[i] = argmax(probabilities + i * CLASSES, CLASSES);
    must(gradus_confusion(truth, predicted, rows, CLASSES, counts));
    tell_drawn(gradus_plot_confusion(out_file(s, "15_fashion-confusion.svg", path), counts, CLASSES, names, NULL), path,
               "which kinds are taken for which");
    free(predicted);
}

static void draw(const settings *s, gradus_model *m, const gradus_data *test) {
    int64_t rows = gradus_data_rows(test);
    float *probabilities = must_allocate((size_t)rows, CLASSES * sizeof *probabilities);
    gradus_batches *all;
    gradus_batch b;
    must(gradus_model_predict(m, test, probabilities));
    must(gradus_batches_create(test, gradus_batch_options(.batch_size = rows, .no_shuffle = true), &all));
    gradus_batches_next(all, &b);
    draw_images(s, b.inputs.items[0].data, b.inputs.items[1].data, probabilities);
    draw_confusion(s, b.inputs.items[1].data, probabilities, rows);
    gradus_batches_destroy(&all);
    free(probabilities);
}

/* --- the runs ------------------------------------------------------------------------------------------------------ */

int main(int argc, char **argv) {
    settings s = parse(argc, argv, (settings){.seed = 1, .epochs = 5});
    gradus_data *train, *test;
    load_images(&s, "fashion-mnist", &train, &test);
    double losses = 0, accuracies = 0;
    for (uint64_t run = 0; run < RUNS; run++) {
        gradus_model *m = build(s.seed + run);
        gradus_history history = {0};
        must(gradus_model_fit(m, train, .epochs = s.epochs, .batch_size = 32, .validation_data = test,
                              .seed = s.seed + run, .verbose = 1, .history = &history));
        float loss, accuracy;
        must(gradus_model_evaluate(m, test, &loss, &accuracy));
        printf("run %llu: test loss %.4f, test accuracy %.4f\n", (unsigned long long)run + 1, (double)loss,
               (double)accuracy);
        losses += (double)loss, accuracies += (double)accuracy;
        if (!run) {
            draw_history(&s, "15_fashion.svg", &history);
            draw(&s, m, test);
        }
        gradus_history_free(&history);
        gradus_model_destroy(&m);
    }
    printf("mean test loss = %.4f\nmean test accuracy = %.4f\n", losses / RUNS, accuracies / RUNS);
    gradus_data_destroy(&train);
    gradus_data_destroy(&test);
}
