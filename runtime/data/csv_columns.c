/* SPDX-License-Identifier: Apache-2.0
 * The columns of a table.  See csv_columns.h. */
#include "runtime/data/csv_columns.h"

#include "runtime/data/number.h"
#include "runtime/names.h"

#include <string.h>

enum { MOST_COLUMNS = 1 << 20, NEAR = 400 };

const char *csv_column(const csv_columns *c, size_t index, char text[CSV_COLUMN]) {
    char shown[CSV_SHOWN];
    snprintf(text, CSV_COLUMN, "column %zu%s%s", index, c->named ? " " : "",
             c->named ? csv_shown(c->first[index].text, shown) : "");
    return text;
}

static bool add(csv_columns *c, const csv_field *f) {
    if (c->count == c->room) {
        size_t room = c->room ? 2 * c->room : 16;
        csv_field *first = memory_reallocate(c->first, room * sizeof *first);
        if (!first) return false;
        c->first = first;
        c->room = room;
    }
    char *text = memory_reallocate(NULL, f->length + 1);
    if (!text) return false;
    memcpy(text, f->text, f->length + 1);
    c->first[c->count] = *f;
    c->first[c->count++].text = text;
    return true;
}

gradus_status csv_columns_read(csv_columns *c, const char *path, csv_reader *r, csv_field *f) {
    bool more;
    for (;;) {
        if (c->count == MOST_COLUMNS) return csv_fail(r, f, "there are more than %d columns", MOST_COLUMNS);
        if (!add(c, f)) return fail_out_of_memory(path);
        if (f->last) return GRADUS_OK;
        gradus_status status = csv_next(r, f, &more);
        if (status != GRADUS_OK) return status;
    }
}

void csv_columns_free(csv_columns *c) {
    for (size_t i = 0; i < c->count; i++) memory_free(c->first[i].text);
    memory_free(c->first);
    memory_free(c->roles);
    *c = (csv_columns){0};
}

static const char *column_name(const void *columns, size_t index) {
    return ((const csv_columns *)columns)->first[index].text;
}

/* A column by its name or, where none has it, by its number. */
static gradus_status find(const csv_columns *c, const char *path, const char *option, const char *word, size_t *index) {
    size_t found = 0;
    for (size_t i = 0; c->named && i < c->count; i++) {
        if (strcmp(c->first[i].text, word) != 0) continue;
        if (found++) {
            return fail(GRADUS_ERROR_ARGUMENT, "%s: %s: columns %zu and %zu are both called \"%.80s\": use the number",
                        path, option, *index, i, word);
        }
        *index = i;
    }
    if (found) return GRADUS_OK;
    int64_t number, n = (int64_t)c->count;
    if (number_i64(word, strlen(word), &number) == NUMBER_READ && number >= -n && number < n) {
        *index = (size_t)(number < 0 ? number + n : number);
        return GRADUS_OK;
    }
    char near[NEAR] = "";
    if (c->named) names_near(word, column_name, c, c->count, near, sizeof near);
    return fail(GRADUS_ERROR_NOT_FOUND, "%s: %s: no column is called \"%.80s\"%s; columns have the numbers 0 … %lld%s",
                path, option, word, near, (long long)n - 1, c->named ? "" : ", and no names without .header");
}

/* Gives the columns that a list names a role. */
static gradus_status mark(csv_columns *c, const char *path, const char *option, const char *list, unsigned char role) {
    char word[256];
    for (;;) {
        list += strspn(list, " \t");
        size_t length = strcspn(list, ","), n = length, index;
        while (n && (list[n - 1] == ' ' || list[n - 1] == '\t')) n--;
        if (n == 0 || n >= sizeof word) {
            return fail(GRADUS_ERROR_ARGUMENT, "%s: %s: a name of %zu bytes, expected 1 … %zu", path, option, n,
                        sizeof word - 1);
        }
        memcpy(word, list, n);
        word[n] = '\0';
        gradus_status status = find(c, path, option, word, &index);
        if (status != GRADUS_OK) return status;
        c->roles[index] = role;
        list += length;
        if (!*list) return GRADUS_OK;
        list++;
    }
}

gradus_status csv_columns_choose(csv_columns *c, const char *path, const gradus_csv_options *o) {
    size_t label = 0;
    gradus_status status = GRADUS_OK;
    c->named = o->header;
    c->roles = memory_reallocate(NULL, c->count);
    if (!c->roles) return fail_out_of_memory(path);
    memset(c->roles, o->columns ? CSV_SKIPPED : CSV_FEATURE, c->count);
    if (o->columns) status = mark(c, path, ".columns", o->columns, CSV_FEATURE);
    if (o->skip && status == GRADUS_OK) status = mark(c, path, ".skip", o->skip, CSV_SKIPPED);
    if (o->label && status == GRADUS_OK) status = find(c, path, ".label", o->label, &label);
    if (status != GRADUS_OK) return status;
    if (o->label) c->roles[label] = CSV_LABEL;
    for (size_t i = 0; i < c->count; i++) c->features += c->roles[i] == CSV_FEATURE;
    if (c->features) return GRADUS_OK;
    return fail(GRADUS_ERROR_ARGUMENT, "%s: no column is left for the features (the file has %zu)", path, c->count);
}
