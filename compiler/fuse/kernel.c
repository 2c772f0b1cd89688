/* SPDX-License-Identifier: Apache-2.0
 * What is asked of kernels in many places.  See kernel.h. */
#include "fuse/kernel.h"

#include <string.h>

const char *kernel_kind_name(kernel_kind kind) {
    static const char *const names[] = {"rows", "columns", "contract", "scatter", "check", "call"};
    return names[kind];
}

bool kernel_reads(const kernel *k, uint32_t id) {
    if (k->kind == KERNEL_CONTRACT && (k->left.buffer == id || k->right.buffer == id)) return true;
    for (uint32_t v = 0; v < k->values.count; v++)
        if (k->values.items[v].kind == VALUE_LOAD && k->values.items[v].at.buffer == id) return true;
    return false;
}

bool kernel_writes(const kernel *k, uint32_t id) {
    for (uint32_t s = 0; s < k->stores.count; s++)
        if (k->stores.items[s].to.buffer == id) return true;
    return false;
}

static void see(uint32_t id, uint32_t *ids, uint32_t *count) {
    for (uint32_t i = 0; i < *count; i++)
        if (ids[i] == id) return;
    ids[(*count)++] = id;
}

uint32_t kernel_buffers(const kernel *k, uint32_t *ids) {
    uint32_t count = 0;
    if (k->kind == KERNEL_CONTRACT) {
        see(k->left.buffer, ids, &count);
        see(k->right.buffer, ids, &count);
    }
    for (uint32_t v = 0; v < k->values.count; v++)
        if (k->values.items[v].kind == VALUE_LOAD) see(k->values.items[v].at.buffer, ids, &count);
    for (uint32_t s = 0; s < k->stores.count; s++) see(k->stores.items[s].to.buffer, ids, &count);
    return count;
}

static bool same_place(const access *a, const access *b, int rank) {
    if (a->guarded || b->guarded) return false;
    for (int i = 0; i < rank; i++)
        if (a->stride[i].factor != b->stride[i].factor || a->stride[i].power != b->stride[i].power) return false;
    return memcmp(a->offset, b->offset, sizeof a->offset) == 0;
}

bool kernel_may_overwrite(const kernel *k, const store *s, uint32_t id) {
    bool one_pass = k->kind == KERNEL_CONTRACT || k->kind == KERNEL_COLUMNS || (k->kind == KERNEL_ROWS && !k->reductions.count);
    if (!kernel_reads(k, id)) return true;
    if (!one_pass || (k->kind == KERNEL_CONTRACT && (k->left.buffer == id || k->right.buffer == id))) return false;
    for (uint32_t i = 0; i < k->values.count; i++) {
        const value *v = &k->values.items[i];
        if (v->kind != VALUE_LOAD || v->at.buffer != id) continue;
        if (v->n_args || v->reduced || !same_place(&v->at, &s->to, k->rank))
            return false; /* reduced: read for many points */
    }
    return true;
}

kernel *kernel_add_copy(kernel_list *l, uint32_t from, uint32_t to) {
    const buffer *b = &l->buffers.items[from];
    kernel *k = ARENA_NEW(l->memory, kernel);
    k->kind = KERNEL_ROWS;
    k->rank = 1;
    k->dims[0] = shape_extent(&b->shape, 0, shape_rank(&b->shape));
    value v = {.kind = VALUE_LOAD, .node = b->node, .dtype = b->dtype, .varies = true};
    v.at = (access){.buffer = from, .stride = {{1, 0}}};
    VEC_PUSH(l->memory, &k->values, v);
    VEC_PUSH(l->memory, &k->stores, ((store){.value = 0, .to = {.buffer = to, .stride = {{1, 0}}}}));
    VEC_PUSH(l->memory, &l->kernels, k);
    return k;
}
