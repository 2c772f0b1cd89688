/* SPDX-License-Identifier: Apache-2.0
 *
 * gradus_minimize and gradus_apply: from a loss or gradients to the updates of parameters and optimizer state.
 *
 *     loss  →  gradients of all parameters that it reaches  →  for each, the optimizer's step  →  a set of updates
 */
#include "autodiff.h"
#include "ir/call.h"
#include "optim/optimizer.h"
#include "runtime/names.h"
#include "runtime/world.h"

#include <math.h>

gradus_optimizer gradus_optimizer_custom(gradus_update_rule rule, void *user, double learning_rate, const char *name) {
    ENTER;
    return (gradus_optimizer){.kind = OPTIMIZER_CUSTOM,
                              .f = {[OPTION_RATE] = option_value(learning_rate, 1e-3)},
                              .name = name,
                              .rule = rule,
                              .user = user};
}

static gradus_updates call_rule(const optimization *s, uint32_t rate, const char *prefix) {
    gradus_graph *g = s->g;
    LEAVE;
    return s->how->rule(s->how->user, (gradus_tensor){g, s->p}, (gradus_tensor){g, s->dp}, (gradus_tensor){g, rate}, prefix);
}

/* Calls the user's rule for one parameter and takes over its updates. */
static void custom_step(optimization *s) {
    gradus_graph *g = s->g;
    source here = g->here;
    const node *p = graph_node(g, s->p);
    uint32_t rate = s->dtype == p->dtype ? s->rate : build_cast(g, s->rate, p->dtype);
    text prefix = {.memory = &g->memory};
    text_append(&prefix, "%s/%s", s->name, p->attr.name);
    gradus_updates made = call_rule(s, rate, prefix.data);
    g->here = here;
    if (g->status != GRADUS_OK) return;
    bool moves = false;
    if (made.graph == g && made.id < g->updates.count) {
        update_set set = g->updates.items[made.id];
        for (uint32_t i = 0; i < set.count; i++) {
            moves |= set.items[i].state == s->p;
            optim_update(s, set.items[i].state, set.items[i].value);
        }
    }
    if (!moves)
        compose_fail(g, s->call, "the rule of \"%s\" returned no update of its parameter \"%s\"", s->name,
                     p->attr.name);
}

static const optimizer_row optimizer_of_ones_own = {"custom", NULL, custom_step, {0}};

static const optimizer_row *const rows[] = {
    [OPTIMIZER_SGD] = &optimizer_sgd,
    [OPTIMIZER_RMSPROP] = &optimizer_rmsprop,
    [OPTIMIZER_ADAM] = &optimizer_adam,
    [OPTIMIZER_ADAMW] = &optimizer_adamw,
    [OPTIMIZER_CUSTOM] = &optimizer_of_ones_own,
};

/* The name of an option, "learning_rate" first; NULL for what is no number of the user's. */
static const char *option_name(const gradus_optimizer *o, int option) {
    return option == OPTION_RATE ? "learning_rate" : rows[o->kind]->options[option];
}

static bool is_share(const gradus_optimizer *o, int option) {
    const bool adam = o->kind == OPTIMIZER_ADAM || o->kind == OPTIMIZER_ADAMW;
    return (option == OPTION_1 && (adam || o->kind == OPTIMIZER_RMSPROP)) || (option == OPTION_2 && adam);
}

static bool check_optimizer(gradus_graph *g, const char *name, const gradus_optimizer *o) {
    char why[OPTIONS_WHY];
    if (o->kind == OPTIMIZER_UNREADABLE) return compose_fail(g, name, "%s", optim_why_unreadable(why, o));
    if (o->kind <= OPTIMIZER_NONE || o->kind > OPTIMIZER_CUSTOM)
        return compose_fail(g, name, "no optimizer; pass one such as gradus_adam()");
    if (o->kind == OPTIMIZER_CUSTOM && !o->rule) return compose_fail(g, name, "the optimizer's rule is NULL");
    /* Shares of a moving average lie in [0, 1); everything else is finite and at least 0. */
    for (int i = 0; i < OPTION_COUNT; i++) {
        const bool share = is_share(o, i);
        if (o->f[i] >= 0 && (share ? o->f[i] < 1 : isfinite(o->f[i]))) continue;
        return compose_fail(g, name, "%s: .%s is %g; %s", rows[o->kind]->name, option_name(o, i), o->f[i],
                            share ? "a share lies from 0 to below 1" : "it must be finite and not negative");
    }
    return true;
}

/* Whether options keep their values in the dtypes of the parameters that they are used on. */
static bool check_holds(gradus_graph *g, const char *op, const gradus_optimizer *o, const uint32_t *params,
                        uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const gradus_dtype dtype = graph_node(g, params[i])->dtype;
        for (int k = 0; dtype == GRADUS_F32 && k < OPTION_COUNT; k++) {
            if (!option_name(o, k) || (k == OPTION_RATE && o->rate.graph)) continue;
            text what = {.memory = &g->memory};
            text_append(&what, "%s: .%s", rows[o->kind]->name, option_name(o, k));
            if (!(is_share(o, k) ? compose_holds_share : compose_holds)(g, op, what.data, o->f[k], dtype)) return false;
        }
        if (dtype == GRADUS_F32) break;
    }
    return true;
}

static const char *type_text(gradus_graph *g, const node *n) {
    text type = {.memory = &g->memory};
    text_append(&type, "%s ", gradus_dtype_name(n->dtype));
    text_shape(&type, &n->shape);
    return type.data;
}

/* For each of params, which are floating-point state and differ, a gradient of its dtype and shape. */
static bool check_pairs(gradus_graph *g, const char *name, const uint32_t *params, const uint32_t *grads,
                        uint32_t count) {
    bool *given = ARENA_ARRAY(&g->memory, bool, g->nodes.count);
    for (uint32_t i = 0; i < count; i++) {
        if (!params[i] || !grads[i]) return false;
        const node *p = graph_node(g, params[i]), *dp = graph_node(g, grads[i]);
        if (!op_is(p->op, STATE) || !dtype_is_float(p->dtype))
            return compose_fail(g, name, "params[%u] is no f32 or f64 param or state, but %s, %s", i, op_name(p->op),
                                type_text(g, p));
        if (dp->dtype != p->dtype || !shape_equal(&dp->shape, &p->shape))
            return compose_fail(g, name, "\"%s\" is %s, but its gradient %s", p->attr.name, type_text(g, p),
                                type_text(g, dp));
        if (given[params[i]]) return compose_fail(g, name, "\"%s\" is given twice", p->attr.name);
        given[params[i]] = true;
    }
    return true;
}

/* The learning rate as a scalar: the user's tensor, or state that the program can set. */
static void choose_rate(optimization *s) {
    gradus_graph *g = s->g;
    if (!s->how->rate.graph) {
        s->rate = optim_scalar_state(s, "learning_rate", s->how->f[OPTION_RATE]);
        return;
    }
    const node *rate = graph_node(g, s->how->rate.id);
    if (!dtype_is_float(rate->dtype) || shape_rank(&rate->shape) != 0) {
        compose_fail(g, s->call, "the rate is %s; it must be an f32 or f64 scalar", type_text(g, rate));
        return;
    }
    s->rate = rate->dtype == s->dtype ? s->how->rate.id : build_cast(g, s->how->rate.id, s->dtype);
}

static bool check_once(optimization *s) {
    bool *updated = ARENA_ARRAY(&s->g->memory, bool, s->g->nodes.count);
    for (uint32_t i = 0; i < s->updates.count; i++) {
        uint32_t id = s->updates.items[i].state;
        if (updated[id])
            return compose_fail(s->g, s->call, "\"%s\" would be updated twice", graph_node(s->g, id)->attr.name);
        updated[id] = true;
    }
    return true;
}

const char *gradus_optimizer_describe(gradus_optimizer o, char *to, size_t size) {
    ENTER;
    if (!to || size == 0) return "";
    message m = {to, size, 0};
    *to = '\0';
    if (o.kind <= OPTIMIZER_NONE || o.kind > OPTIMIZER_CUSTOM) {
        message_put(&m, "no optimizer");
        return to;
    }
    message_put(&m, "%s:", o.name && *o.name ? o.name : rows[o.kind]->name);
    for (int i = 0; i < OPTION_COUNT; i++) {
        const char *name = option_name(&o, i), *comma = i > 0 ? "," : "";
        if (i == OPTION_RATE && o.rate.graph) message_put(&m, "%s rate a tensor", comma);
        else if (name) message_put(&m, "%s %s %.9g", comma, name, o.f[i]);
    }
    return to;
}

/* The set of updates; 0, the empty one, after an error. */
static uint32_t optimize(gradus_graph *g, const char *name, const gradus_optimizer *how, const uint32_t *params,
                         const uint32_t *grads, uint32_t count) {
    if (g->status != GRADUS_OK || !check_pairs(g, name, params, grads, count)) return 0;
    if (!check_holds(g, name, how, params, count)) return 0;
    const optimizer_row *row = rows[how->kind];
    optimization s = {.g = g, .how = how, .call = name, .dtype = GRADUS_F32};
    s.name = how->name && *how->name ? how->name : row->name;
    for (uint32_t i = 0; i < count; i++)
        if (graph_node(g, params[i])->dtype == GRADUS_F64) s.dtype = GRADUS_F64;
    choose_rate(&s);
    if (row->begin) row->begin(&s);
    for (uint32_t i = 0; i < count && g->status == GRADUS_OK; i++) {
        s.p = params[i];
        s.dp = grads[i];
        row->step(&s);
    }
    if (g->status != GRADUS_OK || !check_once(&s)) return 0;
    VEC_PUSH(&g->memory, &g->updates, ((update_set){s.updates.items, s.updates.count}));
    return g->updates.count - 1;
}

static uint32_t minimize(gradus_graph *g, uint32_t loss, const gradus_optimizer *how) {
    static const char name[] = "minimize";
    const node *n = graph_node(g, loss);
    if (!check_optimizer(g, name, how)) return 0;
    if (!dtype_is_float(n->dtype))
        return compose_fail(g, name, "the loss is %s; it must be f32 or f64", gradus_dtype_name(n->dtype));
    uint32_t *params = ARENA_ARRAY(&g->memory, uint32_t, g->states.count);
    uint32_t count = autodiff_parameters(g, loss, params);
    if (count == 0) return compose_fail(g, name, "the loss does not depend on any parameter (gradus_param)");
    uint32_t *grads = ARENA_ARRAY(&g->memory, uint32_t, count);
    autodiff_gradients(g, name, loss, params, count, grads);
    return optimize(g, name, how, params, grads, count);
}

static uint32_t apply(gradus_graph *g, const gradus_optimizer *how, gradus_tensors params, gradus_tensors grads) {
    if (!check_optimizer(g, "apply", how)) return 0;
    if (params.count == 0) return compose_fail(g, "apply", "there are no parameters");
    if (params.count != grads.count)
        return compose_fail(g, "apply", "%zu parameters, but %zu gradients", params.count, grads.count);
    uint32_t *p = ARENA_ARRAY(&g->memory, uint32_t, params.count), *dp = ARENA_ARRAY(&g->memory, uint32_t, grads.count);
    for (size_t i = 0; i < params.count; i++) {
        p[i] = params.items[i].id;
        dp[i] = grads.items[i].id;
    }
    return optimize(g, "apply", how, p, dp, (uint32_t)params.count);
}

/* --- the public calls -------------------------------------------------------------------------------------------- */

gradus_updates gradus_minimize_at(const char *file, int line, gradus_tensor loss, gradus_optimizer optimizer) {
    ENTER;
    call c;
    gradus_graph *g = call_enter(&c, NULL, file, line, "minimize", OPERANDS(loss));
    if (g && optimizer.rate.graph) g = call_enter(&c, g, file, line, "minimize", OPERANDS(optimizer.rate));
    if (!g) return (gradus_updates){c.graph, 0};
    if (GUARDED(&c.guard)) {
        call_at(&c, file, line);
        uint32_t made = minimize(g, loss.id, &optimizer);
        call_leave(&c);
        return (gradus_updates){g, made};
    }
    call_out_of_memory(&c);
    return (gradus_updates){c.graph, 0};
}

gradus_updates gradus_apply_at(const char *file, int line, gradus_optimizer optimizer, gradus_tensors params,
                               gradus_tensors grads) {
    ENTER;
    call c;
    gradus_graph *g = NULL;
    for (size_t i = 0; params.count == 0 && !g && grads.items && i < grads.count; i++) g = grads.items[i].graph;
    if (params.count == 0 && !g && !optimizer.rate.graph) {
        char place[SOURCE_TEXT];
        fail(GRADUS_ERROR_ARGUMENT, "%sapply: there are no parameters", source_text((source){file, line}, place));
        return (gradus_updates){NULL, UPDATES_OF_NOTHING};
    }
    g = call_enter(&c, g ? g : optimizer.rate.graph, file, line, "apply", params);
    if (g) g = call_enter(&c, g, file, line, "apply", grads);
    if (g && optimizer.rate.graph) g = call_enter(&c, g, file, line, "apply", OPERANDS(optimizer.rate));
    if (!g) return (gradus_updates){c.graph, 0};
    if (GUARDED(&c.guard)) {
        call_at(&c, file, line);
        uint32_t made = apply(g, &optimizer, params, grads);
        call_leave(&c);
        return (gradus_updates){g, made};
    }
    call_out_of_memory(&c);
    return (gradus_updates){c.graph, 0};
}

gradus_updates(gradus_minimize)(gradus_tensor loss, gradus_optimizer optimizer) {
    return gradus_minimize_at(NULL, 0, loss, optimizer);
}
gradus_updates(gradus_apply)(gradus_optimizer optimizer, gradus_tensors params, gradus_tensors grads) {
    return gradus_apply_at(NULL, 0, optimizer, params, grads);
}
