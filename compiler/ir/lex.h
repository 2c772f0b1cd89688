/* SPDX-License-Identifier: Apache-2.0
 *
 * The words of the text form.  The first error sticks: it goes to gradus_last_error() with its place, and from then on
 * every token is the end, so that a parser's loops end by themselves.
 */
#ifndef GRADUS_IR_LEX_H
#define GRADUS_IR_LEX_H

#include "base/memory.h"
#include "runtime/support.h"

typedef enum {
    TOKEN_END,
    TOKEN_LINE,   /* one or more ends of line; none inside parentheses and braces */
    TOKEN_LABEL,  /* %name: letters, digits, _ and . */
    TOKEN_WORD,   /* a letter or _, then what a label may have */
    TOKEN_NUMBER, /* a digit, + or -, then letters, digits and . + - */
    TOKEN_STRING, /* "…" */
    TOKEN_MARK,   /* one of = : , @ ( ) { } */
} token_kind;

typedef struct {
    token_kind kind;
    const char *start;
    size_t length;
    int line, column; /* from 1; columns count bytes */
} token;

typedef struct {
    const char *name; /* of the text, for messages */
    const char *at, *end, *line_start;
    int line, depth;
    token now; /* the token that is looked at */
    bool failed;
} lexer;

void lex_start(lexer *l, const char *name, const char *text, size_t length);
void lex_next(lexer *l);

/* Sets the error, at a token's place, unless there is one.  Returns false. */
bool lex_fail(lexer *l, const token *where, const char *format, ...) PRINTF_LIKE(3, 4);
bool lex_expected(lexer *l, const char *what); /* "expected WHAT, found …" at the token that is looked at */

/* Takes the token that is looked at if it is that mark, word or kind; `expect` fails where it is not. */
bool lex_is(const lexer *l, const char *mark_or_word);
bool lex_accept(lexer *l, const char *mark_or_word);
bool lex_expect(lexer *l, const char *mark_or_word);
bool lex_expect_line(lexer *l); /* the end of the line or of the text */

/* A number from 0 to `high`. */
bool lex_number(lexer *l, const char *what, int64_t high, int64_t *number);

/* A string without its quotes and escapes, in the arena.  Needs a guard. */
bool lex_string(lexer *l, arena *memory, const char *what, const char **string);

#endif
