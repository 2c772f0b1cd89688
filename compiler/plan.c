/* SPDX-License-Identifier: Apache-2.0
 * The memory plan.  See plan.h.
 *
 * Largest first, each temporary goes to the lowest place that is free in all of its phases. */
#include "plan.h"

#include <gradus/abi.h>
#include <stdlib.h>

static bool meet(const buffer *a, const buffer *b) { return a->first <= b->last && b->first <= a->last; }

static int64_t round_up(int64_t bytes) { return (bytes + GRADUS_ABI_ALIGN - 1) / GRADUS_ABI_ALIGN * GRADUS_ABI_ALIGN; }

static bool set_bytes(kernel_list *l) {
    for (uint32_t i = 0; i < l->buffers.count; i++) {
        buffer *b = &l->buffers.items[i];
        int64_t n = extent_at(shape_extent(&b->shape, 0, shape_rank(&b->shape)), l->max_batch);
        if (n < 0 || n > INT64_MAX / 64) {
            const node *of = graph_node(l->graph, b->node);
            fail(GRADUS_ERROR_ARGUMENT, "%s:%d: %s: at a batch of %lld its result has too many elements",
                 of->where.file ? of->where.file : "?", of->where.line, op_name(of->op), (long long)l->max_batch);
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

bool plan(kernel_list *l) {
    if (!set_bytes(l)) return false;
    buffer **order = ARENA_ARRAY(l->memory, buffer *, l->buffers.count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < l->buffers.count; i++) {
        buffer *b = &l->buffers.items[i];
        if (b->place == PLACE_ARENA && b->first >= 0) order[count++] = b;
    }
    qsort(order, count, sizeof *order, by_size);
    for (uint32_t i = 0; i < count; i++) {
        order[i]->offset = lowest_place(order, i, order[i]);
        int64_t end = order[i]->offset + round_up(order[i]->bytes);
        if (end > l->arena_bytes) l->arena_bytes = end;
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
