/* SPDX-License-Identifier: Apache-2.0
 * The evaluator's reductions and contractions, bit for bit against the text of rules/order.h put into C a second
 * time. */
#include "evaluating.h"

/* The numbers of order.h's text: changing them there changes every recorded bit, and fails here. */
enum { LANES = 64, ROWS = 128, DEPTH = 4096 };

/* --- one operation, written out by dtype ------------------------------------------------------------------------ */

static double combine_real(op_code op, double a, double b) {
    switch (op) {
    case OP_sum: return a + b;
    case OP_prod: return a * b;
    case OP_max: return isnan(a) || isnan(b) ? NAN : a > b ? a : b;
    default: return isnan(a) || isnan(b) ? NAN : a < b ? a : b;
    }
}

static uint64_t combine_whole(op_code op, int64_t a, int64_t b) {
    switch (op) {
    case OP_sum: return (uint64_t)a + (uint64_t)b;
    case OP_prod: return (uint64_t)a * (uint64_t)b;
    case OP_max: return (uint64_t)(a > b ? a : b);
    default: return (uint64_t)(a < b ? a : b);
    }
}

/* A sum or product of two f32 as f64, rounded to f32, is that of f32: 53 bits are more than twice 24 and two. */
static scalar combined(op_code op, gradus_dtype d, scalar a, scalar b) {
    scalar r = {.bits = 0};
    switch (d) {
    case GRADUS_F32: r.f32 = (float)combine_real(op, (double)a.f32, (double)b.f32); break;
    case GRADUS_F64: r.f64 = combine_real(op, a.f64, b.f64); break;
    case GRADUS_I32: r.i32 = (int32_t)(uint32_t)combine_whole(op, a.i32, b.i32); break;
    case GRADUS_I64: r.i64 = (int64_t)combine_whole(op, a.i64, b.i64); break;
    case GRADUS_U8:
    case GRADUS_BOOL: r.u8 = (uint8_t)combine_whole(op, a.u8, b.u8); break;
    }
    return r;
}

static scalar identity(op_code op, gradus_dtype d) {
    if (op == OP_sum || op == OP_prod) {
        int one = op == OP_prod;
        return d == GRADUS_F32   ? (scalar){.f32 = (float)one}
               : d == GRADUS_F64 ? (scalar){.f64 = one}
                                 : (scalar){.i64 = one};
    }
    bool max = op == OP_max;
    switch (d) {
    case GRADUS_F32: return (scalar){.f32 = max ? -INFINITY : INFINITY};
    case GRADUS_F64: return (scalar){.f64 = max ? -HUGE_VAL : HUGE_VAL};
    case GRADUS_I32: return (scalar){.i32 = max ? INT32_MIN : INT32_MAX};
    case GRADUS_I64: return (scalar){.i64 = max ? INT64_MIN : INT64_MAX};
    case GRADUS_U8: return (scalar){.u8 = max ? 0 : 255};
    case GRADUS_BOOL: return (scalar){.u8 = max ? 0 : 1};
    }
    return (scalar){.bits = 0};
}

/* --- the order -------------------------------------------------------------------------------------------------- */

/* "element e goes to lane e % 64 …": here lane by lane. */
static scalar by_lanes(op_code op, const array *x, int64_t o, int64_t n) {
    scalar lane[LANES];
    for (int64_t l = 0; l < LANES; l++) {
        lane[l] = identity(op, x->dtype);
        for (int64_t e = l; e < n; e += LANES) lane[l] = combined(op, x->dtype, lane[l], get(x, o * n + e));
    }
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) lane[i] = combined(op, x->dtype, lane[i], lane[i + half]);
    return lane[0];
}

/* "blocks of 128 rows …": here row by row, a block ending where the next one begins. */
static scalar by_blocks(op_code op, const array *x, int64_t o, int64_t n, int64_t inner, int64_t k) {
    scalar result = identity(op, x->dtype), chain = result;
    for (int64_t row = 0; row < n; row++) {
        chain = combined(op, x->dtype, chain, get(x, (o * n + row) * inner + k));
        if ((row + 1) % ROWS && row + 1 < n) continue;
        result = combined(op, x->dtype, result, chain);
        chain = identity(op, x->dtype);
    }
    return result;
}

static void check_reduction(op_code op, gradus_dtype d, int64_t outer, int64_t n, int64_t inner) {
    if (op >= OP_max && outer * n * inner == 0) return; /* there is no largest among none */
    array x = random_array(d, SHAPE(outer, n, inner));
    if (size_of(&x.shape) > 3 && (d == GRADUS_F32 || d == GRADUS_F64)) { /* a NaN, a zero of each sign */
        set(&x, random_below(size_of(&x.shape)), d == GRADUS_F32 ? (scalar){.f32 = NAN} : (scalar){.f64 = NAN});
        set(&x, random_below(size_of(&x.shape)), d == GRADUS_F32 ? (scalar){.f32 = -0.0f} : (scalar){.f64 = -0.0});
    }
    array r = result_of((trial){.op = op, .attr.axes = GRADUS_AXES(1)}, 1, &x);
    assert_int_equal(r.dtype, d);
    assert_int_equal(size_of(&r.shape), outer * inner);
    for (int64_t i = 0; i < outer * inner; i++)
        assert_same(op_name(op), i, d, get(&r, i),
                    inner == 1 ? by_lanes(op, &x, i, n) : by_blocks(op, &x, i / inner, n, inner, i % inner));
}

static void reductions(void **state) {
    (void)state;
    static const int64_t shapes[][3] = {{3, 5, 1},   {2, 64, 1}, {1, 1000, 1}, {4, 63, 1},  {2, 129, 1}, {1, 0, 1},
                                        {3, 0, 4},   {0, 3, 1},  {2, 1, 3},    {2, 127, 2}, {1, 128, 5}, {2, 129, 3},
                                        {1, 700, 2}, {1, 5, 0},  {3, 7, 7},    {1, 1, 1}};
    for (op_code op = OP_sum; op <= OP_min; op++)
        for (gradus_dtype d = GRADUS_F32; d <= GRADUS_BOOL; d++)
            if (op_infos[op].operands & (1 << d))
                for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
                    check_reduction(op, d, shapes[i][0], shapes[i][1], shapes[i][2]);
}

/* Runs of axes are one axis of their product. */
static void runs_of_axes(void **state) {
    (void)state;
    array x = random_array(GRADUS_F32, SHAPE(3, 10, 17, 4)), flat = {GRADUS_F32, SHAPE(3, 170, 4), x.data};
    array r = result_of((trial){.op = OP_sum, .attr.axes = GRADUS_AXES(1, 2)}, 1, &x);
    assert_int_equal(shape_rank(&r.shape), 2);
    for (int64_t i = 0; i < 12; i++)
        assert_same("sum", i, GRADUS_F32, get(&r, i), by_blocks(OP_sum, &flat, i / 4, 170, 4, i % 4));
    r = result_of((trial){.op = OP_sum, .attr.axes = GRADUS_AXES(0, 1, 2, 3)}, 1, &x);
    assert_int_equal(shape_rank(&r.shape), 0);
    assert_same("sum", 0, GRADUS_F32, get(&r, 0), by_lanes(OP_sum, &x, 0, 3 * 10 * 17 * 4));
}

/* An inner axis that is the batch means blocks, in a call with batch 1 too; a batch that is reduced or outermost means
 * what its place says. */
static void batches(void **state) {
    (void)state;
    array x = random_array(GRADUS_F32, SHAPE(500, 1));
    array r = result_of((trial){.op = OP_sum, .attr.axes = GRADUS_AXES(0), .batch = 1, .given = SHAPE(500, -1)}, 1, &x);
    scalar blocks = by_blocks(OP_sum, &x, 0, 500, 1, 0), lanes = by_lanes(OP_sum, &x, 0, 500);
    assert_false(same(GRADUS_F32, blocks, lanes)); /* or the test could not tell */
    assert_same("batch inside", 0, GRADUS_F32, get(&r, 0), blocks);
    array y = random_array(GRADUS_F32, SHAPE(500));
    r = result_of((trial){.op = OP_sum, .attr.axes = GRADUS_AXES(0), .batch = 500, .given = SHAPE(-1)}, 1, &y);
    assert_same("batch reduced", 0, GRADUS_F32, get(&r, 0), by_lanes(OP_sum, &y, 0, 500));
    array z = random_array(GRADUS_F32, SHAPE(2, 500));
    r = result_of((trial){.op = OP_sum, .attr.axes = GRADUS_AXES(1), .batch = 2, .given = SHAPE(-1, 500)}, 1, &z);
    assert_same("batch outside", 1, GRADUS_F32, get(&r, 1), by_lanes(OP_sum, &z, 1, 500));
}

static void sums_are_never_minus_zero(void **state) {
    (void)state;
    array x = array_of(GRADUS_F32, SHAPE(1, 70, 2));
    for (int64_t i = 0; i < 140; i++) set(&x, i, (scalar){.f32 = -0.0f});
    array r = result_of((trial){.op = OP_sum, .attr.axes = GRADUS_AXES(1)}, 1, &x);
    assert_false(signbit(get(&r, 0).f32));
    r = result_of((trial){.op = OP_sum, .attr.axes = GRADUS_AXES(0, 1, 2)}, 1, &x);
    assert_false(signbit(get(&r, 0).f32));
}

/* --- argmax ----------------------------------------------------------------------------------------------------- */

/* From behind: whatever is not below what follows it takes over; a NaN always, nothing else from a NaN. */
static int64_t last_from_behind(const array *x, int64_t o, int64_t n, int64_t inner, int64_t k) {
    int64_t best = n - 1;
    for (int64_t j = n - 2; j >= 0; j--) {
        double a = shown(x->dtype, get(x, (o * n + j) * inner + k)),
               b = shown(x->dtype, get(x, (o * n + best) * inner + k));
        if (isnan(a) || (!isnan(b) && a >= b)) best = j;
    }
    return best;
}

static void argmax(void **state) {
    (void)state;
    for (int trial_number = 0; trial_number < 40; trial_number++)
        for (gradus_dtype d = GRADUS_F32; d <= GRADUS_U8; d++) {
            int64_t outer = 1 + random_below(3), n = 1 + random_below(9), inner = 1 + random_below(3);
            array x = array_of(d, SHAPE(outer, n, inner));
            for (int64_t i = 0; i < size_of(&x.shape); i++) { /* few values: many equals */
                int64_t v = random_below(5);
                if (d == GRADUS_F32) set(&x, i, (scalar){.f32 = v == 4 ? NAN : v == 3 ? -INFINITY : (float)v});
                else if (d == GRADUS_F64) set(&x, i, (scalar){.f64 = v == 4 ? NAN : v == 3 ? -INFINITY : (double)v});
                else set(&x, i, (scalar){.i64 = v});
            }
            array r = result_of((trial){.op = OP_argmax, .attr.axes = GRADUS_AXES(1)}, 1, &x);
            assert_int_equal(r.dtype, GRADUS_I32);
            for (int64_t i = 0; i < outer * inner; i++)
                assert_int_equal(get(&r, i).i32, last_from_behind(&x, i / inner, n, inner, i % inner));
        }
}

static void argmax_of_runs(void **state) {
    (void)state;
    array x = array_of(GRADUS_I32, SHAPE(2, 3, 4));
    set(&x, 7, (scalar){.i32 = 5});
    set(&x, 9, (scalar){.i32 = 5});
    set(&x, 23, (scalar){.i32 = 1});
    array r = result_of((trial){.op = OP_argmax, .attr.axes = GRADUS_AXES(1, 2)}, 1, &x);
    assert_int_equal(get(&r, 0).i32, 7);
    assert_int_equal(get(&r, 1).i32, 11);
}

/* --- matmul ----------------------------------------------------------------------------------------------------- */

/* One output at a time; the C library's fma. */
static scalar dot(const array *x, const array *y, int64_t at_x, int64_t at_y, int64_t k, int64_t n) {
    scalar r = {.bits = 0};
    for (int64_t chunk = 0; chunk * DEPTH < k; chunk++) {
        float c32 = 0;
        double c64 = 0;
        for (int64_t d = chunk * DEPTH; d < k && d / DEPTH == chunk; d++) {
            scalar a = get(x, at_x + d), b = get(y, at_y + d * n);
            if (x->dtype == GRADUS_F32) c32 = fmaf(a.f32, b.f32, c32);
            else c64 = fma(a.f64, b.f64, c64);
        }
        if (x->dtype == GRADUS_F32) r.f32 = chunk ? r.f32 + c32 : c32;
        else r.f64 = chunk ? r.f64 + c64 : c64;
    }
    return r;
}

static void matmul(void **state) {
    (void)state;
    static const int64_t shapes[][4] = {{1, 2, 3, 4},    {1, 1, 1, 1},    {3, 7, 17, 9},   {1, 3, 4096, 2},
                                        {1, 2, 4097, 3}, {1, 2, 9000, 1}, {2, 5, 33, 257}, {1, 2, 10, 600},
                                        {2, 3, 0, 4},    {2, 0, 3, 4},    {2, 3, 4, 0},    {0, 3, 4, 5}};
    for (gradus_dtype d = GRADUS_F32; d <= GRADUS_F64; d++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            int64_t b = shapes[s][0], m = shapes[s][1], k = shapes[s][2], n = shapes[s][3];
            array x[2] = {random_array(d, SHAPE(b, m, k)), random_array(d, SHAPE(b, k, n))};
            array r = result_of((trial){.op = OP_matmul}, 2, x);
            assert_int_equal(size_of(&r.shape), b * m * n);
            for (int64_t i = 0; i < b * m * n; i++) {
                int64_t p = i / (m * n), row = i / n % m, column = i % n;
                assert_same("matmul", i, d, get(&r, i), dot(&x[0], &x[1], (p * m + row) * k, p * k * n + column, k, n));
            }
        }
}

static void matmul_of_matrices(void **state) {
    (void)state;
    array x[2] = {random_array(GRADUS_F32, SHAPE(4, 6)), random_array(GRADUS_F32, SHAPE(6, 5))};
    array r = result_of((trial){.op = OP_matmul}, 2, x);
    for (int64_t i = 0; i < 20; i++)
        assert_same("matmul", i, GRADUS_F32, get(&r, i), dot(&x[0], &x[1], i / 5 * 6, i % 5, 6, 5));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(reductions, forget), cmocka_unit_test_teardown(runs_of_axes, forget),
        cmocka_unit_test_teardown(batches, forget),    cmocka_unit_test_teardown(sums_are_never_minus_zero, forget),
        cmocka_unit_test_teardown(argmax, forget),     cmocka_unit_test_teardown(argmax_of_runs, forget),
        cmocka_unit_test_teardown(matmul, forget),     cmocka_unit_test_teardown(matmul_of_matrices, forget),
    };
    return cmocka_run_group_tests_name("evaluate_order", tests, NULL, NULL);
}
