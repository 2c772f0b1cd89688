/* SPDX-License-Identifier: Apache-2.0
 * The allocator hook, the thread's last error, the log and the names of things.  See support.h. */
#include "runtime/support.h"

#include "runtime/world.h"

#include <gradus/custom.h>
#include <stdlib.h>
#include <string.h>

uint32_t gradus_version(void) { return GRADUS_VERSION_MAJOR << 16 | GRADUS_VERSION_MINOR << 8 | GRADUS_VERSION_PATCH; }

const char *gradus_status_name(gradus_status status) {
    switch (status) {
#define NAME(s) case s: return #s;
        NAME(GRADUS_OK)
        NAME(GRADUS_ERROR_ARGUMENT)
        NAME(GRADUS_ERROR_GRAPH)
        NAME(GRADUS_ERROR_MEMORY)
        NAME(GRADUS_ERROR_IO)
        NAME(GRADUS_ERROR_FORMAT)
        NAME(GRADUS_ERROR_NOT_FOUND)
        NAME(GRADUS_ERROR_MISMATCH)
        NAME(GRADUS_ERROR_BUSY)
        NAME(GRADUS_ERROR_NAN)
        NAME(GRADUS_ERROR_CALLBACK)
        NAME(GRADUS_ERROR_COMPILER)
        NAME(GRADUS_ERROR_UNINITIALIZED)
#undef NAME
    }
    return "unknown status";
}

size_t gradus_dtype_size(gradus_dtype dtype) {
    switch (dtype) {
    case GRADUS_F32: case GRADUS_I32: return 4;
    case GRADUS_F64: case GRADUS_I64: return 8;
    case GRADUS_U8: case GRADUS_BOOL: return 1;
    }
    return 0;
}

const char *gradus_dtype_name(gradus_dtype dtype) {
    switch (dtype) {
    case GRADUS_F32: return "f32";
    case GRADUS_F64: return "f64";
    case GRADUS_I32: return "i32";
    case GRADUS_I64: return "i64";
    case GRADUS_U8: return "u8";
    case GRADUS_BOOL: return "bool";
    }
    return "?";
}

/* Goes back to the last * only: what it stands for can always be lengthened. */
bool name_matches(const char *name, const char *pattern) {
    const char *star = NULL, *resume = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            resume = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++resume;
        } else return false;
    }
    while (*pattern == '*') pattern++;
    return !*pattern;
}

static void *reallocate_libc(void *user, void *memory, size_t bytes) {
    (void)user;
    if (bytes) return realloc(memory, bytes);
    free(memory);
    return NULL;
}

static gradus_reallocate_fn hook = reallocate_libc;
static void *hook_user;

void gradus_set_allocator(gradus_reallocate_fn reallocate, void *user) {
    hook = reallocate ? reallocate : reallocate_libc;
    hook_user = user;
}

void *memory_reallocate(void *memory, size_t bytes) { return hook(hook_user, memory, bytes ? bytes : 1); }

void *memory_zeroed(size_t bytes) {
    void *memory = memory_reallocate(NULL, bytes);
    return memory ? memset(memory, 0, bytes) : NULL;
}

void memory_free(void *memory) {
    if (memory) hook(hook_user, memory, 0);
}

/* The address that the hook gave stands just before the aligned one. */
void *memory_aligned(size_t alignment, size_t bytes) {
    size_t slack = alignment + sizeof(void *);
    if (bytes > SIZE_MAX - slack) return NULL;
    unsigned char *memory = memory_reallocate(NULL, bytes + slack);
    if (!memory) return NULL;
    unsigned char *aligned = (unsigned char *)(((uintptr_t)memory + slack) & ~(uintptr_t)(alignment - 1));
    memcpy(aligned - sizeof(void *), &(void *){memory}, sizeof(void *));
    return aligned;
}

void memory_free_aligned(void *memory) {
    if (!memory) return;
    void *original;
    memcpy(&original, (unsigned char *)memory - sizeof(void *), sizeof original);
    memory_free(original);
}

static _Thread_local char last_error[2048];
static _Thread_local gradus_status last_status;

gradus_status fail_status(void) { return last_status; }

const char *gradus_last_error(void) { return last_error; }

void fail_forget(void) { last_status = GRADUS_OK; }

gradus_status fail_v(gradus_status status, const char *format, va_list arguments) {
    char message[sizeof last_error];
    vsnprintf(message, sizeof message, format, arguments);
    memcpy(last_error, message, sizeof message);
    return last_status = status;
}

gradus_status fail(gradus_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fail_v(status, format, arguments);
    va_end(arguments);
    return status;
}

gradus_status gradus_custom_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fail_v(GRADUS_ERROR_CALLBACK, format, arguments);
    va_end(arguments);
    return GRADUS_ERROR_CALLBACK;
}

gradus_status fail_out_of_memory(const char *where) { return fail(GRADUS_ERROR_MEMORY, "%s: out of memory", where); }

static gradus_log_fn listener;
static void *listener_user;
static int32_t listener_level;

void gradus_set_log(gradus_log_fn log, void *user, int32_t level) {
    listener = log;
    listener_user = user;
    listener_level = level;
}

void log_line(int32_t level, const char *format, ...) {
    if (!listener || level > listener_level) return;
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    LEAVE;
    listener(listener_user, level, line);
}
