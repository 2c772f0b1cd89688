/* SPDX-License-Identifier: Apache-2.0
 * Random numbers, and values for the calls of random graphs.  See random_graph.h. */
#include "tests/random_graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

uint64_t random_next(random_source *r) {
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

int64_t random_up_to(random_source *r, int64_t bound) { return (int64_t)(random_next(r) % (uint64_t)bound); }

double random_between(random_source *r, double low, double high) {
    return low + (high - low) * (double)(random_next(r) >> 11) * 0x1p-53;
}

bool random_is_wild(uint64_t seed) { return seed % 3 == 0; }

double random_special(random_source *r) {
    static const double specials[] = {0,      -0.0,   INFINITY, -INFINITY, NAN,    1,
                                      -1,     1e30,   -1e30,    1e-30,     -1e-30, 1e-40,
                                      -1e-45, 1e-310, 5e-324,   16777217,  3e38,   -2147483648.0};
    return specials[random_up_to(r, sizeof specials / sizeof *specials)];
}

static double draw_float(random_source *r, bool positive_only) {
    double value = random_up_to(r, 6) ? random_between(r, -2, 2) : (double)(random_up_to(r, 5) - 2);
    return positive_only && value < 0 ? -value : value;
}

static void set_element(array *out, int64_t i, double value) {
    scalar s = scalar_from_double(out->dtype, value);
    size_t size = gradus_dtype_size(out->dtype);
    memcpy((unsigned char *)out->data + (size_t)i * size, &s, size);
}

void random_values(uint64_t seed, const node *n, array *out) {
    const char *name = n->attr.name ? n->attr.name : op_name(n->op);
    random_source r = {hash_bytes(HASH_START ^ seed, name, strlen(name))};
    const char *bound = strrchr(name, '_');
    int64_t limit = strncmp(name, "index", 5) == 0 && bound ? strtoll(bound + 1, NULL, 10) : 0;
    size_t length = strlen(name);
    bool moment = length > 2 && (!strcmp(name + length - 2, "/v") || strstr(name, "/c1") || strstr(name, "/c2"));
    int64_t count = shape_elements(&out->shape);
    const bool given =
        !limit && (n->op == OP_input || n->op == OP_param); /* what an optimizer keeps is never special */
    const bool wild = given && random_is_wild(seed) && random_up_to(&r, 2);
    for (int64_t i = 0; i < count; i++) {
        double value = 0;
        if (n->op == OP_seed || !strcmp(name, "rng")) value = i == 0 ? 7 : 0;
        else if (limit) value = (double)random_up_to(&r, limit);
        else if (out->dtype == GRADUS_U8) value = (double)random_up_to(&r, 256);
        else if (out->dtype != GRADUS_BOOL) value = draw_float(&r, moment);
        if (wild && random_up_to(&r, 12) == 0) value = random_special(&r);
        if (strstr(name, "/c1") || strstr(name, "/c2")) value = 0.1 + 0.4 * value; /* 1 - beta^t, within (0, 1) */
        set_element(out, i, value);
    }
}

void random_bind(void *user, uint32_t id, const node *n, array *out) {
    (void)id;
    random_values(*(const uint64_t *)user, n, out);
}
