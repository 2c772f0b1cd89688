/* SPDX-License-Identifier: Apache-2.0
 *
 * A model as a picture, with the shapes that go from layer to layer; then with a layer taken away and two others put in its
 * place.  A model's layers change until it is compiled.
 */
#include "example.h"

/* Draws it and prints the table of its layers. */
static void draw(const settings *s, gradus_model *m, const char *file, const char *what) {
    char path[PATH];
    printf("%s\n", what);
    must(gradus_model_summary(m, stdout));
    tell_drawn(gradus_model_plot(m, out_file(s, file, path)), path, what);
}

int main(int argc, char **argv) {
    settings s = parse(argc, argv, (settings){0});
    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(28, 28));
    must(gradus_model_add(m, gradus_layer_flatten(.name = "pixels")));
    must(gradus_model_add(m, gradus_layer_dense(.units = 512, .activation = GRADUS_RELU, .name = "hidden")));
    must(gradus_model_add(m, gradus_layer_dense(.units = 10, .activation = GRADUS_SOFTMAX, .name = "digits")));
    draw(&s, m, "16_plot_model-before.svg", "ten digits");

    must(gradus_model_pop(m));
    must(gradus_model_add(m, gradus_layer_dropout(.rate = 0.5, .name = "drop")));
    must(gradus_model_add(m, gradus_layer_dense(.units = 26, .activation = GRADUS_SOFTMAX, .name = "letters")));
    draw(&s, m, "16_plot_model-after.svg", "after pop and add: letters instead of digits");
    gradus_model_destroy(&m);
}
