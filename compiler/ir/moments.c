/* SPDX-License-Identifier: Apache-2.0
 * Mean and variance with the digits that x has: what normalisation and gradus_var are made of.
 *
 *     u = (x - s) / k;    mean = s + k mean(u);    variance = k^2 (mean(u^2) - mean(u)^2)
 *
 * Both are the same for all constants s and k, hence have the right derivatives of every order.  s is the mean as it comes
 * out of a sum, brought between the least and the largest element, where the mean is: elements that are equal are s itself,
 * and of others what the sum lost is in mean(u).  Plain mean((x - mean)^2) would have that loss in it, and send a derivative
 * through the mean that cancels only after another pass over x.  k is 1 unless squares would overflow.
 */
#include "ir/call.h"

#include <float.h>

static uint32_t fixed(gradus_graph *g, uint32_t x) { return build_op(g, OP_stop_gradient, x); }

uint32_t compose_units(gradus_graph *g, uint32_t x, const moments *m) {
    const gradus_shape shape = graph_node(g, x)->shape;
    const uint32_t away = build_op2(g, OP_sub, x, build_broadcast(g, m->shift, &shape));
    return build_op2(g, OP_mul, away, build_broadcast(g, m->per_unit, &shape));
}

bool compose_moments(gradus_graph *g, const char *op, uint32_t x, const gradus_axes *axes, bool always, moments *m) {
    if (!x) return false;
    const bool f32 = graph_node(g, x)->dtype == GRADUS_F32;
    const uint32_t mean = compose_mean(g, op, x, axes, true);
    const uint32_t largest = compose_reduce(g, op, OP_max, x, axes, true),
                   least = compose_reduce(g, op, OP_min, x, axes, true);
    if (!mean || !largest || !least) return false;
    /* It is NaN where sums of finite elements overflow in both directions. */
    const uint32_t known = build_op3(g, OP_where, build_op2(g, OP_equal, mean, mean), mean, compose_like(g, mean, 0));
    m->shift = fixed(g, build_op2(g, OP_minimum, build_op2(g, OP_maximum, known, least), largest));
    const uint32_t distance = fixed(
        g, build_op2(g, OP_maximum, build_op2(g, OP_sub, largest, m->shift), build_op2(g, OP_sub, m->shift, least)));
    /* 10^8 squares of the bound have a sum that f32 holds; 1 / the least unit is finite. */
    const uint32_t one = compose_like(g, distance, 1), least_unit = compose_like(g, distance, f32 ? FLT_MIN : DBL_MIN);
    const uint32_t bound = compose_like(g, distance, always ? 0 : f32 ? 1e15 : 1e150);
    m->unit = build_op3(g, OP_where, build_op2(g, OP_less, bound, distance),
                        build_op2(g, OP_maximum, distance, least_unit), one);
    m->per_unit = build_op2(g, OP_div, one, m->unit);
    const uint32_t units = compose_units(g, x, m);
    m->centre = compose_mean(g, op, units, axes, true);
    const uint32_t squares = compose_mean(g, op, compose_square(g, units), axes, true);
    const uint32_t v = build_op2(g, OP_sub, squares, compose_square(g, m->centre)), zero = compose_like(g, v, 0);
    m->variance = build_op3(g, OP_where, build_op2(g, OP_less, v, zero), zero, v);
    return m->variance != 0;
}

uint32_t compose_mean_of(gradus_graph *g, const moments *m) {
    return build_op2(g, OP_add, m->shift, build_op2(g, OP_mul, m->centre, m->unit));
}

uint32_t compose_variance_of(gradus_graph *g, const moments *m) {
    return build_op2(g, OP_mul, build_op2(g, OP_mul, m->variance, m->unit), m->unit);
}
