#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: check.py PROJECT_ROOT

Checks that includes point one way.  Each folder has a rank; a file may include from its own folder and from lower ranks.
`runtime/` stands on `include/` alone, and LLVM's headers belong to the two folders that make machine code.
"""
import pathlib
import re
import sys

# A name ending in "/" is a folder of compiler/, others are files in it (without their ending).
RANKS = [
    ["base/"],
    ["model/"],  # stands on the public headers alone, and nothing stands on it
    ["ir/"],
    ["rules/"],
    ["autodiff", "derivatives", "nonfinite", "optim/", "pass"],
    ["check_gradients", "extract", "rewrite/", "pipeline", "fuse/"],
    ["schedule", "plan"],
    ["lower"],
    ["emit/"],
    ["backend/"],
    ["driver/"],
]
RANK = {name: rank for rank, names in enumerate(RANKS) for name in names}
LLVM = ("emit/", "backend/")
# Entry points of the public interface may stand anywhere above what they call.
RUNTIME_FOR_ALL = ("runtime/support.h", "runtime/names.h", "runtime/files.h", "runtime/formats.h",
                   "runtime/progress.h", "runtime/options.h", "runtime/world.h")

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)


def place(path):
    """The row of RANKS that a path relative to compiler/ belongs to."""
    head, slash, _ = path.partition("/")
    return head + "/" if slash else head.split(".")[0]


def faults_of(root, file):
    path = file.relative_to(root).as_posix()
    top, _, inner = path.partition("/")
    for kind, name in INCLUDE.findall(file.read_text(encoding="utf-8")):
        def fault(why):
            return f"{path}: includes {name}: {why}"

        if name.startswith("llvm"):
            if top != "compiler" or place(inner) not in LLVM:
                yield fault("LLVM belongs to compiler/emit and compiler/backend")
        elif top == "include":
            if kind == '"' or (name.startswith("gradus/") and not (root / "include" / name).exists()
                               and name != "gradus/ops.h"):
                yield fault("a public header includes <gradus/…> and the C library alone")
        elif kind == "<":
            continue
        elif top == "runtime":
            if (root / "compiler" / name).exists():
                yield fault("the runtime never includes the compiler")
        elif top == "compiler" and name.startswith("runtime/"):
            if name not in RUNTIME_FOR_ALL and place(inner) not in ("backend/", "driver/"):
                yield fault("only backend/ and driver/ hand things to the runtime")
        elif top == "compiler":
            target = (file.parent / name)
            used = target.resolve().relative_to(root / "compiler").as_posix() if target.exists() else name
            mine, theirs = RANK.get(place(inner)), RANK.get(place(used))
            if mine is None:
                yield f"{path}: its folder has no rank in {pathlib.Path(__file__).name}"
                return
            if theirs is None:
                yield fault("that folder has no rank")
            elif place(used) == "model/" != place(inner):
                yield fault("nothing stands on the model")
            elif theirs > mine:
                yield fault(f"{place(inner)} stands below {place(used)}")
            elif theirs == mine and place(used) != place(inner):
                pass  # neighbours of one rank may meet


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    files = [f for top in ("include", "compiler", "runtime") for f in sorted((root / top).rglob("*"))
             if f.suffix in (".c", ".h", ".inc", ".def")]
    faults = [fault for file in files for fault in faults_of(root, file)]
    print("\n".join(faults) if faults else f"{len(files)} files include downwards")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
