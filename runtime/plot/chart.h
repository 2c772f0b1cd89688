/* SPDX-License-Identifier: Apache-2.0
 * A plotting area with axes, inside a picture:
 *
 *     title
 *     legend
 *   y ┌────────────┐
 *     │            │ room for labels
 *     └────────────┘
 *           x
 */
#ifndef GRADUS_RUNTIME_PLOT_CHART_H
#define GRADUS_RUNTIME_PLOT_CHART_H

#include "runtime/plot/axis.h"
#include "runtime/plot/canvas.h"

#include <gradus/plot.h>

typedef struct {
    double low, high;
    bool whole; /* all are integers */
} range;

#define EMPTY_RANGE ((range){INFINITY, -INFINITY, true})

/* What a chart can show: finite, and so that differences are finite too. */
bool is_drawable(double value);
void stretch(range *r, double value);

typedef struct {
    canvas *canvas;
    range x_range;
    axis x, y;
    double left, top, right, bottom; /* of the plotting area */
} chart;

/* Paper of options->width x height, with the title and room for ticks and labels.  The caller may then move `top` and
 * `right`, and calls chart_axes.  `tight`: the y axis ends where the data ends. */
chart chart_begin(canvas *c, const gradus_plot_options *options, range x, range y, bool tight);
void chart_axes(chart *p, const gradus_plot_options *options);

double chart_x(const chart *p, double x);
double chart_y(const chart *p, double y);

/* A legend in lines from p->left to the picture's right end, below p->top, which moves down to make room; entries
 * without a name are left out, and those that would leave the chart no height.  `swatch` draws entry i's sample, `sample`
 * wide, around height y; it gets the `user` of the call. */
typedef void (*swatch_fn)(const void *user, size_t i, double x, double y);
void chart_legend(chart *p, const char *const *names, size_t count, swatch_fn swatch, const void *user, double sample);

#endif
