/* SPDX-License-Identifier: Apache-2.0
 * RMSprop: a step divided by the running root mean square of the gradient.  Formulas in gradus/optim.h. */
#include "optim/optimizer.h"
#include "runtime/world.h"

enum { RHO = OPTION_1, EPSILON = OPTION_2 };

gradus_optimizer(gradus_rmsprop)(const gradus_rmsprop_options *options) {
    ENTER;
    gradus_rmsprop_options o;
    OPTIM_OPTIONS(gradus_rmsprop_options, &o, options);
    return (gradus_optimizer){.kind = OPTIMIZER_RMSPROP,
                              .f = {[OPTION_RATE] = option_value(o.learning_rate, 1e-3),
                                    [RHO] = option_value(o.rho, 0.9),
                                    [EPSILON] = option_value(o.epsilon, 1e-7)},
                              .rate = o.rate,
                              .name = o.name};
}

static void rmsprop_step(optimization *s) {
    uint32_t old = optim_slot(s, "v");
    uint32_t v = optim_average(s, s->how->f[RHO], old, optim_mul(s, s->dp, s->dp));
    uint32_t root = optim_add(s, optim_sqrt(s, v), optim_number(s, s->how->f[EPSILON]));
    optim_update(s, old, v);
    optim_update(s, s->p, optim_sub(s, s->p, optim_div(s, optim_mul(s, optim_everywhere(s, s->rate), s->dp), root)));
}

const optimizer_row optimizer_rmsprop = {"rmsprop", NULL, rmsprop_step, {[RHO] = "rho", [EPSILON] = "epsilon"}};
