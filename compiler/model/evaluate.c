/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a compiled model over data: whether the data fits, loss and metrics, predictions.
 */
#include "model/model.h"
#include "runtime/world.h"

#include <math.h>
#include <string.h>

/* --- does the data fit? ------------------------------------------------------------------------------------------ */

/* Equal but for extents of 1; `from` is where the rows' own extents begin in a shape. */
static bool same_row(const gradus_shape *a, const gradus_shape *b) {
    int64_t i = 2, j = 2;
    for (;;) {
        while (i <= a->d[0] && a->d[i] == 1) i++;
        while (j <= b->d[0] && b->d[j] == 1) j++;
        if (i > a->d[0] || j > b->d[0]) return i > a->d[0] && j > b->d[0];
        if (a->d[i++] != b->d[j++]) return false;
    }
}

/* "f32 (B, 784)", into memory of the caller. */
static const char *tensor_text(char *to, size_t room, gradus_dtype dtype, const gradus_shape *shape) {
    int length = snprintf(to, room, "%s (B", gradus_dtype_name(dtype));
    for (int64_t i = 2; i <= shape->d[0] && length > 0 && (size_t)length < room; i++)
        length += snprintf(to + length, room - (size_t)length, ", %lld", (long long)shape->d[i]);
    if (length > 0 && (size_t)length < room) snprintf(to + length, room - (size_t)length, ")");
    return to;
}

static gradus_status check_labels(const gradus_model *m, const char *where, const gradus_data *data) {
    const model_training *t = &m->training;
    gradus_info info, more;
    char have[160], want[160];
    if (gradus_data_info(data, 1, &info))
        return fail(GRADUS_ERROR_MISMATCH, "%s: the data has inputs, but no labels: it needs two tensors", where);
    if (!gradus_data_info(data, 2, &more))
        return fail(GRADUS_ERROR_MISMATCH, "%s: the data has more than two tensors, inputs and labels", where);
    tensor_text(have, sizeof have, info.dtype, &info.shape);
    tensor_text(want, sizeof want, t->label_dtype, &t->label);
    if (!same_row(&info.shape, &t->label))
        return fail(GRADUS_ERROR_MISMATCH, "%s: the labels are %s, but the model's output and loss want %s", where, have,
                    want);
    if (info.dtype == t->label_dtype) return GRADUS_OK;
    return fail(GRADUS_ERROR_MISMATCH,
                "%s: the labels are %s, but the model is compiled for %s; deliver those, or compile it with .label_dtype",
                where, have, want);
}

gradus_status model_check_data(const gradus_model *m, const char *where, const gradus_data *data, bool labels) {
    gradus_info info;
    char have[160], want[160];
    if (!data || gradus_data_info(data, 0, &info)) return fail(GRADUS_ERROR_ARGUMENT, "%s: the data is NULL", where);
    const gradus_shape expected = gradus_shape_of(m->x);
    tensor_text(have, sizeof have, info.dtype, &info.shape);
    tensor_text(want, sizeof want, m->dtype, &expected);
    bool same = info.dtype == m->dtype && info.shape.d[0] == expected.d[0];
    for (int64_t i = 2; same && i <= expected.d[0]; i++) same = info.shape.d[i] == expected.d[i];
    if (!same)
        return fail(GRADUS_ERROR_MISMATCH, "%s: the data's inputs are %s, but the model takes %s", where, have, want);
    return labels ? check_labels(m, where, data) : GRADUS_OK;
}

/* --- labels that are out of range ---------------------------------------------------------------------------------- */

static double label_at(const gradus_in *labels, int64_t i) {
    switch (labels->dtype) {
    case GRADUS_F32: return (double)((const float *)labels->data)[i];
    case GRADUS_F64: return ((const double *)labels->data)[i];
    case GRADUS_I32: return ((const int32_t *)labels->data)[i];
    case GRADUS_I64: return (double)((const int64_t *)labels->data)[i];
    default: return ((const uint8_t *)labels->data)[i];
    }
}

/* The first row of a batch whose label is no class, or not from 0 to 1 where it must be; -1 where all are right. */
static int64_t bad_label(const gradus_model *m, const gradus_batch *b, double *label) {
    const model_training *t = &m->training;
    const bool bounded = t->classes || t->loss == GRADUS_BINARY_CROSSENTROPY;
    const double most = t->classes ? (double)t->classes - 1 : 1;
    int64_t each = 1;
    for (int64_t i = 2; i <= t->label.d[0]; i++) each *= t->label.d[i];
    for (int64_t i = 0; bounded && i < b->size * each; i++) {
        *label = label_at(&b->inputs.items[1], i);
        if (!(*label >= 0 && *label <= most)) return i / each;
    }
    return -1;
}

/* --- scores ------------------------------------------------------------------------------------------------------ */

gradus_status score_batch(const gradus_model *m, const char *entry, const gradus_batch *batch, score *s,
                          double values[1 + GRADUS_METRICS]) {
    float singles[1 + GRADUS_METRICS];
    double doubles[1 + GRADUS_METRICS];
    gradus_out outputs[1 + GRADUS_METRICS];
    const gradus_dtype dtype = m->training.output_dtype;
    const size_t count = 1 + m->training.metrics;
    if (!m->training.classes && bad_label(m, batch, doubles) >= 0) /* classes are checked by the call */
        return fail(GRADUS_ERROR_ARGUMENT, "a label is %g", *doubles);
    for (size_t i = 0; i < count; i++)
        outputs[i] = (gradus_out){dtype == GRADUS_F64 ? (void *)&doubles[i] : (void *)&singles[i], (int32_t)dtype};
    const gradus_status status =
        gradus_call(m->program, entry, batch->size, batch->inputs, (gradus_outputs){outputs, count});
    if (status) return status;
    for (size_t i = 0; i < count; i++) {
        const double value = dtype == GRADUS_F64 ? doubles[i] : (double)singles[i];
        s->sums[i] += value * (double)batch->size;
        if (values) values[i] = value;
    }
    s->rows += batch->size;
    return GRADUS_OK;
}

void score_means(const score *s, double means[1 + GRADUS_METRICS]) {
    for (size_t i = 0; i < 1 + GRADUS_METRICS; i++) means[i] = s->rows ? s->sums[i] / (double)s->rows : NAN;
}

gradus_status score_data(const gradus_model *m, const gradus_data *data, double means[1 + GRADUS_METRICS]) {
    /* Means of means depend on the batches: they are the same whatever the program was last made for. */
    const gradus_batch_options in_order = {
        .size_ = sizeof in_order, .batch_size = m->training.max_batch, .no_shuffle = true};
    gradus_batches *batches;
    gradus_batch b;
    score s = {{0}, 0};
    gradus_status status = gradus_batches_create(data, &in_order, &batches);
    while (!status && gradus_batches_next(batches, &b)) status = score_batch(m, "evaluate", &b, &s, NULL);
    gradus_batches_destroy(&batches);
    if (!status) score_means(&s, means);
    return status;
}

/* --- what a failed call was about -------------------------------------------------------------------------------- */

/* The row of the first label that is out of range, -1 where none is. */
static int64_t row_of_bad_label(const gradus_model *m, const gradus_data *data, double *label) {
    const gradus_batch_options in_order = {.size_ = sizeof in_order, .no_shuffle = true};
    int64_t row = 0, found = -1;
    gradus_batches *batches;
    gradus_batch b;
    if (gradus_batches_create(data, &in_order, &batches)) return -1;
    while (found < 0 && gradus_batches_next(batches, &b)) {
        found = bad_label(m, &b, label);
        if (found >= 0) found += row;
        row += b.size;
    }
    gradus_batches_destroy(&batches);
    return found;
}

gradus_status score_explain(const gradus_model *m, gradus_status status, const char *where, const gradus_data *data,
                            int64_t first) {
    char said[1024];
    double label = 0;
    snprintf(said, sizeof said, "%s", gradus_last_error());
    const int64_t row = status == GRADUS_ERROR_ARGUMENT ? row_of_bad_label(m, data, &label) : -1;
    if (row < 0) return fail(status, "%s: %s", where, said);
    if (!m->training.classes)
        return fail(status, "%s: the label of row %lld (from 0) is %g, but binary cross-entropy takes labels from 0 to 1",
                    where, (long long)(first + row), label);
    return fail(status, "%s: the label of row %lld (from 0) is %.0f, but the model has the classes 0 to %lld", where,
                (long long)(first + row), label, (long long)m->training.classes - 1);
}

/* --- the public calls -------------------------------------------------------------------------------------------- */

/* From a callback, too, where there is a program. */
static gradus_status ready(gradus_model *m, const char *where, const gradus_data *data, bool labels) {
    gradus_status status = m && model_busy(m) && m->program ? GRADUS_OK : model_enter_compiled(m, where);
    if (!status) status = model_check_data(m, where, data, labels);
    if (!status && !m->program) status = model_prepare(m, m->training.max_batch);
    return status;
}

gradus_status gradus_model_evaluate_all(gradus_model *m, const gradus_data *data, gradus_scores *scores) {
    ENTER;
    static const char *where = "gradus_model_evaluate";
    double means[1 + GRADUS_METRICS];
    if (!scores) return fail(GRADUS_ERROR_ARGUMENT, "%s: no place for the result (NULL)", where);
    memset(scores, 0, sizeof *scores);
    gradus_status status = ready(m, where, data, true);
    if (status) return status;
    status = score_data(m, data, means);
    if (status) return score_explain(m, status, where, data, 0);
    scores->loss = means[0];
    scores->metrics = m->training.metrics;
    memcpy(scores->names, m->training.names, sizeof scores->names);
    memcpy(scores->metric, means + 1, sizeof scores->metric);
    return GRADUS_OK;
}

gradus_status gradus_model_evaluate(gradus_model *m, const gradus_data *data, float *loss, float *metric) {
    ENTER;
    gradus_scores scores;
    const gradus_status status = gradus_model_evaluate_all(m, data, &scores);
    if (status) return status;
    if (loss) *loss = (float)scores.loss;
    if (metric) *metric = scores.metrics ? (float)scores.metric[0] : NAN;
    return GRADUS_OK;
}

gradus_status gradus_model_predict(gradus_model *m, const gradus_data *data, void *out) {
    ENTER;
    static const char *where = "gradus_model_predict";
    if (!out) return fail(GRADUS_ERROR_ARGUMENT, "%s: no place for the result (NULL)", where);
    gradus_status status = ready(m, where, data, false);
    if (status) return status;
    const gradus_batch_options in_order = {.size_ = sizeof in_order, .batch_size = m->max_batch, .no_shuffle = true};
    gradus_info row;
    gradus_batches *batches = NULL;
    gradus_batch b;
    status = gradus_program_info(m->program, "predict", GRADUS_OUTPUT, 0, 1, &row);
    if (!status) status = gradus_batches_create(data, &in_order, &batches);
    unsigned char *to = out;
    while (!status && gradus_batches_next(batches, &b)) {
        const gradus_out output = {to, (int32_t)row.dtype};
        status = gradus_call(m->program, "predict", b.size, (gradus_inputs){b.inputs.items, 1},
                             (gradus_outputs){&output, 1});
        to += (size_t)b.size * row.bytes;
    }
    gradus_batches_destroy(&batches);
    return status;
}
