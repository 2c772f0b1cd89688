#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: run.py BUILD [TARGET...]

Fuzzes targets of a build with -Dfuzz=true, all of them where none is named, each for GRADUS_FUZZ_SECONDS (600).  What is
found goes on from run to run: inputs that reach new code stay in BUILD/fuzz/TARGET, and what made the target fail is
BUILD/fuzz/TARGET-crash-... (or -leak-, -timeout-, -oom-), beside the log TARGET.log.  The status is 1 if something failed.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

# An input that takes a minute, or 2 GB, is a fault too.  The sanitizers' own slowness is in these.
LIMITS = ["-timeout=60", "-rss_limit_mb=2560", "-print_final_stats=1"]


def targets(build):
    """name: (program, corpus) of the build's fuzz targets."""
    listed = subprocess.run(["meson", "introspect", "--tests", build], check=True, stdout=subprocess.PIPE).stdout
    commands = {test["name"]: test["cmd"] for test in json.loads(listed)}
    return {name: (command[0], command[-1]) for name, command in commands.items()}


def fuzz(name, program, corpus, folder, seconds):
    """One line about what happened, and whether something failed."""
    found, log = folder / name, folder / f"{name}.log"
    found.mkdir(parents=True, exist_ok=True)
    known = set(folder.glob(f"{name}-*-*"))
    command = [program, f"-max_total_time={seconds}", f"-artifact_prefix={folder / name}-", *LIMITS, found, corpus]
    with open(log, "wb") as output:
        done = subprocess.run(list(map(str, command)), check=False, stdout=output, stderr=subprocess.STDOUT)
    text = log.read_text(encoding="utf-8", errors="replace")
    executed = re.search(r"stat::number_of_executed_units:\s*(\d+)", text)
    covered = re.findall(r" cov: (\d+)", text)
    line = f"{name}: {executed.group(1) if executed else '?'} inputs, {covered[-1] if covered else '?'} edges of code reached"
    if done.returncode == 0:
        return line, False
    reasons = re.findall(r"^.*(?:runtime error|ERROR: |Assertion |fuzz/\w+\.c:\d+: ).*$", text, re.M)
    inputs = [str(path) for path in sorted(set(folder.glob(f"{name}-*-*")) - known)]
    return "\n  ".join([f"{line}: failed, see {log}", *reasons[:3], *(f"again: {program} {path}" for path in inputs)]), True


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    build, chosen = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
    there = targets(build)
    unknown = [name for name in chosen if name not in there]
    if unknown:
        sys.exit(f"no fuzz target {', '.join(unknown)}; there are {', '.join(sorted(there))}")
    seconds = int(os.environ.get("GRADUS_FUZZ_SECONDS") or 600)
    failed = 0
    for name in chosen or sorted(there):
        line, bad = fuzz(name, *there[name], build / "fuzz", seconds)
        print(line, flush=True)
        failed += bad
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
