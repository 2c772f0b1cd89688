/* SPDX-License-Identifier: Apache-2.0
 * Data sets from tables of text: which columns there are, and rows of numbers out of records.  Fields are csv_reader.c's,
 * labels csv_labels.c's, standardising standardize.c's. */
#include "runtime/data/csv_labels.h"
#include "runtime/data/csv_columns.h"
#include "runtime/data/number.h"
#include "runtime/data/standardize.h"

#include "runtime/names.h"
#include "runtime/options.h"
#include "runtime/world.h"

#include <gradus/csv.h>
#include <math.h>
#include <string.h>

typedef struct {
    const char *path;
    gradus_csv_options o;
    csv_reader *reader;
    csv_columns columns;
    csv_labels labels;
    unsigned char *data; /* F32, the features of the rows that are there */
    size_t capacity;
    int64_t rows;
    int64_t empty; /* the line of the first of the empty ones that came last; 0: none */
} table;

/* What to do about a field that is no number. */
static const char *advice(const table *t, const csv_field *f) {
    switch (csv_meaning_of(f)) {
    case CSV_MISSING: return "; to allow missing values, set .missing";
    case CSV_INFINITE: return "; to read infinities as missing values, set .missing";
    case CSV_WORDS: break;
    }
    if (t->columns.count == 1 && strpbrk(f->text, ",;\t| ")) return "; what stands between fields is set by .delimiter";
    if (strchr(f->text, ',') && strspn(f->text, "+-0123456789eE,") == f->length)
        return "; numbers have a decimal point, not a comma";
    return t->rows == 0 && !t->o.header ? "; if this line names the columns, set .header"
                                        : "; columns that are no features go to .label or .skip";
}

static gradus_status add_feature(table *t, const csv_field *f, size_t index, size_t place) {
    char shown[CSV_SHOWN], name[CSV_COLUMN];
    float value = NAN;
    number_result result = number_f32(f->text, f->length, &value);
    if (result == NUMBER_NONE && t->o.missing && csv_meaning_of(f) != CSV_WORDS) {
        value = NAN;
        result = NUMBER_READ;
    }
    if (result == NUMBER_READ) {
        memcpy(t->data + ((size_t)t->rows * t->columns.features + place) * sizeof value, &value, sizeof value);
        return GRADUS_OK;
    }
    csv_column(&t->columns, index, name);
    csv_shown(f->text, shown);
    if (result == NUMBER_TOO_LARGE) return csv_fail(t->reader, f, "%s: %s is out of the range of f32", name, shown);
    return csv_fail(t->reader, f, "%s: %s is no number%s", name, shown, advice(t, f));
}

static gradus_status add_field(table *t, const csv_field *f, size_t index, size_t *place) {
    char name[CSV_COLUMN];
    switch (t->columns.roles[index]) {
    case CSV_FEATURE: return add_feature(t, f, index, (*place)++);
    case CSV_LABEL: return csv_labels_add(&t->labels, t->reader, f, csv_column(&t->columns, index, name));
    case CSV_SKIPPED: break;
    }
    return GRADUS_OK;
}

/* Makes room for one more row. */
static gradus_status begin_row(table *t) {
    size_t row = t->columns.features * sizeof(float), size;
    if (__builtin_mul_overflow((size_t)t->rows + 1, row, &size) ||
        !data_reserve(&t->data, &t->capacity, size, SIZE_MAX)) {
        return fail(GRADUS_ERROR_MEMORY, "%s: out of memory (%lld rows are there)", t->path, (long long)t->rows);
    }
    return GRADUS_OK;
}

static gradus_status wrong_count(const table *t, const csv_field *f, size_t count) {
    bool more = count > t->columns.count;
    return csv_fail(t->reader, f, "the record has %s%zu field%s, expected %zu as in the %s", more ? "more than " : "",
                    count - more, count - more == 1 ? "" : "s", t->columns.count, t->o.header ? "header" : "first row");
}

/* A record from its first field on. */
static gradus_status read_row(table *t, csv_field *f) {
    gradus_status status = begin_row(t);
    size_t place = 0;
    csv_field first = *f;
    for (size_t i = 0; status == GRADUS_OK; i++) {
        bool last = f->last, more;
        if (i == t->columns.count) return wrong_count(t, f, i + 1);
        if (last && i + 1 < t->columns.count) return wrong_count(t, &first, i + 1);
        status = add_field(t, f, i, &place);
        if (last) break;
        if (status == GRADUS_OK) status = csv_next(t->reader, f, &more);
    }
    t->rows += status == GRADUS_OK;
    return status;
}

/* The first field of the next record that is not empty; such are allowed at the end alone. */
static gradus_status next_record(table *t, csv_field *f, bool *more) {
    for (;;) {
        gradus_status status = csv_next(t->reader, f, more);
        if (status != GRADUS_OK || !*more) return status;
        if (f->length || f->quoted || !f->last) break;
        if (!t->empty) t->empty = f->line;
    }
    csv_field empty = {.line = t->empty, .byte = 1};
    return t->empty ? csv_fail(t->reader, &empty, "an empty line, and line %lld goes on", (long long)f->line)
                    : GRADUS_OK;
}

/* The record that says how many columns there are: their names, or the first row, which is added once it is known what
 * the columns are. */
static gradus_status read_first(table *t) {
    csv_field f;
    bool more;
    gradus_status status = next_record(t, &f, &more);
    if (status != GRADUS_OK) return status;
    if (!more) return fail(GRADUS_ERROR_FORMAT, "%s: the file is empty", t->path);
    status = csv_columns_read(&t->columns, t->path, t->reader, &f);
    if (status == GRADUS_OK) status = csv_columns_choose(&t->columns, t->path, &t->o);
    if (status != GRADUS_OK || t->o.header) return status;
    status = begin_row(t);
    for (size_t i = 0, place = 0; status == GRADUS_OK && i < t->columns.count; i++)
        status = add_field(t, &t->columns.first[i], i, &place);
    t->rows = 1;
    return status;
}

static gradus_status read_table(table *t) {
    gradus_status status = read_first(t);
    while (status == GRADUS_OK) {
        csv_field f;
        bool more;
        status = next_record(t, &f, &more);
        if (status != GRADUS_OK) return status;
        if (!more) break;
        status = read_row(t, &f);
    }
    if (status == GRADUS_OK && t->rows == 0) {
        return fail(GRADUS_ERROR_FORMAT, "%s: there is a header and no row", t->path);
    }
    return status == GRADUS_OK ? csv_labels_finish(&t->labels, t->path) : status;
}

/* The features' names, where the file has them. */
static gradus_status name_features(const table *t, text_list *names) {
    for (size_t i = 0; t->o.header && i < t->columns.count; i++) {
        const csv_field *f = &t->columns.first[i];
        if (t->columns.roles[i] == CSV_FEATURE && !text_list_add(names, f->text, f->length)) {
            return fail_out_of_memory(t->path);
        }
    }
    return GRADUS_OK;
}

/* Whether a data set has features like these. */
static gradus_status compare(const char *path, const store *s, const store *like) {
    int64_t n = s->columns[0].elements, other = like->columns[0].elements;
    if (n != other) {
        return fail(GRADUS_ERROR_MISMATCH, "%s: there are %lld features, .like has %lld", path, (long long)n,
                    (long long)other);
    }
    for (size_t i = 0; i < s->names.count && i < like->names.count; i++) {
        if (strcmp(s->names.items[i], like->names.items[i]) == 0) continue;
        return fail(GRADUS_ERROR_MISMATCH, "%s: feature %zu is \"%.80s\", that of .like \"%.80s\"", path, i,
                    s->names.items[i], like->names.items[i]);
    }
    return GRADUS_OK;
}

/* Moves what was read into a store. */
static gradus_status fill_store(table *t, store *s) {
    s->rows = t->rows;
    s->columns[0] = (column){.stored = GRADUS_F32, .delivered = GRADUS_F32, .elements = (int64_t)t->columns.features};
    s->columns[0].row = (gradus_shape){{1, (int64_t)t->columns.features}};
    s->columns[0].data = t->data;
    t->data = NULL;
    if (t->o.label) {
        s->columns[1] = (column){.stored = t->labels.dtype, .delivered = t->labels.dtype, .elements = 1};
        s->columns[1].data = t->labels.data;
        t->labels.data = NULL;
        const text_list *classes = t->labels.known ? t->labels.known : &t->labels.classes;
        if (!text_list_copy(&s->classes, classes)) return fail_out_of_memory(t->path);
    }
    gradus_status status = name_features(t, &s->names);
    const store *like = t->o.like ? t->o.like->store : NULL;
    if (status == GRADUS_OK && like) status = compare(t->path, s, like);
    if (status != GRADUS_OK) return status;
    return t->o.standardize || (like && like->means) ? standardize(t->path, s, like) : GRADUS_OK;
}

static gradus_status check_options(const char *where, gradus_csv_options *o) {
    unsigned char c = (unsigned char)(o->delimiter ? o->delimiter : ',');
    if (c >= 0x80 || strchr("\"\r\n.+-", c) || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
        (c >= 'A' && c <= 'Z')) {
        return fail(GRADUS_ERROR_ARGUMENT,
                    "%s: the delimiter is byte %02x, expected one that is no part of numbers, names, quotes and lines",
                    where, c);
    }
    o->delimiter = (char)c;
    if (o->label_dtype && !gradus_dtype_size(o->label_dtype)) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: label_dtype: %d is no dtype", where, (int)o->label_dtype);
    }
    if (o->columns && o->skip) return fail(GRADUS_ERROR_ARGUMENT, "%s: .columns and .skip exclude each other", where);
    if (!o->label && o->label_names) return fail(GRADUS_ERROR_ARGUMENT, "%s: .label_names without .label", where);
    const store *like = o->like ? o->like->store : NULL;
    if (like && like->n_columns > 1 && like->classes.count == 0 && o->label_names) {
        return fail(GRADUS_ERROR_ARGUMENT,
                    "%s: .label_names, but the labels of the data set that .like names are numbers", where);
    }
    if (like && o->standardize && !like->means) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: .standardize, but the data set that .like names is not standardised",
                    where);
    }
    if (like && (like->columns[0].delivered != GRADUS_F32 || like->columns[0].row.d[0] != 1)) {
        return fail(GRADUS_ERROR_ARGUMENT, "%s: the data set that .like names is no table", where);
    }
    return GRADUS_OK;
}

/* What labels are, as far as the caller says it: with names and with .like all that is asked for is known, and a dtype of
 * floats asks for numbers. */
static csv_labels labels_asked_for(const gradus_csv_options *o) {
    const store *like = o->like && o->like->store->n_columns > 1 ? o->like->store : NULL;
    csv_labels labels = {.dtype = o->label_dtype ? o->label_dtype : like ? like->columns[1].delivered : GRADUS_I32};
    if (like) {
        labels.known = &like->classes;
        labels.names = like->classes.count > 0;
    } else {
        labels.names = o->label_names;
        labels.guess = !o->label_names && o->label_dtype != GRADUS_F32 && o->label_dtype != GRADUS_F64;
    }
    return labels;
}

static void say_what_was_guessed(const table *t, const store *s) {
    char name[CSV_COLUMN], text[320];
    message m = {text, sizeof text, 0};
    if (!t->o.label || !t->labels.guess) return;
    size_t label = 0;
    while (t->columns.roles[label] != CSV_LABEL) label++;
    for (size_t i = 0; i < s->classes.count; i++)
        message_put(&m, "%s\"%.40s\" %zu", i ? ", " : ": ", s->classes.items[i], i);
    if (s->classes.count)
        log_line(2, "%s: %s: labels are the names of %zu classes%s", t->path, csv_column(&t->columns, label, name),
                 s->classes.count, text);
    else
        log_line(2, "%s: %s: labels are numbers, %s", t->path, csv_column(&t->columns, label, name),
                 gradus_dtype_name(t->labels.dtype));
}

gradus_status gradus_data_csv(const char *path, const gradus_csv_options *options, gradus_data **data) {
    ENTER;
    static const char *where = "gradus_data_csv";
    table t = {.path = path};
    if (!data) return fail(GRADUS_ERROR_ARGUMENT, "%s: no place for the result (NULL)", where);
    *data = NULL;
    if (!path) return fail(GRADUS_ERROR_ARGUMENT, "%s: the path is NULL", where);
    if (!options_read(where, OPTIONS_TYPE(gradus_csv_options), &t.o, options)) return GRADUS_ERROR_ARGUMENT;
    gradus_status status = check_options(where, &t.o);
    if (status != GRADUS_OK) return status;
    t.labels = labels_asked_for(&t.o);
    status = csv_open(path, t.o.delimiter, &t.reader);
    if (status == GRADUS_OK) status = read_table(&t);
    store *s = status == GRADUS_OK ? store_create(t.o.label ? 2 : 1) : NULL;
    if (status == GRADUS_OK) status = s ? fill_store(&t, s) : fail_out_of_memory(path);
    if (status == GRADUS_OK) say_what_was_guessed(&t, s);
    csv_close(t.reader);
    csv_columns_free(&t.columns);
    csv_labels_free(&t.labels);
    memory_free(t.data);
    if (status == GRADUS_OK) return data_of_store(where, s, data);
    store_release(s);
    return status;
}

int64_t gradus_data_classes(const gradus_data *data, const char *const **names) {
    if (names) *names = data ? (const char *const *)data->store->classes.items : NULL;
    return data ? (int64_t)data->store->classes.count : 0;
}

int64_t gradus_data_names(const gradus_data *data, const char *const **names) {
    if (names) *names = data ? (const char *const *)data->store->names.items : NULL;
    return data ? (int64_t)data->store->names.count : 0;
}

int64_t gradus_data_scaling(const gradus_data *data, const double **means, const double **deviations) {
    const store *s = data ? data->store : NULL;
    if (means) *means = s ? s->means : NULL;
    if (deviations) *deviations = s ? s->deviations : NULL;
    return s && s->means ? s->columns[0].elements : 0;
}
