/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimizers: how gradients become updates of parameters.  An optimizer is a value; gradus_minimize and gradus_apply
 * write its arithmetic into the graph, where it fuses with the backward pass.
 *
 *     gradus_updates step = gradus_minimize(loss, gradus_adam(.learning_rate = 3e-4));
 *
 * Options.  Zero means the default; GRADUS_ZERO says a real 0, as in .beta1 = GRADUS_ZERO.  Of what people sweep down to 0
 * (momentum, weight decay, a dropout rate) 0 is the default, so that a 0 of .weight_decay = grid[i] is a 0.  A NULL pointer
 * means all defaults.  gradus_optimizer_describe says what is used.  An option that f32 cannot hold, such as an epsilon of
 * 1e-50, which would be 0, or a beta of 0.99999999999, which would be 1, is an error where a parameter is F32.
 * All optimizers have
 *   .learning_rate  the first value of the state "NAME/learning_rate", a scalar (F64 if a parameter is F64, else F32)
 *                   that gradus_program_set changes between calls
 *   .rate           instead of it: a scalar tensor of the graph, such as a schedule; there is then no such state
 *   .name           NAME, the prefix of all its state; by default the optimizer's own name.  Two optimizers of one graph
 *                   need two names
 * Slots of a parameter P are named "NAME/P/m" and so on, have its dtype and shape, and start at 0.
 *
 * A name is not copied before gradus_minimize or gradus_apply is called.
 */
#ifndef GRADUS_OPTIM_H
#define GRADUS_OPTIM_H

#include <gradus/common.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One's own rule: the updates of one parameter from its gradient (of equal dtype and shape) and the learning rate (a
 * scalar of the parameter's dtype).  `prefix` is "NAME/P", to name states of its own.  Called once for each parameter,
 * in their order, while gradus_minimize or gradus_apply runs; what it returns must update `param`, and may update states
 * of its own. */
typedef gradus_updates (*gradus_update_rule)(void *user, gradus_tensor param, gradus_tensor grad, gradus_tensor rate,
                                             const char *prefix);

/* An optimizer, made by the functions below; the fields are not for users.  {0} is none. */
typedef struct {
    int32_t kind;
    double f[8];
    gradus_tensor rate;
    const char *name;
    gradus_update_rule rule;
    void *user;
} gradus_optimizer;

/* Stochastic gradient descent: p <- p - rate * g.  With momentum (Sutskever et al. 2013 in PyTorch's form):
 * u <- momentum * u + g, then p <- p - rate * u, or with nesterov p <- p - rate * (g + momentum * u).
 * Default name "sgd", slot "u" where there is momentum. */
typedef struct {
    size_t size_;
    double learning_rate; /* 1e-2 */
    double momentum;      /* 0 */
    bool nesterov;
    gradus_tensor rate;
    const char *name;
    uint64_t reserved_[4];
} gradus_sgd_options;
#define gradus_sgd_options(...) GRADUS_OPTIONS_(gradus_sgd_options, __VA_ARGS__)
GRADUS_API gradus_optimizer gradus_sgd(const gradus_sgd_options *options);
#define gradus_sgd(...) gradus_sgd(GRADUS_OPTIONS_(gradus_sgd_options, __VA_ARGS__))

/* RMSprop (Tieleman and Hinton 2012, as in Keras): v <- rho * v + (1 - rho) * g^2;
 * p <- p - rate * g / (sqrt(v) + epsilon).  Default name "rmsprop", slot "v". */
typedef struct {
    size_t size_;
    double learning_rate; /* 1e-3 */
    double rho;           /* 0.9 */
    double epsilon;       /* 1e-7 */
    gradus_tensor rate;
    const char *name;
    uint64_t reserved_[4];
} gradus_rmsprop_options;
#define gradus_rmsprop_options(...) GRADUS_OPTIONS_(gradus_rmsprop_options, __VA_ARGS__)
GRADUS_API gradus_optimizer gradus_rmsprop(const gradus_rmsprop_options *options);
#define gradus_rmsprop(...) gradus_rmsprop(GRADUS_OPTIONS_(gradus_rmsprop_options, __VA_ARGS__))

/* Adam (Kingma and Ba 2015, Algorithm 1, epsilon outside the root and after bias correction):
 *   m <- beta1 * m + (1 - beta1) * g,  v <- beta2 * v + (1 - beta2) * g^2,
 *   p <- p - rate * (m / c1) / (sqrt(v / c2) + epsilon)
 * where c = 1 - beta^t after t steps is carried as c <- beta * c + (1 - beta) in the states "NAME/c1" and "NAME/c2",
 * which loses no digits.  Default name "adam", slots "m" and "v". */
typedef struct {
    size_t size_;
    double learning_rate; /* 1e-3 */
    double beta1;         /* 0.9 */
    double beta2;         /* 0.999 */
    double epsilon;       /* 1e-8 */
    gradus_tensor rate;
    const char *name;
    uint64_t reserved_[4];
} gradus_adam_options;
#define gradus_adam_options(...) GRADUS_OPTIONS_(gradus_adam_options, __VA_ARGS__)
GRADUS_API gradus_optimizer gradus_adam(const gradus_adam_options *options);
#define gradus_adam(...) gradus_adam(GRADUS_OPTIONS_(gradus_adam_options, __VA_ARGS__))

/* AdamW (Loshchilov and Hutter 2019): Adam's step and, beside it, p <- p - rate * weight_decay * p (of the old p).
 * Default name "adamw". */
typedef struct {
    size_t size_;
    double learning_rate; /* 1e-3 */
    double beta1;         /* 0.9 */
    double beta2;         /* 0.999 */
    double epsilon;       /* 1e-8 */
    double weight_decay;  /* 0, which is Adam; 0.01 is usual */
    gradus_tensor rate;
    const char *name;
    uint64_t reserved_[4];
} gradus_adamw_options;
#define gradus_adamw_options(...) GRADUS_OPTIONS_(gradus_adamw_options, __VA_ARGS__)
GRADUS_API gradus_optimizer gradus_adamw(const gradus_adamw_options *options);
#define gradus_adamw(...) gradus_adamw(GRADUS_OPTIONS_(gradus_adamw_options, __VA_ARGS__))

/* An optimizer of one's own.  A learning rate of 0 is 1e-3 and a NULL name is "custom". */
GRADUS_API gradus_optimizer gradus_optimizer_custom(gradus_update_rule rule, void *user, double learning_rate,
                                                    const char *name);

/* Writes name and options of an optimizer as they are used, such as
 *     adamw: learning_rate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-08, weight_decay 0
 * to `text`, cut where its `size` bytes end, and returns it. */
GRADUS_API const char *gradus_optimizer_describe(gradus_optimizer optimizer, char *text, size_t size);

/* One step down the gradient of the loss (of its sum, if it is not a scalar) for all parameters that it reaches, in the
 * order in which they were made.  Pass the result to gradus_define.
 * Errors: a loss that is not floating-point or reaches no parameter, an optimizer whose name is taken in this graph or
 * whose options are out of range, a rate that is no floating-point scalar. */
GRADUS_API gradus_updates gradus_minimize_at(const char *file, int line, gradus_tensor loss,
                                             gradus_optimizer optimizer);
GRADUS_API gradus_updates gradus_minimize(gradus_tensor loss, gradus_optimizer optimizer);
#define gradus_minimize(...) gradus_minimize_at(GRADUS_HERE_, __VA_ARGS__)

/* The same with one's own gradients: grads[i], of equal dtype and shape, is what params[i] (a param or state) follows.
 * Errors: as gradus_minimize; also counts, dtypes or shapes that differ, something that is no state, a param given
 * twice, no params at all, which gradus_define and gradus_join report where nothing here says what the graph is. */
GRADUS_API gradus_updates gradus_apply_at(const char *file, int line, gradus_optimizer optimizer,
                                          gradus_tensors params, gradus_tensors grads);
GRADUS_API gradus_updates gradus_apply(gradus_optimizer optimizer, gradus_tensors params, gradus_tensors grads);
#define gradus_apply(...) gradus_apply_at(GRADUS_HERE_, __VA_ARGS__)

/* --- clipping ------------------------------------------------------------------------------------------------------ */

/* Gradients made smaller, each of its own dtype and shape, in their order.  In all of them a NaN stays one: of
 * gradus_clip_value in its place, of the others all over the gradients whose norm it is in.
 * Errors: no gradients, one that is not floating-point, a limit that is not finite and above 0. */

/* Each element brought into [-limit, limit], infinite ones too. */
GRADUS_API gradus_tensors gradus_clip_value_at(const char *file, int line, gradus_tensors grads, double limit);
GRADUS_API gradus_tensors gradus_clip_value(gradus_tensors grads, double limit);
#define gradus_clip_value(...) gradus_clip_value_at(GRADUS_HERE_, __VA_ARGS__)

/* Each gradient, on its own, multiplied by max_norm / max(norm, max_norm), so that its Euclidean norm is at most
 * max_norm; a gradient of zeros stays as it is.  The norm is gradus_norm's, so that no square overflows or underflows, and the
 * derivative is right where all elements are 0.  Where the norm is infinite, finite elements become 0 and infinite ones NaN. */
GRADUS_API gradus_tensors gradus_clip_norm_at(const char *file, int line, gradus_tensors grads, double max_norm);
GRADUS_API gradus_tensors gradus_clip_norm(gradus_tensors grads, double max_norm);
#define gradus_clip_norm(...) gradus_clip_norm_at(GRADUS_HERE_, __VA_ARGS__)

/* The same with the norm of all gradients together (Pascanu et al. 2013): one factor for them all.  `norm`, unless NULL,
 * receives the norm before, a scalar of the first gradient's dtype. */
GRADUS_API gradus_tensors gradus_clip_global_norm_at(const char *file, int line, gradus_tensors grads, double max_norm,
                                                     gradus_tensor *norm);
GRADUS_API gradus_tensors gradus_clip_global_norm(gradus_tensors grads, double max_norm, gradus_tensor *norm);
#define gradus_clip_global_norm(...) gradus_clip_global_norm_at(GRADUS_HERE_, __VA_ARGS__)

/* Other names of the functions behind the macros. */
#define gradus_sgd_with (gradus_sgd)
#define gradus_rmsprop_with (gradus_rmsprop)
#define gradus_adam_with (gradus_adam)
#define gradus_adamw_with (gradus_adamw)

#ifdef __cplusplus
}
#endif
#endif
