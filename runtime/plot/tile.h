/* SPDX-License-Identifier: Apache-2.0
 * Small pictures of pixels, side by side: images, weights. */
#ifndef GRADUS_RUNTIME_PLOT_TILE_H
#define GRADUS_RUNTIME_PLOT_TILE_H

#include "runtime/plot/look.h"

#include <stdint.h>

enum { TILE_LIMIT = 4096 };

/* A pixel as 0xRRGGBB, or PIXEL_BLANK for one without a value, which is shown as a checkerboard. */
enum { PIXEL_BLANK = 1 << 24 };
typedef uint32_t (*pixel_fn)(const void *user, int64_t row, int64_t column);

typedef struct {
    int64_t rows, columns; /* of pixels */
    int magnified;         /* each is a square of so many by so many units; a renderer has nothing left to smooth */
    double width, height;  /* on the canvas */
} tile;

/* As large as possible while no side is longer than `side`; small pixels, down to 1, where the image is larger. */
tile tile_of(int64_t rows, int64_t columns, double side);

void tile_draw(canvas *c, const tile *t, double x, double y, pixel_fn pixel, const void *user);

/* A line around it, outside. */
void tile_frame(canvas *c, const tile *t, double x, double y, double line_width);

/* How many columns make `count` cells of that size about as wide as high, unless the user has `chosen` (not 0). */
int64_t tile_columns(int64_t chosen, int64_t count, double cell_width, double cell_height);

#endif
