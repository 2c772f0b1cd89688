/* SPDX-License-Identifier: Apache-2.0
 * What a grid over a plane must be, for the functions that take one. */
#ifndef GRADUS_RUNTIME_PLOT_BOUNDARY_H
#define GRADUS_RUNTIME_PLOT_BOUNDARY_H

#include <gradus/plot.h>

gradus_status boundary_check(const char *caller, const gradus_boundary *b);

#endif
