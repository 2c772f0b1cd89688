/* SPDX-License-Identifier: Apache-2.0
 *
 * How libFuzzer changes the text of a graph: bytes, as it does by itself; words, each for another of its kind; or a node
 * more, of an op drawn from the table, which the shape rules let pass.  What bytes alone would hardly ever make, a valid
 * graph of another shape, is made often. */
#include "tests/fuzz/graphs.h"
#include "tests/random_graph.h"

#include "ir/lex.h"
#include "ir/parse.h"
#include "ir/print.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

/* --- words -------------------------------------------------------------------------------------------------------- */

static const char dictionary[] = "f32 f64 i32 i64 u8 bool B 2B 0 1 2 3 -1 255 256 65536 2147483648 1152921504606846976 "
                                 "4611686018427387904 1e30 -0 inf "
                                 "-inf nan 1e-45 true false 0x01 axes axis range value data stream bound call user "
                                 "state init rng attach update entry "
                                 "inputs outputs as effects backward training inference max_batch";
enum { MOST_TOKENS = 4096 };

/* A name of an op, or a word of the dictionary, where longer ones are drawn more often. */
static const char *draw_word(random_source *r, size_t *length) {
    size_t at = (size_t)random_up_to(r, sizeof dictionary - 1);
    if (random_up_to(r, 2)) {
        const char *name = op_name(1 + random_up_to(r, OP_COUNT - 1));
        *length = strlen(name);
        return name;
    }
    at -= dictionary[at] == ' ';
    while (at > 0 && dictionary[at - 1] != ' ') at--;
    *length = strcspn(dictionary + at, " ");
    return dictionary + at;
}

/* A token of the text for one of the same kind in it, or for a word of the dictionary. */
static size_t change_word(uint8_t *data, size_t size, size_t max, random_source *r) {
    static token tokens[MOST_TOKENS];
    char *copy = malloc(size + 1);
    int64_t count = 0;
    if (!copy) return size;
    memcpy(copy, data, size);
    copy[size] = '\0';
    lexer l;
    lex_start(&l, "", copy, size);
    for (; l.now.kind != TOKEN_END && count < MOST_TOKENS; lex_next(&l))
        if (l.now.kind != TOKEN_LINE && l.now.kind != TOKEN_MARK) tokens[count++] = l.now;
    size_t made = size;
    if (count) {
        const token *old = &tokens[random_up_to(r, count)], *other = &tokens[random_up_to(r, count)];
        for (int tries = 0; tries < 8 && other->kind != old->kind; tries++) other = &tokens[random_up_to(r, count)];
        const bool own = other->kind == old->kind && random_up_to(r, 2);
        size_t length = other->length;
        const char *word = own ? other->start : draw_word(r, &length);
        const size_t at = (size_t)(old->start - copy);
        if (size - old->length + length <= max) {
            made = size - old->length + length;
            memcpy(data + at, word, length);
            memcpy(data + at + length, copy + at + old->length, size - at - old->length);
        }
    }
    free(copy);
    return made;
}

/* --- nodes -------------------------------------------------------------------------------------------------------- */

static gradus_shape draw_shape(random_source *r) {
    static const int64_t extents[] = {GRADUS_BATCH, 2 * GRADUS_BATCH, 0, 1, 2, 3, 5, 8, 17};
    gradus_shape s = {{random_up_to(r, 4)}};
    for (int i = 1; i <= s.d[0]; i++) s.d[i] = extents[random_up_to(r, sizeof extents / sizeof *extents)];
    return s;
}

static scalar draw_scalar(random_source *r, gradus_dtype dtype) {
    static const double values[] = {0, -0.0, 1, -1, 0.5, 3, INFINITY, -INFINITY, NAN, 1e30, -1e30, 1e-40};
    return scalar_from_double(dtype, values[random_up_to(r, sizeof values / sizeof *values)]);
}

/* An operand, where possible of the dtype and shape of another. */
static uint32_t draw_operand(const gradus_graph *g, random_source *r, uint32_t like) {
    uint32_t id = 0;
    for (int tries = 0; tries < 20; tries++) {
        id = 1 + (uint32_t)random_up_to(r, g->nodes.count - 1);
        if (!like) break;
        const node *n = graph_node(g, id), *other = graph_node(g, like);
        if (n->dtype == other->dtype && shape_equal(&n->shape, &other->shape)) break;
    }
    return id;
}

static void draw_axes(random_source *r, int rank, bool all, gradus_axes *axes) {
    axes->d[0] = 0;
    for (int axis = 0; axis < rank; axis++)
        if (all || random_up_to(r, 2)) axes->d[++axes->d[0]] = axis;
    for (int i = axes->d[0]; all && i > 1; i--) {
        const int64_t k = 1 + random_up_to(r, i);
        const int32_t axis = axes->d[i];
        axes->d[i] = axes->d[k];
        axes->d[k] = axis;
    }
}

/* A node of an op, most of which the shape rules refuse. */
static uint32_t try_node(gradus_graph *g, random_source *r) {
    const op_code op = (op_code)(1 + random_up_to(r, OP_COUNT - 1));
    const op_info *info = &op_infos[op];
    if (op_is(op, CALL) || op_is(op, STATE) || op == OP_seed) return 0;
    const uint32_t count = info->arity == ARITY_ANY ? 1 + (uint32_t)random_up_to(r, 3) : (uint32_t)info->arity;
    if (count && g->nodes.count < 2) return 0;
    uint32_t inputs[3];
    for (uint32_t i = 0; i < count; i++) inputs[i] = draw_operand(g, r, i && random_up_to(r, 3) ? inputs[i - 1] : 0);
    node_spec spec = {.op = op, .n_inputs = count, .inputs = inputs, .shape = draw_shape(r)};
    const node *x = count ? graph_node(g, inputs[0]) : NULL;
    const int rank = x ? shape_rank(&x->shape) : shape_rank(&spec.shape);
    spec.dtype = (gradus_dtype)(GRADUS_F32 + random_up_to(r, GRADUS_BOOL - GRADUS_F32 + 1));
    if (x && random_up_to(r, 2)) spec.shape = x->shape;
    char name[32];
    snprintf(name, sizeof name, "new%d", (int)g->nodes.count);
    attrs *a = &spec.attr;
    if (info->attributes & ATTR_AXES) draw_axes(r, rank, op == OP_transpose, &a->axes);
    if (info->attributes & ATTR_AXIS) a->axis = rank ? (int32_t)random_up_to(r, rank) : 0;
    if (info->attributes & ATTR_RANGE) a->low = random_up_to(r, 4), a->high = a->low + random_up_to(r, 4);
    if (info->attributes & ATTR_VALUE) a->value = draw_scalar(r, x ? x->dtype : spec.dtype);
    if (info->attributes & ATTR_NAME) a->name = name;
    if (info->attributes & ATTR_STREAM) a->stream = g->streams++;
    if (info->attributes & ATTR_BOUND) a->bound = random_up_to(r, 5) - (op == OP_count ? 2 : 0);
    if (info->attributes & ATTR_DATA) {
        spec.shape = GRADUS_SHAPE(1 + random_up_to(r, 5));
        a->bytes = (size_t)spec.shape.d[1] * gradus_dtype_size(spec.dtype);
        unsigned char *bytes = arena_alloc(&g->memory, a->bytes);
        for (size_t i = 0; i < a->bytes; i++)
            bytes[i] = (unsigned char)random_up_to(r, spec.dtype == GRADUS_BOOL ? 2 : 256);
        a->data = bytes;
    }
    return graph_add(g, &spec);
}

static uint32_t *with_one_more(gradus_graph *g, const uint32_t *ids, uint32_t *count, uint32_t id) {
    uint32_t *more = ARENA_ARRAY(&g->memory, uint32_t, *count + 1);
    if (*count) memcpy(more, ids, sizeof *ids * *count);
    more[(*count)++] = id;
    return more;
}

/* A node more, which an entry returns; an input is one of all entries'. */
static bool add_node(gradus_graph *g, random_source *r) {
    uint32_t id = 0;
    for (int tries = 0; tries < 50 && !id; tries++) {
        id = try_node(g, r);
        g->status = GRADUS_OK;
    }
    if (!id) return false;
    if (!g->entries.count) VEC_PUSH(&g->memory, &g->entries, ((entry){.name = "e"}));
    for (uint32_t i = 0; i < g->entries.count && graph_node(g, id)->op == OP_input; i++) {
        entry *e = &g->entries.items[i];
        e->inputs = with_one_more(g, e->inputs, &e->n_inputs, id);
    }
    entry *e = &g->entries.items[random_up_to(r, g->entries.count)];
    e->outputs = with_one_more(g, e->outputs, &e->n_outputs, id);
    return true;
}

static size_t grow(uint8_t *data, size_t size, size_t max, random_source *r) {
    gradus_graph *g = graph_new();
    volatile size_t made = 0;
    guard here;
    if (!g) return 0;
    if (graph_parse("", (const char *)data, size, g) == GRADUS_OK && GUARDED(&here)) {
        text t = {.memory = &g->memory};
        for (int64_t more = 1 + random_up_to(r, 4); more-- > 0;) add_node(g, r);
        graph_print(g, &t);
        if (t.length <= max) memcpy(data, t.data, made = t.length);
        guard_leave(&here);
    }
    graph_free(g);
    return made;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed) {
    random_source r = {seed};
    size_t made = 0;
    switch (random_up_to(&r, 4)) {
    case 0: return LLVMFuzzerMutate(data, size, max);
    case 1: made = change_word(data, size, max, &r); break;
    default: made = grow(data, size, max, &r); break;
    }
    return made ? made : change_word(data, size, max, &r);
}
