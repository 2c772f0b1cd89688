/* SPDX-License-Identifier: Apache-2.0
 *
 * The op table's shape column: each rule checks a node's operands and attributes and sets its dtype and shape.  Rules
 * trust nothing, since nodes also come from text.  What users get wrong most (broadcasting, axes) the public builders
 * have checked before, in the user's own terms.
 */
#include "ir/call.h"
#include "ir/custom.h"

static const node *operand(const gradus_graph *g, const node *n, uint32_t i) { return graph_node(g, n->inputs[i]); }

static const char *operand_text(gradus_graph *g, const node *n, uint32_t i) {
    return shape_text(g, &operand(g, n, i)->shape);
}

/* Takes the result's type; false where there can be no such tensor. */
static bool result(gradus_graph *g, node *n, gradus_dtype dtype, const gradus_shape *shape) {
    n->dtype = dtype;
    n->shape = *shape;
    return compose_valid_shape(g, op_name(n->op), dtype, shape);
}

static bool arity(gradus_graph *g, const node *n) {
    const int wanted = op_infos[n->op].arity;
    if (wanted == ARITY_ANY ? n->n_inputs > 0 : n->n_inputs == (uint32_t)wanted) return true;
    if (wanted == ARITY_ANY) compose_fail(g, op_name(n->op), "no operands; it takes one or more");
    else compose_fail(g, op_name(n->op), "%u operands; it takes %d", n->n_inputs, wanted);
    return false;
}

/* The operands are as many as the table says; those from `from` on have its dtypes, all the same one. */
static bool operands(gradus_graph *g, const node *n, uint32_t from) {
    if (!arity(g, n)) return false;
    for (uint32_t i = from; i < n->n_inputs; i++) {
        if (!compose_dtype(g, op_name(n->op), n->inputs[i], op_infos[n->op].operands)) return false;
        if (!compose_same_dtype(g, op_name(n->op), n->inputs[from], n->inputs[i])) return false;
    }
    return true;
}

static bool equal_shapes(gradus_graph *g, const node *n) {
    for (uint32_t i = 1; i < n->n_inputs; i++) {
        if (shape_equal(&operand(g, n, 0)->shape, &operand(g, n, i)->shape)) continue;
        compose_fail(g, op_name(n->op), "operands of shapes %s and %s; they must be equal", operand_text(g, n, 0),
                     operand_text(g, n, i));
        return false;
    }
    return true;
}

static bool axis_in(gradus_graph *g, const node *n, int rank) {
    if (n->attr.axis >= 0 && n->attr.axis < rank) return true;
    compose_fail(g, op_name(n->op), "axis %d of a tensor of rank %d", n->attr.axis, rank);
    return false;
}

/* The axis, whose extent is not the batch. */
static bool fixed_axis(gradus_graph *g, const node *n, uint32_t of, const char *doing) {
    const gradus_shape *s = &operand(g, n, of)->shape;
    if (!axis_in(g, n, shape_rank(s))) return false;
    if (shape_dim(s, n->attr.axis) >= 0) return true;
    compose_fail(g, op_name(n->op),
                 "%s the batch dimension is not possible: axis %d of %s is a multiple of the run-time batch", doing,
                 n->attr.axis, shape_text(g, s));
    return false;
}

/* What a node holds is 0 or 1 where it is bool: a constant's elements, and the value of a fill or a pad. */
static bool bools_valid(gradus_graph *g, const node *n) {
    if (n->dtype != GRADUS_BOOL) return true;
    if (op_infos[n->op].attributes & ATTR_VALUE && n->attr.value.u8 > 1) {
        compose_fail(g, op_name(n->op), "the value is %u; a bool is 0 or 1", n->attr.value.u8);
        return false;
    }
    const unsigned char *elements = n->attr.data;
    for (size_t i = 0; i < n->attr.bytes; i++) {
        if (elements[i] <= 1) continue;
        compose_fail(g, op_name(n->op), "element %zu is %u; a bool is 0 or 1", i, elements[i]);
        return false;
    }
    return true;
}

/* --- sources --------------------------------------------------------------------------------------------------- */

static bool infer_given(gradus_graph *g, node *n) {
    const char *op = op_name(n->op);
    if (!arity(g, n)) return false;
    if (n->dtype < GRADUS_F32 || n->dtype > GRADUS_BOOL) {
        compose_fail(g, op, "dtype %d is none; right are GRADUS_F32 to GRADUS_BOOL", (int)n->dtype);
        return false;
    }
    if (!compose_valid_shape(g, op, n->dtype, &n->shape)) return false;
    const bool stored = op_is(n->op, STATE) || n->op == OP_constant;
    if (stored && shape_has_batch(&n->shape)) {
        compose_fail(g, op, "shape %s has the run-time batch in it; what is stored has a fixed shape",
                     shape_text(g, &n->shape));
        return false;
    }
    if (n->op == OP_param && !(DTYPES_FLOATS >> n->dtype & 1)) {
        compose_fail(g, op, "dtype %s cannot be trained; right are f32 or f64, or gradus_state",
                     gradus_dtype_name(n->dtype));
        return false;
    }
    if (n->op == OP_constant) {
        const uint64_t bytes = (uint64_t)shape_elements(&n->shape) * gradus_dtype_size(n->dtype);
        if (n->attr.bytes != bytes) {
            compose_fail(g, op, "%zu bytes of data; %s %s has %llu", n->attr.bytes, gradus_dtype_name(n->dtype),
                         shape_text(g, &n->shape), (unsigned long long)bytes);
            return false;
        }
    }
    if (n->op == OP_iota || n->op == OP_count) {
        if (n->dtype == GRADUS_BOOL) {
            compose_fail(g, op, "dtype bool; right is any other");
            return false;
        }
    }
    if (n->op == OP_iota) return axis_in(g, n, shape_rank(&n->shape));
    if (n->op == OP_count && shape_rank(&n->shape) != 0) {
        compose_fail(g, op, "shape %s; it is a scalar", shape_text(g, &n->shape));
        return false;
    }
    return bools_valid(g, n);
}

static bool infer_training(gradus_graph *g, node *n) {
    return arity(g, n) && result(g, n, GRADUS_BOOL, &(gradus_shape){{0}});
}

static bool infer_seed(gradus_graph *g, node *n) {
    return arity(g, n) && result(g, n, GRADUS_I64, &(gradus_shape){{1, 2}});
}

static bool infer_random(gradus_graph *g, node *n) {
    if (!operands(g, n, 0)) return false;
    const node *rng = operand(g, n, 0);
    if (rng->dtype != GRADUS_I64 || !shape_equal(&rng->shape, &(gradus_shape){{1, 2}})) {
        compose_fail(g, op_name(n->op), "seed and counter are %s %s; right is i64 (2)", gradus_dtype_name(rng->dtype),
                     shape_text(g, &rng->shape));
        return false;
    }
    if (!(DTYPES_FLOATS >> n->dtype & 1)) {
        compose_fail(g, op_name(n->op), "random numbers of dtype %s; right are f32 or f64",
                     gradus_dtype_name(n->dtype));
        return false;
    }
    return compose_valid_shape(g, op_name(n->op), n->dtype, &n->shape);
}

/* --- elementwise ----------------------------------------------------------------------------------------------- */

static bool infer_same(gradus_graph *g, node *n) {
    if (!operands(g, n, 0) || !equal_shapes(g, n)) return false;
    return result(g, n, operand(g, n, 0)->dtype, &operand(g, n, 0)->shape);
}

static bool infer_check_index(gradus_graph *g, node *n) {
    if (n->attr.bound >= 0) return infer_same(g, n);
    compose_fail(g, op_name(n->op), "a multiple of the batch as bound; right is a number");
    return false;
}

static bool infer_predicate(gradus_graph *g, node *n) {
    if (!operands(g, n, 0) || !equal_shapes(g, n)) return false;
    return result(g, n, GRADUS_BOOL, &operand(g, n, 0)->shape);
}

static bool infer_cast(gradus_graph *g, node *n) {
    if (!operands(g, n, 0)) return false;
    if (n->dtype < GRADUS_F32 || n->dtype > GRADUS_BOOL) {
        compose_fail(g, op_name(n->op), "dtype %d is none; right are GRADUS_F32 to GRADUS_BOOL", (int)n->dtype);
        return false;
    }
    return result(g, n, n->dtype, &operand(g, n, 0)->shape);
}

static bool infer_where(gradus_graph *g, node *n) {
    if (!operands(g, n, 1)) return false;
    const node *condition = operand(g, n, 0);
    if (condition->dtype != GRADUS_BOOL) {
        compose_fail(g, op_name(n->op),
                     "the condition is %s %s; right is bool: a comparison, or gradus_cast(…, GRADUS_BOOL)",
                     gradus_dtype_name(condition->dtype), shape_text(g, &condition->shape));
        return false;
    }
    return equal_shapes(g, n) && result(g, n, operand(g, n, 1)->dtype, &condition->shape);
}

/* --- movement -------------------------------------------------------------------------------------------------- */

/* "12 * B^2" */
static const char *extent_text(gradus_graph *g, extent e) {
    text t = {.memory = &g->memory};
    text_append(&t, "%lld", (long long)e.factor);
    if (e.power == 1) text_append(&t, " * B");
    if (e.power > 1) text_append(&t, " * B^%d", e.power);
    return t.data;
}

static bool infer_reshape(gradus_graph *g, node *n) {
    if (!operands(g, n, 0)) return false;
    const node *x = operand(g, n, 0);
    const gradus_shape to = n->shape;
    if (!result(g, n, x->dtype, &to)) return false;
    const extent has = shape_extent(&x->shape, 0, shape_rank(&x->shape)), wants = shape_extent(&to, 0, shape_rank(&to));
    if (has.factor == wants.factor && has.power == wants.power) return true;
    compose_fail(g, op_name(n->op), "%s has %s elements and %s has %s%s", shape_text(g, &x->shape), extent_text(g, has),
                 shape_text(g, &to), extent_text(g, wants),
                 has.power > wants.power && has.power > 1 ? "; two batch dimensions cannot be flattened together"
                 : has.power != wants.power               ? "; B is the run-time batch, GRADUS_BATCH"
                                                          : "");
    return false;
}

static bool infer_broadcast(gradus_graph *g, node *n) {
    if (!operands(g, n, 0)) return false;
    const node *x = operand(g, n, 0);
    const gradus_shape to = n->shape;
    if (!result(g, n, x->dtype, &to)) return false;
    const int more = shape_rank(&to) - shape_rank(&x->shape);
    bool fits = more >= 0;
    for (int i = 0; fits && i < shape_rank(&x->shape); i++)
        fits = shape_dim(&x->shape, i) == 1 || shape_dim(&x->shape, i) == shape_dim(&to, more + i);
    if (!fits)
        compose_fail(g, op_name(n->op),
                     "%s does not broadcast to %s: aligned at the last axes, each of its extents must be equal or 1",
                     shape_text(g, &x->shape), shape_text(g, &to));
    return fits;
}

static bool infer_transpose(gradus_graph *g, node *n) {
    if (!operands(g, n, 0)) return false;
    const node *x = operand(g, n, 0);
    const int rank = shape_rank(&x->shape);
    gradus_shape to = {{rank}};
    unsigned seen = 0;
    bool permutation = n->attr.axes.d[0] == rank;
    for (int i = 0; permutation && i < rank; i++) {
        const int axis = n->attr.axes.d[i + 1];
        permutation = axis >= 0 && axis < rank && !(seen & 1u << axis);
        if (!permutation) break;
        seen |= 1u << axis;
        to.d[i + 1] = shape_dim(&x->shape, axis);
    }
    if (permutation) return result(g, n, x->dtype, &to);
    compose_fail(g, op_name(n->op), "the axes of %s are 0 to %d, each once", shape_text(g, &x->shape), rank - 1);
    return false;
}

static bool infer_slice(gradus_graph *g, node *n) {
    if (!operands(g, n, 0) || !fixed_axis(g, n, 0, "slicing")) return false;
    const node *x = operand(g, n, 0);
    const int64_t dim = shape_dim(&x->shape, n->attr.axis), low = n->attr.low, high = n->attr.high;
    if (low < 0 || low > high || high > dim) {
        compose_fail(g, op_name(n->op), "from %lld up to %lld along axis %d of %s; right are 0 to %lld, ascending",
                     (long long)low, (long long)high, n->attr.axis, shape_text(g, &x->shape), (long long)dim);
        return false;
    }
    gradus_shape to = x->shape;
    to.d[n->attr.axis + 1] = high - low;
    return result(g, n, x->dtype, &to);
}

static bool infer_pad(gradus_graph *g, node *n) {
    if (!operands(g, n, 0) || !fixed_axis(g, n, 0, "padding")) return false;
    const node *x = operand(g, n, 0);
    gradus_shape to = x->shape;
    int64_t *dim = &to.d[n->attr.axis + 1];
    if (n->attr.low < 0 || n->attr.high < 0) {
        compose_fail(g, op_name(n->op), "%lld before and %lld behind; they must not be negative, use gradus_slice",
                     (long long)n->attr.low, (long long)n->attr.high);
        return false;
    }
    if (__builtin_add_overflow(*dim, n->attr.low, dim) || __builtin_add_overflow(*dim, n->attr.high, dim)) {
        compose_fail(g, op_name(n->op), "an extent does not fit 64 bits");
        return false;
    }
    return result(g, n, x->dtype, &to) && bools_valid(g, n);
}

static bool infer_concat(gradus_graph *g, node *n) {
    if (!operands(g, n, 0)) return false;
    gradus_shape to = operand(g, n, 0)->shape;
    if (!axis_in(g, n, shape_rank(&to))) return false;
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        if (shape_rank(&operand(g, n, i)->shape) == shape_rank(&to) && !fixed_axis(g, n, i, "concatenating along"))
            return false;
        if (i == 0) continue;
        gradus_shape mine = operand(g, n, i)->shape;
        const int64_t dim = n->attr.axis < shape_rank(&mine) ? shape_dim(&mine, n->attr.axis) : 0;
        mine.d[n->attr.axis + 1] = to.d[n->attr.axis + 1];
        if (!shape_equal(&mine, &to)) {
            compose_fail(g, op_name(n->op), "shapes %s and %s differ beside axis %d, along which they are joined",
                         operand_text(g, n, 0), operand_text(g, n, i), n->attr.axis);
            return false;
        }
        if (__builtin_add_overflow(to.d[n->attr.axis + 1], dim, &to.d[n->attr.axis + 1])) {
            compose_fail(g, op_name(n->op), "an extent does not fit 64 bits");
            return false;
        }
    }
    return result(g, n, operand(g, n, 0)->dtype, &to);
}

/* --- reductions ------------------------------------------------------------------------------------------------ */

static bool reduced(gradus_graph *g, const node *n, gradus_shape *to) {
    const gradus_shape *from = &operand(g, n, 0)->shape;
    const gradus_axes *axes = &n->attr.axes;
    const int rank = shape_rank(from), count = axes->d[0];
    bool run = count >= 1 && count <= rank && axes->d[1] >= 0 && axes->d[count] < rank;
    for (int i = 2; run && i <= count; i++) run = axes->d[i] == axes->d[i - 1] + 1;
    if (!run) {
        compose_fail(g, op_name(n->op), "the axes of one reduction of %s are a run of neighbours, ascending",
                     shape_text(g, from));
        return false;
    }
    *to = (gradus_shape){{0}};
    for (int i = 0; i < rank; i++)
        if (i < axes->d[1] || i > axes->d[count]) to->d[++to->d[0]] = shape_dim(from, i);
    return true;
}

static bool some_elements(gradus_graph *g, const node *n) {
    const gradus_shape *from = &operand(g, n, 0)->shape;
    const gradus_axes *axes = &n->attr.axes;
    if (shape_extent(from, axes->d[1], axes->d[axes->d[0]] + 1).factor > 0) return true;
    compose_fail(g, op_name(n->op), "there is none among no elements: %s has an extent of 0", shape_text(g, from));
    return false;
}

static bool infer_reduce(gradus_graph *g, node *n) {
    gradus_shape to;
    if (!operands(g, n, 0) || !reduced(g, n, &to)) return false;
    if ((n->op == OP_max || n->op == OP_min) && !some_elements(g, n)) return false;
    return result(g, n, operand(g, n, 0)->dtype, &to);
}

static bool infer_argmax(gradus_graph *g, node *n) {
    gradus_shape to;
    if (!operands(g, n, 0) || !reduced(g, n, &to) || !some_elements(g, n)) return false;
    const gradus_axes *axes = &n->attr.axes;
    if (shape_extent(&operand(g, n, 0)->shape, axes->d[1], axes->d[axes->d[0]] + 1).factor > INT32_MAX) {
        compose_fail(g, op_name(n->op), "positions among %s do not fit i32", operand_text(g, n, 0));
        return false;
    }
    return result(g, n, GRADUS_I32, &to);
}

/* --- contraction ----------------------------------------------------------------------------------------------- */

static bool infer_matmul(gradus_graph *g, node *n) {
    if (!operands(g, n, 0)) return false;
    const gradus_shape *x = &operand(g, n, 0)->shape, *y = &operand(g, n, 1)->shape;
    const int rank = shape_rank(x);
    bool batched = rank >= 2 && shape_rank(y) == rank;
    for (int i = 0; batched && i < rank - 2; i++) batched = shape_dim(x, i) == shape_dim(y, i);
    if (!batched) {
        compose_fail(g, op_name(n->op), "%s x %s: matrices, with equal leading extents", shape_text(g, x),
                     shape_text(g, y));
        return false;
    }
    if (!compose_inner(g, x, y)) return false;
    gradus_shape to = *x;
    to.d[rank] = shape_dim(y, rank - 1);
    return result(g, n, operand(g, n, 0)->dtype, &to);
}

/* --- gather and scatter ---------------------------------------------------------------------------------------- */

/* The operand of indices, and the axis that they go along. */
static bool indices(gradus_graph *g, const node *n) {
    if (!arity(g, n)) return false;
    if (!compose_dtype(g, op_name(n->op), n->inputs[0], op_infos[n->op].operands)) return false;
    return compose_dtype(g, op_name(n->op), n->inputs[1], DTYPES_INTS) && fixed_axis(g, n, 0, "looking up along");
}

/* x's shape, with the axis replaced by the indices' axes. */
static bool taken(gradus_graph *g, const node *n, gradus_shape *to) {
    const gradus_shape *x = &operand(g, n, 0)->shape, *y = &operand(g, n, 1)->shape;
    if (shape_rank(x) - 1 + shape_rank(y) > GRADUS_MAX_RANK) {
        compose_fail(g, op_name(n->op), "%s with indices %s would have more than %d axes", shape_text(g, x),
                     shape_text(g, y), GRADUS_MAX_RANK);
        return false;
    }
    *to = (gradus_shape){{0}};
    for (int i = 0; i < shape_rank(x); i++) {
        if (i != n->attr.axis) to->d[++to->d[0]] = shape_dim(x, i);
        else
            for (int j = 0; j < shape_rank(y); j++) to->d[++to->d[0]] = shape_dim(y, j);
    }
    return true;
}

/* Whether the indices have x's shape beside the axis. */
static bool along(gradus_graph *g, const node *n) {
    gradus_shape x = operand(g, n, 0)->shape;
    const gradus_shape *y = &operand(g, n, 1)->shape;
    if (shape_rank(y) == shape_rank(&x)) x.d[n->attr.axis + 1] = y->d[n->attr.axis + 1];
    if (shape_equal(&x, y)) return true;
    compose_fail(g, op_name(n->op), "indices %s for %s along axis %d; beside that axis the extents must be equal",
                 operand_text(g, n, 1), operand_text(g, n, 0), n->attr.axis);
    return false;
}

static bool infer_take(gradus_graph *g, node *n) {
    gradus_shape to;
    return indices(g, n) && taken(g, n, &to) && result(g, n, operand(g, n, 0)->dtype, &to);
}

static bool infer_take_along_axis(gradus_graph *g, node *n) {
    return indices(g, n) && along(g, n) && result(g, n, operand(g, n, 0)->dtype, &operand(g, n, 1)->shape);
}

/* What is added has the dtype of x and the shape that looking up gives. */
static bool scattered(gradus_graph *g, node *n, const gradus_shape *shape) {
    if (!compose_same_dtype(g, op_name(n->op), n->inputs[0], n->inputs[2])) return false;
    if (!shape_equal(&operand(g, n, 2)->shape, shape)) {
        compose_fail(g, op_name(n->op), "what is added is %s; right is %s", operand_text(g, n, 2),
                     shape_text(g, shape));
        return false;
    }
    return result(g, n, operand(g, n, 0)->dtype, &operand(g, n, 0)->shape);
}

static bool infer_scatter_add(gradus_graph *g, node *n) {
    gradus_shape to;
    return indices(g, n) && taken(g, n, &to) && scattered(g, n, &to);
}

static bool infer_scatter_add_along_axis(gradus_graph *g, node *n) {
    return indices(g, n) && along(g, n) && scattered(g, n, &operand(g, n, 1)->shape);
}

/* --- calls ----------------------------------------------------------------------------------------------------- */

/* Whether what the signature says of one parameter is so. */
static bool parameter_fits(gradus_graph *g, const node *n, uint32_t i) {
    const custom *c = n->attr.call;
    const parameter *p = &c->prototype.parameters[i];
    const passed *pass = &c->passes[i];
    const node *is = pass->kind == PASS_RESULT && !c->backward ? n : NULL;
    text why = {.memory = &g->memory};
    if (pass->kind == PASS_OPERAND || (pass->kind == PASS_RESULT && c->backward)) is = operand(g, n, pass->of);
    if (is && p->type != C_VOID && p->type != (int32_t)is->dtype)
        prototype_wrong(c->signature, p, &why, "the tensor is %s %s, so right is %s *", gradus_dtype_name(is->dtype),
                        shape_text(g, &is->shape), c_type_name(is->dtype));
    else if (is && !p->stars && shape_rank(&is->shape) > 0)
        prototype_wrong(c->signature, p, &why, "the tensor is %s, and only one of rank 0 is passed by its value; right is const %s *",
                        shape_text(g, &is->shape), c_type_name(is->dtype));
    else if (pass->kind == PASS_EXTENT && pass->axis >= shape_rank(&custom_about(g, n, pass)->shape))
        prototype_wrong(c->signature, p, &why, "the tensor is %s, which has no axis %d",
                        shape_text(g, &custom_about(g, n, pass)->shape), pass->axis);
    if (why.length) compose_fail(g, op_name(n->op), "%s: %s", c->symbol, why.data);
    return !why.length;
}

/* The result of a forward call is what is said; a cotangent is as its operand. */
static bool infer_custom(gradus_graph *g, node *n) {
    const custom *c = n->attr.call;
    if (!arity(g, n)) return false;
    const uint32_t count = custom_operands(n);
    if (n->n_inputs <= c->needs_y + (uint32_t)c->backward || count > CUSTOM_OPERANDS || (c->backward && c->result >= count)) {
        compose_fail(g, op_name(n->op), "%s: %u operands are not as many as it takes", c->symbol, n->n_inputs);
        return false;
    }
    const node *like = c->backward ? operand(g, n, c->result) : n;
    const gradus_dtype dtype = like->dtype;
    const gradus_shape shape = like->shape;
    if (!result(g, n, dtype, &shape)) return false;
    for (uint32_t i = 0; c->signature && i < c->prototype.count; i++)
        if (!parameter_fits(g, n, i)) return false;
    if (c->by_value && (shape_rank(&shape) > 0 || (int32_t)dtype != c->prototype.returns)) {
        compose_fail(g, op_name(n->op), "%s: it returns its result, a %s, which is no %s %s", c->symbol,
                     c_type_name((gradus_dtype)c->prototype.returns), gradus_dtype_name(dtype), shape_text(g, &shape));
        return false;
    }
    if (custom_has_result(c, c->result, dtype)) return true;
    compose_fail(g, op_name(n->op), "%s: its signature has no dx%u", c->symbol, c->result);
    return false;
}

const shape_rule shape_rules[OP_COUNT] = {
#define OP(name, builder, arity, kind, operands, attributes, shape, gradient, evaluate, emit, flags, mathematics) \
    [OP_##name] = infer_##shape,
#include "ir/ops.def"
#undef OP
};
