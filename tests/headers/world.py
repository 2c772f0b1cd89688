#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: world.py PROJECT_ROOT NM LIBRARY

Each function that the library exports enters the library's floating-point mode and locale (runtime/world.h) before it does
anything: it begins with ENTER, or with a CALL or CALL_WITH, which do; or it only hands on to one that does; or it is listed here, with
those that compute, read and print nothing.
"""
import pathlib
import re
import subprocess
import sys

IDLE = {
    "what they return is a number or a name that is there": """
        version status_name dtype_size dtype_name last_error graph_status graph_error shape_of dtype_of name_of
        model_graph data_rows data_columns data_classes data_names data_scaling batches_count batches_tell
        program_state safetensors_metadata""",
    "they keep what they are given": """
        set_log set_allocator zeros ones fill uniform normal truncated_normal glorot_uniform glorot_normal
        he_uniform he_normal from schedule_step schedule_exponential schedule_cosine schedule_custom""",
    "they make or free memory": """
        graph_create graph_destroy model_create model_destroy history_free npy_free batches_destroy data_destroy
        safetensors_close program_destroy""",
    "it formats what the user's function says, in its surroundings": "custom_fail",
    "its threads enter the mode where they run compiled code": "call",
}
IDLE = {"gradus_" + name for names in IDLE.values() for name in names.split()}

# A body of one line, or one that ends at the beginning of a line.
DEFINITION = re.compile(r"^(?!static\b|#|typedef\b)[a-z_][\w \*]*?\(?\b(gradus_\w+)\)?\([^;{}]*?\)\s*\{(?: ([^\n]*)\}|\n(.*?)^\})$",
                        re.M | re.S)
MACRO = re.compile(r"^#define \w+\([^\n]*\\\n(?:[^\n]*\\\n)*?[^\n]*\bgradus_##(?:[^\n]*\\\n)*[^\n]*", re.M)
PLAIN = re.compile(r"^\s*PLAIN\([\w ]+, (\w+),", re.M)
HANDS_ON = re.compile(r"\s*(?:return )?\(?gradus_\w+\)?\([^;]*\);\s*")


def enters(body):
    return "ENTER;" in body or re.search(r"\bCALL(?:_WITH)?\(", body) or HANDS_ON.fullmatch(body)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    root, nm, library = pathlib.Path(sys.argv[1]), *sys.argv[2:]
    listed = subprocess.run([nm, "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    exported = {line.split()[-1].split("@")[0] for line in listed.splitlines() if line.strip()}
    exported = {name for name in exported if name.startswith("gradus_")}
    bodies, faults = {}, []
    for folder in "compiler", "runtime":
        for file in sorted((root / folder).rglob("*.c")):
            text = file.read_text(encoding="utf-8")
            for m in DEFINITION.finditer(text):
                bodies.setdefault(m[1], []).append(m[2] if m[3] is None else m[3])
            for m in MACRO.finditer(text):
                if not re.search(r"\bCALL(?:_WITH)?\(|ENTER;", m[0]):
                    faults.append(f"{file.relative_to(root)}: builders that a macro makes without CALL: {m[0][:70]}…")
    by_hand = exported & bodies.keys()
    for name in sorted(by_hand - IDLE):
        if not all(enters(body) for body in bodies[name]):
            faults.append(f"{name} does not begin with ENTER (runtime/world.h), and is not listed in {sys.argv[0]}")
    faults += [f"{name} is listed as idle and does not exist" for name in sorted(IDLE - exported)]
    if len(by_hand) < 150:
        faults.append(f"only {len(by_hand)} functions were found in the sources")
    print("\n".join(faults) or f"{len(exported)} functions, {len(exported) - len(by_hand)} of them made by macros")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
