/* SPDX-License-Identifier: Apache-2.0
 * Patterns: parsed once a process, matched against nodes, built into nodes.  See match.h and rules.def. */
#include "rewrite/match.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RULES = 256, MAX_PATTERNS = 2048, MAX_WORD = 32 };

static pattern patterns[MAX_PATTERNS];
static uint32_t n_patterns;
static const pattern *lefts[MAX_RULES], *rights[MAX_RULES];
static uint32_t first_of_op[OP_COUNT], next_of_op[MAX_RULES]; /* 1 + index; 0: none */

/* --- parsing ---------------------------------------------------------------------------------------------- */

static void read_word(const char **s, char word[MAX_WORD]) {
    size_t n = strcspn(*s, " ()");
    assert(n > 0 && n < MAX_WORD && "a word is missing in rules.def");
    memcpy(word, *s, n);
    word[n] = '\0';
    *s += n;
}

static const pattern *parse(const char **s);

static void parse_operands(const char **s, pattern *p) {
    while (**s == ' ') {
        ++*s;
        assert(p->n_operands < 3 && "patterns have up to three operands");
        p->operands[p->n_operands++] = parse(s);
    }
    assert(**s == ')' && "a parenthesis is missing in rules.def");
    ++*s;
    int arity = op_infos[p->op].arity;
    assert((arity == ARITY_ANY || (uint32_t)arity == p->n_operands) && "wrong number of operands in rules.def");
    (void)arity;
}

static const pattern *parse(const char **s) {
    assert(n_patterns < MAX_PATTERNS);
    pattern *p = &patterns[n_patterns++];
    char word[MAX_WORD];
    bool is_op = **s == '(';
    *s += is_op;
    read_word(s, word);
    if (is_op) {
        p->kind = PATTERN_OP;
        p->op = op_by_name(word);
        assert(p->op && "rules.def names an op that is not in the table");
        parse_operands(s, p);
    } else if (!strcmp(word, "true") || !strcmp(word, "false")) {
        p->kind = PATTERN_TRUTH;
        p->number = word[0] == 't';
    } else if (word[0] >= 'a' && word[0] <= 'z') {
        p->kind = strchr("kl", word[0]) ? PATTERN_FILL : PATTERN_TENSOR;
        p->letter = word[0];
    } else {
        p->kind = PATTERN_NUMBER;
        p->number = strtod(word, NULL);
    }
    return p;
}

static void parse_rules(void) {
    assert(rule_count <= MAX_RULES);
    for (uint32_t i = (uint32_t)rule_count; i-- > 0;) { /* backwards: the lists then have the table's order */
        const char *left = rules[i].pattern, *right = rules[i].replacement;
        lefts[i] = parse(&left);
        rights[i] = right ? parse(&right) : NULL;
        assert(!*left && !(right && *right) && lefts[i]->kind == PATTERN_OP && "a rule's text goes on behind its end");
        next_of_op[i] = first_of_op[lefts[i]->op];
        first_of_op[lefts[i]->op] = i + 1;
    }
}

static void parse_once(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, parse_rules);
}

const pattern *rule_pattern(const rule *r) {
    parse_once();
    return lefts[r - rules];
}

/* --- matching --------------------------------------------------------------------------------------------- */

static bool is_fill_of(const node *n, double number) {
    if (n->op != OP_fill) return false;
    scalar value = scalar_from_double(n->dtype, number);
    return scalar_to_double(n->dtype, value) == number &&
           memcmp(&value, &n->attr.value, gradus_dtype_size(n->dtype)) == 0;
}

static bool match_id(match *m, const pattern *p, uint32_t id);

static bool match_node(match *m, const pattern *p, const node *n) {
    if (n->op != p->op || n->n_inputs != p->n_operands) return false;
    assert(m->n_parts < 8);
    m->parts[m->n_parts++] = n;
    match before = *m;
    bool matches = true;
    for (uint32_t i = 0; i < p->n_operands && matches; i++) matches = match_id(m, p->operands[i], n->inputs[i]);
    if (matches || !(op_infos[n->op].flags & FLAG_COMMUTATIVE)) return matches;
    *m = before;
    return match_id(m, p->operands[0], n->inputs[1]) && match_id(m, p->operands[1], n->inputs[0]);
}

static bool match_id(match *m, const pattern *p, uint32_t id) {
    const node *n = graph_node(m->g, id);
    switch (p->kind) {
    case PATTERN_OP: return match_node(m, p, n);
    case PATTERN_NUMBER: return n->dtype != GRADUS_BOOL && is_fill_of(n, p->number);
    case PATTERN_TRUTH: return n->dtype == GRADUS_BOOL && is_fill_of(n, p->number);
    case PATTERN_FILL:
        if (n->op != OP_fill) return false;
        break;
    case PATTERN_TENSOR: break;
    }
    uint32_t *bound = &m->bound[p->letter - 'a'];
    if (*bound) return *bound == id;
    *bound = id;
    return true;
}

/* --- building --------------------------------------------------------------------------------------------- */

static uint32_t build(const match *m, const pattern *p, gradus_dtype dtype, const gradus_shape *shape);

static uint32_t build_from(const match *m, const pattern *p) {
    uint32_t x[3] = {0}, neighbour = 0;
    for (uint32_t i = 0; i < p->n_operands; i++) {
        if (p->operands[i]->kind == PATTERN_NUMBER || p->operands[i]->kind == PATTERN_TRUTH) continue;
        x[i] = build(m, p->operands[i], m->root->dtype, &m->root->shape);
        if (!neighbour) neighbour = x[i];
    }
    const node *like = graph_node(m->g, neighbour);
    for (uint32_t i = 0; i < p->n_operands; i++)
        if (!x[i]) x[i] = build(m, p->operands[i], like->dtype, &like->shape);
    switch (p->op) {
    case OP_reshape: return build_reshape(m->g, x[0], &m->root->shape);
    case OP_broadcast: return build_broadcast(m->g, x[0], &m->root->shape);
    case OP_cast: return build_cast(m->g, x[0], m->root->dtype);
    default: return graph_add(m->g, &(node_spec){.op = p->op, .n_inputs = p->n_operands, .inputs = x});
    }
}

static uint32_t build(const match *m, const pattern *p, gradus_dtype dtype, const gradus_shape *shape) {
    switch (p->kind) {
    case PATTERN_NUMBER:
    case PATTERN_TRUTH: return build_fill(m->g, dtype, shape, p->number);
    case PATTERN_OP: return build_from(m, p);
    default: return bound_to(m, p->letter);
    }
}

uint32_t rule_apply(const rule *r, gradus_graph *g, const node *root) {
    parse_once();
    match m = {.g = g, .root = root};
    if (!match_node(&m, lefts[r - rules], root)) return 0;
    uint32_t x = bound_to(&m, 'x') ? bound_to(&m, 'x') : root->inputs[0];
    if (!(r->dtypes & 1u << graph_node(g, x)->dtype)) return 0;
    if (r->when && !r->when(&m)) return 0;
    if (r->build) return r->build(&m);
    return build(&m, rights[r - rules], root->dtype, &root->shape);
}

uint32_t rules_apply(gradus_graph *g, const node *root) {
    parse_once();
    for (uint32_t i = first_of_op[root->op]; i; i = next_of_op[i - 1]) {
        uint32_t replacement = rule_apply(&rules[i - 1], g, root);
        if (replacement) return replacement;
    }
    return 0;
}
