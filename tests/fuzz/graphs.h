/* SPDX-License-Identifier: Apache-2.0
 * Graphs for the targets that are given texts of them. */
#ifndef TESTS_FUZZ_GRAPHS_H
#define TESTS_FUZZ_GRAPHS_H

#include "tests/fuzz/fuzz.h"

#include "ir/graph.h"

/* The graph of a text, which is read as gradus_graph_read reads a file; NULL where it is refused, which names the file. */
gradus_graph *fuzz_graph(const void *content, size_t size);

/* The graph's text, malloc's. */
char *fuzz_text(const gradus_graph *g);

/* Whether evaluating every node for this batch takes no longer than an input of a fuzzer should, and calls no function
 * that the text only names. */
bool fuzz_evaluable(const gradus_graph *g, int64_t batch);

#endif
