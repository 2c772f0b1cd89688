/* SPDX-License-Identifier: Apache-2.0
 * A team of threads that run one function together (SPMD) and meet at barriers: one wake-up a run. */
#ifndef GRADUS_RUNTIME_POOL_H
#define GRADUS_RUNTIME_POOL_H

#include <stdint.h>

typedef struct pool pool;

enum { POOL_MAX_THREADS = 1024 };

/* What each thread of a run does, with its number and the size of the team; thread 0 is the caller. */
typedef void (*pool_task)(void *context, int32_t thread, int32_t threads);

/* A pool for teams of up to `threads` (1 … POOL_MAX_THREADS).  Its workers start at the first run that needs them.
 * NULL where memory is short. */
pool *pool_create(int32_t threads);

/* Ends the workers and waits for them.  No run may be under way.  Takes NULL. */
void pool_destroy(pool *p);

/* Runs `task` on a team of at most `threads`, and returns when all have returned.  Allocates nothing but, the first
 * time, the workers' stacks.  The team is smaller where the system gave fewer threads, and is the caller alone where
 * the pool is running already (from another thread) or was inherited through fork(). */
void pool_run(pool *p, int32_t threads, pool_task task, void *context);

/* Called with the pool by every thread of a run: returns when all have called it. */
void pool_barrier(void *p);

#endif
