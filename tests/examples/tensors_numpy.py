#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: tensors_numpy.py PROGRAM
       tensors_numpy.py

Compares every element that examples/01_tensors computes with NumPy's.  Without PROGRAM prints NumPy's figures, in the form
of figures.txt.  Skipped (status 77) without NumPy.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    SYSTEM = "/usr/bin/python3"  # which may have NumPy where another Python comes first
    if os.access(SYSTEM, os.X_OK) and os.path.realpath(SYSTEM) != os.path.realpath(sys.executable):
        os.execv(SYSTEM, [SYSTEM, *sys.argv])
    print("skipped: there is no NumPy")
    sys.exit(77)

SLOTS = 64 * 3 * 32 * 10
DTYPES = {"f32": np.float32, "f64": np.float64, "i32": np.int32}


def operations(pool):
    """What the program computes, from the same numbers."""
    def take(*shape):
        return pool[:np.prod(shape)].reshape(shape)

    column = take(3, 2).reshape(6, 1)
    images = take(60, 28, 28)
    results = {
        "add": take(300, 200) + take(200),
        "maximum": np.maximum(take(64, 3, 32, 10), -take(32, 10)),
        "reshape to a column": column,
        "reshape to a row": column.reshape(1, 6),
        "transpose": take(300, 200).T,
        "slice 10:50": images[10:50],
        "slice :,14:,14:": images[:, 14:, 14:],
        "slice :,7:-7,7:-7": images[:, 7:-7, 7:-7],
    }
    if pool.dtype != np.int32:
        results["dot"] = np.dot(take(300, 100), take(100, 200))
    return results


def all_results():
    numbers = np.arange(SLOTS) * 7919 % 1009 / 100 - 5
    for name, dtype in DTYPES.items():
        for operation, result in operations(numbers.astype(dtype)).items():
            assert result.dtype == dtype
            yield f"{name} {operation}", result


def record():
    for name, result in all_results():
        flat = result.astype(np.float64).ravel()
        shape = "(" + ", ".join(map(str, result.shape)) + ")"
        print(f"    {name} ~ {shape} {flat.sum():.10g} {(flat * (np.arange(flat.size) % 13)).sum():.10g}")


def compare(program):
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, "--out", folder], check=True, stdout=subprocess.DEVNULL)
        for name, result in all_results():
            found = np.loadtxt(pathlib.Path(folder) / f"{name}.txt").ravel()
            wanted = result.astype(np.float64).ravel()
            # All but the dot product is exact or rounds once, so the same bits; its sums may be in another order.
            tolerance = 0 if "dot" not in name else 1e-4 if "f32" in name else 1e-12
            apart = np.abs(found - wanted).max() if found.shape == wanted.shape else np.inf
            if not apart <= tolerance:
                faults += 1
                print(f"{name}: apart by {apart}")
    print(f"{faults} operations differ from NumPy {np.__version__}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(compare(pathlib.Path(sys.argv[1]).resolve()) if len(sys.argv) > 1 else record())
