/* SPDX-License-Identifier: Apache-2.0
 *
 * Building with tensors: selection, movement, reductions, contraction and look-up.  The plain elementwise operations
 * are in ops.h, what neural networks need beside them in nn.h.
 *
 * An axis counts from 0; -1 is the last.  A call that cannot be obeyed returns poison and the graph keeps the first
 * error, see graph.h.  An extent that is a multiple of the run-time batch may be reduced, broadcast, transposed, and
 * reshaped where it stays a multiple, but not sliced, padded, split, concatenated or looked up along: these are errors.
 */
#ifndef GRADUS_BUILD_H
#define GRADUS_BUILD_H

#include <gradus/common.h>
#ifdef __cplusplus
extern "C" {
#endif

/* --- elementwise ------------------------------------------------------------------------------------------------- */

/* x where the condition holds, else y.  The condition is BOOL, x and y have one dtype; all three broadcast. */
GRADUS_API gradus_tensor gradus_where_at(const char *file, int line, gradus_tensor condition, gradus_tensor x,
                                         gradus_tensor y);
GRADUS_API gradus_tensor gradus_where(gradus_tensor condition, gradus_tensor x, gradus_tensor y);
#define gradus_where(...) gradus_where_at(GRADUS_HERE_, __VA_ARGS__)

/* x in another dtype.  Floats to integers go towards zero and saturate, NaN to 0; integers to integers wrap; to BOOL is
 * x != 0.  The derivative passes between F32 and F64 and is 0 otherwise. */
GRADUS_API gradus_tensor gradus_cast_at(const char *file, int line, gradus_tensor x, gradus_dtype dtype);
GRADUS_API gradus_tensor gradus_cast(gradus_tensor x, gradus_dtype dtype);
#define gradus_cast(...) gradus_cast_at(GRADUS_HERE_, __VA_ARGS__)

/* x > y, x >= y, x != y: BOOL.  Comparisons with NaN are false, but != with it is true. */
GRADUS_API gradus_tensor gradus_greater_at(const char *file, int line, gradus_tensor x, gradus_tensor y);
GRADUS_API gradus_tensor gradus_greater(gradus_tensor x, gradus_tensor y);
#define gradus_greater(...) gradus_greater_at(GRADUS_HERE_, __VA_ARGS__)
GRADUS_API gradus_tensor gradus_greater_equal_at(const char *file, int line, gradus_tensor x, gradus_tensor y);
GRADUS_API gradus_tensor gradus_greater_equal(gradus_tensor x, gradus_tensor y);
#define gradus_greater_equal(...) gradus_greater_equal_at(GRADUS_HERE_, __VA_ARGS__)
GRADUS_API gradus_tensor gradus_not_equal_at(const char *file, int line, gradus_tensor x, gradus_tensor y);
GRADUS_API gradus_tensor gradus_not_equal(gradus_tensor x, gradus_tensor y);
#define gradus_not_equal(...) gradus_not_equal_at(GRADUS_HERE_, __VA_ARGS__)

/* x * x.  Any dtype but BOOL. */
GRADUS_API gradus_tensor gradus_square_at(const char *file, int line, gradus_tensor x);
GRADUS_API gradus_tensor gradus_square(gradus_tensor x);
#define gradus_square(...) gradus_square_at(GRADUS_HERE_, __VA_ARGS__)

/* min(max(x, low), high), the bounds converted to x's dtype.  NaN stays.  The derivative is 1 inside, 0 outside,
 * 1/2 at a bound.  Errors: low > high, or a bound that is NaN. */
GRADUS_API gradus_tensor gradus_clip_at(const char *file, int line, gradus_tensor x, double low, double high);
GRADUS_API gradus_tensor gradus_clip(gradus_tensor x, double low, double high);
#define gradus_clip(...) gradus_clip_at(GRADUS_HERE_, __VA_ARGS__)

/* --- movement ---------------------------------------------------------------------------------------------------- */

/* The same elements, row-major, in another shape with as many: (B, 4, 3) to (4B, 3) is exact.  One extent may be
 * GRADUS_INFER. */
GRADUS_API gradus_tensor gradus_reshape_at(const char *file, int line, gradus_tensor x, gradus_shape shape);
GRADUS_API gradus_tensor gradus_reshape(gradus_tensor x, gradus_shape shape);
#define gradus_reshape(...) gradus_reshape_at(GRADUS_HERE_, __VA_ARGS__)

/* Axis i of the result is axis axes[i] of x.  GRADUS_ALL_AXES reverses the order. */
GRADUS_API gradus_tensor gradus_transpose_at(const char *file, int line, gradus_tensor x, gradus_axes axes);
GRADUS_API gradus_tensor gradus_transpose(gradus_tensor x, gradus_axes axes);
#define gradus_transpose(...) gradus_transpose_at(GRADUS_HERE_, __VA_ARGS__)

/* x repeated to the shape: aligned at the last axes, extents of 1 and missing ones repeat. */
GRADUS_API gradus_tensor gradus_broadcast_to_at(const char *file, int line, gradus_tensor x, gradus_shape shape);
GRADUS_API gradus_tensor gradus_broadcast_to(gradus_tensor x, gradus_shape shape);
#define gradus_broadcast_to(...) gradus_broadcast_to_at(GRADUS_HERE_, __VA_ARGS__)

/* The elements low, low+1, ..., high-1 along an axis.  Negative low or high count from the end, as in Python; INT64_MAX
 * as high is the end.  Errors: low > high or beyond the extent. */
GRADUS_API gradus_tensor gradus_slice_at(const char *file, int line, gradus_tensor x, int axis, int64_t low,
                                         int64_t high);
GRADUS_API gradus_tensor gradus_slice(gradus_tensor x, int axis, int64_t low, int64_t high);
#define gradus_slice(...) gradus_slice_at(GRADUS_HERE_, __VA_ARGS__)

/* `before` times the value, then x, then `behind` times the value, along an axis. */
GRADUS_API gradus_tensor gradus_pad_at(const char *file, int line, gradus_tensor x, int axis, int64_t before,
                                       int64_t behind, double value);
GRADUS_API gradus_tensor gradus_pad(gradus_tensor x, int axis, int64_t before, int64_t behind, double value);
#define gradus_pad(...) gradus_pad_at(GRADUS_HERE_, __VA_ARGS__)

/* One after the other along an axis: one dtype, shapes equal but along that axis.  At least one tensor. */
GRADUS_API gradus_tensor gradus_concat_at(const char *file, int line, gradus_tensors list, int axis);
GRADUS_API gradus_tensor gradus_concat(gradus_tensors list, int axis);
#define gradus_concat(...) gradus_concat_at(GRADUS_HERE_, __VA_ARGS__)

/* Tensors of one dtype and shape along a new axis, which stands before the axis given; -1 makes it the last. */
GRADUS_API gradus_tensor gradus_stack_at(const char *file, int line, gradus_tensors list, int axis);
GRADUS_API gradus_tensor gradus_stack(gradus_tensors list, int axis);
#define gradus_stack(...) gradus_stack_at(GRADUS_HERE_, __VA_ARGS__)

/* Equal parts along an axis, at most 1024.  Errors: an extent that is no multiple of their number.  The list always has
 * `parts` items where that number is in range; after an error they are poison. */
GRADUS_API gradus_tensors gradus_split_at(const char *file, int line, gradus_tensor x, int64_t parts, int axis);
GRADUS_API gradus_tensors gradus_split(gradus_tensor x, int64_t parts, int axis);
#define gradus_split(...) gradus_split_at(GRADUS_HERE_, __VA_ARGS__)

/* --- reductions -------------------------------------------------------------------------------------------------- */

/* Over the axes given (GRADUS_ALL_AXES: all of them), which disappear or, with keepdims, become 1.  Integers wrap. */

/* Any dtype but BOOL; of nothing it is 0. */
GRADUS_API gradus_tensor gradus_sum_at(const char *file, int line, gradus_tensor x, gradus_axes axes, bool keepdims);
GRADUS_API gradus_tensor gradus_sum(gradus_tensor x, gradus_axes axes, bool keepdims);
#define gradus_sum(...) gradus_sum_at(GRADUS_HERE_, __VA_ARGS__)

/* Any dtype but BOOL; of nothing it is 1. */
GRADUS_API gradus_tensor gradus_prod_at(const char *file, int line, gradus_tensor x, gradus_axes axes, bool keepdims);
GRADUS_API gradus_tensor gradus_prod(gradus_tensor x, gradus_axes axes, bool keepdims);
#define gradus_prod(...) gradus_prod_at(GRADUS_HERE_, __VA_ARGS__)

/* The sum divided by the number of elements, that of the call where the batch is among them.  F32 or F64. */
GRADUS_API gradus_tensor gradus_mean_at(const char *file, int line, gradus_tensor x, gradus_axes axes, bool keepdims);
GRADUS_API gradus_tensor gradus_mean(gradus_tensor x, gradus_axes axes, bool keepdims);
#define gradus_mean(...) gradus_mean_at(GRADUS_HERE_, __VA_ARGS__)

/* The mean of (x - mean(x))^2, the population's variance.  F32 or F64.  What the mean loses when it is rounded is corrected
 * for: of equal elements it is 0, of 1e8 + (0 8 16 24) it is 80. */
GRADUS_API gradus_tensor gradus_var_at(const char *file, int line, gradus_tensor x, gradus_axes axes, bool keepdims);
GRADUS_API gradus_tensor gradus_var(gradus_tensor x, gradus_axes axes, bool keepdims);
#define gradus_var(...) gradus_var_at(GRADUS_HERE_, __VA_ARGS__)

/* The Euclidean norm, sqrt(sum(x^2)), also where the squares of elements overflow or underflow; of nothing
 * it is 0.  Its derivative is x / norm, and 0 where all elements are 0.  F32 or F64. */
GRADUS_API gradus_tensor gradus_norm_at(const char *file, int line, gradus_tensor x, gradus_axes axes, bool keepdims);
GRADUS_API gradus_tensor gradus_norm(gradus_tensor x, gradus_axes axes, bool keepdims);
#define gradus_norm(...) gradus_norm_at(GRADUS_HERE_, __VA_ARGS__)

/* The largest, NaN if any is.  Errors: no elements. */
GRADUS_API gradus_tensor gradus_max_at(const char *file, int line, gradus_tensor x, gradus_axes axes, bool keepdims);
GRADUS_API gradus_tensor gradus_max(gradus_tensor x, gradus_axes axes, bool keepdims);
#define gradus_max(...) gradus_max_at(GRADUS_HERE_, __VA_ARGS__)

/* The smallest, NaN if any is.  Errors: no elements. */
GRADUS_API gradus_tensor gradus_min_at(const char *file, int line, gradus_tensor x, gradus_axes axes, bool keepdims);
GRADUS_API gradus_tensor gradus_min(gradus_tensor x, gradus_axes axes, bool keepdims);
#define gradus_min(...) gradus_min_at(GRADUS_HERE_, __VA_ARGS__)

/* The position of the first largest element (row-major, if there are several axes), NaN counting as largest.  I32.
 * Any dtype but BOOL.  Errors: no elements. */
GRADUS_API gradus_tensor gradus_argmax_at(const char *file, int line, gradus_tensor x, gradus_axes axes, bool keepdims);
GRADUS_API gradus_tensor gradus_argmax(gradus_tensor x, gradus_axes axes, bool keepdims);
#define gradus_argmax(...) gradus_argmax_at(GRADUS_HERE_, __VA_ARGS__)

/* Whether all, or any, are true.  BOOL. */
GRADUS_API gradus_tensor gradus_all_at(const char *file, int line, gradus_tensor x, gradus_axes axes, bool keepdims);
GRADUS_API gradus_tensor gradus_all(gradus_tensor x, gradus_axes axes, bool keepdims);
#define gradus_all(...) gradus_all_at(GRADUS_HERE_, __VA_ARGS__)
GRADUS_API gradus_tensor gradus_any_at(const char *file, int line, gradus_tensor x, gradus_axes axes, bool keepdims);
GRADUS_API gradus_tensor gradus_any(gradus_tensor x, gradus_axes axes, bool keepdims);
#define gradus_any(...) gradus_any_at(GRADUS_HERE_, __VA_ARGS__)

/* log(sum(exp(x))) in its stable form: the largest element is taken out first.  F32 or F64.  Of elements that are all
 * -infinity, or none, it is -infinity, with gradient 0; of infinite ones infinite, with a gradient that they share. */
GRADUS_API gradus_tensor gradus_logsumexp_at(const char *file, int line, gradus_tensor x, gradus_axes axes,
                                             bool keepdims);
GRADUS_API gradus_tensor gradus_logsumexp(gradus_tensor x, gradus_axes axes, bool keepdims);
#define gradus_logsumexp(...) gradus_logsumexp_at(GRADUS_HERE_, __VA_ARGS__)

/* --- contraction and look-up ------------------------------------------------------------------------------------- */

/* The matrix product of the last two axes; the leading axes broadcast.  A vector on the left is a row, one on the right
 * a column, and that axis disappears again.  F32 or F64. */
GRADUS_API gradus_tensor gradus_matmul_at(const char *file, int line, gradus_tensor x, gradus_tensor y);
GRADUS_API gradus_tensor gradus_matmul(gradus_tensor x, gradus_tensor y);
#define gradus_matmul(...) gradus_matmul_at(GRADUS_HERE_, __VA_ARGS__)

/* r[i, j, k] = x[i, indices[j], k]: the axis is replaced by the axes of the indices.  Indices are I32 or I64; a call
 * with one that is negative or not below the extent fails before anything is written. */
GRADUS_API gradus_tensor gradus_take_at(const char *file, int line, gradus_tensor x, gradus_tensor indices, int axis);
GRADUS_API gradus_tensor gradus_take(gradus_tensor x, gradus_tensor indices, int axis);
#define gradus_take(...) gradus_take_at(GRADUS_HERE_, __VA_ARGS__)

/* r[i, j, k] = x[i, indices[i, j, k], k].  The indices have x's rank, and its extents but along the axis, where theirs
 * is free; extents of 1 broadcast.  Indices as of gradus_take. */
GRADUS_API gradus_tensor gradus_take_along_axis_at(const char *file, int line, gradus_tensor x, gradus_tensor indices,
                                                   int axis);
GRADUS_API gradus_tensor gradus_take_along_axis(gradus_tensor x, gradus_tensor indices, int axis);
#define gradus_take_along_axis(...) gradus_take_along_axis_at(GRADUS_HERE_, __VA_ARGS__)

/* 1 where the new last axis, of extent `depth`, stands at the index, else 0.  Indices as of gradus_take. */
GRADUS_API gradus_tensor gradus_one_hot_at(const char *file, int line, gradus_tensor indices, int64_t depth,
                                           gradus_dtype dtype);
GRADUS_API gradus_tensor gradus_one_hot(gradus_tensor indices, int64_t depth, gradus_dtype dtype);
#define gradus_one_hot(...) gradus_one_hot_at(GRADUS_HERE_, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
