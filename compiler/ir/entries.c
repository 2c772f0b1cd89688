/* SPDX-License-Identifier: Apache-2.0
 * State updates and entry points: gradus_assign, gradus_join, gradus_updated, gradus_define. */
#include "ir/call.h"
#include "runtime/world.h"

#include <gradus/graph.h>

#include <string.h>

/* --- updates --------------------------------------------------------------------------------------------------- */

static gradus_updates add_set(gradus_graph *g, const update *items, uint32_t count) {
    if (count == 0) return (gradus_updates){g, 0};
    VEC_PUSH(&g->memory, &g->updates, ((update_set){items, count}));
    return (gradus_updates){g, g->updates.count - 1};
}

/* The update of that state among them, NULL if there is none. */
static const update *find_update(const update *items, uint32_t count, uint32_t state) {
    for (uint32_t i = 0; i < count; i++)
        if (items[i].state == state) return &items[i];
    return NULL;
}

static gradus_updates assign(gradus_graph *g, uint32_t state, uint32_t value) {
    const node *n = graph_node(g, state);
    const gradus_updates none = {g, 0};
    if (!op_is(n->op, STATE)) {
        compose_fail(g, "assign", "an assignment to %s; right is one to a gradus_param or gradus_state",
                     op_name(n->op));
        return none;
    }
    if (!compose_same_dtype(g, "assign", state, value)) return none;
    const uint32_t fitted = compose_broadcast_to(g, "assign", value, &n->shape);
    if (!fitted) return none;
    return add_set(g, arena_copy(&g->memory, &(update){state, fitted}, sizeof(update)), 1);
}

gradus_updates gradus_assign_at(const char *file, int line, gradus_tensor state, gradus_tensor value) {
    ENTER;
    call c;
    gradus_graph *const g = call_enter(&c, NULL, file, line, "assign", OPERANDS(state, value));
    if (!g) return (gradus_updates){c.graph, 0};
    if (GUARDED(&c.guard)) {
        call_at(&c, file, line);
        const gradus_updates made = assign(g, state.id, value.id);
        call_leave(&c);
        return made;
    }
    call_out_of_memory(&c);
    return (gradus_updates){c.graph, 0};
}
PLAIN(gradus_updates, assign, (gradus_tensor state, gradus_tensor value), (NULL, 0, state, value))

/* Updates say which graph they belong to as tensors do: node 1 of each stands for them where graphs are compared.  A
 * graph that has updates has nodes. */
static gradus_graph *enter_updates(call *c, gradus_graph *graph, const char *file, int line, const char *op,
                                   gradus_update_list list) {
    c->graph = graph;
    if (!list.items) list.count = 0;
    for (size_t i = 0; !c->graph && i < list.count; i++) c->graph = list.items[i].graph;
    if (!c->graph) return NULL;
    for (size_t i = 0; i < list.count; i++) {
        gradus_graph *other = list.items[i].graph;
        if (!other || other == c->graph) continue;
        call_enter(c, c->graph, file, line, op, OPERANDS({c->graph, 1}, {other, 1}));
        return NULL;
    }
    return call_enter(c, c->graph, file, line, op, NO_OPERANDS);
}

/* Whether these updates are none because something is wrong; then the graph has the error. */
static bool of_nothing(gradus_graph *g, const char *op, gradus_updates updates) {
    if (updates.graph || updates.id != UPDATES_OF_NOTHING) return false;
    compose_fail(g, op, "the updates are of a gradus_apply without parameters, which trains nothing");
    return true;
}

static gradus_updates join(gradus_graph *g, gradus_update_list list) {
    const gradus_updates none = {g, 0};
    uint32_t count = 0, room = 0;
    for (size_t i = 0; i < list.count; i++) {
        if (of_nothing(g, "join", list.items[i])) return none;
        if (!list.items[i].graph) continue;
        if (list.items[i].id >= g->updates.count) {
            compose_fail(g, "join", "updates that are not of this graph");
            return none;
        }
        room += g->updates.items[list.items[i].id].count;
    }
    update *all = ARENA_ARRAY(&g->memory, update, room);
    bool *seen = ARENA_ARRAY(&g->memory, bool, g->nodes.count);
    for (size_t i = 0; i < list.count; i++) {
        if (!list.items[i].graph) continue;
        const update_set *set = &g->updates.items[list.items[i].id];
        for (uint32_t k = 0; k < set->count; k++) {
            const uint32_t state = set->items[k].state;
            if (seen[state]) {
                compose_fail(g, "join", "two updates of \"%s\"", graph_node(g, state)->attr.name);
                return none;
            }
            seen[state] = true;
            all[count++] = set->items[k];
        }
    }
    return add_set(g, all, count);
}

gradus_updates gradus_join_at(const char *file, int line, gradus_update_list list) {
    ENTER;
    call c;
    gradus_graph *const g = enter_updates(&c, NULL, file, line, "join", list);
    for (size_t i = 0; !c.graph && i < list.count && list.items; i++)
        if (list.items[i].id == UPDATES_OF_NOTHING) return list.items[i];
    if (!g) return (gradus_updates){c.graph, 0};
    if (GUARDED(&c.guard)) {
        call_at(&c, file, line);
        const gradus_updates made = join(g, list);
        call_leave(&c);
        return made;
    }
    call_out_of_memory(&c);
    return (gradus_updates){c.graph, 0};
}
PLAIN(gradus_updates, join, (gradus_update_list list), (NULL, 0, list))

static uint32_t updated(gradus_graph *g, gradus_updates updates, uint32_t state) {
    const node *n = graph_node(g, state);
    if (!op_is(n->op, STATE))
        return compose_fail(g, "updated", "a %s is asked for, which no update changes", op_name(n->op));
    if (updates.graph && updates.id < g->updates.count) {
        const update_set *set = &g->updates.items[updates.id];
        const update *u = find_update(set->items, set->count, state);
        if (u) return u->value;
    }
    return graph_fail(g, GRADUS_ERROR_NOT_FOUND, "updated", "the updates do not change \"%s\"", n->attr.name).id;
}

gradus_tensor gradus_updated_at(const char *file, int line, gradus_updates updates, gradus_tensor state) {
    CALL(updates.graph, "updated", OPERANDS(state), updated(g, updates, state.id));
}
PLAIN(gradus_tensor, updated, (gradus_updates updates, gradus_tensor state), (NULL, 0, updates, state))

/* --- what an entry reaches ------------------------------------------------------------------------------------- */

typedef enum { UNKNOWN, IS_FALSE, IS_TRUE } truth;

/* What is known of the bools when `training` is: enough for where(training, …), however broadcast or combined. */
static truth *truths(gradus_graph *g, bool training) {
    truth *known = ARENA_ARRAY(&g->memory, truth, g->nodes.count);
    for (uint32_t id = 1; id < g->nodes.count; id++) {
        const node *n = graph_node(g, id);
        const truth a = n->n_inputs > 0 ? known[n->inputs[0]] : UNKNOWN,
                    b = n->n_inputs > 1 ? known[n->inputs[1]] : UNKNOWN;
        if (n->op == OP_training) known[id] = training ? IS_TRUE : IS_FALSE;
        else if (op_is(n->op, MOVEMENT) && n->n_inputs == 1 && n->op != OP_pad) known[id] = a;
        else if (n->op == OP_logical_not && a) known[id] = a == IS_TRUE ? IS_FALSE : IS_TRUE;
        else if (n->op == OP_logical_and && (a == IS_FALSE || b == IS_FALSE)) known[id] = IS_FALSE;
        else if (n->op == OP_logical_and && a && b) known[id] = IS_TRUE;
        else if (n->op == OP_logical_or && (a == IS_TRUE || b == IS_TRUE)) known[id] = IS_TRUE;
        else if (n->op == OP_logical_or && a && b) known[id] = IS_FALSE;
    }
    return known;
}

/* The nodes that the entry's outputs and updates depend on; given truths, without the branches never taken. */
static bool *reached(gradus_graph *g, const entry *e, const truth *known) {
    bool *reach = ARENA_ARRAY(&g->memory, bool, g->nodes.count);
    for (uint32_t i = 0; i < e->n_outputs; i++) reach[e->outputs[i]] = true;
    for (uint32_t i = 0; i < e->updates.count; i++) reach[e->updates.items[i].value] = true;
    for (uint32_t id = g->nodes.count; id-- > 1;) {
        const node *n = graph_node(g, id);
        if (!reach[id]) continue;
        const truth condition = known && n->op == OP_where ? known[n->inputs[0]] : UNKNOWN;
        for (uint32_t i = 0; i < n->n_inputs; i++) {
            const bool never = condition && (i == 0 || i == (condition == IS_TRUE ? 2u : 1u));
            if (!never) reach[n->inputs[i]] = true;
        }
    }
    return reach;
}

/* Every input that is reached must be among the entry's. */
static bool inputs_listed(gradus_graph *g, const entry *e) {
    bool *reach = reached(g, e, NULL);
    for (uint32_t i = 0; i < e->n_inputs; i++) reach[e->inputs[i]] = false;
    for (uint32_t id = 1; id < g->nodes.count; id++) {
        const node *n = graph_node(g, id);
        if (!reach[id] || n->op != OP_input) continue;
        compose_fail(g, "define", "entry \"%s\" depends on the input \"%s\", which is not among its inputs", e->name,
                     n->attr.name);
        return false;
    }
    return true;
}

/* The updates that belong to nodes which the entry depends on; with them it may depend on more such nodes.  An update of
 * the same state that the user gave stands instead. */
static bool add_attached(gradus_graph *g, entry *e) {
    const uint32_t own = e->updates.count;
    if (!e->training || g->attached.count == 0) return true;
    update *all = ARENA_ARRAY(&g->memory, update, own + g->attached.count);
    for (uint32_t i = 0; i < own; i++) all[i] = e->updates.items[i];
    e->updates.items = all;
    const truth *known = truths(g, true);
    for (bool more = true; more;) {
        const bool *reach = reached(g, e, known);
        more = false;
        for (uint32_t i = 0; i < g->attached.count; i++) {
            const attachment *a = &g->attached.items[i];
            if (!reach[a->node]) continue;
            const update *u = find_update(all, e->updates.count, a->update.state);
            if (u && (u < all + own || u->value == a->update.value)) continue;
            if (u) {
                compose_fail(g, "define", "entry \"%s\" depends on two tensors that update \"%s\" by themselves",
                             e->name, graph_node(g, a->update.state)->attr.name);
                return false;
            }
            all[e->updates.count++] = a->update;
            more = true;
        }
    }
    return true;
}

/* An entry that draws random numbers advances their counter: rng <- rng + (0, 1). */
static void advance_rng(gradus_graph *g, entry *e) {
    const bool *reach = reached(g, e, truths(g, e->training));
    bool draws = false;
    for (uint32_t id = 1; id < g->nodes.count; id++) draws |= reach[id] && graph_node(g, id)->op == OP_random_uniform;
    if (!draws || find_update(e->updates.items, e->updates.count, g->rng)) return;
    const int64_t one[2] = {0, 1};
    const attrs data = {.data = one, .bytes = sizeof one};
    const uint32_t step =
        graph_add(g, &(node_spec){.op = OP_constant, .dtype = GRADUS_I64, .shape = {{1, 2}}, .attr = data});
    update *all = ARENA_ARRAY(&g->memory, update, e->updates.count + 1);
    for (uint32_t i = 0; i < e->updates.count; i++) all[i] = e->updates.items[i];
    all[e->updates.count] = (update){g->rng, build_op2(g, OP_add, g->rng, step)};
    e->updates = (update_set){all, e->updates.count + 1};
}

/* --- entry points ---------------------------------------------------------------------------------------------- */

static bool entry_name(gradus_graph *g, const char *name) {
    bool identifier = name && *name && !(*name >= '0' && *name <= '9');
    for (const char *c = name; identifier && *c; c++)
        identifier = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_';
    if (!identifier) compose_fail(g, "define", "the name \"%s\" is no C identifier", name ? name : "(NULL)");
    else if (strcmp(name, "init") == 0)
        compose_fail(g, "define", "the name \"init\" is that of the entry that initialises");
    else if (graph_entry(g, name)) compose_fail(g, "define", "there is an entry \"%s\" already", name);
    return g->status == GRADUS_OK;
}

static bool inputs_right(gradus_graph *g, const entry *e) {
    for (uint32_t i = 0; i < e->n_inputs; i++) {
        const node *n = graph_node(g, e->inputs[i]);
        if (n->op != OP_input)
            compose_fail(g, "define", "input %u of \"%s\" is a %s %s, not a gradus_input", i, e->name, op_name(n->op),
                         shape_text(g, &n->shape));
        for (uint32_t k = 0; k < i; k++)
            if (e->inputs[k] == e->inputs[i])
                compose_fail(g, "define", "the input \"%s\" of \"%s\" is listed twice", n->attr.name, e->name);
    }
    return g->status == GRADUS_OK;
}

static uint32_t *ids_of(gradus_graph *g, gradus_tensors list) {
    uint32_t *ids = ARENA_ARRAY(&g->memory, uint32_t, list.count);
    for (size_t i = 0; i < list.count; i++) ids[i] = list.items[i].id;
    return ids;
}

static void define(gradus_graph *g, const char *name, gradus_tensors inputs, gradus_tensors outputs,
                   gradus_updates updates, const gradus_define_options *o) {
    if (!entry_name(g, name) || of_nothing(g, "define", updates)) return;
    if (updates.graph && updates.id >= g->updates.count) {
        compose_fail(g, "define", "the updates are not of this graph");
        return;
    }
    if (o->mode < GRADUS_MODE_AUTO || o->mode > GRADUS_INFERENCE || o->max_batch < 0) {
        compose_fail(g, "define",
                     "options .mode = %d, .max_batch = %lld of \"%s\"; right are GRADUS_MODE_AUTO, "
                     "GRADUS_TRAINING or GRADUS_INFERENCE, and 0 or more",
                     (int)o->mode, (long long)o->max_batch, name);
        return;
    }
    entry e = {
        .name = arena_string(&g->memory, name),
        .inputs = ids_of(g, inputs),
        .outputs = ids_of(g, outputs),
        .n_inputs = (uint32_t)inputs.count,
        .n_outputs = (uint32_t)outputs.count,
        .updates = updates.graph ? g->updates.items[updates.id] : (update_set){NULL, 0},
        .max_batch = o->max_batch,
        .where = g->here,
    };
    e.training = o->mode == GRADUS_TRAINING || (o->mode == GRADUS_MODE_AUTO && e.updates.count > 0);
    if (e.n_outputs == 0 && e.updates.count == 0) {
        compose_fail(g, "define", "entry \"%s\" has neither outputs nor updates", name);
        return;
    }
    if (!inputs_right(g, &e) || !add_attached(g, &e) || !inputs_listed(g, &e)) return;
    advance_rng(g, &e);
    if (g->status == GRADUS_OK) VEC_PUSH(&g->memory, &g->entries, e);
}

gradus_status gradus_define_at(const char *file, int line, gradus_graph *graph, const char *name, gradus_tensors inputs,
                               gradus_tensors outputs, gradus_updates updates, const gradus_define_options *options) {
    ENTER;
    const options_type type = OPTIONS_TYPE(gradus_define_options);
    gradus_define_options o;
    call c;
    options_copy(type, &o, options);
    if (!graph) return fail(GRADUS_ERROR_ARGUMENT, "define: the graph is NULL");
    if (!inputs.items) inputs.count = 0;
    if (!outputs.items) outputs.count = 0;
    gradus_graph *g = enter_updates(&c, graph, file, line, "define", (gradus_update_list){&updates, 1});
    if (g) g = call_enter(&c, graph, file, line, "define", inputs);
    if (g) g = call_enter(&c, graph, file, line, "define", outputs);
    if (!g) return graph_report(graph);
    if (GUARDED(&c.guard)) {
        call_at(&c, file, line);
        if (o.size_) define(g, name, inputs, outputs, updates, &o);
        else call_unreadable(g, "define", type, options);
        call_leave(&c);
    } else call_out_of_memory(&c);
    return graph->status == GRADUS_OK ? GRADUS_OK : fail(graph->status, "%s", graph->error);
}

gradus_status(gradus_define)(gradus_graph *graph, const char *name, gradus_tensors inputs, gradus_tensors outputs,
                             gradus_updates updates) {
    return gradus_define_at(NULL, 0, graph, name, inputs, outputs, updates, NULL);
}

gradus_status(gradus_define_with)(gradus_graph *graph, const char *name, gradus_tensors inputs, gradus_tensors outputs,
                                  gradus_updates updates, const gradus_define_options *options) {
    return gradus_define_at(NULL, 0, graph, name, inputs, outputs, updates, options);
}
