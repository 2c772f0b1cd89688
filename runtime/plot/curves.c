/* SPDX-License-Identifier: Apache-2.0
 * gradus_plot_curves and gradus_plot_lines: curves over common axes, with a legend and a label at each curve's end. */
#include "runtime/plot/chart.h"
#include "runtime/plot/label.h"
#include "runtime/plot/look.h"
#include "runtime/world.h"

#include <math.h>

enum { SWATCH = 36, NAME_HEIGHT = 17, MARKS = 40 };

typedef struct {
    chart chart;
    const gradus_series *series;
    size_t count;
} picture;

static double x_of(const gradus_series *s, size_t i) { return s->x ? s->x[i] : (double)(i + 1); }

static bool is_shown(const gradus_series *s, size_t i) { return is_drawable(x_of(s, i)) && is_drawable(s->y[i]); }

static void find_ranges(const gradus_series *series, size_t count, range *x, range *y) {
    *x = *y = EMPTY_RANGE;
    for (size_t s = 0; s < count; s++) {
        for (size_t i = 0; i < series[s].count; i++) {
            if (!is_shown(&series[s], i)) continue;
            stretch(x, x_of(&series[s], i));
            stretch(y, series[s].y[i]);
        }
    }
}

/* A point with no neighbour to draw a line to needs a mark to be seen. */
static bool is_alone(const gradus_series *s, size_t i) {
    return !(i > 0 && is_shown(s, i - 1)) && !(i + 1 < s->count && is_shown(s, i + 1));
}

static void draw_curve(const picture *p, size_t index) {
    const gradus_series *s = &p->series[index];
    cairo_t *cr = p->chart.canvas->cr;
    bool pen_down = false;
    use_look(p->chart.canvas, index, true);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    for (size_t i = 0; i < s->count; i++) {
        if (is_shown(s, i)) {
            double x = chart_x(&p->chart, x_of(s, i)), y = chart_y(&p->chart, s->y[i]);
            if (pen_down) cairo_line_to(cr, x, y);
            else cairo_move_to(cr, x, y);
        }
        pen_down = is_shown(s, i);
    }
    cairo_stroke(cr);
    use_look(p->chart.canvas, index, false);
    for (size_t i = 0; i < s->count; i++) {
        if (!is_shown(s, i) || (s->count > MARKS && !is_alone(s, i))) continue; /* many marks would hide the line */
        trace_mark(p->chart.canvas, index, chart_x(&p->chart, x_of(s, i)), chart_y(&p->chart, s->y[i]), 4);
        cairo_fill(cr);
    }
}

static void draw_swatch(const void *user, size_t i, double x, double y) {
    const picture *p = user;
    canvas *c = p->chart.canvas;
    use_look(c, i, true);
    cairo_move_to(c->cr, x, y);
    cairo_line_to(c->cr, x + SWATCH, y);
    cairo_stroke(c->cr);
    use_look(c, i, false);
    if (p->series[i].count > MARKS) return; /* as the curve */
    trace_mark(c, i, x + SWATCH / 2.0, y, 4);
    cairo_fill(c->cr);
}

/* The curves' names at their ends, from the top down, moved apart where they would overlap. */
static void draw_end_names(const picture *p) {
    canvas *c = p->chart.canvas;
    size_t order[GRADUS_PLOT_SERIES], n = 0;
    double at[GRADUS_PLOT_SERIES];
    for (size_t s = 0; s < p->count; s++) {
        size_t last = p->series[s].count;
        while (last && !is_shown(&p->series[s], last - 1)) last--;
        if (!last || !p->series[s].name) continue;
        at[s] = chart_y(&p->chart, p->series[s].y[last - 1]);
        size_t place = n++;
        for (; place && at[order[place - 1]] > at[s]; place--) order[place] = order[place - 1];
        order[place] = s;
    }
    for (size_t i = 1; i < n; i++) at[order[i]] = fmax(at[order[i]], at[order[i - 1]] + NAME_HEIGHT);
    double limit = p->chart.bottom;
    for (size_t i = n; i-- > 0; limit = at[order[i]] - NAME_HEIGHT) at[order[i]] = fmin(at[order[i]], limit);
    use_font(c, FONT, false);
    for (size_t i = 0; i < n; i++) {
        use_look(c, order[i], false);
        label_at(c, p->chart.right + 10, at[order[i]] + 4, 0, c->width - p->chart.right - 16, p->series[order[i]].name);
    }
}

static void draw(picture *p, const gradus_plot_options *options) {
    canvas *c = p->chart.canvas;
    range x, y;
    double widest = 0;
    const char *names[GRADUS_PLOT_SERIES];
    find_ranges(p->series, p->count, &x, &y);
    p->chart = chart_begin(c, options, x, y, false);
    for (size_t s = 0; s < p->count; s++) {
        names[s] = p->series[s].name;
        if (names[s]) widest = fmax(widest, label_width(c, names[s]));
    }
    if (widest > 0) p->chart.right = c->width - 18 - fmin(widest, c->width / 4);
    chart_legend(&p->chart, names, p->count, draw_swatch, p, SWATCH);
    chart_axes(&p->chart, options);
    for (size_t s = 0; s < p->count; s++) draw_curve(p, s);
    draw_end_names(p);
}

static gradus_status plot(const char *caller, const char *path, const gradus_series *series, size_t count,
                          const gradus_plot_options *options) {
    canvas c;
    if (!series || !count || count > GRADUS_PLOT_SERIES) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: %zu series%s; a picture has 1 to %d", caller, count,
                    series ? "" : " at NULL", GRADUS_PLOT_SERIES);
    }
    for (size_t s = 0; s < count; s++) {
        if (series[s].count && !series[s].y)
            return fail(GRADUS_ERROR_ARGUMENT, "%s: series %zu has %zu points, but its y is NULL", caller, s,
                        series[s].count);
    }
    gradus_status status = canvas_open(&c, caller, path);
    if (status) return status;
    const gradus_plot_options o = canvas_options(&c, options, 760, 460);
    picture p = {.chart.canvas = &c, .series = series, .count = count};
    if (!c.status) draw(&p, &o);
    return canvas_close(&c);
}

gradus_status gradus_plot_lines(const char *path, const gradus_series *series, size_t count,
                                const gradus_plot_options *options) {
    ENTER;
    return plot("plot_lines", path, series, count, options);
}

gradus_status gradus_plot_curves(const char *path, const char *title, const char *x_label, const gradus_series *series,
                                 size_t count) {
    ENTER;
    const gradus_plot_options options = {.size_ = sizeof options, .title = title, .x_label = x_label};
    return plot("plot_curves", path, series, count, &options);
}
