/* SPDX-License-Identifier: Apache-2.0
 * Layers: builders that make their own parameters. */
#include "ir/call.h"

#include <gradus/nn.h>

/* "NAME/what", or with a NULL name the first of "dense", "dense_2", … that no parameter uses. */
static const char *layer_name(gradus_graph *g, const char *given, const char *standard) {
    if (given) return given;
    for (int i = 1;; i++) {
        text name = {.memory = &g->memory}, kernel = {.memory = &g->memory}, bias = {.memory = &g->memory};
        text_append(&name, i == 1 ? "%s" : "%s_%d", standard, i);
        text_append(&kernel, "%s/kernel", name.data);
        text_append(&bias, "%s/bias", name.data);
        if (!graph_named(g, kernel.data) && !graph_named(g, bias.data)) return name.data;
    }
}

static uint32_t parameter(gradus_graph *g, const char *layer, const char *what, gradus_dtype dtype,
                          const gradus_shape *shape, const gradus_initializer *first) {
    text name = {.memory = &g->memory};
    text_append(&name, "%s/%s", layer, what);
    return compose_state(g, OP_param, name.data, dtype, shape, first);
}

/* The parameter given, if it has dtype and shape. */
static uint32_t shared(gradus_graph *g, const char *what, uint32_t id, gradus_dtype dtype, const gradus_shape *shape) {
    const node *n = graph_node(g, id);
    if (n->dtype == dtype && shape_equal(&n->shape, shape)) return id;
    return compose_fail(g, "dense", ".%s is %s %s; right is %s %s", what, gradus_dtype_name(n->dtype),
                        shape_text(g, &n->shape), gradus_dtype_name(dtype), shape_text(g, shape));
}

static uint32_t dense(gradus_graph *g, uint32_t x, gradus_dense_options *o) {
    const node *n = graph_node(g, x);
    const int rank = shape_rank(&n->shape);
    if (!compose_dtype(g, "dense", x, DTYPES_FLOATS)) return 0;
    if (rank == 0 || shape_dim(&n->shape, rank - 1) < 0)
        return compose_fail(g, "dense", "the last axis of %s, the features, must have a fixed extent",
                            shape_text(g, &n->shape));
    const int64_t features = shape_dim(&n->shape, rank - 1);
    if (o->units == 0 && o->kernel.graph && shape_rank(&node_of(o->kernel)->shape) == 2)
        o->units = shape_dim(&node_of(o->kernel)->shape, 1);
    if (o->units <= 0)
        return compose_fail(g, "dense", ".units is %lld; right is a number above 0", (long long)o->units);
    if (o->no_bias && o->bias.graph) return compose_fail(g, "dense", ".no_bias and a .bias");

    const gradus_shape kernel_shape = {{2, features, o->units}}, bias_shape = {{1, o->units}};
    const bool makes = !o->kernel.graph || (!o->no_bias && !o->bias.graph);
    const char *name = makes ? layer_name(g, o->name, "dense") : NULL;
    if (!o->kernel_init.kind) o->kernel_init = gradus_glorot_uniform();
    const uint32_t kernel = o->kernel.graph ? shared(g, "kernel", o->kernel.id, n->dtype, &kernel_shape)
                                            : parameter(g, name, "kernel", n->dtype, &kernel_shape, &o->kernel_init);
    if (!kernel) return 0;
    uint32_t y = compose_matmul(g, x, kernel);
    if (!o->no_bias) {
        const uint32_t bias = o->bias.graph ? shared(g, "bias", o->bias.id, n->dtype, &bias_shape)
                                            : parameter(g, name, "bias", n->dtype, &bias_shape, &o->bias_init);
        if (!bias || !y) return 0;
        y = build_op2(g, OP_add, y, build_broadcast(g, bias, &graph_node(g, y)->shape));
    }
    return compose_activation(g, "dense", y, o->activation);
}

gradus_tensor gradus_dense_at(const char *file, int line, gradus_tensor x, const gradus_dense_options *options) {
    gradus_dense_options o;
    call_options(&o, sizeof o, options);
    /* x stands for an option that is absent */
    CALL(NULL, "dense", OPERANDS(x, o.kernel.graph ? o.kernel : x, o.bias.graph ? o.bias : x), dense(g, x.id, &o));
}
PLAIN(gradus_tensor, dense, (gradus_tensor x, const gradus_dense_options *options), (NULL, 0, x, options))
