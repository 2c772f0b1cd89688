/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes a failing graph small.  What a random graph of three hundred nodes does wrong, a graph of five mostly does too;
 * that one is fit to be read, and kept as a regression.
 */
#ifndef TESTS_SHRINK_H
#define TESTS_SHRINK_H

#include "ir/graph.h"

/* Whether a graph shows the failure.  It is asked in a child process, so it may crash (which counts as failing) and
 * leaves nothing behind. */
typedef bool (*shrink_failing)(void *user, gradus_graph *g);

/* The smallest graph that greedy removal finds: entries, outputs and updates are left out, nodes replaced by an operand of
 * their type, by a new input "cut…" or by a constant, and what then is unused goes, as long as the graph fails.
 * `text` is a graph's text form that fails; the result, a text too, is malloc's.  NULL where `text` does not fail. */
char *shrink(const char *text, shrink_failing failing, void *user);

/* Whether `text` fails, asked in a child process. */
bool shrink_fails(const char *text, shrink_failing failing, void *user);

#endif
