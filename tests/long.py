#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: long.py BUILD [--again] [--fuzz FUZZ_BUILD] [SUITE...]

The long run: every test of BUILD with GRADUS_LONG=1, for which some of them do much more, without a limit of time; then
every fuzz target of FUZZ_BUILD for GRADUS_FUZZ_SECONDS.  As many at a time as there are CPUs.

A test that passes leaves a stamp in BUILD/long, so that a run which was stopped goes on where it stopped.  Stamps are of
the sources as they are: after a change everything runs again, and with --again in any case.  Prints a line a test, and in
the end `N passed, N failed`, over all stamps.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

from count import count

SOURCES = pathlib.Path(__file__).resolve().parent.parent
NO_SOURCES = ("build", ".", "docs", "out", "__pycache__")  # what a folder's name begins with
SKIPPED = 77  # Meson's convention
LONGEST = ("unit/math", "random/random", "random/numpy")  # these begin, so that what is short fills the gaps


def tree():
    """A hash of all sources, their names and contents."""
    h = hashlib.sha256()
    for folder, folders, files in os.walk(SOURCES):
        folders[:] = sorted(f for f in folders if not f.startswith(NO_SOURCES))
        for name in sorted(f for f in files if not f.startswith(".")):
            path = pathlib.Path(folder, name)
            h.update(f"{path.relative_to(SOURCES)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return h.hexdigest()[:16]


class Job:
    def __init__(self, name, command, env, folder):
        self.name, self.command, self.env, self.folder = name, command, env, folder


def jobs_of_tests(build, suites):
    listed = subprocess.run(["meson", "introspect", "--tests", build], check=True, stdout=subprocess.PIPE).stdout
    for test in json.loads(listed):
        suite = test["suite"][0].split(":")[-1] if test["suite"] else ""
        if not suites or suite in suites:
            yield Job(f"{suite}/{test['name']}", test["cmd"], test["env"], test["workdir"] or build)


def jobs_of_fuzzing(fuzz_build):
    run = SOURCES / "tests" / "fuzz" / "run.py"
    for job in jobs_of_tests(fuzz_build, ["fuzz"]):
        target = job.name.split("/")[-1]
        yield Job(f"fuzzing/{target}", [sys.executable, run, fuzz_build, target], {}, fuzz_build)


def run(job):
    """What count.py counts, as Meson's log has it."""
    environment = {**os.environ, "GRADUS_LONG": "1", **job.env}
    start = time.monotonic()
    done = subprocess.run(list(map(str, job.command)), check=False, cwd=job.folder, env=environment, text=True,
                          errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    result = {0: "OK", SKIPPED: "SKIP"}.get(done.returncode, "FAIL")
    return {"name": job.name, "result": result, "status": done.returncode, "stdout": done.stdout,
            "seconds": round(time.monotonic() - start)}


def report(outcome, number, total):
    print(f"[{number}/{total}] {outcome['name']}: {outcome['result'].lower()}, {outcome['seconds']} s", flush=True)
    if outcome["result"] == "FAIL":
        print(f"exit status {outcome['status']}\n{outcome['stdout'][-4000:]}", flush=True)
    elif outcome["name"].startswith("fuzzing/"):
        print(outcome["stdout"].rstrip(), flush=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__[len("usage: "):])
    parser.add_argument("build", type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--fuzz", type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("suites", nargs="*")
    options = parser.parse_intermixed_args()
    stamps = options.build / "long" / tree()
    if options.again:
        shutil.rmtree(options.build / "long", ignore_errors=True)
    stamps.mkdir(parents=True, exist_ok=True)
    jobs = list(jobs_of_tests(options.build, options.suites))
    if options.fuzz:
        jobs += jobs_of_fuzzing(options.fuzz)
    jobs.sort(key=lambda job: LONGEST.index(job.name) if job.name in LONGEST else len(LONGEST))
    outcomes, left = [], []
    for job in jobs:
        stamp = stamps / (job.name.replace("/", ".") + ".json")
        if stamp.exists():
            outcomes.append(json.loads(stamp.read_text(encoding="utf-8")))
        else:
            left.append((job, stamp))
    if outcomes:
        print(f"{len(outcomes)} of {len(jobs)} passed before on these sources; --again runs them again")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(run, job): stamp for job, stamp in left}
        try:
            for future in concurrent.futures.as_completed(running):
                outcome, stamp = future.result(), running[future]
                outcomes.append(outcome)
                report(outcome, len(outcomes), len(jobs))
                if outcome["result"] != "FAIL":
                    written = stamp.with_suffix(".new")
                    written.write_text(json.dumps(outcome), encoding="utf-8")
                    written.replace(stamp)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            sys.exit("stopped; the same command goes on from here")
    counts = [count(outcome) for outcome in outcomes]
    passed, failed = sum(c[0] for c in counts), sum(c[1] for c in counts)
    for outcome in outcomes:
        if outcome["result"] == "FAIL":
            print("failed:", outcome["name"])
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
