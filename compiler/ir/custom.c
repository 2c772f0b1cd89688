/* SPDX-License-Identifier: Apache-2.0
 * What the parameters of a user's function are given, by their names.  See custom.h. */
#include "ir/custom.h"

#include "base/catch.h"
#include "runtime/world.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* --- names --------------------------------------------------------------------------------------------------------- */

typedef enum { TENSOR_X, TENSOR_Y, TENSOR_DY, TENSOR_DX } tensor_name;

/* "x1_d2" is tensor X number 1 and the rest "_d2"; "x" is "x0".  False where the name is no tensor's. */
static bool split_name(const char *name, tensor_name *tensor, uint32_t *number, const char **rest) {
    static const char *const prefixes[] = {[TENSOR_X] = "x", [TENSOR_Y] = "y", [TENSOR_DY] = "dy", [TENSOR_DX] = "dx"};
    for (*tensor = TENSOR_X; *tensor <= TENSOR_DX; ++*tensor) {
        const size_t length = strlen(prefixes[*tensor]);
        if (strncmp(name, prefixes[*tensor], length) != 0) continue;
        *number = 0;
        *rest = name + length;
        if (*tensor == TENSOR_X || *tensor == TENSOR_DX) {
            const size_t digits = strspn(*rest, "0123456789");
            if (digits > 4) return false;
            *number = digits ? (uint32_t)strtoul(*rest, NULL, 10) : 0;
            *rest += digits;
        }
        return **rest == '\0' || **rest == '_';
    }
    return false;
}

typedef struct {
    custom *c;
    uint32_t operands;
    text *why;
} description;

static bool wrong(const description *d, const parameter *p, const char *what) {
    return prototype_wrong(d->c->signature, p, d->why, "%s", what);
}

static bool unknown(const description *d, const parameter *p) {
    text known = {.memory = d->why->memory};
    if (d->operands <= 1) text_append(&known, "x0");
    else text_append(&known, "x0 … x%u", d->operands - 1);
    text_append(&known, d->c->backward ? ", y, dy, dx0 …" : ", y");
    return prototype_wrong(
        d->c->signature, p, d->why,
        "the name says nothing that is known; pointers are %s and user; numbers are n, batch, x0_n, x0_d0 "
        "and the like, or have their value behind them (= 0.5)",
        known.data);
}

/* A tensor's memory or, where it has one element, that. */
static bool pass_tensor(const description *d, const parameter *p, tensor_name tensor, uint32_t number, passed *pass) {
    const bool backward = d->c->backward, result = backward ? tensor == TENSOR_DX : tensor == TENSOR_Y;
    if (!backward && tensor >= TENSOR_DY) return wrong(d, p, "only a backward function has cotangents");
    if (number >= d->operands)
        return wrong(d, p, d->operands == 1 ? "there is one operand, x0" : "there are not as many operands");
    if (p->stars > 1) return wrong(d, p, "a pointer to a pointer; right is T *");
    if (!p->stars && (result || p->type == C_VOID))
        return wrong(d, p, "it is passed by a pointer: const T * for what is read, T * for what is written");
    if (result && d->c->by_value) return wrong(d, p, "the function returns its result, so there is no y");
    if (p->type == C_OTHER || (p->is_unsigned && p->type != GRADUS_U8 && p->type != GRADUS_BOOL))
        return wrong(
            d, p, "no dtype has that type; right are float, double, int32_t, int64_t, uint8_t, bool, or void for any");
    if (p->stars && p->is_const == result)
        return wrong(d, p, result ? "it is written, and so not const" : "it is read, and so const: const T *");
    *pass = (passed){.kind = result ? PASS_RESULT : PASS_OPERAND, .of = number};
    if (!result && tensor == TENSOR_Y) pass->of = d->operands;
    if (tensor == TENSOR_DY) pass->of = d->operands + d->c->needs_y;
    return true;
}

/* An extent or a number of elements of the tensor that has that shape. */
static bool pass_extent(const description *d, const parameter *p, tensor_name tensor, uint32_t number, const char *rest,
                        passed *pass) {
    if (number >= d->operands) return wrong(d, p, "there are not as many operands");
    if (p->type != GRADUS_I32 && p->type != GRADUS_I64)
        return wrong(d, p, "an extent is a whole number: int64_t, int, size_t, …");
    pass->of = number;
    if (tensor == TENSOR_Y && d->c->by_value)
        return wrong(d, p, "the function returns its result, one number; how many elements an operand has is x0_n");
    if (tensor == TENSOR_Y || tensor == TENSOR_DY) pass->of = d->c->backward ? d->operands + d->c->needs_y : THE_RESULT;
    pass->kind = PASS_COUNT;
    if (strcmp(rest, "_n") == 0) return true;
    if (strncmp(rest, "_d", 2) != 0 || rest[2] < '0' || rest[2] >= '0' + GRADUS_MAX_RANK || rest[3])
        return unknown(d, p);
    pass->kind = PASS_EXTENT;
    pass->axis = rest[2] - '0';
    return true;
}

static bool pass_parameter(const description *d, const parameter *p, passed *pass) {
    tensor_name tensor;
    uint32_t number;
    const char *rest;
    *pass = (passed){.kind = PASS_VALUE};
    if (p->has_value) return true;
    if (p->stars && strcmp(p->name, "user") == 0) {
        pass->kind = PASS_USER;
        return true;
    }
    const bool whole = !p->stars && (p->type == GRADUS_I32 || p->type == GRADUS_I64);
    if (whole && strcmp(p->name, "batch") == 0) {
        pass->kind = PASS_BATCH;
        return true;
    }
    if (strcmp(p->name, "n") == 0 && !p->stars) return pass_extent(d, p, TENSOR_Y, 0, "_n", pass);
    if (!split_name(p->name, &tensor, &number, &rest)) return unknown(d, p);
    if (!*rest) return pass_tensor(d, p, tensor, number, pass);
    return p->stars ? unknown(d, p) : pass_extent(d, p, tensor, number, rest, pass);
}

bool custom_describe(custom *c, uint32_t operands, arena *memory, text *why) {
    const description d = {c, operands, why};
    c->needs_y = c->backward;
    if (!c->signature) return true;
    if (!prototype_read(c->signature, memory, &c->prototype, why)) return false;
    const prototype *p = &c->prototype;
    passed *passes = ARENA_ARRAY(memory, passed, p->count);
    c->by_value = !c->backward && (p->returns == GRADUS_F32 || p->returns == GRADUS_F64);
    bool writes = c->by_value;
    c->needs_y = false;
    for (uint32_t i = 0; i < p->count; i++)
        c->needs_y |= c->backward && !p->parameters[i].has_value && strcmp(p->parameters[i].name, "y") == 0;
    if (c->backward && p->returns != C_VOID && p->returns != GRADUS_I32) {
        text_append(why, "its signature \"%s\" returns a %s; a backward function returns void, int or gradus_status",
                    c->signature, c_type_name((gradus_dtype)p->returns));
        return false;
    }
    for (uint32_t i = 0; i < p->count; i++) {
        if (!pass_parameter(&d, &p->parameters[i], &passes[i])) return false;
        writes |= passes[i].kind == PASS_RESULT;
    }
    c->passes = passes;
    if (writes) return true;
    text_append(why, "its signature \"%s\" has no %s", c->signature,
                c->backward ? "dx0, dx1, …: the cotangents, to be written" : "y: the result, to be written");
    return false;
}

/* --- what is asked of calls ---------------------------------------------------------------------------------------- */

const custom *custom_copy(const custom *c, arena *memory) {
    if (!c) return NULL;
    custom *copy = arena_copy(memory, c, sizeof *c);
    copy->symbol = arena_string(memory, c->symbol);
    copy->derivative = custom_copy(c->derivative, memory);
    if (!c->signature) return copy;
    copy->signature = arena_string(memory, c->signature);
    copy->passes = arena_copy(memory, c->passes, sizeof *c->passes * c->prototype.count);
    copy->prototype.name = arena_string(memory, c->prototype.name);
    parameter *list = arena_copy(memory, c->prototype.parameters, sizeof *list * c->prototype.count);
    for (uint32_t i = 0; i < c->prototype.count; i++) list[i].name = arena_string(memory, list[i].name);
    copy->prototype.parameters = list;
    return copy;
}

bool custom_equal(const custom *a, const custom *b) {
    if (a->function != b->function || a->user != b->user || a->backward != b->backward || a->effects != b->effects)
        return false;
    if (strcmp(a->symbol, b->symbol) != 0 || !a->signature != !b->signature) return false;
    return !a->signature || strcmp(a->signature, b->signature) == 0;
}

uint32_t custom_operands(const node *n) {
    const custom *c = n->attr.call;
    return c->backward ? n->n_inputs - 1 - c->needs_y : n->n_inputs;
}

bool custom_has_result(const custom *c, uint32_t result, gradus_dtype dtype) {
    if (!c->backward) return result == 0;
    if (!c->signature) return dtype == GRADUS_F32 || dtype == GRADUS_F64;
    for (uint32_t i = 0; i < c->prototype.count; i++)
        if (c->passes[i].kind == PASS_RESULT && c->passes[i].of == result) return true;
    return false;
}

extent custom_number(const passed *pass, const gradus_shape *shape) {
    if (pass->kind == PASS_COUNT) return shape_extent(shape, 0, shape_rank(shape));
    return extent_of(pass->kind == PASS_EXTENT ? shape_dim(shape, pass->axis) : GRADUS_BATCH);
}

static bool is_number(const passed *pass) {
    return pass->kind == PASS_COUNT || pass->kind == PASS_EXTENT || pass->kind == PASS_BATCH;
}

bool custom_numbers_fit(const gradus_graph *g, const node *n, int64_t batch) {
    const custom *c = n->attr.call;
    for (uint32_t i = 0; c->signature && i < c->prototype.count; i++) {
        const parameter *p = &c->prototype.parameters[i];
        if (!is_number(&c->passes[i]) || p->type != GRADUS_I32) continue;
        const int64_t number =
            extent_at(custom_number(&c->passes[i], &custom_about(g, n, &c->passes[i])->shape), batch);
        if (number >= 0 && number <= INT32_MAX) continue;
        char place[SOURCE_TEXT];
        fail(GRADUS_ERROR_ARGUMENT,
             "%scustom %s: `%s` can be more than 2^31 - 1, which its type does not hold; right is int64_t",
             source_text(n->where, place), c->symbol, p->name);
        return false;
    }
    return true;
}

int custom_invoke(void (*thunk)(void *), void *frame) {
    char what[512];
    CALLERS_LOCALE;
    if (catch_call(thunk, frame, what, sizeof what) == CAUGHT_NOTHING) return 0;
    return gradus_custom_fail("it threw an exception%s%s", *what ? ": " : "", what);
}

bool custom_resolve(custom *c) {
    void *address = dlsym(RTLD_DEFAULT, c->symbol);
    memcpy(&c->function, &address, sizeof address); /* ISO C converts no pointer to an object to one to a function */
    return address != NULL;
}
