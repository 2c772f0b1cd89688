/* SPDX-License-Identifier: Apache-2.0
 *
 * Learning rates as functions of the epoch.
 */
#include "model/fit.h"

#include "runtime/world.h"

#include <math.h>

enum { NO_SCHEDULE, STEP, EXPONENTIAL, COSINE, CUSTOM };

gradus_schedule gradus_schedule_step(double rate, double factor, int64_t every) {
    return (gradus_schedule){.kind = STEP, .f = {rate, factor}, .n = {every}};
}

gradus_schedule gradus_schedule_exponential(double rate, double factor) {
    return (gradus_schedule){.kind = EXPONENTIAL, .f = {rate, factor}};
}

gradus_schedule gradus_schedule_cosine(double rate, double last, int64_t warm_up, int64_t epochs) {
    return (gradus_schedule){.kind = COSINE, .f = {rate, last}, .n = {warm_up, epochs}};
}

gradus_schedule gradus_schedule_custom(gradus_schedule_fn function, void *user) {
    return (gradus_schedule){.kind = CUSTOM, .function = function, .user = user};
}

const char *schedule_fault(const gradus_schedule *s) {
    if (s->kind < NO_SCHEDULE || s->kind > CUSTOM) return "it is made by none of gradus_schedule_…";
    if (s->kind == STEP && s->n[0] < 1) return "gradus_schedule_step goes down every 1 or more epochs";
    if (s->kind == COSINE && (s->n[0] < 0 || s->n[1] <= s->n[0]))
        return "gradus_schedule_cosine needs more epochs than those of its warm-up, which are 0 or more";
    if (s->kind == CUSTOM && !s->function) return "the function of gradus_schedule_custom is NULL";
    return NULL;
}

bool schedule_holds(const gradus_schedule *s, gradus_dtype dtype, double *rate) {
    const int rates = s->kind == CUSTOM ? 0 : s->kind == COSINE ? 2 : 1;
    for (int i = 0; i < rates && dtype == GRADUS_F32; i++) {
        *rate = s->f[i];
        if (isfinite(*rate) && !(fabs((double)(float)*rate - *rate) <= 1e-3 * fabs(*rate))) return false;
    }
    return true;
}

double schedule_rate(const gradus_schedule *s, int64_t epoch, double rate) {
    const int64_t warm = s->n[0], steps = s->n[1] - 1 - warm; /* of the cosine */
    switch (s->kind) {
    case STEP: return s->f[0] * pow(s->f[1], (double)(epoch / s->n[0]));
    case EXPONENTIAL: return s->f[0] * pow(s->f[1], (double)epoch);
    case COSINE:
        if (epoch < warm) return s->f[0] * (double)(epoch + 1) / (double)warm;
        if (epoch - warm >= steps) return s->f[1];
        return s->f[1] + (s->f[0] - s->f[1]) * 0.5 * (1 + cos(acos(-1) * (double)(epoch - warm) / (double)steps));
    case CUSTOM: {
        LEAVE;
        return s->function(s->user, epoch, rate);
    }
    default: return rate;
    }
}
