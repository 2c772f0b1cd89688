/* SPDX-License-Identifier: Apache-2.0
 * gradus_plot_confusion: a matrix of counts, a row for each true class and a column for each predicted one, each cell as
 * dark as its share of the row.
 *
 *              predicted
 *              A  B  C
 *         A  ┌─────────┐  ▒ 100%
 *   true  B  │ counts  │  ▒
 *         C  └─────────┘  ▒ 0%
 */
#include "runtime/plot/label.h"
#include "runtime/plot/scale.h"
#include "runtime/world.h"

#include <math.h>

enum { EDGE = 24, NAME_MOST = 120, SIDE = 56, SIDE_ALL = 672, AXIS = 26, SCALE_ROOM = 110, SCALE_HEIGHT = 168 };

typedef struct {
    canvas *canvas;
    const int64_t *counts;
    int64_t classes;
    const char *const *names;
    double side, left, top;
    double name_width;       /* of the widest, or of what is shown of it */
    bool turned;             /* the columns' names */
    int64_t every;           /* so many-th class has its name, where cells are small */
    double font, share_font; /* of counts and of shares; 0: there is no room for them */
} matrix;

static double count_of(const matrix *m, int64_t truth, int64_t predicted) {
    return (double)m->counts[truth * m->classes + predicted];
}

static double row_total(const matrix *m, int64_t truth) {
    double total = 0;
    for (int64_t k = 0; k < m->classes; k++) total += count_of(m, truth, k);
    return total;
}

/* The largest font in which the text fits, at most `size`; 0 where it would be too small to read. */
static double font_for(canvas *c, const char *text, double size, double room) {
    for (; size >= 8; size--) {
        use_font(c, size, true);
        if (label_width(c, text) <= room) return size;
    }
    return 0;
}

static void choose_fonts(matrix *m) {
    int64_t largest = 0;
    char text[24];
    for (int64_t i = 0; i < m->classes * m->classes; i++) largest = largest > m->counts[i] ? largest : m->counts[i];
    snprintf(text, sizeof text, "%lld", (long long)largest);
    m->font = font_for(m->canvas, text, FONT, m->side - 4);
    if (m->side < 15) m->font = 0;
    m->share_font =
        m->font && m->side >= 2.6 * m->font ? font_for(m->canvas, "100.0%", FONT_SMALL - 1, m->side - 6) : 0;
}

static void lay_out(matrix *m, const gradus_plot_options *options) {
    canvas *c = m->canvas;
    char number[24];
    double fitting = floor(SIDE_ALL / (double)m->classes);
    m->side = options->cell ? options->cell : fmin(SIDE, fmax(fitting, 4));
    m->every = (int64_t)ceil(15 / m->side);
    use_font(c, FONT, false);
    for (int64_t k = 0; k < m->classes; k += m->every)
        m->name_width = fmax(m->name_width, fmin(label_width(c, class_name(m->names, k, number)), NAME_MOST));
    if (!m->names) m->every = (int64_t)ceil((m->name_width + 8) / m->side); /* numbers can be counted on from */
    m->turned = m->name_width + 6 > m->side * (double)m->every;
    choose_fonts(m);
    m->left = EDGE + AXIS + m->name_width + 10;
    m->top = (options->title ? 48 : 20) + 24 + AXIS + (m->turned ? m->name_width * 0.71 + 16 : 20);
}

static void draw_cell(const matrix *m, int64_t truth, int64_t predicted, double total) {
    double count = count_of(m, truth, predicted), share = total > 0 ? count / total : 0;
    double x = m->left + (double)predicted * m->side, y = m->top + (double)truth * m->side;
    double gap = m->side >= 15 ? 1 : 0;
    canvas *c = m->canvas;
    colour paper = sequential_colour(share);
    char text[24];
    use_colour(c, paper);
    cairo_rectangle(c->cr, x, y, m->side - gap, m->side - gap);
    cairo_fill(c->cr);
    if (!m->font || count == 0) return;
    if (luminance(paper) < 0.3) cairo_set_source_rgb(c->cr, 1, 1, 1);
    else use_ink(c, INK_TEXT);
    double middle = y + m->side / 2, shift = m->share_font ? -2 : 0.36 * m->font;
    use_font(c, m->font, truth == predicted);
    snprintf(text, sizeof text, "%.0f", count);
    label_at(c, x + m->side / 2, middle + shift, 0.5, INFINITY, text);
    if (!m->share_font) return;
    use_font(c, m->share_font, false);
    snprintf(text, sizeof text, share == 1 ? "%.0f%%" : "%.1f%%", share * 100);
    label_at(c, x + m->side / 2, middle + m->share_font + 2, 0.5, INFINITY, text);
}

static void draw_names(const matrix *m, const gradus_plot_options *options) {
    canvas *c = m->canvas;
    char number[24];
    double size = m->side * (double)m->classes;
    use_font(c, FONT, false);
    use_ink(c, INK_TEXT);
    for (int64_t k = 0; k < m->classes; k += m->every) {
        const char *name = class_name(m->names, k, number);
        double middle = ((double)k + 0.5) * m->side;
        label_at(c, m->left - 8, m->top + middle + 4, 1, NAME_MOST, name);
        if (m->turned) label_turned(c, m->left + middle + 2, m->top - 7, 45, 0, NAME_MOST, name);
        else label_at(c, m->left + middle, m->top - 8, 0.5, NAME_MOST, name);
    }
    use_ink(c, INK_SOFT);
    double above = m->turned ? m->name_width * 0.71 + 22 : 32;
    label_at(c, m->left + size / 2, m->top - above, 0.5, fmax(size, 120),
             options->x_label ? options->x_label : "predicted");
    label_turned(c, EDGE + 6, m->top + size / 2, 90, 0.5, fmax(size, 60), options->y_label ? options->y_label : "true");
}

static void draw_summary(const matrix *m, double y) {
    double all = 0, right = 0;
    char text[96];
    for (int64_t k = 0; k < m->classes; k++) {
        all += row_total(m, k);
        right += count_of(m, k, k);
    }
    double share = right < all ? fmin(right / all * 100, 99.99) : 100; /* never rounded to all */
    if (all > 0) snprintf(text, sizeof text, "%.0f of %.0f right: %.2f%%", right, all, share);
    else snprintf(text, sizeof text, "nothing counted");
    use_font(m->canvas, FONT, false);
    use_ink(m->canvas, INK_SOFT);
    label_at(m->canvas, EDGE, y, 0, m->canvas->width - 2 * EDGE, text);
}

static void draw(matrix *m, const gradus_plot_options *options) {
    canvas *c = m->canvas;
    lay_out(m, options);
    double size = m->side * (double)m->classes, bar = fmin(SCALE_HEIGHT, fmax(size, 60));
    canvas_begin(c, m->left + fmax(size, 60) + SCALE_ROOM, m->top + fmax(size, 60) + EDGE + 6);
    if (c->status) return;
    draw_title(c, EDGE, options->title);
    draw_summary(m, options->title ? 54 : 34);
    for (int64_t truth = 0; truth < m->classes; truth++) {
        double total = row_total(m, truth);
        for (int64_t predicted = 0; predicted < m->classes; predicted++) draw_cell(m, truth, predicted, total);
    }
    draw_names(m, options);
    const scale shares = {sequential_colour, 0, 1, "0%", "of its row", "100%"};
    scale_upright(c, &shares, m->left + size + 24, m->top, bar);
}

gradus_status gradus_plot_confusion(const char *path, const int64_t *counts, int64_t classes, const char *const *names,
                                    const gradus_plot_options *options) {
    ENTER;
    static const char where[] = "plot_confusion";
    canvas c;
    if (!counts) return fail(GRADUS_ERROR_ARGUMENT, "%s: the counts are NULL", where);
    if (classes < 1 || classes > GRADUS_PLOT_CLASSES) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: %lld classes; 1 to %d can be drawn", where, (long long)classes,
                    GRADUS_PLOT_CLASSES);
    }
    for (int64_t i = 0; i < classes * classes; i++) {
        if (counts[i] < 0) {
            return fail(GRADUS_ERROR_ARGUMENT, "%s: the count of true %lld, predicted %lld is %lld: less than none",
                        where, (long long)(i / classes), (long long)(i % classes), (long long)counts[i]);
        }
    }
    gradus_status status = canvas_open(&c, where, path);
    if (status) return status;
    const gradus_plot_options o = canvas_options(&c, options, 0, 0);
    matrix m = {.canvas = &c, .counts = counts, .classes = classes, .names = names};
    if (!c.status) draw(&m, &o);
    return canvas_close(&c);
}
