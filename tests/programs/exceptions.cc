/* SPDX-License-Identifier: Apache-2.0
 * Functions of a graph that throw: each call that meets one fails with what it says, the state stays, and the next call
 * works. */
#include <gradus/gradus.h>

#include <cstdio>
#include <cstring>
#include <new>
#include <stdexcept>

static int throws; // 0: nothing, 1: std::runtime_error, 2: a number, 3: std::bad_alloc

static void perhaps() {
    if (throws == 1) throw std::runtime_error("the tank is empty");
    if (throws == 2) throw 42;
    if (throws == 3) throw std::bad_alloc();
}

static void twice(const float *x, float *y, int64_t n) {
    perhaps();
    for (int64_t i = 0; i < n; i++) y[i] = 2 * x[i];
}

static int twice_backward(const float *, const float *dy, float *dx, int64_t n) {
    perhaps();
    for (int64_t i = 0; i < n; i++) dx[i] = 2 * dy[i];
    return 0;
}

static double first(int64_t, const double *x0) {
    perhaps();
    return x0[0];
}

static gradus_status run(const gradus_custom_call *call) {
    perhaps();
    *static_cast<float *>(call->outputs[0]) = *static_cast<const float *>(call->inputs[0]);
    return GRADUS_OK;
}

static int faults;

static void expect(const char *what, gradus_status status) {
    const char *said = gradus_last_error();
    const bool named = throws != 1 || std::strstr(said, "the tank is empty");
    if (throws ? status == GRADUS_ERROR_CALLBACK && std::strstr(said, "exception") && named : status == GRADUS_OK) return;
    std::printf("%s, throwing %d: %s: %s\n", what, throws, gradus_status_name(status), said);
    faults++;
}

int main() {
    float x[4] = {1, 2, 3, 4}, y[4], loss;
    double d[4] = {5}, z;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor tx = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(4)), td = gradus_input(g, "d", GRADUS_F64, GRADUS_SHAPE(4));
    gradus_custom_options o{}, p{}, q{};
    o.size_ = p.size_ = q.size_ = sizeof o;
    o.function = GRADUS_FUNCTION(twice);
    o.signature = "void twice(const float *x, float *y, int64_t n)";
    o.backward = GRADUS_FUNCTION(twice_backward);
    o.backward_signature = "int twice_backward(const float *x, const float *dy, float *dx, int64_t n)";
    p.function = GRADUS_FUNCTION(first);
    p.signature = "double first(int64_t x0_n, const double *x0)";
    q.run = run;
    q.symbol = "run";
    gradus_tensor w = gradus_param(g, "w", GRADUS_F32, GRADUS_SHAPE(4), gradus_ones());
    gradus_tensor both = gradus_mul(tx, w);
    gradus_tensor t = (gradus_custom)(gradus_list(&both, 1), &o), u = (gradus_custom)(gradus_list(&td, 1), &p);
    gradus_tensor v = (gradus_custom)(gradus_list(&tx, 1), &q);
    gradus_tensor l = gradus_sum(t, GRADUS_ALL_AXES, false);
    gradus_define(g, "twice", gradus_list(&tx, 1), gradus_list(&t, 1), GRADUS_NO_UPDATES);
    gradus_define(g, "first", gradus_list(&td, 1), gradus_list(&u, 1), GRADUS_NO_UPDATES);
    gradus_define(g, "run", gradus_list(&tx, 1), gradus_list(&v, 1), GRADUS_NO_UPDATES);
    gradus_define(g, "train", gradus_list(&tx, 1), gradus_list(&l, 1), gradus_minimize(l, gradus_sgd()));
    gradus_compile_options c{};
    c.size_ = sizeof c;
    c.threads = 3;
    gradus_program *program = nullptr;
    if (gradus_jit(g, &c, &program) || gradus_program_init(program, 1)) return std::puts(gradus_last_error()), 1;
    for (throws = 3; throws >= 0; throws--) {
        float before[4], after[4];
        gradus_program_read(program, "w", before, sizeof before);
        expect("twice", gradus_call(program, "twice", 1, GRADUS_INPUTS(x), GRADUS_OUTPUTS(y)));
        expect("first", gradus_call(program, "first", 1, GRADUS_INPUTS(d), GRADUS_OUTPUTS(&z)));
        expect("run", gradus_call(program, "run", 1, GRADUS_INPUTS(x), GRADUS_OUTPUTS(y)));
        expect("train", gradus_call(program, "train", 1, GRADUS_INPUTS(x), GRADUS_OUTPUTS(&loss)));
        gradus_program_read(program, "w", after, sizeof after);
        if ((std::memcmp(before, after, sizeof after) == 0) != (throws != 0)) faults++, std::puts("the state");
        expect("check_gradients", (gradus_check_gradients)(l, GRADUS_NO_TENSORS, GRADUS_NO_TENSORS, GRADUS_NO_INPUTS, nullptr, nullptr));
    }
    gradus_program_destroy(&program);
    gradus_graph_destroy(&g);
    std::printf("%d faults\n", faults);
    return faults != 0;
}
