/* SPDX-License-Identifier: Apache-2.0
 * Layers: builders that make their own parameters. */
#include "ir/call.h"

#include <gradus/nn.h>

uint32_t compose_layer_state(gradus_graph *g, op_code op, const char *layer, const char *what, gradus_dtype dtype,
                             const gradus_shape *shape, const gradus_initializer *first) {
    text name = {.memory = &g->memory};
    text_append(&name, "%s/%s", layer, what);
    return compose_state(g, op, name.data, dtype, shape, first);
}

uint32_t compose_given(gradus_graph *g, const char *op, const char *what, uint32_t id, gradus_dtype dtype,
                       const gradus_shape *shape) {
    const node *n = graph_node(g, id);
    if (n->dtype == dtype && shape_equal(&n->shape, shape)) return id;
    return compose_fail(g, op, "%s is %s %s; right is %s %s", what, gradus_dtype_name(n->dtype),
                        shape_text(g, &n->shape), gradus_dtype_name(dtype), shape_text(g, shape));
}

/* --- dense ----------------------------------------------------------------------------------------------------- */

static uint32_t parameter(gradus_graph *g, const char *layer, const char *what, gradus_dtype dtype,
                          const gradus_shape *shape, const gradus_initializer *first) {
    return compose_layer_state(g, OP_param, layer, what, dtype, shape, first);
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
    const char *name = makes ? compose_layer_name(g, o->name, "dense") : NULL;
    if (!o->kernel_init.kind) o->kernel_init = gradus_glorot_uniform();
    const uint32_t kernel = o->kernel.graph
                                ? compose_given(g, "dense", ".kernel", o->kernel.id, n->dtype, &kernel_shape)
                                : parameter(g, name, "kernel", n->dtype, &kernel_shape, &o->kernel_init);
    if (!kernel) return 0;
    uint32_t y = compose_matmul(g, x, kernel);
    if (!o->no_bias) {
        const uint32_t bias = o->bias.graph ? compose_given(g, "dense", ".bias", o->bias.id, n->dtype, &bias_shape)
                                            : parameter(g, name, "bias", n->dtype, &bias_shape, &o->bias_init);
        if (!bias || !y) return 0;
        y = build_op2(g, OP_add, y, build_broadcast(g, bias, &graph_node(g, y)->shape));
    }
    return compose_activation(g, "dense", y, o->activation);
}

gradus_tensor gradus_dense_at(const char *file, int line, gradus_tensor x, const gradus_dense_options *options) {
    /* x stands for an option that is absent */
    CALL_WITH(gradus_dense_options, options, NULL, "dense",
              OPERANDS(x, o.kernel.graph ? o.kernel : x, o.bias.graph ? o.bias : x), dense(g, x.id, &o));
}
PLAIN(gradus_tensor, dense, (gradus_tensor x, const gradus_dense_options *options), (NULL, 0, x, options))

/* --- embedding ------------------------------------------------------------------------------------------------- */

static uint32_t embedding(gradus_graph *g, uint32_t indices, gradus_embedding_options *o) {
    static const char op[] = "embedding";
    if (!compose_dtype(g, op, indices, DTYPES_INTS)) return 0;
    uint32_t table = o->table.graph ? o->table.id : 0;
    if (table) {
        const node *n = graph_node(g, table);
        if (shape_rank(&n->shape) != 2)
            return compose_fail(g, op, ".table is %s %s; right is (rows, units)", gradus_dtype_name(n->dtype),
                                shape_text(g, &n->shape));
        if (!o->rows) o->rows = shape_dim(&n->shape, 0);
        if (!o->units) o->units = shape_dim(&n->shape, 1);
        if (!o->dtype) o->dtype = n->dtype;
    }
    if (o->rows <= 0 || o->units <= 0)
        return compose_fail(g, op, ".rows is %lld and .units %lld; right are numbers above 0", (long long)o->rows,
                            (long long)o->units);
    if (!o->dtype) o->dtype = GRADUS_F32;
    if (!o->init.kind) o->init = gradus_uniform(-0.05, 0.05);
    const gradus_shape shape = {{2, o->rows, o->units}};
    if (table) table = compose_given(g, op, ".table", table, o->dtype, &shape);
    else table = parameter(g, compose_layer_name(g, o->name, op), op, o->dtype, &shape, &o->init);
    return table ? build_along(g, OP_take, (uint32_t[]){table, compose_index(g, op, indices, o->rows)}, 2, 0) : 0;
}

gradus_tensor gradus_embedding_at(const char *file, int line, gradus_tensor indices,
                                  const gradus_embedding_options *options) {
    CALL_WITH(gradus_embedding_options, options, NULL, "embedding",
              OPERANDS(indices, o.table.graph ? o.table : indices), embedding(g, indices.id, &o));
}
PLAIN(gradus_tensor, embedding, (gradus_tensor indices, const gradus_embedding_options *options),
      (NULL, 0, indices, options))
