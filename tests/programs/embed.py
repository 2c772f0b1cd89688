#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: embed.py WRITE_GRAPH 12_embed.py

Runs the user's 12_embed.py as it stands, beside a graph file that WRITE_GRAPH makes, and goes on from where it ends:
trains through ctypes with numpy arrays.  LD_LIBRARY_PATH leads to libgradus.so.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

writer, program = (pathlib.Path(path).resolve() for path in sys.argv[1:])
source = compile(program.read_text(encoding="utf-8"), str(program), "exec")
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    subprocess.run([writer, "m.gradus"], check=True)
    exec(source)  # defines lib, p, ok, signature, In, List, …
    os.chdir("/")

INPUT, OUTPUT, STATE = 0, 1, 2
c = sys.modules["ctypes"]
F32, I32 = 1, 3

names = [name for name, *_ in signature(b"train", INPUT)]
assert names == [b"x", b"y"], names
(name, dtype, shape, size), = signature(b"train", OUTPUT)
assert (name, dtype, shape[0], size) == (b"loss", F32, 0, 4), (name, dtype, shape, size)
assert signature(b"train", INPUT)[0][1:] == (F32, [2, 32, 8] + [0] * 6, 32 * 8 * 4)
assert {b"fc/kernel", b"fc/bias"} <= {entry[0] for entry in signature(None, STATE)}


def arrays(*values):
    of = {np.dtype("float32"): F32, np.dtype("int32"): I32}
    return List((In * len(values))(*[In(v.ctypes.data, of[v.dtype]) for v in values]), len(values))


ok(lib.gradus_program_init(p, c.c_uint64(42)))
random = np.random.default_rng(1)
labels = random.integers(0, 3, 32).astype(np.int32)
x = random.normal(size=(32, 8)).astype(np.float32)
x[np.arange(32), labels] += 3
loss, losses = np.zeros((), np.float32), []
for _ in range(100):
    ok(lib.gradus_call(p, b"train", 32, arrays(x, labels), arrays(loss)))
    losses.append(float(loss))
assert losses[-1] < losses[0] / 4, (losses[0], losses[-1])

probabilities = np.zeros((32, 3), np.float32)
ok(lib.gradus_call(p, b"predict", 32, arrays(x), arrays(probabilities)))
assert np.allclose(probabilities.sum(1), 1, atol=1e-5)
assert (probabilities.argmax(1) == labels).mean() > 0.9

try:  # a wrong dtype is an error that says so
    ok(lib.gradus_call(p, b"train", 32, arrays(x, labels.astype(np.float32)), arrays(loss)))
except RuntimeError as error:
    assert "i32" in str(error), error
else:
    raise AssertionError("labels of f32 are taken")
lib.gradus_program_destroy(c.byref(p))
lib.gradus_graph_destroy(c.byref(g))
print(f"loss {losses[0]:.3f} to {losses[-1]:.3f}")
