/* SPDX-License-Identifier: Apache-2.0
 * The order of summation.  See order.h. */
#include "rules/order.h"

reduction_order order_of_reduction(const gradus_shape *shape, const gradus_axes *axes) {
    int first = axes->d[1], behind = axes->d[axes->d[0]] + 1;
    extent inner = shape_extent(shape, behind, shape_rank(shape));
    return (reduction_order){
        .outer = shape_extent(shape, 0, first),
        .n = shape_extent(shape, first, behind),
        .inner = inner,
        .lanes = inner.factor == 1 && inner.power == 0,
    };
}
