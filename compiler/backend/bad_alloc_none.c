/* SPDX-License-Identifier: Apache-2.0
 * In the place of bad_alloc.cc where there is no C++ compiler. */
#include "backend/bad_alloc.h"

void bad_alloc_handle(void (*handler)(void)) { (void)handler; }
