/* SPDX-License-Identifier: Apache-2.0
 *
 * What the optimizers share.  An optimizer is a row: a name, `begin`, which builds once what all parameters use, and
 * `step`, which builds the updates of one parameter.  Both only build graph, so that an update fuses with the
 * backward pass; scalars that do not depend on the parameter (a bias correction) belong in `begin`, so that each element pays
 * as little as the formula allows.
 */
#ifndef GRADUS_OPTIM_OPTIMIZER_H
#define GRADUS_OPTIM_OPTIMIZER_H

#include "ir/call.h"

enum { OPTIMIZER_UNREADABLE = -1, OPTIMIZER_NONE, OPTIMIZER_SGD, OPTIMIZER_RMSPROP, OPTIMIZER_ADAM, OPTIMIZER_ADAMW, OPTIMIZER_CUSTOM };
enum { OPTION_RATE, OPTION_1, OPTION_2, OPTION_3, OPTION_4, OPTION_COUNT }; /* gradus_optimizer.f; rows say which */

typedef struct {
    gradus_graph *g;
    const gradus_optimizer *how;
    const char *call, *name; /* what the user called; the prefix of the state */
    gradus_dtype dtype;      /* of scalars: F64 if any parameter is, else F32 */
    uint32_t rate;           /* the learning rate, a scalar */
    uint32_t shared[2];      /* what `begin` made for `step` */
    uint32_t p, dp;          /* the parameter whose turn it is, and its gradient */
    VEC(update) updates;
} optimization;

typedef struct {
    const char *name;
    void (*begin)(optimization *s); /* NULL: nothing is shared */
    void (*step)(optimization *s);
    const char *options[OPTION_COUNT]; /* their names; the learning rate's is the same everywhere */
} optimizer_row;

/* Reads options, or returns an optimizer that says with gradus_minimize why they cannot be read. */
#define OPTIM_OPTIONS(T, to, options) \
    if (!options_copy(OPTIONS_TYPE(T), to, options)) return optim_unreadable(OPTIONS_TYPE(T), options)
gradus_optimizer optim_unreadable(options_type type, const void *options);
const char *optim_why_unreadable(char *why, const gradus_optimizer *o); /* OPTIONS_WHY bytes */

extern const optimizer_row optimizer_sgd, optimizer_rmsprop, optimizer_adam, optimizer_adamw;

/* The parameter's state "NAME/P/suffix", which starts at 0; a scalar state "NAME/suffix" */
uint32_t optim_slot(optimization *s, const char *suffix);
uint32_t optim_scalar_state(optimization *s, const char *suffix, double first);

/* state <- value, of equal dtype and shape. */
void optim_update(optimization *s, uint32_t state, uint32_t value);

/* Arithmetic on tensors of equal shape; a number as a scalar, or everywhere in the parameter's shape; and a scalar of
 * s->dtype in the dtype and shape of the parameter. */
uint32_t optim_add(optimization *s, uint32_t a, uint32_t b);
uint32_t optim_sub(optimization *s, uint32_t a, uint32_t b);
uint32_t optim_mul(optimization *s, uint32_t a, uint32_t b);
uint32_t optim_div(optimization *s, uint32_t a, uint32_t b);
uint32_t optim_sqrt(optimization *s, uint32_t a);
uint32_t optim_scalar(optimization *s, double value);
uint32_t optim_number(optimization *s, double value);
uint32_t optim_everywhere(optimization *s, uint32_t scalar);

/* share * old + (1 - share) * new, an exponential moving average, in the parameter's shape */
uint32_t optim_average(optimization *s, double share, uint32_t old, uint32_t new);

#endif
