/* SPDX-License-Identifier: Apache-2.0
 * The step counter and learning-rate schedules, composed from ops on F64 scalars.  Formulas in gradus/schedule.h. */
#include "ir/call.h"

#include <gradus/schedule.h>

#include <math.h>
#include <string.h>

static uint32_t number(gradus_graph *g, double value) { return build_fill(g, GRADUS_F64, &GRADUS_SCALAR, value); }
static uint32_t add(gradus_graph *g, uint32_t a, uint32_t b) { return build_op2(g, OP_add, a, b); }
static uint32_t sub(gradus_graph *g, uint32_t a, uint32_t b) { return build_op2(g, OP_sub, a, b); }
static uint32_t mul(gradus_graph *g, uint32_t a, uint32_t b) { return build_op2(g, OP_mul, a, b); }
static uint32_t divide(gradus_graph *g, uint32_t a, uint32_t b) { return build_op2(g, OP_div, a, b); }

/* --- the counter ------------------------------------------------------------------------------------------------- */

/* The counter is the state that updates itself: what a graph read from a file has, too. */
static uint32_t step(gradus_graph *g) {
    static const char name[] = "step";
    const gradus_initializer zero = gradus_zeros();
    for (uint32_t i = 0; i < g->attached.count; i++) {
        const attachment *a = &g->attached.items[i];
        if (a->node == a->update.state && strcmp(graph_node(g, a->node)->attr.name, name) == 0) return a->node;
    }
    if (!compose_name(g, name, name)) return 0;
    const uint32_t counter = compose_state(g, OP_state, name, GRADUS_I64, &GRADUS_SCALAR, &zero);
    graph_attach(g, counter, counter, build_op2(g, OP_add, counter, build_fill(g, GRADUS_I64, &GRADUS_SCALAR, 1)));
    return counter;
}

gradus_tensor gradus_step_at(const char *file, int line, gradus_graph *graph) {
    CALL(graph, "step", NO_OPERANDS, step(g));
}
PLAIN(gradus_tensor, step, (gradus_graph * graph), (NULL, 0, graph))

/* t, as f64; 0 after an error. */
static uint32_t steps_taken(gradus_graph *g, const char *op, gradus_tensor given) {
    const uint32_t t = given.graph ? given.id : step(g);
    if (!t) return 0;
    const node *n = graph_node(g, t);
    if (!compose_dtype(g, op, t, DTYPES_FLOATS | DTYPES_INTS)) return 0;
    if (shape_rank(&n->shape) != 0)
        return compose_fail(g, op, ".step is %s; right is a scalar", shape_text(g, &n->shape));
    return n->dtype == GRADUS_F64 ? t : build_cast(g, t, GRADUS_F64);
}

/* The body of a schedule's public function: its options are `o`. */
#define SCHEDULE(name, type, build)                                                                          \
    gradus_tensor gradus_##name##_at(const char *file, int line, gradus_graph *graph, const type *options) { \
        CALL_WITH(type, options, graph, #name, ((gradus_tensors){&o.step, o.step.graph != NULL}), build);    \
    }                                                                                                        \
    PLAIN(gradus_tensor, name, (gradus_graph * graph, const type *options), (NULL, 0, graph, options))

/* --- what is checked --------------------------------------------------------------------------------------------- */

static bool check_rate(gradus_graph *g, const char *op, const char *what, double rate) {
    if (rate >= 0 && isfinite(rate)) return true;
    compose_fail(g, op, "%s is %g; right is a finite number that is not negative", what, rate);
    return false;
}

static bool check_steps(gradus_graph *g, const char *op, const char *what, int64_t steps, int64_t least) {
    if (steps >= least) return true;
    compose_fail(g, op, "%s is %lld; right is a number of steps from %lld on", what, (long long)steps,
                 (long long)least);
    return false;
}

/* --- decays -------------------------------------------------------------------------------------------------------- */

static uint32_t decay(gradus_graph *g, const char *op, const gradus_decay_options *o, bool stairs) {
    const double rate = option_value(o->learning_rate, 1e-3), factor = option_value(o->factor, 0.1);
    if (!check_rate(g, op, ".learning_rate", rate) || !check_steps(g, op, ".every", o->every, 1)) return 0;
    if (!(factor > 0) || isinf(factor))
        return compose_fail(g, op, ".factor is %g; right is a finite number above 0", factor);
    const uint32_t t = steps_taken(g, op, o->step);
    uint32_t times = divide(g, t, number(g, (double)o->every));
    if (stairs) times = build_op(g, OP_floor, times);
    return mul(g, number(g, rate), build_op2(g, OP_pow, number(g, factor), times));
}

SCHEDULE(step_decay, gradus_decay_options, decay(g, "step_decay", &o, true))
SCHEDULE(exponential_decay, gradus_decay_options, decay(g, "exponential_decay", &o, false))

/* --- pieces -------------------------------------------------------------------------------------------------------- */

static uint32_t piecewise(gradus_graph *g, const gradus_piecewise_options *o) {
    static const char op[] = "piecewise_constant";
    if (o->count == 0 || !o->boundaries || !o->values)
        return compose_fail(g, op, "%s; right are .count boundaries and one value more",
                            o->count == 0 ? ".count is 0" : "boundaries or values are NULL");
    for (size_t i = 0; i <= o->count; i++)
        if (!check_rate(g, op, "a value", o->values[i])) return 0;
    for (size_t i = 1; i < o->count; i++)
        if (o->boundaries[i] <= o->boundaries[i - 1])
            return compose_fail(g, op, "boundary %lld stands behind %lld; they must ascend",
                                (long long)o->boundaries[i], (long long)o->boundaries[i - 1]);
    const uint32_t t = steps_taken(g, op, o->step);
    uint32_t value = number(g, o->values[0]);
    for (size_t i = 0; i < o->count; i++) {
        const uint32_t behind = build_op2(g, OP_less, number(g, (double)o->boundaries[i]), t);
        value = build_op3(g, OP_where, behind, number(g, o->values[i + 1]), value);
    }
    return value;
}

SCHEDULE(piecewise_constant, gradus_piecewise_options, piecewise(g, &o))

/* --- cosine -------------------------------------------------------------------------------------------------------- */

static uint32_t cosine(gradus_graph *g, const gradus_cosine_options *o) {
    static const char op[] = "cosine_decay";
    static const double pi = 3.14159265358979323846;
    const double rate = option_value(o->learning_rate, 1e-3);
    if (!check_rate(g, op, ".learning_rate", rate) || !check_rate(g, op, ".initial", o->initial)) return 0;
    if (!check_steps(g, op, ".decay_steps", o->decay_steps, 1)) return 0;
    if (!check_steps(g, op, ".warmup_steps", o->warmup_steps, 0)) return 0;
    if (!(o->alpha >= 0 && o->alpha <= 1))
        return compose_fail(g, op, ".alpha is %g; right is a share from 0 to 1", o->alpha);
    const uint32_t t = steps_taken(g, op, o->step), one = number(g, 1);
    const uint32_t warmup = number(g, (double)o->warmup_steps);
    uint32_t s = divide(g, sub(g, t, warmup), number(g, (double)o->decay_steps));
    s = build_op2(g, OP_minimum, s, one);
    const uint32_t wave = mul(g, add(g, one, build_op(g, OP_cos, mul(g, number(g, pi), s))), number(g, 0.5));
    const uint32_t share = add(g, number(g, o->alpha), mul(g, number(g, 1 - o->alpha), wave));
    const uint32_t down = mul(g, number(g, rate), share);
    if (o->warmup_steps == 0) return down;
    const uint32_t risen = mul(g, number(g, rate - o->initial), divide(g, t, warmup));
    return build_op3(g, OP_where, build_op2(g, OP_less, t, warmup), add(g, number(g, o->initial), risen), down);
}

SCHEDULE(cosine_decay, gradus_cosine_options, cosine(g, &o))
