/* SPDX-License-Identifier: Apache-2.0
 * Small data and models for the tests of the model layer. */
#ifndef TESTS_MODEL_DATA_H
#define TESTS_MODEL_DATA_H

#include "tests/cmocka_all.h"

#include <gradus/gradus.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 75, FEATURES = 5, CLASSES = 3 };

#define OK(call) \
    if (call) fail_msg("%s", gradus_last_error())

/* The call fails with this status, and the message has all of these parts. */
#define FAILS(call, status, ...) check_failed(call, status, (const char *const[]){__VA_ARGS__, NULL})
static inline void check_failed(gradus_status status, gradus_status wanted, const char *const *parts) {
    if (status != wanted)
        fail_msg("%s instead of %s: %s", gradus_status_name(status), gradus_status_name(wanted), gradus_last_error());
    for (; *parts; parts++)
        if (!strstr(gradus_last_error(), *parts)) fail_msg("\"%s\" does not say \"%s\"", gradus_last_error(), *parts);
}

static float inputs[ROWS * FEATURES], targets[ROWS * 2], one_hot[ROWS * CLASSES], binary[ROWS];
static int32_t labels[ROWS];

static inline double noise(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (double)(*state >> 8) / (1 << 24) - 0.5;
}

/* Clouds around three points, and functions of the inputs. */
static inline void fill_data(void) {
    uint32_t state = 7;
    for (int r = 0; r < ROWS; r++) {
        labels[r] = r * 7 % CLASSES;
        for (int i = 0; i < FEATURES; i++)
            inputs[r * FEATURES + i] = (float)(noise(&state) * 1.5 + (i % CLASSES == labels[r]));
        for (int i = 0; i < CLASSES; i++) one_hot[r * CLASSES + i] = i == labels[r];
        binary[r] = labels[r] == 1;
        targets[2 * r] = inputs[r * FEATURES] - inputs[r * FEATURES + 1];
        targets[2 * r + 1] = inputs[r * FEATURES + 2] * 0.5f;
    }
}

static inline gradus_data *data_of(const void *y, gradus_dtype dtype, gradus_shape shape) {
    gradus_data *data = NULL;
    const gradus_data_array arrays[] = {{inputs, GRADUS_F32, GRADUS_SHAPE(ROWS, FEATURES)}, {y, dtype, shape}};
    OK(gradus_data_arrays(arrays, 2, &data));
    return data;
}

static inline gradus_data *class_data(void) { return data_of(labels, GRADUS_I32, GRADUS_SHAPE(ROWS)); }

/* 5-8(relu)-3, as yet without an optimizer. */
static inline gradus_model *two_layers(void) {
    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(FEATURES));
    OK(gradus_model_add(m, gradus_layer_dense(.units = 8, .activation = GRADUS_RELU)));
    OK(gradus_model_add(m, gradus_layer_dense(.units = CLASSES)));
    return m;
}

/* Evaluated in several batches: there are more rows than .max_batch. */
static inline gradus_model *classifier(gradus_optimizer optimizer) {
    gradus_model *m = two_layers();
    OK(gradus_model_compile(m, .optimizer = optimizer, .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY,
                            .metrics = GRADUS_ACCURACY, .seed = 3, .max_batch = 32));
    return m;
}

/* A copy of the whole state, to be freed. */
static inline unsigned char *state_of(gradus_program *p, size_t *bytes) {
    void *state;
    if (!p) fail_msg("%s", gradus_last_error());
    OK(gradus_program_state(p, &state, bytes));
    unsigned char *copy = malloc(*bytes);
    memcpy(copy, state, *bytes);
    return copy;
}

/* All state tensors of two programs are equal to the bit. */
static inline void assert_same_state(gradus_program *a, gradus_program *b) {
    gradus_info info;
    size_t count = 0;
    for (; !gradus_program_info(a, NULL, GRADUS_STATE, count, 0, &info); count++) {
        unsigned char *mine = malloc(info.bytes), *theirs = malloc(info.bytes);
        OK(gradus_program_read(a, info.name, mine, info.bytes));
        OK(gradus_program_read(b, info.name, theirs, info.bytes));
        if (memcmp(mine, theirs, info.bytes)) fail_msg("\"%s\" differs", info.name);
        free(mine);
        free(theirs);
    }
    assert_true(count > 0 && gradus_program_info(b, NULL, GRADUS_STATE, count, 0, &info) != GRADUS_OK);
}

static inline bool same_bits(double a, double b) { return memcmp(&a, &b, sizeof a) == 0; }

#endif
