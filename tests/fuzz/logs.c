/* SPDX-License-Identifier: Apache-2.0
 *
 * The logs that a resumed fit goes on with.  The input's first byte is how many epochs are done, the rest is the log, taken
 * as JSON lines and as CSV.  What the fit keeps is a beginning of
 * what was there, and after it comes the epoch's own line. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>

static const char header[] = "epoch,loss,";
static gradus_model *model;
static gradus_data *data_set;

static void make_model(void) {
    static const float x[2][2] = {{0, 1}, {1, 0}}, y[2] = {0, 1};
    const gradus_data_array columns[] = {{x, GRADUS_F32, GRADUS_SHAPE(2, 2)}, {y, GRADUS_F32, GRADUS_SHAPE(2, 1)}};
    model = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(2));
    gradus_model_add(model, gradus_layer_dense(.units = 1));
    gradus_model_compile(model, .optimizer = gradus_sgd(), .loss = GRADUS_MEAN_SQUARED_ERROR);
    FUZZ_REQUIRE(gradus_data_arrays(columns, 2, &data_set) == GRADUS_OK, "%s", gradus_last_error());
}

/* `head` begins the line of the epoch that was trained now; what stands before was there, or is a new header. */
static void check_log(int place, const char *before, size_t size, const char *head) {
    char *after = fuzz_content(place);
    const size_t length = strlen(after);
    FUZZ_REQUIRE(length > 0 && after[length - 1] == '\n', "no end of line:\n%s", after);
    after[length - 1] = '\0';
    char *last = strrchr(after, '\n');
    last = last ? last + 1 : after;
    FUZZ_REQUIRE(strncmp(last, head, strlen(head)) == 0, "\"%s\" does not begin with \"%s\"", last, head);
    const size_t kept = (size_t)(last - after);
    const bool began = strncmp(after, header, strlen(header)) == 0 && strchr(after, '\n') == last - 1;
    FUZZ_REQUIRE(began || (kept <= size && memcmp(after, before, kept) == 0), "kept is what was not there:\n%s", after);
    free(after);
}

static void check_untouched(int place, const char *before, size_t size) {
    char *after = fuzz_content(place);
    FUZZ_REQUIRE(strlen(after) == size && memcmp(after, before, size) == 0, "changed by a fit that fails:\n%s", after);
    free(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || memchr(data, '\0', size)) return 0; /* a log with NUL is checked as what stands before it */
    if (!model) make_model();
    const char *log = (const char *)data + 1;
    const int done = 1 + data[0] % 16;
    char head[2][40];
    snprintf(head[0], sizeof head[0], "{\"epoch\":%d,\"loss\":", done + 1);
    snprintf(head[1], sizeof head[1], "%d,", done + 1);
    for (int csv = 0; csv < 2; csv++) {
        const char *path = fuzz_file(csv, log, size - 1);
        const gradus_status status = gradus_model_fit(model, data_set, .initial_epoch = done, .epochs = done + 1,
                                                      .log_jsonl = csv ? NULL : path, .log_csv = csv ? path : NULL);
        FUZZ_REQUIRE(status == GRADUS_OK || (csv && status == GRADUS_ERROR_MISMATCH), "%s", gradus_last_error());
        if (status == GRADUS_OK) check_log(csv, log, size - 1, head[csv]);
        else check_untouched(csv, log, size - 1);
    }
    return 0;
}
