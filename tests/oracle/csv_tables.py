# SPDX-License-Identifier: Apache-2.0
"""Random tables for tests/random/test_tables.c, and what Python's csv module reads out of them.

usage: csv_tables.py DIRECTORY SEED COUNT    writes 0.csv, 1.csv, … and for each 0.out, …:

    a line      "rows features classes header delimiter" (the delimiter as a number)
    a line      for each class: its name as UTF-8 in hexadecimal, in their order ("-" is empty)
    then        rows * features F32, and rows I32, little-endian

The last column is the label.
"""
import csv
import pathlib
import random
import struct
import sys


def number(draw):
    kind = draw.randrange(6)
    if kind == 0:
        return str(draw.randrange(-300, 300))
    if kind == 1:
        return f"{draw.uniform(-10, 10):.{draw.randrange(1, 6)}f}"
    if kind == 2:
        return repr(draw.gauss(0, 1))
    if kind == 3:
        return f"{draw.uniform(1, 10):.3e}"
    if kind == 4:
        return f"+{draw.randrange(10)}."
    return f"-.{draw.randrange(1000):03d}E{draw.randrange(-5, 6)}"


def name(draw, delimiter):
    """A class: letters, and what must be quoted."""
    alphabet = ["a", "b", "Z", "é", "日", " ", "'", "\"", delimiter, "\n", "\r\n", "\r", "7", "-"]
    text = "".join(draw.choice(alphabet) for _ in range(draw.randrange(1, 7)))
    return "x" + text + "x"


def field(draw, text, delimiter):
    if draw.random() < 0.3 or any(c in text for c in ["\"", delimiter, "\n", "\r"]) or text != text.strip():
        return "\"" + text.replace("\"", "\"\"") + "\""
    return text


def table(draw):
    delimiter = draw.choice(",;\t|")
    newline = draw.choice(["\n", "\r\n"])
    features, header = draw.randrange(1, 9), draw.random() < 0.5
    classes = [name(draw, delimiter) for _ in range(draw.randrange(1, 6))]
    records = [[name(draw, delimiter) + str(i) for i in range(features + 1)]] if header else []
    for _ in range(draw.randrange(1, 30)):
        records.append([number(draw) for _ in range(features)] + [draw.choice(classes)])
    text = newline.join(delimiter.join(field(draw, t, delimiter) for t in record) for record in records)
    text += newline * draw.randrange(3)
    return text, delimiter, header


def expect(text, delimiter, header):
    records = [r for r in csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True) if r]
    rows = records[1:] if header else records
    classes = sorted({r[-1] for r in rows}, key=lambda c: c.encode())
    features = len(rows[0]) - 1
    out = [f"{len(rows)} {features} {len(classes)} {int(header)} {ord(delimiter)}\n".encode()]
    out += [c.encode().hex().encode() + b"\n" for c in classes]
    out += [struct.pack("<f", float(v)) for r in rows for v in r[:-1]]
    out += [struct.pack("<i", classes.index(r[-1])) for r in rows]
    return b"".join(out)


def main():
    directory, draw = pathlib.Path(sys.argv[1]), random.Random(int(sys.argv[2]))
    for i in range(int(sys.argv[3])):
        text, delimiter, header = table(draw)
        (directory / f"{i}.csv").write_bytes(text.encode())
        (directory / f"{i}.out").write_bytes(expect(text, delimiter, header))


main()
