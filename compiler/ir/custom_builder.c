/* SPDX-License-Identifier: Apache-2.0
 * gradus_custom: a node from a user's function, its options checked. */
#include "ir/call.h"
#include "ir/custom.h"
#include "runtime/world.h"

#include <string.h>

static bool refuse(gradus_graph *g, const char *why) {
    compose_fail(g, "custom", "%s", why);
    return false;
}

/* What linkers take for a name, and which does not hide what compiled code itself calls or is called. */
static bool check_symbol(gradus_graph *g, const char *symbol) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    static const char *const taken[] = {"memcpy", "memset", "memmove"};
    bool right = *symbol && !(*symbol >= '0' && *symbol <= '9') && strspn(symbol, letters) == strlen(symbol);
    right = right && strncmp(symbol, "gradus_", 7) != 0;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) right = right && strcmp(symbol, taken[i]) != 0;
    if (!right) compose_fail(g, "custom", "the symbol \"%.100s\" is no C identifier, or one that is taken", symbol);
    return right;
}

/* One name stands for one function: compiled code knows it by that.  The node of `forward`, whose backward function c
 * may be, is still to be made. */
static bool check_unique(gradus_graph *g, const custom *forward, const custom *c) {
    for (uint32_t id = 0; id < g->nodes.count; id++) {
        const custom *other = id ? graph_node(g, id)->attr.call : forward;
        for (; other; other = other->derivative) {
            if (strcmp(other->symbol, c->symbol) != 0 || other->function == c->function) continue;
            compose_fail(g, "custom", "the symbol \"%s\" is another function's already; give %s", c->symbol,
                         c->backward ? ".backward_symbol" : ".symbol");
            return false;
        }
    }
    return true;
}

static bool describe(gradus_graph *g, const custom *forward, custom *c, uint32_t operands, const char *symbol) {
    text why = {.memory = &g->memory};
    if (!custom_describe(c, operands, &g->memory, &why)) {
        compose_fail(g, "custom", "%s: %s", symbol ? symbol : c->backward ? "backward" : "function", why.data);
        return false;
    }
    c->symbol = symbol ? symbol : c->prototype.name;
    return check_symbol(g, c->symbol) && check_unique(g, forward, c);
}

static bool forward_call(gradus_graph *g, gradus_tensors x, const gradus_custom_options *o, custom *c) {
    if (!o->function == !o->run)
        return refuse(g, o->run ? ".function and .run; right is one of them"
                                : "no function: give .function with .signature, or .run");
    if (o->run && o->signature)
        return refuse(g, ".run with a .signature; it takes a gradus_custom_call, and .function has one");
    if (o->function && !o->signature)
        return refuse(g, ".function without .signature, its prototype as in C, with parameters x0, x1, …, y, n");
    if (o->run && !o->symbol) return refuse(g, ".run without .symbol, the function's name");
    c->function = o->run ? (void (*)(void))o->run : o->function;
    c->signature = o->signature;
    c->user = o->user;
    c->effects = o->effects ? ++g->effects : 0;
    return describe(g, NULL, c, (uint32_t)x.count, o->symbol);
}

/* ", const float *dy, float *dx0, …": what takes the place of the result. */
static void append_cotangents(text *t, gradus_tensors x, gradus_dtype dtype) {
    text_append(t, "const %s *dy", c_type_name(dtype));
    for (size_t k = 0; k < x.count; k++) {
        const gradus_dtype of = node_of(x.items[k])->dtype;
        if (DTYPES_FLOATS >> of & 1) text_append(t, ", %s *dx%zu", c_type_name(of), k);
    }
}

/* The forward function's signature with y replaced by dy and, behind it, dx0, dx1, …; at the end where there is no y. */
static const char *backward_signature(gradus_graph *g, const custom *forward, gradus_tensors x, gradus_dtype dtype,
                                      const char *name) {
    const prototype *p = &forward->prototype;
    text t = {.memory = &g->memory};
    text_append(&t, "%s %s(", p->returns == GRADUS_I32 ? "int" : "void", name);
    for (uint32_t i = 0; i < p->count; i++) {
        const parameter *it = &p->parameters[i];
        if (i) text_append(&t, ", ");
        if (forward->passes[i].kind == PASS_RESULT) append_cotangents(&t, x, dtype);
        else text_append(&t, "%.*s", (int)it->length, forward->signature + it->at);
    }
    if (forward->by_value) text_append(&t, ", ");
    if (forward->by_value) append_cotangents(&t, x, dtype);
    text_append(&t, ")");
    return t.data;
}

static bool backward_call(gradus_graph *g, gradus_tensors x, const gradus_custom_options *o, gradus_dtype dtype,
                          custom *forward) {
    forward->gradient = o->gradient;
    if (o->backward && o->gradient) return refuse(g, ".backward and .gradient; right is one of them");
    if (!o->backward && (o->backward_signature || o->backward_symbol))
        return refuse(g, "a signature or symbol of .backward, and no .backward");
    if (!o->backward) return true;
    if (o->run && o->backward_signature)
        return refuse(g, ".backward_signature with .run; then it takes a gradus_custom_call, too");
    custom *c = ARENA_NEW(&g->memory, custom);
    text name = {.memory = &g->memory};
    text_append(&name, "%s_backward", forward->symbol);
    c->function = o->backward;
    c->backward = true;
    c->user = o->user;
    c->signature = o->backward_signature;
    const char *symbol = o->backward_symbol;
    if (!symbol && !c->signature) symbol = name.data;
    if (!o->run && !c->signature) c->signature = backward_signature(g, forward, x, dtype, symbol);
    if (!describe(g, forward, c, (uint32_t)x.count, symbol)) return false;
    forward->derivative = c;
    return true;
}

static gradus_status call_shape(const gradus_custom_options *o, const gradus_shape *in, uint32_t count,
                                gradus_shape *shape) {
    LEAVE;
    return o->shape(o->user, in, count, shape);
}

static bool result_shape(gradus_graph *g, uint32_t *ids, uint32_t count, const gradus_custom_options *o,
                         const custom *c, gradus_shape *shape) {
    *shape = (gradus_shape){{0}};
    if (!o->shape && c->by_value) return true;
    if (!o->shape) {
        if (!compose_shape(g, "custom", ids, count, shape)) return false;
        for (uint32_t i = 0; i < count; i++) ids[i] = build_broadcast(g, ids[i], shape);
        return true;
    }
    gradus_shape *in = ARENA_ARRAY(&g->memory, gradus_shape, count);
    const source here = g->here;
    for (uint32_t i = 0; i < count; i++) in[i] = graph_node(g, ids[i])->shape;
    fail_forget();
    const gradus_status status = call_shape(o, in, count, shape);
    g->here = here;
    if (status == GRADUS_OK) return compose_valid_shape(g, "custom", GRADUS_F64, shape);
    compose_fail(g, "custom", "%s: its shape function refuses the operands: %s", c->symbol,
                 fail_status() ? gradus_last_error() : "no reason given");
    return false;
}

/* What the signature says of y, else what the first operand is. */
static gradus_dtype result_dtype(const gradus_custom_options *o, const custom *c, gradus_dtype first) {
    if (o->dtype) return o->dtype;
    if (c->by_value) return (gradus_dtype)c->prototype.returns;
    for (uint32_t i = 0; c->signature && i < c->prototype.count; i++)
        if (c->passes[i].kind == PASS_RESULT && c->prototype.parameters[i].type > 0)
            return (gradus_dtype)c->prototype.parameters[i].type;
    return first;
}

static uint32_t build_custom(gradus_graph *g, gradus_tensors x, const gradus_custom_options *o) {
    custom c = {0};
    node_spec spec = {.op = OP_custom, .n_inputs = (uint32_t)x.count};
    if (x.count > CUSTOM_OPERANDS)
        return compose_fail(g, "custom", "%zu operands; right are 1 to %d", x.count, CUSTOM_OPERANDS);
    for (size_t i = 0; i < sizeof o->reserved_ / sizeof *o->reserved_; i++)
        if (o->reserved_[i])
            return compose_fail(g, "custom", "an option is set that this version of the library does not know");
    if (!forward_call(g, x, o, &c)) return 0;
    spec.dtype = result_dtype(o, &c, node_of(x.items[0])->dtype);
    if (gradus_dtype_size(spec.dtype) == 0)
        return compose_fail(g, "custom", ".dtype %d is none; right are GRADUS_F32 to GRADUS_BOOL", (int)spec.dtype);
    uint32_t ids[CUSTOM_OPERANDS];
    for (size_t i = 0; i < x.count; i++) ids[i] = x.items[i].id;
    if (!backward_call(g, x, o, spec.dtype, &c) || !result_shape(g, ids, spec.n_inputs, o, &c, &spec.shape)) return 0;
    spec.inputs = ids;
    spec.attr.call = &c;
    return graph_add(g, &spec);
}

gradus_tensor gradus_custom_at(const char *file, int line, gradus_tensors operands,
                               const gradus_custom_options *options) {
    CALL_WITH(gradus_custom_options, options, NULL, "custom", operands, build_custom(g, operands, &o));
}

gradus_tensor(gradus_custom)(gradus_tensors operands, const gradus_custom_options *options) {
    return gradus_custom_at(NULL, 0, operands, options);
}
