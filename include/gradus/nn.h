/* SPDX-License-Identifier: Apache-2.0
 *
 * What neural networks are made of: activations, losses and layers, composed from the operations of ops.h and build.h
 * in their numerically stable forms.
 *
 * A call that cannot be obeyed returns poison and the graph keeps the first error, see graph.h.  Options: zero means
 * the default, a NULL pointer means all defaults.
 */
#ifndef GRADUS_NN_H
#define GRADUS_NN_H

#include <gradus/common.h>
#include <gradus/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- activations, of F32 or F64 ----------------------------------------------------------------------------------
 *
 * At infinities these and their derivatives of every order have their limits: gelu and silu of -infinity are 0 with
 * derivative 0, of infinity infinity with derivative 1.  Of NaN they are NaN. */

/* x * Phi(x), Phi the standard normal distribution (Hendrycks and Gimpel 2016): x/2 * erfc(-x / sqrt 2), so that the
 * negative tail keeps its digits.  Within 3 units of the last place where Phi is no subnormal number, which in F32 it is
 * from x = -12.9 downwards. */
GRADUS_API gradus_tensor gradus_gelu_at(const char *file, int line, gradus_tensor x);
GRADUS_API gradus_tensor gradus_gelu(gradus_tensor x);
#define gradus_gelu(...) gradus_gelu_at(GRADUS_HERE_, __VA_ARGS__)

/* x * sigmoid(x). */
GRADUS_API gradus_tensor gradus_silu_at(const char *file, int line, gradus_tensor x);
GRADUS_API gradus_tensor gradus_silu(gradus_tensor x);
#define gradus_silu(...) gradus_silu_at(GRADUS_HERE_, __VA_ARGS__)

/* log(1 + e^x), as max(x, 0) + log1p(e^-|x|). */
GRADUS_API gradus_tensor gradus_softplus_at(const char *file, int line, gradus_tensor x);
GRADUS_API gradus_tensor gradus_softplus(gradus_tensor x);
#define gradus_softplus(...) gradus_softplus_at(GRADUS_HERE_, __VA_ARGS__)

/* e^x / sum(e^x) along an axis, with the largest element taken out first.  Of a row (the elements along the axis) that is
 * all -infinity, as where all of it is masked, it is 0, and so are its derivatives; infinite elements share 1 equally
 * among them, with derivatives 0.  A NaN makes its row NaN.  Where it is 0, its derivatives are 0 even if what arrives is
 * infinite: the entropy of p = gradus_softmax(z, -1), minus the sum of gradus_multiply_no_nan(p, gradus_log_softmax(z, -1)),
 * has its gradient where some of z are masked, too. */
GRADUS_API gradus_tensor gradus_softmax_at(const char *file, int line, gradus_tensor x, int axis);
GRADUS_API gradus_tensor gradus_softmax(gradus_tensor x, int axis);
#define gradus_softmax(...) gradus_softmax_at(GRADUS_HERE_, __VA_ARGS__)

/* log(softmax(x)) without its loss of digits: (x - m) - log(sum(e^(x - m))), m the largest element.  It is -infinity
 * where softmax is 0 for an infinity's sake; the derivative is 1 less softmax on the diagonal, else minus softmax. */
GRADUS_API gradus_tensor gradus_log_softmax_at(const char *file, int line, gradus_tensor x, int axis);
GRADUS_API gradus_tensor gradus_log_softmax(gradus_tensor x, int axis);
#define gradus_log_softmax(...) gradus_log_softmax_at(GRADUS_HERE_, __VA_ARGS__)

/* --- regularisation and normalisation, of F32 or F64 ------------------------------------------------------------- */

/* In entries of training mode, x with each element replaced by 0 with probability `rate`, the others divided by 1 - rate
 * (inverted dropout; Srivastava et al. 2014); in the others, x.  A gradient goes through the elements that were kept.  A
 * training entry draws anew at every call, see gradus_random_uniform.
 * Errors: a rate that is not from 0 to below 1. */
GRADUS_API gradus_tensor gradus_dropout_at(const char *file, int line, gradus_tensor x, double rate);
GRADUS_API gradus_tensor gradus_dropout(gradus_tensor x, double rate);
#define gradus_dropout(...) gradus_dropout_at(GRADUS_HERE_, __VA_ARGS__)

/* (x - mean) / sqrt(variance + epsilon) * gamma + beta (Ba et al. 2016), mean and variance (of the population) over the
 * last axis of x.  gamma and beta are any tensors of x's dtype and the last axis' shape, parameters mostly; {0} is none.
 * Equal elements become beta, whatever their size and number, even where epsilon is 0; mean and variance have the digits
 * that x has, as gradus_var's; and no square overflows: (1 2 3 4) * 1e30 in F32 is as (1 2 3 4).
 *     gradus_layer_norm(x, gamma, beta)
 *     gradus_layer_norm_with(x, gamma, beta, .axes = GRADUS_AXES(-2, -1))
 * Over several axes, gamma and beta have the extents of all of them, in the order that x has them. */
typedef struct {
    size_t size_;
    double epsilon;   /* 1e-5 */
    gradus_axes axes; /* default the last one */
    uint64_t reserved_[4];
} gradus_layer_norm_options;
#define gradus_layer_norm_options(...) GRADUS_OPTIONS_(gradus_layer_norm_options, __VA_ARGS__)

GRADUS_API gradus_tensor gradus_layer_norm_at(const char *file, int line, gradus_tensor x, gradus_tensor gamma,
                                              gradus_tensor beta, const gradus_layer_norm_options *options);
GRADUS_API gradus_tensor gradus_layer_norm(gradus_tensor x, gradus_tensor gamma, gradus_tensor beta);
#define gradus_layer_norm(...) gradus_layer_norm_at(GRADUS_HERE_, __VA_ARGS__, (const gradus_layer_norm_options *)0)
GRADUS_API gradus_tensor gradus_layer_norm_with(gradus_tensor x, gradus_tensor gamma, gradus_tensor beta,
                                                const gradus_layer_norm_options *options);
#define gradus_layer_norm_with(...) GRADUS_AT_3_(gradus_layer_norm_at, gradus_layer_norm_options, __VA_ARGS__, )

/* (x - mean) / sqrt(variance + epsilon) * gamma + beta for each channel, that is, over all axes but `axis` (Ioffe and
 * Szegedy 2015, as in Keras).  In entries of training mode, mean and variance (of the population) are the batch's, and
 *     NAME/moving_mean <- momentum * NAME/moving_mean + (1 - momentum) * mean
 * and likewise NAME/moving_variance, by itself: these are attached updates, see gradus_define.  In entries of inference
 * mode the two stand for mean and variance, and do not change.  Parameters NAME/gamma, NAME/beta and the two states have
 * the channels' shape and x's dtype; the states start at 0 and 1.  With .frozen_statistics an entry of training mode does
 * as one of inference mode.
 * Equal elements, digits and large squares are as in gradus_layer_norm; a moving variance that overflows is infinite.
 *     gradus_batch_norm(x, .momentum = 0.9, .name = "bn1")
 * Errors: an x of rank 1, channels that are the batch, an extent of 0, options out of range. */
typedef struct {
    size_t size_;
    int axis;                      /* the channels'; default the last.  0 is that default: of rank 4 the first is -4 */
    double momentum;               /* 0.99; from 0 to 1 */
    double epsilon;                /* 1e-3 */
    const char *name;              /* prefix of its states; default "batch_norm", then "batch_norm_2", ... */
    bool no_scale, no_center;      /* without gamma, without beta */
    gradus_initializer gamma_init; /* default ones */
    gradus_initializer beta_init;  /* default zeros */
    bool frozen_statistics;        /* the two states stand for mean and variance in training, too, and do not change */
    uint64_t reserved_[4];
} gradus_batch_norm_options;
#define gradus_batch_norm_options(...) GRADUS_OPTIONS_(gradus_batch_norm_options, __VA_ARGS__)

GRADUS_API gradus_tensor gradus_batch_norm_at(const char *file, int line, gradus_tensor x,
                                              const gradus_batch_norm_options *options);
GRADUS_API gradus_tensor gradus_batch_norm(gradus_tensor x, const gradus_batch_norm_options *options);
#define gradus_batch_norm(...) GRADUS_AT_1_(gradus_batch_norm_at, gradus_batch_norm_options, __VA_ARGS__, )

/* --- losses, not averaged: take the mean ------------------------------------------------------------------------- */

/* -sum(y * log_softmax(logits)) along the last axis, the classes, which disappears.  Labels are either class numbers,
 * I32 or I64, of the logits' shape without the last axis (a call with one out of range fails before anything is
 * written), or probabilities, one-hot or soft, of the logits' dtype and shape, which need not sum to 1.  A class of
 * probability 0 counts 0, though its logit be -infinity; another one whose softmax is 0 for an infinity's sake makes the
 * loss infinite.  The gradient is softmax less label in each form, finite, but for infinite logits 0. */
GRADUS_API gradus_tensor gradus_softmax_cross_entropy_at(const char *file, int line, gradus_tensor logits,
                                                         gradus_tensor labels);
GRADUS_API gradus_tensor gradus_softmax_cross_entropy(gradus_tensor logits, gradus_tensor labels);
#define gradus_softmax_cross_entropy(...) gradus_softmax_cross_entropy_at(GRADUS_HERE_, __VA_ARGS__)

/* -y log(sigmoid(z)) - (1 - y) log(1 - sigmoid(z)) of logits z and labels y in [0, 1], elementwise:
 * |z| * (1 - y if z > 0 else y) + log1p(e^-|z|).  Labels have the logits' dtype.  Logits or labels may be broadcast to the
 * other's shape.  Of infinite logits it is 0 where the label agrees, else infinite; the gradient, sigmoid(z) - y, is finite.
 * Errors: shapes of which both would be broadcast: (B, 1) and (B) would be (B, B), each row against all rows. */
GRADUS_API gradus_tensor gradus_binary_cross_entropy_at(const char *file, int line, gradus_tensor logits,
                                                        gradus_tensor labels);
GRADUS_API gradus_tensor gradus_binary_cross_entropy(gradus_tensor logits, gradus_tensor labels);
#define gradus_binary_cross_entropy(...) gradus_binary_cross_entropy_at(GRADUS_HERE_, __VA_ARGS__)

/* (x - y)^2, elementwise.  x or y may be broadcast to the other's shape.  Errors: as gradus_binary_cross_entropy. */
GRADUS_API gradus_tensor gradus_mean_squared_error_at(const char *file, int line, gradus_tensor x, gradus_tensor y);
GRADUS_API gradus_tensor gradus_mean_squared_error(gradus_tensor x, gradus_tensor y);
#define gradus_mean_squared_error(...) gradus_mean_squared_error_at(GRADUS_HERE_, __VA_ARGS__)

/* --- layers ------------------------------------------------------------------------------------------------------ */

/* Softmax is along the last axis; linear is none. */
typedef enum {
    GRADUS_LINEAR,
    GRADUS_RELU,
    GRADUS_TANH,
    GRADUS_SIGMOID,
    GRADUS_GELU,
    GRADUS_SOFTMAX
} gradus_activation;

/* The activation of that name, applied to x: gradus_activate(x, GRADUS_RELU). */
GRADUS_API gradus_tensor gradus_activate_at(const char *file, int line, gradus_tensor x, gradus_activation activation);
GRADUS_API gradus_tensor gradus_activate(gradus_tensor x, gradus_activation activation);
#define gradus_activate(...) gradus_activate_at(GRADUS_HERE_, __VA_ARGS__)

typedef struct {
    size_t size_;
    int64_t units;                  /* the result's last extent; may be left out where `kernel` is given */
    gradus_activation activation;   /* default none */
    const char *name;               /* prefix of the parameters; default "dense", then "dense_2", ... */
    bool no_bias;
    gradus_initializer kernel_init; /* default gradus_glorot_uniform() */
    gradus_tensor kernel, bias;     /* to share weights: (in, units), (units); default new NAME/kernel, NAME/bias */
    gradus_initializer bias_init;   /* default zeros */
    uint64_t reserved_[4];
} gradus_dense_options;
#define gradus_dense_options(...) GRADUS_OPTIONS_(gradus_dense_options, __VA_ARGS__)

/* activation(x @ kernel + bias) along the last axis of x: gradus_dense(x, .units = 10, .name = "fc2").  x is F32 or
 * F64, the parameters have its dtype, its last extent is not the batch. */
GRADUS_API gradus_tensor gradus_dense_at(const char *file, int line, gradus_tensor x,
                                         const gradus_dense_options *options);
GRADUS_API gradus_tensor gradus_dense(gradus_tensor x, const gradus_dense_options *options);
#define gradus_dense(...) GRADUS_AT_1_(gradus_dense_at, gradus_dense_options, __VA_ARGS__, )

typedef struct {
    size_t size_;
    int64_t rows, units;     /* how many indices there are, and the result's last extent; both above 0 unless `table` is
                                given */
    const char *name;        /* prefix of the parameter; default "embedding", then "embedding_2", ... */
    gradus_dtype dtype;      /* default GRADUS_F32 */
    gradus_initializer init; /* default gradus_uniform(-0.05, 0.05) */
    gradus_tensor table;     /* to share it: (rows, units); default new NAME/embedding */
    uint64_t reserved_[4];
} gradus_embedding_options;
#define gradus_embedding_options(...) GRADUS_OPTIONS_(gradus_embedding_options, __VA_ARGS__)

/* The rows of a trained table at the indices: gradus_embedding(tokens, .rows = 65, .units = 64).  Indices are I32 or I64
 * of any shape, which gets `units` as a last axis; a call with one out of range fails before anything is written. */
GRADUS_API gradus_tensor gradus_embedding_at(const char *file, int line, gradus_tensor indices,
                                             const gradus_embedding_options *options);
GRADUS_API gradus_tensor gradus_embedding(gradus_tensor indices, const gradus_embedding_options *options);
#define gradus_embedding(...) GRADUS_AT_1_(gradus_embedding_at, gradus_embedding_options, __VA_ARGS__, )

#ifdef __cplusplus
}
#endif
#endif
