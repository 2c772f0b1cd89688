#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: options.py CC OPTIONS INCLUDE_DIR...

Calls each function that takes options, as the headers declare them, with options that cannot be read: without a size, with
the size of a pointer, with one out of all bounds, with something set in the reserved fields or behind all that is known.
Each is an error that says so and names the place of the call where there is one.  Options of an older header, and NULL,
are read.  OPTIONS are the compiler's, one a line.
"""
import pathlib
import subprocess
import sys
import tempfile

from scheme import PLACE, Headers

HEAD = r"""
#include <gradus/gradus.h>
#include <stdlib.h>
#include <string.h>
static const float number[4] = {0.5F, 0.5F, 0.5F, 0.5F};
static const double y[1] = {1};
static const int64_t counts[1] = {1};
static float written[64];
static int faults;

enum { UNSIZED, POINTER, HUGE_, RESERVED, NEWER, OLDER, NONE, SIZED, CASES };
static const char *const cases[] = {"size_ 0", "a pointer's size", "size_ 5000", "a reserved field", "a newer header", "an older header",
                                    "NULL", "all defaults"};

/* Options of that size, all of them zero but what the case is about. */
static const void *options_of(int kind, size_t size) {
    static uint64_t bytes[1024];
    size_t size_ = size;
    memset(bytes, 0, sizeof bytes);
    if (kind == UNSIZED) size_ = 0;
    if (kind == POINTER) size_ = sizeof(void *);
    if (kind == HUGE_) size_ = 5000;
    if (kind == RESERVED) bytes[size / 8 - 1] = 1;
    if (kind == NEWER) bytes[size / 8 + 1] = 1, size_ += 16;
    if (kind == OLDER) bytes[size / 8 - 1] = 1, size_ -= 8;
    memcpy(bytes, &size_, sizeof size_);
    if (kind == UNSIZED) bytes[1] = bytes[2] = 1;
    return kind == NONE ? NULL : bytes;
}

static bool has(const char *text, const char *part) { return strstr(text, part) != NULL; }

static void look(int kind, const char *function, const char *type, bool placed, const char *said) {
    char unsized[200], macro[100];
    snprintf(unsized, sizeof unsized, "%s: size_ is 0; use the macro %s(", type, type);
    snprintf(macro, sizeof macro, "use the macro %s(", type);
    const bool absent = has(said, "without cairo") || has(said, "without jansson");
    bool right = kind == UNSIZED    ? has(said, unsized)
                 : kind <= HUGE_    ? has(said, "size_ is ") && has(said, macro)
                 : kind <= NEWER    ? has(said, "an option is set that this version of the library does not know")
                                    : !has(said, "size_") && !has(said, "does not know");
    if (kind <= NEWER && placed) right = right && strncmp(said, "user.c:7: ", 10) == 0;
    if (kind <= NEWER && !placed) right = right && !has(said, ":0") && said[0] != '?';
    if (right || absent) return;
    printf("%s with %s: %s\n", function, cases[kind], *said ? said : "no error");
    faults++;
}

static gradus_graph *g;
static gradus_program *p;
static gradus_model *m, *stack; /* compiled, and not yet */
static gradus_data *data;
static gradus_tensor x, loss;

static void begin(void) {
    gradus_data_array arrays[2] = {{number, GRADUS_F32, GRADUS_SHAPE(2, 2)}, {number, GRADUS_F32, GRADUS_SHAPE(2, 1)}};
    g = gradus_graph_create();
    x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(4, 4));
    loss = gradus_sum(gradus_mul(x, gradus_param(g, "w", GRADUS_F32, GRADUS_SHAPE(4), gradus_ones())), GRADUS_ALL_AXES, false);
    gradus_define(g, "e", GRADUS_TENSORS(x), GRADUS_TENSORS(loss), GRADUS_NO_UPDATES);
    m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(2));
    stack = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(2));
    if (gradus_data_arrays(arrays, 2, &data) || gradus_model_add(m, gradus_layer_dense(.units = 1)) ||
        gradus_model_compile(m, .loss = GRADUS_MEAN_SQUARED_ERROR)) exit(2);
}
static void end(void) {
    gradus_data_destroy(&data);
    gradus_model_destroy(&m);
    gradus_model_destroy(&stack);
    gradus_graph_destroy(&g);
}
static const char *of_status(gradus_status status) { return status ? gradus_last_error() : ""; }
static const char *of_tensor(gradus_tensor t) { (void)t; return gradus_graph_error(g); }
static const char *of_optimizer(gradus_optimizer o) { (gradus_minimize)(loss, o); return gradus_graph_error(g); }
static const char *of_layer(gradus_layer l) { return of_status((gradus_model_add)(stack, l)); }
"""
MAIN = r"""
int main(void) {
    gradus_graph *own = gradus_graph_create();
    gradus_tensor s = gradus_state(own, "s", GRADUS_F32, GRADUS_SCALAR, gradus_zeros());
    if (gradus_define(own, "e", GRADUS_NO_TENSORS, GRADUS_TENSORS(s), GRADUS_NO_UPDATES) || gradus_jit(own, NULL, &p) ||
        gradus_program_init(p, 1)) return 2;
    CALLS
    gradus_program_destroy(&p);
    gradus_graph_destroy(&own);
    return faults != 0;
}
"""
CALL = r"""
    for (int kind = 0; kind < CASES; kind++) {
        BEFORE
        begin();
        const char *said = RESULT((FUNCTION)(ARGUMENTS));
        look(kind, "FUNCTION", "TYPE", PLACED, said);
        AFTER
        end();
    }
"""
ARGUMENTS = {
    "const char *file": '"user.c"', "int line": "7", "gradus_graph *": "g", "const gradus_graph *": "g", "gradus_tensor": "x",
    "gradus_tensors": "GRADUS_TENSORS(x)", "gradus_updates": "GRADUS_NO_UPDATES", "gradus_inputs": "GRADUS_NO_INPUTS",
    "gradus_program *": "p", "gradus_model *": "m", "const gradus_data *": "data", "const char *entry": '"e"',
    "const char *name": '"f"', "const char *": '"picture.svg"', "const gradus_series *": "&(gradus_series){.y = y, .count = 1}",
    "size_t": "1", "int64_t": "1", "const float *": "number", "float *": "written", "const int64_t *": "counts",
    "const char *const *": "NULL", "gradus_gradient_check *": "NULL",
    "const gradus_predictions *": "gradus_predictions(.images = number, .dtype = GRADUS_F32, .rows = 1, .height = 1, .width = 1)",
    "const gradus_boundary *": "gradus_boundary(.x_high = 1, .y_high = 1, .columns = 2, .rows = 2, .classes = 1, "
                               ".probabilities = number)",
}
# What a call makes, to be freed.
MADE = {"gradus_program **": "program", "gradus_data **": "data", "gradus_batches **": "batches"}


def argument(parameter):
    kind = parameter.rstrip("abcdefghijklmnopqrstuvwxyz_")  # without its name
    return ARGUMENTS.get(parameter) or ARGUMENTS.get(kind.strip()) or ARGUMENTS[kind]


def call(h, name, at):
    result, parameters = h.functions[name]
    made = [(p.rsplit("*", 1)[0] + "*", MADE[p.rsplit("*", 1)[0] + "*"]) for p in parameters
            if p.rsplit("*", 1)[0] + "*" in MADE]
    arguments = []
    for i, parameter in enumerate(parameters):
        if i == at:
            arguments.append(f"options_of(kind, sizeof({h.takes(parameter)}))")
        elif h.takes(parameter) and argument_or_none(parameter) is None:
            arguments.append("NULL")
        elif any(parameter.startswith(kind) for kind, _ in made):
            arguments.append("&made")
        else:
            arguments.append(argument(parameter))
    text = CALL.replace("RESULT", "of_" + result.removeprefix("gradus_")).replace("FUNCTION", name)
    text = text.replace("ARGUMENTS", ", ".join(arguments)).replace("TYPE", h.takes(parameters[at]))
    text = text.replace("PLACED", "true" if parameters[:2] == PLACE else "false")
    text = text.replace("BEFORE", f"{made[0][0][:-1]}made = NULL;" if made else "")
    return text.replace("AFTER", f"gradus_{made[0][1]}_destroy(&made);" if made else "")


def argument_or_none(parameter):
    try:
        return argument(parameter)
    except KeyError:
        return None


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    cc, options, *folders = sys.argv[1:]
    h = Headers(folders)
    calls = [(name, at) for name, (_, parameters) in h.functions.items() for at, parameter in enumerate(parameters)
             if h.takes(parameter)]
    untried = h.options.keys() - {h.takes(h.functions[name][1][at]) for name, at in calls}
    assert not untried, f"no function takes {untried}"
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "options.c")
        source.write_text(HEAD + MAIN.replace("CALLS", "".join(call(h, *one) for one in calls)), encoding="utf-8")
        subprocess.run([cc, "-std=c17", "-Wall", "-Wextra", source, "-o", "options", *options.split("\n")], cwd=folder,
                       check=True)
        done = subprocess.run(["./options"], cwd=folder, capture_output=True, text=True, timeout=200)
    print(done.stdout + done.stderr + f"{len(calls)} calls, {len(h.options)} structs of options")
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
