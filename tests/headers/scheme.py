#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: scheme.py INCLUDE_DIR...

What stands behind the public macros has one scheme, which macros.h states: a struct of options has a macro of its name, a
macro gradus_NAME a function gradus_NAME and, where it passes the place of the call on, gradus_NAME_at, with the same
arguments after the place; options are a pointer; _with is NAME with options where NAME goes without.
"""
import pathlib
import re
import sys

STRUCT = re.compile(r"typedef struct(?: \w+)? \{\s*size_t size_;([^{}]*)\} (gradus_\w+);")
FUNCTION = re.compile(r"GRADUS_API ([\w ]+?[ *])(gradus_\w+)\(([^;]*)\);")
MACRO = re.compile(r"^#define (gradus_\w+)\(\.\.\.\) (.*)$", re.M)
PLACE = ["const char *file", "int line"]


class Headers:
    def __init__(self, folders):
        self.options, self.functions, self.macros = {}, {}, {}
        for header in sorted(path for folder in folders for path in pathlib.Path(folder, "gradus").glob("*.h")):
            text = re.sub(r"/\*.*?\*/", "", header.read_text(encoding="utf-8"), flags=re.S).replace("\\\n", " ")
            text = re.sub(r"[ \t]+", " ", text)
            self.macros.update(MACRO.findall(text))
            text = re.sub(r"\s+", " ", text)
            self.options.update({name: fields for fields, name in STRUCT.findall(text)})
            for result, name, parameters in FUNCTION.findall(text):
                list_of = [] if parameters.strip() == "void" else [p.strip() for p in parameters.split(",")]
                self.functions[name] = (result.strip(), list_of)

    def takes(self, parameter):
        """The type of options that a parameter points to."""
        name = re.fullmatch(r"const (gradus_\w+) \*\w+", parameter)
        return name[1] if name and name[1] in self.options else None

    def split(self, name):
        """A function's parameters: those before its last one, and that one's type of options."""
        parameters = self.functions[name][1]
        options = self.takes(parameters[-1]) if parameters else None
        return (parameters[:-1], options) if options else (parameters, None)


def struct_faults(h):
    for name, fields in h.options.items():
        if not re.search(r"uint64_t reserved_\[\d+\]; $", fields):
            yield f"{name} does not end with reserved_"
        if h.macros.get(name) != f"GRADUS_OPTIONS_({name}, __VA_ARGS__)":
            yield f"{name} has no macro of its name"


def macro_faults(h, name, body):
    if name not in h.functions:
        yield f"{name} is a macro, but no function"
        return
    parameters, options = h.split(name)
    inline = re.fullmatch(r"GRADUS_(AT|CALL)_(\d)_\((gradus_\w+), (gradus_\w+), __VA_ARGS__, \)", body)
    alone = re.fullmatch(r"(gradus_\w+)\(GRADUS_OPTIONS_\((gradus_\w+), __VA_ARGS__\)\)", body)
    placed = re.fullmatch(r"(gradus_\w+)\(GRADUS_HERE_, __VA_ARGS__(?:, \(const (gradus_\w+) \*\)0)?\)", body)
    called = inline[3] if inline else (alone or placed)[1] if alone or placed else None
    given = inline[4] if inline else alone[2] if alone else placed[2] if placed else None
    if not called:
        yield f"{name}: the macro is of no known form: {body}"
        return
    if inline and int(inline[2]) != len(parameters):
        yield f"{name}: {inline[2]} arguments before the options, but the function has {len(parameters)}"
    if not placed and given != options:
        yield f"{name}: the macro makes {given}, the function takes {options}"
    if alone or (inline and inline[1] == "CALL"):
        if called != name or name + "_at" in h.functions:
            yield f"{name}: the macro calls {called}"
        return
    wanted = re.sub("_with$", "", name) + "_at"
    if called != wanted or called not in h.functions:
        yield f"{name}: the macro calls {called}, not {wanted}"
        return
    behind = PLACE + parameters + ([f"const {given} *options"] if given else [])
    if h.functions[called][1] != behind:
        yield f"{called}: takes {h.functions[called][1]}, not {behind}"


def function_faults(h):
    for name, (_, parameters) in h.functions.items():
        if name.endswith("_at"):
            if parameters[:2] != PLACE or name[:-3] not in h.macros:
                yield f"{name}: takes no place, or there is no macro {name[:-3]}"
        elif PLACE[0] in parameters and PLACE[1] in parameters:
            yield f"{name}: takes a place, and is not called {name}_at"
        if name.endswith("_with") and (name[:-5] not in h.functions or h.split(name[:-5])[1] or not h.split(name)[1]):
            yield f"{name}: {name[:-5]} takes options, too"


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    h = Headers(sys.argv[1:])
    faults = [*struct_faults(h), *function_faults(h)]
    for name, body in h.macros.items():
        if name not in h.options:
            faults += macro_faults(h, name, body)
    if len(h.options) < 30 or len(h.macros) < 150:
        faults.append("few structs and macros were found")
    print("\n".join(faults) or f"{len(h.options)} structs of options, {len(h.macros)} macros, {len(h.functions)} functions")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
