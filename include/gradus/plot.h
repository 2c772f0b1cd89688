/* SPDX-License-Identifier: Apache-2.0
 *
 * Curves as SVG files: losses, accuracies and what else changes over time.
 *
 * Every series has a colour, a dash pattern and a marker of its own, so that the picture can be read in grey too.  The
 * same series give the same bytes on one machine; another machine may have other fonts.  Needs a library that was built
 * with cairo.
 */
#ifndef GRADUS_PLOT_H
#define GRADUS_PLOT_H

#include <gradus/common.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { GRADUS_PLOT_SERIES = 8 };

/* One curve.  Points whose x or y is not finite leave a gap. */
typedef struct {
    const char *name; /* UTF-8; NULL for none */
    const double *x;  /* NULL: 1, 2, 3, … */
    const double *y;
    size_t count;
} gradus_series;

/* Draws up to GRADUS_PLOT_SERIES curves over common axes into an SVG file, which is replaced.  `title` and `x_label` may
 * be NULL; a series without points appears in the legend only.
 * GRADUS_ERROR_ARGUMENT for no or too many series; GRADUS_ERROR_IO where the file cannot be written, and for a library
 * that was built without cairo.  Thread-safe. */
GRADUS_API gradus_status gradus_plot_curves(const char *path, const char *title, const char *x_label,
                                            const gradus_series *series, size_t count);

#ifdef __cplusplus
}
#endif
#endif
