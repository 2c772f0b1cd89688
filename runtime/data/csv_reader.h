/* SPDX-License-Identifier: Apache-2.0
 * The fields of a file of separated values, one after the other, with their places.  What a field means is csv.c's. */
#ifndef GRADUS_RUNTIME_DATA_CSV_READER_H
#define GRADUS_RUNTIME_DATA_CSV_READER_H

#include "runtime/support.h"

typedef struct {
    char *text; /* '\0' behind it, none in it; without quotes and blanks around; the reader's, until the next field */
    size_t length;
    int64_t line, byte; /* of its begin in the file and in the line, from 1 */
    bool quoted;
    bool last; /* of its record */
} csv_field;

typedef struct csv_reader csv_reader;

/* GRADUS_ERROR_NOT_FOUND, GRADUS_ERROR_IO, GRADUS_ERROR_FORMAT (compressed data), GRADUS_ERROR_MEMORY. */
gradus_status csv_open(const char *path, char delimiter, csv_reader **reader);
void csv_close(csv_reader *reader); /* takes NULL */

/* The next field; *more is false after the last.  An empty line is a record of one empty field. */
gradus_status csv_next(csv_reader *reader, csv_field *field, bool *more);

/* What a field says that is no number: a missing value ("", "?", NA, N/A, NaN, null), an infinity (inf, -Infinity), something
 * else.  Letters count alike in both cases. */
typedef enum { CSV_WORDS, CSV_MISSING, CSV_INFINITE } csv_meaning;
csv_meaning csv_meaning_of(const csv_field *field);

/* Sets GRADUS_ERROR_FORMAT with "path:line:byte: " in front. */
gradus_status csv_fail(const csv_reader *reader, const csv_field *field, const char *format, ...) PRINTF_LIKE(3, 4);

/* The beginning of a text in quotes, as messages show it. */
enum { CSV_SHOWN = 64 };
const char *csv_shown(const char *text, char shown[CSV_SHOWN]);

#endif
