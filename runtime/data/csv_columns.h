/* SPDX-License-Identifier: Apache-2.0
 * The columns of a table: how many there are, what they are called and what each is for. */
#ifndef GRADUS_RUNTIME_DATA_CSV_COLUMNS_H
#define GRADUS_RUNTIME_DATA_CSV_COLUMNS_H

#include "runtime/data/csv_reader.h"

#include <gradus/csv.h>

enum { CSV_FEATURE, CSV_LABEL, CSV_SKIPPED };

/* All zero is none. */
typedef struct {
    size_t count, room, features;
    bool named;
    csv_field *first;     /* the first record, its texts copied: names, or a row */
    unsigned char *roles; /* CSV_FEATURE, … of each */
} csv_columns;

/* Reads the rest of the first record, which begins with `field`. */
gradus_status csv_columns_read(csv_columns *columns, const char *path, csv_reader *reader, csv_field *field);

/* Finds the label and the features.  GRADUS_ERROR_NOT_FOUND: a column that is none, GRADUS_ERROR_ARGUMENT: no features,
 * or a name that two columns have. */
gradus_status csv_columns_choose(csv_columns *columns, const char *path, const gradus_csv_options *options);
void csv_columns_free(csv_columns *columns);

/* A column for messages, as "column 4 \"species\"". */
enum { CSV_COLUMN = 96 };
const char *csv_column(const csv_columns *columns, size_t index, char text[CSV_COLUMN]);

#endif
