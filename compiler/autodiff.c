/* SPDX-License-Identifier: Apache-2.0
 *
 * The driver of reverse-mode differentiation.  See autodiff.h.
 *
 * Requires ids to ascend from operand to user, which holds for every graph: a walk from y downwards meets a node only
 * after all of its users, when its cotangent is complete.
 *
 *     y = exp(x) * x      →      dy = 1;  d(exp x) = dy * x;  dx = dy * exp(x) + d(exp x) * exp(x)
 */
#include "autodiff.h"

#include "ir/custom.h"
#include "rules/gradient.h"

#include <assert.h>
#include <string.h>

/* One pass backward.  The arrays are indexed by node and end at the last y. */
typedef struct {
    gradus_graph *g;
    const char *call;
    source here; /* the user's call */
    arena scratch;
    uint32_t top;        /* ids below it may matter */
    bool *active;        /* depends on an x in a way that ops with derivative zero do not cut */
    uint32_t *cotangent; /* 0 while nothing has flowed */
    bool *wants;         /* for one rule, room for the longest list of operands */
    uint32_t *gives;
} backward;

/* Does the derivative end at this node whatever its operands are?  A conversion to an integer is a step function, as
 * floor is; of an op without a derivative the walk must hear. */
static bool cuts(const gradus_graph *g, const node *n) {
    switch (gradient_kind_of(n)) {
    case GRADIENT_ZERO: return true;
    case GRADIENT_NONE: return false;
    case GRADIENT_RULE: break;
    }
    bool from_float = n->n_inputs > 0 && dtype_is_float(graph_node(g, n->inputs[0])->dtype);
    return from_float && !dtype_is_float(n->dtype);
}

static void mark_active(backward *b, const uint32_t *x, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (x[i] < b->top) b->active[x[i]] = true;
    for (uint32_t id = 1; id < b->top; id++) {
        const node *n = graph_node(b->g, id);
        if (b->active[id] || n->n_inputs == 0 || cuts(b->g, n)) continue;
        for (uint32_t i = 0; i < n->n_inputs; i++) b->active[id] |= b->active[n->inputs[i]];
    }
}

/* The way from x to the cotangent at `id` goes through an op without a derivative. */
static void fail_no_derivative(backward *b, uint32_t id) {
    gradus_graph *g = b->g;
    while (gradient_kind_of(graph_node(g, id)) != GRADIENT_NONE) {
        const node *n = graph_node(g, id);
        uint32_t i = 0;
        while (i + 1 < n->n_inputs && !b->active[n->inputs[i]]) i++;
        assert(b->active[n->inputs[i]]);
        id = n->inputs[i];
    }
    const node *n = graph_node(g, id);
    g->here = b->here;
    const custom *c = n->attr.call;
    text place = {.memory = &g->memory};
    if (n->where.file) text_append(&place, " (%s:%d)", n->where.file, n->where.line);
    graph_fail(g, GRADUS_ERROR_GRAPH, b->call,
               "%s%s%s%s has no derivative; %sput gradus_stop_gradient behind it to differentiate around it",
               op_name(n->op), c ? " " : "", c ? c->symbol : "", place.data ? place.data : "",
               !c            ? ""
               : c->backward ? "a C function that is a .backward has none of its own, where a .gradient has; or "
                             : "give it a .backward or a .gradient, or ");
}

static void accumulate(backward *b, uint32_t id, uint32_t cotangent) {
    uint32_t sum = b->cotangent[id];
    b->cotangent[id] = sum ? build_op2(b->g, OP_add, sum, cotangent) : cotangent;
}

/* Marks the nodes from `first` on as what the gradient of a node is made of. */
static void mark_made(gradus_graph *g, uint32_t first, const node *forward) {
    text name = {.memory = &g->memory};
    if (forward->name) text_append(&name, "d(%s)", forward->name);
    for (uint32_t made = first; made < g->nodes.count; made++) {
        g->nodes.items[made]->forward = forward->op;
        if (!g->nodes.items[made]->name) g->nodes.items[made]->name = name.data;
    }
}

/* Sends the cotangent of a node on to its operands. */
static void propagate(backward *b, uint32_t id) {
    const node *n = graph_node(b->g, id);
    bool any = false;
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        const bool is_float = dtype_is_float(graph_node(b->g, n->inputs[i])->dtype), active = b->active[n->inputs[i]];
        b->wants[i] = active && is_float;
        b->gives[i] = 0;
        any |= b->wants[i];
        /* An integer beside a float is an index; alone it is what was converted. */
        if (active && !is_float && n->n_inputs == 1) {
            fail_no_derivative(b, n->inputs[i]);
            return;
        }
    }
    if (!any || cuts(b->g, n)) return;
    if (gradient_kind_of(n) == GRADIENT_NONE) {
        fail_no_derivative(b, id);
        return;
    }
    uint32_t first = b->g->nodes.count;
    b->g->here = n->where;
    gradient_of(&(derivation){b->g, n, id, b->cotangent[id], b->wants, b->gives});
    for (uint32_t i = 0; i < n->n_inputs; i++)
        if (b->gives[i]) accumulate(b, n->inputs[i], b->gives[i]);
    mark_made(b->g, first, n);
}

static bool check_float(gradus_graph *g, const char *call, const char *what, uint32_t id) {
    const node *n = graph_node(g, id);
    if (dtype_is_float(n->dtype)) return true;
    graph_fail(g, GRADUS_ERROR_GRAPH, call, "%s is %s, and only f32 and f64 tensors have derivatives: cast it first",
               what, gradus_dtype_name(n->dtype));
    return false;
}

static void walk(backward *b, const cotangents *from, const uint32_t *x, uint32_t count, uint32_t *of) {
    gradus_graph *g = b->g;
    uint32_t longest = 1;
    for (uint32_t i = 0; i < from->count; i++)
        if (from->y[i] >= b->top) b->top = from->y[i] + 1;
    for (uint32_t id = 1; id < b->top; id++)
        if (graph_node(g, id)->n_inputs > longest) longest = graph_node(g, id)->n_inputs;
    b->active = ARENA_ARRAY(&b->scratch, bool, b->top);
    b->cotangent = ARENA_ARRAY(&b->scratch, uint32_t, b->top);
    b->wants = ARENA_ARRAY(&b->scratch, bool, longest);
    b->gives = ARENA_ARRAY(&b->scratch, uint32_t, longest);
    mark_active(b, x, count);
    for (uint32_t i = 0; i < from->count; i++)
        if (b->active[from->y[i]]) accumulate(b, from->y[i], from->seed[i]);
    for (uint32_t id = b->top; --id > 0 && g->status == GRADUS_OK;)
        if (b->cotangent[id] && b->active[id]) propagate(b, id);
    g->here = b->here;
    for (uint32_t i = 0; i < count && g->status == GRADUS_OK; i++) {
        const node *n = graph_node(g, x[i]);
        of[i] = x[i] < b->top ? b->cotangent[x[i]] : 0;
        if (!of[i]) of[i] = build_fill(g, n->dtype, &n->shape, 0);
    }
}

/* Runs the walk and frees its scratch memory, whichever way it ends. */
static void walk_and_free(backward *b, const cotangents *from, const uint32_t *x, uint32_t count, uint32_t *of) {
    guard memory;
    if (GUARDED(&memory)) {
        walk(b, from, x, count, of);
        guard_leave(&memory);
        arena_free(&b->scratch);
    } else {
        arena_free(&b->scratch);
        guard_out_of_memory();
    }
}

void autodiff_backward(gradus_graph *g, const char *call, const cotangents *from, const uint32_t *x, uint32_t count,
                       uint32_t *of) {
    backward b = {.g = g, .call = call, .here = g->here};
    memset(of, 0, count * sizeof *of);
    for (uint32_t i = 0; i < from->count; i++)
        if (!from->y[i] || !from->seed[i] || !check_float(g, call, "what is differentiated", from->y[i])) return;
    for (uint32_t i = 0; i < count; i++)
        if (!x[i] || !check_float(g, call, "what it is differentiated with respect to", x[i])) return;
    if (g->status == GRADUS_OK) walk_and_free(&b, from, x, count, of);
    if (g->status != GRADUS_OK) memset(of, 0, count * sizeof *of);
}

void autodiff_gradients(gradus_graph *g, const char *call, uint32_t y, const uint32_t *x, uint32_t count,
                        uint32_t *of) {
    uint32_t seed = 0;
    if (y && check_float(g, call, "what is differentiated", y))
        seed = build_fill(g, graph_node(g, y)->dtype, &graph_node(g, y)->shape, 1);
    autodiff_backward(g, call, &(cotangents){&y, &seed, 1}, x, count, of);
}

uint32_t autodiff_parameters(gradus_graph *g, uint32_t y, uint32_t *params) {
    bool *reached = ARENA_ARRAY(&g->memory, bool, g->nodes.count);
    uint32_t count = 0;
    reached[y] = true;
    for (uint32_t id = y; id > 0; id--) {
        const node *n = graph_node(g, id);
        if (!reached[id] || cuts(g, n)) continue;
        for (uint32_t i = 0; i < n->n_inputs; i++)
            if (dtype_is_float(graph_node(g, n->inputs[i])->dtype)) reached[n->inputs[i]] = true;
    }
    for (uint32_t i = 0; i < g->states.count; i++) {
        uint32_t id = g->states.items[i].node;
        if (reached[id] && graph_node(g, id)->op == OP_param) params[count++] = id;
    }
    return count;
}
