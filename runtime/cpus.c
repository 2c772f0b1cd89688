/* SPDX-License-Identifier: Apache-2.0
 * How many CPUs this process may use: what its affinity allows and its control groups pay for.  See cpus.h. */
#include "runtime/cpus.h"

#include <unistd.h>

#ifdef __linux__

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first bytes of a file as a string; false where it cannot be read. */
static bool read_text(const char *path, char *text, size_t size) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    ssize_t n = read(file, text, size - 1);
    close(file);
    if (n < 0) return false;
    text[n] = '\0';
    return true;
}

static int32_t quota_cpus(int64_t quota, int64_t period) {
    if (quota <= 0 || period <= 0) return INT32_MAX;
    int64_t cpus = quota / period + (quota % period != 0);
    return cpus < INT32_MAX ? (int32_t)cpus : INT32_MAX;
}

/* "max 100000" or "150000 100000" */
static int32_t parse_cpu_max(const char *text) {
    char *end;
    int64_t quota = strtoll(text, &end, 10);
    if (end == text) return INT32_MAX;
    return quota_cpus(quota, strtoll(end, NULL, 10));
}

int32_t cpus_cgroup2_quota(const char *root, const char *path) {
    char group[1024], file[2200], text[128];
    int32_t least = INT32_MAX;
    if (snprintf(group, sizeof group, "%s", path) >= (int)sizeof group) return INT32_MAX;
    for (;;) {
        snprintf(file, sizeof file, "%s%s/cpu.max", root, strcmp(group, "/") == 0 ? "" : group);
        if (read_text(file, text, sizeof text)) {
            int32_t cpus = parse_cpu_max(text);
            if (cpus < least) least = cpus;
        }
        char *slash = strrchr(group, '/');
        if (!slash) return least;
        *slash = '\0';
    }
}

static int32_t cgroup1_quota(void) {
    char quota[64], period[64];
    if (!read_text("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, sizeof quota)) return INT32_MAX;
    if (!read_text("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof period)) return INT32_MAX;
    return quota_cpus(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

static int32_t cgroup_quota(void) {
    char text[4096], *path = NULL;
    if (read_text("/proc/self/cgroup", text, sizeof text)) {
        path = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
        if (path) path = strchr(path, '/');
        if (path) path[strcspn(path, "\n")] = '\0';
    }
    int32_t two = cpus_cgroup2_quota("/sys/fs/cgroup", path ? path : ""), one = cgroup1_quota();
    return two < one ? two : one;
}

/* The kernel refuses a mask that is smaller than its own, so the mask is a large one: 65536 CPUs. */
static int32_t affinity(void) {
    cpu_set_t sets[64];
    memset(sets, 0, sizeof sets);
    if (sched_getaffinity(0, sizeof sets, sets) != 0) return INT32_MAX;
    int n = CPU_COUNT_S(sizeof sets, sets);
    return n > 0 ? n : INT32_MAX;
}

#else

int32_t cpus_cgroup2_quota(const char *root, const char *path) { return (void)root, (void)path, INT32_MAX; }
static int32_t cgroup_quota(void) { return INT32_MAX; }
static int32_t affinity(void) { return INT32_MAX; }

#endif

int32_t cpus_available(void) {
    int32_t allowed = affinity(), paid = cgroup_quota();
    int32_t cpus = allowed < paid ? allowed : paid;
    if (cpus == INT32_MAX) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        cpus = online > 0 && online < INT32_MAX ? (int32_t)online : 1;
    }
    return cpus > 1 ? cpus : 1;
}
