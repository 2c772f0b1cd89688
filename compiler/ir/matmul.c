/* SPDX-License-Identifier: Apache-2.0
 * The public matmul: vectors, stacks of matrices and their broadcasting, in terms of the node's equal leading
 * extents. */
#include "ir/call.h"

#include <gradus/build.h>

/* The shape with its last two extents replaced, or behind the leading ones of another. */
static gradus_shape matrices(const gradus_shape *leading, int count, int64_t rows, int64_t columns) {
    gradus_shape s = *leading;
    s.d[0] = count + 2;
    s.d[count + 1] = rows;
    s.d[count + 2] = columns;
    return s;
}

/* (…, m, k) x (k, n): one product of all rows, where their number can be said. */
static uint32_t by_one_matrix(gradus_graph *g, uint32_t x, uint32_t y, extent rows) {
    const gradus_shape *xs = &graph_node(g, x)->shape, *ys = &graph_node(g, y)->shape;
    const int rank = shape_rank(xs);
    const gradus_shape flat = {{2, rows.power ? -rows.factor : rows.factor, shape_dim(xs, rank - 1)}};
    const gradus_shape to = matrices(xs, rank - 2, shape_dim(xs, rank - 2), shape_dim(ys, 1));
    return build_reshape(g, build_op2(g, OP_matmul, build_reshape(g, x, &flat), y), &to);
}

/* Both operands are matrices or stacks of them. */
static uint32_t stacks(gradus_graph *g, uint32_t x, uint32_t y) {
    const gradus_shape *xs = &graph_node(g, x)->shape, *ys = &graph_node(g, y)->shape;
    const int xr = shape_rank(xs), yr = shape_rank(ys);
    const extent rows = shape_extent(xs, 0, xr - 1);
    if (yr == 2 && (xr == 2 || rows.power <= 1)) return by_one_matrix(g, x, y, rows);
    /* The leading extents broadcast as those of tensors without the matrices would. */
    const gradus_shape lead[] = {shape_make(xr - 2, xs->d + 1), shape_make(yr - 2, ys->d + 1)};
    gradus_shape common = lead[xr >= yr ? 0 : 1];
    for (int which = 0; which < 2; which++) {
        const int more = shape_rank(&common) - shape_rank(&lead[which]);
        for (int i = 0; i < shape_rank(&lead[which]); i++) {
            const int64_t dim = shape_dim(&lead[which], i);
            if (common.d[more + i + 1] == 1) common.d[more + i + 1] = dim;
            else if (dim != 1 && dim != common.d[more + i + 1])
                return compose_fail(g, "matmul",
                                    "leading extents do not broadcast: %s x %s; beside the last two axes, extents "
                                    "must be equal or 1",
                                    shape_text(g, xs), shape_text(g, ys));
        }
    }
    const gradus_shape x_to = matrices(&common, shape_rank(&common), shape_dim(xs, xr - 2), shape_dim(xs, xr - 1));
    const gradus_shape y_to = matrices(&common, shape_rank(&common), shape_dim(ys, yr - 2), shape_dim(ys, yr - 1));
    return build_op2(g, OP_matmul, build_broadcast(g, x, &x_to), build_broadcast(g, y, &y_to));
}

uint32_t compose_matmul(gradus_graph *g, uint32_t x, uint32_t y) {
    const gradus_shape xs = graph_node(g, x)->shape, ys = graph_node(g, y)->shape;
    if (!compose_same_dtype(g, "matmul", x, y) || !compose_dtype(g, "matmul", x, DTYPES_FLOATS)) return 0;
    if (!compose_inner(g, &xs, &ys)) return 0;
    const bool row = shape_rank(&xs) == 1, column = shape_rank(&ys) == 1;
    if (row) x = build_reshape(g, x, &(gradus_shape){{2, 1, shape_dim(&xs, 0)}});
    if (column) y = build_reshape(g, y, &(gradus_shape){{2, shape_dim(&ys, 0), 1}});
    const uint32_t product = stacks(g, x, y);
    if (!product || !(row || column)) return product;
    gradus_shape to = graph_node(g, product)->shape;
    if (column) to.d[0]--;
    if (row) {
        if (!column) to.d[to.d[0] - 1] = to.d[to.d[0]];
        to.d[0]--;
    }
    return build_reshape(g, product, &to);
}

gradus_tensor gradus_matmul_at(const char *file, int line, gradus_tensor x, gradus_tensor y) {
    CALL(NULL, "matmul", OPERANDS(x, y), compose_matmul(g, x.id, y.id));
}
PLAIN(gradus_tensor, matmul, (gradus_tensor x, gradus_tensor y), (NULL, 0, x, y))
