/* SPDX-License-Identifier: Apache-2.0
 * Text on a canvas.  It is UTF-8 of the user's: what is no valid UTF-8 or no printable character becomes U+FFFD, and
 * what does not fit ends in an ellipsis. */
#ifndef GRADUS_RUNTIME_PLOT_LABEL_H
#define GRADUS_RUNTIME_PLOT_LABEL_H

#include "runtime/plot/canvas.h"

enum { LABEL_ROOM = 256, FONT = 13, FONT_SMALL = 11, FONT_TITLE = 17 };

/* One line of text to the right of, around or left of x: `anchor` 0, 0.5 or 1.  `y` is the base line. */
void use_font(canvas *c, double size, bool bold);
double label_width(canvas *c, const char *text);
void label_at(canvas *c, double x, double y, double anchor, double room, const char *text);

/* The same, turned: reads upwards at an angle of `degrees`, its end or middle at (x, y) as `anchor` says. */
void label_turned(canvas *c, double x, double y, double degrees, double anchor, double room, const char *text);

/* `text` made printable and shortened to `room` units in the present font. */
void label_fit(canvas *c, const char *text, double room, char fitted[LABEL_ROOM]);

/* The title in bold, a picture's first line; returns how far down the picture is taken, with a margin. */
double draw_title(canvas *c, double left, const char *title);

/* The name of class `i`: of the list, or its number where there is none; in `number` or the user's memory. */
const char *class_name(const char *const *names, long long i, char number[24]);

/* Shades of grey for text and lines. */
typedef enum { INK_TEXT, INK_SOFT, INK_LINE, INK_GRID } ink;
void use_ink(canvas *c, ink shade);

#endif
