/* SPDX-License-Identifier: Apache-2.0
 * The evaluator's elementwise ops, every one and every dtype that the op table allows, against expectations that are
 * written here anew.  Of an op without one, f32 is held against f64, and the test says so. */
#include "evaluating.h"

#include <float.h>

static const double samples[] = {0.0,   -0.0, 1.0,    -1.0,     0.5,       -0.5, 0.25,  0.75,  2.0,
                                 -2.5,  3.75, 1e-3,   -1e-3,    7.0,       -7.0, 12.25, -20.0, 0.9999,
                                 1e-10, 50.0, 1234.5, INFINITY, -INFINITY, NAN,  1e-40, 3e38,  -3e38};
static const int64_t integers[] = {0,   1,    -1,        2,         -2,        3,         7,         100,
                                   255, -100, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX, 1LL << 33, 12345678901};
enum { SAMPLES = sizeof samples / sizeof *samples, INTEGERS = sizeof integers / sizeof *integers };

static bool is_float(gradus_dtype d) { return d == GRADUS_F32 || d == GRADUS_F64; }
static int count_of(gradus_dtype d) { return is_float(d) ? SAMPLES : d == GRADUS_BOOL ? 2 : INTEGERS; }

static scalar sample(gradus_dtype d, int64_t i) {
    scalar s = {.bits = 0};
    switch (d) {
    case GRADUS_F32: s.f32 = (float)samples[i]; break;
    case GRADUS_F64: s.f64 = samples[i]; break;
    case GRADUS_I32: s.i32 = (int32_t)(uint32_t)(uint64_t)integers[i]; break;
    case GRADUS_I64: s.i64 = integers[i]; break;
    case GRADUS_U8: s.u8 = (uint8_t)(uint64_t)integers[i]; break;
    case GRADUS_BOOL: s.u8 = (uint8_t)i; break;
    }
    return s;
}

/* --- what is exact: in long double and in 128-bit integers, converted at the end -------------------------------- */

__extension__ typedef __int128 whole; /* not ISO C, but every compiler that builds the tests has it */
__extension__ typedef unsigned __int128 unsigned_whole;

static scalar from_real(gradus_dtype d, long double v) {
    scalar s = {.bits = 0};
    if (d == GRADUS_F32) s.f32 = (float)v;
    else s.f64 = (double)v;
    return s;
}

static scalar from_whole(gradus_dtype d, whole v) {
    scalar s = {.bits = 0};
    switch (d) {
    case GRADUS_I32: s.i32 = (int32_t)(uint32_t)(unsigned_whole)v; break;
    case GRADUS_I64: s.i64 = (int64_t)(uint64_t)(unsigned_whole)v; break;
    default: s.u8 = (uint8_t)(unsigned_whole)v; break;
    }
    return s;
}

/* 1 where the op is exact on floats, and *r its result.  A product or quotient of two f64 would be rounded twice by way
 * of long double: those are computed as they are. */
static int expect_float(op_code op, gradus_dtype d, long double a, long double b, scalar *r) {
    bool nan = a != a || b != b;
    long double v;
    switch (op) {
    case OP_neg: v = -a; break;
    case OP_abs: v = signbit(a) ? -a : a; break;
    case OP_sign: v = a != a ? a : (long double)((a > 0) - (a < 0)); break;
    case OP_sqrt: *r = d == GRADUS_F32 ? from_real(d, sqrtl(a)) : (scalar){.f64 = sqrt((double)a)}; return 1;
    case OP_floor: v = floorl(a); break;
    case OP_relu: v = a > 0 || a != a ? a : 0.0L; break;
    case OP_stop_gradient: v = a; break;
    case OP_add: *r = d == GRADUS_F32 ? from_real(d, a + b) : (scalar){.f64 = (double)a + (double)b}; return 1;
    case OP_sub: *r = d == GRADUS_F32 ? from_real(d, a - b) : (scalar){.f64 = (double)a - (double)b}; return 1;
    case OP_mul: *r = d == GRADUS_F32 ? from_real(d, a * b) : (scalar){.f64 = (double)a * (double)b}; return 1;
    case OP_div:
        *r = d == GRADUS_F32 ? (scalar){.f32 = (float)a / (float)b} : (scalar){.f64 = (double)a / (double)b};
        return 1;
    case OP_multiply_no_nan:
        if (a == 0 && !(b - b == 0)) v = a;
        else return expect_float(OP_mul, d, a, b, r);
        break;
    case OP_multiply_or_zero:
        if (b == 0 && (a - a != 0)) v = b;
        else return expect_float(OP_multiply_no_nan, d, a, b, r);
        break;
    case OP_divide_no_nan:
        if (a == 0 && (b == 0 || b != b)) v = a;
        else return expect_float(OP_div, d, a, b, r);
        break;
    case OP_maximum: v = nan ? (long double)NAN : a > b ? a : b; break;
    case OP_minimum: v = nan ? (long double)NAN : a < b ? a : b; break;
    default: return 0;
    }
    *r = from_real(d, v);
    return 1;
}

static int expect_whole(op_code op, gradus_dtype d, whole a, whole b, scalar *r) {
    whole v;
    switch (op) {
    case OP_neg: v = -a; break;
    case OP_abs: v = a < 0 ? -a : a; break;
    case OP_sign: v = a == 0 ? 0 : a < 0 ? -1 : 1; break;
    case OP_stop_gradient:
    case OP_check_index: v = a; break;
    case OP_add: v = a + b; break;
    case OP_sub: v = a - b; break;
    case OP_mul: v = a * b; break;
    case OP_maximum: v = a < b ? b : a; break;
    case OP_minimum: v = b < a ? b : a; break;
    case OP_logical_not: v = a == 0; break;
    case OP_logical_and: v = a * b; break;
    case OP_logical_or: v = a + b > 0; break;
    default: return 0;
    }
    *r = from_whole(d, v);
    return 1;
}

static int expect_predicate(op_code op, long double a, long double b, scalar *r) {
    r->bits = 0;
    switch (op) {
    case OP_less: r->u8 = a < b; return 1;
    case OP_less_equal: r->u8 = a < b || a == b; return 1;
    case OP_equal: r->u8 = a == b; return 1;
    case OP_isfinite: r->u8 = a - a == 0; return 1;
    default: return 0;
    }
}

/* --- what is near: the C library's long double functions -------------------------------------------------------- */

static int expect_near(op_code op, long double a, long double b, long double *v) {
    switch (op) {
    case OP_rsqrt: *v = 1 / sqrtl(a); return 1;
    case OP_exp: *v = expl(a); return 1;
    case OP_expm1: *v = expm1l(a); return 1;
    case OP_log: *v = logl(a); return 1;
    case OP_log1p: *v = log1pl(a); return 1;
    case OP_sin: *v = sinl(a); return 1;
    case OP_cos: *v = cosl(a); return 1;
    case OP_tanh: *v = tanhl(a); return 1;
    case OP_sigmoid: *v = 1 / (1 + expl(-a)); return 1;
    case OP_erf: *v = erfl(a); return 1;
    case OP_erfc: *v = erfcl(a); return 1;
    case OP_pow: *v = powl(a, b); return 1;
    default: return 0;
    }
}

static void assert_near(op_code op, gradus_dtype d, scalar got, long double a, long double b, long double expected) {
    bool f32 = d == GRADUS_F32;
    scalar rounded = from_real(d, expected);
    long double near = f32 ? (long double)rounded.f32 : (long double)rounded.f64;
    long double is = f32 ? (long double)got.f32 : (long double)got.f64;
    if (near != near && is != is) return;
    int exponent = near == 0 || isinf(near) ? (f32 ? -126 : -1022) : ilogbl(near);
    if (f32 && exponent < -126) exponent = -126;
    if (!f32 && exponent < -1022) exponent = -1022;
    long double ulp = ldexpl(1, exponent - (f32 ? 23 : 52));
    if (isinf(near) ? is != near : !(fabsl(is - expected) <= 4 * ulp))
        fail_msg("%s, %s: of %.17Lg %.17Lg is %.17Lg instead of %.17Lg", op_name(op), gradus_dtype_name(d), a, b, is,
                 near);
}

/* --- ops without an expectation: f32 against f64 ---------------------------------------------------------------- */

/* Only what is finite in both; integers and bools are compared with compiled code (tests/ops) alone. */
static void check_without_formula(op_code op, gradus_dtype d, const scalar *x, uint32_t operands, gradus_dtype result,
                                  scalar got) {
    static op_code told;
    if (told != op) print_message("%s: no expectation here; f32 is held against f64 alone\n", op_name(op));
    told = op;
    if (d != GRADUS_F32 || !(op_infos[op].operands & 1 << GRADUS_F64)) return;
    array wide[2] = {array_of(GRADUS_F64, SHAPE(1)), array_of(GRADUS_F64, SHAPE(1))};
    for (uint32_t i = 0; i < operands; i++) set(&wide[i], 0, (scalar){.f64 = (double)x[i].f32});
    array r = result_of((trial){.op = op}, operands, wide);
    if (result != GRADUS_F32) {
        assert_same(op_name(op), 0, result, got, get(&r, 0));
        return;
    }
    double is = (double)got.f32, near = get(&r, 0).f64;
    if (isfinite(is) && fabs(near) < (double)FLT_MAX && fabs(is - near) > 1e-4 * (1 + fabs(near)))
        fail_msg("%s of %g %g is %g in f32 and %g in f64", op_name(op), (double)x[0].f32, (double)x[1].f32, is, near);
}

/* --- every op, every dtype, every pair of samples --------------------------------------------------------------- */

static void check_result(op_code op, gradus_dtype d, const array *x, uint32_t operands, const array *r, int64_t i) {
    scalar first = get(&x[0], i), second = operands > 1 ? get(&x[1], i) : (scalar){.bits = 0}, expected,
           got = get(r, i);
    long double a = 0, b = 0, near;
    if (d == GRADUS_F32) a = (long double)first.f32, b = (long double)second.f32;
    else if (d == GRADUS_F64) a = (long double)first.f64, b = (long double)second.f64;
    else if (d == GRADUS_I32) a = first.i32, b = second.i32;
    else if (d == GRADUS_I64) a = (long double)first.i64, b = (long double)second.i64; /* 64 bits of mantissa */
    else a = first.u8, b = second.u8;
    if (expect_predicate(op, a, b, &expected)) {
        assert_int_equal(r->dtype, GRADUS_BOOL);
        assert_same(op_name(op), i, GRADUS_BOOL, got, expected);
        return;
    }
    assert_int_equal(r->dtype, d);
    if (is_float(d) ? expect_float(op, d, a, b, &expected) : expect_whole(op, d, (whole)a, (whole)b, &expected))
        assert_same(op_name(op), i, d, got, expected);
    else if (is_float(d) && expect_near(op, a, b, &near)) assert_near(op, d, got, a, b, near);
    else check_without_formula(op, d, (scalar[]){first, second}, operands, r->dtype, got);
}

static void check_op(op_code op, gradus_dtype d) {
    int arity = op_infos[op].arity, n = count_of(d);
    gradus_shape s = arity == 2 ? SHAPE(n, n) : SHAPE(n);
    array x[2] = {array_of(d, s), array_of(d, s)};
    for (int64_t i = 0; i < size_of(&s); i++) {
        set(&x[0], i, sample(d, i % n));
        set(&x[1], i, sample(d, i / n));
        if (op == OP_check_index) set(&x[0], i, (scalar){.i64 = 3});
    }
    attrs attr = {.bound = op == OP_check_index ? 4 : 0};
    array r = result_of((trial){.op = op, .attr = attr}, (uint32_t)arity, x);
    for (int64_t i = 0; i < size_of(&s); i++) check_result(op, d, x, (uint32_t)arity, &r, i);
}

static void elementwise(void **state) {
    (void)state;
    for (int op = 1; op < OP_COUNT; op++) {
        if (!op_is(op, ELEMENTWISE) || op == OP_cast || op == OP_where || op == OP_ndtri) continue;
        for (gradus_dtype d = GRADUS_F32; d <= GRADUS_BOOL; d++)
            if (op_infos[op].operands & (1 << d)) check_op((op_code)op, d);
    }
}

static void where(void **state) {
    (void)state;
    for (gradus_dtype d = GRADUS_F32; d <= GRADUS_BOOL; d++) {
        gradus_shape s = SHAPE(5, 40);
        array x[3] = {random_array(GRADUS_BOOL, s), random_array(d, s), random_array(d, s)};
        array r = result_of((trial){.op = OP_where}, 3, x);
        for (int64_t i = 0; i < 200; i++) assert_same("where", i, d, get(&r, i), get(&x[get(&x[0], i).u8 ? 1 : 2], i));
    }
}

/* Phi(ndtri(p)) is p: the error in z is the error in Phi over its derivative. */
static void ndtri(void **state) {
    (void)state;
    for (gradus_dtype d = GRADUS_F32; d <= GRADUS_F64; d++) {
        array x = array_of(d, SHAPE(1000));
        for (int64_t i = 0; i < 1000; i++) {
            double p = i < 100   ? pow(10, -(double)i / 5 - 1)
                       : i > 980 ? 1 - ldexp(1, (int)(980 - i))
                                 : ((double)i + 0.5) / 1000;
            set(&x, i, from_real(d, (long double)p));
        }
        array r = result_of((trial){.op = OP_ndtri}, 1, &x);
        for (int64_t i = 0; i < 1000; i++) {
            long double p = (long double)shown(d, get(&x, i)), z = (long double)shown(d, get(&r, i));
            long double tail = z < 0 ? p : 1 - p; /* the smaller one, of which 1 - p loses nothing */
            long double error =
                (erfcl(fabsl(z) * sqrtl(0.5L)) / 2 - tail) / (expl(-z * z / 2) * 0.39894228040143267794L);
            long double allowed = (d == GRADUS_F32 ? 4 * 0x1p-23L : 8 * 0x1p-52L) * (fabsl(z) + 0.1L);
            if (!(fabsl(error) <= allowed)) fail_msg("ndtri of %.17Lg is %.17Lg, off by %Lg", p, z, error);
        }
    }
}

/* --- casts ------------------------------------------------------------------------------------------------------ */

static scalar expect_cast(gradus_dtype from, gradus_dtype to, scalar x) {
    if (is_float(from)) {
        double a = from == GRADUS_F32 ? (double)x.f32 : x.f64;
        static const double low[] = {0, 0, 0, -0x1p31, -0x1p63, 0}, above[] = {0, 0, 0, 0x1p31, 0x1p63, 256};
        if (is_float(to)) return to == GRADUS_F32 ? (scalar){.f32 = (float)a} : (scalar){.f64 = a};
        if (to == GRADUS_BOOL) return from_whole(to, a < 0 || a > 0 || a != a);
        if (a != a) return from_whole(to, 0);
        a = trunc(a);
        if (a < low[to]) return from_whole(to, (whole)low[to]);
        return from_whole(to, a >= above[to] ? (whole)above[to] - 1 : (whole)a);
    }
    int64_t a = from == GRADUS_I32 ? x.i32 : from == GRADUS_I64 ? x.i64 : x.u8;
    if (to == GRADUS_F32) return (scalar){.f32 = (float)a};
    if (to == GRADUS_F64) return (scalar){.f64 = (double)a};
    return from_whole(to, to == GRADUS_BOOL ? a != 0 : a);
}

static void casts(void **state) {
    (void)state;
    static const double edges[] = {255.5,        256.0,         255.0,         -0.75,  -1.5,         2147483647.0,
                                   2147483648.0, -2147483648.0, -2147483649.5, 0x1p63, -0x1p63,      0x1p62,
                                   9.3e18,       -9.3e18,       1e300,         -1e300, 0x1.fffffep30};
    int n_edges = (int)(sizeof edges / sizeof *edges);
    for (gradus_dtype from = GRADUS_F32; from <= GRADUS_BOOL; from++)
        for (gradus_dtype to = GRADUS_F32; to <= GRADUS_BOOL; to++) {
            int n = count_of(from), extra = is_float(from) ? n_edges : 0;
            array x = array_of(from, SHAPE(n + extra));
            for (int i = 0; i < n; i++) set(&x, i, sample(from, i));
            for (int i = 0; i < extra; i++) set(&x, n + i, from_real(from, (long double)edges[i]));
            array r = result_of((trial){.op = OP_cast, .dtype = to}, 1, &x);
            assert_int_equal(r.dtype, to);
            for (int i = 0; i < n + extra; i++)
                assert_same("cast", i, to, get(&r, i), expect_cast(from, to, get(&x, i)));
        }
}

static void checked_index(void **state) {
    (void)state;
    array x = array_of(GRADUS_I64, SHAPE(5, 10));
    set(&x, 37, (scalar){.i64 = 10});
    trial t = {.op = OP_check_index, .attr = {.bound = 10}};
    run(&t, 1, &x);
    assert_int_equal(t.status, GRADUS_ERROR_ARGUMENT);
    assert_string_equal(gradus_last_error(), "user.c:7: check_index: index 10 at [37] is outside 0 … 9");
    set(&x, 37, (scalar){.i64 = -1});
    run(&t, 1, &x);
    assert_int_equal(t.status, GRADUS_ERROR_ARGUMENT);
    set(&x, 37, (scalar){.i64 = 9});
    run(&t, 1, &x);
    assert_int_equal(t.status, GRADUS_OK);
}

/* --- entries ---------------------------------------------------------------------------------------------------- */

typedef struct {
    gradus_graph *g;
    uint32_t x, s, sum, bad, outputs[1];
    update updates[1];
    entry e;
    array results[1], values[1];
    int bound;
} program;

static void bind_program(void *user, uint32_t id, const node *n, array *out) {
    program *p = user;
    (void)n;
    p->bound++;
    for (int64_t i = 0; i < size_of(&out->shape); i++) ((float *)out->data)[i] = id == p->x ? (float)i : 10.0f;
}

/* An output, an update, a batch, and a node that would fail but that nothing asks for. */
static void entries(void **state) {
    (void)state;
    program p = {.g = graph_new()};
    assert_non_null(p.g);
    volatile gradus_status status = GRADUS_ERROR_MEMORY;
    guard here;
    if (GUARDED(&here)) {
        gradus_shape batched = SHAPE(-1, 2), pair = SHAPE(2);
        p.x = graph_add(p.g, &(node_spec){.op = OP_input, .attr.name = "x", .dtype = GRADUS_F32, .shape = batched});
        p.s = graph_add(p.g, &(node_spec){.op = OP_state, .attr.name = "s", .dtype = GRADUS_F32, .shape = pair});
        uint32_t index = build_iota(p.g, GRADUS_I32, &pair, 0);
        p.bad = graph_add(p.g, &(node_spec){.op = OP_check_index, .n_inputs = 1, .inputs = &index, .attr.bound = 1});
        p.sum = build_reduce(p.g, OP_sum, p.x, GRADUS_AXES(0));
        uint32_t count = build_count(p.g, GRADUS_F32, -1);
        p.outputs[0] = build_op2(p.g, OP_div, p.sum, build_broadcast(p.g, count, &pair));
        p.updates[0] = (update){p.s, build_op2(p.g, OP_add, p.s, p.sum)};
        p.e = (entry){.name = "e",
                      .inputs = &p.x,
                      .n_inputs = 1,
                      .outputs = p.outputs,
                      .n_outputs = 1,
                      .updates = {p.updates, 1}};
        status = p.g->status;
        if (!status)
            status = evaluate_entry(p.g, &p.e,
                                    &(evaluation){.batch = 3,
                                                  .bind = bind_program,
                                                  .user = &p,
                                                  .memory = &memory,
                                                  .outputs = p.results,
                                                  .values = p.values});
        guard_leave(&here);
    }
    graph_free(p.g);
    assert_int_equal(status, GRADUS_OK);
    assert_int_equal(p.bound, 2);
    assert_float_equal(get(&p.results[0], 0).f32, 2, 0);
    assert_float_equal(get(&p.results[0], 1).f32, 3, 0);
    assert_float_equal(get(&p.values[0], 0).f32, 16, 0);
    assert_float_equal(get(&p.values[0], 1).f32, 19, 0);
}

/* Every row of the table has one rule of the right sort. */
static void table(void **state) {
    (void)state;
    for (int op = 1; op < OP_COUNT; op++) {
        assert_true(!evaluate_rules[op].scalar == !op_is(op, ELEMENTWISE));
        assert_true(!evaluate_rules[op].scalar != !evaluate_rules[op].tensor);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(table, forget),   cmocka_unit_test_teardown(elementwise, forget),
        cmocka_unit_test_teardown(where, forget),   cmocka_unit_test_teardown(ndtri, forget),
        cmocka_unit_test_teardown(casts, forget),   cmocka_unit_test_teardown(checked_index, forget),
        cmocka_unit_test_teardown(entries, forget),
    };
    return cmocka_run_group_tests_name("evaluate", tests, NULL, NULL);
}
