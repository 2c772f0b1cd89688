/* SPDX-License-Identifier: Apache-2.0
 * Initialisers: the public values, and the subgraphs that they stand for. */
#include "ir/call.h"

#include <gradus/graph.h>

#include <math.h>

enum {
    INITIAL_DEFAULT, /* zeros */
    INITIAL_FILL,    /* a everywhere */
    INITIAL_UNIFORM, /* from a to b */
    INITIAL_NORMAL,  /* mean a, standard deviation b */
    INITIAL_TRUNCATED, /* the same, cut off two standard deviations from the mean */
    INITIAL_GLOROT_UNIFORM,
    INITIAL_GLOROT_NORMAL,
    INITIAL_HE_UNIFORM,
    INITIAL_HE_NORMAL,
    INITIAL_FROM, /* data, bytes */
};

gradus_initializer gradus_zeros(void) { return gradus_fill(0); }
gradus_initializer gradus_ones(void) { return gradus_fill(1); }
gradus_initializer gradus_fill(double value) { return (gradus_initializer){.kind = INITIAL_FILL, .a = value}; }
gradus_initializer gradus_uniform(double low, double high) {
    return (gradus_initializer){.kind = INITIAL_UNIFORM, .a = low, .b = high};
}
gradus_initializer gradus_normal(double mean, double standard_deviation) {
    return (gradus_initializer){.kind = INITIAL_NORMAL, .a = mean, .b = standard_deviation};
}
gradus_initializer gradus_truncated_normal(double mean, double standard_deviation) {
    return (gradus_initializer){.kind = INITIAL_TRUNCATED, .a = mean, .b = standard_deviation};
}
gradus_initializer gradus_glorot_uniform(void) { return (gradus_initializer){.kind = INITIAL_GLOROT_UNIFORM}; }
gradus_initializer gradus_glorot_normal(void) { return (gradus_initializer){.kind = INITIAL_GLOROT_NORMAL}; }
gradus_initializer gradus_he_uniform(void) { return (gradus_initializer){.kind = INITIAL_HE_UNIFORM}; }
gradus_initializer gradus_he_normal(void) { return (gradus_initializer){.kind = INITIAL_HE_NORMAL}; }
gradus_initializer gradus_from(const void *data, size_t bytes) {
    return (gradus_initializer){.kind = INITIAL_FROM, .data = data, .bytes = bytes};
}

/* random * scale + offset */
static uint32_t scaled(gradus_graph *g, uint32_t random, double scale, double offset) {
    if (random && scale != 1) random = build_op2(g, OP_mul, random, compose_like(g, random, scale));
    if (random && offset != 0) random = build_op2(g, OP_add, random, compose_like(g, random, offset));
    return random;
}

static uint32_t uniform(gradus_graph *g, gradus_dtype dtype, const gradus_shape *shape, double low, double high) {
    return scaled(g, compose_random(g, dtype, shape), high - low, low);
}

static uint32_t normal(gradus_graph *g, gradus_dtype dtype, const gradus_shape *shape, double mean, double deviation) {
    return scaled(g, compose_normal(g, dtype, shape), deviation, mean);
}

/* Phi^-1 of what is uniform between Phi(-2) and Phi(2); rounding may have gone a little beyond. */
static uint32_t truncated(gradus_graph *g, gradus_dtype dtype, const gradus_shape *shape, double mean,
                          double deviation) {
    static const double bound = 2, below = 0.022750131948179207200; /* Phi(-2) */
    const uint32_t z = build_op(g, OP_ndtri, uniform(g, dtype, shape, below, 1 - below));
    const uint32_t high = build_op2(g, OP_minimum, z, compose_like(g, z, bound));
    return scaled(g, build_op2(g, OP_maximum, high, compose_like(g, z, -bound)), deviation, mean);
}

/* 2 / (fan_in + fan_out), or 2 / fan_in; 0 where there is nothing to initialise. */
static double variance(const gradus_shape *shape, bool both) {
    const int rank = shape_rank(shape);
    double field = 1, in = rank ? (double)shape_dim(shape, rank > 1 ? rank - 2 : 0) : 1;
    double out = rank ? (double)shape_dim(shape, rank - 1) : 1;
    for (int i = 0; i < rank - 2; i++) field *= (double)shape_dim(shape, i);
    const double fans = field * (both ? in + out : in);
    return fans > 0 ? 2 / fans : 0;
}

/* The numbers that an initialiser was made of. */
static bool check_holds(gradus_graph *g, const char *op, const gradus_initializer *first, gradus_dtype dtype) {
    switch (first->kind) {
    case INITIAL_FILL: return compose_holds(g, op, "the number of gradus_fill", first->a, dtype);
    case INITIAL_UNIFORM:
        return compose_holds(g, op, "the lower bound of gradus_uniform", first->a, dtype) &&
               compose_holds(g, op, "the upper bound of gradus_uniform", first->b, dtype) &&
               compose_holds(g, op, "the range of gradus_uniform", first->b - first->a, dtype);
    case INITIAL_NORMAL:
        return compose_holds(g, op, "the mean of gradus_normal", first->a, dtype) &&
               compose_holds(g, op, "the standard deviation of gradus_normal", first->b, dtype);
    case INITIAL_TRUNCATED:
        return compose_holds(g, op, "the mean of gradus_truncated_normal", first->a, dtype) &&
               compose_holds(g, op, "the standard deviation of gradus_truncated_normal", first->b, dtype);
    default: return true;
    }
}

/* Random numbers need floats, and a range that is one. */
static bool check_random(gradus_graph *g, const char *op, const gradus_initializer *first, gradus_dtype dtype) {
    const bool random = first->kind >= INITIAL_UNIFORM && first->kind <= INITIAL_HE_NORMAL;
    if (random && !(DTYPES_FLOATS >> dtype & 1))
        compose_fail(g, op, "a random first value of dtype %s; right are f32 or f64", gradus_dtype_name(dtype));
    else if (random && !(isfinite(first->a) && isfinite(first->b)))
        compose_fail(g, op, "an initialiser of %g and %g; they must be finite", first->a, first->b);
    else if (first->kind == INITIAL_UNIFORM && first->a > first->b)
        compose_fail(g, op, "gradus_uniform from %g up to %g; they must ascend", first->a, first->b);
    else if ((first->kind == INITIAL_NORMAL || first->kind == INITIAL_TRUNCATED) && first->b < 0)
        compose_fail(g, op, "%s with a standard deviation of %g; it must not be negative",
                     first->kind == INITIAL_NORMAL ? "gradus_normal" : "gradus_truncated_normal", first->b);
    else return check_holds(g, op, first, dtype);
    return false;
}

static uint32_t from_data(gradus_graph *g, const char *op, const gradus_initializer *first, gradus_dtype dtype,
                          const gradus_shape *shape) {
    const uint64_t bytes = (uint64_t)shape_elements(shape) * gradus_dtype_size(dtype);
    if (first->bytes != bytes || (bytes && !first->data))
        return compose_fail(g, op, "gradus_from has %zu bytes%s; %s %s has %llu", first->bytes,
                            first->data ? "" : " at NULL", gradus_dtype_name(dtype), shape_text(g, shape),
                            (unsigned long long)bytes);
    attrs data = {.data = first->data, .bytes = first->bytes};
    return graph_add(g, &(node_spec){.op = OP_constant, .dtype = dtype, .shape = *shape, .attr = data});
}

uint32_t compose_initial(gradus_graph *g, const char *op, const gradus_initializer *first, gradus_dtype dtype,
                         const gradus_shape *shape) {
    double limit;
    if (!check_random(g, op, first, dtype)) return 0;
    switch (first->kind) {
    case INITIAL_DEFAULT: return build_fill(g, dtype, shape, 0);
    case INITIAL_FILL: return build_fill(g, dtype, shape, first->a);
    case INITIAL_UNIFORM: return uniform(g, dtype, shape, first->a, first->b);
    case INITIAL_NORMAL: return normal(g, dtype, shape, first->a, first->b);
    case INITIAL_TRUNCATED: return truncated(g, dtype, shape, first->a, first->b);
    case INITIAL_GLOROT_UNIFORM:
    case INITIAL_HE_UNIFORM:
        limit = sqrt(3 * variance(shape, first->kind == INITIAL_GLOROT_UNIFORM));
        return uniform(g, dtype, shape, -limit, limit);
    case INITIAL_GLOROT_NORMAL: return normal(g, dtype, shape, 0, sqrt(variance(shape, true)));
    case INITIAL_HE_NORMAL: return normal(g, dtype, shape, 0, sqrt(variance(shape, false)));
    case INITIAL_FROM: return from_data(g, op, first, dtype, shape);
    }
    return compose_fail(g, op, "%d is no initialiser; make one with gradus_zeros() or its like", first->kind);
}
