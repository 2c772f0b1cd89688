/* SPDX-License-Identifier: Apache-2.0
 * CMocka with the headers that it expects before it.  It defines a macro `fail`, so the library's own function of that name
 * is declared first; tests use fail_msg. */
#ifndef TESTS_CMOCKA_ALL_H
#define TESTS_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/support.h"

#include <cmocka.h>

#endif
