/* SPDX-License-Identifier: Apache-2.0
 * Operations of one's own that cannot be: what is wrong with signatures, options and derivatives, and functions that fail
 * while a program runs. */
#include <gradus/gradus.h>

#include "tests/cmocka_all.h"

#include <string.h>

/* What is called, in these tests, is what `fails` below says; most are never called. */
static void nothing(void) {}
static void nothing_backward(void) {}

static gradus_graph *g;
static gradus_tensor f, i, h; /* f32 (B, 3), i32 (3), f64 (3) */

static int make_graph(void **state) {
    (void)state;
    g = gradus_graph_create();
    f = gradus_input(g, "f", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 3));
    i = gradus_input(g, "i", GRADUS_I32, GRADUS_SHAPE(3));
    h = gradus_input(g, "h", GRADUS_F64, GRADUS_SHAPE(3));
    return 0;
}

static int free_graph(void **state) {
    (void)state;
    gradus_graph_destroy(&g);
    return 0;
}

/* The error of the graph, which is made anew, has each of the words up to NULL, and the file. */
static void assert_says(int line, const char *const *words) {
    const char *message = gradus_graph_error(g);
    if (!gradus_graph_status(g)) fail_msg("line %d: no error", line);
    if (!strstr(message, "test_custom_errors.c:")) fail_msg("line %d: no place in \"%s\"", line, message);
    for (; *words; words++)
        if (!strstr(message, *words)) fail_msg("line %d: \"%s\" is not in \"%s\"", line, *words, message);
    free_graph(NULL);
    make_graph(NULL);
}
#define SAYS(...) assert_says(__LINE__, (const char *const[]){"custom: ", __VA_ARGS__, NULL})

/* --- signatures ------------------------------------------------------------------------------------------------------- */

static void test_signatures(void **state) {
    (void)state;
    static const struct {
        const char *signature, *message;
    } rows[] = {
        {"", "character 1 of its signature \"\": expected a prototype as in C: a type, a name and parameters, found "
             "the end"},
        {"multiply", "expected a prototype"},
        {"int (*multiply)(float *y)", "expected a prototype as in C: a type, a name and parameters, found ("},
        {"long multiply(const float *x0, float *y)", "character 1 of its signature"},
        {"unsigned multiply(const float *x0, float *y)",
         "expected void, int, gradus_status, float or double as what it returns, found unsigned"},
        {"float multiply(const float *x0, float *y)", "`float *y`: the function returns its result, so there is no y"},
        {"float multiply(const float *x0, int n)",
         "`int n`: the function returns its result, one number; how many elements an operand has is x0_n"},
        {"int *multiply(const float *x0, float *y)", "expected void, int, gradus_status, float or double"},
        {"int multiply", "character 13 of its signature \"int multiply\": expected (, found the end"},
        {"int multiply()", "character 14 of its signature \"int multiply()\": expected a parameter as in C, found )"},
        {"int multiply(void)", "expected the parameter's name"},
        {"int multiply(const float *, float *)", "expected the parameter's name: it says what is passed, found ,"},
        {"int multiply(unsigned int, float *y)", "expected the parameter's name"},
        {"int multiply(const float *x0, float *y", "expected , or ), found the end"},
        {"int multiply(const float *x0, float *y) { }", "character 41 of its signature"},
        {"int multiply(const float *x0, float *y, ...)", "expected a parameter as in C, found ."},
        {"int multiply(int (*x0)(int), float *y)", "expected the parameter's name"},
        {"int multiply(const float *x0, const float *x0, float *y)",
         "`const float *x0`: a second parameter of that name"},
        {"int multiply(const float x0[3, float *y)", "expected ], found the end"},
        {"int multiply(const flaot *x0, float *y)",
         "character 14 of its signature, `const flaot *x0`: no dtype has that type; right are float, double"},
        {"int multiply(const size_t *x0, float *y)", "no dtype has that type"},
        {"int multiply(const char *x0, float *y)", "no dtype has that type"},
        {"int multiply(const float **x0, float *y)", "a pointer to a pointer"},
        {"int multiply(float *x0, float *y)", "`float *x0`: it is read, and so const: const T *"},
        {"int multiply(const float *x0, const float *y)", "`const float *y`: it is written, and so not const"},
        {"int multiply(const float *x0, int64_t n)", "has no y: the result, to be written"},
        {"int multiply(const float *x3, float *y)", "`const float *x3`: there are not as many operands"},
        {"int multiply(const float *x00000, float *y)", "the name says nothing that is known"},
        {"int multiply(const float *a, float *y)",
         "`const float *a`: the name says nothing that is known; pointers are x0 … x2, y and user"},
        {"int multiply(const float *x0, float *y, int64_t m)", "`int64_t m`: the name says nothing that is known"},
        {"int multiply(const float *x0, float *y, int64_t x0_m)", "says nothing that is known"},
        {"int multiply(const float *x0, float *y, int64_t x0_d8)", "says nothing that is known"},
        {"int multiply(const float *x0, float *y, int64_t x9_d0)", "there are not as many operands"},
        {"int multiply(const float *x0, float *y, int64_t x0_d2)",
         "`int64_t x0_d2`: the tensor is (B, 3), which has no axis 2"},
        {"int multiply(const float *x0, float *y, int64_t y_d4)",
         "`int64_t y_d4`: the tensor is (B, 3), which has no axis 4"},
        {"int multiply(const float *x0, float *y, float n)", "`float n`: an extent is a whole number"},
        {"int multiply(const float *x0, float *y, double x0_d0)", "an extent is a whole number"},
        {"int multiply(const float *x0, float y)", "`float y`: it is passed by a pointer"},
        {"int multiply(float x0, float *y)",
         "`float x0`: the tensor is (B, 3), and only one of rank 0 is passed by its value; right is const float *"},
        {"int multiply(const float *x0, float *y, const float *dy)", "only a backward function has cotangents"},
        {"int multiply(const float *x0, float *y, double a = )", "expected a number, found )"},
        {"int multiply(const float *x0, float *y, int a = 3000000000)",
         "expected a whole number that the parameter's type holds"},
        {"int multiply(const float *x0, float *y, uint8_t a = 256)",
         "expected a whole number that the parameter's type holds"},
        {"int multiply(const float *x0, float *y, unsigned a = -1)",
         "expected a whole number that the parameter's type holds"},
        {"int multiply(const float *x0, float *y, unsigned a = 4294967296)",
         "expected a whole number that the parameter's type holds"},
        {"int multiply(const float *x0, float *y, size_t a = 18446744073709551616)",
         "expected a whole number that the parameter's type holds"},
        {"int multiply(const float *x0, float *y, int a = 1.5)", "expected , or ), found ."},
        {"int multiply(const float *x0, float *y, bool a = maybe)", "expected true or false, found maybe"},
        {"int multiply(const float *x0, float *y, float *a = 0)", "pointers and unknown types have none"},
        {"int multiply(const double *x0, float *y)",
         "`const double *x0`: the tensor is f32 (B, 3), so right is float *"},
        {"int multiply(const float *x1, float *y)",
         "`const float *x1`: the tensor is i32 (B, 3), so right is int32_t *"},
        {"int gradus_multiply(const float *x0, float *y)",
         "the symbol \"gradus_multiply\" is no C identifier, or one that is taken"},
        {"void memcpy(const float *x0, float *y)", "the symbol \"memcpy\""},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        gradus_custom(GRADUS_TENSORS(f, i, h), .function = nothing, .signature = rows[r].signature);
        if (!gradus_graph_status(g)) fail_msg("%s is taken", rows[r].signature);
        SAYS(rows[r].message);
    }
    char many[1200] = "int multiply(float *y";
    for (int k = 0; k < 70; k++) snprintf(many + strlen(many), sizeof many - strlen(many), ", int a%d = 1", k);
    gradus_custom(GRADUS_TENSORS(f), .function = nothing, .signature = strcat(many, ")"));
    SAYS("no more than 64 parameters");
}

/* --- options ---------------------------------------------------------------------------------------------------------- */

#define SIGNATURE "int multiply(const float *x0, float *y, int64_t n)"

static gradus_status run_nothing(const gradus_custom_call *c) { return c ? GRADUS_OK : GRADUS_ERROR_ARGUMENT; }
static gradus_status no_shape(void *user, const gradus_shape *in, size_t n, gradus_shape *out) {
    (void)in, (void)n, (void)out;
    return user ? gradus_custom_fail("%s are wanted", (const char *)user) : GRADUS_ERROR_ARGUMENT;
}
static gradus_status wild_shape(void *user, const gradus_shape *in, size_t n, gradus_shape *out) {
    (void)user, (void)in, (void)n;
    out->d[0] = 20;
    return GRADUS_OK;
}

static void test_options(void **state) {
    (void)state;
    gradus_custom(GRADUS_TENSORS(f), .symbol = "a");
    SAYS("no function: give .function with .signature, or .run");
    gradus_custom(GRADUS_TENSORS(f), .function = nothing);
    SAYS(".function without .signature");
    gradus_custom(GRADUS_TENSORS(f), .function = nothing, .run = run_nothing);
    SAYS(".function and .run");
    gradus_custom(GRADUS_TENSORS(f), .run = run_nothing);
    SAYS(".run without .symbol");
    gradus_custom(GRADUS_TENSORS(f), .run = run_nothing, .symbol = "a", .signature = SIGNATURE);
    SAYS(".run with a .signature");
    gradus_custom(GRADUS_TENSORS(f), .run = run_nothing, .symbol = "no symbol");
    SAYS("the symbol \"no symbol\" is no C identifier");
    gradus_custom(GRADUS_TENSORS(f), .run = run_nothing, .symbol = "a", .dtype = (gradus_dtype)40);
    SAYS(".dtype 40 is none");
    gradus_custom(GRADUS_TENSORS(f), .function = nothing, .signature = SIGNATURE, .dtype = GRADUS_F64);
    SAYS("`float *y`: the tensor is f64 (B, 3), so right is double *");
    gradus_custom(GRADUS_TENSORS(f, gradus_input(g, "w", GRADUS_F32, GRADUS_SHAPE(4))), .function = nothing,
                  .signature = SIGNATURE);
    SAYS("shapes (B, 3) and (4) do not broadcast");
    gradus_custom(GRADUS_TENSORS(f), .function = nothing, .signature = SIGNATURE, .shape = no_shape);
    SAYS("multiply: its shape function refuses the operands: no reason given");
    gradus_custom(GRADUS_TENSORS(f), .function = nothing, .signature = SIGNATURE, .shape = no_shape,
                  .user = (void *)(uintptr_t) "matrices");
    SAYS("multiply: its shape function refuses the operands: matrices are wanted");
    gradus_custom(GRADUS_TENSORS(f), .function = nothing, .signature = SIGNATURE, .shape = wild_shape);
    SAYS("rank 20");
    gradus_custom(GRADUS_TENSORS(h), .function = nothing, .signature = "double norm(const double *x)",
                  .dtype = GRADUS_F32);
    SAYS("norm: it returns its result, a double, which is no f32 ()");
    gradus_custom(GRADUS_TENSORS(f), .function = nothing, .signature = SIGNATURE);
    gradus_custom(GRADUS_TENSORS(f), .symbol = "multiply", .run = run_nothing);
    SAYS("the symbol \"multiply\" is another function's already; give .symbol");
    gradus_custom(GRADUS_TENSORS(f), .function = nothing, .signature = SIGNATURE, .backward = nothing_backward,
                  .backward_signature = "void multiply(const float *dy, float *dx0, int64_t n)");
    SAYS("the symbol \"multiply\" is another function's already; give .backward_symbol");
    gradus_custom(GRADUS_TENSORS(f), .function = nothing, .signature = SIGNATURE, .reserved_ = {0, 1});
    SAYS("an option is set that this version of the library does not know");
    gradus_tensor many[40];
    for (int k = 0; k < 40; k++) many[k] = f;
    gradus_custom(gradus_list(many, 40), .function = nothing, .signature = SIGNATURE);
    SAYS("40 operands; right are 1 to 32");
}

/* --- derivatives ------------------------------------------------------------------------------------------------------ */

static gradus_status odd_gradient(void *user, gradus_tensors x, gradus_tensor y, gradus_tensor dy, gradus_tensor *dx) {
    (void)y;
    if (!user) return gradus_custom_fail("not today");
    dx[0] = gradus_sum(gradus_mul(dy, x.items[0]), GRADUS_AXES(0), false);
    return GRADUS_OK;
}

#define DIFFERENTIATED(...) \
    gradus_gradient(gradus_custom(GRADUS_TENSORS(f), .function = nothing, .signature = SIGNATURE, __VA_ARGS__), f)

static void test_derivatives(void **state) {
    (void)state;
    static const struct {
        const char *signature, *message;
    } rows[] = {
        {"int b(const float *dy, const float *z, float *dx0)",
         "the name says nothing that is known; pointers are x0, y, dy, dx0 … and user"},
        {"int b(const float *dy)", "has no dx0, dx1, …: the cotangents, to be written"},
        {"int b(const float *dy, float *dx1)", "`float *dx1`: there is one operand, x0"},
        {"int b(float *y, float *dx0)", "`float *y`: it is read, and so const"},
        {"int b(const float *dx0)", "`const float *dx0`: it is written, and so not const"},
        {"int b(const float *dy, float dx0)", "`float dx0`: it is passed by a pointer"},
        {"double b(const float *dy, float *dx0)",
         "returns a double; a backward function returns void, int or gradus_status"},
        {"int memset(float *dx0)", "the symbol \"memset\""},
        {"int multiply(float *dx0)", ""}, /* another function under the forward one's name: below */
    };
    for (size_t r = 0; r + 1 < sizeof rows / sizeof *rows; r++) {
        DIFFERENTIATED(.backward = nothing, .backward_signature = rows[r].signature);
        SAYS(rows[r].message);
    }
    /* only the shape rule knows dtypes and shapes: found when a derivative is asked for */
    DIFFERENTIATED(.backward = nothing, .backward_signature = "int b(const double *dy, float *dx)");
    SAYS("`const double *dy`: the tensor is f32 (B, 3), so right is float *");
    DIFFERENTIATED(.backward = nothing, .backward_signature = "int b(float dy, float *dx)");
    SAYS("`float dy`: the tensor is (B, 3), and only one of rank 0 is passed by its value");
    DIFFERENTIATED(.backward_signature = "int b(float *dx0)");
    SAYS("a signature or symbol of .backward, and no .backward");
    DIFFERENTIATED(.backward = nothing, .gradient = odd_gradient);
    SAYS(".backward and .gradient");
    DIFFERENTIATED(.gradient = odd_gradient);
    SAYS("multiply: its gradient fails: not today");
    DIFFERENTIATED(.gradient = odd_gradient, .user = &g);
    SAYS("multiply: its gradient made a dx[0] that is not as the operand, f32 (B, 3)");
    gradus_gradient(gradus_custom(GRADUS_TENSORS(f, gradus_exp(f)), .function = nothing, .signature = SIGNATURE,
                                  .backward = nothing, .backward_signature = "void b(const float *dy, float *dx1)"),
                    f);
    SAYS("b: its signature has no dx0");
}

/* These say what the user asked of them, not "custom: ". */
static void test_no_derivative(void **state) {
    (void)state;
    gradus_tensor y = gradus_custom(GRADUS_TENSORS(f), .function = nothing, .signature = SIGNATURE);
    gradus_gradient(gradus_exp(y), f);
    assert_says(__LINE__, (const char *const[]){"gradient: custom multiply (",
                                                "has no derivative; give it a .backward or a .gradient, or put "
                                                "gradus_stop_gradient behind it",
                                                NULL});
    y = gradus_custom(GRADUS_TENSORS(f), .function = nothing, .signature = SIGNATURE, .backward = nothing,
                      .symbol = "m");
    gradus_gradient(gradus_gradient(gradus_exp(y), f), f);
    assert_says(__LINE__, (const char *const[]){"gradient: custom m_backward (",
                                                "has no derivative; a C function that is a .backward has none of "
                                                "its own, where a .gradient has",
                                                NULL});
    y = gradus_custom(GRADUS_TENSORS(f), .function = nothing, .signature = SIGNATURE);
    gradus_gradient(gradus_mul(f, gradus_stop_gradient(y)), f);
    assert_int_equal(gradus_graph_status(g), GRADUS_OK);
}

/* --- while a program runs --------------------------------------------------------------------------------------------- */

typedef struct {
    int countdown; /* calls until one fails */
    int result;    /* which it then returns … */
    bool says;     /* … and says why */
    int called;
} failing;

static int identity(const float *x, float *y, int64_t n, failing *user) {
    user->called++;
    memcpy(y, x, (size_t)n * sizeof *y);
    if (--user->countdown != 0) return 0;
    memset(y, 0xFF, (size_t)n * sizeof *y);
    return user->says ? gradus_custom_fail("call %d is one too many", user->called) : user->result;
}

static gradus_tensor checked(gradus_tensor x, failing *user) {
    return gradus_custom(GRADUS_TENSORS(x), .function = GRADUS_FUNCTION(identity), .user = user, .effects = true,
                         .signature = "int identity(const float *x, float *y, int64_t n, failing *user)",
                         .backward = nothing, .backward_signature = "int none(const float *dy, float *dx)");
}

enum { WIDTH = 512, ROWS = 32 };

/* An entry that changes two states, one of them by a value that a call needs before. */
static gradus_program *make_program(failing users[3], int32_t threads, int *line) {
    gradus_graph *m = gradus_graph_create();
    gradus_tensor x = gradus_input(m, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, WIDTH));
    gradus_tensor w = gradus_param(m, "w", GRADUS_F32, GRADUS_SHAPE(WIDTH, WIDTH), gradus_normal(0, 1));
    gradus_tensor v = gradus_state(m, "v", GRADUS_F32, GRADUS_SHAPE(WIDTH), gradus_ones());
    *line = __LINE__ + 1;
    gradus_tensor y = checked(gradus_matmul(x, w), &users[0]), z = checked(gradus_exp(y), &users[1]);
    gradus_updates both =
        gradus_join(GRADUS_UPDATES(gradus_assign(w, gradus_mul(w, gradus_mean(z, GRADUS_ALL_AXES, false))),
                                   gradus_assign(v, gradus_add(v, gradus_scalar(m, GRADUS_F32, 1)))));
    gradus_tensor late = checked(gradus_updated(both, v), &users[2]);
    gradus_define(m, "step", GRADUS_TENSORS(x), GRADUS_TENSORS(gradus_sum(late, GRADUS_ALL_AXES, false)), both);
    gradus_program *p = NULL;
    if (gradus_jit(m, gradus_compile_options(.max_batch = ROWS, .threads = threads), &p))
        fail_msg("%s", gradus_last_error());
    gradus_graph_destroy(&m);
    assert_int_equal(gradus_program_init(p, 3), GRADUS_OK);
    return p;
}

static void test_failing(void **state) {
    (void)state;
    static float x[ROWS * WIDTH], w[2][WIDTH * WIDTH], v[2][WIDTH];
    for (int32_t threads = 1; threads <= 3; threads++) {
        for (int which = 0; which < 3; which++) {
            for (int says = 0; says < 2; says++) {
                failing users[3] = {{0}};
                users[which] = (failing){.countdown = 2, .result = 7, .says = says};
                int line;
                float sum;
                char expected[100];
                gradus_program *p = make_program(users, threads, &line);
                assert_int_equal(gradus_call(p, "step", ROWS, GRADUS_INPUTS(x), GRADUS_OUTPUTS(&sum)), GRADUS_OK);
                assert_true(sum == 2 * WIDTH);
                assert_int_equal(gradus_program_read(p, "w", w[0], sizeof w[0]), GRADUS_OK);
                assert_int_equal(gradus_program_read(p, "v", v[0], sizeof v[0]), GRADUS_OK);
                assert_int_equal(gradus_call(p, "step", ROWS, GRADUS_INPUTS(x), GRADUS_OUTPUTS(&sum)),
                                 GRADUS_ERROR_CALLBACK);
                snprintf(expected, sizeof expected, "custom identity: %s; the state is as it was",
                         says ? "call 2 is one too many" : "it returned 7");
                if (!strstr(gradus_last_error(), expected) || !strstr(gradus_last_error(), "test_custom_errors.c:"))
                    fail_msg("%s, not %s", gradus_last_error(), expected);
                for (int u = 0; u < 3; u++)
                    assert_int_equal(users[u].called, u <= which ? 2 : 1); /* none after the one that failed */
                assert_int_equal(gradus_program_read(p, "w", w[1], sizeof w[1]), GRADUS_OK);
                assert_int_equal(gradus_program_read(p, "v", v[1], sizeof v[1]), GRADUS_OK);
                assert_memory_equal(w[0], w[1], sizeof w[0]);
                assert_memory_equal(v[0], v[1], sizeof v[0]);
                assert_int_equal(gradus_call(p, "step", ROWS, GRADUS_INPUTS(x), GRADUS_OUTPUTS(&sum)), GRADUS_OK);
                assert_true(sum == 3 * WIDTH);
                gradus_program_destroy(&p);
            }
        }
    }
}

/* An extent that an int does not hold is found when the program is made, not when it runs. */
static void test_numbers_fit(void **state) {
    (void)state;
    gradus_tensor y = gradus_custom(GRADUS_TENSORS(f), .function = nothing,
                                    .signature = "void many(const float *x, float *y, int n)");
    gradus_define(g, "f", GRADUS_TENSORS(f), GRADUS_TENSORS(y), GRADUS_NO_UPDATES);
    gradus_program *p = NULL;
    assert_int_equal(gradus_jit(g, gradus_compile_options(.max_batch = (int64_t)1 << 30), &p), GRADUS_ERROR_ARGUMENT);
    assert_non_null(
        strstr(gradus_last_error(),
               "custom many: `n` can be more than 2^31 - 1, which its type does not hold; right is int64_t"));
    assert_null(p);
}

int main(void) {
#define TEST(t) cmocka_unit_test_setup_teardown(t, make_graph, free_graph)
    const struct CMUnitTest tests[] = {
        TEST(test_signatures),    TEST(test_options), TEST(test_derivatives),
        TEST(test_no_derivative), TEST(test_failing), TEST(test_numbers_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
