/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of a model's layers, in Keras' form.
 */
#include "model/model.h"
#include "runtime/world.h"

#include <math.h>
#include <string.h>

enum { COLUMNS = 3 };

typedef struct {
    text out;
    size_t widths[COLUMNS];
} table;

static int64_t elements(const gradus_shape *shape) {
    int64_t n = 1;
    for (int64_t i = 1; i <= shape->d[0]; i++) n *= shape->d[i];
    return n;
}

/* 39,760 */
static void text_count(text *t, int64_t count) {
    char digits[24];
    const int length = snprintf(digits, sizeof digits, "%lld", (long long)count);
    for (int i = 0; i < length; i++) text_append(t, i && (length - i) % 3 == 0 ? ",%c" : "%c", digits[i]);
}

static void text_bytes(text *t, int64_t bytes) {
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024 && unit < 4; unit++) value /= 1024;
    text_append(t, "%.2f %s", value, units[unit]);
}

/* How wide a text is on a screen: in characters. */
static size_t width_of(const char *s) {
    size_t width = 0;
    for (; *s; s++) width += ((unsigned char)*s & 0xc0) != 0x80;
    return width;
}

/* A line of the frame: left end, line, crossing, right end. */
static void put_frame(table *t, const char *const parts[4]) {
    for (int c = 0; c < COLUMNS; c++) {
        text_append(&t->out, "%s", parts[c ? 2 : 0]);
        for (size_t i = 0; i < t->widths[c] + 2; i++) text_append(&t->out, "%s", parts[1]);
    }
    text_append(&t->out, "%s\n", parts[3]);
}

/* Texts on the left, the last one, a number, on the right. */
static void put_row(table *t, const char *border, const char *const cells[COLUMNS]) {
    for (int c = 0; c < COLUMNS; c++) {
        const int space = (int)(t->widths[c] - width_of(cells[c]));
        const bool number = c == COLUMNS - 1;
        text_append(&t->out, "%s %*s%s%*s ", border, number ? space : 0, "", cells[c], number ? 0 : space, "");
    }
    text_append(&t->out, "%s\n", border);
}

typedef struct {
    const char *cells[COLUMNS];
    int64_t trained, fixed; /* elements */
    int64_t trained_bytes, fixed_bytes;
} row;

static row row_of(const gradus_model *m, arena *memory, const model_layer *l) {
    row r = {{0}, 0, 0, 0, 0};
    const gradus_tensors params = gradus_params(m->graph, NULL);
    const gradus_shape shape = gradus_shape_of(l->output);
    text cells[COLUMNS];
    for (int c = 0; c < COLUMNS; c++) cells[c] = (text){.memory = memory};
    for (size_t i = l->first_param; i < l->end_param && i < params.count; i++) {
        const gradus_shape of = gradus_shape_of(params.items[i]);
        const int64_t size = (int64_t)gradus_dtype_size(gradus_dtype_of(params.items[i]));
        *(l->frozen ? &r.fixed : &r.trained) += elements(&of);
        *(l->frozen ? &r.fixed_bytes : &r.trained_bytes) += elements(&of) * size;
    }
    if (l->kind->untrained) {
        r.fixed += l->kind->untrained(l);
        r.fixed_bytes += l->kind->untrained(l) * (int64_t)gradus_dtype_size(gradus_dtype_of(l->output));
    }
    text_append(&cells[0], "%s (%s)", l->name, l->kind->type);
    text_shape(&cells[1], &shape);
    text_count(&cells[2], r.trained + r.fixed);
    for (int c = 0; c < COLUMNS; c++) r.cells[c] = cells[c].data;
    return r;
}

static void put_total(text *t, const char *what, int64_t count, int64_t bytes) {
    text_append(t, " %s params: ", what);
    text_count(t, count);
    text_append(t, " (");
    text_bytes(t, bytes);
    text_append(t, ")\n");
}

/* " dropout: rate 0.2", … and how the model is trained. */
static void put_numbers(text *t, const gradus_model *m) {
    const model_training *how = &m->training;
    for (uint32_t i = 0; i < m->layers.count; i++) {
        const model_layer *l = &m->layers.items[i];
        for (const layer_number *n = l->kind->numbers; n->name; n++) {
            const bool first = n == l->kind->numbers;
            text_append(t, "%s%s%s %s %.9g", first ? " " : ",", first ? l->name : "", first ? ":" : "", n->name,
                        layer_number_of(l, n));
        }
        if (l->kind->numbers[0].name) text_append(t, "%s\n", l->frozen ? ", frozen" : "");
    }
    if (!m->compiled) return;
    const double rate = m->program ? model_learning_rate(m) : NAN;
    text_append(t, " %s", how->optimizer);
    if (!isnan(rate)) text_append(t, " (learning rate now: %.9g)", rate);
    text_append(t, "\n loss: %s\n metrics: %s", model_loss_name(how->loss), how->metrics ? "" : "none");
    for (size_t i = 0; i < how->metrics; i++) text_append(t, "%s%s", i ? ", " : "", how->names[i]);
    text_append(t, "\n seed: %llu\n", (unsigned long long)how->seed);
}

static const char *summary(const gradus_model *m, arena *memory) {
    static const char *const heading[COLUMNS] = {"Layer (type)", "Output Shape", "Param #"};
    static const char *const top[] = {"┏", "━", "┳", "┓"}, *const head[] = {"┡", "━", "╇", "┩"};
    static const char *const middle[] = {"├", "─", "┼", "┤"}, *const bottom[] = {"└", "─", "┴", "┘"};
    table t = {{.memory = memory}, {31, 22, 13}};
    row *rows = ARENA_ARRAY(memory, row, m->layers.count + 1), total = {{0}, 0, 0, 0, 0};
    for (uint32_t i = 0; i < m->layers.count; i++) {
        rows[i] = row_of(m, memory, &m->layers.items[i]);
        for (int c = 0; c < COLUMNS; c++)
            if (width_of(rows[i].cells[c]) > t.widths[c]) t.widths[c] = width_of(rows[i].cells[c]);
        total.trained += rows[i].trained;
        total.fixed += rows[i].fixed;
        total.trained_bytes += rows[i].trained_bytes;
        total.fixed_bytes += rows[i].fixed_bytes;
    }
    put_frame(&t, top);
    put_row(&t, "┃", heading);
    put_frame(&t, head);
    for (uint32_t i = 0; i < m->layers.count; i++) {
        if (i) put_frame(&t, middle);
        put_row(&t, "│", rows[i].cells);
    }
    put_frame(&t, bottom);
    put_total(&t.out, "Total", total.trained + total.fixed, total.trained_bytes + total.fixed_bytes);
    put_total(&t.out, "Trainable", total.trained, total.trained_bytes);
    put_total(&t.out, "Non-trainable", total.fixed, total.fixed_bytes);
    put_numbers(&t.out, m);
    return t.out.data;
}

gradus_status gradus_model_summary(gradus_model *m, FILE *stream) {
    ENTER;
    static const char *where = "gradus_model_summary";
    if (!stream) return fail(GRADUS_ERROR_ARGUMENT, "%s: the stream is NULL", where);
    const gradus_status unfit = m && model_busy(m) ? GRADUS_OK : model_enter(m, where);
    if (unfit) return unfit;
    arena memory = {0};
    volatile gradus_status status = GRADUS_OK;
    guard here;
    if (GUARDED(&here)) {
        if (fputs(summary(m, &memory), stream) < 0 || fflush(stream))
            status = fail(GRADUS_ERROR_IO, "%s: cannot write the table", where);
        guard_leave(&here);
    } else {
        status = fail_out_of_memory(where);
    }
    arena_free(&memory);
    return status;
}
