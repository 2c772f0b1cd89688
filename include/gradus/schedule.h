/* SPDX-License-Identifier: Apache-2.0
 *
 * Learning-rate schedules, as tensors of the graph: scalars that an optimizer takes as `.rate`, that an entry point may
 * return, and that follow the training step.
 *
 *     gradus_tensor rate = gradus_cosine_decay(g, .learning_rate = 1e-3, .warmup_steps = 500, .decay_steps = 10000);
 *     gradus_updates step = gradus_minimize(loss, gradus_adam(.rate = rate));
 *
 * All are F64, computed from t, the number of steps taken before this one: 0 in the first.  Options: zero means the
 * default.  All have
 *   .learning_rate  the rate that the formula scales; 1e-3
 *   .step           another t, a scalar of I32, I64, F32 or F64; by default gradus_step(graph)
 * A call that cannot be obeyed returns poison and the graph keeps the first error, see graph.h.  Errors: rates that are
 * negative or not finite, numbers of steps that are not above 0, and what is said of single options.
 */
#ifndef GRADUS_SCHEDULE_H
#define GRADUS_SCHEDULE_H

#include <gradus/common.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The number of training steps taken, I64 of rank 0: the state "step", 0 at first.  It has the attached update
 * step <- step + 1 (see gradus_define): each call of an entry of training mode that depends on it counts.  All calls of
 * this function give the one counter of the graph.  gradus_program_set(p, "step", 0) starts again. */
GRADUS_API gradus_tensor gradus_step_at(const char *file, int line, gradus_graph *graph);
GRADUS_API gradus_tensor gradus_step(gradus_graph *graph);
#define gradus_step(...) gradus_step_at(GRADUS_HERE_, __VA_ARGS__)

/* Both decays: how often, and by what. */
typedef struct {
    size_t size_;
    double learning_rate;
    int64_t every; /* steps; must be given */
    double factor; /* above 0; default 0.1 */
    gradus_tensor step;
    uint64_t reserved_[4];
} gradus_decay_options;
#define gradus_decay_options(...) GRADUS_OPTIONS_(gradus_decay_options, __VA_ARGS__)

/* learning_rate * factor^floor(t / every): as PyTorch's StepLR, or Keras' ExponentialDecay with staircase. */
GRADUS_API gradus_tensor gradus_step_decay_at(const char *file, int line, gradus_graph *graph,
                                              const gradus_decay_options *options);
GRADUS_API gradus_tensor gradus_step_decay(gradus_graph *graph, const gradus_decay_options *options);
#define gradus_step_decay(...) GRADUS_AT_1_(gradus_step_decay_at, gradus_decay_options, __VA_ARGS__, )

/* learning_rate * factor^(t / every): as Keras' ExponentialDecay. */
GRADUS_API gradus_tensor gradus_exponential_decay_at(const char *file, int line, gradus_graph *graph,
                                                     const gradus_decay_options *options);
GRADUS_API gradus_tensor gradus_exponential_decay(gradus_graph *graph, const gradus_decay_options *options);
#define gradus_exponential_decay(...) GRADUS_AT_1_(gradus_exponential_decay_at, gradus_decay_options, __VA_ARGS__, )

/* values[0] while t <= boundaries[0], values[1] while t <= boundaries[1], ..., values[count] afterwards: as Keras'
 * PiecewiseConstantDecay.  The arrays are copied.
 *     gradus_piecewise_constant(g, .count = 1, .boundaries = (int64_t[]){1000}, .values = (double[]){1e-2, 1e-3})
 * Errors: no boundaries, boundaries that do not ascend. */
typedef struct {
    size_t size_;
    size_t count;              /* of boundaries; must be given */
    const int64_t *boundaries; /* count of them, ascending */
    const double *values;      /* count + 1 of them, instead of .learning_rate */
    gradus_tensor step;
    uint64_t reserved_[4];
} gradus_piecewise_options;
#define gradus_piecewise_options(...) GRADUS_OPTIONS_(gradus_piecewise_options, __VA_ARGS__)
GRADUS_API gradus_tensor gradus_piecewise_constant_at(const char *file, int line, gradus_graph *graph,
                                                      const gradus_piecewise_options *options);
GRADUS_API gradus_tensor gradus_piecewise_constant(gradus_graph *graph, const gradus_piecewise_options *options);
#define gradus_piecewise_constant(...) GRADUS_AT_1_(gradus_piecewise_constant_at, gradus_piecewise_options, __VA_ARGS__, )

/* A warm-up on a line, then half a wave of the cosine down (Loshchilov and Hutter 2017, without restarts; as Keras'
 * CosineDecay with a warm-up target):
 *   while t < warmup_steps:  initial + (learning_rate - initial) * t / warmup_steps
 *   then, with s = min((t - warmup_steps) / decay_steps, 1):
 *                            learning_rate * (alpha + (1 - alpha) * (1 + cos(pi s)) / 2)
 * Errors: alpha not from 0 to 1, a negative warmup_steps. */
typedef struct {
    size_t size_;
    double learning_rate;
    int64_t decay_steps;  /* must be given */
    int64_t warmup_steps; /* 0 */
    double initial;       /* the rate at t = 0 where there is a warm-up; 0 */
    double alpha;         /* what share of learning_rate is left in the end; 0 */
    gradus_tensor step;
    uint64_t reserved_[4];
} gradus_cosine_options;
#define gradus_cosine_options(...) GRADUS_OPTIONS_(gradus_cosine_options, __VA_ARGS__)
GRADUS_API gradus_tensor gradus_cosine_decay_at(const char *file, int line, gradus_graph *graph,
                                                const gradus_cosine_options *options);
GRADUS_API gradus_tensor gradus_cosine_decay(gradus_graph *graph, const gradus_cosine_options *options);
#define gradus_cosine_decay(...) GRADUS_AT_1_(gradus_cosine_decay_at, gradus_cosine_options, __VA_ARGS__, )

#ifdef __cplusplus
}
#endif
#endif
