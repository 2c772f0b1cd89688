/* SPDX-License-Identifier: Apache-2.0
 *
 * What is to blame for a loss that is not finite: the data, the state that the fit began with, or else the learning rate.
 */
#include "model/fit.h"

#include <math.h>

/* The first element that is NaN or infinite, -1 where there is none; integers are finite. */
static int64_t not_finite(gradus_dtype dtype, const void *data, int64_t count, double *value) {
    if (dtype != GRADUS_F32 && dtype != GRADUS_F64) return -1;
    for (int64_t i = 0; i < count; i++) {
        *value = dtype == GRADUS_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
        if (!isfinite(*value)) return i;
    }
    return -1;
}

static int64_t elements(const gradus_shape *shape, int64_t first_axis) {
    int64_t count = 1;
    for (int64_t i = first_axis; i <= shape->d[0]; i++) count *= shape->d[i];
    return count;
}

const char *state_not_finite(gradus_program *program) {
    void *state;
    size_t bytes;
    gradus_info info;
    double value;
    if (gradus_program_state(program, &state, &bytes)) return NULL;
    for (size_t i = 0; !gradus_program_info(program, NULL, GRADUS_STATE, i, 0, &info); i++)
        if (not_finite(info.dtype, (char *)state + info.offset, elements(&info.shape, 1), &value) >= 0) return info.name;
    return NULL;
}

/* "row 7 (from 0) of the inputs has nan, at element 3": the first such row of the data, where this batch has one. */
static bool blame_data(const fit *f, const gradus_batch *batch, size_t tensor, char *to, size_t room) {
    const gradus_batch_options in_order = {.size_ = sizeof in_order, .no_shuffle = true};
    gradus_info info;
    gradus_batches *batches;
    gradus_batch b;
    double value;
    int64_t row = 0, at = -1;
    if (gradus_data_info(f->data, tensor, &info)) return false;
    const int64_t each = elements(&info.shape, 2);
    if (not_finite(info.dtype, batch->inputs.items[tensor].data, batch->size * each, &value) < 0) return false;
    if (gradus_batches_create(f->data, &in_order, &batches)) return false;
    while (at < 0 && gradus_batches_next(batches, &b)) {
        at = not_finite(info.dtype, b.inputs.items[tensor].data, b.size * each, &value);
        row += at < 0 ? b.size : at / each;
    }
    gradus_batches_destroy(&batches);
    snprintf(to, room, "row %lld (from 0) of the %s has %g, at element %lld", (long long)row,
             tensor ? "labels" : "inputs", value, (long long)(at % each));
    return true;
}

gradus_status blame(const fit *f, const gradus_batch *b, double loss) {
    char why[256], rate[128] = "";
    if (isnan(loss)) loss = NAN; /* without its sign, which says nothing */
    log_line(1, "epoch %lld, batch %lld: the loss is %g", (long long)f->now.epoch, (long long)f->now.batch, loss);
    if (!blame_data(f, b, 0, why, sizeof why) && !blame_data(f, b, 1, why, sizeof why)) {
        if (f->spoiled) {
            snprintf(why, sizeof why, "\"%s\" was not finite before this fit; begin with gradus_program_init or gradus_load",
                     f->spoiled);
        } else {
            if (f->model->rate) snprintf(rate, sizeof rate, " (%s is %g)", f->model->rate, f->now.learning_rate);
            snprintf(why, sizeof why, "try a smaller learning rate%s, clip the gradients, or scale the inputs", rate);
        }
    }
    return fail(GRADUS_ERROR_NAN, "gradus_model_fit: epoch %lld, batch %lld of %lld: the loss is %g; %s",
                (long long)f->now.epoch, (long long)f->now.batch, (long long)f->now.batches, loss, why);
}
