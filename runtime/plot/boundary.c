/* SPDX-License-Identifier: Apache-2.0
 * gradus_plot_boundary: which class a model sees where in the plane, with lines between the classes, and points. */
#include "runtime/plot/boundary.h"

#include "runtime/options.h"
#include "runtime/plot/chart.h"
#include "runtime/plot/label.h"
#include "runtime/plot/tile.h"
#include "runtime/world.h"

#include <math.h>

typedef struct {
    chart chart;
    const gradus_boundary *grid;
    int64_t classes; /* at least 2 */
    tile tile;       /* the plotting area, pixel by pixel */
} picture;

/* Probability of class k at a point of the grid. */
static double at_node(const picture *p, int64_t row, int64_t column, int64_t k) {
    const gradus_boundary *b = p->grid;
    const float *node = b->probabilities + (row * b->columns + column) * b->classes;
    if (b->classes > 1) return (double)node[k];
    return k ? (double)node[0] : 1 - (double)node[0];
}

/* The most probable class; -1 where one is not finite. */
static int64_t winner_at(const picture *p, int64_t row, int64_t column) {
    int64_t best = 0;
    for (int64_t k = 0; k < p->classes; k++) {
        if (!isfinite(at_node(p, row, column, k))) return -1;
        if (at_node(p, row, column, k) > at_node(p, row, column, best)) best = k;
    }
    return best;
}

/* The winner's colour, paler the less sure it is: between the grid's points bilinearly. */
static uint32_t area_pixel(const void *user, int64_t row, int64_t column) {
    const picture *p = user;
    double x = ((double)column + 0.5) / (double)p->tile.columns * (double)(p->grid->columns - 1);
    double y = (1 - ((double)row + 0.5) / (double)p->tile.rows) * (double)(p->grid->rows - 1);
    int64_t left = (int64_t)x, below = (int64_t)y, best = 0;
    double right_share = x - (double)left, up = y - (double)below, most = -INFINITY;
    for (int64_t k = 0; k < p->classes; k++) {
        double low = at_node(p, below, left, k) * (1 - right_share) + at_node(p, below, left + 1, k) * right_share;
        double high =
            at_node(p, below + 1, left, k) * (1 - right_share) + at_node(p, below + 1, left + 1, k) * right_share;
        double value = low * (1 - up) + high * up;
        if (!isfinite(value)) return PIXEL_BLANK;
        if (value > most) {
            most = value;
            best = k;
        }
    }
    double even = 1 / (double)p->classes, sure = fmin(fmax((most - even) / (1 - even), 0), 1);
    return pixel_of(mix((colour){1, 1, 1}, look_colour((size_t)best), 0.12 + 0.38 * sure));
}

typedef struct {
    double x, y;
} point;

/* Where between two neighbours of the grid, if anywhere, the winner changes: where the two are equally probable. */
static bool find_crossing(const picture *p, int64_t row, int64_t column, int64_t row2, int64_t column2, point *at) {
    int64_t i = winner_at(p, row, column), j = winner_at(p, row2, column2);
    if (i < 0 || j < 0 || i == j) return false;
    double here = at_node(p, row, column, i) - at_node(p, row, column, j);
    double there = at_node(p, row2, column2, i) - at_node(p, row2, column2, j);
    double share = here - there > 0 ? here / (here - there) : 0.5;
    const chart *c = &p->chart;
    double x = (double)column + share * (double)(column2 - column), y = (double)row + share * (double)(row2 - row);
    at->x = c->left + x / (double)(p->grid->columns - 1) * (c->right - c->left);
    at->y = c->bottom - y / (double)(p->grid->rows - 1) * (c->bottom - c->top);
    return true;
}

/* The lines through one cell of the grid: from edge to edge, or where more than two meet, to their middle. */
static void trace_cell(const picture *p, int64_t row, int64_t column) {
    point at[4], middle = {0, 0};
    int n = 0;
    n += find_crossing(p, row, column, row, column + 1, &at[n]);
    n += find_crossing(p, row, column + 1, row + 1, column + 1, &at[n]);
    n += find_crossing(p, row + 1, column, row + 1, column + 1, &at[n]);
    n += find_crossing(p, row, column, row + 1, column, &at[n]);
    for (int i = 0; i < n; i++) middle = (point){middle.x + at[i].x / n, middle.y + at[i].y / n};
    for (int i = 0; i < n && n > 1; i++) {
        cairo_move_to(p->chart.canvas->cr, at[i].x, at[i].y);
        if (n == 2) cairo_line_to(p->chart.canvas->cr, at[1].x, at[1].y);
        else cairo_line_to(p->chart.canvas->cr, middle.x, middle.y);
        if (n == 2) break;
    }
}

static void draw_lines(const picture *p) {
    cairo_t *cr = p->chart.canvas->cr;
    for (int64_t row = 0; row + 1 < p->grid->rows; row++)
        for (int64_t column = 0; column + 1 < p->grid->columns; column++) trace_cell(p, row, column);
    use_ink(p->chart.canvas, INK_TEXT);
    cairo_set_line_width(cr, 1.5);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
    cairo_stroke(cr);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_BUTT);
}

/* A marker with a pale edge, which keeps neighbours apart. */
static void draw_point(canvas *c, size_t label, double x, double y, double radius) {
    trace_mark(c, label, x, y, radius);
    cairo_set_source_rgb(c->cr, 1, 1, 1);
    cairo_set_line_width(c->cr, 2);
    cairo_stroke_preserve(c->cr);
    use_colour(c, look_colour(label));
    cairo_fill(c->cr);
}

static void draw_swatch(const void *user, size_t i, double x, double y) {
    draw_point(((const picture *)user)->chart.canvas, i, x + 5, y, 5);
}

static void draw_points(const picture *p) {
    const gradus_boundary *b = p->grid;
    double radius = b->count > 1000 ? 2.5 : b->count > 300 ? 3 : 4;
    for (int64_t i = 0; i < b->count; i++) {
        double x = (double)b->points[2 * i], y = (double)b->points[2 * i + 1];
        if (!(x >= b->x_low && x <= b->x_high && y >= b->y_low && y <= b->y_high)) continue; /* NaN, too */
        draw_point(p->chart.canvas, (size_t)b->labels[i], chart_x(&p->chart, x), chart_y(&p->chart, y), radius);
    }
}

static void draw(picture *p, canvas *c, const gradus_plot_options *options) {
    const gradus_boundary *b = p->grid;
    const char *names[GRADUS_PLOT_SERIES];
    char numbers[GRADUS_PLOT_SERIES][24];
    p->chart = chart_begin(c, options, (range){b->x_low, b->x_high, false}, (range){b->y_low, b->y_high, false}, true);
    for (int64_t k = 0; k < p->classes; k++) names[k] = class_name(b->names, k, numbers[k]);
    chart_legend(&p->chart, names, (size_t)p->classes, draw_swatch, p, 10);
    chart *area = &p->chart;
    area->left = round(area->left), area->top = round(area->top);
    area->right = round(area->right), area->bottom = round(area->bottom);
    chart_axes(area, options);
    p->tile = (tile){.rows = (int64_t)(area->bottom - area->top),
                     .columns = (int64_t)(area->right - area->left),
                     .magnified = 1,
                     .width = area->right - area->left,
                     .height = area->bottom - area->top};
    tile_draw(c, &p->tile, area->left, area->top, area_pixel, p);
    draw_lines(p);
    draw_points(p);
    use_ink(c, INK_LINE);
    tile_frame(c, &p->tile, area->left, area->top, 1);
}

static gradus_status check(const gradus_boundary *b) {
    static const char where[] = "plot_boundary";
    gradus_status status = boundary_check(where, b);
    if (status) return status;
    if (!b->probabilities) return fail(GRADUS_ERROR_ARGUMENT, "%s: .probabilities is NULL", where);
    if (b->classes < 1 || b->classes > GRADUS_PLOT_SERIES) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: .classes is %lld; 1 to %d can be drawn", where, (long long)b->classes,
                    GRADUS_PLOT_SERIES);
    }
    if (b->count < 0 || (b->count && (!b->points || !b->labels))) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: .count is %lld, .points is %s and .labels is %s", where,
                    (long long)b->count, b->points ? "given" : "NULL", b->labels ? "given" : "NULL");
    }
    int64_t classes = b->classes > 1 ? b->classes : 2;
    for (int64_t i = 0; i < b->count; i++) {
        if (b->labels[i] >= 0 && b->labels[i] < classes) continue;
        return fail(GRADUS_ERROR_ARGUMENT, "%s: .labels[%lld] is %d; with .classes = %lld it must be 0 to %lld", where,
                    (long long)i, (int)b->labels[i], (long long)b->classes, (long long)classes - 1);
    }
    return GRADUS_OK;
}

gradus_status gradus_plot_boundary(const char *path, const gradus_boundary *boundary,
                                   const gradus_plot_options *options) {
    ENTER;
    gradus_boundary b;
    canvas c;
    if (!options_read("plot_boundary", OPTIONS_TYPE(gradus_boundary), &b, boundary)) return GRADUS_ERROR_ARGUMENT;
    gradus_status status = check(&b);
    if (!status) status = canvas_open(&c, "plot_boundary", path);
    if (status) return status;
    const gradus_plot_options o = canvas_options(&c, options, 640, 520);
    picture p = {.grid = &b, .classes = b.classes > 1 ? b.classes : 2};
    if (!c.status) draw(&p, &c, &o);
    return canvas_close(&c);
}
