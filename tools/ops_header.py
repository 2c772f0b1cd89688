#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: ops_header.py OPS_DEF OUT_H

Writes gradus/ops.h: the public builders of the op table's UNARY and BINARY rows.  A macro cannot define macros, so the
preprocessor alone cannot make them.
"""
import re
import sys

HEAD = """\
/* SPDX-License-Identifier: Apache-2.0
 *
 * Made from the op table by tools/ops_header.py; do not edit.
 *
 * Elementwise operations.  Operands broadcast as in NumPy: shapes are aligned at their last axes, and an extent of 1 is
 * repeated; two operands have one dtype, there is no promotion.  The result has the operands' dtype, or BOOL where it
 * says so.  A call that cannot be obeyed returns poison and the graph keeps the first error, see graph.h.
 */
#ifndef GRADUS_OPS_H
#define GRADUS_OPS_H

#include <gradus/common.h>

#ifdef __cplusplus
extern "C" {
#endif
"""

TAIL = """
#ifdef __cplusplus
}
#endif
#endif
"""

DTYPES = {
    "FLOATS": "F32 or F64",
    "INTS": "I32 or I64",
    "NUMBERS": "any dtype but BOOL",
    "BOOLS": "BOOL",
    "ALL": "any dtype",
}
OPERANDS = {"UNARY": ["x"], "BINARY": ["x", "y"]}
ROW = re.compile(r'^OP\((.*), "(.*)"\)\s*$')


def rows(path):
    """The table's rows as lists of cells; the commas in parentheses are no separators."""
    with open(path, encoding="utf-8") as table:
        for number, line in enumerate(table, 1):
            if not line.startswith("OP("):
                continue
            match = ROW.match(line)
            cells = re.split(r",\s*(?![^(]*\))", match.group(1)) if match else []
            if len(cells) != 11:
                sys.exit(f"{path}:{number}: a row is OP(11 cells, \"mathematics\") on one line")
            yield cells + [match.group(2)]


def builder(cells):
    name, kind, dtypes, shape, mathematics = cells[0], cells[1], cells[4], cells[6], cells[11]
    operands = ", ".join("gradus_tensor " + operand for operand in OPERANDS[kind])
    result = "; the result is BOOL" if shape == "predicate" else ""
    return f"""
/* {mathematics}.
 * Operands: {DTYPES[dtypes]}{result}. */
GRADUS_API gradus_tensor gradus_{name}_at(const char *file, int line, {operands});
GRADUS_API gradus_tensor gradus_{name}({operands});
#define gradus_{name}(...) gradus_{name}_at(GRADUS_HERE_, __VA_ARGS__)
"""


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    made = "".join(builder(cells) for cells in rows(sys.argv[1]) if cells[1] in OPERANDS)
    with open(sys.argv[2], "w", encoding="utf-8") as header:
        header.write(HEAD + made + TAIL)


if __name__ == "__main__":
    main()
