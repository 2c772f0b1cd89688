/* SPDX-License-Identifier: Apache-2.0
 *
 * Using LLVM from a library: on threads of our own, which have the stack that it needs whatever the caller's has; without a
 * word on standard error; where it gives up or memory runs out, with an error instead of the end of the process; and not
 * while the process ends, when its static objects are gone.
 */
#ifndef GRADUS_BACKEND_LLVM_H
#define GRADUS_BACKEND_LLVM_H

#include "runtime/support.h"

#include <pthread.h>

/* Around everything that uses LLVM.  False where the process is ending: then LLVM must be left alone.  exit() waits until
 * all have ended. */
bool llvm_begin(void);
void llvm_end(void);

/* Calls `work`.  False after fail() where LLVM gave up in it, or an allocation of LLVM's failed; then what it was working on
 * is lost, and must not be touched, not even to be freed.  Nests. */
bool llvm_attempt(const char *where, void (*work)(void *), void *user);

/* The first use of LLVM in this process, by `function`, which should need what later ones need.  Where LLVM gives up in it,
 * its static objects are half made, and who met them would wait for ever: so there is no later one.  False after fail(). */
bool llvm_use_first(bool (*function)(void));

/* Ends the innermost attempt as if LLVM had given up with that reason.  Returns where there is none. */
void llvm_give_up(const char *reason);

/* A thread that LLVM can work on.  No signals of the process's are for it. */
typedef struct {
    bool (*work)(void *); /* false after fail() */
    void *user;
    pthread_t thread;
    bool started, done, awaited, succeeded;
    gradus_status status;
    char error[2048];
} llvm_thread;

/* Starts it; where the system gives no thread, `work` is done at once on this one, if it has the stack for that. */
void llvm_thread_start(llvm_thread *t, bool (*work)(void *), void *user);
/* Waits for it; false after fail() where the work failed. */
bool llvm_thread_join(llvm_thread *t);

#endif
