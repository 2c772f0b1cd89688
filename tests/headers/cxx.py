#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: cxx.py PROGRAM OPTIONS CC [CXX...]

The macros of the headers as users meet them.  Builds the C++ program with each compiler, in each standard, at several
levels of optimisation and with sanitizers, with every warning an error, and runs it; then gives the compilers what is
wrong, which must be told in words that people understand.  OPTIONS are the compiler's, one a line.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

program, options, cc, *cxx = sys.argv[1:]
options = options.split("\n")
STRICT = ["-Wall", "-Wextra", "-Wpedantic"]
SANITIZE = "-fsanitize=address,undefined"
BUILDS = [["-std=c++11", "-O0"], ["-std=c++14", "-O1"], ["-std=c++17", "-O2"], ["-std=c++20", "-O3"],
          ["-std=c++17", "-O2", SANITIZE], ["-std=c++23", "-O0", SANITIZE]]
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1"}

POINTERS = "GRADUS_INPUTS and GRADUS_OUTPUTS take arrays of, or pointers to, float, double, int32_t"
ITEMS = ", ".join(["&f"] * 33)
FUNCTION = """#include <gradus/gradus.h>
gradus_status wrong(gradus_program *p, gradus_graph *g, gradus_tensor x) {
    float f = 0; const float c = 0; short s[3] = {0}; unsigned u[2] = {0};
    %s
    (void)p, (void)g, (void)x, (void)f, (void)c, (void)s, (void)u;
    return GRADUS_OK;
}
"""
# What is wrong, what the compilers must say of it, and who: c, c++, or clang++ alone.
WRONG = [
    ("gradus_call(p, \"e\", 1, GRADUS_INPUTS(s), GRADUS_NO_OUTPUTS);", POINTERS, "c c++"),
    ("gradus_call(p, \"e\", 1, GRADUS_INPUTS(&f, u), GRADUS_NO_OUTPUTS);", POINTERS, "c c++"),
    ("gradus_call(p, \"e\", 1, GRADUS_INPUTS(x), GRADUS_NO_OUTPUTS);", POINTERS, "c c++"),
    ("gradus_call(p, \"e\", 1, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(f));", POINTERS, "c c++"),
    ("gradus_call(p, \"e\", 1, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(&p));", POINTERS, "c c++"),
    ("gradus_call(p, \"e\", 1, GRADUS_NO_INPUTS, GRADUS_OUTPUTS(&c));", "const", "c c++"),
    (f"gradus_call(p, \"e\", 1, GRADUS_INPUTS({ITEMS}), GRADUS_NO_OUTPUTS);", "take up to 32 items; for more", "c"),
    (f"gradus_call(p, \"e\", 1, GRADUS_NO_INPUTS, GRADUS_OUTPUTS({ITEMS}, {ITEMS}, {ITEMS}));",
     "take up to 32 items; for more", "c"),
    ("gradus_input(g, \"x\", GRADUS_F32, GRADUS_SHAPE(1, 2, 3, 4, 5, 6, 7, 8, 9));", "at most 8 extents", "c c++"),
    ("gradus_sum(x, GRADUS_AXES(0, 1, 2, 3, 4, 5, 6, 7, -1), false);", "at most 8 axes", "c c++"),
    ("gradus_tensors list = GRADUS_TENSORS(x, x); gradus_concat(list, 0);", "dangling", "clang++"),
    ("gradus_update_list list = GRADUS_UPDATES(gradus_assign(x, x)); gradus_join(list);", "dangling", "clang++"),
    ("gradus_inputs in = GRADUS_INPUTS(&f); gradus_call(p, \"e\", 1, in, GRADUS_NO_OUTPUTS);", "dangling", "clang++"),
    ("const gradus_csv_options *o = gradus_csv_options(); gradus_data_csv(\"\", o, NULL);", "dangling", "clang++"),
]


def takes(compiler, *flags):
    """Whether it makes a program with these flags: a standard may be too new, a sanitizer not installed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [compiler, *flags, "-x", "c++", "-", "-o", pathlib.Path(folder, "program")]
        return subprocess.run(command, input="int main() {}", text=True, capture_output=True).returncode == 0


def builds_of(compiler):
    for build in BUILDS:
        build = [flag for flag in build if flag != SANITIZE or not any("-fsanitize" in option for option in options)]
        if takes(compiler, *build):
            yield build
        else:
            print(f"skipped: {compiler} makes nothing with {' '.join(build)}")


faults, tried = [], 0
with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    for compiler in cxx:
        for build in builds_of(compiler):
            tried += 1
            made = subprocess.run([compiler, *build, *STRICT, "-Werror", program, "-o", folder / "program", *options],
                                  capture_output=True, text=True)
            if made.returncode:
                faults.append(f"{compiler} {' '.join(build)}:\n{made.stderr}")
                continue
            done = subprocess.run([folder / "program"], env=ENVIRONMENT, capture_output=True, text=True, timeout=100)
            if done.returncode or done.stderr:
                faults.append(f"{compiler} {' '.join(build)}: ends with {done.returncode}\n{done.stderr}")
    for code, message, who in WRONG:
        for compiler, language in [(cc, "c"), *((compiler, "c++") for compiler in cxx)]:
            if language not in who.split() and not (who == "clang++" and "clang++" in compiler):
                continue
            tried += 1
            source = folder / "wrong"
            source.write_text(FUNCTION % code, encoding="utf-8")
            command = [compiler, "-x", language, *STRICT, "-Werror", "-fsyntax-only", source]
            said = subprocess.run([*command, *(o for o in options if o.startswith("-I"))], capture_output=True, text=True)
            if not said.returncode or message not in said.stderr:
                faults.append(f"{compiler}: {code}\nis not refused as “{message}”:\n{said.stderr}")
print("\n".join(faults) or f"{tried} builds")
sys.exit(bool(faults))
