/* SPDX-License-Identifier: Apache-2.0
 *
 * The perceptron: AND, NAND and OR with weights set by hand and learned by the delta rule.  One layer cannot learn XOR,
 * since no line divides its rows; two layers can, be they made of the gates before or learned by gradient descent.
 * Figures are rows that are right, of 4.
 */
#include "example.h"

enum { ROWS = 4, GRID = 80 };

static const float rows[ROWS][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
static const float and_gate[ROWS] = {0, 0, 0, 1}, nand_gate[ROWS] = {1, 1, 1, 0}, or_gate[ROWS] = {0, 1, 1, 1},
                   xor_gate[ROWS] = {0, 1, 1, 0};

/* One neuron, y = 1 where w·x + b > 0.  The delta rule moves the weights by rate · (target - y) · x. */
static gradus_program *perceptron(void) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(2));
    gradus_tensor target = gradus_input(g, "target", GRADUS_F32, GRADUS_SCALAR);
    gradus_tensor w = gradus_param(g, "w", GRADUS_F32, GRADUS_SHAPE(2), gradus_zeros());
    gradus_tensor b = gradus_param(g, "b", GRADUS_F32, GRADUS_SCALAR, gradus_zeros());
    gradus_tensor net = gradus_add(gradus_matmul(w, x), b);
    gradus_tensor y = gradus_cast(gradus_greater(net, gradus_like(net, 0)), GRADUS_F32);

    gradus_tensor delta = gradus_mul(gradus_scalar(g, GRADUS_F32, 0.1), gradus_sub(target, y));
    gradus_updates step = gradus_join(
        GRADUS_UPDATES(gradus_assign(w, gradus_add(w, gradus_mul(delta, x))), gradus_assign(b, gradus_add(b, delta))));
    gradus_define(g, "predict", GRADUS_TENSORS(x), GRADUS_TENSORS(y), GRADUS_NO_UPDATES);
    gradus_define(g, "learn", GRADUS_TENSORS(x, target), GRADUS_NO_TENSORS, step);
    gradus_program *p = NULL;
    must(gradus_jit(g, NULL, &p));
    gradus_graph_destroy(&g);
    must(gradus_program_init(p, 0));
    return p;
}

static float predict(gradus_program *p, const float x[2]) {
    float y;
    must(gradus_call(p, "predict", 1, GRADUS_INPUTS(x), GRADUS_OUTPUTS(&y)));
    return y;
}

static void set(gradus_program *p, double weights, double bias) {
    must(gradus_program_set(p, "w", weights));
    must(gradus_program_set(p, "b", bias));
}

static void learn(gradus_program *p, const float targets[ROWS], long epochs) {
    set(p, 0, 0);
    for (long epoch = 0; epoch < epochs; epoch++)
        for (int i = 0; i < ROWS; i++)
            must(gradus_call(p, "learn", 1, GRADUS_INPUTS(rows[i], &targets[i]), GRADUS_NO_OUTPUTS));
}

static int right(gradus_program *p, const float targets[ROWS]) {
    int count = 0;
    for (int i = 0; i < ROWS; i++) count += predict(p, rows[i]) == targets[i];
    return count;
}

/* XOR(x) = AND(NAND(x), OR(x)): the gates by hand, one after the other. */
static int xor_by_hand(gradus_program *p) {
    int count = 0;
    for (int i = 0; i < ROWS; i++) {
        float hidden[2];
        set(p, -0.5, 0.7);
        hidden[0] = predict(p, rows[i]);
        set(p, 0.5, -0.2);
        hidden[1] = predict(p, rows[i]);
        set(p, 0.5, -0.7);
        count += predict(p, hidden) == xor_gate[i];
    }
    return count;
}

/* What the network says around the four rows: no straight line would part them. */
static void draw_boundary(gradus_program *p, const settings *s) {
    static float inputs[GRID * GRID][2], y[GRID * GRID];
    int32_t labels[ROWS];
    char path[PATH];
    for (int i = 0; i < ROWS; i++) labels[i] = xor_gate[i] > 0.5f;
    const gradus_boundary *box = gradus_boundary(.x_low = -0.5, .x_high = 1.5, .y_low = -0.5, .y_high = 1.5,
                                                 .columns = GRID, .rows = GRID, .classes = 1, .probabilities = y,
                                                 .count = ROWS, .points = rows[0], .labels = labels);
    must(gradus_boundary_inputs(box, inputs[0]));
    must(gradus_call(p, "predict", GRID * GRID, GRADUS_INPUTS(inputs[0]), GRADUS_OUTPUTS(y)));
    tell_drawn(gradus_plot_boundary(out_file(s, "03_perceptron-xor.svg", path), box,
                                    gradus_plot_options(.title = "XOR with two layers", .x_label = "x0",
                                                        .y_label = "x1")),
               path, "what two layers made of XOR");
}

/* Two layers that learn: a step function has no useful gradient, so the hidden units are tanh and the output a sigmoid. */
static int xor_learned(const settings *s) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 2));
    gradus_tensor target = gradus_input(g, "target", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 1));
    gradus_tensor hidden = gradus_dense(x, .units = 8, .activation = GRADUS_TANH);
    gradus_tensor logits = gradus_dense(hidden, .units = 1);
    gradus_tensor loss = gradus_mean(gradus_binary_cross_entropy(logits, target), GRADUS_ALL_AXES, false);
    gradus_define(g, "learn", GRADUS_TENSORS(x, target), GRADUS_TENSORS(loss),
                  gradus_minimize(loss, gradus_adam(.learning_rate = 0.05)));
    gradus_define(g, "predict", GRADUS_TENSORS(x), GRADUS_TENSORS(gradus_sigmoid(logits)), GRADUS_NO_UPDATES);

    gradus_program *p = NULL;
    must(gradus_jit(g, gradus_compile_options(.max_batch = GRID * GRID), &p));
    must(gradus_program_init(p, s->seed));
    float last, y[ROWS];
    for (long epoch = 0; epoch < s->epochs; epoch++)
        must(gradus_call(p, "learn", ROWS, GRADUS_INPUTS(rows[0], xor_gate), GRADUS_OUTPUTS(&last)));
    must(gradus_call(p, "predict", ROWS, GRADUS_INPUTS(rows[0]), GRADUS_OUTPUTS(y)));
    draw_boundary(p, s);
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);

    int count = 0;
    for (int i = 0; i < ROWS; i++) count += (y[i] > 0.5f) == (xor_gate[i] > 0.5f);
    return count;
}

int main(int argc, char **argv) {
    settings s = parse(argc, argv, (settings){.seed = 1, .epochs = 1000});
    const struct {
        const char *name;
        const float *targets;
        double weights, bias;
    } gates[] = {{"AND", and_gate, 0.5, -0.7}, {"NAND", nand_gate, -0.5, 0.7}, {"OR", or_gate, 0.5, -0.2}};

    gradus_program *p = perceptron();
    for (size_t i = 0; i < 3; i++) {
        set(p, gates[i].weights, gates[i].bias);
        printf("%s by hand = %d\n", gates[i].name, right(p, gates[i].targets));
        learn(p, gates[i].targets, s.epochs);
        printf("%s learned = %d\n", gates[i].name, right(p, gates[i].targets));
    }
    learn(p, xor_gate, s.epochs);
    printf("XOR with one layer = %d\n", right(p, xor_gate));
    printf("XOR with two layers by hand = %d\n", xor_by_hand(p));
    printf("XOR with two layers learned = %d\n", xor_learned(&s));
    gradus_program_destroy(&p);
}
