/* SPDX-License-Identifier: Apache-2.0
 * How the runtime's messages speak of names and tensors.  See names.h. */
#include "runtime/names.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum { LONGEST = 128, NAMED = 4, NAMED_OF_ALL = 8, SEARCHED = 4096 };

/* Levenshtein's distance of the first LONGEST characters. */
static size_t distance(const char *a, const char *b) {
    size_t n = strnlen(a, LONGEST), m = strnlen(b, LONGEST), row[LONGEST + 1];
    for (size_t j = 0; j <= m; j++) row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[m];
}

/* How far a name is from a wrong one: half of a name, or a third of its characters, still counts as near. */
static size_t farness(const char *wrong, const char *name) {
    size_t length = strnlen(wrong, LONGEST), far = distance(wrong, name);
    if (length >= 3 && (strstr(name, wrong) || (*name && strstr(wrong, name)))) return far < length ? far : length;
    return far <= length / 3 + 1 ? far : SIZE_MAX;
}

void message_put(message *m, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(m->text + m->used, m->size - m->used, format, arguments);
    va_end(arguments);
    size_t room = m->size - m->used - 1;
    m->used += n > 0 && (size_t)n < room ? (size_t)n : n > 0 ? room : 0;
}

const char *names_nearest(const char *wrong, const char *(*name)(const void *list, size_t index), const void *list,
                          size_t count) {
    size_t nearest = SIZE_MAX;
    const char *found = NULL;
    for (size_t i = 0; i < count && i < SEARCHED; i++) {
        size_t f = farness(wrong, name(list, i));
        if (f < nearest) nearest = f, found = name(list, i);
    }
    return found;
}

void names_near(const char *wrong, const char *(*name)(const void *list, size_t index), const void *list, size_t count,
                char *text, size_t size) {
    size_t near[NAMED], far[NAMED], n = 0;
    message m = {text, size, 0};
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t f = farness(wrong, name(list, i)), at = n;
        while (at > 0 && far[at - 1] > f) at--;
        if (f == SIZE_MAX || at == NAMED) continue;
        if (n < NAMED) n++;
        memmove(near + at + 1, near + at, (n - at - 1) * sizeof *near);
        memmove(far + at + 1, far + at, (n - at - 1) * sizeof *far);
        near[at] = i;
        far[at] = f;
    }
    for (size_t i = 0; i < n; i++)
        message_put(&m, "%s\"%s\"", i ? ", " : n == 1 ? "; near is " : "; near are ", name(list, near[i]));
    if (n > 0) return;
    for (size_t i = 0; i < count && i < NAMED_OF_ALL; i++) {
        message_put(&m, "%s\"%s\"", i ? ", " : count == 1 ? "; there is " : "; there are ", name(list, i));
    }
    if (count > NAMED_OF_ALL) message_put(&m, " and %zu more", count - NAMED_OF_ALL);
}

void shape_in_words(const gradus_shape *shape, char text[SHAPE_TEXT]) {
    message m = {text, SHAPE_TEXT, 0};
    message_put(&m, "(");
    for (int64_t i = 1; i <= shape->d[0] && i <= GRADUS_MAX_RANK; i++) {
        int64_t d = shape->d[i];
        if (i > 1) message_put(&m, ", ");
        if (d == -1) message_put(&m, "B");
        else if (d < 0) message_put(&m, "%" PRId64 "*B", -d);
        else message_put(&m, "%" PRId64, d);
    }
    message_put(&m, ")");
}

void place_in_words(const gradus_shape *shape, int64_t batch, int64_t position, char text[PLACE_TEXT]) {
    message m = {text, PLACE_TEXT, 0};
    char of[SHAPE_TEXT];
    gradus_shape at = *shape, extents = *shape;
    text[0] = '\0';
    for (int64_t i = extents.d[0]; i > 0; i--) {
        if (extents.d[i] < 0) extents.d[i] *= -batch;
        at.d[i] = position % extents.d[i]; /* no extent is 0 where there is an element */
        position /= extents.d[i];
    }
    if (extents.d[0] == 0) return;
    message_put(&m, " at [");
    for (int64_t i = 1; i <= at.d[0]; i++) message_put(&m, "%s%" PRId64, i > 1 ? ", " : "", at.d[i]);
    shape_in_words(&extents, of);
    message_put(&m, "] of %s", of);
}
