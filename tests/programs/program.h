/* SPDX-License-Identifier: Apache-2.0
 * What the drivers of users' programs share.  Each driver includes the program as its user wrote it and runs it. */
#ifndef TESTS_PROGRAMS_PROGRAM_H
#define TESTS_PROGRAMS_PROGRAM_H

#include "tests/cmocka_all.h"

#include <gradus/gradus.h>
#include <math.h>
#include <string.h>

#define OK(call)                                                                   \
    do {                                                                           \
        if ((call) != GRADUS_OK) fail_msg("%s: %s", #call, gradus_last_error());   \
    } while (0)

enum { PARAMETER_MOST = 1 << 20 };

/* A state tensor of F32s; the caller frees nothing: one lives at a time for each `slot`. */
static inline const float *read_state(gradus_program *p, const char *name, int slot, size_t *count) {
    static float room[4][PARAMETER_MOST];
    gradus_info info;
    for (size_t i = 0; gradus_program_info(p, NULL, GRADUS_STATE, i, 0, &info) == GRADUS_OK; i++) {
        if (strcmp(info.name, name) != 0) continue;
        assert_int_equal(info.dtype, GRADUS_F32);
        assert_true(info.bytes <= sizeof room[slot]);
        OK(gradus_program_read(p, name, room[slot], info.bytes));
        *count = info.bytes / sizeof(float);
        return room[slot];
    }
    fail_msg("there is no state \"%s\"", name);
    return NULL;
}

/* Pseudo-random numbers in [-1, 1) (xorshift64*, Vigna 2016). */
static inline float noise(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (float)((double)(int64_t)(*state * 0x2545f4914f6cdd1du) * 0x1p-63);
}

#endif
