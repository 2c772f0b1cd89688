/* SPDX-License-Identifier: Apache-2.0
 *
 * Derivatives.  Each call here adds nodes to the graph by reverse-mode differentiation (Griewank and Walther,
 * Evaluating Derivatives, 2nd ed., chapter 3) and returns ordinary tensors: differentiate them again, clip them, use
 * them in updates, return them from an entry point.
 *
 * Only floating-point tensors have derivatives: `y` and every `x` must be F32 or F64.  Comparisons, floor, sign,
 * stop_gradient and a cast to an integer have derivative 0.  Asking for a derivative through argmax is an error.
 * At kinks: relu has 0 at 0, abs has sign(x), maximum and minimum halve between equals, max and min share equally
 * between all equals.
 *
 * As with all builder calls, one that cannot be obeyed returns poison and the graph keeps the first error with the file
 * and line of the call.  A graph belongs to one thread at a time.  Lists that are returned belong to the graph.
 */
#ifndef GRADUS_AUTODIFF_H
#define GRADUS_AUTODIFF_H

#include <gradus/common.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The gradient of the sum of y's elements with respect to x: the dtype and shape of x.  x may be any tensor of the
 * graph, not parameters alone; where y does not depend on it the gradient is zeros.
 * Errors: y or x is not floating-point, they are of two graphs, or the way from x to y goes through argmax. */
GRADUS_API gradus_tensor gradus_gradient_at(const char *file, int line, gradus_tensor y, gradus_tensor x);
GRADUS_API gradus_tensor gradus_gradient(gradus_tensor y, gradus_tensor x);
#define gradus_gradient(...) gradus_gradient_at(GRADUS_HERE_, __VA_ARGS__)

/* The same for several tensors in one pass backward: one gradient for each of xs, in their order.  Where one of xs
 * depends on another, each gradient counts every path from it to y. */
GRADUS_API gradus_tensors gradus_gradients_at(const char *file, int line, gradus_tensor y, gradus_tensors xs);
GRADUS_API gradus_tensors gradus_gradients(gradus_tensor y, gradus_tensors xs);
#define gradus_gradients(...) gradus_gradients_at(GRADUS_HERE_, __VA_ARGS__)

/* The vector-Jacobian product: the gradient with respect to each of xs of the sum of seed * y, with the seed held fixed.
 * Errors: as gradus_gradient; also a seed whose dtype or shape is not y's. */
GRADUS_API gradus_tensors gradus_vjp_at(const char *file, int line, gradus_tensor y, gradus_tensor seed,
                                        gradus_tensors xs);
GRADUS_API gradus_tensors gradus_vjp(gradus_tensor y, gradus_tensor seed, gradus_tensors xs);
#define gradus_vjp(...) gradus_vjp_at(GRADUS_HERE_, __VA_ARGS__)

/* The Jacobian-vector product: the derivative of y when xs move along the tangents; the dtype and shape of y.  Made by
 * differentiating backward twice, since the vector-Jacobian product is linear in its seed.
 * Errors: as gradus_gradient; also tangents whose count, dtypes or shapes are not those of xs. */
GRADUS_API gradus_tensor gradus_jvp_at(const char *file, int line, gradus_tensor y, gradus_tensors xs,
                                       gradus_tensors tangents);
GRADUS_API gradus_tensor gradus_jvp(gradus_tensor y, gradus_tensors xs, gradus_tensors tangents);
#define gradus_jvp(...) gradus_jvp_at(GRADUS_HERE_, __VA_ARGS__)

/* The Jacobian: element (i…, j…) is the derivative of y[i…] with respect to x[j…]; its shape is y's, then x's.  The
 * graph grows by one pass backward for each element of y or of x, whichever has fewer.
 * Errors: as gradus_gradient; also a shape with the run-time batch in it, a result of more than 8 axes, or more than
 * 4096 passes. */
GRADUS_API gradus_tensor gradus_jacobian_at(const char *file, int line, gradus_tensor y, gradus_tensor x);
GRADUS_API gradus_tensor gradus_jacobian(gradus_tensor y, gradus_tensor x);
#define gradus_jacobian(...) gradus_jacobian_at(GRADUS_HERE_, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
