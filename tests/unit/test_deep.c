/* SPDX-License-Identifier: Apache-2.0
 *
 * Graphs of great depth on a thread with a small stack, as a server's or another language's threads have it: nothing of
 * ours recurses over a graph's depth.  Each stage is tried that comes before LLVM: building, differentiating, printing, reading,
 * drawing, evaluating, rewriting, fusion, schedule and plan. */
#include "lower.h"
#include "ir/dot.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "nonfinite.h"
#include "pass.h"

#include "tests/cmocka_all.h"

#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* 256 kB suffice however the library is built; where its frames are small, less shows the same on shorter chains. */
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)
enum { STACK_BYTES = 96 << 10 };
#else
enum { STACK_BYTES = 256 << 10 };
#endif

typedef gradus_tensor (*link)(gradus_tensor x, int i);

typedef struct {
    const char *name;
    link next;
    int depth;
    bool differentiated;
    char failed[512]; /* what went wrong; assertions are the test's own thread's */
} chain;

/* --- chains -------------------------------------------------------------------------------------------------------------- */

/* Each is used once: one expression, but that it is cut. */
static gradus_tensor single(gradus_tensor x, int i) {
    return i % 2 ? gradus_sin(x) : gradus_add(gradus_tanh(x), gradus_scalar(x.graph, GRADUS_F32, i));
}

static gradus_tensor elementwise(gradus_tensor x, int i) {
    switch (i % 5) {
    case 0: return gradus_neg(gradus_sin(x));
    case 1: return gradus_add(x, gradus_scalar(x.graph, GRADUS_F32, 0.5));
    case 2: return gradus_mul(x, x);
    case 3: return gradus_where(gradus_less(x, gradus_scalar(x.graph, GRADUS_F32, 3)), gradus_tanh(x), x);
    default: return gradus_maximum(x, gradus_cos(x));
    }
}

static gradus_tensor movement(gradus_tensor x, int i) {
    switch (i % 4) {
    case 0: return gradus_pad(x, 0, 1, 0, i);
    case 1: return gradus_transpose(x, GRADUS_AXES(1, 0));
    case 2: return gradus_slice(x, 1, 0, 4);
    default: return gradus_transpose(x, GRADUS_AXES(1, 0));
    }
}

static gradus_tensor reduced(gradus_tensor x, int i) {
    (void)i;
    return gradus_sub(x, gradus_max(x, GRADUS_AXES(1), true));
}

static gradus_tensor product(gradus_tensor x, int i) {
    (void)i;
    return gradus_matmul(x, gradus_tanh(x));
}

static gradus_tensor gathered(gradus_tensor x, int i) {
    gradus_tensor index = gradus_cast(gradus_slice(gradus_reshape(x, GRADUS_SHAPE(16)), 0, 0, 4), GRADUS_I32);
    (void)i;
    return gradus_take(gradus_sin(x), index, 0);
}

static gradus_tensor joined(gradus_tensor x, int i) {
    gradus_tensor rest = gradus_slice(x, 0, 1, 4), first = gradus_slice(x, 0, 0, 1);
    return i % 2 ? gradus_concat(GRADUS_TENSORS(rest, first), 0)
                 : gradus_exp(gradus_concat(GRADUS_TENSORS(first, rest), 0));
}

/* --- stages -------------------------------------------------------------------------------------------------------------- */

static bool say(chain *c, const char *what) {
    snprintf(c->failed, sizeof c->failed, "%s: %s: %s", c->name, what, gradus_last_error());
    return false;
}

static gradus_graph *build(chain *c) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor first = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(4, 4)), x = first;
    for (int i = 0; i < c->depth; i++) x = c->next(x, i);
    gradus_tensor y = gradus_sum(x, GRADUS_ALL_AXES, false);
    if (c->differentiated) y = gradus_gradient(y, first);
    gradus_define(g, "e", GRADUS_TENSORS(first), GRADUS_TENSORS(y), GRADUS_NO_UPDATES);
    return g;
}

static void bind(void *user, uint32_t id, const node *n, array *out) {
    (void)user, (void)id, (void)n;
    for (int64_t i = 0; i < shape_elements(&out->shape); i++) ((float *)out->data)[i] = 0.25f;
}

static bool stages(chain *c, gradus_graph *g, gradus_graph *again, arena *memory) {
    const entry *e = &g->entries.items[0];
    text printed = {.memory = memory}, picture = {.memory = memory};
    evaluation how = {.batch = 1, .bind = bind, .memory = memory};
    lowered low = {0};
    graph_print(g, &printed);
    if (graph_parse("printed", printed.data, printed.length, again)) return say(c, "reading");
    graph_dot(g, NULL, &picture);
    explain_nonfinite(g, e, &how);
    const bool good = lower(again, &again->entries.items[0], 1, memory, &low);
    lowered_free(&low);
    return good || say(c, "lowering");
}

static void *run(void *user) {
    chain *c = user;
    arena memory = {0};
    gradus_graph *g = build(c), *again = graph_new();
    guard here;
    if (gradus_graph_status(g)) {
        snprintf(c->failed, sizeof c->failed, "%s: %s", c->name, gradus_graph_error(g));
    } else if (GUARDED(&here)) {
        stages(c, g, again, &memory);
        guard_leave(&here);
    } else {
        say(c, "out of memory");
    }
    arena_free(&memory);
    graph_free(again);
    gradus_graph_destroy(&g);
    return NULL;
}

static void on_small_stack(chain c) {
    pthread_attr_t attributes;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, STACK_BYTES), 0);
    assert_int_equal(pthread_create(&thread, &attributes, run, &c), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    if (*c.failed) fail_msg("%s", c.failed);
}

static void test_elementwise(void **state) {
    (void)state;
    on_small_stack((chain){.name = "elementwise", .next = elementwise, .depth = 20000});
    on_small_stack((chain){.name = "single", .next = single, .depth = 20000});
    on_small_stack((chain){.name = "its gradient", .next = elementwise, .depth = 2000, .differentiated = true});
}

static void test_others(void **state) {
    (void)state;
    on_small_stack((chain){.name = "movement", .next = movement, .depth = 1000});
    on_small_stack((chain){.name = "reduction", .next = reduced, .depth = 300, .differentiated = true});
    on_small_stack((chain){.name = "product", .next = product, .depth = 300, .differentiated = true});
    on_small_stack((chain){.name = "gathered", .next = gathered, .depth = 200});
    on_small_stack((chain){.name = "joined", .next = joined, .depth = 100, .differentiated = true});
}

/* --- memory -------------------------------------------------------------------------------------------------------------- */

static size_t live_bytes, most_bytes;

static void *counting(void *user, void *block, size_t bytes) {
    (void)user;
    live_bytes -= block ? malloc_usable_size(block) : 0;
    if (!bytes) return free(block), NULL;
    void *moved = realloc(block, bytes);
    live_bytes += malloc_usable_size(moved ? moved : block);
    if (live_bytes > most_bytes) most_bytes = live_bytes;
    return moved;
}

static gradus_tensor rotated(gradus_tensor x, int i) {
    (void)i;
    return gradus_concat(GRADUS_TENSORS(gradus_slice(x, 1, 2, 4), gradus_slice(x, 1, 0, 2)), 1);
}

/* Each second link is found to need memory of its own by an attempt at fusing that fails: none of these leaves any. */
static void test_attempts(void **state) {
    (void)state;
    chain c = {.name = "rotated", .next = rotated, .depth = 150, .differentiated = true};
    gradus_set_allocator(counting, NULL);
    run(&c);
    gradus_set_allocator(NULL, NULL);
    assert_string_equal(c.failed, "");
    assert_int_equal(live_bytes, 0);
    if (most_bytes > 16 << 20) fail_msg("%zu bytes for 150 links", most_bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elementwise),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_attempts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
