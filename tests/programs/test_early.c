/* SPDX-License-Identifier: Apache-2.0
 * A user's early stopping with the best checkpoint, on the first of the MNIST images. */
#include "program.h"

#include "15_early.c"

#include <stdio.h>
#include <unistd.h>

static gradus_data *first_rows(const char *images, const char *classes, int64_t rows) {
    gradus_data *all = NULL, *part = NULL;
    OK(gradus_data_idx(images, classes, NULL, &all));
    OK(gradus_data_slice(all, 0, rows, &part));
    gradus_data_destroy(&all);
    return part;
}

static void it_stops_early_and_knows_digits(void **state) {
    (void)state;
    gradus_data *train =
        first_rows(MNIST_DIR "/train-images-idx3-ubyte.gz", MNIST_DIR "/train-labels-idx1-ubyte.gz", 2000);
    gradus_data *test = first_rows(MNIST_DIR "/t10k-images-idx3-ubyte.gz", MNIST_DIR "/t10k-labels-idx1-ubyte.gz", 1000);
    float loss = 0, accuracy = 0;
    const gradus_status status = run(train, test, &loss, &accuracy);
    gradus_data_destroy(&train);
    gradus_data_destroy(&test);
    if (status == GRADUS_ERROR_IO && strstr(gradus_last_error(), "jansson")) skip();
    OK(status);
    assert_int_equal(access("best.safetensors", R_OK), 0);
    unlink("best.safetensors");
    assert_true(accuracy > 0.85f && loss < 0.6f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_stops_early_and_knows_digits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
