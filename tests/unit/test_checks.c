/* SPDX-License-Identifier: Apache-2.0
 *
 * A check of indices fails the call, and a call with effects is made, whatever rewriting makes of their value: compiled code
 * does what the evaluator does of the graph as it was written.  Each text has an entry whose value does not depend on that of
 * its checks, or hardly. */
#include "tests/compare.h"
#include "tests/file.h"

#include "ir/parse.h"
#include "ir/print.h"
#include "pass.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 3, RIGHT = 1, WRONG = 7 };

static gradus_graph *graph_of(const char *content) {
    char path[] = "/tmp/gradus_checks_XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    write_file(path, content, strlen(content));
    gradus_graph *g = NULL;
    if (gradus_graph_read(path, &g)) fail_msg("%s\n%s", gradus_last_error(), content);
    remove(path);
    return g;
}

/* Every index is 1, but for the last one. */
static void bind(void *user, uint32_t id, const node *n, array *out) {
    const int64_t last = *(const int64_t *)user, count = shape_elements(&out->shape);
    (void)id;
    for (int64_t i = 0; i < count; i++) {
        const scalar one = scalar_from_double(n->dtype, (double)(i + 1 == count ? last : RIGHT));
        memcpy((unsigned char *)out->data + (size_t)i * gradus_dtype_size(n->dtype), &one, gradus_dtype_size(n->dtype));
    }
}

static gradus_status evaluated(const gradus_graph *g, int64_t last) {
    arena memory = {0};
    volatile gradus_status status = GRADUS_ERROR_MEMORY;
    guard here;
    if (GUARDED(&here)) {
        evaluation how = {.batch = BATCH, .bind = bind, .user = &last, .memory = &memory};
        status = evaluate_entry(g, &g->entries.items[0], &how);
        guard_leave(&here);
    }
    arena_free(&memory);
    return status;
}

/* The same of the graph that the passes make of it, printed and read again. */
static gradus_status rewritten(const gradus_graph *g, int64_t last) {
    gradus_graph *x = graph_new(), *again = graph_new();
    assert_non_null(x);
    assert_non_null(again);
    volatile gradus_status status = GRADUS_ERROR_MEMORY;
    guard here;
    if (GUARDED(&here)) {
        extract_entry(g, &g->entries.items[0], x);
        pass_run(x, pipeline_rewrites, pipeline_rewrite_count, "checks");
        text printed = {.memory = &x->memory};
        graph_print(x, &printed);
        assert_int_equal(graph_parse("printed", printed.data, printed.length, again), GRADUS_OK);
        guard_leave(&here);
        status = evaluated(again, last);
    }
    graph_free(x);
    graph_free(again);
    return status;
}

static gradus_status called(gradus_graph *g, gradus_program *p, int64_t last) {
    static unsigned char in[1024], out[4][1 << 14];
    const entry *e = &g->entries.items[0];
    const gradus_out outputs[] = {{out[0], 0}, {out[1], 0}, {out[2], 0}, {out[3], 0}};
    assert_true(e->n_inputs <= 1 && e->n_outputs <= 4);
    if (e->n_inputs) {
        const node *n = graph_node(g, e->inputs[0]);
        array a = {n->dtype, shape_at(&n->shape, BATCH), in};
        bind(&last, 0, n, &a);
    }
    return gradus_call(p, e->name, BATCH, (gradus_inputs){e->n_inputs ? (gradus_in[]){{in, 0}} : NULL, e->n_inputs},
                       (gradus_outputs){outputs, e->n_outputs});
}

static void fails_alike(const char *content) {
    gradus_graph *g = graph_of(content);
    gradus_program *p = NULL;
    if (gradus_jit(g, gradus_compile_options(.max_batch = BATCH, .threads = 1), &p))
        fail_msg("%s\n%s", gradus_last_error(), content);
    assert_int_equal(gradus_program_init(p, 1), GRADUS_OK);
    for (int wrong = 0; wrong < 2; wrong++) {
        const bool known = !g->entries.items[0].n_inputs; /* its indices are constants, which are wrong */
        const int64_t last = wrong ? WRONG : RIGHT;
        const gradus_status expected = wrong || known ? GRADUS_ERROR_ARGUMENT : GRADUS_OK;
        if (evaluated(g, last) != expected) fail_msg("the evaluator, last index %d:\n%s", (int)last, content);
        if (rewritten(g, last) != expected) fail_msg("behind the passes, last index %d:\n%s", (int)last, content);
        if (called(g, p, last) != expected)
            fail_msg("compiled, last index %d: %s\n%s", (int)last, gradus_last_error(), content);
    }
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
}

#define Y "gradus 1\n%y = input \"y\" : i32 (B)\n%c = check_index %y bound 5 : i32 (B)\n"
#define Y2 "gradus 1\n%y = input \"y\" : i32 (2)\n%c = check_index %y bound 5 : i32 (2)\n"
#define X "%x = cast %c : f32 (B)\n"
#define E "entry \"e\" inference { inputs %y outputs %r }\n"

static const char *const dropping[] = {
    Y "%r = equal %c %c : bool (B)\n" E,
    Y "%z = fill value 0 : i32 (B)\n%r = mul %c %z : i32 (B)\n" E,
    Y "%t = fill value true : bool (B)\n%f = fill value 2 : i32 (B)\n%r = where %t %f %c : i32 (B)\n" E,
    Y "%f = fill value 2 : i32 (B)\n%b = equal %c %f : bool (B)\n%r = where %b %f %f : i32 (B)\n" E,
    Y "%t = training : bool ()\n%b = broadcast %t : bool (B)\n%f = fill value 2 : i32 (B)\n%r = where %b %c %f : i32 "
      "(B)\n" E,
    /* nothing of it is left: no elements, other elements, a part */
    Y2 "%r = slice %c axis 0 range 1 1 : i32 (0)\n" E,
    Y2 "%1 = slice %c axis 0 range 0 1 : i32 (1)\n%r = neg %1 : i32 (1)\n" E,
    Y2 "%1 = pad %c axis 0 range 1 0 value 3 : i32 (3)\n%r = slice %1 axis 0 range 0 1 : i32 (1)\n" E,
    Y2 "%1 = reshape %c : i32 (1, 2)\n%2 = slice %1 axis 0 range 0 0 : i32 (0, 2)\n%r = concat %2 %1 axis 0 : i32 (1, "
       "2)\n" E,
    Y2 "%1 = concat %c %y axis 0 : i32 (4)\n%r = slice %1 axis 0 range 2 4 : i32 (2)\n" E,
    Y2 "%1 = reshape %c : i32 (2, 1)\n%2 = slice %1 axis 1 range 0 0 : i32 (2, 0)\n%r = sum %2 axes (1) : i32 (2)\n" E,
    Y2 "%1 = reshape %c : i32 (2, 1)\n%r = argmax %1 axes (1) : i32 (2)\n" E,
    Y2 "%1 = cast %c : f32 (2)\n%2 = reshape %1 : f32 (2, 1)\n%3 = slice %2 axis 1 range 0 0 : f32 (2, 0)\n"
       "%4 = fill value 1 : f32 (0, 3)\n%r = matmul %3 %4 : f32 (2, 3)\n" E,
    Y2 "%w = fill value 1 : f32 (5, 0)\n%r = take %w %c axis 0 : f32 (2, 0)\n" E,
    Y2 "%w = fill value 1 : f32 (5, 3)\n%r = take %w %c axis 0 : f32 (2, 3)\n" E,
    /* one check says more than another */
    Y "%d = check_index %c bound 9 : i32 (B)\n%r = neg %d : i32 (B)\n" E,
    Y "%d = check_index %y bound 9 : i32 (B)\n%1 = sub %d %d : i32 (B)\n%r = add %1 %c : i32 (B)\n" E,
    Y "%d = check_index %y bound 9 : i32 (B)\n%1 = sub %c %c : i32 (B)\n%r = add %1 %d : i32 (B)\n" E,
    Y "%d = check_index %y bound 5 : i32 (B)\n%r = sub %d %c : i32 (B)\n" E,
    /* behind what is itself dropped, and behind a kernel of its own */
    Y "%1 = sub %c %c : i32 (B)\n%2 = check_index %1 bound 1 : i32 (B)\n%r = equal %2 %2 : bool (B)\n" E,
    Y X "%1 = exp %x : f32 (B)\n%2 = cast %1 : i32 (B)\n%3 = check_index %2 bound 999 : i32 (B)\n%r = less %3 %3 : "
        "bool (B)\n" E,
    Y "%1 = add %y %y : i32 (B)\n%2 = check_index %1 bound 9 : i32 (B)\n%r = sub %2 %2 : i32 (B)\n" E,
    Y "%1 = sum %c axes (0) : i32 ()\n%r = sub %1 %1 : i32 ()\n" E,
    /* known indices */
    "gradus 1\n%1 = fill value 9 : i32 (2)\n%c = check_index %1 bound 5 : i32 (2)\n%r = equal %c %c : bool (2)\n"
    "entry \"e\" inference { outputs %r }\n",
    "gradus 1\n%1 = constant data {1, -1} : i64 (2)\n%c = check_index %1 bound 5 : i64 (2)\n%r = sub %c %c : i64 (2)\n"
    "entry \"e\" inference { outputs %r }\n",
    "gradus 1\n%1 = fill value 0 : i64 (B)\n%c = check_index %1 bound 0 : i64 (B)\n%r = sub %c %c : i64 (B)\n"
    "entry \"e\" inference { outputs %r }\n",
    "gradus 1\n%1 = constant data {1, 9} : i64 (2)\n%w = fill value 2 : f32 (5)\n%r = take %w %1 axis 0 : f32 (2)\n"
    "entry \"e\" inference { outputs %r }\n",
    /* indices that a text leaves unchecked, or checks against too much */
    "gradus 1\n%y = input \"y\" : i32 (2)\n%w = iota axis 0 : f32 (5, 3)\n%r = take %w %y axis 0 : f32 (2, 3)\n" E,
    Y2 "%w = iota axis 0 : f32 (2, 3)\n%d = check_index %y bound 99 : i32 (2)\n%r = take %w %d axis 0 : f32 (2, 3)\n" E,
    "gradus 1\n%y = input \"y\" : i64 (1, 3)\n%w = iota axis 0 : f32 (5, 3)\n%r = take_along_axis %w %y axis 0 : f32 "
    "(1, 3)\n" E,
    "gradus 1\n%y = input \"y\" : i64 (2)\n%w = iota axis 0 : f32 (5, 3)\n%z = fill value 1 : f32 (2, 3)\n"
    "%r = scatter_add %w %y %z axis 0 : f32 (5, 3)\n" E,
    "gradus 1\n%y = input \"y\" : i32 (4, 3)\n%w = iota axis 0 : f32 (5, 3)\n%z = fill value 1 : f32 (4, 3)\n"
    "%r = scatter_add_along_axis %w %y %z axis 0 : f32 (5, 3)\n" E,
    /* an entry that keeps them, as one that was rewritten does */
    Y "%r = fill value 1 : f32 (B)\nentry \"e\" inference { inputs %y outputs %r keep %c }\n",
};

static void test_dropped(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof dropping / sizeof *dropping; i++) fails_alike(dropping[i]);
}

/* A failed check leaves the state alone, be it all that is left of what the new value was made of. */
static void test_state_stays(void **state) {
    (void)state;
    gradus_graph *g = graph_of("gradus 1\n%y = input \"y\" : i32 ()\n%c = check_index %y bound 5 : i32 ()\n"
                               "%i = fill value 0 : i32 ()\n%s = state \"s\" : i32 ()\n%0 = sub %c %c : i32 ()\n"
                               "%1 = fill value 3 : i32 ()\n%n = add %0 %1 : i32 ()\nstate %s init %i\n"
                               "entry \"e\" training { inputs %y update %s = %n }\n");
    gradus_program *p = NULL;
    assert_int_equal(gradus_jit(g, gradus_compile_options(.threads = 1), &p), GRADUS_OK);
    assert_int_equal(gradus_program_init(p, 1), GRADUS_OK);
    const struct {
        int32_t index, after;
        gradus_status status;
    } calls[] = {{9, 0, GRADUS_ERROR_ARGUMENT}, {4, 3, GRADUS_OK}, {-1, 3, GRADUS_ERROR_ARGUMENT}};
    for (size_t i = 0; i < 3; i++) {
        int32_t now = -1;
        assert_int_equal(gradus_call(p, "e", 1, GRADUS_INPUTS(&calls[i].index), GRADUS_NO_OUTPUTS), calls[i].status);
        assert_int_equal(gradus_program_read(p, "s", &now, sizeof now), GRADUS_OK);
        assert_int_equal(now, calls[i].after);
    }
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
}

/* --- first values ------------------------------------------------------------------------------------------------------ */

/* A check among first values fails gradus_program_init. */
static void test_init(void **state) {
    (void)state;
    static const char *const texts[] = {
        "gradus 1\n%1 = fill value 7 : i32 ()\n%2 = check_index %1 bound 5 : i32 ()\n%3 = sub %2 %2 : i32 ()\n"
        "%s = state \"s\" : i32 ()\nstate %s init %3\nentry \"e\" inference { outputs %s }\n",
        "gradus 1\n%1 = fill value 7 : i32 ()\n%2 = fill value 1 : f32 (5)\n%3 = take %2 %1 axis 0 : f32 ()\n"
        "%s = state \"s\" : f32 ()\nstate %s init %3\nentry \"e\" inference { outputs %s }\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        gradus_graph *g = graph_of(texts[i]);
        gradus_program *p = NULL;
        assert_int_equal(gradus_jit(g, gradus_compile_options(.threads = 1), &p), GRADUS_OK);
        assert_int_equal(gradus_program_init(p, 1), GRADUS_ERROR_ARGUMENT);
        gradus_program_destroy(&p);
        gradus_graph_destroy(&g);
    }
}

/* --- calls with effects ------------------------------------------------------------------------------------------------- */

static int made;

static void count_call(const float *x, float *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = x[i];
    made++;
}

static gradus_tensor counted(gradus_tensor x) {
    return gradus_custom(GRADUS_TENSORS(x), .function = GRADUS_FUNCTION(count_call), .effects = true,
                         .signature = "void count_call(const float *x, float *y, int64_t n)");
}

static void test_effects(void **state) {
    (void)state;
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(4)), y[6];
    gradus_tensor whole = gradus_cast(x, GRADUS_I32), zero = gradus_sub(whole, whole);
    y[0] = gradus_where(gradus_equal(zero, zero), x, counted(x));
    y[1] = gradus_equal(gradus_cast(counted(x), GRADUS_I32), gradus_cast(counted(x), GRADUS_I32));
    y[2] = gradus_slice(counted(x), 0, 2, 2);
    y[3] = gradus_mul(gradus_cast(counted(counted(x)), GRADUS_I32), zero);
    y[4] = gradus_slice(gradus_pad(counted(x), 0, 2, 2, 0), 0, 0, 2);
    y[5] = gradus_slice(gradus_concat(GRADUS_TENSORS(x, counted(x)), 0), 0, 0, 4);
    static const int calls[] = {1, 2, 1, 2, 1, 1};
    for (size_t i = 0; i < 6; i++) {
        char name[] = {'e', (char)('0' + i), '\0'};
        assert_int_equal(gradus_define(g, name, GRADUS_TENSORS(x), GRADUS_TENSORS(y[i]), GRADUS_NO_UPDATES), GRADUS_OK);
    }
    gradus_program *p = NULL;
    if (gradus_jit(g, gradus_compile_options(.threads = 2), &p)) fail_msg("%s", gradus_last_error());
    for (size_t i = 0; i < 6; i++) {
        char name[] = {'e', (char)('0' + i), '\0'};
        const float in[4] = {1, 2, 3, 4};
        int32_t out[4];
        made = 0;
        assert_int_equal(gradus_call(p, name, 1, GRADUS_INPUTS(in), (gradus_outputs){(gradus_out[]){{out, 0}}, 1}),
                         GRADUS_OK);
        assert_int_equal(made, calls[i]);
    }
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dropped),
        cmocka_unit_test(test_state_stays),
        cmocka_unit_test(test_init),
        cmocka_unit_test(test_effects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
