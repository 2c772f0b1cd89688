/* SPDX-License-Identifier: Apache-2.0
 *
 * Prototypes of C functions as text, read: `int scale(const float *x0, float *y, int64_t n, double alpha = 0.5)`.  Knows C
 * alone; what the names of parameters mean is custom.h's matter.
 */
#ifndef GRADUS_IR_PROTOTYPE_H
#define GRADUS_IR_PROTOTYPE_H

#include "ir/graph.h"

/* A parameter's type, or what it points to: a dtype, or one of these. */
enum { C_VOID = 0, C_OTHER = -1 }; /* OTHER: some name that is no dtype's */

typedef struct {
    int32_t type;
    bool is_unsigned, is_const;
    int32_t stars;
    const char *name;
    bool has_value;
    scalar value;      /* of `type` */
    size_t at, length; /* the parameter's place in the text */
} parameter;

enum { PARAMETERS_MAX = 64 };

typedef struct prototype {
    const char *name;
    int32_t returns; /* C_VOID, GRADUS_I32, GRADUS_F32 or GRADUS_F64 */
    uint32_t count;
    const parameter *parameters;
} prototype;

/* Reads a prototype; all of it lives in `memory`.  False after `why` says what was expected where.  Needs a guard. */
bool prototype_read(const char *signature, arena *memory, prototype *p, text *why);

/* Says that a parameter is wrong, with its place: "character 17, `const float *z`: …".  Returns false. */
bool prototype_wrong(const char *signature, const parameter *p, text *why, const char *format, ...) PRINTF_LIKE(4, 5);

/* "float" for GRADUS_F32, … */
const char *c_type_name(gradus_dtype dtype);

#endif
