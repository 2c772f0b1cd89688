/* SPDX-License-Identifier: Apache-2.0
 * gradus_plot_histogram: how many values lie where. */
#include "runtime/plot/chart.h"
#include "runtime/plot/look.h"
#include "runtime/world.h"

#include <math.h>

enum { FEWEST = 8, MOST = 60 };

/* D. W. Scott, On optimal and data-based histograms, Biometrika 66 (1979): bars 3.49 s / n^(1/3) wide. */
static int bars_for(const float *values, size_t count, const range *r) {
    double n = 0, mean = 0, squares = 0;
    for (size_t i = 0; i < count; i++) { /* Welford's way */
        if (!isfinite(values[i])) continue;
        double apart = (double)values[i] - mean;
        mean += apart / ++n;
        squares += apart * ((double)values[i] - mean);
    }
    double width = n > 1 ? 3.49 * sqrt(squares / n) / cbrt(n) : 0;
    return width > 0 ? (int)fmin(fmax((r->high - r->low) / width, FEWEST), MOST) : FEWEST;
}

static void draw(canvas *c, const float *values, size_t count, const gradus_plot_options *options) {
    range x = EMPTY_RANGE, y = {0, 1, true};
    for (size_t i = 0; i < count; i++) stretch(&x, (double)values[i]);
    if (x.low > x.high) x = (range){0, 1, false};
    int wanted = options->columns ? options->columns : bars_for(values, count, &x);
    const axis bars = axis_over(x.low, x.high, wanted + 1, x.whole, false);
    size_t n = (size_t)bars.ticks; /* one bar more than between ticks, for whole numbers and for rounding */
    double *heights = canvas_memory(c, n, sizeof *heights);
    if (!heights) return;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) continue;
        double place = floor(((double)values[i] - bars.first) / bars.step + 1e-9);
        heights[(size_t)fmin(fmax(place, 0), (double)n - 1)]++;
    }
    if (!x.whole && heights[n - 1] > 0 && n > 1) { /* the largest value lies on the last edge, and belongs below it */
        heights[n - 2] += heights[n - 1];
        heights[n - 1] = 0;
    }
    for (size_t i = 0; i < n; i++) stretch(&y, heights[i]);
    double shift = x.whole ? -bars.step / 2 : 0; /* a bar of whole numbers stands around its tick */
    x = (range){bars.low + shift, x.whole ? bars.high - shift : bars.high, x.whole};
    chart p = chart_begin(c, options, x, y, false);
    chart_axes(&p, options);
    use_colour(c, mix(look_colour(0), (colour){1, 1, 1}, 0.25));
    for (size_t i = 0; i < n; i++) {
        double from = chart_x(&p, axis_tick(&bars, (int)i) + shift),
               to = chart_x(&p, axis_tick(&bars, (int)i + 1) + shift);
        double gap = to - from > 4 ? 1 : 0, top = chart_y(&p, heights[i]);
        if (heights[i] > 0)
            cairo_rectangle(c->cr, from + gap, fmin(top, p.bottom - 1), to - from - gap, fmax(p.bottom - top, 1));
    }
    cairo_fill(c->cr);
    memory_free(heights);
}

gradus_status gradus_plot_histogram(const char *path, const float *values, size_t count,
                                    const gradus_plot_options *options) {
    ENTER;
    canvas c;
    if (!values || !count) return fail(GRADUS_ERROR_ARGUMENT, "plot_histogram: there are no values");
    gradus_status status = canvas_open(&c, "plot_histogram", path);
    if (status) return status;
    const gradus_plot_options o = canvas_options(&c, options, 760, 460);
    if (!c.status) draw(&c, values, count, &o);
    return canvas_close(&c);
}
