/* SPDX-License-Identifier: Apache-2.0
 * What a thread may have set when it calls the library: floating-point modes and a locale. */
#ifndef TESTS_SURROUNDINGS_H
#define TESTS_SURROUNDINGS_H

#include "tests/german.h"

#include <fenv.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { USUAL, FLUSHING, UPWARD, DOWNWARD, TOWARD_ZERO, TRAPPING, GERMAN, SURROUNDINGS };
static const char *const surroundings_names[] = {"usual",       "flushing subnormals", "rounding upward",
                                                 "rounding downward", "rounding toward zero", "trapping", "German"};

/* False where this machine does not have them. */
static inline bool surroundings_set(int which) {
    switch (which) {
    case USUAL: return true;
    case UPWARD: return fesetround(FE_UPWARD) == 0;
    case DOWNWARD: return fesetround(FE_DOWNWARD) == 0;
    case TOWARD_ZERO: return fesetround(FE_TOWARDZERO) == 0;
    case GERMAN: return speak_german();
#if defined(__x86_64__)
    case FLUSHING: /* as gcc -ffast-math does at the start of a program */
        _mm_setcsr(_mm_getcsr() | 0x8040);
        return true;
#endif
#if defined(__GLIBC__)
    case TRAPPING: return feenableexcept(FE_ALL_EXCEPT) != -1;
#endif
    default: return false;
    }
}

static inline void surroundings_reset(void) {
    fesetenv(FE_DFL_ENV);
    setlocale(LC_ALL, "C");
}

/* All of it as bytes, to be compared.  Modes alone: what a computation of the caller's own raises is not part of it. */
typedef struct {
    int rounding, traps;
    unsigned control;
    char point[8];
} surroundings;

static inline surroundings surroundings_now(void) {
    surroundings s;
    memset(&s, 0, sizeof s);
    s.rounding = fegetround();
#if defined(__GLIBC__)
    s.traps = fegetexcept();
#endif
#if defined(__x86_64__)
    s.control = _mm_getcsr() & ~(unsigned)_MM_EXCEPT_MASK;
#endif
    strncpy(s.point, localeconv()->decimal_point, sizeof s.point - 1);
    return s;
}

static inline bool surroundings_are(const surroundings *before) {
    const surroundings now = surroundings_now();
    return memcmp(before, &now, sizeof now) == 0;
}

#endif
