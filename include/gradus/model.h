/* SPDX-License-Identifier: Apache-2.0
 *
 * The model for people who know Keras: a stack of layers, compiled with an optimizer and a loss, fitted to data.
 *
 *     gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(784));
 *     gradus_model_add(m, gradus_layer_dense(.units = 512, .activation = GRADUS_RELU));
 *     gradus_model_add(m, gradus_layer_dense(.units = 10));
 *     gradus_model_compile(m, .optimizer = gradus_adam(), .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY,
 *                          .metrics = GRADUS_ACCURACY);
 *     gradus_status status = gradus_model_fit(m, train, .epochs = 5, .batch_size = 128, .validation_split = 0.1);
 *
 * It is a thin layer over the graph (graph.h, nn.h): inputs "x" and "y", and three entry points "train" (x, y), "evaluate"
 * (x, y) and "predict" (x).  The first two give the loss and then each metric, means over the rows of the call, scalars of
 * the output's dtype.  gradus_model_graph and gradus_model_program give what everything else of the library works on.
 *
 * Errors.  Every call returns a status, and gradus_last_error() explains it.  The model keeps the error of a layer that
 * could not be added and of a compilation that failed, and reports it again wherever it is in the way, so that only the
 * last call needs a check.
 *
 * Threads.  A model belongs to one thread at a time.
 */
#ifndef GRADUS_MODEL_H
#define GRADUS_MODEL_H

#include <gradus/common.h>
#include <gradus/data.h>
#include <gradus/graph.h>
#include <gradus/nn.h>
#include <gradus/optim.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gradus_model gradus_model;

/* --- layers ------------------------------------------------------------------------------------------------------ */

/* All have .name, the prefix of their parameters' names: unique in the model; default the kind, "dense", then "dense_2",
 * …  Layers with parameters have .frozen: the optimizer leaves these as they are. */

/* activation(x @ kernel + bias) along the last axis; see gradus_dense.  Parameters NAME/kernel and NAME/bias. */
typedef struct {
    size_t size_;
    int64_t units; /* the last extent of the output */
    gradus_activation activation;
    const char *name;
    bool frozen;
    bool no_bias;
    gradus_initializer kernel_init; /* default gradus_glorot_uniform() */
    gradus_initializer bias_init;   /* default zeros */
    uint64_t reserved_[4];
} gradus_layer_dense_options;
#define gradus_layer_dense_options(...) GRADUS_OPTIONS_(gradus_layer_dense_options, __VA_ARGS__)

typedef struct {
    size_t size_;
    gradus_activation activation;
    const char *name;
    uint64_t reserved_[4];
} gradus_layer_activation_options;
#define gradus_layer_activation_options(...) GRADUS_OPTIONS_(gradus_layer_activation_options, __VA_ARGS__)

/* See gradus_dropout: nothing is dropped in "evaluate" and "predict". */
typedef struct {
    size_t size_;
    double rate;
    const char *name;
    uint64_t reserved_[4];
} gradus_layer_dropout_options;
#define gradus_layer_dropout_options(...) GRADUS_OPTIONS_(gradus_layer_dropout_options, __VA_ARGS__)

/* A row as a vector. */
typedef struct {
    size_t size_;
    const char *name;
    uint64_t reserved_[4];
} gradus_layer_flatten_options;
#define gradus_layer_flatten_options(...) GRADUS_OPTIONS_(gradus_layer_flatten_options, __VA_ARGS__)

/* A row in another shape with as many elements; one extent may be GRADUS_INFER. */
typedef struct {
    size_t size_;
    gradus_shape shape;
    const char *name;
    uint64_t reserved_[4];
} gradus_layer_reshape_options;
#define gradus_layer_reshape_options(...) GRADUS_OPTIONS_(gradus_layer_reshape_options, __VA_ARGS__)

/* Rows of a table at the input's indices, I32 or I64; see gradus_embedding.  Parameter NAME/embedding. */
typedef struct {
    size_t size_;
    int64_t rows, units; /* how many indices there are, and the last extent of the output */
    const char *name;
    bool frozen;
    gradus_dtype dtype;      /* default GRADUS_F32 */
    gradus_initializer init; /* default gradus_uniform(-0.05, 0.05) */
    uint64_t reserved_[4];
} gradus_layer_embedding_options;
#define gradus_layer_embedding_options(...) GRADUS_OPTIONS_(gradus_layer_embedding_options, __VA_ARGS__)

/* Over the last axis; see gradus_layer_norm.  Parameters NAME/gamma and NAME/beta. */
typedef struct {
    size_t size_;
    double epsilon; /* 1e-5 */
    const char *name;
    bool frozen;
    uint64_t reserved_[4];
} gradus_layer_layer_norm_options;
#define gradus_layer_layer_norm_options(...) GRADUS_OPTIONS_(gradus_layer_layer_norm_options, __VA_ARGS__)

/* See gradus_batch_norm: in "train" by the batch's statistics, which NAME/moving_mean and NAME/moving_variance follow, in
 * "evaluate" and "predict" by these two.  Parameters NAME/gamma and NAME/beta.  A frozen layer normalises by the moving
 * statistics in "train", too, and all four stay as they are (as in Keras). */
typedef struct {
    size_t size_;
    int axis;        /* the channels', of the input with the batch in front; default the last.  0 is that default */
    double momentum; /* 0.99 */
    double epsilon;  /* 1e-3 */
    const char *name;
    bool frozen;
    bool no_scale, no_center; /* without gamma, without beta */
    uint64_t reserved_[4];
} gradus_layer_batch_norm_options;
#define gradus_layer_batch_norm_options(...) GRADUS_OPTIONS_(gradus_layer_batch_norm_options, __VA_ARGS__)

/* A layer with its options, made by the macros below; the fields are not for users.  Names and data of initialisers are
 * copied by gradus_model_add. */
typedef struct {
    int32_t kind;
    union {
        gradus_layer_dense_options dense;
        gradus_layer_activation_options activation;
        gradus_layer_dropout_options dropout;
        gradus_layer_flatten_options flatten;
        gradus_layer_reshape_options reshape;
        gradus_layer_embedding_options embedding;
        gradus_layer_layer_norm_options layer_norm;
        gradus_layer_batch_norm_options batch_norm;
    } options;
} gradus_layer;

GRADUS_API gradus_layer gradus_layer_dense(const gradus_layer_dense_options *options);
GRADUS_API gradus_layer gradus_layer_activation(const gradus_layer_activation_options *options);
GRADUS_API gradus_layer gradus_layer_dropout(const gradus_layer_dropout_options *options);
GRADUS_API gradus_layer gradus_layer_flatten(const gradus_layer_flatten_options *options);
GRADUS_API gradus_layer gradus_layer_reshape(const gradus_layer_reshape_options *options);
GRADUS_API gradus_layer gradus_layer_embedding(const gradus_layer_embedding_options *options);
GRADUS_API gradus_layer gradus_layer_layer_norm(const gradus_layer_layer_norm_options *options);
GRADUS_API gradus_layer gradus_layer_batch_norm(const gradus_layer_batch_norm_options *options);
#define gradus_layer_dense(...) gradus_layer_dense(GRADUS_OPTIONS_(gradus_layer_dense_options, __VA_ARGS__))
#define gradus_layer_activation(...) \
    gradus_layer_activation(GRADUS_OPTIONS_(gradus_layer_activation_options, __VA_ARGS__))
#define gradus_layer_dropout(...) gradus_layer_dropout(GRADUS_OPTIONS_(gradus_layer_dropout_options, __VA_ARGS__))
#define gradus_layer_flatten(...) gradus_layer_flatten(GRADUS_OPTIONS_(gradus_layer_flatten_options, __VA_ARGS__))
#define gradus_layer_reshape(...) gradus_layer_reshape(GRADUS_OPTIONS_(gradus_layer_reshape_options, __VA_ARGS__))
#define gradus_layer_embedding(...) gradus_layer_embedding(GRADUS_OPTIONS_(gradus_layer_embedding_options, __VA_ARGS__))
#define gradus_layer_layer_norm(...) \
    gradus_layer_layer_norm(GRADUS_OPTIONS_(gradus_layer_layer_norm_options, __VA_ARGS__))
#define gradus_layer_batch_norm(...) \
    gradus_layer_batch_norm(GRADUS_OPTIONS_(gradus_layer_batch_norm_options, __VA_ARGS__))

/* --- the stack --------------------------------------------------------------------------------------------------- */

/* A model without layers, whose input has the dtype, and the shape of one row.  NULL where memory is short; a dtype or
 * shape that cannot be is reported by the first gradus_model_add. */
GRADUS_API gradus_model *gradus_model_create(gradus_dtype dtype, gradus_shape row);

/* Frees the model with its graph and program, and clears the pointer; takes NULL and a pointer to NULL. */
GRADUS_API void gradus_model_destroy(gradus_model **model);

/* Puts a layer on top.  GRADUS_ERROR_GRAPH: it does not fit its input, or its options are wrong; the message says the
 * place of the call, the layer, its input and what would be right.  GRADUS_ERROR_ARGUMENT: no layer, a name that is
 * taken, or a model that is compiled already.  GRADUS_ERROR_MEMORY.  A model with an error takes no further layers;
 * gradus_model_pop takes the one away that could not be added, and the error with it. */
GRADUS_API gradus_status gradus_model_add_at(const char *file, int line, gradus_model *model, gradus_layer layer);
GRADUS_API gradus_status gradus_model_add(gradus_model *model, gradus_layer layer);
#define gradus_model_add(...) gradus_model_add_at(GRADUS_HERE_, __VA_ARGS__)

/* Takes the uppermost layer away.  GRADUS_ERROR_ARGUMENT: there is none, or the model is compiled. */
GRADUS_API gradus_status gradus_model_pop(gradus_model *model);

/* --- compiling --------------------------------------------------------------------------------------------------- */

/* Losses are means over the elements of a batch.  With the cross-entropies the last layer gives logits, or has the one
 * activation that belongs to the loss (GRADUS_SOFTMAX, or GRADUS_SIGMOID for the binary one): then the loss is computed
 * from what that activation is applied to, which loses no digits.  "predict" gives probabilities in either case. */
typedef enum {
    GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY = 1, /* labels: class numbers, of the output's shape without its last axis */
    GRADUS_CATEGORICAL_CROSSENTROPY,            /* labels: probabilities, one-hot or soft, of the output's shape */
    GRADUS_BINARY_CROSSENTROPY,                 /* labels: from 0 to 1, else an error, of the output's shape */
    GRADUS_MEAN_SQUARED_ERROR,                  /* labels: of the output's shape */
    GRADUS_MEAN_ABSOLUTE_ERROR
} gradus_loss;

/* To be combined with |.  The first metric is the first of those chosen in this order.  In the accuracies a row (in the
 * binary one an element) counts as wrong where a prediction or a label is NaN; the errors are NaN then. */
enum {
    GRADUS_ACCURACY = 1,        /* "accuracy": the largest of the last axis is at the label; for one unit, and for the binary
                                   cross-entropy, the same as the binary accuracy */
    GRADUS_BINARY_ACCURACY = 2, /* "binary_accuracy": prediction and label are both above 1/2, or neither */
    GRADUS_TOP_K_ACCURACY = 4,  /* "top_5_accuracy": fewer than k classes are above that of the label */
    GRADUS_MSE = 8,             /* "mse", of the prediction */
    GRADUS_MAE = 16             /* "mae", of the prediction */
};
enum { GRADUS_METRICS = 8, GRADUS_METRIC_NAME = 32 }; /* at most, now and later */

typedef struct {
    size_t size_;
    gradus_optimizer optimizer; /* default gradus_rmsprop() */
    gradus_loss loss;           /* must be given */
    unsigned metrics;           /* of GRADUS_ACCURACY | … */
    int64_t top_k;              /* the k of GRADUS_TOP_K_ACCURACY; default 5 */
    gradus_dtype label_dtype;   /* of the data's labels, where it is not GRADUS_I32 for class numbers, the output's dtype
                                   for others */
    uint64_t seed;              /* of the parameters' first values and of random numbers; default 0 */
    int64_t max_batch;          /* how many rows the program takes at once, at least; default 256.  A fit with larger batches
                                   makes it anew.  Evaluation and validation are in batches of so many rows, whatever those
                                   of the fit: more memory for larger ones, more time for much smaller ones */
    int32_t threads;            /* as in gradus_compile_options, */
    bool check_nan;             /* this too */
    uint64_t reserved_[4];
} gradus_model_options;
#define gradus_model_options(...) GRADUS_OPTIONS_(gradus_model_options, __VA_ARGS__)

/* Says how the model is trained, and defines its entry points; machine code is made at first use.  A model may be compiled
 * again, with another optimizer or loss: its layers keep their weights, the optimizer starts anew.
 * GRADUS_ERROR_ARGUMENT: no layers, no loss, wrong options, an activation that the loss does not go with.
 * GRADUS_ERROR_GRAPH: what the graph says.  GRADUS_ERROR_MEMORY. */
GRADUS_API gradus_status gradus_model_compile_at(const char *file, int line, gradus_model *model,
                                                 const gradus_model_options *options);
GRADUS_API gradus_status gradus_model_compile(gradus_model *model, const gradus_model_options *options);
#define gradus_model_compile(...) GRADUS_AT_1_(gradus_model_compile_at, gradus_model_options, __VA_ARGS__, )

/* The graph: the model's own, until the next gradus_model_pop, a failing call, or another compilation.  Entry points that
 * are defined on it after gradus_model_compile are part of the program if they are there at its first use. */
GRADUS_API gradus_graph *gradus_model_graph(gradus_model *model);

/* The program with the state: the model's own, until a larger batch, or another compilation, makes a new one.  It is made
 * at need, with initial weights.  NULL where that fails: gradus_last_error() says why. */
GRADUS_API gradus_program *gradus_model_program(gradus_model *model);

/* --- fitting ----------------------------------------------------------------------------------------------------- */

/* What an epoch's learning rate is; made by the functions below, {0} is none.  The state "NAME/learning_rate" of the
 * optimizer is set before each epoch.  Epochs count from 0 here. */
typedef double (*gradus_schedule_fn)(void *user, int64_t epoch, double learning_rate);
typedef struct {
    int32_t kind;
    double f[4];
    int64_t n[2];
    gradus_schedule_fn function;
    void *user;
} gradus_schedule;

/* rate * factor^floor(epoch / every) */
GRADUS_API gradus_schedule gradus_schedule_step(double rate, double factor, int64_t every);
/* rate * factor^epoch */
GRADUS_API gradus_schedule gradus_schedule_exponential(double rate, double factor);
/* Linearly up to `rate` in the first `warm_up` epochs: rate * (epoch + 1) / warm_up; then down to `last` along half a
 * cosine (Loshchilov and Hutter 2017) until the epoch `epochs` - 1, and `last` from there on. */
GRADUS_API gradus_schedule gradus_schedule_cosine(double rate, double last, int64_t warm_up, int64_t epochs);
/* One's own: from the epoch, and the rate that holds before it. */
GRADUS_API gradus_schedule gradus_schedule_custom(gradus_schedule_fn function, void *user);

typedef enum { GRADUS_CONTINUE = 0, GRADUS_STOP = 1 } gradus_verdict;

/* How far a fit is.  Loss and metrics are means over the rows of the epoch so far; the validation's are NaN where there is
 * none (yet), and so is `metric` without metrics. */
typedef struct {
    int64_t epoch;          /* from 1 */
    int64_t batch, batches; /* how many of the epoch are done, and how many it has */
    double loss, metric, val_loss, val_metric; /* the first metric */
    gradus_program *program;                   /* may be read, set and saved here */
    int64_t epochs;                            /* where the fit would end */
    double learning_rate;                      /* NaN for an optimizer with a .rate of its own */
    const double *metrics, *val_metrics;       /* all of them, */
    size_t metric_count;                       /* so many */
    gradus_model *model;                       /* may be evaluated here */
} gradus_progress;
typedef gradus_verdict (*gradus_progress_fn)(void *user, const gradus_progress *now);

/* What a fit recorded of each epoch: gradus_history history = {0}; … .history = &history.  Another fit goes on after the
 * last epoch.  The fields are to be read; gradus_history_free frees the arrays. */
typedef struct gradus_history {
    size_t epochs;                                /* how long each array is */
    double *loss, *val_loss;                      /* NaN without validation */
    double *learning_rate, *seconds;              /* NaN where the optimizer has a .rate of its own */
    size_t metrics;                               /* how many of the following there are */
    char names[GRADUS_METRICS][GRADUS_METRIC_NAME]; /* "accuracy" */
    double *metric[GRADUS_METRICS], *val_metric[GRADUS_METRICS];
    int64_t best_epoch; /* of the latest fit: with the least val_loss (loss, without validation), from 1 as in progress; where
                           that was resumed, of all its epochs */
    bool stopped;       /* the latest fit ended before its last epoch */
    size_t room_;
} gradus_history;

/* Clears it, for another use too; takes NULL. */
GRADUS_API void gradus_history_free(gradus_history *history);

typedef struct {
    size_t size_;
    int64_t epochs;                /* 1 */
    int64_t batch_size;            /* 32 */
    double validation_split;       /* this part of the rows, the last ones, is not trained on but evaluated each epoch:
                                      rows * validation_split of them, rounded up (where that is more than a
                                      thousandth above a whole number).  At least 1 row must be on either side */
    const gradus_data *validation_data; /* instead of it */
    int64_t patience;      /* stop after so many epochs without a smaller val_loss (loss, without validation); 0: never */
    double min_delta;      /* how much smaller it must be */
    bool restore_best;     /* in the end the state is that of the best epoch, to the bit, the optimizer's too */
    const char *best_path; /* the state is saved here (gradus_save, checkpoint.h) whenever an epoch is the best so far */
    gradus_progress_fn on_batch, on_epoch; /* called after each; GRADUS_STOP ends the fit there, which is no error.  An
                                              epoch that on_batch ends is not recorded */
    void *user;                            /* of both */
    gradus_history *history;
    int32_t verbose;        /* 0: prints nothing; 1: a progress bar, or a line an epoch where the stream is no terminal,
                               or one that cannot move its cursor (TERM is "dumb", empty or unset); no colours;
                               2: a line an epoch */
    FILE *stream;           /* where `verbose` prints; default stdout */
    bool no_shuffle;        /* rows in their order; else in another one each epoch, */
    uint64_t seed;          /* which depends on this and the number of epochs trained before */
    int64_t initial_epoch;  /* how many epochs are done already, in a run that is resumed from a file: trains the others */
    gradus_schedule schedule;
    const char *log_jsonl, *log_csv; /* a line an epoch, written at once; the file is replaced, or with initial_epoch loses
                                        the lines of later epochs and goes on */
    uint64_t reserved_[4];
} gradus_fit_options;
#define gradus_fit_options(...) GRADUS_OPTIONS_(gradus_fit_options, __VA_ARGS__)

/* Trains on a data set of two tensors: inputs of the model's dtype and row shape, and labels (see gradus_loss; extents of
 * 1 may be left out).  A fit goes on from the state that it finds, so a second one continues the first: fits of 2 and of 3
 * epochs do what one of 5 does.  Epoch and batch numbers in messages are from 1.
 *
 * A run that was killed goes on from a checkpoint (checkpoint.h) that a callback saved after epoch n, to the same bits:
 *
 *     gradus_load(gradus_model_program(m), path);
 *     gradus_model_fit(m, train, .initial_epoch = n, …);    and all else as before
 *
 * While a fit runs, and after it, its program knows how far it is: epoch and batch, the order of rows, the best epoch with
 * its loss, for how long there was no better one, and with .restore_best that epoch's state.  gradus_save keeps this, and a
 * fit with .initial_epoch goes on with it, be it loaded or of a fit of this model that ended: .best_path is written by better
 * epochs alone, .patience goes on counting (where it was used up, no epoch is trained), .restore_best takes the best of all
 * epochs.  A checkpoint that on_batch saved in the midst of epoch n + 1 goes on there, with .initial_epoch = n, too.  The
 * history has the epochs of this fit alone, its best_epoch is that of all.  Where nothing is known of the epochs before (a
 * checkpoint of an older version, or saved before the first fit), where the state is that of a later epoch than .initial_epoch
 * or validation came or went, the best epoch and .patience begin anew, which is logged (gradus_set_log).  gradus_program_init
 * and a fit without .initial_epoch begin anew, too; in a callback gradus_program_init and gradus_load change the state alone.
 *
 * A callback may leave the fit for good, by longjmp or a C++ exception.  The state is then what the last batch left, with
 * .restore_best too; the model can be used again, and the fit's logs are closed and its memory is freed at the next call on it.
 *
 * GRADUS_ERROR_ARGUMENT: wrong options or labels, no compilation.  GRADUS_ERROR_MISMATCH: data that does not fit, a CSV
 * log of other columns that is to go on.  GRADUS_ERROR_NAN: the loss of a batch is NaN or infinite; the state is what that
 * batch left, or with .restore_best that of the best epoch.  GRADUS_ERROR_IO: a log or checkpoint cannot be written.
 * GRADUS_ERROR_BUSY: called from a callback.  The errors of gradus_jit (compile.h).  What was trained before an error
 * stays. */
GRADUS_API gradus_status gradus_model_fit(gradus_model *model, const gradus_data *data, const gradus_fit_options *options);
#define gradus_model_fit(...) GRADUS_CALL_2_(gradus_model_fit, gradus_fit_options, __VA_ARGS__, )

/* --- using ------------------------------------------------------------------------------------------------------- */

/* Loss and first metric over all rows; either may be NULL, and the metric is NaN for a model without.  They are computed in
 * batches of .max_batch (gradus_model_compile) rows, as validation is, so that their bits depend on nothing else. */
GRADUS_API gradus_status gradus_model_evaluate(gradus_model *model, const gradus_data *data, float *loss, float *metric);

typedef struct {
    double loss;
    size_t metrics;
    char names[GRADUS_METRICS][GRADUS_METRIC_NAME];
    double metric[GRADUS_METRICS];
} gradus_scores;
GRADUS_API gradus_status gradus_model_evaluate_all(gradus_model *model, const gradus_data *data, gradus_scores *scores);

/* The output for each row, probabilities after a cross-entropy: rows times the output's row, of its dtype (float for an
 * F32 model).  Uses the first tensor of the data; the others may be anything. */
GRADUS_API gradus_status gradus_model_predict(gradus_model *model, const gradus_data *data, void *out);

/* A table of the layers with output shapes (B is the batch) and parameter counts, and after it every number that is an
 * option of a layer, and of a compiled model the optimizer's, loss, metrics and seed, as they are used: defaults too.
 * Before and after compilation. */
GRADUS_API gradus_status gradus_model_summary(gradus_model *model, FILE *stream);

typedef struct {
    size_t size_;
    bool no_shapes;  /* names and kinds alone */
    bool horizontal; /* from left to right */
    uint64_t reserved_[4];
} gradus_model_plot_options;
#define gradus_model_plot_options(...) GRADUS_OPTIONS_(gradus_model_plot_options, __VA_ARGS__)

/* Draws the stack of layers, with their names and the shapes of input and output, as SVG or PNG by the ending of the path,
 * or as Graphviz' language DOT (.dot, .gv).  Before and after compilation.  SVG and PNG run Graphviz' program `dot`:
 * GRADUS_ERROR_NOT_FOUND where that is not on the PATH.  GRADUS_ERROR_ARGUMENT for another ending, GRADUS_ERROR_IO,
 * GRADUS_ERROR_MEMORY. */
GRADUS_API gradus_status gradus_model_plot(gradus_model *model, const char *path,
                                           const gradus_model_plot_options *options);
#define gradus_model_plot(...) GRADUS_CALL_2_(gradus_model_plot, gradus_model_plot_options, __VA_ARGS__, )

/* Other names of functions behind macros. */
#define gradus_layer_dense_with (gradus_layer_dense)
#define gradus_model_compile_with (gradus_model_compile)
#define gradus_model_fit_with (gradus_model_fit)

#ifdef __cplusplus
}
#endif
#endif
