/* SPDX-License-Identifier: Apache-2.0
 * A locale whose decimal point is a comma: for tests of numbers that must not care. */
#ifndef TESTS_GERMAN_H
#define TESTS_GERMAN_H

#include "tests/python.h"

#include <locale.h>
#include <stdbool.h>
#include <unistd.h>

/* German, made where there is none and localedef can; false after a word where it cannot.  setlocale(LC_ALL, "C") ends it. */
static inline bool speak_german(void) {
    char directory[] = "/tmp/gradus-locale-XXXXXX";
    if (setlocale(LC_ALL, "de_DE.UTF-8") || setlocale(LC_ALL, "de_DE.utf8")) return true;
    if (!mkdtemp(directory)) return false;
    bool made = shell("localedef -i de_DE -f UTF-8 '%s'/de_DE.UTF-8 >/dev/null 2>&1", directory) == 0 &&
                setenv("LOCPATH", directory, 1) == 0 && setlocale(LC_ALL, "de_DE.UTF-8");
    unsetenv("LOCPATH");
    shell("rm -rf '%s'", directory);
    if (!made) printf("skipped: there is no German locale, nor can localedef make one\n");
    return made;
}

#endif
