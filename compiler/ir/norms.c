/* SPDX-License-Identifier: Apache-2.0
 * Normalisation: x brought to mean 0 and variance 1 over some axes, then scaled and shifted.  See gradus/nn.h. */
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

/* --- batch_norm ------------------------------------------------------------------------------------------------ */

/* The axes but the channels', over which there must be something to take statistics of; false after an error. */
static bool batch_axes(gradus_graph *g, const char *op, uint32_t x, int channels, gradus_axes *others) {
    const gradus_shape *shape = &graph_node(g, x)->shape;
    bool fits = shape_rank(shape) >= 2 && shape_dim(shape, channels) >= 0;
    *others = (gradus_axes){{0}};
    for (int i = 0; i < shape_rank(shape); i++) {
        if (i == channels) continue;
        others->d[++others->d[0]] = i;
        fits = fits && shape_dim(shape, i) != 0;
    }
    if (fits) return true;
    compose_fail(g, op,
                 "statistics of axis %d of %s; right are an axis of fixed extent, the channels, and others that have "
                 "elements",
                 channels, shape_text(g, shape));
    return false;
}

/* In training what the batch has, else what is kept; that moves towards what the batch has, by itself. */
static uint32_t running(gradus_graph *g, uint32_t training, uint32_t of_batch, uint32_t kept, double momentum) {
    if (!of_batch || !kept) return 0;
    const gradus_shape shape = graph_node(g, of_batch)->shape;
    const uint32_t new = build_reshape(g, of_batch, &graph_node(g, kept)->shape);
    const uint32_t moved = build_op2(g, OP_add, build_op2(g, OP_mul, kept, compose_like(g, kept, momentum)),
                                     build_op2(g, OP_mul, new, compose_like(g, new, 1 - momentum)));
    graph_attach(g, of_batch, kept, moved);
    return build_op3(g, OP_where, build_broadcast(g, training, &shape), of_batch, build_reshape(g, kept, &shape));
}

static bool check_batch_options(gradus_graph *g, const char *op, double momentum, const gradus_batch_norm_options *o) {
    if (!(momentum >= 0 && momentum <= 1))
        compose_fail(g, op, ".momentum is %g; right is a share from 0 to 1", momentum);
    else if (o->no_scale && o->gamma_init.kind) compose_fail(g, op, ".no_scale and a .gamma_init");
    else if (o->no_center && o->beta_init.kind) compose_fail(g, op, ".no_center and a .beta_init");
    return g->status == GRADUS_OK;
}

static uint32_t batch_norm(gradus_graph *g, uint32_t x, gradus_batch_norm_options *o) {
    static const char op[] = "batch_norm";
    const gradus_dtype dtype = graph_node(g, x)->dtype;
    const gradus_shape shape = graph_node(g, x)->shape;
    const double momentum = option_value(o->momentum, 0.99), epsilon = option_value(o->epsilon, 1e-3);
    gradus_axes others;
    if (!compose_dtype(g, op, x, DTYPES_FLOATS) || !check_epsilon(g, op, epsilon)) return 0;
    if (!check_batch_options(g, op, momentum, o)) return 0;
    const int axis = compose_axis(g, op, o->axis ? o->axis : -1, shape_rank(&shape));
    if (axis < 0 || !batch_axes(g, op, x, axis, &others)) return 0;

    const gradus_axes channels = {{1, axis}};
    const gradus_shape own = extents_of(&shape, &channels), kept = others_one(&shape, &channels);
    const gradus_initializer zeros = gradus_zeros(), ones = gradus_ones();
    const char *name = compose_layer_name(g, o->name, op);
    if (!o->gamma_init.kind) o->gamma_init = ones;
    const uint32_t gamma =
        o->no_scale ? 0 : compose_layer_state(g, OP_param, name, "gamma", dtype, &own, &o->gamma_init);
    const uint32_t beta = o->no_center ? 0 : compose_layer_state(g, OP_param, name, "beta", dtype, &own, &o->beta_init);
    const uint32_t mean = compose_layer_state(g, OP_state, name, "moving_mean", dtype, &own, &zeros);
    const uint32_t variance = compose_layer_state(g, OP_state, name, "moving_variance", dtype, &own, &ones);

    /* Where the mode is known not to be training, nothing depends on the batch's statistics, derivatives neither. */
    const uint32_t training = graph_add(g, &(node_spec){.op = OP_training});
    const uint32_t seen = build_op3(g, OP_where, build_broadcast(g, training, &shape), x, compose_like(g, x, 0));
    moments m = seen ? moments_of(g, op, seen, &others) : (moments){0, 0};
    m.mean = running(g, training, m.mean, mean, momentum);
    m.variance = running(g, training, m.variance, variance, momentum);
    return normalized(g, x, m, epsilon, build_reshape(g, gamma, &kept), build_reshape(g, beta, &kept));
}

gradus_tensor gradus_batch_norm_at(const char *file, int line, gradus_tensor x,
                                   const gradus_batch_norm_options *options) {
    gradus_batch_norm_options o;
    call_options(&o, sizeof o, options);
    CALL(NULL, "batch_norm", OPERANDS(x), batch_norm(g, x.id, &o));
}
PLAIN(gradus_tensor, batch_norm, (gradus_tensor x, const gradus_batch_norm_options *options), (NULL, 0, x, options))
