/* SPDX-License-Identifier: Apache-2.0
 *
 * Golden tests: each tests/golden/NAME.gold holds a graph, what is done with it, and what comes out.
 *
 *     # what the case shows                  # what the case shows
 *     passes: fold dce                       stages: kernels plan
 *     --- before                             --- before
 *     gradus 1                               gradus 1
 *     …                                      …
 *     --- after                              --- kernels
 *     gradus 1                               …
 *     …                                      --- plan
 *                                            …
 *
 * Passes are named as in pipeline_rewrites and run until none of them changes anything; without any, the case shows
 * what the printer makes of a text.  Stages are of the graph's first entry, whose max_batch holds, after all passes:
 * its kernels in their phases, and where in the arena its temporaries live.  GRADUS_BLESS=1 writes what comes out into
 * the files instead of comparing it.
 */
#include "base/file.h"
#include "ir/graph.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/validate.h"
#include "lower.h"
#include "pass.h"
#include "plan.h"

#include "tests/cmocka_all.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#define BEFORE "--- before\n"
#define AFTER "--- after\n"
#define KERNELS "--- kernels\n"
#define PLAN "--- plan\n"

enum { PASSES = 32, FILE_BYTES = 1 << 20 };

typedef struct {
    char *head, *before, *results; /* each ends in '\0'; head includes the line of BEFORE, results has those of its parts */
    pass_row rows[PASSES];
    size_t n_rows;
    bool kernels, plan; /* stages */
} golden;

static const pass_row *find_pass(const char *name) {
    for (size_t i = 0; i < pipeline_rewrite_count; i++)
        if (strcmp(pipeline_rewrites[i].name, name) == 0) return &pipeline_rewrites[i];
    return NULL;
}

/* The words behind `key`, which stands at the start of a line; NULL if none has it. */
static char *words_behind(const char *key, const char *head, arena *memory) {
    const char *line = head;
    while (line && strncmp(line, key, strlen(key)) != 0) line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL;
    if (!line) return NULL;
    line += strlen(key);
    const size_t length = strcspn(line, "\n");
    char *words = arena_copy(memory, line, length + 1);
    words[length] = '\0';
    return words;
}

static void read_passes(golden *c, char *words) {
    char *rest = NULL;
    for (char *name = strtok_r(words, " \t", &rest); name; name = strtok_r(NULL, " \t", &rest)) {
        const pass_row *row = find_pass(name);
        if (!row) fail_msg("no pass \"%s\" in pipeline_rewrites", name);
        assert_true(c->n_rows < PASSES);
        c->rows[c->n_rows++] = *row;
    }
}

static void read_stages(golden *c, char *words) {
    char *rest = NULL;
    for (char *name = strtok_r(words, " \t", &rest); name; name = strtok_r(NULL, " \t", &rest)) {
        if (strcmp(name, "kernels") == 0) c->kernels = true;
        else if (strcmp(name, "plan") == 0) c->plan = true;
        else fail_msg("no stage \"%s\": there are kernels and plan", name);
    }
}

static char *cut(arena *memory, const char *from, const char *to) {
    const size_t length = (size_t)(to - from);
    char *piece = arena_alloc(memory, length + 1);
    return memcpy(piece, from, length);
}

static golden read_case(const char *path, arena *memory) {
    golden c = {0};
    char *content;
    size_t length;
    if (file_read_text(memory, path, FILE_BYTES, &content, &length) != GRADUS_OK) fail_msg("%s", gradus_last_error());
    const char *before = strstr(content, BEFORE), *end = content + length;
    if (!before) fail_msg("expected a line \"--- before\"");
    before += strlen(BEFORE);
    const char *results = strstr(before, "\n--- ");
    results = results ? results + 1 : end;
    c.head = cut(memory, content, before);
    c.before = cut(memory, before, results);
    c.results = cut(memory, results, end);
    char *passes = words_behind("passes:", c.head, memory), *stages = words_behind("stages:", c.head, memory);
    if (!passes == !stages) fail_msg("expected either a line \"passes: …\" or a line \"stages: …\"");
    if (passes) read_passes(&c, passes);
    else read_stages(&c, stages);
    return c;
}

static void print_difference(const char *path, const char *expected, const char *found) {
    int line = 1;
    while (*expected && *found) {
        const size_t a = strcspn(expected, "\n"), b = strcspn(found, "\n");
        if (a != b || memcmp(expected, found, a) != 0) break;
        expected += a + (expected[a] != '\0');
        found += b + (found[b] != '\0');
        line++;
    }
    fail_msg("%s: what comes out differs from line %d of what is expected on:\n  expected: %.*s\n  found:    %.*s\nall that "
             "follows:\n%s",
             path, line, (int)strcspn(expected, "\n"), expected, (int)strcspn(found, "\n"), found, found);
}

/* Prints the graph, and checks that the text is a fixed point of reading and printing. */
static text print_checked(const gradus_graph *g, arena *memory) {
    text out = {.memory = memory}, again = {.memory = memory}, why = {.memory = memory};
    if (!graph_validate(g, &why)) fail_msg("%s", why.data);
    graph_print(g, &out);
    gradus_graph *copy = graph_new();
    assert_non_null(copy);
    if (graph_parse("printed", out.data, out.length, copy) != GRADUS_OK)
        fail_msg("%s\n%s", gradus_last_error(), out.data);
    graph_print(copy, &again);
    assert_string_equal(out.data, again.data);
    graph_free(copy);
    return out;
}

static void print_stages(const golden *c, const gradus_graph *g, text *out, arena *memory) {
    lowered l = {0};
    assert_true(g->entries.count > 0);
    if (!lower(g, &g->entries.items[0], 0, memory, &l)) fail_msg("%s", gradus_last_error());
    if (c->kernels) {
        text_append(out, KERNELS);
        kernels_print(&l.kernels, out);
    }
    if (c->plan) {
        text_append(out, PLAN);
        plan_print(&l.kernels, out);
    }
    lowered_free(&l);
}

static void run_case(const char *path, arena *memory) {
    golden c = read_case(path, memory);
    text out = {.memory = memory};
    gradus_graph *g = graph_new();
    assert_non_null(g);
    if (graph_parse(path, c.before, strlen(c.before), g) != GRADUS_OK) fail_msg("--- before: %s", gradus_last_error());
    if (c.kernels || c.plan) {
        print_stages(&c, g, &out, memory);
    } else {
        if (c.n_rows) pass_run(g, c.rows, c.n_rows, "golden");
        text_append(&out, "%s%s", AFTER, print_checked(g, memory).data);
    }
    graph_free(g);
    if (getenv("GRADUS_BLESS")) {
        text file = {.memory = memory};
        text_append(&file, "%s%s%s", c.head, c.before, out.data);
        if (file_write(path, file.data, file.length) != GRADUS_OK) fail_msg("%s", gradus_last_error());
    } else if (strcmp(c.results, out.data) != 0) {
        print_difference(path, c.results, out.data);
    }
}

static void test_case(void **state) {
    arena memory = {0};
    guard here;
    if (GUARDED(&here)) {
        run_case(*state, &memory);
        guard_leave(&here);
    } else {
        fail_msg("out of memory");
    }
    arena_free(&memory);
}

int main(void) {
    glob_t found;
    if (glob(TESTS_DIR "/golden/*.gold", 0, NULL, &found) != 0) return 1;
    struct CMUnitTest *tests = calloc(found.gl_pathc, sizeof *tests);
    if (!tests) return 1;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *name = strrchr(found.gl_pathv[i], '/') + 1;
        tests[i] = (struct CMUnitTest){.name = name, .test_func = test_case, .initial_state = found.gl_pathv[i]};
    }
    const int failures = _cmocka_run_group_tests("golden", tests, found.gl_pathc, NULL, NULL);
    free(tests);
    globfree(&found);
    return failures;
}
