/* SPDX-License-Identifier: Apache-2.0
 * The rules that every graph keeps, checked.  See validate.h. */
#include "ir/validate.h"

#include "base/names.h"
#include "ir/custom.h"
#include "ir/needs.h"

#include <stdarg.h>
#include <string.h>

PRINTF_LIKE(2, 3) static bool because(text *why, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    text_append_v(why, format, arguments);
    va_end(arguments);
    return false;
}

static void append_type(text *out, const node *n) {
    text_append(out, "%s ", gradus_dtype_name(n->dtype));
    text_shape(out, &n->shape);
}

static bool same_type(const node *a, const node *b) {
    return a->dtype == b->dtype && shape_equal(&a->shape, &b->shape);
}

/* --- nodes ------------------------------------------------------------------------------------------------------- */

static bool zero(const void *bytes, size_t count) {
    const unsigned char *p = bytes;
    while (count && !*p) p++, count--;
    return count == 0;
}

/* What an op does not use is zero, so that comparing two nodes may compare everything. */
static bool attributes_tidy(const node *n) {
    const unsigned used = op_infos[n->op].attributes;
    const attrs *a = &n->attr;
    return (used & ATTR_AXES || zero(&a->axes, sizeof a->axes)) && (used & ATTR_AXIS || !a->axis) &&
           (used & ATTR_RANGE || (!a->low && !a->high)) && (used & ATTR_VALUE || !a->value.bits) &&
           (used & ATTR_DATA || (!a->data && !a->bytes)) && (used & ATTR_NAME || !a->name) &&
           (used & ATTR_STREAM || !a->stream) && (used & ATTR_BOUND || !a->bound) && (used & ATTR_CALL || !a->call);
}

static bool validate_operands(const gradus_graph *g, uint32_t id, text *why) {
    const node *n = graph_node(g, id);
    const op_info *info = &op_infos[n->op];
    if (info->arity == ARITY_ANY ? !n->n_inputs : n->n_inputs != (uint32_t)info->arity)
        return because(why, "%%%u: %s has %u operands", id, info->name, n->n_inputs);
    for (uint32_t i = 0; i < n->n_inputs; i++)
        if (n->inputs[i] == 0 || n->inputs[i] >= id)
            return because(why, "%%%u: %s: operand %%%u does not come before it", id, info->name, n->inputs[i]);
    return true;
}

/* A rule that refuses writes its reason with the graph's arena, which here is an empty one. */
static bool run_rule(gradus_graph *copy, node *again) {
    guard here;
    if (GUARDED(&here)) {
        const bool agreed = shape_rules[again->op](copy, again);
        guard_leave(&here);
        arena_free(&copy->memory);
        return agreed;
    }
    arena_free(&copy->memory);
    guard_out_of_memory();
}

/* Runs the op's shape rule on a copy of node and graph: neither must change. */
static bool validate_type(const gradus_graph *g, uint32_t id, text *why) {
    const node *n = graph_node(g, id);
    gradus_graph copy = *g;
    node again = *n;
    copy.memory = (arena){0};
    copy.status = GRADUS_OK;
    copy.here = (source){0};
    if (!run_rule(&copy, &again)) return because(why, "%%%u: %s", id, copy.error);
    if (same_type(n, &again)) return true;
    because(why, "%%%u: %s is ", id, op_name(n->op));
    append_type(why, n);
    because(why, " where its operands make it ");
    append_type(why, &again);
    return false;
}

static bool validate_data(const node *n, uint32_t id, text *why) {
    extent all = {1, 0};
    bool fits = true, empty = false;
    for (int axis = 0; axis < shape_rank(&n->shape); axis++) empty = empty || shape_dim(&n->shape, axis) == 0;
    for (int axis = 0; axis < shape_rank(&n->shape) && !empty; axis++)
        fits = fits && extent_product(all, extent_of(shape_dim(&n->shape, axis)), &all);
    if (fits && !all.power && n->attr.bytes == (empty ? 0 : (size_t)all.factor * gradus_dtype_size(n->dtype)))
        return true;
    return because(why, "%%%u: %s holds %zu bytes, which its shape does not", id, op_name(n->op), n->attr.bytes);
}

bool validate_made(const gradus_graph *g, uint32_t id, text *why) {
    const node *n = graph_node(g, id);
    if (gradus_dtype_size(n->dtype) == 0) return because(why, "%%%u: %s has no dtype", id, op_name(n->op));
    if (!attributes_tidy(n)) return because(why, "%%%u: %s has an attribute that is not its own", id, op_name(n->op));
    if (op_infos[n->op].attributes & ATTR_NAME && (!n->attr.name || !*n->attr.name))
        return because(why, "%%%u: %s has no name", id, op_name(n->op));
    return !(op_infos[n->op].attributes & ATTR_DATA) || validate_data(n, id, why);
}

bool validate_node(const gradus_graph *g, uint32_t id, text *why) {
    const node *n = graph_node(g, id);
    if (n->op <= OP_poison || n->op >= OP_COUNT) return because(why, "%%%u: no op", id);
    if (shape_rank(&n->shape) < 0 || shape_rank(&n->shape) > GRADUS_MAX_RANK)
        return because(why, "%%%u: %s has rank %d", id, op_name(n->op), shape_rank(&n->shape));
    return validate_operands(g, id, why) && validate_made(g, id, why) && validate_type(g, id, why);
}

/* --- states ------------------------------------------------------------------------------------------------------ */

typedef VEC(uint32_t) id_stack;

enum { UNSEEN, OPEN, DONE };

/* Puts what a node's first value is made from on the stack; false where that is a node whose own walk is still open. */
static bool push_first(id_stack *stack, arena *memory, uint32_t id, const unsigned char *seen) {
    if (seen[id] == OPEN) return false;
    if (seen[id] == UNSEEN) VEC_PUSH(memory, stack, id);
    return true;
}

/* First values may read other states, whose first value is meant; but never, in the end, their own.  A depth-first walk
 * from state to first value and from node to operands: a node stays on the stack while it is open. */
static bool validate_first_value(const gradus_graph *g, uint32_t start, const uint32_t *init_of, unsigned char *seen,
                                 text *why) {
    id_stack stack = {0};
    VEC_PUSH(why->memory, &stack, start);
    while (stack.count) {
        const uint32_t id = stack.items[stack.count - 1];
        const node *n = graph_node(g, id);
        if (seen[id] != UNSEEN) {
            seen[id] = DONE;
            stack.count--;
            continue;
        }
        seen[id] = OPEN;
        if (n->op == OP_input || n->op == OP_training)
            return because(why, "%%%u: a first value depends on %s of a call", id,
                           n->op == OP_input ? "an input" : "the mode");
        if (shape_has_batch(&n->shape) || (n->op == OP_count && n->attr.bound < 0))
            return because(why, "%%%u: a first value depends on the batch of a call", id);
        bool open = init_of[id] && !push_first(&stack, why->memory, init_of[id], seen);
        for (uint32_t i = 0; i < n->n_inputs; i++) open = !push_first(&stack, why->memory, n->inputs[i], seen) || open;
        if (open) return because(why, "%%%u: a first value depends on itself", id);
    }
    return true;
}

static bool validate_names(const gradus_graph *g, text *why) {
    names known = {.memory = why->memory};
    for (uint32_t id = 1; id < g->nodes.count; id++) {
        const node *n = graph_node(g, id);
        if (op_infos[n->op].attributes & ATTR_NAME && !names_add(&known, n->attr.name, strlen(n->attr.name), id))
            return because(why, "%%%u: the name \"%.200s\" is taken", id, n->attr.name);
    }
    return true;
}

static bool validate_state(const gradus_graph *g, const state_info *s, uint32_t *init_of, unsigned char *listed,
                           text *why) {
    if (s->node == 0 || s->node >= g->nodes.count || !op_is(graph_node(g, s->node)->op, STATE))
        return because(why, "state %%%u is no param or state", s->node);
    if (listed[s->node]) return because(why, "state %%%u is listed twice", s->node);
    listed[s->node] = 1;
    init_of[s->node] = s->init;
    if (shape_has_batch(&graph_node(g, s->node)->shape)) return because(why, "state %%%u has a batch", s->node);
    if (s->init >= g->nodes.count) return because(why, "state %%%u: there is no node %%%u", s->node, s->init);
    if (!s->init || same_type(graph_node(g, s->node), graph_node(g, s->init))) return true;
    because(why, "state %%%u is ", s->node);
    append_type(why, graph_node(g, s->node));
    because(why, ", its first value ");
    append_type(why, graph_node(g, s->init));
    return false;
}

/* The state of the random numbers is what the builders make of it, and no other tensor has its name. */
static bool validate_rng(const gradus_graph *g, const unsigned char *listed, text *why) {
    static const gradus_shape pair = {{1, 2}};
    for (uint32_t id = 1; id < g->nodes.count; id++)
        if (id != g->rng && op_infos[graph_node(g, id)->op].attributes & ATTR_NAME &&
            strcmp(graph_node(g, id)->attr.name, RNG_NAME) == 0)
            return because(why, "%%%u: the name \"" RNG_NAME "\" is that of the random numbers' state", id);
    if (!g->rng) return true;
    if (g->rng >= g->nodes.count || !listed[g->rng])
        return because(why, "the random numbers' state %%%u is none", g->rng);
    const node *rng = graph_node(g, g->rng);
    const uint32_t init = graph_state(g, g->rng)->init;
    if (rng->dtype != GRADUS_I64 || !shape_equal(&rng->shape, &pair))
        return because(why, "the random numbers' state %%%u is not i64 (2)", g->rng);
    if (strcmp(rng->attr.name, RNG_NAME) != 0)
        return because(why, "the random numbers' state %%%u is \"%.200s\", not \"" RNG_NAME "\"", g->rng, rng->attr.name);
    return !init || graph_node(g, init)->op == OP_seed ||
           because(why, "the first value of the random numbers' state %%%u is not the node `seed`", g->rng);
}

bool validate_states(const gradus_graph *g, text *why) {
    uint32_t *init_of = ARENA_ARRAY(why->memory, uint32_t, g->nodes.count);
    unsigned char *seen = ARENA_ARRAY(why->memory, unsigned char, g->nodes.count);
    unsigned char *listed = ARENA_ARRAY(why->memory, unsigned char, g->nodes.count);
    for (uint32_t i = 0; i < g->states.count; i++)
        if (!validate_state(g, &g->states.items[i], init_of, listed, why)) return false;
    for (uint32_t id = 1; id < g->nodes.count; id++)
        if (op_is(graph_node(g, id)->op, STATE) && !listed[id])
            return because(why, "%%%u: %s \"%.200s\" is not in the list of states", id, op_name(graph_node(g, id)->op),
                           graph_node(g, id)->attr.name);
    for (uint32_t i = 0; i < g->states.count; i++)
        if (!validate_first_value(g, g->states.items[i].node, init_of, seen, why)) return false;
    return validate_rng(g, listed, why) && validate_names(g, why);
}

/* --- updates and entries --------------------------------------------------------------------------------------------- */

struct entry_checks {
    const gradus_graph *g;
    arena *memory;
    names attached; /* which node updates which state */
    needs needs;
    uint32_t *listed, *updated; /* by node: the last entry that lists the input, updates the state, counted from 1 */
    uint32_t entries;
};

entry_checks *entry_checks_new(const gradus_graph *g, arena *memory) {
    entry_checks *checks = ARENA_NEW(memory, entry_checks);
    *checks = (entry_checks){.g = g, .memory = memory, .attached = {.memory = memory}};
    return checks;
}

/* `of` is what has the update: an entry, or a node. */
static void append_owner(text *why, const entry *of, uint32_t id) {
    if (of) text_append(why, "entry \"%.200s\"", of->name);
    else text_append(why, "%%%u", id);
}

static bool validate_update(const gradus_graph *g, const entry *of, uint32_t id, const update *u, text *why) {
    const node *state = graph_node(g, u->state), *value = graph_node(g, u->value);
    if (op_is(state->op, STATE) && same_type(state, value)) return true;
    append_owner(why, of, id);
    if (!op_is(state->op, STATE)) return because(why, " updates %%%u, which is no param or state", u->state);
    text_append(why, ": %%%u is ", u->state);
    append_type(why, state);
    text_append(why, ", its new value %%%u ", u->value);
    append_type(why, value);
    return false;
}

bool validate_attached(entry_checks *v, const attachment *a, text *why) {
    const gradus_graph *g = v->g;
    const update *u = &a->update;
    if (!a->node || !u->state || !u->value || a->node >= g->nodes.count || u->state >= g->nodes.count ||
        u->value >= g->nodes.count)
        return because(why, "an update that belongs to %%%u names a node that is not there", a->node);
    if (!validate_update(g, NULL, a->node, u, why)) return false;
    const uint32_t pair[2] = {a->node, u->state};
    if (names_add(&v->attached, arena_copy(v->memory, pair, sizeof pair), sizeof pair, 0)) return true;
    return because(why, "%%%u updates %%%u twice", a->node, u->state);
}

static bool validate_ids(const gradus_graph *g, const entry *e, text *why) {
    bool fit = true;
    for (uint32_t i = 0; i < e->n_inputs; i++) fit = fit && e->inputs[i] && e->inputs[i] < g->nodes.count;
    for (uint32_t i = 0; i < e->n_outputs; i++) fit = fit && e->outputs[i] && e->outputs[i] < g->nodes.count;
    for (uint32_t i = 0; i < e->n_kept; i++) fit = fit && e->kept[i] && e->kept[i] < g->nodes.count;
    for (uint32_t i = 0; i < e->updates.count; i++)
        fit = fit && e->updates.items[i].state && e->updates.items[i].state < g->nodes.count &&
              e->updates.items[i].value && e->updates.items[i].value < g->nodes.count;
    return fit || because(why, "entry \"%.200s\" names a node that is not there", e->name);
}

static bool validate_lists(entry_checks *v, const entry *e, text *why) {
    const gradus_graph *g = v->g;
    for (uint32_t i = 0; i < e->n_inputs; i++) {
        const uint32_t id = e->inputs[i];
        if (graph_node(g, id)->op != OP_input) return because(why, "entry \"%.200s\": %%%u is no input", e->name, id);
        if (v->listed[id] == v->entries) return because(why, "entry \"%.200s\" lists input %%%u twice", e->name, id);
        v->listed[id] = v->entries;
    }
    for (uint32_t i = 0; i < e->n_kept; i++)
        if (!node_acts(graph_node(g, e->kept[i])))
            return because(why, "entry \"%.200s\" keeps %%%u, which is no check_index and no call with effects",
                           e->name, e->kept[i]);
    for (uint32_t i = 0; i < e->updates.count; i++) {
        const update *u = &e->updates.items[i];
        if (!validate_update(g, e, 0, u, why)) return false;
        if (v->updated[u->state] == v->entries)
            return because(why, "entry \"%.200s\" updates %%%u twice", e->name, u->state);
        v->updated[u->state] = v->entries;
    }
    return true;
}

static bool is_name(const char *s) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    return s && *s && !(*s >= '0' && *s <= '9') && strspn(s, letters) == strlen(s);
}

bool validate_entry(entry_checks *v, const entry *e, text *why) {
    if (!is_name(e->name))
        return because(why, "an entry's name is no C identifier: \"%.200s\"", e->name ? e->name : "");
    if (e->max_batch < 0) return because(why, "entry \"%.200s\": its largest batch is negative", e->name);
    if (!validate_ids(v->g, e, why)) return false;
    if (!v->entries++) {
        needs_of(v->g, v->memory, &v->needs);
        v->listed = ARENA_ARRAY(v->memory, uint32_t, v->g->nodes.count);
        v->updated = ARENA_ARRAY(v->memory, uint32_t, v->g->nodes.count);
    }
    if (!validate_lists(v, e, why)) return false;
    const uint32_t missing = needs_unlisted(&v->needs, v->g, e, v->listed, v->entries);
    return !missing || because(why, "entry \"%.200s\" needs the input \"%.200s\" (%%%u), which it does not list",
                               e->name, graph_node(v->g, missing)->attr.name, missing);
}

bool graph_validate(const gradus_graph *g, text *why) {
    if (g->nodes.count == 0 || graph_node(g, 0)->op != OP_poison) return because(why, "node 0 is not poison");
    for (uint32_t id = 1; id < g->nodes.count; id++)
        if (!validate_node(g, id, why)) return false;
    if (!validate_states(g, why)) return false;
    entry_checks *checks = entry_checks_new(g, why->memory);
    names known = {.memory = why->memory};
    for (uint32_t i = 0; i < g->attached.count; i++)
        if (!validate_attached(checks, &g->attached.items[i], why)) return false;
    for (uint32_t i = 0; i < g->entries.count; i++) {
        const entry *e = &g->entries.items[i];
        if (!validate_entry(checks, e, why)) return false;
        if (!names_add(&known, e->name, strlen(e->name), i))
            return because(why, "there are two entries of the name \"%.200s\"", e->name);
    }
    return true;
}
