#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: numpy_oracle.py DIRECTORY...

A second opinion on results: evaluates an entry of a graph in NumPy, floats as f64, and compares.  Written from
docs/ir.md and the op table's formulas alone.  Each directory holds one call:

    graph.txt       the graph's text form
    call.txt        the entry's name and the batch
    LABEL.in        raw elements of each input, param, state and seed that the entry needs; LABEL without its %
    output.N        raw elements of the N-th output, as computed elsewhere; update.N those of the N-th update's value

Beside every value goes a bound on how far f32 (or f64) arithmetic in any order of summation may be from it, propagated
through each op; a comparison that rounding could turn makes the bound infinite.  A result outside its bound is
reported; then the exit status is 1.
"""
import math
import os
import re
import statistics
import sys
from fractions import Fraction

import numpy as np

DTYPES = {'f32': np.float32, 'f64': np.float64, 'i32': np.int32, 'i64': np.int64, 'u8': np.uint8, 'bool': np.bool_}
ROUNDING = {'f32': 2.0 ** -23, 'f64': 2.0 ** -52}  # twice the unit roundoff: the oracle rounds too
TINY = {'f32': 2.0 ** -147, 'f64': 2.0 ** -1072}
LARGEST = {'f32': 3.4e38, 'f64': 1.79e308}

# --- the text form ---------------------------------------------------------------------------------------------------

TOKEN = re.compile(r'\s+|#[^\n]*|(%[A-Za-z0-9_.]+|"(?:[^"\\]|\\.)*"|[-+]?0x[0-9a-fA-F]+|'
                   r'-?(?:inf|nan)\b|-?\d[0-9.]*(?:[eE][-+]?\d+)?B?|[A-Za-z_][A-Za-z0-9_]*|[=:(){},@])')


class Tokens:
    def __init__(self, text):
        self.items, at = [], 0
        while at < len(text):
            m = TOKEN.match(text, at)
            if not m:
                raise SystemExit(f'not a graph: {text[at:at + 30]!r}')
            if m.group(1):
                self.items.append(m.group(1))
            at = m.end()
        self.at = 0

    def peek(self):
        return self.items[self.at] if self.at < len(self.items) else ''

    def next(self, expected=None):
        token = self.peek()
        if expected and token != expected:
            raise SystemExit(f'{expected!r} expected, not {token!r}')
        self.at += 1
        return token

    def take(self, token):
        if self.peek() != token:
            return False
        self.at += 1
        return True

    def labels(self):
        found = []
        while self.peek().startswith('%'):
            found.append(self.next())
        return found

    def group(self, opening, closing):
        self.next(opening)
        found = []
        while not self.take(closing):
            found.append(self.next())
            self.take(',')
        return found


class Node:
    pass


def extent(word, batch):
    if word.endswith('B'):
        return int(word[:-1] or 1) * batch
    return int(word)


def literal(word, dtype):
    kind = np.dtype(DTYPES[dtype])
    if word.startswith('0x'):
        return np.frombuffer(int(word, 16).to_bytes(kind.itemsize, sys.byteorder), dtype=kind)[0]
    if dtype == 'bool':
        return kind.type(word == 'true')
    return kind.type(word)


def skip_source(tokens):
    if tokens.take('@'):
        tokens.next(), tokens.next(':'), tokens.next()


def parse_node(tokens, batch):
    n = Node()
    n.label = tokens.next()
    tokens.next('=')
    n.op, n.inputs, words = tokens.next(), tokens.labels(), {}
    while tokens.peek() != ':':
        word = tokens.next()
        if word.startswith('"'):
            words['name'] = word
        elif word == 'axes':
            n.axes = tuple(int(a) for a in tokens.group('(', ')'))
        elif word == 'range':
            n.low, n.high = int(tokens.next()), int(tokens.next())
        elif word == 'data':
            words['data'] = tokens.group('{', '}')
        else:
            words[word] = tokens.next()
    tokens.next(':')
    n.dtype = tokens.next()
    n.shape = tuple(extent(d, batch) for d in tokens.group('(', ')'))
    if tokens.take('as'):
        tokens.next()
    skip_source(tokens)
    n.axis, n.stream = int(words.get('axis', 0)), int(words.get('stream', 0))
    n.bound = extent(words['bound'], batch) if 'bound' in words else 0
    n.value = literal(words['value'], n.dtype) if 'value' in words else 0
    n.data = [literal(w, n.dtype) for w in words.get('data', [])]
    return n


def parse_entry(tokens):
    e = Node()
    e.name, e.training = tokens.next()[1:-1], tokens.next() == 'training'
    if tokens.take('max_batch'):
        tokens.next()
    skip_source(tokens)
    e.outputs, e.updates = [], []
    tokens.next('{')
    while not tokens.take('}'):
        word = tokens.next()
        if word == 'update':
            tokens.next(), tokens.next('=')
            e.updates.append(tokens.next())
        elif word == 'outputs':
            e.outputs = tokens.labels()
        else:
            tokens.labels()
    return e


def parse(text, batch):
    tokens, nodes, entries = Tokens(text), [], {}
    tokens.next('gradus'), tokens.next('1')
    while tokens.peek():
        if tokens.peek().startswith('%'):
            nodes.append(parse_node(tokens, batch))
        elif tokens.take('state'):
            tokens.next()
            if tokens.take('init'):
                tokens.next()
            tokens.take('rng')
        else:
            tokens.next('entry')
            e = parse_entry(tokens)
            entries[e.name] = e
    return nodes, entries


# --- values with bounds ----------------------------------------------------------------------------------------------

class Value:
    """v: floats as f64, anything else in its own dtype.  e: a bound on the error, 0 or infinite of what is no float."""

    def __init__(self, v, e=None):
        self.v = v
        self.e = np.zeros(np.shape(v)) if e is None else e


def is_float(dtype):
    return dtype in ROUNDING


def finish(n, v, e, operands_e):
    """Rounds the result once and says what overflow and exceptional values do to the bound."""
    if not is_float(n.dtype):
        return Value(np.asarray(v).astype(DTYPES[n.dtype]), np.where(np.isfinite(e) & (e == 0), 0.0, np.inf))
    v = np.asarray(v, dtype=np.float64)
    e = np.asarray(e + TINY[n.dtype] * (operands_e + e > 0))
    overflow = np.isfinite(v) & ~(np.abs(v) + e < LARGEST[n.dtype])
    strange = np.where(operands_e == 0, 0.0, np.inf)
    return Value(v, np.where(overflow | (np.isnan(e) & np.isfinite(v)), np.inf, np.where(np.isfinite(v), e, strange)))


def monotone(f, ulps=4):
    """A function that rises or falls throughout is within its values at the interval's ends."""
    def rule(n, x):
        r = f(x.v)
        u = ROUNDING[n.dtype] if is_float(n.dtype) else 0.0
        spread = np.maximum(np.abs(f(x.v + x.e) - r), np.abs(f(x.v - x.e) - r))
        spread = np.where(x.e == 0, 0.0, spread)
        return finish(n, r, spread + ulps * u * np.abs(r), x.e)
    return rule


def sigmoid(x):
    small = np.exp(-np.abs(x))
    return np.where(np.isnan(x), x, np.where(x >= 0, 1 / (1 + small), small / (1 + small)))


ROOT_HALF = Fraction(math.isqrt(1 << 399), 1 << 200)


def ndtr(x):
    """What the argument of erfc loses when it is rounded counts x² times in the tail."""
    z = -x * math.sqrt(0.5)
    lost = float(Fraction(-x) * ROOT_HALF - Fraction(z)) if math.isfinite(x) and abs(x) < 1e100 else 0
    return math.erfc(z) / 2 - lost * math.exp(-z * z) / math.sqrt(math.pi) if lost else math.erfc(z) / 2


def ndtri(p):
    if not 0 <= p <= 1:
        return math.nan
    return -math.inf if p == 0 else math.inf if p == 1 else statistics.NormalDist().inv_cdf(p)


MONOTONE = {
    'sqrt': monotone(np.sqrt), 'rsqrt': monotone(lambda x: 1 / np.sqrt(x)), 'exp': monotone(np.exp),
    'expm1': monotone(np.expm1), 'log': monotone(np.log), 'log1p': monotone(np.log1p), 'tanh': monotone(np.tanh),
    'sigmoid': monotone(sigmoid), 'erf': monotone(np.vectorize(math.erf, otypes=[float])),
    'erfc': monotone(np.vectorize(math.erfc, otypes=[float])), 'ndtr': monotone(np.vectorize(ndtr, otypes=[float])),
    'ndtri': monotone(np.vectorize(ndtri, otypes=[float]), 16), 'floor': monotone(np.floor, 0),
}


def lipschitz(f):
    def rule(n, x):
        r = f(x.v)
        return finish(n, r, x.e + 4 * ROUNDING[n.dtype] * np.abs(r), x.e)
    return rule


def exact(f):
    """Of ints and bools; of floats where nothing is rounded and no difference grows."""
    def rule(n, x):
        return finish(n, f(x.v), x.e, x.e)
    return rule


def add(n, x, y):
    if not is_float(n.dtype):
        return finish(n, x.v + y.v, x.e + y.e, 0)
    return finish(n, x.v + y.v, x.e + y.e + ROUNDING[n.dtype] * np.abs(x.v + y.v), x.e + y.e)


def sub(n, x, y):
    return add(n, x, Value(np.negative(y.v), y.e))


def mul(n, x, y):
    if not is_float(n.dtype):
        return finish(n, x.v * y.v, x.e + y.e, 0)
    e = np.abs(x.v) * y.e + np.abs(y.v) * x.e + x.e * y.e
    return finish(n, x.v * y.v, e + ROUNDING[n.dtype] * np.abs(x.v * y.v), x.e + y.e)


def div(n, x, y):
    r, room = x.v / y.v, np.abs(y.v) - y.e
    e = np.where(y.e == 0, x.e / np.abs(y.v), np.where(room > 0, (x.e + np.abs(r) * y.e) / room, np.inf))
    return finish(n, r, e + ROUNDING[n.dtype] * np.abs(r), x.e + y.e)


def no_nan(f):
    """x * y or x / y, but x where x is 0 and that is NaN; where rounding decides whether x is 0, nothing can be said."""
    def rule(n, x, y):
        r = f(n, x, y)
        zero = (x.v == 0) & np.isnan(r.v)
        unsure = np.where((x.e > 0) & (np.abs(x.v) <= x.e) & ~np.isfinite(r.v), np.inf, r.e)
        return Value(np.where(zero, x.v, r.v), np.where(zero & (x.e == 0), 0.0, unsure))
    return rule


def or_zero(n, x, y):
    """x * y, but 0 where either is 0."""
    by_x, by_y = no_nan(mul)(n, x, y), no_nan(mul)(n, y, x)
    return Value(np.where(x.v == 0, by_x.v, by_y.v), np.maximum(by_x.e, by_y.e))


def power(n, x, y):
    r = np.power(x.v, y.v)
    corners = [np.abs(np.power(x.v + a * x.e, y.v + b * y.e) - r) for a in (-1, 1) for b in (-1, 1)]
    inside = np.where(x.v - x.e > 0, np.max(corners, axis=0), np.inf)
    e = np.where((x.e == 0) & (y.e == 0), 0.0, inside)
    return finish(n, r, e + 4 * ROUNDING[n.dtype] * np.abs(r), x.e + y.e)


def extremum(f):
    def rule(n, x, y):
        return finish(n, f(x.v, y.v), np.maximum(x.e, y.e), x.e + y.e)
    return rule


def compare(f):
    def rule(n, x, y):
        apart = x.e + y.e
        with_gap = np.abs(x.v.astype(np.float64) - y.v.astype(np.float64)) > apart
        return Value(f(x.v, y.v), np.where((apart == 0) | with_gap, 0.0, np.inf))
    return rule


def logical(f):
    def rule(n, *operands):
        return Value(f(*(x.v for x in operands)), sum(x.e for x in operands))
    return rule


def where(n, c, x, y):
    r = np.where(c.v, x.v, y.v)
    if not is_float(n.dtype):
        return Value(r, c.e + np.where(c.v, x.e, y.e))
    either = np.abs(x.v - y.v) + x.e + y.e
    return Value(r, np.where(c.e == 0, np.where(c.v, x.e, y.e), np.where(np.isnan(either), np.inf, either)))


def cast_to_int(dtype):
    low, high = float(np.iinfo(DTYPES[dtype]).min), float(np.iinfo(DTYPES[dtype]).max)

    def one(x):
        x = 0.0 if math.isnan(x) else x
        whole = low if x <= low else high if x >= high else math.trunc(x)
        return np.iinfo(DTYPES[dtype]).max if whole == high else int(whole)
    return np.vectorize(one, otypes=[object])


def cast(n, x):
    from_float = x.v.dtype == np.float64
    if is_float(n.dtype):
        v, rounded = x.v.astype(np.float64), x.v.astype(DTYPES[n.dtype]).astype(np.float64)
        r = finish(n, v, x.e + ROUNDING[n.dtype] * np.abs(v) * (n.cast_from != n.dtype), x.e)
        known = x.e == 0  # then so is the result, to the bit
        return Value(np.where(known, rounded, r.v), np.where(known, 0.0, r.e))
    if n.dtype == 'bool':
        return Value(x.v != 0, np.where((x.e == 0) | (np.abs(x.v.astype(np.float64)) > x.e), 0.0, np.inf))
    if not from_float:
        return Value(x.v.astype(DTYPES[n.dtype]), x.e)
    if not x.v.size:
        return Value(np.zeros(x.v.shape, DTYPES[n.dtype]))
    f = cast_to_int(n.dtype)
    sure = (x.e == 0) | (f(x.v - x.e) == f(x.v + x.e))
    return Value(f(x.v).astype(DTYPES[n.dtype]), np.where(sure, 0.0, np.inf))


ELEMENTWISE = {
    **MONOTONE,
    'neg': exact(np.negative), 'abs': exact(np.abs), 'relu': exact(lambda x: np.where(x <= 0, 0.0, x)),
    'sign': lambda n, x: Value(np.sign(x.v), np.where((x.e == 0) | (np.abs(x.v) > x.e), 0.0, np.inf)),
    'sin': lipschitz(np.sin), 'cos': lipschitz(np.cos),
    'isfinite': lambda n, x: Value(np.isfinite(x.v), np.where(np.isfinite(x.e), 0.0, np.inf)),
    'stop_gradient': lambda n, x: x, 'check_index': lambda n, x: x, 'cast': cast, 'where': where,
    'add': add, 'sub': sub, 'mul': mul, 'multiply_no_nan': no_nan(mul), 'multiply_or_zero': or_zero, 'div': div,
    'divide_no_nan': no_nan(div), 'pow': power,
    'maximum': extremum(np.maximum), 'minimum': extremum(np.minimum),
    'less': compare(np.less), 'less_equal': compare(np.less_equal), 'equal': compare(np.equal),
    'logical_not': logical(np.logical_not), 'logical_and': logical(np.logical_and),
    'logical_or': logical(np.logical_or),
}


# --- movement: the same of values and bounds -------------------------------------------------------------------------

def moved(f):
    def rule(n, *operands):
        return Value(f(n, *(x.v for x in operands)), f(n, *(x.e for x in operands)))
    return rule


def sliced(n, x):
    return x[(slice(None),) * n.axis + (slice(n.low, n.high),)]


def pad(n, x):
    before = [(0, 0)] * len(n.shape)
    before[n.axis] = (n.low, n.high)
    value = np.float64(n.value) if is_float(n.dtype) else n.value
    return Value(np.pad(x.v, before, constant_values=value), np.pad(x.e, before))


MOVEMENT = {
    'reshape': moved(lambda n, x: x.reshape(n.shape)), 'broadcast': moved(lambda n, x: np.broadcast_to(x, n.shape)),
    'transpose': moved(lambda n, x: np.transpose(x, n.axes)), 'slice': moved(sliced), 'pad': pad,
    'concat': moved(lambda n, *xs: np.concatenate(xs, axis=n.axis)),
}


# --- reductions, contraction, gather, scatter ------------------------------------------------------------------------

def reduced_count(n, x):
    return math.prod(x.v.shape[a] for a in n.axes)


def on_the_way(n, magnitude):
    """A sum of terms of that magnitude together may overflow before its last term."""
    return np.where(np.isfinite(magnitude) & (magnitude >= LARGEST[n.dtype]), np.inf, 0.0)


def total(n, x):
    if not is_float(n.dtype):
        return Value(x.v.sum(axis=n.axes, dtype=DTYPES[n.dtype]), x.e.sum(axis=n.axes))
    count, e = reduced_count(n, x), x.e.sum(axis=n.axes)
    roundings = min(count, 140 + count // 64)  # rules/order.h: the longest chain and what adds chains up
    magnitude = (np.abs(x.v) + x.e).sum(axis=n.axes)
    return finish(n, x.v.sum(axis=n.axes), e + roundings * ROUNDING[n.dtype] * magnitude + on_the_way(n, magnitude), e)


def product(n, x):
    if not is_float(n.dtype):
        return Value(x.v.prod(axis=n.axes, dtype=DTYPES[n.dtype]), x.e.sum(axis=n.axes))
    most, magnitude = (np.abs(x.v) + x.e).prod(axis=n.axes), np.abs(x.v).prod(axis=n.axes)
    e = (most - magnitude) + reduced_count(n, x) * (ROUNDING[n.dtype] * most + TINY[n.dtype])
    partial = (np.maximum(1.0, np.abs(x.v) + x.e)).prod(axis=n.axes)  # may overflow, or underflow, on the way
    least = (np.minimum(1.0, np.abs(x.v))).prod(axis=n.axes)
    wild = (partial > LARGEST[n.dtype]) | ((least < TINY[n.dtype] * 2 ** 24) & (partial > 1))
    return finish(n, x.v.prod(axis=n.axes), np.where(wild, np.inf, e), x.e.sum(axis=n.axes))


def extreme(f):
    def rule(n, x):
        return Value(f(x.v, axis=n.axes), x.e.max(axis=n.axes))
    return rule


def argmax(n, x):
    kept = [a for a in range(x.v.ndim) if a not in n.axes]
    lead = [x.v.shape[a] for a in kept]
    v, e = (np.transpose(a, kept + list(n.axes)).reshape(lead + [-1]) for a in (x.v, x.e))
    best = np.argmax(v, axis=-1)  # the first; a NaN is the largest
    at = best[..., None]
    clear = np.take_along_axis(v, at, -1) - np.take_along_axis(e, at, -1) > v + e
    np.put_along_axis(clear, at, True, -1)
    return Value(best.astype(np.int32), np.where(clear.all(axis=-1) | (e.sum(axis=-1) == 0), 0.0, np.inf))


def matmul(n, x, y):
    a, b, depth = np.abs(x.v), np.abs(y.v), x.v.shape[-1]
    e = a @ y.e + x.e @ b + x.e @ y.e
    roundings = min(depth, 4096 + depth // 4096)
    operands_e = (x.e > 0) @ np.ones(b.shape) + np.ones(a.shape) @ (y.e > 0)
    return finish(n, x.v @ y.v, e + roundings * ROUNDING[n.dtype] * (a @ b) + on_the_way(n, a @ b), operands_e)


def surely(indices, size):
    """Indices, clipped; where rounding decided them nothing can be said."""
    return np.clip(indices.v.astype(np.int64), 0, max(size - 1, 0)), not np.all(indices.e == 0)


def take(n, x, y):
    index, unsure = surely(y, x.v.shape[n.axis])
    return Value(np.take(x.v, index, axis=n.axis), np.take(x.e, index, axis=n.axis) + (np.inf if unsure else 0.0))


def take_along_axis(n, x, y):
    index, unsure = surely(y, x.v.shape[n.axis])
    v, e = np.take_along_axis(x.v, index, n.axis), np.take_along_axis(x.e, index, n.axis)
    return Value(v, e + (np.inf if unsure else 0.0))


def scatter(along):
    def places(n, x, index):
        if along:
            grid = list(np.indices(index.shape, sparse=True))
            grid[n.axis] = index
            return tuple(grid)
        return (slice(None),) * n.axis + (index,)

    def rule(n, x, y, z):
        index, unsure = surely(y, x.v.shape[n.axis])
        at, v, e = places(n, x, index), x.v.copy(), x.e.copy()
        count, magnitude = np.zeros(x.v.shape), np.abs(x.v.astype(np.float64))
        np.add.at(v, at, z.v)
        np.add.at(e, at, z.e)
        np.add.at(count, at, np.ones(z.v.shape))
        np.add.at(magnitude, at, np.abs(z.v.astype(np.float64)))
        if unsure:
            e = e + np.inf
        return finish(n, v, e + count * ROUNDING.get(n.dtype, 0.0) * (magnitude + e), e)
    return rule


WHOLE = {
    'sum': total, 'prod': product, 'max': extreme(np.max), 'min': extreme(np.min), 'argmax': argmax, 'matmul': matmul,
    'take': take, 'take_along_axis': take_along_axis, 'scatter_add': scatter(False),
    'scatter_add_along_axis': scatter(True),
}


# --- sources ---------------------------------------------------------------------------------------------------------

def philox(seed, counter, stream, index):
    """The word of Philox 4x32-10 that rules/philox.h gives an element: word r / 16 of block r % 16 of a group of 64."""
    low, wide = np.uint64(0xffffffff), np.uint64(32)
    c = [(index // np.uint64(64) * np.uint64(16) + index % np.uint64(16)) & low, np.full_like(index, stream),
         np.full_like(index, counter & 0xffffffff), np.full_like(index, counter >> 32)]
    key = [seed & 0xffffffff, seed >> 32]
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(p1 >> wide) ^ c[1] ^ np.uint64(key[0]), p1 & low, (p0 >> wide) ^ c[3] ^ np.uint64(key[1]), p0 & low]
        key = [(key[0] + 0x9E3779B9) & 0xffffffff, (key[1] + 0xBB67AE85) & 0xffffffff]
    return np.choose((index // np.uint64(16) % np.uint64(4)).astype(np.int64), c)


def philox_uniform(dtype, seed, counter, stream, count):
    index = np.arange(count, dtype=np.uint64)
    high = philox(seed, counter, stream, index)
    if dtype == 'f32':
        return ((high >> np.uint64(9)).astype(np.float64) + 0.5) * 2.0 ** -23
    low = philox(seed, counter, (stream + 2 ** 31) & 0xffffffff, index)
    return ((high << np.uint64(20) | low >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0 ** -52


def widened(n, v):
    return Value(v.astype(np.float64) if is_float(n.dtype) else v)


def evaluate_source(n, operands, directory, training):
    if n.op in ('input', 'param', 'state', 'seed'):
        return widened(n, np.fromfile(os.path.join(directory, n.label[1:] + '.in'), DTYPES[n.dtype]).reshape(n.shape))
    if n.op == 'training':
        return Value(np.asarray(training))
    if n.op == 'constant':
        return widened(n, np.array(n.data, DTYPES[n.dtype]).reshape(n.shape))
    if n.op == 'fill':
        return widened(n, np.full(n.shape, n.value, DTYPES[n.dtype]))
    if n.op == 'count':
        return widened(n, np.array(n.bound).astype(DTYPES[n.dtype]))
    if n.op == 'iota':
        along = np.arange(n.shape[n.axis]).astype(DTYPES[n.dtype])
        return widened(n, np.broadcast_to(along.reshape((-1,) + (1,) * (len(n.shape) - n.axis - 1)), n.shape))
    if n.op == 'random_uniform':
        seed, counter = (int(w) & (2 ** 64 - 1) for w in operands[0].v)
        return Value(philox_uniform(n.dtype, seed, counter, n.stream, math.prod(n.shape)).reshape(n.shape))
    print(f'{n.op}: the oracle does not know this op, and says nothing about what follows from it')
    return Value(np.zeros(n.shape, np.float64 if is_float(n.dtype) else DTYPES[n.dtype]), np.full(n.shape, np.inf))


# --- one call --------------------------------------------------------------------------------------------------------

RULES = {**ELEMENTWISE, **MOVEMENT, **WHOLE}


def evaluate(nodes, e, directory):
    by_label, needed = {n.label: n for n in nodes}, set(e.outputs + e.updates)
    for n in reversed(nodes):
        if n.label in needed:
            needed.update(n.inputs)
    values = {}
    for n in nodes:
        if n.label not in needed:
            continue
        operands = [values[label] for label in n.inputs]
        n.cast_from = by_label[n.inputs[0]].dtype if n.inputs else ''
        if n.op in RULES:
            r = RULES[n.op](n, *operands)
        else:
            r = evaluate_source(n, operands, directory, e.training)
        if np.shape(r.v) != n.shape:
            raise SystemExit(f'{directory}: {n.label} = {n.op} {n.shape} has shape {np.shape(r.v)} in NumPy')
        values[n.label] = Value(np.asarray(r.v), np.broadcast_to(r.e, n.shape))
    return values, by_label


def differs(got, r):
    """Where a result is outside its bound; an infinite bound says nothing."""
    sure = np.isfinite(r.e)
    got = got.astype(r.v.dtype)
    same = (got == r.v) | ((got != got) & (r.v != r.v))
    if r.v.dtype == np.float64:
        same |= np.abs(got - r.v) <= r.e
    return sure & ~same


def check(directory, what, label, values, by_label):
    n, r = by_label[label], values[label]
    got = np.fromfile(os.path.join(directory, what), DTYPES[n.dtype]).reshape(n.shape)
    wrong = np.argwhere(differs(got, r))
    for index in wrong[:1]:
        at = tuple(index)
        print(f'{directory}: {what}, {label} = {n.op} : {n.dtype} {n.shape} at {at}: {got[at]!r} instead of '
              f'{r.v[at]!r}, error at most {r.e[at]:.3g}; {len(wrong)} of {got.size} elements differ')
    return len(wrong) == 0


def main(directories):
    if not directories or directories[0] in ('-h', '--help'):
        raise SystemExit(__doc__)
    right = True
    for directory in directories:
        with open(os.path.join(directory, 'call.txt'), encoding='utf-8') as f:
            name, batch = f.read().split()
        with open(os.path.join(directory, 'graph.txt'), encoding='utf-8') as f:
            nodes, entries = parse(f.read(), int(batch))
        e = entries[name]
        with np.errstate(all='ignore'):
            values, by_label = evaluate(nodes, e, directory)
            for i, label in enumerate(e.outputs):
                right &= check(directory, f'output.{i}', label, values, by_label)
            for i, label in enumerate(e.updates):
                right &= check(directory, f'update.{i}', label, values, by_label)
    return 0 if right else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
