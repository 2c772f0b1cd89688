/* SPDX-License-Identifier: Apache-2.0
 * Normalisation: x brought to mean 0 and variance 1 over some axes, then scaled and shifted.  See gradus/nn.h. */
#include "ir/call.h"

#include <gradus/nn.h>

#include <math.h>

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

/* 1 / sqrt(variance + epsilon), in units.  Of equal elements, which have no variance, it is 1 where epsilon is 0: they are
 * normalised to 0 all the same. */
static uint32_t reciprocal_root(gradus_graph *g, const moments *m, double epsilon) {
    const uint32_t v = m->variance, none = build_op2(g, OP_equal, v, compose_like(g, v, 0));
    if (epsilon == 0) return build_op(g, OP_rsqrt, build_op3(g, OP_where, none, compose_like(g, v, 1), v));
    const uint32_t in_units = build_op2(g, OP_mul, compose_square(g, m->per_unit), compose_like(g, v, epsilon));
    return build_op(g, OP_rsqrt, build_op2(g, OP_add, v, in_units));
}

static bool check_epsilon(gradus_graph *g, const char *op, double epsilon, gradus_dtype dtype) {
    if (epsilon >= 0 && isfinite(epsilon)) return compose_holds(g, op, ".epsilon", epsilon, dtype);
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
    if (!compose_dtype(g, op, x, DTYPES_FLOATS) || !check_epsilon(g, op, epsilon, n->dtype)) return 0;
    if (!compose_axes(g, op, &wanted, shape_rank(&n->shape), &axes)) return 0;
    const gradus_shape extents = extents_of(&n->shape, &axes), kept = others_one(&n->shape, &axes);
    if (gamma && !compose_given(g, op, "gamma", gamma, n->dtype, &extents)) return 0;
    if (beta && !compose_given(g, op, "beta", beta, n->dtype, &extents)) return 0;
    const gradus_shape shape = n->shape;
    if (compose_reduced_extent(&shape, &axes).factor == 0) return x;
    moments m;
    if (!compose_moments(g, op, x, &axes, epsilon == 0, &m)) return 0;
    uint32_t y = build_op2(g, OP_sub, compose_units(g, x, &m), build_broadcast(g, m.centre, &shape));
    y = build_op2(g, OP_mul, y, build_broadcast(g, reciprocal_root(g, &m, epsilon), &shape));
    if (gamma) y = build_op2(g, OP_mul, y, build_broadcast(g, build_reshape(g, gamma, &kept), &shape));
    if (beta) y = build_op2(g, OP_add, y, build_broadcast(g, build_reshape(g, beta, &kept), &shape));
    return y;
}

gradus_tensor gradus_layer_norm_at(const char *file, int line, gradus_tensor x, gradus_tensor gamma,
                                   gradus_tensor beta, const gradus_layer_norm_options *options) {
    /* x stands for what is absent */
    CALL_WITH(gradus_layer_norm_options, options, NULL, "layer_norm",
              OPERANDS(x, gamma.graph ? gamma : x, beta.graph ? beta : x),
              layer_norm(g, x.id, gamma.graph ? gamma.id : 0, beta.graph ? beta.id : 0, &o));
}
PLAIN(gradus_tensor, layer_norm, (gradus_tensor x, gradus_tensor gamma, gradus_tensor beta),
      (NULL, 0, x, gamma, beta, NULL))

gradus_tensor(gradus_layer_norm_with)(gradus_tensor x, gradus_tensor gamma, gradus_tensor beta,
                                      const gradus_layer_norm_options *options) {
    return gradus_layer_norm_at(NULL, 0, x, gamma, beta, options);
}

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

/* What is kept moves towards what the batch has, by itself, where an entry that trains depends on `part`. */
static void run(gradus_graph *g, uint32_t part, uint32_t of_batch, uint32_t kept, double momentum) {
    if (!part || !of_batch || !kept) return;
    const uint32_t new = build_reshape(g, of_batch, &graph_node(g, kept)->shape);
    const uint32_t moved = build_op2(g, OP_add, build_op2(g, OP_mul, kept, compose_like(g, kept, momentum)),
                                     build_op2(g, OP_mul, new, compose_like(g, new, 1 - momentum)));
    graph_attach(g, part, kept, moved);
}

/* (u - centre) * scale + beta, u being x in units, as u * scale + (beta - centre * scale): the derivatives with respect to
 * centre and beta come from one sum over the derivative of y. */
static uint32_t scaled(gradus_graph *g, uint32_t x, const moments *m, uint32_t scale, uint32_t beta) {
    const gradus_shape shape = graph_node(g, x)->shape;
    uint32_t rest = build_op(g, OP_neg, build_op2(g, OP_mul, m->centre, scale));
    if (beta) rest = build_op2(g, OP_add, beta, rest);
    const uint32_t product = build_op2(g, OP_mul, compose_units(g, x, m), build_broadcast(g, scale, &shape));
    return build_op2(g, OP_add, product, build_broadcast(g, rest, &shape));
}

static bool check_batch_options(gradus_graph *g, const char *op, double momentum, gradus_dtype dtype,
                                const gradus_batch_norm_options *o) {
    if (!(momentum >= 0 && momentum <= 1))
        compose_fail(g, op, ".momentum is %g; right is a share from 0 to 1", momentum);
    else if (o->no_scale && o->gamma_init.kind) compose_fail(g, op, ".no_scale and a .gamma_init");
    else if (o->no_center && o->beta_init.kind) compose_fail(g, op, ".no_center and a .beta_init");
    else compose_holds_share(g, op, ".momentum", momentum, dtype);
    return g->status == GRADUS_OK;
}

typedef struct {
    uint32_t gamma, beta, mean, variance; /* of the channels' shape; 0: none */
    bool frozen;                          /* mean and variance stay as they are */
} channel_states;

static channel_states make_states(gradus_graph *g, const char *op, gradus_dtype dtype, int64_t channels,
                                  const gradus_batch_norm_options *o) {
    const gradus_shape shape = GRADUS_SHAPE(channels);
    const gradus_initializer zeros = gradus_zeros(), ones = gradus_ones();
    const char *name = compose_layer_name(g, o->name, op);
    channel_states s = {.frozen = o->frozen_statistics};
    if (!o->no_scale)
        s.gamma =
            compose_layer_state(g, OP_param, name, "gamma", dtype, &shape, o->gamma_init.kind ? &o->gamma_init : &ones);
    if (!o->no_center) s.beta = compose_layer_state(g, OP_param, name, "beta", dtype, &shape, &o->beta_init);
    s.mean = compose_layer_state(g, OP_state, name, "moving_mean", dtype, &shape, &zeros);
    s.variance = compose_layer_state(g, OP_state, name, "moving_variance", dtype, &shape, &ones);
    return s;
}

/* Mean and variance that x is normalised by: the batch's in training, else those that are kept. */
static moments statistics(gradus_graph *g, const char *op, uint32_t x, const gradus_axes *others,
                          const gradus_shape *kept, const channel_states *s, double momentum, bool always) {
    const uint32_t mean = build_reshape(g, s->mean, kept), variance = build_reshape(g, s->variance, kept);
    if (!mean || !variance) return (moments){0};
    const uint32_t one = compose_like(g, mean, 1);
    const moments own = {.shift = mean, .centre = compose_like(g, mean, 0), .per_unit = one, .variance = variance};
    if (s->frozen) return own;
    const gradus_shape shape = graph_node(g, x)->shape;
    /* Where the mode is known not to be training, nothing depends on the batch's statistics, derivatives neither. */
    const uint32_t training = graph_add(g, &(node_spec){.op = OP_training});
    const uint32_t seen = build_op3(g, OP_where, build_broadcast(g, training, &shape), x, compose_like(g, x, 0));
    moments m;
    if (!compose_moments(g, op, seen, others, always, &m)) return (moments){0};
    run(g, m.centre, compose_mean_of(g, &m), s->mean, momentum);
    run(g, m.variance, compose_variance_of(g, &m), s->variance, momentum);
    const uint32_t trains = build_broadcast(g, training, kept);
    return (moments){.shift = build_op3(g, OP_where, trains, m.shift, own.shift),
                     .centre = build_op3(g, OP_where, trains, m.centre, own.centre),
                     .per_unit = build_op3(g, OP_where, trains, m.per_unit, own.per_unit),
                     .variance = build_op3(g, OP_where, trains, m.variance, own.variance)};
}

static uint32_t normalized(gradus_graph *g, const char *op, uint32_t x, int axis, channel_states s, double momentum,
                           double epsilon) {
    const gradus_shape shape = graph_node(g, x)->shape;
    const gradus_axes channels = {{1, axis}};
    const gradus_shape kept = others_one(&shape, &channels);
    gradus_axes others;
    if (!batch_axes(g, op, x, axis, &others)) return 0;
    const moments m = statistics(g, op, x, &others, &kept, &s, momentum, epsilon == 0);
    if (!m.variance) return 0;
    uint32_t scale = reciprocal_root(g, &m, epsilon);
    if (s.gamma) scale = build_op2(g, OP_mul, scale, build_reshape(g, s.gamma, &kept));
    return scaled(g, x, &m, scale, build_reshape(g, s.beta, &kept));
}

/* The leading axes as one, where that is an extent: statistics of columns then, as of what most layers make. */
static gradus_shape as_columns(const gradus_shape *shape, int axis) {
    const int last = shape_rank(shape) - 1;
    const extent rows = shape_extent(shape, 0, last);
    if (axis != last || rows.power > 1) return *shape;
    return GRADUS_SHAPE(rows.power ? -rows.factor : rows.factor, shape_dim(shape, last));
}

static uint32_t batch_norm(gradus_graph *g, uint32_t x, const gradus_batch_norm_options *o) {
    static const char op[] = "batch_norm";
    const gradus_shape shape = graph_node(g, x)->shape;
    const gradus_dtype dtype = graph_node(g, x)->dtype;
    const double momentum = option_value(o->momentum, 0.99), epsilon = option_value(o->epsilon, 1e-3);
    gradus_axes others;
    if (!compose_dtype(g, op, x, DTYPES_FLOATS) || !check_epsilon(g, op, epsilon, dtype)) return 0;
    if (!check_batch_options(g, op, momentum, dtype, o)) return 0;
    const int axis = compose_axis(g, op, o->axis ? o->axis : -1, shape_rank(&shape));
    if (axis < 0 || !batch_axes(g, op, x, axis, &others)) return 0;
    const channel_states s = make_states(g, op, dtype, shape_dim(&shape, axis), o);
    const gradus_shape columns = as_columns(&shape, axis);
    const int channels = axis - shape_rank(&shape) + shape_rank(&columns);
    const uint32_t y = normalized(g, op, build_reshape(g, x, &columns), channels, s, momentum, epsilon);
    return build_reshape(g, y, &shape);
}

gradus_tensor gradus_batch_norm_at(const char *file, int line, gradus_tensor x,
                                   const gradus_batch_norm_options *options) {
    CALL_WITH(gradus_batch_norm_options, options, NULL, "batch_norm", OPERANDS(x), batch_norm(g, x.id, &o));
}
PLAIN(gradus_tensor, batch_norm, (gradus_tensor x, const gradus_batch_norm_options *options), (NULL, 0, x, options))
