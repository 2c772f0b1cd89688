/* SPDX-License-Identifier: Apache-2.0
 *
 * What every other header of Gradus needs: status codes, dtypes, shapes and the lists that calls take.
 *
 * Errors.  Builder calls (those that return a gradus_tensor) never fail on the spot: the graph keeps the first
 * error and the call returns poison, see graph.h.  Everything else returns a gradus_status; gradus_last_error()
 * then explains it.  Nothing calls exit or abort on bad input, and nothing prints unless asked.
 *
 * The caller's surroundings.  Every function computes in a floating-point mode of its own (round to nearest, subnormals
 * kept, no traps), and reads and writes numbers in the C locale, whatever the calling thread has set; the thread finds its
 * mode, exception flags and locale as they were.  The user's functions that the library calls run in the caller's
 * surroundings; those that are part of a graph (custom.h) see the caller's locale, and compute in the library's mode.
 */
#ifndef GRADUS_COMMON_H
#define GRADUS_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#if defined(__GNUC__) && !defined(GRADUS_STATIC)
#define GRADUS_API __attribute__((visibility("default")))
#else
#define GRADUS_API
#endif

#ifdef __cplusplus
#include <initializer_list>
extern "C" {
#endif

#define GRADUS_VERSION_MAJOR 0
#define GRADUS_VERSION_MINOR 1
#define GRADUS_VERSION_PATCH 0

/* The version of the library that runs, as major << 16 | minor << 8 | patch.  Thread-safe. */
GRADUS_API uint32_t gradus_version(void);

typedef enum {
    GRADUS_OK = 0,
    GRADUS_ERROR_ARGUMENT = -1,       /* a wrong argument of this call */
    GRADUS_ERROR_GRAPH = -2,          /* the graph holds an error from an earlier builder call */
    GRADUS_ERROR_MEMORY = -3,         /* an allocation failed; nothing was changed */
    GRADUS_ERROR_IO = -4,             /* the operating system refused to read or write */
    GRADUS_ERROR_FORMAT = -5,         /* a file is not what it should be */
    GRADUS_ERROR_NOT_FOUND = -6,      /* no entry point, tensor or file of that name */
    GRADUS_ERROR_MISMATCH = -7,       /* a name, count, dtype, shape or size differs from what is expected */
    GRADUS_ERROR_BUSY = -8,           /* the program is running a call in another thread */
    GRADUS_ERROR_NAN = -9,            /* a value became NaN or infinite where that is checked */
    GRADUS_ERROR_CALLBACK = -10,      /* a function of the user's reported failure */
    GRADUS_ERROR_COMPILER = -11,      /* LLVM refused, or this build cannot compile the graph */
    GRADUS_ERROR_UNINITIALIZED = -12, /* the program's state was never initialised nor loaded */
} gradus_status;

/* The enumerator's name, "GRADUS_OK" for 0; "unknown status" for any other number.  Thread-safe. */
GRADUS_API const char *gradus_status_name(gradus_status status);

/* What the last failing call of this thread had to say; "" before the first.  Valid until the thread's next failure. */
GRADUS_API const char *gradus_last_error(void);

/* Where messages go: by default nowhere.  `level` 0 is silent, 1 warnings, 2 notes.  The message has no newline.
 * Set it before other threads use the library. */
typedef void (*gradus_log_fn)(void *user, int32_t level, const char *message);
GRADUS_API void gradus_set_log(gradus_log_fn log, void *user, int32_t level);

/* The one allocator of the library (LLVM's own memory apart).  `reallocate(user, NULL, n)` allocates,
 * `reallocate(user, p, 0)` frees and returns NULL; memory is aligned as malloc's.  NULL restores the C library's.
 * Call it before anything else; memory is freed by the allocator that is set at that time. */
typedef void *(*gradus_reallocate_fn)(void *user, void *memory, size_t bytes);
GRADUS_API void gradus_set_allocator(gradus_reallocate_fn reallocate, void *user);

/* Element types.  BOOL is one byte, 0 or 1. */
typedef enum { GRADUS_F32 = 1, GRADUS_F64, GRADUS_I32, GRADUS_I64, GRADUS_U8, GRADUS_BOOL } gradus_dtype;

/* Bytes of an element; 0 for what is no dtype.  "f32", "f64", "i32", "i64", "u8", "bool"; "?" for what is none. */
GRADUS_API size_t gradus_dtype_size(gradus_dtype dtype);
GRADUS_API const char *gradus_dtype_name(gradus_dtype dtype);

enum { GRADUS_MAX_RANK = 8 };

/* A shape by value: d[0] is the rank, d[1] … d[rank] the extents, outermost first.  An extent -k is k times the
 * run-time batch. */
typedef struct {
    int64_t d[GRADUS_MAX_RANK + 1];
} gradus_shape;

/* A list of axes by value: d[0] is the count.  -1 is the last axis. */
typedef struct {
    int32_t d[GRADUS_MAX_RANK + 1];
} gradus_axes;

typedef struct gradus_graph gradus_graph;
typedef struct gradus_program gradus_program;

/* A tensor of a graph.  {g, 0} is poison; {NULL, 0} as an option means "absent". */
typedef struct {
    gradus_graph *graph;
    uint32_t id;
} gradus_tensor;

/* A set of state updates of a graph. */
typedef struct {
    gradus_graph *graph;
    uint32_t id;
} gradus_updates;

typedef struct {
    const gradus_tensor *items;
    size_t count;
} gradus_tensors;

typedef struct {
    const gradus_updates *items;
    size_t count;
} gradus_update_list;

/* A caller's memory, with its dtype where the compiler could tell (0 otherwise). */
typedef struct {
    const void *data;
    int32_t dtype;
} gradus_in;

typedef struct {
    void *data;
    int32_t dtype;
} gradus_out;

typedef struct {
    const gradus_in *items;
    size_t count;
} gradus_inputs;

typedef struct {
    const gradus_out *items;
    size_t count;
} gradus_outputs;

#define GRADUS_BATCH ((int64_t)-1)
#define GRADUS_INFER INT64_MIN
#define GRADUS_ZERO (-0.0) /* as an option: a real 0, where 0 would mean the default */

/* More axes or extents than GRADUS_MAX_RANK do not compile. */
#ifndef __cplusplus

#define GRADUS_COUNT_(T, ...) (sizeof((T[]){(T)0, __VA_ARGS__}) / sizeof(T) - 1)
#define GRADUS_SHAPE(...) ((gradus_shape){{(int64_t)GRADUS_COUNT_(int64_t, __VA_ARGS__), __VA_ARGS__}})
#define GRADUS_AXES(...) ((gradus_axes){{(int32_t)GRADUS_COUNT_(int32_t, __VA_ARGS__), __VA_ARGS__}})
#define GRADUS_TENSORS(...)                              \
    ((gradus_tensors){(const gradus_tensor[]){__VA_ARGS__}, \
                      sizeof((gradus_tensor[]){__VA_ARGS__}) / sizeof(gradus_tensor)})
#define GRADUS_UPDATES(...)                                    \
    ((gradus_update_list){(const gradus_updates[]){__VA_ARGS__}, \
                          sizeof((gradus_updates[]){__VA_ARGS__}) / sizeof(gradus_updates)})
#define GRADUS_DTYPE_OF_(p)                                            \
    _Generic((p),                                                      \
        float *: GRADUS_F32, const float *: GRADUS_F32,                \
        double *: GRADUS_F64, const double *: GRADUS_F64,              \
        int *: GRADUS_I32, const int *: GRADUS_I32,                    \
        long *: sizeof(long) == 8 ? GRADUS_I64 : GRADUS_I32,           \
        const long *: sizeof(long) == 8 ? GRADUS_I64 : GRADUS_I32,     \
        long long *: GRADUS_I64, const long long *: GRADUS_I64,        \
        unsigned char *: GRADUS_U8, const unsigned char *: GRADUS_U8,  \
        bool *: GRADUS_BOOL, const bool *: GRADUS_BOOL,                \
        void *: 0, const void *: 0)
#define GRADUS_ARG_(p) {(p), (int32_t)GRADUS_DTYPE_OF_(p)}

/* One GRADUS_ARG_ for each of up to 32 arguments. */
#define GRADUS_E1_(f, a) f(a)
#define GRADUS_E2_(f, a, ...) f(a), GRADUS_E1_(f, __VA_ARGS__)
#define GRADUS_E3_(f, a, ...) f(a), GRADUS_E2_(f, __VA_ARGS__)
#define GRADUS_E4_(f, a, ...) f(a), GRADUS_E3_(f, __VA_ARGS__)
#define GRADUS_E5_(f, a, ...) f(a), GRADUS_E4_(f, __VA_ARGS__)
#define GRADUS_E6_(f, a, ...) f(a), GRADUS_E5_(f, __VA_ARGS__)
#define GRADUS_E7_(f, a, ...) f(a), GRADUS_E6_(f, __VA_ARGS__)
#define GRADUS_E8_(f, a, ...) f(a), GRADUS_E7_(f, __VA_ARGS__)
#define GRADUS_E9_(f, a, ...) f(a), GRADUS_E8_(f, __VA_ARGS__)
#define GRADUS_E10_(f, a, ...) f(a), GRADUS_E9_(f, __VA_ARGS__)
#define GRADUS_E11_(f, a, ...) f(a), GRADUS_E10_(f, __VA_ARGS__)
#define GRADUS_E12_(f, a, ...) f(a), GRADUS_E11_(f, __VA_ARGS__)
#define GRADUS_E13_(f, a, ...) f(a), GRADUS_E12_(f, __VA_ARGS__)
#define GRADUS_E14_(f, a, ...) f(a), GRADUS_E13_(f, __VA_ARGS__)
#define GRADUS_E15_(f, a, ...) f(a), GRADUS_E14_(f, __VA_ARGS__)
#define GRADUS_E16_(f, a, ...) f(a), GRADUS_E15_(f, __VA_ARGS__)
#define GRADUS_E17_(f, a, ...) f(a), GRADUS_E16_(f, __VA_ARGS__)
#define GRADUS_E18_(f, a, ...) f(a), GRADUS_E17_(f, __VA_ARGS__)
#define GRADUS_E19_(f, a, ...) f(a), GRADUS_E18_(f, __VA_ARGS__)
#define GRADUS_E20_(f, a, ...) f(a), GRADUS_E19_(f, __VA_ARGS__)
#define GRADUS_E21_(f, a, ...) f(a), GRADUS_E20_(f, __VA_ARGS__)
#define GRADUS_E22_(f, a, ...) f(a), GRADUS_E21_(f, __VA_ARGS__)
#define GRADUS_E23_(f, a, ...) f(a), GRADUS_E22_(f, __VA_ARGS__)
#define GRADUS_E24_(f, a, ...) f(a), GRADUS_E23_(f, __VA_ARGS__)
#define GRADUS_E25_(f, a, ...) f(a), GRADUS_E24_(f, __VA_ARGS__)
#define GRADUS_E26_(f, a, ...) f(a), GRADUS_E25_(f, __VA_ARGS__)
#define GRADUS_E27_(f, a, ...) f(a), GRADUS_E26_(f, __VA_ARGS__)
#define GRADUS_E28_(f, a, ...) f(a), GRADUS_E27_(f, __VA_ARGS__)
#define GRADUS_E29_(f, a, ...) f(a), GRADUS_E28_(f, __VA_ARGS__)
#define GRADUS_E30_(f, a, ...) f(a), GRADUS_E29_(f, __VA_ARGS__)
#define GRADUS_E31_(f, a, ...) f(a), GRADUS_E30_(f, __VA_ARGS__)
#define GRADUS_E32_(f, a, ...) f(a), GRADUS_E31_(f, __VA_ARGS__)
#define GRADUS_PICK_(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, _16, _17, _18, _19, _20, _21, \
                     _22, _23, _24, _25, _26, _27, _28, _29, _30, _31, _32, N, ...)                                  \
    N
#define GRADUS_EACH_(f, ...)                                                                                         \
    GRADUS_PICK_(__VA_ARGS__, GRADUS_E32_, GRADUS_E31_, GRADUS_E30_, GRADUS_E29_, GRADUS_E28_, GRADUS_E27_,          \
                 GRADUS_E26_, GRADUS_E25_, GRADUS_E24_, GRADUS_E23_, GRADUS_E22_, GRADUS_E21_, GRADUS_E20_,          \
                 GRADUS_E19_, GRADUS_E18_, GRADUS_E17_, GRADUS_E16_, GRADUS_E15_, GRADUS_E14_, GRADUS_E13_,          \
                 GRADUS_E12_, GRADUS_E11_, GRADUS_E10_, GRADUS_E9_, GRADUS_E8_, GRADUS_E7_, GRADUS_E6_, GRADUS_E5_,  \
                 GRADUS_E4_, GRADUS_E3_, GRADUS_E2_, GRADUS_E1_, 0)                                                  \
    (f, __VA_ARGS__)
#define GRADUS_INPUTS(...)                                                    \
    ((gradus_inputs){(const gradus_in[]){GRADUS_EACH_(GRADUS_ARG_, __VA_ARGS__)}, \
                     sizeof((const void *[]){__VA_ARGS__}) / sizeof(void *)})
#define GRADUS_OUTPUTS(...)                                                     \
    ((gradus_outputs){(const gradus_out[]){GRADUS_EACH_(GRADUS_ARG_, __VA_ARGS__)}, \
                      sizeof((void *[]){__VA_ARGS__}) / sizeof(void *)})
#define GRADUS_NO_TENSORS ((gradus_tensors){0})
#define GRADUS_NO_INPUTS ((gradus_inputs){0})
#define GRADUS_NO_OUTPUTS ((gradus_outputs){0})
#define GRADUS_NO_UPDATES ((gradus_updates){0})
#define GRADUS_ALL_AXES ((gradus_axes){{-1}})
#define GRADUS_OPTIONS_(T, ...) (&(const T){.size_ = sizeof(T), __VA_ARGS__})

#else

} /* extern "C" */
template <class... T> inline gradus_shape gradus_shape_(T... v) {
    static_assert(sizeof...(v) <= GRADUS_MAX_RANK, "a shape has at most 8 extents");
    return gradus_shape{{int64_t(sizeof...(v)), int64_t(v)...}};
}
template <class... T> inline gradus_axes gradus_axes_(T... v) {
    static_assert(sizeof...(v) <= GRADUS_MAX_RANK, "a tensor has at most 8 axes");
    return gradus_axes{{int32_t(sizeof...(v)), int32_t(v)...}};
}
inline gradus_tensors gradus_tensors_(std::initializer_list<gradus_tensor> l) { return gradus_tensors{l.begin(), l.size()}; }
inline gradus_update_list gradus_updates_(std::initializer_list<gradus_updates> l) { return gradus_update_list{l.begin(), l.size()}; }
inline int32_t gradus_dtype_of_(const float *) { return GRADUS_F32; }
inline int32_t gradus_dtype_of_(const double *) { return GRADUS_F64; }
inline int32_t gradus_dtype_of_(const int32_t *) { return GRADUS_I32; }
inline int32_t gradus_dtype_of_(const int64_t *) { return GRADUS_I64; }
inline int32_t gradus_dtype_of_(const uint8_t *) { return GRADUS_U8; }
inline int32_t gradus_dtype_of_(const bool *) { return GRADUS_BOOL; }
inline int32_t gradus_dtype_of_(const void *) { return 0; }
struct gradus_in_ : gradus_in {
    template <class T> gradus_in_(const T *p) : gradus_in{p, ::gradus_dtype_of_(p)} {}
};
struct gradus_out_ : gradus_out {
    template <class T> gradus_out_(T *p) : gradus_out{p, ::gradus_dtype_of_(p)} {}
};
static_assert(sizeof(gradus_in_) == sizeof(gradus_in) && sizeof(gradus_out_) == sizeof(gradus_out), "");
inline gradus_inputs gradus_inputs_(std::initializer_list<gradus_in_> l) { return gradus_inputs{l.begin(), l.size()}; }
inline gradus_outputs gradus_outputs_(std::initializer_list<gradus_out_> l) { return gradus_outputs{l.begin(), l.size()}; }
/* The options live until the end of the statement that makes them. */
template <class T> inline const T *gradus_options_(T &&options) {
    options.size_ = sizeof(T);
    return &options;
}
extern "C" {

#define GRADUS_SHAPE(...) gradus_shape_(__VA_ARGS__)
#define GRADUS_AXES(...) gradus_axes_(__VA_ARGS__)
#define GRADUS_TENSORS(...) gradus_tensors_({__VA_ARGS__})
#define GRADUS_UPDATES(...) gradus_updates_({__VA_ARGS__})
#define GRADUS_INPUTS(...) gradus_inputs_({__VA_ARGS__})
#define GRADUS_OUTPUTS(...) gradus_outputs_({__VA_ARGS__})
#define GRADUS_NO_TENSORS (gradus_tensors{nullptr, 0})
#define GRADUS_NO_INPUTS (gradus_inputs{nullptr, 0})
#define GRADUS_NO_OUTPUTS (gradus_outputs{nullptr, 0})
#define GRADUS_NO_UPDATES (gradus_updates{nullptr, 0})
#define GRADUS_ALL_AXES (gradus_axes{{-1}})
#define GRADUS_OPTIONS_(T, ...) gradus_options_(T{__VA_ARGS__})

#endif

#define GRADUS_SCALAR GRADUS_SHAPE()
#define GRADUS_HERE_ __FILE__, __LINE__

/* An array as a list; the array stays the caller's and must live as long as the list is used. */
static inline gradus_tensors gradus_list(const gradus_tensor *items, size_t count) {
    gradus_tensors list;
    list.items = items;
    list.count = count;
    return list;
}

#ifdef __cplusplus
}
#endif
#endif
