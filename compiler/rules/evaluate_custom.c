/* SPDX-License-Identifier: Apache-2.0
 * Calls of the user's functions, through libffi.  See evaluate.h and ir/custom.h. */
#include "ir/custom.h"
#include "rules/evaluate_rules.h"

#include <ffi.h>

/* One call: where its operands and results are.  Results that this node is not go to memory of their own. */
typedef struct {
    const node *n;
    const array *x;
    int64_t batch;
    void *results[CUSTOM_OPERANDS];
    gradus_shape shapes[CUSTOM_OPERANDS];
    uint32_t count; /* of results, those that the function has not among them */
    int returned;
} invocation;

static bool take_results(invocation *v, array *out) {
    const custom *c = v->n->attr.call;
    v->count = c->backward ? custom_operands(v->n) : 1;
    for (uint32_t i = 0; i < v->count; i++) {
        const array *like = c->backward ? &v->x[i] : out;
        v->shapes[i] = like->shape;
        if (i == c->result) v->results[i] = out->data;
        else if (custom_has_result(c, i, like->dtype)) {
            v->results[i] = memory_zeroed((size_t)shape_elements(&like->shape) * gradus_dtype_size(like->dtype));
            if (!v->results[i]) return false;
        }
    }
    return true;
}

static void free_results(invocation *v) {
    for (uint32_t i = 0; i < v->count; i++)
        if (i != v->n->attr.call->result) memory_free(v->results[i]);
}

static ffi_type *ffi_type_of(int32_t type, bool is_unsigned) {
    switch (type) {
    case C_VOID: return &ffi_type_void;
    case GRADUS_F32: return &ffi_type_float;
    case GRADUS_F64: return &ffi_type_double;
    case GRADUS_I32: return is_unsigned ? &ffi_type_uint32 : &ffi_type_sint32;
    case GRADUS_I64: return is_unsigned ? &ffi_type_uint64 : &ffi_type_sint64;
    default: return &ffi_type_uint8;
    }
}

typedef union {
    scalar number;
    const void *pointer;
} slot;

static slot argument(const invocation *v, const parameter *p, const passed *pass) {
    slot s = {.number = p->value};
    switch (pass->kind) {
    case PASS_OPERAND:
        if (p->stars) s.pointer = v->x[pass->of].data;
        else s.number = element_get(&v->x[pass->of], 0);
        break;
    case PASS_RESULT: s.pointer = v->results[pass->of]; break;
    case PASS_USER: s.pointer = v->n->attr.call->user; break;
    case PASS_VALUE: break;
    case PASS_COUNT:
    case PASS_EXTENT:
    case PASS_BATCH: {
        const bool of_result = pass->of == THE_RESULT || pass->kind == PASS_BATCH;
        const int64_t number =
            extent_at(custom_number(pass, of_result ? &v->shapes[0] : &v->x[pass->of].shape), v->batch);
        if (p->type == GRADUS_I64) s.number.i64 = number;
        else s.number.i32 = (int32_t)number;
    }
    }
    return s;
}

/* What the function returns; 0 for void. */
static int call_by_signature(const invocation *v) {
    const custom *c = v->n->attr.call;
    const prototype *p = &c->prototype;
    ffi_cif cif;
    ffi_type *types[PARAMETERS_MAX];
    slot slots[PARAMETERS_MAX];
    void *pointers[PARAMETERS_MAX];
    union {
        ffi_arg integer;
        float f32;
        double f64;
    } result = {0};
    for (uint32_t i = 0; i < p->count; i++) {
        types[i] = p->parameters[i].stars ? &ffi_type_pointer
                                          : ffi_type_of(p->parameters[i].type, p->parameters[i].is_unsigned);
        slots[i] = argument(v, &p->parameters[i], &c->passes[i]);
        pointers[i] = &slots[i];
    }
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, p->count, ffi_type_of(p->returns, false), types) != FFI_OK) return -1;
    ffi_call(&cif, c->function, &result, pointers);
    if (c->by_value) memcpy(v->results[0], &result, gradus_dtype_size((gradus_dtype)p->returns));
    return p->returns == GRADUS_I32 ? (int)result.integer : 0;
}

static int call_with_struct(const invocation *v) {
    const void *inputs[CUSTOM_OPERANDS + 2];
    gradus_shape shapes[2 * CUSTOM_OPERANDS + 2];
    for (uint32_t i = 0; i < v->n->n_inputs; i++) {
        inputs[i] = v->x[i].data;
        shapes[i] = v->x[i].shape;
    }
    for (uint32_t i = 0; i < v->count; i++) shapes[v->n->n_inputs + i] = v->shapes[i];
    const gradus_custom_call call = {
        .inputs = inputs, .outputs = v->results, .batch = v->batch, .shapes = shapes, .user = v->n->attr.call->user};
    return ((gradus_status(*)(const gradus_custom_call *))v->n->attr.call->function)(&call);
}

static void call_function(void *frame) {
    invocation *v = frame;
    v->returned = v->n->attr.call->signature ? call_by_signature(v) : call_with_struct(v);
}

gradus_status evaluate_custom(const node *n, int64_t batch, const array *x, array *out) {
    invocation v = {.n = n, .x = x, .batch = batch};
    const bool room = take_results(&v, out);
    fail_forget();
    int status = room ? custom_invoke(call_function, &v) : 0;
    if (!status) status = v.returned;
    free_results(&v);
    if (!room) return fail_out_of_memory("custom");
    if (!status) return GRADUS_OK;
    char line[SOURCE_TEXT];
    const char *where = source_text(n->where, line);
    if (fail_status())
        return fail(GRADUS_ERROR_CALLBACK, "%scustom %s: %s", where, n->attr.call->symbol, gradus_last_error());
    return fail(GRADUS_ERROR_CALLBACK, "%scustom %s: it returned %d", where, n->attr.call->symbol, status);
}
