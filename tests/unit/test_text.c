/* SPDX-License-Identifier: Apache-2.0
 * The graph's text form: round trips over every op of the table, damaged texts, no memory, files, pictures. */
#include "ir/dot.h"
#include "ir/graph.h"
#include "ir/literal.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/validate.h"

#include <gradus/draw.h>

#include "tests/cmocka_all.h"
#include "tests/file.h"
#include "tests/german.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One node of every op that is not elementwise, and all that an entry may have. */
static const char sample[] =
    "# a comment\n"
    "gradus 1\n"
    "\n"
    "%x = input \"x\" : f32 (B, 4) @ \"mlp.c\":12\n"
    "%rng = state \"rng\" : i64 (2)\n"
    "%seed = seed : i64 (2)\n"
    "%u = random_uniform %rng stream 3 : f32 (4, 3)\n"
    "%w = param \"layer/w\" : f32 (4, 3) as \"the \\\"kernel\\\"\"\n"
    "%c = constant data {1, -0, inf, nan} : f32 (4)\n"
    "%f = fill value 1e-45 : f32 ()\n"
    "%i = iota axis 1 : i32 (B, 3)\n"
    "%n = count bound 2B : f32 ()\n"
    "%t = training : bool ()\n"
    "%r = reshape %x : f32 (2B, 2)\n"
    "%b = broadcast %c : f32 (B, 4)\n"
    "%tr = transpose %x axes (1, 0) : f32 (4, B)\n"
    "%sl = slice %w axis 0 range 1 3 : f32 (2, 3)\n"
    "%p = pad %w axis 1 range 1 0 value -inf : f32 (4, 4)\n"
    "%cat = concat %w %sl axis 0 : f32 (6, 3)\n"
    "%sum = sum %x axes (0, 1) : f32 ()\n"
    "%prod = prod %x axes (1) : f32 (B)\n"
    "%max = max %x axes (1) : f32 (B)\n"
    "%min = min %x axes (1) : f32 (B)\n"
    "%arg = argmax %x axes (1) : i32 (B)\n"
    "%mm = matmul %x %w : f32 (B, 3) as \"logits\"\n"
    "%ix = constant data {0, 2} : i32 (2)\n"
    "%tk = take %w %ix axis 0 : f32 (2, 3)\n"
    "%ij = constant data {\n  0, 1, # of each column\n  2\n} : i32 (1, 3)\n"
    "%ta = take_along_axis %w %ij axis 0 : f32 (1, 3)\n"
    "%sa = scatter_add %w %ix %tk axis 0 : f32 (4, 3)\n"
    "%sb = scatter_add_along_axis %w %ij %ta axis 0 : f32 (4, 3)\n"
    "%by = constant data {1, 2} : u8 (2)\n"
    "%cu = custom %by call \"swab\" \"void swab(const void *x, void *y, ssize_t n)\" effects 2 : u8 (2)\n"
    "%cb = custom %c %c call \"swab\" \"void b(void *dx, const float *dy, int x_d0, float a = 0.5)\" backward 0 : f32 (4)\n"
    "state %rng init %seed rng\n"
    "state %w init %u\n"
    "attach %mm update %w = %sa\n"
    "attach %sum update %w = %w\n"
    "entry \"train\" training max_batch 128 @ \"mlp.c\":31 { inputs %x outputs %sum %mm update %w = %sa }\n"
    "entry \"predict\" inference { inputs %x outputs %mm }\n";

static void fail_with(const char *content) { fail_msg("%s\n%s", gradus_last_error(), content); }

/* Parses, validates, prints, parses that and prints again; the two printed texts are equal.  The first is returned. */
static text round_trip(const gradus_graph *g, arena *memory) {
    text first = {.memory = memory}, second = {.memory = memory}, why = {.memory = memory};
    if (!graph_validate(g, &why)) fail_msg("%s", why.data);
    graph_print(g, &first);
    gradus_graph *again = graph_new();
    assert_non_null(again);
    if (graph_parse("printed", first.data, first.length, again) != GRADUS_OK) fail_with(first.data);
    if (!graph_validate(again, &why)) fail_msg("%s", why.data);
    graph_print(again, &second);
    assert_string_equal(first.data, second.data);
    assert_int_equal(g->nodes.count, again->nodes.count);
    assert_int_equal(g->streams, again->streams);
    assert_int_equal(g->rng, again->rng);
    graph_free(again);
    return first;
}

static gradus_graph *parsed(const char *content) {
    gradus_graph *g = graph_new();
    assert_non_null(g);
    if (graph_parse("text", content, strlen(content), g) != GRADUS_OK) fail_with(content);
    return g;
}

/* Runs a test's body with an arena under a guard. */
static void with_memory(void (*body)(arena *memory)) {
    arena memory = {0};
    guard here;
    if (GUARDED(&here)) {
        body(&memory);
        guard_leave(&here);
    } else {
        fail_msg("out of memory");
    }
    arena_free(&memory);
}

/* --- every op ---------------------------------------------------------------------------------------------------- */

/* An elementwise node of (B, 3) operands of one dtype, but for the first; 0 where its shape rule refuses. */
static uint32_t try_elementwise(gradus_graph *g, op_code op, gradus_dtype first, gradus_dtype others) {
    static const gradus_shape shape = {{2, -1, 3}};
    static const char *const names[] = {"a", "b", "c", "d"};
    uint32_t operands[4];
    const int arity = op_infos[op].arity;
    assert_in_range(arity, 1, 4);
    for (int i = 0; i < arity; i++) {
        node_spec input = {.op = OP_input, .dtype = i ? others : first, .shape = shape, .attr = {.name = names[i]}};
        operands[i] = graph_add(g, &input);
    }
    node_spec spec = {.op = op, .n_inputs = (uint32_t)arity, .inputs = operands, .dtype = GRADUS_I32, .shape = shape};
    if (op_infos[op].attributes & ATTR_BOUND) spec.attr.bound = 5;
    return graph_add(g, &spec);
}

static int round_trip_elementwise(op_code op, arena *memory) {
    int made = 0;
    for (int first = GRADUS_F32; first <= GRADUS_BOOL; first++)
        for (int others = GRADUS_F32; others <= GRADUS_BOOL; others++) {
            gradus_graph *g = graph_new();
            assert_non_null(g);
            if (try_elementwise(g, op, (gradus_dtype)first, (gradus_dtype)others)) {
                round_trip(g, memory);
                made++;
            }
            graph_free(g);
        }
    return made;
}

static void every_op(arena *memory) {
    bool seen[OP_COUNT] = {false};
    gradus_graph *g = parsed(sample);
    round_trip(g, memory);
    for (uint32_t id = 1; id < g->nodes.count; id++) seen[graph_node(g, id)->op] = true;
    graph_free(g);
    for (int op = OP_poison + 1; op < OP_COUNT; op++) {
        if (op_is(op, ELEMENTWISE)) seen[op] = round_trip_elementwise((op_code)op, memory) > 0;
        if (!seen[op]) fail_msg("no graph with the op %s: add it to the sample", op_name(op));
    }
}

static void test_every_op(void **state) {
    (void)state;
    with_memory(every_op);
}

static void sample_keeps_all(arena *memory) {
    gradus_graph *g = parsed(sample);
    const text out = round_trip(g, memory);
    static const char *const lines[] = {
        "%1 = input \"x\" : f32 (B, 4)                                     @ \"mlp.c\":12\n",
        " : f32 (4, 3) as \"the \\\"kernel\\\"\"\n",
        " = constant data {1, -0, inf, nan} : f32 (4)\n",
        " = fill value 1e-45 : f32 ()\n",
        " = count bound 2B : f32 ()\n",
        "state %2 init %3 rng\n",
        "entry \"train\" training max_batch 128 @ \"mlp.c\":31 {\n    inputs %1\n    outputs %",
        "entry \"predict\" inference {\n    inputs %1\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!strstr(out.data, lines[i])) fail_msg("expected %s in\n%s", lines[i], out.data);
    assert_int_equal(g->streams, 4);
    assert_string_equal(g->entries.items[0].where.file, "mlp.c");
    assert_int_equal(graph_node(g, 1)->where.line, 12);
    graph_free(g);
}

static void test_sample(void **state) {
    (void)state;
    with_memory(sample_keeps_all);
}

/* --- bits -------------------------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state ^ *state >> 29;
}

static void check_literal(gradus_dtype dtype, uint64_t bits) {
    char word[LITERAL_BYTES];
    scalar value, again;
    memset(&value, 0, sizeof value);
    memcpy(&value, &bits, gradus_dtype_size(dtype));
    literal_write(word, dtype, value);
    const char *wrong = literal_read(word, strlen(word), dtype, &again);
    if (wrong || again.bits != value.bits)
        fail_msg("%s %s reads as %llx, not %llx", gradus_dtype_name(dtype), word, (unsigned long long)again.bits,
                 (unsigned long long)value.bits);
}

static void check_literals(void) {
    static const uint64_t special[] = {0,
                                       1,
                                       0x80000000,
                                       0x7f800000,
                                       0xff800000,
                                       0x7fc00000,
                                       0xffc00000,
                                       0x7f800001,
                                       0x7f7fffff,
                                       0x00800000,
                                       0x3dcccccd,
                                       UINT64_C(1) << 63,
                                       UINT64_C(0x7ff0000000000000),
                                       UINT64_C(0xfff0000000000000),
                                       UINT64_C(0x7ff8000000000000),
                                       UINT64_C(0x7ff0000000000001),
                                       UINT64_MAX,
                                       UINT64_MAX >> 1};
    uint64_t random = 1;
    for (int dtype = GRADUS_F32; dtype <= GRADUS_BOOL; dtype++) {
        for (size_t i = 0; i < sizeof special / sizeof *special; i++) check_literal((gradus_dtype)dtype, special[i]);
        for (int i = 0; i < 20000; i++) check_literal((gradus_dtype)dtype, next_random(&random));
    }
}

static void test_literals(void **state) {
    (void)state;
    check_literals();
}

/* A decimal point that is a comma must not leak in. */
static void test_locale(void **state) {
    (void)state;
    if (!speak_german()) skip();
    check_literals();
    char word[LITERAL_BYTES];
    assert_string_equal(literal_write(word, GRADUS_F64, (scalar){.f64 = 0.5}), "0.5");
    setlocale(LC_ALL, "C");
}

static void constants_keep_bits(arena *memory) {
    static const size_t counts[] = {0, 1, 8, 9, 64, 65, 200};
    uint64_t random = 7;
    for (int dtype = GRADUS_F32; dtype <= GRADUS_BOOL; dtype++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            unsigned char data[200 * 8];
            const size_t bytes = counts[c] * gradus_dtype_size((gradus_dtype)dtype);
            for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)next_random(&random);
            for (size_t i = 0; i < bytes && dtype == GRADUS_BOOL; i++) data[i] &= 1;
            gradus_graph *g = graph_new();
            assert_non_null(g);
            node_spec spec = {.op = OP_constant, .dtype = (gradus_dtype)dtype, .attr = {.data = data, .bytes = bytes}};
            spec.shape = (gradus_shape){{1, (int64_t)counts[c]}};
            assert_int_equal(graph_add(g, &spec), 1);
            const text out = round_trip(g, memory);
            gradus_graph *again = parsed(out.data);
            assert_int_equal(graph_node(again, 1)->attr.bytes, bytes);
            if (bytes) assert_memory_equal(graph_node(again, 1)->attr.data, data, bytes);
            graph_free(again);
            graph_free(g);
        }
}

static void test_constants(void **state) {
    (void)state;
    with_memory(constants_keep_bits);
}

static void names_survive(arena *memory) {
    static const char *const names[] = {"a b",        "\"",       "\\",       "a\\nb", "a\nb\t",       "#", "%1 = x",
                                        "Grüße/重み", "\x01\x7f", "\xff\xfe", "\xc3",  "\xed\xa0\x80", "}"};
    gradus_graph *g = graph_new();
    assert_non_null(g);
    const uint32_t count = sizeof names / sizeof *names;
    for (uint32_t i = 0; i < count; i++) {
        g->here = (source){names[i], 3};
        node_spec spec = {
            .op = OP_input, .dtype = GRADUS_F32, .attr = {.name = names[i]}, .name = names[count - 1 - i]};
        assert_int_equal(graph_add(g, &spec), i + 1);
    }
    const text out = round_trip(g, memory);
    gradus_graph *again = parsed(out.data);
    for (uint32_t i = 0; i < count; i++) {
        assert_string_equal(graph_node(again, i + 1)->attr.name, names[i]);
        assert_string_equal(graph_node(again, i + 1)->name, names[count - 1 - i]);
        assert_string_equal(graph_node(again, i + 1)->where.file, names[i]);
    }
    graph_free(again);
    graph_free(g);
}

static void test_names(void **state) {
    (void)state;
    with_memory(names_survive);
}

/* --- damaged texts ----------------------------------------------------------------------------------------------- */

/* Either a valid graph, whose text is a fixed point, or an error with its place. */
static bool graph_or_error(const char *content, size_t length) {
    gradus_graph *g = graph_new();
    assert_non_null(g);
    const gradus_status status = graph_parse("text", content, length, g);
    if (status == GRADUS_OK) {
        arena memory = {0};
        round_trip(g, &memory);
        arena_free(&memory);
    } else {
        int line = 0, column = 0;
        assert_int_equal(status, GRADUS_ERROR_FORMAT);
        if (sscanf(gradus_last_error(), "text:%d:%d: ", &line, &column) != 2 || line < 1 || column < 1)
            fail_msg("an error without its place: %s", gradus_last_error());
    }
    graph_free(g);
    return status == GRADUS_OK;
}

static void truncations(arena *memory) {
    (void)memory;
    const size_t length = sizeof sample - 1;
    for (size_t n = 0; n <= length; n++) {
        char *exact = malloc(n + 1); /* no more than that, for the sanitizers */
        assert_non_null(exact);
        memcpy(exact, sample, n);
        graph_or_error(exact, n);
        free(exact);
    }
}

static void test_truncations(void **state) {
    (void)state;
    with_memory(truncations);
}

static void flips(arena *memory) {
    static const char others[] = "\"%(){}:=,@#\n\\ 0-9Bx.e";
    char *damaged = arena_copy(memory, sample, sizeof sample);
    const size_t length = sizeof sample - 1;
    for (size_t i = 0; i < length; i++) {
        for (int bit = 0; bit < 8; bit++) {
            damaged[i] = (char)(sample[i] ^ 1 << bit);
            graph_or_error(damaged, length);
        }
        for (const char *c = others; *c; c++) {
            damaged[i] = *c;
            graph_or_error(damaged, length);
        }
        damaged[i] = sample[i];
    }
}

static void test_flips(void **state) {
    (void)state;
    with_memory(flips);
}

/* Whole tokens dropped, doubled and exchanged at random: deeper into the parser than single bytes go. */
static void shuffles(arena *memory) {
    uint64_t random = 3;
    for (int round = 0; round < 3000; round++) {
        text t = {.memory = memory};
        const uint64_t rate = 20 + next_random(&random) % 300;
        for (const char *s = sample; *s;) {
            size_t n = strcspn(s, " \n(){},");
            if (!n) n = 1;
            const uint64_t dice = next_random(&random) % rate;
            const size_t from = (size_t)(next_random(&random) % (sizeof sample - 20));
            if (dice == 0) text_append(&t, "%.*s%.*s", (int)n, s, (int)n, s);
            else if (dice == 1) text_append(&t, "%.*s", (int)(next_random(&random) % 20), sample + from);
            else if (dice != 2) text_append(&t, "%.*s", (int)n, s);
            s += n;
        }
        graph_or_error(t.data, t.length);
    }
}

static void test_shuffles(void **state) {
    (void)state;
    with_memory(shuffles);
}

static void test_messages(void **state) {
    (void)state;
    static const struct {
        const char *content, *message;
    } rows[] = {
        {"", "text:1:1: expected \"gradus\", found the end of the text"},
        {"gradus 2\n", "text:1:8: expected version 1 of the text form, found 2"},
        {"gradus 1\n%1 = nonsense : f32 ()\n", "text:2:6: expected an op's name, found nonsense"},
        {"gradus 1\n%1 = neg %2 : f32 ()\n", "text:2:10: expected an operand that an earlier line defines, found %2"},
        {"gradus 1\n%1 = input \"x\" : f32 ()\n%1 = input \"y\" : f32 ()\n",
         "text:3:1: expected a new label, found one that an earlier line defines"},
        {"gradus 1\n%1 = input \"x\" : f32 (1\n", "text:3:1: expected \",\", found the end of the text"},
        {"gradus 1\n%1 = input \"x\" : f32 (0B)\n", "text:2:23: expected an extent such as 784, B or 3B, found 0B"},
        {"gradus 1\n%1 = input \"x\" : f16 ()\n",
         "text:2:18: expected a dtype: f32, f64, i32, i64, u8 or bool, found f16"},
        {"gradus 1\n%1 = input \"x : f32 ()\n", "text:2:12: expected a \" that ends the string on its line"},
        {"gradus 1\n%1 = fill value 300 : u8 ()\n", "text:2:17: expected a number that fits the dtype, found 300"},
        {"gradus 1\n%1 = fill value 0x02 : bool ()\n", "text:2:6: fill: the value is 2; a bool is 0 or 1"},
        {"gradus 1\n%1 = input \"x\" : bool (2)\n%2 = pad %1 axis 0 range 1 0 value 0x80 : bool (3)\n",
         "text:3:6: pad: the value is 128; a bool is 0 or 1"},
        {"gradus 1\n%1 = constant data {true, 0x01, 0xff} : bool (3)\n",
         "text:2:6: constant: element 2 is 255; a bool is 0 or 1"},
        {"gradus 1\n%1 = constant data {1, 2} : i32 (1000000000000)\n",
         "text:2:21: expected as many elements as the shape has, found 2"},
        {"gradus 1\n%1 = constant data {1, 2} : i32 (2B)\n",
         "text:2:21: expected as many elements as the shape has, found 2"},
        {"gradus 1\n%1 = input \"x\" : f32 (2)\n%2 = neg %1 : f32 (3)\n",
         "text:3:6: expected : f32 (2), which is what neg makes of its operands"},
        {"gradus 1\n%1 = input \"x\" : f32 (2)\n%2 = add %1 : f32 (2)\n",
         "text:3:6: expected 2 operands of add, found 1"},
        {"gradus 1\n%1 = input \"x\" : f32 ()\n%2 = input \"x\" : f32 ()\n", "the name \"x\" is taken"},
        {"gradus 1\n%1 = param \"w\" : f32 ()\n", "is not in the list of states"},
        {"gradus 1\n%1 = param \"w\" : f32 ()\nstate %1 init %1\n", "a first value depends on itself"},
        {"gradus 1\n%1 = input \"rng\" : f32 ()\n", "text:3:1: %1: the name \"rng\" is that of the random numbers' state"},
        {"gradus 1\n%1 = seed : i64 (2)\n%2 = state \"rng\" : i64 (2)\nstate %2 init %1\n",
         "text:5:1: %2: the name \"rng\" is that of the random numbers' state"},
        {"gradus 1\n%1 = seed : i64 (2)\n%2 = state \"r\" : i64 (2)\nstate %2 init %1 rng\n",
         "the random numbers' state %2 is \"r\", not \"rng\""},
        {"gradus 1\n%1 = fill value 1 : i64 (2)\n%2 = state \"rng\" : i64 (2)\nstate %2 init %1 rng\n",
         "the first value of the random numbers' state %2 is not the node `seed`"},
        {"gradus 1\n%1 = input \"x\" : f32 ()\nentry \"e\" inference { outputs %1 }\n", "which it does not list"},
        {"gradus 1\nentry \"a b\" inference { }\n", "text:2:7: an entry's name is no C identifier"},
        {"gradus 1\nentry \"e\" inference { }\nentry \"e\" inference { }\n", "text:3:7: expected a new entry's name"},
        {"gradus 1\n%1 = param \"w\" : f32 ()\n%2 = fill value 1 : f64 ()\nstate %1\n"
         "entry \"e\" training { update %1 = %2 }\n",
         "its new value %2 f64 ()"},
        {"gradus 1\n%1 = param \"w\" : f32 ()\n%2 = fill value 1 : f64 ()\nstate %1\nattach %2 update %1 = %2\n",
         "text:5:8: %2: %1 is f32 (), its new value %2 f64 ()"},
        {"gradus 1\n%1 = fill value 1 : f64 ()\nattach %1 update %1 = %1\n",
         "text:3:8: %1 updates %1, which is no param or state"},
        {"gradus 1\n%1 = param \"w\" : f32 ()\nstate %1\nattach %1 update %1 = %1\nattach %1 update %1 = %1\n",
         "text:5:8: %1 updates %1 twice"},
        {"gradus 1\n%1 = param \"w\" : f32 ()\nstate %1\nattach %1 %1\n", "text:4:11: expected \"update\", found %1"},
        {"gradus 1\n%1 = param \"w\" : f32 ()\nstate %1\nattach %1 update %1 = %1\nstate %1\n",
         "text:5:1: expected an attached update, an entry or the end"},
        {"gradus 1\n%1 = input \"x\" : f32 ()\n%2 = custom %1 call \"no_such_function\" : f32 ()\n",
         "text:3:21: no_such_function: this process has no function of that name"},
        {"gradus 1\n%1 = input \"x\" : f32 ()\n%2 = custom %1 call \"swab\" user : f32 ()\n",
         "text:3:21: swab: its .user is memory of the program that wrote the graph"},
        {"gradus 1\n%1 = input \"x\" : f32 ()\n%2 = custom %1 call \"swab\" \"void swab(float *y\" : f32 ()\n",
         "text:3:21: swab: character 19 of its signature \"void swab(float *y\": expected , or ), found the end"},
        {"gradus 1\n%1 = input \"x\" : f32 ()\n%2 = custom %1 call \"swab\" backward 0 : f32 ()\n",
         "text:3:6: custom: swab: 1 operands are not as many as it takes"},
        {"gradus 1\n%1 = input \"x\" : f32 ()\n%2 = custom %1 %1 call \"swab\" \"void b(float *dx, int *dy)\" backward 0 : f32 ()\n",
         "`int *dy`: it is read, and so const: const T *"},
        {"gradus 1\n%1 = input \"x\" : f32 ()\n%2 = custom %1 %1 call \"swab\" \"void b(float *dx)\" backward 1 : f32 ()\n",
         "text:3:6: custom: swab: 2 operands are not as many as it takes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gradus_graph *g = graph_new();
        assert_non_null(g);
        assert_int_equal(graph_parse("text", rows[i].content, strlen(rows[i].content), g), GRADUS_ERROR_FORMAT);
        if (!strstr(gradus_last_error(), rows[i].message))
            fail_msg("expected: %s\nfound:    %s\nin\n%s", rows[i].message, gradus_last_error(), rows[i].content);
        graph_free(g);
    }
}

/* A builder never gives the number of another random node, whatever numbers the text has. */
static void test_last_stream(void **state) {
    (void)state;
    gradus_graph *g = parsed("gradus 1\n%1 = seed : i64 (2)\n%2 = state \"rng\" : i64 (2)\n"
                             "%3 = random_uniform %2 stream 4294967293 : f32 ()\nstate %2 init %1 rng\n");
    assert_int_equal(graph_node(g, gradus_random_uniform(g, GRADUS_F32, GRADUS_SHAPE()).id)->attr.stream, 4294967294u);
    assert_int_equal(gradus_random_uniform(g, GRADUS_F32, GRADUS_SHAPE()).id, 0);
    assert_non_null(strstr(gradus_graph_error(g), "no stream is left"));
    graph_free(g);
}

/* --- memory ------------------------------------------------------------------------------------------------------ */

static long left, live;

static void *failing(void *user, void *memory, size_t bytes) {
    (void)user;
    if (bytes == 0) {
        live--;
        free(memory);
        return NULL;
    }
    if (left-- <= 0) return NULL;
    void *grown = realloc(memory, bytes);
    if (grown && !memory) live++;
    return grown;
}

static char *temporary_path(const char *name) {
    static char path[200];
    snprintf(path, sizeof path, "/tmp/gradus-test-%ld-%s", (long)getpid(), name);
    return path;
}

/* Write, read and draw with the n-th allocation failing, for every n. */
static gradus_status write_and_read(const char *path, const char *content, size_t length) {
    gradus_graph *g = graph_new(), *again = NULL;
    if (!g) return GRADUS_ERROR_MEMORY;
    gradus_status status = graph_parse("text", content, length, g);
    if (status == GRADUS_OK) status = gradus_graph_write(g, path);
    if (status == GRADUS_OK) status = gradus_graph_read(path, &again);
    if (status == GRADUS_OK) status = gradus_graph_dot(again, NULL, path);
    gradus_graph_destroy(&again);
    graph_free(g);
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    enum { ELEMENTS = 40000 };
    char *path = temporary_path("oom"), *content = malloc(sizeof sample + ELEMENTS * 3 + 200);
    assert_non_null(content);
    /* A constant that does not fit a block of the arena stands before the rest. */
    size_t length = (size_t)sprintf(content, "gradus 1\n%%big = constant data {1");
    for (int i = 1; i < ELEMENTS; i++) length += (size_t)sprintf(content + length, ",%d", i % 10);
    length += (size_t)sprintf(content + length, "} : u8 (%d)\n%s", ELEMENTS, strchr(strstr(sample, "gradus 1"), '\n'));
    gradus_set_allocator(failing, NULL);
    gradus_status status = GRADUS_ERROR_MEMORY;
    long n = 0;
    for (; status == GRADUS_ERROR_MEMORY && n < 10000; n++) {
        left = n;
        live = 0;
        status = write_and_read(path, content, length);
        assert_int_equal(live, 0);
    }
    gradus_set_allocator(NULL, NULL);
    if (status != GRADUS_OK) fail_msg("%s", gradus_last_error());
    assert_true(n > 8);
    unlink(path);
    free(content);
}

/* --- validation -------------------------------------------------------------------------------------------------- */

static node *nth(gradus_graph *g, op_code op) {
    for (uint32_t id = 1; id < g->nodes.count; id++)
        if (g->nodes.items[id]->op == op) return g->nodes.items[id];
    fail_msg("no %s in the sample", op_name(op));
    return NULL;
}

static void break_operand(gradus_graph *g) { *(uint32_t *)(uintptr_t)nth(g, OP_matmul)->inputs = g->nodes.count - 1; }
static void break_poison(gradus_graph *g) { *(uint32_t *)(uintptr_t)nth(g, OP_matmul)->inputs = 0; }
static void break_shape(gradus_graph *g) { nth(g, OP_matmul)->shape.d[2] = 4; }
static void break_dtype(gradus_graph *g) { nth(g, OP_matmul)->dtype = GRADUS_F64; }
static void break_arity(gradus_graph *g) { nth(g, OP_sum)->n_inputs = 0; }
static void break_attribute(gradus_graph *g) { nth(g, OP_matmul)->attr.axis = 1; }
static void break_state(gradus_graph *g) { g->states.count--; }
static void break_init(gradus_graph *g) { g->states.items[1].init = 1; }
static void break_rng(gradus_graph *g) { g->rng = g->states.items[1].node; }
static void break_output(gradus_graph *g) { *(uint32_t *)(uintptr_t)g->entries.items[0].outputs = g->nodes.count; }
static void break_input(gradus_graph *g) { g->entries.items[0].n_inputs = 0; }
static void break_update(gradus_graph *g) { ((update *)(uintptr_t)g->entries.items[0].updates.items)->value = 1; }
static void break_data(gradus_graph *g) { nth(g, OP_constant)->attr.bytes--; }
static void break_entry(gradus_graph *g) { g->entries.items[1].name = "train"; }

static void validation(arena *memory) {
    static void (*const breaks[])(gradus_graph *) = {
        break_operand, break_poison, break_shape,  break_dtype, break_arity,  break_attribute, break_state,
        break_init,    break_rng,    break_output, break_input, break_update, break_data,      break_entry};
    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
        gradus_graph *g = parsed(sample);
        text why = {.memory = memory};
        assert_true(graph_validate(g, &why));
        assert_int_equal(why.length, 0);
        breaks[i](g);
        if (graph_validate(g, &why)) fail_msg("break %zu goes unseen", i);
        assert_true(why.length > 0);
        assert_int_equal(g->status, GRADUS_OK);
        graph_free(g);
    }
}

static void test_validate(void **state) {
    (void)state;
    with_memory(validation);
}

/* --- files ------------------------------------------------------------------------------------------------------- */

static void test_files(void **state) {
    (void)state;
    const char *path = temporary_path("graph");
    gradus_graph *g = parsed(sample), *again = (gradus_graph *)path;
    assert_int_equal(gradus_graph_write(g, path), GRADUS_OK);
    assert_int_equal(gradus_graph_read(path, &again), GRADUS_OK);
    assert_int_equal(again->nodes.count, g->nodes.count);
    gradus_graph_destroy(&again);
    assert_int_equal(gradus_graph_read("/nowhere/at/all", &again), GRADUS_ERROR_NOT_FOUND);
    assert_null(again);
    assert_int_equal(gradus_graph_read("/tmp", &again), GRADUS_ERROR_IO);
    assert_int_equal(gradus_graph_read("/dev/zero", &again), GRADUS_ERROR_IO);
    assert_int_equal(gradus_graph_read(NULL, &again), GRADUS_ERROR_ARGUMENT);
    assert_int_equal(gradus_graph_write(g, "/nowhere/at/all"), GRADUS_ERROR_IO);
    assert_int_equal(gradus_graph_write(NULL, path), GRADUS_ERROR_ARGUMENT);
    if (access("/dev/full", W_OK) == 0) assert_int_equal(gradus_graph_write(g, "/dev/full"), GRADUS_ERROR_IO);
    static const char bare[] = "gradus 1\n%1 = param \"w\" : f32 ()\nstate %1\n";
    write_file(path, bare, sizeof bare - 1);
    assert_int_equal(gradus_graph_read(path, &again), GRADUS_ERROR_FORMAT);
    static const char seeded[] = "gradus 1\n%1 = seed : i64 (2)\nentry \"e\" inference { outputs %1 }\n";
    write_file(path, seeded, sizeof seeded - 1);
    assert_int_equal(gradus_graph_read(path, &again), GRADUS_ERROR_FORMAT);
    static const char attached[] = "gradus 1\n%1 = seed : i64 (2)\n%2 = state \"s\" : i64 (2)\nstate %2 init %1\n"
                                   "attach %2 update %2 = %1\n";
    write_file(path, attached, sizeof attached - 1);
    assert_int_equal(gradus_graph_read(path, &again), GRADUS_ERROR_FORMAT);
    graph_fail(g, GRADUS_ERROR_ARGUMENT, "test", "broken");
    assert_int_equal(gradus_graph_write(g, path), GRADUS_ERROR_GRAPH);
    unlink(path);
    graph_free(g);
}

/* --- pictures ---------------------------------------------------------------------------------------------------- */

static void pictures(arena *memory) {
    gradus_graph *g = parsed(sample);
    text all = {.memory = memory}, train = {.memory = memory}, predict = {.memory = memory};
    graph_dot(g, NULL, &all);
    graph_dot(g, "train", &train);
    graph_dot(g, "predict", &predict);
    assert_non_null(strstr(train.data, "new layer/w"));
    assert_null(strstr(predict.data, "new layer/w"));
    assert_null(strstr(predict.data, "scatter_add"));
    assert_non_null(strstr(predict.data, "matmul"));
    graph_free(g);
}

static void test_pictures(void **state) {
    (void)state;
    with_memory(pictures);
}

static void test_svg(void **state) {
    (void)state;
    const char *path = temporary_path("svg");
    gradus_graph *g = parsed(sample);
    assert_int_equal(gradus_graph_svg(g, "nothing", path), GRADUS_ERROR_NOT_FOUND);
    assert_int_equal(gradus_graph_svg(NULL, NULL, path), GRADUS_ERROR_ARGUMENT);
    const gradus_status status = gradus_graph_svg(g, NULL, path);
    if (status == GRADUS_ERROR_NOT_FOUND) { /* no Graphviz here */
        assert_non_null(strstr(gradus_last_error(), "Graphviz"));
    } else {
        struct stat there;
        if (status != GRADUS_OK) fail_msg("%s", gradus_last_error());
        assert_int_equal(stat(path, &there), 0);
        assert_true(there.st_size > 1000);
        char png[256], signature[9] = {0};
        snprintf(png, sizeof png, "%s.png", path);
        assert_int_equal(gradus_graph_svg(g, NULL, png), GRADUS_OK);
        FILE *picture = fopen(png, "rb");
        assert_non_null(picture);
        assert_int_equal(fread(signature, 1, 8, picture), 8);
        assert_string_equal(signature, "\x89PNG\r\n\x1a\n");
        fclose(picture);
        unlink(png);
        assert_int_equal(dot_write("no dot", 6, "svg", path), GRADUS_ERROR_IO);
    }
    char *search = strdup(getenv("PATH") ? getenv("PATH") : "");
    assert_non_null(search);
    setenv("PATH", "/nowhere", 1);
    assert_int_equal(gradus_graph_svg(g, NULL, path), GRADUS_ERROR_NOT_FOUND);
    setenv("PATH", search, 1);
    free(search);
    unlink(path);
    graph_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_op),    cmocka_unit_test(test_sample),        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_locale),      cmocka_unit_test(test_constants),     cmocka_unit_test(test_names),
        cmocka_unit_test(test_truncations), cmocka_unit_test(test_flips),         cmocka_unit_test(test_shuffles),
        cmocka_unit_test(test_messages), cmocka_unit_test(test_last_stream),    cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_validate),
        cmocka_unit_test(test_files),       cmocka_unit_test(test_pictures),      cmocka_unit_test(test_svg),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
