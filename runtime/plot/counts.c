/* SPDX-License-Identifier: Apache-2.0
 * The arrays behind pictures, which need no cairo: a confusion matrix, the points of a grid. */
#include "runtime/plot/boundary.h"

#include "runtime/options.h"
#include "runtime/world.h"

#include <math.h>

gradus_status gradus_confusion(const int32_t *truth, const int32_t *predicted, int64_t rows, int64_t classes,
                               int64_t *counts) {
    ENTER;
    static const char where[] = "confusion";
    if (!truth || !predicted || !counts) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: %s is NULL", where,
                    !truth       ? "truth"
                    : !predicted ? "predicted"
                                 : "counts");
    }
    if (rows < 0 || classes < 1 || classes > GRADUS_PLOT_CLASSES) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: %lld rows of %lld classes; there must be 0 or more of 1 to %d", where,
                    (long long)rows, (long long)classes, GRADUS_PLOT_CLASSES);
    }
    for (int64_t row = 0; row < rows; row++) {
        const bool right = truth[row] >= 0 && truth[row] < classes;
        if (right && predicted[row] >= 0 && predicted[row] < classes) continue;
        return fail(GRADUS_ERROR_ARGUMENT, "%s: %s[%lld] is %d; with %lld classes it must be 0 to %lld", where,
                    right ? "predicted" : "truth", (long long)row, (int)(right ? predicted : truth)[row],
                    (long long)classes, (long long)classes - 1);
    }
    for (int64_t i = 0; i < classes * classes; i++) counts[i] = 0;
    for (int64_t row = 0; row < rows; row++) counts[truth[row] * classes + predicted[row]]++;
    return GRADUS_OK;
}

gradus_status boundary_check(const char *caller, const gradus_boundary *b) {
    enum { MOST = 2000 };
    if (b->columns < 2 || b->rows < 2 || b->columns > MOST || b->rows > MOST) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: a grid of .columns %lld and .rows %lld; each must be 2 to %d", caller,
                    (long long)b->columns, (long long)b->rows, MOST);
    }
    const double bounds[] = {b->x_low, b->x_high, b->y_low, b->y_high};
    bool finite = true;
    for (int i = 0; i < 4; i++) finite = finite && fabs(bounds[i]) <= 1e30;
    if (finite && b->x_high > b->x_low && b->y_high > b->y_low) return GRADUS_OK;
    return fail(GRADUS_ERROR_ARGUMENT,
                "%s: x from %g to %g and y from %g to %g: .x_high must be above .x_low, .y_high above .y_low, "
                "and all within 1e30",
                caller, b->x_low, b->x_high, b->y_low, b->y_high);
}

gradus_status gradus_boundary_inputs(const gradus_boundary *boundary, float *inputs) {
    ENTER;
    gradus_boundary b;
    if (!options_read("boundary_inputs", OPTIONS_TYPE(gradus_boundary), &b, boundary)) return GRADUS_ERROR_ARGUMENT;
    if (!inputs) return fail(GRADUS_ERROR_ARGUMENT, "boundary_inputs: inputs is NULL");
    gradus_status status = boundary_check("boundary_inputs", &b);
    if (status) return status;
    for (int64_t row = 0; row < b.rows; row++) {
        for (int64_t column = 0; column < b.columns; column++, inputs += 2) {
            inputs[0] = (float)(b.x_low + (b.x_high - b.x_low) * (double)column / (double)(b.columns - 1));
            inputs[1] = (float)(b.y_low + (b.y_high - b.y_low) * (double)row / (double)(b.rows - 1));
        }
    }
    return GRADUS_OK;
}
