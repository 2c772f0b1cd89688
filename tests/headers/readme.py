#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: readme.py README.md OPTIONS CC [CXX...]

Builds every program in README.md as it stands there, as C and, by each CXX, as C++17 and C++20, with every warning an error,
and runs it: in a folder with a few small images in the place of MNIST's, and in an empty one, where it may end well or say
which file it lacks.  OPTIONS are the compiler's, one a line: where the headers and the libraries are.
"""
import gzip
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

readme, options, *compilers = sys.argv[1:]
STRICT = ["-Wpedantic", "-Wall", "-Wextra", "-Werror"]
LANGUAGES = [(compilers[0], ["-x", "c", "-std=c11"])]
LANGUAGES += [(cxx, ["-x", "c++", standard]) for cxx in compilers[1:] for standard in ("-std=c++17", "-std=c++20")]
ROWS = {"train": 64, "t10k": 16}


def write_idx(path, *extents):
    """A file of MNIST's format, with bytes from 0 to 9."""
    head = struct.pack(f">HBB{len(extents)}I", 0, 8, len(extents), *extents)
    count = extents[0] * (28 * 28 if len(extents) > 1 else 1)
    path.write_bytes(gzip.compress(head + bytes(i % 10 for i in range(count))))


def run(program, folder):
    return subprocess.run([program], cwd=folder, capture_output=True, text=True, timeout=200)


blocks = re.findall(r"^```c\n(.*?)^```", pathlib.Path(readme).read_text(encoding="utf-8"), re.M | re.S)
assert len(blocks) >= 2 and all("int main(void)" in block for block in blocks), "README.md shows whole programs"
with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    data, empty = folder / "data", folder / "empty"
    data.mkdir()
    empty.mkdir()
    for name, rows in ROWS.items():
        write_idx(data / f"{name}-images-idx3-ubyte.gz", rows, 28, 28)
        write_idx(data / f"{name}-labels-idx1-ubyte.gz", rows)
    for number, block in enumerate(blocks, 1):
        source, program = folder / "program", folder / f"program{number}"
        source.write_text(block, encoding="utf-8")
        for compiler, language in LANGUAGES:
            print(f"program {number} of {readme} by {compiler} {language[-1]}", flush=True)
            subprocess.run([compiler, *STRICT, *language, source, "-x", "none", "-o", program, *options.split("\n")],
                           check=True)
        done = run(program, data)
        print(done.stdout, done.stderr)
        assert done.returncode == 0 and not done.stderr, done
        assert "printf(\"test" not in block or re.search(r"test loss \d+\.\d+", done.stdout), done.stdout
        without = run(program, empty)
        assert without.returncode == 0 or "train-images-idx3-ubyte.gz" in without.stderr, without
