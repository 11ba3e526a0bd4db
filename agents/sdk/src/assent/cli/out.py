"""What the commands print: words for people, JSON for programs, errors on the other stream."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from assent.errors import AssentError, BadRequest
from assent.screen import visible
from assent.shapes import Json, Object


class Out:
    """Words, or with `as_json` one document a line."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def tell(self, document: Json, *lines: str) -> None:
        """Print the document, or the lines that say the same. What came from others must be `visible` in them."""
        output_lines = [json.dumps(document, ensure_ascii=False)] if self.as_json else lines
        print(*output_lines, sep="\n", flush=True)

    def error(self, error: AssentError) -> None:
        """Print why not, and for fields that are at fault where."""
        kind = type(error).__name__
        named = "" if kind == "AssentError" else f"{kind}: "
        faults = error.errors if isinstance(error, BadRequest) else ()
        if self.as_json:
            problem: dict[str, Json] = {"error": kind, "text": str(error)}
            for name in ("code", "status", "reason", "request"):
                value = getattr(error, name, None)
                if isinstance(value, str | int):
                    problem[name] = value
            if faults:
                problem["errors"] = list(faults)
            print(json.dumps(problem, ensure_ascii=False), flush=True)
            return
        print(f"assent: {named}{visible(str(error))}", file=sys.stderr)
        for fault in faults[1:]:
            print(f"  {visible(str(fault.get('pointer')))}: {visible(str(fault.get('message')))}", file=sys.stderr)


def document(text: str) -> Object:
    """An argument that is a JSON object: itself, @file, or - for the standard input."""
    argument = read_json(text)
    if not isinstance(argument, dict):
        raise ValueError("a JSON object is needed here: {…}")
    return argument


def read_json(text: str) -> Json:
    """An argument that is JSON: itself, @file, or -."""
    argument: Json = json.loads(read(text))
    return argument


def read(text: str) -> str:
    """An argument that may be given as @file or -."""
    if text == "-":
        return sys.stdin.read()
    return Path(text[1:]).read_text() if text.startswith("@") else text


def argument_type(function: Callable[[str], Json]) -> Callable[[str], Json]:
    """The function for argparse, with errors that say what was wrong."""
    import argparse

    def taken(text: str) -> Json:
        try:
            return function(text)
        except (OSError, ValueError) as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return taken
