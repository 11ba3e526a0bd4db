"""Compact JSON: the one text of a value, wherever it is stored as text, sent or compared byte for byte."""

import json
from collections.abc import Callable


def compact(value: object, *, default: Callable[[object], object] | None = None) -> str:
    """JSON without spaces, its characters as they are.

    `default` writes what JSON has no form for. Raises ValueError for NaN, and TypeError for what has no form.
    """
    return json.dumps(value, default=default, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
