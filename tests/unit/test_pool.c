/* SPDX-License-Identifier: Apache-2.0
 * The team of threads, with more threads than any machine of ours has CPUs, too. */
#include "cmocka_all.h"
#include "heap.h"
#include "runtime/cpus.h"
#include "runtime/pool.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 7 };
static const int32_t sizes[] = {1, 2, 3, MOST};

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void rest(long milliseconds) {
    struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0) {}
}

typedef struct {
    pool *pool;
    int32_t rounds, team;
    int32_t at[MOST]; /* plain memory: the barrier alone keeps threads apart */
    int32_t wrong[MOST];
} meeting;

static void meet(void *context, int32_t thread, int32_t threads) {
    meeting *m = context;
    if (thread == 0) m->team = threads;
    for (int32_t r = 1; r <= m->rounds; r++) {
        m->at[thread] = r;
        if (threads > 1) pool_barrier(m->pool);
        for (int32_t i = 0; i < threads; i++) m->wrong[thread] += m->at[i] != r;
        if (threads > 1) pool_barrier(m->pool);
    }
}

static void run_meeting(pool *p, int32_t threads, int32_t rounds) {
    meeting m = {.pool = p, .rounds = rounds};
    pool_run(p, threads, meet, &m);
    assert_int_equal(m.team, threads);
    for (int32_t i = 0; i < MOST; i++) {
        assert_int_equal(m.wrong[i], 0);
        assert_int_equal(m.at[i], i < threads ? rounds : 0);
    }
}

static void test_everyone_meets_at_every_barrier(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pool *p = pool_create(sizes[i]);
        assert_non_null(p);
        double begin = seconds(CLOCK_MONOTONIC);
        run_meeting(p, sizes[i], 300);
        for (int32_t r = 0; r < 200; r++) run_meeting(p, sizes[i], 2);
        assert_true(seconds(CLOCK_MONOTONIC) - begin < 30);
        pool_destroy(p);
    }
}

static void test_teams_of_changing_size(void **state) {
    (void)state;
    pool *p = pool_create(MOST);
    assert_non_null(p);
    for (int32_t r = 0; r < 300; r++) run_meeting(p, 1 + r * 5 % MOST, 1);
    pool_destroy(p);
}

static void test_a_team_is_never_larger_than_the_pool(void **state) {
    (void)state;
    pool *p = pool_create(2);
    meeting m = {.pool = p, .rounds = 1};
    pool_run(p, 5, meet, &m);
    assert_int_equal(m.team, 2);
    pool_destroy(p);
}

static void test_workers_that_sleep_wake_up(void **state) {
    (void)state;
    pool *p = pool_create(3);
    for (int32_t r = 0; r < 40; r++) {
        run_meeting(p, 3, 1);
        if (r % 2) rest(2); /* past the time that they look out for work */
    }
    pool_destroy(p);
}

static void test_an_idle_pool_costs_nothing(void **state) {
    (void)state;
    pool *p = pool_create(3);
    run_meeting(p, 3, 3);
    rest(50);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    double begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
    rest(200);
    double used = seconds(CLOCK_PROCESS_CPUTIME_ID) - begin;
    getrusage(RUSAGE_SELF, &after);
    assert_true(used < 0.02);
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
    assert_true(after.ru_nvcsw - before.ru_nvcsw < 5);
#endif
    pool_destroy(p);
}

static void test_destroying(void **state) {
    (void)state;
    pool_destroy(NULL);
    for (int32_t i = 0; i < 50; i++) {
        pool *p = pool_create(1 + i % 4);
        if (i % 3) run_meeting(p, 1 + i % 4, 1);
        if (i % 10 == 9) rest(1);
        pool_destroy(p);
    }
}

typedef struct {
    pool *pool;
    atomic_int entered;
    atomic_bool open;
} gate;

static void wait_at_gate(void *context, int32_t thread, int32_t threads) {
    (void)thread, (void)threads;
    gate *g = context;
    g->entered++;
    while (!g->open) sched_yield();
}

static void *run_gate(void *context) {
    pool_run(((gate *)context)->pool, 2, wait_at_gate, context);
    return NULL;
}

static void test_a_pool_in_use_leaves_the_caller_alone(void **state) {
    (void)state;
    gate g = {.pool = pool_create(2)};
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, run_gate, &g), 0);
    while (g.entered < 2) sched_yield();
    meeting m = {.pool = g.pool, .rounds = 3};
    pool_run(g.pool, 2, meet, &m);
    assert_int_equal(m.team, 1);
    g.open = true;
    pthread_join(other, NULL);
    run_meeting(g.pool, 2, 3);
    pool_destroy(g.pool);
}

static int exit_status(pid_t child) {
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

static void test_after_fork_the_caller_is_alone(void **state) {
    (void)state;
    pool *p = pool_create(3);
    run_meeting(p, 3, 3);
    pid_t child = fork();
    if (child == 0) {
        meeting m = {.pool = p, .rounds = 3};
        pool_run(p, 3, meet, &m);
        int fine = m.team == 1 && m.wrong[0] == 0;
        pool_destroy(p);
        _exit(fine ? 0 : 1);
    }
    assert_int_equal(exit_status(child), 0);
    run_meeting(p, 3, 3);
    pool_destroy(p);
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
static void test_a_system_without_threads_to_give(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        pool *p = pool_create(4);
        pthread_attr_t large; /* larger than the stacks of former threads, which the C library keeps */
        pthread_attr_init(&large);
        pthread_attr_setstacksize(&large, 256u << 20);
        pthread_setattr_default_np(&large);
        setrlimit(RLIMIT_AS, &(struct rlimit){1 << 20, 1 << 20}); /* no room for a stack */
        meeting m = {.pool = p, .rounds = 3};
        pool_run(p, 4, meet, &m);
        int fine = m.team == 1 && m.wrong[0] == 0;
        pool_destroy(p);
        _exit(fine ? 0 : 1);
    }
    assert_int_equal(exit_status(child), 0);
}
#endif

static void test_runs_allocate_nothing(void **state) {
    (void)state;
    heap.countdown = 0;
    assert_null(pool_create(3));
    heap.countdown = -1;
    pool *p = pool_create(3);
    heap.countdown = 0;
    run_meeting(p, 3, 3);
    heap.countdown = -1;
    pool_destroy(p);
    assert_int_equal(heap.live, 0);
}

static void write_quota(const char *root, const char *group, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s%s", root, group);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s%s/cpu.max", root, group);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_quotas(void **state) {
    (void)state;
    char root[] = "/tmp/gradus-cgroup-XXXXXX", command[64];
    assert_non_null(mkdtemp(root));
    assert_int_equal(cpus_cgroup2_quota(root, "/"), INT32_MAX);
    write_quota(root, "", "max 100000\n");
    assert_int_equal(cpus_cgroup2_quota(root, "/"), INT32_MAX);
    write_quota(root, "/a", "250000 100000\n");
    write_quota(root, "/a/b", "max 100000\n");
    assert_int_equal(cpus_cgroup2_quota(root, "/a"), 3); /* 2.5, rounded up */
    assert_int_equal(cpus_cgroup2_quota(root, "/a/b"), 3);
    assert_int_equal(cpus_cgroup2_quota(root, "/a/b/none"), 3);
    write_quota(root, "/a/b", "1000 100000\n");
    assert_int_equal(cpus_cgroup2_quota(root, "/a/b"), 1);
    write_quota(root, "/a/b", "nonsense");
    assert_int_equal(cpus_cgroup2_quota(root, "/a/b"), 3);
    assert_true(cpus_available() >= 1);
    snprintf(command, sizeof command, "rm -r '%s'", root);
    assert_int_equal(system(command), 0);
}

static void write_text(const char *root, const char *name, const char *text) {
    char path[512], command[600];
    snprintf(path, sizeof path, "%s%s", root, name);
    snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s')\"", path);
    assert_int_equal(system(command), 0);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Trees as systemd, Docker and both versions at once have them: the process's own group, and those above it, decide. */
static void test_own_quota(void **state) {
    (void)state;
    static const char version2[] = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    static const char version1[] = "31 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
                                   "32 23 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";
    static const char container[] = "33 23 0:27 /docker/1 /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
    char root[] = "/tmp/gradus-quota-XXXXXX", command[64];
    assert_non_null(mkdtemp(root));
    assert_int_equal(cpus_quota(root), INT32_MAX);
    write_text(root, "/proc/self/mountinfo", version2);
    write_text(root, "/proc/self/cgroup", "0::/user.slice/run.scope\n");
    assert_int_equal(cpus_quota(root), INT32_MAX);
    write_text(root, "/sys/fs/cgroup/user.slice/cpu.max", "300000 100000\n");
    assert_int_equal(cpus_quota(root), 3);
    write_text(root, "/sys/fs/cgroup/user.slice/run.scope/cpu.max", "150000 100000\n");
    assert_int_equal(cpus_quota(root), 2);
    write_text(root, "/sys/fs/cgroup/user.slice/other.scope/cpu.max", "1000 100000\n"); /* somebody else's */
    assert_int_equal(cpus_quota(root), 2);
    write_text(root, "/proc/self/mountinfo", version1);
    write_text(root, "/proc/self/cgroup", "5:cpuset:/c\n4:cpu,cpuacct:/a/b\n0::/user.slice/run.scope\n");
    assert_int_equal(cpus_quota(root), INT32_MAX);
    write_text(root, "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "400000\n");
    write_text(root, "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    write_text(root, "/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
    write_text(root, "/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
    write_text(root, "/sys/fs/cgroup/cpuset/c/cpu.cfs_quota_us", "1000\n");
    assert_int_equal(cpus_quota(root), 4);
    write_text(root, "/proc/self/mountinfo", container);
    write_text(root, "/proc/self/cgroup", "4:cpu:/docker/1/inner\n");
    write_text(root, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "500000\n");
    write_text(root, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(cpus_quota(root), 5);
    write_text(root, "/sys/fs/cgroup/cpu/inner/cpu.cfs_quota_us", "20000\n");
    write_text(root, "/sys/fs/cgroup/cpu/inner/cpu.cfs_period_us", "10000\n");
    assert_int_equal(cpus_quota(root), 2);
    snprintf(command, sizeof command, "rm -r '%s'", root);
    assert_int_equal(system(command), 0);
}

static void test_affinity(void **state) {
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
        if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
    }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(cpus_available(), 1);
    /* Crowded: all on one CPU. */
    pool *p = pool_create(3);
    double begin = seconds(CLOCK_MONOTONIC);
    for (int32_t r = 0; r < 50; r++) run_meeting(p, 3, 5);
    assert_true(seconds(CLOCK_MONOTONIC) - begin < 20);
    pool_destroy(p);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

int main(void) {
    heap_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everyone_meets_at_every_barrier),
        cmocka_unit_test(test_teams_of_changing_size),
        cmocka_unit_test(test_a_team_is_never_larger_than_the_pool),
        cmocka_unit_test(test_workers_that_sleep_wake_up),
        cmocka_unit_test(test_an_idle_pool_costs_nothing),
        cmocka_unit_test(test_destroying),
        cmocka_unit_test(test_a_pool_in_use_leaves_the_caller_alone),
        cmocka_unit_test(test_after_fork_the_caller_is_alone),
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
        cmocka_unit_test(test_a_system_without_threads_to_give),
#endif
        cmocka_unit_test(test_runs_allocate_nothing),
        cmocka_unit_test(test_quotas), cmocka_unit_test(test_own_quota),
        cmocka_unit_test(test_affinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
