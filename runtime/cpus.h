/* SPDX-License-Identifier: Apache-2.0
 * How many CPUs this process may use. */
#ifndef GRADUS_RUNTIME_CPUS_H
#define GRADUS_RUNTIME_CPUS_H

#include <stdint.h>

/* The least of the CPUs in the affinity mask and the control groups' quota (rounded up); at least 1. */
int32_t cpus_available(void);

/* The quota of control group `path` under `root` (version 2: its "cpu.max" and those of the groups above it), in CPUs
 * rounded up; INT32_MAX where there is none. */
int32_t cpus_cgroup2_quota(const char *root, const char *path);

/* What the control groups of this process pay for, in CPUs rounded up, of version 1 and 2, with the groups above its own: the
 * least; INT32_MAX where there is no quota.  /proc and the mounts are looked for below `prefix`. */
int32_t cpus_quota(const char *prefix);

#endif
