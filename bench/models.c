/* SPDX-License-Identifier: Apache-2.0
 * The models whose training steps are timed.  See models.h. */
#include "models.h"

#include <math.h>

enum { BLOCK = 64, BLOCKS = 4, HEADS = 4, WIDTH = 128, VOCABULARY = 65 };

static gradus_optimizer adam(void) { return gradus_adam(.learning_rate = 1e-3); }
static gradus_optimizer adamw(void) { return gradus_adamw(.learning_rate = 1e-3, .weight_decay = 0.1); }
static gradus_optimizer sgd(void) { return gradus_sgd(.learning_rate = 1e-3); }

static gradus_tensor loss_of(gradus_tensor logits, gradus_shape labels) {
    gradus_tensor y = gradus_input(logits.graph, "y", GRADUS_I32, labels);
    return gradus_mean(gradus_softmax_cross_entropy(logits, y), GRADUS_ALL_AXES, false);
}

static gradus_tensor param(gradus_graph *g, const char *prefix, const char *name, gradus_shape shape,
                           gradus_initializer init) {
    char full[64];
    snprintf(full, sizeof full, "%s/%s", prefix, name);
    return gradus_param(g, full, GRADUS_F32, shape, init);
}

/* x @ w + b */
static gradus_tensor linear(gradus_tensor x, const char *prefix, int64_t from, int64_t to) {
    gradus_tensor w = param(x.graph, prefix, "kernel", GRADUS_SHAPE(from, to), gradus_normal(0, 0.05));
    gradus_tensor b = param(x.graph, prefix, "bias", GRADUS_SHAPE(to), gradus_zeros());
    return gradus_add(gradus_matmul(x, w), b);
}

static gradus_tensor normalized(gradus_tensor x, const char *prefix) {
    gradus_tensor scale = param(x.graph, prefix, "scale", GRADUS_SHAPE(WIDTH), gradus_ones());
    gradus_tensor shift = param(x.graph, prefix, "shift", GRADUS_SHAPE(WIDTH), gradus_zeros());
    return gradus_layer_norm(x, scale, shift);
}

typedef enum { PLAIN_RELU, PLAIN_SIGMOID, NORMALIZED_RELU } layer_kind;

static gradus_tensor perceptron(gradus_graph *g, const int64_t *sizes, layer_kind kind) {
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, sizes[0]));
    for (int k = 1; sizes[k]; k++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "fc%d", k);
        x = linear(x, prefix, sizes[k - 1], sizes[k]);
        if (!sizes[k + 1]) break;
        if (kind == NORMALIZED_RELU) x = gradus_batch_norm(x, .name = prefix);
        x = kind == PLAIN_SIGMOID ? gradus_sigmoid(x) : gradus_relu(x);
    }
    return loss_of(x, GRADUS_SHAPE(GRADUS_BATCH));
}

static gradus_tensor with_relu(gradus_graph *g, const int64_t *sizes) { return perceptron(g, sizes, PLAIN_RELU); }
static gradus_tensor with_sigmoid(gradus_graph *g, const int64_t *sizes) { return perceptron(g, sizes, PLAIN_SIGMOID); }
static gradus_tensor with_norm(gradus_graph *g, const int64_t *sizes) { return perceptron(g, sizes, NORMALIZED_RELU); }

/* One of query, key and value: (B, T, 3D) → (B, heads, T, D / heads). */
static gradus_tensor head_of(gradus_tensor qkv, int which) {
    gradus_tensor part = gradus_slice(qkv, 2, which * WIDTH, (which + 1) * WIDTH);
    part = gradus_reshape(part, GRADUS_SHAPE(GRADUS_BATCH, BLOCK, HEADS, WIDTH / HEADS));
    return gradus_transpose(part, GRADUS_AXES(0, 2, 1, 3));
}

static gradus_tensor attention(gradus_tensor x, gradus_tensor allowed, const char *prefix) {
    char name[48];
    snprintf(name, sizeof name, "%s/qkv", prefix);
    gradus_tensor qkv = linear(x, name, WIDTH, 3 * WIDTH);
    gradus_tensor q = head_of(qkv, 0), k = head_of(qkv, 1), v = head_of(qkv, 2);
    gradus_tensor scores = gradus_matmul(q, gradus_transpose(k, GRADUS_AXES(0, 1, 3, 2)));
    scores = gradus_div(scores, gradus_like(scores, sqrt((double)WIDTH / HEADS)));
    scores = gradus_where(allowed, scores, gradus_like(scores, -1e30));
    gradus_tensor y = gradus_transpose(gradus_matmul(gradus_softmax(scores, -1), v), GRADUS_AXES(0, 2, 1, 3));
    snprintf(name, sizeof name, "%s/proj", prefix);
    return linear(gradus_reshape(y, GRADUS_SHAPE(GRADUS_BATCH, BLOCK, WIDTH)), name, WIDTH, WIDTH);
}

/* A transformer that predicts the next character. */
static gradus_tensor chargpt(gradus_graph *g, const int64_t *sizes) {
    (void)sizes;
    gradus_tensor ids = gradus_input(g, "x", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH, BLOCK));
    gradus_tensor tokens =
        gradus_param(g, "tokens", GRADUS_F32, GRADUS_SHAPE(VOCABULARY, WIDTH), gradus_normal(0, 0.05));
    gradus_tensor places = gradus_param(g, "places", GRADUS_F32, GRADUS_SHAPE(BLOCK, WIDTH), gradus_normal(0, 0.05));
    gradus_tensor x = gradus_add(gradus_take(tokens, ids, 0), places);
    gradus_tensor at = gradus_arange(g, GRADUS_I32, BLOCK);
    gradus_tensor allowed = gradus_less_equal(at, gradus_reshape(at, GRADUS_SHAPE(BLOCK, 1)));
    for (int k = 0; k < BLOCKS; k++) {
        char prefix[16], name[32];
        snprintf(prefix, sizeof prefix, "block%d", k);
        snprintf(name, sizeof name, "%s/norm1", prefix);
        x = gradus_add(x, attention(normalized(x, name), allowed, prefix));
        snprintf(name, sizeof name, "%s/norm2", prefix);
        gradus_tensor h = normalized(x, name);
        snprintf(name, sizeof name, "%s/up", prefix);
        h = gradus_gelu(linear(h, name, WIDTH, 4 * WIDTH));
        snprintf(name, sizeof name, "%s/down", prefix);
        x = gradus_add(x, linear(h, name, 4 * WIDTH, WIDTH));
    }
    x = normalized(x, "norm");
    gradus_tensor head = gradus_param(g, "head", GRADUS_F32, GRADUS_SHAPE(WIDTH, VOCABULARY), gradus_normal(0, 0.05));
    gradus_tensor logits = gradus_reshape(gradus_matmul(x, head), GRADUS_SHAPE(GRADUS_BATCH * BLOCK, VOCABULARY));
    return loss_of(logits, GRADUS_SHAPE(GRADUS_BATCH * BLOCK));
}

const workload workloads[] = {
    {"mnist512-adam-b128", 128, adam, with_relu, {784, 512, 10}, 10},
    {"mnist512-sgd-b128", 128, sgd, with_relu, {784, 512, 10}, 10},
    {"mnist50-adam-b32", 32, adam, with_sigmoid, {784, 50, 10}, 10},
    {"fashion128-adam-b32", 32, adam, with_relu, {784, 128, 10}, 10},
    {"iris-bn-sgd-b4", 4, sgd, with_norm, {4, 128, 64, 32, 16, 3}, 3},
    {"wide4096-adam-b256", 256, adam, with_relu, {1024, 4096, 4096, 10}, 10},
    {"chargpt-adamw-b12", 12, adamw, chargpt, {0}, VOCABULARY},
};
const size_t workload_count = sizeof workloads / sizeof *workloads;
