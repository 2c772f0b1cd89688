/* SPDX-License-Identifier: Apache-2.0
 *
 * How a public builder starts and ends: it checks the graph and its operands, notes where the user called it, and has a
 * guard while it works.  A builder that makes one tensor is a CALL; others write out what CALL does.
 */
#ifndef GRADUS_IR_CALL_H
#define GRADUS_IR_CALL_H

#include "ir/graph.h"
#include "runtime/options.h"
#include "runtime/world.h"

typedef struct {
    gradus_graph *graph;
    source outer; /* the place of the call that this one is made in: a user's callback may build, too */
    guard guard;
} call;

/* The graph of a call on `graph` (NULL: the operands' own) and the operands, or NULL where the call must do nothing: an
 * operand is absent or of another graph (an error of all the graphs), or the graph has failed before.  Then c->graph is
 * still the graph that the poison to return belongs to, NULL where there is none at all.  Allocates nothing. */
gradus_graph *call_enter(call *c, gradus_graph *graph, const char *file, int line, const char *op,
                         gradus_tensors operands);
void call_at(call *c, const char *file, int line); /* first thing under the guard: g->here is the place of the call */
void call_leave(call *c);                          /* last thing under the guard */
void call_out_of_memory(call *c);                  /* the graph now has failed; instead of call_leave */

/* The body of a builder with `file` and `line`: `expression` makes a node's id in the graph `g`. */
#define CALL(on_graph, op, operands, expression)                                         \
    ENTER;                                                                               \
    call this_call;                                                                      \
    gradus_graph *const g = call_enter(&this_call, on_graph, file, line, op, operands);  \
    if (!g) return (gradus_tensor){this_call.graph, 0};                                  \
    if (GUARDED(&this_call.guard)) {                                                     \
        call_at(&this_call, file, line);                                                 \
        const uint32_t made = (expression);                                              \
        call_leave(&this_call);                                                          \
        return (gradus_tensor){g, made};                                                 \
    }                                                                                    \
    call_out_of_memory(&this_call);                                                      \
    return (gradus_tensor) { this_call.graph, 0 }

/* The plain function behind a builder's macro. */
#define PLAIN(type, name, parameters, arguments) \
    type(gradus_##name) parameters { return gradus_##name##_at arguments; }

/* The id of updates without a graph that were to be of some parameters, but there were none: gradus_join and gradus_define
 * refuse them.  GRADUS_NO_UPDATES has 0. */
#define UPDATES_OF_NOTHING UINT32_MAX

/* A CALL with options of type T, which `operands` and `expression` know as `o`.  Options that cannot be read are the
 * graph's error. */
#define CALL_WITH(T, options, on_graph, op, operands, expression) \
    T o;                                                          \
    options_copy(OPTIONS_TYPE(T), &o, options);                   \
    CALL(on_graph, op, operands, o.size_ ? (expression) : call_unreadable(g, op, OPTIONS_TYPE(T), options))

uint32_t call_unreadable(gradus_graph *g, const char *op, options_type type, const void *options); /* returns 0 */
double option_value(double given, double standard); /* as it is meant: 0 is the default, -0 a real 0 */

/* Every number that a user gives as an option goes through one of these on its way into the graph.  Whether the dtype can
 * hold it, for floats within a thousandth (1e-50 would be 0 as f32, 1e39 infinite), for integers exactly; what is not finite
 * is another check's concern.  `what` names it, as in ".epsilon".  False after an error.  A share, from 0 to 1, must be
 * told from 1 too: 0.99999999999 would be 1 as f32, and 1 - share 0. */
bool compose_holds(gradus_graph *g, const char *op, const char *what, double value, gradus_dtype dtype);
bool compose_holds_share(gradus_graph *g, const char *op, const char *what, double share, gradus_dtype dtype);

/* Sets gradus_last_error() to the graph's first error and returns GRADUS_ERROR_GRAPH, or GRADUS_ERROR_MEMORY where it
 * is that; GRADUS_OK where there is none. */
gradus_status graph_report(const gradus_graph *g);

/* --- composing, for the public builders ---------------------------------------------------------------------------
 * Like the build_… functions, but with the user's mistakes checked and operands broadcast.  Node in, node out. */

#define OPERANDS(...) \
    ((gradus_tensors){(const gradus_tensor[]){__VA_ARGS__}, \
                      sizeof((gradus_tensor[]){__VA_ARGS__}) / sizeof(gradus_tensor)})
#define NO_OPERANDS ((gradus_tensors){NULL, 0})

uint32_t compose_fail(gradus_graph *g, const char *op, const char *format, ...) PRINTF_LIKE(3, 4); /* returns 0 */
const char *shape_text(gradus_graph *g, const gradus_shape *shape);                                /* "(B, 784)" */

/* -1 where the axis (negative counts from the end) is none of a tensor of that rank; then the graph has the error. */
int compose_axis(gradus_graph *g, const char *op, int axis, int rank);
/* The axes sorted, none negative, all of them for GRADUS_ALL_AXES; false after an error. */
bool compose_axes(gradus_graph *g, const char *op, const gradus_axes *axes, int rank, gradus_axes *sorted);
/* The shape that the shapes of ids broadcast to; false after an error. */
bool compose_shape(gradus_graph *g, const char *op, const uint32_t *ids, uint32_t count, gradus_shape *shape);
/* Whether dtype of x is in the set; an error that says what is otherwise. */
bool compose_dtype(gradus_graph *g, const char *op, uint32_t x, op_dtypes allowed);
bool compose_same_dtype(gradus_graph *g, const char *op, uint32_t x, uint32_t y);
/* Whether the shapes contract as a matmul: vectors are a row on the left, a column on the right. */
bool compose_inner(gradus_graph *g, const gradus_shape *x, const gradus_shape *y);
/* Whether rank and extents are possible for a tensor of that dtype. */
bool compose_valid_shape(gradus_graph *g, const char *op, gradus_dtype dtype, const gradus_shape *shape);

/* Two operands of one dtype among those allowed, broadcast to one shape; false after an error. */
bool compose_pair(gradus_graph *g, const char *op, op_dtypes allowed, uint32_t *x, uint32_t *y);
uint32_t compose_binary(gradus_graph *g, const char *name, op_code op, uint32_t x, uint32_t y);
uint32_t compose_where(gradus_graph *g, uint32_t condition, uint32_t x, uint32_t y);
uint32_t compose_like(gradus_graph *g, uint32_t x, double value); /* a fill of x's dtype and shape */
uint32_t compose_broadcast_to(gradus_graph *g, const char *op, uint32_t x, const gradus_shape *shape);
uint32_t compose_reduce(gradus_graph *g, const char *name, op_code op, uint32_t x, const gradus_axes *axes,
                        bool keepdims);
uint32_t compose_mean(gradus_graph *g, const char *name, uint32_t x, const gradus_axes *axes, bool keepdims);
uint32_t compose_norm(gradus_graph *g, const char *name, uint32_t x, const gradus_axes *axes, bool keepdims);
/* Mean and variance (of the population) over axes with elements, which are kept as 1: `centre` and `variance` are those of
 * x in units, (x - shift) / unit, for constants shift and unit.  The unit is 1 unless squares would overflow, or, with
 * `always`, unless all elements are equal. */
typedef struct {
    uint32_t shift, unit, per_unit, centre, variance;
} moments;
bool compose_moments(gradus_graph *g, const char *op, uint32_t x, const gradus_axes *axes, bool always, moments *m);
uint32_t compose_units(gradus_graph *g, uint32_t x, const moments *m);
uint32_t compose_mean_of(gradus_graph *g, const moments *m);
uint32_t compose_variance_of(gradus_graph *g, const moments *m);
uint32_t compose_reduce_axis(gradus_graph *g, op_code op, uint32_t x, int axis, bool keepdims); /* axis not negative */
/* The shape with the axes (from compose_axes) dropped or, with keepdims, 1; how many elements they hold, of factor 0
 * where that is none. */
gradus_shape compose_reduced_shape(const gradus_shape *shape, const gradus_axes *sorted, bool keepdims);
extent compose_reduced_extent(const gradus_shape *shape, const gradus_axes *sorted);
uint32_t compose_above_zero(gradus_graph *g, uint32_t x);     /* x > 0, as bool */
uint32_t compose_log1p_exp_part(gradus_graph *g, uint32_t x); /* log(1 + e^-|x|) */
uint32_t compose_square(gradus_graph *g, uint32_t x);
uint32_t compose_matmul(gradus_graph *g, uint32_t x, uint32_t y);
/* Where the new last axis of extent `depth` stands at the index, as bool. */
uint32_t compose_one_hot(gradus_graph *g, const char *op, uint32_t indices, int64_t depth);
/* What softmax is made of, along the axes: the largest element, with its derivative and the axes kept as 1; x less that,
 * 0 where x is infinity; the exponential of it. */
typedef struct {
    gradus_axes axes;
    uint32_t largest, below, exp;
} softened;
bool compose_soften(gradus_graph *g, const char *op, uint32_t x, const gradus_axes *axes, softened *s);
uint32_t compose_log_of_sum(gradus_graph *g, const softened *s, bool keepdims); /* log(sum(exp)) */
uint32_t compose_softmax(gradus_graph *g, uint32_t x, int axis);
uint32_t compose_log_softmax(gradus_graph *g, const char *op, uint32_t x, int axis);
uint32_t compose_activation(gradus_graph *g, const char *op, uint32_t x, gradus_activation activation);
uint32_t compose_rng(gradus_graph *g); /* the state of the random numbers, made on first use */
uint32_t compose_index(gradus_graph *g, const char *op, uint32_t indices, int64_t bound); /* check_index */
uint32_t compose_random(gradus_graph *g, gradus_dtype dtype, const gradus_shape *shape);
uint32_t compose_normal(gradus_graph *g, gradus_dtype dtype, const gradus_shape *shape);

/* A param or state with the initialiser given; `op` is OP_param or OP_state. */
uint32_t compose_state(gradus_graph *g, op_code op, const char *name, gradus_dtype dtype, const gradus_shape *shape,
                       const gradus_initializer *first);
/* A layer's name: the one given, or the first of "dense", "dense_2", … that no name begins with, up to a '/'. */
const char *compose_layer_name(gradus_graph *g, const char *given, const char *standard);
/* The param or state LAYER/WHAT. */
uint32_t compose_layer_state(gradus_graph *g, op_code op, const char *layer, const char *what, gradus_dtype dtype,
                             const gradus_shape *shape, const gradus_initializer *first);
/* The tensor that the user gave as WHAT, if it has dtype and shape. */
uint32_t compose_given(gradus_graph *g, const char *op, const char *what, uint32_t id, gradus_dtype dtype,
                       const gradus_shape *shape);
/* The value of an initialiser: a subgraph of constants and random numbers. */
uint32_t compose_initial(gradus_graph *g, const char *op, const gradus_initializer *first, gradus_dtype dtype,
                         const gradus_shape *shape);
/* The node of that name (input, param, state or named), 0 if there is none. */
uint32_t graph_named(const gradus_graph *g, const char *name);
/* Whether a new node may have that name; else the graph has the error. */
bool compose_name(gradus_graph *g, const char *op, const char *name);

#endif
