/* SPDX-License-Identifier: Apache-2.0
 * Random orders of rows: a counter-based generator, so that an order depends on its key alone.  The numbers are
 * those of SplitMix64 (Steele, Lea, Flood 2014: a Weyl sequence through a 64-bit finalizer). */
#ifndef GRADUS_RUNTIME_DATA_RANDOM_H
#define GRADUS_RUNTIME_DATA_RANDOM_H

#include <stdint.h>

typedef struct {
    uint64_t counter;
} random_source;

static inline uint64_t random_mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t random_next(random_source *r) { return random_mix(r->counter += 0x9e3779b97f4a7c15u); }

/* A source for each (seed, stream): batches use the epoch as stream, splitting ~0. */
static inline random_source random_of(uint64_t seed, uint64_t stream) {
    random_source r = {seed};
    r.counter = random_next(&r) ^ stream;
    r.counter = random_next(&r);
    return r;
}

/* 0 … n-1, each equally likely. */
static inline uint64_t random_below(random_source *r, uint64_t n) {
    uint64_t drawn, end = UINT64_MAX - UINT64_MAX % n; /* a multiple of n */
    do drawn = random_next(r);
    while (drawn >= end);
    return drawn % n;
}

/* 0 … n-1 in a random order (Fisher and Yates). */
static inline void random_order(random_source *r, int64_t *order, int64_t n) {
    for (int64_t i = 0; i < n; i++) order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)random_below(r, (uint64_t)i + 1), other = order[j];
        order[j] = order[i];
        order[i] = other;
    }
}

#endif
