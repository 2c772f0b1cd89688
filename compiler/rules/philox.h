/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; 2011).  A
 * number is a function of where it stands alone, so every element can be made by itself, in any order.
 *
 *     key     = seed, low and high word
 *     counter = index, low word;  stream xor (high word of index << 16);  counter of the call, low and high word
 *
 * The index is the element's row-major one, `stream` the node's own, the counter that of the state `rng`.  One block of
 * four words makes one number: an f32 takes the first 23 bits of word 0, an f64 the first 52 bits of words 0 and 1, and
 * both are then in the middle of their interval: never 0, never 1.
 */
#ifndef GRADUS_RULES_PHILOX_H
#define GRADUS_RULES_PHILOX_H

#include <stdint.h>

enum { PHILOX_ROUNDS = 10 };
#define PHILOX_M0 UINT32_C(0xD2511F53)
#define PHILOX_M1 UINT32_C(0xCD9E8D57)
#define PHILOX_W0 UINT32_C(0x9E3779B9)
#define PHILOX_W1 UINT32_C(0xBB67AE85)

static inline void philox_block(const uint32_t key[2], const uint32_t counter[4], uint32_t words[4]) {
    uint32_t k0 = key[0], k1 = key[1], c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * c0, p1 = (uint64_t)PHILOX_M1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

static inline void philox_words(uint64_t seed, uint64_t counter, uint32_t stream, uint64_t index, uint32_t words[4]) {
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t place[4] = {(uint32_t)index, stream ^ (uint32_t)(index >> 32) << 16, (uint32_t)counter,
                               (uint32_t)(counter >> 32)};
    philox_block(key, place, words);
}

static inline float philox_uniform_f32(uint64_t seed, uint64_t counter, uint32_t stream, uint64_t index) {
    uint32_t words[4];
    philox_words(seed, counter, stream, index, words);
    return ((float)(words[0] >> 9) + 0.5f) * 0x1p-23f;
}

static inline double philox_uniform_f64(uint64_t seed, uint64_t counter, uint32_t stream, uint64_t index) {
    uint32_t words[4];
    philox_words(seed, counter, stream, index, words);
    uint64_t leading = ((uint64_t)words[0] << 32 | words[1]) >> 12;
    return ((double)leading + 0.5) * 0x1p-52;
}

#endif
