/* SPDX-License-Identifier: Apache-2.0
 * Stochastic gradient descent, plain or with momentum.  Formulas in gradus/optim.h. */
#include "optim/optimizer.h"
#include "runtime/world.h"

enum { MOMENTUM = OPTION_1, NESTEROV = OPTION_2 };

gradus_optimizer(gradus_sgd)(const gradus_sgd_options *options) {
    ENTER;
    gradus_sgd_options o;
    OPTIM_OPTIONS(gradus_sgd_options, &o, options);
    return (gradus_optimizer){.kind = OPTIMIZER_SGD,
                              .f = {[OPTION_RATE] = option_value(o.learning_rate, 1e-2),
                                    [MOMENTUM] = option_value(o.momentum, 0),
                                    [NESTEROV] = o.nesterov},
                              .rate = o.rate,
                              .name = o.name};
}

static void sgd_step(optimization *s) {
    uint32_t direction = s->dp;
    if (s->how->f[MOMENTUM] != 0) {
        uint32_t momentum = optim_number(s, s->how->f[MOMENTUM]), old = optim_slot(s, "u");
        uint32_t u = optim_add(s, optim_mul(s, momentum, old), s->dp);
        optim_update(s, old, u);
        direction = s->how->f[NESTEROV] != 0 ? optim_add(s, s->dp, optim_mul(s, momentum, u)) : u;
    }
    optim_update(s, s->p, optim_sub(s, s->p, optim_mul(s, optim_everywhere(s, s->rate), direction)));
}

const optimizer_row optimizer_sgd = {"sgd", NULL, sgd_step, {[MOMENTUM] = "momentum", [NESTEROV] = "nesterov"}};
