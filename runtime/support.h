/* SPDX-License-Identifier: Apache-2.0
 * What both libraries stand on: the one allocator hook, the thread's last error and the log. */
#ifndef GRADUS_RUNTIME_SUPPORT_H
#define GRADUS_RUNTIME_SUPPORT_H

#include <gradus/common.h>
#include <stdarg.h>

#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* Clang's -fsanitize=function reads what stands before a function that is called by its address, and code that was made at
 * run time has nothing there: a function that calls such code is marked. */
#if defined(__clang__)
#define CALLS_GENERATED_CODE __attribute__((no_sanitize("function")))
#else
#define CALLS_GENERATED_CODE
#endif

/* Memory through the hook: NULL where the allocator refuses.  memory_free takes NULL. */
void *memory_reallocate(void *memory, size_t bytes);
void *memory_zeroed(size_t bytes);
void memory_free(void *memory);

/* The same with an alignment, a power of two of at most 4096 bytes; freed by memory_free_aligned alone. */
void *memory_aligned(size_t alignment, size_t bytes);
void memory_free_aligned(void *memory);

/* Sets gradus_last_error() of this thread and returns `status`.  Allocates nothing; the arguments may point into the
 * message that it replaces. */
gradus_status fail(gradus_status status, const char *format, ...) PRINTF_LIKE(2, 3);
gradus_status fail_v(gradus_status status, const char *format, va_list arguments);
gradus_status fail_out_of_memory(const char *where);
gradus_status fail_status(void); /* of this thread's last failure */
void fail_forget(void);          /* from here on fail_status() is GRADUS_OK until the thread fails again */

/* Whether a name is one of a pattern's, in which * stands for any characters and ? for one. */
bool name_matches(const char *name, const char *pattern);

/* Sends a line to the user's log, if there is one that listens at this level. */
void log_line(int32_t level, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
