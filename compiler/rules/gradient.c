/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient rules, in the order of the op table.  See gradient.h.
 *
 * X and Y are the operands, R the result and DR its cotangent; TO(0, …) is what operand 0 gets, built only where it
 * is wanted.  A rule is made of differentiable ops, so that derivatives of any order need no more code.
 *
 * A cotangent of 0 stays 0 though the derivative is infinite or NaN there, as that of what `where` did not select: so
 * DR meets a derivative in `chain` and `over` alone, which are 0 where DR is.  They are not `where(DR is 0, 0, …)`,
 * which would not depend on DR there: a derivative by DR, as of a second order or a Jacobian-vector product, would be
 * lost.  For the same reason a rule selects between expressions that are the same function, or where nothing depends on
 * what is selected.
 */
#include "rules/gradient.h"

#include "ir/call.h"
#include "ir/custom.h"
#include "runtime/world.h"

#include <math.h>

#define X (d->n->inputs[0])
#define Y (d->n->inputs[1])
#define R (d->r)
#define DR (d->dr)
#define TO(i, ...)                                    \
    do {                                              \
        if (d->wants[i]) d->gives[i] = (__VA_ARGS__); \
    } while (0)

static const double sqrt_2pi = 2.50662827463100050242;
static const double two_over_sqrt_pi = 1.12837916709551257390;

/* --- the words of the page --------------------------------------------------------------------------------------- */

typedef const derivation *D;

static const gradus_shape *shape_of(D d, uint32_t x) { return &graph_node(d->g, x)->shape; }
static gradus_dtype dtype_of(D d, uint32_t x) { return graph_node(d->g, x)->dtype; }

static uint32_t add(D d, uint32_t a, uint32_t b) { return build_op2(d->g, OP_add, a, b); }
static uint32_t sub(D d, uint32_t a, uint32_t b) { return build_op2(d->g, OP_sub, a, b); }
static uint32_t mul(D d, uint32_t a, uint32_t b) { return build_op2(d->g, OP_mul, a, b); }
static uint32_t power(D d, uint32_t a, uint32_t b) { return build_op2(d->g, OP_pow, a, b); }
static uint32_t neg(D d, uint32_t a) { return build_op(d->g, OP_neg, a); }
static uint32_t e_to(D d, uint32_t a) { return build_op(d->g, OP_exp, a); }
static uint32_t square(D d, uint32_t a) { return mul(d, a, a); }
static uint32_t less(D d, uint32_t a, uint32_t b) { return build_op2(d->g, OP_less, a, b); }
static uint32_t less_equal(D d, uint32_t a, uint32_t b) { return build_op2(d->g, OP_less_equal, a, b); }
static uint32_t equal(D d, uint32_t a, uint32_t b) { return build_op2(d->g, OP_equal, a, b); }
static uint32_t where(D d, uint32_t c, uint32_t a, uint32_t b) { return build_op3(d->g, OP_where, c, a, b); }

/* A number in the dtype and shape of `x`, and its product with x. */
static uint32_t number(D d, double value, uint32_t x) {
    return build_fill(d->g, dtype_of(d, x), shape_of(d, x), value);
}
static uint32_t zero(D d, uint32_t x) { return number(d, 0, x); }
static uint32_t one(D d, uint32_t x) { return number(d, 1, x); }
static uint32_t times(D d, double value, uint32_t x) { return mul(d, number(d, value, x), x); }

/* a f and a / f, 0 where a is 0, whatever f is. */
static uint32_t chain(D d, uint32_t a, uint32_t f) { return build_op2(d->g, OP_multiply_no_nan, a, f); }
static uint32_t over(D d, uint32_t a, uint32_t f) { return build_op2(d->g, OP_divide_no_nan, a, f); }

/* a b, 0 where either is 0, whatever the other is. */
static uint32_t chain_both(D d, uint32_t a, uint32_t b) { return build_op2(d->g, OP_multiply_or_zero, a, b); }

/* --- elementwise, one operand ------------------------------------------------------------------------------------ */

static void gradient_neg(D d) { TO(0, neg(d, DR)); }

/* sign(x) dr, and 0 at 0 even if dr is infinite */
static void gradient_abs(D d) {
    TO(0, where(d, equal(d, X, zero(d, X)), zero(d, X), chain(d, DR, build_op(d->g, OP_sign, X))));
}

static void gradient_sqrt(D d) { TO(0, over(d, times(d, 0.5, DR), R)); }                          /* dr / (2 r) */
static void gradient_rsqrt(D d) { TO(0, chain(d, times(d, -0.5, DR), mul(d, R, square(d, R)))); } /* -dr r^3 / 2 */
static void gradient_exp(D d) { TO(0, chain(d, DR, R)); }
static void gradient_expm1(D d) { TO(0, chain(d, DR, e_to(d, X))); } /* r + 1 would lose digits for x << 0 */
static void gradient_log(D d) { TO(0, over(d, DR, X)); }
static void gradient_log1p(D d) { TO(0, over(d, DR, add(d, one(d, X), X))); }
static void gradient_sin(D d) { TO(0, chain(d, DR, build_op(d->g, OP_cos, X))); }
static void gradient_cos(D d) { TO(0, neg(d, chain(d, DR, build_op(d->g, OP_sin, X)))); }
static void gradient_tanh(D d) { TO(0, chain(d, DR, sub(d, one(d, R), square(d, R)))); }    /* (1 - r^2) dr */
static void gradient_sigmoid(D d) { TO(0, chain(d, DR, mul(d, R, sub(d, one(d, R), R)))); } /* r (1 - r) dr */

/* height e^(-scale x^2) dr */
static uint32_t bell(D d, double height, double scale) {
    return chain(d, DR, times(d, height, e_to(d, times(d, -scale, square(d, X)))));
}

static void gradient_erf(D d) { TO(0, bell(d, two_over_sqrt_pi, 1)); }
static void gradient_erfc(D d) { TO(0, bell(d, -two_over_sqrt_pi, 1)); }
static void gradient_ndtr(D d) { TO(0, bell(d, 1 / sqrt_2pi, 0.5)); }

/* dr / phi(r), phi the normal density: sqrt(2 pi) e^(r^2 / 2) dr */
static void gradient_ndtri(D d) { TO(0, chain(d, DR, times(d, sqrt_2pi, e_to(d, times(d, 0.5, square(d, R)))))); }

static void gradient_relu(D d) { TO(0, where(d, less_equal(d, R, zero(d, R)), zero(d, DR), DR)); }

/* From an integer no cotangent is wanted: the driver never asks. */
static void gradient_cast(D d) { TO(0, build_cast(d->g, DR, dtype_of(d, X))); }

/* --- elementwise, two and three operands ------------------------------------------------------------------------- */

static void gradient_add(D d) {
    TO(0, DR);
    TO(1, DR);
}

static void gradient_sub(D d) {
    TO(0, DR);
    TO(1, neg(d, DR));
}

static void gradient_mul(D d) {
    TO(0, chain(d, DR, Y));
    TO(1, chain(d, DR, X));
}

/* dx = dr / y,  dy = -r dr / y */
static void gradient_div(D d) {
    uint32_t dx = over(d, DR, Y);
    TO(0, dx);
    TO(1, neg(d, chain(d, dx, R)));
}

/* Where x is 0, r does not depend on y, though dr be infinite. */
static void gradient_multiply_no_nan(D d) {
    TO(0, chain(d, DR, Y));
    TO(1, chain_both(d, X, DR));
}

static void gradient_divide_no_nan(D d) {
    TO(0, over(d, DR, Y));
    TO(1, neg(d, chain_both(d, R, over(d, DR, Y))));
}

static void gradient_multiply_or_zero(D d) {
    TO(0, chain_both(d, DR, Y));
    TO(1, chain_both(d, DR, X));
}

/* dx = y x^(y-1) dr, 0 where y is 0;  dy = r ln(x) dr, 0 where x <= 0.  What is not selected stays finite, so that the
 * derivatives of this are right too. */
static void gradient_pow(D d) {
    TO(0, chain(d, DR, chain(d, Y, power(d, X, sub(d, Y, one(d, Y))))));
    if (d->wants[1]) {
        uint32_t positive = less(d, zero(d, X), X), base = where(d, positive, X, one(d, X));
        TO(1, where(d, positive, chain(d, DR, chain(d, R, build_op(d->g, OP_log, base))), zero(d, DR)));
    }
}

/* The whole of dr to the operand that wins, a half of it to each of two equals, NaN to both where one is. */
static void share_between_two(D d, uint32_t x_wins, uint32_t y_wins) {
    uint32_t tie = equal(d, X, Y), neither = chain(d, DR, where(d, tie, number(d, 0.5, X), number(d, NAN, X)));
    TO(0, where(d, x_wins, DR, where(d, y_wins, zero(d, DR), neither)));
    TO(1, where(d, y_wins, DR, where(d, x_wins, zero(d, DR), neither)));
}

static void gradient_maximum(D d) { share_between_two(d, less(d, Y, X), less(d, X, Y)); }
static void gradient_minimum(D d) { share_between_two(d, less(d, X, Y), less(d, Y, X)); }

static void gradient_where(D d) {
    TO(1, where(d, X, DR, zero(d, DR)));
    TO(2, where(d, X, zero(d, DR), DR));
}

/* --- movement: the way back -------------------------------------------------------------------------------------- */

static void gradient_reshape(D d) { TO(0, build_reshape(d->g, DR, shape_of(d, X))); }

/* Sums over the axes that are marked, one run of neighbours after the other, the last run first. */
static uint32_t sum_over(D d, uint32_t x, const bool *marked) {
    for (int last = shape_rank(shape_of(d, x)) - 1; last >= 0; last--) {
        if (!marked[last]) continue;
        int first = last;
        while (first > 0 && marked[first - 1]) first--;
        gradus_axes run = {.d = {0}};
        for (int axis = first; axis <= last; axis++) run.d[++run.d[0]] = axis;
        x = build_reduce(d->g, OP_sum, x, run);
        last = first;
    }
    return x;
}

/* What was repeated is summed. */
static void gradient_broadcast(D d) {
    const gradus_shape *from = shape_of(d, X), *to = &d->n->shape;
    int lead = shape_rank(to) - shape_rank(from);
    bool repeated[GRADUS_MAX_RANK];
    for (int axis = 0; axis < shape_rank(to); axis++)
        repeated[axis] = axis < lead || shape_dim(from, axis - lead) != shape_dim(to, axis);
    TO(0, build_reshape(d->g, sum_over(d, DR, repeated), from));
}

static void gradient_transpose(D d) {
    gradus_axes back = d->n->attr.axes;
    for (int axis = 0; axis < back.d[0]; axis++) back.d[1 + d->n->attr.axes.d[1 + axis]] = axis;
    TO(0, build_transpose(d->g, DR, back));
}

static void gradient_slice(D d) {
    const attrs *a = &d->n->attr;
    TO(0, build_pad(d->g, DR, a->axis, a->low, shape_dim(shape_of(d, X), a->axis) - a->high, 0));
}

static void gradient_pad(D d) {
    const attrs *a = &d->n->attr;
    TO(0, build_slice(d->g, DR, a->axis, a->low, a->low + shape_dim(shape_of(d, X), a->axis)));
}

static void gradient_concat(D d) {
    int64_t low = 0;
    for (uint32_t i = 0; i < d->n->n_inputs; i++) {
        int64_t high = low + shape_dim(shape_of(d, d->n->inputs[i]), d->n->attr.axis);
        TO(i, build_slice(d->g, DR, d->n->attr.axis, low, high));
        low = high;
    }
}

/* --- reductions -------------------------------------------------------------------------------------------------- */

/* A tensor without the axes, repeated along them: of shape `to`. */
static uint32_t repeated(D d, uint32_t value, const gradus_shape *to, const gradus_axes *axes) {
    gradus_shape kept = *to;
    for (int i = 1; i <= axes->d[0]; i++) kept.d[1 + axes->d[i]] = 1;
    return build_broadcast(d->g, build_reshape(d->g, value, &kept), to);
}

/* A tensor of r's shape, repeated along the axes that the reduction dropped: of x's shape. */
static uint32_t spread(D d, uint32_t value) { return repeated(d, value, shape_of(d, X), &d->n->attr.axes); }

static void gradient_sum(D d) { TO(0, spread(d, DR)); }

/* x moved along `axis` by `shift` places towards the end (or the start), with ones in the places left free. */
static uint32_t moved(D d, uint32_t x, int axis, int64_t shift, bool to_end) {
    int64_t n = shape_dim(shape_of(d, x), axis);
    uint32_t rest = build_slice(d->g, x, axis, to_end ? 0 : shift, to_end ? n - shift : n);
    return build_pad(d->g, rest, axis, to_end ? shift : 0, to_end ? 0 : shift, 1);
}

/* For each element along `axis` the product of all before it (or after it): of one neighbour, then of two, four, … */
static uint32_t products_beside(D d, uint32_t x, int axis, bool before) {
    int64_t n = shape_dim(shape_of(d, x), axis);
    if (n < 2) return one(d, x);
    x = moved(d, x, axis, 1, before);
    for (int64_t neighbours = 1; neighbours < n - 1; neighbours *= 2)
        x = mul(d, x, moved(d, x, axis, neighbours, before));
    return x;
}

static int64_t dim_of(extent e) { return e.power ? -e.factor : e.factor; }

/* The same along the run-time batch, which cannot be sliced: of a square of copies of the elements, each product taken
 * anew, all but the diagonal.  The axes on either side are one each, where they are an extent. */
static uint32_t products_of_square(D d, uint32_t x, int axis) {
    const gradus_shape *from = shape_of(d, x);
    const extent before = shape_extent(from, 0, axis), after = shape_extent(from, axis + 1, shape_rank(from));
    gradus_shape rows = *from;
    if (before.power <= 1 && after.power <= 1) {
        rows = GRADUS_SHAPE(dim_of(before), shape_dim(from, axis), dim_of(after));
        axis = 1;
    }
    if (shape_rank(&rows) == GRADUS_MAX_RANK)
        return compose_fail(d->g, "prod", "the derivative along the batch of %s needs one axis more than there may be",
                            shape_text(d->g, from));
    gradus_shape row = rows, square; /* square[…, i, j, …] = x[…, j, …] */
    for (int i = (int)++row.d[0]; i > axis + 1; i--) row.d[i] = row.d[i - 1];
    square = row;
    row.d[1 + axis] = 1;
    const uint32_t i = build_iota(d->g, GRADUS_I64, &square, axis), j = build_iota(d->g, GRADUS_I64, &square, axis + 1);
    const uint32_t copies = build_broadcast(d->g, build_reshape(d->g, x, &row), &square);
    const uint32_t others = where(d, equal(d, i, j), one(d, copies), copies);
    return build_reshape(d->g, build_reduce(d->g, OP_prod, others, (gradus_axes){{1, axis + 1}}), from);
}

static uint32_t products_of_others(D d, uint32_t x, int axis) {
    if (shape_dim(shape_of(d, x), axis) < 0) return products_of_square(d, x, axis);
    return mul(d, products_beside(d, x, axis, true), products_beside(d, x, axis, false));
}

/* dx = dr times the product of all others, one axis after the other.  It is made of products alone: zeros need no care. */
static void gradient_prod(D d) {
    const gradus_axes *axes = &d->n->attr.axes;
    const int first = axes->d[1], last = axes->d[axes->d[0]];
    uint32_t part[GRADUS_MAX_RANK], dx = DR; /* part[axis]: x with the axes after it reduced */
    if (!d->wants[0]) return;
    part[last] = X;
    for (int axis = last; axis > first; axis--)
        part[axis - 1] = build_reduce(d->g, OP_prod, part[axis], (gradus_axes){{1, axis}});
    for (int axis = first; axis <= last; axis++) {
        const uint32_t x = part[axis], along = repeated(d, dx, shape_of(d, x), &(gradus_axes){{1, axis}});
        dx = chain(d, along, products_of_others(d, x, axis));
    }
    TO(0, dx);
}

/* max and min: dr shared by all that equal the result; NaN to all where that is NaN */
static void share_among_all(D d, uint32_t loses) {
    uint32_t winners = build_reduce(d->g, OP_sum, where(d, loses, zero(d, X), one(d, X)), d->n->attr.axes);
    uint32_t share = over(d, DR, where(d, equal(d, R, R), winners, number(d, NAN, R)));
    TO(0, where(d, loses, zero(d, X), spread(d, share)));
}

static void gradient_max(D d) { share_among_all(d, less(d, X, spread(d, R))); }
static void gradient_min(D d) { share_among_all(d, less(d, spread(d, R), X)); }

/* --- contraction ------------------------------------------------------------------------------------------------- */

static uint32_t transposed(D d, uint32_t x) {
    int rank = shape_rank(shape_of(d, x));
    gradus_axes swap = {.d = {rank}};
    for (int axis = 0; axis < rank; axis++) swap.d[1 + axis] = axis;
    if (rank >= 2) {
        swap.d[rank - 1] = rank - 1;
        swap.d[rank] = rank - 2;
    }
    return build_transpose(d->g, x, swap);
}

/* dx = dr y^T,  dy = x^T dr */
static void gradient_matmul(D d) {
    TO(0, build_op2(d->g, OP_matmul, DR, transposed(d, Y)));
    TO(1, build_op2(d->g, OP_matmul, transposed(d, X), DR));
}

/* --- gather and scatter: each the other's way back --------------------------------------------------------------- */

static uint32_t along(D d, op_code op, uint32_t a, uint32_t b) {
    return build_along(d->g, op, (const uint32_t[]){a, b}, 2, d->n->attr.axis);
}

static uint32_t scattered(D d, op_code op) {
    return build_along(d->g, op, (const uint32_t[]){zero(d, X), Y, DR}, 3, d->n->attr.axis);
}

static void gradient_take(D d) { TO(0, scattered(d, OP_scatter_add)); }
static void gradient_take_along_axis(D d) { TO(0, scattered(d, OP_scatter_add_along_axis)); }

static void gradient_scatter_add(D d) {
    TO(0, DR);
    TO(2, along(d, OP_take, DR, Y));
}

static void gradient_scatter_add_along_axis(D d) {
    TO(0, DR);
    TO(2, along(d, OP_take_along_axis, DR, Y));
}

/* --- calls of the user's functions ------------------------------------------------------------------------------- */

/* The backward function: a node for each cotangent that is wanted, of one call. */
static void call_backward(D d) {
    custom c = *d->n->attr.call->derivative;
    uint32_t ids[CUSTOM_OPERANDS + 2], count = d->n->n_inputs;
    for (uint32_t i = 0; i < count; i++) ids[i] = d->n->inputs[i];
    if (c.needs_y) ids[count++] = R;
    ids[count++] = DR;
    if (d->n->attr.call->effects) c.effects = ++d->g->effects;
    for (c.result = 0; c.result < d->n->n_inputs; c.result++)
        TO(c.result, graph_add(d->g, &(node_spec){.op = OP_custom, .n_inputs = count, .inputs = ids, .attr.call = &c}));
}

static bool fits(const gradus_graph *g, gradus_tensor dx, uint32_t x) {
    if (dx.graph != g || dx.id == 0 || dx.id >= g->nodes.count) return false;
    const node *a = graph_node(g, dx.id), *b = graph_node(g, x);
    return a->dtype == b->dtype && shape_equal(&a->shape, &b->shape);
}

static gradus_status call_gradient(D d, const gradus_tensor *x, gradus_tensor *dx) {
    const custom *c = d->n->attr.call;
    LEAVE;
    return c->gradient(c->user, gradus_list(x, d->n->n_inputs), (gradus_tensor){d->g, R}, (gradus_tensor){d->g, DR}, dx);
}

/* The user's function builds the cotangents. */
static void build_backward(D d) {
    gradus_graph *g = d->g;
    const custom *c = d->n->attr.call;
    gradus_tensor x[CUSTOM_OPERANDS], dx[CUSTOM_OPERANDS] = {{NULL, 0}};
    const source here = g->here;
    for (uint32_t i = 0; i < d->n->n_inputs; i++) x[i] = (gradus_tensor){g, d->n->inputs[i]};
    fail_forget();
    const gradus_status status = call_gradient(d, x, dx);
    g->here = here;
    if (status)
        compose_fail(g, "custom", "%s: its gradient fails: %s", c->symbol,
                     fail_status() ? gradus_last_error() : "no reason given");
    for (uint32_t i = 0; i < d->n->n_inputs && g->status == GRADUS_OK; i++) {
        if (!d->wants[i] || !dx[i].graph) continue;
        const node *is = graph_node(g, d->n->inputs[i]);
        if (fits(g, dx[i], d->n->inputs[i])) d->gives[i] = dx[i].id;
        else
            compose_fail(g, "custom", "%s: its gradient made a dx[%u] that is not as the operand, %s %s", c->symbol, i,
                         gradus_dtype_name(is->dtype), shape_text(g, &is->shape));
    }
}

static void gradient_custom(D d) {
    if (d->n->attr.call->gradient) build_backward(d);
    else call_backward(d);
}

/* --- the column -------------------------------------------------------------------------------------------------- */

/* What the cells that are words name: nothing flows. */
static void gradient_ZERO(D d) { (void)d; }
static void gradient_NONE(D d) { (void)d; }

static const gradient_rule column[OP_COUNT] = {
    [OP_poison] = gradient_NONE,
#define OP(name, builder, arity, kind, operands, attributes, shape, gradient, ...) [OP_##name] = gradient_##gradient,
#include "ir/ops.def"
#undef OP
};

gradient_kind gradient_kind_of(const node *n) {
    if (n->op == OP_custom && !n->attr.call->derivative && !n->attr.call->gradient) return GRADIENT_NONE;
    return column[n->op] == gradient_NONE ? GRADIENT_NONE : column[n->op] == gradient_ZERO ? GRADIENT_ZERO : GRADIENT_RULE;
}

void gradient_of(const derivation *d) { column[d->n->op](d); }
