/* SPDX-License-Identifier: Apache-2.0
 *
 * What a library of layers does inside: NaiveDense and NaiveSequential as C structs, a training step over their weights and
 * a loop over batches.  784-512(relu)-10 on MNIST without shuffling, with SGD and with Adam at a learning rate of 1e-3;
 * SGD, which is slow to learn at this rate, gets a third of the epochs.
 */
#include "example.h"

enum { BATCH = 128, LAYERS = 2 };

typedef gradus_tensor (*activation_function)(gradus_tensor x);

typedef struct {
    gradus_tensor kernel, bias;
    activation_function activation; /* NULL for none */
} naive_dense;

typedef struct {
    naive_dense layers[LAYERS];
} naive_sequential;

static naive_dense dense(gradus_graph *g, const char *name, int64_t in, int64_t out, activation_function activation) {
    char kernel[64], bias[64];
    snprintf(kernel, sizeof kernel, "%s/kernel", name);
    snprintf(bias, sizeof bias, "%s/bias", name);
    return (naive_dense){
        gradus_param(g, kernel, GRADUS_F32, GRADUS_SHAPE(in, out), gradus_uniform(0, 0.1)),
        gradus_param(g, bias, GRADUS_F32, GRADUS_SHAPE(out), gradus_zeros()),
        activation,
    };
}

static gradus_tensor call_dense(const naive_dense *layer, gradus_tensor x) {
    gradus_tensor y = gradus_add(gradus_matmul(x, layer->kernel), layer->bias);
    return layer->activation ? layer->activation(y) : y;
}

static gradus_tensor call_sequential(const naive_sequential *model, gradus_tensor x) {
    for (size_t i = 0; i < LAYERS; i++) x = call_dense(&model->layers[i], x);
    return x;
}

/* The entry points "train" and "count", the number of images that are told right. */
static gradus_program *compile(gradus_optimizer optimizer) {
    gradus_graph *g = gradus_graph_create();
    naive_sequential model = {{dense(g, "first", 784, 512, gradus_relu), dense(g, "second", 512, 10, NULL)}};
    gradus_tensor images = gradus_input(g, "images", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 784));
    gradus_tensor labels = gradus_input(g, "labels", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH));

    gradus_tensor logits = call_sequential(&model, images);
    gradus_tensor loss = gradus_mean(gradus_softmax_cross_entropy(logits, labels), GRADUS_ALL_AXES, false);
    gradus_tensors weights = gradus_params(g, NULL);
    gradus_updates step = gradus_apply(optimizer, weights, gradus_gradients(loss, weights));
    gradus_tensor right = gradus_equal(gradus_argmax(logits, GRADUS_AXES(-1), false), labels);
    gradus_tensor count = gradus_sum(gradus_cast(right, GRADUS_I32), GRADUS_ALL_AXES, false);

    gradus_define(g, "train", GRADUS_TENSORS(images, labels), GRADUS_TENSORS(loss), step);
    gradus_define(g, "count", GRADUS_TENSORS(images, labels), GRADUS_TENSORS(count), GRADUS_NO_UPDATES);
    gradus_program *p = NULL;
    must(gradus_jit(g, gradus_compile_options(.max_batch = BATCH), &p));
    gradus_graph_destroy(&g);
    return p;
}

static void fit(gradus_program *p, gradus_batches *batches, long epochs) {
    for (long epoch = 1; epoch <= epochs; epoch++) {
        printf("epoch %ld\n", epoch);
        gradus_batch b;
        while (gradus_batches_next(batches, &b)) {
            float loss;
            must(gradus_call(p, "train", b.size, b.inputs, GRADUS_OUTPUTS(&loss)));
            if (b.index % 100 == 0) printf("loss at batch %lld: %.2f\n", (long long)b.index, (double)loss);
        }
    }
}

static double accuracy(gradus_program *p, const gradus_data *data) {
    gradus_batches *batches;
    must(gradus_batches_create(data, gradus_batch_options(.batch_size = BATCH, .no_shuffle = true), &batches));
    int64_t sum = 0;
    gradus_batch b;
    while (gradus_batches_next(batches, &b)) {
        int32_t count;
        must(gradus_call(p, "count", b.size, b.inputs, GRADUS_OUTPUTS(&count)));
        sum += count;
    }
    gradus_batches_destroy(&batches);
    return (double)sum / (double)gradus_data_rows(data);
}

int main(int argc, char **argv) {
    settings s = parse(argc, argv, (settings){.seed = 1, .epochs = 15});
    gradus_data *train, *test;
    load_images(&s, "mnist", &train, &test);

    const struct {
        const char *name;
        gradus_optimizer optimizer;
        long epochs;
    } runs[] = {
        {"SGD", gradus_sgd(.learning_rate = 1e-3), (s.epochs + 2) / 3},
        {"Adam", gradus_adam(.learning_rate = 1e-3), s.epochs},
    };
    for (size_t i = 0; i < 2; i++) {
        gradus_batches *batches;
        must(gradus_batches_create(train, gradus_batch_options(.batch_size = BATCH, .no_shuffle = true), &batches));
        printf("%s, batches = %lld\n", runs[i].name, (long long)gradus_batches_count(batches));
        gradus_program *p = compile(runs[i].optimizer);
        must(gradus_program_init(p, s.seed));
        fit(p, batches, runs[i].epochs);
        printf("%s, test accuracy = %.4f\n", runs[i].name, accuracy(p, test));
        gradus_program_destroy(&p);
        gradus_batches_destroy(&batches);
    }
    gradus_data_destroy(&train);
    gradus_data_destroy(&test);
}
