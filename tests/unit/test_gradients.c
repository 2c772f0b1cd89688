/* SPDX-License-Identifier: Apache-2.0
 *
 * Every row of the op table that has a gradient rule, against central differences in f64, to first and second order.
 * Operands, attributes and result types are tried until the op's shape rule agrees, so a new row is tested by standing
 * in the table: a rule that no trial reaches fails the test.  tests/gradients/test_special.c looks at special points. */
#include "trials.h"

#include <stdlib.h>

static const double intervals[][2] = {{0, 0.65}, {-0.69, 1.87}, {-2, -0.05}}; /* where operands lie, moved from 0 */

static int tried; /* of the op at hand: plans with some gradient */

static array operand_value(const kind_of_tensor *k, const double *interval, int place) {
    const gradus_shape at = shape_at(&k->shape, BATCH);
    array a = grid(at, interval[0], interval[1], 0.2 + 0.25 * place), converted = array_of(k->dtype, at);
    for (int64_t i = 0; i < size_of(&at); i++) {
        double x = get(&a, i).f64, away = x + copysign(0.25, x); /* kinks and poles are at 0 */
        set(&converted, i, scalar_from_double(k->dtype, dtype_is_float(k->dtype) ? away : (double)random_below(2)));
    }
    return converted;
}

/* Are the operands inside the op's domain and, where it looks something up, inside the axis? */
static bool defined_at(const gradus_graph *g, uint32_t y) {
    array value;
    if (try_evaluate(g, BATCH, &y, 1, &value)) return false;
    for (int64_t i = 0; i < size_of(&value.shape); i++)
        if (!isfinite(element(&value, i))) return false;
    return true;
}

/* First order: y's gradient.  Second: the gradient of a weighted sum of the first gradients. */
static void check_plan(gradus_graph *g, uint32_t y, const uint32_t *x, uint32_t count, bool exact) {
    const char *name = op_name(graph_node(g, y)->op);
    const double h = exact ? 5e-4 : 0x1p-6, tolerance = exact ? 1e-7 : 2e-3; /* f32 rounds */
    uint32_t s = weighted_sum_of(g, y, BATCH), first[ARITY_MAX], sum = 0;
    autodiff_gradients(g, "test", s, x, count, first);
    if (check_differences(g, BATCH, name, s, x, first, count, h, tolerance) == 0) return;
    tried++;
    if (!exact) return;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t part = weighted_sum_of(g, first[i], BATCH);
        sum = i == 0 ? part : build_op2(g, OP_add, sum, part);
    }
    char second[64];
    snprintf(second, sizeof second, "%s, second order", name);
    check_gradients(g, BATCH, second, sum, x, count, h, 1e-6);
}

static void try_plan(op_code op, const plan *p) {
    for (int interval = 0; interval < COUNT(intervals); interval++) {
        gradus_graph *g = graph_new();
        uint32_t inputs[ARITY_MAX], x[ARITY_MAX], count = 0;
        for (int i = 0; i < p->n; i++) {
            const kind_of_tensor *k = operand_kind(p, i);
            inputs[i] = input_of_kind(g, k, operand_value(k, intervals[interval], i));
            if (dtype_is_float(k->dtype)) x[count++] = inputs[i];
        }
        uint32_t y = plan_node(g, op, p, inputs);
        if (defined_at(g, y)) check_plan(g, y, x, count, !plan_has(p, GRADUS_F32));
        graph_free(g);
        arena_free(&memory);
    }
}

GUARDED_TEST(every_rule) {
    for (int i = OP_poison + 1; i < OP_COUNT; i++) {
        op_code op = (op_code)i;
        if (!has_rule(op)) continue;
        tried = 0;
        each_plan(op, try_plan);
        if (tried == 0) fail_msg("%s has a gradient rule, but no trial reached it", op_name(op));
        if (getenv("VERBOSE")) print_message("%s: %d trials\n", op_name(op), tried);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_rule, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
