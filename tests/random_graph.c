/* SPDX-License-Identifier: Apache-2.0
 * The generator of random graphs.  See random_graph.h.
 *
 * It keeps a pool of tensors and applies an operation drawn at random to members of it, as long as operations are left.
 * Operations whose values would explode (exp, division, powers) are applied to tamed operands, since a graph that
 * computes NaN proves little. */
#include "tests/random_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_POOL = 128, MAX_ELEMENTS = 1 << 13, WIDEST_BATCH = 8 };

uint64_t random_next(random_source *r) {
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

int64_t random_up_to(random_source *r, int64_t bound) { return (int64_t)(random_next(r) % (uint64_t)bound); }

double random_between(random_source *r, double low, double high) {
    return low + (high - low) * (double)(random_next(r) >> 11) * 0x1p-53;
}

typedef struct {
    random_source random;
    gradus_graph *g;
    gradus_dtype dtype; /* of the floats */
    gradus_tensor pool[MAX_POOL], inputs[MAX_POOL];
    size_t count, n_inputs;
    int names;
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

static bool fits_memory(const gradus_shape *s) { return size_at(s) <= MAX_ELEMENTS; }

/* A tensor that broadcasts with x: one of the pool that does, or a new one of a part of x's shape. */
static gradus_tensor partner(maker *m, gradus_tensor x) {
    gradus_shape s = gradus_shape_of(x);
    for (int tries = 0; tries < 4; tries++) {
        gradus_tensor y = draw(m);
        gradus_shape t = gradus_shape_of(y), joint = s.d[0] >= t.d[0] ? s : t;
        bool fits = true;
        for (int i = 0; i < s.d[0] && i < t.d[0]; i++) {
            int64_t a = s.d[s.d[0] - i], b = t.d[t.d[0] - i];
            fits = fits && (a == b || a == 1 || b == 1);
            joint.d[joint.d[0] - i] = a == 1 ? b : a;
        }
        if (fits && fits_memory(&joint)) return y;
    }
    gradus_shape part = {{below(m, s.d[0] + 1)}};
    for (int i = 1; i <= part.d[0]; i++) part.d[i] = once_in(m, 4) ? 1 : s.d[s.d[0] - part.d[0] + i];
    for (int i = 1; i <= part.d[0]; i++)
        if (part.d[i] < 0) return new_input(m, m->dtype, part, 0);
    return once_in(m, 6) ? gradus_scalar(m->g, m->dtype, (double)below(m, 5) - 2) : new_param(m, part);
}

/* --- operations: each gives what it made, or x itself where it does not apply ------------------------------------- */

static gradus_tensor positive(gradus_tensor x) {
    return gradus_add(gradus_abs(x), gradus_scalar(x.graph, gradus_dtype_of(x), 0.5));
}

static gradus_tensor unary(maker *m, gradus_tensor x) {
    switch (below(m, 19)) {
    case 0: return gradus_neg(x);
    case 1: return gradus_abs(x);
    case 2: return gradus_sqrt(positive(x));
    case 3: return gradus_rsqrt(positive(x));
    case 4: return gradus_exp(gradus_tanh(x));
    case 5: return gradus_log(positive(x));
    case 6: return gradus_tanh(x);
    case 7: return gradus_sigmoid(x);
    case 8: return gradus_erf(x);
    case 9: return gradus_relu(x);
    case 10: return gradus_sin(x);
    case 11: return gradus_gelu(x);
    case 12: return gradus_softplus(x);
    case 13: return gradus_square(gradus_tanh(x));
    case 14: return gradus_clip(x, -1, 1.5);
    case 15: return gradus_stop_gradient(x);
    case 16: return gradus_expm1(gradus_tanh(x));
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
    case 2: case 3: return gradus_mul(x, gradus_tanh(y));
    case 4: return gradus_sub(x, y);
    case 5: return gradus_div(x, positive(y));
    case 6: return gradus_maximum(x, y);
    case 7: return gradus_minimum(x, y);
    case 8: return gradus_where(gradus_less(x, y), gradus_add(x, y), y);
    default: return gradus_pow(positive(gradus_tanh(x)), gradus_tanh(y));
    }
}

static gradus_tensor reshaped(maker *m, gradus_tensor x) {
    gradus_shape s = gradus_shape_of(x), t = {{0}};
    for (int i = 1; i <= s.d[0] && t.d[0] < 6; i++) {
        int64_t previous = t.d[0] ? t.d[t.d[0]] : 0;
        bool merges = previous && s.d[i] && (previous > 0 || s.d[i] > 0) && once_in(m, 2);
        if (merges) t.d[t.d[0]] *= s.d[i];
        else if (s.d[i] == 1 && once_in(m, 2)) continue;
        else if (s.d[i] > 2 && s.d[i] % 2 == 0 && once_in(m, 3)) t.d[++t.d[0]] = s.d[i] / 2, t.d[++t.d[0]] = 2;
        else t.d[++t.d[0]] = s.d[i];
        if (once_in(m, 8)) t.d[++t.d[0]] = 1;
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
        return gradus_pad(x, axis, below(m, 3), below(m, 3), once_in(m, 2) ? 0 : 1.5);
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
    case 0: case 1: return gradus_sum(gradus_tanh(x), axes, keepdims);
    case 2: return nothing ? x : gradus_mean(x, axes, keepdims);
    case 3: return nothing ? x : gradus_max(x, axes, keepdims);
    case 4: return nothing ? x : gradus_min(x, axes, keepdims);
    case 5: return nothing ? x : gradus_logsumexp(gradus_tanh(x), axes, keepdims);
    case 6: return nothing ? x : gradus_var(x, axes, keepdims);
    case 7: return gradus_prod(gradus_tanh(x), axes, keepdims);
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

static gradus_tensor operation(maker *m) {
    gradus_tensor x = draw(m);
    int64_t which = below(m, 20);
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
        x = classes ? classify(m, x) : once_in(m, 2) ? gradus_square(gradus_tanh(x)) : gradus_sigmoid(x);
        gradus_tensor mean = gradus_mean(x, GRADUS_ALL_AXES, false);
        loss = gradus_add(loss, mean);
    }
    gradus_tensor w = new_param(m, GRADUS_SHAPE(3)); /* so that there is something to train, and to differentiate */
    loss = gradus_add(loss, gradus_mean(gradus_square(w), GRADUS_ALL_AXES, false));
    return loss;
}

static gradus_optimizer draw_optimizer(maker *m) {
    switch (below(m, 5)) {
    case 0: return gradus_sgd(.learning_rate = 0.1);
    case 1: return gradus_sgd(.learning_rate = 0.1, .momentum = 0.9, .nesterov = true);
    case 2: return gradus_rmsprop(.learning_rate = 0.01);
    case 3: return gradus_adamw(.learning_rate = 0.01);
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
    gradus_updates step = GRADUS_NO_UPDATES;
    if (params.count && !once_in(m, 3)) {
        step = gradus_minimize(loss, draw_optimizer(m));
    } else if (params.count) {
        gradus_tensors gradients = gradus_gradients(loss, params);
        for (size_t i = 0; i < gradients.count && count < 6; i++) outputs[count++] = gradients.items[i];
    }
    gradus_define(m->g, "step", gradus_list(m->inputs, m->n_inputs), gradus_list(outputs, count), step);
}

gradus_graph *random_graph(uint64_t seed) {
    gradus_graph *g = gradus_graph_create();
    if (gradus_graph_status(g) == GRADUS_ERROR_MEMORY) {
        gradus_graph_destroy(&g);
        return NULL;
    }
    maker m = {.random = {seed}, .g = g, .dtype = GRADUS_F32};
    if (once_in(&m, 4)) m.dtype = GRADUS_F64;
    for (int64_t n = 1 + below(&m, 3); n-- > 0;) keep(&m, new_input(&m, m.dtype, draw_shape(&m, true), 0));
    for (int64_t n = 1 + below(&m, 2); n-- > 0;) keep(&m, new_param(&m, draw_shape(&m, false)));
    if (once_in(&m, 3)) {
        gradus_dtype whole = once_in(&m, 2) ? GRADUS_U8 : GRADUS_I32;
        keep(&m, gradus_cast(new_input(&m, whole, draw_shape(&m, true), 0), m.dtype));
    }
    if (once_in(&m, 4)) keep(&m, gradus_arange(g, m.dtype, draw_extent(&m)));
    for (int64_t operations = 5 + below(&m, 26); operations-- > 0 && m.count < MAX_POOL;) keep(&m, operation(&m));
    define_entries(&m);
    return g;
}

/* --- values ---------------------------------------------------------------------------------------------------- */

static double draw_float(random_source *r, bool positive_only) {
    double value = random_up_to(r, 6) ? random_between(r, -2, 2) : (double)(random_up_to(r, 5) - 2);
    return positive_only && value < 0 ? -value : value;
}

static void set_element(array *out, int64_t i, double value) {
    scalar s = scalar_from_double(out->dtype, value);
    size_t size = gradus_dtype_size(out->dtype);
    memcpy((unsigned char *)out->data + (size_t)i * size, &s, size);
}

void random_values(uint64_t seed, const node *n, array *out) {
    const char *name = n->attr.name ? n->attr.name : op_name(n->op);
    random_source r = {hash_bytes(HASH_START ^ seed, name, strlen(name))};
    const char *bound = strrchr(name, '_');
    int64_t limit = strncmp(name, "index", 5) == 0 && bound ? strtoll(bound + 1, NULL, 10) : 0;
    size_t length = strlen(name);
    bool moment = length > 2 && (!strcmp(name + length - 2, "/v") || strstr(name, "/c1") || strstr(name, "/c2"));
    int64_t count = shape_elements(&out->shape);
    for (int64_t i = 0; i < count; i++) {
        double value = 0;
        if (n->op == OP_seed || !strcmp(name, "rng")) value = i == 0 ? 7 : 0;
        else if (limit) value = (double)random_up_to(&r, limit);
        else if (out->dtype == GRADUS_U8) value = (double)random_up_to(&r, 256);
        else if (out->dtype != GRADUS_BOOL) value = draw_float(&r, moment);
        if (strstr(name, "/c1") || strstr(name, "/c2")) value = 0.1 + 0.4 * value; /* 1 - beta^t, within (0, 1) */
        set_element(out, i, value);
    }
}

void random_bind(void *user, uint32_t id, const node *n, array *out) {
    (void)id;
    random_values(*(const uint64_t *)user, n, out);
}
