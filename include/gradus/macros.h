/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes, lists and options, written where they are used:
 *
 *     GRADUS_SHAPE(GRADUS_BATCH, 784)            GRADUS_AXES(0, -1)
 *     GRADUS_TENSORS(x, y)                       GRADUS_UPDATES(a, b)
 *     GRADUS_INPUTS(images, labels)              GRADUS_OUTPUTS(&loss)
 *     gradus_compile_options(.max_batch = 128)   and so for each struct of options
 *
 * GRADUS_INPUTS and GRADUS_OUTPUTS take pointers, and arrays, be they float x[128][784], and note the dtype of their elements,
 * which gradus_call compares; a void pointer is believed.  In C they take up to 32 items, and arrays of up to four
 * dimensions; C++ has no such limits.
 *
 * How long they live.  Shapes and axes are values.  Lists and options are
 *   in C    pointers to what lives until the end of the block that they are written in;
 *   in C++  values that own what they hold, a gradus_list_of and a gradus_options: `auto list = GRADUS_TENSORS(x, y);` may be
 *           kept, copied and returned.  Where a gradus_tensors or a `const T *` is wanted they become one by themselves,
 *           and that one lives as long as the value that it came from, so
 *               gradus_tensors list = GRADUS_TENSORS(x, y);
 *           is a list of what is gone after the semicolon; write auto.  Clang warns of most of these (-Wdangling), GCC does not.
 *
 * Options without designated initialisers, as in standard C++ before C++20, are made, set and passed on:
 *
 *     auto o = gradus_adam_options();
 *     o.learning_rate = 3e-4;
 *     gradus_updates step = gradus_minimize(loss, gradus_adam(o));
 *
 * GCC and Clang have designated initialisers in every C++, and no warning comes of those in these macros.  As in any macro
 * with several arguments, one that has a comma of its own stands in parentheses: gradus_dense((f<int, int>(x)), .units = 3).
 *
 * What stands behind a call that is a macro, gradus_NAME: functions, for other languages, and in C for options that are a
 * variable.  Options are their last argument, a `const gradus_…_options *`, where NULL is all defaults; size_ must be set,
 * as the macros do.
 *     gradus_NAME_at(file, line, …)   with the place of the call, for messages; `file` may be NULL.  There is none where no
 *                                     place is of use: for optimizers, layers of models, files
 *     gradus_NAME(…)                  without it; written (gradus_NAME)(…) where the macro is known
 * Four calls do without options, gradus_define, gradus_layer_norm, gradus_save and gradus_load.  Their options are taken by a
 * macro, and a function, whose name is gradus_NAME_with; the gradus_NAME_at of both takes them, too.
 */
#ifndef GRADUS_MACROS_H
#define GRADUS_MACROS_H

#include <gradus/common.h>

#define GRADUS_SCALAR GRADUS_SHAPE()
#define GRADUS_HERE_ __FILE__, __LINE__

#define GRADUS_WRONG_POINTER_                                                                                          \
    "GRADUS_INPUTS and GRADUS_OUTPUTS take arrays of, or pointers to, float, double, int32_t, int64_t, uint8_t or bool, " \
    "and void * for any of these; a single variable is passed by its address, as in GRADUS_OUTPUTS(&loss)"

/* More axes or extents than GRADUS_MAX_RANK do not compile. */
#define GRADUS_LONG_SHAPE_ "a shape has at most 8 extents"
#define GRADUS_LONG_AXES_ "a tensor has at most 8 axes"

#ifndef __cplusplus

#define GRADUS_COUNT_(T, ...) (sizeof((T[]){(T)0, __VA_ARGS__}) / sizeof(T) - 1)
#define GRADUS_SHAPE(...)                                                                     \
    ((gradus_shape){{(int64_t)GRADUS_COUNT_(int64_t, __VA_ARGS__) +                           \
                         GRADUS_ASSERT_(GRADUS_UP_TO_8_(__VA_ARGS__), GRADUS_LONG_SHAPE_), \
                     __VA_ARGS__}})
#define GRADUS_AXES(...)                                                                    \
    ((gradus_axes){{(int32_t)GRADUS_COUNT_(int32_t, __VA_ARGS__) +                          \
                        GRADUS_ASSERT_(GRADUS_UP_TO_8_(__VA_ARGS__), GRADUS_LONG_AXES_), \
                    __VA_ARGS__}})
/* 0, where the condition holds. */
#define GRADUS_ASSERT_(condition, message)  \
    (0 * (int)sizeof(struct {               \
        int none;                           \
        _Static_assert(condition, message); \
    }))
#define GRADUS_TENSORS(...)                              \
    ((gradus_tensors){(const gradus_tensor[]){__VA_ARGS__}, \
                      sizeof((gradus_tensor[]){__VA_ARGS__}) / sizeof(gradus_tensor)})
#define GRADUS_UPDATES(...)                                    \
    ((gradus_update_list){(const gradus_updates[]){__VA_ARGS__}, \
                          sizeof((gradus_updates[]){__VA_ARGS__}) / sizeof(gradus_updates)})

/* The dtype of what p points to: of an element, where p is an array of up to four dimensions.  16 for void, 0 for what is
 * none.  A pointer to an array of any extent is compatible with T (*)[]; of a larger rank, an element is looked at. */
#define GRADUS_POINTER_(T, dtype) T *: dtype, const T *: dtype, T(*)[]: dtype, const T(*)[]: dtype
#define GRADUS_POINTERS_(f32, f64, i32, i64, u8, b)                                                                \
    GRADUS_POINTER_(float, f32), GRADUS_POINTER_(double, f64), GRADUS_POINTER_(int, i32),                          \
        GRADUS_POINTER_(long, sizeof(long) == 8 ? i64 : i32), GRADUS_POINTER_(long long, i64),                     \
        GRADUS_POINTER_(unsigned char, u8), GRADUS_POINTER_(bool, b)
#define GRADUS_POINTEE_(p)                                                                                       \
    (int)_Generic((p),                                                                                           \
        GRADUS_POINTERS_(GRADUS_F32, GRADUS_F64, GRADUS_I32, GRADUS_I64, GRADUS_U8, GRADUS_BOOL),                \
        void *: 16, const void *: 16, default: 0)
#define GRADUS_NO_ARRAY_ (struct gradus_none ***)0
#define GRADUS_INNER_(p)                                                                                               \
    *_Generic((p),                                                                                                     \
        GRADUS_POINTERS_(GRADUS_NO_ARRAY_, GRADUS_NO_ARRAY_, GRADUS_NO_ARRAY_, GRADUS_NO_ARRAY_, GRADUS_NO_ARRAY_,     \
                         GRADUS_NO_ARRAY_),                                                                            \
        GRADUS_OTHERS_(GRADUS_NO_ARRAY_), void *: GRADUS_NO_ARRAY_, const void *: GRADUS_NO_ARRAY_, default: (p))
/* What one passes by mistake, and is not to be looked into. */
#define GRADUS_OTHERS_(value)                                                                                       \
    bool: value, char: value, signed char: value, unsigned char: value, short: value, unsigned short: value,         \
        int: value, unsigned: value, long: value, unsigned long: value, long long: value, unsigned long long: value, \
        float: value, double: value, long double: value, gradus_tensor: value, gradus_tensor *: value,               \
        gradus_graph *: value, gradus_program *: value
#define GRADUS_DTYPE_OF_(p) \
    (GRADUS_POINTEE_(p) + GRADUS_POINTEE_(GRADUS_INNER_(p)) + GRADUS_POINTEE_(GRADUS_INNER_(GRADUS_INNER_(p))))
#define GRADUS_ARG_(p) \
    {(p), GRADUS_DTYPE_OF_(p) % 16 + GRADUS_ASSERT_(GRADUS_DTYPE_OF_(p) != 0, GRADUS_WRONG_POINTER_)}
#define GRADUS_TOO_MANY_(f, ...)                                                                                       \
    {0, GRADUS_ASSERT_(0, "GRADUS_INPUTS and GRADUS_OUTPUTS take up to 32 items; for more, fill an array, gradus_in items[] " \
                          "or gradus_out items[], and pass (gradus_inputs){items, count} or (gradus_outputs){items, count}")}

/* Whether there are no more arguments than that. */
#define GRADUS_UP_TO_8_(...) \
    GRADUS_PICK_(__VA_ARGS__, GRADUS_96_(0), GRADUS_8_(0), GRADUS_8_(0), GRADUS_8_(0), GRADUS_8_(1), 0)

/* One f(a) for each of up to 32 arguments. */
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
#define GRADUS_32_(x) GRADUS_8_(x), GRADUS_8_(x), GRADUS_8_(x), GRADUS_8_(x)
#define GRADUS_8_(x) x, x, x, x, x, x, x, x
#define GRADUS_96_(x) GRADUS_32_(x), GRADUS_32_(x), GRADUS_32_(x)
#define GRADUS_PICK_(...) GRADUS_PICK_OF_(__VA_ARGS__)
#define GRADUS_PICK_OF_(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, _16, _17, _18, _19, _20,     \
                        _21, _22, _23, _24, _25, _26, _27, _28, _29, _30, _31, _32, _33, _34, _35, _36, _37, _38,      \
                        _39, _40, _41, _42, _43, _44, _45, _46, _47, _48, _49, _50, _51, _52, _53, _54, _55, _56,      \
                        _57, _58, _59, _60, _61, _62, _63, _64, _65, _66, _67, _68, _69, _70, _71, _72, _73, _74,      \
                        _75, _76, _77, _78, _79, _80, _81, _82, _83, _84, _85, _86, _87, _88, _89, _90, _91, _92,      \
                        _93, _94, _95, _96, _97, _98, _99, _100, _101, _102, _103, _104, _105, _106, _107, _108,       \
                        _109, _110, _111, _112, _113, _114, _115, _116, _117, _118, _119, _120, _121, _122, _123,      \
                        _124, _125, _126, _127, _128, N, ...)                                                          \
    N
#define GRADUS_EACH_(f, ...)                                                                                           \
    GRADUS_PICK_(__VA_ARGS__, GRADUS_96_(GRADUS_TOO_MANY_), GRADUS_E32_, GRADUS_E31_, GRADUS_E30_, GRADUS_E29_,        \
                 GRADUS_E28_, GRADUS_E27_, GRADUS_E26_, GRADUS_E25_, GRADUS_E24_, GRADUS_E23_, GRADUS_E22_,            \
                 GRADUS_E21_, GRADUS_E20_, GRADUS_E19_, GRADUS_E18_, GRADUS_E17_, GRADUS_E16_, GRADUS_E15_,            \
                 GRADUS_E14_, GRADUS_E13_, GRADUS_E12_, GRADUS_E11_, GRADUS_E10_, GRADUS_E9_, GRADUS_E8_, GRADUS_E7_,  \
                 GRADUS_E6_, GRADUS_E5_, GRADUS_E4_, GRADUS_E3_, GRADUS_E2_, GRADUS_E1_, 0)(f, __VA_ARGS__)
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

#include <cstddef>
#include <type_traits>

#if defined(__clang__)
#define GRADUS_LIFETIMEBOUND_ [[clang::lifetimebound]]
#else
#define GRADUS_LIFETIMEBOUND_
#endif

/* --- shapes and axes --------------------------------------------------------------------------------------------- */

template <class... T> inline gradus_shape gradus_shape_(T... v) {
    static_assert(sizeof...(v) <= GRADUS_MAX_RANK, GRADUS_LONG_SHAPE_);
    return gradus_shape{{int64_t(sizeof...(v)), int64_t(v)...}};
}
template <class... T> inline gradus_axes gradus_axes_(T... v) {
    static_assert(sizeof...(v) <= GRADUS_MAX_RANK, GRADUS_LONG_AXES_);
    return gradus_axes{{int32_t(sizeof...(v)), int32_t(v)...}};
}

/* --- lists ------------------------------------------------------------------------------------------------------- */

/* Room for N items, and how many there are.  A shorter list becomes a longer one, so that both may stand in `? :`. */
template <class View, class Item, size_t N> struct gradus_list_of {
    Item items[N];
    size_t count;

    template <class From> explicit gradus_list_of(const From (&from)[N]) : items(), count(N) {
        for (size_t i = 0; i < N; i++) items[i] = from[i];
    }
    template <size_t M, class = typename std::enable_if<(M < N)>::type>
    gradus_list_of(const gradus_list_of<View, Item, M> &shorter) : items(), count(shorter.count) {
        for (size_t i = 0; i < count; i++) items[i] = shorter.begin()[i];
    }
    operator View() const GRADUS_LIFETIMEBOUND_ { return View{items, count}; }
    const Item *begin() const GRADUS_LIFETIMEBOUND_ { return items; }
    const Item *end() const GRADUS_LIFETIMEBOUND_ { return items + count; }
};
template <class View, class Item> struct gradus_list_of<View, Item, 0> {
    size_t count = 0;

    operator View() const { return View{nullptr, 0}; }
    const Item *begin() const { return nullptr; }
    const Item *end() const { return nullptr; }
};
struct gradus_nothing_ {};
template <class View, class Item, class From> inline gradus_list_of<View, Item, 0> gradus_list_(gradus_nothing_) {
    return {};
}
template <class View, class Item, class From, size_t N>
inline gradus_list_of<View, Item, N> gradus_list_(const From (&from)[N]) {
    return gradus_list_of<View, Item, N>(from);
}

/* --- the caller's memory ----------------------------------------------------------------------------------------- */

template <class T> struct gradus_dtype_of_ {
    static_assert(sizeof(T *) == 0, GRADUS_WRONG_POINTER_);
    enum : int32_t { value = 0 };
};
template <> struct gradus_dtype_of_<float> { enum : int32_t { value = GRADUS_F32 }; };
template <> struct gradus_dtype_of_<double> { enum : int32_t { value = GRADUS_F64 }; };
template <> struct gradus_dtype_of_<int> { enum : int32_t { value = GRADUS_I32 }; };
template <> struct gradus_dtype_of_<long> { enum : int32_t { value = sizeof(long) == 8 ? GRADUS_I64 : GRADUS_I32 }; };
template <> struct gradus_dtype_of_<long long> { enum : int32_t { value = GRADUS_I64 }; };
template <> struct gradus_dtype_of_<unsigned char> { enum : int32_t { value = GRADUS_U8 }; };
template <> struct gradus_dtype_of_<bool> { enum : int32_t { value = GRADUS_BOOL }; };
template <> struct gradus_dtype_of_<void> { enum : int32_t { value = 0 }; };
template <class T> struct gradus_element_ {
    typedef typename std::remove_cv<typename std::remove_all_extents<T>::type>::type type;
};
/* What is neither a pointer nor NULL. */
template <class T>
using gradus_no_pointer_ = typename std::enable_if<!std::is_pointer<typename std::decay<T>::type>::value &&
                                                   !std::is_same<T, decltype(NULL)>::value>::type;

struct gradus_in_ : gradus_in {
    gradus_in_(std::nullptr_t) : gradus_in{nullptr, 0} {}
    template <class T> gradus_in_(T *p) : gradus_in{p, gradus_dtype_of_<typename gradus_element_<T>::type>::value} {}
    template <class T, class = gradus_no_pointer_<T>> gradus_in_(const T &) : gradus_in{nullptr, 0} {
        static_assert(sizeof(T) == 0, GRADUS_WRONG_POINTER_);
    }
};
struct gradus_out_ : gradus_out {
    gradus_out_(std::nullptr_t) : gradus_out{nullptr, 0} {}
    template <class T>
    gradus_out_(T *p) : gradus_out{const_cast<void *>(static_cast<const void *>(p)),
                                   gradus_dtype_of_<typename gradus_element_<T>::type>::value} {
        static_assert(!std::is_const<typename std::remove_all_extents<T>::type>::value,
                      "GRADUS_OUTPUTS takes pointers to what may be written, not to const");
    }
    template <class T, class = gradus_no_pointer_<T>> gradus_out_(const T &) : gradus_out{nullptr, 0} {
        static_assert(sizeof(T) == 0, GRADUS_WRONG_POINTER_);
    }
};

/* --- options ----------------------------------------------------------------------------------------------------- */

/* Options of a type T with their size_. */
template <class T> struct gradus_options : T {
    gradus_options(const T &given = T()) : T(given) { this->size_ = sizeof(T); }
    gradus_options(std::nullptr_t) : gradus_options() {}
    operator const T *() const GRADUS_LIFETIMEBOUND_ { return this; }
};

#define GRADUS_SHAPE(...) gradus_shape_(__VA_ARGS__)
#define GRADUS_AXES(...) gradus_axes_(__VA_ARGS__)
#define GRADUS_TENSORS(...) (gradus_list_<gradus_tensors, gradus_tensor, gradus_tensor>({__VA_ARGS__}))
#define GRADUS_UPDATES(...) (gradus_list_<gradus_update_list, gradus_updates, gradus_updates>({__VA_ARGS__}))
#define GRADUS_INPUTS(...) (gradus_list_<gradus_inputs, gradus_in, gradus_in_>({__VA_ARGS__}))
#define GRADUS_OUTPUTS(...) (gradus_list_<gradus_outputs, gradus_out, gradus_out_>({__VA_ARGS__}))
#define GRADUS_NO_TENSORS (gradus_list_of<gradus_tensors, gradus_tensor, 0>())
#define GRADUS_NO_INPUTS (gradus_list_of<gradus_inputs, gradus_in, 0>())
#define GRADUS_NO_OUTPUTS (gradus_list_of<gradus_outputs, gradus_out, 0>())
#define GRADUS_NO_UPDATES (gradus_updates{nullptr, 0})
#define GRADUS_ALL_AXES (gradus_axes{{-1}})

/* Options leave fields out, and do so in standards without designated initialisers: neither is worth a warning.  Clang is
 * told so where the braces close; GCC takes it from what counts as a system's header, the rest of this one. */
#if defined(__clang__)
#define GRADUS_QUIET_ \
    _Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Wmissing-field-initializers\"")
#define GRADUS_LOUD_ _Pragma("clang diagnostic pop")
#else
#define GRADUS_QUIET_
#define GRADUS_LOUD_
#pragma GCC system_header
#endif
#define GRADUS_OPTIONS_(T, ...) (__extension__ gradus_options<T>(T{__VA_ARGS__ GRADUS_QUIET_}) GRADUS_LOUD_)

#endif

/* The macros whose last arguments are options: a call of a function with so many arguments before them, and with the place
 * in front where it is AT. */
#define GRADUS_AT_1_(function, T, a, ...) function(GRADUS_HERE_, a, GRADUS_OPTIONS_(T, __VA_ARGS__))
#define GRADUS_AT_3_(function, T, a, b, c, ...) function(GRADUS_HERE_, a, b, c, GRADUS_OPTIONS_(T, __VA_ARGS__))
#define GRADUS_AT_5_(function, T, a, b, c, d, e, ...) \
    function(GRADUS_HERE_, a, b, c, d, e, GRADUS_OPTIONS_(T, __VA_ARGS__))
#define GRADUS_CALL_2_(function, T, a, b, ...) function(a, b, GRADUS_OPTIONS_(T, __VA_ARGS__))

#endif
