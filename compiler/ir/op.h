/* SPDX-License-Identifier: Apache-2.0
 * What the op table says of an op, as an enum and as functions.  See ops.def. */
#ifndef GRADUS_IR_OP_H
#define GRADUS_IR_OP_H

#include <gradus/common.h>

typedef enum {
    OP_poison, /* not in the table: node 0 of each graph, the result of a call that could not be obeyed */
#define OP(name, ...) OP_##name,
#include "ir/ops.def"
#undef OP
    OP_COUNT
} op_code;

typedef enum {
    KIND_SOURCE,
    KIND_ELEMENTWISE,
    KIND_MOVEMENT,
    KIND_REDUCE,
    KIND_CONTRACT,
    KIND_GATHER,
    KIND_SCATTER,
    KIND_CALL,
    KIND_STATE,
} op_kind;

/* Sets of dtypes, as bits 1 << dtype. */
typedef enum {
    DTYPES_NOTHING = 0,
    DTYPES_FLOATS = 1 << GRADUS_F32 | 1 << GRADUS_F64,
    DTYPES_INTS = 1 << GRADUS_I32 | 1 << GRADUS_I64,
    DTYPES_NUMBERS = DTYPES_FLOATS | DTYPES_INTS | 1 << GRADUS_U8,
    DTYPES_BOOLS = 1 << GRADUS_BOOL,
    DTYPES_ALL = DTYPES_NUMBERS | DTYPES_BOOLS,
} op_dtypes;

/* Which fields of `attrs` an op uses; printer, parser, hash and equality go by them. */
typedef enum {
    ATTR_AXES = 1,    /* axes */
    ATTR_AXIS = 2,    /* axis */
    ATTR_RANGE = 4,   /* low, high */
    ATTR_VALUE = 8,   /* value */
    ATTR_DATA = 16,   /* data, bytes */
    ATTR_NAME = 32,   /* name */
    ATTR_STREAM = 64, /* stream */
    ATTR_BOUND = 128, /* bound */
    ATTR_CALL = 256,  /* call */
} op_attrs;

typedef enum { FLAG_COMMUTATIVE = 1, FLAG_HEAVY = 2 } op_flags;

enum { ARITY_ANY = -1 };

typedef struct {
    const char *name;
    int arity;
    op_kind kind;
    op_dtypes operands;
    unsigned attributes, flags;
    const char *mathematics;
} op_info;

extern const op_info op_infos[OP_COUNT];

#define op_name(op) (op_infos[op].name)
#define op_is(op, k) (op_infos[op].kind == KIND_##k)
op_code op_by_name(const char *name); /* OP_poison if there is none */

#endif
