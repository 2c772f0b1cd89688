/* SPDX-License-Identifier: Apache-2.0
 * Public builders that are no ops of their own: elementwise ones, activations and dropout.  Softmax is in softmax.c,
 * losses are in losses.c. */
#include "ir/call.h"

#include <gradus/build.h>
#include <gradus/nn.h>

/* --- elementwise ----------------------------------------------------------------------------------------------- */

/* `>` is `<` with its operands exchanged, which an error should not show. */
static uint32_t greater(gradus_graph *g, const char *name, op_code op, uint32_t x, uint32_t y) {
    return compose_pair(g, name, DTYPES_ALL, &x, &y) ? build_op2(g, op, y, x) : 0;
}

gradus_tensor gradus_greater_at(const char *file, int line, gradus_tensor x, gradus_tensor y) {
    CALL(NULL, "greater", OPERANDS(x, y), greater(g, "greater", OP_less, x.id, y.id));
}
PLAIN(gradus_tensor, greater, (gradus_tensor x, gradus_tensor y), (NULL, 0, x, y))

gradus_tensor gradus_greater_equal_at(const char *file, int line, gradus_tensor x, gradus_tensor y) {
    CALL(NULL, "greater_equal", OPERANDS(x, y), greater(g, "greater_equal", OP_less_equal, x.id, y.id));
}
PLAIN(gradus_tensor, greater_equal, (gradus_tensor x, gradus_tensor y), (NULL, 0, x, y))

gradus_tensor gradus_not_equal_at(const char *file, int line, gradus_tensor x, gradus_tensor y) {
    CALL(NULL, "not_equal", OPERANDS(x, y),
         build_op(g, OP_logical_not, compose_binary(g, "not_equal", OP_equal, x.id, y.id)));
}
PLAIN(gradus_tensor, not_equal, (gradus_tensor x, gradus_tensor y), (NULL, 0, x, y))

uint32_t compose_square(gradus_graph *g, uint32_t x) { return build_op2(g, OP_mul, x, x); }

static uint32_t square(gradus_graph *g, uint32_t x) {
    return compose_dtype(g, "square", x, DTYPES_NUMBERS) ? compose_square(g, x) : 0;
}

gradus_tensor gradus_square_at(const char *file, int line, gradus_tensor x) {
    CALL(NULL, "square", OPERANDS(x), square(g, x.id));
}
PLAIN(gradus_tensor, square, (gradus_tensor x), (NULL, 0, x))

static uint32_t clip(gradus_graph *g, uint32_t x, double low, double high) {
    if (!(low <= high)) return compose_fail(g, "clip", "from %g up to %g; they must ascend and not be NaN", low, high);
    if (!compose_dtype(g, "clip", x, DTYPES_NUMBERS)) return 0;
    const gradus_dtype dtype = graph_node(g, x)->dtype;
    if (!compose_holds(g, "clip", "the lower bound", low, dtype)) return 0;
    if (!compose_holds(g, "clip", "the upper bound", high, dtype)) return 0;
    return build_op2(g, OP_minimum, build_op2(g, OP_maximum, x, compose_like(g, x, low)), compose_like(g, x, high));
}

gradus_tensor gradus_clip_at(const char *file, int line, gradus_tensor x, double low, double high) {
    CALL(NULL, "clip", OPERANDS(x), clip(g, x.id, low, high));
}
PLAIN(gradus_tensor, clip, (gradus_tensor x, double low, double high), (NULL, 0, x, low, high))

/* --- activations ----------------------------------------------------------------------------------------------- */

/* x gate(x), where the gate is exactly 0 from -bound downwards and 1 from bound upwards.  There it is 0 or x itself, for
 * an infinite x times 0, which the gate or its derivative is, would be NaN. */
static uint32_t gated(gradus_graph *g, uint32_t x, op_code gate, double bound) {
    const uint32_t far = build_op2(g, OP_less_equal, compose_like(g, x, bound), build_op(g, OP_abs, x));
    const uint32_t near = build_op3(g, OP_where, far, compose_like(g, x, 0), x);
    return build_op3(g, OP_where, far, build_op(g, OP_relu, x), build_op2(g, OP_mul, near, build_op(g, gate, near)));
}

/* x Phi(x); in f64 Phi is above 0 down to -38.5 */
static uint32_t gelu(gradus_graph *g, uint32_t x) {
    return compose_dtype(g, "gelu", x, DTYPES_FLOATS) ? gated(g, x, OP_ndtr, 40) : 0;
}

gradus_tensor gradus_gelu_at(const char *file, int line, gradus_tensor x) {
    CALL(NULL, "gelu", OPERANDS(x), gelu(g, x.id));
}
PLAIN(gradus_tensor, gelu, (gradus_tensor x), (NULL, 0, x))

/* in f64 the sigmoid is above 0 down to -745.2 */
static uint32_t silu(gradus_graph *g, uint32_t x) {
    return compose_dtype(g, "silu", x, DTYPES_FLOATS) ? gated(g, x, OP_sigmoid, 800) : 0;
}

gradus_tensor gradus_silu_at(const char *file, int line, gradus_tensor x) {
    CALL(NULL, "silu", OPERANDS(x), silu(g, x.id));
}
PLAIN(gradus_tensor, silu, (gradus_tensor x), (NULL, 0, x))

/* Each is smooth within the branch that x is in.  With relu and abs, whose derivatives at 0 are 0, the sums that these
 * are parts of would have the wrong derivative there. */
uint32_t compose_above_zero(gradus_graph *g, uint32_t x) { return build_op2(g, OP_less, compose_like(g, x, 0), x); }

static uint32_t positive_part(gradus_graph *g, uint32_t x) {
    return build_op3(g, OP_where, compose_above_zero(g, x), x, compose_like(g, x, 0));
}

uint32_t compose_log1p_exp_part(gradus_graph *g, uint32_t x) {
    const uint32_t minus_abs = build_op3(g, OP_where, compose_above_zero(g, x), build_op(g, OP_neg, x), x);
    return build_op(g, OP_log1p, build_op(g, OP_exp, minus_abs));
}

static uint32_t softplus(gradus_graph *g, uint32_t x) {
    if (!compose_dtype(g, "softplus", x, DTYPES_FLOATS)) return 0;
    return build_op2(g, OP_add, positive_part(g, x), compose_log1p_exp_part(g, x));
}

gradus_tensor gradus_softplus_at(const char *file, int line, gradus_tensor x) {
    CALL(NULL, "softplus", OPERANDS(x), softplus(g, x.id));
}
PLAIN(gradus_tensor, softplus, (gradus_tensor x), (NULL, 0, x))

uint32_t compose_activation(gradus_graph *g, const char *op, uint32_t x, gradus_activation activation) {
    switch (activation) {
    case GRADUS_LINEAR: return x;
    case GRADUS_RELU: return build_op(g, OP_relu, x);
    case GRADUS_TANH: return build_op(g, OP_tanh, x);
    case GRADUS_SIGMOID: return build_op(g, OP_sigmoid, x);
    case GRADUS_GELU: return x ? gelu(g, x) : 0;
    case GRADUS_SOFTMAX: return x ? compose_softmax(g, x, -1) : 0;
    }
    return compose_fail(g, op, "%d is no activation; right are GRADUS_LINEAR to GRADUS_SOFTMAX", (int)activation);
}

gradus_tensor gradus_activate_at(const char *file, int line, gradus_tensor x, gradus_activation activation) {
    CALL(NULL, "activate", OPERANDS(x), compose_activation(g, "activate", x.id, activation));
}
PLAIN(gradus_tensor, activate, (gradus_tensor x, gradus_activation activation), (NULL, 0, x, activation))

/* --- dropout --------------------------------------------------------------------------------------------------- */

/* where(not training or rate < u, x * where(training, 1 / (1 - rate), 1), 0), u uniform.  What is dropped is 0 even where
 * x is infinite, and so is its derivative; and where training is known to be false, so is all that depends on u. */
static uint32_t dropout(gradus_graph *g, uint32_t x, double rate) {
    if (!compose_dtype(g, "dropout", x, DTYPES_FLOATS)) return 0;
    if (!(rate >= 0 && rate < 1))
        return compose_fail(g, "dropout", "the rate is %g; right is a share from 0 to below 1", rate);
    const gradus_dtype dtype = graph_node(g, x)->dtype;
    if (!compose_holds_share(g, "dropout", "the rate", rate, dtype)) return 0;
    if (rate == 0) return x;
    const gradus_shape shape = graph_node(g, x)->shape;
    const uint32_t training = graph_add(g, &(node_spec){.op = OP_training});
    const uint32_t drawn = build_op2(g, OP_less, compose_like(g, x, rate), compose_random(g, dtype, &shape));
    const uint32_t kept =
        build_op2(g, OP_logical_or, build_broadcast(g, build_op(g, OP_logical_not, training), &shape), drawn);
    const uint32_t scale = build_op3(g, OP_where, training, build_fill(g, dtype, &GRADUS_SCALAR, 1 / (1 - rate)),
                                     build_fill(g, dtype, &GRADUS_SCALAR, 1));
    return build_op3(g, OP_where, kept, build_op2(g, OP_mul, x, build_broadcast(g, scale, &shape)),
                     compose_like(g, x, 0));
}

gradus_tensor gradus_dropout_at(const char *file, int line, gradus_tensor x, double rate) {
    CALL(NULL, "dropout", OPERANDS(x), dropout(g, x.id, rate));
}
PLAIN(gradus_tensor, dropout, (gradus_tensor x, double rate), (NULL, 0, x, rate))
