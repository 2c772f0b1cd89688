/* SPDX-License-Identifier: Apache-2.0
 * A picture while it is drawn: a cairo context that becomes an SVG or a PNG file.
 *
 *     canvas c;
 *     gradus_status status = canvas_open(&c, "plot_curves", path);
 *     if (status) return status;
 *     canvas_begin(&c, width, height);   // text can be measured before, to find the size
 *     … draw with c.cr …
 *     return canvas_close(&c);
 */
#ifndef GRADUS_RUNTIME_PLOT_CANVAS_H
#define GRADUS_RUNTIME_PLOT_CANVAS_H

#include "runtime/plot/bytes.h"
#include "runtime/support.h"

#include <cairo.h>
#include <gradus/plot.h>

/* What a PNG has more pixels than an SVG has units, along each side. */
enum { CANVAS_DENSITY = 2 };

/* A PNG of 16,000 pixels along a side takes a gigabyte of memory while it is drawn. */
enum { CANVAS_LIMIT = 8000 };

typedef struct {
    cairo_t *cr;
    const char *caller, *path; /* for messages; the caller's memory */
    double width, height;      /* in units: pixels of a screen of ordinary density */
    bool png;
    gradus_status status; /* the first failure; what is drawn after it is in vain, and harmless */
    cairo_surface_t *surface;
    byte_string svg; /* what the surface has given so far */
} canvas;

/* Makes a canvas that can measure text but has no paper yet.  GRADUS_ERROR_ARGUMENT where `path` is NULL or does not end
 * in .svg or .png.  Unless this fails, canvas_close is to be called. */
gradus_status canvas_open(canvas *c, const char *caller, const char *path);

/* The user's options, or defaults where they are NULL; the canvas fails where a size is out of range. */
gradus_plot_options canvas_options(canvas *c, const gradus_plot_options *options, int32_t width, int32_t height);

/* White paper of that size. */
void canvas_begin(canvas *c, double width, double height);

/* Memory, zeroed, that canvas_open's caller frees with memory_free; NULL after a failure, which the canvas then has. */
void *canvas_memory(canvas *c, size_t count, size_t size);

/* Writes the file where all went well, and frees everything. */
gradus_status canvas_close(canvas *c);

#endif
