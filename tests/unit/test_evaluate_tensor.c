/* SPDX-License-Identifier: Apache-2.0
 * The evaluator's sources, movement, gather and scatter on random shapes, against the op table's formulas read index by
 * index. */
#include "evaluating.h"
#include "rules/philox.h"

enum { TRIALS = 60, RANK = GRADUS_MAX_RANK };

static gradus_shape random_shape(int rank) {
    gradus_shape s = {{rank}};
    for (int i = 1; i <= rank; i++) s.d[i] = random_below(12) == 0 ? 0 : 1 + random_below(4);
    return s;
}

static gradus_dtype random_dtype(void) { return (gradus_dtype)(GRADUS_F32 + random_below(6)); }

/* Every element of `r` must be x[from(index)]. */
typedef int64_t (*source_of)(const trial *t, const array *x, const int64_t *index);

static void check_moved(const trial *t, const array *x, const array *r, source_of from) {
    assert_int_equal(r->dtype, x->dtype);
    for (int64_t i = 0; i < size_of(&r->shape); i++) {
        int64_t index[RANK];
        unravel(&r->shape, i, index);
        assert_same(op_name(t->op), i, r->dtype, get(r, i), get(x, from(t, x, index)));
    }
}

/* --- movement --------------------------------------------------------------------------------------------------- */

static int64_t from_broadcast(const trial *t, const array *x, const int64_t *index) {
    int64_t at[RANK];
    int fewer = (int)(t->shape.d[0] - x->shape.d[0]);
    for (int i = 0; i < x->shape.d[0]; i++) at[i] = x->shape.d[i + 1] == 1 ? 0 : index[i + fewer];
    return ravel(&x->shape, at);
}

static void broadcast(void **state) {
    (void)state;
    for (int i = 0; i < TRIALS; i++) {
        trial t = {.op = OP_broadcast, .shape = random_shape((int)random_below(6))};
        int rank = (int)random_below(t.shape.d[0] + 1);
        gradus_shape s = {{rank}};
        for (int a = 1; a <= rank; a++) s.d[a] = random_below(2) ? 1 : t.shape.d[t.shape.d[0] - rank + a];
        array x = random_array(random_dtype(), s);
        t.dtype = x.dtype;
        array r = result_of(t, 1, &x);
        assert_memory_equal(&r.shape, &t.shape, sizeof r.shape);
        check_moved(&t, &x, &r, from_broadcast);
    }
}

static void reshape(void **state) {
    (void)state;
    for (int i = 0; i < TRIALS; i++) {
        array x = random_array(random_dtype(), random_shape((int)random_below(6)));
        trial t = {.op = OP_reshape, .dtype = x.dtype, .shape = SHAPE(size_of(&x.shape), 1)};
        array r = result_of(t, 1, &x);
        assert_int_equal(size_of(&r.shape), size_of(&x.shape));
        for (int64_t e = 0; e < size_of(&x.shape); e++) assert_same("reshape", e, x.dtype, get(&r, e), get(&x, e));
    }
}

static int64_t from_transpose(const trial *t, const array *x, const int64_t *index) {
    int64_t at[RANK];
    for (int a = 0; a < x->shape.d[0]; a++) at[t->attr.axes.d[a + 1]] = index[a];
    return ravel(&x->shape, at);
}

static void transpose(void **state) {
    (void)state;
    for (int i = 0; i < TRIALS; i++) {
        int rank = (int)random_below(6);
        array x = random_array(random_dtype(), random_shape(rank));
        trial t = {.op = OP_transpose, .attr.axes.d = {rank}};
        for (int a = 0; a < rank; a++) { /* shuffled from the inside out */
            int other = (int)random_below(a + 1);
            t.attr.axes.d[a + 1] = t.attr.axes.d[other + 1];
            t.attr.axes.d[other + 1] = a;
        }
        array r = result_of(t, 1, &x);
        for (int a = 0; a < rank; a++) assert_int_equal(r.shape.d[a + 1], x.shape.d[t.attr.axes.d[a + 1] + 1]);
        check_moved(&t, &x, &r, from_transpose);
    }
}

static int64_t from_slice(const trial *t, const array *x, const int64_t *index) {
    int64_t at[RANK];
    for (int a = 0; a < x->shape.d[0]; a++) at[a] = index[a] + (a == t->attr.axis ? t->attr.low : 0);
    return ravel(&x->shape, at);
}

static void slice(void **state) {
    (void)state;
    for (int i = 0; i < TRIALS; i++) {
        array x = random_array(random_dtype(), random_shape(1 + (int)random_below(5)));
        trial t = {.op = OP_slice, .attr.axis = (int32_t)random_below(x.shape.d[0])};
        t.attr.low = random_below(x.shape.d[t.attr.axis + 1] + 1);
        t.attr.high = t.attr.low + random_below(x.shape.d[t.attr.axis + 1] - t.attr.low + 1);
        array r = result_of(t, 1, &x);
        assert_int_equal(r.shape.d[t.attr.axis + 1], t.attr.high - t.attr.low);
        check_moved(&t, &x, &r, from_slice);
    }
}

static void pad(void **state) {
    (void)state;
    for (int i = 0; i < TRIALS; i++) {
        array x = random_array(random_dtype(), random_shape(1 + (int)random_below(5)));
        trial t = {
            .op = OP_pad,
            .attr = {.axis = (int32_t)random_below(x.shape.d[0]), .low = random_below(3), .high = random_below(3)}};
        array one = random_array(x.dtype, SHAPE(1));
        t.attr.value = get(&one, 0);
        array r = result_of(t, 1, &x);
        int64_t extent_in = x.shape.d[t.attr.axis + 1];
        assert_int_equal(r.shape.d[t.attr.axis + 1], extent_in + t.attr.low + t.attr.high);
        for (int64_t e = 0; e < size_of(&r.shape); e++) {
            int64_t index[RANK];
            unravel(&r.shape, e, index);
            index[t.attr.axis] -= t.attr.low;
            bool inside = index[t.attr.axis] >= 0 && index[t.attr.axis] < extent_in;
            assert_same("pad", e, x.dtype, get(&r, e), inside ? get(&x, ravel(&x.shape, index)) : t.attr.value);
        }
    }
}

static void concat(void **state) {
    (void)state;
    for (int i = 0; i < TRIALS; i++) {
        uint32_t count = 1 + (uint32_t)random_below(OPERANDS);
        gradus_shape s = random_shape(1 + (int)random_below(4));
        trial t = {.op = OP_concat, .attr.axis = (int32_t)random_below(s.d[0])};
        gradus_dtype d = random_dtype();
        array x[OPERANDS];
        for (uint32_t k = 0; k < count; k++) {
            s.d[t.attr.axis + 1] = random_below(4);
            x[k] = random_array(d, s);
        }
        array r = result_of(t, count, x);
        for (int64_t e = 0; e < size_of(&r.shape); e++) {
            int64_t index[RANK], *at = &index[t.attr.axis];
            unravel(&r.shape, e, index);
            uint32_t k = 0;
            while (*at >= x[k].shape.d[t.attr.axis + 1]) *at -= x[k++].shape.d[t.attr.axis + 1];
            assert_same("concat", e, d, get(&r, e), get(&x[k], ravel(&x[k].shape, index)));
        }
    }
}

/* --- gather and scatter ----------------------------------------------------------------------------------------- */

/* x, indices y, and for scatters z.  `along` for the forms whose indices have the operand's rank.  The extent that is
 * pointed into is not 0. */
typedef struct {
    trial t;
    array x[3];
    gradus_shape result; /* of the gather, and z's */
} indexed;

static indexed random_indexed(op_code op, bool along, gradus_dtype d) {
    indexed c = {.t.op = op};
    gradus_shape s = random_shape(1 + (int)random_below(3));
    int axis = (int)random_below(s.d[0]);
    s.d[axis + 1] = 1 + random_below(5);
    c.t.attr.axis = axis;
    gradus_shape y = along ? s : random_shape((int)random_below(3));
    if (along) y.d[axis + 1] = random_below(7);
    c.result = (gradus_shape){{along ? s.d[0] : s.d[0] - 1 + y.d[0]}};
    int at = 0;
    for (int a = 0; a < s.d[0]; a++) {
        if (along) c.result.d[++at] = y.d[a + 1];
        else if (a != axis) c.result.d[++at] = s.d[a + 1];
        else
            for (int b = 0; b < y.d[0]; b++) c.result.d[++at] = y.d[b + 1];
    }
    c.x[0] = random_array(d, s);
    c.x[1] = random_indices(y, s.d[axis + 1]);
    c.x[2] = random_array(d, c.result);
    return c;
}

/* The position in x that the result's (or z's) position `e` speaks of. */
static int64_t pointed(const indexed *c, int64_t e, bool along) {
    int64_t index[RANK], at[RANK];
    int axis = c->t.attr.axis, rank = (int)c->x[0].shape.d[0], indices = (int)c->x[1].shape.d[0];
    unravel(&c->result, e, index);
    for (int a = 0; a < rank; a++) {
        if (along) at[a] = a == axis ? get(&c->x[1], e).i32 : index[a];
        else
            at[a] = a == axis ? get(&c->x[1], ravel(&c->x[1].shape, index + axis)).i32
                              : index[a < axis ? a : a - 1 + indices];
    }
    return ravel(&c->x[0].shape, at);
}

static void takes(void **state) {
    (void)state;
    for (int i = 0; i < 2 * TRIALS; i++) {
        bool along = i % 2;
        indexed c = random_indexed(along ? OP_take_along_axis : OP_take, along, random_dtype());
        array r = result_of(c.t, 2, c.x);
        assert_memory_equal(&r.shape, &c.result, sizeof c.result);
        for (int64_t e = 0; e < size_of(&r.shape); e++)
            assert_same(op_name(c.t.op), e, r.dtype, get(&r, e), get(&c.x[0], pointed(&c, e, along)));
    }
}

static void scatters(void **state) {
    (void)state;
    for (int i = 0; i < 2 * TRIALS; i++) {
        bool along = i % 2, floats = i % 4 < 2;
        gradus_dtype d = floats ? GRADUS_F32 : GRADUS_U8;
        indexed c = random_indexed(along ? OP_scatter_add_along_axis : OP_scatter_add, along, d);
        array r = result_of(c.t, 3, c.x), expected = c.x[0];
        for (int64_t e = 0; e < size_of(&c.result); e++) { /* row-major: in the order of j for each element */
            int64_t to = pointed(&c, e, along);
            scalar a = get(&expected, to), b = get(&c.x[2], e);
            if (floats) a.f32 += b.f32;
            else a.u8 = (uint8_t)(a.u8 + b.u8);
            set(&expected, to, a);
        }
        for (int64_t e = 0; e < size_of(&r.shape); e++)
            assert_same(op_name(c.t.op), e, d, get(&r, e), get(&expected, e));
    }
}

static void wrong_indices(void **state) {
    (void)state;
    array x[3] = {random_array(GRADUS_F32, SHAPE(4, 3)), array_of(GRADUS_I64, SHAPE(2)),
                  random_array(GRADUS_F32, SHAPE(2, 3))};
    set(&x[1], 1, (scalar){.i64 = -1});
    trial t = {.op = OP_take};
    run(&t, 2, x);
    assert_int_equal(t.status, GRADUS_ERROR_ARGUMENT);
    assert_string_equal(gradus_last_error(), "user.c:7: take: index -1 at [1] is outside 0 … 3");
    t.op = OP_scatter_add;
    set(&x[1], 1, (scalar){.i64 = 4});
    run(&t, 3, x);
    assert_int_equal(t.status, GRADUS_ERROR_ARGUMENT);
    assert_string_equal(gradus_last_error(), "user.c:7: scatter_add: index 4 at [1] is outside 0 … 3");
    x[1] = array_of(GRADUS_I32, SHAPE(1, 3));
    set(&x[1], 2, (scalar){.i32 = 1 << 30});
    t.op = OP_take_along_axis;
    run(&t, 2, x);
    assert_int_equal(t.status, GRADUS_ERROR_ARGUMENT);
}

/* --- sources ---------------------------------------------------------------------------------------------------- */

static void sources(void **state) {
    (void)state;
    for (gradus_dtype d = GRADUS_F32; d <= GRADUS_U8; d++) {
        array r = result_of((trial){.op = OP_iota, .dtype = d, .shape = SHAPE(3, 300, 2), .attr.axis = 1}, 0, NULL);
        for (int64_t i = 0; i < 1800; i++)
            assert_true(shown(d, get(&r, i)) == (double)(d == GRADUS_U8 ? i / 2 % 300 % 256 : i / 2 % 300));
        array one = random_array(d, SHAPE(1));
        r = result_of((trial){.op = OP_fill, .dtype = d, .shape = SHAPE(2, 5), .attr.value = get(&one, 0)}, 0, NULL);
        for (int64_t i = 0; i < 10; i++) assert_same("fill", i, d, get(&r, i), get(&one, 0));
        array data = random_array(d, SHAPE(3, 2));
        attrs attr = {.data = data.data, .bytes = 6 * gradus_dtype_size(d)};
        r = result_of((trial){.op = OP_constant, .dtype = d, .shape = SHAPE(3, 2), .attr = attr}, 0, NULL);
        assert_memory_equal(r.data, data.data, attr.bytes);
        r = result_of((trial){.op = OP_count, .dtype = d, .attr.bound = -3, .batch = 32}, 0, NULL);
        assert_true(shown(d, get(&r, 0)) == 96);
        r = result_of((trial){.op = OP_count, .dtype = d, .attr.bound = 7, .batch = 32}, 0, NULL);
        assert_true(shown(d, get(&r, 0)) == 7);
    }
}

/* Inside (0, 1), even enough, and another sequence for another seed, counter or stream. */
static void random_uniform(void **state) {
    (void)state;
    for (gradus_dtype d = GRADUS_F32; d <= GRADUS_F64; d++) {
        array previous = {0};
        for (int i = 0; i < 4; i++) {
            array rng = array_of(GRADUS_I64, SHAPE(2));
            set(&rng, 0, (scalar){.i64 = i == 1 ? 2 : 1});
            set(&rng, 1, (scalar){.i64 = i == 2});
            trial t = {.op = OP_random_uniform, .dtype = d, .shape = SHAPE(100, 100), .attr.stream = i == 3};
            array r = result_of(t, 1, &rng), again = result_of(t, 1, &rng);
            double sum = 0, squares = 0;
            for (int64_t e = 0; e < 10000; e++) {
                double u = shown(d, get(&r, e));
                assert_true(u > 0 && u < 1);
                sum += u, squares += u * u;
            }
            assert_true(fabs(sum / 10000 - 0.5) < 0.015);
            assert_true(fabs(squares / 10000 - 1.0 / 3) < 0.015);
            assert_memory_equal(r.data, again.data, 10000 * gradus_dtype_size(d));
            if (previous.data) assert_memory_not_equal(r.data, previous.data, 10000 * gradus_dtype_size(d));
            previous = r;
        }
    }
}

/* The known answers that the authors' library comes with. */
static void philox(void **state) {
    (void)state;
    static const uint32_t known[3][3][4] = {
        {{0, 0}, {0, 0, 0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u}, {~0u, ~0u, ~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0xa4093822, 0x299f31d0},
         {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (int i = 0; i < 3; i++) {
        uint32_t words[4];
        philox_block(known[i][0], known[i][1], words);
        assert_memory_equal(words, known[i][2], sizeof words);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(broadcast, forget),
        cmocka_unit_test_teardown(reshape, forget),
        cmocka_unit_test_teardown(transpose, forget),
        cmocka_unit_test_teardown(slice, forget),
        cmocka_unit_test_teardown(pad, forget),
        cmocka_unit_test_teardown(concat, forget),
        cmocka_unit_test_teardown(takes, forget),
        cmocka_unit_test_teardown(scatters, forget),
        cmocka_unit_test_teardown(wrong_indices, forget),
        cmocka_unit_test_teardown(sources, forget),
        cmocka_unit_test_teardown(random_uniform, forget),
        cmocka_unit_test(philox),
    };
    return cmocka_run_group_tests_name("evaluate_tensor", tests, NULL, NULL);
}
