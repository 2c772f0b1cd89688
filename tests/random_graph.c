/* SPDX-License-Identifier: Apache-2.0
 * The generator of random graphs.  See random_graph.h.
 *
 * It keeps a pool of tensors and applies an operation drawn at random to members of it, as long as operations are left.
 * In most graphs operations whose values would explode (exp, division, powers) are applied to tamed operands, since a graph
 * that computes NaN proves little; wild graphs are for what such values do. */
#include "tests/random_graph.h"

#include <stdio.h>
#include <string.h>

enum { MAX_POOL = 128, MAX_ELEMENTS = 1 << 13, WIDEST_BATCH = 8, MAX_RANK = 6 };

typedef struct {
    random_source random;
    gradus_graph *g;
    gradus_dtype dtype; /* of the floats */
    gradus_tensor pool[MAX_POOL], inputs[MAX_POOL];
    size_t count, n_inputs;
    int names;
    bool wild; /* operands are not tamed, and constants may be special values */
} maker;

static int64_t below(maker *m, int64_t bound) { return random_up_to(&m->random, bound); }
static bool once_in(maker *m, int64_t n) { return below(m, n) == 0; }

static void keep(maker *m, gradus_tensor t) {
    if (m->count < MAX_POOL && t.id) m->pool[m->count++] = t;
}

/* Members made last are drawn more often, so that graphs become deep. */
static gradus_tensor draw(maker *m) {
    size_t a = (size_t)below(m, (int64_t)m->count), b = (size_t)below(m, (int64_t)m->count);
    return m->pool[a > b ? a : b];
}

static int64_t draw_extent(maker *m) {
    static const int64_t extents[] = {1, 2, 3, 7, 8, 9, 16, 17, 31, 33, 64};
    if (once_in(m, 60)) return 0;
    return extents[below(m, sizeof extents / sizeof *extents)];
}

static int64_t size_at(const gradus_shape *s) {
    int64_t size = 1;
    for (int i = 1; i <= s->d[0]; i++) size *= s->d[i] < 0 ? -s->d[i] * WIDEST_BATCH : s->d[i];
    return size;
}

static gradus_shape draw_shape(maker *m, bool batch) {
    for (;;) {
        gradus_shape s = {{1 + below(m, 3)}};
        if (once_in(m, 12)) s.d[0] = once_in(m, 2) ? 0 : 4;
        for (int i = 1; i <= s.d[0]; i++) s.d[i] = draw_extent(m);
        if (batch && s.d[0] && !once_in(m, 3)) s.d[1] = once_in(m, 5) ? 2 * GRADUS_BATCH : GRADUS_BATCH;
        if (size_at(&s) <= MAX_ELEMENTS / 2) return s;
    }
}

static const char *new_name(maker *m, char *name, size_t room, const char *prefix, int64_t bound) {
    if (bound) snprintf(name, room, "%s%d_%lld", prefix, m->names++, (long long)bound);
    else snprintf(name, room, "%s%d", prefix, m->names++);
    return name;
}

static gradus_tensor new_input(maker *m, gradus_dtype dtype, gradus_shape shape, int64_t bound) {
    char name[48];
    new_name(m, name, sizeof name, bound ? "index" : "x", bound);
    return m->inputs[m->n_inputs++] = gradus_input(m->g, name, dtype, shape);
}

static gradus_tensor new_param(maker *m, gradus_shape shape) {
    char name[48];
    new_name(m, name, sizeof name, "w", 0);
    gradus_initializer first = once_in(m, 3) ? gradus_fill(0.5) : once_in(m, 2) ? gradus_normal(0, 1) : gradus_zeros();
    return gradus_param(m->g, name, m->dtype, shape, once_in(m, 3) && shape.d[0] ? gradus_glorot_uniform() : first);
}

/* What a constant is: as given in a tame graph. */
static double constant(maker *m, double tame) { return m->wild ? random_special(&m->random) : tame; }

static gradus_tensor new_scalar(maker *m) {
    return gradus_scalar(m->g, m->dtype, constant(m, (double)below(m, 5) - 2));
}

static gradus_tensor new_constant(maker *m) {
    double data[64];
    gradus_shape s = GRADUS_SHAPE(1 + below(m, 8), 1 + below(m, 8));
    const int64_t count = s.d[1] * s.d[2];
    for (int64_t i = 0; i < count; i++)
        data[i] = m->wild && once_in(m, 4) ? random_special(&m->random) : random_between(&m->random, -2, 2);
    gradus_tensor t = gradus_constant(m->g, GRADUS_F64, s, data, (size_t)count * sizeof *data);
    return gradus_cast(t, m->dtype);
}

static bool fits_memory(const gradus_shape *s) { return size_at(s) <= MAX_ELEMENTS; }

/* The shape that two broadcast to, if they do and it is not too large. */
static bool broadcast_shape(const gradus_shape *s, const gradus_shape *t, gradus_shape *joint) {
    bool fits = true;
    *joint = s->d[0] >= t->d[0] ? *s : *t;
    for (int i = 0; i < s->d[0] && i < t->d[0]; i++) {
        int64_t a = s->d[s->d[0] - i], b = t->d[t->d[0] - i];
        fits = fits && (a == b || a == 1 || b == 1);
        joint->d[joint->d[0] - i] = a == 1 ? b : a;
    }
    return fits && fits_memory(joint);
}

/* A tensor that broadcasts with x: one of the pool that does, or a new one of a part of x's shape. */
static gradus_tensor partner(maker *m, gradus_tensor x) {
    gradus_shape s = gradus_shape_of(x);
    for (int tries = 0; tries < 4; tries++) {
        gradus_tensor y = draw(m);
        gradus_shape t = gradus_shape_of(y), joint;
        if (broadcast_shape(&s, &t, &joint)) return y;
    }
    gradus_shape part = {{below(m, s.d[0] + 1)}};
    for (int i = 1; i <= part.d[0]; i++) part.d[i] = once_in(m, 4) ? 1 : s.d[s.d[0] - part.d[0] + i];
    for (int i = 1; i <= part.d[0]; i++)
        if (part.d[i] < 0) return new_input(m, m->dtype, part, 0);
    return once_in(m, 6) ? new_scalar(m) : new_param(m, part);
}

/* --- operations: each gives what it made, or x itself where it does not apply ------------------------------------- */

/* x itself, here and there, in a wild graph; what follows from -1 to 1 or from 1/2 on in others. */
static gradus_tensor tame(maker *m, gradus_tensor x) { return m->wild && once_in(m, 2) ? x : gradus_tanh(x); }

static gradus_tensor positive(maker *m, gradus_tensor x) {
    if (m->wild && once_in(m, 2)) return x;
    return gradus_add(gradus_abs(x), gradus_scalar(x.graph, gradus_dtype_of(x), 0.5));
}

static gradus_tensor unary(maker *m, gradus_tensor x) {
    switch (below(m, 19)) {
    case 0: return gradus_neg(x);
    case 1: return gradus_abs(x);
    case 2: return gradus_sqrt(positive(m, x));
    case 3: return gradus_rsqrt(positive(m, x));
    case 4: return gradus_exp(tame(m, x));
    case 5: return gradus_log(positive(m, x));
    case 6: return gradus_tanh(x);
    case 7: return gradus_sigmoid(x);
    case 8: return gradus_erf(x);
    case 9: return gradus_relu(x);
    case 10: return gradus_sin(x);
    case 11: return gradus_gelu(x);
    case 12: return gradus_softplus(x);
    case 13: return gradus_square(tame(m, x));
    case 14: return gradus_clip(x, -1, 1.5);
    case 15: return gradus_stop_gradient(x);
    case 16: return gradus_expm1(tame(m, x));
    case 17: return gradus_mul(x, gradus_sign(x));
    default: return gradus_mul(gradus_floor(x), gradus_scalar(m->g, m->dtype, 0.125));
    }
}

static gradus_tensor binary(maker *m, gradus_tensor x) {
    gradus_tensor y = partner(m, x);
    if (once_in(m, 3)) {
        gradus_tensor swapped = x;
        x = y;
        y = swapped;
    }
    switch (below(m, 10)) {
    case 0: case 1: return gradus_add(x, y);
    case 2:
    case 3: return gradus_mul(x, tame(m, y));
    case 4: return gradus_sub(x, y);
    case 5: return gradus_div(x, positive(m, y));
    case 6: return gradus_maximum(x, y);
    case 7: return gradus_minimum(x, y);
    case 8: return gradus_where(gradus_less(x, y), gradus_add(x, y), y);
    default: return gradus_pow(positive(m, tame(m, x)), tame(m, y));
    }
}

/* Extents merged, split, left out and put in.  The rank stays within MAX_RANK: none is put in where those that are left
 * would not find a place. */
static gradus_tensor reshaped(maker *m, gradus_tensor x) {
    gradus_shape s = gradus_shape_of(x), t = {{0}};
    for (int i = 1; i <= s.d[0]; i++) {
        const int64_t previous = t.d[0] ? t.d[t.d[0]] : 0, left = s.d[0] - i;
        const bool merges = previous && s.d[i] && (previous > 0 || s.d[i] > 0) && once_in(m, 2);
        const bool even = s.d[i] > 2 && s.d[i] % 2 == 0;
        if (merges) t.d[t.d[0]] *= s.d[i];
        else if (s.d[i] == 1 && once_in(m, 2)) continue;
        else if (even && t.d[0] + 2 + left <= MAX_RANK && once_in(m, 3)) t.d[++t.d[0]] = s.d[i] / 2, t.d[++t.d[0]] = 2;
        else t.d[++t.d[0]] = s.d[i];
        if (t.d[0] + 1 + left <= MAX_RANK && once_in(m, 8)) t.d[++t.d[0]] = 1;
    }
    return gradus_reshape(x, t);
}

static gradus_tensor transposed(maker *m, gradus_tensor x) {
    gradus_axes axes = {{(int32_t)gradus_shape_of(x).d[0]}};
    for (int i = 1; i <= axes.d[0]; i++) axes.d[i] = i - 1;
    for (int i = axes.d[0]; i > 1; i--) { /* Fisher and Yates */
        int64_t k = 1 + below(m, i);
        int32_t axis = axes.d[i];
        axes.d[i] = axes.d[k];
        axes.d[k] = axis;
    }
    return axes.d[0] ? gradus_transpose(x, axes) : x;
}

/* An axis that is not a multiple of the batch, or -1. */
static int plain_axis(maker *m, const gradus_shape *s) {
    if (!s->d[0]) return -1;
    int axis = (int)below(m, s->d[0]);
    return s->d[axis + 1] >= 0 ? axis : -1;
}

static gradus_tensor movement(maker *m, gradus_tensor x) {
    gradus_shape s = gradus_shape_of(x);
    int64_t which = below(m, 6);
    if (which == 0) return reshaped(m, x);
    if (which == 1) return transposed(m, x);
    if (which == 2 && s.d[0] < 5) { /* a new axis, repeated */
        gradus_shape t = {{s.d[0] + 1, 1 + below(m, 3)}};
        memcpy(t.d + 2, s.d + 1, sizeof *t.d * (size_t)s.d[0]);
        return fits_memory(&t) ? gradus_broadcast_to(x, t) : x;
    }
    int axis = plain_axis(m, &s);
    if (axis < 0) return x;
    int64_t along = s.d[axis + 1], low = below(m, along + 1), high = low + below(m, along - low + 1);
    if (which == 3 && (high > low || once_in(m, 10))) return gradus_slice(x, axis, low, high);
    if (which == 4 && size_at(&s) <= MAX_ELEMENTS / 4)
        return gradus_pad(x, axis, below(m, 3), below(m, 3), once_in(m, 2) ? 0 : constant(m, 1.5));
    if (which == 5 && size_at(&s) <= MAX_ELEMENTS / 2) return gradus_concat(GRADUS_TENSORS(x, gradus_tanh(x)), axis);
    return x;
}

static bool reduces_nothing(const gradus_shape *s) {
    for (int i = 1; i <= s->d[0]; i++)
        if (s->d[i] == 0) return true;
    return false;
}

static gradus_tensor reduction(maker *m, gradus_tensor x) {
    gradus_shape s = gradus_shape_of(x);
    if (!s.d[0]) return x;
    gradus_axes axes = {{1, (int32_t)below(m, s.d[0])}};
    int32_t other = (int32_t)below(m, s.d[0]);
    if (other != axes.d[1] && once_in(m, 2)) axes.d[0] = 2, axes.d[2] = other;
    if (once_in(m, 5)) axes = GRADUS_ALL_AXES;
    bool keepdims = once_in(m, 2), nothing = reduces_nothing(&s);
    switch (below(m, 10)) {
    case 0:
    case 1: return gradus_sum(tame(m, x), axes, keepdims);
    case 2: return nothing ? x : gradus_mean(x, axes, keepdims);
    case 3: return nothing ? x : gradus_max(x, axes, keepdims);
    case 4: return nothing ? x : gradus_min(x, axes, keepdims);
    case 5: return nothing ? x : gradus_logsumexp(tame(m, x), axes, keepdims);
    case 6: return nothing ? x : gradus_var(x, axes, keepdims);
    case 7: return gradus_prod(tame(m, x), axes, keepdims);
    case 8: return nothing ? x : gradus_cast(gradus_argmax(gradus_stop_gradient(x), axes, keepdims), m->dtype);
    default: return nothing ? x : once_in(m, 2) ? gradus_softmax(x, axes.d[1]) : gradus_log_softmax(x, -1);
    }
}

static gradus_tensor contraction(maker *m, gradus_tensor x) {
    gradus_shape s = gradus_shape_of(x);
    if (s.d[0] < 1 || s.d[s.d[0]] < 0) return x;
    int64_t units = draw_extent(m), last = s.d[s.d[0]];
    gradus_shape t = s;
    t.d[t.d[0]] = units;
    if (!fits_memory(&t) || !last || !units) return x;
    if (once_in(m, 3)) return gradus_dense(x, .units = units, .activation = (gradus_activation)below(m, 5));
    if (s.d[0] == 2 && once_in(m, 4)) { /* a Gram matrix, over the batch perhaps */
        gradus_tensor other = gradus_transpose(x, GRADUS_ALL_AXES);
        return last * last <= MAX_ELEMENTS ? gradus_matmul(other, x) : x;
    }
    gradus_tensor w = new_param(m, GRADUS_SHAPE(last, units));
    return gradus_matmul(x, w);
}

static gradus_tensor lookup(maker *m, gradus_tensor x) {
    gradus_shape s = gradus_shape_of(x);
    int axis = plain_axis(m, &s);
    if (axis < 0 || s.d[axis + 1] == 0) return x;
    int64_t along = s.d[axis + 1], count = 1 + below(m, 4);
    gradus_shape t = s;
    t.d[axis + 1] = count;
    if (!fits_memory(&t)) return x;
    if (once_in(m, 2)) return gradus_take(x, new_input(m, GRADUS_I32, GRADUS_SHAPE(count), along), axis);
    return gradus_take_along_axis(x, new_input(m, once_in(m, 2) ? GRADUS_I32 : GRADUS_I64, t, along), axis);
}

static gradus_tensor mixture(maker *m, gradus_tensor x) {
    gradus_dtype other = m->dtype == GRADUS_F32 ? GRADUS_F64 : GRADUS_F32;
    gradus_tensor y = partner(m, x);
    switch (below(m, 6)) {
    case 0: return gradus_cast(gradus_mul(gradus_cast(x, other), gradus_cast(gradus_tanh(y), other)), m->dtype);
    case 1: return gradus_mul(x, gradus_cast(gradus_greater(x, y), m->dtype));
    case 2: return gradus_add(x, gradus_cast(gradus_cast(gradus_tanh(x), GRADUS_I32), m->dtype));
    case 3: return gradus_cast(gradus_mul(gradus_cast(x, GRADUS_I64), gradus_cast(y, GRADUS_I64)), m->dtype);
    case 4: return gradus_where(gradus_logical_and(gradus_less_equal(x, y), gradus_isfinite(x)), x, gradus_tanh(y));
    default: return gradus_where(gradus_training(m->g), x, gradus_neg(x));
    }
}

static gradus_tensor noise(maker *m, gradus_tensor x) {
    gradus_shape s = gradus_shape_of(x);
    gradus_tensor u = gradus_random_uniform(m->g, m->dtype, s);
    if (once_in(m, 3)) u = gradus_random_normal(m->g, m->dtype, s);
    if (once_in(m, 2)) return gradus_add(x, u);
    return gradus_where(gradus_less(u, gradus_scalar(m->g, m->dtype, 0.5)), x, gradus_like(x, 0));
}

/* --- rows of the table, whatever they are ------------------------------------------------------------------------- */

static bool is_plain(op_code op) {
    const op_info *info = &op_infos[op];
    return info->kind == KIND_ELEMENTWISE && info->attributes == 0 && (info->arity == 1 || info->arity == 2) &&
           op != OP_cast;
}

static gradus_dtype draw_dtype(maker *m, unsigned allowed) {
    for (;;) {
        const gradus_dtype dtype = (gradus_dtype)(GRADUS_F32 + below(m, GRADUS_BOOL - GRADUS_F32 + 1));
        if (allowed & 1u << dtype) return dtype;
    }
}

/* x as an operand: within (0, 1) every function is defined, so that only wild graphs make NaN. */
static gradus_tensor operand(maker *m, gradus_tensor x, gradus_dtype dtype) {
    const bool is_float = dtype == GRADUS_F32 || dtype == GRADUS_F64;
    if (is_float && (!m->wild || once_in(m, 2))) x = gradus_sigmoid(x);
    return dtype == m->dtype ? x : gradus_cast(x, dtype);
}

/* An elementwise op drawn from the table, so that a new row takes part by existing. */
static gradus_tensor row(maker *m, gradus_tensor x) {
    op_code op;
    do op = (op_code)(1 + below(m, OP_COUNT - 1));
    while (!is_plain(op));
    const gradus_dtype dtype = draw_dtype(m, op_infos[op].operands);
    gradus_tensor y = op_infos[op].arity == 2 ? partner(m, x) : x;
    gradus_shape s = gradus_shape_of(x), t = gradus_shape_of(y), joint;
    if (!broadcast_shape(&s, &t, &joint)) return x;
    x = gradus_broadcast_to(operand(m, x, dtype), joint);
    y = op_infos[op].arity == 2 ? gradus_broadcast_to(operand(m, y, dtype), joint) : x;
    guard here;
    volatile uint32_t made = 0;
    if (GUARDED(&here)) {
        made = op_infos[op].arity == 2 ? build_op2(m->g, op, x.id, y.id) : build_op(m->g, op, x.id);
        guard_leave(&here);
    }
    return gradus_cast((gradus_tensor){m->g, made}, m->dtype);
}

/* Ops that are no float's alone, on another dtype. */
static gradus_tensor other_dtype(maker *m, gradus_tensor x) {
    const gradus_dtype dtype = draw_dtype(m, DTYPES_ALL & ~DTYPES_FLOATS);
    const gradus_shape s = gradus_shape_of(x);
    if (!s.d[0]) return x;
    const gradus_axes axes = {{1, (int32_t)below(m, s.d[0])}};
    const bool nothing = reduces_nothing(&s), numbers = dtype != GRADUS_BOOL;
    gradus_tensor y = gradus_cast(x, dtype);
    switch (below(m, 8)) {
    case 0: y = numbers ? gradus_sum(y, axes, false) : y; break;
    case 1: y = numbers ? gradus_prod(y, axes, true) : y; break;
    case 2: y = nothing ? y : gradus_max(y, axes, false); break;
    case 3: y = nothing ? y : gradus_min(y, axes, true); break;
    case 4: y = nothing || !numbers ? y : gradus_argmax(gradus_stop_gradient(y), axes, false); break;
    case 5: y = transposed(m, y); break;
    case 6: y = reshaped(m, y); break;
    default: y = lookup(m, y); break;
    }
    return gradus_cast(y, m->dtype);
}

static gradus_tensor operation(maker *m) {
    gradus_tensor x = draw(m);
    int64_t which = below(m, 23);
    if (which == 22) return other_dtype(m, x);
    if (which >= 20) return row(m, x);
    if (which < 4) return unary(m, x);
    if (which < 9) return binary(m, x);
    if (which < 12) return movement(m, x);
    if (which < 14) return reduction(m, x);
    if (which < 16) return contraction(m, x);
    if (which < 17) return lookup(m, x);
    if (which < 19) return mixture(m, x);
    return once_in(m, 3) ? noise(m, x) : binary(m, x);
}

/* --- a loss, derivatives, entries --------------------------------------------------------------------------------- */

static gradus_tensor classify(maker *m, gradus_tensor x) {
    gradus_shape s = gradus_shape_of(x), labels = s;
    labels.d[0]--;
    labels.d[s.d[0]] = 0;
    return gradus_softmax_cross_entropy(x, new_input(m, GRADUS_I32, labels, s.d[s.d[0]]));
}

static gradus_tensor loss_of(maker *m) {
    gradus_tensor loss = gradus_scalar(m->g, m->dtype, 0);
    for (int64_t terms = 1 + below(m, 3); terms-- > 0;) {
        gradus_tensor x = draw(m);
        gradus_shape s = gradus_shape_of(x);
        if (reduces_nothing(&s)) continue;
        bool classes = s.d[0] >= 1 && s.d[s.d[0]] > 1 && once_in(m, 3);
        x = classes ? classify(m, x) : once_in(m, 2) ? gradus_square(tame(m, x)) : gradus_sigmoid(x);
        gradus_tensor mean = gradus_mean(x, GRADUS_ALL_AXES, false);
        loss = gradus_add(loss, mean);
    }
    gradus_tensor w = new_param(m, GRADUS_SHAPE(3)); /* so that there is something to train, and to differentiate */
    loss = gradus_add(loss, gradus_mean(gradus_square(w), GRADUS_ALL_AXES, false));
    return loss;
}

/* Derivatives of derivatives, as a Hessian's products with vectors are. */
static size_t second_derivatives(maker *m, gradus_tensor loss, gradus_tensors params, gradus_tensor *outputs) {
    if (once_in(m, 3)) {
        gradus_tensor tangents[MAX_POOL];
        for (size_t i = 0; i < params.count; i++)
            tangents[i] = once_in(m, 2) ? gradus_like(params.items[i], 0.5) : params.items[i];
        outputs[0] = gradus_jvp(loss, params, gradus_list(tangents, params.count));
        return 1;
    }
    gradus_tensors first = gradus_gradients(loss, params);
    gradus_tensor slope = gradus_scalar(m->g, m->dtype, 0);
    for (size_t i = 0; i < first.count; i++)
        slope = gradus_add(slope, gradus_sum(gradus_square(first.items[i]), GRADUS_ALL_AXES, false));
    gradus_tensors second = gradus_gradients(slope, params);
    size_t count = 0;
    for (; count < second.count && count < 3; count++) outputs[count] = second.items[count];
    return count;
}

static gradus_optimizer draw_optimizer(maker *m) {
    switch (below(m, 5)) {
    case 0: return gradus_sgd(.learning_rate = 0.1);
    case 1: return gradus_sgd(.learning_rate = 0.1, .momentum = 0.9, .nesterov = true);
    case 2: return gradus_rmsprop(.learning_rate = 0.01);
    case 3: return gradus_adamw(.learning_rate = 0.01, .weight_decay = 0.01);
    default: return gradus_adam(.learning_rate = 0.01);
    }
}

static void define_entries(maker *m) {
    gradus_tensor outputs[8];
    size_t count = 0;
    for (int64_t n = 1 + below(m, 3); n-- > 0;) outputs[count++] = draw(m);
    gradus_tensor loss = loss_of(m);
    gradus_define(m->g, "look", gradus_list(m->inputs, m->n_inputs), gradus_list(outputs, count), GRADUS_NO_UPDATES);
    outputs[count++] = loss;
    gradus_tensors params = gradus_params(m->g, NULL);
    if (params.count && once_in(m, 4)) count += second_derivatives(m, loss, params, outputs + count);
    gradus_updates step = GRADUS_NO_UPDATES;
    if (params.count && !once_in(m, 3)) {
        step = gradus_minimize(loss, draw_optimizer(m));
    } else if (params.count) {
        gradus_tensors gradients = gradus_gradients(loss, params);
        for (size_t i = 0; i < gradients.count && count < 8; i++) outputs[count++] = gradients.items[i];
    }
    gradus_define(m->g, "step", gradus_list(m->inputs, m->n_inputs), gradus_list(outputs, count), step);
}

gradus_graph *random_graph(uint64_t seed) {
    gradus_graph *g = gradus_graph_create();
    if (gradus_graph_status(g) == GRADUS_ERROR_MEMORY) {
        gradus_graph_destroy(&g);
        return NULL;
    }
    maker m = {.random = {seed}, .g = g, .dtype = GRADUS_F32, .wild = random_is_wild(seed)};
    if (once_in(&m, 4)) m.dtype = GRADUS_F64;
    for (int64_t n = 1 + below(&m, 3); n-- > 0;) keep(&m, new_input(&m, m.dtype, draw_shape(&m, true), 0));
    for (int64_t n = 1 + below(&m, 2); n-- > 0;) keep(&m, new_param(&m, draw_shape(&m, false)));
    if (once_in(&m, 3)) {
        gradus_dtype whole = once_in(&m, 2) ? GRADUS_U8 : GRADUS_I32;
        keep(&m, gradus_cast(new_input(&m, whole, draw_shape(&m, true), 0), m.dtype));
    }
    if (once_in(&m, 4)) keep(&m, gradus_arange(g, m.dtype, draw_extent(&m)));
    if (once_in(&m, 4)) keep(&m, new_constant(&m));
    for (int64_t operations = 5 + below(&m, 26); operations-- > 0 && m.count < MAX_POOL;) keep(&m, operation(&m));
    define_entries(&m);
    return g;
}
