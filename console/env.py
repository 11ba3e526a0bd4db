"""Typed access to the environment; nonsense is refused at start-up with the variable's name."""

import json
import os
from pathlib import Path
from typing import Final

from django.core.exceptions import ImproperlyConfigured

_TRUE: Final = {"1", "true", "yes", "on"}
_FALSE: Final = {"0", "false", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default)


def flag(name: str, default: bool = False) -> bool:
    """A yes/no variable. Raises ImproperlyConfigured for anything else."""
    raw = os.environ.get(name)
    if raw is None:
        return default
    if raw.lower() in _TRUE:
        return True
    if raw.lower() in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be yes or no, not {raw!r}")


def number(name: str, default: int, *, at_least: int = 0) -> int:
    """A whole number. Raises ImproperlyConfigured when it is not one, or too small."""
    raw = os.environ.get(name)
    if raw is None:
        return default
    try:
        value = int(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {raw!r}") from None
    if value < at_least:
        raise ImproperlyConfigured(f"{name} must be at least {at_least}, not {value}")
    return value


def numbers(name: str, default: str = "") -> list[int]:
    """A comma-separated list of whole numbers. Raises ImproperlyConfigured when one is not."""
    digits = names(name, default)
    if not all(digit.isdecimal() for digit in digits):
        raise ImproperlyConfigured(f"{name} must be whole numbers, separated by commas, not {', '.join(digits)!r}")
    return [int(digit) for digit in digits]


def names(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


class Embedded:
    """What `manage.py up` left in the data directory so that a second shell finds the running servers."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def server(self, key: str) -> str:
        """The URL under `key` in run.json; empty when no embedded server runs on this data directory."""
        try:
            return str(json.loads((self.data / "run.json").read_text())[key])
        except (OSError, KeyError, ValueError):
            return ""

    def secret(self) -> str:
        """The data directory's own secret key; empty outside the embedded mode."""
        try:
            return (self.data / "secret_key").read_text().strip()
        except OSError:
            return ""
