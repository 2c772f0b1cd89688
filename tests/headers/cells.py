#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: cells.py SOURCE BUILD COMPILER [FLAG...]

A forgotten cell of the op table must break the build, never a run.  Takes rows of every kind, empties each of their
cells in turn, and compiles the file that reads the column; a compilation that succeeds is a failure of this test.
"""
import os
import re
import subprocess
import sys
import tempfile

COLUMNS = {
    "name": "compiler/ir/op.c",
    "builder": "compiler/ir/builders.c",
    "arity": "compiler/ir/op.c",
    "kind": "compiler/ir/op.c",
    "operands": "compiler/ir/op.c",
    "attributes": "compiler/ir/op.c",
    "shape": "compiler/rules/shape.c",
    "gradient": "compiler/rules/gradient.c",
    "evaluate": "compiler/rules/evaluate.c",
    "emit": "compiler/emit/scalar.c",
    "flags": "compiler/ir/op.c",
    "mathematics": "compiler/ir/op.c",
}
ROWS = ["param", "fill", "random_uniform", "expm1", "isfinite", "logical_or", "where", "pad", "sum", "matmul", "take",
        "scatter_add_along_axis", "custom"]
ROW = re.compile(r'^OP\((.*), ("[^"]*")\)$')


def cells_of(line):
    match = ROW.match(line)
    cells = re.split(r",\s*(?![^(]*\))", match.group(1)) + [match.group(2)]
    assert len(cells) == len(COLUMNS), line
    return cells


class Table:
    """The table with a cell emptied, in a directory that the compiler looks in first."""

    def __init__(self, source, build, compiler, directory):
        self.source, self.directory = source, directory
        self.command = [*compiler, "-std=c17", "-D_GNU_SOURCE=", "-w", "-fsyntax-only", "-I" + directory]
        self.command += ["-I" + os.path.join(source, path) for path in (".", "compiler", "include")]
        self.command += ["-I" + os.path.join(build, "include")]
        os.mkdir(os.path.join(directory, "ir"))
        with open(os.path.join(source, "compiler/ir/ops.def"), encoding="utf-8") as table:
            self.lines = table.read().splitlines()
        self.rows = {cells_of(line)[0]: number for number, line in enumerate(self.lines) if line.startswith("OP(")}

    def compiles(self, unit, row=None, column=None):
        lines = list(self.lines)
        if row:
            cells = cells_of(lines[self.rows[row]])
            cells[list(COLUMNS).index(column)] = ""
            lines[self.rows[row]] = f"OP({', '.join(cells)})"
        with open(os.path.join(self.directory, "ir/ops.def"), "w", encoding="utf-8") as table:
            table.write("\n".join(lines) + "\n")
        done = subprocess.run([*self.command, os.path.join(self.source, unit)], capture_output=True, text=True)
        if done.returncode and not row:
            print(done.stderr)
        return done.returncode == 0


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    source, build, *compiler = sys.argv[1:]
    wrong = 0
    with tempfile.TemporaryDirectory() as directory:
        table = Table(source, build, compiler, directory)
        for unit in sorted(set(COLUMNS.values())):
            if not table.compiles(unit):
                sys.exit(f"{unit}: does not compile with the table as it is")
        for row in ROWS:
            for column, unit in COLUMNS.items():
                if table.compiles(unit, row, column):
                    print(f"{row}: {unit} compiles without the cell `{column}`")
                    wrong += 1
    print(f"{len(ROWS) * len(COLUMNS)} cells, {wrong} of them may be forgotten")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
