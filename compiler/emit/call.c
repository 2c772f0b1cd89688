/* SPDX-License-Identifier: Apache-2.0
 *
 * A call of a function of the user's: an external symbol, called with pointers, extents and numbers as its signature says.
 *
 *     i32 call(b0, b1, …, batch, 0, 1, user):  return multiply(b0, b1, …, 10 * batch)
 *
 * A function without a signature gets the gradus_custom_call that include/gradus/custom.h describes, made on the stack.
 */
#include "emit/emitter.h"
#include "ir/custom.h"

#include <string.h>

static llvm operand_pointer(const emitter *e, uint32_t i) { return e->pointers[e->k->values.items[i].at.buffer]; }

/* The memory of that result; NULL where the function has none. */
static llvm result_pointer(const emitter *e, uint32_t result) {
    for (uint32_t s = 0; s < e->k->stores.count; s++)
        if (e->k->values.items[e->k->stores.items[s].value].result == result)
            return e->pointers[e->k->stores.items[s].to.buffer];
    return NULL;
}

static void add_attribute(const emitter *e, llvm function, const char *name, uint64_t as) {
    const unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            LLVMCreateEnumAttribute(e->context, kind, as));
}

/* The function as this module knows it.  It is the user's whatever its name is, no library function to be reasoned about. */
static llvm external_function(const emitter *e, const char *name, LLVMTypeRef type) {
    llvm function = LLVMGetNamedFunction(e->module, name);
    if (!function) function = LLVMAddFunction(e->module, name, type);
    add_attribute(e, function, "nobuiltin", 0);
    return function;
}

/* --- the call itself -------------------------------------------------------------------------------------------------
 *
 * A function in C++ may throw, which must not unwind what other threads wait for.  So it is called by custom_invoke
 * (ir/custom.h), by way of a function of one argument, its arguments and its result in a frame on the stack:
 *
 *     void thunk(frame):      frame.result = multiply(frame.0, frame.1, …)
 *     i32 call(…):            frame = {b0, b1, …};  custom_invoke(thunk, &frame)
 */
typedef struct {
    LLVMTypeRef type, *types; /* the function's, and its parameters' */
    llvm *arguments;
    unsigned count;
    /* while it is emitted */
    LLVMTypeRef record;
    llvm frame, thunk, result;
    LLVMBasicBlockRef here;
} invocation;

static llvm field(const emitter *e, const invocation *v, llvm frame, unsigned i) {
    return LLVMBuildStructGEP2(e->b, v->record, frame, i, "");
}

/* Fills the frame and goes on in the thunk, with the call, to which attributes may be added. */
static llvm thunk_begin(const emitter *e, invocation *v, const char *symbol) {
    LLVMTypeRef fields[PARAMETERS_MAX + 1], returned = LLVMGetReturnType(v->type);
    llvm arguments[PARAMETERS_MAX];
    memcpy(fields, v->types, v->count * sizeof *fields);
    fields[v->count] = returned == e->none ? e->i8 : returned;
    v->record = LLVMStructTypeInContext(e->context, fields, v->count + 1, false);
    v->frame = stack_array(e, v->record, 1);
    for (unsigned i = 0; i < v->count; i++) LLVMBuildStore(e->b, v->arguments[i], field(e, v, v->frame, i));
    v->here = LLVMGetInsertBlock(e->b);
    v->thunk = LLVMAddFunction(e->module, "", LLVMFunctionType(e->none, (LLVMTypeRef[]){e->ptr}, 1, false));
    LLVMSetLinkage(v->thunk, LLVMInternalLinkage);
    add_attribute(e, v->thunk, "uwtable", 2); /* so that exceptions find their way, asynchronous ones included */
    LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->context, v->thunk, "entry"));
    for (unsigned i = 0; i < v->count; i++)
        arguments[i] = LLVMBuildLoad2(e->b, v->types[i], field(e, v, LLVMGetParam(v->thunk, 0), i), "");
    return LLVMBuildCall2(e->b, v->type, external_function(e, symbol, v->type), arguments, v->count, "");
}

/* i32: not 0 where the function threw an exception; v->result is what it returned otherwise. */
static llvm thunk_end(const emitter *e, invocation *v, llvm call) {
    const bool returns = LLVMGetReturnType(v->type) != e->none;
    if (returns) LLVMBuildStore(e->b, call, field(e, v, LLVMGetParam(v->thunk, 0), v->count));
    LLVMBuildRetVoid(e->b);
    LLVMPositionBuilderAtEnd(e->b, v->here);
    LLVMTypeRef type = LLVMFunctionType(e->i32, (LLVMTypeRef[]){e->ptr, e->ptr}, 2, false);
    llvm threw = LLVMBuildCall2(e->b, type, external_function(e, CUSTOM_INVOKE, type), (llvm[]){v->thunk, v->frame}, 2, "");
    if (returns) v->result = LLVMBuildLoad2(e->b, LLVMGetReturnType(v->type), field(e, v, v->frame, v->count), "");
    return threw;
}

static llvm is_not_zero(const emitter *e, llvm i) {
    return LLVMBuildICmp(e->b, LLVMIntNE, i, LLVMConstInt(LLVMTypeOf(i), 0, false), "");
}

/* --- by the signature ---------------------------------------------------------------------------------------------- */

static llvm argument(const emitter *e, const node *n, uint32_t i) {
    const custom *c = n->attr.call;
    const parameter *p = &c->prototype.parameters[i];
    const passed *pass = &c->passes[i];
    switch (pass->kind) {
    case PASS_OPERAND:
        if (p->stars) return operand_pointer(e, pass->of);
        return LLVMBuildLoad2(e->b, storage_of(e, (gradus_dtype)p->type), operand_pointer(e, pass->of), "");
    case PASS_RESULT: return result_pointer(e, pass->of);
    case PASS_USER: return e->scratch;
    case PASS_VALUE:
        return p->type == GRADUS_BOOL ? LLVMConstInt(e->i8, p->value.u8, false)
                                      : constant(e, (gradus_dtype)p->type, p->value);
    case PASS_COUNT:
    case PASS_EXTENT:
    case PASS_BATCH: break;
    }
    llvm number = extent_value(e, custom_number(pass, &custom_about(e->list->graph, n, pass)->shape));
    return p->type == GRADUS_I64 ? number : LLVMBuildTrunc(e->b, number, e->i32, "");
}

/* C's calling conventions leave it to the caller, or to the one that is called, to widen small integers. */
static void widen(const emitter *e, llvm call, uint32_t i, const parameter *p) {
    if (p->stars || (p->type != GRADUS_I32 && p->type != GRADUS_U8 && p->type != GRADUS_BOOL)) return;
    const char *name = p->type == GRADUS_I32 ? "signext" : "zeroext";
    const unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddCallSiteAttribute(call, i + 1, LLVMCreateEnumAttribute(e->context, kind, 0));
}

static llvm call_by_signature(const emitter *e, const node *n) {
    const custom *c = n->attr.call;
    const prototype *p = &c->prototype;
    llvm arguments[PARAMETERS_MAX];
    LLVMTypeRef types[PARAMETERS_MAX];
    for (uint32_t i = 0; i < p->count; i++) {
        arguments[i] = argument(e, n, i);
        types[i] = LLVMTypeOf(arguments[i]);
    }
    LLVMTypeRef returned = p->returns == C_VOID ? e->none : storage_of(e, (gradus_dtype)p->returns);
    LLVMTypeRef type = LLVMFunctionType(returned, types, p->count, false);
    invocation v = {type, types, arguments, p->count};
    llvm call = thunk_begin(e, &v, c->symbol);
    for (uint32_t i = 0; i < p->count; i++) widen(e, call, i, &p->parameters[i]);
    llvm threw = thunk_end(e, &v, call);
    if (c->by_value) LLVMBuildStore(e->b, v.result, result_pointer(e, 0));
    return p->returns == GRADUS_I32 ? LLVMBuildSelect(e->b, is_not_zero(e, threw), threw, v.result, "") : threw;
}

/* --- with the struct ------------------------------------------------------------------------------------------------ */

static void put(const emitter *e, llvm array, int64_t at, llvm item) {
    LLVMBuildStore(e->b, item, element_pointer(e, LLVMTypeOf(item), array, int_constant(e, at)));
}

/* Writes a gradus_shape, every extent a number. */
static void put_shape(const emitter *e, llvm shapes, uint32_t at, const gradus_shape *s) {
    const int64_t first = (int64_t)at * (GRADUS_MAX_RANK + 1);
    put(e, shapes, first, int_constant(e, s->d[0]));
    for (int i = 0; i < GRADUS_MAX_RANK; i++)
        put(e, shapes, first + 1 + i,
            i < shape_rank(s) ? extent_value(e, extent_of(shape_dim(s, i))) : int_constant(e, 0));
}

static llvm call_with_struct(const emitter *e, const node *n) {
    const custom *c = n->attr.call;
    const uint32_t results = c->backward ? custom_operands(n) : 1;
    llvm inputs = stack_array(e, e->ptr, n->n_inputs), outputs = stack_array(e, e->ptr, results);
    llvm shapes = stack_array(e, e->i64, (n->n_inputs + results) * (GRADUS_MAX_RANK + 1));
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        put(e, inputs, i, operand_pointer(e, i));
        put_shape(e, shapes, i, &graph_node(e->list->graph, n->inputs[i])->shape);
    }
    for (uint32_t i = 0; i < results; i++) {
        llvm result = result_pointer(e, i);
        put(e, outputs, i, result ? result : LLVMConstPointerNull(e->ptr));
        put_shape(e, shapes, n->n_inputs + i, &(c->backward ? graph_node(e->list->graph, n->inputs[i]) : n)->shape);
    }
    llvm fields[] = {inputs, outputs, e->batch, shapes, e->scratch}; /* in the order of gradus_custom_call */
    LLVMTypeRef types[] = {e->ptr, e->ptr, e->i64, e->ptr, e->ptr};
    LLVMTypeRef record = LLVMStructTypeInContext(e->context, types, 5, false);
    llvm argument = stack_array(e, record, 1);
    for (unsigned i = 0; i < 5; i++)
        LLVMBuildStore(e->b, fields[i], LLVMBuildStructGEP2(e->b, record, argument, i, ""));
    LLVMTypeRef type = LLVMFunctionType(e->i32, types, 1, false);
    invocation v = {type, types, &argument, 1};
    llvm threw = thunk_end(e, &v, thunk_begin(e, &v, c->symbol));
    return LLVMBuildSelect(e->b, is_not_zero(e, threw), threw, v.result, "");
}

llvm emit_call(const emitter *e) {
    const node *n = graph_node(e->list->graph, e->k->called);
    return n->attr.call->signature ? call_by_signature(e, n) : call_with_struct(e, n);
}
