/* SPDX-License-Identifier: Apache-2.0
 * Fields of separated values (RFC 4180).  See csv_reader.h. */
#include "runtime/data/csv_reader.h"

#include "runtime/data/stream.h"

#include "runtime/formats.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>

enum { WINDOW = 1 << 16, LONGEST_FIELD = 1 << 20, END = -1, BROKEN = -2 };

struct csv_reader {
    stream *s;
    const char *path;
    unsigned char delimiter;
    bool inside;        /* a record has begun */
    bool after_return;  /* the last byte was a CR, so that an LF belongs to it */
    int64_t line, byte; /* of the byte that comes next */
    size_t at, got;     /* in the window */
    char *text;         /* of the field */
    size_t length, room;
    gradus_status status; /* of reading the file */
    unsigned char window[WINDOW];
};

gradus_status csv_fail(const csv_reader *r, const csv_field *f, const char *format, ...) {
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return fail(GRADUS_ERROR_FORMAT, "%s:%lld:%lld: %s", r->path, (long long)f->line, (long long)f->byte, message);
}

const char *csv_shown(const char *text, char shown[CSV_SHOWN]) {
    static const char more[] = "…";
    size_t most = CSV_SHOWN - sizeof more - 2, n = strnlen(text, most + 1);
    bool cut = n > most;
    if (cut)
        for (n = most; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;) n--; /* not within a character of UTF-8 */
    shown[0] = '"';
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        shown[i + 1] = c < ' ' || c == 0x7f ? '?' : (char)c;
    }
    snprintf(shown + n + 1, CSV_SHOWN - n - 1, "%s\"", cut ? more : "");
    return shown;
}

csv_meaning csv_meaning_of(const csv_field *f) {
    static const char *const missing[] = {"", "?", "na", "n/a", "null"}, *const infinite[] = {"inf", "infinity"};
    const char *word = f->text;
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        if (strcasecmp(word, missing[i]) == 0) return CSV_MISSING;
    if (*word == '-' || *word == '+') word++;
    if (strcasecmp(word, "nan") == 0) return CSV_MISSING;
    for (size_t i = 0; i < sizeof infinite / sizeof *infinite; i++)
        if (strcasecmp(word, infinite[i]) == 0) return CSV_INFINITE;
    return CSV_WORDS;
}

static gradus_status fill(csv_reader *r) {
    r->at = 0;
    return stream_read(r->s, r->window, WINDOW, &r->got);
}

gradus_status csv_open(const char *path, char delimiter, csv_reader **reader) {
    *reader = NULL;
    stream *s;
    gradus_status status = stream_open(path, &s);
    if (status != GRADUS_OK) return status;
    csv_reader *r = memory_reallocate(NULL, sizeof *r);
    if (!r) {
        stream_close(s);
        return fail_out_of_memory(path);
    }
    memset(r, 0, offsetof(csv_reader, window));
    r->s = s;
    r->path = path;
    r->delimiter = (unsigned char)delimiter;
    r->line = r->byte = 1;
    status = fill(r);
    if (status != GRADUS_OK) {
        csv_close(r);
        return status;
    }
    const char *what = format_of(r->window, r->got < FORMAT_BYTES ? r->got : FORMAT_BYTES);
    if (what) {
        status = csv_fail(r, &(csv_field){.line = 1, .byte = 1},
                          "this is %s; expected a table of text in UTF-8 or ASCII", what);
        csv_close(r);
        return status;
    }
    if (r->got >= 3 && memcmp(r->window, "\xef\xbb\xbf", 3) == 0) r->at = 3; /* the byte order mark of UTF-8 */
    *reader = r;
    return GRADUS_OK;
}

void csv_close(csv_reader *r) {
    if (!r) return;
    stream_close(r->s);
    memory_free(r->text);
    memory_free(r);
}

/* The next byte, which it steps over; END, or BROKEN after an error, which stays.  Outside of quotes an end of line is '\n',
 * however it is written; within, bytes stay what they are. */
static int take(csv_reader *r, bool quoted) {
    for (;;) {
        if (r->at == r->got) {
            if (r->status == GRADUS_OK) r->status = fill(r);
            if (r->status != GRADUS_OK) return BROKEN;
            if (r->got == 0) return END;
        }
        int c = r->window[r->at++];
        bool second = c == '\n' && r->after_return;
        r->after_return = c == '\r';
        if (!second && (c == '\n' || c == '\r')) r->line++, r->byte = 1;
        else if (!second) r->byte++;
        if (quoted) return c;
        if (!second) return c == '\r' ? '\n' : c;
    }
}

static gradus_status append(csv_reader *r, const csv_field *f, int c) {
    if (c == '\0') {
        csv_field here = {.line = r->line, .byte = r->byte - 1};
        return csv_fail(r, &here, "a byte of 0: expected text in UTF-8 or ASCII");
    }
    if (r->length == LONGEST_FIELD) {
        return csv_fail(r, f, "the field that begins here is longer than %d bytes%s", LONGEST_FIELD,
                        f->quoted ? ": is its closing quote missing?" : "");
    }
    if (r->length + 1 >= r->room) {
        size_t room = r->room ? 2 * r->room : 256;
        char *text = memory_reallocate(r->text, room);
        if (!text) return fail_out_of_memory(r->path);
        r->text = text;
        r->room = room;
    }
    r->text[r->length++] = (char)c;
    return GRADUS_OK;
}

static bool ends(const csv_reader *r, int c) { return c == r->delimiter || c == '\n' || c < 0; }

static bool is_blank(const csv_reader *r, int c) { return (c == ' ' || c == '\t') && c != r->delimiter; }

/* What stands in quotes, from after the first on; *c becomes what follows the field. */
static gradus_status read_quoted(csv_reader *r, const csv_field *f, int *c) {
    gradus_status status = GRADUS_OK;
    for (;;) {
        *c = take(r, true);
        if (*c == END) return csv_fail(r, f, "the quote that begins here is never closed");
        if (*c == '"' && (*c = take(r, false)) != '"') break;
        if (*c == BROKEN) return r->status;
        status = append(r, f, *c);
        if (status != GRADUS_OK) return status;
    }
    while (is_blank(r, *c)) *c = take(r, false);
    if (ends(r, *c)) return GRADUS_OK;
    csv_field here = {.line = r->line, .byte = r->byte - 1};
    return csv_fail(r, &here,
                    "expected \"%c\" or the end of the line after a closing quote (a quote within is doubled)",
                    r->delimiter);
}

static gradus_status read_bare(csv_reader *r, const csv_field *f, int *c) {
    gradus_status status = GRADUS_OK;
    for (; status == GRADUS_OK && !ends(r, *c); *c = take(r, false)) status = append(r, f, *c);
    while (r->length && is_blank(r, r->text[r->length - 1])) r->length--;
    return status;
}

gradus_status csv_next(csv_reader *r, csv_field *f, bool *more) {
    int c;
    r->length = 0;
    do {
        *f = (csv_field){.line = r->line, .byte = r->byte};
        c = take(r, false);
    } while (is_blank(r, c));
    *more = c != END || r->inside;
    if (!*more) return r->status;
    f->quoted = c == '"';
    gradus_status status = f->quoted ? read_quoted(r, f, &c) : read_bare(r, f, &c);
    if (status == GRADUS_OK) status = r->status;
    if (status == GRADUS_OK && r->length == 0) status = append(r, f, ' '), r->length = 0; /* there is a text */
    if (status != GRADUS_OK) return status;
    r->text[r->length] = '\0';
    f->text = r->text;
    f->length = r->length;
    f->last = c != r->delimiter;
    r->inside = !f->last;
    return GRADUS_OK;
}
