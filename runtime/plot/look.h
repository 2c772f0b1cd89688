/* SPDX-License-Identifier: Apache-2.0
 * How series and classes differ: colours of unlike lightness, dashes and markers, so that grey is enough. */
#ifndef GRADUS_RUNTIME_PLOT_LOOK_H
#define GRADUS_RUNTIME_PLOT_LOOK_H

#include "runtime/plot/canvas.h"
#include "runtime/plot/colour.h"

enum { LOOKS = 8 };

colour look_colour(size_t i);
void use_colour(canvas *c, colour k);

/* Colour, width and, where `dashed`, dashes of look `i` < LOOKS. */
void use_look(canvas *c, size_t i, bool dashed);

/* The outline of its marker around (x, y), to be filled or stroked. */
void trace_mark(canvas *c, size_t i, double x, double y, double radius);

#endif
