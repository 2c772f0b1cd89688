/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node of op `custom` calls: a C function of the user's, and what each of its parameters is given.
 *
 * A node has one result.  A backward function has several: each that is wanted is a node of its own, alike but for
 * `result`; fusion makes one call of them.  Operands of a forward call are x0, x1, …; of a backward call these, then y
 * where the function asks for it, then dy.
 */
#ifndef GRADUS_IR_CUSTOM_H
#define GRADUS_IR_CUSTOM_H

#include "ir/prototype.h"

#include <gradus/custom.h>

typedef enum {
    PASS_OPERAND, /* a pointer to operand `of`, or its one element */
    PASS_RESULT,  /* a pointer to result `of` */
    PASS_COUNT,   /* the number of elements of operand `of`, or of the result */
    PASS_EXTENT,  /* its extent `axis` */
    PASS_BATCH,
    PASS_VALUE, /* the parameter's own value */
    PASS_USER,
} pass_kind;

typedef struct {
    pass_kind kind;
    uint32_t of; /* THE_RESULT: of a forward call */
    int32_t axis;
} passed;

#define THE_RESULT UINT32_MAX

enum { CUSTOM_OPERANDS = 32 }; /* of a forward call, at most */

typedef struct custom {
    const char *symbol, *signature; /* without a signature the function takes a gradus_custom_call */
    void (*function)(void);
    void *user;
    bool backward;
    uint32_t result;  /* backward: which dx this node is */
    uint32_t effects; /* 0: pure.  Else the call's own number: it is neither dropped nor merged */

    /* from the signature, by custom_describe */
    prototype prototype;
    const passed *passes; /* for each parameter */
    bool needs_y;
    bool by_value; /* the function returns its result, a scalar */

    /* forward: how it is differentiated; not in the text form */
    const struct custom *derivative;
    gradus_custom_gradient gradient;
} custom;

/* Reads the signature and finds what each parameter is given, for a node of that many operands (of a backward call: as
 * many as its forward call has).  False after `why` says what is wrong.  Needs a guard. */
bool custom_describe(custom *c, uint32_t operands, arena *memory, text *why);

/* A copy that lives in `memory`.  NULL stays NULL. */
const custom *custom_copy(const custom *c, arena *memory);

/* Whether two are calls of the same function in the same way, whichever result they are.  Two pure ones with equal
 * operands are one call. */
bool custom_equal(const custom *a, const custom *b);

/* How many of n's operands are x0, x1, …  How many results its function has, and whether it has that one, of which dtype
 * operand (backward) tells. */
uint32_t custom_operands(const node *n);
bool custom_has_result(const custom *c, uint32_t result, gradus_dtype dtype);

/* Whether a node is to run though nothing reads its value: an index may be wrong, a function may have effects. */
static inline bool node_acts(const node *n) {
    return n->op == OP_check_index || (n->attr.call && n->attr.call->effects);
}

/* What a parameter that is a number is given, `shape` being that of the tensor it is about. */
extent custom_number(const passed *pass, const gradus_shape *shape);

/* The tensor that a parameter is about: an operand, or n itself. */
static inline const node *custom_about(const gradus_graph *g, const node *n, const passed *pass) {
    return pass->of == THE_RESULT || pass->kind == PASS_BATCH ? n : graph_node(g, n->inputs[pass->of]);
}

/* Whether numbers fit the parameters' types for a batch; else gradus_last_error says which does not. */
bool custom_numbers_fit(const gradus_graph *g, const node *n, int64_t batch);

/* Sets the function of that name in this process; false where there is none. */
bool custom_resolve(custom *c);

/* Calls a function of the user's by way of one that takes its arguments from `frame`: in the caller's locale, and where it
 * throws a C++ exception that is a gradus_custom_fail.  0, or not 0 after an exception.  Compiled code knows it by that name. */
int custom_invoke(void (*thunk)(void *), void *frame);
#define CUSTOM_INVOKE "gradus_custom_invoke_"

/* "multiply", as messages call a custom node. */
static inline const char *custom_name(const node *n) { return n->attr.call->symbol; }

#endif
