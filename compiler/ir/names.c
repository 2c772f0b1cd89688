/* SPDX-License-Identifier: Apache-2.0
 * Names of tensors: which are possible, finding them again, and asking a tensor what it is. */
#include "ir/call.h"
#include "runtime/world.h"

#include <gradus/graph.h>

#include <stdlib.h>
#include <string.h>

/* What a node is found by; NULL for most.  A check has the name of the builder that made it, which is no name of the
 * user's. */
static const char *name_of(const node *n) {
    if (n->op == OP_check_index) return NULL;
    return n->attr.name ? n->attr.name : n->name;
}

uint32_t graph_named(const gradus_graph *g, const char *name) {
    for (uint32_t id = 1; id < g->nodes.count; id++) {
        const char *mine = name_of(graph_node(g, id));
        if (mine && strcmp(mine, name) == 0) return id;
    }
    return 0;
}

/* 1 for a name that begins with "dense/", 2 for "dense_2/", …; 0 for others. */
static unsigned long layer_number(const char *name, const char *layer) {
    const size_t length = strlen(layer);
    if (!name || strncmp(name, layer, length) != 0) return 0;
    name += length;
    if (*name == '/') return 1;
    if (name[0] != '_' || name[1] < '1' || name[1] > '9') return 0;
    char *end;
    const unsigned long number = strtoul(name + 1, &end, 10);
    return *end == '/' && number > 1 ? number : 0;
}

const char *compose_layer_name(gradus_graph *g, const char *given, const char *standard) {
    if (given) return given;
    bool *taken = ARENA_ARRAY(&g->memory, bool, g->nodes.count + 1);
    for (uint32_t id = 1; id < g->nodes.count; id++) {
        const unsigned long number = layer_number(name_of(graph_node(g, id)), standard);
        if (number < g->nodes.count) taken[number] = true; /* there are not as many layers as nodes */
    }
    unsigned number = 1;
    while (taken[number]) number++;
    text name = {.memory = &g->memory};
    text_append(&name, number == 1 ? "%s" : "%s_%u", standard, number);
    return name.data;
}

bool compose_name(gradus_graph *g, const char *op, const char *name) {
    if (!name || !*name) {
        compose_fail(g, op, "the name is %s", name ? "empty" : "NULL");
        return false;
    }
    for (const char *c = name; *c; c++) {
        if ((unsigned char)*c >= 0x20 && *c != 0x7f) continue;
        compose_fail(g, op, "the name has a control character, 0x%02x at byte %zu", (unsigned char)*c,
                     (size_t)(c - name));
        return false;
    }
    if (strcmp(name, RNG_NAME) == 0) {
        compose_fail(g, op, "the name \"" RNG_NAME "\" is that of the random numbers' state; choose another");
        return false;
    }
    const uint32_t taken = graph_named(g, name);
    if (!taken) return true;
    const node *n = graph_node(g, taken);
    if (n->where.file)
        compose_fail(g, op, "the name \"%s\" is taken by the %s at %s:%d; names are unique in a graph", name,
                     op_name(n->op), n->where.file, n->where.line);
    else
        compose_fail(g, op, "the name \"%s\" is taken by %s %s; names are unique in a graph", name,
                     strchr("aeiou", *op_name(n->op)) ? "an" : "a", op_name(n->op));
    return false;
}

/* --- finding --------------------------------------------------------------------------------------------------- */

/* How many letters of a to insert, remove or change for b (Levenshtein 1966); `row` has room for strlen(b) + 1.  Where a is
 * a pattern, `*` stands for any letters and `?` for one, for nothing. */
static size_t distance(const char *a, bool pattern, const char *b, size_t *row) {
    const size_t n = strlen(b);
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        const bool any = pattern && a[i] == '*', one = pattern && a[i] == '?';
        for (size_t j = 1; any && j <= n; j++)
            if (row[j - 1] < row[j]) row[j] = row[j - 1];
        if (any) continue;
        size_t diagonal = row[0];
        row[0] = row[0] + 1;
        for (size_t j = 1; j <= n; j++) {
            size_t best = diagonal + (!one && a[i] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}

enum { SHOWN = 3 };
typedef struct {
    const char *names[SHOWN]; /* the nearest first; NULL after the last */
    size_t how_far[SHOWN];
} nearest;

static void consider(nearest *n, const char *name, size_t far) {
    for (int i = 0; i < SHOWN; i++) {
        if (n->names[i] && far >= n->how_far[i]) continue;
        for (int j = SHOWN - 1; j > i; j--) n->names[j] = n->names[j - 1], n->how_far[j] = n->how_far[j - 1];
        n->names[i] = name;
        n->how_far[i] = far;
        return;
    }
}

/* Up to three names that might have been meant: `; near it: "fc1/kernel", "fc2/bias"`.  Where none is near, "", and for a
 * pattern, which means parameters, the first three of these: `; there are "w", "b"`. */
static const char *near_names(gradus_graph *g, const char *name, bool pattern) {
    nearest near = {{NULL}, {0}}, first = near;
    const size_t length = strlen(name), limit = length / 3 + 2;
    size_t *row = NULL, room = 0;
    for (uint32_t id = 1; id < g->nodes.count; id++) {
        const char *mine = name_of(graph_node(g, id));
        if (!mine || (pattern && graph_node(g, id)->op != OP_param)) continue;
        const size_t n = strlen(mine);
        consider(&first, mine, id);
        const bool inside = strstr(mine, name) != NULL;
        if (!inside && !pattern && (n > length + limit || length > n + limit)) continue;
        if (n >= room) row = ARENA_ARRAY(&g->memory, size_t, room = n + 1);
        size_t far = distance(name, pattern, mine, row);
        if (inside && far > limit) far = limit;
        if (far <= limit) consider(&near, mine, far);
    }
    text t = {.memory = &g->memory};
    text_append(&t, "%s", "");
    const bool list = pattern && !near.names[0];
    const char *const *shown = list ? first.names : near.names;
    for (int i = 0; i < SHOWN && shown[i]; i++)
        text_append(&t, "%s\"%s\"", i ? ", " : list ? "; there are " : "; near it: ", shown[i]);
    return t.data;
}

static uint32_t find(gradus_graph *g, const char *name) {
    if (!name) return compose_fail(g, "find", "the name is NULL");
    const uint32_t id = graph_named(g, name);
    if (!id)
        graph_fail(g, GRADUS_ERROR_NOT_FOUND, "find", "no input, parameter, state or named tensor is \"%s\"%s", name,
                   near_names(g, name, false));
    return id;
}

gradus_tensor gradus_find_at(const char *file, int line, gradus_graph *graph, const char *name) {
    CALL(graph, "find", NO_OPERANDS, find(g, name));
}
PLAIN(gradus_tensor, find, (gradus_graph * graph, const char *name), (NULL, 0, graph, name))

static uint32_t named(gradus_graph *g, uint32_t x, const char *name) {
    if (!compose_name(g, "named", name)) return 0;
    node *n = g->nodes.items[x];
    if (name_of(n)) /* a second name needs a second node */
        return graph_add(g,
                         &(node_spec){.op = OP_reshape, .n_inputs = 1, .inputs = &x, .shape = n->shape, .name = name});
    n->name = arena_string(&g->memory, name);
    return x;
}

gradus_tensor gradus_named_at(const char *file, int line, gradus_tensor x, const char *name) {
    CALL(NULL, "named", OPERANDS(x), named(g, x.id, name));
}
PLAIN(gradus_tensor, named, (gradus_tensor x, const char *name), (NULL, 0, x, name))

static size_t params(gradus_graph *g, const char *pattern, gradus_tensor *found) {
    size_t count = 0, all = 0;
    for (uint32_t i = 0; i < g->states.count; i++) {
        const node *n = graph_node(g, g->states.items[i].node);
        if (n->op != OP_param) continue;
        all++;
        if (!pattern || name_matches(n->attr.name, pattern))
            found[count++] = (gradus_tensor){g, g->states.items[i].node};
    }
    if (pattern && !count)
        graph_fail(g, GRADUS_ERROR_NOT_FOUND, "params", "no parameter's name matches \"%s\"%s", pattern,
                   all ? near_names(g, pattern, true) : ": the graph has no parameters yet");
    return count;
}

gradus_tensors gradus_params_at(const char *file, int line, gradus_graph *graph, const char *pattern) {
    ENTER;
    call c;
    gradus_graph *const g = call_enter(&c, graph, file, line, "params", NO_OPERANDS);
    if (!g) return GRADUS_NO_TENSORS;
    if (!GUARDED(&c.guard)) {
        call_out_of_memory(&c);
        return GRADUS_NO_TENSORS;
    }
    call_at(&c, file, line);
    gradus_tensor *found = ARENA_ARRAY(&g->memory, gradus_tensor, g->states.count);
    const size_t count = params(g, pattern, found);
    call_leave(&c);
    return (gradus_tensors){found, count};
}
PLAIN(gradus_tensors, params, (gradus_graph * graph, const char *pattern), (NULL, 0, graph, pattern))

/* --- asking ---------------------------------------------------------------------------------------------------- */

/* NULL for poison and whatever else is no tensor. */
static const node *asked(gradus_tensor x) {
    return x.graph && x.id > 0 && x.id < x.graph->nodes.count ? node_of(x) : NULL;
}

gradus_shape gradus_shape_of(gradus_tensor x) {
    const node *n = asked(x);
    return n ? n->shape : (gradus_shape){{0}};
}

gradus_dtype gradus_dtype_of(gradus_tensor x) {
    const node *n = asked(x);
    return n ? n->dtype : (gradus_dtype)0;
}

const char *gradus_name_of(gradus_tensor x) {
    const node *n = asked(x);
    return n ? name_of(n) : NULL;
}
