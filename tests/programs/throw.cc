/* SPDX-License-Identifier: Apache-2.0
 * Exceptions out of a fit's callbacks: they reach the user, and the model can be used again. */
#include <gradus/gradus.h>

#include <stdexcept>
#include <string>

static gradus_verdict throws(void *user, const gradus_progress *now) {
    if (gradus_model_pop(now->model) != GRADUS_ERROR_BUSY) throw std::logic_error("not busy in a callback");
    if (now->epoch == *static_cast<int *>(user)) throw std::runtime_error("enough");
    return GRADUS_CONTINUE;
}

static double throws_too(void *, int64_t epoch, double rate) {
    if (epoch == 1) throw std::runtime_error("enough");
    return rate;
}

static void must(gradus_status status) {
    if (status) throw std::logic_error(gradus_last_error());
}

/* Whether the exception came. */
static bool fit(gradus_model *m, const gradus_data *data, int way) {
    int last = 2;
    gradus_history history = {};
    try {
        if (way == 0) must(gradus_model_fit(m, data, .epochs = 4, .on_epoch = throws, .user = &last));
        if (way == 1) must(gradus_model_fit(m, data, .epochs = 4, .on_batch = throws, .user = &last));
        if (way == 2) must(gradus_model_fit(m, data, .epochs = 4, .schedule = gradus_schedule_custom(throws_too, nullptr)));
    } catch (const std::runtime_error &e) {
        if (std::string(e.what()) != "enough") throw;
        must(gradus_model_fit(m, data, .epochs = 3, .history = &history));
        const bool whole = history.epochs == 3;
        gradus_history_free(&history);
        return whole;
    }
    return false;
}

int main() {
    float x[40], y[20];
    for (int i = 0; i < 40; i++) x[i] = static_cast<float>(i % 7) / 7;
    for (int i = 0; i < 20; i++) y[i] = x[2 * i] - x[2 * i + 1];
    const gradus_data_array arrays[] = {{x, GRADUS_F32, GRADUS_SHAPE(20, 2)}, {y, GRADUS_F32, GRADUS_SHAPE(20, 1)}};
    gradus_data *data = nullptr;
    must(gradus_data_arrays(arrays, 2, &data));
    bool right = true;
    for (int way = 0; way < 3; way++) {
        gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(2));
        must(gradus_model_add(m, gradus_layer_dense(.units = 1)));
        must(gradus_model_compile(m, .loss = GRADUS_MEAN_SQUARED_ERROR));
        right = fit(m, data, way) && fit(m, data, way) && right;
        gradus_model_destroy(&m);
    }
    gradus_data_destroy(&data);
    return right ? 0 : 1;
}
