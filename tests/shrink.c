/* SPDX-License-Identifier: Apache-2.0
 * Greedy removal over a graph's text form.  See shrink.h.
 *
 * A step is a removal tried on a fresh copy, read from the text; the copy, written again, is the new text if it still
 * fails.  Steps are tried from the coarse to the fine until none of them helps. */
#include "tests/shrink.h"

#include "ir/parse.h"
#include "ir/print.h"
#include "ir/validate.h"
#include "rewrite/rebuild.h"
#include "rewrite/rewrite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef enum {
    DROP_ENTRY,  /* entry `at` */
    DROP_UPDATE, /* update `which` of entry `at` */
    DROP_OUTPUT, /* output `which` of entry `at` */
    FORGO,       /* output `which` / 4 of entry `at` becomes operand `which` % 4 of what it was */
    BYPASS,      /* node `at` becomes its operand `which` */
    CUT,         /* node `at` becomes an input */
    FILL,        /* node `at` becomes a constant */
    STEPS
} step_kind;

typedef struct {
    step_kind kind;
    uint32_t at, which;
} step;

/* --- one step on a graph; false where it does not apply ------------------------------------------------------------- */

static bool drop_entry(gradus_graph *g, uint32_t at) {
    if (at >= g->entries.count || g->entries.count == 1) return false;
    g->entries.count--;
    for (uint32_t i = at; i < g->entries.count; i++) g->entries.items[i] = g->entries.items[i + 1];
    return true;
}

static bool drop_update(gradus_graph *g, uint32_t at, uint32_t which) {
    if (at >= g->entries.count) return false;
    entry *e = &g->entries.items[at];
    if (which >= e->updates.count || e->updates.count + e->n_outputs == 1) return false;
    update *left = ARENA_ARRAY(&g->memory, update, e->updates.count);
    for (uint32_t i = 0, k = 0; i < e->updates.count; i++)
        if (i != which) left[k++] = e->updates.items[i];
    e->updates = (update_set){left, e->updates.count - 1};
    return true;
}

static bool drop_output(gradus_graph *g, uint32_t at, uint32_t which) {
    if (at >= g->entries.count) return false;
    entry *e = &g->entries.items[at];
    if (which >= e->n_outputs || e->updates.count + e->n_outputs == 1) return false;
    uint32_t *left = ARENA_ARRAY(&g->memory, uint32_t, e->n_outputs);
    for (uint32_t i = 0, k = 0; i < e->n_outputs; i++)
        if (i != which) left[k++] = e->outputs[i];
    e->outputs = left;
    e->n_outputs--;
    return true;
}

static bool forgo(gradus_graph *g, uint32_t at, uint32_t output, uint32_t operand) {
    if (at >= g->entries.count || output >= g->entries.items[at].n_outputs) return false;
    entry *e = &g->entries.items[at];
    const node *n = graph_node(g, e->outputs[output]);
    if (operand >= n->n_inputs) return false;
    uint32_t *outputs = arena_copy(&g->memory, e->outputs, e->n_outputs * sizeof *outputs);
    outputs[output] = n->inputs[operand];
    e->outputs = outputs;
    return true;
}

static uint32_t new_input(gradus_graph *g, const node *n) {
    char name[32];
    snprintf(name, sizeof name, "cut%u", (unsigned)g->nodes.count);
    return graph_add(g, &(node_spec){.op = OP_input, .dtype = n->dtype, .shape = n->shape, .attr.name = name});
}

static bool all_entries_take(gradus_graph *g, uint32_t input) {
    for (uint32_t i = 0; i < g->entries.count; i++) {
        entry *e = &g->entries.items[i];
        uint32_t *inputs = ARENA_ARRAY(&g->memory, uint32_t, e->n_inputs + 1);
        if (e->n_inputs) memcpy(inputs, e->inputs, e->n_inputs * sizeof *inputs);
        inputs[e->n_inputs++] = input;
        e->inputs = inputs;
    }
    return input != 0;
}

/* Floats alone are cut: an integer may be an index, whose values have bounds. */
static bool replaceable(const node *n, const step *s) {
    if (s->kind == BYPASS || op_is(n->op, STATE) || n->op == OP_input || n->op == OP_fill) return false;
    return n->dtype == GRADUS_F32 || n->dtype == GRADUS_F64;
}

static bool replace_node(gradus_graph *g, const step *s) {
    rebuild r;
    uint32_t input = 0;
    if (s->at >= g->nodes.count) return false;
    const node *n = graph_node(g, s->at);
    if (s->kind == BYPASS) {
        if (s->which >= n->n_inputs || op_is(n->op, STATE)) return false;
        const node *x = graph_node(g, n->inputs[s->which]);
        if (x->dtype != n->dtype || !shape_equal(&x->shape, &n->shape)) return false;
    } else if (!replaceable(n, s)) {
        return false;
    }
    rebuild_begin(&r, g);
    for (uint32_t i = 1; i < r.count; i++) {
        if (i != s->at) r.map[i] = rebuild_keep(&r, i);
        else if (s->kind == BYPASS) r.map[i] = r.map[n->inputs[s->which]];
        else if (s->kind == FILL) r.map[i] = build_fill(g, n->dtype, &n->shape, 0.5);
        else r.map[i] = input = new_input(g, n);
    }
    rebuild_end(&r);
    return s->kind != CUT || all_entries_take(g, input);
}

/* Leaves out inputs that an entry does not use, and states that no entry does. */
static void drop_unused(gradus_graph *g) {
    arena *m = &g->memory;
    bool *kept = ARENA_ARRAY(m, bool, g->nodes.count);
    g->updates.count = 1;
    for (uint32_t i = 0; i < g->entries.count; i++) {
        entry *e = &g->entries.items[i];
        bool *needed = ARENA_ARRAY(m, bool, g->nodes.count);
        for (uint32_t k = 0; k < e->n_outputs; k++) needed[e->outputs[k]] = true;
        for (uint32_t k = 0; k < e->updates.count; k++)
            needed[e->updates.items[k].state] = needed[e->updates.items[k].value] = true;
        mark_operands(g->nodes.items, g->nodes.count, needed);
        uint32_t *inputs = ARENA_ARRAY(m, uint32_t, e->n_inputs + 1), count = 0;
        for (uint32_t k = 0; k < e->n_inputs; k++)
            if (needed[e->inputs[k]]) inputs[count++] = e->inputs[k];
        e->inputs = inputs;
        e->n_inputs = count;
        for (uint32_t k = 0; k < g->nodes.count; k++) kept[k] = kept[k] || needed[k];
    }
    for (uint32_t i = g->states.count; i-- > 0;) { /* the first value of one state may read another, older one */
        if (!kept[g->states.items[i].node]) continue;
        kept[g->states.items[i].init] = true;
        mark_operands(g->nodes.items, g->nodes.count, kept);
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < g->states.count; i++)
        if (kept[g->states.items[i].node]) g->states.items[left++] = g->states.items[i];
    g->states.count = left;
    if (!kept[g->rng]) g->rng = 0;
    dce(g);
}

static bool apply(gradus_graph *g, const step *s) {
    bool done = s->kind == DROP_ENTRY    ? drop_entry(g, s->at)
                : s->kind == DROP_UPDATE ? drop_update(g, s->at, s->which)
                : s->kind == DROP_OUTPUT ? drop_output(g, s->at, s->which)
                : s->kind == FORGO       ? forgo(g, s->at, s->which / 4, s->which % 4)
                                         : replace_node(g, s);
    if (!done) return false;
    drop_unused(g);
    return graph_validate(g, &(text){.memory = &g->memory});
}

/* --- texts ----------------------------------------------------------------------------------------------------------- */

static gradus_graph *read_text(const char *content) {
    gradus_graph *g = graph_new();
    if (g && graph_parse("shrink", content, strlen(content), g) == GRADUS_OK) return g;
    graph_free(g);
    return NULL;
}

/* The text after a step, malloc's; NULL where the step does not apply. */
static char *text_after(const char *content, const step *s) {
    gradus_graph *g = read_text(content);
    char *volatile result = NULL;
    guard here;
    if (!g) return NULL;
    if (GUARDED(&here)) {
        text t = {.memory = &g->memory};
        if (apply(g, s)) {
            graph_print(g, &t);
            result = strdup(t.data);
        }
        guard_leave(&here);
    }
    graph_free(g);
    return result;
}

bool shrink_fails(const char *content, shrink_failing failing, void *user) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)!freopen("/dev/null", "w", stderr);
        gradus_graph *g = read_text(content);
        _exit(g && !failing(user, g) ? 0 : g ? 1 : 2);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) return false;
    return WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

/* The text after a step, if it is another and fails; else NULL. */
static char *try_step(const char *content, const step *s, shrink_failing failing, void *user) {
    char *after = text_after(content, s);
    if (after && strcmp(after, content) != 0 && shrink_fails(after, failing, user)) return after;
    free(after);
    return NULL;
}

/* Lines begin with "%" where they are nodes, and with blanks in entries. */
static uint32_t count_lines(const char *content, char first) {
    uint32_t count = 0;
    for (const char *line = content; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        count += *line == first;
    return count;
}

/* Tries each step of a kind once, the last nodes first; true if one of them helped. */
static bool pass(char **content, step_kind kind, shrink_failing failing, void *user) {
    bool helped = false, node_step = kind >= BYPASS;
    uint32_t at = node_step ? count_lines(*content, '%') + 1 : count_lines(*content, 'e');
    while (at-- > 0) {
        uint32_t choices = node_step ? (kind == BYPASS ? 3 : 1) : kind == DROP_ENTRY ? 1 : 64;
        for (uint32_t which = 0; which < choices; which++) {
            char *after = try_step(*content, &(step){kind, at, which}, failing, user);
            if (!after) continue;
            free(*content);
            *content = after;
            helped = true;
            which = choices;                        /* what stood at this place is gone */
            at += !node_step && kind != DROP_ENTRY; /* its followers moved up */
        }
    }
    return helped;
}

char *shrink(const char *content, shrink_failing failing, void *user) {
    if (!shrink_fails(content, failing, user)) return NULL;
    char *smallest = strdup(content);
    for (bool more = smallest != NULL; more;) {
        more = false;
        for (int kind = 0; kind < STEPS; kind++) more = pass(&smallest, (step_kind)kind, failing, user) || more;
    }
    return smallest;
}
