/* SPDX-License-Identifier: Apache-2.0
 *
 * Iris: a table of flowers as CSV, its columns standardised over all 150 rows, and a deeper network whose first layers are
 * normalised over the batch: 4-128-64-32-16-3, with SGD at a small rate in batches of 4.
 * Trained on 112 flowers and tested on the 38 others, ten times: with few data, the split and the first weights matter, so
 * that one run says little.  Prints the ten accuracies and their median.
 */
#include "example.h"

enum { RUNS = 10 };

static gradus_model *build(uint64_t seed) {
    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(4));
    const int64_t normalised[] = {128, 64, 32};
    for (size_t i = 0; i < 3; i++) {
        gradus_model_add(m, gradus_layer_dense(.units = normalised[i], .activation = GRADUS_RELU));
        gradus_model_add(m, gradus_layer_batch_norm());
    }
    gradus_model_add(m, gradus_layer_dense(.units = 16, .activation = GRADUS_RELU));
    gradus_model_add(m, gradus_layer_dense(.units = 3, .activation = GRADUS_SOFTMAX));
    must(gradus_model_compile(m, .optimizer = gradus_sgd(.learning_rate = 1e-3),
                              .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY, .metrics = GRADUS_ACCURACY,
                              .seed = seed));
    return m;
}

/* Split, first weights and the order of the rows depend on the seed. */
static double accuracy_of(const gradus_data *iris, uint64_t seed, const settings *s) {
    gradus_data *train, *test;
    must(gradus_data_split(iris, 112.0 / 150, seed, &train, &test));
    gradus_model *m = build(seed);
    must(gradus_model_fit(m, train, .epochs = s->epochs, .batch_size = 4, .seed = seed));
    float accuracy;
    must(gradus_model_evaluate(m, test, NULL, &accuracy));
    gradus_model_destroy(&m);
    gradus_data_destroy(&train);
    gradus_data_destroy(&test);
    return (double)accuracy;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    settings s = parse(argc, argv, (settings){.seed = 1, .epochs = 20});
    char path[PATH];
    gradus_data *iris;
    must(gradus_data_csv(data_file(&s, "iris/iris.csv", path),
                         gradus_csv_options(.header = true, .label = "species", .standardize = true), &iris));
    double accuracies[RUNS];
    for (uint64_t i = 0; i < RUNS; i++) accuracies[i] = accuracy_of(iris, s.seed + i, &s);
    show("test accuracies", accuracies, RUNS);
    qsort(accuracies, RUNS, sizeof *accuracies, by_size);
    printf("median = %.4f\n", (accuracies[RUNS / 2 - 1] + accuracies[RUNS / 2]) / 2);
    gradus_data_destroy(&iris);
}
