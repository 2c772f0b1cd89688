/* SPDX-License-Identifier: Apache-2.0
 * The column of labels of a table.  See csv_labels.h. */
#include "runtime/data/csv_labels.h"

#include "runtime/data/number.h"
#include "runtime/names.h"

#include <string.h>

enum { MOST_CLASSES = 1 << 16, NEAR = 400 };

/* False where an integer is out of a dtype's range; the floats take any. */
static bool put_integer(gradus_dtype dtype, int64_t value, void *at) {
    switch (dtype) {
    case GRADUS_F32: memcpy(at, &(float){(float)value}, sizeof(float)); return true;
    case GRADUS_F64: memcpy(at, &(double){(double)value}, sizeof(double)); return true;
    case GRADUS_I64: memcpy(at, &value, sizeof value); return true;
    case GRADUS_I32: memcpy(at, &(int32_t){(int32_t)value}, sizeof(int32_t)); return value == (int32_t)value;
    case GRADUS_U8: memcpy(at, &(uint8_t){(uint8_t)value}, 1); return value == (uint8_t)value;
    case GRADUS_BOOL: memcpy(at, &(uint8_t){value != 0}, 1); return value == 0 || value == 1;
    }
    return false;
}

static number_result put_number(gradus_dtype dtype, const csv_field *f, void *at) {
    float narrow;
    double wide;
    int64_t whole;
    number_result result;
    if (dtype == GRADUS_F32) {
        result = number_f32(f->text, f->length, &narrow);
        if (result == NUMBER_READ) memcpy(at, &narrow, sizeof narrow);
    } else if (dtype == GRADUS_F64) {
        result = number_f64(f->text, f->length, &wide);
        if (result == NUMBER_READ) memcpy(at, &wide, sizeof wide);
    } else {
        result = number_i64(f->text, f->length, &whole);
        if (result == NUMBER_READ && !put_integer(dtype, whole, at)) result = NUMBER_TOO_LARGE;
    }
    return result;
}

/* A label of numbers that is none. */
static gradus_status no_number(const csv_labels *l, const csv_reader *r, const csv_field *f, const char *which) {
    char shown[CSV_SHOWN];
    csv_shown(f->text, shown);
    if (l->known) return csv_fail(r, f, "%s: the label %s is no number, those of .like are", which, shown);
    switch (csv_meaning_of(f)) {
    case CSV_MISSING:
        return csv_fail(r, f,
                        "%s: the label %s is a missing value, which .missing allows in features alone: leave the row "
                        "out; if it is the name of a class, set .label_names",
                        which, shown);
    case CSV_INFINITE:
        return csv_fail(r, f,
                        "%s: the label %s is infinite, but labels are finite numbers: leave the row out; if it is the "
                        "name of a class, set .label_names",
                        which, shown);
    case CSV_WORDS: break;
    }
    return csv_fail(r, f,
                    "%s: the label %s is no number, as a .label_dtype of %s asks for; for names of classes set "
                    ".label_names",
                    which, shown, gradus_dtype_name(l->dtype));
}

/* Nobody said whether labels are names.  All must be of one kind; what may be a name or not is none for a guess. */
static gradus_status look(csv_labels *l, const csv_reader *r, const csv_field *f, const char *which) {
    char shown[CSV_SHOWN];
    double number;
    bool name = number_f64(f->text, f->length, &number) == NUMBER_NONE;
    if (name && csv_meaning_of(f) != CSV_WORDS) return no_number(l, r, f, which);
    if (l->count == 0) l->names = name;
    if (l->names == name) return GRADUS_OK;
    return csv_fail(r, f, "%s: the label %s is %s; for names of classes set .label_names", which,
                    csv_shown(f->text, shown),
                    name ? "no number, those before are" : "a number, those before are none");
}

static gradus_status add_number(csv_labels *l, const csv_reader *r, const csv_field *f, const char *which) {
    char shown[CSV_SHOWN];
    size_t size = gradus_dtype_size(l->dtype);
    switch (put_number(l->dtype, f, l->data + (size_t)l->count * size)) {
    case NUMBER_READ: return GRADUS_OK;
    case NUMBER_NONE: return no_number(l, r, f, which);
    case NUMBER_TOO_LARGE:
        return csv_fail(r, f, "%s: the label %s is out of the range of %s", which, csv_shown(f->text, shown),
                        gradus_dtype_name(l->dtype));
    case NUMBER_FRACTION: break;
    }
    return csv_fail(r, f, "%s: the label %s is no integer; for numbers like these set .label_dtype to GRADUS_F32",
                    which, csv_shown(f->text, shown));
}

/* The place of a name among sorted ones, or where it would be. */
static size_t place_of(const text_list *sorted, const char *name, bool *there) {
    size_t low = 0, high = sorted->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(sorted->items[middle], name) < 0) low = middle + 1;
        else high = middle;
    }
    *there = low < sorted->count && strcmp(sorted->items[low], name) == 0;
    return low;
}

static gradus_status add_class(csv_labels *l, const csv_reader *r, const csv_field *f, const char *which, size_t at) {
    char shown[CSV_SHOWN], near[NEAR];
    if (l->known) {
        names_near(f->text, text_list_name, l->known, l->known->count, near, sizeof near);
        return csv_fail(r, f, "%s: %s is none of the classes of .like%s", which, csv_shown(f->text, shown), near);
    }
    if (l->classes.count == MOST_CLASSES) {
        return csv_fail(r, f, "%s: there are more than %d classes: is this the column of labels?", which, MOST_CLASSES);
    }
    if (l->classes.count == l->room) {
        size_t room = l->room ? 2 * l->room : 16;
        int32_t *appeared = memory_reallocate(l->appeared, room * sizeof *appeared);
        if (!appeared) return fail_out_of_memory(which);
        l->appeared = appeared;
        l->room = room;
    }
    if (!text_list_insert(&l->classes, at, f->text, f->length)) return fail_out_of_memory(which);
    memmove(l->appeared + at + 1, l->appeared + at, (l->classes.count - 1 - at) * sizeof *l->appeared);
    l->appeared[at] = (int32_t)l->classes.count - 1;
    return GRADUS_OK;
}

static gradus_status add_name(csv_labels *l, const csv_reader *r, const csv_field *f, const char *which) {
    bool there;
    size_t at = place_of(l->known ? l->known : &l->classes, f->text, &there);
    gradus_status status = there ? GRADUS_OK : add_class(l, r, f, which, at);
    if (status != GRADUS_OK) return status;
    int32_t number = l->known ? (int32_t)at : l->appeared[at];
    memcpy(l->data + (size_t)l->count * sizeof number, &number, sizeof number);
    return GRADUS_OK;
}

gradus_status csv_labels_add(csv_labels *l, const csv_reader *r, const csv_field *f, const char *which) {
    if (f->length == 0) return csv_fail(r, f, "%s: the label is missing", which);
    gradus_status status = l->guess ? look(l, r, f, which) : GRADUS_OK;
    if (status != GRADUS_OK) return status;
    size_t size = gradus_dtype_size(l->names ? GRADUS_I32 : l->dtype);
    if (!data_reserve(&l->data, &l->capacity, ((size_t)l->count + 1) * size, SIZE_MAX))
        return fail_out_of_memory(which);
    status = l->names ? add_name(l, r, f, which) : add_number(l, r, f, which);
    l->count += status == GRADUS_OK;
    return status;
}

gradus_status csv_labels_finish(csv_labels *l, const char *path) {
    if (!l->names) return GRADUS_OK;
    size_t size = gradus_dtype_size(l->dtype), n = l->known ? l->known->count : l->classes.count;
    unsigned char *data = memory_reallocate(NULL, (size_t)l->count * size);
    int32_t *number = memory_reallocate(NULL, n * sizeof *number);
    gradus_status status = data && number ? GRADUS_OK : fail_out_of_memory(path);
    for (size_t i = 0; status == GRADUS_OK && i < n; i++) number[l->known ? i : (size_t)l->appeared[i]] = (int32_t)i;
    for (int64_t i = 0; status == GRADUS_OK && i < l->count; i++) {
        int32_t id;
        memcpy(&id, l->data + (size_t)i * sizeof id, sizeof id);
        if (put_integer(l->dtype, number[id], data + (size_t)i * size)) continue;
        status = fail(GRADUS_ERROR_FORMAT, "%s: %zu classes are more than labels of dtype %s can tell apart", path, n,
                      gradus_dtype_name(l->dtype));
    }
    memory_free(number);
    memory_free(status == GRADUS_OK ? l->data : data);
    if (status == GRADUS_OK) l->data = data;
    return status;
}

void csv_labels_free(csv_labels *l) {
    memory_free(l->data);
    memory_free(l->appeared);
    text_list_free(&l->classes);
}
