/* SPDX-License-Identifier: Apache-2.0
 * Reads prototypes of C functions.  See prototype.h. */
#include "ir/prototype.h"

#include "ir/literal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *spelling;
    int32_t type;
    bool is_unsigned;
} c_type;

enum { LONG = sizeof(long) == 8 ? GRADUS_I64 : GRADUS_I32, WORD = sizeof(size_t) == 8 ? GRADUS_I64 : GRADUS_I32 };

/* Specifiers in the order in which people write them; qualifiers are taken out before. */
static const c_type types[] = {
    {"float", GRADUS_F32, false},
    {"double", GRADUS_F64, false},
    {"int", GRADUS_I32, false},
    {"int32_t", GRADUS_I32, false},
    {"signed", GRADUS_I32, false},
    {"signed int", GRADUS_I32, false},
    {"gradus_status", GRADUS_I32, false},
    {"unsigned", GRADUS_I32, true},
    {"unsigned int", GRADUS_I32, true},
    {"uint32_t", GRADUS_I32, true},
    {"int64_t", GRADUS_I64, false},
    {"uint64_t", GRADUS_I64, true},
    {"long", LONG, false},
    {"long int", LONG, false},
    {"unsigned long", LONG, true},
    {"unsigned long int", LONG, true},
    {"long long", GRADUS_I64, false},
    {"long long int", GRADUS_I64, false},
    {"unsigned long long", GRADUS_I64, true},
    {"unsigned long long int", GRADUS_I64, true},
    {"size_t", WORD, true},
    {"uintptr_t", WORD, true},
    {"ptrdiff_t", WORD, false},
    {"ssize_t", WORD, false},
    {"intptr_t", WORD, false},
    {"uint8_t", GRADUS_U8, false},
    {"unsigned char", GRADUS_U8, false},
    {"bool", GRADUS_BOOL, false},
    {"_Bool", GRADUS_BOOL, false},
    {"void", C_VOID, false},
};

const char *c_type_name(gradus_dtype dtype) {
    static const char *const names[] = {"void", "float", "double", "int32_t", "int64_t", "uint8_t", "bool"};
    return names[dtype];
}

/* --- words --------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *signature, *at; /* `at`: what is looked at, no blank */
    arena *memory;
    text *why;
} reader;

static void skip_blanks(reader *r) { r->at += strspn(r->at, " \t\r\n\f\v"); }

static size_t word_length(const char *s) {
    size_t n = 0;
    if (isalpha((unsigned char)*s) || *s == '_')
        while (isalnum((unsigned char)s[n]) || s[n] == '_') n++;
    return n;
}

static bool accept_mark(reader *r, char mark) {
    if (*r->at != mark) return false;
    r->at++;
    skip_blanks(r);
    return true;
}

static bool expected(const reader *r, const char *what) {
    const size_t word = word_length(r->at);
    text_append(r->why, "character %zu of its signature \"%s\": expected %s, found ",
                (size_t)(r->at - r->signature) + 1, r->signature, what);
    if (*r->at) text_append(r->why, "%.*s", word ? (int)word : 1, r->at);
    else text_append(r->why, "the end");
    return false;
}

bool prototype_wrong(const char *signature, const parameter *p, text *why, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    text_append(why, "character %zu of its signature, `%.*s`: ", p->at + 1, (int)p->length, signature + p->at);
    text_append_v(why, format, arguments);
    va_end(arguments);
    return false;
}

static bool is_word(const char *word, size_t length, const char *is) {
    return strlen(is) == length && memcmp(word, is, length) == 0;
}

static bool is_among(const char *word, size_t length, const char *const *list) {
    for (; *list; list++)
        if (is_word(word, length, *list)) return true;
    return false;
}

static const char *const qualifiers[] = {"const",  "volatile", "restrict", "__restrict", "__restrict__",
                                         "extern", "static",   "inline",   "register",   NULL};
static const char *const specifiers[] = {"void", "float", "double", "int",  "unsigned", "signed",
                                         "long", "char",  "short",  "bool", "_Bool",    NULL};

/* --- declarations -------------------------------------------------------------------------------------------------- */

/* What stands before `,`, `(`, `)`, `=` or `[`: specifiers, stars and, last, the declared name (NULL: none). */
typedef struct {
    text type;
    bool is_const;
    int32_t stars;
    const char *name;
} declaration;

static void take_word(reader *r, declaration *d, const char *word, size_t length, bool last) {
    if (is_among(word, length, qualifiers)) {
        if (!d->stars && is_word(word, length, "const")) d->is_const = true;
    } else if (last && d->type.length && !is_among(word, length, specifiers)) {
        text name = {.memory = r->memory};
        text_append(&name, "%.*s", (int)length, word);
        d->name = name.data;
    } else {
        text_append(&d->type, "%s%.*s", d->type.length ? " " : "", (int)length, word);
    }
}

static declaration read_declaration(reader *r) {
    declaration d = {.type = {.memory = r->memory}};
    for (;;) {
        const char *word = r->at;
        const size_t length = word_length(word);
        if (accept_mark(r, '*')) {
            d.stars++;
            continue;
        }
        if (!length) return d;
        r->at += length;
        skip_blanks(r);
        take_word(r, &d, word, length, !word_length(r->at) && *r->at != '*');
    }
}

static const c_type *find_type(const declaration *d) {
    static const c_type other = {"", C_OTHER, false};
    for (size_t i = 0; d->type.length && i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].spelling, d->type.data) == 0) return &types[i];
    return &other;
}

/* --- values -------------------------------------------------------------------------------------------------------- */

static bool read_integer(reader *r, const parameter *p, scalar *value) {
    static const int64_t low[] = {[GRADUS_I32] = INT32_MIN, [GRADUS_I64] = INT64_MIN, [GRADUS_U8] = 0};
    static const int64_t high[] = {[GRADUS_I32] = INT32_MAX, [GRADUS_I64] = INT64_MAX, [GRADUS_U8] = UINT8_MAX};
    const uint64_t most = p->type == GRADUS_I32 ? UINT32_MAX : UINT64_MAX; /* unsigned */
    char *end;
    errno = 0;
    const int64_t number = p->is_unsigned ? (int64_t)strtoull(r->at, &end, 0) : (int64_t)strtoll(r->at, &end, 0);
    const bool fits = p->is_unsigned ? *r->at != '-' && (uint64_t)number <= most
                                     : number >= low[p->type] && number <= high[p->type];
    if (end == r->at || errno || !fits) return expected(r, "a whole number that the parameter's type holds");
    end += strspn(end, "uUlL");
    if (p->type == GRADUS_I32) value->i32 = (int32_t)number;
    else if (p->type == GRADUS_U8) value->u8 = (uint8_t)number;
    else value->i64 = number;
    r->at = end;
    return true;
}

static bool read_value(reader *r, const parameter *p, scalar *value) {
    if (p->type <= 0 || p->stars) return expected(r, "no value: pointers and unknown types have none");
    if (p->type == GRADUS_BOOL) {
        const size_t length = word_length(r->at);
        value->u8 = is_word(r->at, length, "true");
        if (!value->u8 && !is_word(r->at, length, "false")) return expected(r, "true or false");
        r->at += length;
    } else if (p->type == GRADUS_F32 || p->type == GRADUS_F64) {
        size_t length;
        const double number = literal_double(r->at, &length);
        if (!length) return expected(r, "a number");
        *value = scalar_from_double((gradus_dtype)p->type, number);
        r->at += length;
        r->at += strspn(r->at, "fF");
    } else if (!read_integer(r, p, value)) {
        return false;
    }
    skip_blanks(r);
    return true;
}

/* --- the whole ----------------------------------------------------------------------------------------------------- */

static bool read_parameter(reader *r, parameter *p) {
    const char *start = r->at;
    const declaration d = read_declaration(r);
    const c_type *type = find_type(&d);
    if (!d.type.length) return expected(r, "a parameter as in C");
    if (!d.name) return expected(r, "the parameter's name: it says what is passed");
    *p = (parameter){
        .type = type->type, .is_unsigned = type->is_unsigned, .is_const = d.is_const, .stars = d.stars, .name = d.name};
    if (accept_mark(r, '[')) {
        r->at += strcspn(r->at, "]");
        if (!accept_mark(r, ']')) return expected(r, "]");
        p->stars++;
    }
    if (accept_mark(r, '=')) {
        p->has_value = true;
        if (!read_value(r, p, &p->value)) return false;
    }
    const char *end = r->at;
    while (end > start && isspace((unsigned char)end[-1])) end--;
    p->at = (size_t)(start - r->signature);
    p->length = (size_t)(end - start);
    return true;
}

static bool read_parameters(reader *r, prototype *p) {
    parameter *list = ARENA_ARRAY(r->memory, parameter, PARAMETERS_MAX);
    p->parameters = list;
    do {
        if (p->count == PARAMETERS_MAX) return expected(r, "no more than 64 parameters");
        if (!read_parameter(r, &list[p->count])) return false;
        for (uint32_t i = 0; i < p->count; i++)
            if (strcmp(list[i].name, list[p->count].name) == 0)
                return prototype_wrong(r->signature, &list[p->count], r->why, "a second parameter of that name");
        p->count++;
    } while (accept_mark(r, ','));
    return accept_mark(r, ')') || expected(r, ", or )");
}

bool prototype_read(const char *signature, arena *memory, prototype *p, text *why) {
    reader r = {signature, signature, memory, why};
    *p = (prototype){0};
    skip_blanks(&r);
    const declaration d = read_declaration(&r);
    const c_type *type = find_type(&d);
    if (!d.name) return expected(&r, "a prototype as in C: a type, a name and parameters");
    const bool right =
        type->type == C_VOID || type->type == GRADUS_I32 || type->type == GRADUS_F32 || type->type == GRADUS_F64;
    if (d.stars || type->is_unsigned || !right) {
        r.at = signature + strspn(signature, " \t\r\n");
        return expected(&r, "void, int, gradus_status, float or double as what it returns");
    }
    p->name = d.name;
    p->returns = type->type;
    if (!accept_mark(&r, '(')) return expected(&r, "(");
    if (!read_parameters(&r, p)) return false;
    accept_mark(&r, ';');
    return !*r.at || expected(&r, "the end behind )");
}
