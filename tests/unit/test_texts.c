/* SPDX-License-Identifier: Apache-2.0
 * Texts that say what no builder makes: they mean what docs/ir.md says, or are refused with their place. */
#include "tests/compare.h"
#include "tests/file.h"

#include "ir/parse.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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
    {"%r = state \"rng\" : i64 (2)\n", 0},
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

/* --- large texts -------------------------------------------------------------------------------------------------------- */

static char large[1 << 23];
static size_t large_length;

static void put(const char *format, ...) PRINTF_LIKE(1, 2);
static void put(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    large_length += (size_t)vsnprintf(large + large_length, sizeof large - large_length, format, arguments);
    va_end(arguments);
    assert_true(large_length < sizeof large);
}

static void own_nodes(int n) {
    for (int i = 0; i < n; i++) put("%%%d = neg %%x : f32 (B)\n", i);
    for (int i = 0; i < n; i++) put("entry \"e%d\" inference { inputs %%x outputs %%%d }\n", i, i);
}

static void one_chain(int n) {
    put("%%0 = neg %%x : f32 (B)\n");
    for (int i = 1; i < n; i++) put("%%%d = neg %%%d : f32 (B)\n", i, i - 1);
    for (int i = 0; i < n; i++) put("entry \"e%d\" inference { inputs %%x outputs %%%d }\n", i, i);
}

/* Two inputs, which every node needs and each meets again. */
static void woven(int n) {
    put("%%z = input \"z\" : f32 (B)\n%%0 = add %%x %%z : f32 (B)\n");
    for (int i = 1; i < n; i++) put("%%%d = mul %%%d %%%c : f32 (B)\n", i, i - 1, i % 2 ? 'x' : 'z');
    for (int i = 0; i < n; i++) put("entry \"e%d\" inference { inputs %%x %%z outputs %%%d }\n", i, i);
}

static void own_inputs(int n) {
    for (int i = 0; i < n; i++) put("%%i%d = input \"i%d\" : f32 (B)\n%%%d = neg %%i%d : f32 (B)\n", i, i, i, i);
    for (int i = 0; i < n; i++) put("entry \"e%d\" inference { inputs %%i%d outputs %%%d }\n", i, i, i);
}

static void own_states(int n) {
    for (int i = 0; i < n; i++) put("%%f%d = fill value 0 : f32 ()\n%%s%d = param \"s%d\" : f32 ()\n", i, i, i);
    for (int i = 0; i < n; i++) put("state %%s%d init %%f%d\n", i, i);
    for (int i = 0; i < n; i++) put("attach %%f0 update %%s%d = %%f%d\n", i, i);
    for (int i = 0; i < n; i++) put("entry \"e%d\" training { outputs %%s%d update %%s%d = %%f%d }\n", i, i, i, i);
}

static void one_entry(int n) {
    put("%%0 = neg %%x : f32 (B)\n");
    for (int i = 1; i < n; i++)
        put("%%i%d = input \"i%d\" : f32 (B)\n%%%d = add %%%d %%i%d : f32 (B)\n", i, i, i, i - 1, i);
    put("entry \"e\" inference { inputs %%x");
    for (int i = 1; i < n; i++) put(" %%i%d", i);
    put(" outputs %%%d }\n", n - 1);
}

static double seconds_to_read(void (*write)(int n), int n) {
    double best = 1e9;
    large_length = 0;
    put("gradus 1\n%%x = input \"x\" : f32 (B)\n");
    write(n);
    for (int i = 0; i < 3; i++) {
        gradus_graph *g = graph_new();
        assert_non_null(g);
        const clock_t start = clock();
        if (graph_parse("large", large, large_length, g)) fail_msg("%s", gradus_last_error());
        const double took = (double)(clock() - start) / CLOCKS_PER_SEC;
        best = took < best ? took : best;
        graph_free(g);
    }
    return best;
}

static void test_linear(void **state) {
    (void)state;
    static void (*const kinds[])(int n) = {own_nodes, one_chain, woven, own_inputs, own_states, one_entry};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        double once = 0, twice = 1e9;
        for (int attempt = 0; attempt < 5 && twice > 2.3 * once; attempt++) { /* others may run on this machine */
            once = seconds_to_read(kinds[k], 8000);
            twice = seconds_to_read(kinds[k], 16000);
        }
        if (twice > 2.3 * once) fail_msg("kind %zu: %.4f s, twice as much %.4f s", k, once, twice);
    }
}

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

/* A constant is in memory once while it is read, and its text once. */
static void test_memory(void **state) {
    (void)state;
    enum { COUNT = 600000 };
    large_length = 0;
    put("gradus 1\n%%c = constant data {0x00000000");
    for (int i = 1; i < COUNT; i++) put(", 0x%08x", (unsigned)i);
    put("} : f32 (%d)\nentry \"e\" inference { outputs %%c }\n", COUNT);
    gradus_graph *g = NULL;
    most_bytes = live_bytes = 0;
    gradus_set_allocator(counting, NULL);
    const gradus_status status = read_text(large, &g);
    const size_t most = most_bytes;
    if (!status) gradus_graph_destroy(&g);
    gradus_set_allocator(NULL, NULL);
    assert_int_equal(status, GRADUS_OK);
    assert_int_equal(live_bytes, 0);
    if (most > large_length + COUNT * sizeof(float) + (1 << 20))
        fail_msg("%zu bytes for a text of %zu", most, large_length);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders),          cmocka_unit_test(test_refused), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_byte_order_mark), cmocka_unit_test(test_linear),  cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
