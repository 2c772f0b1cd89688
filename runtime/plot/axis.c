/* SPDX-License-Identifier: Apache-2.0
 * Round numbers for axes.  See axis.h. */
#include "runtime/plot/axis.h"

#include <math.h>
#include <stdio.h>

/* The smallest 1, 2 or 5 times a power of ten that is at least `least`. */
static double round_step(double least) {
    double power = pow(10.0, floor(log10(least)));
    if (power * 1.0 >= least) return power;
    if (power * 2.0 >= least) return power * 2.0;
    if (power * 5.0 >= least) return power * 5.0;
    return power * 10.0;
}

axis axis_over(double low, double high, int most, int whole, int tight) {
    double larger = fmax(fabs(low), fabs(high));
    if (!(high - low > 1e-12 * larger && larger > 1e-290)) {
        double room = larger > 1e-290 ? 0.05 * larger : 1.0;
        low -= room;
        high += room;
    }
    axis a = {.low = low, .high = high};
    a.step = round_step((high - low) / (most > 1 ? most - 1 : 1));
    if (whole && a.step < 1.0) a.step = 1.0;
    /* A tick that rounding put a hair outside still counts. */
    double slack = 1e-9;
    double first = tight ? ceil(low / a.step - slack) : floor(low / a.step + slack);
    double last = tight ? floor(high / a.step + slack) : ceil(high / a.step - slack);
    a.first = first * a.step;
    a.ticks = (int)(last - first) + 1;
    if (!tight) {
        a.low = a.first;
        a.high = last * a.step;
    }
    a.decimals = (int)fmax(0.0, ceil(-log10(a.step) - slack));
    return a;
}

double axis_tick(const axis *a, int i) { return (round(a->first / a->step) + i) * a->step; }

void axis_label(const axis *a, int i, char *label, size_t room) {
    double value = axis_tick(a, i);
    double size = fmax(fabs(a->low), fabs(a->high));
    if (size >= 1e6 || (a->decimals > 5 && size < 1e-3)) snprintf(label, room, "%.*g", 6, value);
    else snprintf(label, room, "%.*f", a->decimals, value == 0.0 ? 0.0 : value);
}
