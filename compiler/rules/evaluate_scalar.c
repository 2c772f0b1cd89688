/* SPDX-License-Identifier: Apache-2.0
 * The elementwise ops at one index, for every dtype that the op table allows.  See evaluate.h.
 *
 * Integers wrap, which is computed in the unsigned type of the same width.  Transcendental functions are those of
 * math.h and never the C library's, whose last bits differ from machine to machine. */
#include "rules/evaluate_rules.h"
#include "rules/math.h"

#include <assert.h>
#include <math.h>

static scalar not_allowed(void) {
    assert(false && "the op table does not allow this dtype");
    return (scalar){.bits = 0};
}

/* A rule is a switch over the operands' dtype.  A case names the operands a, b and the result's field; the rest of the
 * result's bits are zero. */
#define RULE(name, ...)                                                            \
    scalar evaluate_##name(const node *n, gradus_dtype operand, const scalar *x) { \
        scalar r = {.bits = 0};                                                    \
        (void)n;                                                                   \
        switch (operand) {                                                         \
            __VA_ARGS__                                                            \
        default: return not_allowed();                                             \
        }                                                                          \
        return r;                                                                  \
    }
#define CASE_1(DTYPE, field, as, result, R, expression) \
    case GRADUS_##DTYPE: {                              \
        const as a = (as)x[0].field;                    \
        r.result = (R)(expression);                     \
        break;                                          \
    }
#define CASE_2(DTYPE, field, as, result, R, expression)  \
    case GRADUS_##DTYPE: {                               \
        const as a = (as)x[0].field, b = (as)x[1].field; \
        r.result = (R)(expression);                      \
        break;                                           \
    }

/* The cases of the operand sets; `CASE` is CASE_1 or CASE_2, and the result has the operands' dtype. */
#define FLOAT_CASES(CASE, expression)             \
    CASE(F32, f32, float, f32, float, expression) \
    CASE(F64, f64, double, f64, double, expression)
#define INT_CASES(CASE, expression)                   \
    CASE(I32, i32, int32_t, i32, int32_t, expression) \
    CASE(I64, i64, int64_t, i64, int64_t, expression) \
    CASE(U8, u8, uint8_t, u8, uint8_t, expression)
#define WRAPPING_CASES(CASE, expression)               \
    CASE(I32, i32, uint32_t, i32, int32_t, expression) \
    CASE(I64, i64, uint64_t, i64, int64_t, expression) \
    CASE(U8, u8, uint32_t, u8, uint8_t, expression)
#define BOOL_CASES(CASE, expression) CASE(BOOL, u8, uint8_t, u8, uint8_t, expression)
#define PREDICATE_CASES(CASE, expression)            \
    CASE(F32, f32, float, u8, uint8_t, expression)   \
    CASE(F64, f64, double, u8, uint8_t, expression)  \
    CASE(I32, i32, int32_t, u8, uint8_t, expression) \
    CASE(I64, i64, int64_t, u8, uint8_t, expression) \
    CASE(U8, u8, uint8_t, u8, uint8_t, expression)   \
    CASE(BOOL, u8, uint8_t, u8, uint8_t, expression)
#define MATH_CASES(CASE, f32_expression, f64_expression) \
    CASE(F32, f32, float, f32, float, f32_expression)    \
    CASE(F64, f64, double, f64, double, f64_expression)

/* One operand */
/* clang-format off */
RULE(neg, FLOAT_CASES(CASE_1, -a) WRAPPING_CASES(CASE_1, 0 - a))
RULE(abs, MATH_CASES(CASE_1, fabsf(a), fabs(a))
     CASE_1(I32, i32, int32_t, i32, int32_t, a < 0 ? 0u - (uint32_t)a : (uint32_t)a)
     CASE_1(I64, i64, int64_t, i64, int64_t, a < 0 ? (uint64_t)0 - (uint64_t)a : (uint64_t)a)
     CASE_1(U8, u8, uint8_t, u8, uint8_t, a))
RULE(sign, FLOAT_CASES(CASE_1, a > 0 ? 1 : a < 0 ? -1 : a == 0 ? 0 : a)
     CASE_1(I32, i32, int32_t, i32, int32_t, (a > 0) - (a < 0))
     CASE_1(I64, i64, int64_t, i64, int64_t, (a > 0) - (a < 0))
     CASE_1(U8, u8, uint8_t, u8, uint8_t, a > 0))
RULE(sqrt, MATH_CASES(CASE_1, sqrtf(a), sqrt(a)))
RULE(relu, FLOAT_CASES(CASE_1, a <= 0 ? 0 : a))
RULE(isfinite, CASE_1(F32, f32, float, u8, uint8_t, isfinite(a) != 0)
     CASE_1(F64, f64, double, u8, uint8_t, isfinite(a) != 0))
RULE(logical_not, BOOL_CASES(CASE_1, !a))

#define MATH_RULE(name) RULE(name, MATH_CASES(CASE_1, math_##name##_f32(a), math_##name##_f64(a)))
MATH_RULE(rsqrt)
MATH_RULE(exp)
MATH_RULE(expm1)
MATH_RULE(log)
MATH_RULE(log1p)
MATH_RULE(sin)
MATH_RULE(cos)
MATH_RULE(tanh)
MATH_RULE(sigmoid)
MATH_RULE(erf)
MATH_RULE(erfc)
MATH_RULE(ndtr)
MATH_RULE(ndtri)
MATH_RULE(floor)

scalar evaluate_identity(const node *n, gradus_dtype operand, const scalar *x) {
    (void)n, (void)operand;
    return x[0];
}

/* Two operands */
#define zero_unless_number(x, r) ((x) == 0 && (r) != (r) ? (x) : (r))
RULE(add, FLOAT_CASES(CASE_2, a + b) WRAPPING_CASES(CASE_2, a + b))
RULE(sub, FLOAT_CASES(CASE_2, a - b) WRAPPING_CASES(CASE_2, a - b))
RULE(mul, FLOAT_CASES(CASE_2, a * b) WRAPPING_CASES(CASE_2, a * b))
RULE(div, FLOAT_CASES(CASE_2, a / b))
RULE(multiply_no_nan, FLOAT_CASES(CASE_2, zero_unless_number(a, a * b)))
RULE(divide_no_nan, FLOAT_CASES(CASE_2, zero_unless_number(a, a / b)))
RULE(multiply_or_zero, FLOAT_CASES(CASE_2, zero_unless_number(b, zero_unless_number(a, a * b))))
RULE(pow, MATH_CASES(CASE_2, math_pow_f32(a, b), math_pow_f64(a, b)))
RULE(maximum, FLOAT_CASES(CASE_2, a != a ? a : (a > b ? a : b)) INT_CASES(CASE_2, a > b ? a : b))
RULE(minimum, FLOAT_CASES(CASE_2, a != a ? a : (a < b ? a : b)) INT_CASES(CASE_2, a < b ? a : b))
RULE(less, PREDICATE_CASES(CASE_2, a < b))
RULE(less_equal, PREDICATE_CASES(CASE_2, a <= b))
RULE(equal, PREDICATE_CASES(CASE_2, a == b))
RULE(logical_and, BOOL_CASES(CASE_2, a && b))
RULE(logical_or, BOOL_CASES(CASE_2, a || b))

/* clang-format on */

/* Three operands; `operand` is the condition's dtype, the others' bits are moved as they are. */
scalar evaluate_where(const node *n, gradus_dtype operand, const scalar *x) {
    (void)n, (void)operand;
    return x[0].u8 ? x[1] : x[2];
}

/* Casts.  Every f32 is a double, so floats go to integers as doubles. */
static int64_t saturate(double a, double low, double high, int64_t lowest, int64_t highest) {
    if (a != a) return 0;
    if (a <= low) return lowest;
    if (a >= high) return highest; /* `high` may be highest + 1, where that alone is a double */
    return (int64_t)a;
}

static scalar cast_float(gradus_dtype to, double a) {
    scalar r = {.bits = 0};
    switch (to) {
    case GRADUS_F32: r.f32 = (float)a; break;
    case GRADUS_F64: r.f64 = a; break;
    case GRADUS_I32: r.i32 = (int32_t)saturate(a, INT32_MIN, INT32_MAX, INT32_MIN, INT32_MAX); break;
    case GRADUS_I64: r.i64 = saturate(a, -0x1p63, 0x1p63, INT64_MIN, INT64_MAX); break;
    case GRADUS_U8: r.u8 = (uint8_t)saturate(a, 0, UINT8_MAX, 0, UINT8_MAX); break;
    case GRADUS_BOOL: r.u8 = a != 0; break;
    }
    return r;
}

static scalar cast_int(gradus_dtype to, int64_t a) {
    scalar r = {.bits = 0};
    switch (to) {
    case GRADUS_F32: r.f32 = (float)a; break;
    case GRADUS_F64: r.f64 = (double)a; break;
    case GRADUS_I32: r.i32 = (int32_t)(uint32_t)(uint64_t)a; break;
    case GRADUS_I64: r.i64 = a; break;
    case GRADUS_U8: r.u8 = (uint8_t)(uint64_t)a; break;
    case GRADUS_BOOL: r.u8 = a != 0; break;
    }
    return r;
}

scalar cast_scalar(gradus_dtype from, gradus_dtype to, scalar value) {
    switch (from) {
    case GRADUS_F32: return cast_float(to, (double)value.f32);
    case GRADUS_F64: return cast_float(to, value.f64);
    case GRADUS_I32: return cast_int(to, value.i32);
    case GRADUS_I64: return cast_int(to, value.i64);
    case GRADUS_U8:
    case GRADUS_BOOL: return cast_int(to, value.u8);
    }
    return not_allowed();
}

scalar evaluate_cast(const node *n, gradus_dtype operand, const scalar *x) {
    return cast_scalar(operand, n->dtype, x[0]);
}
