/* SPDX-License-Identifier: Apache-2.0
 *
 * Derivatives.  Each call here adds nodes to the graph by reverse-mode differentiation (Griewank and Walther,
 * Evaluating Derivatives, 2nd ed., chapter 3) and returns ordinary tensors: differentiate them again, clip them, use
 * them in updates, return them from an entry point.
 *
 * Only floating-point tensors have derivatives: `y` and every `x` must be F32 or F64.  Comparisons, floor, sign,
 * stop_gradient and a cast to an integer have derivative 0.  Asking for a derivative through argmax is an error.
 * At kinks: relu has 0 at 0, abs has sign(x), maximum and minimum halve between equals, max and min share equally
 * between all equals, pow has 0 by its exponent where the base is not above 0.
 *
 * A cotangent (what arrives from the result) of exactly 0 stays 0, though the derivative be infinite or NaN there: so
 * the gradient of where(x > 0, log x, 0) is 0 at 0, where log has 1/0, and so are derivatives of higher order of what is
 * not chosen.  This holds for every operation but matmul, whose sums hold 0 times infinity as any does, and
 * gradus_custom.  A cotangent that is NaN stays NaN, but where nothing flows whatever arrives: to what where, relu,
 * maximum, minimum, max or min did not choose, and to elements that gradus_softmax makes 0.
 *
 * Where the result of maximum, minimum, max or min is NaN, so is the gradient of all that it was chosen from, if the
 * cotangent is not 0; so it is with clip, which is made of them.  relu at NaN passes the cotangent on.
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
 * differentiating backward twice, since the vector-Jacobian product is linear in its seed.  The graph grows by both passes,
 * but nothing of the first is left once it is compiled, for only the second depends on the tangents: value and product
 * together cost about what value and gradient do.
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

/* How gradus_check_gradients works; zero means the default. */
typedef struct {
    size_t size_;
    int64_t batch;     /* the value of GRADUS_BATCH; default 2 */
    uint64_t seed;     /* of first values, of random numbers in the graph, of inputs and elements that are drawn */
    int32_t samples;   /* elements tried of each tensor, drawn where it has more; default 16 */
    double step;       /* how far an element x is moved, times max(1, |x|); default 2^-17, in F32 2^-7 */
    double tolerance;  /* the relative error allowed, beside what rounding explains; default 1e-5, in F32 1e-2 */
    bool inference;    /* gradus_training is false */
    bool no_widening;  /* evaluate in the graph's own dtypes, where only they are of interest */
    uint64_t reserved_[4];
} gradus_check_options;
#define gradus_check_options(...) GRADUS_OPTIONS_(gradus_check_options, __VA_ARGS__)

/* The worst element of a tensor. */
typedef struct {
    const char *name; /* the tensor's; the graph's memory */
    int64_t index;    /* row-major */
    double analytic;  /* the derivative that the graph computes */
    double numeric;   /* the one that differences give */
    double error;     /* how far they are apart, as a multiple of what is allowed: above 1 is a mismatch */
} gradus_gradient_check;

/* Compares the gradient of the sum of y's elements with differences of that sum, for elements of each of xs: inputs,
 * parameters or states; GRADUS_NO_TENSORS stands for all parameters.  It finds a wrong derivative of one's own, or a
 * gradus_stop_gradient that hides more than it should (one that is meant to be there is a mismatch all the same).
 *
 * It works on a copy of what y needs, in which F32 is F64 unless gradus_custom is in it, and evaluates it five times for
 * each element, in plain C on one thread: take a small batch.  States have their first values for the seed.  `data` is the memory of `inputs`, for the
 * options' batch.  Inputs that are not listed are drawn: floating-point ones from [-1, 1), integers from what
 * gradus_take, labels and their like accept, else 0 or 1.  The differences are central ones, of fourth order in the step
 * (Fornberg 1988); at a kink, as of relu at 0, everything between the slopes of its two sides is right.
 *
 * `worst`, unless NULL, has room for one for each of xs.  `options` may be NULL.  The graph stays as it is.
 *
 * GRADUS_ERROR_MISMATCH: some element is outside, and the message names the worst of all; or counts or dtypes of data
 * differ.  GRADUS_ERROR_ARGUMENT: wrong options, one of xs that is no input, parameter or state, an index out of range.
 * GRADUS_ERROR_GRAPH: the graph has failed, or there is no derivative.  GRADUS_ERROR_NAN: y is not finite.
 * GRADUS_ERROR_MEMORY. */
GRADUS_API gradus_status gradus_check_gradients(gradus_tensor y, gradus_tensors xs, gradus_tensors inputs,
                                                gradus_inputs data, const gradus_check_options *options,
                                                gradus_gradient_check *worst);

#ifdef __cplusplus
}
#endif
#endif
