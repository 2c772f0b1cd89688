/* SPDX-License-Identifier: Apache-2.0
 *
 * Reverse-mode differentiation: the driver of the gradient rules.  Which nodes need a cotangent, adding up what several
 * users send, zeros where nothing flows, and the errors live here; the calculus is in rules/gradient.c.
 */
#ifndef GRADUS_AUTODIFF_DRIVER_H
#define GRADUS_AUTODIFF_DRIVER_H

#include "ir/graph.h"

/* What is differentiated: the sum over all i of seed[i] * y[i]; y and seed have equal dtypes and shapes. */
typedef struct {
    const uint32_t *y, *seed;
    uint32_t count;
} cotangents;

/* Adds the backward pass and sets of[i] to the gradient with respect to x[i], of its dtype and shape: zeros where no y
 * depends on it.  A new node comes from the line of the forward node N whose rule made it and, if that is named, is
 * named "d(N)".
 * `call` is what the user called, for the error where a y or x is not floating-point or the way goes through an op that
 * has no derivative; then, and where the graph has failed before, all of them are poison.  Needs a guard. */
void autodiff_backward(gradus_graph *g, const char *call, const cotangents *from, const uint32_t *x, uint32_t count,
                       uint32_t *of);

/* The same from the sum of one y. */
void autodiff_gradients(gradus_graph *g, const char *call, uint32_t y, const uint32_t *x, uint32_t count, uint32_t *of);

/* The parameters that a derivative of y can reach, in the order of their making, into `params`, which has room for all
 * states; their number.  Needs a guard. */
uint32_t autodiff_parameters(gradus_graph *g, uint32_t y, uint32_t *params);

/* A list of the graph's of `count` tensors, for what a call returns: the nodes of those ids or, where ids is NULL,
 * poison.  Needs no guard: where memory is short they are absent tensors, and at most 1024. */
gradus_tensors autodiff_list(gradus_graph *g, const uint32_t *ids, size_t count);

static inline bool dtype_is_float(gradus_dtype dtype) { return dtype == GRADUS_F32 || dtype == GRADUS_F64; }

#endif
