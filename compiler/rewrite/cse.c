/* SPDX-License-Identifier: Apache-2.0
 *
 * Common subexpression elimination by hash-consing: of nodes with the same op, operands, attributes and type only the
 * first stays.  Values are compared as bits, so that 0 and -0 stay two.  Operands of a commutative op count as equal in
 * any order.  Nodes that stand for something outside (inputs, parameters, states) are never merged, and of calls with
 * effects none equals another.
 *
 *     %3 = exp %1                      %3 = exp %1
 *     %4 = exp %1           →          %4 = add %3, %3
 *     %5 = add %3, %4
 */
#include "ir/custom.h"
#include "rewrite/rebuild.h"
#include "rewrite/rewrite.h"

#include <string.h>

static bool is_bound_by_name(const node *n) { return op_infos[n->op].attributes & ATTR_NAME; }

static uint64_t value_bits(const node *n) {
    size_t bytes = gradus_dtype_size(n->dtype);
    return bytes == 8 ? n->attr.value.bits : n->attr.value.bits & ((UINT64_C(1) << 8 * bytes) - 1);
}

/* The operands, in an order of their own where the op does not care. */
static void ordered_operands(const node *n, uint32_t *a, uint32_t *b) {
    *a = n->inputs[0];
    *b = n->inputs[1];
    if (op_infos[n->op].flags & FLAG_COMMUTATIVE && *a > *b) {
        *a = n->inputs[1];
        *b = n->inputs[0];
    }
}

static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static uint64_t node_hash(const node *n) {
    unsigned has = op_infos[n->op].attributes;
    uint64_t hash = mix(HASH_START, (uint64_t)n->op << 8 | (uint64_t)n->dtype);
    for (int i = 0; i <= shape_rank(&n->shape); i++) hash = mix(hash, (uint64_t)n->shape.d[i]);
    if (n->n_inputs == 2) {
        uint32_t a, b;
        ordered_operands(n, &a, &b);
        hash = mix(hash, (uint64_t)a << 32 | b);
    } else {
        for (uint32_t i = 0; i < n->n_inputs; i++) hash = mix(hash, n->inputs[i]);
    }
    if (has & ATTR_AXES)
        for (int i = 0; i <= n->attr.axes.d[0]; i++) hash = mix(hash, (uint64_t)n->attr.axes.d[i]);
    if (has & ATTR_AXIS) hash = mix(hash, (uint64_t)n->attr.axis);
    if (has & ATTR_RANGE) hash = mix(mix(hash, (uint64_t)n->attr.low), (uint64_t)n->attr.high);
    if (has & ATTR_VALUE) hash = mix(hash, value_bits(n));
    if (has & ATTR_DATA) /* the beginning will do: equality looks at the rest */
        hash = hash_bytes(mix(hash, n->attr.bytes), n->attr.data, n->attr.bytes < 256 ? n->attr.bytes : 256);
    if (has & ATTR_STREAM) hash = mix(hash, n->attr.stream);
    if (has & ATTR_BOUND) hash = mix(hash, (uint64_t)n->attr.bound);
    if (has & ATTR_CALL) hash = mix(hash_bytes(hash, n->attr.call->symbol, strlen(n->attr.call->symbol)), n->attr.call->result);
    return hash;
}

static bool same_attributes(const node *a, const node *b) {
    unsigned has = op_infos[a->op].attributes;
    const attrs *x = &a->attr, *y = &b->attr;
    if (has & ATTR_AXES && memcmp(x->axes.d, y->axes.d, sizeof x->axes.d[0] * (size_t)(x->axes.d[0] + 1)) != 0)
        return false;
    if (has & ATTR_AXIS && x->axis != y->axis) return false;
    if (has & ATTR_RANGE && (x->low != y->low || x->high != y->high)) return false;
    if (has & ATTR_VALUE && value_bits(a) != value_bits(b)) return false;
    if (has & ATTR_DATA && (x->bytes != y->bytes || (x->bytes && memcmp(x->data, y->data, x->bytes) != 0)))
        return false;
    if (has & ATTR_STREAM && x->stream != y->stream) return false;
    if (has & ATTR_CALL && (x->call->result != y->call->result || !custom_equal(x->call, y->call))) return false;
    return !(has & ATTR_BOUND) || x->bound == y->bound;
}

static bool same_node(const node *a, const node *b) {
    if (a->op != b->op || a->dtype != b->dtype || a->n_inputs != b->n_inputs || !shape_equal(&a->shape, &b->shape))
        return false;
    if (a->n_inputs == 2) {
        uint32_t a0, a1, b0, b1;
        ordered_operands(a, &a0, &a1);
        ordered_operands(b, &b0, &b1);
        if (a0 != b0 || a1 != b1) return false;
    } else {
        for (uint32_t i = 0; i < a->n_inputs; i++)
            if (a->inputs[i] != b->inputs[i]) return false;
    }
    return same_attributes(a, b);
}

/* Open addressing over at most half a table of ids. */
typedef struct {
    uint32_t *ids;
    uint64_t *hashes;
    uint64_t mask;
} id_table;

static uint32_t *find_slot(const id_table *t, const gradus_graph *g, const node *n, uint64_t hash) {
    for (uint64_t at = hash & t->mask;; at = (at + 1) & t->mask) {
        uint32_t id = t->ids[at];
        if (!id) t->hashes[at] = hash;
        if (!id || (t->hashes[at] == hash && same_node(g->nodes.items[id], n))) return &t->ids[at];
    }
}

bool cse(gradus_graph *g) {
    rebuild r;
    rebuild_begin(&r, g);
    id_table t = {.mask = 15};
    while (t.mask < 2 * (uint64_t)r.count) t.mask = 2 * t.mask + 1;
    t.ids = ARENA_ARRAY(&g->memory, uint32_t, t.mask + 1);
    t.hashes = ARENA_ARRAY(&g->memory, uint64_t, t.mask + 1);
    bool changed = false;
    for (uint32_t i = 1; i < r.count; i++) {
        node *n = rebuild_mapped(&r, i);
        if (is_bound_by_name(n)) {
            r.map[i] = rebuild_append(&r, n);
            continue;
        }
        uint32_t *slot = find_slot(&t, g, n, node_hash(n));
        if (*slot) changed = true;
        else *slot = rebuild_append(&r, n);
        r.map[i] = *slot;
    }
    rebuild_end(&r);
    return changed;
}
