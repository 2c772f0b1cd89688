/* SPDX-License-Identifier: Apache-2.0
 * Commands of the shell, and a Python for them: for tests that compare with what others make of the same. */
#ifndef TESTS_PYTHON_H
#define TESTS_PYTHON_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Runs a command; what system() returns, -1 where the command is too long. */
__attribute__((format(printf, 1, 2))) static inline int shell(const char *format, ...) {
    char command[2048];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    return n >= 0 && (size_t)n < sizeof command ? system(command) : -1;
}

/* A Python that has a module: the one that $PYTHON names, the first in the path, or the system's.  NULL: none. */
static inline const char *find_python(const char *module) {
    const char *candidates[] = {getenv("PYTHON"), "python3", "/usr/bin/python3"};
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (candidates[i] && shell("'%s' -c 'import %s' >/dev/null 2>&1", candidates[i], module) == 0)
            return candidates[i];
    return NULL;
}

#endif
