/* SPDX-License-Identifier: Apache-2.0
 * What kernel.h promises of a list of kernels, checked.  Written against the header alone, not against fusion. */
#include "fuse/kernel.h"

static bool bad(text *why, uint32_t k, const char *what, uint32_t number) {
    text_append(why, "kernel %u: %s (%u)", k, what, number);
    return false;
}

/* Every element that an access can reach is in its buffer, for the largest batch. */
static bool reaches_inside(const kernel_list *l, const kernel *k, const access *a) {
    const buffer *b = &l->buffers.items[a->buffer];
    int64_t least = 0, most = 0, elements = b->bytes / (int64_t)gradus_dtype_size(b->dtype);
    for (int p = 0; p < OFFSET_POWERS; p++) least += extent_at((extent){a->offset[p] < 0 ? -a->offset[p] : a->offset[p], p}, l->max_batch) * (a->offset[p] < 0 ? -1 : 1);
    most = least;
    for (int d = 0; d < k->rank + (k->kind == KERNEL_CONTRACT); d++) {
        int64_t low = 0, high = extent_at(d == k->rank ? k->depth : k->dims[d], l->max_batch) - 1;
        if (high < 0) return true; /* nothing is read at all */
        if (a->guarded && d < k->rank) {
            if (a->low[d] > low) low = a->low[d];
            if (a->high[d] - 1 < high) high = a->high[d] - 1;
            if (low > high) return true;
        }
        int64_t stride = extent_at(a->stride[d], l->max_batch);
        least += low * stride;
        most += high * stride;
    }
    return least >= 0 && most < elements;
}

static bool values_are_valid(const kernel_list *l, uint32_t number, text *why) {
    const kernel *k = l->kernels.items[number];
    for (uint32_t i = 0; i < k->values.count; i++) {
        const value *v = &k->values.items[i];
        for (uint32_t a = 0; a < v->n_args; a++)
            if (v->args[a] >= i) return bad(why, number, "an operand comes after its user", i);
        if (v->kind == VALUE_LOAD && v->at.buffer >= l->buffers.count) return bad(why, number, "a load of no buffer", i);
        if (v->kind == VALUE_LOAD && !v->n_args && !kernel_takes_buffers(k) && !reaches_inside(l, k, &v->at))
            return bad(why, number, "a load outside its buffer", i);
        if (v->kind == VALUE_LOAD && v->dtype != l->buffers.items[v->at.buffer].dtype)
            return bad(why, number, "a load of another dtype", i);
        if (v->kind == VALUE_PRODUCT && k->kind != KERNEL_CONTRACT) return bad(why, number, "a product outside a contraction", i);
        if ((v->kind == VALUE_CALLED) > (k->kind == KERNEL_CALL)) return bad(why, number, "a function's result outside its call", i);
        if (v->kind == VALUE_REDUCED && v->reduction >= k->reductions.count) return bad(why, number, "no such reduction", i);
    }
    for (uint32_t i = 0; i < k->reductions.count; i++)
        if (k->reductions.items[i].value >= k->values.count) return bad(why, number, "a reduction of no value", i);
    return true;
}

static bool stores_are_valid(const kernel_list *l, uint32_t number, text *why) {
    const kernel *k = l->kernels.items[number];
    for (uint32_t i = 0; i < k->stores.count; i++) {
        const store *s = &k->stores.items[i];
        const buffer *b = &l->buffers.items[s->to.buffer];
        if (s->value >= k->values.count) return bad(why, number, "a store of no value", i);
        if (k->values.items[s->value].dtype != b->dtype) return bad(why, number, "a store of another dtype", i);
        if (s->row && k->values.items[s->value].varies) return bad(why, number, "one store a row of what varies along it", i);
        if (s->to.guarded) return bad(why, number, "a guarded store", i);
        if (b->place == PLACE_INPUT || b->place == PLACE_CONSTANT) return bad(why, number, "a store to what is only read", i);
        if (!kernel_takes_buffers(k) && !reaches_inside(l, k, &s->to)) return bad(why, number, "a store outside its buffer", i);
    }
    return true;
}

static bool reads_buffer(const kernel *k, uint32_t id) {
    if (k->kind == KERNEL_CONTRACT && (k->left.buffer == id || k->right.buffer == id)) return true;
    for (uint32_t v = 0; v < k->values.count; v++)
        if (k->values.items[v].kind == VALUE_LOAD && k->values.items[v].at.buffer == id) return true;
    return false;
}

/* What one kernel writes and another touches lies in different phases, or is thread 0's business alone. */
static bool phases_are_valid(const kernel_list *l, uint32_t number, text *why) {
    const kernel *k = l->kernels.items[number];
    for (uint32_t i = 0; i < k->stores.count; i++) {
        uint32_t id = k->stores.items[i].to.buffer;
        buffer_place place = l->buffers.items[id].place;
        for (uint32_t o = 0; o < l->kernels.count; o++) {
            const kernel *other = l->kernels.items[o];
            if (place == PLACE_STATE && kernel_may_fail(other) && o > number)
                return bad(why, number, "state is written before an index is checked or a function called", id);
            if (o == number || !reads_buffer(other, id)) continue;
            bool after = place == PLACE_ARENA ? o > number : o < number; /* state: readers come first */
            bool apart = other->phase != k->phase || (other->serial && k->serial);
            if (!after || !apart) return bad(why, number, "its result is read too early or without a barrier", id);
        }
    }
    return true;
}

/* There is one call a phase, so that what the threads see behind it is whether that one failed. */
static bool calls_are_valid(const kernel_list *l, uint32_t number, text *why) {
    const kernel *k = l->kernels.items[number];
    if (k->kind != KERNEL_CALL) return true;
    if (!k->serial) return bad(why, number, "a call on all threads", 0);
    for (uint32_t o = 0; o < number; o++)
        if (l->kernels.items[o]->kind == KERNEL_CALL && l->kernels.items[o]->phase == k->phase) return bad(why, number, "two calls in a phase", o);
    return true;
}

bool kernels_validate(const kernel_list *l, text *why) {
    int32_t phase = 0;
    for (uint32_t k = 0; k < l->kernels.count; k++) {
        if (l->kernels.items[k]->phase < phase) return bad(why, k, "phases go back", (uint32_t)phase);
        phase = l->kernels.items[k]->phase;
        if (l->kernels.items[k]->rank < 1) return bad(why, k, "no loop dimension", 0);
        if (!values_are_valid(l, k, why) || !stores_are_valid(l, k, why) || !phases_are_valid(l, k, why)) return false;
        if (!calls_are_valid(l, k, why)) return false;
    }
    return true;
}
