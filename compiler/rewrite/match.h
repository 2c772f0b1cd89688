/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of rules.def and what they mean: matching a pattern against a node, building a replacement. */
#ifndef GRADUS_REWRITE_MATCH_H
#define GRADUS_REWRITE_MATCH_H

#include "ir/graph.h"

/* How a pattern met a graph. */
typedef struct {
    gradus_graph *g;
    const node *root;      /* what would be replaced; it need not be in the graph, its operands are */
    uint32_t bound[26];    /* the node that each letter stands for; 0: none */
    const node *parts[8];  /* the nodes met by the pattern's ops, in reading order: parts[0] is the root */
    int n_parts;
} match;

static inline uint32_t bound_to(const match *m, char letter) { return m->bound[letter - 'a']; }
static inline const node *bound_node(const match *m, char letter) { return graph_node(m->g, bound_to(m, letter)); }

typedef struct {
    const char *name;
    unsigned dtypes;
    const char *pattern;
    bool (*when)(const match *m);      /* NULL: always */
    const char *replacement;           /* or else */
    uint32_t (*build)(const match *m); /* the replacement, 0 where the rule does not hold */
} rule;

extern const rule rules[];
extern const size_t rule_count;

/* A parsed pattern or replacement; rules[i] has two. */
typedef enum { PATTERN_TENSOR, PATTERN_FILL, PATTERN_NUMBER, PATTERN_TRUTH, PATTERN_OP } pattern_kind;
typedef struct pattern {
    pattern_kind kind;
    char letter;
    double number;
    op_code op;
    uint32_t n_operands;
    const struct pattern *operands[3];
} pattern;

const pattern *rule_pattern(const rule *r);

/* The first rule that holds at `root`: builds the replacement in g and gives its id; 0 if none does. */
uint32_t rules_apply(gradus_graph *g, const node *root);

/* The same with one rule. */
uint32_t rule_apply(const rule *r, gradus_graph *g, const node *root);

#endif
