/* SPDX-License-Identifier: Apache-2.0
 *
 * What quietly trains something else than was meant: losses of shapes that broadcast both, patterns that match no
 * parameter, lists of no parameters. */
#include "tests/cmocka_all.h"

#include <gradus/gradus.h>
#include <string.h>

typedef gradus_tensor loss_fn(const char *file, int line, gradus_tensor x, gradus_tensor y);
static const struct {
    const char *name;
    loss_fn *of;
} losses[] = {{"mean_squared_error", gradus_mean_squared_error_at},
              {"binary_cross_entropy", gradus_binary_cross_entropy_at}};
enum { LOSSES = sizeof losses / sizeof *losses };

/* --- shapes ------------------------------------------------------------------------------------------------------------ */

/* Every shape up to rank 3 of these extents. */
static const int64_t extents[] = {1, 3, 5, GRADUS_BATCH};
enum {
    EXTENTS = sizeof extents / sizeof *extents,
    SHAPES = 1 + EXTENTS + EXTENTS * EXTENTS + EXTENTS * EXTENTS * EXTENTS
};

static gradus_shape shape_of(int number) {
    gradus_shape s = {{0}};
    for (int count = 1; number >= count; number -= count, count *= EXTENTS) s.d[0]++;
    for (int64_t i = 1; i <= s.d[0]; i++, number /= EXTENTS) s.d[i] = extents[number % EXTENTS];
    return s;
}

static int64_t dim_of(const gradus_shape *s, int64_t back) { return back <= s->d[0] ? s->d[s->d[0] + 1 - back] : 1; }

/* For a batch of 7: elements of a and b and of what they broadcast to; false where they do not. */
static bool elements(const gradus_shape *a, const gradus_shape *b, int64_t counts[3]) {
    counts[0] = counts[1] = counts[2] = 1;
    for (int64_t back = 1; back <= 3; back++) {
        const int64_t m = dim_of(a, back) < 0 ? 7 : dim_of(a, back), n = dim_of(b, back) < 0 ? 7 : dim_of(b, back);
        if (m != n && m != 1 && n != 1) return false;
        counts[0] *= m;
        counts[1] *= n;
        counts[2] *= m > n ? m : n;
    }
    return true;
}

static void test_all_pairs_of_shapes(void **state) {
    (void)state;
    int allowed = 0, refused = 0;
    for (int k = 0; k < SHAPES * SHAPES; k++) {
        const gradus_shape a = shape_of(k / SHAPES), b = shape_of(k % SHAPES);
        int64_t counts[3];
        const bool fits = elements(&a, &b, counts), right = fits && (counts[2] == counts[0] || counts[2] == counts[1]);
        for (int i = 0; i < LOSSES; i++) {
            gradus_graph *g = gradus_graph_create();
            losses[i].of("user.c", 7, gradus_input(g, "x", GRADUS_F32, a), gradus_input(g, "y", GRADUS_F32, b));
            if ((gradus_graph_status(g) == GRADUS_OK) != right)
                fail_msg("%s, pair %d: %s", losses[i].name, k, gradus_graph_error(g));
            if (!right)
                assert_non_null(strstr(gradus_graph_error(g), fits ? "each row against all rows" : "do not broadcast"));
            gradus_graph_destroy(&g);
        }
        *(right ? &allowed : &refused) += 1;
    }
    print_message("%d pairs allowed, %d refused\n", allowed, refused);
    assert_true(allowed > 1000 && refused > 1000);
}

/* The message is what the user has to write. */
static void test_messages(void **state) {
    (void)state;
    const struct {
        gradus_shape x, y;
        const char *why;
    } cases[] = {
        {GRADUS_SHAPE(GRADUS_BATCH, 1), GRADUS_SHAPE(GRADUS_BATCH),
         "shapes (B, 1) and (B) would broadcast to (B, B), each row against all rows; write gradus_reshape(SECOND, "
         "GRADUS_SHAPE(GRADUS_BATCH, 1))"},
        {GRADUS_SHAPE(GRADUS_BATCH), GRADUS_SHAPE(GRADUS_BATCH, 1),
         "shapes (B) and (B, 1) would broadcast to (B, B), each row against all rows; write gradus_reshape(SECOND, "
         "GRADUS_SHAPE(GRADUS_BATCH))"},
        {GRADUS_SHAPE(2 * GRADUS_BATCH, 1), GRADUS_SHAPE(1, 2 * GRADUS_BATCH),
         "shapes (2B, 1) and (1, 2B) would broadcast to (2B, 2B), each row against all rows; write "
         "gradus_reshape(SECOND, "
         "GRADUS_SHAPE(2 * GRADUS_BATCH, 1))"},
        {GRADUS_SHAPE(GRADUS_BATCH, 3, 1), GRADUS_SHAPE(GRADUS_BATCH, 3),
         "shapes (B, 3, 1) and (B, 3) do not broadcast; write gradus_reshape(SECOND, GRADUS_SHAPE(GRADUS_BATCH, 3, 1))"},
        {GRADUS_SHAPE(5, 3), GRADUS_SHAPE(1, 5, 1, 3),
         "shapes (5, 3) and (1, 5, 1, 3) would broadcast to (1, 5, 5, 3), each row against all rows; write "
         "gradus_reshape(SECOND, GRADUS_SHAPE(5, 3))"},
        {GRADUS_SHAPE(8, 1), GRADUS_SHAPE(3),
         "shapes (8, 1) and (3) would broadcast to (8, 3), each row against all rows"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        for (int i = 0; i < LOSSES; i++) {
            char expected[512] = "";
            const char *second = strstr(cases[k].why, "SECOND"), *name = i ? "labels" : "y";
            const int before = (int)(second ? second - cases[k].why : (ptrdiff_t)strlen(cases[k].why));
            snprintf(expected, sizeof expected, "user.c:7: %s: %.*s%s%s", losses[i].name, before, cases[k].why,
                     second ? name : "", second ? second + strlen("SECOND") : "");
            gradus_graph *g = gradus_graph_create();
            losses[i].of("user.c", 7, gradus_input(g, "x", GRADUS_F32, cases[k].x),
                         gradus_input(g, "y", GRADUS_F32, cases[k].y));
            assert_string_equal(gradus_graph_error(g), expected);
            gradus_graph_destroy(&g);
        }
    }
    gradus_graph *g = gradus_graph_create();
    gradus_softmax_cross_entropy_at("user.c", 7, gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 3)),
                                    gradus_input(g, "y", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH, 1)));
    assert_non_null(strstr(gradus_graph_error(g), "(B, 3) and class numbers (B, 1)"));
    assert_non_null(strstr(gradus_graph_error(g), "write gradus_reshape(labels, GRADUS_SHAPE(GRADUS_BATCH))"));
    gradus_graph_destroy(&g);
}

/* --- groups of parameters ------------------------------------------------------------------------------------------------ */

static gradus_graph *with_params(void) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 4));
    x = gradus_dense(x, .units = 3, .name = "encoder");
    gradus_batch_norm(gradus_dense(x, .units = 2, .name = "decoder"), .name = "norm");
    return g;
}

static void test_patterns_without_a_match(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *near;
    } cases[] = {
        {"encodr/*", "\"encoder/kernel\""},     {"encoder/kernal", "\"encoder/kernel\""},
        {"decoder/b", "\"decoder/bias\""},      {"*/weight", "; there are \"encoder/kernel\", \"encoder/bias\", "},
        {"norm/moving_mean", "\"norm/"},        {"", "; near it: \""},
        {"Encoder/*", "\"encoder/kernel\""},    {"encoder/kernel?", "\"encoder/kernel\""},
        {"*enc*oder//*", "\"encoder/kernel\""}, {"decoder", "\"decoder/kernel\", \"decoder/bias\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gradus_graph *g = with_params();
        char start[128];
        const gradus_tensors none = gradus_params_at("user.c", 7, g, cases[i].pattern);
        assert_int_equal(none.count, 0);
        assert_int_equal(gradus_graph_status(g), GRADUS_ERROR_NOT_FOUND);
        snprintf(start, sizeof start, "user.c:7: params: no parameter's name matches \"%s\"; ", cases[i].pattern);
        if (strncmp(gradus_graph_error(g), start, strlen(start)) != 0 || !strstr(gradus_graph_error(g), cases[i].near))
            fail_msg("%s", gradus_graph_error(g));
        gradus_graph_destroy(&g);
    }
    gradus_graph *g = gradus_graph_create();
    assert_int_equal(gradus_params(g, NULL).count, 0);
    assert_int_equal(gradus_graph_status(g), GRADUS_OK);
    gradus_params(g, "*");
    assert_non_null(
        strstr(gradus_graph_error(g), "no parameter's name matches \"*\": the graph has no parameters yet"));
    gradus_graph_destroy(&g);
}

/* Every way in which updates of nothing can come to an entry. */
static void test_updates_of_nothing(void **state) {
    (void)state;
    for (int way = 0; way < 5; way++) {
        gradus_graph *g = with_params();
        gradus_tensor w = gradus_find(g, "encoder/kernel");
        gradus_tensor loss = gradus_sum(gradus_square(w), GRADUS_ALL_AXES, false);
        const gradus_tensors empty[] = {GRADUS_NO_TENSORS, gradus_list(&w, 0)};
        gradus_tensors some = gradus_gradients(loss, gradus_list(&w, 1));
        gradus_updates step =
            gradus_apply_at("user.c", 7, gradus_sgd(), empty[way % 2], way == 4 ? some : empty[way % 2]);
        if (way != 4) assert_non_null(strstr(gradus_last_error(), "user.c:7: apply: there are no parameters"));
        if (way == 2) step = gradus_join(GRADUS_UPDATES(step, gradus_assign(w, w)));
        if (way == 3) step = gradus_join(GRADUS_UPDATES(step, step));
        assert_int_not_equal(gradus_define(g, "train", GRADUS_NO_TENSORS, GRADUS_TENSORS(loss), step), GRADUS_OK);
        assert_non_null(
            strstr(gradus_last_error(), way == 4 ? "user.c:7: apply: there are no parameters"
                                                 : "of a gradus_apply without parameters, which trains nothing"));
        gradus_graph_destroy(&g);
    }
    gradus_graph *g = with_params(); /* what is meant to be nothing stays right */
    gradus_tensor w = gradus_find(g, "encoder/kernel");
    assert_int_equal(gradus_define(g, "f", GRADUS_NO_TENSORS, GRADUS_TENSORS(w), GRADUS_NO_UPDATES), GRADUS_OK);
    gradus_graph_destroy(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_pairs_of_shapes),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_patterns_without_a_match),
        cmocka_unit_test(test_updates_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
