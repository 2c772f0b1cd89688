/* SPDX-License-Identifier: Apache-2.0
 * The public builders of what has no operands: inputs, parameters and state, constants, random numbers. */
#include "ir/call.h"

#include <gradus/graph.h>

#include <string.h>

static uint32_t input(gradus_graph *g, const char *name, gradus_dtype dtype, const gradus_shape *shape) {
    if (!compose_name(g, "input", name)) return 0;
    return graph_add(g, &(node_spec){.op = OP_input, .dtype = dtype, .shape = *shape, .attr = {.name = name}});
}

gradus_tensor gradus_input_at(const char *file, int line, gradus_graph *graph, const char *name, gradus_dtype dtype,
                              gradus_shape shape) {
    CALL(graph, "input", NO_OPERANDS, input(g, name, dtype, &shape));
}
PLAIN(gradus_tensor, input, (gradus_graph * graph, const char *name, gradus_dtype dtype, gradus_shape shape),
      (NULL, 0, graph, name, dtype, shape))

/* A state's first value has a smaller id than the state, so that initialisation can go by ids, too. */
static uint32_t add_state(gradus_graph *g, op_code op, const char *name, gradus_dtype dtype, const gradus_shape *shape,
                          uint32_t init) {
    if (!init) return 0;
    const uint32_t id = graph_add(g, &(node_spec){.op = op, .dtype = dtype, .shape = *shape, .attr = {.name = name}});
    if (id) VEC_PUSH(&g->memory, &g->states, ((state_info){id, init}));
    return id;
}

/* Whether the shape rule would take the state, before nodes of its first value are made. */
static bool possible_state(gradus_graph *g, op_code op, gradus_dtype dtype, const gradus_shape *shape) {
    node n = {.op = op, .dtype = dtype, .shape = *shape};
    return shape_rules[op](g, &n);
}

uint32_t compose_state(gradus_graph *g, op_code op, const char *name, gradus_dtype dtype, const gradus_shape *shape,
                       const gradus_initializer *first) {
    if (!compose_name(g, op_name(op), name) || !possible_state(g, op, dtype, shape)) return 0;
    return add_state(g, op, name, dtype, shape, compose_initial(g, op_name(op), first, dtype, shape));
}

gradus_tensor gradus_param_at(const char *file, int line, gradus_graph *graph, const char *name, gradus_dtype dtype,
                              gradus_shape shape, gradus_initializer first) {
    CALL(graph, "param", NO_OPERANDS, compose_state(g, OP_param, name, dtype, &shape, &first));
}
PLAIN(gradus_tensor, param,
      (gradus_graph * graph, const char *name, gradus_dtype dtype, gradus_shape shape, gradus_initializer first),
      (NULL, 0, graph, name, dtype, shape, first))

gradus_tensor gradus_state_at(const char *file, int line, gradus_graph *graph, const char *name, gradus_dtype dtype,
                              gradus_shape shape, gradus_initializer first) {
    CALL(graph, "state", NO_OPERANDS, compose_state(g, OP_state, name, dtype, &shape, &first));
}
PLAIN(gradus_tensor, state,
      (gradus_graph * graph, const char *name, gradus_dtype dtype, gradus_shape shape, gradus_initializer first),
      (NULL, 0, graph, name, dtype, shape, first))

static uint32_t constant(gradus_graph *g, gradus_dtype dtype, const gradus_shape *shape, const void *data,
                         size_t bytes) {
    if (!data && bytes) return compose_fail(g, "constant", "the data is NULL");
    node_spec spec = {.op = OP_constant, .dtype = dtype, .shape = *shape, .attr = {.data = data, .bytes = bytes}};
    return graph_add(g, &spec);
}

gradus_tensor gradus_constant_at(const char *file, int line, gradus_graph *graph, gradus_dtype dtype,
                                 gradus_shape shape, const void *data, size_t bytes) {
    CALL(graph, "constant", NO_OPERANDS, constant(g, dtype, &shape, data, bytes));
}
PLAIN(gradus_tensor, constant,
      (gradus_graph * graph, gradus_dtype dtype, gradus_shape shape, const void *data, size_t bytes),
      (NULL, 0, graph, dtype, shape, data, bytes))

gradus_tensor gradus_scalar_at(const char *file, int line, gradus_graph *graph, gradus_dtype dtype, double value) {
    CALL(graph, "scalar", NO_OPERANDS, build_fill(g, dtype, &GRADUS_SCALAR, value));
}
PLAIN(gradus_tensor, scalar, (gradus_graph * graph, gradus_dtype dtype, double value), (NULL, 0, graph, dtype, value))

uint32_t compose_like(gradus_graph *g, uint32_t x, double value) {
    if (x == 0) return 0;
    return build_fill(g, graph_node(g, x)->dtype, &graph_node(g, x)->shape, value);
}

gradus_tensor gradus_like_at(const char *file, int line, gradus_tensor x, double value) {
    CALL(NULL, "like", OPERANDS(x), compose_like(g, x.id, value));
}
PLAIN(gradus_tensor, like, (gradus_tensor x, double value), (NULL, 0, x, value))

static uint32_t arange(gradus_graph *g, gradus_dtype dtype, int64_t count) {
    if (dtype == GRADUS_U8 && count > 256)
        return compose_fail(g, "arange", "numbers up to %lld do not fit u8; i32 would do", (long long)count - 1);
    return build_iota(g, dtype, &GRADUS_SHAPE(count), 0);
}

gradus_tensor gradus_arange_at(const char *file, int line, gradus_graph *graph, gradus_dtype dtype, int64_t count) {
    CALL(graph, "arange", NO_OPERANDS, arange(g, dtype, count));
}
PLAIN(gradus_tensor, arange, (gradus_graph * graph, gradus_dtype dtype, int64_t count), (NULL, 0, graph, dtype, count))

gradus_tensor gradus_training_at(const char *file, int line, gradus_graph *graph) {
    CALL(graph, "training", NO_OPERANDS, graph_add(g, &(node_spec){.op = OP_training}));
}
PLAIN(gradus_tensor, training, (gradus_graph * graph), (NULL, 0, graph))

/* --- random numbers -------------------------------------------------------------------------------------------- */

uint32_t compose_rng(gradus_graph *g) {
    if (g->rng) return g->rng;
    const gradus_shape pair = GRADUS_SHAPE(2);
    const source here = g->here;
    g->here = (source){NULL, 0};
    const uint32_t seed = graph_add(g, &(node_spec){.op = OP_seed});
    g->rng = add_state(g, OP_state, RNG_NAME, GRADUS_I64, &pair, seed);
    g->here = here;
    return g->rng;
}

uint32_t compose_random(gradus_graph *g, gradus_dtype dtype, const gradus_shape *shape) {
    if (g->streams == UINT32_MAX) /* a text has used the last one */
        return compose_fail(g, "random_uniform", "no stream is left: the graph that was read has number %u", UINT32_MAX - 1);
    const uint32_t rng = compose_rng(g);
    return graph_add(g, &(node_spec){.op = OP_random_uniform,
                                     .n_inputs = 1,
                                     .inputs = &rng,
                                     .dtype = dtype,
                                     .shape = *shape,
                                     .attr = {.stream = g->streams++}});
}

uint32_t compose_normal(gradus_graph *g, gradus_dtype dtype, const gradus_shape *shape) {
    return build_op(g, OP_ndtri, compose_random(g, dtype, shape));
}

gradus_tensor gradus_random_uniform_at(const char *file, int line, gradus_graph *graph, gradus_dtype dtype,
                                       gradus_shape shape) {
    CALL(graph, "random_uniform", NO_OPERANDS, compose_random(g, dtype, &shape));
}
PLAIN(gradus_tensor, random_uniform, (gradus_graph * graph, gradus_dtype dtype, gradus_shape shape),
      (NULL, 0, graph, dtype, shape))

gradus_tensor gradus_random_normal_at(const char *file, int line, gradus_graph *graph, gradus_dtype dtype,
                                      gradus_shape shape) {
    CALL(graph, "random_normal", NO_OPERANDS, compose_normal(g, dtype, &shape));
}
PLAIN(gradus_tensor, random_normal, (gradus_graph * graph, gradus_dtype dtype, gradus_shape shape),
      (NULL, 0, graph, dtype, shape))
