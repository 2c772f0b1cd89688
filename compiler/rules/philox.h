/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers: Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers:
 * as easy as 1, 2, 3" (SC 2011).  The same key and counter give the same numbers, whoever asks, in whatever order.
 */
#ifndef GRADUS_RULES_PHILOX_H
#define GRADUS_RULES_PHILOX_H

#include <stdint.h>

#define PHILOX_MULTIPLIER_0 0xd2511f53u
#define PHILOX_MULTIPLIER_1 0xcd9e8d57u
#define PHILOX_KEY_STEP_0 0x9e3779b9u
#define PHILOX_KEY_STEP_1 0xbb67ae85u
#define PHILOX_LOW_STREAM 0x80000000u /* added to the stream for the low words of f64 */

/* One block: four words */
static inline void philox_block(const uint32_t key[2], const uint32_t counter[4], uint32_t words[4]) {
    uint32_t x0 = counter[0], x1 = counter[1], x2 = counter[2], x3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)PHILOX_MULTIPLIER_0 * x0, p1 = (uint64_t)PHILOX_MULTIPLIER_1 * x2;
        x0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0;
        x1 = (uint32_t)p1;
        x2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;
        x3 = (uint32_t)p0;
        k0 += PHILOX_KEY_STEP_0;
        k1 += PHILOX_KEY_STEP_1;
    }
    words[0] = x0;
    words[1] = x1;
    words[2] = x2;
    words[3] = x3;
}

/* The random word of an element.  Elements come in groups of 64 made of 16 neighbouring blocks: element r of a group has
 * word r / 16 of block r % 16, so that vectors of up to 16 neighbouring elements need one word of neighbouring blocks. */
static inline uint32_t philox_word(uint64_t seed, uint64_t counter, uint32_t stream, uint64_t index) {
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t block = (uint32_t)((index >> 6 << 4) + (index & 15));
    const uint32_t place[4] = {block, stream, (uint32_t)counter, (uint32_t)(counter >> 32)};
    uint32_t words[4];
    philox_block(key, place, words);
    return words[index >> 4 & 3];
}

/* Uniform on (0, 1): the midpoints of 2^23 or 2^52 equal parts, never 0 nor 1 */
static inline float philox_uniform_f32(uint64_t seed, uint64_t counter, uint32_t stream, uint64_t index) {
    return ((float)(philox_word(seed, counter, stream, index) >> 9) + 0.5f) * 0x1p-23f;
}

static inline double philox_uniform_f64(uint64_t seed, uint64_t counter, uint32_t stream, uint64_t index) {
    uint64_t high = philox_word(seed, counter, stream, index);
    uint64_t low = philox_word(seed, counter, stream + PHILOX_LOW_STREAM, index);
    return ((double)(high << 20 | low >> 12) + 0.5) * 0x1p-52;
}

#endif
