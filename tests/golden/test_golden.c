/* SPDX-License-Identifier: Apache-2.0
 *
 * Golden tests: each tests/golden/NAME.gold holds a graph, the passes that run over it, and the graph that comes out.
 *
 *     # what the case shows
 *     passes: fold dce
 *     --- before
 *     gradus 1
 *     …
 *     --- after
 *     gradus 1
 *     …
 *
 * Passes are named as in pipeline_rewrites and run until none of them changes anything; without any, the case shows
 * what the printer makes of a text.  GRADUS_BLESS=1 writes what comes out into the files instead of comparing it.
 */
#include "base/file.h"
#include "ir/graph.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/validate.h"
#include "pass.h"

#include "tests/cmocka_all.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#define BEFORE "--- before\n"
#define AFTER "--- after\n"

enum { PASSES = 32, FILE_BYTES = 1 << 20 };

typedef struct {
    char *head, *before, *after; /* each ends in '\0'; head includes the line of BEFORE */
    pass_row rows[PASSES];
    size_t n_rows;
} golden;

static const pass_row *find_pass(const char *name) {
    for (size_t i = 0; i < pipeline_rewrite_count; i++)
        if (strcmp(pipeline_rewrites[i].name, name) == 0) return &pipeline_rewrites[i];
    return NULL;
}

/* The names behind "passes:", which stands at the start of a line. */
static void read_passes(golden *c, arena *memory) {
    const char *line = c->head;
    while (line && strncmp(line, "passes:", 7) != 0) line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL;
    if (!line) fail_msg("expected a line \"passes: …\"");
    const size_t length = strcspn(line, "\n");
    char *words = arena_copy(memory, line, length + 1);
    words[length] = '\0';
    char *rest = NULL;
    strtok_r(words, " \t", &rest);
    for (char *name; (name = strtok_r(NULL, " \t", &rest));) {
        const pass_row *row = find_pass(name);
        if (!row) fail_msg("no pass \"%s\" in pipeline_rewrites", name);
        assert_true(c->n_rows < PASSES);
        c->rows[c->n_rows++] = *row;
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
    const char *before = strstr(content, BEFORE), *after = before ? strstr(before, AFTER) : NULL;
    if (!before) fail_msg("expected a line \"--- before\"");
    before += strlen(BEFORE);
    c.head = cut(memory, content, before);
    c.before = cut(memory, before, after ? after : content + length);
    c.after = after ? cut(memory, after + strlen(AFTER), content + length) : cut(memory, content, content);
    read_passes(&c, memory);
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
    fail_msg("%s: the graph differs from line %d of what is expected on:\n  expected: %.*s\n  found:    %.*s\nall that "
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

static void run_case(const char *path, arena *memory) {
    golden c = read_case(path, memory);
    gradus_graph *g = graph_new();
    assert_non_null(g);
    if (graph_parse(path, c.before, strlen(c.before), g) != GRADUS_OK) fail_msg("--- before: %s", gradus_last_error());
    if (c.n_rows) pass_run(g, c.rows, c.n_rows, "golden");
    const text out = print_checked(g, memory);
    graph_free(g);
    if (getenv("GRADUS_BLESS")) {
        text file = {.memory = memory};
        text_append(&file, "%s%s%s%s", c.head, c.before, AFTER, out.data);
        if (file_write(memory, path, file.data, file.length) != GRADUS_OK) fail_msg("%s", gradus_last_error());
    } else if (strcmp(c.after, out.data) != 0) {
        print_difference(path, c.after, out.data);
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
