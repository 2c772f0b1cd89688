/* SPDX-License-Identifier: Apache-2.0
 *
 * math.inc as scalar C.  To be built with -ffp-contract=off. */
#include "rules/math.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t bits_f32(float x) {
    uint32_t i;
    memcpy(&i, &x, sizeof i);
    return i;
}

static inline float from_bits_f32(uint32_t i) {
    float x;
    memcpy(&x, &i, sizeof x);
    return x;
}

static inline uint64_t bits_f64(double x) {
    uint64_t i;
    memcpy(&i, &x, sizeof i);
    return i;
}

static inline double from_bits_f64(uint64_t i) {
    double x;
    memcpy(&x, &i, sizeof x);
    return x;
}

#define B bool
#define L uint64_t
#define FUNCTION(name, ...) static inline T NAME(name)(__VA_ARGS__)
#define FUNCTION_I(name, ...) static inline I NAME(name)(__VA_ARGS__)
#define FUNCTION_B(name, ...) static inline B NAME(name)(__VA_ARGS__)
#define CALL(name, ...) NAME(name)(__VA_ARGS__)
#define K(c) ((T)(c))
#define IK(c) ((I)(c))
#define LK(c) ((L)(c))
#define ADD(x, y) ((x) + (y))
#define SUB(x, y) ((x) - (y))
#define MUL(x, y) ((x) * (y))
#define DIV(x, y) ((x) / (y))
#define NEG(x) (-(x))
#define LT(x, y) ((x) < (y))
#define LE(x, y) ((x) <= (y))
#define EQ(x, y) ((x) == (y))
#define AND(x, y) ((x) && (y))
#define OR(x, y) ((x) || (y))
#define NOT(x) (!(x))
#define SELECT(b, x, y) ((b) ? (x) : (y))
#define IADD(x, y) ((x) + (y))
#define ISUB(x, y) ((x) - (y))
#define IMUL(x, y) ((x) * (y))
#define IAND(x, y) ((x) & (y))
#define IOR(x, y) ((x) | (y))
#define IXOR(x, y) ((x) ^ (y))
#define ISHL(x, n) ((x) << (n))
#define ISHR(x, n) ((x) >> (n))
#define ISHLV(x, n) ((x) << (n))
#define ISHRV(x, n) ((x) >> (n))
#define ITEST(x, c) (((x) & (c)) != 0)
#define WIDE(i) ((L)(i))
#define NARROW(l) ((I)(l))

#define MATH_BITS 32
#define T float
#define I uint32_t
#define NAME(name) name##_f32
#define FMA fmaf
#define ABS fabsf
#define SQRT sqrtf
#define BITS bits_f32
#define FROM_BITS from_bits_f32
#include "rules/math.inc"

#undef MATH_BITS
#undef T
#undef I
#undef NAME
#undef FMA
#undef ABS
#undef SQRT
#undef BITS
#undef FROM_BITS

#define MATH_BITS 64
#define T double
#define I uint64_t
#define NAME(name) name##_f64
#define FMA fma
#define ABS fabs
#define SQRT sqrt
#define BITS bits_f64
#define FROM_BITS from_bits_f64
#include "rules/math.inc"

#define EXPORT(name)                                           \
    float math_##name##_f32(float x) { return name##_f32(x); } \
    double math_##name##_f64(double x) { return name##_f64(x); }
EXPORT(exp)
EXPORT(expm1)
EXPORT(log)
EXPORT(log1p)
EXPORT(sin)
EXPORT(cos)
EXPORT(tanh)
EXPORT(sigmoid)
EXPORT(erf)
EXPORT(erfc)
EXPORT(ndtr)
EXPORT(rsqrt)
EXPORT(ndtri)
EXPORT(floor)

float math_pow_f32(float x, float y) { return pow_f32(x, y); }

double math_pow_f64(double x, double y) { return pow_f64(x, y); }
