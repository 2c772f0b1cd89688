/* SPDX-License-Identifier: Apache-2.0
 * The floating-point mode that compiled code is made for: round to nearest, subnormals kept, no traps.  Callers may
 * have set another (-ffast-math alone turns subnormals off), which they get back, exception flags included. */
#ifndef GRADUS_RUNTIME_FLOAT_MODE_H
#define GRADUS_RUNTIME_FLOAT_MODE_H

#include <stdint.h>

#if defined(__x86_64__) && defined(__GNUC__)

#include <xmmintrin.h>

/* The x87 unit matters too: the C library reads its rounding mode when it converts numbers from and to text.  Its state
 * is slow to exchange, so that is done only where it is not the usual one. */
typedef struct {
    unsigned sse;
    uint16_t x87;
    unsigned char x87_state[28];
} float_mode;

enum { FLOAT_MODE_SSE = 0x1f80, FLOAT_MODE_X87 = 0x37f };

static inline float_mode float_mode_enter(void) {
    float_mode before;
    before.sse = _mm_getcsr();
    _mm_setcsr(FLOAT_MODE_SSE);
    __asm__ volatile("fnstcw %0" : "=m"(before.x87));
    if (before.x87 != FLOAT_MODE_X87) __asm__ volatile("fnstenv %0\n\tfninit" : "=m"(before.x87_state) : : "memory");
    return before;
}

static inline void float_mode_leave(float_mode before) {
    if (before.x87 != FLOAT_MODE_X87) __asm__ volatile("fldenv %0" : : "m"(before.x87_state) : "memory");
    _mm_setcsr(before.sse);
}

#elif defined(__aarch64__)

typedef struct {
    uint64_t control, flags;
} float_mode;

static inline float_mode float_mode_enter(void) {
    float_mode before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before.control));
    __asm__ volatile("mrs %0, fpsr" : "=r"(before.flags));
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0) : "memory");
    return before;
}

static inline void float_mode_leave(float_mode before) {
    __asm__ volatile("msr fpsr, %0" : : "r"(before.flags) : "memory");
    __asm__ volatile("msr fpcr, %0" : : "r"(before.control) : "memory");
}

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
