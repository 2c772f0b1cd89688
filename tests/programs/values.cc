// SPDX-License-Identifier: Apache-2.0
// A C++ user who keeps lists and options: in variables, in members, through functions and templates, in `? :`.  Built with
// each standard, without a warning, at several levels of optimisation and with a sanitizer; ends with 0 where all is right.
#include <gradus/gradus.h>

#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#define CHECK(condition)                                                                            \
    do {                                                                                            \
        if (!(condition)) {                                                                         \
            fprintf(stderr, "%s:%d: %s; %s\n", __FILE__, __LINE__, #condition, gradus_last_error()); \
            return 1;                                                                               \
        }                                                                                           \
    } while (0)

// A user's own handle, and layers that take lists.
struct handle {
    gradus_tensor tensor;
    operator gradus_tensor() const { return tensor; }
};
struct layer {
    virtual ~layer() = default;
    virtual gradus_tensor call(gradus_tensors list) const = 0;
};
struct concatenation : layer {
    gradus_tensor call(gradus_tensors list) const override { return gradus_concat(list, 0); }
};

struct network {
    gradus_list_of<gradus_tensors, gradus_tensor, 2> params;
    gradus_options<gradus_compile_options> how;
};

static gradus_tensors as_it_is(gradus_tensors list) { return list; }

template <class List> static size_t counted(List &&list) { return as_it_is(std::forward<List>(list)).count; }

template <class T> static auto pair(T a, T b) -> decltype(GRADUS_TENSORS(a, b)) { return GRADUS_TENSORS(a, b); }

// What a dead temporary would have left is written over before each use.
static void __attribute__((noinline)) scribble() {
    volatile unsigned char stack[4096];
    for (size_t i = 0; i < sizeof stack; i++) stack[i] = 0xab;
}

static int keeps_lists(bool yes) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 2));
    gradus_tensor w = gradus_param(g, "w", GRADUS_F32, GRADUS_SHAPE(2), gradus_ones());
    gradus_tensor v = gradus_param(g, "v", GRADUS_F32, GRADUS_SHAPE(2), gradus_fill(2));
    gradus_tensor y = gradus_mul(gradus_mul(x, w), v);

    auto params = GRADUS_TENSORS(w, v), others = yes ? GRADUS_TENSORS(w) : GRADUS_TENSORS(w, v);
    auto none = GRADUS_NO_TENSORS;
    auto perhaps = yes ? GRADUS_NO_TENSORS : GRADUS_TENSORS(w);
    auto made = pair(w, v);
    network n = {GRADUS_TENSORS(w, v), gradus_compile_options(.max_batch = 4)};
    std::vector<gradus_tensor> items{w, v};
    scribble();
    CHECK(params.count == 2 && others.count == (yes ? 1U : 2U) && none.count == 0 && perhaps.count == (yes ? 0U : 1U));
    CHECK(params.items[1].id == v.id && made.items[0].id == w.id && n.params.begin()[1].id == v.id);
    CHECK(counted(params) == 2 && counted(GRADUS_TENSORS(w)) == 1 && counted(none) == 0 && counted(made) == 2);
    CHECK(counted(yes ? params : gradus_params(g, nullptr)) == 2);
    CHECK(gradus_list(items.data(), items.size()).count == 2);
    for (gradus_tensor t : params) CHECK(t.graph == g);

    gradus_tensors grads = gradus_gradients(y, params), again = gradus_gradients(y, gradus_list(items.data(), 2));
    CHECK(grads.count == 2 && again.count == 2);
    auto updates = GRADUS_UPDATES(gradus_assign(w, gradus_like(w, 3)), GRADUS_NO_UPDATES);
    auto inputs = GRADUS_TENSORS(x), outputs = inputs;
    outputs = GRADUS_TENSORS(y);
    scribble();
    CHECK(gradus_define(g, "step", inputs, outputs, gradus_join(updates)) == GRADUS_OK);
    CHECK(gradus_define_with(g, "mean", GRADUS_TENSORS(x), GRADUS_TENSORS(gradus_mean(y, GRADUS_ALL_AXES, false)),
                             GRADUS_NO_UPDATES, .max_batch = 2) == GRADUS_OK);

    gradus_program *p = nullptr;
    CHECK(gradus_jit(g, n.how, &p) == GRADUS_OK);
    CHECK(gradus_program_init(p, 1) == GRADUS_OK);
    const float rows[2][2] = {{1, 2}, {3, 4}};
    float doubled[2][2] = {}, mean = 0;
    auto in = GRADUS_INPUTS(rows);
    auto out = GRADUS_OUTPUTS(doubled);
    scribble();
    CHECK(in.items[0].dtype == GRADUS_F32 && out.items[0].dtype == GRADUS_F32);
    CHECK(gradus_call(p, "step", 2, in, out) == GRADUS_OK && doubled[1][1] == 8);
    CHECK(gradus_call(p, "mean", 2, yes ? in : GRADUS_NO_INPUTS, GRADUS_OUTPUTS(&mean)) == GRADUS_OK && mean == 15);
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
    return 0;
}

// Templates whose arguments have commas, which macros must not take for their own.
template <class T, class> static T same(T t) { return t; }
template <class From, class To> static void copied(const From *x, To *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = static_cast<To>(x[i]);
}

static int passes_lists_on() {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_param(g, "x", GRADUS_F32, GRADUS_SHAPE(2), gradus_ones());
    handle h = {x};
    concatenation layer;
    std::function<gradus_tensor(gradus_tensors)> function = [](gradus_tensors list) { return gradus_concat(list, 0); };
    const auto list = GRADUS_TENSORS(h, x);
    auto later = [list] { return gradus_concat(list, 0); };
    scribble();
    for (gradus_tensor y : {function(list), function(GRADUS_TENSORS(x, h)), layer.call(list), layer.call(GRADUS_TENSORS(h, h)), later()})
        CHECK(gradus_shape_of(y).d[1] == 4);
    gradus_tensor copy = gradus_custom(GRADUS_TENSORS(same<gradus_tensor, int>(x)), .function = GRADUS_FUNCTION(copied<float, float>),
                                       .signature = "void copied(const float *x, float *y, int64_t n)");
    CHECK(gradus_shape_of(copy).d[1] == 2);
    gradus_custom(GRADUS_TENSORS(h, x), .symbol = "f");
    CHECK(strstr(gradus_graph_error(g), "values.cc:") != nullptr && strstr(gradus_graph_error(g), "custom") != nullptr);
    gradus_graph_destroy(&g);
    return 0;
}

static int keeps_options(bool yes) {
    auto o = gradus_csv_options(.header = true, .label = "species");
    auto copy = o;
    copy.delimiter = ';';
    gradus_csv_options plain = gradus_csv_options(.header = true), *at = &plain;
    gradus_options<gradus_csv_options> own;
    own.missing = true;
    auto either = yes ? gradus_csv_options(.header = true) : gradus_csv_options();
    const gradus_csv_options *pointer = o;
    scribble();
    CHECK(o.size_ == sizeof(gradus_csv_options) && o.header && strcmp(o.label, "species") == 0 && o.delimiter == 0);
    CHECK(copy.size_ == o.size_ && copy.header && copy.delimiter == ';' && at->size_ == o.size_ && plain.header);
    CHECK(own.size_ == o.size_ && own.missing && !own.header && either.size_ == o.size_ && either.header == yes);
    CHECK(pointer->size_ == o.size_ && pointer->header);
    gradus_data *data = nullptr;
    for (const gradus_csv_options *each : {pointer, static_cast<const gradus_csv_options *>(own)})
        CHECK(gradus_data_csv("no such file", each, &data) == GRADUS_ERROR_NOT_FOUND);
    CHECK(gradus_data_csv("no such file", own, &data) == GRADUS_ERROR_NOT_FOUND);
    CHECK(gradus_data_csv("no such file", yes ? gradus_csv_options(.header = true) : nullptr, &data) ==
          GRADUS_ERROR_NOT_FOUND);
    return 0;
}

// Without designated initialisers, and with options of both kinds.
static int sets_options_one_by_one() {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 2));
    auto layer = gradus_dense_options();
    layer.units = 3;
    layer.name = "fc";
    gradus_tensor y = gradus_dense(gradus_dense(x, layer), .units = 1);
    auto adam = gradus_adam_options();
    adam.learning_rate = 0.25;
    adam.name = "mine";
    gradus_adamw_options decaying{};
    decaying.weight_decay = 0.5;
    auto entry = gradus_define_options();
    entry.max_batch = 7;
    CHECK(gradus_define_with(g, "a", GRADUS_TENSORS(x), GRADUS_TENSORS(y), gradus_minimize(y, gradus_adam(adam)), entry) ==
          GRADUS_OK);
    CHECK(gradus_define_with(g, "b", GRADUS_TENSORS(x), GRADUS_TENSORS(y), gradus_minimize(y, gradus_adamw(decaying)),
                             .max_batch = 7) == GRADUS_OK);
    gradus_program *p = nullptr;
    float rate = 0;
    CHECK(gradus_jit(g, nullptr, &p) == GRADUS_OK && gradus_program_init(p, 1) == GRADUS_OK);
    CHECK(gradus_program_read(p, "mine/learning_rate", &rate, sizeof rate) == GRADUS_OK && rate == 0.25f);
    CHECK(gradus_program_read(p, "fc/kernel", nullptr, 0) == GRADUS_ERROR_MISMATCH);
    gradus_sgd_options unsized{}; // by value the macro knows the size, by pointer nobody does
    unsized.momentum = 0.5;
    CHECK(gradus_minimize(y, gradus_sgd(unsized)).id != 0);
    CHECK(gradus_minimize(y, gradus_sgd_with(&unsized)).id == 0);
    CHECK(strstr(gradus_graph_error(g), "gradus_sgd_options: size_ is 0; use the macro gradus_sgd_options(") != nullptr);
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
    return 0;
}

// The dtypes of pointers and of arrays of any rank.
static int knows_dtypes() {
    static float f[2], f2[2][3], f3[2][3][4], f4[2][3][4][5];
    static double d2[2][3];
    static const uint8_t u2[2][3] = {};
    static int64_t i3[2][3][4];
    static bool b2[2][2];
    long l = 0;
    long long ll = 0;
    int32_t i = 0;
    std::vector<float> v(4);
    const void *any = f;
    auto in = GRADUS_INPUTS(f, f2, f3, f4, d2, u2, i3, b2, &l, &ll, &i, v.data(), any, nullptr, NULL, f3[0], f4[1]);
    static const int32_t dtypes[] = {1, 1, 1, 1, 2, 5, 4, 6, sizeof(long) == 8 ? 4 : 3, 4, 3, 1, 0, 0, 0, 1, 1};
    CHECK(in.count == sizeof dtypes / sizeof *dtypes);
    for (size_t k = 0; k < in.count; k++) CHECK(in.items[k].dtype == dtypes[k]);
    auto out = GRADUS_OUTPUTS(f, f2, d2, i3, &i, nullptr);
    CHECK(out.count == 6 && out.items[1].data == f2 && out.items[2].dtype == GRADUS_F64 && out.items[4].data == &i);
#define TEN &i, &i, &i, &i, &i, &i, &i, &i, &i, &i
    CHECK((GRADUS_INPUTS(TEN, TEN, TEN, TEN).count == 40)); // C++ has no limit
    return 0;
}

int main(int argc, char **) {
    return keeps_lists(argc > 0) || passes_lists_on() || keeps_options(argc > 0) || sets_options_one_by_one() || knows_dtypes();
}
