/* SPDX-License-Identifier: Apache-2.0
 *
 * The same bits everywhere: training steps of a network give the same outputs and the same state, byte for byte, for any
 * number of threads, any CPU that has FMA, any largest batch, from whichever thread and between whichever other programs
 * they are called; and what the evaluator gives.
 *
 * The network has a kernel of each kind: contractions with epilogues, rows, columns, a look-up and its scatter, index
 * checks; and pads, slices, a concatenation and random numbers.
 */
#include "tests/compare.h"
#include "tests/heap.h"
#include "tests/random_graph.h"

#include "backend/jit.h"
#include "runtime/core.h"

#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

enum { STEPS = 12, CLASSES = 10, EMBEDDED = 6, STATES = 64, OUTPUTS = 3 };

typedef struct {
    const char *name;
    gradus_dtype dtype;
    int64_t in, hidden, max_batch;
    bool shared; /* enough work for several threads */
} model;

static const model models[] = {
    {"f32, small", GRADUS_F32, 33, 48, 24, false},
    {"f32", GRADUS_F32, 784, 256, 64, true},
    {"f32, odd extents", GRADUS_F32, 201, 131, 37, true},
    {"f64", GRADUS_F64, 97, 120, 48, true},
};
enum { MODELS = sizeof models / sizeof *models };

/* --- the network -------------------------------------------------------------------------------------------------------- */

static gradus_tensor scaled(gradus_tensor x, double by) {
    return gradus_mul(x, gradus_scalar(x.graph, gradus_dtype_of(x), by));
}

/* Batch normalisation with the statistics of this call, and a running mean as state. */
static gradus_tensor normalized(gradus_tensor h, gradus_updates *statistics) {
    gradus_graph *g = h.graph;
    const gradus_dtype t = gradus_dtype_of(h);
    const gradus_shape one_row = GRADUS_SHAPE(gradus_shape_of(h).d[2]);
    gradus_tensor mean = gradus_mean(h, GRADUS_AXES(0), false), variance = gradus_var(h, GRADUS_AXES(0), false);
    gradus_tensor running = gradus_state(g, "norm/mean", t, one_row, gradus_zeros());
    gradus_tensor gamma = gradus_param(g, "norm/gamma", t, one_row, gradus_ones());
    gradus_tensor beta = gradus_param(g, "norm/beta", t, one_row, gradus_uniform(-0.1, 0.1));
    gradus_tensor rate = gradus_rsqrt(gradus_add(variance, gradus_scalar(g, t, 1e-3)));
    *statistics = gradus_assign(running, gradus_add(scaled(running, 0.9), scaled(mean, 0.1)));
    return gradus_add(gradus_mul(gradus_mul(gradus_sub(h, mean), rate), gamma), beta);
}

/* The entry "train": x, y → the loss, the predicted classes, the probabilities. */
static gradus_graph *network(const model *m, double learning_rate) {
    gradus_graph *g = gradus_graph_create();
    gradus_updates statistics;
    gradus_tensor x = gradus_input(g, "x", m->dtype, GRADUS_SHAPE(GRADUS_BATCH, m->in));
    gradus_tensor y = gradus_input(g, "y", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH));
    gradus_tensor steps = gradus_state(g, "steps", GRADUS_I64, GRADUS_SCALAR, gradus_zeros());
    gradus_tensor table = gradus_param(g, "table", m->dtype, GRADUS_SHAPE(CLASSES, EMBEDDED), gradus_normal(0, 0.1));
    gradus_tensor h = gradus_dense(x, .units = m->hidden, .name = "fc1", .activation = GRADUS_RELU);
    h = normalized(h, &statistics);
    h = gradus_add(h, scaled(gradus_random_normal(g, m->dtype, GRADUS_SHAPE(GRADUS_BATCH, m->hidden)), 0.05));
    gradus_tensor moved = gradus_pad(gradus_slice(gradus_tanh(h), 1, 3, m->hidden - 2), 1, 2, 5, 0.25);
    gradus_tensor look_up = gradus_take(table, y, 0);
    gradus_tensor z = gradus_concat(GRADUS_TENSORS(moved, gradus_slice(x, 1, 1, 17), look_up), 1);
    z = gradus_dense(z, .units = CLASSES, .name = "fc2");
    gradus_tensor loss = gradus_mean(gradus_softmax_cross_entropy(z, y), GRADUS_ALL_AXES, false);
    gradus_updates adam = gradus_minimize(loss, gradus_adam(.learning_rate = learning_rate));
    gradus_updates counted = gradus_assign(steps, gradus_add(steps, gradus_scalar(g, GRADUS_I64, 1)));
    gradus_define(g, "train", GRADUS_TENSORS(x, y), GRADUS_TENSORS(loss, gradus_argmax(z, GRADUS_AXES(1), false), gradus_softmax(z, 1)),
                  gradus_join(GRADUS_UPDATES(adam, statistics, counted)));
    if (gradus_graph_status(g)) fail_msg("%s: %s", m->name, gradus_graph_error(g));
    return g;
}

/* --- steps and what they leave ------------------------------------------------------------------------------------------ */

/* One training run: its batches and seeds, and room for the arguments of a call. */
typedef struct {
    const model *m;
    uint64_t seed;
    void *x, *probabilities;
    int32_t *y, *predicted;
    double loss; /* room for either dtype */
} run;

static void *some_bytes(size_t bytes) {
    void *p = malloc(bytes);
    assert_non_null(p);
    return p;
}

static run run_of(const model *m, uint64_t seed) {
    const size_t rows = (size_t)m->max_batch;
    return (run){.m = m,
                 .seed = seed,
                 .x = some_bytes(rows * (size_t)m->in * sizeof(double)),
                 .probabilities = some_bytes(rows * CLASSES * sizeof(double)),
                 .y = some_bytes(rows * sizeof(int32_t)),
                 .predicted = some_bytes(rows * sizeof(int32_t))};
}

static void run_free(run *r) {
    free(r->x);
    free(r->probabilities);
    free(r->y);
    free(r->predicted);
}

static int64_t batch_of(const model *m, int step) {
    const int64_t most = m->max_batch, batches[STEPS] = {most, most, 1, most, most / 3, most - 1, most, 5, 2, most, most / 2, most};
    return batches[step];
}

static void put(void *data, gradus_dtype dtype, int64_t i, double v) {
    if (dtype == GRADUS_F64) ((double *)data)[i] = v;
    else ((float *)data)[i] = (float)v;
}

static void fill_inputs(const run *r, int step, int64_t batch) {
    random_source s = {r->seed * 1000 + (uint64_t)step};
    for (int64_t i = 0; i < batch; i++) r->y[i] = (int32_t)random_up_to(&s, CLASSES);
    for (int64_t i = 0; i < batch * r->m->in; i++)
        put(r->x, r->m->dtype, i, random_between(&s, -1, 1) + 0.1 * r->y[i / r->m->in] * (double)(i % 3));
}

/* Asserts nothing, since threads without a test call it too. */
static gradus_status take_step(gradus_program *p, run *r, int step) {
    const int64_t batch = batch_of(r->m, step);
    fill_inputs(r, step, batch);
    const gradus_in in[] = {{r->x, r->m->dtype}, {r->y, GRADUS_I32}};
    const gradus_out out[OUTPUTS] = {{&r->loss, r->m->dtype}, {r->predicted, GRADUS_I32}, {r->probabilities, r->m->dtype}};
    return gradus_call(p, "train", batch, (gradus_inputs){in, 2}, (gradus_outputs){out, OUTPUTS});
}

/* A part of a record, and its name in messages. */
typedef struct {
    char name[80];
    size_t at, bytes;
} part;

typedef struct {
    unsigned char *bytes;
    size_t count;
    part parts[STEPS * OUTPUTS + STATES];
    int n_parts;
    double losses[STEPS];
} record;

static unsigned char *add_part(record *to, const char *name, int step, size_t bytes) {
    assert_true(to->n_parts < STEPS * OUTPUTS + STATES);
    part *p = &to->parts[to->n_parts++];
    snprintf(p->name, sizeof p->name, step < 0 ? "%s" : "%s of step %d", name, step);
    p->at = to->count;
    p->bytes = bytes;
    to->bytes = realloc(to->bytes, to->count += bytes);
    assert_non_null(to->bytes);
    return to->bytes + p->at;
}

static void record_outputs(const run *r, int step, record *to) {
    const size_t batch = (size_t)batch_of(r->m, step), size = gradus_dtype_size(r->m->dtype);
    memcpy(add_part(to, "loss", step, size), &r->loss, size);
    memcpy(add_part(to, "prediction", step, batch * sizeof(int32_t)), r->predicted, batch * sizeof(int32_t));
    memcpy(add_part(to, "probabilities", step, batch * CLASSES * size), r->probabilities, batch * CLASSES * size);
    float single;
    memcpy(&single, &r->loss, sizeof single);
    to->losses[step] = r->m->dtype == GRADUS_F64 ? r->loss : (double)single;
}

static void record_state(const gradus_program *p, record *to) {
    gradus_info info;
    for (size_t i = 0; gradus_program_info(p, NULL, GRADUS_STATE, i, 0, &info) == GRADUS_OK; i++) {
        unsigned char *bytes = add_part(to, info.name, -1, info.bytes);
        assert_int_equal(gradus_program_read((gradus_program *)p, info.name, bytes, info.bytes), GRADUS_OK);
    }
}

static void assert_step(gradus_status status) {
    if (status) fail_msg("%s", gradus_last_error());
}

static record train(gradus_program *p, const model *m, uint64_t seed) {
    record all = {0};
    run r = run_of(m, seed);
    assert_step(gradus_program_init(p, seed));
    for (int step = 0; step < STEPS; step++) {
        const long asked = heap.asked;
        assert_step(take_step(p, &r, step));
        assert_int_equal(heap.asked, asked);
        record_outputs(&r, step, &all);
    }
    record_state(p, &all);
    run_free(&r);
    return all;
}

static void assert_same(const char *what, const record *a, const record *b) {
    assert_int_equal(a->n_parts, b->n_parts);
    for (int i = 0; i < a->n_parts; i++) {
        const part *p = &a->parts[i], *q = &b->parts[i];
        assert_string_equal(p->name, q->name);
        assert_int_equal(p->bytes, q->bytes);
        for (size_t byte = 0; byte < p->bytes; byte++)
            if (a->bytes[p->at + byte] != b->bytes[q->at + byte])
                fail_msg("%s: %s differs from byte %zu of %zu on", what, p->name, byte, p->bytes);
    }
}

static bool equal_part(const record *a, const record *b, const char *name) {
    for (int i = 0; i < a->n_parts; i++)
        if (strcmp(a->parts[i].name, name) == 0)
            return memcmp(a->bytes + a->parts[i].at, b->bytes + b->parts[i].at, a->parts[i].bytes) == 0;
    fail_msg("no state \"%s\"", name);
    return false;
}

static gradus_program *compiled(const model *m, const char *cpu, int32_t threads, int64_t max_batch) {
    gradus_graph *g = network(m, 0);
    gradus_program *p = NULL;
    if (jit_for_cpu(g, gradus_compile_options(.max_batch = max_batch, .threads = threads), cpu, &p))
        fail_msg("%s, %d threads, %s: %s", m->name, (int)threads, cpu ? cpu : "host", gradus_last_error());
    gradus_graph_destroy(&g);
    return p;
}

/* What the host's code does on one thread, seed 1. */
static record expected[MODELS];

static int record_expected(void **state) {
    (void)state;
    for (int i = 0; i < MODELS; i++) {
        gradus_program *p = compiled(&models[i], NULL, 1, models[i].max_batch);
        expected[i] = train(p, &models[i], 1);
        gradus_program_destroy(&p);
    }
    return 0;
}

static int free_expected(void **state) {
    (void)state;
    for (int i = 0; i < MODELS; i++) free(expected[i].bytes);
    return 0;
}

/* --- threads and CPUs --------------------------------------------------------------------------------------------------- */

/* Threads of this process; -1 where the system does not tell. */
static int threads_alive(void) {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return -1;
    for (const struct dirent *e; (e = readdir(tasks));) count += e->d_name[0] != '.';
    closedir(tasks);
    return count;
}

static void check_variant(int number, const char *cpu, int32_t threads) {
    const model *m = &models[number];
    char what[100];
    snprintf(what, sizeof what, "%s, %s, %d threads", m->name, cpu ? cpu : "host", (int)threads);
    const int before = threads_alive();
    gradus_program *p = compiled(m, cpu, threads, m->max_batch);
    record found = train(p, m, 1);
    if (m->shared) { /* else this would show nothing about threads */
        assert_int_equal(core_threads(p->core, program_find_entry(p, "train")), threads);
        if (before > 0) assert_int_equal(threads_alive() - before, threads - 1);
    }
    gradus_program_destroy(&p);
    assert_same(what, &expected[number], &found);
    free(found.bytes);
}

static void test_threads(void **state) {
    (void)state;
    static const int32_t threads[] = {1, 2, 3, 4, 7};
    for (int i = 0; i < MODELS; i++)
        for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) check_variant(i, NULL, threads[t]);
}

static void check_cpu(const char *cpu) {
    for (int i = 0; i < MODELS; i++) {
        check_variant(i, cpu, 1);
        check_variant(i, cpu, i % 2 ? 3 : 4);
        if (models[i].hidden == 131) check_variant(i, cpu, 7);
    }
}

/* Vectors of 16 bytes. */
static void test_x86_64_v2_with_fma(void **state) {
    (void)state;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("fma")) {
        check_cpu("x86-64-v2+fma");
        return;
    }
#endif
    skip();
}

/* Vectors of 32 bytes. */
static void test_x86_64_v3(void **state) {
    (void)state;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        check_cpu("x86-64-v3");
        return;
    }
#endif
    skip();
}

/* Vectors of 64 bytes. */
static void test_x86_64_v4(void **state) {
    (void)state;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd")) {
        check_cpu("x86-64-v4");
        return;
    }
#endif
    skip();
}

/* Equal bits would show nothing if nothing happened. */
static void test_the_steps_train(void **state) {
    (void)state;
    for (int i = 0; i < MODELS; i++) {
        gradus_program *p = compiled(&models[i], NULL, 1, models[i].max_batch);
        record fresh = {0};
        assert_step(gradus_program_init(p, 1));
        record_state(p, &fresh);
        const part *states = &expected[i].parts[STEPS * OUTPUTS];
        assert_int_equal(expected[i].n_parts, STEPS * OUTPUTS + fresh.n_parts);
        for (int s = 0; s < fresh.n_parts; s++) {
            assert_string_equal(states[s].name, fresh.parts[s].name);
            const bool same = memcmp(expected[i].bytes + states[s].at, fresh.bytes + fresh.parts[s].at, states[s].bytes) == 0;
            if (same != (strcmp(states[s].name, "adam/learning_rate") == 0)) fail_msg("%s: %s: %d", models[i].name, states[s].name, same);
        }
        for (int step = 0; step < STEPS; step++) assert_true(isfinite(expected[i].losses[step]));
        assert_true(expected[i].losses[STEPS - 1] < expected[i].losses[0]);
        gradus_program_destroy(&p);
        free(fresh.bytes);
    }
}

/* --- the evaluator ------------------------------------------------------------------------------------------------------ */

/* States of a program as they are, inputs of a step. */
typedef struct {
    gradus_program *p;
    run r;
} moment;

static void bind_moment(void *user, uint32_t id, const node *n, array *out) {
    moment *now = user;
    const size_t bytes = (size_t)shape_elements(&out->shape) * gradus_dtype_size(out->dtype);
    (void)id;
    if (n->op != OP_input) {
        assert_step(gradus_program_read(now->p, n->attr.name, out->data, bytes));
        return;
    }
    fill_inputs(&now->r, 0, now->r.m->max_batch);
    memcpy(out->data, n->dtype == GRADUS_I32 ? (const void *)now->r.y : now->r.x, bytes);
}

/* Of the first step, and of one with momentum. */
static void test_evaluator(void **state) {
    (void)state;
    for (int i = 0; i < MODELS; i++) {
        const int64_t batches[] = {models[i].max_batch, 3};
        gradus_graph *g = network(&models[i], 0);
        moment now = {compiled(&models[i], NULL, 2, models[i].max_batch), run_of(&models[i], 5)};
        assert_step(gradus_program_init(now.p, 5));
        compare_graph(g, models[i].name, batches, 1, 2, (source_of_values){bind_moment, &now});
        for (int step = 0; step < 3; step++) assert_step(take_step(now.p, &now.r, step));
        compare_graph(g, models[i].name, batches, 2, 3, (source_of_values){bind_moment, &now});
        gradus_program_destroy(&now.p);
        gradus_graph_destroy(&g);
        run_free(&now.r);
    }
}

/* --- programs ----------------------------------------------------------------------------------------------------------- */

static void test_interleaved_programs(void **state) {
    (void)state;
    gradus_program *p[MODELS];
    run runs[MODELS];
    record found[MODELS] = {0};
    for (int i = 0; i < MODELS; i++) {
        p[i] = compiled(&models[i], NULL, 1 + i % 3, models[i].max_batch);
        runs[i] = run_of(&models[i], 1);
    }
    for (int i = 0; i < MODELS; i++) assert_step(gradus_program_init(p[i], 1));
    for (int step = 0; step < STEPS; step++)
        for (int i = 0; i < MODELS; i++) {
            assert_step(take_step(p[i], &runs[i], step));
            record_outputs(&runs[i], step, &found[i]);
        }
    for (int i = 0; i < MODELS; i++) {
        record_state(p[i], &found[i]);
        assert_same(models[i].name, &expected[i], &found[i]);
        gradus_program_destroy(&p[i]);
        run_free(&runs[i]);
        free(found[i].bytes);
    }
}

/* Steps of one thread after another on one program. */
typedef struct {
    gradus_program *p;
    run *r;
    int step;
    gradus_status status;
} errand;

static void *run_errand(void *user) {
    errand *e = user;
    e->status = e->step < 0 ? gradus_program_init(e->p, 1) : take_step(e->p, e->r, e->step);
    return NULL;
}

static void send(errand e) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_errand, &e), 0);
    pthread_join(thread, NULL);
    assert_int_equal(e.status, GRADUS_OK);
}

static void test_calls_from_other_threads(void **state) {
    (void)state;
    for (int i = 0; i < MODELS; i++) {
        gradus_program *p = compiled(&models[i], NULL, 2, models[i].max_batch);
        run r = run_of(&models[i], 1);
        record found = {0};
        send((errand){p, &r, -1, GRADUS_OK});
        for (int step = 0; step < STEPS; step++) {
            if (step % 3) send((errand){p, &r, step, GRADUS_OK});
            else assert_step(take_step(p, &r, step));
            record_outputs(&r, step, &found);
        }
        record_state(p, &found);
        assert_same(models[i].name, &expected[i], &found);
        gradus_program_destroy(&p);
        run_free(&r);
        free(found.bytes);
    }
}

/* Two programs called at the same time. */
static void test_simultaneous_programs(void **state) {
    (void)state;
    gradus_program *p[2];
    run runs[2];
    record found[2] = {0};
    for (int i = 0; i < 2; i++) {
        p[i] = compiled(&models[i + 1], NULL, 2, models[i + 1].max_batch);
        runs[i] = run_of(&models[i + 1], 1);
        assert_step(gradus_program_init(p[i], 1));
    }
    for (int step = 0; step < STEPS; step++) {
        pthread_t thread;
        errand other = {p[1], &runs[1], step, GRADUS_OK};
        assert_int_equal(pthread_create(&thread, NULL, run_errand, &other), 0);
        const gradus_status status = take_step(p[0], &runs[0], step);
        pthread_join(thread, NULL);
        assert_step(status);
        assert_int_equal(other.status, GRADUS_OK);
        for (int i = 0; i < 2; i++) record_outputs(&runs[i], step, &found[i]);
    }
    for (int i = 0; i < 2; i++) {
        record_state(p[i], &found[i]);
        assert_same(models[i + 1].name, &expected[i + 1], &found[i]);
        gradus_program_destroy(&p[i]);
        run_free(&runs[i]);
        free(found[i].bytes);
    }
}

/* Neither what earlier calls left in memory nor the batch that memory is planned for is seen. */
static void test_batches(void **state) {
    (void)state;
    for (int i = 0; i < MODELS; i++) {
        const model *m = &models[i];
        gradus_program *p = compiled(m, NULL, 2, 2 * m->max_batch + 1);
        run r = run_of(m, 9);
        assert_step(gradus_program_init(p, 9));
        static const int small_then_large[] = {2, 7, 4, 0, 8, 1}; /* batches 1, 5, a third, all, 2, all */
        for (size_t s = 0; s < sizeof small_then_large / sizeof *small_then_large; s++)
            assert_step(take_step(p, &r, small_then_large[s]));
        record found = train(p, m, 1);
        assert_same(m->name, &expected[i], &found);
        free(found.bytes);
        found = train(p, m, 1);
        assert_same(m->name, &expected[i], &found);
        gradus_program_destroy(&p);
        run_free(&r);
        free(found.bytes);
    }
}

static record with_rate(const model *m, double compiled_in, double set) {
    gradus_graph *g = network(m, compiled_in);
    gradus_program *p = NULL;
    record all = {0};
    run r = run_of(m, 1);
    assert_step(gradus_jit(g, gradus_compile_options(.max_batch = m->max_batch, .threads = 2), &p));
    assert_step(gradus_program_init(p, 1));
    if (set >= 0) assert_step(gradus_program_set(p, "adam/learning_rate", set));
    for (int step = 0; step < 3; step++) assert_step(take_step(p, &r, step));
    record_state(p, &all);
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
    run_free(&r);
    return all;
}

static void test_learning_rate(void **state) {
    (void)state;
    for (int i = 0; i < MODELS; i += 3) { /* one of each dtype */
        const model *m = &models[i];
        record compiled_in = with_rate(m, 0.02, -1), set = with_rate(m, 0, 0.02), normal = with_rate(m, 0, -1), none = with_rate(m, 0, 0);
        assert_same(m->name, &compiled_in, &set);
        static const char *const params[] = {"fc1/kernel", "fc1/bias", "fc2/kernel", "fc2/bias", "norm/gamma", "table"};
        for (size_t k = 0; k < sizeof params / sizeof *params; k++) {
            assert_false(equal_part(&set, &normal, params[k]));
            assert_false(equal_part(&none, &normal, params[k]));
        }
        record first = {0};
        gradus_program *p = compiled(m, NULL, 1, m->max_batch);
        assert_step(gradus_program_init(p, 1));
        record_state(p, &first);
        for (size_t k = 0; k < sizeof params / sizeof *params; k++) assert_true(equal_part(&none, &first, params[k]));
        gradus_program_destroy(&p);
        free(first.bytes);
        free(compiled_in.bytes);
        free(set.bytes);
        free(normal.bytes);
        free(none.bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_steps_train),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_x86_64_v2_with_fma),
        cmocka_unit_test(test_x86_64_v3),
        cmocka_unit_test(test_x86_64_v4),
        cmocka_unit_test(test_evaluator),
        cmocka_unit_test(test_interleaved_programs),
        cmocka_unit_test(test_calls_from_other_threads),
        cmocka_unit_test(test_simultaneous_programs),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_learning_rate),
    };
    heap_install();
    return cmocka_run_group_tests(tests, record_expected, free_expected);
}
