/* SPDX-License-Identifier: Apache-2.0
 * The floating-point mode that compiled code is made for: round to nearest, subnormals kept, no traps.  Callers may
 * have set another (-ffast-math alone turns subnormals off), which they get back. */
#ifndef GRADUS_RUNTIME_FLOAT_MODE_H
#define GRADUS_RUNTIME_FLOAT_MODE_H

#include <stdint.h>

#if defined(__SSE__)

#include <xmmintrin.h>
typedef unsigned float_mode;
static inline float_mode float_mode_enter(void) {
    float_mode before = _mm_getcsr();
    _mm_setcsr(0x1f80);
    return before;
}
static inline void float_mode_leave(float_mode before) { _mm_setcsr(before); }

#elif defined(__aarch64__)

typedef uint64_t float_mode;
static inline float_mode float_mode_enter(void) {
    float_mode before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0) : "memory");
    return before;
}
static inline void float_mode_leave(float_mode before) { __asm__ volatile("msr fpcr, %0" : : "r"(before) : "memory"); }

#else

#include <fenv.h>
typedef fenv_t float_mode;
static inline float_mode float_mode_enter(void) {
    float_mode before;
    fegetenv(&before);
    fesetenv(FE_DFL_ENV);
    return before;
}
static inline void float_mode_leave(float_mode before) { fesetenv(&before); }

#endif
#endif
