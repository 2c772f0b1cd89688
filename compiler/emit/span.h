/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans: the innermost loop of every kernel.  A span runs over elements from … to-1 of the last dimension in whole
 * vectors and one masked rest; what does not vary along it is computed once, in front of it.
 */
#ifndef GRADUS_EMIT_SPAN_H
#define GRADUS_EMIT_SPAN_H

#include "emit/emitter.h"

/* A point of the kernel's space and what is known there. */
typedef struct {
    emitter *e;
    llvm at[LOOP_MAX]; /* the loop variables; the last one is not used */
    llvm *known;       /* by value: what holds for the whole row, as one element */
    llvm *spread;      /* by value: the same in all lanes */
    llvm *bases;       /* by value: where the row's elements start */
    llvm tile;         /* contract: the finished chains of this row, at `from` */
    llvm from;         /* contract, columns: where tile and accumulators start */
    llvm *accumulators;/* columns: by reduction, the finished ones */
    llvm *rows;        /* rows: by value, the row's elements that an earlier round has kept; NULL for none */
    const int32_t *kept; /* rows: by value, the round that keeps it; -1 for none */
    int32_t round;
} point;

point point_new(emitter *e);
void point_forget(point *p); /* at a new row: nothing is known any more but what the caller sets */

/* One vector of the span: its first element, its mask (NULL if all lanes count), and its values by number. */
typedef struct {
    point *p;
    llvm i, mask;
    unsigned lanes;
    llvm *cache;
} vector;

/* Emits the loop over from … to-1; `each` stores or accumulates what it evaluates.  `roots` are the values that it will
 * ask for.  `whole` says that no rest can remain. */
typedef void (*span_body)(vector *v, void *user);
void span(point *p, llvm from, llvm to, bool whole, const uint32_t *roots, uint32_t n_roots, span_body each, void *user);

/* The span that evaluates and stores everything the kernel stores: an epilogue. */
void span_of_stores(point *p, llvm from, llvm to, bool whole);

llvm vector_value(vector *v, uint32_t id);  /* as lanes */
llvm point_value(point *p, uint32_t id);    /* a value that does not vary, as one element */

/* The element that an access means at this point, by the loop dimensions before `rank`. */
llvm access_offset(const point *p, const access *a, int rank);

/* Where an access points at this point, its last dimension at 0 (or at `last`). */
llvm access_base(const point *p, const access *a, gradus_dtype dtype, llvm last);
void vector_store(vector *v, const access *to, llvm base, gradus_dtype dtype, llvm x);
void point_store(const point *p, const access *to, gradus_dtype dtype, llvm x, llvm last);

/* Vectors from and to plain arrays of storage elements at base[index]. */
llvm vector_load_at(const emitter *e, LLVMTypeRef type, llvm base, llvm index, unsigned lanes);
void vector_store_at(const emitter *e, llvm x, llvm base, llvm index, LLVMTypeRef type);

/* The same for values of a dtype: BOOL is i1 as a value and i8, 0 or 1, in memory. */
llvm element_load(const emitter *e, gradus_dtype dtype, llvm base, llvm index, unsigned lanes);
void element_store(const emitter *e, gradus_dtype dtype, llvm x, llvm base, llvm index, unsigned lanes);

/* The lanes of `mask` from or to memory: at a pointer on, or each at one of a vector of pointers. */
llvm vector_load_masked(const emitter *e, LLVMTypeRef type, llvm pointers, llvm mask, llvm otherwise);
void vector_store_masked(const emitter *e, llvm x, LLVMTypeRef type, llvm pointers, llvm mask);

#endif
