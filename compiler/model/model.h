/* SPDX-License-Identifier: Apache-2.0
 *
 * The model behind include/gradus/model.h: a list of layers, the graph that they make, and the program of it.  It has no
 * arithmetic of its own: all that is computed is made by the graph's public builders.
 *
 * The graph is there from the beginning and grows with each layer, which so finds out whether its input fits.  What must be
 * taken out of a graph (a layer, what a failed call left) is left out of a new one, made by the same builders.
 */
#ifndef GRADUS_MODEL_MODEL_H
#define GRADUS_MODEL_MODEL_H

#include "base/memory.h"
#include "base/text.h"
#include "runtime/options.h"

#include <gradus/compile.h>
#include <gradus/model.h>
#include <gradus/run.h>

typedef struct layer_kind layer_kind;

typedef struct {
    const layer_kind *kind;
    gradus_layer given; /* names and data are in the model's arena */
    const char *name;
    bool frozen;
    const char *file; /* of gradus_model_add */
    int line;
    gradus_activation activation;  /* that the output ends with */
    gradus_tensor logits, output;  /* in the model's graph: before that activation, and after it */
    size_t first_param, end_param; /* its parameters among those of the graph */
} model_layer;

/* A number among a kind's options; `name` NULL is the last. */
typedef struct {
    const char *name;
    size_t at;
    double standard; /* what 0 means */
} layer_number;

struct layer_kind {
    const char *type, *name; /* "Dense", "dense" */
    options_type options;
    /* Offsets in its options; 0 is none. */
    size_t name_at, frozen_at, activation_at, initializers_at[2];
    gradus_tensor (*build)(arena *memory, const model_layer *l, gradus_tensor x);
    layer_number numbers[3];
    int64_t (*untrained)(const model_layer *l); /* elements of state that no optimizer changes; NULL for none */
};

/* The layer's kind, NULL for none. */
const layer_kind *layer_kind_of(const gradus_layer *layer);
/* What is wrong with a layer's options, into OPTIONS_WHY bytes; NULL where they could be read. */
const char *layer_why_unreadable(char *why, const gradus_layer *layer);
/* Copies what the options point to.  Needs a guard. */
void layer_copy(arena *memory, model_layer *l, const gradus_layer *layer);
/* A number of its options, as it is used. */
double layer_number_of(const model_layer *l, const layer_number *number);
/* Puts it into the graph of x, its input.  Needs a guard. */
void layer_build(arena *memory, model_layer *l, gradus_tensor x);

typedef struct {
    gradus_loss loss;
    size_t metrics;
    char names[GRADUS_METRICS][GRADUS_METRIC_NAME];
    gradus_dtype output_dtype, label_dtype;
    gradus_shape label; /* of a batch */
    int64_t classes;    /* of class numbers; 0 for other labels */
    char optimizer[256]; /* gradus_optimizer_describe */
    uint64_t seed;
    int64_t max_batch; /* of a program that is made before the first fit */
    int32_t threads;
    bool check_nan;
} model_training;

struct gradus_model {
    arena memory;
    gradus_dtype dtype;
    gradus_shape row;
    VEC(model_layer) layers;
    gradus_graph *graph;
    gradus_tensor x;
    gradus_status status; /* of what failed and was not taken back */
    char error[2048];
    bool of_compile; /* that was a compilation, which may be tried again */
    bool compiled;
    struct fit *fit, *left; /* under way; those that a jump out of a callback left */
    model_training training;
    gradus_program *program, *previous; /* previous: of an earlier compilation, for its weights */
    int64_t max_batch;
    const char *rate;       /* the state that is the learning rate; NULL where the optimizer has none */
    gradus_dtype rate_dtype;
    int64_t epochs_trained; /* since the model was compiled first */
};

/* What fits and programs are made for where nothing is said.  In batches of 32 evaluation takes a fifth more time than in those
 * of 256, and in larger ones no less (784-512-10 on AVX-512). */
enum { MODEL_BATCH = 32, MODEL_MAX_BATCH = 256 };

/* Keeps this thread's last error, which it sets, as the model's. */
gradus_status model_fail(gradus_model *m, gradus_status status, const char *format, ...) PRINTF_LIKE(3, 4);
/* The model's error, if it has one: sets this thread's last error again. */
gradus_status model_report(const gradus_model *m);
/* Whether the stack can be worked on: the model is there, in no callback, its layers without an error. */
gradus_status model_enter(gradus_model *m, const char *where);
/* Whether it can be used: the same, and compiled. */
gradus_status model_enter_compiled(gradus_model *m, const char *where);
/* Whether a fit is under way: this is called from a callback of it. */
bool model_busy(gradus_model *m);
/* Frees what fits left. */
void model_forget_fits(gradus_model *m);
/* What the graph says: GRADUS_ERROR_GRAPH, or GRADUS_ERROR_MEMORY where it is that; and without the place given. */
gradus_status model_graph_status(const gradus_model *m);
const char *model_graph_error(const gradus_model *m, const char *file, int line);
/* A new graph with the layers.  Needs a guard. */
void model_rebuild(gradus_model *m);
/* Takes back what a failed compilation left.  Needs a guard. */
void model_forgive(gradus_model *m);
/* The output of the uppermost layer. */
static inline gradus_tensor model_output(const gradus_model *m) {
    return m->layers.count ? m->layers.items[m->layers.count - 1].output : m->x;
}

const char *model_loss_name(gradus_loss loss);

/* A program for batches of so many rows, with initial weights or those that there were. */
gradus_status model_prepare(gradus_model *m, int64_t batch);
/* Whether the data's inputs are the model's, and, where `labels`, its labels too. */
gradus_status model_check_data(const gradus_model *m, const char *where, const gradus_data *data, bool labels);
/* The learning rate of the state, NaN where there is none. */
double model_learning_rate(const gradus_model *m);

/* --- scores: loss and metrics over rows ---------------------------------------------------------------------------- */

typedef struct {
    double sums[1 + GRADUS_METRICS]; /* loss first */
    int64_t rows;
} score;

/* Calls "train" or "evaluate" on a batch and adds what it gives; `values`, unless NULL, receives that. */
gradus_status score_batch(const gradus_model *m, const char *entry, const gradus_batch *batch, score *s,
                          double values[1 + GRADUS_METRICS]);
/* The means; NaN of no rows. */
void score_means(const score *s, double means[1 + GRADUS_METRICS]);
/* Over all rows. */
gradus_status score_data(const gradus_model *m, const gradus_data *data, double means[1 + GRADUS_METRICS]);
/* Adds to this thread's last error, of a call on a batch of this data, which row of it is to blame, if one is; its first row
 * is the user's number `first`. */
gradus_status score_explain(const gradus_model *m, gradus_status status, const char *where, const gradus_data *data,
                            int64_t first);

#endif
