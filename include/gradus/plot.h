/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures of data, training and models, as SVG or PNG files: the ending of the path says which.  An SVG is as large as
 * its pixels on a screen of ordinary density; a PNG has twice as many along each side, so that it is sharp on any.
 *
 * All can be read in grey too: what differs in colour differs in lightness, dash, marker or text as well.  Text is UTF-8;
 * a name that does not fit is shortened with an ellipsis, and a byte that is no UTF-8 is shown as U+FFFD.  Values that
 * are NaN or infinite leave gaps.  The same data give the same bytes on one machine; another may have other fonts.
 *
 * Errors of all: GRADUS_ERROR_ARGUMENT for NULL, an ending that is neither .svg nor .png, and sizes, counts or classes
 * out of range, which the message names; GRADUS_ERROR_IO where the file cannot be written, and for a library that was
 * built without cairo; GRADUS_ERROR_MEMORY.  A file is written whole or not at all.  Thread-safe.
 */
#ifndef GRADUS_PLOT_H
#define GRADUS_PLOT_H

#include <gradus/common.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    GRADUS_PLOT_SERIES = 8,   /* the most curves in a picture */
    GRADUS_PLOT_IMAGES = 400, /* the most images */
};

/* What a picture is called and how large it is; zero or NULL means the default, and so does NULL for all of it. */
typedef struct {
    size_t size_;
    const char *title;             /* none */
    const char *x_label, *y_label; /* none; of a confusion matrix "predicted" and "true" */
    int32_t width, height;         /* of a chart with axes: 760 x 460; of other pictures their content decides */
    int32_t columns;               /* of images side by side: about as many as make a square picture */
    int32_t cell;                  /* the longer side of an image: about 112 */
    uint64_t reserved_[4];         /* zero */
} gradus_plot_options;
#define gradus_plot_options(...) GRADUS_OPTIONS_(gradus_plot_options, __VA_ARGS__)

/* --- curves ------------------------------------------------------------------------------------------------------ */

/* One curve.  Points whose x or y is not finite, or beyond 1e300, leave a gap. */
typedef struct {
    const char *name; /* UTF-8; NULL for none */
    const double *x;  /* NULL: 1, 2, 3, … */
    const double *y;
    size_t count;
} gradus_series;

/* Draws up to GRADUS_PLOT_SERIES curves over common axes: what changes over time, or functions of x.  Up to 40 points of
 * a curve are marked.  A series without points appears in the legend only. */
GRADUS_API gradus_status gradus_plot_lines(const char *path, const gradus_series *series, size_t count,
                                           const gradus_plot_options *options);

/* The same with a title and a label for x, each of which may be NULL. */
GRADUS_API gradus_status gradus_plot_curves(const char *path, const char *title, const char *x_label,
                                            const gradus_series *series, size_t count);

/* --- images ------------------------------------------------------------------------------------------------------ */

/* Images, what they are and what a model says of them.  The memory stays the caller's. */
typedef struct {
    size_t size_;
    const void *images;          /* (rows, height, width) or (rows, height, width, 3), contiguous */
    gradus_dtype dtype;          /* of the images: U8, 0 to 255, or F32, 0 to 1; beyond that they are clipped */
    int64_t rows, height, width; /* 1 to GRADUS_PLOT_IMAGES rows */
    int64_t channels;            /* 1 (grey) or 3 (red, green, blue); 0 means 1 */
    bool invert;                 /* 0 is white: for images stored as ink, as those of MNIST */
    int64_t classes;             /* how many; labels are 0 to classes-1 */
    const char *const *names;    /* (classes), UTF-8; NULL, or NULL for one of them: its number */
    const int32_t *truth;        /* (rows); NULL: not known */
    const int32_t *predicted;    /* (rows); NULL: the most probable class, or nothing */
    const float *probabilities;  /* (rows, classes), 0 to 1; NULL: no bars */
    uint64_t reserved_[4];       /* zero */
} gradus_predictions;
#define gradus_predictions(...) GRADUS_OPTIONS_(gradus_predictions, __VA_ARGS__)

/* Draws the images in their order, each over its predicted class, with the probability where there are some, and its true
 * one.  A wrong prediction has a thick frame, a cross and a bold name.  Probabilities are drawn as bars beside the image:
 * the five largest, and the true class's in any case, whose name is bold.  With `truth` alone the caption is that. */
GRADUS_API gradus_status gradus_plot_predictions(const char *path, const gradus_predictions *predictions,
                                                 const gradus_plot_options *options);

#ifdef __cplusplus
}
#endif
#endif
