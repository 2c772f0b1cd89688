/* SPDX-License-Identifier: Apache-2.0
 * Threads for LLVM, and what is done where it gives up.  See llvm.h. */
#include "backend/llvm.h"

#include "backend/bad_alloc.h"
#include "base/catch.h"
#include "base/memory.h"
#include "runtime/world.h"

#include <llvm-c/ErrorHandling.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- until the process ends ------------------------------------------------------------------------------------------
 *
 * LLVM makes static objects when it needs them for the first time, and exit() destroys those and runs what atexit was given,
 * the last first.  So the first use makes, for nothing, what nearly all of them are needed for; only then is wait_for_end
 * registered, and again from time to time, for those that come later.  The first use itself must not meet exit() at all:
 * that runs the destructors of the thread that calls it before all else, and the library gives the main thread one. */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static int users, working; /* between llvm_begin and llvm_end; threads, those apart that wait for another one */
static unsigned uses;
static bool exiting;
static enum { NOT_USED, BEING_USED, USABLE, LOST } first;
static _Thread_local bool works; /* this thread is among them */
static _Thread_local bool ends;  /* this thread has called exit */

static void on_fatal(const char *reason);
static void on_bad_alloc(void);

/* At exit, before LLVM's static objects go.  It may be a thread of ours that ends the process, in a callback. */
static void wait_for_end(void) {
    pthread_mutex_lock(&mutex);
    exiting = ends = true;
    working -= works;
    works = false;
    pthread_cond_broadcast(&ended);
    while (working > 0) pthread_cond_wait(&ended, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void wait_for_first(void *unused) {
    (void)unused;
    pthread_mutex_lock(&mutex);
    while (first == BEING_USED && !works) pthread_cond_wait(&ended, &mutex);
    pthread_mutex_unlock(&mutex);
}

#ifdef __GLIBC__
int __cxa_thread_atexit_impl(void (*destructor)(void *), void *object, void *library);
extern void *__dso_handle;
__attribute__((constructor)) static void hook(void) { __cxa_thread_atexit_impl(wait_for_first, NULL, &__dso_handle); }
#endif

static void before_fork(void) { pthread_mutex_lock(&mutex); }
static void after_fork(void) { pthread_mutex_unlock(&mutex); }
static void after_fork_in_child(void) {
    users = working = 0; /* those threads are the parent's */
    if (first == BEING_USED) first = LOST;
    pthread_mutex_unlock(&mutex);
}

/* Who is told that the process is ending may well call exit, too, which would run handlers beside those of the first call
 * (before glibc 2.41).  So other threads are told when the work has ended and the process should have, too; they are told at
 * last, since a destructor may wait for them. */
static void wait_while_it_ends(void) {
    while (exiting && working > 0 && !works) pthread_cond_wait(&ended, &mutex);
    if (!exiting || works || ends) return;
    pthread_mutex_unlock(&mutex);
    sleep(1);
    pthread_mutex_lock(&mutex);
}

bool llvm_begin(void) {
    pthread_mutex_lock(&mutex);
    wait_while_it_ends();
    const bool alive = !exiting;
    if (alive && uses == 0) pthread_atfork(before_fork, after_fork, after_fork_in_child);
    if (alive && (uses & (uses - 1)) == 0) atexit(wait_for_end);
    if (alive && users == 0) {
        LLVMInstallFatalErrorHandler(on_fatal);
        bad_alloc_handle(on_bad_alloc);
    }
    if (alive) uses++, users++, working++;
    pthread_mutex_unlock(&mutex);
    works |= alive;
    if (!alive) fail(GRADUS_ERROR_COMPILER, "gradus_jit: the process is ending");
    return alive;
}

void llvm_end(void) {
    works = false;
    pthread_mutex_lock(&mutex);
    working--;
    if (--users == 0) {
        LLVMResetFatalErrorHandler();
        bad_alloc_handle(NULL);
    }
    pthread_cond_broadcast(&ended);
    pthread_mutex_unlock(&mutex);
}

/* --- where it gives up ----------------------------------------------------------------------------------------------- */

typedef struct attempt {
    jmp_buf escape;
    struct attempt *outer;
    caught why;
    char what[512];
} attempt;

static _Thread_local attempt *innermost;

static void escape(caught why, const char *what) {
    attempt *a = innermost;
    if (!a) return;
    a->why = why;
    snprintf(a->what, sizeof a->what, "%s", what);
    longjmp(a->escape, 1);
}

void llvm_give_up(const char *reason) { escape(CAUGHT_EXCEPTION, reason); }

/* LLVM ends the process where this returns: in threads of a program that uses LLVM itself. */
static void on_fatal(const char *reason) {
    escape(CAUGHT_EXCEPTION, reason);
    fprintf(stderr, "LLVM ERROR: %s\n", reason);
}

static void on_bad_alloc(void) {
    escape(CAUGHT_NO_MEMORY, "");
    fputs("LLVM ERROR: out of memory\n", stderr);
    abort();
}

bool llvm_attempt(const char *where, void (*work)(void *), void *user) {
    attempt here;
    guard *const guards = guard_innermost();
    here.outer = innermost;
    innermost = &here;
    if (setjmp(here.escape) == 0) here.why = catch_call(work, user, here.what, sizeof here.what);
    innermost = here.outer;
    if (here.why == CAUGHT_NOTHING) return true;
    guard_return_to(guards);
    if (here.why == CAUGHT_NO_MEMORY) fail_out_of_memory(where);
    else fail(GRADUS_ERROR_COMPILER, "%s: LLVM gave up: %s", where, *here.what ? here.what : "it does not say why");
    return false;
}

static void use(void *how) {
    bool (**function)(void) = how;
    if (!(*function)()) *function = NULL;
}

bool llvm_use_first(bool (*function)(void)) {
    bool failed = false;
    pthread_mutex_lock(&mutex);
    while (first == BEING_USED) pthread_cond_wait(&ended, &mutex);
    if (first == NOT_USED) {
        first = BEING_USED;
        pthread_mutex_unlock(&mutex);
        const bool lost = !llvm_attempt("gradus_jit", use, &function);
        failed = !function;
        atexit(wait_for_end);
        pthread_mutex_lock(&mutex);
        first = lost ? LOST : failed ? NOT_USED : USABLE;
        pthread_cond_broadcast(&ended);
    }
    const bool lost = first == LOST;
    pthread_mutex_unlock(&mutex);
    if (lost)
        fail(GRADUS_ERROR_MEMORY, "gradus_jit: memory was short when LLVM was used for the first time: this process cannot use it any more");
    return !lost && !failed;
}

/* --- threads --------------------------------------------------------------------------------------------------------- */

enum { STACK = 8 << 20, STACK_NEEDED = 2 << 20 };

static void do_work(llvm_thread *t) {
    fail_forget();
    t->succeeded = t->work(t->user);
    t->status = fail_status() ? fail_status() : GRADUS_ERROR_COMPILER;
    snprintf(t->error, sizeof t->error, "%s", gradus_last_error());
}

static void *run(void *thread) {
    ENTER;
    llvm_thread *t = thread;
    works = true;
    do_work(t);
    pthread_mutex_lock(&mutex);
    t->done = true;
    if (!t->awaited) working--; /* else the one that waits works on in its place */
    pthread_cond_broadcast(&ended);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static bool has_stack(void) {
#ifdef __linux__
    pthread_attr_t attributes;
    void *lowest;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return false;
    const bool known = pthread_attr_getstack(&attributes, &lowest, &size) == 0;
    pthread_attr_destroy(&attributes);
    return known && (uintptr_t)__builtin_frame_address(0) - (uintptr_t)lowest >= STACK_NEEDED;
#else
    return false;
#endif
}

static bool start(llvm_thread *t) {
    sigset_t all, before;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool started = pthread_attr_setstacksize(&attributes, STACK) == 0 &&
                         pthread_create(&t->thread, &attributes, run, t) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

void llvm_thread_start(llvm_thread *t, bool (*work)(void *), void *user) {
    *t = (llvm_thread){.work = work, .user = user, .status = GRADUS_ERROR_MEMORY};
    pthread_mutex_lock(&mutex);
    t->started = start(t);
    working += t->started;
    pthread_mutex_unlock(&mutex);
    if (t->started) return;
    if (has_stack()) do_work(t);
    else snprintf(t->error, sizeof t->error, "gradus_jit: the system gives no thread with a stack of %d MB", STACK >> 20);
}

bool llvm_thread_join(llvm_thread *t) {
    pthread_mutex_lock(&mutex);
    t->awaited = t->started && !t->done;
    if (t->awaited) {
        working--;
        pthread_cond_broadcast(&ended);
    }
    while (t->started && !t->done) pthread_cond_wait(&ended, &mutex);
    pthread_mutex_unlock(&mutex);
    if (t->started) pthread_join(t->thread, NULL);
    if (!t->succeeded) fail(t->status, "%s", t->error);
    return t->succeeded;
}
