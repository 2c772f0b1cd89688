#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: check.py FIGURES PROGRAM DATA

Runs an example as the table FIGURES says, each time in an empty folder, and compares what it prints with the table, whose
first lines explain it.  A run fails where the program does not exit with 0 or a figure is absent or wrong.  Runs marked
`long` take part where the environment has GRADUS_LONG=1, and then instead of those of the same program marked `short`.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

RELATION = re.compile(r"\s+(~\S*|=|>=|<=|names|lacks)\s+")
TOLERANCE = 1e-5


def read_table(path):
    """The runs, each (when, program, arguments, [(figure, relation, value)])."""
    runs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.split("#")[0].rstrip()
        if not line:
            continue
        if not line[0].isspace():
            words = line.split()
            when = words.pop(0) if words[0] in ("short", "long") else "always"
            runs.append((when, words[0], words[1:], []))
            continue
        parts = RELATION.split(line.strip())
        if len(parts) != 3 or not runs:
            sys.exit(f"{path}:{number}: neither a run nor FIGURE RELATION VALUE: {line}")
        runs[-1][3].append(tuple(parts))
    return runs


def numbers(text):
    """The numbers that a text consists of, apart from brackets and commas; None where it has words too."""
    try:
        return [float(word) for word in re.sub(r"[()\[\],]", " ", text).split()]
    except ValueError:
        return None


def holds(found, relation, wanted):
    a, b = numbers(found), numbers(wanted)
    if a is None or b is None or len(a) != len(b):
        return relation == "=" and found == wanted
    if relation == "=":
        return a == b
    if relation == ">=":
        return all(x >= y for x, y in zip(a, b))
    if relation == "<=":
        return all(x <= y for x, y in zip(a, b))
    tolerance = float(relation[1:] or TOLERANCE)
    return all(abs(x - y) <= tolerance * max(1, abs(y)) for x, y in zip(a, b))


def find(figure, output):
    """What stands behind the last `FIGURE = ` or `FIGURE: ` at the start of a line; without these, `FIGURE `."""
    for sign in (" =|:", ""):
        values = re.findall(rf"^{re.escape(figure)}(?:{sign}) +(.+?)\s*$", output, re.M)
        if values:
            return values[-1]
    return None


def fault_of_file(path, relation, words):
    """What is wrong with a file that must, or must not, have these words; None if nothing is."""
    if not path.is_file():
        return f"{path.name}: not written"
    text = path.read_text(encoding="utf-8")
    wanted = relation == "names"
    wrong = [word for word in words.split() if bool(re.search(rf"\b{re.escape(word)}\b", text)) != wanted]
    return f"{path.name} {'lacks' if wanted else 'names'} {' '.join(wrong)}" if wrong else None


def fault_of_figure(figure, relation, wanted, output):
    found = find(figure, output)
    if found is None:
        return f"{figure}: not printed"
    return None if holds(found, relation, wanted) else f"{figure}: {found}, but wanted {relation} {wanted}"


def run(program, arguments, figures, data):
    """What was wrong, as lines."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([program, "--data", data, "--out", folder, *arguments], cwd=folder, check=False,
                              text=True, encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        faults = [f"exit status {done.returncode}"] if done.returncode else []
        for figure, relation, wanted in figures:
            if relation in ("names", "lacks"):
                faults.append(fault_of_file(pathlib.Path(folder, figure), relation, wanted))
            else:
                faults.append(fault_of_figure(figure, relation, wanted, done.stdout))
    faults = [fault for fault in faults if fault]
    if faults:
        print(done.stdout)
    return faults


def main():
    table, program, data = map(pathlib.Path, sys.argv[1:])
    passed_over = "short" if os.environ.get("GRADUS_LONG") == "1" else "long"
    runs = [r for r in read_table(table) if r[1] == program.name and r[0] != passed_over]
    if not runs:
        sys.exit(f"{table} has no run of {program.name}")
    failed = 0
    for _, name, arguments, figures in runs:
        faults = run(program.resolve(), arguments, figures, data.resolve())
        failed += bool(faults)
        print(" ".join([name, *arguments]) + ":", "; ".join(faults) or f"{len(figures)} figures as expected")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
