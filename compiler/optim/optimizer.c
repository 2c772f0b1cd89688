/* SPDX-License-Identifier: Apache-2.0
 * Options, state and arithmetic of the optimizers.  See optimizer.h. */
#include "optim/optimizer.h"

/* The type is kept in name and f, the size in user. */
gradus_optimizer optim_unreadable(options_type type, const void *options) {
    return (gradus_optimizer){.kind = OPTIMIZER_UNREADABLE,
                              .f = {(double)type.size, (double)type.known},
                              .name = type.name,
                              .user = (void *)(uintptr_t)options_size(options)};
}

const char *optim_why_unreadable(char *why, const gradus_optimizer *o) {
    return options_explain(why, (options_type){o->name, (size_t)o->f[0], (size_t)o->f[1]}, (uintptr_t)o->user);
}

static uint32_t state(optimization *s, const char *name, gradus_dtype dtype, gradus_shape shape,
                      gradus_initializer first) {
    if (s->g->status == GRADUS_OK && graph_state_by_name(s->g, name))
        return compose_fail(s->g, s->call,
                            "\"%s\" exists already: of two optimizers in a graph one needs another name, as in "
                            ".name = \"%s_2\"",
                            name, s->name);
    return compose_state(s->g, OP_state, name, dtype, &shape, &first);
}

uint32_t optim_slot(optimization *s, const char *suffix) {
    const node *p = graph_node(s->g, s->p);
    text name = {.memory = &s->g->memory};
    text_append(&name, "%s/%s/%s", s->name, p->attr.name, suffix);
    return state(s, name.data, p->dtype, p->shape, gradus_zeros());
}

uint32_t optim_scalar_state(optimization *s, const char *suffix, double first) {
    text name = {.memory = &s->g->memory};
    text_append(&name, "%s/%s", s->name, suffix);
    return state(s, name.data, s->dtype, GRADUS_SCALAR, gradus_fill(first));
}

void optim_update(optimization *s, uint32_t to, uint32_t value) {
    VEC_PUSH(&s->g->memory, &s->updates, ((update){to, value}));
}

uint32_t optim_add(optimization *s, uint32_t a, uint32_t b) { return build_op2(s->g, OP_add, a, b); }
uint32_t optim_sub(optimization *s, uint32_t a, uint32_t b) { return build_op2(s->g, OP_sub, a, b); }
uint32_t optim_mul(optimization *s, uint32_t a, uint32_t b) { return build_op2(s->g, OP_mul, a, b); }
uint32_t optim_div(optimization *s, uint32_t a, uint32_t b) { return build_op2(s->g, OP_div, a, b); }
uint32_t optim_sqrt(optimization *s, uint32_t a) { return build_op(s->g, OP_sqrt, a); }

uint32_t optim_scalar(optimization *s, double value) {
    gradus_shape scalar_shape = GRADUS_SCALAR;
    return build_fill(s->g, s->dtype, &scalar_shape, value);
}

uint32_t optim_number(optimization *s, double value) {
    const node *p = graph_node(s->g, s->p);
    return build_fill(s->g, p->dtype, &p->shape, value);
}

uint32_t optim_everywhere(optimization *s, uint32_t scalar_id) {
    const node *p = graph_node(s->g, s->p);
    if (graph_node(s->g, scalar_id)->dtype != p->dtype) scalar_id = build_cast(s->g, scalar_id, p->dtype);
    return build_broadcast(s->g, scalar_id, &p->shape);
}

uint32_t optim_average(optimization *s, double share, uint32_t old, uint32_t new) {
    return optim_add(s, optim_mul(s, optim_number(s, share), old), optim_mul(s, optim_number(s, 1 - share), new));
}
