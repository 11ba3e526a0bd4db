#!/usr/bin/env python3
"""Tests of the adapters against the real frameworks: `python3 agents/sdk/tests_frameworks/run.py [group …]`.

Each folder beside this file is a group of frameworks that can live together. It has an environment of its own, made
once of its `constraints.txt` (versions and hashes, nothing else gets in) and kept below the data folder under the
digest of that file.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
SDK = HERE.parent
DATA = Path(os.environ.get("ASSENT_DATA", SDK.parents[1] / ".assent"))


def groups() -> list[str]:
    return sorted(path.parent.name for path in HERE.glob("*/constraints.txt"))


def environment_of(group: str) -> Path:
    """The Python of a group's environment, which is made if it is not there."""
    constraints = HERE / group / "constraints.txt"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(constraints.read_bytes() + version.encode()).hexdigest()[:12]
    folder = DATA / "frameworks" / f"{group}-{digest}"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    complete = folder / "complete"
    if not complete.exists():  # a half-made one is made anew
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        install = ["-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r", constraints]
        subprocess.run([python, *install], check=True)
        complete.touch()
    return python


def main(named: list[str]) -> int:
    codes = []
    for group in named or groups():
        print(f"frameworks: {group}", flush=True)
        tests = [environment_of(group), "-m", "pytest", "-q", str(HERE / group)]
        codes.append(subprocess.run(tests, cwd=SDK, check=False).returncode)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
