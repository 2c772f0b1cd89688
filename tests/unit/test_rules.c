/* SPDX-License-Identifier: Apache-2.0
 *
 * Every row of rules.def, on every dtype that it lists: random instances of its pattern, of random shapes (the batch
 * among them) and attributes, over NaN, infinities, zeros of both signs, subnormals and integers that wrap.  Where the
 * rule holds, both sides must have the same bits.  And where its operands hold checks of indices, these fail the call though
 * the rule drops the operand.  A new row is tested by standing in the table. */
#include "evaluating.h"

#include "fuse/kernel.h"
#include "pass.h"
#include "rewrite/match.h"

enum { TRIES = 3000, ENOUGH = 100, BATCH = 3 };

/* One instance of a pattern. */
typedef struct {
    gradus_graph *g;
    gradus_dtype dtype;     /* of x */
    gradus_shape shape;     /* of tensors in the pattern */
    uint32_t letters[26];
    bool fits;
    bool checked; /* tensors are made of checked indices, all of which are 0 or 1, or one of them not */
} instance;

static const double specials[] = {
    0.0, -0.0, 0.0, -0.0, -0.0, 1, -1, 2, -2, 0.5, 3, -4, 0.1, 255, 256, 2147483647.0, -2147483648.0, 1e10, 1e30,
    -1e300, 0x1p127, 0x1p-126, 0x1p-149, -0x1p-140, 0x1p1023, 0x1p-1074, INFINITY, -INFINITY, NAN, NAN,
};

static scalar special(gradus_dtype dtype) {
    uint64_t bits = random_bits();
    double number = specials[random_below((int64_t)(sizeof specials / sizeof *specials))];
    switch (dtype) {
    case GRADUS_F32: return (scalar){.f32 = bits & 1 ? (float)number : (float)(random_signed() * 8)};
    case GRADUS_F64: return (scalar){.f64 = bits & 1 ? number : random_signed() * 8};
    case GRADUS_BOOL: return (scalar){.bits = bits & 1};
    case GRADUS_U8: return (scalar){.bits = bits & 2 ? bits >> 56 : (bits >> 8) % 4};
    case GRADUS_I32: return (scalar){.i32 = bits & 1 ? scalar_from_double(dtype, number).i32 : (int32_t)(bits >> 32)};
    default: return (scalar){.bits = bits & 1 ? scalar_from_double(dtype, number).bits : random_bits()};
    }
}

static gradus_shape random_shape(void) {
    static const int64_t extents[] = {1, 1, 1, 2, 3, 5, 0};
    gradus_shape s = {{random_below(4)}};
    for (int i = 1; i <= s.d[0]; i++) s.d[i] = extents[random_below((int64_t)(sizeof extents / sizeof *extents))];
    if (s.d[0] && random_below(4) == 0) s.d[1] = -1 - random_below(2);
    return s;
}

static gradus_dtype random_dtype(void) { return (gradus_dtype)(GRADUS_F32 + random_below(6)); }

static uint32_t leaf(instance *t, const pattern *p, gradus_dtype dtype) {
    uint32_t *id = &t->letters[p->letter - 'a'];
    if (*id) return *id;
    if (p->kind == PATTERN_FILL) return *id = build_fill_scalar(t->g, dtype, &t->shape, special(dtype));
    char name[] = {p->letter, '\0'};
    if (t->checked) {
        const uint32_t index =
            graph_add(t->g, &(node_spec){.op = OP_input, .attr.name = name, .dtype = GRADUS_I32, .shape = t->shape});
        return *id = build_cast(
                   t->g,
                   graph_add(t->g,
                             &(node_spec){.op = OP_check_index, .n_inputs = 1, .inputs = &index, .attr.bound = 2}),
                   dtype);
    }
    return *id = graph_add(t->g, &(node_spec){.op = OP_input, .attr.name = name, .dtype = dtype, .shape = t->shape});
}

/* Attributes and shapes of the ops that have them; the shape rule has the last word on whether they fit. */
static void choose_reshape(node_spec *spec, const gradus_shape *x) {
    gradus_shape s = {{0}};
    for (int i = 1; i <= x->d[0] && s.d[0] < 6; i++) {
        if (random_below(3) == 0) s.d[++s.d[0]] = 1;
        if (x->d[i] == 1 && random_below(2)) continue;
        int64_t previous = s.d[0] ? s.d[s.d[0]] : 0;
        if (previous > 0 && x->d[i] > 0 && random_below(2)) s.d[s.d[0]] *= x->d[i];
        else s.d[++s.d[0]] = x->d[i];
    }
    spec->shape = s;
}

static void choose_broadcast(node_spec *spec, const gradus_shape *x) {
    gradus_shape s = {{0}};
    for (int64_t more = random_below(3); more-- > 0;) s.d[++s.d[0]] = 1 + random_below(3) % 2;
    for (int i = 1; i <= x->d[0]; i++) s.d[++s.d[0]] = x->d[i] == 1 && random_below(2) ? 2 + random_below(2) : x->d[i];
    spec->shape = s;
}

static void choose_attributes(node_spec *spec, const node *x) {
    int rank = shape_rank(&x->shape);
    attrs *a = &spec->attr;
    spec->dtype = x->dtype;
    if (spec->op == OP_reshape) choose_reshape(spec, &x->shape);
    if (spec->op == OP_broadcast) choose_broadcast(spec, &x->shape);
    if (spec->op == OP_cast) spec->dtype = random_dtype(), spec->shape = x->shape;
    if (spec->op == OP_transpose) {
        a->axes.d[0] = rank;
        for (int i = 0; i < rank; i++) a->axes.d[i + 1] = i;
        for (int i = rank; i > 1; i--) { /* Fisher and Yates */
            int64_t k = 1 + random_below(i);
            int32_t axis = a->axes.d[i];
            a->axes.d[i] = a->axes.d[k];
            a->axes.d[k] = axis;
        }
    }
    if (!rank) return;
    if (op_infos[spec->op].attributes & ATTR_AXIS) a->axis = (int32_t)random_below(rank);
    int64_t along = shape_dim(&x->shape, a->axis);
    if (spec->op == OP_slice && along >= 0) {
        a->low = random_below(along + 1);
        a->high = a->low + random_below(along - a->low + 1);
        if (random_below(4) == 0) a->low = 0, a->high = along;
    }
    if (spec->op == OP_pad) {
        a->low = random_below(3);
        a->high = random_below(3);
        a->value = random_below(2) ? special(x->dtype) : (scalar){.bits = 0};
    }
    if (op_is(spec->op, REDUCE)) {
        int first = (int)random_below(rank);
        a->axes.d[0] = (int32_t)(1 + random_below(rank - first));
        for (int i = 1; i <= a->axes.d[0]; i++) a->axes.d[i] = first + i - 1;
    }
}

static uint32_t instantiate(instance *t, const pattern *p, gradus_dtype dtype);

static gradus_dtype operand_dtype(const instance *t, const pattern *p, uint32_t i, gradus_dtype dtype) {
    const pattern *operand = p->operands[i];
    switch (p->op) {
    case OP_where: return i == 0 && operand->letter != 'x' ? GRADUS_BOOL : dtype;
    case OP_less: case OP_less_equal: case OP_equal: return t->dtype;
    case OP_cast: return operand->kind == PATTERN_OP ? random_dtype() : t->dtype;
    default: return dtype;
    }
}

static uint32_t instantiate_op(instance *t, const pattern *p, gradus_dtype dtype) {
    uint32_t x[3] = {0}, neighbour = 0;
    for (uint32_t i = 0; i < p->n_operands; i++) {
        if (p->operands[i]->kind == PATTERN_NUMBER || p->operands[i]->kind == PATTERN_TRUTH) continue;
        x[i] = instantiate(t, p->operands[i], operand_dtype(t, p, i, dtype));
        neighbour = x[i];
    }
    const node *like = graph_node(t->g, neighbour);
    for (uint32_t i = 0; i < p->n_operands; i++) {
        gradus_dtype d = p->operands[i]->kind == PATTERN_TRUTH ? GRADUS_BOOL : like->dtype;
        if (!x[i]) x[i] = build_fill(t->g, d, &like->shape, p->operands[i]->number);
    }
    node_spec spec = {.op = p->op, .n_inputs = p->n_operands, .inputs = x};
    choose_attributes(&spec, graph_node(t->g, x[0]));
    return graph_add(t->g, &spec);
}

static uint32_t instantiate(instance *t, const pattern *p, gradus_dtype dtype) {
    uint32_t id = p->kind == PATTERN_OP ? instantiate_op(t, p, dtype) : leaf(t, p, dtype);
    t->fits = t->fits && id;
    return id;
}

static void bind_special(void *user, uint32_t id, const node *n, array *out) {
    (void)user, (void)id, (void)n;
    for (int64_t i = 0; i < size_of(&out->shape); i++) set(out, i, special(out->dtype));
}

static void compare(const rule *r, const instance *t, uint32_t left, uint32_t right) {
    const node *a = graph_node(t->g, left), *b = graph_node(t->g, right);
    if (a->dtype != b->dtype || !shape_equal(&a->shape, &b->shape))
        fail_msg("%s, x of %s: the sides differ in dtype or shape", r->name, gradus_dtype_name(t->dtype));
    uint32_t sides[2] = {left, right};
    array values[2];
    entry e = {.name = "both", .outputs = sides, .n_outputs = 2};
    evaluation how = {.batch = BATCH, .bind = bind_special, .memory = &memory, .outputs = values};
    assert_int_equal(evaluate_entry(t->g, &e, &how), GRADUS_OK);
    for (int64_t i = 0; i < size_of(&values[0].shape); i++)
        assert_same(r->name, i, a->dtype, get(&values[1], i), get(&values[0], i));
}

/* --- checks ---------------------------------------------------------------------------------------------------------- */

static void bind_index(void *user, uint32_t id, const node *n, array *out) {
    const bool wrong = id == *(const uint32_t *)user;
    for (int64_t i = 0; i < size_of(&out->shape); i++)
        set(out, i, (scalar){.i32 = wrong && i == size_of(&out->shape) - 1 ? 2 : i & 1});
    (void)n;
}

static gradus_status with_wrong(const gradus_graph *g, const entry *e, uint32_t wrong) {
    evaluation how = {.batch = BATCH, .bind = bind_index, .user = &wrong, .memory = &memory};
    return evaluate_entry(g, e, &how);
}

/* Rewrites an entry of one output by all passes: each of its inputs must fail it as before. */
static void check_fails(const rule *r, const instance *t, uint32_t output) {
    uint32_t inputs[26], count = 0;
    for (int i = 0; i < 26; i++)
        if (t->letters[i] && graph_node(t->g, t->letters[i])->op != OP_fill)
            for (uint32_t id = t->letters[i]; id;
                 id = graph_node(t->g, id)->n_inputs ? graph_node(t->g, id)->inputs[0] : 0)
                if (graph_node(t->g, id)->op == OP_input) inputs[count++] = id;
    entry e = {.name = "row", .inputs = inputs, .n_inputs = count, .outputs = &output, .n_outputs = 1};
    gradus_graph *x = graph_new();
    assert_non_null(x);
    extract_entry(t->g, &e, x);
    pass_run(x, pipeline_rewrites, pipeline_rewrite_count, r->name);
    const entry *rewritten = &x->entries.items[0];
    kernel_list kernels;
    assert_true(fuse(x, rewritten, BATCH, &memory, &kernels));
    assert_int_equal(kernels.checks.count, rewritten->n_kept); /* compiled code runs them */
    for (uint32_t i = 0; i <= count; i++) {
        const gradus_status expected = with_wrong(t->g, &e, i < count ? inputs[i] : 0);
        const gradus_status found = with_wrong(x, rewritten, i < count ? rewritten->inputs[i] : 0);
        if (found != expected)
            fail_msg("%s, x of %s: input %u is wrong: %d, but %d as it was", r->name, gradus_dtype_name(t->dtype), i,
                     found, expected);
    }
    graph_free(x);
}

/* Whether the rule held for a random instance. */
static bool holds_once(const rule *r, gradus_dtype dtype, bool checked) {
    gradus_graph *g = graph_new();
    assert_non_null(g);
    volatile bool held = false, done = false;
    guard here;
    if (GUARDED(&here)) {
        instance t = {.g = g, .dtype = dtype, .shape = random_shape(), .fits = true, .checked = checked};
        uint32_t left = instantiate(&t, rule_pattern(r), dtype);
        if (t.fits && g->status == GRADUS_OK) {
            uint32_t right = rule_apply(r, g, graph_node(g, left));
            if (g->status) fail_msg("%s: %s", r->name, g->error);
            if (right && checked) check_fails(r, &t, left);
            else if (right) compare(r, &t, left, right);
            held = right != 0;
        }
        done = true;
        guard_leave(&here);
    }
    assert_true(done);
    graph_free(g);
    return held;
}

static void each_row(int enough, bool checked) {
    for (size_t i = 0; i < rule_count; i++) {
        const rule *r = &rules[i];
        for (gradus_dtype d = GRADUS_F32; d <= GRADUS_BOOL; d++) {
            int held = 0;
            if (!(r->dtypes & 1u << d)) continue;
            for (int k = 0; k < TRIES && held < enough; k++) held += holds_once(r, d, checked);
            arena_free(&memory);
            if (!held) fail_msg("%s, x of %s: no instance of it was found", r->name, gradus_dtype_name(d));
        }
    }
}

static void test_rules(void **state) {
    (void)state;
    each_row(ENOUGH, false);
}

static void test_checks_stay(void **state) {
    (void)state;
    each_row(10, true);
}

/* The table's promise is about floats above all: names are unique, and rows are not empty of dtypes. */
static void test_table(void **state) {
    (void)state;
    for (size_t i = 0; i < rule_count; i++) {
        assert_true(rules[i].dtypes & DTYPES_ALL);
        assert_true(!rules[i].replacement != !rules[i].build);
        for (size_t k = 0; k < i; k++) assert_string_not_equal(rules[i].name, rules[k].name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_rules, forget),
        cmocka_unit_test_teardown(test_checks_stay, forget),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
