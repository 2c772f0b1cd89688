/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sets from tables of text: comma-separated values.
 *
 *     gradus_data_csv("iris.csv", gradus_csv_options(.header = true, .label = "species", .standardize = true), &data);
 *
 * A file is read as RFC 4180 has it: records end with LF, CRLF or CR, fields may stand in double quotes, within which
 * a quote is doubled and lines may end.  It may be compressed with gzip and may begin with UTF-8's byte order mark.  It must
 * be a regular file: a pipe, such as a shell's <(zcat t.csv.gz), is GRADUS_ERROR_IO.
 * Spaces and tabs around a field do not count, nor do empty lines at the end; within quotes they do.
 *
 * Columns are named by their name in the header or, where none has that, by their number: "0" is the first, "-1" the last.
 *
 * A test set is read like its training set, so that classes have the same numbers and features the same scale:
 *
 *     gradus_data_csv("test.csv", gradus_csv_options(.header = true, .label = "species", .like = train), &test);
 */
#ifndef GRADUS_CSV_H
#define GRADUS_CSV_H

#include <gradus/data.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero means the default. */
typedef struct {
    size_t size_;
    bool header;              /* the first record has the columns' names */
    char delimiter;           /* between fields: ',' */
    const char *label;        /* the column of labels; NULL: none */
    gradus_dtype label_dtype; /* I32, or that of `like`; F32 and F64: labels are numbers, unless label_names says that they are names */
    bool label_names;         /* labels are names of classes even where they look like numbers */
    bool standardize;         /* features with mean 0 and variance 1 */
    bool missing; /* a feature that is empty, "?", NA, N/A, NaN, null or infinite is a NaN; default: an error */
    const char *columns;      /* the features, separated by commas: "age, height"; NULL: all columns but the label */
    const char *skip;         /* columns that are no features, separated by commas */
    const gradus_data *like;  /* a data set of the same columns: the training set, where this is the test set */
    uint64_t reserved_[4];    /* zero */
} gradus_csv_options;
#define gradus_csv_options(...) GRADUS_OPTIONS_(gradus_csv_options, __VA_ARGS__)

/* Reads a table; `options` may be NULL.  The first tensor is the features, F32 (rows, columns) in the file's order, the
 * second the labels, (rows).  Thread-safe.
 *
 * Numbers are decimal, "-1.5e3", with a point in every locale, and rounded to nearest; there is no infinity.
 *
 * Labels are numbers where label_dtype is F32 or F64, and names of classes with label_names.  Where neither is said, all rows
 * decide: labels are numbers if all of them are, names if none is, and anything else is an error, such as an NA, which may be
 * a missing label or a name.  The log (level 2) says what was taken.  For an integer dtype numbers must be integers within its range
 * ("1.0" counts as one).  Classes are numbered from 0 on in the order of their bytes ("setosa" 0, "versicolor" 1), whatever order
 * the rows have, and gradus_data_classes tells the names.  A label is never missing nor infinite.
 *
 * With `standardize` a feature is (x - mean) / deviation over all rows of the file, deviation being the root of the
 * mean square (divided by the number of rows, not one less).  A column of equal values becomes 0, and its deviation
 * counts as 1.  Missing values are no part of mean and deviation and become 0, the mean.  Rows that are later split off
 * for testing have been part of them.
 *
 * With `like`, names and numbers of classes are that data set's, and without label_dtype the labels' dtype; and the features are standardised with its means and
 * deviations if it is.  Its feature columns must have the same number and names.
 *
 * GRADUS_ERROR_NOT_FOUND (file, column), GRADUS_ERROR_IO, GRADUS_ERROR_ARGUMENT (options), GRADUS_ERROR_MEMORY,
 * GRADUS_ERROR_MISMATCH (`like`).  GRADUS_ERROR_FORMAT: the message begins with "file:line:byte" (of the line, both from
 * 1) and tells column and text.  Memory grows with what arrives. */
GRADUS_API gradus_status gradus_data_csv(const char *path, const gradus_csv_options *options, gradus_data **data);

/* The names of the classes in the order of their numbers; returns how many, 0 where labels are no names.  Names are
 * the data set's. */
GRADUS_API int64_t gradus_data_classes(const gradus_data *data, const char *const **names);

/* The names of the feature columns; returns how many, 0 where the file has no header. */
GRADUS_API int64_t gradus_data_names(const gradus_data *data, const char *const **names);

/* What features were standardised with: x was made (x - means[i]) / deviations[i].  Returns how many columns, 0 where
 * the data set is not standardised.  Both are the data set's. */
GRADUS_API int64_t gradus_data_scaling(const gradus_data *data, const double **means, const double **deviations);

#ifdef __cplusplus
}
#endif
#endif
