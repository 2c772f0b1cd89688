/* SPDX-License-Identifier: Apache-2.0
 * What a run of the tests is told by the environment. */
#ifndef TESTS_ENVIRONMENT_H
#define TESTS_ENVIRONMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* GRADUS_LONG=1, as of ./dev test --long: hours are not too long. */
static inline bool long_run(void) {
    const char *value = getenv("GRADUS_LONG");
    return value && strcmp(value, "1") == 0;
}

/* The number that a variable has. */
static inline uint64_t number_from_environment(const char *name, uint64_t otherwise) {
    const char *value = getenv(name);
    return value && *value ? strtoull(value, NULL, 10) : otherwise;
}

#endif
