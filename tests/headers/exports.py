#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: exports.py NM LIBRARY

A shared library exports names of gradus_ alone, and only the whole one needs LLVM and cairo.
"""
import re
import subprocess
import sys


def names(nm, library, which):
    listed = subprocess.run([nm, "-D", which, library], capture_output=True, text=True, check=True).stdout
    return [line.split()[-1].split("@")[0] for line in listed.splitlines() if line.strip()]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    nm, library = sys.argv[1:]
    exported = names(nm, library, "--defined-only")
    faults = [f"exports {name}" for name in exported if not name.startswith("gradus_")]
    if "gradus_call" not in exported:
        faults.append("does not export gradus_call")
    if "runtime" in library.rsplit("/", 1)[-1]:
        needed = names(nm, library, "--undefined-only")
        faults += [f"needs {name}" for name in needed if re.match("LLVM|cairo_", name)]
    print("\n".join(faults) or f"{len(exported)} names, all of gradus_")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
