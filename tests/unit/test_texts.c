/* SPDX-License-Identifier: Apache-2.0
 * Texts that say what no builder makes: they mean what docs/ir.md says, or are refused with their place. */
#include "tests/compare.h"
#include "tests/file.h"

#include "ir/parse.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static gradus_status read_text(const char *content, gradus_graph **g) {
    char path[] = "/tmp/gradus_texts_XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    write_file(path, content, strlen(content));
    const gradus_status status = gradus_graph_read(path, g);
    remove(path);
    return status;
}

static gradus_graph *graph_of(const char *content) {
    gradus_graph *g = NULL;
    if (read_text(content, &g)) fail_msg("%s\n%s", gradus_last_error(), content);
    return g;
}

/* --- the order of nodes -------------------------------------------------------------------------------------------------- */

/* Nodes of which each may stand where its operands stand before it; first values before or after their states. */
static const struct {
    const char *line;
    unsigned after; /* as bits of rows */
} rows[] = {
    {"%w = param \"w\" : f32 (2)\n", 0},
    {"%i = fill value 2 : f32 (2)\n", 0}, /* of w and s */
    {"%s = state \"s\" : f32 (2)\n", 0},
    {"%v = param \"v\" : f32 (2)\n", 0},
    {"%j = neg %w : f32 (2)\n", 1},
    {"%u = param \"u\" : f32 (2)\n", 0}, /* j: of v */
    {"%k = add %v %s : f32 (2)\n", 1 << 3 | 1 << 2},
    {"%seed = seed : i64 (2)\n", 0}, /* k: of u */
    {"%r = state \"r\" : i64 (2)\n", 0},
    {"%d = random_uniform %r stream 0 : f32 (2)\n", 1 << 8},
    {"%x = state \"x\" : f32 (2)\n", 0},
    {"%y = mul %d %w : f32 (2)\n", 1 << 9 | 1}, /* y: of x */
};
enum { ROWS = sizeof rows / sizeof *rows };

static const char rest[] =
    "state %w init %i\nstate %s init %i\nstate %v init %j\nstate %u init %k\nstate %r init %seed rng\n"
    "state %x init %y\nentry \"e\" inference { outputs %w %s %v %u %x %d }\n";

static void in_some_order(unsigned *seed, char *content) {
    unsigned stand = 0;
    strcpy(content, "gradus 1\n");
    while (stand != (1u << ROWS) - 1) {
        const int row = (int)((*seed = *seed * 1103515245u + 12345u) >> 16) % ROWS;
        if (stand & 1u << row || (rows[row].after & stand) != rows[row].after) continue;
        strcat(content, rows[row].line);
        stand |= 1u << row;
    }
    strcat(content, rest);
}

static void test_orders(void **state) {
    (void)state;
    float expected[12];
    unsigned seed = 1;
    for (int k = 0; k < 12; k++) {
        char content[2048];
        float now[12];
        static const float known[8] = {2, 2, 2, 2, -2, -2, 0, 0};
        in_some_order(&seed, content);
        gradus_graph *g = graph_of(content);
        gradus_program *p = NULL;
        if (gradus_jit(g, gradus_compile_options(.threads = 1), &p)) fail_msg("%s\n%s", gradus_last_error(), content);
        assert_int_equal(gradus_program_init(p, 5), GRADUS_OK);
        assert_int_equal(
            gradus_call(p, "e", 1, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(now, now + 2, now + 4, now + 6, now + 8, now + 10)),
            GRADUS_OK);
        assert_memory_equal(now, known, sizeof known);
        if (k) assert_memory_equal(now, expected, sizeof now);
        memcpy(expected, now, sizeof now);
        assert_true(now[8] == 2 * now[10] && now[8] > 0);
        gradus_program_destroy(&p);
        gradus_graph_destroy(&g);
    }
}

/* --- what is refused ----------------------------------------------------------------------------------------------------- */

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *content, *message;
    } texts[] = {
        {"gradus 1\n%1 = input \"x\" : i32 (B)\n%2 = check_index %1 bound B : i32 (B)\n",
         ":3:6: check_index: a multiple of the batch as bound"},
        {"gradus 1\n%1 = input \"x\" : i32 (B)\nentry \"e\" inference { inputs %1 outputs %1 keep %1 }\n",
         ":3:7: entry \"e\" keeps %1, which is no check_index and no call with effects"},
        {"gradus 1\n%1 = input \"x\" : i32 (B)\n%2 = check_index %1 bound 3 : i32 (B)\nentry \"e\" inference { keep %2 "
         "}\n",
         ":4:7: entry \"e\" needs the input \"x\" (%1), which it does not list"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        gradus_graph *g = NULL;
        assert_int_equal(read_text(texts[i].content, &g), GRADUS_ERROR_FORMAT);
        assert_null(g);
        if (!strstr(gradus_last_error(), texts[i].message))
            fail_msg("expected: %s\nfound:    %s\nin\n%s", texts[i].message, gradus_last_error(), texts[i].content);
    }
}

/* --- sizes ---------------------------------------------------------------------------------------------------------------- */

/* Tensors that could exist each for itself, and not together, or for no such batch; none is ever stored. */
static void test_sizes(void **state) {
    (void)state;
    static const struct {
        const char *content, *message;
    } texts[] = {
        {"gradus 1\n%1 = fill value 1 : f64 (576460752303423488)\n%2 = param \"a\" : f64 (576460752303423488)\n"
         "%3 = param \"b\" : f64 (576460752303423488)\nstate %2 init %1\nstate %3 init %1\nentry \"e\" inference { }\n",
         "param \"b\": with it the state has more than 2^62 bytes"},
        {"gradus 1\n%1 = fill value 1 : u8 (4, 1152921504606846976)\n%2 = state \"a\" : u8 (4, 1152921504606846976)\n"
         "%3 = fill value 1 : u8 ()\n%4 = state \"b\" : u8 ()\nstate %2 init %1\nstate %4 init %3\nentry \"e\" "
         "inference { }\n",
         "state \"b\": with it the state has more than 2^62 bytes"},
        {"gradus 1\n%x = input \"x\" : f32 (B, 1)\n%1 = broadcast %x : f32 (B, 1099511627776)\n%2 = sum %1 axes (0, 1) "
         ": f32 ()\n"
         "entry \"e\" inference max_batch 1099511627776 { inputs %x outputs %2 }\n",
         "with a max_batch of 1099511627776 its result has too many"},
        {"gradus 1\n%x = input \"x\" : f32 (B)\n%1 = count bound 1152921504606846976B : f32 ()\n"
         "entry \"e\" inference max_batch 16 { inputs %x outputs %1 }\n",
         "count: with a max_batch of 16 its result has too many"},
        {"gradus 1\n%x = input \"x\" : f32 (B, 0)\n%1 = broadcast %x : f32 (1152921504606846976B, 2, 0)\n%2 = neg %1 : "
         "f32 (B, 0)\n",
         "broadcast"},
        {"gradus 1\n%x = input \"x\" : f32 (536870912B, 536870912, 0)\n%1 = neg %x : f32 (536870912B, 536870912, 0)\n"
         "entry \"e\" inference max_batch 1152921504606846976 { inputs %x outputs %1 }\n",
         "too many elements"},
        {"gradus 1\n%x = input \"x\" : f32 (B, B, B)\n%1 = sum %x axes (0, 1, 2) : f32 ()\n"
         "entry \"e\" inference max_batch 4194304 { inputs %x outputs %1 }\n",
         "too many elements"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        gradus_graph *g = NULL;
        gradus_program *p = NULL;
        gradus_status status = read_text(texts[i].content, &g);
        if (!status) status = gradus_jit(g, gradus_compile_options(.threads = 1), &p);
        assert_int_not_equal(status, GRADUS_OK);
        assert_null(p);
        if (!strstr(gradus_last_error(), texts[i].message))
            fail_msg("expected: %s\nfound:    %s\nin\n%s", texts[i].message, gradus_last_error(), texts[i].content);
        if (g) gradus_graph_destroy(&g);
    }
}

/* --- before the text ---------------------------------------------------------------------------------------------------- */

static void test_byte_order_mark(void **state) {
    (void)state;
    gradus_graph *g =
        graph_of("\xef\xbb\xbfgradus 1\r\n%1 = fill value 1 : f32 ()\r\nentry \"e\" inference { outputs %1 }\r\n");
    gradus_graph_destroy(&g);
    assert_int_equal(read_text("\xef\xbb\xbfgradus 2\n", &g), GRADUS_ERROR_FORMAT);
    assert_non_null(strstr(gradus_last_error(), ":1:8: expected version 1 of the text form, found 2"));
    assert_int_equal(read_text("gradus 1\n\xef\xbb\xbf%1 = fill value 1 : f32 ()\n", &g), GRADUS_ERROR_FORMAT);
    assert_non_null(strstr(gradus_last_error(), ":2:1: "));
    assert_int_equal(read_text("\xef\xbb\xbf", &g), GRADUS_ERROR_FORMAT);
    assert_int_equal(read_text("\xef\xbb", &g), GRADUS_ERROR_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_byte_order_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
