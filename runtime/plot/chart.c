/* SPDX-License-Identifier: Apache-2.0
 * Axes, ticks and legends.  See chart.h. */
#include "runtime/plot/chart.h"

#include "runtime/plot/label.h"

#include <math.h>

enum { EDGE = 24, TICK = 5, LINE_HEIGHT = 22, LABEL_HEIGHT = 26 };

bool is_drawable(double value) { return fabs(value) <= 1e300; }

void stretch(range *r, double value) {
    if (!is_drawable(value)) return;
    r->low = fmin(r->low, value);
    r->high = fmax(r->high, value);
    r->whole = r->whole && value == floor(value);
}

double chart_x(const chart *p, double x) {
    return p->left + (x - p->x.low) / (p->x.high - p->x.low) * (p->right - p->left);
}

double chart_y(const chart *p, double y) {
    return p->bottom - (y - p->y.low) / (p->y.high - p->y.low) * (p->bottom - p->top);
}

static double widest_label(canvas *c, const axis *a) {
    double widest = 0;
    char text[64];
    for (int i = 0; i < a->ticks; i++) {
        axis_label(a, i, text, sizeof text);
        widest = fmax(widest, label_width(c, text));
    }
    return widest;
}

chart chart_begin(canvas *c, const gradus_plot_options *options, range x, range y, bool tight) {
    chart p = {.canvas = c, .x_range = x};
    canvas_begin(c, options->width, options->height);
    if (y.low > y.high) y = (range){0, 1, false}; /* nothing to show: axes alone */
    if (x.low > x.high) p.x_range = (range){0, 1, false};
    p.top = draw_title(c, EDGE, options->title);
    p.right = c->width - EDGE;
    p.bottom = c->height - EDGE - TICK - 8 - (options->x_label ? LABEL_HEIGHT : 0);
    use_font(c, FONT, false);
    p.y = axis_over(y.low, y.high, (int)fmax(3, (p.bottom - p.top) / 50), false, tight);
    p.left = EDGE + widest_label(c, &p.y) + 9 + (options->y_label ? LABEL_HEIGHT : 0);
    return p;
}

/* As many ticks as have room for their labels. */
static axis x_axis(const chart *p) {
    for (int most = 11;; most--) {
        axis a = axis_over(p->x_range.low, p->x_range.high, most, p->x_range.whole, true);
        double apart = (p->right - p->left) * a.step / (a.high - a.low);
        if (most == 2 || widest_label(p->canvas, &a) + 14 < apart) return a;
    }
}

static void draw_line(canvas *c, double x0, double y0, double x1, double y1) {
    cairo_move_to(c->cr, x0, y0);
    cairo_line_to(c->cr, x1, y1);
    cairo_stroke(c->cr);
}

static void draw_x_ticks(const chart *p) {
    char text[64];
    use_ink(p->canvas, INK_LINE);
    for (int i = 0; i < p->x.ticks; i++) {
        double x = round(chart_x(p, axis_tick(&p->x, i))) + 0.5;
        draw_line(p->canvas, x, p->bottom, x, p->bottom + TICK);
        axis_label(&p->x, i, text, sizeof text);
        label_at(p->canvas, x, p->bottom + TICK + 14, 0.5, INFINITY, text);
    }
}

static void draw_y_ticks(const chart *p) {
    char text[64];
    for (int i = 0; i < p->y.ticks; i++) {
        double y = round(chart_y(p, axis_tick(&p->y, i))) + 0.5;
        use_ink(p->canvas, INK_GRID);
        draw_line(p->canvas, p->left, y, p->right, y);
        use_ink(p->canvas, INK_LINE);
        axis_label(&p->y, i, text, sizeof text);
        label_at(p->canvas, p->left - 9, y + 4, 1, INFINITY, text);
    }
}

void chart_axes(chart *p, const gradus_plot_options *options) {
    canvas *c = p->canvas;
    double height = p->bottom - p->top, width = p->right - p->left;
    use_font(c, FONT, false);
    cairo_set_line_width(c->cr, 1);
    p->x = x_axis(p);
    draw_y_ticks(p);
    draw_x_ticks(p);
    if (p->y.low < 0 && p->y.high > 0) { /* zero is worth seeing */
        double zero = round(chart_y(p, 0)) + 0.5;
        cairo_set_source_rgb(c->cr, 0.6, 0.6, 0.6);
        draw_line(c, p->left, zero, p->right, zero);
    }
    use_ink(c, INK_LINE);
    cairo_move_to(c->cr, round(p->left) + 0.5, p->top);
    cairo_line_to(c->cr, round(p->left) + 0.5, round(p->bottom) + 0.5);
    cairo_line_to(c->cr, p->right, round(p->bottom) + 0.5);
    cairo_stroke(c->cr);
    if (options->x_label) label_at(c, (p->left + p->right) / 2, c->height - 19, 0.5, width, options->x_label);
    if (options->y_label) label_turned(c, EDGE + 4, (p->top + p->bottom) / 2, 90, 0.5, height, options->y_label);
}

void chart_legend(chart *p, const char *const *names, size_t count, swatch_fn swatch, const void *user,
                  double sample) {
    canvas *c = p->canvas;
    double most = 200, x = p->left, y = p->top + 4;
    bool any = false;
    use_font(c, FONT, false);
    for (size_t i = 0; i < count; i++) {
        if (!names[i]) continue;
        double width = sample + 8 + fmin(most, label_width(c, names[i]));
        if (any && x + width > c->width - EDGE) {
            x = p->left;
            y += LINE_HEIGHT;
            if (y + 4 * LINE_HEIGHT > p->bottom) break;
        }
        swatch(user, i, x, y);
        use_ink(c, INK_TEXT);
        label_at(c, x + sample + 8, y + 4, 0, most, names[i]);
        x += width + 24;
        any = true;
    }
    if (any) p->top = fmin(y + LINE_HEIGHT, p->bottom - 3 * LINE_HEIGHT);
}
