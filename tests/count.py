#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: count.py testlog.json

Counts what a run of `meson test` did, test by test where a program reports its own (CMocka's summary), and as one where it
does not.  Prints `N passed, N failed`; the status is 1 unless something ran and nothing failed.
"""
import json
import re
import sys

PASSED = re.compile(r"^\[  PASSED  \] (\d+) test", re.M)
FAILED = re.compile(r"^\[  FAILED  \] (\d+) test", re.M)
GOOD = ("OK", "EXPECTEDFAIL")


def count(test):
    """(passed, failed) of one program."""
    if test["result"] == "SKIP":
        return 0, 0
    good = test["result"] in GOOD
    output = test.get("stdout", "") + test.get("stderr", "")
    passed = sum(map(int, PASSED.findall(output)))
    failed = sum(map(int, FAILED.findall(output)))
    if good:
        return passed or 1, 0
    return passed, failed or 1  # a crash or time-out fails without a summary


def main():
    try:
        with open(sys.argv[1], encoding="utf-8") as file:
            tests = [json.loads(line) for line in file if line.strip()]
    except OSError:
        tests = []
    passed = failed = 0
    for test in tests:
        p, f = count(test)
        passed, failed = passed + p, failed + f
        if f:
            print("failed:", test["name"])
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
