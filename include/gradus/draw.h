/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures of a graph, for people.  Both functions draw one entry point: what its outputs and updates need.  Inputs,
 * parameters, outputs and updates have shapes of their own, the kind of an operation is its colour, and what only the
 * updates need (the backward pass and the optimizer) has a dashed border.  Scalars stand in their users' labels.
 *
 * `entry` NULL draws all entry points in one picture; a graph without any is drawn whole.
 *
 * Errors of both: GRADUS_ERROR_ARGUMENT for NULL, GRADUS_ERROR_GRAPH for a graph that has failed,
 * GRADUS_ERROR_NOT_FOUND for no entry of that name, GRADUS_ERROR_IO, GRADUS_ERROR_MEMORY.  A file is written whole or not
 * at all.  Thread-safe as long as no other thread works on the graph.
 */
#ifndef GRADUS_DRAW_H
#define GRADUS_DRAW_H

#include <gradus/common.h>
#include <gradus/compile.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the picture in Graphviz' language DOT. */
GRADUS_API gradus_status gradus_graph_dot(const gradus_graph *graph, const char *entry, const char *path);

/* Writes it as SVG, or as PNG where the path ends in .png.  Runs Graphviz' program `dot`: GRADUS_ERROR_NOT_FOUND, too,
 * where that is not on the PATH. */
GRADUS_API gradus_status gradus_graph_svg(const gradus_graph *graph, const char *entry, const char *path);

/* Writes one entry point, as SVG or PNG as well, after rewriting and fusion: its kernels, and the memory between them.
 * `entry` is not NULL; `options` may be.  Errors are those of gradus_jit (compile.h), too. */
GRADUS_API gradus_status gradus_kernels_svg(const gradus_graph *graph, const gradus_compile_options *options,
                                            const char *entry, const char *path);

#ifdef __cplusplus
}
#endif
#endif
