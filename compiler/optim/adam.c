/* SPDX-License-Identifier: Apache-2.0
 *
 * Adam and AdamW.  Formulas in gradus/optim.h.  The bias corrections c1 and c2 are scalars, so that with
 *
 *     alpha = rate / c1,   scale = 1 / sqrt(c2)
 *
 * Algorithm 1's step, rate (m / c1) / (sqrt(v / c2) + epsilon), is alpha m / (scale sqrt(v) + epsilon): one root and
 * one division an element.
 */
#include "optim/optimizer.h"
#include "runtime/world.h"

enum { BETA1 = OPTION_1, BETA2 = OPTION_2, EPSILON = OPTION_3, DECAY = OPTION_4 };
enum { ALPHA, SCALE }; /* what is shared */

gradus_optimizer(gradus_adamw)(const gradus_adamw_options *options) {
    ENTER;
    gradus_adamw_options o;
    OPTIM_OPTIONS(gradus_adamw_options, &o, options);
    return (gradus_optimizer){.kind = OPTIMIZER_ADAMW,
                              .f = {[OPTION_RATE] = option_value(o.learning_rate, 1e-3),
                                    [BETA1] = option_value(o.beta1, 0.9),
                                    [BETA2] = option_value(o.beta2, 0.999),
                                    [EPSILON] = option_value(o.epsilon, 1e-8),
                                    [DECAY] = o.weight_decay},
                              .rate = o.rate,
                              .name = o.name};
}

gradus_optimizer(gradus_adam)(const gradus_adam_options *options) {
    ENTER;
    gradus_adam_options o;
    OPTIM_OPTIONS(gradus_adam_options, &o, options);
    gradus_optimizer adam = gradus_adamw(.learning_rate = o.learning_rate, .beta1 = o.beta1, .beta2 = o.beta2,
                                         .epsilon = o.epsilon, .rate = o.rate, .name = o.name);
    adam.kind = OPTIMIZER_ADAM;
    return adam;
}

/* c <- beta c + (1 - beta), which is 1 - beta^t after step t */
static uint32_t correction(optimization *s, const char *name, double beta) {
    uint32_t old = optim_scalar_state(s, name, 0);
    uint32_t c = optim_add(s, optim_mul(s, optim_scalar(s, beta), old), optim_scalar(s, 1 - beta));
    optim_update(s, old, c);
    return c;
}

static void adam_begin(optimization *s) {
    uint32_t c1 = correction(s, "c1", s->how->f[BETA1]), c2 = correction(s, "c2", s->how->f[BETA2]);
    s->shared[ALPHA] = optim_div(s, s->rate, c1);
    s->shared[SCALE] = optim_div(s, optim_scalar(s, 1), optim_sqrt(s, c2));
}

static void adam_step(optimization *s) {
    uint32_t old_m = optim_slot(s, "m"), old_v = optim_slot(s, "v");
    uint32_t m = optim_average(s, s->how->f[BETA1], old_m, s->dp);
    uint32_t v = optim_average(s, s->how->f[BETA2], old_v, optim_mul(s, s->dp, s->dp));
    uint32_t root = optim_mul(s, optim_sqrt(s, v), optim_everywhere(s, s->shared[SCALE]));
    uint32_t step = optim_div(s, optim_mul(s, optim_everywhere(s, s->shared[ALPHA]), m),
                              optim_add(s, root, optim_number(s, s->how->f[EPSILON])));
    uint32_t p = s->p;
    if (s->how->f[DECAY] != 0) {
        uint32_t share = optim_mul(s, s->rate, optim_scalar(s, s->how->f[DECAY]));
        p = optim_sub(s, p, optim_mul(s, optim_everywhere(s, share), p));
    }
    optim_update(s, old_m, m);
    optim_update(s, old_v, v);
    optim_update(s, s->p, optim_sub(s, p, step));
}

#define ADAM_OPTIONS [BETA1] = "beta1", [BETA2] = "beta2", [EPSILON] = "epsilon"
const optimizer_row optimizer_adam = {"adam", adam_begin, adam_step, {ADAM_OPTIONS}};
const optimizer_row optimizer_adamw = {"adamw", adam_begin, adam_step, {ADAM_OPTIONS, [DECAY] = "weight_decay"}};
