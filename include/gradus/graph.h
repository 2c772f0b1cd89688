/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph: what it is made of (inputs, parameters, state, constants), how its tensors are found again, and the entry
 * points that a program compiled from it will have.
 *
 * Builder calls, those that return a gradus_tensor or gradus_updates, never fail on the spot.  One that cannot be
 * obeyed returns poison; the graph keeps the first error, with the operation, the operands' shapes and the file and
 * line of the call, and from then on every call on it does nothing and returns poison.  gradus_define and gradus_jit
 * report the error; gradus_graph_status and gradus_graph_error tell at any time.  Tensors of two graphs in
 * one call are an error of both graphs.
 *
 * Each builder is a macro that passes the place of the call on, see macros.h.  All names, data and options are copied.
 *
 * A graph belongs to one thread at a time.  Lists and names that are returned belong to the graph and live as long.
 */
#ifndef GRADUS_GRAPH_H
#define GRADUS_GRAPH_H

#include <gradus/common.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- life ------------------------------------------------------------------------------------------------------ */

/* An empty graph.  Never NULL: where memory is short, a graph that has failed already (GRADUS_ERROR_MEMORY). */
GRADUS_API gradus_graph *gradus_graph_create(void);

/* Frees the graph and sets the pointer to NULL.  Takes NULL and a pointer to NULL.  Programs outlive their graph. */
GRADUS_API void gradus_graph_destroy(gradus_graph **graph);

/* GRADUS_OK, or the status of the first error; GRADUS_ERROR_ARGUMENT for NULL. */
GRADUS_API gradus_status gradus_graph_status(const gradus_graph *graph);

/* The first error as "file:line: operation: message"; "" where there is none. */
GRADUS_API const char *gradus_graph_error(const gradus_graph *graph);

/* The graph as text, to a file and back.  Reading makes a new graph at *graph, or leaves NULL there.
 * Errors: GRADUS_ERROR_IO, GRADUS_ERROR_FORMAT with the line, GRADUS_ERROR_GRAPH for a graph that has failed. */
GRADUS_API gradus_status gradus_graph_write(const gradus_graph *graph, const char *path);
GRADUS_API gradus_status gradus_graph_read(const char *path, gradus_graph **graph);

/* --- initialisers: the first value of a parameter or state ------------------------------------------------------- */

/* A value that says how; {0} is the default of whoever takes it.  Made by the functions below. */
typedef struct {
    int32_t kind;
    double a, b;
    const void *data;
    size_t bytes;
} gradus_initializer;

GRADUS_API gradus_initializer gradus_zeros(void);
GRADUS_API gradus_initializer gradus_ones(void);
GRADUS_API gradus_initializer gradus_fill(double value);
GRADUS_API gradus_initializer gradus_uniform(double low, double high);              /* F32 and F64 only, */
GRADUS_API gradus_initializer gradus_normal(double mean, double standard_deviation); /* as those below */
GRADUS_API gradus_initializer gradus_truncated_normal(double mean, double standard_deviation);

/* gradus_truncated_normal is the normal distribution without what lies more than two standard deviations from the mean
 * (whose own standard deviation is then 0.88 of the one given), drawn by the inverse of its distribution function.
 *
 * Glorot and Bengio 2010: variance 2 / (fan_in + fan_out).  He et al. 2015: variance 2 / fan_in.  A uniform one has its
 * limits at +-sqrt(3 * variance).  The fans of a kernel (..., in, out) are in and out times the product of the leading
 * extents, the receptive field; of a vector, its extent is both. */
GRADUS_API gradus_initializer gradus_glorot_uniform(void);
GRADUS_API gradus_initializer gradus_glorot_normal(void);
GRADUS_API gradus_initializer gradus_he_uniform(void);
GRADUS_API gradus_initializer gradus_he_normal(void);

/* Elements of the state's dtype, row-major; `bytes` must be exactly the state's.  The caller's memory is read by the
 * call that takes the initialiser, and copied. */
GRADUS_API gradus_initializer gradus_from(const void *data, size_t bytes);

/* --- sources ----------------------------------------------------------------------------------------------------- */

/* What the caller passes at each call.  Names are not empty, have no control characters and are unique in the graph
 * among inputs, parameters, state and gradus_named. */
GRADUS_API gradus_tensor gradus_input_at(const char *file, int line, gradus_graph *graph, const char *name,
                                         gradus_dtype dtype, gradus_shape shape);
GRADUS_API gradus_tensor gradus_input(gradus_graph *graph, const char *name, gradus_dtype dtype, gradus_shape shape);
#define gradus_input(...) gradus_input_at(GRADUS_HERE_, __VA_ARGS__)

/* What is trained: state that gradus_params lists and gradus_minimize updates.  F32 or F64; no extent is the batch.
 * The default initialiser is zeros. */
GRADUS_API gradus_tensor gradus_param_at(const char *file, int line, gradus_graph *graph, const char *name,
                                         gradus_dtype dtype, gradus_shape shape, gradus_initializer first);
GRADUS_API gradus_tensor gradus_param(gradus_graph *graph, const char *name, gradus_dtype dtype, gradus_shape shape,
                                      gradus_initializer first);
#define gradus_param(...) gradus_param_at(GRADUS_HERE_, __VA_ARGS__)

/* State that is not trained (an accumulator, a running mean, a counter): any dtype; only gradus_assign changes it. */
GRADUS_API gradus_tensor gradus_state_at(const char *file, int line, gradus_graph *graph, const char *name,
                                         gradus_dtype dtype, gradus_shape shape, gradus_initializer first);
GRADUS_API gradus_tensor gradus_state(gradus_graph *graph, const char *name, gradus_dtype dtype, gradus_shape shape,
                                      gradus_initializer first);
#define gradus_state(...) gradus_state_at(GRADUS_HERE_, __VA_ARGS__)

/* Elements row-major, copied; `bytes` must be exactly what dtype and shape need.  BOOL elements are 0 or 1. */
GRADUS_API gradus_tensor gradus_constant_at(const char *file, int line, gradus_graph *graph, gradus_dtype dtype,
                                            gradus_shape shape, const void *data, size_t bytes);
GRADUS_API gradus_tensor gradus_constant(gradus_graph *graph, gradus_dtype dtype, gradus_shape shape, const void *data,
                                         size_t bytes);
#define gradus_constant(...) gradus_constant_at(GRADUS_HERE_, __VA_ARGS__)

/* A number of rank 0, rounded to the dtype (saturated if it is an integer one). */
GRADUS_API gradus_tensor gradus_scalar_at(const char *file, int line, gradus_graph *graph, gradus_dtype dtype,
                                          double value);
GRADUS_API gradus_tensor gradus_scalar(gradus_graph *graph, gradus_dtype dtype, double value);
#define gradus_scalar(...) gradus_scalar_at(GRADUS_HERE_, __VA_ARGS__)

/* `value` everywhere, in the dtype and shape of x. */
GRADUS_API gradus_tensor gradus_like_at(const char *file, int line, gradus_tensor x, double value);
GRADUS_API gradus_tensor gradus_like(gradus_tensor x, double value);
#define gradus_like(...) gradus_like_at(GRADUS_HERE_, __VA_ARGS__)

/* (0, 1, …, count-1), any dtype but BOOL; `count` may be a multiple of GRADUS_BATCH. */
GRADUS_API gradus_tensor gradus_arange_at(const char *file, int line, gradus_graph *graph, gradus_dtype dtype,
                                          int64_t count);
GRADUS_API gradus_tensor gradus_arange(gradus_graph *graph, gradus_dtype dtype, int64_t count);
#define gradus_arange(...) gradus_arange_at(GRADUS_HERE_, __VA_ARGS__)

/* Random numbers, F32 or F64: uniform in the open interval (0, 1), or normal with mean 0 and standard deviation 1.
 * They come from Philox 4x32-10 (Salmon et al. 2011) with the seed that initialised the program and a counter that
 * every call of an entry that draws advances: state named "rng", so draws are the same in a resumed run. */
GRADUS_API gradus_tensor gradus_random_uniform_at(const char *file, int line, gradus_graph *graph, gradus_dtype dtype,
                                                  gradus_shape shape);
GRADUS_API gradus_tensor gradus_random_uniform(gradus_graph *graph, gradus_dtype dtype, gradus_shape shape);
#define gradus_random_uniform(...) gradus_random_uniform_at(GRADUS_HERE_, __VA_ARGS__)

GRADUS_API gradus_tensor gradus_random_normal_at(const char *file, int line, gradus_graph *graph, gradus_dtype dtype,
                                                 gradus_shape shape);
GRADUS_API gradus_tensor gradus_random_normal(gradus_graph *graph, gradus_dtype dtype, gradus_shape shape);
#define gradus_random_normal(...) gradus_random_normal_at(GRADUS_HERE_, __VA_ARGS__)

/* BOOL of rank 0: whether the entry point runs in training mode. */
GRADUS_API gradus_tensor gradus_training_at(const char *file, int line, gradus_graph *graph);
GRADUS_API gradus_tensor gradus_training(gradus_graph *graph);
#define gradus_training(...) gradus_training_at(GRADUS_HERE_, __VA_ARGS__)

/* --- finding and asking ----------------------------------------------------------------------------------------- */

/* x under a name: for gradus_find, for the names of an entry's outputs, for people.  Returns x, or the same value under
 * the new name where x has one already.  Names are unique, as those of gradus_input. */
GRADUS_API gradus_tensor gradus_named_at(const char *file, int line, gradus_tensor x, const char *name);
GRADUS_API gradus_tensor gradus_named(gradus_tensor x, const char *name);
#define gradus_named(...) gradus_named_at(GRADUS_HERE_, __VA_ARGS__)

/* The input, parameter, state or named tensor of that name.
 * Errors: GRADUS_ERROR_NOT_FOUND, with names that are near. */
GRADUS_API gradus_tensor gradus_find_at(const char *file, int line, gradus_graph *graph, const char *name);
GRADUS_API gradus_tensor gradus_find(gradus_graph *graph, const char *name);
#define gradus_find(...) gradus_find_at(GRADUS_HERE_, __VA_ARGS__)

/* The parameters whose names match, in the order of making: `*` stands for any characters (also '/'), `?` for one; NULL
 * is all, be they none.
 * Errors: GRADUS_ERROR_NOT_FOUND where a pattern matches none, with names that are near.  After an error the list is
 * empty. */
GRADUS_API gradus_tensors gradus_params_at(const char *file, int line, gradus_graph *graph, const char *pattern);
GRADUS_API gradus_tensors gradus_params(gradus_graph *graph, const char *pattern);
#define gradus_params(...) gradus_params_at(GRADUS_HERE_, __VA_ARGS__)

/* Of a tensor; of poison: rank 0, 0 (no dtype) and NULL.  A tensor without a name has NULL. */
GRADUS_API gradus_shape gradus_shape_of(gradus_tensor x);
GRADUS_API gradus_dtype gradus_dtype_of(gradus_tensor x);
GRADUS_API const char *gradus_name_of(gradus_tensor x);

/* y computed anew with each of `from` replaced by the one of `to` at its place: the same network, with the same
 * parameters, on other inputs.  What does not depend on `from` is shared, random numbers too.  The copies have no
 * attached updates (see gradus_define): running statistics follow the original alone.
 * Errors: counts that differ; a replacement whose dtype or shape differs. */
GRADUS_API gradus_tensor gradus_substitute_at(const char *file, int line, gradus_tensor y, gradus_tensors from,
                                              gradus_tensors to);
GRADUS_API gradus_tensor gradus_substitute(gradus_tensor y, gradus_tensors from, gradus_tensors to);
#define gradus_substitute(...) gradus_substitute_at(GRADUS_HERE_, __VA_ARGS__)

/* --- updates ----------------------------------------------------------------------------------------------------- */

/* The update state <- value.  The value has the state's dtype and broadcasts to its shape; `state` is a parameter or
 * state. */
GRADUS_API gradus_updates gradus_assign_at(const char *file, int line, gradus_tensor state, gradus_tensor value);
GRADUS_API gradus_updates gradus_assign(gradus_tensor state, gradus_tensor value);
#define gradus_assign(...) gradus_assign_at(GRADUS_HERE_, __VA_ARGS__)

/* All updates of a list; GRADUS_NO_UPDATES in it adds none.  Two updates of one tensor are an error. */
GRADUS_API gradus_updates gradus_join_at(const char *file, int line, gradus_update_list list);
GRADUS_API gradus_updates gradus_join(gradus_update_list list);
#define gradus_join(...) gradus_join_at(GRADUS_HERE_, __VA_ARGS__)

/* The value that `state` will have after the updates, where the state itself is the value before.
 * Errors: GRADUS_ERROR_NOT_FOUND where the updates do not change it. */
GRADUS_API gradus_tensor gradus_updated_at(const char *file, int line, gradus_updates updates, gradus_tensor state);
GRADUS_API gradus_tensor gradus_updated(gradus_updates updates, gradus_tensor state);
#define gradus_updated(...) gradus_updated_at(GRADUS_HERE_, __VA_ARGS__)

/* --- entry points ------------------------------------------------------------------------------------------------ */

typedef enum { GRADUS_MODE_AUTO, GRADUS_TRAINING, GRADUS_INFERENCE } gradus_mode;

typedef struct {
    size_t size_;
    gradus_mode mode;  /* default: training where there are updates, else inference */
    int64_t max_batch; /* the largest batch of a call; default: the compile options' */
    uint64_t reserved_[4];
} gradus_define_options;
#define gradus_define_options(...) GRADUS_OPTIONS_(gradus_define_options, __VA_ARGS__)

/* An entry point: a function from inputs, and the state, to outputs and the state's new values.  Updates read old
 * values and are written together at the end; outputs show old values.  `name` is a C identifier, unique among entries
 * and not "init".  `inputs` must name every gradus_input that outputs and updates depend on; it may name more.
 *
 * Attached updates.  Some tensors have an update of their own: the statistics of gradus_batch_norm, the counter of
 * gradus_step.  An entry of training mode, by default one with updates, whose outputs or updates depend on such a tensor
 * makes its update, too, without being told; so does one without updates where `.mode = GRADUS_TRAINING`.  An entry of
 * inference mode makes none.  An update of the same state among `updates` stands instead of the attached one.
 *
 * Errors: GRADUS_ERROR_GRAPH with the graph's first error; else what is wrong here, which then is the graph's error. */
GRADUS_API gradus_status gradus_define_at(const char *file, int line, gradus_graph *graph, const char *name,
                                          gradus_tensors inputs, gradus_tensors outputs, gradus_updates updates,
                                          const gradus_define_options *options);
GRADUS_API gradus_status gradus_define(gradus_graph *graph, const char *name, gradus_tensors inputs,
                                       gradus_tensors outputs, gradus_updates updates);
#define gradus_define(...) gradus_define_at(GRADUS_HERE_, __VA_ARGS__, (const gradus_define_options *)0)

/* gradus_define_with(graph, name, inputs, outputs, updates, .mode = GRADUS_INFERENCE, .max_batch = 1) */
GRADUS_API gradus_status gradus_define_with(gradus_graph *graph, const char *name, gradus_tensors inputs,
                                            gradus_tensors outputs, gradus_updates updates,
                                            const gradus_define_options *options);
#define gradus_define_with(...) GRADUS_AT_5_(gradus_define_at, gradus_define_options, __VA_ARGS__, )

#ifdef __cplusplus
}
#endif
#endif
