/* SPDX-License-Identifier: Apache-2.0
 * The runner of passes, and dumps of what they did.  See pass.h. */
#include "pass.h"

#include "base/file.h"
#include "ir/print.h"
#include "ir/validate.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Far more rounds than any graph needs: rules only ever shrink a graph or move movement ops down it. */
enum { MAX_ROUNDS = 100 };

static void check(const gradus_graph *g, const char *label, const char *stage) {
#ifndef NDEBUG
    text why = {.memory = &((gradus_graph *)(uintptr_t)g)->memory};
    if (graph_validate(g, &why)) return;
    fprintf(stderr, "gradus: graph \"%s\" is broken after %s: %s\n", label, stage, why.data ? why.data : "");
    assert(false && "a pass broke the graph");
#else
    (void)g, (void)label, (void)stage;
#endif
}

static void dump_graph(gradus_graph *g, const char *label, const char *stage) {
    if (!dump_wanted()) return;
    text out = {.memory = &g->memory};
    graph_print(g, &out);
    dump_text(label, stage, "gradus", out.data, out.length);
}

void pass_run(gradus_graph *g, const pass_row *rows, size_t count, const char *label) {
    check(g, label, "extraction");
    dump_graph(g, label, "extract");
    bool changed = true;
    for (int round = 0; changed && round < MAX_ROUNDS; round++) {
        changed = false;
        for (size_t i = 0; i < count; i++) {
            if (!rows[i].run(g)) continue;
            changed = true;
            check(g, label, rows[i].name);
            dump_graph(g, label, rows[i].name);
        }
    }
    assert(!changed && "the passes undo each other's work");
}

bool dump_wanted(void) {
    const char *directory = getenv("GRADUS_DUMP");
    return directory && *directory;
}

/* Labels and stages may hold anything that an entry's name may: what is odd in a file's name becomes '_'. */
static void clean(char *s) {
    for (; *s; s++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.", *s)) *s = '_';
}

void dump_text(const char *label, const char *stage, const char *extension, const char *content, size_t length) {
    static atomic_uint dumps;
    const char *directory = getenv("GRADUS_DUMP");
    if (!directory || !*directory) return;
    char name[160], path[4096];
    snprintf(name, sizeof name, "%03u-%.60s-%.60s.%.20s", atomic_fetch_add(&dumps, 1), label, stage, extension);
    clean(name);
    int n = snprintf(path, sizeof path, "%s/%s", directory, name);
    if (n < 0 || (size_t)n >= sizeof path) return;
    mkdir(directory, 0777); /* where it exists already, or cannot be made, writing decides */
    if (file_write(path, content, length) != GRADUS_OK) log_line(1, "GRADUS_DUMP: %s", gradus_last_error());
}
