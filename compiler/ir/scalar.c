/* SPDX-License-Identifier: Apache-2.0
 * One element of any dtype, to and from double.  See graph.h. */
#include "ir/graph.h"

#include <math.h>

/* Between low and high, both exact as doubles but for INT64_MAX, which rounds to 2^63: hence >=. */
static int64_t saturated(double value, int64_t low, int64_t high) {
    if (isnan(value)) return 0;
    if (value <= (double)low) return low;
    if (value >= (double)high) return high;
    return (int64_t)value;
}

scalar scalar_from_double(gradus_dtype dtype, double value) {
    scalar s = {.bits = 0};
    switch (dtype) {
    case GRADUS_F32: s.f32 = (float)value; break;
    case GRADUS_F64: s.f64 = value; break;
    case GRADUS_I32: s.i32 = (int32_t)saturated(value, INT32_MIN, INT32_MAX); break;
    case GRADUS_I64: s.i64 = saturated(value, INT64_MIN, INT64_MAX); break;
    case GRADUS_U8: s.u8 = (uint8_t)saturated(value, 0, UINT8_MAX); break;
    case GRADUS_BOOL: s.u8 = value != 0; break;
    }
    return s;
}

double scalar_to_double(gradus_dtype dtype, scalar value) {
    switch (dtype) {
    case GRADUS_F32: return (double)value.f32;
    case GRADUS_F64: return value.f64;
    case GRADUS_I32: return value.i32;
    case GRADUS_I64: return (double)value.i64;
    case GRADUS_U8:
    case GRADUS_BOOL: return value.u8;
    }
    return 0;
}
