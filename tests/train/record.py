#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: record.py [--check] DIRECTORY_OF_MNIST > mnist_losses.h

Trains the MNIST classifier 784-512(relu)-10 for the first steps in NumPy's float64, written out by hand: forward,
backward, and each optimizer's rule.  test_mnist_losses.c compares.  --check also prints, to the error stream, how far the
same program in float32 is from it.
"""
import gzip
import sys

import numpy as np

STEPS, BATCH, HIDDEN = 20, 128, 512
RATES = {"sgd": 0.1, "rmsprop": 1e-3, "adam": 1e-3}


def idx(path, offset):
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=offset)


def weights(count, seed):
    """Multiples of 2^-27 in [-1/16, 1/16): exact in float32.  The test has the same lines in C."""
    h = np.arange(count, dtype=np.uint32) + np.uint32(seed)
    h = h * np.uint32(0x9E3779B1)
    h ^= h >> np.uint32(15)
    h = h * np.uint32(0x85EBCA77)
    h ^= h >> np.uint32(13)
    h = h * np.uint32(0xC2B2AE3D)
    h ^= h >> np.uint32(16)
    return ((h >> np.uint32(8)) * 2.0 ** -24 - 0.5) * 2.0 ** -3


def sgd(rate):
    def update(p, g, s, t):
        return p - rate * g
    return update


def rmsprop(rate, rho=0.9, epsilon=1e-7):
    """Keras' and Hinton's lecture 6e: the mean of squares; epsilon outside the root."""
    def update(p, g, s, t):
        s["v"] = rho * s.get("v", 0.0) + (1 - rho) * g * g
        return p - rate * g / (np.sqrt(s["v"]) + epsilon)
    return update


def adam(rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Kingma and Ba, Algorithm 1."""
    def update(p, g, s, t):
        s["m"] = beta1 * s.get("m", 0.0) + (1 - beta1) * g
        s["v"] = beta2 * s.get("v", 0.0) + (1 - beta2) * g * g
        m, v = s["m"] / (1 - beta1 ** t), s["v"] / (1 - beta2 ** t)
        return p - rate * m / (np.sqrt(v) + epsilon)
    return update


def train(update, images, labels, dtype):
    params = [weights(784 * HIDDEN, 1).reshape(784, HIDDEN), np.zeros(HIDDEN),
              weights(HIDDEN * 10, 1000003).reshape(HIDDEN, 10), np.zeros(10)]
    params = [p.astype(dtype) for p in params]
    slots, losses = [{} for _ in params], []
    for step in range(STEPS):
        x = images[step * BATCH:][:BATCH].astype(dtype)
        y = labels[step * BATCH:][:BATCH]
        w1, b1, w2, b2 = params
        h = np.maximum(x @ w1 + b1, 0)
        z = h @ w2 + b2
        z = z - z.max(1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
        losses.append(-log_p[np.arange(BATCH), y].mean())
        dz = np.exp(log_p)
        dz[np.arange(BATCH), y] -= 1
        dz /= BATCH
        dh = np.where(h > 0, dz @ w2.T, 0)
        grads = [x.T @ dh, dh.sum(0), h.T @ dz, dz.sum(0)]
        params = [update(p, g, s, step + 1).astype(dtype) for p, g, s in zip(params, grads, slots)]
    return losses


def main():
    arguments = [a for a in sys.argv[1:] if a != "--check"]
    if len(arguments) != 1:
        sys.exit(__doc__)
    # Pixels as the library reads them: float32, 0 … 1.
    images = idx(arguments[0] + "/train-images-idx3-ubyte.gz", 16).reshape(-1, 784)[:STEPS * BATCH]
    images = images.astype(np.float32) / np.float32(255)
    labels = idx(arguments[0] + "/train-labels-idx1-ubyte.gz", 8)[:STEPS * BATCH].astype(np.int64)
    print("/* SPDX-License-Identifier: Apache-2.0")
    print(" * Losses of the first steps, in float64.  Made by record.py; do not edit. */")
    print(f"enum {{ STEPS = {STEPS}, BATCH = {BATCH}, HIDDEN = {HIDDEN} }};")
    for name, rule in ("sgd", sgd), ("rmsprop", rmsprop), ("adam", adam):
        losses = train(rule(RATES[name]), images, labels, np.float64)
        print(f"#define {name.upper()}_RATE {RATES[name]}")
        print(f"static const double {name}_losses[STEPS] = {{")
        for i in range(0, STEPS, 5):
            print("    " + " ".join(f"{loss:.15g}," for loss in losses[i:i + 5]))
        print("};")
        if "--check" in sys.argv:
            single = train(rule(RATES[name]), images, labels, np.float32)
            print(name, max(abs(a - b) / b for a, b in zip(single, losses)), file=sys.stderr)


if __name__ == "__main__":
    main()
