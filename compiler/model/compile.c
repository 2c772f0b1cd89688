/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiling a model: its loss and metrics as graph, the three entry points, and the program that they become.
 */
#include "model/model.h"

#include "runtime/options.h"
#include "runtime/world.h"

#include <gradus/autodiff.h>
#include <gradus/build.h>
#include <gradus/ops.h>

#include <math.h>

/* A compilation under way. */
typedef struct {
    gradus_model *m;
    const char *file;
    int line;
    gradus_model_options o;
    const model_layer *last;
    gradus_tensor output;     /* of the last layer */
    gradus_tensor logits;     /* what a cross-entropy is computed from; else the output */
    gradus_tensor prediction; /* what "predict" gives */
    gradus_tensor y, labels;  /* the input, and the same in the dtype that the loss takes */
    gradus_tensor outputs[1 + GRADUS_METRICS];
} compilation;

#define AT c->file, c->line
#define EVERYWHERE GRADUS_ALL_AXES

static const struct {
    const char *name;
    gradus_activation activation; /* that turns logits to probabilities; linear: the loss is not of logits */
} losses[] = {
    [GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY] = {"sparse categorical cross-entropy", GRADUS_SOFTMAX},
    [GRADUS_CATEGORICAL_CROSSENTROPY] = {"categorical cross-entropy", GRADUS_SOFTMAX},
    [GRADUS_BINARY_CROSSENTROPY] = {"binary cross-entropy", GRADUS_SIGMOID},
    [GRADUS_MEAN_SQUARED_ERROR] = {"mean squared error", GRADUS_LINEAR},
    [GRADUS_MEAN_ABSOLUTE_ERROR] = {"mean absolute error", GRADUS_LINEAR},
};
#define LOSSES (sizeof losses / sizeof *losses)

const char *model_loss_name(gradus_loss loss) { return losses[loss].name; }

static gradus_status wrong(const compilation *c, const char *format, ...) PRINTF_LIKE(2, 3);
static gradus_status wrong(const compilation *c, const char *format, ...) {
    char why[1024], place[SOURCE_TEXT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    return model_fail(c->m, GRADUS_ERROR_ARGUMENT, "%sgradus_model_compile: %s",
                      source_text((source){c->file, c->line}, place), why);
}

/* --- what the model gives ------------------------------------------------------------------------------------------ */

/* Logits and probabilities of a cross-entropy; for other losses both are the output. */
static gradus_status split_output(compilation *c) {
    static const char *const names[] = {[GRADUS_SIGMOID] = "sigmoid", [GRADUS_SOFTMAX] = "softmax"};
    const gradus_activation wanted = losses[c->o.loss].activation, found = c->last->activation;
    c->output = c->logits = c->prediction = c->last->output;
    if (wanted == GRADUS_LINEAR) return GRADUS_OK;
    const gradus_shape shape = gradus_shape_of(c->output);
    if (wanted == GRADUS_SOFTMAX && shape.d[0] > 1 && shape.d[shape.d[0]] == 1)
        return wrong(c, "%s of one class is always 0, but layer %u, \"%s\", has one unit: right are as many as classes, or "
                     "for two of them one and GRADUS_BINARY_CROSSENTROPY",
                     losses[c->o.loss].name, c->m->layers.count, c->last->name);
    if (found == wanted) {
        c->logits = c->last->logits;
    } else if (found == GRADUS_SIGMOID || found == GRADUS_SOFTMAX) {
        return wrong(c, "%s takes logits or a %s, but layer %u, \"%s\", ends with a %s: leave its .activation out",
                     losses[c->o.loss].name, names[wanted], c->m->layers.count, c->last->name, names[found]);
    } else {
        c->prediction = gradus_activate_at(AT, c->output, wanted);
    }
    return GRADUS_OK;
}

static gradus_status make_labels(compilation *c) {
    model_training *t = &c->m->training;
    const bool sparse = c->o.loss == GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY;
    const gradus_dtype output = gradus_dtype_of(c->output);
    const gradus_dtype given = c->o.label_dtype ? c->o.label_dtype : sparse ? GRADUS_I32 : output;
    t->label = gradus_shape_of(c->output);
    if (sparse) {
        if (t->label.d[0] < 2)
            return wrong(c, "%s: the output has no axis of classes; the last layer needs .units", losses[c->o.loss].name);
        t->classes = t->label.d[t->label.d[0]--];
        if (given == GRADUS_F32 || given == GRADUS_F64)
            return wrong(c, ".label_dtype is %s, but %s takes class numbers, such as i32", gradus_dtype_name(given),
                         losses[c->o.loss].name);
    }
    t->label_dtype = given;
    t->output_dtype = output;
    c->y = gradus_input_at(AT, c->m->graph, "y", given, t->label);
    if (!sparse) c->labels = given == output ? c->y : gradus_cast_at(AT, c->y, output);
    else c->labels = given == GRADUS_I32 || given == GRADUS_I64 ? c->y : gradus_cast_at(AT, c->y, GRADUS_I32);
    return GRADUS_OK;
}

/* --- loss and metrics ---------------------------------------------------------------------------------------------- */

static gradus_tensor absolute_error(const compilation *c) {
    return gradus_abs_at(AT, gradus_sub_at(AT, c->prediction, c->labels));
}

static gradus_tensor loss_of(const compilation *c) {
    gradus_tensor loss = {c->m->graph, 0};
    switch (c->o.loss) {
    case GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY:
    case GRADUS_CATEGORICAL_CROSSENTROPY: loss = gradus_softmax_cross_entropy_at(AT, c->logits, c->labels); break;
    case GRADUS_BINARY_CROSSENTROPY: loss = gradus_binary_cross_entropy_at(AT, c->logits, c->labels); break;
    case GRADUS_MEAN_SQUARED_ERROR: loss = gradus_mean_squared_error_at(AT, c->prediction, c->labels); break;
    case GRADUS_MEAN_ABSOLUTE_ERROR: loss = absolute_error(c); break;
    }
    return gradus_mean_at(AT, loss, EVERYWHERE, false);
}

/* The share of what is true where it is known: a NaN is no NaN's equal. */
static gradus_tensor share(const compilation *c, gradus_tensor right, gradus_tensor known) {
    right = gradus_logical_and_at(AT, right, known);
    return gradus_mean_at(AT, gradus_cast_at(AT, right, c->m->training.output_dtype), EVERYWHERE, false);
}

static gradus_tensor no_nan(const compilation *c, gradus_tensor x) { return gradus_equal_at(AT, x, x); }

/* Of classes: whether no class of the row is NaN, nor, where labels are probabilities, of its label. */
static gradus_tensor row_known(const compilation *c) {
    gradus_tensor known = no_nan(c, c->logits);
    if (!c->m->training.classes) known = gradus_logical_and_at(AT, known, no_nan(c, c->labels));
    return gradus_all_at(AT, known, GRADUS_AXES(-1), false);
}

static gradus_tensor above_half(const compilation *c, gradus_tensor x) {
    return gradus_greater_at(AT, x, gradus_like_at(AT, x, 0.5));
}

static gradus_tensor binary_accuracy(const compilation *c) {
    const gradus_tensor right = gradus_equal_at(AT, above_half(c, c->prediction), above_half(c, c->labels));
    return share(c, right, gradus_logical_and_at(AT, no_nan(c, c->prediction), no_nan(c, c->labels)));
}

/* The number of the class that a label says, in the dtype of argmax or of the labels. */
static gradus_tensor label_class(const compilation *c) {
    if (c->m->training.classes) return c->labels;
    return gradus_argmax_at(AT, c->labels, GRADUS_AXES(-1), false);
}

static gradus_tensor categorical_accuracy(const compilation *c) {
    gradus_tensor wanted = label_class(c), best = gradus_argmax_at(AT, c->logits, GRADUS_AXES(-1), false);
    if (gradus_dtype_of(wanted) == GRADUS_I64) best = gradus_cast_at(AT, best, GRADUS_I64);
    return share(c, gradus_equal_at(AT, best, wanted), row_known(c));
}

/* Fewer than k classes are above the label's. */
static gradus_tensor top_k_accuracy(const compilation *c, int64_t k) {
    gradus_shape column = gradus_shape_of(c->logits);
    column.d[column.d[0]] = 1;
    const gradus_tensor index = gradus_reshape_at(AT, label_class(c), column);
    const gradus_tensor own = gradus_take_along_axis_at(AT, c->logits, index, -1);
    const gradus_tensor above = gradus_cast_at(AT, gradus_greater_at(AT, c->logits, own), GRADUS_I32);
    const gradus_tensor count = gradus_sum_at(AT, above, GRADUS_AXES(-1), false);
    const gradus_tensor few = gradus_less_at(AT, count, gradus_like_at(AT, count, (double)k));
    return share(c, few, row_known(c));
}

/* A metric under its name, after the others. */
static void put_metric(compilation *c, gradus_tensor value, const char *name) {
    model_training *t = &c->m->training;
    snprintf(t->names[t->metrics], sizeof t->names[0], "%s", name);
    c->outputs[++t->metrics] = gradus_named_at(AT, value, name);
}

static gradus_status make_metrics(compilation *c) {
    const unsigned all = GRADUS_ACCURACY | GRADUS_BINARY_ACCURACY | GRADUS_TOP_K_ACCURACY | GRADUS_MSE | GRADUS_MAE;
    const unsigned of_classes = GRADUS_ACCURACY | GRADUS_TOP_K_ACCURACY;
    const gradus_shape shape = gradus_shape_of(c->output);
    const int64_t units = shape.d[0] > 1 ? shape.d[shape.d[0]] : 1, k = c->o.top_k ? c->o.top_k : 5;
    const bool binary = c->o.loss == GRADUS_BINARY_CROSSENTROPY || units == 1;
    char top[GRADUS_METRIC_NAME];
    if (c->o.metrics & ~all) return wrong(c, ".metrics has bits (0x%x) that are no metric", c->o.metrics & ~all);
    if (k < 1 || k > INT32_MAX) return wrong(c, ".top_k is %lld; right is a number above 0", (long long)k);
    if (c->m->training.classes && c->o.metrics & ~of_classes)
        return wrong(c, "labels are class numbers: of the metrics, GRADUS_ACCURACY and GRADUS_TOP_K_ACCURACY go with "
                        "them; the others need GRADUS_CATEGORICAL_CROSSENTROPY and one-hot labels");
    if (binary && !c->m->training.classes && c->o.metrics & GRADUS_TOP_K_ACCURACY)
        return wrong(c, "GRADUS_TOP_K_ACCURACY needs classes along the last axis of the output");
    snprintf(top, sizeof top, "top_%d_accuracy", (int)k);
    c->m->training.metrics = 0;
    if (c->o.metrics & GRADUS_ACCURACY)
        put_metric(c, binary && !c->m->training.classes ? binary_accuracy(c) : categorical_accuracy(c), "accuracy");
    if (c->o.metrics & GRADUS_BINARY_ACCURACY) put_metric(c, binary_accuracy(c), "binary_accuracy");
    if (c->o.metrics & GRADUS_TOP_K_ACCURACY) put_metric(c, top_k_accuracy(c, k), top);
    if (c->o.metrics & GRADUS_MSE)
        put_metric(c, gradus_mean_at(AT, gradus_mean_squared_error_at(AT, c->prediction, c->labels), EVERYWHERE, false),
                   "mse");
    if (c->o.metrics & GRADUS_MAE) put_metric(c, gradus_mean_at(AT, absolute_error(c), EVERYWHERE, false), "mae");
    return GRADUS_OK;
}

/* --- entry points -------------------------------------------------------------------------------------------------- */

/* The parameters of layers that are not frozen, where some are; else none. */
static gradus_tensors trained_params(const compilation *c, bool *frozen) {
    const gradus_model *m = c->m;
    const gradus_tensors all = gradus_params(m->graph, NULL);
    gradus_tensor *kept = ARENA_ARRAY(&c->m->memory, gradus_tensor, all.count + 1);
    size_t count = 0;
    uint32_t layer = 0;
    *frozen = false;
    for (size_t i = 0; i < all.count; i++) {
        while (layer < m->layers.count && i >= m->layers.items[layer].end_param) layer++;
        const bool own = layer < m->layers.count && i >= m->layers.items[layer].first_param;
        if (own && m->layers.items[layer].frozen) *frozen = true;
        else kept[count++] = all.items[i];
    }
    return gradus_list(kept, count);
}

static gradus_status make_step(compilation *c, gradus_updates *step) {
    bool frozen;
    const gradus_tensors params = trained_params(c, &frozen);
    if (frozen && !params.count)
        return wrong(c, "all layers with parameters are frozen, so there is nothing to train");
    if (!c->o.optimizer.kind) c->o.optimizer = gradus_rmsprop();
    gradus_optimizer_describe(c->o.optimizer, c->m->training.optimizer, sizeof c->m->training.optimizer);
    if (frozen) *step = gradus_apply_at(AT, c->o.optimizer, params, gradus_gradients_at(AT, c->outputs[0], params));
    else *step = gradus_minimize_at(AT, c->outputs[0], c->o.optimizer);
    return GRADUS_OK;
}

static gradus_status compile(compilation *c) {
    gradus_model *m = c->m;
    gradus_updates step = {m->graph, 0};
    if (!m->layers.count) return wrong(c, "the model has no layers; gradus_model_add comes first");
    if ((int)c->o.loss < 1 || (size_t)c->o.loss >= LOSSES)
        return wrong(c, c->o.loss ? ".loss is %d, which is none" : "no .loss is given (%d)", (int)c->o.loss);
    if (c->o.max_batch < 0) return wrong(c, ".max_batch is %lld; right is 1 or more", (long long)c->o.max_batch);
    m->training = (model_training){.loss = c->o.loss,
                                   .seed = c->o.seed,
                                   .max_batch = c->o.max_batch ? c->o.max_batch : MODEL_MAX_BATCH,
                                   .threads = c->o.threads,
                                   .check_nan = c->o.check_nan};
    c->last = &m->layers.items[m->layers.count - 1];
    gradus_status status = split_output(c);
    if (!status) status = make_labels(c);
    if (status) return status;
    c->outputs[0] = gradus_named_at(AT, loss_of(c), "loss");
    status = make_metrics(c);
    if (!status) status = make_step(c, &step);
    if (status) return status;
    c->prediction = gradus_named_at(AT, c->prediction, losses[c->o.loss].activation ? "probabilities" : "prediction");
    const gradus_tensors xy = gradus_list((const gradus_tensor[]){m->x, c->y}, 2), x = gradus_list(&m->x, 1);
    const gradus_tensors scores = gradus_list(c->outputs, 1 + m->training.metrics);
    const gradus_tensors predictions = gradus_list(&c->prediction, 1);
    gradus_define_at(AT, m->graph, "train", xy, scores, step, NULL);
    gradus_define_at(AT, m->graph, "evaluate", xy, scores, GRADUS_NO_UPDATES, NULL);
    status = gradus_define_at(AT, m->graph, "predict", x, predictions, GRADUS_NO_UPDATES, NULL);
    if (!status) return GRADUS_OK;
    char place[SOURCE_TEXT];
    return model_fail(m, model_graph_status(m), "%sgradus_model_compile: %s",
                      source_text((source){c->file, c->line}, place), model_graph_error(m, c->file, c->line));
}

/* Weights stay for the program that comes. */
static void put_aside(gradus_model *m) {
    if (!m->program) return;
    gradus_program_destroy(&m->previous);
    m->previous = m->program;
    m->program = NULL;
    m->max_batch = 0;
}

static gradus_status compile_anew(gradus_model *m, compilation *c, const gradus_model_options *options) {
    const options_type type = OPTIONS_TYPE(gradus_model_options);
    const bool readable = options_copy(type, &c->o, options);
    char why[OPTIONS_WHY];
    put_aside(m);
    if (m->compiled) model_rebuild(m);
    else model_forgive(m);
    gradus_status status = model_report(m);
    if (!status && !readable) status = wrong(c, "%s", options_explain(why, type, options_size(options)));
    if (!status) status = compile(c);
    m->compiled = !status;
    m->of_compile = status != GRADUS_OK;
    return status;
}

gradus_status gradus_model_compile_at(const char *file, int line, gradus_model *m, const gradus_model_options *options) {
    ENTER;
    static const char *where = "gradus_model_compile";
    compilation c = {.m = m, .file = file, .line = line};
    const gradus_status unfit = model_enter(m, where);
    if (unfit) return unfit;
    guard here;
    if (GUARDED(&here)) {
        const gradus_status status = compile_anew(m, &c, options);
        guard_leave(&here);
        return status;
    }
    m->compiled = false;
    m->of_compile = true;
    return model_fail(m, GRADUS_ERROR_MEMORY, "%s: out of memory", where);
}

gradus_status(gradus_model_compile)(gradus_model *m, const gradus_model_options *options) {
    return gradus_model_compile_at(NULL, 0, m, options);
}
