/* SPDX-License-Identifier: Apache-2.0
 *
 * Every row of the op table that has a gradient rule, at zeros, infinities, NaN, ties and numbers whose squares cannot be held:
 * what becomes of a cotangent that is 0 or NaN there, to first and second order; and the second derivatives, against differences
 * of the first, wherever those are smooth.  Ops and their trials are found as in tests/unit/test_gradients.c. */
#include "tests/unit/trials.h"

#include <stdlib.h>

static const double specials[] = {0,   -0.0, 0,     1,     -1,     2,     0.5,    INFINITY, -INFINITY,
                                  NAN, 1e30, -1e30, 1e-30, -1e-42, 1e300, 1e-300, 3,        -2};

enum { ROUNDS = 4 };

typedef double (*draw)(int64_t i);

static double draw_special(int64_t i) { return (void)i, specials[random_below(COUNT(specials))]; }
static double draw_zero(int64_t i) { return (void)i, 0; }
static double draw_one(int64_t i) { return (void)i, 1; }
static double draw_nan(int64_t i) { return (void)i, NAN; }
static double draw_number(int64_t i) { return (void)i, 0.5 + (double)random_below(8) / 4; }

static array drawn(gradus_dtype dtype, const gradus_shape *s, draw from) {
    const gradus_shape at = shape_at(s, BATCH);
    array a = array_of(dtype, at);
    for (int64_t i = 0; i < size_of(&at); i++)
        set(&a, i, scalar_from_double(dtype, dtype_is_float(dtype) ? from(i) : (double)random_below(2)));
    return a;
}

/* y with the cotangent `seed`; its gradients dx by each float operand x; and what these give under the cotangents w: to
 * x again, and to the seed. */
typedef struct {
    gradus_graph *g;
    const char *name;
    uint32_t x[ARITY_MAX], dx[ARITY_MAX], w[ARITY_MAX], second[ARITY_MAX + 1], count, y, seed;
} tower;

static uint32_t input_like(gradus_graph *g, uint32_t of) {
    const kind_of_tensor k = {graph_node(g, of)->dtype, graph_node(g, of)->shape};
    return input_of_kind(g, &k, drawn(k.dtype, &k.shape, draw_one));
}

static tower build_tower(op_code op, const plan *p, draw operands) {
    tower t = {.g = graph_new(), .name = op_name(op)};
    uint32_t inputs[ARITY_MAX];
    for (int i = 0; i < p->n; i++) {
        const kind_of_tensor *k = operand_kind(p, i);
        inputs[i] = input_of_kind(t.g, k, drawn(k->dtype, &k->shape, operands));
        if (dtype_is_float(k->dtype)) t.x[t.count++] = inputs[i];
    }
    t.y = plan_node(t.g, op, p, inputs);
    t.seed = input_like(t.g, t.y);
    autodiff_backward(t.g, "test", &(cotangents){&t.y, &t.seed, 1}, t.x, t.count, t.dx);
    uint32_t by[ARITY_MAX + 1];
    for (uint32_t i = 0; i < t.count; i++) t.w[i] = input_like(t.g, by[i] = t.x[i]);
    by[t.count] = t.seed;
    autodiff_backward(t.g, "test", &(cotangents){t.dx, t.w, t.count}, by, t.count + 1, t.second);
    if (t.g->status) fail_msg("%s: %s", t.name, t.g->error);
    return t;
}

static void forget_tower(tower *t) {
    graph_free(t->g);
    arena_free(&memory);
}

/* Whether the indices drawn are in range; forgets it where not. */
static bool defined(tower *t) {
    array y;
    const bool is = try_evaluate(t->g, BATCH, &t->y, 1, &y) == GRADUS_OK;
    if (!is) forget_tower(t);
    return is;
}

static void fill_input(const tower *t, uint32_t id, draw from) {
    values_of[id] = drawn(graph_node(t->g, id)->dtype, &graph_node(t->g, id)->shape, from);
}
static void fill_weights(const tower *t, draw from) {
    for (uint32_t i = 0; i < t->count; i++) fill_input(t, t->w[i], from);
}

static bool is_zero(double v) { return v == 0; }
static bool is_nan(double v) { return v != v; }

static void all_are(const tower *t, const char *what, const uint32_t *ids, uint32_t count, bool (*right)(double)) {
    array of[ARITY_MAX + 1];
    evaluate_nodes(t->g, BATCH, ids, count, of);
    for (uint32_t k = 0; k < count; k++)
        for (int64_t i = 0; i < size_of(&of[k].shape); i++) {
            if (right(element(&of[k], i))) continue;
            char at[256] = "";
            for (uint32_t x = 0; x < t->count; x++)
                snprintf(at + strlen(at), sizeof at - strlen(at), " %g",
                         element(&values_of[t->x[x]], i % size_of(&values_of[t->x[x]].shape)));
            fail_msg("%s, %s: gradient %u has %g at %lld, where the operands are%s", t->name, what, k,
                     element(&of[k], i), (long long)i, at);
        }
}

/* Some trials do of ops that only move elements; and of elementwise ones those of one shape. */
static bool left_out(op_code op, const plan *p) {
    if (op_is(op, ELEMENTWISE)) return operand_kinds[p->operands[p->n - 1]].shape.d[2] != 4;
    return (op_is(op, MOVEMENT) || op_is(op, GATHER) || op_is(op, SCATTER)) && random_below(16);
}

/* --- a cotangent that is 0 --------------------------------------------------------------------------------------- */

static void zero_stays_zero(op_code op, const plan *p) {
    for (int round = 0; round < ROUNDS && !left_out(op, p); round++) {
        tower t = build_tower(op, p, draw_special);
        if (!defined(&t)) continue;
        fill_input(&t, t.seed, draw_zero);
        all_are(&t, "cotangent 0", t.dx, t.count, is_zero);
        fill_weights(&t, draw_number);
        all_are(&t, "cotangent 0, second order", t.second, t.count, is_zero);
        fill_weights(&t, draw_zero);
        fill_input(&t, t.seed, draw_number);
        all_are(&t, "second cotangent 0", t.second, t.count + 1, is_zero);
        forget_tower(&t);
    }
}

/* Where the cotangent is 0, the derivative by it is the op's derivative all the same: what a Jacobian-vector product is made
 * of.  Elementwise it is the sum of what the operands get where the cotangent is 1. */
static void zero_has_derivatives(op_code op, const plan *p) {
    if (!op_is(op, ELEMENTWISE)) return;
    for (int round = 0; round < ROUNDS && !left_out(op, p); round++) {
        tower t = build_tower(op, p, draw_special);
        array dx[ARITY_MAX], along, y;
        evaluate_nodes(t.g, BATCH, t.dx, t.count, dx);
        evaluate_nodes(t.g, BATCH, &t.y, 1, &y);
        fill_input(&t, t.seed, draw_zero);
        evaluate_nodes(t.g, BATCH, &t.second[t.count], 1, &along);
        for (int64_t i = 0; i < size_of(&along.shape); i++) {
            double sum = element(&dx[0], i), got = element(&along, i);
            bool lost = is_nan(element(&y, i)); /* or of opposite infinities */
            for (uint32_t k = 1; k < t.count; k++) {
                const double part = element(&dx[k], i);
                lost = lost || (isinf(sum) && isinf(part) && sum != part);
                sum += part;
            }
            if (lost || got == sum || (got != got && sum != sum) || fabs(got - sum) <= 1e-6 * fabs(sum)) continue;
            fail_msg("%s of %g: by a cotangent of 0 %g, but the derivatives are %g", t.name,
                     element(&values_of[t.x[0]], i), got, sum);
        }
        forget_tower(&t);
    }
}

/* --- one that is NaN --------------------------------------------------------------------------------------------- */

/* Rules that select: what is not selected gets 0 whatever comes. */
static bool selects(op_code op) {
    return op == OP_where || op == OP_relu || op == OP_abs || op == OP_maximum || op == OP_minimum || op == OP_pow ||
           op == OP_multiply_no_nan || op == OP_multiply_or_zero || op == OP_divide_no_nan;
}

static void nan_stays_nan(op_code op, const plan *p) {
    if (!op_is(op, ELEMENTWISE)) return;
    for (int round = 0; round < ROUNDS && !left_out(op, p); round++) {
        tower t = build_tower(op, p, draw_special);
        array one[ARITY_MAX], of[ARITY_MAX];
        evaluate_nodes(t.g, BATCH, t.dx, t.count, one);
        fill_input(&t, t.seed, draw_nan);
        if (!selects(op)) all_are(&t, "cotangent NaN", t.dx, t.count, is_nan);
        evaluate_nodes(t.g, BATCH, t.dx, t.count, of);
        for (uint32_t k = 0; k < t.count; k++)
            for (int64_t i = 0; i < size_of(&of[k].shape); i++)
                if (!is_nan(element(&of[k], i)) && element(&one[k], i) != 0)
                    fail_msg("%s: %g of a cotangent that is NaN, %g of 1", t.name, element(&of[k], i),
                             element(&one[k], i));
        forget_tower(&t);
    }
}

/* --- a result that is NaN ---------------------------------------------------------------------------------------- */

/* Where the result of one that chooses is NaN, so is the gradient of all that it chose from. */
static void nan_is_not_lost(op_code op, const plan *p) {
    if (op != OP_max && op != OP_min && op != OP_maximum && op != OP_minimum) return;
    tower t = build_tower(op, p, draw_number);
    for (int64_t i = 0; i < size_of(&values_of[t.x[0]].shape); i++) {
        array *x = &values_of[t.x[0]], y, dx[ARITY_MAX];
        const scalar old = get(x, i);
        set(x, i, scalar_from_double(x->dtype, NAN));
        evaluate_nodes(t.g, BATCH, &t.y, 1, &y);
        evaluate_nodes(t.g, BATCH, t.dx, t.count, dx);
        int64_t nans[2] = {0, 0};
        for (int64_t k = 0; k < size_of(&y.shape); k++) nans[0] += is_nan(element(&y, k));
        for (int64_t k = 0; k < size_of(&dx[0].shape); k++) nans[1] += is_nan(element(&dx[0], k));
        assert_int_equal(nans[0], 1);
        assert_int_equal(nans[1], size_of(&dx[0].shape) / size_of(&y.shape));
        for (uint32_t k = 0; k < t.count; k++) assert_true(is_nan(element(&dx[k], i)));
        fill_input(&t, t.seed, draw_zero);
        all_are(&t, "cotangent 0 beside NaN", t.dx, t.count, is_zero);
        fill_input(&t, t.seed, draw_one);
        set(x, i, old);
    }
    forget_tower(&t);
}

/* --- second derivatives ------------------------------------------------------------------------------------------ */

static const double zeros_and_ties[] = {0, 0.75, -0.75, 0, 1, 0.75, 0}, whole[] = {0, 1, 2, 3, 0, 2, 1},
                    shares[] = {0.5, 0.25, 0.5, 0.75};

static double draw_tie(int64_t i) { return zeros_and_ties[(i + random_below(3)) % COUNT(zeros_and_ties)]; }
static double draw_whole(int64_t i) { return whole[(i + random_below(3)) % COUNT(whole)]; }
static double draw_share(int64_t i) { return shares[(i + random_below(3)) % COUNT(shares)]; }

static int compared, kinks; /* elements of the op at hand */

/* Element i of operand k: the derivative of the sum of second-order terms, where a change of x changes the first gradients
 * smoothly. */
static void compare_second(const tower *t, uint32_t sum, const array *second, uint32_t k, int64_t i) {
    const double h = 5e-4, got = element(&second[k], i);
    double moved[5];
    for (int step = -2; step <= 2; step++) moved[step + 2] = moved_sum(t->g, BATCH, sum, t->x[k], i, step * h);
    for (int step = 0; step < 5; step++)
        if (!isfinite(moved[step])) return;
    const double left = moved[2] - moved[1], right = moved[3] - moved[2];
    const double near = (right + left) / (2 * h), far = (moved[4] - moved[0]) / (4 * h);
    if (fabs(right - left) > 1e-4 || !(fabs(near - far) <= 5e-5 * (1 + fabs(near)))) {
        kinks++;
        return;
    }
    const double expected = (4 * near - far) / 3;
    compared++;
    if (!(fabs(got - expected) <= 1e-5 * (1 + fabs(expected))))
        fail_msg("%s, second derivative by operand %u, at %lld: %.9g, by differences %.9g, where the operand is %g",
                 t->name, k, (long long)i, got, expected, element(&values_of[t->x[k]], i));
}

static void second_derivatives(op_code op, const plan *p) {
    static const draw sets[] = {draw_tie, draw_whole, draw_share, draw_number};
    if (plan_has(p, GRADUS_F32)) return;
    int choices = 1;
    for (int i = 0; i < p->n; i++) choices *= COUNT(sets);
    for (int c = 0; c < choices; c++) {
        if (left_out(op, p)) continue;
        tower t = build_tower(op, p, draw_number);
        if (!defined(&t)) return;
        for (uint32_t k = 0, rest = (uint32_t)c; k < t.count; k++, rest /= COUNT(sets))
            fill_input(&t, t.x[k], sets[rest % COUNT(sets)]);
        fill_input(&t, t.seed, draw_number);
        fill_weights(&t, draw_number);
        uint32_t sum = 0;
        for (uint32_t k = 0; k < t.count; k++) {
            const uint32_t part = build_op2(t.g, OP_mul, t.dx[k], t.w[k]);
            const uint32_t flat = build_reduce(t.g, OP_sum, part, all_axes_of(t.g, part));
            sum = k == 0 ? flat : build_op2(t.g, OP_add, sum, flat);
        }
        array second[ARITY_MAX];
        evaluate_nodes(t.g, BATCH, t.second, t.count, second);
        for (uint32_t k = 0; k < t.count; k++)
            for (int64_t i = 0; i < size_of(&second[k].shape); i++) compare_second(&t, sum, second, k, i);
        forget_tower(&t);
    }
}

/* --- the table --------------------------------------------------------------------------------------------------- */

static void try_all(op_code op, const plan *p) {
    second_derivatives(op, p);
    if (op_is(op, CONTRACT)) return; /* a sum of products holds 0 times infinity */
    zero_stays_zero(op, p);
    zero_has_derivatives(op, p);
    nan_stays_nan(op, p);
    nan_is_not_lost(op, p);
}

GUARDED_TEST(every_rule) {
    for (int i = OP_poison + 1; i < OP_COUNT; i++) {
        const op_code op = (op_code)i;
        if (!has_rule(op)) continue;
        compared = kinks = 0;
        each_plan(op, try_all);
        if (getenv("VERBOSE")) print_message("%s: %d compared, %d kinks\n", op_name(op), compared, kinks);
        if (compared == 0) fail_msg("%s: smooth nowhere", op_name(op));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(every_rule, forget)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
