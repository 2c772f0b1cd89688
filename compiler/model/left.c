/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a model is being fitted.  A callback may leave its fit for good: by longjmp, or by a C++ exception.  The fit then
 * stays behind in the model, until the next call looks at the stack and finds that it is not there any more.
 */
#include "model/fit.h"

#include <unwind.h>

/* --- the frame ------------------------------------------------------------------------------------------------------- */

/* The frame of this function is on the stack for as long as the fit runs; it is never inlined nor cloned, since it is called
 * through a volatile pointer. */
static gradus_status own(fit *f, fit_run run) {
    fit *volatile self = f;
    f->frame = &self;
    const gradus_status status = run(f);
    self = NULL;
    return status;
}
static gradus_status (*volatile const owner)(fit *, fit_run) = own;

typedef struct {
    const fit *f;
    uintptr_t from; /* where the frame below begins, */
    bool owner;     /* which is one of `own` */
    bool found;
} search;

static _Unwind_Reason_Code look(struct _Unwind_Context *frame, void *user) {
    search *s = user;
    const uintptr_t marker = (uintptr_t)s->f->frame, to = _Unwind_GetCFA(frame);
    if (s->owner && s->from <= marker && marker < to) s->found = *s->f->frame == s->f;
    s->owner = _Unwind_GetRegionStart(frame) == (uintptr_t)owner;
    s->from = to;
    return s->found ? _URC_NORMAL_STOP : _URC_NO_REASON;
}

/* --- the model's fits ------------------------------------------------------------------------------------------------ */

gradus_status fit_own(gradus_model *m, fit *f, fit_run run) {
    f->thread = pthread_self();
    m->fit = f;
    const gradus_status status = owner(f, run);
    if (m->fit == f) m->fit = NULL;
    return status;
}

/* A function of the user's runs in it, and this is called from there. */
static bool on_stack(const fit *f) {
    search s = {.f = f};
    if (f->visiting && pthread_equal(f->thread, pthread_self())) _Unwind_Backtrace(look, &s);
    return s.found;
}

static void put_aside(gradus_model *m) {
    fit *f = m->fit;
    fit_close(f);
    f->next = m->left;
    m->left = f;
    m->fit = NULL;
}

/* Where no function of the user's runs but one that is part of the graph, there is no telling. */
bool model_busy(gradus_model *m) {
    const fit *f = m->fit;
    if (!f) return false;
    if (!f->visiting || !pthread_equal(f->thread, pthread_self()) || on_stack(f)) return true;
    put_aside(m);
    return false;
}

void model_forget_fits(gradus_model *m) {
    if (m->fit && !on_stack(m->fit)) put_aside(m);
    for (fit *f = m->left, *next; f; f = next) {
        next = f->next;
        memory_free(f);
    }
    m->left = NULL;
}
