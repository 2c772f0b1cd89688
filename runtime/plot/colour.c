/* SPDX-License-Identifier: Apache-2.0
 * Colours.  See colour.h. */
#include "runtime/plot/colour.h"

#include <math.h>

static uint32_t byte_of(double share) { return (uint32_t)lround(fmin(fmax(share, 0), 1) * 255); }

uint32_t pixel_of(colour k) { return byte_of(k.red) << 16 | byte_of(k.green) << 8 | byte_of(k.blue); }

colour mix(colour a, colour b, double share) {
    return (colour){a.red + (b.red - a.red) * share, a.green + (b.green - a.green) * share,
                    a.blue + (b.blue - a.blue) * share};
}

static double linear(double v) { return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4); }

double luminance(colour k) { return 0.2126 * linear(k.red) + 0.7152 * linear(k.green) + 0.0722 * linear(k.blue); }

/* Between colours at equal distances. */
enum { STOPS = 5 };
static colour along(const colour *stops, double share) {
    double place = fmin(fmax(share, 0), 1) * (STOPS - 1);
    int from = (int)fmin(floor(place), STOPS - 2);
    return mix(stops[from], stops[from + 1], place - from);
}

colour sequential_colour(double share) {
    static const colour stops[STOPS] = {
        {0.965, 0.97, 0.98}, {0.76, 0.85, 0.93}, {0.47, 0.66, 0.84}, {0.18, 0.42, 0.68}, {0.02, 0.16, 0.38}};
    return along(stops, share);
}

colour diverging_colour(double share) {
    static const colour below[STOPS] = {
        {1, 1, 1}, {0.72, 0.83, 0.93}, {0.38, 0.58, 0.80}, {0.12, 0.32, 0.60}, {0.01, 0.11, 0.30}};
    static const colour above[STOPS] = {
        {1, 1, 1}, {0.99, 0.86, 0.70}, {0.97, 0.69, 0.40}, {0.89, 0.48, 0.12}, {0.72, 0.31, 0.00}};
    return share < 0 ? along(below, -share) : along(above, share);
}
