/* SPDX-License-Identifier: Apache-2.0
 * Where a value stopped being finite.  See nonfinite.h. */
#include "nonfinite.h"

#include "ir/custom.h"
#include "rules/evaluate_rules.h"

#include "runtime/names.h"

#include <math.h>

typedef enum { FINITE, INFINITE, NOT_A_NUMBER } finiteness;

typedef struct {
    const gradus_graph *g;
    const evaluation *how;
    array *values;
    bool *live; /* not finite, and part of a result that is not */
} search;

/* The kinds of fault, the worst last. */
typedef enum { NO_FAULT, FROM_INFINITIES, FROM_FINITE } fault_kind;

typedef struct {
    fault_kind kind;
    int64_t position;
} fault;

static bool is_float(const array *a) { return a->dtype == GRADUS_F32 || a->dtype == GRADUS_F64; }

static finiteness element_finiteness(const array *a, int64_t i) {
    if (!is_float(a)) return FINITE;
    double x = scalar_to_double(a->dtype, element_get(a, i));
    return isfinite(x) ? FINITE : isnan(x) ? NOT_A_NUMBER : INFINITE;
}

/* The first element that is at least as bad; -1 where there is none. */
static int64_t first_element(const array *a, finiteness worse) {
    int64_t count = is_float(a) ? shape_elements(&a->shape) : 0;
    for (int64_t i = 0; i < count; i++)
        if (element_finiteness(a, i) >= worse) return i;
    return -1;
}

/* --- one node ------------------------------------------------------------------------------------------------------ */

static fault worse_of(fault a, fault b) { return b.kind > a.kind ? b : a; }

static fault element_fault(const search *s, const node *n, const array *value, int64_t i) {
    finiteness of = element_finiteness(value, i), operands = FINITE;
    for (uint32_t k = 0; k < n->n_inputs; k++) {
        finiteness x = element_finiteness(&s->values[n->inputs[k]], i);
        if (x > operands) operands = x;
    }
    if (of == FINITE || operands == NOT_A_NUMBER) return (fault){NO_FAULT, i};
    if (operands == FINITE) return (fault){FROM_FINITE, i};
    return (fault){of == NOT_A_NUMBER ? FROM_INFINITIES : NO_FAULT, i};
}

static fault elementwise_fault(const search *s, const node *n, const array *value) {
    fault worst = {NO_FAULT, 0};
    for (int64_t i = 0, count = shape_elements(&value->shape); i < count && worst.kind != FROM_FINITE; i++)
        worst = worse_of(worst, element_fault(s, n, value, i));
    return worst;
}

static array without_nonfinite(const search *s, const array *x) {
    array clean = *x;
    int64_t count = shape_elements(&x->shape);
    if (first_element(x, INFINITE) < 0) return clean;
    clean.data = arena_copy(s->how->memory, x->data, (size_t)count * gradus_dtype_size(x->dtype));
    for (int64_t i = 0; i < count; i++)
        if (element_finiteness(x, i) != FINITE) element_set(&clean, i, (scalar){.bits = 0});
    return clean;
}

/* Does the finite part of the operands alone give something that is not finite (a sum that overflows, say)?  And is there
 * a NaN where no operand has one?  Of a padding, what it pads with is a constant; a function of the user's is not called
 * on what was never its operand. */
static fault tensor_fault(const search *s, const node *n, const array *value) {
    array *clean = ARENA_ARRAY(s->how->memory, array, n->n_inputs), result = *value;
    bool all_finite = true, any_nan = false;
    for (uint32_t k = 0; k < n->n_inputs; k++) {
        const array *x = &s->values[n->inputs[k]];
        clean[k] = without_nonfinite(s, x);
        all_finite &= first_element(x, INFINITE) < 0;
        any_nan |= first_element(x, NOT_A_NUMBER) >= 0;
    }
    int64_t at = all_finite && n->op != OP_pad ? first_element(value, INFINITE) : -1;
    if (!all_finite && n->op != OP_pad && !op_is(n->op, CALL)) {
        result.data = arena_alloc(s->how->memory, (size_t)shape_elements(&value->shape) * gradus_dtype_size(value->dtype));
        if (evaluate_node(n, s->how->batch, clean, &result) == GRADUS_OK) at = first_element(&result, INFINITE);
    }
    if (at >= 0) return (fault){FROM_FINITE, at};
    at = any_nan ? -1 : first_element(value, NOT_A_NUMBER);
    return (fault){at >= 0 ? FROM_INFINITIES : NO_FAULT, at};
}

static fault source_fault(const node *n, const array *value) {
    int64_t nan = first_element(value, NOT_A_NUMBER);
    if (nan >= 0) return (fault){FROM_FINITE, nan};
    bool asked_for = n->op == OP_constant || n->op == OP_fill;
    return (fault){asked_for ? NO_FAULT : FROM_INFINITIES, first_element(value, INFINITE)};
}

static fault node_fault(const search *s, uint32_t id) {
    const node *n = graph_node(s->g, id);
    const array *value = &s->values[id];
    if (n->n_inputs == 0) return source_fault(n, value);
    return op_is(n->op, ELEMENTWISE) ? elementwise_fault(s, n, value) : tensor_fault(s, n, value);
}

/* --- the way back -------------------------------------------------------------------------------------------------- */

/* Whether what is not finite in a node may come from that operand. */
static bool comes_from(const search *s, uint32_t id, uint32_t operand) {
    const array *r = &s->values[id], *x = &s->values[operand];
    if (!is_float(x)) return false;
    if (!op_is(graph_node(s->g, id)->op, ELEMENTWISE)) return first_element(x, INFINITE) >= 0;
    for (int64_t i = 0, count = shape_elements(&r->shape); i < count; i++)
        if (element_finiteness(r, i) && element_finiteness(x, i)) return true;
    return false;
}

static void follow(const search *s, uint32_t id) {
    const node *n = graph_node(s->g, id);
    for (uint32_t k = 0; k < n->n_inputs; k++)
        if (!s->live[n->inputs[k]]) s->live[n->inputs[k]] = comes_from(s, id, n->inputs[k]);
}

static uint32_t find_fault(const search *s, fault *worst) {
    uint32_t at = 0;
    *worst = (fault){NO_FAULT, 0};
    for (uint32_t id = s->g->nodes.count; --id > 0;) {
        if (!s->live[id]) continue;
        follow(s, id);
        fault f = node_fault(s, id);
        if (f.kind == NO_FAULT || f.kind < worst->kind) continue;
        *worst = f; /* of equals the one that comes first, which is met last */
        at = id;
    }
    return at;
}

/* --- the report ---------------------------------------------------------------------------------------------------- */

/* A NaN has no sign here: which one it has is nobody's promise. */
static void number(text *t, const array *a, int64_t i) {
    double x = scalar_to_double(a->dtype, element_get(a, i));
    if (isnan(x)) text_append(t, "nan");
    else text_append(t, "%.9g", x);
}

static void describe(text *t, const node *n) {
    const char *name = n->attr.name ? n->attr.name : n->forward ? NULL : n->name;
    char line[SOURCE_TEXT];
    text_append(t, "%s", source_text(n->where, line));
    if (n->forward) text_append(t, "gradient of %s: ", op_name(n->forward));
    text_append(t, "%s", n->op == OP_custom ? custom_name(n) : op_name(n->op));
    if (name) text_append(t, " \"%s\"", name);
}

static gradus_status report(const search *s, uint32_t id, int64_t position) {
    const node *n = graph_node(s->g, id);
    char place[PLACE_TEXT];
    text what = {.memory = s->how->memory}, value = {.memory = s->how->memory};
    describe(&what, n);
    place_in_words(&n->shape, s->how->batch, position, place);
    number(&value, &s->values[id], position);
    for (uint32_t k = 0; k < n->n_inputs && op_is(n->op, ELEMENTWISE); k++) {
        text_append(&value, k ? ", " : " from ");
        number(&value, &s->values[n->inputs[k]], position);
    }
    return fail(GRADUS_ERROR_NAN, "%s: first NaN/Inf%s: %s", what.data, place, value.data);
}

gradus_status explain_nonfinite(const gradus_graph *g, const entry *e, const evaluation *how) {
    evaluation whole = *how;
    search s = {.g = g, .how = how};
    s.values = whole.nodes = ARENA_ARRAY(how->memory, array, g->nodes.count);
    s.live = ARENA_ARRAY(how->memory, bool, g->nodes.count);
    whole.outputs = whole.values = NULL;
    gradus_status status = evaluate_entry(g, e, &whole);
    if (status) return status;
    for (uint32_t i = 0; i < e->n_outputs; i++) s.live[e->outputs[i]] = first_element(&s.values[e->outputs[i]], INFINITE) >= 0;
    for (uint32_t i = 0; i < e->updates.count; i++) {
        uint32_t value = e->updates.items[i].value;
        s.live[value] |= first_element(&s.values[value], INFINITE) >= 0;
    }
    fault worst;
    uint32_t at = find_fault(&s, &worst);
    return at ? report(&s, at, worst.position) : GRADUS_OK;
}
