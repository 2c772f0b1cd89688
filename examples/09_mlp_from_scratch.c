/* SPDX-License-Identifier: Apache-2.0
 *
 * A network of two layers from scratch: 784-50(sigmoid)-10 on MNIST.  The affine layers, the stable softmax, cross-entropy
 * and the step of gradient descent are written from primitive operations; Gradus gives the gradients.  The loss is
 * computed twice, with integer and with one-hot labels, and is the same.
 */
#include "example.h"

enum { BATCH = 100, PIXELS = 784, HIDDEN = 50, CLASSES = 10, PARAMETERS = 4 };

/* --- the parts ------------------------------------------------------------------------------------------------------ */

static gradus_tensor affine(gradus_tensor x, gradus_tensor w, gradus_tensor b) {
    return gradus_add(gradus_matmul(x, w), b);
}

/* Without taking the largest out first, exp would overflow; the quotient is the same. */
static gradus_tensor softmax(gradus_tensor x) {
    gradus_tensor largest = gradus_max(x, GRADUS_AXES(-1), true);
    gradus_tensor e = gradus_exp(gradus_sub(x, largest));
    return gradus_div(e, gradus_sum(e, GRADUS_AXES(-1), true));
}

/* A probability may round to 0, its logarithm should not be infinite. */
static gradus_tensor log_of(gradus_tensor p) { return gradus_log(gradus_add(p, gradus_like(p, 1e-7))); }

/* Minus the logarithm of the right class's probability: picked by its number … */
static gradus_tensor cross_entropy(gradus_tensor p, gradus_tensor labels) {
    gradus_tensor column = gradus_reshape(labels, GRADUS_SHAPE(GRADUS_BATCH, 1));
    gradus_tensor picked = gradus_take_along_axis(log_of(p), column, -1);
    return gradus_neg(gradus_mean(picked, GRADUS_ALL_AXES, false));
}

/* … or by a sum in which all others have weight 0. */
static gradus_tensor cross_entropy_one_hot(gradus_tensor p, gradus_tensor one_hot) {
    gradus_tensor picked = gradus_sum(gradus_mul(one_hot, log_of(p)), GRADUS_AXES(-1), false);
    return gradus_neg(gradus_mean(picked, GRADUS_ALL_AXES, false));
}

/* p <- p - rate · gradient, for each parameter. */
static gradus_updates descend(gradus_tensor loss, gradus_tensors parameters, double rate) {
    gradus_tensors gradients = gradus_gradients(loss, parameters);
    gradus_updates steps[PARAMETERS];
    for (size_t i = 0; i < PARAMETERS; i++) {
        gradus_tensor p = parameters.items[i], gradient = gradients.items[i];
        steps[i] = gradus_assign(p, gradus_sub(p, gradus_mul(gradient, gradus_like(gradient, rate))));
    }
    return gradus_join((gradus_update_list){steps, PARAMETERS});
}

/* --- the network ---------------------------------------------------------------------------------------------------- */

static gradus_graph *build(void) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, PIXELS));
    gradus_tensor labels = gradus_input(g, "labels", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH));
    gradus_tensor w1 = gradus_param(g, "w1", GRADUS_F32, GRADUS_SHAPE(PIXELS, HIDDEN), gradus_normal(0, 0.1));
    gradus_tensor b1 = gradus_param(g, "b1", GRADUS_F32, GRADUS_SHAPE(HIDDEN), gradus_zeros());
    gradus_tensor w2 = gradus_param(g, "w2", GRADUS_F32, GRADUS_SHAPE(HIDDEN, CLASSES), gradus_normal(0, 0.1));
    gradus_tensor b2 = gradus_param(g, "b2", GRADUS_F32, GRADUS_SHAPE(CLASSES), gradus_zeros());

    gradus_tensor p = softmax(affine(gradus_sigmoid(affine(x, w1, b1)), w2, b2));
    gradus_tensor loss = cross_entropy(p, labels);
    gradus_tensor same_loss = cross_entropy_one_hot(p, gradus_one_hot(labels, CLASSES, GRADUS_F32));
    gradus_tensor right = gradus_cast(gradus_equal(gradus_argmax(p, GRADUS_AXES(-1), false), labels), GRADUS_F32);

    gradus_define(g, "train", GRADUS_TENSORS(x, labels), GRADUS_TENSORS(loss, same_loss),
                  descend(loss, gradus_params(g, NULL), 0.1));
    gradus_define(g, "count", GRADUS_TENSORS(x, labels), GRADUS_TENSORS(gradus_sum(right, GRADUS_ALL_AXES, false)),
                  GRADUS_NO_UPDATES);
    return g;
}

static double accuracy(gradus_program *p, gradus_batches *batches, const gradus_data *data) {
    double sum = 0;
    float right;
    gradus_batch b;
    while (gradus_batches_next(batches, &b)) {
        must(gradus_call(p, "count", b.size, b.inputs, GRADUS_OUTPUTS(&right)));
        sum += (double)right;
    }
    return sum / (double)gradus_data_rows(data);
}

/* The hidden units' weights as pictures: what each looks for. */
static void draw_weights(gradus_program *p, const settings *s) {
    static float kernel[PIXELS * HIDDEN];
    char path[PATH];
    must(gradus_program_read(p, "w1", kernel, sizeof kernel));
    tell_drawn(gradus_plot_weights(out_file(s, "09_mlp-weights.svg", path), kernel, 28, 28, HIDDEN, NULL,
                                   gradus_plot_options(.title = "Weights of the hidden units", .columns = 10)),
               path, "what the hidden units look for");
}

int main(int argc, char **argv) {
    settings s = parse(argc, argv, (settings){.seed = 1, .epochs = 10});
    gradus_data *train, *test;
    gradus_batches *steps, *tests;
    load_images(&s, "mnist", &train, &test);
    must(gradus_batches_create(train, gradus_batch_options(.batch_size = BATCH, .seed = s.seed), &steps));
    must(gradus_batches_create(test, gradus_batch_options(.batch_size = BATCH, .no_shuffle = true), &tests));

    gradus_graph *g = build();
    gradus_program *p = NULL;
    must(gradus_jit(g, gradus_compile_options(.max_batch = BATCH), &p));
    must(gradus_program_init(p, s.seed));

    double apart = 0;
    for (long epoch = 1; epoch <= s.epochs; epoch++) {
        double sum = 0;
        gradus_batch b;
        while (gradus_batches_next(steps, &b)) {
            float loss, same_loss;
            must(gradus_call(p, "train", b.size, b.inputs, GRADUS_OUTPUTS(&loss, &same_loss)));
            sum += (double)loss;
            double difference = loss > same_loss ? loss - same_loss : same_loss - loss;
            if (difference > apart) apart = difference;
        }
        printf("epoch %ld: loss %.4f, test accuracy %.4f\n", epoch, sum / (double)gradus_batches_count(steps),
               accuracy(p, tests, test));
    }
    printf("difference of the losses with integer and one-hot labels = %.2g\n", apart);
    printf("test accuracy = %.4f\n", accuracy(p, tests, test));
    draw_weights(p, &s);

    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
    gradus_batches_destroy(&steps);
    gradus_batches_destroy(&tests);
    gradus_data_destroy(&train);
    gradus_data_destroy(&test);
}
