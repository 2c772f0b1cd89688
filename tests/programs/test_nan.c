/* SPDX-License-Identifier: Apache-2.0
 * A user's hunt for a NaN: the variance of an autoencoder overflows, and the program says in which line. */
#include "program.h"

#include "14_nan.c"

enum { BATCH = 32, Z = 20 };

static gradus_graph *autoencoder(void) {
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 2 * Z));
    gradus_tensor h = gradus_dense(x, .units = 2 * Z, .name = "encoder");
    gradus_tensor mean = gradus_slice(h, 1, 0, Z);
    gradus_tensor log_variance = gradus_add(gradus_slice(h, 1, Z, 2 * Z), gradus_slice(x, 1, 0, Z));

#line 20 "vae.c"
    gradus_tensor variance = gradus_exp(log_variance);
    gradus_tensor kl = gradus_sub(gradus_add(variance, gradus_square(mean)), log_variance);
    gradus_tensor loss = gradus_mean(kl, GRADUS_ALL_AXES, false);
    gradus_define(g, "train", GRADUS_TENSORS(x), GRADUS_TENSORS(loss), gradus_minimize(loss, gradus_adam()));
    return g;
}

static void the_line_is_named(void **state) {
    (void)state;
    static float x[BATCH * 2 * Z];
    gradus_graph *g = autoencoder();
    gradus_program *p = NULL;
    int status = train(g, &p, GRADUS_INPUTS(x));
    if (status) fail_msg("%d: %s", status, gradus_last_error());
    gradus_program_destroy(&p);
    x[3 * 2 * Z + 7] = 120;
    x[5 * 2 * Z + 2] = 130;
    assert_int_equal(train(g, &p, GRADUS_INPUTS(x)), 2);
    static const char expected[] = "vae.c:20: exp: first NaN/Inf at [3, 7] of (32, 20): inf from ";
    if (strncmp(gradus_last_error(), expected, sizeof expected - 1) != 0) fail_msg("%s", gradus_last_error());
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_line_is_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
