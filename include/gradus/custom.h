/* SPDX-License-Identifier: Apache-2.0
 *
 * One's own operation: a C function, as it is, for a node of the graph.
 *
 *     int multiply(const float *x0, const float *x1, float *y, int64_t n);
 *     int multiply_backward(const float *x0, const float *x1, const float *dy, float *dx0, float *dx1, int64_t n);
 *
 *     gradus_tensor p = gradus_custom(GRADUS_TENSORS(a, b),
 *         .function = GRADUS_FUNCTION(multiply),
 *         .signature = "int multiply(const float *x0, const float *x1, float *y, int64_t n)",
 *         .backward = GRADUS_FUNCTION(multiply_backward));
 *
 * One thread, the one that calls the program, runs the function once a call of each entry point whose outputs or
 * updates need it, in the order in which such operations were built.  It gets dense row-major memory, must write all of
 * its results and nothing else, and must not call the program that it is part of.  Programs that share a state may call
 * it at the same time.  (Where check_nan finds a value that is not finite, the call is evaluated a second time, functions
 * included, to say where it comes from.)
 *
 * The signature is the function's prototype, as one would paste it from a header; the names of its parameters say what
 * is passed:
 *
 *     const T *x0, *x1, …       the operands in order; x is x0.  T is float, double, int32_t (int), int64_t, uint8_t or
 *                               bool, as the operand's dtype, or void for any
 *     T x1                      the same of an operand of rank 0, by its value
 *     T *y                      the result
 *     int64_t n, x0_n           how many elements the result or an operand has
 *     int64_t y_d0, x1_d2       an extent of the result or an operand, the axes counted from 0
 *     int64_t batch             the batch of the call
 *     T *user                   what .user says; T may be any type
 *     double alpha = 0.5        any other number has its value written behind it (a bool: true or false)
 *
 * Numbers are of type int, unsigned, long, long long, size_t, ptrdiff_t, int32_t, uint32_t, int64_t, uint64_t; values
 * may also be float, double, bool or uint8_t.  Of a backward function, moreover:
 *
 *     const T *dy               the cotangent of the result: the derivative of what is differentiated with respect to it
 *     T *dx0, *dx1, …           the cotangents of the operands, to be written; of those that are not asked for the memory
 *                               is there, and the result is dropped
 *
 * It returns void, or int or gradus_status, where all but 0 is failure; or, where there is no y, a float or double that is
 * the result, a scalar:
 *
 *     double cblas_ddot(int x0_n, const double *x0, int s0 = 1, const double *x1, int s1 = 1)
 *
 * A function in C++ that throws fails, too, with what the exception says (where the library was built with a C++ compiler;
 * the standard library ends the process otherwise).  It must not leave by longjmp or pthread_exit: other threads wait for it.
 * It computes in the library's floating-point mode and sees the caller's locale.
 *
 * A failure ends the call of the program with GRADUS_ERROR_CALLBACK and the function's message (gradus_custom_fail); the
 * state is as it was, since nothing of it is written before these functions have succeeded; outputs are undefined.
 */
#ifndef GRADUS_CUSTOM_H
#define GRADUS_CUSTOM_H

#include <gradus/common.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A function of any type as an option.  It is called by what the signature says. */
#define GRADUS_FUNCTION(...) ((void (*)(void))(__VA_ARGS__))

/* What a function without a signature is given.  Backward: the inputs are x0, x1, …, y and dy; the outputs are dx0, dx1,
 * …, NULL for an operand that is not F32 or F64. */
typedef struct {
    const void *const *inputs;
    void *const *outputs;
    int64_t batch;              /* 1 in an entry point without a batch */
    const gradus_shape *shapes; /* of the inputs, then of the outputs; every extent a number */
    void *user;
} gradus_custom_call;

/* The derivative as graph: sets dx[i] to the cotangent of x.items[i], of its dtype and shape, built by the builders; left
 * as it is, absent, none flows.  y is the result, dy its cotangent.  Derivatives of all orders follow from it.  Not
 * GRADUS_OK: differentiating fails with the message of gradus_custom_fail. */
typedef gradus_status (*gradus_custom_gradient)(void *user, gradus_tensors x, gradus_tensor y, gradus_tensor dy,
                                                gradus_tensor *dx);

/* The result's shape from the operands'; extents -k are k times the batch.  Not GRADUS_OK: there is none. */
typedef gradus_status (*gradus_custom_shape)(void *user, const gradus_shape *in, size_t n, gradus_shape *out);

/* Either `function` with `signature`, or `run` with `symbol`. */
typedef struct {
    size_t size_;
    const char *symbol; /* the function's name for linkers, text and messages; default: the name in the signature */
    void (*function)(void);
    const char *signature;
    gradus_status (*run)(const gradus_custom_call *);
    gradus_custom_shape shape; /* default: what the operands broadcast to.  They are broadcast then, so that a loop up to
                                * n suits all; with a shape function, or a result that is returned, they are passed as
                                * they are */
    gradus_dtype dtype;        /* the result's; default: that of y in the signature, else the first operand's */
    void (*backward)(void);    /* the derivative as a C function, which has no derivative of its own */
    const char *backward_signature; /* default: the signature with dy and dx0, dx1, … of the operands that are F32 or F64
                                     * in the place of y, or at the end.  With `run`: none, and `backward` is called as
                                     * `run` is */
    const char *backward_symbol;     /* default: the name in backward_signature, else symbol_backward */
    gradus_custom_gradient gradient; /* instead of `backward` */
    void *user;                      /* passed on; must live as long as graph and program */
    bool effects; /* it does more than its result shows: never dropped or merged with an equal one, in the entry points
                   * whose outputs or updates need it */
    uint64_t reserved_[4];
} gradus_custom_options;
#define gradus_custom_options(...) GRADUS_OPTIONS_(gradus_custom_options, __VA_ARGS__)

/* The result of the function as a tensor.  All options are copied but what `user` points to.
 * Errors: no function or two; a signature that is no prototype, or has a parameter whose name or type is not as above or
 * not as the operands are, with the place in it; operands that do not broadcast where there is no shape function; one
 * symbol for two functions.  A derivative of a tensor whose operation has neither `backward` nor `gradient` is an error,
 * too. */
GRADUS_API gradus_tensor gradus_custom_at(const char *file, int line, gradus_tensors operands,
                                          const gradus_custom_options *options);
GRADUS_API gradus_tensor gradus_custom(gradus_tensors operands, const gradus_custom_options *options);
#define gradus_custom(...) GRADUS_AT_1_(gradus_custom_at, gradus_custom_options, __VA_ARGS__, )

/* For the user's function: says why it fails, as printf, and returns what is to be returned then. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
GRADUS_API gradus_status gradus_custom_fail(const char *format, ...);

#ifdef __cplusplus
}
#endif
#endif
