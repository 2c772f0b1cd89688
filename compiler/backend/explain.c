/* SPDX-License-Identifier: Apache-2.0
 * Explaining results that are not finite.  See explain.h. */
#include "backend/explain.h"

#include "nonfinite.h"
#include "pass.h"

#include <string.h>

void explainer_fill(explainer *x, const gradus_graph *g, arena *memory) {
    x->entries = ARENA_ARRAY(memory, gradus_graph *, g->entries.count);
    for (uint32_t i = 0; i < g->entries.count; i++) {
        gradus_graph *copy = graph_new();
        if (!copy) guard_out_of_memory();
        x->entries[x->count++] = copy; /* first, so that it is freed with the list */
        extract_entry(g, &g->entries.items[i], copy);
    }
}

void explainer_free(explainer *x) {
    for (uint32_t i = 0; x->entries && i < x->count; i++) graph_free(x->entries[i]);
    x->entries = NULL;
}

/* A call's memory as the values of an entry's nodes. */
typedef struct {
    const gradus_graph *g;
    const gradus_abi_program *abi;
    const gradus_abi_call *call;
} memory_of_call;

static void bind(void *user, uint32_t id, const node *n, array *out) {
    const memory_of_call *m = user;
    const entry *e = &m->g->entries.items[0];
    const void *from = NULL;
    for (uint32_t i = 0; i < e->n_inputs; i++)
        if (e->inputs[i] == id) from = m->call->inputs[i];
    for (uint32_t i = 0; i < m->g->states.count; i++)
        if (m->g->states.items[i].node == id) from = (const unsigned char *)m->call->state + m->abi->state[i].offset;
    size_t bytes = (size_t)shape_elements(&out->shape) * gradus_dtype_size(n->dtype);
    if (bytes) memcpy(out->data, from, bytes);
}

gradus_status explainer_run(const explainer *x, uint32_t index, const gradus_abi_program *abi, const gradus_abi_call *call) {
    guard here;
    arena memory = {0};
    gradus_status status;
    memory_of_call values = {x->entries[index], abi, call};
    if (GUARDED(&here)) {
        evaluation how = {.batch = call->batch, .bind = bind, .user = &values, .memory = &memory};
        status = explain_nonfinite(values.g, &values.g->entries.items[0], &how);
        guard_leave(&here);
    } else {
        status = fail(GRADUS_ERROR_NAN, "%s: a result is NaN or infinite; where it was first cannot be said: out of memory",
                      abi->entries[index].name);
    }
    arena_free(&memory);
    return status;
}
