"""`assent run`: a command that runs by a permit, once, and whose exit is reported."""

import argparse
import os
import subprocess
import sys

from assent.cli.out import Out, argument_type, document
from assent.shapes import Args, GuardOptions, Json
from assent.sync.client import Assent

ACTION = "run_command"
_TEXTS = ("step", "key", "summary", "reasoning", "subject", "value")
_NOT_STARTED = 127


class CommandFailed(Exception):
    """The command ended with a code other than 0."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the command ended with {code}")
        self.code = code


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    run = commands.add_parser(
        "run", parents=[common], help="run a command once it is approved, and report how it ended", usage=_USAGE
    )
    run.add_argument("--action", default=ACTION, help=f"what is proposed; {ACTION} without it")
    run.add_argument(
        "--args",
        type=argument_type(document),
        metavar="JSON",
        help="the action's arguments, @file, or -; without them the command itself is what is approved",
    )
    run.add_argument("--run", dest="in_run", help="the id of the workflow that it belongs to")
    for name in _TEXTS:
        run.add_argument(f"--{name}")
    run.add_argument("--timeout-s", type=float, metavar="SECONDS", help="until silence speaks")
    run.add_argument("--wait", type=float, metavar="SECONDS", help="give up after these; exit code 3")
    run.add_argument("shell", nargs="+", metavar="command", help="after --, as the shell would take it")
    run.set_defaults(run=_run)


_USAGE = "assent run [options] -- command [argument …]"


def _run(options: argparse.Namespace, out: Out) -> int:
    guarding: GuardOptions = {}
    for name in (*_TEXTS, "timeout_s"):
        if getattr(options, name) is not None:
            guarding[name] = getattr(options, name)  # type: ignore[literal-required]  # names of GuardOptions
    if options.wait is not None:
        guarding["wait_s"] = options.wait
    args: Args = {"command": list(options.shell), "directory": os.getcwd()}
    if options.args is not None:
        # The command is the caller's own, so that a change of the arguments would change nothing of it.
        guarding["context"] = args
        guarding["allowed"] = ["approve", "reject"]
        args = options.args

    def ended(**approved: Json) -> int:
        command = options.shell if options.args is not None else approved["command"]
        directory = None if options.args is not None else approved["directory"]
        return _run_command(command, directory)

    try:
        with Assent() as client:
            code: int = client.call(options.action, args, ended, run=options.in_run, **guarding)
    except CommandFailed as failed:
        return failed.code
    return code


def _run_command(command: Json, directory: Json) -> int:
    """Run it with this terminal's streams. Raises CommandFailed."""
    if not isinstance(command, list) or not command or not all(isinstance(part, str) for part in command):
        print("assent: what was approved is no command: a list of texts is.", file=sys.stderr)
        raise CommandFailed(_NOT_STARTED)
    try:
        code = subprocess.run(command, cwd=str(directory) if directory else None, check=False).returncode  # noqa: S603
    except OSError as error:
        print(f"assent: {error}", file=sys.stderr)
        raise CommandFailed(_NOT_STARTED) from error
    if code:
        raise CommandFailed(code if code > 0 else 128 - code)
    return 0
