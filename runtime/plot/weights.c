/* SPDX-License-Identifier: Apache-2.0
 * gradus_plot_weights: what each unit of a layer looks at, as pictures on one scale. */
#include "runtime/plot/label.h"
#include "runtime/plot/scale.h"
#include "runtime/plot/tile.h"
#include "runtime/world.h"

#include <math.h>

enum { SIDE = 84, GAP = 16, CAPTION = 20, EDGE = 24, SCALE_ROOM = 46, SCALE_WIDTH = 240 };

typedef struct {
    const float *kernel; /* (width * height, units) */
    int64_t width, units, unit;
    double limit;
} one_unit;

static uint32_t weight_pixel(const void *user, int64_t row, int64_t column) {
    const one_unit *u = user;
    double weight = (double)u->kernel[(row * u->width + column) * u->units + u->unit];
    return isfinite(weight) ? pixel_of(diverging_colour(weight / u->limit)) : PIXEL_BLANK;
}

/* The largest weight but for sign; 1 where all are 0. */
static double find_limit(const float *kernel, int64_t count) {
    double limit = 0;
    for (int64_t i = 0; i < count; i++)
        if (isfinite(kernel[i])) limit = fmax(limit, fabs((double)kernel[i]));
    return limit > 0 ? limit : 1;
}

static void draw_scale(canvas *c, double limit) {
    char low[32], high[32];
    snprintf(low, sizeof low, "-%.3g", limit);
    snprintf(high, sizeof high, "%.3g", limit);
    const scale s = {diverging_colour, -1, 1, low, "0", high};
    const double width = fmin(SCALE_WIDTH, c->width - 2 * EDGE - 40);
    scale_across(c, &s, (c->width - width) / 2, c->height - EDGE - SCALE_THICK - 14, width);
}

static void draw(canvas *c, one_unit u, int64_t height, const char *const *names, const gradus_plot_options *options) {
    tile t = tile_of(height, u.width, options->cell ? options->cell : SIDE);
    double cell_width = fmax(t.width, 40) + GAP, cell_height = t.height + CAPTION + GAP;
    int64_t columns = tile_columns(options->columns, u.units, cell_width, cell_height);
    double top = options->title ? 54 : EDGE, lines = (double)((u.units + columns - 1) / columns);
    double width = fmax((double)columns * cell_width - GAP, SCALE_WIDTH / 2);
    canvas_begin(c, 2 * EDGE + width, top + lines * cell_height - GAP + SCALE_ROOM + EDGE);
    if (c->status) return;
    draw_title(c, EDGE, options->title);
    for (u.unit = 0; u.unit < u.units; u.unit++) {
        char number[24];
        double x = EDGE + (double)(u.unit % columns) * cell_width, y = top + (double)(u.unit / columns) * cell_height;
        tile_draw(c, &t, x, y, weight_pixel, &u);
        cairo_set_source_rgb(c->cr, 0.7, 0.7, 0.7);
        tile_frame(c, &t, x, y, 1);
        use_font(c, FONT_SMALL, false);
        use_ink(c, INK_SOFT);
        label_at(c, x + t.width / 2, y + t.height + 15, 0.5, cell_width - 6, class_name(names, u.unit, number));
    }
    draw_scale(c, u.limit);
}

gradus_status gradus_plot_weights(const char *path, const float *kernel, int64_t height, int64_t width, int64_t units,
                                  const char *const *names, const gradus_plot_options *options) {
    ENTER;
    static const char where[] = "plot_weights";
    canvas c;
    if (!kernel) return fail(GRADUS_ERROR_ARGUMENT, "%s: the kernel is NULL", where);
    if (units < 1 || units > GRADUS_PLOT_IMAGES) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: %lld units; 1 to %d can be drawn into one file", where,
                    (long long)units, GRADUS_PLOT_IMAGES);
    }
    if (height < 1 || width < 1 || height > TILE_LIMIT || width > TILE_LIMIT) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: pictures of height %lld and width %lld; each must be 1 to %d", where,
                    (long long)height, (long long)width, TILE_LIMIT);
    }
    gradus_status status = canvas_open(&c, where, path);
    if (status) return status;
    const gradus_plot_options o = canvas_options(&c, options, 0, 0);
    const one_unit first = {kernel, width, units, 0, find_limit(kernel, height * width * units)};
    if (!c.status) draw(&c, first, height, names, &o);
    return canvas_close(&c);
}
