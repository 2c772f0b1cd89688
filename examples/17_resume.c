/* SPDX-License-Identifier: Apache-2.0
 *
 * A run that is killed and resumed ends with the same bytes as one that was not: a checkpoint has all that the next step
 * depends on, that is, parameters, the optimizer's averages, random numbers, and where in the data the run was.
 *
 * Three runs of 784-128-10 with dropout and Adam on MNIST: one, a process of its own, saves a checkpoint in the middle of
 * an epoch, goes on and is killed; one begins with that checkpoint; one goes from the beginning to the end.  The training
 * loop is written out, over the program that a model has.
 */
#include "example.h"

#include <signal.h>
#include <sys/wait.h>

typedef struct {
    gradus_model *model;
    gradus_program *program;
    gradus_batches *batches;
} training;

static training begin(const gradus_data *data, uint64_t weights_seed, uint64_t order_seed) {
    training t = {.model = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(784))};
    gradus_model_add(t.model, gradus_layer_dense(.units = 128, .activation = GRADUS_RELU));
    gradus_model_add(t.model, gradus_layer_dropout(.rate = 0.2));
    gradus_model_add(t.model, gradus_layer_dense(.units = 10, .activation = GRADUS_SOFTMAX));
    must(gradus_model_compile(t.model, .optimizer = gradus_adam(), .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY,
                              .metrics = GRADUS_ACCURACY, .seed = weights_seed));
    t.program = gradus_model_program(t.model);
    if (!t.program) must(GRADUS_ERROR_ARGUMENT);
    must(gradus_batches_create(data, gradus_batch_options(.batch_size = 32, .seed = order_seed), &t.batches));
    return t;
}

static void end(training *t) {
    gradus_batches_destroy(&t->batches);
    gradus_model_destroy(&t->model); /* and the program with it */
}

/* Makes steps from where the training stands to the given share of all epochs. */
static void go_on(training *t, double share, long epochs) {
    int64_t epoch, index, each = gradus_batches_count(t->batches);
    int64_t last = (int64_t)(share * (double)(epochs * each));
    gradus_batches_tell(t->batches, &epoch, &index);
    for (int64_t step = epoch * each + index; step < last;) {
        gradus_batch b;
        float loss, accuracy;
        if (!gradus_batches_next(t->batches, &b)) continue; /* the end of an epoch; the next one begins */
        must(gradus_call(t->program, "train", b.size, b.inputs, GRADUS_OUTPUTS(&loss, &accuracy)));
        step++;
        if (step % 500 == 0) printf("step %lld: loss %.4f\n", (long long)step, (double)loss);
    }
    fflush(stdout);
}

/* Saves two thirds of the way, in the middle of an epoch, and is killed soon after. */
static void be_killed(const gradus_data *train, const settings *s, const char *checkpoint) {
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        training t = begin(train, s->seed, s->seed);
        go_on(&t, 0.65, s->epochs);
        must(gradus_save_with(t.program, checkpoint, .batches = t.batches));
        go_on(&t, 0.7, s->epochs);
        raise(SIGKILL);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) < 0) perror("fork");
    printf("killed by signal = %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static long bytes_that_differ(const char *one, const char *other) {
    FILE *a = fopen(one, "rb"), *b = fopen(other, "rb");
    long count = 0;
    if (!a || !b) return -1;
    for (int x = 0, y = 0; x != EOF || y != EOF;) {
        x = getc(a), y = getc(b);
        count += x != y;
    }
    fclose(a), fclose(b);
    return count;
}

int main(int argc, char **argv) {
    settings s = parse(argc, argv, (settings){.seed = 1, .epochs = 2});
    gradus_data *train, *test;
    char checkpoint[PATH], whole[PATH], resumed[PATH];
    load_images(&s, "mnist", &train, &test);
    be_killed(train, &s, out_file(&s, "17_resume-checkpoint.safetensors", checkpoint));

    printf("resumed\n");
    training t = begin(train, s.seed + 1, s.seed); /* its first weights do not matter: it gets others */
    must(gradus_load_with(t.program, checkpoint, .batches = t.batches));
    go_on(&t, 1, s.epochs);
    must(gradus_save(t.program, out_file(&s, "17_resume-resumed.safetensors", resumed)));
    float accuracy;
    must(gradus_model_evaluate(t.model, test, NULL, &accuracy));
    printf("test accuracy = %.4f\n", (double)accuracy);
    end(&t);

    printf("from the beginning to the end\n");
    t = begin(train, s.seed, s.seed);
    go_on(&t, 1, s.epochs);
    must(gradus_save(t.program, out_file(&s, "17_resume-whole.safetensors", whole)));
    end(&t);
    printf("bytes that differ from those of the whole run = %ld\n", bytes_that_differ(resumed, whole));
    printf("bytes that differ from the checkpoint's = %ld\n", bytes_that_differ(checkpoint, whole));

    gradus_data_destroy(&train);
    gradus_data_destroy(&test);
}
