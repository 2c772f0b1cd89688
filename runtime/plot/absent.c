/* SPDX-License-Identifier: Apache-2.0
 * What a library that was built without cairo has instead of pictures: an error that says so. */
#include "runtime/support.h"
#include "runtime/world.h"

#include <gradus/plot.h>

static gradus_status absent(const char *caller, const char *path) {
    return fail(GRADUS_ERROR_IO, "%s: %s was not drawn: this build of Gradus is without cairo", caller,
                path ? path : "nothing");
}

gradus_status gradus_plot_lines(const char *path, const gradus_series *series, size_t count,
                                const gradus_plot_options *options) {
    ENTER;
    (void)series, (void)count, (void)options;
    return absent("plot_lines", path);
}

gradus_status gradus_plot_curves(const char *path, const char *title, const char *x_label, const gradus_series *series,
                                 size_t count) {
    ENTER;
    (void)title, (void)x_label, (void)series, (void)count;
    return absent("plot_curves", path);
}

gradus_status gradus_plot_predictions(const char *path, const gradus_predictions *predictions,
                                      const gradus_plot_options *options) {
    ENTER;
    (void)predictions, (void)options;
    return absent("plot_predictions", path);
}

gradus_status gradus_plot_weights(const char *path, const float *kernel, int64_t height, int64_t width, int64_t units,
                                  const char *const *names, const gradus_plot_options *options) {
    ENTER;
    (void)kernel, (void)height, (void)width, (void)units, (void)names, (void)options;
    return absent("plot_weights", path);
}

gradus_status gradus_plot_confusion(const char *path, const int64_t *counts, int64_t classes, const char *const *names,
                                    const gradus_plot_options *options) {
    ENTER;
    (void)counts, (void)classes, (void)names, (void)options;
    return absent("plot_confusion", path);
}

gradus_status gradus_plot_boundary(const char *path, const gradus_boundary *boundary,
                                   const gradus_plot_options *options) {
    ENTER;
    (void)boundary, (void)options;
    return absent("plot_boundary", path);
}

gradus_status gradus_plot_histogram(const char *path, const float *values, size_t count,
                                    const gradus_plot_options *options) {
    ENTER;
    (void)values, (void)count, (void)options;
    return absent("plot_histogram", path);
}
