/* SPDX-License-Identifier: Apache-2.0
 * For tests of the evaluator: arrays with random elements, and one op's result on them by way of a graph of its own. */
#ifndef TESTS_UNIT_EVALUATING_H
#define TESTS_UNIT_EVALUATING_H

#include "rules/evaluate.h" /* before cmocka.h, whose macros include one named fail */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { OPERANDS = 4 };

static arena memory; /* of one test */

static inline int forget(void **state) {
    (void)state;
    arena_free(&memory);
    return 0;
}

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static inline uint64_t random_bits(void) { /* xorshift64* (Vigna 2016) */
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 0x2545f4914f6cdd1du;
}
static inline int64_t random_below(int64_t bound) { return (int64_t)(random_bits() % (uint64_t)bound); }
static inline double random_signed(void) { return (double)(int64_t)random_bits() * 0x1p-63; }

static inline void *room(size_t bytes) { /* in the test's arena */
    guard here;
    void *volatile p = NULL;
    if (GUARDED(&here)) {
        p = arena_alloc(&memory, bytes);
        guard_leave(&here);
    }
    assert_non_null(p);
    return p;
}

static inline gradus_shape shape(int rank, const int64_t *dims) {
    gradus_shape s = {{rank}};
    for (int i = 0; i < rank; i++) s.d[i + 1] = dims[i];
    return s;
}
#define SHAPE(...) GRADUS_SHAPE(__VA_ARGS__)

static inline int64_t size_of(const gradus_shape *s) {
    int64_t size = 1;
    for (int i = 1; i <= s->d[0]; i++) size *= s->d[i];
    return size;
}

/* The index of a row-major position, and back. */
static inline void unravel(const gradus_shape *s, int64_t position, int64_t *index) {
    for (int i = (int)s->d[0]; i-- > 0;) {
        index[i] = position % s->d[i + 1];
        position /= s->d[i + 1];
    }
}
static inline int64_t ravel(const gradus_shape *s, const int64_t *index) {
    int64_t position = 0;
    for (int i = 0; i < s->d[0]; i++) position = position * s->d[i + 1] + index[i];
    return position;
}

static inline array array_of(gradus_dtype dtype, gradus_shape s) {
    return (array){dtype, s, room((size_t)size_of(&s) * gradus_dtype_size(dtype) + 1)};
}

static inline scalar get(const array *a, int64_t i) {
    scalar s = {.bits = 0};
    switch (a->dtype) {
    case GRADUS_F32: s.f32 = ((const float *)a->data)[i]; break;
    case GRADUS_F64: s.f64 = ((const double *)a->data)[i]; break;
    case GRADUS_I32: s.i32 = ((const int32_t *)a->data)[i]; break;
    case GRADUS_I64: s.i64 = ((const int64_t *)a->data)[i]; break;
    case GRADUS_U8:
    case GRADUS_BOOL: s.u8 = ((const uint8_t *)a->data)[i]; break;
    }
    return s;
}

static inline void set(array *a, int64_t i, scalar s) {
    switch (a->dtype) {
    case GRADUS_F32: ((float *)a->data)[i] = s.f32; break;
    case GRADUS_F64: ((double *)a->data)[i] = s.f64; break;
    case GRADUS_I32: ((int32_t *)a->data)[i] = s.i32; break;
    case GRADUS_I64: ((int64_t *)a->data)[i] = s.i64; break;
    case GRADUS_U8:
    case GRADUS_BOOL: ((uint8_t *)a->data)[i] = s.u8; break;
    }
}

static inline array random_array(gradus_dtype dtype, gradus_shape s) {
    array a = array_of(dtype, s);
    for (int64_t i = 0; i < size_of(&s); i++) {
        scalar v = {.bits = random_bits()};
        if (dtype == GRADUS_F32) v.f32 = (float)random_signed();
        if (dtype == GRADUS_F64) v.f64 = random_signed();
        if (dtype == GRADUS_BOOL) v.u8 &= 1;
        set(&a, i, v);
    }
    return a;
}

static inline array random_indices(gradus_shape s, int64_t bound) {
    array a = array_of(GRADUS_I32, s);
    for (int64_t i = 0; i < size_of(&s); i++) set(&a, i, (scalar){.i32 = (int32_t)random_below(bound)});
    return a;
}

/* Equal bits, or both NaN. */
static inline bool same(gradus_dtype dtype, scalar a, scalar b) {
    if (dtype == GRADUS_F32 && a.f32 != a.f32) return b.f32 != b.f32;
    if (dtype == GRADUS_F64 && a.f64 != a.f64) return b.f64 != b.f64;
    return memcmp(&a, &b, gradus_dtype_size(dtype)) == 0;
}

static inline double shown(gradus_dtype dtype, scalar a) {
    switch (dtype) {
    case GRADUS_F32: return (double)a.f32;
    case GRADUS_F64: return a.f64;
    case GRADUS_I32: return a.i32;
    case GRADUS_I64: return (double)a.i64;
    case GRADUS_U8:
    case GRADUS_BOOL: return a.u8;
    }
    return 0;
}

static inline void assert_same(const char *what, int64_t i, gradus_dtype dtype, scalar got, scalar expected) {
    if (!same(dtype, got, expected))
        fail_msg("%s, %s, element %lld: %.17g instead of %.17g", what, gradus_dtype_name(dtype), (long long)i,
                 shown(dtype, got), shown(dtype, expected));
}

/* --- one op by way of a graph ----------------------------------------------------------------------------------- */

typedef struct {
    op_code op;
    attrs attr;
    gradus_dtype dtype; /* as in node_spec */
    gradus_shape shape;
    int64_t batch;      /* 0: 1 */
    gradus_shape given; /* of operand 0, where it depends on the batch */
    gradus_status status;
} trial;

static inline void bind_trial(void *user, uint32_t id, const node *n, array *out) {
    const array *x = user;
    (void)n;
    assert_int_equal(out->dtype, x[id - 1].dtype); /* poison is node 0 */
    assert_int_equal(size_of(&out->shape), size_of(&x[id - 1].shape));
    memcpy(out->data, x[id - 1].data, (size_t)size_of(&out->shape) * gradus_dtype_size(out->dtype));
}

static inline array run(trial *t, uint32_t count, const array *x) {
    static const char *const names[OPERANDS] = {"a", "b", "c", "d"};
    gradus_graph *g = graph_new();
    assert_non_null(g);
    array *volatile result = room(sizeof(array));
    volatile gradus_status status = GRADUS_ERROR_MEMORY;
    guard here;
    if (GUARDED(&here)) {
        uint32_t inputs[OPERANDS];
        for (uint32_t i = 0; i < count; i++) {
            gradus_shape s = i == 0 && t->batch ? t->given : x[i].shape;
            inputs[i] =
                graph_add(g, &(node_spec){.op = OP_input, .attr.name = names[i], .dtype = x[i].dtype, .shape = s});
        }
        g->here = (source){"user.c", 7};
        uint32_t output = graph_add(g, &(node_spec){.op = t->op,
                                                    .n_inputs = count,
                                                    .inputs = inputs,
                                                    .attr = t->attr,
                                                    .dtype = t->dtype,
                                                    .shape = t->shape});
        if (g->status) print_message("%s\n", g->error);
        entry e = {.name = "run", .inputs = inputs, .n_inputs = count, .outputs = &output, .n_outputs = 1};
        status = g->status;
        if (!status)
            status = evaluate_entry(g, &e,
                                    &(evaluation){.batch = t->batch ? t->batch : 1,
                                                  .bind = bind_trial,
                                                  .user = (void *)(uintptr_t)x,
                                                  .memory = &memory,
                                                  .outputs = result});
        guard_leave(&here);
    }
    graph_free(g);
    t->status = status;
    return *result;
}

/* The same, where it must succeed. */
static inline array result_of(trial t, uint32_t count, const array *x) {
    array r = run(&t, count, x);
    if (t.status) fail_msg("%s: %s", op_name(t.op), gradus_last_error());
    return r;
}

#endif
