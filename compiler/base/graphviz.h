/* SPDX-License-Identifier: Apache-2.0
 * Graphviz' language DOT, and its program `dot`, which makes pictures of it. */
#ifndef GRADUS_BASE_GRAPHVIZ_H
#define GRADUS_BASE_GRAPHVIZ_H

#include "base/text.h"

/* `string` as it stands in a DOT label between quotes.  Needs a guard. */
void dot_escape(text *out, const char *string);

/* The format that a path's ending stands for: "png" for .png, "svg" for any other. */
const char *dot_format(const char *path);

/* Lays DOT out by Graphviz' `dot` and writes the picture, "svg" or "png".  GRADUS_ERROR_NOT_FOUND where that program is not
 * on the PATH, GRADUS_ERROR_IO with what it said where it fails.  Needs no guard. */
gradus_status dot_write(const char *dot, size_t length, const char *format, const char *path);

#endif
