/* SPDX-License-Identifier: Apache-2.0
 *
 * The accuracy of rules/math.h: f32 against the C library's f64, f64 against MPFR.  GRADUS_LONG=1 takes every f32, and
 * more f64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/environment.h"

#include "rules/math.h"

#include <float.h>
#include <math.h>
#include <mpfr.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*exact_function)(mpfr_t result, const mpfr_t x, mpfr_rnd_t rounding);

typedef struct {
    const char *name;
    float (*f32)(float);
    double (*f64)(double);
    double (*reference)(double); /* the C library's, for f32 */
    exact_function exact;        /* MPFR's, for f64 */
    double ulps_f32, ulps_f64;
    double low, high; /* where f64's samples are densest */
} function;

static double sigmoid(double x) {
    double e = exp(-fabs(x));
    return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

static double rsqrt(double x) { return 1 / sqrt(x); }

static int exact_sigmoid(mpfr_t result, const mpfr_t x, mpfr_rnd_t rounding) {
    mpfr_neg(result, x, rounding);
    mpfr_exp(result, result, rounding);
    mpfr_add_ui(result, result, 1, rounding);
    return mpfr_ui_div(result, 1, result, rounding);
}

/* MPFR's rec_sqrt has +Inf for -0. */
static int exact_rsqrt(mpfr_t result, const mpfr_t x, mpfr_rnd_t rounding) {
    if (mpfr_zero_p(x) && mpfr_signbit(x)) {
        mpfr_set_inf(result, -1);
        return 0;
    }
    return mpfr_rec_sqrt(result, x, rounding);
}

/* Of a double that is x times the root of 1/2, what is lost is added by the derivative. */
static double ndtr(double x) {
    const double root = 0x1.6a09e667f3bcdp-1, rest = -0x1.bdd3413b26456p-55, z = -x * root;
    const double lost = isfinite(x) ? fma(-x, root, -z) - x * rest : 0;
    return erfc(z) / 2 - 0.56418958354775629 * exp(-z * z) * lost;
}

static int exact_ndtr(mpfr_t result, const mpfr_t x, mpfr_rnd_t rounding) {
    mpfr_t z;
    mpfr_init2(z, 200);
    mpfr_sqrt_ui(z, 2, rounding);
    mpfr_div(z, x, z, rounding);
    mpfr_neg(z, z, rounding);
    mpfr_erfc(result, z, rounding);
    mpfr_clear(z);
    return mpfr_div_ui(result, result, 2, rounding);
}

static int exact_floor(mpfr_t result, const mpfr_t x, mpfr_rnd_t rounding) {
    (void)rounding;
    return mpfr_floor(result, x);
}

enum { NDTRI_ULPS = 5 };

static const function functions[] = {
    {"exp", math_exp_f32, math_exp_f64, exp, mpfr_exp, 1, 2, -745, 710},
    {"expm1", math_expm1_f32, math_expm1_f64, expm1, mpfr_expm1, 1, 2, -5, 40},
    {"log", math_log_f32, math_log_f64, log, mpfr_log, 1, 2, 0, 4},
    {"log1p", math_log1p_f32, math_log1p_f64, log1p, mpfr_log1p, 1, 2, -1, 3},
    {"sin", math_sin_f32, math_sin_f64, sin, mpfr_sin, 2, 2, -100, 100},
    {"cos", math_cos_f32, math_cos_f64, cos, mpfr_cos, 2, 2, -100, 100},
    {"tanh", math_tanh_f32, math_tanh_f64, tanh, mpfr_tanh, 2, 2, -3, 20},
    {"sigmoid", math_sigmoid_f32, math_sigmoid_f64, sigmoid, exact_sigmoid, 2, 2, -40, 20},
    {"erf", math_erf_f32, math_erf_f64, erf, mpfr_erf, 1, 2, -6, 6},
    {"erfc", math_erfc_f32, math_erfc_f64, erfc, mpfr_erfc, 2, 2, -2, 28},
    {"ndtr", math_ndtr_f32, math_ndtr_f64, ndtr, exact_ndtr, 2, 2, -39, 3},
    {"rsqrt", math_rsqrt_f32, math_rsqrt_f64, rsqrt, exact_rsqrt, 1, 1, 0, 8},
    {"floor", math_floor_f32, math_floor_f64, floor, exact_floor, 0, 0, -1e4, 1e4},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

static uint64_t random_state = 88172645463325252u;

static uint64_t random_bits(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static double random_unit(void) { return (double)(random_bits() >> 11) * 0x1p-53; }

static float f32_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double f64_of(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* How far `got` is from `want` in units of the last place that f32 has at `want`; infinite for a wrong kind or sign, 0
 * for two NaNs. */
static double distance_f32(float got, double want) {
    float rounded = (float)want;
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got) ? 0 : INFINITY;
    if (!signbit(got) != !signbit(rounded)) return INFINITY;
    if (isinf(got) || isinf(rounded)) return got == rounded ? 0 : INFINITY;
    int exponent;
    frexp(want, &exponent);
    return fabs((double)got - want) / ldexp(1, (exponent < FLT_MIN_EXP ? FLT_MIN_EXP : exponent) - FLT_MANT_DIG);
}

/* The same of f64, `want` an MPFR number that is lost */
static double distance_f64(double got, mpfr_t want) {
    double rounded = mpfr_get_d(want, MPFR_RNDN);
    if (isnan(rounded) || isnan(got)) return isnan(rounded) && isnan(got) ? 0 : INFINITY;
    if (!signbit(got) != !signbit(rounded)) return INFINITY;
    if (isinf(got) || isinf(rounded)) return got == rounded ? 0 : INFINITY;
    long exponent = mpfr_zero_p(want) || mpfr_get_exp(want) < DBL_MIN_EXP ? DBL_MIN_EXP : mpfr_get_exp(want);
    mpfr_sub_d(want, want, got, MPFR_RNDN);
    mpfr_mul_2si(want, want, DBL_MANT_DIG - exponent, MPFR_RNDN);
    return fabs(mpfr_get_d(want, MPFR_RNDN));
}

static void f32_within_bounds(void **state) {
    (void)state;
    const uint64_t step = long_run() ? 1 : 2039;
    for (size_t k = 0; k < FUNCTIONS; k++) {
        const function *f = &functions[k];
        double worst = 0;
        float at = 0;
        for (uint64_t i = 0; i <= UINT32_MAX; i += step) {
            float x = f32_of((uint32_t)i);
            double distance = distance_f32(f->f32(x), f->reference((double)x));
            if (distance > worst) {
                worst = distance;
                at = x;
            }
        }
        print_message("%-8s f32 %.3f ulp at %a\n", f->name, worst, (double)at);
        assert_true(worst <= (f->ulps_f32 ? f->ulps_f32 : 0.5));
    }
}

/* Half the samples between low and high, then any bits, then any magnitude of ordinary size */
static double sample_f64(double low, double high) {
    uint64_t choice = random_bits();
    if (choice % 2) return low + (high - low) * random_unit();
    if (choice % 4) return f64_of(random_bits());
    double x = ldexp(1 + random_unit(), (int)(random_bits() % 80) - 70);
    return choice % 8 ? x : -x;
}

static void f64_within_bounds(void **state) {
    (void)state;
    const int samples = long_run() ? 10000000 : 50000;
    mpfr_t argument, want;
    mpfr_init2(argument, 53);
    mpfr_init2(want, 120);
    for (size_t k = 0; k < FUNCTIONS; k++) {
        const function *f = &functions[k];
        double worst = 0, at = 0;
        for (int i = 0; i < samples; i++) {
            double x = sample_f64(f->low, f->high);
            mpfr_set_d(argument, x, MPFR_RNDN);
            f->exact(want, argument, MPFR_RNDN);
            double distance = distance_f64(f->f64(x), want);
            if (distance > worst) {
                worst = distance;
                at = x;
            }
        }
        print_message("%-8s f64 %.3f ulp at %a\n", f->name, worst, at);
        assert_true(worst <= f->ulps_f64);
    }
    mpfr_clears(argument, want, (mpfr_ptr)0);
}

/* x of any size near 1 or not, y such that the result is mostly finite, or a small integer, or anything */
static void sample_powers(double limit, double *x, double *y) {
    uint64_t choice = random_bits();
    *x = ldexp(1 + random_unit(), (int)(random_bits() % (uint64_t)(1.8 * limit)) - (int)(0.9 * limit));
    if (choice % 4 == 0) *x = 1 + (random_unit() - 0.5) * ldexp(1, -(int)(random_bits() % 22));
    *y = (random_unit() - 0.5) * 2.1 * limit / log2(*x);
    if (choice % 16 / 4 == 0) *y = (double)((int)(random_bits() % 64) - 32);
    if (choice % 16 / 4 == 1) *x = -*x;
}

static void pow_within_bounds(void **state) {
    (void)state;
    double worst_f32 = 0, worst_f64 = 0, x, y;
    for (int i = 0; i < (long_run() ? 1000000000 : 1000000); i++) {
        sample_powers(150, &x, &y);
        float base = (float)x, exponent = (float)y;
        worst_f32 = fmax(worst_f32, distance_f32(math_pow_f32(base, exponent), pow((double)base, (double)exponent)));
    }
    mpfr_t base, exponent, want;
    mpfr_inits2(53, base, exponent, (mpfr_ptr)0);
    mpfr_init2(want, 120);
    for (int i = 0; i < (long_run() ? 10000000 : 50000); i++) {
        sample_powers(1075, &x, &y);
        mpfr_set_d(base, x, MPFR_RNDN);
        mpfr_set_d(exponent, y, MPFR_RNDN);
        mpfr_pow(want, base, exponent, MPFR_RNDN);
        worst_f64 = fmax(worst_f64, distance_f64(math_pow_f64(x, y), want));
    }
    mpfr_clears(base, exponent, want, (mpfr_ptr)0);
    print_message("pow      f32 %.3f ulp, f64 %.3f ulp\n", worst_f32, worst_f64);
    assert_true(worst_f32 <= 2 && worst_f64 <= 2);
}

/* The error of z as the p-quantile of the normal distribution: (Phi(z) - p) / phi(z), the smaller tail taken for p */
static double quantile_error(double p, double z, mpfr_t phi, mpfr_t other) {
    if (p == 0.5) return fabs(z);
    mpfr_set_d(phi, p < 0.5 ? -z : z, MPFR_RNDN);
    mpfr_sqrt_ui(other, 2, MPFR_RNDN);
    mpfr_div(phi, phi, other, MPFR_RNDN);
    mpfr_erfc(phi, phi, MPFR_RNDN);
    mpfr_div_ui(phi, phi, 2, MPFR_RNDN);
    mpfr_sub_d(phi, phi, p < 0.5 ? p : 1 - p, MPFR_RNDN);
    mpfr_set_d(other, z, MPFR_RNDN);
    mpfr_sqr(other, other, MPFR_RNDN);
    mpfr_div_ui(other, other, 2, MPFR_RNDN);
    mpfr_exp(other, other, MPFR_RNDN);
    mpfr_mul(phi, phi, other, MPFR_RNDN);
    return fabs(mpfr_get_d(phi, MPFR_RNDN) * 2.5066282746310002);
}

/* The unit in the last place of z, which is 0 or not small, in a type with so many digits */
static double place(double z, int digits) {
    int exponent;
    frexp(z, &exponent);
    return z == 0 ? 1 : ldexp(1, exponent - digits);
}

static void ndtri_within_bounds(void **state) {
    (void)state;
    mpfr_t phi, other;
    mpfr_inits2(160, phi, other, (mpfr_ptr)0);
    double worst_f32 = 0, worst_f64 = 0;
    for (int i = 0; i < (long_run() ? 10000000 : 50000); i++) {
        uint64_t choice = random_bits() % 4;
        double p = choice < 2    ? random_unit()
                   : choice == 2 ? ldexp(random_unit(), -(int)(random_bits() % 140))
                                 : 1 - ldexp(random_unit(), -(int)(random_bits() % 23));
        float narrow = (float)p, z = math_ndtri_f32(narrow);
        if (0 < narrow && narrow < 1)
            worst_f32 =
                fmax(worst_f32, quantile_error((double)narrow, (double)z, phi, other) / place((double)z, FLT_MANT_DIG));
        if (choice == 2) p = ldexp(p, -(int)(random_bits() % 900));
        double wide = math_ndtri_f64(p);
        if (0 < p && p < 1)
            worst_f64 = fmax(worst_f64, quantile_error(p, wide, phi, other) / place(wide, DBL_MANT_DIG));
    }
    mpfr_clears(phi, other, (mpfr_ptr)0);
    print_message("ndtri    f32 %.3f ulp, f64 %.3f ulp\n", worst_f32, worst_f64);
    assert_true(worst_f32 <= NDTRI_ULPS && worst_f64 <= NDTRI_ULPS);
}

typedef struct {
    const char *name;
    float (*f32)(float);
    double (*f64)(double);
    double x, want;
} special;

#define SPECIAL(name, x, want) \
    { #name, math_##name##_f32, math_##name##_f64, x, want }
static const special specials[] = {
    SPECIAL(exp, 0, 1),
    SPECIAL(exp, -0.0, 1),
    SPECIAL(exp, INFINITY, INFINITY),
    SPECIAL(exp, -INFINITY, 0),
    SPECIAL(exp, 1e4, INFINITY),
    SPECIAL(exp, -1e4, 0),
    SPECIAL(expm1, 0, 0),
    SPECIAL(expm1, -0.0, -0.0),
    SPECIAL(expm1, INFINITY, INFINITY),
    SPECIAL(expm1, -INFINITY, -1),
    SPECIAL(expm1, 1e-45, 1e-45),
    SPECIAL(log, 1, 0),
    SPECIAL(log, 0, -INFINITY),
    SPECIAL(log, -0.0, -INFINITY),
    SPECIAL(log, INFINITY, INFINITY),
    SPECIAL(log, -1, NAN),
    SPECIAL(log, -INFINITY, NAN),
    SPECIAL(log1p, 0, 0),
    SPECIAL(log1p, -0.0, -0.0),
    SPECIAL(log1p, -1, -INFINITY),
    SPECIAL(log1p, -1.5, NAN),
    SPECIAL(log1p, INFINITY, INFINITY),
    SPECIAL(log1p, -1e-45, -1e-45),
    SPECIAL(sin, 0, 0),
    SPECIAL(sin, -0.0, -0.0),
    SPECIAL(sin, INFINITY, NAN),
    SPECIAL(sin, -INFINITY, NAN),
    SPECIAL(cos, 0, 1),
    SPECIAL(cos, -0.0, 1),
    SPECIAL(cos, INFINITY, NAN),
    SPECIAL(tanh, 0, 0),
    SPECIAL(tanh, -0.0, -0.0),
    SPECIAL(tanh, INFINITY, 1),
    SPECIAL(tanh, -INFINITY, -1),
    SPECIAL(tanh, -1e-45, -1e-45),
    SPECIAL(sigmoid, 0, 0.5),
    SPECIAL(sigmoid, INFINITY, 1),
    SPECIAL(sigmoid, -INFINITY, 0),
    SPECIAL(erf, 0, 0),
    SPECIAL(erf, -0.0, -0.0),
    SPECIAL(erf, INFINITY, 1),
    SPECIAL(erf, -INFINITY, -1),
    SPECIAL(erfc, 0, 1),
    SPECIAL(erfc, -0.0, 1),
    SPECIAL(erfc, INFINITY, 0),
    SPECIAL(erfc, -INFINITY, 2),
    SPECIAL(erfc, 1e30, 0),
    SPECIAL(erfc, -1e30, 2),
    SPECIAL(erfc, 1e-45, 1),
    SPECIAL(ndtr, 0, 0.5),
    SPECIAL(ndtr, -0.0, 0.5),
    SPECIAL(ndtr, INFINITY, 1),
    SPECIAL(ndtr, -INFINITY, 0),
    SPECIAL(ndtr, 1e30, 1),
    SPECIAL(ndtr, -1e30, 0),
    SPECIAL(rsqrt, 4, 0.5),
    SPECIAL(rsqrt, 0, INFINITY),
    SPECIAL(rsqrt, -0.0, -INFINITY),
    SPECIAL(rsqrt, INFINITY, 0),
    SPECIAL(rsqrt, -1, NAN),
    SPECIAL(ndtri, 0.5, 0),
    SPECIAL(ndtri, 0, -INFINITY),
    SPECIAL(ndtri, 1, INFINITY),
    SPECIAL(ndtri, -0.25, NAN),
    SPECIAL(ndtri, 1.25, NAN),
    SPECIAL(ndtri, INFINITY, NAN),
    SPECIAL(floor, -0.0, -0.0),
    SPECIAL(floor, -0.5, -1),
    SPECIAL(floor, 8388607.5, 8388607),
    SPECIAL(floor, -INFINITY, -INFINITY),
};

/* C's Annex F, F.10.4.4 */
static const double powers[][3] = {
    {0, -3, INFINITY},
    {-0.0, -3, -INFINITY},
    {0, -2, INFINITY},
    {-0.0, -2, INFINITY},
    {-0.0, -0.5, INFINITY},
    {0, -INFINITY, INFINITY},
    {-0.0, 3, -0.0},
    {0, 3, 0},
    {-0.0, 2, 0},
    {-0.0, 0.5, 0},
    {-1, INFINITY, 1},
    {-1, -INFINITY, 1},
    {1, NAN, 1},
    {1, INFINITY, 1},
    {NAN, 0, 1},
    {INFINITY, -0.0, 1},
    {-2, 0.5, NAN},
    {-1, 1.5, NAN},
    {0.5, -INFINITY, INFINITY},
    {-0.5, -INFINITY, INFINITY},
    {2, -INFINITY, 0},
    {0.5, INFINITY, 0},
    {-2, INFINITY, INFINITY},
    {-INFINITY, -3, -0.0},
    {-INFINITY, -2.5, 0},
    {-INFINITY, 3, -INFINITY},
    {-INFINITY, 2, INFINITY},
    {-INFINITY, 0.5, INFINITY},
    {INFINITY, -1, 0},
    {INFINITY, 0.5, INFINITY},
    {-1, 3, -1},
    {-1, 1e30, 1},
    {-2, 3, -8},
    {NAN, 1, NAN},
    {-1, NAN, NAN},
    {0, NAN, NAN},
    {2, 10, 1024},
    {10, -400, 0},
    {-10, 401, -INFINITY},
};

static bool same(double a, double b) {
    return isnan(a) || isnan(b) ? isnan(a) && isnan(b) : a == b && !signbit(a) == !signbit(b);
}

static void special_values(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        const special *s = &specials[i];
        double f32 = (double)s->f32((float)s->x), f64 = s->f64(s->x);
        if (!same(f32, (double)(float)s->want) || !same(f64, s->want))
            fail_msg("%s(%a) is %a in f32 and %a in f64, not %a", s->name, s->x, f32, f64, s->want);
        assert_true(isnan(s->f32(NAN)) && isnan(s->f64((double)NAN)));
    }
    for (size_t i = 0; i < sizeof powers / sizeof *powers; i++) {
        const double *p = powers[i];
        double f32 = (double)math_pow_f32((float)p[0], (float)p[1]), f64 = math_pow_f64(p[0], p[1]);
        if (!same(f32, p[2]) || !same(f64, p[2]))
            fail_msg("pow(%a, %a) is %a in f32 and %a in f64, not %a", p[0], p[1], f32, f64, p[2]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(special_values),    cmocka_unit_test(f32_within_bounds),   cmocka_unit_test(f64_within_bounds),
        cmocka_unit_test(pow_within_bounds), cmocka_unit_test(ndtri_within_bounds),
    };
    return cmocka_run_group_tests_name("math", tests, NULL, NULL);
}
