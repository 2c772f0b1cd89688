/* SPDX-License-Identifier: Apache-2.0
 * The op table's descriptive columns.  See ops.def. */
#include "ir/op.h"

#include <string.h>

#define AXES ATTR_AXES
#define AXIS ATTR_AXIS
#define RANGE ATTR_RANGE
#define VALUE ATTR_VALUE
#define DATA ATTR_DATA
#define NAME ATTR_NAME
#define STREAM ATTR_STREAM
#define BOUND ATTR_BOUND
#define CALLED ATTR_CALL
#define COMMUTATIVE FLAG_COMMUTATIVE
#define HEAVY FLAG_HEAVY
#define ANY ARITY_ANY

const op_info op_infos[OP_COUNT] = {
    [OP_poison] = {"poison", 0, KIND_SOURCE, DTYPES_NOTHING, 0, 0, "the result of a call that could not be obeyed"},
#define OP(name, builder, arity, kind, operands, attributes, shape, gradient, evaluate, emit, flags, mathematics) \
    [OP_##name] = {#name, (arity), KIND_##kind, DTYPES_##operands, (attributes), (flags), (mathematics)},
#include "ir/ops.def"
#undef OP
};

/* Every other cell that is empty breaks the build by itself. */
#define OP(name, ...) _Static_assert(sizeof #name > 1, "a row of the op table without a name");
#include "ir/ops.def"
#undef OP

op_code op_by_name(const char *name) {
    for (int op = OP_poison + 1; op < OP_COUNT; op++)
        if (strcmp(op_infos[op].name, name) == 0) return (op_code)op;
    return OP_poison;
}
