/* SPDX-License-Identifier: Apache-2.0
 *
 * gradus_plot_curves: a chart with title, legend, ticks and a label at each curve's end, as SVG through cairo.
 *
 *     title
 *     legend
 *   y ┌────────────┐
 *     │            │ label of the curve that ends here
 *     └────────────┘
 *           x
 */
#include "runtime/plot/axis.h"
#include "runtime/support.h"

#include <gradus/plot.h>

#ifndef GRADUS_WITH_CAIRO

gradus_status gradus_plot_curves(const char *path, const char *title, const char *x_label, const gradus_series *series,
                                 size_t count) {
    (void)title, (void)x_label, (void)series, (void)count;
    return fail(GRADUS_ERROR_IO, "plot_curves: %s was not drawn: this build of Gradus is without cairo",
                path ? path : "nothing");
}

#else

#include <cairo-svg.h>
#include <cairo.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 760, HEIGHT = 460, LEFT = 70, TOP = 78, BOTTOM = 58, FONT = 13, LABEL_HEIGHT = 17 };

/* Colours that differ in lightness too (after Okabe and Ito), dashes, and markers. */
static const struct {
    double red, green, blue;
    double dash[4];
    int dashes;
    enum { MARK_DISC, MARK_SQUARE, MARK_TRIANGLE, MARK_DIAMOND } mark;
} looks[GRADUS_PLOT_SERIES] = {
    {0.00, 0.27, 0.55, {0}, 0, MARK_DISC},        {0.84, 0.37, 0.00, {8, 4}, 2, MARK_SQUARE},
    {0.00, 0.52, 0.39, {2, 3}, 2, MARK_TRIANGLE}, {0.55, 0.16, 0.45, {10, 3, 2, 3}, 4, MARK_DIAMOND},
    {0.10, 0.10, 0.10, {14, 4}, 2, MARK_DISC},    {0.34, 0.60, 0.85, {5, 2}, 2, MARK_SQUARE},
    {0.75, 0.55, 0.00, {1, 2}, 2, MARK_TRIANGLE}, {0.45, 0.45, 0.45, {6, 2, 1, 2}, 4, MARK_DIAMOND},
};

typedef struct {
    cairo_t *cr;
    const gradus_series *series;
    size_t count;
    axis x, y;
    double right; /* where the plotting area ends */
} chart;

typedef struct {
    double low, high;
    int whole; /* all are integers */
} range;

static double x_of(const gradus_series *s, size_t i) { return s->x ? s->x[i] : (double)(i + 1); }

static int is_shown(const gradus_series *s, size_t i) { return isfinite(x_of(s, i)) && isfinite(s->y[i]); }

static void stretch(range *r, double value) {
    r->low = fmin(r->low, value);
    r->high = fmax(r->high, value);
    r->whole = r->whole && value == floor(value);
}

static void find_ranges(const gradus_series *series, size_t count, range *x, range *y) {
    *x = *y = (range){INFINITY, -INFINITY, 1};
    for (size_t s = 0; s < count; s++) {
        for (size_t i = 0; i < series[s].count; i++) {
            if (!is_shown(&series[s], i)) continue;
            stretch(x, x_of(&series[s], i));
            stretch(y, series[s].y[i]);
        }
    }
    if (x->low > x->high) *x = *y = (range){0, 1, 0}; /* nothing to show: axes alone */
}

static double map_x(const chart *c, double x) {
    return LEFT + (x - c->x.low) / (c->x.high - c->x.low) * (c->right - LEFT);
}

static double map_y(const chart *c, double y) {
    return HEIGHT - BOTTOM - (y - c->y.low) / (c->y.high - c->y.low) * (HEIGHT - BOTTOM - TOP);
}

static double text_width(cairo_t *cr, const char *text) {
    cairo_text_extents_t extents;
    cairo_text_extents(cr, text, &extents);
    return extents.x_advance;
}

/* `anchor` 0, 0.5 or 1: the text begins, is centred or ends at x. */
static void put_text(cairo_t *cr, double x, double y, double anchor, const char *text) {
    cairo_move_to(cr, x - anchor * text_width(cr, text), y);
    cairo_show_text(cr, text);
}

static void use_font(cairo_t *cr, double size, int bold) {
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, size);
}

static void use_look(cairo_t *cr, size_t s, int dashed) {
    cairo_set_source_rgb(cr, looks[s].red, looks[s].green, looks[s].blue);
    cairo_set_line_width(cr, 2);
    cairo_set_dash(cr, looks[s].dash, dashed ? looks[s].dashes : 0, 0);
}

static void draw_mark(cairo_t *cr, size_t s, double x, double y) {
    enum { R = 4 };
    cairo_new_path(cr);
    switch (looks[s].mark) {
    case MARK_DISC: cairo_arc(cr, x, y, R, 0, 8 * atan(1)); break;
    case MARK_SQUARE: cairo_rectangle(cr, x - R + 0.5, y - R + 0.5, 2 * R - 1, 2 * R - 1); break;
    case MARK_TRIANGLE:
        cairo_move_to(cr, x, y - R - 0.5);
        cairo_line_to(cr, x + R + 0.5, y + R - 0.5);
        cairo_line_to(cr, x - R - 0.5, y + R - 0.5);
        break;
    case MARK_DIAMOND:
        cairo_move_to(cr, x, y - R - 1);
        cairo_line_to(cr, x + R + 1, y);
        cairo_line_to(cr, x, y + R + 1);
        cairo_line_to(cr, x - R - 1, y);
        break;
    }
    cairo_close_path(cr);
    cairo_fill(cr);
}

static void draw_frame(const chart *c, const char *title, const char *x_label) {
    cairo_t *cr = c->cr;
    char label[64];
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr);
    cairo_set_source_rgb(cr, 0.1, 0.1, 0.1);
    use_font(cr, FONT + 4, 1);
    if (title) put_text(cr, LEFT, 30, 0, title);
    use_font(cr, FONT, 0);
    if (x_label) put_text(cr, (LEFT + c->right) / 2, HEIGHT - 14, 0.5, x_label);
    cairo_set_line_width(cr, 1);
    for (int i = 0; i < c->y.ticks; i++) {
        double y = round(map_y(c, axis_tick(&c->y, i))) + 0.5;
        cairo_set_source_rgb(cr, 0.87, 0.87, 0.87);
        cairo_move_to(cr, LEFT, y);
        cairo_line_to(cr, c->right, y);
        cairo_stroke(cr);
        cairo_set_source_rgb(cr, 0.25, 0.25, 0.25);
        axis_label(&c->y, i, label, sizeof label);
        put_text(cr, LEFT - 9, y + 4, 1, label);
    }
    cairo_set_source_rgb(cr, 0.25, 0.25, 0.25);
    for (int i = 0; i < c->x.ticks; i++) {
        double x = round(map_x(c, axis_tick(&c->x, i))) + 0.5;
        cairo_move_to(cr, x, HEIGHT - BOTTOM);
        cairo_line_to(cr, x, HEIGHT - BOTTOM + 5);
        cairo_stroke(cr);
        axis_label(&c->x, i, label, sizeof label);
        put_text(cr, x, HEIGHT - BOTTOM + 19, 0.5, label);
    }
    cairo_move_to(cr, LEFT + 0.5, TOP);
    cairo_line_to(cr, LEFT + 0.5, HEIGHT - BOTTOM + 0.5);
    cairo_line_to(cr, c->right, HEIGHT - BOTTOM + 0.5);
    cairo_stroke(cr);
}

static void draw_curve(const chart *c, size_t index) {
    const gradus_series *s = &c->series[index];
    cairo_t *cr = c->cr;
    int pen_down = 0;
    use_look(cr, index, 1);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    for (size_t i = 0; i < s->count; i++) {
        if (is_shown(s, i)) {
            double x = map_x(c, x_of(s, i)), y = map_y(c, s->y[i]);
            if (pen_down) cairo_line_to(cr, x, y);
            else cairo_move_to(cr, x, y);
        }
        pen_down = is_shown(s, i);
    }
    cairo_stroke(cr);
    if (s->count > 40) return; /* marks would hide the line */
    use_look(cr, index, 0);
    for (size_t i = 0; i < s->count; i++) {
        if (is_shown(s, i)) draw_mark(cr, index, map_x(c, x_of(s, i)), map_y(c, s->y[i]));
    }
}

static void draw_legend(const chart *c) {
    double x = LEFT;
    for (size_t s = 0; s < c->count; s++) {
        if (!c->series[s].name) continue;
        use_look(c->cr, s, 1);
        cairo_move_to(c->cr, x, TOP - 24);
        cairo_line_to(c->cr, x + 36, TOP - 24);
        cairo_stroke(c->cr);
        use_look(c->cr, s, 0);
        draw_mark(c->cr, s, x + 18, TOP - 24);
        cairo_set_source_rgb(c->cr, 0.1, 0.1, 0.1);
        put_text(c->cr, x + 44, TOP - 20, 0, c->series[s].name);
        x += 44 + text_width(c->cr, c->series[s].name) + 24;
    }
}

/* The curves' names at their ends, from the top down, moved apart where they would overlap. */
static void draw_end_labels(const chart *c) {
    size_t order[GRADUS_PLOT_SERIES], n = 0;
    double at[GRADUS_PLOT_SERIES];
    for (size_t s = 0; s < c->count; s++) {
        size_t last = c->series[s].count;
        while (last && !is_shown(&c->series[s], last - 1)) last--;
        if (!last || !c->series[s].name) continue;
        at[s] = map_y(c, c->series[s].y[last - 1]);
        size_t place = n++;
        for (; place && at[order[place - 1]] > at[s]; place--) order[place] = order[place - 1];
        order[place] = s;
    }
    for (size_t i = 1; i < n; i++) at[order[i]] = fmax(at[order[i]], at[order[i - 1]] + LABEL_HEIGHT);
    double limit = HEIGHT - BOTTOM;
    for (size_t i = n; i-- > 0; limit = at[order[i]] - LABEL_HEIGHT) at[order[i]] = fmin(at[order[i]], limit);
    for (size_t i = 0; i < n; i++) {
        use_look(c->cr, order[i], 0);
        put_text(c->cr, c->right + 10, at[order[i]] + 4, 0, c->series[order[i]].name);
    }
}

static void draw(chart *c, const char *title, const char *x_label) {
    range x, y;
    double widest = 0;
    find_ranges(c->series, c->count, &x, &y);
    use_font(c->cr, FONT, 0);
    for (size_t s = 0; s < c->count; s++) {
        if (c->series[s].name) widest = fmax(widest, text_width(c->cr, c->series[s].name));
    }
    c->right = WIDTH - 24 - fmin(widest, WIDTH / 3.0);
    c->x = axis_over(x.low, x.high, 11, x.whole, 1);
    c->y = axis_over(y.low, y.high, 7, 0, 0);
    draw_frame(c, title, x_label);
    for (size_t s = 0; s < c->count; s++) draw_curve(c, s);
    draw_legend(c);
    draw_end_labels(c);
}

static cairo_status_t write_bytes(void *file, const unsigned char *bytes, unsigned count) {
    return fwrite(bytes, 1, count, file) == count ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

/* Cairo numbers its surfaces through the process, and names the picture's group by that number, which nothing refers to:
 * without it the same curves are the same bytes. */
static gradus_status save(const char *path, const char *svg, size_t length) {
    static const char group[] = "<g id=\"surface";
    const char *from = strstr(svg, group), *to = from ? strchr(from, '>') : NULL;
    size_t head = to ? (size_t)(from + 2 - svg) : length, tail = to ? (size_t)(svg + length - to) : 0;
    FILE *file = fopen(path, "wb");
    if (!file) return fail(GRADUS_ERROR_IO, "plot_curves: %s: %s", path, strerror(errno));
    bool written = fwrite(svg, 1, head, file) == head && (!tail || fwrite(to, 1, tail, file) == tail);
    if (fclose(file) || !written) return fail(GRADUS_ERROR_IO, "plot_curves: %s: %s", path, strerror(errno));
    return GRADUS_OK;
}

/* Draws into `svg`, an open memory stream. */
static cairo_status_t draw_svg(FILE *svg, chart *c, const char *title, const char *x_label) {
    cairo_surface_t *surface = cairo_svg_surface_create_for_stream(write_bytes, svg, WIDTH, HEIGHT);
    c->cr = cairo_create(surface);
    draw(c, title, x_label);
    cairo_status_t drawn = cairo_status(c->cr);
    cairo_destroy(c->cr);
    cairo_surface_finish(surface);
    if (!drawn) drawn = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    return drawn;
}

gradus_status gradus_plot_curves(const char *path, const char *title, const char *x_label, const gradus_series *series,
                                 size_t count) {
    if (!path || !series || !count || count > GRADUS_PLOT_SERIES) {
        return fail(GRADUS_ERROR_ARGUMENT, "plot_curves: wants a path and 1 to %d series", GRADUS_PLOT_SERIES);
    }
    char *svg = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&svg, &length);
    if (!stream) return fail_out_of_memory("plot_curves");
    chart c = {.series = series, .count = count};
    cairo_status_t drawn = draw_svg(stream, &c, title, x_label);
    gradus_status status;
    if (fclose(stream) || drawn == CAIRO_STATUS_NO_MEMORY) status = fail_out_of_memory("plot_curves");
    else if (drawn) status = fail(GRADUS_ERROR_IO, "plot_curves: %s: %s", path, cairo_status_to_string(drawn));
    else status = save(path, svg, length);
    free(svg);
    return status;
}

#endif
