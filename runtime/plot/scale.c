/* SPDX-License-Identifier: Apache-2.0
 * Legends of colour scales.  See scale.h. */
#include "runtime/plot/scale.h"

#include "runtime/plot/label.h"

#include <math.h>

enum { STEPS = 32 };

/* The bar from (x0, y0) to (x1, y1), low to high, is a gradient as smooth as its renderer makes it. */
static void draw_bar(canvas *c, const scale *s, const double *from, const double *to, double width, double height) {
    cairo_pattern_t *gradient = cairo_pattern_create_linear(from[0], from[1], to[0], to[1]);
    for (int i = 0; i <= STEPS; i++) {
        double share = (double)i / STEPS;
        colour k = s->colour_of(s->low + share * (s->high - s->low));
        cairo_pattern_add_color_stop_rgb(gradient, share, k.red, k.green, k.blue);
    }
    cairo_rectangle(c->cr, from[0], fmin(from[1], to[1]), width, height);
    cairo_set_source(c->cr, gradient);
    cairo_fill_preserve(c->cr);
    cairo_pattern_destroy(gradient);
    cairo_set_source_rgb(c->cr, 0.6, 0.6, 0.6);
    cairo_set_line_width(c->cr, 1);
    cairo_stroke(c->cr);
    use_font(c, FONT_SMALL, false);
    use_ink(c, INK_LINE);
}

void scale_across(canvas *c, const scale *s, double x, double y, double width) {
    draw_bar(c, s, (double[]){x, y}, (double[]){x + width, y}, width, SCALE_THICK);
    const double base = y + SCALE_THICK + 14;
    label_at(c, x, base, 0.5, width / 3, s->at_low);
    label_at(c, x + width / 2, base, 0.5, width / 3, s->between);
    label_at(c, x + width, base, 0.5, width / 3, s->at_high);
}

void scale_upright(canvas *c, const scale *s, double x, double y, double height) {
    draw_bar(c, s, (double[]){x, y + height}, (double[]){x, y}, SCALE_THICK, height);
    const double right = x + SCALE_THICK + 6;
    label_at(c, right, y + height + 4, 0, INFINITY, s->at_low);
    label_at(c, right, y + height / 2 + 4, 0, INFINITY, s->between);
    label_at(c, right, y + 4, 0, INFINITY, s->at_high);
}
