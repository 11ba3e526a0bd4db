"""What the terminal shows while Assent starts: one calm line per phase, with the seconds it took."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

WIDTH = 34


class Refused(Exception):
    """Assent cannot go on; the message says why and what to do, and is shown without a stack trace."""


def say(text: str = "") -> None:
    """One line that is seen at once, also through a pipe."""
    _clear()
    _print(f"{text}\n")


def phase_began(name: str, far: str = "…") -> None:
    """What is going on, and how far it is; shown on a terminal only, where its last line replaces it."""
    if sys.stdout.isatty():
        _print(f"\r  {name:<{WIDTH}}{far:>12}")


def phase_took(name: str, seconds: float) -> None:
    """The line of a phase that is over."""
    say(f"  {name:<{WIDTH}}{seconds:6.1f} s")


def _clear() -> None:
    if sys.stdout.isatty():
        _print("\r\x1b[K")


def _print(text: str) -> None:
    with suppress(OSError):  # a terminal that was closed keeps nobody from stopping in order
        print(text, end="", flush=True)


@contextmanager
def phase(name: str) -> Iterator[Callable[[str], None]]:
    """Name what is going on, and when it went well say how long it took.

    Yields a function that shows how far it is.
    """
    start = time.monotonic()
    phase_began(name)
    try:
        yield lambda far: phase_began(name, far)
    except BaseException:
        _clear()
        raise
    phase_took(name, time.monotonic() - start)
