/* SPDX-License-Identifier: Apache-2.0
 * Reductions and contractions, in the order that order.h fixes to the last bit.  See evaluate.h. */
#include "rules/evaluate_rules.h"
#include "rules/order.h"

#include <assert.h>
#include <math.h>

/* --- sum, prod, max, min: one driver -------------------------------------------------------------------------- */

typedef struct {
    scalar_rule combine; /* the elementwise op of two operands */
    scalar identity;
    gradus_dtype dtype;
} reduction;

static scalar scalar_of(gradus_dtype dtype, int64_t value) {
    return cast_scalar(GRADUS_I64, dtype, (scalar){.i64 = value});
}

/* What no element is below (sign 1) or above (sign -1). */
static scalar extreme(gradus_dtype dtype, int sign) {
    scalar r = {.bits = 0};
    switch (dtype) {
    case GRADUS_F32: r.f32 = sign < 0 ? -INFINITY : INFINITY; break;
    case GRADUS_F64: r.f64 = sign < 0 ? -(double)INFINITY : (double)INFINITY; break;
    case GRADUS_I32: r.i32 = sign < 0 ? INT32_MIN : INT32_MAX; break;
    case GRADUS_I64: r.i64 = sign < 0 ? INT64_MIN : INT64_MAX; break;
    case GRADUS_U8: r.u8 = sign < 0 ? 0 : UINT8_MAX; break;
    case GRADUS_BOOL: r.u8 = sign > 0; break;
    }
    return r;
}

static reduction reduction_of(op_code op, gradus_dtype dtype) {
    bool boolean = dtype == GRADUS_BOOL;
    switch (op) {
    case OP_sum: return (reduction){evaluate_add, scalar_of(dtype, 0), dtype};
    case OP_prod: return (reduction){evaluate_mul, scalar_of(dtype, 1), dtype};
    case OP_max: return (reduction){boolean ? evaluate_logical_or : evaluate_maximum, extreme(dtype, -1), dtype};
    case OP_min: return (reduction){boolean ? evaluate_logical_and : evaluate_minimum, extreme(dtype, 1), dtype};
    default: assert(false && "not a reduction"); return (reduction){evaluate_add, scalar_of(dtype, 0), dtype};
    }
}

static scalar combine(const reduction *r, scalar a, scalar b) {
    scalar pair[2] = {a, b};
    return r->combine(NULL, r->dtype, pair);
}

/* The n elements from `first` on, in ORDER_LANES lanes. */
static scalar reduce_lanes(const reduction *r, const array *x, int64_t first, int64_t n) {
    scalar lane[ORDER_LANES];
    for (int i = 0; i < ORDER_LANES; i++) lane[i] = r->identity;
    for (int64_t e = 0; e < n; e++) {
        scalar *acc = &lane[e % ORDER_LANES];
        *acc = combine(r, *acc, element_get(x, first + e));
    }
    for (int half = ORDER_LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) lane[i] = combine(r, lane[i], lane[i + half]);
    return lane[0];
}

/* The n elements at `first`, `first + step`, … in blocks of ORDER_ROWS. */
static scalar reduce_blocks(const reduction *r, const array *x, int64_t first, int64_t step, int64_t n) {
    scalar result = r->identity;
    for (int64_t block = 0; block < n; block += ORDER_ROWS) {
        scalar chain = r->identity;
        for (int64_t row = block; row < n && row < block + ORDER_ROWS; row++)
            chain = combine(r, chain, element_get(x, first + row * step));
        result = combine(r, result, chain);
    }
    return result;
}

/* The operand's static shape, for the order must not depend on the batch of the call: the result's extents with the
 * reduced axes put back (whether those depend on the batch changes nothing). */
static gradus_shape static_operand(const node *n, const array *x) {
    int count = n->attr.axes.d[0], first = n->attr.axes.d[1];
    gradus_shape s = x->shape;
    for (int axis = 0; axis < shape_rank(&n->shape); axis++)
        s.d[(axis < first ? axis : axis + count) + 1] = shape_dim(&n->shape, axis);
    return s;
}

gradus_status evaluate_reduce(const node *n, int64_t batch, const array *x, array *out) {
    assert(n->attr.axes.d[0] > 0);
    gradus_shape shape = static_operand(n, x);
    reduction_order order = order_of_reduction(&shape, &n->attr.axes);
    int64_t outer = extent_at(order.outer, batch), count = extent_at(order.n, batch),
            inner = extent_at(order.inner, batch);
    reduction r = reduction_of(n->op, x->dtype);
    for (int64_t i = 0; i < outer * inner; i++) {
        int64_t o = i / inner, k = i % inner;
        element_set(out, i,
                    order.lanes ? reduce_lanes(&r, x, o * count, count)
                                : reduce_blocks(&r, x, o * count * inner + k, inner, count));
    }
    return GRADUS_OK;
}

/* Whether `a` beats the largest so far: NaN beats all but NaN, equals do not. */
static bool is_larger(gradus_dtype dtype, scalar a, scalar largest) {
    switch (dtype) {
    case GRADUS_F32: return largest.f32 == largest.f32 && !(a.f32 <= largest.f32);
    case GRADUS_F64: return largest.f64 == largest.f64 && !(a.f64 <= largest.f64);
    case GRADUS_I32: return a.i32 > largest.i32;
    case GRADUS_I64: return a.i64 > largest.i64;
    case GRADUS_U8:
    case GRADUS_BOOL: return a.u8 > largest.u8;
    }
    return false;
}

gradus_status evaluate_argmax(const node *n, int64_t batch, const array *x, array *out) {
    (void)batch;
    int first = n->attr.axes.d[1], behind = first + n->attr.axes.d[0];
    int64_t outer = extents_product(&x->shape, 0, first), count = extents_product(&x->shape, first, behind);
    int64_t inner = extents_product(&x->shape, behind, shape_rank(&x->shape));
    for (int64_t i = 0; i < outer * inner; i++) {
        int64_t start = i / inner * count * inner + i % inner, best = 0;
        for (int64_t j = 1; j < count; j++)
            if (is_larger(x->dtype, element_get(x, start + j * inner), element_get(x, start + best * inner))) best = j;
        element_set(out, i, scalar_of(out->dtype, best));
    }
    return GRADUS_OK;
}

/* --- matmul --------------------------------------------------------------------------------------------------- */

enum { COLUMNS = 256 }; /* of the result at a time: the chains stay in the first cache, and need no allocation */

/* Without the instruction, fma() is a slow function of the C library, with the same result.  So on x86-64 the loops are
 * compiled twice. */
#if defined(__x86_64__) && !defined(__FMA__)
#define HAS_FMA (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#define WITH_FMA __attribute__((target("avx2,fma")))
#else
#define HAS_FMA false
#define WITH_FMA
#endif

typedef struct {
    int64_t m, k, n;
} contraction;

/* r = x y, row-major, for one index of the leading axes.  Rows of y in k's order, many chains side by side. */
#define CONTRACT(T, suffix, FMA)                                                                                       \
    static inline __attribute__((always_inline)) void contract_##suffix(contraction c, const T *x, const T *y, T *r) { \
        for (int64_t first = 0; first < c.n; first += COLUMNS) {                                                       \
            int64_t columns = c.n - first < COLUMNS ? c.n - first : COLUMNS;                                           \
            for (int64_t i = 0; i < c.m; i++) {                                                                        \
                T *row = r + i * c.n + first;                                                                          \
                for (int64_t k = 0; k == 0 || k < c.k; k += ORDER_DEPTH) {                                             \
                    T chain[COLUMNS] = {0};                                                                            \
                    for (int64_t d = k; d < c.k && d < k + ORDER_DEPTH; d++) {                                         \
                        const T a = x[i * c.k + d], *b = y + d * c.n + first;                                          \
                        for (int64_t j = 0; j < columns; j++) chain[j] = FMA(a, b[j], chain[j]);                       \
                    }                                                                                                  \
                    for (int64_t j = 0; j < columns; j++) row[j] = k ? row[j] + chain[j] : chain[j];                   \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    WITH_FMA static void contract_##suffix##_with(contraction c, const T *x, const T *y, T *r) {                       \
        contract_##suffix(c, x, y, r);                                                                                 \
    }                                                                                                                  \
    static void contract_##suffix##_without(contraction c, const T *x, const T *y, T *r) {                             \
        contract_##suffix(c, x, y, r);                                                                                 \
    }

CONTRACT(float, f32, __builtin_fmaf)
CONTRACT(double, f64, __builtin_fma)

gradus_status evaluate_matmul(const node *n, int64_t batch, const array *x, array *out) {
    (void)n, (void)batch;
    int rank = shape_rank(&out->shape);
    contraction c = {shape_dim(&out->shape, rank - 2), shape_dim(&x[0].shape, rank - 1),
                     shape_dim(&out->shape, rank - 1)};
    int64_t pairs = extents_product(&out->shape, 0, rank - 2);
    for (int64_t p = 0; p < pairs; p++) {
        int64_t at_x = p * c.m * c.k, at_y = p * c.k * c.n, at_r = p * c.m * c.n;
        if (out->dtype == GRADUS_F32)
            (HAS_FMA ? contract_f32_with : contract_f32_without)(
                c, (const float *)x[0].data + at_x, (const float *)x[1].data + at_y, (float *)out->data + at_r);
        else
            (HAS_FMA ? contract_f64_with : contract_f64_without)(
                c, (const double *)x[0].data + at_x, (const double *)x[1].data + at_y, (double *)out->data + at_r);
    }
    return GRADUS_OK;
}
