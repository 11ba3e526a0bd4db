"""The second command: lint, types, then the tests. Everything runs, and the first thing that fails decides.

Arguments go to pytest, which then runs alone: `python3 manage.py test tests/decisions -k undo`. With `--shuffle SEED`
alone everything runs, the tests in another order; `--shuffle new` takes a seed and says it.

A few tests that fail among all the others run once more, alone: whether they fail by themselves is then known. One that
passes then is named as unsteady, and is a fault to mend; it does not stop the rest.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PYTHON = sys.executable
# The type checker reads the settings, and needs no server for it.
NOWHERE = {
    "SECRET_KEY": "of-no-use",
    "DATABASE_URL": "postgresql:///nowhere",
    "REDIS_URL": "redis://nowhere",
    "ALLOW_HTTP": "1",
}
SDK = Path(__file__).resolve().parents[1] / "agents" / "sdk"
STEPS = [
    ("ruff check", [PYTHON, "-m", "ruff", "check", "."]),
    ("ruff format", [PYTHON, "-m", "ruff", "format", "--check", "."]),
    ("templates", [PYTHON, "-m", "djlint", "--lint", "--quiet", "templates"]),
    ("types", [PYTHON, "-m", "mypy", "approvals", "agents", "console"]),
    # The client SDK is a distribution of its own: checked and tested in its own folder, as its users have it.
    ("SDK types", [PYTHON, "-m", "mypy", "src"]),
    ("SDK tests", [PYTHON, "-m", "pytest"]),
    # Half of the time a test waits, for a browser or for a deadline: three keep two processors busy. Who has none left
    # takes over the end of another's.
    ("tests", [PYTHON, "-m", "pytest", "-n", "3", "--dist", "worksteal"]),
]

FEW = 5  # with more, something is broken


def tests(command: list[str]) -> int:
    """Run them all, and the few that failed once more."""
    with tempfile.TemporaryDirectory(prefix="assent-tests-") as folder:
        listed = Path(folder, "failed")
        code = subprocess.call([*command, "--list-failed", str(listed)])
        failed = listed.read_text().splitlines() if code == 1 and listed.exists() else []
        if not 0 < len(failed) <= FEW:
            return code
        print(f"--- once more, alone: {len(failed)}", flush=True)
        code = subprocess.call([PYTHON, "-m", "pytest", "-v", *failed])
        if code == 0:
            print("UNSTEADY, failed among the others and passed alone:", *failed, sep="\n  ", flush=True)
        return code


def main(arguments: list[str]) -> int:
    shuffled = arguments if len(arguments) == 2 and arguments[0] == "--shuffle" else []
    if arguments and not shuffled:
        return subprocess.call([PYTHON, "-m", "pytest", *arguments])
    worst = 0
    for name, command in STEPS:
        started = time.monotonic()
        print(f"--- {name}", flush=True)
        environment = {**os.environ, **NOWHERE} if name == "types" else None
        if shuffled and name == "tests":
            command = [*command, *shuffled]
        if name == "tests":
            code = tests(command)
        else:
            code = subprocess.call(command, env=environment, cwd=SDK if name.startswith("SDK") else None)
        print(f"--- {name}: {'ok' if code == 0 else 'FAILED'} in {time.monotonic() - started:.0f} s", flush=True)
        worst = worst or code
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
