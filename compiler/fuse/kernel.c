/* SPDX-License-Identifier: Apache-2.0
 * What is asked of kernels in many places.  See kernel.h. */
#include "fuse/kernel.h"

const char *kernel_kind_name(kernel_kind kind) {
    static const char *const names[] = {"rows", "columns", "contract", "scatter", "check"};
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
