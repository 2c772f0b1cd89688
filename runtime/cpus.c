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

static int32_t quota_at(const char *folder, bool two) {
    char file[2300], text[128], period[64];
    snprintf(file, sizeof file, two ? "%s/cpu.max" : "%s/cpu.cfs_quota_us", folder);
    if (!read_text(file, text, sizeof text)) return INT32_MAX;
    if (two) return parse_cpu_max(text);
    snprintf(file, sizeof file, "%s/cpu.cfs_period_us", folder);
    if (!read_text(file, period, sizeof period)) return INT32_MAX;
    return quota_cpus(strtoll(text, NULL, 10), strtoll(period, NULL, 10));
}

/* The least quota of a group and those above it. */
static int32_t quota_of(const char *root, const char *path, bool two) {
    char group[1024], folder[2200];
    int32_t least = INT32_MAX;
    if (snprintf(group, sizeof group, "%s", path) >= (int)sizeof group) return INT32_MAX;
    for (;;) {
        snprintf(folder, sizeof folder, "%s%s", root, strcmp(group, "/") == 0 ? "" : group);
        const int32_t cpus = quota_at(folder, two);
        if (cpus < least) least = cpus;
        char *slash = strrchr(group, '/');
        if (!slash) return least;
        *slash = '\0';
    }
}

int32_t cpus_cgroup2_quota(const char *root, const char *path) { return quota_of(root, path, true); }

/* Whether a list with commas has that word. */
static bool has_word(const char *list, const char *word) {
    const size_t n = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += n)
        if ((at == list || at[-1] == ',') && strchr(",\n", at[n])) return true;
    return false;
}

/* The group of this process in the hierarchy of version 2, or in that of version 1 which has the CPUs: "0::/a/b",
 * "4:cpu,cpuacct:/a/b".  False where it is in none. */
static bool own_group(FILE *groups, bool two, char *path, size_t size) {
    char line[2048];
    rewind(groups);
    while (fgets(line, sizeof line, groups)) {
        char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;
        if (!group) continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        if (two ? strncmp(line, "0:", 2) == 0 && !list[1] : has_word(list + 1, "cpu"))
            return snprintf(path, size, "%s", group) < (int)size;
    }
    return false;
}

/* A line of mountinfo, "36 35 98:0 /root /at options … - cgroup2 cgroup2 rw": the quota of our group under that mount. */
static int32_t quota_of_mount(const char *prefix, const char *line, FILE *groups) {
    char root[1024], at[1024], kind[32], options[256], path[1024], place[2200];
    const char *rest = strstr(line, " - ");
    if (!rest || sscanf(line, "%*s %*s %*s %1023s %1023s", root, at) != 2) return INT32_MAX;
    if (sscanf(rest, " - %31s %*s %255s", kind, options) != 2) return INT32_MAX;
    const bool two = strcmp(kind, "cgroup2") == 0;
    if (!two && (strcmp(kind, "cgroup") != 0 || !has_word(options, "cpu"))) return INT32_MAX;
    if (!own_group(groups, two, path, sizeof path)) return INT32_MAX;
    const size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root); /* in a container the mount shows a part of the tree */
    const bool below = strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == '\0');
    snprintf(place, sizeof place, "%s%s", prefix, at);
    return quota_of(place, below ? path + n : "", two);
}

int32_t cpus_quota(const char *prefix) {
    char path[1100], line[4096];
    int32_t least = INT32_MAX;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", prefix);
    FILE *groups = fopen(path, "re");
    snprintf(path, sizeof path, "%s/proc/self/mountinfo", prefix);
    FILE *mounts = groups ? fopen(path, "re") : NULL;
    while (mounts && fgets(line, sizeof line, mounts)) {
        const int32_t cpus = quota_of_mount(prefix, line, groups);
        if (cpus < least) least = cpus;
    }
    if (mounts) fclose(mounts);
    if (groups) fclose(groups);
    return least;
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
int32_t cpus_quota(const char *prefix) { return (void)prefix, INT32_MAX; }
static int32_t affinity(void) { return INT32_MAX; }

#endif

int32_t cpus_available(void) {
    int32_t allowed = affinity(), paid = cpus_quota("");
    int32_t cpus = allowed < paid ? allowed : paid;
    if (cpus == INT32_MAX) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        cpus = online > 0 && online < INT32_MAX ? (int32_t)online : 1;
    }
    return cpus > 1 ? cpus : 1;
}
