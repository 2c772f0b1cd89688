/* SPDX-License-Identifier: Apache-2.0
 * Features with mean 0 and variance 1.  See standardize.h. */
#include "runtime/data/standardize.h"

#include "runtime/support.h"

#include <math.h>
#include <string.h>

/* Two passes: the sum of the squares of the differences loses nothing where the mean is large. */
static void measure(const float *x, int64_t rows, int64_t columns, double *mean, double *deviation) {
    double sum = 0, squares = 0;
    float low = INFINITY, high = -INFINITY;
    int64_t n = 0;
    for (int64_t i = 0; i < rows; i++) {
        float v = x[i * columns];
        if (isnan(v)) continue;
        sum += (double)v;
        low = v < low ? v : low;
        high = v > high ? v : high;
        n++;
    }
    *deviation = 1;
    *mean = n ? (double)low : 0;
    if (!(low < high)) return; /* equal values: their sum may be rounded, so that they would not become 0 */
    *mean = sum / (double)n;
    for (int64_t i = 0; i < rows; i++) {
        double d = (double)x[i * columns] - *mean;
        if (!isnan(d)) squares += d * d;
    }
    *deviation = sqrt(squares / (double)n);
}

gradus_status standardize(const char *where, store *s, const store *like) {
    int64_t columns = s->columns[0].elements;
    float *x = (float *)(void *)s->columns[0].data;
    s->means = memory_reallocate(NULL, 2 * (size_t)columns * sizeof(double));
    if (!s->means) return fail_out_of_memory(where);
    s->deviations = s->means + columns;
    if (like) memcpy(s->means, like->means, 2 * (size_t)columns * sizeof(double));
    for (int64_t k = 0; k < columns; k++) {
        if (!like) measure(x + k, s->rows, columns, &s->means[k], &s->deviations[k]);
        for (int64_t i = k; i < s->rows * columns; i += columns)
            x[i] = isnan(x[i]) ? 0 : (float)(((double)x[i] - s->means[k]) / s->deviations[k]);
    }
    return GRADUS_OK;
}
