/* SPDX-License-Identifier: Apache-2.0
 * Text.  See label.h. */
#include "runtime/plot/label.h"

#include <math.h>
#include <string.h>

#define ELLIPSIS "\xe2\x80\xa6"
#define REPLACEMENT "\xef\xbf\xbd"

void use_ink(canvas *c, ink shade) {
    static const double greys[] = {[INK_TEXT] = 0.1, [INK_SOFT] = 0.35, [INK_LINE] = 0.25, [INK_GRID] = 0.87};
    cairo_set_source_rgb(c->cr, greys[shade], greys[shade], greys[shade]);
}

void use_font(canvas *c, double size, bool bold) {
    cairo_select_font_face(c->cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(c->cr, size);
}

/* Bytes of the printable character that begins at `s`; 0 for what is none.  Overlong forms, surrogates and numbers
 * beyond U+10FFFF are none (the Unicode standard, table 3-7). */
static size_t character(const unsigned char *s) {
    if (s[0] < 0x80) return s[0] >= 0x20 && s[0] != 0x7f;
    size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)) return 0;
    if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) return 0;
    if (s[0] == 0xc2 && s[1] < 0xa0) return 0; /* more control characters */
    return length;
}

/* Takes the last character off; `length` > 0. */
static size_t shorter(const char *text, size_t length) {
    do length--;
    while (length && ((unsigned char)text[length] & 0xc0) == 0x80);
    return length;
}

static double raw_width(canvas *c, const char *text) {
    cairo_text_extents_t extents;
    cairo_text_extents(c->cr, text, &extents);
    return extents.x_advance;
}

void label_fit(canvas *c, const char *text, double room, char fitted[LABEL_ROOM]) {
    enum { MOST = LABEL_ROOM - sizeof ELLIPSIS - sizeof REPLACEMENT };
    size_t length = 0;
    const char *from = text;
    while (*from && length <= MOST) {
        size_t bytes_in = character((const unsigned char *)from);
        memcpy(fitted + length, bytes_in ? from : REPLACEMENT, bytes_in ? bytes_in : strlen(REPLACEMENT));
        length += bytes_in ? bytes_in : strlen(REPLACEMENT);
        from += bytes_in ? bytes_in : 1;
    }
    strcpy(fitted + length, *from ? ELLIPSIS : "");
    while (length && raw_width(c, fitted) > room) {
        length = shorter(fitted, length);
        while (length && fitted[length - 1] == ' ') length--;
        strcpy(fitted + length, ELLIPSIS);
    }
}

double label_width(canvas *c, const char *text) {
    char fitted[LABEL_ROOM];
    label_fit(c, text, INFINITY, fitted);
    return raw_width(c, fitted);
}

void label_at(canvas *c, double x, double y, double anchor, double room, const char *text) {
    char fitted[LABEL_ROOM];
    label_fit(c, text, room, fitted);
    cairo_move_to(c->cr, x - anchor * raw_width(c, fitted), y);
    cairo_show_text(c->cr, fitted);
    cairo_new_path(c->cr);
}

void label_turned(canvas *c, double x, double y, double degrees, double anchor, double room, const char *text) {
    cairo_save(c->cr);
    cairo_translate(c->cr, x, y);
    cairo_rotate(c->cr, -degrees / 45 * atan(1));
    label_at(c, 0, 0, anchor, room, text);
    cairo_restore(c->cr);
}

double draw_title(canvas *c, double left, const char *title) {
    enum { MARGIN = 20, HEIGHT = 28 };
    if (!title) return MARGIN;
    use_font(c, FONT_TITLE, true);
    use_ink(c, INK_TEXT);
    label_at(c, left, MARGIN + 12, 0, c->width - 2 * left, title);
    return MARGIN + HEIGHT;
}

const char *class_name(const char *const *names, long long i, char number[24]) {
    if (names && names[i]) return names[i];
    snprintf(number, 24, "%lld", i);
    return number;
}
