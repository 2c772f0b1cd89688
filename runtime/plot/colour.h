/* SPDX-License-Identifier: Apache-2.0
 * Colours, and scales of them that are read in grey too. */
#ifndef GRADUS_RUNTIME_PLOT_COLOUR_H
#define GRADUS_RUNTIME_PLOT_COLOUR_H

#include <stdint.h>

typedef struct {
    double red, green, blue; /* 0 … 1, in sRGB */
} colour;

/* 0xRRGGBB. */
uint32_t pixel_of(colour k);

/* `share` of b in a. */
colour mix(colour a, colour b, double share);

/* Relative luminance, 0 … 1 (IEC 61966-2-1). */
double luminance(colour k);

/* 0 … 1: from nearly white to dark blue, darker all the way.  What is outside is clipped, in both scales. */
colour sequential_colour(double share);

/* -1 … 1: white at 0, to blue below and to orange above; darker with the distance from 0, and below darker than above at
 * the same distance, so that in grey the darkest are the most negative. */
colour diverging_colour(double share);

#endif
