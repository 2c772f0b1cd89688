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
    GRADUS_PLOT_SERIES = 8,     /* the most curves in a picture */
    GRADUS_PLOT_IMAGES = 400,   /* the most images */
    GRADUS_PLOT_CLASSES = 1000, /* the most classes of a confusion matrix */
};

/* What a picture is called and how large it is; zero or NULL means the default, and so does NULL for all of it. */
typedef struct {
    size_t size_;
    const char *title;             /* none */
    const char *x_label, *y_label; /* none; of a confusion matrix "predicted" and "true" */
    int32_t width, height;         /* of a chart with axes: 760 x 460; of other pictures their content decides */
    int32_t columns;       /* of images side by side: about as many as make a square picture; bars of a histogram */
    int32_t cell;          /* the longer side of an image, about 112 or 84; a matrix' cell: at most 56 */
    uint64_t reserved_[4]; /* zero */
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

/* Draws the units of a layer as pictures on one scale, from minus the largest weight, blue, over 0, white, to the largest,
 * orange; its legend is below.  In grey the distance from 0 is what one sees: only the most negative weights are darker
 * than the positive ones can be.  `kernel` is (height*width, units), as a dense layer's over flat images; 1 to
 * GRADUS_PLOT_IMAGES units.  `names` (units) may be NULL, as may be each of them: the unit's number.  Weights that are not
 * finite are a checkerboard. */
GRADUS_API gradus_status gradus_plot_weights(const char *path, const float *kernel, int64_t height, int64_t width,
                                             int64_t units, const char *const *names,
                                             const gradus_plot_options *options);

/* --- classes ----------------------------------------------------------------------------------------------------- */

/* Counts how often each class was taken for each: counts[t * classes + p] rows are t and were predicted p.  `counts` is
 * (classes, classes) and is overwritten, unless this fails: GRADUS_ERROR_ARGUMENT for a label that is no class.  Needs no
 * cairo. */
GRADUS_API gradus_status gradus_confusion(const int32_t *truth, const int32_t *predicted, int64_t rows, int64_t classes,
                                          int64_t *counts);

/* Draws such counts: each cell as dark as its share of its true class, with both written into it as far as there is room;
 * none is blank.  1 to GRADUS_PLOT_CLASSES classes; `names` (classes) may be NULL, as may be each of them. */
GRADUS_API gradus_status gradus_plot_confusion(const char *path, const int64_t *counts, int64_t classes,
                                               const char *const *names, const gradus_plot_options *options);

/* What a model says over a box of the plane, on a grid whose first and last points lie on the box' edges, and points to
 * draw over it. */
typedef struct {
    size_t size_;
    double x_low, x_high, y_low, y_high;
    int64_t columns, rows;      /* 2 to 2000 of each; 100 x 100 is plenty */
    int64_t classes;            /* 1 to GRADUS_PLOT_SERIES; 1: of two classes, the probability of the second */
    const float *probabilities; /* (rows, columns, classes), 0 to 1; row 0 is at y_low, column 0 at x_low */
    int64_t count;              /* of points; 0 for none */
    const float *points;        /* (count, 2): x and y; those outside the box are left out */
    const int32_t *labels;      /* (count): 0 to classes-1, or 0 and 1 */
    const char *const *names;   /* (classes), or 2; NULL, or NULL for one of them: its number */
    uint64_t reserved_[4];      /* zero */
} gradus_boundary;
#define gradus_boundary(...) GRADUS_OPTIONS_(gradus_boundary, __VA_ARGS__)

/* Fills `inputs`, (rows * columns, 2), with the grid's points in the order in which `probabilities` wants the answers.
 * Reads the box, columns and rows alone.  Needs no cairo. */
GRADUS_API gradus_status gradus_boundary_inputs(const gradus_boundary *boundary, float *inputs);

/* Draws which class is the most probable where, paler where it is less so, lines between them, and the points, each class
 * with a marker of its own. */
GRADUS_API gradus_status gradus_plot_boundary(const char *path, const gradus_boundary *boundary,
                                              const gradus_plot_options *options);

/* --- distributions ----------------------------------------------------------------------------------------------- */

/* Draws how many values lie where, as bars between round numbers; options->columns says about how many.  Values that are
 * not finite are left out. */
GRADUS_API gradus_status gradus_plot_histogram(const char *path, const float *values, size_t count,
                                               const gradus_plot_options *options);

#ifdef __cplusplus
}
#endif
#endif
