/* SPDX-License-Identifier: Apache-2.0
 * Surfaces and files.  See canvas.h. */
#include "runtime/plot/canvas.h"

#include "runtime/files.h"
#include "runtime/options.h"

#include <cairo-svg.h>
#include <math.h>
#include <strings.h>

/* A glyph stands where its outline says, in both formats and at every size: no hints. */
static void use_plain_glyphs(cairo_t *cr) {
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_set_font_options(cr, options);
    cairo_font_options_destroy(options);
}

static void use_surface(canvas *c, cairo_surface_t *surface) {
    cairo_destroy(c->cr);
    cairo_surface_destroy(c->surface);
    c->surface = surface;
    c->cr = cairo_create(surface);
    use_plain_glyphs(c->cr);
}

static cairo_status_t append(void *svg, const unsigned char *data, unsigned length) {
    bytes_append(svg, data, length);
    return ((byte_string *)svg)->refused ? CAIRO_STATUS_NO_MEMORY : CAIRO_STATUS_SUCCESS;
}

gradus_status canvas_open(canvas *c, const char *caller, const char *path) {
    *c = (canvas){.caller = caller, .path = path};
    if (!path) return fail(GRADUS_ERROR_ARGUMENT, "%s: the path is NULL", caller);
    c->png = !strcasecmp(path_ending(path), "png");
    if (!c->png && strcasecmp(path_ending(path), "svg")) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: %s: the file's ending says its format, and is .svg or .png", caller,
                    path);
    }
    use_surface(c, cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1));
    return GRADUS_OK;
}

static void check_range(canvas *c, const char *what, int32_t value, int32_t least, int32_t most) {
    if (c->status || (value >= least && value <= most)) return;
    c->status = fail(GRADUS_ERROR_ARGUMENT, "%s: %s: the option .%s is %d; it must be %d to %d, or 0 for the default",
                     c->caller, c->path, what, (int)value, (int)least, (int)most);
}

gradus_plot_options canvas_options(canvas *c, const gradus_plot_options *options, int32_t width, int32_t height) {
    gradus_plot_options o;
    if (!options_read(c->caller, OPTIONS_TYPE(gradus_plot_options), &o, options)) c->status = GRADUS_ERROR_ARGUMENT;
    if (o.width) check_range(c, "width", o.width, 240, 4000);
    if (o.height) check_range(c, "height", o.height, 180, 4000);
    if (o.columns) check_range(c, "columns", o.columns, 1, 1000);
    if (o.cell) check_range(c, "cell", o.cell, 8, 1000);
    if (!o.width) o.width = width;
    if (!o.height) o.height = height;
    return o;
}

static cairo_surface_t *svg_surface(canvas *c) {
    cairo_surface_t *surface = cairo_svg_surface_create_for_stream(append, &c->svg, c->width, c->height);
#if CAIRO_VERSION >= CAIRO_VERSION_ENCODE(1, 16, 0)
    cairo_svg_surface_set_document_unit(surface, CAIRO_SVG_UNIT_PX);
#endif
    return surface;
}

static cairo_surface_t *png_surface(const canvas *c) {
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)c->width * CANVAS_DENSITY, (int)c->height * CANVAS_DENSITY);
    cairo_surface_set_device_scale(surface, CANVAS_DENSITY, CANVAS_DENSITY);
    return surface;
}

void canvas_begin(canvas *c, double width, double height) {
    c->width = ceil(width);
    c->height = ceil(height);
    if (!(c->width <= CANVAS_LIMIT && c->height <= CANVAS_LIMIT)) {
        c->status = fail(GRADUS_ERROR_ARGUMENT,
                         "%s: %s: the picture would be %.0f x %.0f units large; at most %d along a side can be drawn",
                         c->caller, c->path, c->width, c->height, CANVAS_LIMIT);
        return;
    }
    use_surface(c, c->png ? png_surface(c) : svg_surface(c));
    cairo_set_source_rgb(c->cr, 1, 1, 1);
    cairo_paint(c->cr);
}

void *canvas_memory(canvas *c, size_t count, size_t size) {
    if (c->status) return NULL;
    void *memory = size && count > SIZE_MAX / 2 / size ? NULL : memory_zeroed(count * size);
    if (!memory) c->status = fail_out_of_memory(c->caller);
    return memory;
}

static gradus_status write_file(const canvas *c, const byte_string *file) {
    writer w;
    gradus_status status = writer_begin(&w, c->path);
    if (!status) status = writer_put(&w, file->data, file->length);
    return writer_end(&w, status);
}

static gradus_status finish(canvas *c, byte_string *file) {
    cairo_status_t drawn = cairo_status(c->cr);
    if (!drawn && c->png) drawn = cairo_surface_write_to_png_stream(c->surface, append, file);
    cairo_surface_finish(c->surface);
    if (!drawn) drawn = cairo_surface_status(c->surface);
    if (!drawn && !c->png) svg_renumber(c->svg.data, c->svg.length, file);
    if (drawn == CAIRO_STATUS_NO_MEMORY || c->svg.refused || file->refused) return fail_out_of_memory(c->caller);
    if (drawn) return fail(GRADUS_ERROR_IO, "%s: %s: %s", c->caller, c->path, cairo_status_to_string(drawn));
    return write_file(c, file);
}

gradus_status canvas_close(canvas *c) {
    byte_string file = {0};
    gradus_status status = c->status ? c->status : finish(c, &file);
    cairo_destroy(c->cr);
    cairo_surface_finish(c->surface);
    cairo_surface_destroy(c->surface);
    bytes_free(&c->svg);
    bytes_free(&file);
    return status;
}
