/* SPDX-License-Identifier: Apache-2.0
 * Normalisation: x brought to mean 0 and variance 1 over some axes, then scaled and shifted. */
#include "ir/call.h"

#include <gradus/nn.h>

#include <math.h>

/* Mean and variance (of the population) over the axes, which are kept as 1.
 *
 * The variance is mean((x - s)^2) - (m - s)^2, which is the same for every constant s, hence has the right derivatives
 * of every order; with s = m its second term is 0.  Plain mean((x - m)^2) would send a derivative through m that cancels
 * only after another pass over x. */
typedef struct {
    uint32_t mean, variance;
} moments;

static moments moments_of(gradus_graph *g, const char *op, uint32_t x, const gradus_axes *axes) {
    const moments none = {0, 0};
    const uint32_t mean = compose_mean(g, op, x, axes, true), fixed = build_op(g, OP_stop_gradient, mean);
    if (!mean || !fixed) return none;
    const uint32_t away = build_op2(g, OP_sub, x, build_broadcast(g, fixed, &graph_node(g, x)->shape));
    const uint32_t spread = compose_mean(g, op, away ? compose_square(g, away) : 0, axes, true);
    const uint32_t nothing = compose_square(g, build_op2(g, OP_sub, mean, fixed));
    return (moments){mean, build_op2(g, OP_sub, spread, nothing)};
}

/* The extents of the axes given, which scale and shift have; and the same with 1 for every other axis. */
static gradus_shape extents_of(const gradus_shape *shape, const gradus_axes *axes) {
    gradus_shape only = {{axes->d[0]}};
    for (int i = 1; i <= axes->d[0]; i++) only.d[i] = shape_dim(shape, axes->d[i]);
    return only;
}

static gradus_shape others_one(const gradus_shape *shape, const gradus_axes *axes) {
    gradus_shape kept = {{shape_rank(shape)}};
    for (int i = 1; i <= shape_rank(shape); i++) kept.d[i] = 1;
    for (int i = 1; i <= axes->d[0]; i++) kept.d[axes->d[i] + 1] = shape_dim(shape, axes->d[i]);
    return kept;
}

/* (x - mean) / sqrt(variance + epsilon) * gamma + beta; gamma and beta have x's rank and broadcast, 0 is none.  A gamma
 * for each variance is multiplied into the reciprocal root, of which there are fewer than of x. */
static uint32_t normalized(gradus_graph *g, uint32_t x, moments m, double epsilon, uint32_t gamma, uint32_t beta) {
    const gradus_shape shape = graph_node(g, x)->shape;
    if (!m.mean || !m.variance) return 0;
    uint32_t scale = build_op(g, OP_rsqrt, build_op2(g, OP_add, m.variance, compose_like(g, m.variance, epsilon)));
    if (gamma && shape_equal(&graph_node(g, gamma)->shape, &graph_node(g, scale)->shape)) {
        scale = build_op2(g, OP_mul, scale, gamma);
        gamma = 0;
    }
    uint32_t y = build_op2(g, OP_sub, x, build_broadcast(g, m.mean, &shape));
    y = build_op2(g, OP_mul, y, build_broadcast(g, scale, &shape));
    if (gamma) y = build_op2(g, OP_mul, y, build_broadcast(g, gamma, &shape));
    if (beta) y = build_op2(g, OP_add, y, build_broadcast(g, beta, &shape));
    return y;
}

static bool check_epsilon(gradus_graph *g, const char *op, double epsilon) {
    if (epsilon >= 0 && isfinite(epsilon)) return true;
    compose_fail(g, op, ".epsilon is %g; right is a finite number that is not negative", epsilon);
    return false;
}

/* --- layer_norm ------------------------------------------------------------------------------------------------ */

static uint32_t layer_norm(gradus_graph *g, uint32_t x, uint32_t gamma, uint32_t beta,
                           const gradus_layer_norm_options *o) {
    static const char op[] = "layer_norm";
    const node *n = graph_node(g, x);
    const double epsilon = option_value(o->epsilon, 1e-5);
    const gradus_axes wanted = o->axes.d[0] ? o->axes : GRADUS_AXES(-1);
    gradus_axes axes;
    if (!compose_dtype(g, op, x, DTYPES_FLOATS) || !check_epsilon(g, op, epsilon)) return 0;
    if (!compose_axes(g, op, &wanted, shape_rank(&n->shape), &axes)) return 0;
    const gradus_shape extents = extents_of(&n->shape, &axes), kept = others_one(&n->shape, &axes);
    if (gamma && !compose_given(g, op, "gamma", gamma, n->dtype, &extents)) return 0;
    if (beta && !compose_given(g, op, "beta", beta, n->dtype, &extents)) return 0;
    return normalized(g, x, moments_of(g, op, x, &axes), epsilon, build_reshape(g, gamma, &kept),
                      build_reshape(g, beta, &kept));
}

gradus_tensor gradus_layer_norm_with_at(const char *file, int line, gradus_tensor x, gradus_tensor gamma,
                                        gradus_tensor beta, const gradus_layer_norm_options *options) {
    gradus_layer_norm_options o;
    call_options(&o, sizeof o, options);
    /* x stands for what is absent */
    CALL(NULL, "layer_norm", OPERANDS(x, gamma.graph ? gamma : x, beta.graph ? beta : x),
         layer_norm(g, x.id, gamma.graph ? gamma.id : 0, beta.graph ? beta.id : 0, &o));
}
PLAIN(gradus_tensor, layer_norm_with,
      (gradus_tensor x, gradus_tensor gamma, gradus_tensor beta, const gradus_layer_norm_options *options),
      (NULL, 0, x, gamma, beta, options))

gradus_tensor gradus_layer_norm_at(const char *file, int line, gradus_tensor x, gradus_tensor gamma,
                                   gradus_tensor beta) {
    return gradus_layer_norm_with_at(file, line, x, gamma, beta, NULL);
}
PLAIN(gradus_tensor, layer_norm, (gradus_tensor x, gradus_tensor gamma, gradus_tensor beta), (NULL, 0, x, gamma, beta))
