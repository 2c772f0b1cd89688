/* SPDX-License-Identifier: Apache-2.0
 * Axes: round numbers that cover a range. */
#ifndef GRADUS_RUNTIME_PLOT_AXIS_H
#define GRADUS_RUNTIME_PLOT_AXIS_H

#include <stddef.h>

typedef struct {
    double low, high; /* what the axis shows; low < high */
    double step;      /* between ticks: 1, 2 or 5 times a power of ten */
    double first;     /* the first tick; the others are first + i * step */
    int ticks;
    int decimals; /* that a tick's label needs */
} axis;

/* An axis that shows low … high with at most `most` ticks.  `whole`: ticks at integers only; `tight`: the axis ends where
 * the data ends, otherwise at a tick.  A range of no width is widened. */
axis axis_over(double low, double high, int most, int whole, int tight);

double axis_tick(const axis *a, int i);
void axis_label(const axis *a, int i, char *label, size_t room);

#endif
