/* SPDX-License-Identifier: Apache-2.0
 * gradus_plot_predictions: images with what a model says of them and what they are.
 *
 *     ┌───────┐  Sneaker ▇▇▇▇▇ 71%
 *     │ image │   Sandal ▇▇ 25%
 *     └───────┘      Bag ▏ 2%
 *     × Sneaker 71%
 *     true: Sandal
 */
#include "runtime/options.h"
#include "runtime/plot/label.h"
#include "runtime/plot/tile.h"
#include "runtime/world.h"

#include <math.h>

enum { SIDE = 112, NAME_GAP = 8, CELL_LEAST = 128, GAP = 24, CAPTION = 42, EDGE = 24 };
enum {
    BARS = 5,
    BAR_NAME = 72,
    BAR_LENGTH = 56,
    BAR_SHARE = 34,
};

/* Dark, middle and light: what the model got right, what it got wrong, and everything else. */
static const colour right_colour = {0.00, 0.27, 0.55}, wrong_colour = {0.84, 0.37, 0.00},
                    other_colour = {0.78, 0.78, 0.78};

typedef struct {
    canvas *canvas;
    const gradus_predictions *what;
    tile tile;
    double cell_width, cell_height;
    double name_width; /* of the bars' names */
    int64_t columns;
} grid;

typedef struct {
    const gradus_predictions *what;
    int64_t row;
} one_image;

static uint32_t image_pixel(const void *user, int64_t row, int64_t column) {
    const one_image *image = user;
    const gradus_predictions *w = image->what;
    int64_t channels = w->channels == 3 ? 3 : 1;
    size_t at = (size_t)((image->row * w->height + row) * w->width + column) * (size_t)channels;
    double v[3];
    for (int64_t k = 0; k < channels; k++) {
        v[k] = w->dtype == GRADUS_U8 ? ((const unsigned char *)w->images)[at + (size_t)k] / 255.0
                                     : (double)((const float *)w->images)[at + (size_t)k];
        if (!isfinite(v[k])) return PIXEL_BLANK;
        if (w->invert) v[k] = 1 - v[k];
    }
    return pixel_of(channels == 3 ? (colour){v[0], v[1], v[2]} : (colour){v[0], v[0], v[0]});
}

static double probability(const gradus_predictions *w, int64_t row, int64_t k) {
    return (double)w->probabilities[row * w->classes + k];
}

/* Whether class a of a row comes before class b: the more probable one first, then in their order. */
static bool comes_before(const gradus_predictions *w, int64_t row, int64_t a, int64_t b) {
    double p = probability(w, row, a), q = probability(w, row, b);
    return isnan(q) ? !isnan(p) || a < b : p > q || (p == q && a < b);
}

/* The `count` most probable classes of a row. */
static void find_top(const gradus_predictions *w, int64_t row, int64_t *top, int64_t count) {
    int64_t n = 0;
    for (int64_t k = 0; k < w->classes; k++) {
        int64_t place = n < count ? n++ : count;
        for (; place && comes_before(w, row, k, top[place - 1]); place--)
            if (place < count) top[place] = top[place - 1];
        if (place < count) top[place] = k;
    }
}

/* -1 where nobody says. */
static int64_t predicted_of(const gradus_predictions *w, int64_t row) {
    if (w->predicted) return w->predicted[row];
    if (!w->probabilities) return -1;
    int64_t best;
    find_top(w, row, &best, 1);
    return best;
}

static void write_share(double p, char text[16]) {
    if (isfinite(p)) snprintf(text, 16, "%.0f%%", fmin(fmax(p, -9), 9) * 100);
    else snprintf(text, 16, "nan");
}

static void draw_bars(const grid *g, int64_t row, double x, double y) {
    const gradus_predictions *w = g->what;
    canvas *c = g->canvas;
    int64_t top[BARS], count = w->classes < BARS ? w->classes : BARS, predicted = predicted_of(w, row);
    int64_t truth = w->truth ? w->truth[row] : -1;
    bool has_truth = truth < 0;
    find_top(w, row, top, count);
    for (int64_t i = 0; i < count; i++) has_truth = has_truth || top[i] == truth;
    if (!has_truth) top[count - 1] = truth;
    double apart = fmin(g->tile.height / BARS, 24), thick = round(apart * 0.55);
    for (int64_t i = 0; i < count; i++) {
        char number[24], share[16];
        double p = probability(w, row, top[i]), middle = y + apart * ((double)i + 0.5);
        double length = isfinite(p) ? fmin(fmax(p, 0), 1) * BAR_LENGTH : 0, from = x + 12 + g->name_width + 6;
        bool named = top[i] == predicted || top[i] == truth;
        use_font(c, FONT_SMALL, top[i] == truth);
        use_ink(c, named ? INK_TEXT : INK_SOFT);
        label_at(c, from - 6, middle + 4, 1, g->name_width, class_name(w->names, top[i], number));
        write_share(p, share);
        label_at(c, from + length + 4, middle + 4, 0, BAR_SHARE, share);
        use_colour(c, top[i] == truth || (truth < 0 && named) ? right_colour : named ? wrong_colour : other_colour);
        cairo_rectangle(c->cr, from, middle - thick / 2, fmax(length, 1), thick);
        cairo_fill(c->cr);
    }
}

static void draw_cross(canvas *c, double x, double y) {
    enum { R = 4 };
    cairo_set_line_width(c->cr, 2.5);
    cairo_move_to(c->cr, x, y - R);
    cairo_line_to(c->cr, x + 2 * R, y + R);
    cairo_move_to(c->cr, x, y + R);
    cairo_line_to(c->cr, x + 2 * R, y - R);
    cairo_stroke(c->cr);
}

/* A name, and after it a share that is never cut off. */
static void draw_name(canvas *c, double x, double y, double room, const char *name, const char *share) {
    char fitted[LABEL_ROOM];
    double share_width = *share ? NAME_GAP + label_width(c, share) : 0;
    label_fit(c, name, room - share_width, fitted);
    label_at(c, x, y, 0, INFINITY, fitted);
    if (*share) label_at(c, x + label_width(c, fitted) + NAME_GAP, y, 0, INFINITY, share);
}

static void draw_caption(const grid *g, int64_t row, double x, double y, bool wrong) {
    const gradus_predictions *w = g->what;
    canvas *c = g->canvas;
    int64_t predicted = predicted_of(w, row), said = predicted < 0 && w->truth ? w->truth[row] : predicted;
    char number[24], share[16] = "", line[LABEL_ROOM];
    if (said < 0) return;
    if (predicted >= 0 && w->probabilities) write_share(probability(w, row, predicted), share);
    use_font(c, FONT, wrong);
    use_colour(c, wrong_colour);
    if (wrong) draw_cross(c, x, y + 13);
    if (!wrong) use_ink(c, INK_TEXT);
    draw_name(c, x + (wrong ? 14 : 0), y + 18, g->cell_width - (wrong ? 14 : 0), class_name(w->names, said, number),
              share);
    if (predicted < 0 || !w->truth) return;
    snprintf(line, sizeof line, "true: %.240s", class_name(w->names, w->truth[row], number));
    use_font(c, FONT_SMALL, false);
    use_ink(c, INK_SOFT);
    label_at(c, x, y + 34, 0, g->cell_width, line);
}

static void draw_cell(const grid *g, int64_t row, double x, double y) {
    const gradus_predictions *w = g->what;
    const one_image image = {w, row};
    bool wrong = w->truth && predicted_of(w, row) >= 0 && predicted_of(w, row) != w->truth[row];
    tile_draw(g->canvas, &g->tile, x, y, image_pixel, &image);
    if (wrong) use_colour(g->canvas, wrong_colour);
    else cairo_set_source_rgb(g->canvas->cr, 0.7, 0.7, 0.7);
    tile_frame(g->canvas, &g->tile, x, y, wrong ? 4 : 1);
    draw_caption(g, row, x, y + g->tile.height, wrong);
    if (w->probabilities) draw_bars(g, row, x + g->tile.width, y);
}

static double widest_name(canvas *c, const gradus_predictions *w) {
    double widest = 0;
    char number[24];
    use_font(c, FONT_SMALL, true);
    for (int64_t k = 0; k < w->classes && widest < BAR_NAME; k++)
        widest = fmax(widest, label_width(c, class_name(w->names, k, number)));
    return fmin(widest, BAR_NAME);
}

static void draw(canvas *c, const gradus_predictions *w, const gradus_plot_options *options) {
    grid g = {.canvas = c, .what = w, .tile = tile_of(w->height, w->width, options->cell ? options->cell : SIDE)};
    g.cell_width = fmax(g.tile.width, CELL_LEAST);
    if (w->probabilities) g.name_width = widest_name(c, w);
    if (w->probabilities)
        g.cell_width = fmax(g.tile.width + 12 + g.name_width + 6 + BAR_LENGTH + BAR_SHARE, CELL_LEAST);
    g.cell_height = g.tile.height + (w->truth ? CAPTION : w->predicted || w->probabilities ? CAPTION - 16 : 0);
    g.columns = tile_columns(options->columns, w->rows, g.cell_width + GAP, g.cell_height + GAP);
    int64_t lines = (w->rows + g.columns - 1) / g.columns;
    double top = options->title ? 54 : EDGE;
    canvas_begin(c, 2 * EDGE + (double)g.columns * (g.cell_width + GAP) - GAP,
                 top + (double)lines * (g.cell_height + GAP) - GAP + EDGE);
    if (c->status) return;
    draw_title(c, EDGE, options->title);
    for (int64_t row = 0; row < w->rows; row++) {
        draw_cell(&g, row, EDGE + (double)(row % g.columns) * (g.cell_width + GAP),
                  top + (double)(row / g.columns) * (g.cell_height + GAP));
    }
}

static gradus_status check_labels(const gradus_predictions *w, const char *what, const int32_t *labels) {
    for (int64_t row = 0; labels && row < w->rows; row++) {
        if (labels[row] >= 0 && labels[row] < w->classes) continue;
        if (!w->classes) return fail(GRADUS_ERROR_ARGUMENT, "plot_predictions: .%s needs .classes, how many there are", what);
        return fail(GRADUS_ERROR_ARGUMENT,
                    "plot_predictions: .%s[%lld] is %d; with .classes = %lld it must be 0 to %lld", what,
                    (long long)row, (int)labels[row], (long long)w->classes, (long long)w->classes - 1);
    }
    return GRADUS_OK;
}

static gradus_status check(const gradus_predictions *w) {
    static const char where[] = "plot_predictions";
    if (!w->images || w->rows < 1)
        return fail(GRADUS_ERROR_ARGUMENT, "%s: there are no images: .images is %s, .rows %lld", where,
                    w->images ? "given" : "NULL", (long long)w->rows);
    if (w->rows > GRADUS_PLOT_IMAGES) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: %lld images; at most %d can be drawn into one file", where,
                    (long long)w->rows, GRADUS_PLOT_IMAGES);
    }
    if (w->height < 1 || w->width < 1 || w->height > TILE_LIMIT || w->width > TILE_LIMIT) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: images of .height %lld and .width %lld; each must be 1 to %d", where,
                    (long long)w->height, (long long)w->width, TILE_LIMIT);
    }
    if (w->channels != 0 && w->channels != 1 && w->channels != 3) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: .channels is %lld; it must be 1 (grey) or 3 (red, green, blue)", where,
                    (long long)w->channels);
    }
    if (w->dtype != GRADUS_U8 && w->dtype != GRADUS_F32) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: .dtype is %s; images are GRADUS_U8, 0 to 255, or GRADUS_F32, 0 to 1",
                    where, w->dtype ? gradus_dtype_name(w->dtype) : "not set");
    }
    if (w->probabilities && w->classes < 1)
        return fail(GRADUS_ERROR_ARGUMENT, "%s: .probabilities without .classes, how many there are in a row", where);
    gradus_status status = check_labels(w, "predicted", w->predicted);
    return status ? status : check_labels(w, "truth", w->truth);
}

gradus_status gradus_plot_predictions(const char *path, const gradus_predictions *predictions,
                                      const gradus_plot_options *options) {
    ENTER;
    gradus_predictions w;
    canvas c;
    if (!options_read("plot_predictions", OPTIONS_TYPE(gradus_predictions), &w, predictions)) return GRADUS_ERROR_ARGUMENT;
    gradus_status status = check(&w);
    if (!status) status = canvas_open(&c, "plot_predictions", path);
    if (status) return status;
    const gradus_plot_options o = canvas_options(&c, options, 0, 0);
    if (!c.status) draw(&c, &w, &o);
    return canvas_close(&c);
}
