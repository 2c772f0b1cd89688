/* SPDX-License-Identifier: Apache-2.0
 * A team of threads.  See pool.h.
 *
 * A run is published as a ticket, a counter with the team's size in its low bits: workers wait for a ticket that
 * concerns them, first spinning, because the next step mostly comes at once and a wake-up costs more than a small
 * step, then sleeping on a condition variable, so that an idle program costs nothing.  The last word of a run is
 * `remaining`. */
#include "runtime/pool.h"

#include "runtime/cpus.h"
#include "runtime/support.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE = 64,          /* bytes of a cache line: what different threads write stands apart */
    SPINS = 300,        /* looks before a waiting thread offers its CPU: a few microseconds */
    SPINS_CROWDED = 20, /* the same where the team has more threads than CPUs */
    YIELDS = 2000,      /* offers before it sleeps a while, in case the others are of lower priority */
    NAP_NS = 50000,
    IDLE_SPIN_NS = 200000, /* how long a worker looks out for the next run */
    TEAM_BITS = 16
};

typedef struct {
    pool *pool;
    pthread_t thread;
    int32_t number;
} worker;

struct pool {
    int32_t threads, cpus;
    int32_t started; /* workers there are; -1 before the first run */
    pid_t owner;     /* the process that started them */
    atomic_bool running;
    /* The run: written before its ticket, read after it. */
    pool_task task;
    void *context;
    int32_t team;
    _Alignas(LINE) _Atomic uint64_t ticket; /* run << TEAM_BITS | team; a team of 0 ends the workers */
    _Alignas(LINE) atomic_int remaining;    /* workers that have not finished */
    _Alignas(LINE) atomic_int arrived;      /* at the barrier */
    _Alignas(LINE) atomic_uint phase;       /* barriers passed */
    _Alignas(LINE) atomic_int sleepers;
    pthread_mutex_t mutex;
    pthread_cond_t published;
    worker workers[];
};

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ volatile("yield");
#endif
}

/* Waits a little, the longer the more often it was called for one event. */
static void back_off(const pool *p, int32_t *tries) {
    int32_t spins = p->team > p->cpus ? SPINS_CROWDED : SPINS;
    if (*tries < spins) {
        relax();
    } else if (*tries < spins + YIELDS) {
        sched_yield();
    } else {
        nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
        return;
    }
    ++*tries;
}

void pool_barrier(void *team) {
    pool *p = team;
    unsigned phase = atomic_load_explicit(&p->phase, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&p->arrived, 1, memory_order_acq_rel) + 1 == p->team) {
        atomic_store_explicit(&p->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&p->phase, phase + 1, memory_order_release);
        return;
    }
    for (int32_t tries = 0; atomic_load_explicit(&p->phase, memory_order_acquire) == phase;) back_off(p, &tries);
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int32_t team_of(uint64_t ticket) { return (int32_t)(ticket & ((1u << TEAM_BITS) - 1)); }

static bool concerns(uint64_t ticket, uint64_t seen, int32_t number) {
    return ticket != seen && (team_of(ticket) == 0 || number < team_of(ticket));
}

/* The next ticket that concerns a worker, after the one it has seen. */
static uint64_t await_ticket(pool *p, uint64_t seen, int32_t number) {
    uint64_t ticket;
    bool crowded = p->threads > p->cpus;
    for (int64_t end = now_ns() + IDLE_SPIN_NS; now_ns() < end;) {
        for (int32_t i = 0; i < 64; i++) {
            ticket = atomic_load_explicit(&p->ticket, memory_order_acquire);
            if (concerns(ticket, seen, number)) return ticket;
            if (crowded) sched_yield();
            else relax();
        }
        sched_yield(); /* for who else needs the CPU meanwhile */
    }
    /* Either this sees the ticket, or the publisher, who looks for sleepers after publishing, sees this sleeper. */
    pthread_mutex_lock(&p->mutex);
    atomic_fetch_add(&p->sleepers, 1);
    while (ticket = atomic_load(&p->ticket), !concerns(ticket, seen, number)) {
        pthread_cond_wait(&p->published, &p->mutex);
    }
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->mutex);
    return ticket;
}

static void publish(pool *p, int32_t team) {
    uint64_t run = (atomic_load_explicit(&p->ticket, memory_order_relaxed) >> TEAM_BITS) + 1;
    atomic_store(&p->ticket, run << TEAM_BITS | (uint64_t)team);
    if (atomic_load(&p->sleepers) == 0) return;
    pthread_mutex_lock(&p->mutex);
    pthread_mutex_unlock(&p->mutex);
    pthread_cond_broadcast(&p->published);
}

static void *work(void *argument) {
    worker *w = argument;
    pool *p = w->pool;
    for (uint64_t seen = 0;;) {
        seen = await_ticket(p, seen, w->number);
        int32_t team = team_of(seen);
        if (team == 0) return NULL;
        p->task(p->context, w->number, team);
        atomic_fetch_sub_explicit(&p->remaining, 1, memory_order_release);
    }
}

/* Starts the workers, as many as the system gives.  The process's signals are not for them. */
static void start(pool *p) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    p->owner = getpid();
    p->started = 0;
    for (int32_t i = 0; i + 1 < p->threads; i++) {
        worker *w = &p->workers[i];
        *w = (worker){.pool = p, .number = i + 1};
        if (pthread_create(&w->thread, NULL, work, w) != 0) {
            log_line(1, "threads: the system gave %d of %d; calls go on with these", i + 1, p->threads);
            break;
        }
        p->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

pool *pool_create(int32_t threads) {
    size_t bytes = sizeof(pool) + (size_t)(threads - 1) * sizeof(worker);
    pool *p = memory_aligned(LINE, bytes);
    if (!p) return NULL;
    memset(p, 0, bytes);
    p->threads = threads;
    p->cpus = cpus_available();
    p->started = -1;
    if (pthread_mutex_init(&p->mutex, NULL) != 0) {
        memory_free_aligned(p);
        return NULL;
    }
    if (pthread_cond_init(&p->published, NULL) != 0) {
        pthread_mutex_destroy(&p->mutex);
        memory_free_aligned(p);
        return NULL;
    }
    return p;
}

void pool_destroy(pool *p) {
    if (!p) return;
    /* After a fork the workers, and whatever they held, stayed behind in the parent. */
    if (p->started <= 0 || p->owner == getpid()) {
        if (p->started > 0) publish(p, 0);
        for (int32_t i = 0; i < p->started; i++) pthread_join(p->workers[i].thread, NULL);
        pthread_cond_destroy(&p->published);
        pthread_mutex_destroy(&p->mutex);
    }
    memory_free_aligned(p);
}

static void run_team(pool *p, int32_t team, pool_task task, void *context) {
    p->task = task;
    p->context = context;
    p->team = team;
    atomic_store_explicit(&p->remaining, team - 1, memory_order_relaxed);
    publish(p, team);
    task(context, 0, team);
    for (int32_t tries = 0; atomic_load_explicit(&p->remaining, memory_order_acquire) != 0;) back_off(p, &tries);
}

void pool_run(pool *p, int32_t threads, pool_task task, void *context) {
    if (threads > p->threads) threads = p->threads;
    if (threads <= 1 || atomic_exchange_explicit(&p->running, true, memory_order_acquire)) {
        task(context, 0, 1);
        return;
    }
    if (p->started < 0) start(p);
    int32_t team = threads <= p->started ? threads : p->started + 1;
    if (team <= 1 || p->owner != getpid()) task(context, 0, 1);
    else run_team(p, team, task, context);
    atomic_store_explicit(&p->running, false, memory_order_release);
}
