/* SPDX-License-Identifier: Apache-2.0
 *
 * Contractions.  The result is cut into blocks of columns and chunks of rows; a thread packs its block of the right
 * operand into panels as wide as a register tile, then runs the shared micro-kernel over tiles of rows, and the
 * epilogue over the rows of finished chains while they are in the first cache.
 *
 *     for unit (batch…, block of columns, chunk of rows):
 *         pack y[k, block] into panels, unless the last unit had the same block
 *         for tile of rows:
 *             for panel:  micro-kernel: chains[row, column] over all k, rows of x broadcast
 *             for row of the tile:  span over the block's columns: epilogue, stores
 *
 * Rows of a tile that do not exist repeat the last one; columns that do not exist are zero in the panel.
 */
#include "emit/span.h"
#include "rules/order.h"

#include <assert.h>

enum { PANEL_BYTES = 256 * 1024, CHUNKS = 8, UNROLL = 4 };

typedef struct {
    unsigned rows, vectors, lanes; /* of a register tile */
    int64_t columns;               /* vectors × lanes */
    int64_t panels;                /* of a block */
    int64_t tiles;                 /* of a chunk */
    int m, n;                      /* loop dimensions */
} tiling;

static int64_t at_most(extent e, int64_t batch) {
    int64_t n = extent_at(e, batch);
    return n > 0 ? n : 1;
}

/* The register tile leaves room for one row of the right operand and a broadcast of the left. */
static tiling tiling_of(const emit_target *t, const kernel *k, int64_t max_batch) {
    tiling s = {.m = k->rank - 2, .n = k->rank - 1};
    s.lanes = t->vector_bytes / (unsigned)gradus_dtype_size(k->accumulate);
    s.vectors = t->registers >= 32 ? 3 : 2;
    s.rows = t->registers >= 32 ? 8 : t->vector_bytes >= 32 ? 6 : 4;
    int64_t m = at_most(k->dims[s.m], max_batch), n = at_most(k->dims[s.n], max_batch), depth = at_most(k->depth, max_batch);
    while (s.vectors > 1 && n <= (int64_t)((s.vectors - 1) * s.lanes)) s.vectors--;
    s.columns = (int64_t)s.vectors * s.lanes;
    int64_t panel = depth * s.columns * (int64_t)gradus_dtype_size(k->accumulate);
    int64_t panels = (n + s.columns - 1) / s.columns, tiles = (m + s.rows - 1) / s.rows;
    s.panels = 1;
    while (s.panels * 2 * panel <= PANEL_BYTES && s.panels < panels) s.panels *= 2;
    int64_t blocks = (panels + s.panels - 1) / s.panels;
    int64_t chunks = blocks >= CHUNKS ? 1 : (CHUNKS + blocks - 1) / blocks;
    s.tiles = (tiles + chunks - 1) / chunks;
    return s;
}

static llvm batches(const emitter *e, const kernel *k) {
    llvm n = int_constant(e, 1);
    for (int d = 0; d < k->rank - 2; d++) n = int_mul(e, n, extent_value(e, k->dims[d]));
    return n;
}

static llvm blocks_of(const emitter *e, const kernel *k, const tiling *s) {
    return int_div_up(e, extent_value(e, k->dims[s->n]), s->columns * s->panels);
}

static llvm chunks_of(const emitter *e, const kernel *k, const tiling *s) {
    return int_div_up(e, extent_value(e, k->dims[s->m]), (int64_t)s->rows * s->tiles);
}

llvm contract_units(const emitter *e, const kernel *k, int64_t max_batch) {
    tiling s = tiling_of(e->target, k, max_batch);
    return int_mul(e, batches(e, k), int_mul(e, blocks_of(e, k, &s), chunks_of(e, k, &s)));
}

/* --- the micro-kernel --------------------------------------------------------------------------------------------------- */

/* How the rows of the left operand lie: k contiguous, m contiguous (and all rows there), or anyhow. */
typedef enum { LEFT_DEPTH, LEFT_ROWS, LEFT_ANY } left_form;

typedef struct {
    const emitter *e;
    LLVMTypeRef type, vector;
    const tiling *s;
    left_form form;
    llvm rows[16], step; /* pointers to the rows, and what one step of k adds to an index into them */
    llvm panel;
} micro;

static llvm multiply_add(const emitter *e, LLVMTypeRef type, llvm a, llvm b, llvm c) {
    llvm args[3] = {a, b, c};
    if (e->target->fma) return call_intrinsic(e, "llvm.fma", type, 3, args);
    return LLVMBuildFAdd(e->b, LLVMBuildFMul(e->b, a, b, ""), c, "");
}

/* One step of k: acc[row][vector] = x[row] · panel[vector] + acc[row][vector]. */
static void micro_step(const micro *m, llvm k, llvm *acc) {
    const emitter *e = m->e;
    llvm right[4], index = m->form == LEFT_DEPTH ? k : int_mul(e, k, m->step);
    llvm row = int_mul(e, k, int_constant(e, m->s->columns));
    for (unsigned v = 0; v < m->s->vectors; v++)
        right[v] = vector_load_at(e, m->type, m->panel, int_add(e, row, int_constant(e, (int64_t)v * m->s->lanes)), m->s->lanes);
    for (unsigned r = 0; r < m->s->rows; r++) {
        llvm from = m->form == LEFT_ROWS ? element_pointer(e, m->type, m->rows[0], int_constant(e, r)) : m->rows[r];
        llvm left = splat(e, vector_load_at(e, m->type, from, index, 0), m->s->lanes);
        for (unsigned v = 0; v < m->s->vectors; v++)
            acc[r * m->s->vectors + v] = multiply_add(e, m->vector, left, right[v], acc[r * m->s->vectors + v]);
    }
}

/* A loop over k that carries the accumulators in registers. */
static void micro_loop(const micro *m, llvm from, llvm to, int unroll, llvm *acc) {
    const emitter *e = m->e;
    unsigned n = m->s->rows * m->s->vectors;
    LLVMBasicBlockRef before = LLVMGetInsertBlock(e->b);
    loop l = loop_begin(e, from, to, unroll);
    LLVMBasicBlockRef body = LLVMGetInsertBlock(e->b);
    llvm phis[64];
    LLVMPositionBuilder(e->b, l.head, LLVMGetNextInstruction(l.i));
    for (unsigned i = 0; i < n; i++) {
        phis[i] = LLVMBuildPhi(e->b, m->vector, "");
        LLVMAddIncoming(phis[i], &acc[i], &before, 1);
        acc[i] = phis[i];
    }
    LLVMPositionBuilderAtEnd(e->b, body);
    for (int u = 0; u < unroll; u++) micro_step(m, int_add(e, l.i, int_constant(e, u)), acc);
    LLVMBasicBlockRef last = LLVMGetInsertBlock(e->b);
    for (unsigned i = 0; i < n; i++) {
        LLVMAddIncoming(phis[i], &acc[i], &last, 1);
        acc[i] = phis[i];
    }
    loop_end(e, &l);
}

/* void micro(ptr x, i64 row_stride, i64 depth_stride, i64 rows, ptr panel, i64 depth, ptr tile, i64 tile_stride, i1 add) */
static void micro_body(micro *m, llvm function) {
    const emitter *e = m->e;
    const tiling *s = m->s;
    llvm x = LLVMGetParam(function, 0), row_stride = LLVMGetParam(function, 1), rows = LLVMGetParam(function, 3);
    llvm depth = LLVMGetParam(function, 5), tile = LLVMGetParam(function, 6), tile_stride = LLVMGetParam(function, 7);
    llvm acc[64], unrolled = LLVMBuildAnd(e->b, depth, int_constant(e, -UNROLL), "");
    m->step = LLVMGetParam(function, 2);
    m->panel = LLVMGetParam(function, 4);
    for (unsigned r = 0; r < s->rows; r++) {
        llvm row = int_min(e, int_constant(e, r), int_sub(e, rows, int_constant(e, 1)));
        m->rows[r] = r && m->form != LEFT_ROWS ? element_pointer(e, m->type, x, int_mul(e, row, row_stride)) : x;
    }
    for (unsigned i = 0; i < s->rows * s->vectors; i++) acc[i] = LLVMConstNull(m->vector);
    micro_loop(m, int_constant(e, 0), unrolled, UNROLL, acc);
    micro_loop(m, unrolled, depth, 1, acc);
    LLVMBasicBlockRef fresh = LLVMAppendBasicBlockInContext(e->context, function, "fresh");
    LLVMBasicBlockRef add = LLVMAppendBasicBlockInContext(e->context, function, "add");
    LLVMBuildCondBr(e->b, LLVMGetParam(function, 8), add, fresh);
    for (int adds = 0; adds < 2; adds++) {
        LLVMPositionBuilderAtEnd(e->b, adds ? add : fresh);
        for (unsigned i = 0; i < s->rows * s->vectors; i++) {
            llvm at = int_add(e, int_mul(e, int_constant(e, i / s->vectors), tile_stride), int_constant(e, (int64_t)(i % s->vectors) * s->lanes));
            llvm chain = acc[i];
            if (adds) chain = LLVMBuildFAdd(e->b, vector_load_at(e, m->type, tile, at, s->lanes), chain, "");
            vector_store_at(e, chain, tile, at, m->type);
        }
        LLVMBuildRetVoid(e->b);
    }
}

static LLVMTypeRef micro_type(const emitter *e) {
    LLVMTypeRef params[] = {e->ptr, e->i64, e->i64, e->i64, e->ptr, e->i64, e->ptr, e->i64, e->i1};
    return LLVMFunctionType(e->none, params, 9, false);
}

/* The micro-kernel of this shape: made at its first use. */
static llvm micro_kernel(emitter *e, const tiling *s, left_form form) {
    static const char *const forms[] = {"depth", "rows", "any"};
    text name = {.memory = e->memory};
    text_append(&name, "gradus_micro_%s_%ux%ux%u_%s", gradus_dtype_name(e->k->accumulate), s->rows, s->vectors, s->lanes, forms[form]);
    bool define;
    llvm function = shared_function(e, name.data, micro_type(e), &define);
    if (!define) return function;
    llvm outer = e->function;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    e->function = function;
    LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->context, function, "entry"));
    micro m = {.e = e, .type = type_of(e, e->k->accumulate), .s = s, .form = form};
    m.vector = LLVMVectorType(m.type, s->lanes);
    micro_body(&m, function);
    e->function = outer;
    LLVMPositionBuilderAtEnd(e->b, here);
    return function;
}

/* --- packing ------------------------------------------------------------------------------------------------------------ */

typedef struct {
    point p;
    tiling s;
    LLVMTypeRef type;
    llvm panels, tile, tile_row; /* scratch */
    llvm right, depth;           /* the right operand at this batch index; the extent of k */
    llvm first, behind;          /* columns of the block */
} contraction;

static llvm stride_value(const contraction *c, const access *a, int d) {
    return extent_value(c->p.e, a->stride[d]);
}

/* panel[k, j] = y[k, column + j], zero where there is no such column. */
static void pack_panel(const contraction *c, llvm column, llvm panel) {
    const emitter *e = c->p.e;
    const access *a = &e->k->right;
    llvm by_n = stride_value(c, a, c->s.n), by_k = stride_value(c, a, e->k->rank);
    llvm here = element_pointer(e, c->type, c->right, int_mul(e, column, by_n)), left = int_sub(e, c->behind, column);
    loop l = loop_begin(e, int_constant(e, 0), c->depth, 1);
    llvm row = element_pointer(e, c->type, here, int_mul(e, l.i, by_k)), to = int_mul(e, l.i, int_constant(e, c->s.columns));
    int64_t unit = 0;
    bool vectors = is_constant(by_n, &unit) && unit == 1;
    for (unsigned v = 0; v < c->s.vectors; v++) {
        int64_t first = (int64_t)v * c->s.lanes;
        LLVMTypeRef type = LLVMVectorType(c->type, c->s.lanes);
        llvm numbers = LLVMBuildAdd(e->b, lane_numbers(e, e->i64, c->s.lanes), splat(e, int_constant(e, first), c->s.lanes), "");
        llvm mask = LLVMBuildICmp(e->b, LLVMIntSLT, numbers, splat(e, left, c->s.lanes), ""), packed;
        llvm from = element_pointer(e, c->type, row, int_constant(e, first));
        if (!vectors) {
            llvm offsets = LLVMBuildMul(e->b, numbers, splat(e, by_n, c->s.lanes), "");
            from = LLVMBuildGEP2(e->b, c->type, row, &offsets, 1, "");
        }
        packed = vector_load_masked(e, c->type, from, mask, LLVMConstNull(type));
        vector_store_at(e, packed, panel, int_add(e, to, int_constant(e, first)), c->type);
    }
    loop_end(e, &l);
}

static void pack_block(const contraction *c) {
    const emitter *e = c->p.e;
    loop l = loop_begin(e, c->first, c->behind, c->s.columns);
    llvm done = int_mul(e, int_sub(e, l.i, c->first), c->depth);
    pack_panel(c, l.i, element_pointer(e, c->type, c->panels, done));
    loop_end(e, &l);
}

/* --- tiles -------------------------------------------------------------------------------------------------------------- */

static void call_micro(const contraction *c, llvm function, llvm x, llvm rows, llvm panel, llvm depth, llvm to, llvm add) {
    const emitter *e = c->p.e;
    llvm args[9] = {x, stride_value(c, &e->k->left, c->s.m), stride_value(c, &e->k->left, e->k->rank), rows, panel, depth,
                    to, c->tile_row, add};
    LLVMBuildCall2(e->b, micro_type(e), function, args, 9, "");
}

/* The chains of one tile and panel, in chunks of ORDER_DEPTH. */
static void tile_chains(const contraction *c, llvm function, llvm x, llvm rows, llvm panel, llvm to) {
    const emitter *e = c->p.e;
    llvm none = LLVMConstInt(e->i1, 0, false), chunk = int_constant(e, ORDER_DEPTH);
    call_micro(c, function, x, rows, panel, int_min(e, c->depth, chunk), to, none);
    int64_t depth = 0;
    if (is_constant(c->depth, &depth) && depth <= ORDER_DEPTH) return;
    loop l = loop_begin(e, chunk, c->depth, ORDER_DEPTH);
    llvm from = element_pointer(e, c->type, x, int_mul(e, l.i, stride_value(c, &e->k->left, e->k->rank)));
    llvm deeper = element_pointer(e, c->type, panel, int_mul(e, l.i, int_constant(e, c->s.columns)));
    call_micro(c, function, from, rows, deeper, int_min(e, int_sub(e, c->depth, l.i), chunk), to, LLVMConstInt(e->i1, 1, false));
    loop_end(e, &l);
}

static void block_chains(contraction *c, left_form form, llvm x, llvm rows) {
    emitter *e = c->p.e;
    llvm function = micro_kernel(e, &c->s, form);
    loop l = loop_begin(e, c->first, c->behind, c->s.columns);
    llvm done = int_sub(e, l.i, c->first);
    tile_chains(c, function, x, rows, element_pointer(e, c->type, c->panels, int_mul(e, done, c->depth)),
                element_pointer(e, c->type, c->tile, done));
    loop_end(e, &l);
}

/* The epilogue for one row of the result, whose chains are row `in_tile` of the tile. */
static void epilogue_row(contraction *c, llvm row, llvm in_tile) {
    emitter *e = c->p.e;
    point_forget(&c->p);
    c->p.at[c->s.m] = row;
    c->p.tile = element_pointer(e, c->type, c->tile, int_mul(e, in_tile, c->tile_row));
    c->p.from = c->first;
    int64_t n = 0;
    bool whole = is_constant(e->dims[c->s.n], &n) && n % e->lanes == 0;
    span_of_stores(&c->p, c->first, c->behind, whole);
}

/* Chains of the tile of rows from `first_row` on.  Where rows are neighbours in memory, the last tile starts early enough
 * to be whole, if there are rows enough; what comes back is how many rows of the tile come before `first_row`. */
static llvm tile_of_rows(contraction *c, llvm first_row, llvm rows, llvm left) {
    emitter *e = c->p.e;
    const access *a = &e->k->left;
    extent by_k = a->stride[e->k->rank], by_m = a->stride[c->s.m];
    int64_t height = 0;
    bool neighbours = by_m.factor == 1 && by_m.power == 0 && !(by_k.factor == 1 && by_k.power == 0);
    if (neighbours && is_constant(e->dims[c->s.m], &height) && height >= c->s.rows) {
        llvm start = int_min(e, first_row, int_constant(e, height - c->s.rows));
        block_chains(c, LEFT_ROWS, element_pointer(e, c->type, left, start), int_constant(e, c->s.rows));
        return int_sub(e, first_row, start);
    }
    llvm x = element_pointer(e, c->type, left, int_mul(e, first_row, stride_value(c, a, c->s.m)));
    block_chains(c, by_k.factor == 1 && by_k.power == 0 ? LEFT_DEPTH : LEFT_ANY, x, rows);
    return int_constant(e, 0);
}

static void one_tile(contraction *c, llvm first_row, llvm left) {
    emitter *e = c->p.e;
    llvm rows = int_min(e, int_constant(e, c->s.rows), int_sub(e, e->dims[c->s.m], first_row));
    llvm skipped = tile_of_rows(c, first_row, rows, left);
    loop row = loop_begin(e, int_constant(e, 0), rows, 1);
    epilogue_row(c, int_add(e, first_row, row.i), int_add(e, skipped, row.i));
    loop_end(e, &row);
}

static llvm operand_base(const contraction *c, const access *a) {
    return element_pointer(c->p.e, c->type, c->p.e->pointers[a->buffer], access_offset(&c->p, a, c->s.m));
}

static void one_unit(contraction *c, llvm number, llvm packed) {
    emitter *e = c->p.e;
    llvm chunks = chunks_of(e, e->k, &c->s), blocks = blocks_of(e, e->k, &c->s), zero = int_constant(e, 0);
    llvm chunk = LLVMBuildURem(e->b, number, chunks, ""), place = LLVMBuildUDiv(e->b, number, chunks, "");
    split_index(e, LLVMBuildUDiv(e->b, place, blocks, ""), 0, c->s.m, -1, c->p.at);
    c->first = int_mul(e, LLVMBuildURem(e->b, place, blocks, ""), int_constant(e, c->s.columns * c->s.panels));
    c->behind = int_min(e, int_add(e, c->first, int_constant(e, c->s.columns * c->s.panels)), e->dims[c->s.n]);
    c->right = operand_base(c, &e->k->right);
    branch pack = branch_begin(e, LLVMBuildICmp(e->b, LLVMIntNE, vector_load_at(e, e->i64, packed, zero, 0), place, ""));
    pack_block(c);
    vector_store_at(e, place, packed, zero, e->i64);
    branch_end(e, &pack);
    int64_t rows = (int64_t)c->s.rows * c->s.tiles;
    llvm from = int_mul(e, chunk, int_constant(e, rows)), left = operand_base(c, &e->k->left);
    loop l = loop_begin(e, from, int_min(e, int_add(e, from, int_constant(e, rows)), e->dims[c->s.m]), c->s.rows);
    one_tile(c, l.i, left);
    loop_end(e, &l);
}

void emit_contract(emitter *e) {
    const kernel *k = e->k;
    contraction c = {.p = point_new(e), .s = tiling_of(e->target, k, e->list->max_batch), .type = type_of(e, k->accumulate)};
    int64_t size = (int64_t)gradus_dtype_size(k->accumulate), width = c.s.columns * c.s.panels;
    assert(k->rank >= 2 && c.s.rows <= 16 && c.s.rows * c.s.vectors <= 64);
    c.panels = scratch_array(e, at_most(k->depth, e->list->max_batch) * width * size);
    c.tile = scratch_array(e, (int64_t)c.s.rows * width * size + 64);
    c.tile_row = int_constant(e, width);
    c.depth = extent_value(e, k->depth);
    llvm packed = stack_array(e, e->i64, 1);
    vector_store_at(e, int_constant(e, -1), packed, int_constant(e, 0), e->i64);
    loop l = loop_begin(e, e->begin, e->end, 1);
    one_unit(&c, l.i, packed);
    loop_end(e, &l);
}
