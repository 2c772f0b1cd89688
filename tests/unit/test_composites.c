/* SPDX-License-Identifier: Apache-2.0
 * What the public builders mean: graphs made of constants by them, evaluated, against formulas in double; above all
 * where the plain formula would overflow or have another derivative. */
#include "constant_graph.h"

static void test_meaning(void **state) {
    (void)state;
    const gradus_shape three = GRADUS_SHAPE(3), table = GRADUS_SHAPE(2, 3);
    gradus_tensor x = F64S(three, -2, 0, 1), t = F64S(table, 1, 2, 3, 6, 5, 4);
    VALUES_ARE(gradus_greater(x, gradus_like(x, 0)), 0, 0, 1);
    VALUES_ARE(gradus_greater_equal(x, gradus_like(x, 0)), 0, 1, 1);
    VALUES_ARE(gradus_not_equal(x, F64S(three, NAN, 0, 2)), 1, 0, 1);
    VALUES_ARE(gradus_square(x), 4, 0, 1);
    VALUES_ARE(gradus_clip(x, -1, 0.5), -1, 0, 0.5);
    VALUES_ARE(gradus_slice(t, 1, -1, INT64_MAX), 3, 4);
    VALUES_ARE(gradus_stack(GRADUS_TENSORS(x, x), 1), -2, -2, 0, 0, 1, 1);
    VALUES_ARE(gradus_split(t, 3, 1).items[1], 2, 5);
    VALUES_ARE(gradus_mean(t, GRADUS_AXES(0), false), 3.5, 3.5, 3.5);
    VALUES_ARE(gradus_var(t, GRADUS_ALL_AXES, false), 35.0 / 12);
    VALUES_ARE(gradus_argmax(t, GRADUS_AXES(1), false), 2, 0);
    VALUES_ARE(gradus_argmax(gradus_reshape(t, GRADUS_SHAPE(1, 2, 1, 3)), GRADUS_AXES(1, 3), false), 3);
    VALUES_ARE(gradus_sum(gradus_reshape(t, GRADUS_SHAPE(1, 2, 3)), GRADUS_AXES(0, 2), true), 6, 15);
    VALUES_ARE(gradus_mean(gradus_cast(gradus_arange(g, GRADUS_I32, B), GRADUS_F64), GRADUS_ALL_AXES, false), 2);
    VALUES_ARE(gradus_all(gradus_greater(t, gradus_like(t, 1)), GRADUS_AXES(1), false), 0, 1);
    VALUES_ARE(gradus_any(gradus_greater(t, gradus_like(t, 5)), GRADUS_AXES(1), false), 0, 1);
    VALUES_ARE(gradus_one_hot(I32S(GRADUS_SHAPE(2), 2, 0), 3, GRADUS_F64), 0, 0, 1, 1, 0, 0);
    VALUES_ARE(gradus_take(t, I32S(GRADUS_SHAPE(2), 2, 0), 1), 3, 1, 4, 6);
    VALUES_ARE(gradus_take_along_axis(t, I32S(GRADUS_SHAPE(2, 1), 2, 1), 1), 3, 5);
    VALUES_ARE(gradus_matmul(t, x), 1, -8);
    VALUES_ARE(gradus_matmul(F64S(GRADUS_SHAPE(2), 1, -1), t), -5, -3, -1);
    VALUES_ARE(gradus_where(gradus_training(g), x, gradus_like(x, 7)), -2, 0, 1);
    VALUES_ARE(gradus_mean_squared_error(x, gradus_like(x, 1)), 9, 1, 0);
    VALUES_ARE(gradus_scalar(g, GRADUS_U8, 300), 255);
    VALUES_ARE(gradus_scalar(g, GRADUS_I32, NAN), 0);
}

static void test_stable_forms(void **state) {
    (void)state;
    const gradus_shape three = GRADUS_SHAPE(3);
    gradus_tensor x = F64S(three, 1000, 0, -1000), inf = F64S(three, -INFINITY, -INFINITY, -INFINITY);
    gradus_tensor e = F64S(three, 1, 2, 3);
    const double sum = exp(-2) + exp(-1) + 1;
    VALUES_ARE(gradus_softmax(e, 0), exp(-2) / sum, exp(-1) / sum, 1 / sum);
    VALUES_ARE(gradus_log_softmax(e, -1), -2 - log(sum), -1 - log(sum), -log(sum));
    VALUES_ARE(gradus_logsumexp(e, GRADUS_ALL_AXES, true), 3 + log(sum));
    VALUES_ARE(gradus_softmax(x, 0), 1, 0, 0);
    VALUES_ARE(gradus_log_softmax(x, 0), 0, -1000, -2000);
    VALUES_ARE(gradus_logsumexp(x, GRADUS_ALL_AXES, false), 1000);
    VALUES_ARE(gradus_logsumexp(inf, GRADUS_ALL_AXES, false), -INFINITY);
    VALUES_ARE(gradus_logsumexp(gradus_neg(inf), GRADUS_ALL_AXES, false), INFINITY);
    VALUES_ARE(gradus_softplus(x), 1000, log(2), 0);
    VALUES_ARE(gradus_softplus(e), log1p(exp(1)), log1p(exp(2)), log1p(exp(3)));
    VALUES_ARE(gradus_silu(e), 1 / (1 + exp(-1)), 2 / (1 + exp(-2)), 3 / (1 + exp(-3)));
    VALUES_ARE(gradus_gelu(e), 0.5 * (1 + erf(sqrt(0.5))), 1 + erf(sqrt(2)), 1.5 * (1 + erf(3 * sqrt(0.5))));
    VALUES_ARE(gradus_binary_cross_entropy(x, F64S(three, 1, 0, 1)), 0, log(2), 1000);
    gradus_tensor logits = gradus_stack(GRADUS_TENSORS(x, e), 0);
    gradus_tensor labels = I32S(GRADUS_SHAPE(2), 1, 0);
    VALUES_ARE(gradus_softmax_cross_entropy(logits, labels), 1000, 2 + log(sum));
    VALUES_ARE(gradus_softmax_cross_entropy(logits, gradus_one_hot(labels, 3, GRADUS_F64)), 1000, 2 + log(sum));
    /* exactly at the kinks of relu and abs, where logits of zero weights are */
    gradus_tensor zero = F64S(three, 0, 0, 0);
    VALUES_ARE(gradus_gradient(gradus_softplus(zero), zero), 0.5, 0.5, 0.5);
    VALUES_ARE(gradus_gradient(gradus_gradient(gradus_softplus(zero), zero), zero), 0.25, 0.25, 0.25);
    VALUES_ARE(gradus_gradient(gradus_binary_cross_entropy(zero, F64S(three, 0, 1, 0.5)), zero), 0.5, -0.5, 0);
    VALUES_ARE(gradus_gradient(gradus_logsumexp(e, GRADUS_ALL_AXES, false), e), exp(-2) / sum, exp(-1) / sum, 1 / sum);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_meaning), TEST(test_stable_forms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
