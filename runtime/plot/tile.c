/* SPDX-License-Identifier: Apache-2.0
 * Small pictures.  See tile.h. */
#include "runtime/plot/tile.h"

#include <math.h>

tile tile_of(int64_t rows, int64_t columns, double side) {
    double longer = (double)(rows > columns ? rows : columns), size = longer > side ? side / longer : 1;
    tile t = {.rows = rows, .columns = columns, .magnified = longer > side ? 1 : (int)(side / longer)};
    t.width = round((double)columns * t.magnified * size);
    t.height = round((double)rows * t.magnified * size);
    t.width = fmax(t.width, 1);
    t.height = fmax(t.height, 1);
    return t;
}

static uint32_t checkered(int row, int column) { return (row / 2 + column / 2) % 2 ? 0xffffff : 0xc4c4c4; }

static void fill(cairo_surface_t *image, const tile *t, pixel_fn pixel, const void *user) {
    unsigned char *data = cairo_image_surface_get_data(image);
    int stride = cairo_image_surface_get_stride(image);
    for (int row = 0; row < (int)t->rows * t->magnified; row++) {
        uint32_t *line = (uint32_t *)(void *)(data + (size_t)row * (size_t)stride), value = 0;
        for (int column = 0; column < (int)t->columns * t->magnified; column++) {
            if (column % t->magnified == 0) value = pixel(user, row / t->magnified, column / t->magnified);
            line[column] = value == PIXEL_BLANK ? checkered(row, column) : value;
        }
    }
    cairo_surface_mark_dirty(image);
}

void tile_draw(canvas *c, const tile *t, double x, double y, pixel_fn pixel, const void *user) {
    int width = (int)t->columns * t->magnified, height = (int)t->rows * t->magnified;
    cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    if (!cairo_surface_status(image)) fill(image, t, pixel, user);
    cairo_save(c->cr);
    cairo_translate(c->cr, x, y);
    cairo_scale(c->cr, t->width / width, t->height / height);
    cairo_set_source_surface(c->cr, image, 0, 0); /* an image that could not be made fails the canvas here */
    cairo_pattern_set_filter(cairo_get_source(c->cr), t->width < width ? CAIRO_FILTER_BEST : CAIRO_FILTER_NEAREST);
    cairo_rectangle(c->cr, 0, 0, width, height);
    cairo_fill(c->cr);
    cairo_restore(c->cr);
    cairo_surface_destroy(image);
}

void tile_frame(canvas *c, const tile *t, double x, double y, double line_width) {
    cairo_set_line_width(c->cr, line_width);
    cairo_set_dash(c->cr, NULL, 0, 0);
    cairo_rectangle(c->cr, x - line_width / 2, y - line_width / 2, t->width + line_width, t->height + line_width);
    cairo_stroke(c->cr);
}

int64_t tile_columns(int64_t chosen, int64_t count, double cell_width, double cell_height) {
    int64_t columns = chosen;
    if (!columns) { /* of the two nearest, the one that leaves fewer cells empty */
        columns = (int64_t)sqrt((double)count * cell_height / cell_width);
        if (columns < 1 ||
            (columns - count % columns) % columns > (columns + 1 - count % (columns + 1)) % (columns + 1))
            columns++;
    }
    return columns > count ? count : columns;
}
