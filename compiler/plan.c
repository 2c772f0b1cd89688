/* SPDX-License-Identifier: Apache-2.0
 * The memory plan.  See plan.h.
 *
 * A temporary whose last reader writes another one at the very points where it reads is overwritten: that one is its heir.
 * Then, largest first, each temporary goes with its heirs to the lowest place that is free in all of their phases. */
#include "plan.h"

#include <gradus/abi.h>
#include <stdlib.h>

static bool meet(const buffer *a, const buffer *b) { return a->first <= b->until && b->first <= a->until; }

static int64_t round_up(int64_t bytes) { return (bytes + GRADUS_ABI_ALIGN - 1) / GRADUS_ABI_ALIGN * GRADUS_ABI_ALIGN; }

static bool set_bytes(kernel_list *l) {
    for (uint32_t i = 0; i < l->buffers.count; i++) {
        buffer *b = &l->buffers.items[i];
        int64_t n = extent_at(shape_extent(&b->shape, 0, shape_rank(&b->shape)), l->max_batch);
        if (n < 0 || n > INT64_MAX / 64 / l->buffers.count) { /* nor do they overflow together, each rounded up */
            const node *of = graph_node(l->graph, b->node);
            char place[SOURCE_TEXT];
            fail(GRADUS_ERROR_ARGUMENT, "%s%s: with a max_batch of %lld its result has too many elements",
                 source_text(of->where, place), op_name(of->op), (long long)l->max_batch);
            return false;
        }
        b->bytes = n * (int64_t)gradus_dtype_size(b->dtype);
    }
    return true;
}

static int by_size(const void *x, const void *y) {
    const buffer *a = *(buffer *const *)x, *b = *(buffer *const *)y;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    if (a->first != b->first) return a->first > b->first ? 1 : -1;
    return (a > b) - (a < b);
}

/* The lowest offset at which `b` overlaps none of the placed ones that it meets. */
static int64_t lowest_place(buffer *const *placed, uint32_t count, const buffer *b) {
    int64_t offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t i = 0; i < count; i++) {
            const buffer *p = placed[i];
            if (!meet(p, b) || p->offset >= offset + round_up(b->bytes) || offset >= p->offset + round_up(p->bytes)) continue;
            offset = p->offset + round_up(p->bytes);
            moved = true;
        }
    }
    return offset;
}

/* Whether kernel `k` is the only one that touches a buffer in its phase. */
static bool only_user(const kernel_list *l, const kernel *k, uint32_t id) {
    for (uint32_t i = 0; i < l->kernels.count; i++) {
        const kernel *other = l->kernels.items[i];
        if (other != k && other->phase == k->phase && (kernel_reads(other, id) || kernel_writes(other, id))) return false;
    }
    return true;
}

/* Whether store `s` of kernel `k` may overwrite buffer `id`, which dies there. */
static bool inherits(const kernel_list *l, const kernel *k, const store *s, uint32_t id) {
    const buffer *dying = &l->buffers.items[id], *born = &l->buffers.items[s->to.buffer];
    if (dying->place != PLACE_ARENA || born->place != PLACE_ARENA || dying->bytes != born->bytes || !born->bytes) return false;
    if (gradus_dtype_size(dying->dtype) != gradus_dtype_size(born->dtype)) return false;
    if (dying->last != k->phase || dying->first >= k->phase || born->first != k->phase) return false;
    return only_user(l, k, id) && only_user(l, k, s->to.buffer) && kernel_may_overwrite(k, s, id);
}

static void find_heirs(kernel_list *l, bool *is_heir) {
    for (uint32_t i = 0; i < l->kernels.count; i++) {
        const kernel *k = l->kernels.items[i];
        for (uint32_t s = 0; s < k->stores.count; s++) {
            uint32_t born = k->stores.items[s].to.buffer;
            for (uint32_t v = 0; v < k->values.count && !is_heir[born]; v++) {
                uint32_t id = k->values.items[v].at.buffer;
                if (k->values.items[v].kind != VALUE_LOAD || l->buffers.items[id].heir) continue;
                if (!inherits(l, k, &k->stores.items[s], id)) continue;
                l->buffers.items[id].heir = born + 1;
                is_heir[born] = true;
            }
        }
    }
}

bool plan(kernel_list *l) {
    if (!set_bytes(l)) return false;
    buffer **order = ARENA_ARRAY(l->memory, buffer *, l->buffers.count);
    bool *is_heir = ARENA_ARRAY(l->memory, bool, l->buffers.count);
    uint32_t count = 0;
    find_heirs(l, is_heir);
    for (uint32_t i = 0; i < l->buffers.count; i++) {
        buffer *b = &l->buffers.items[i], *last = b;
        if (b->place != PLACE_ARENA || b->first < 0 || is_heir[i]) continue;
        while (last->heir) last = &l->buffers.items[last->heir - 1];
        b->until = last->last;
        order[count++] = b;
    }
    qsort(order, count, sizeof *order, by_size);
    for (uint32_t i = 0; i < count; i++) {
        order[i]->offset = lowest_place(order, i, order[i]);
        int64_t end = order[i]->offset + round_up(order[i]->bytes);
        if (end > l->arena_bytes) l->arena_bytes = end;
        for (const buffer *b = order[i]; b->heir; b = &l->buffers.items[b->heir - 1])
            l->buffers.items[b->heir - 1].offset = order[i]->offset;
    }
    return true;
}

/* One buffer may be overwritten by another in the phase where it dies and the other is born, by the kernel that reads it. */
static bool overwritten(const kernel_list *l, uint32_t dying, uint32_t born, int32_t phase) {
    const buffer *a = &l->buffers.items[dying], *b = &l->buffers.items[born];
    if (a->last != phase || b->first != phase || a->offset != b->offset || a->bytes != b->bytes) return false;
    for (uint32_t i = 0; i < l->kernels.count; i++) {
        const kernel *k = l->kernels.items[i];
        if (k->phase != phase) continue;
        if (kernel_writes(k, dying) || (kernel_reads(k, dying) && !kernel_writes(k, born))) return false;
        for (uint32_t s = 0; s < k->stores.count; s++)
            if (k->stores.items[s].to.buffer == born && (!kernel_reads(k, dying) || !kernel_may_overwrite(k, &k->stores.items[s], dying)))
                return false;
    }
    return true;
}

bool plan_validate(const kernel_list *l, text *why) {
    for (uint32_t i = 0; i < l->buffers.count; i++) {
        const buffer *a = &l->buffers.items[i];
        if (a->place != PLACE_ARENA || a->first < 0) continue;
        if (a->offset % GRADUS_ABI_ALIGN || a->offset < 0 || a->offset + a->bytes > l->arena_bytes) {
            text_append(why, "buffer %u is outside the arena or not aligned", i);
            return false;
        }
        for (int32_t phase = a->first; phase <= a->last; phase++)
            for (uint32_t j = 0; j < i; j++) {
                const buffer *b = &l->buffers.items[j];
                if (b->place != PLACE_ARENA || b->first > phase || b->last < phase || !a->bytes || !b->bytes) continue;
                if (a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset) continue;
                if (overwritten(l, i, j, phase) || overwritten(l, j, i, phase)) continue;
                text_append(why, "buffers %u and %u share memory in phase %d", j, i, phase);
                return false;
            }
    }
    return true;
}

void plan_print(const kernel_list *l, text *out) {
    text_append(out, "arena %lld bytes, %d phases, max batch %lld\n", (long long)l->arena_bytes, l->phases, (long long)l->max_batch);
    for (uint32_t i = 0; i < l->buffers.count; i++) {
        const buffer *b = &l->buffers.items[i];
        if (b->place != PLACE_ARENA || b->first < 0) continue;
        text_append(out, "  b%u: %s ", i, gradus_dtype_name(b->dtype));
        text_shape(out, &b->shape);
        text_append(out, " at %lld, %lld bytes, phases %d to %d\n", (long long)b->offset, (long long)b->bytes, b->first, b->last);
    }
}
