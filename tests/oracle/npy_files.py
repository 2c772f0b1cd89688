# SPDX-License-Identifier: Apache-2.0
"""Files of arrays for tests/unit/test_npy.c, written or checked by NumPy itself.

usage: npy_files.py write DIRECTORY    writes 0.npy, 1.npy, … in every form, and `list`: a line "dtype extent…" for each
       npy_files.py check DIRECTORY    reads the files of such a list and checks dtype, shape, order and values

The element at flat place i (in C's order) is (37 i + 11) % 251, minus 100 where that can be negative; booleans are its parity.
"""
import pathlib
import sys

import numpy as np

NAMES = {"f32": "f4", "f64": "f8", "i32": "i4", "i64": "i8", "u8": "u1", "bool": "b1"}
SHAPES = [(), (1,), (7,), (0,), (3, 4), (4, 0, 2), (2, 3, 4), (5, 1, 2, 3), (2, 1, 2, 1, 2, 1, 2, 2), (70, 500)]


def values(name, shape):
    flat = (37 * np.arange(int(np.prod(shape)), dtype=np.int64) + 11) % 251
    if name == "bool":
        flat = flat % 2
    elif name != "u8":
        flat = flat - 100
    return flat.reshape(shape).astype(NAMES[name])


def write(directory):
    lines = []
    for name in NAMES:
        for shape in SHAPES:
            for order in "CF":
                for endian in "<>":
                    for version in [(1, 0), (2, 0), (3, 0)]:
                        array = np.array(values(name, shape), order=order)
                        array = array.astype(array.dtype.newbyteorder(endian), order="K")
                        with open(directory / f"{len(lines)}.npy", "wb") as file:
                            np.lib.format.write_array(file, array, version=version)
                        lines.append(" ".join([name, str(len(shape)), *map(str, shape)]))
    (directory / "list").write_text("\n".join(lines) + "\n")


def check(directory):
    lines = (directory / "list").read_text().splitlines()
    for i, line in enumerate(lines):
        name, _, *extents = line.split()
        array = np.load(directory / f"{i}.npy", allow_pickle=False)
        right = values(name, tuple(map(int, extents)))
        if array.dtype != right.dtype or array.shape != right.shape or not array.flags.c_contiguous or \
                array.tobytes() != right.tobytes():
            sys.exit(f"{i}.npy: NumPy reads {array.dtype} {array.shape}, expected {line}")
    if not lines:
        sys.exit("the list is empty")


{"write": write, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
