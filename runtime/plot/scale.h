/* SPDX-License-Identifier: Apache-2.0
 * The legend of a colour scale: a bar with its ends labelled. */
#ifndef GRADUS_RUNTIME_PLOT_SCALE_H
#define GRADUS_RUNTIME_PLOT_SCALE_H

#include "runtime/plot/look.h"

typedef struct {
    colour (*colour_of)(double value);
    double low, high;                       /* for colour_of */
    const char *at_low, *between, *at_high; /* labels; `between` is in the middle */
} scale;

enum { SCALE_THICK = 12 };

/* From left to right in `width`, labels below; or upwards in `height`, labels on the right. */
void scale_across(canvas *c, const scale *s, double x, double y, double width);
void scale_upright(canvas *c, const scale *s, double x, double y, double height);

#endif
