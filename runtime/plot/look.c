/* SPDX-License-Identifier: Apache-2.0
 * Looks.  See look.h. */
#include "runtime/plot/look.h"

#include <math.h>

/* Colours that differ in lightness too (after Okabe and Ito). */
static const struct {
    colour colour;
    double dash[4];
    int dashes;
    enum { MARK_DISC, MARK_SQUARE, MARK_TRIANGLE, MARK_DIAMOND } mark;
} looks[LOOKS] = {
    {{0.00, 0.27, 0.55}, {0}, 0, MARK_DISC},        {{0.84, 0.37, 0.00}, {8, 4}, 2, MARK_SQUARE},
    {{0.00, 0.52, 0.39}, {2, 3}, 2, MARK_TRIANGLE}, {{0.55, 0.16, 0.45}, {10, 3, 2, 3}, 4, MARK_DIAMOND},
    {{0.10, 0.10, 0.10}, {14, 4}, 2, MARK_DISC},    {{0.34, 0.60, 0.85}, {5, 2}, 2, MARK_SQUARE},
    {{0.75, 0.55, 0.00}, {1, 2}, 2, MARK_TRIANGLE}, {{0.45, 0.45, 0.45}, {6, 2, 1, 2}, 4, MARK_DIAMOND},
};

colour look_colour(size_t i) { return looks[i].colour; }

void use_colour(canvas *c, colour k) { cairo_set_source_rgb(c->cr, k.red, k.green, k.blue); }

void use_look(canvas *c, size_t i, bool dashed) {
    use_colour(c, looks[i].colour);
    cairo_set_line_width(c->cr, 2);
    cairo_set_dash(c->cr, looks[i].dash, dashed ? looks[i].dashes : 0, 0);
}

void trace_mark(canvas *c, size_t i, double x, double y, double radius) {
    cairo_t *cr = c->cr;
    double r = radius + 0.5; /* corners look smaller than a disc's edge */
    cairo_new_path(cr);
    switch (looks[i].mark) {
    case MARK_DISC: cairo_arc(cr, x, y, radius, 0, 8 * atan(1)); break;
    case MARK_SQUARE: cairo_rectangle(cr, x - radius + 0.5, y - radius + 0.5, 2 * radius - 1, 2 * radius - 1); break;
    case MARK_TRIANGLE:
        cairo_move_to(cr, x, y - r);
        cairo_line_to(cr, x + r, y + r - 1);
        cairo_line_to(cr, x - r, y + r - 1);
        break;
    case MARK_DIAMOND:
        cairo_move_to(cr, x, y - r - 0.5);
        cairo_line_to(cr, x + r + 0.5, y);
        cairo_line_to(cr, x, y + r + 0.5);
        cairo_line_to(cr, x - r - 0.5, y);
        break;
    }
    cairo_close_path(cr);
}
