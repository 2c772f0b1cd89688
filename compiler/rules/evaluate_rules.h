/* SPDX-License-Identifier: Apache-2.0
 * What the parts of the evaluator share: the functions that the op table's evaluate column names, and elements of
 * arrays as scalars. */
#ifndef GRADUS_RULES_EVALUATE_RULES_H
#define GRADUS_RULES_EVALUATE_RULES_H

#include "rules/evaluate.h"

#include <string.h>

#ifdef __clang__ /* gcc has no such pragma; it is built with -ffp-contract=off */
#pragma STDC FP_CONTRACT OFF
#endif

#define SCALAR(f) scalar evaluate_##f(const node *n, gradus_dtype operand, const scalar *x);
#define TENSOR(f) gradus_status evaluate_##f(const node *n, int64_t batch, const array *x, array *out);
#define OP(name, builder, arity, kind, operands, attributes, shape, gradient, evaluate, emit, flags, mathematics) \
    evaluate
#include "ir/ops.def"
#undef OP
#undef SCALAR
#undef TENSOR

/* `value` as an element of another dtype, by the rule of `cast`. */
scalar cast_scalar(gradus_dtype from, gradus_dtype to, scalar value);

/* The element at a row-major position; the scalar's other bytes are zero, so that equal scalars have equal bits.
 * Copies of a constant size are single instructions. */
static inline scalar element_get(const array *a, int64_t position) {
    scalar s = {.bits = 0};
    switch (a->dtype) {
    case GRADUS_F32:
    case GRADUS_I32: memcpy(&s, (const unsigned char *)a->data + position * 4, 4); break;
    case GRADUS_F64:
    case GRADUS_I64: memcpy(&s, (const unsigned char *)a->data + position * 8, 8); break;
    case GRADUS_U8:
    case GRADUS_BOOL: s.u8 = ((const uint8_t *)a->data)[position]; break;
    }
    return s;
}

static inline void element_set(array *a, int64_t position, scalar value) {
    switch (a->dtype) {
    case GRADUS_F32:
    case GRADUS_I32: memcpy((unsigned char *)a->data + position * 4, &value, 4); break;
    case GRADUS_F64:
    case GRADUS_I64: memcpy((unsigned char *)a->data + position * 8, &value, 8); break;
    case GRADUS_U8:
    case GRADUS_BOOL: ((uint8_t *)a->data)[position] = value.u8; break;
    }
}

/* The product of the extents of axes from … to-1, all of them numbers. */
static inline int64_t extents_product(const gradus_shape *s, int from, int to) {
    int64_t product = 1;
    for (int axis = from; axis < to; axis++) product *= shape_dim(s, axis);
    return product;
}

/* GRADUS_ERROR_ARGUMENT, said of `n`, unless 0 <= index < bound. */
gradus_status check_bound(const node *n, int64_t index, int64_t position, int64_t bound);

#endif
