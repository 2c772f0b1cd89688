/* SPDX-License-Identifier: Apache-2.0
 * The words of the text form.  See lex.h. */
#include "ir/lex.h"

#include <limits.h>
#include <stdarg.h>
#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_word(char c) { return is_letter(c) || is_digit(c) || c == '.'; }
static bool is_number(char c) { return is_word(c) || c == '+' || c == '-'; }

static const char *skip(const lexer *l, const char *from, bool (*belongs)(char)) {
    while (from < l->end && belongs(*from)) from++;
    return from;
}

bool lex_fail(lexer *l, const token *where, const char *format, ...) {
    if (l->failed) return false;
    char why[1536];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    fail(GRADUS_ERROR_FORMAT, "%s:%d:%d: %s", l->name, where->line, where->column, why);
    l->failed = true;
    l->now.kind = TOKEN_END;
    l->now.length = 0;
    return false;
}

bool lex_expected(lexer *l, const char *what) {
    char found[40];
    const token now = l->now;
    if (now.kind == TOKEN_END) return lex_fail(l, &now, "expected %s, found the end of the text", what);
    if (now.kind == TOKEN_LINE) return lex_fail(l, &now, "expected %s, found the end of the line", what);
    const size_t length = now.length < sizeof found - 4 ? now.length : sizeof found - 4;
    for (size_t i = 0; i < length; i++) found[i] = now.start[i] >= ' ' && now.start[i] < 0x7f ? now.start[i] : '?';
    strcpy(found + length, length < now.length ? "..." : "");
    return lex_fail(l, &now, "expected %s, found %s", what, found);
}

static void new_line(lexer *l) {
    l->at++;
    l->line += l->line < INT_MAX;
    l->line_start = l->at;
}

/* Blanks, comments, and ends of line where they mean nothing.  True at an end of line that means something. */
static bool skip_blanks(lexer *l) {
    while (l->at < l->end) {
        const char c = *l->at;
        if (c == '\n' && l->depth == 0) return true;
        if (c == '\n') {
            new_line(l);
        } else if (c == '#') {
            const char *line = memchr(l->at, '\n', (size_t)(l->end - l->at));
            l->at = line ? line : l->end;
        } else if (c == ' ' || c == '\t' || c == '\r') {
            l->at++;
        } else {
            break;
        }
    }
    return false;
}

static bool scan_string(lexer *l) {
    const char *s = l->at + 1;
    while (s < l->end && *s != '"' && *s != '\n') s += *s == '\\' && s + 1 < l->end && s[1] != '\n' ? 2 : 1;
    if (s >= l->end || *s != '"') return lex_fail(l, &l->now, "expected a \" that ends the string on its line");
    l->now.kind = TOKEN_STRING;
    l->at = s + 1;
    return true;
}

static int column_of(const lexer *l) {
    const ptrdiff_t column = l->at - l->line_start + 1;
    return column < INT_MAX ? (int)column : INT_MAX;
}

void lex_next(lexer *l) {
    if (l->failed) return;
    const bool line = skip_blanks(l);
    const char *start = l->at;
    l->now = (token){.start = start, .line = l->line, .column = column_of(l)};
    if (start == l->end) return;
    if (line) {
        l->now.kind = TOKEN_LINE;
        while (l->at < l->end && skip_blanks(l)) new_line(l);
        return;
    }
    const char c = *start;
    if (is_letter(c)) {
        l->now.kind = TOKEN_WORD;
        l->at = skip(l, start, is_word);
    } else if (is_digit(c) || c == '-' || c == '+') {
        l->now.kind = TOKEN_NUMBER;
        l->at = skip(l, start, is_number);
    } else if (c == '%') {
        l->now.kind = TOKEN_LABEL;
        l->at = skip(l, start + 1, is_word);
        if (l->at == start + 1) lex_fail(l, &l->now, "expected a label's name behind %%");
    } else if (c == '"') {
        if (!scan_string(l)) return;
    } else if (c != '\0' && strchr("=:,@(){}", c)) {
        l->now.kind = TOKEN_MARK;
        l->depth += c == '(' || c == '{';
        l->depth -= (c == ')' || c == '}') && l->depth > 0;
        l->at++;
    } else {
        lex_fail(l, &l->now, "expected no character of code %u here", (unsigned)(unsigned char)c);
    }
    if (!l->failed) l->now.length = (size_t)(l->at - start);
}

void lex_start(lexer *l, const char *name, const char *text, size_t length) {
    static const char mark[] = "\xef\xbb\xbf"; /* of the order of bytes, which editors on Windows put before UTF-8 */
    if (length >= 3 && memcmp(text, mark, 3) == 0) text += 3, length -= 3;
    *l = (lexer){.name = name, .at = text, .end = text + length, .line_start = text, .line = 1};
    lex_next(l);
    if (l->now.kind == TOKEN_LINE) lex_next(l);
}

bool lex_is(const lexer *l, const char *word) {
    return (l->now.kind == TOKEN_MARK || l->now.kind == TOKEN_WORD) && l->now.length == strlen(word) &&
           memcmp(l->now.start, word, l->now.length) == 0;
}

bool lex_accept(lexer *l, const char *word) {
    if (!lex_is(l, word)) return false;
    lex_next(l);
    return true;
}

bool lex_expect(lexer *l, const char *word) {
    char what[40];
    if (lex_accept(l, word)) return !l->failed;
    snprintf(what, sizeof what, "\"%s\"", word);
    return lex_expected(l, what);
}

bool lex_expect_line(lexer *l) {
    if (l->now.kind == TOKEN_LINE) lex_next(l);
    else if (l->now.kind != TOKEN_END) return lex_expected(l, "the end of the line");
    return !l->failed;
}

bool lex_number(lexer *l, const char *what, int64_t high, int64_t *number) {
    int64_t value = 0;
    if (l->now.kind != TOKEN_NUMBER) return lex_expected(l, what);
    for (size_t i = 0; i < l->now.length; i++) {
        const char c = l->now.start[i];
        if (!is_digit(c)) return lex_expected(l, what);
        if (value > (high - (c - '0')) / 10)
            return lex_fail(l, &l->now, "expected %s of at most %lld", what, (long long)high);
        value = value * 10 + (c - '0');
    }
    *number = value;
    lex_next(l);
    return !l->failed;
}

static int hex_digit(const char *s, const char *end) {
    static const char digits[] = "0123456789abcdef";
    const char *digit = s < end && *s ? strchr(digits, *s) : NULL;
    return digit ? (int)(digit - digits) : -1;
}

/* What stands behind a backslash; -1 where nothing known does. */
static int escape(const char **at, const char *end) {
    const char c = *(*at)++;
    if (c == '"' || c == '\\') return c;
    if (c == 'n') return '\n';
    if (c == 't') return '\t';
    if (c != 'x') return -1;
    const int high = hex_digit(*at, end), low = high < 0 ? -1 : hex_digit(*at + 1, end);
    *at += 2;
    return low < 0 || high + low == 0 ? -1 : high * 16 + low;
}

bool lex_string(lexer *l, arena *memory, const char *what, const char **string) {
    if (l->now.kind != TOKEN_STRING) return lex_expected(l, what);
    const char *s = l->now.start + 1, *end = l->now.start + l->now.length - 1;
    char *plain = arena_alloc(memory, l->now.length), *to = plain;
    while (s < end) {
        const unsigned char c = (unsigned char)*s++;
        int value = c;
        if (c == '\\') value = escape(&s, end);
        else if (c < ' ' || c == 0x7f) value = -1;
        if (value < 0)
            return lex_fail(l, &l->now, "expected plain characters, \\\", \\\\, \\n, \\t and \\x01 to \\xff in %s",
                            what);
        *to++ = (char)value;
    }
    *string = plain;
    lex_next(l);
    return !l->failed;
}
