"""From a fresh clone to a running command: an environment, the pinned packages, and then the command itself.

Only the standard library is imported here until the packages are there.
"""

import hashlib
import importlib.util
import os
import re
import site
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections import deque
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from console.startup import up
from console.startup.terminal import Refused, phase, say

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
SDK = ROOT / "agents" / "sdk" / "src"
DEPENDENCIES, DEMO, TEST = "dependencies", "demo", "test"
# A pin of constraints.txt: name, version, marker; then its hashes, and the comment that says who needs it.
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)( ;[^\\\n]+)?.*\n(?:    .*\n?)*", re.MULTILINE)
PARENT = re.compile(r"^    #(?: via)? +([A-Za-z0-9._-]+)", re.MULTILINE)


def main(argv: list[str]) -> None:
    """Run one command of manage.py; `up` and `test` install first what they need, `install` does only that."""
    command = argv[1] if len(argv) > 1 else "help"
    try:
        if command == "up":
            options = up.parse(argv[2:])  # before the installation: a typing error is said at once
            ensure({DEPENDENCIES} if options.no_demo else {DEPENDENCIES, DEMO})
            sys.exit(up.run(options))
        if command == "install":  # for images: what production runs on, and nothing started
            ensure({DEPENDENCIES})
            return
        if command == "test":
            ensure({DEPENDENCIES, DEMO, TEST})
            os.chdir(ROOT)
            os.execv(sys.executable, [sys.executable, "-m", "tests.run", *argv[2:]])  # noqa: S606 - our own interpreter
        if importlib.util.find_spec("django") is None:
            enter_venv_if_there()
            raise Refused("Assent's packages are not installed here. `python3 manage.py up` installs them.")
    except Refused as refused:
        sys.exit(f"\n{refused}")
    except KeyboardInterrupt:
        sys.exit("\nStopped.")

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(argv)


def ensure(dependency_sets: set[str]) -> None:
    """Have the pinned packages of these sets, in the environment that runs, else in `.venv`. Raises Refused."""
    if sys.prefix == sys.base_prefix:
        enter_venv_if_there()
        with phase("Python environment (.venv)"):
            create_venv()
        enter_venv_if_there()
    pins = pins_for(dependency_sets)
    digest = hashlib.sha256("".join(pins).encode()).hexdigest()[:16]
    stamp = Path(sys.prefix) / f".assent-{'-'.join(sorted(dependency_sets))}-{digest}"
    link_sdk()
    if stamp.exists():
        return
    if not are_installed(pins):
        with phase("packages (only the first time)") as progress:
            install(pins, progress)
    stamp.touch()


def link_sdk() -> None:
    """Let `import assent` find the client SDK of this tree, as an editable install would, and without a network."""
    link = Path(sysconfig.get_path("purelib")) / "assent-sdk.pth"
    line = f"{SDK}\n"
    if not link.exists() or link.read_text() != line:
        link.write_text(line)
        site.addsitedir(str(link.parent))


def enter_venv_if_there() -> None:
    """Start over inside `.venv`; return when there is none that works, or when this is one already."""
    python = VENV / "bin" / "python"
    if sys.prefix != sys.base_prefix or not os.access(python, os.X_OK):
        return
    os.execv(python, [str(python), *sys.argv])  # noqa: S606 - our own interpreter


def create_venv() -> None:
    """Make `.venv`, with pip in it. Raises Refused when this Python lacks the parts."""
    make = [sys.executable, "-m", "venv", "--clear"]
    made = run([*make, str(VENV)])
    if made.returncode == 0:
        return
    # Debian's Python comes without ensurepip, and often with pip: that one can put a pip into the environment.
    if run([*make, "--without-pip", str(VENV)]).returncode == 0:
        python = str(VENV / "bin" / "python")
        if run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "pip"]).returncode == 0:
            return
        (VENV / "bin" / "python").unlink()  # half an environment must not be entered next time
    raise Refused(
        f"No environment could be made in {VENV}: {last_line(made.stdout)}\n"
        "Check that the folder is writable and that this Python has venv and pip "
        "(Debian and Ubuntu: apt install python3-venv)."
    )


def pins_for(dependency_sets: set[str]) -> list[str]:
    """The entries of constraints.txt, with their hashes, that the wanted sets of pyproject.toml need.

    pip refuses hashes that stand in a constraints file, so the entries become the requirements; the comments
    that name the parents of each ("via") tell which ones belong to a set.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    sets = {DEPENDENCIES: project["dependencies"], **project["optional-dependencies"]}
    needed = {normalised_name(requirement) for name in dependency_sets for requirement in sets[name]}
    entries = [
        (normalised_name(match[1]), {normalised_name(parent) for parent in PARENT.findall(match[0])}, match[0])
        for match in PIN.finditer((ROOT / "constraints.txt").read_text())
    ]
    if not needed <= {name for name, _, _ in entries} or not any(parents for _, parents, _ in entries):
        raise Refused("constraints.txt does not fit pyproject.toml; make it anew with the command in its first lines.")
    grew = True
    while grew:
        dependencies = {name for name, parents, _ in entries if parents & needed}
        grew = not dependencies <= needed
        needed |= dependencies
    return [text for name, _, text in entries if name in needed]


def normalised_name(requirement: str) -> str:
    """The normalised name of a requirement: "Celery[redis]~=5.7" is "celery"."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0]).lower() if name else ""


def are_installed(pins: list[str]) -> bool:
    """Whether every pinned package is installed in its pinned version, as in an environment made by hand."""
    for pin in pins:
        match = PIN.match(pin)
        if match is None or match[3]:  # whether a marker applies here is for pip to say
            continue
        try:
            if version(match[1]) != match[2]:
                return False
        except PackageNotFoundError:
            return False
    return True


def install(pins: list[str], progress: Callable[[str], None]) -> None:
    """Let pip install exactly these pins. Raises Refused with pip's own last words."""
    if importlib.util.find_spec("pip") is None and run([sys.executable, "-m", "ensurepip"]).returncode != 0:
        raise Refused(f"The environment {sys.prefix} has no pip. Install it there, or delete the environment.")
    with tempfile.NamedTemporaryFile("w", suffix=".txt", prefix="assent-") as requirements:
        requirements.writelines(pins)
        requirements.flush()
        command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        # The pins are complete, so nothing is left for pip to resolve.
        command += ["--progress-bar", "off", "--no-deps", "--require-hashes", "--requirement", requirements.name]
        last: deque[str] = deque(maxlen=12)
        seen = 0
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:  # noqa: S603
            for line in pip.stdout or ():
                last.append(line)
                if line.startswith(("Collecting ", "Requirement already ")):
                    seen += 1
                    progress(f"{seen} of {len(pins)}")
                elif line.startswith("Installing "):
                    progress("unpacking")
    if pip.returncode != 0:
        say("".join(last).rstrip())
        raise Refused("pip could not install the packages; its last lines are above. A second try continues.")


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run to the end, with the output kept for an error message."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)  # noqa: S603


def last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no reason given")
