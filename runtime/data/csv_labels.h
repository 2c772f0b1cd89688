/* SPDX-License-Identifier: Apache-2.0
 * The column of labels of a table: numbers, or names that become the numbers of classes. */
#ifndef GRADUS_RUNTIME_DATA_CSV_LABELS_H
#define GRADUS_RUNTIME_DATA_CSV_LABELS_H

#include "runtime/data/csv_reader.h"
#include "runtime/data/data.h"

/* Filled row by row.  All zero but for the first line is an empty one; `data` then belongs to whoever takes it. */
typedef struct {
    gradus_dtype dtype;
    const text_list *known; /* the only classes there may be, none where labels are numbers; NULL: all that come */
    bool guess;             /* whether they are names is not known: either all labels are numbers, or none is */
    bool names;             /* rather than numbers; with `guess` known after the first row */
    int64_t count;
    unsigned char *data; /* names: I32, the order of their first appearance, until csv_labels_finish */
    size_t capacity;
    text_list classes; /* in their order, and the place of each in the order of appearance */
    int32_t *appeared;
    size_t room;
} csv_labels;

/* Adds a row's label; `which` is its column as messages say it. */
gradus_status csv_labels_add(csv_labels *labels, const csv_reader *reader, const csv_field *field, const char *which);

/* Numbers the classes; data are then of `dtype`. */
gradus_status csv_labels_finish(csv_labels *labels, const char *path);
void csv_labels_free(csv_labels *labels);

#endif
