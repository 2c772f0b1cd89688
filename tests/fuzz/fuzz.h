/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets share.  A target is one file that defines LLVMFuzzerTestOneInput: what it is given is a file that
 * a stranger wrote, and it must be read or refused, without a crash, a leak, or an answer that contradicts itself.
 *
 * Built with -Dfuzz=true a target is linked with libFuzzer (https://llvm.org/docs/LibFuzzer.html), which makes inputs up;
 * built otherwise with replay.c, which only runs those of corpus/.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "runtime/support.h"

#include <gradus/gradus.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A path from which `data` is read.  There are as many files as places; the next call for the place replaces its file. */
enum { FUZZ_FILES = 3 };
const char *fuzz_file(int place, const void *data, size_t size);

/* The content of the file at a place as it is now, malloc's and ended by '\0'. */
char *fuzz_content(int place);

/* Ends the process, as a crash does, unless the condition holds. */
#define FUZZ_REQUIRE(condition, ...) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition, __VA_ARGS__))
_Noreturn void fuzz_fail(const char *file, int line, const char *condition, const char *format, ...) PRINTF_LIKE(4, 5);

/* Requires that what failed says so in gradus_last_error(), and what succeeded is there; true after success. */
bool fuzz_read(gradus_status status, const void *result);

#endif
