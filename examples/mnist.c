/* SPDX-License-Identifier: Apache-2.0
 *
 * Trains a classifier of handwritten digits: 784-512(relu)-10 with Adam on MNIST, compiled at once into this process.
 *
 *     usage: mnist [--seed N] [--epochs N] [--data DIRECTORY] [--out DIRECTORY]
 *
 * Prints loss and accuracy of each epoch and, at the end, the accuracy on the test images.  Draws the curves and the
 * graph before and after fusion into the output directory.
 */
#include "example.h"

enum { BATCH = 128 };

typedef struct {
    double loss, accuracy; /* means over examples */
} score;

typedef struct {
    gradus_graph *graph;
    gradus_program *program;
    gradus_data *train_data, *test_data;
    gradus_batches *train, *test;
    double *step_times; /* seconds, of every step but the first */
    size_t steps;
    double *curves[4]; /* an epoch's training loss, test loss, training accuracy, test accuracy */
    bool terminal;
} run;

#define OPTIONS gradus_compile_options(.max_batch = BATCH)

/* --- the model -------------------------------------------------------------------------------------------------- */

static gradus_graph *build_model(void) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 784));
    gradus_tensor y = gradus_input(g, "y", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH));

    gradus_tensor h = gradus_dense(x, .units = 512, .activation = GRADUS_RELU, .name = "fc1");
    gradus_tensor logits = gradus_dense(h, .units = 10, .name = "fc2");

    gradus_tensor loss = gradus_mean(gradus_softmax_cross_entropy(logits, y), GRADUS_ALL_AXES, false);
    gradus_tensor right = gradus_equal(gradus_argmax(logits, GRADUS_AXES(-1), false), y);
    gradus_tensor accuracy = gradus_mean(gradus_cast(right, GRADUS_F32), GRADUS_ALL_AXES, false);
    gradus_updates step = gradus_minimize(loss, gradus_adam(.learning_rate = 1e-3));

    gradus_define(g, "train", GRADUS_TENSORS(x, y), GRADUS_TENSORS(loss, accuracy), step);
    gradus_define(g, "evaluate", GRADUS_TENSORS(x, y), GRADUS_TENSORS(loss, accuracy), GRADUS_NO_UPDATES);
    return g; /* an error on the way is the graph's, and gradus_jit reports it */
}

/* --- progress ------------------------------------------------------------------------------------------------------ */

/* On a terminal one line that is written over and over. */
static void show_progress(const run *r, int64_t done, int64_t of, score mean, double since) {
    static double last;
    if (!r->terminal || (done < of && now() - last < 0.05)) return;
    last = now();
    enum { CELLS = 30 };
    char bar[CELLS + 1];
    for (int i = 0; i < CELLS; i++) bar[i] = i < CELLS * done / of ? '=' : i == CELLS * done / of ? '>' : '.';
    bar[CELLS] = '\0';
    printf("\r%4lld/%lld [%s] %.0f us/step - loss: %.4f - accuracy: %.4f", (long long)done, (long long)of, bar,
           since / (double)done * 1e6, mean.loss, mean.accuracy);
    fflush(stdout);
}

static void show_epoch(const run *r, long epoch, long epochs, score train, score test, double seconds) {
    if (r->terminal) printf(" - test loss: %.4f - test accuracy: %.4f\n", test.loss, test.accuracy);
    else
        printf("epoch %ld/%ld: loss %.4f, accuracy %.4f, test loss %.4f, test accuracy %.4f, %.2f s\n", epoch, epochs,
               train.loss, train.accuracy, test.loss, test.accuracy, seconds);
    fflush(stdout);
}

/* --- training ------------------------------------------------------------------------------------------------------ */

static void add_batch(score *sum, float loss, float accuracy, int64_t rows) {
    sum->loss += (double)loss * (double)rows;
    sum->accuracy += (double)accuracy * (double)rows;
}

static score mean_of(score sum, int64_t rows) { return (score){sum.loss / (double)rows, sum.accuracy / (double)rows}; }

/* One pass over the training images; every step's time is kept but that of the very first, which `compile_from` times
 * together with the compilation. */
static gradus_status train_epoch(run *r, double compile_from, score *result) {
    gradus_batch b;
    score sum = {0, 0};
    int64_t rows = 0, count = gradus_batches_count(r->train);
    double from = now();
    while (gradus_batches_next(r->train, &b)) {
        float loss, accuracy;
        double start = now();
        gradus_status status = gradus_call(r->program, "train", b.size, b.inputs, GRADUS_OUTPUTS(&loss, &accuracy));
        if (status) return status;
        if (b.epoch || b.index) r->step_times[r->steps++] = now() - start;
        else printf("from the graph to the end of the first step: %.0f ms\n", (now() - compile_from) * 1e3);
        add_batch(&sum, loss, accuracy, b.size);
        rows += b.size;
        show_progress(r, b.index + 1, count, mean_of(sum, rows), now() - from);
    }
    *result = mean_of(sum, rows);
    return GRADUS_OK;
}

static gradus_status evaluate(run *r, score *result) {
    gradus_batch b;
    score sum = {0, 0};
    while (gradus_batches_next(r->test, &b)) {
        float loss, accuracy;
        gradus_status status = gradus_call(r->program, "evaluate", b.size, b.inputs, GRADUS_OUTPUTS(&loss, &accuracy));
        if (status) return status;
        add_batch(&sum, loss, accuracy, b.size);
    }
    *result = mean_of(sum, gradus_data_rows(r->test_data));
    return GRADUS_OK;
}

static gradus_status train(run *r, const settings *s, double compile_from, score *test) {
    for (long epoch = 1; epoch <= s->epochs; epoch++) {
        if (r->terminal) printf("Epoch %ld/%ld\n", epoch, s->epochs);
        score training;
        double from = now();
        gradus_status status = train_epoch(r, compile_from, &training);
        if (!status) status = evaluate(r, test);
        if (status) return status;
        show_epoch(r, epoch, s->epochs, training, *test, now() - from);
        const double points[] = {training.loss, test->loss, training.accuracy, test->accuracy};
        for (size_t i = 0; i < 4; i++) r->curves[i][epoch - 1] = points[i];
    }
    return GRADUS_OK;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void tell_step_time(run *r) {
    if (!r->steps) return;
    qsort(r->step_times, r->steps, sizeof *r->step_times, by_size);
    printf("median step: %.0f us\n", r->step_times[r->steps / 2] * 1e6);
}

/* --- drawings ------------------------------------------------------------------------------------------------------ */

static void draw_curves(const run *r, const settings *s) {
    static const char *const files[] = {"mnist-loss.svg", "mnist-accuracy.svg"};
    static const char *const titles[] = {"MNIST, 784-512-10 with Adam: loss", "MNIST, 784-512-10 with Adam: accuracy"};
    for (size_t i = 0; i < 2; i++) {
        char path[PATH];
        out_file(s, files[i], path);
        gradus_series series[] = {
            {.name = "training", .y = r->curves[2 * i], .count = (size_t)s->epochs},
            {.name = "test", .y = r->curves[2 * i + 1], .count = (size_t)s->epochs},
        };
        tell_drawn(gradus_plot_curves(path, titles[i], "epoch", series, 2), path, "open it in a browser");
    }
}

static void draw_graphs(const run *r, const settings *s) {
    char path[PATH];
    out_file(s, "mnist-graph.svg", path);
    tell_drawn(gradus_graph_svg(r->graph, "train", path), path, "the training step as it was built");
    out_file(s, "mnist-kernels.svg", path);
    tell_drawn(gradus_kernels_svg(r->graph, OPTIONS, "train", path), path, "the same after fusion: compare the two");
}

/* --- the run ------------------------------------------------------------------------------------------------------- */

static gradus_status load(run *r, const settings *s) {
    load_images(s, "mnist", &r->train_data, &r->test_data);
    gradus_status status =
        gradus_batches_create(r->train_data, gradus_batch_options(.batch_size = BATCH, .seed = s->seed), &r->train);
    if (!status) {
        status = gradus_batches_create(r->test_data, gradus_batch_options(.batch_size = BATCH, .no_shuffle = true),
                                       &r->test);
    }
    if (status) return status;
    printf("MNIST: %lld training and %lld test images; 784-512(relu)-10, Adam, batch %d\n",
           (long long)gradus_data_rows(r->train_data), (long long)gradus_data_rows(r->test_data), BATCH);
    return GRADUS_OK;
}

static bool make_room(run *r, const settings *s) {
    size_t epochs = (size_t)s->epochs;
    r->step_times = calloc(epochs * (size_t)gradus_batches_count(r->train), sizeof(double));
    bool made = r->step_times != NULL;
    for (size_t i = 0; i < 4; i++) {
        r->curves[i] = calloc(epochs, sizeof(double));
        made = made && r->curves[i];
    }
    return made;
}

static int run_all(run *r, const settings *s) {
    if (load(r, s)) return 1;
    if (!make_room(r, s)) {
        fprintf(stderr, "mnist: out of memory\n");
        return 1;
    }
    r->graph = build_model();
    double compile_from = now();
    score test;
    if (gradus_jit(r->graph, OPTIONS, &r->program)) return 1;
    if (gradus_program_init(r->program, s->seed)) return 1;
    if (train(r, s, compile_from, &test)) return 1;
    tell_step_time(r);
    draw_curves(r, s);
    draw_graphs(r, s);
    printf("test accuracy %.4f\n", test.accuracy);
    return 0;
}

int main(int argc, char **argv) {
    settings s = parse(argc, argv, (settings){.seed = 42, .epochs = 5});
    run r = {.terminal = isatty(STDOUT_FILENO)};
    int failed = run_all(&r, &s);
    if (failed && gradus_last_error()[0]) fprintf(stderr, "mnist: %s\n", gradus_last_error());
    gradus_program_destroy(&r.program);
    gradus_graph_destroy(&r.graph);
    gradus_batches_destroy(&r.train);
    gradus_batches_destroy(&r.test);
    gradus_data_destroy(&r.train_data);
    gradus_data_destroy(&r.test_data);
    free(r.step_times);
    for (size_t i = 0; i < 4; i++) free(r.curves[i]);
    return failed;
}
