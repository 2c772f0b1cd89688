/* SPDX-License-Identifier: Apache-2.0
 *
 * The kinds of layers: a row of the table each, and the builder calls that it stands for.
 */
#include "model/model.h"

#include <gradus/build.h>

#include <math.h>
#include <string.h>

enum {
    LAYER_NONE,
    LAYER_DENSE,
    LAYER_ACTIVATION,
    LAYER_DROPOUT,
    LAYER_FLATTEN,
    LAYER_RESHAPE,
    LAYER_EMBEDDING,
    LAYER_LAYER_NORM,
    LAYER_BATCH_NORM,
    LAYERS
};

/* --- what they build; the activation follows by itself ------------------------------------------------------------- */

static gradus_tensor build_dense(arena *memory, const model_layer *l, gradus_tensor x) {
    (void)memory;
    const gradus_layer_dense_options *o = &l->given.options.dense;
    const gradus_dense_options given = {
        .size_ = sizeof given,
        .units = o->units,
        .name = l->name,
        .no_bias = o->no_bias,
        .kernel_init = o->kernel_init,
        .bias_init = o->bias_init,
    };
    return gradus_dense_at(l->file, l->line, x, &given);
}

static gradus_tensor build_activation(arena *memory, const model_layer *l, gradus_tensor x) {
    (void)memory;
    (void)l;
    return x;
}

static gradus_tensor build_dropout(arena *memory, const model_layer *l, gradus_tensor x) {
    (void)memory;
    return gradus_dropout_at(l->file, l->line, x, l->given.options.dropout.rate);
}

static gradus_tensor build_flatten(arena *memory, const model_layer *l, gradus_tensor x) {
    (void)memory;
    const gradus_shape shape = gradus_shape_of(x);
    int64_t elements = 1;
    for (int64_t i = 2; i <= shape.d[0]; i++) elements *= shape.d[i]; /* as many as x has: no overflow */
    return gradus_reshape_at(l->file, l->line, x, GRADUS_SHAPE(GRADUS_BATCH, elements));
}

static gradus_tensor build_reshape(arena *memory, const model_layer *l, gradus_tensor x) {
    (void)memory;
    const gradus_shape *row = &l->given.options.reshape.shape;
    gradus_shape shape = {{row->d[0] >= 0 && row->d[0] < INT64_MAX ? row->d[0] + 1 : row->d[0], GRADUS_BATCH}};
    for (int64_t i = 1; i <= row->d[0] && i < GRADUS_MAX_RANK; i++) shape.d[i + 1] = row->d[i];
    return gradus_reshape_at(l->file, l->line, x, shape);
}

static gradus_tensor build_embedding(arena *memory, const model_layer *l, gradus_tensor x) {
    (void)memory;
    const gradus_layer_embedding_options *o = &l->given.options.embedding;
    const gradus_embedding_options given = {
        .size_ = sizeof given,
        .rows = o->rows,
        .units = o->units,
        .name = l->name,
        .dtype = o->dtype,
        .init = o->init,
    };
    return gradus_embedding_at(l->file, l->line, x, &given);
}

static gradus_tensor build_layer_norm(arena *memory, const model_layer *l, gradus_tensor x) {
    const gradus_shape shape = gradus_shape_of(x), last = {{1, shape.d[0] ? shape.d[shape.d[0]] : 1}};
    text gamma = {.memory = memory}, beta = {.memory = memory};
    text_append(&gamma, "%s/gamma", l->name);
    text_append(&beta, "%s/beta", l->name);
    const gradus_layer_norm_options given = {.size_ = sizeof given,
                                             .epsilon = l->given.options.layer_norm.epsilon};
    const gradus_tensor scale = gradus_param_at(l->file, l->line, x.graph, gamma.data, gradus_dtype_of(x), last,
                                                gradus_ones());
    const gradus_tensor shift = gradus_param_at(l->file, l->line, x.graph, beta.data, gradus_dtype_of(x), last,
                                                gradus_zeros());
    return gradus_layer_norm_at(l->file, l->line, x, scale, shift, &given);
}

static gradus_tensor build_batch_norm(arena *memory, const model_layer *l, gradus_tensor x) {
    (void)memory;
    const gradus_layer_batch_norm_options *o = &l->given.options.batch_norm;
    const gradus_batch_norm_options given = {
        .size_ = sizeof given,
        .axis = o->axis,
        .momentum = o->momentum,
        .epsilon = o->epsilon,
        .name = l->name,
        .no_scale = o->no_scale,
        .no_center = o->no_center,
        .frozen_statistics = l->frozen,
    };
    return gradus_batch_norm_at(l->file, l->line, x, &given);
}

/* The moving mean and variance of each channel. */
static int64_t batch_norm_untrained(const model_layer *l) {
    const gradus_shape shape = gradus_shape_of(l->output);
    const int axis = l->given.options.batch_norm.axis;
    return 2 * shape.d[axis > 0 ? axis + 1 : axis < 0 ? shape.d[0] + 1 + axis : shape.d[0]];
}

/* --- the table --------------------------------------------------------------------------------------------------- */

#define OPTIONS_AND_NAME(T) .options = OPTIONS_FIELDS(T), .name_at = offsetof(T, name)

static const layer_kind kinds[LAYERS] = {
    [LAYER_DENSE] = {"Dense", "dense", OPTIONS_AND_NAME(gradus_layer_dense_options),
                     .frozen_at = offsetof(gradus_layer_dense_options, frozen),
                     .activation_at = offsetof(gradus_layer_dense_options, activation),
                     .initializers_at = {offsetof(gradus_layer_dense_options, kernel_init),
                                         offsetof(gradus_layer_dense_options, bias_init)},
                     .build = build_dense},
    [LAYER_ACTIVATION] = {"Activation", "activation", OPTIONS_AND_NAME(gradus_layer_activation_options),
                          .activation_at = offsetof(gradus_layer_activation_options, activation),
                          .build = build_activation},
    [LAYER_DROPOUT] = {"Dropout", "dropout", OPTIONS_AND_NAME(gradus_layer_dropout_options),
                       .numbers = {{"rate", offsetof(gradus_layer_dropout_options, rate), 0}}, .build = build_dropout},
    [LAYER_FLATTEN] = {"Flatten", "flatten", OPTIONS_AND_NAME(gradus_layer_flatten_options), .build = build_flatten},
    [LAYER_RESHAPE] = {"Reshape", "reshape", OPTIONS_AND_NAME(gradus_layer_reshape_options), .build = build_reshape},
    [LAYER_EMBEDDING] = {"Embedding", "embedding", OPTIONS_AND_NAME(gradus_layer_embedding_options),
                         .frozen_at = offsetof(gradus_layer_embedding_options, frozen),
                         .initializers_at = {offsetof(gradus_layer_embedding_options, init)}, .build = build_embedding},
    [LAYER_LAYER_NORM] = {"LayerNorm", "layer_norm", OPTIONS_AND_NAME(gradus_layer_layer_norm_options),
                          .frozen_at = offsetof(gradus_layer_layer_norm_options, frozen),
                          .numbers = {{"epsilon", offsetof(gradus_layer_layer_norm_options, epsilon), 1e-5}},
                          .build = build_layer_norm},
    [LAYER_BATCH_NORM] = {"BatchNorm", "batch_norm", OPTIONS_AND_NAME(gradus_layer_batch_norm_options),
                          .frozen_at = offsetof(gradus_layer_batch_norm_options, frozen),
                          .numbers = {{"momentum", offsetof(gradus_layer_batch_norm_options, momentum), 0.99},
                                      {"epsilon", offsetof(gradus_layer_batch_norm_options, epsilon), 1e-3}},
                          .build = build_batch_norm, .untrained = batch_norm_untrained},
};

/* Of options that cannot be read the kind is negative, for gradus_model_add to say why. */
static gradus_layer layer_of(int32_t kind, const void *options) {
    gradus_layer layer = {.kind = kind};
    if (options_copy(kinds[kind].options, &layer.options, options)) return layer;
    return (gradus_layer){.kind = -kind, .options = {.dense = {.size_ = options_size(options)}}};
}

const char *layer_why_unreadable(char *why, const gradus_layer *layer) {
    if (layer->kind >= LAYER_NONE || layer->kind <= -LAYERS) return NULL;
    return options_explain(why, kinds[-layer->kind].options, layer->options.dense.size_);
}

#define LAYER(kind, name) \
    gradus_layer(gradus_layer_##name)(const gradus_layer_##name##_options *options) { return layer_of(kind, options); }
LAYER(LAYER_DENSE, dense)
LAYER(LAYER_ACTIVATION, activation)
LAYER(LAYER_DROPOUT, dropout)
LAYER(LAYER_FLATTEN, flatten)
LAYER(LAYER_RESHAPE, reshape)
LAYER(LAYER_EMBEDDING, embedding)
LAYER(LAYER_LAYER_NORM, layer_norm)
LAYER(LAYER_BATCH_NORM, batch_norm)

const layer_kind *layer_kind_of(const gradus_layer *layer) {
    return layer->kind > LAYER_NONE && layer->kind < LAYERS ? &kinds[layer->kind] : NULL;
}

/* --- a layer of a model -------------------------------------------------------------------------------------------- */

/* The option at an offset; the options of all kinds start at one place. */
static void *option_at(model_layer *l, size_t offset) { return (char *)&l->given.options + offset; }

void layer_copy(arena *memory, model_layer *l, const gradus_layer *layer) {
    const layer_kind *kind = layer_kind_of(layer);
    l->kind = kind;
    l->given = *layer;
    const char **name = option_at(l, kind->name_at);
    l->name = *name = arena_string(memory, *name);
    if (kind->frozen_at) l->frozen = *(bool *)option_at(l, kind->frozen_at);
    if (kind->activation_at) l->activation = *(gradus_activation *)option_at(l, kind->activation_at);
    for (const layer_number *n = kind->numbers; n->name; n++) {
        double *number = option_at(l, n->at); /* what the builder is given, as it means it */
        if (*number == 0) *number = signbit(*number) || n->standard == 0 ? GRADUS_ZERO : n->standard;
    }
    for (int i = 0; i < 2 && kind->initializers_at[i]; i++) {
        gradus_initializer *first = option_at(l, kind->initializers_at[i]);
        if (first->data && first->bytes) first->data = arena_copy(memory, first->data, first->bytes);
    }
}

double layer_number_of(const model_layer *l, const layer_number *number) {
    double value;
    memcpy(&value, (const char *)&l->given.options + number->at, sizeof value);
    return value == 0 ? 0 : value; /* without its sign */
}

void layer_build(arena *memory, model_layer *l, gradus_tensor x) {
    l->first_param = gradus_params(x.graph, NULL).count;
    l->logits = l->kind->build(memory, l, x);
    l->output = gradus_activate_at(l->file, l->line, l->logits, l->activation);
    l->end_param = gradus_params(x.graph, NULL).count;
}
