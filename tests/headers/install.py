#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: install.py README.md BUILD CC

Does what README.md says about installing.  The build is there already, so it is installed into an empty folder, and the
README's first program is compiled and run from there, by the README's own commands.  With GRADUS_LONG=1 all of the commands are
run as they stand, the build too, in a home of their own.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

readme, build, cc = (pathlib.Path(path) for path in sys.argv[1:])
text = readme.read_text(encoding="utf-8")
program = re.search(r"^```c\n(.*?)^```", text, re.M | re.S)[1]
make, use = re.findall(r"^```sh\n(.*?)^```", text.split("## Installing")[1], re.M | re.S)[:2]


def run(script, folder, **environment):
    script = script.replace("build-install", str(pathlib.Path(folder, "build")))
    done = subprocess.run(["sh", "-euxc", script], cwd=folder if script.startswith("export") else readme.parent,
                          env={**os.environ, **environment}, capture_output=True, text=True)
    print(done.stdout[-2000:], done.stderr[-2000:], sep="\n")
    if done.returncode:
        sys.exit(f"ends with {done.returncode}:\n{script}")


with tempfile.TemporaryDirectory() as home:
    pathlib.Path(home, "program.c").write_text(program, encoding="utf-8")
    if os.environ.get("GRADUS_LONG"):
        run(make, home, HOME=home)
        run(use, home, HOME=home)
    else:
        subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--destdir", home], check=True, capture_output=True)
        config = next(pathlib.Path(home).rglob("gradus.pc"))
        prefix = re.search(r"^prefix=(.*)$", config.read_text(encoding="utf-8"), re.M)[1]
        use = re.sub(r"PKG_CONFIG_PATH=.*", f'PKG_CONFIG_PATH="{config.parent}"', use).replace("cc ", f"{cc} ", 1)
        use = use.replace("pkg-config ", f"pkg-config --define-variable=prefix={home}{prefix} ")
        headers = {path.name for path in pathlib.Path(home).rglob("gradus/*.h")}
        missing = set(re.findall(r"`(\w+\.h)`", text)) - headers
        if missing:
            sys.exit(f"README.md names headers that are not installed: {missing}")
        run(use, home, HOME=home)
print("installed, compiled, run")
