/* SPDX-License-Identifier: Apache-2.0
 * Which tensors of a file belong to which of a program, and the message where they do not fit.  See compare.h. */
#include "runtime/checkpoint/compare.h"

#include "runtime/checkpoint/progress.h"
#include "runtime/names.h"

#include <string.h>

enum { NAMED = 3 }; /* of each kind of difference; more are counted */

static bool same(const gradus_abi_tensor *t, const stored *s) {
    size_t extents = (size_t)t->shape.d[0] + 1;
    return t->dtype == s->dtype && memcmp(t->shape.d, s->shape.d, extents * sizeof *t->shape.d) == 0;
}

static const char *stored_name(const void *list, size_t i) { return ((const stored *)list)[i].name; }
static const char *state_name(const void *list, size_t i) { return ((const gradus_abi_tensor *)list)[i].name; }

/* What a message says of one kind of difference: how many there are, the first of them, and a name that is near. */
typedef struct {
    size_t count;
    char text[640];
    message m;
} differences;

static bool one_more(differences *d) {
    if (!d->count++) d->m = (message){d->text, sizeof d->text, 0};
    if (d->count > NAMED) return false;
    message_put(&d->m, "%s", d->count > 1 ? ", " : "");
    return true;
}

static void add_name(differences *d, const char *name, const char *near) {
    if (!one_more(d)) return;
    message_put(&d->m, near ? "\"%.80s\" (near is \"%.80s\")" : "\"%.80s\"", name, near);
}

static void add_pair(differences *d, const gradus_abi_tensor *t, const stored *s) {
    char ours[SHAPE_TEXT], theirs[SHAPE_TEXT];
    if (!one_more(d)) return;
    shape_in_words(&t->shape, ours);
    shape_in_words(&s->shape, theirs);
    message_put(&d->m, "\"%.80s\" is %s %s, in the file %s %s", t->name, gradus_dtype_name(t->dtype), ours, s->kind,
                theirs);
}

static const char *more(const differences *d) { return d->count > NAMED ? ", …" : ""; }

static gradus_status report(const char *where, const gradus_safetensors *f, const differences *missing,
                            const differences *unknown, const differences *unlike) {
    char text[1900];
    message m = {text, sizeof text, 0};
    if (missing->count) message_put(&m, "; it lacks %zu: %s%s", missing->count, missing->text, more(missing));
    if (unlike->count)
        message_put(&m, "; %zu differ%s: %s%s", unlike->count, unlike->count == 1 ? "s" : "", unlike->text,
                    more(unlike));
    if (unknown->count)
        message_put(&m, "; %zu in it %s not in the program: %s%s", unknown->count, unknown->count == 1 ? "is" : "are",
                    unknown->text, more(unknown));
    if (missing->count && !unlike->count) message_put(&m, "; gradus_load_matching reads what is in both");
    return fail(GRADUS_ERROR_MISMATCH, "%s: %s does not hold this program's tensors%s", where, f->path, text);
}

/* The file's tensors that no state tensor took. */
static void find_unknown(const gradus_safetensors *f, const gradus_abi_program *abi, const bool *taken,
                         differences *unknown) {
    for (size_t i = 0; i < f->header.count; i++) {
        const char *name = f->header.tensors[i].name, *near = NULL;
        if (taken[i] || progress_has(f, name)) continue;
        if (unknown->count < NAMED) near = names_nearest(name, state_name, abi->state, (size_t)abi->n_state);
        add_name(unknown, name, near);
    }
}

gradus_status compare(const char *where, const gradus_safetensors *f, const gradus_abi_program *abi, bool exact,
                      const char *pattern, const stored **from, size_t *count) {
    const header *h = &f->header;
    differences missing = {.count = 0}, unknown = {.count = 0}, unlike = {.count = 0};
    bool *taken = memory_zeroed(h->count * sizeof *taken);
    if (!taken) return fail_out_of_memory(where);
    *count = 0;
    for (int32_t i = 0; i < abi->n_state; i++) {
        const gradus_abi_tensor *t = &abi->state[i];
        from[i] = !pattern || name_matches(t->name, pattern) ? header_find(h, t->name) : NULL;
        if (from[i]) {
            taken[from[i] - h->tensors] = true;
            ++*count;
            if (!same(t, from[i])) add_pair(&unlike, t, from[i]);
        } else if (exact) {
            const char *near = missing.count < NAMED ? names_nearest(t->name, stored_name, h->tensors, h->count) : NULL;
            add_name(&missing, t->name, near);
        }
    }
    if (exact) find_unknown(f, abi, taken, &unknown);
    memory_free(taken);
    if (!missing.count && !unknown.count && !unlike.count) return GRADUS_OK;
    return report(where, f, &missing, &unknown, &unlike);
}
