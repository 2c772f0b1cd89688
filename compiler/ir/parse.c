/* SPDX-License-Identifier: Apache-2.0
 * Reads the graph's text form.  Attributes are read by what the op table says of them, never by op.  See parse.h. */
#include "ir/parse.h"

#include "base/names.h"
#include "ir/custom.h"
#include "ir/lex.h"
#include "ir/literal.h"
#include "ir/print.h"
#include "ir/validate.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* No extent, range or bound is larger, so that sums of a few stay far from overflow. */
#define NUMBER_LIMIT ((int64_t)1 << 60)

typedef struct {
    lexer lex;
    gradus_graph *g;
    arena *scratch;
    names labels, entries;
    entry_checks *checks;
    token file_token; /* the last file of a source, which the next one mostly shares */
    const char *file;
} parser;

typedef VEC(uint32_t) id_list;

/* --- small things ------------------------------------------------------------------------------------------------ */

static bool parse_label(parser *p, const char *what, uint32_t *id) {
    const token t = p->lex.now;
    if (t.kind != TOKEN_LABEL) return lex_expected(&p->lex, what);
    if (!names_find(&p->labels, t.start, t.length, id))
        return lex_fail(&p->lex, &t, "expected %s that an earlier line defines, found %.*s", what,
                        t.length < 60 ? (int)t.length : 60, t.start);
    lex_next(&p->lex);
    return !p->lex.failed;
}

static bool parse_labels(parser *p, const char *what, id_list *list) {
    while (p->lex.now.kind == TOKEN_LABEL) {
        uint32_t id;
        if (!parse_label(p, what, &id)) return false;
        VEC_PUSH(p->scratch, list, id);
    }
    return !p->lex.failed;
}

/* 784, B or 3B: the number of digits before the letter decides. */
static bool parse_extent(parser *p, int64_t *d) {
    static const char what[] = "an extent such as 784, B or 3B";
    const token t = p->lex.now;
    if (lex_accept(&p->lex, "B")) {
        *d = -1;
        return !p->lex.failed;
    }
    if (t.kind != TOKEN_NUMBER) return lex_expected(&p->lex, what);
    const bool batch = t.start[t.length - 1] == 'B';
    p->lex.now.length -= batch;
    if (!p->lex.now.length || !lex_number(&p->lex, what, NUMBER_LIMIT, d)) return false;
    if (batch && !*d) return lex_fail(&p->lex, &t, "expected %s, found 0B", what);
    if (batch) *d = -*d;
    return true;
}

static bool parse_shape(parser *p, gradus_shape *shape) {
    if (!lex_expect(&p->lex, "(")) return false;
    while (!lex_is(&p->lex, ")")) {
        if (shape->d[0] == GRADUS_MAX_RANK) return lex_expected(&p->lex, "no more than 8 extents");
        if (shape->d[0] && !lex_expect(&p->lex, ",")) return false;
        if (!parse_extent(p, &shape->d[++shape->d[0]])) return false;
    }
    return lex_expect(&p->lex, ")");
}

static bool parse_dtype(parser *p, gradus_dtype *dtype) {
    for (int d = GRADUS_F32; d <= GRADUS_BOOL; d++)
        if (lex_accept(&p->lex, gradus_dtype_name((gradus_dtype)d))) {
            *dtype = (gradus_dtype)d;
            return !p->lex.failed;
        }
    return lex_expected(&p->lex, "a dtype: f32, f64, i32, i64, u8 or bool");
}

static bool parse_file(parser *p, const char **file) {
    const token t = p->lex.now;
    if (t.kind == TOKEN_STRING && t.length == p->file_token.length &&
        memcmp(t.start, p->file_token.start, t.length) == 0) {
        *file = p->file;
        lex_next(&p->lex);
        return !p->lex.failed;
    }
    if (!lex_string(&p->lex, &p->g->memory, "a file's name", &p->file)) return false;
    p->file_token = t;
    *file = p->file;
    return true;
}

/* [@ "file":12] */
static bool parse_source(parser *p, source *where) {
    int64_t line = 0;
    *where = (source){0};
    if (!lex_accept(&p->lex, "@")) return !p->lex.failed;
    if (!parse_file(p, &where->file) || !lex_expect(&p->lex, ":") ||
        !lex_number(&p->lex, "a line's number", INT_MAX, &line))
        return false;
    where->line = (int)line;
    return true;
}

/* --- attributes -------------------------------------------------------------------------------------------------- */

/* Where the value or the data of a node stand: they are read once the node's dtype is known. */
typedef struct {
    lexer value, data;
    bool has_value, has_data;
    size_t elements;
} deferred;

static bool parse_axes(parser *p, gradus_axes *axes) {
    if (!lex_expect(&p->lex, "(")) return false;
    while (!lex_is(&p->lex, ")")) {
        int64_t axis = 0;
        if (axes->d[0] == GRADUS_MAX_RANK) return lex_expected(&p->lex, "no more than 8 axes");
        if (axes->d[0] && !lex_expect(&p->lex, ",")) return false;
        if (!lex_number(&p->lex, "an axis", GRADUS_MAX_RANK - 1, &axis)) return false;
        axes->d[++axes->d[0]] = (int32_t)axis;
    }
    return lex_expect(&p->lex, ")");
}

static bool is_literal(const lexer *l) { return l->now.kind == TOKEN_NUMBER || l->now.kind == TOKEN_WORD; }

static bool skip_value(parser *p, deferred *later) {
    if (!is_literal(&p->lex)) return lex_expected(&p->lex, "a value");
    later->value = p->lex;
    later->has_value = true;
    lex_next(&p->lex);
    return !p->lex.failed;
}

/* Counts the elements that are there, so that no number in the text decides how much memory they need. */
static bool skip_data(parser *p, deferred *later) {
    if (!lex_expect(&p->lex, "{")) return false;
    later->data = p->lex;
    later->has_data = true;
    while (!lex_is(&p->lex, "}")) {
        if (later->elements && !lex_expect(&p->lex, ",")) return false;
        if (!is_literal(&p->lex)) return lex_expected(&p->lex, "an element or }");
        later->elements++;
        lex_next(&p->lex);
    }
    return lex_expect(&p->lex, "}");
}

/* call "multiply" "int multiply(…)" backward 1 effects 3: the function is looked for in this process. */
static bool parse_call(parser *p, uint32_t operands, const custom **call) {
    const token where = p->lex.now;
    custom *c = ARENA_NEW(p->scratch, custom);
    int64_t result = 0, effects = 0;
    *call = c;
    if (!lex_string(&p->lex, p->scratch, "a function's name in quotes", &c->symbol)) return false;
    if (p->lex.now.kind == TOKEN_STRING && !lex_string(&p->lex, p->scratch, "its signature", &c->signature)) return false;
    c->backward = lex_accept(&p->lex, "backward");
    if (c->backward && !lex_number(&p->lex, "an operand's number", CUSTOM_OPERANDS - 1, &result)) return false;
    if (lex_accept(&p->lex, "effects") && !lex_number(&p->lex, "the call's number", 1 << 24, &effects)) return false;
    c->result = (uint32_t)result;
    c->effects = (uint32_t)effects;
    if (p->g->effects < c->effects) p->g->effects = c->effects;
    if (p->lex.now.kind == TOKEN_WORD && lex_is(&p->lex, "user"))
        return lex_fail(&p->lex, &where, "%s: its .user is memory of the program that wrote the graph, which no other has", c->symbol);
    if (!custom_resolve(c))
        return lex_fail(&p->lex, &where,
                        "%s: this process has no function of that name; load the library that has it, or link the program with -rdynamic",
                        c->symbol);
    text why = {.memory = p->scratch};
    if (c->backward && operands) operands--; /* dy, and y where the signature turns out to ask for it */
    if (!custom_describe(c, operands, p->scratch, &why)) return lex_fail(&p->lex, &where, "%s: %s", c->symbol, why.data);
    if (c->needs_y && operands && !custom_describe(c, operands - 1, p->scratch, &why))
        return lex_fail(&p->lex, &where, "%s: %s", c->symbol, why.data);
    return !p->lex.failed;
}

static bool parse_attribute(parser *p, unsigned bit, uint32_t operands, attrs *attr, deferred *later) {
    int64_t number = 0;
    bool good = true;
    switch (bit) {
    case ATTR_AXES: return parse_axes(p, &attr->axes);
    case ATTR_AXIS:
        good = lex_number(&p->lex, "an axis", GRADUS_MAX_RANK - 1, &number);
        attr->axis = (int32_t)number;
        return good;
    case ATTR_RANGE:
        return lex_number(&p->lex, "the range's first number", NUMBER_LIMIT, &attr->low) &&
               lex_number(&p->lex, "the range's second number", NUMBER_LIMIT, &attr->high);
    case ATTR_VALUE: return skip_value(p, later);
    case ATTR_DATA: return skip_data(p, later);
    case ATTR_NAME: return lex_string(&p->lex, p->scratch, "a name in quotes", &attr->name);
    case ATTR_STREAM:
        good = lex_number(&p->lex, "a stream's number", UINT32_MAX - 1, &number);
        attr->stream = (uint32_t)number;
        return good;
    case ATTR_BOUND: return parse_extent(p, &attr->bound);
    case ATTR_CALL: return parse_call(p, operands, &attr->call);
    }
    return good;
}

static bool parse_attributes(parser *p, node_spec *spec, deferred *later) {
    for (const attribute_word *a = attribute_words; a->word; a++) {
        if (!(op_infos[spec->op].attributes & a->bit)) continue;
        if (*a->word && !lex_expect(&p->lex, a->word)) return false;
        if (!parse_attribute(p, a->bit, spec->n_inputs, &spec->attr, later)) return false;
    }
    return true;
}

static bool read_literal(lexer *l, gradus_dtype dtype, scalar *value) {
    const char *wrong = literal_read(l->now.start, l->now.length, dtype, value);
    return wrong ? lex_expected(l, wrong) : true;
}

/* How many elements a constant of this shape has; -1 where that is no number or does not fit. */
static int64_t elements_of(const gradus_shape *shape) {
    extent all = {1, 0};
    for (int axis = 0; axis < shape_rank(shape); axis++)
        if (shape_dim(shape, axis) == 0) return 0;
    for (int axis = 0; axis < shape_rank(shape); axis++)
        if (!extent_product(all, extent_of(shape_dim(shape, axis)), &all)) return -1;
    return all.power ? -1 : all.factor;
}

static bool read_deferred(parser *p, node_spec *spec, deferred *later) {
    if (later->has_value && !read_literal(&later->value, spec->dtype, &spec->attr.value)) {
        p->lex.failed = true;
        return false;
    }
    if (!later->has_data) return true;
    lexer *l = &later->data;
    const int64_t wanted = elements_of(&spec->shape);
    if (wanted < 0 || (uint64_t)wanted != later->elements) {
        p->lex.failed = true;
        return lex_fail(l, &l->now, "expected as many elements as the shape has, found %zu", later->elements);
    }
    spec->attr.bytes = later->elements * gradus_dtype_size(spec->dtype);
    void *data = arena_alloc(&p->g->memory, spec->attr.bytes);
    spec->data_stays = true;
    for (size_t i = 0; i < later->elements; i++) {
        scalar value;
        if (i) lex_next(l); /* the comma */
        if (!read_literal(l, spec->dtype, &value)) {
            p->lex.failed = true;
            return false;
        }
        scalar_store(spec->dtype, data, i, value);
        lex_next(l);
    }
    spec->attr.data = data;
    return true;
}

/* --- nodes ------------------------------------------------------------------------------------------------------- */

static bool parse_op(parser *p, op_code *op) {
    char name[48];
    const token t = p->lex.now;
    if (t.kind == TOKEN_WORD && t.length < sizeof name) {
        memcpy(name, t.start, t.length);
        name[t.length] = '\0';
        *op = op_by_name(name);
        if (*op != OP_poison) {
            lex_next(&p->lex);
            return !p->lex.failed;
        }
    }
    return lex_expected(&p->lex, "an op's name");
}

static bool check_operands(parser *p, const token *where, const node_spec *spec) {
    const int arity = op_infos[spec->op].arity;
    if (arity == ARITY_ANY ? spec->n_inputs > 0 : spec->n_inputs == (uint32_t)arity) return true;
    return lex_fail(&p->lex, where, "expected %s operand%s of %s, found %lu",
                    arity == ARITY_ANY ? "at least 1" : (char[]){(char)('0' + arity), 0},
                    arity == 1 || arity == ARITY_ANY ? "" : "s", op_name(spec->op), (unsigned long)spec->n_inputs);
}

static bool add_node(parser *p, const token *where, const node_spec *spec, source from, uint32_t *id) {
    gradus_graph *g = p->g;
    g->here = (source){0};
    *id = graph_add(g, spec);
    if (!*id) return lex_fail(&p->lex, where, "%s", g->error);
    node *n = g->nodes.items[*id];
    n->where = from;
    if (n->dtype != spec->dtype || !shape_equal(&n->shape, &spec->shape)) {
        text is = {.memory = p->scratch};
        text_append(&is, "%s ", gradus_dtype_name(n->dtype));
        text_shape(&is, &n->shape);
        return lex_fail(&p->lex, where, "expected : %s, which is what %s makes of its operands", is.data,
                        op_name(n->op));
    }
    if (op_infos[n->op].attributes & ATTR_STREAM && g->streams <= n->attr.stream) g->streams = n->attr.stream + 1;
    text why = {.memory = p->scratch};
    return validate_made(g, *id, &why) || lex_fail(&p->lex, where, "%s", why.data);
}

/* %5 = matmul %1 %2 : f32 (B, 512) as "hidden" @ "mlp.c":12 */
static bool parse_node(parser *p) {
    const token label = p->lex.now;
    node_spec spec = {0};
    deferred later = {0};
    id_list operands = {0};
    source from;
    uint32_t id = 0;
    lex_next(&p->lex);
    if (!lex_expect(&p->lex, "=")) return false;
    const token op = p->lex.now;
    if (!parse_op(p, &spec.op) || !parse_labels(p, "an operand", &operands)) return false;
    spec.inputs = operands.items;
    spec.n_inputs = operands.count;
    if (!check_operands(p, &op, &spec) || !parse_attributes(p, &spec, &later) || !lex_expect(&p->lex, ":"))
        return false;
    if (!parse_dtype(p, &spec.dtype) || !parse_shape(p, &spec.shape)) return false;
    if (lex_accept(&p->lex, "as") && !lex_string(&p->lex, p->scratch, "a name in quotes", &spec.name)) return false;
    if (!parse_source(p, &from) || !read_deferred(p, &spec, &later)) return false;
    if (!add_node(p, &op, &spec, from, &id)) return false;
    if (!names_add(&p->labels, label.start, label.length, id))
        return lex_fail(&p->lex, &label, "expected a new label, found one that an earlier line defines");
    return true;
}

/* --- states and entries ------------------------------------------------------------------------------------------ */

/* state %2 init %9 rng */
static bool parse_state(parser *p) {
    state_info s = {0};
    const token where = p->lex.now;
    if (!parse_label(p, "a param or state", &s.node)) return false;
    if (!op_is(graph_node(p->g, s.node)->op, STATE)) return lex_fail(&p->lex, &where, "expected a param or state");
    if (lex_accept(&p->lex, "init") && !parse_label(p, "the node of the first value", &s.init)) return false;
    if (lex_accept(&p->lex, "rng")) {
        if (p->g->rng) return lex_fail(&p->lex, &where, "expected no second state for random numbers");
        p->g->rng = s.node;
    }
    VEC_PUSH(&p->g->memory, &p->g->states, s);
    return !p->lex.failed;
}

static bool parse_update(parser *p, update *u) {
    return lex_expect(&p->lex, "update") && parse_label(p, "a param or state", &u->state) && lex_expect(&p->lex, "=") &&
           parse_label(p, "the node of the new value", &u->value);
}

/* attach %7 update %2 = %12 */
static bool parse_attached(parser *p) {
    attachment a;
    const token where = p->lex.now;
    if (!parse_label(p, "the node that an update belongs to", &a.node) || !parse_update(p, &a.update)) return false;
    text why = {.memory = p->scratch};
    if (!validate_attached(p->checks, &a, &why)) return lex_fail(&p->lex, &where, "%s", why.data);
    VEC_PUSH(&p->g->memory, &p->g->attached, a);
    return !p->lex.failed;
}

static bool parse_entry_body(parser *p, entry *e) {
    id_list inputs = {0}, outputs = {0}, kept = {0};
    VEC(update) updates = {0};
    if (!lex_expect(&p->lex, "{")) return false;
    if (lex_accept(&p->lex, "inputs") && !parse_labels(p, "an input", &inputs)) return false;
    if (lex_accept(&p->lex, "outputs") && !parse_labels(p, "an output", &outputs)) return false;
    if (lex_accept(&p->lex, "keep") && !parse_labels(p, "a check or a call with effects", &kept)) return false;
    while (lex_is(&p->lex, "update")) {
        update u;
        if (!parse_update(p, &u)) return false;
        VEC_PUSH(p->scratch, &updates, u);
    }
    e->inputs = arena_copy(&p->g->memory, inputs.items, sizeof *inputs.items * inputs.count);
    e->n_inputs = inputs.count;
    e->outputs = arena_copy(&p->g->memory, outputs.items, sizeof *outputs.items * outputs.count);
    e->n_outputs = outputs.count;
    e->kept = arena_copy(&p->g->memory, kept.items, sizeof *kept.items * kept.count);
    e->n_kept = kept.count;
    e->updates.items = arena_copy(&p->g->memory, updates.items, sizeof *updates.items * updates.count);
    e->updates.count = updates.count;
    return lex_expect(&p->lex, "}");
}

/* entry "train" training max_batch 128 { … } */
static bool parse_entry(parser *p) {
    entry e = {0};
    const token where = p->lex.now;
    if (!lex_string(&p->lex, &p->g->memory, "an entry's name in quotes", &e.name)) return false;
    e.training = lex_accept(&p->lex, "training");
    if (!e.training && !lex_expect(&p->lex, "inference")) return false;
    if (lex_accept(&p->lex, "max_batch") && !lex_number(&p->lex, "the largest batch", NUMBER_LIMIT, &e.max_batch))
        return false;
    if (!parse_source(p, &e.where) || !parse_entry_body(p, &e)) return false;
    if (!names_add(&p->entries, e.name, strlen(e.name), 0))
        return lex_fail(&p->lex, &where, "expected a new entry's name");
    text why = {.memory = p->scratch};
    if (!validate_entry(p->checks, &e, &why)) return lex_fail(&p->lex, &where, "%s", why.data);
    VEC_PUSH(&p->g->memory, &p->g->entries, e);
    return true;
}

/* States before updates and entries, which can then be checked against all of them. */
static bool parse_statements(parser *p) {
    lexer *l = &p->lex;
    while (l->now.kind == TOKEN_LABEL)
        if (!parse_node(p) || !lex_expect_line(l)) return false;
    while (lex_accept(l, "state"))
        if (!parse_state(p) || !lex_expect_line(l)) return false;
    const token where = l->now;
    text why = {.memory = p->scratch};
    if (!l->failed && !validate_states(p->g, &why)) return lex_fail(l, &where, "%s", why.data);
    p->checks = entry_checks_new(p->g, p->scratch);
    while (lex_accept(l, "attach"))
        if (!parse_attached(p) || !lex_expect_line(l)) return false;
    while (lex_accept(l, "entry"))
        if (!parse_entry(p) || !lex_expect_line(l)) return false;
    if (l->now.kind == TOKEN_END) return !l->failed;
    return lex_expected(l, p->g->entries.count    ? "an entry or the end"
                           : p->g->attached.count ? "an attached update, an entry or the end"
                           : p->g->states.count   ? "a state, an attached update, an entry or the end"
                                                  : "a node, a state, an entry or the end");
}

static bool parse_text(parser *p) {
    int64_t version = 0;
    if (!lex_expect(&p->lex, "gradus")) return false;
    const token where = p->lex.now;
    if (!lex_number(&p->lex, "the form's version, 1", INT_MAX, &version)) return false;
    if (version != 1)
        return lex_fail(&p->lex, &where, "expected version 1 of the text form, found %lld", (long long)version);
    return lex_expect_line(&p->lex) && parse_statements(p);
}

static gradus_status parse_guarded(parser *p) {
    gradus_status status = GRADUS_OK;
    guard here;
    if (GUARDED(&here)) {
        const gradus_status result = parse_text(p) ? GRADUS_OK : GRADUS_ERROR_FORMAT;
        guard_leave(&here);
        return result;
    }
    status = fail_out_of_memory(p->lex.name);
    return status;
}

gradus_status graph_parse(const char *name, const char *content, size_t length, gradus_graph *into) {
    arena scratch = {0};
    parser p = {.g = into, .scratch = &scratch, .labels = {.memory = &scratch}, .entries = {.memory = &scratch}};
    lex_start(&p.lex, name, content, length);
    const gradus_status status = parse_guarded(&p);
    arena_free(&scratch);
    return status;
}
