"""Words on a terminal. What others wrote cannot move the cursor, hide, or look like ours."""

import json
import unicodedata
from collections.abc import Mapping

from assent.fewshot import code
from assent.shapes import Json

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def visible(text: str, *, longest: int = 0) -> str:
    """Text as it really is: whatever has no shape of its own is shown as its code, a line break as ⏎."""
    if longest and len(text) > longest:
        text = f"{text[:longest]}… ({len(text)} characters)"
    return "".join(_shown(one) for one in text)


def value(content: Json, *, longest: int = 0) -> str:
    """JSON on one line: text in quotation marks, so that "1" is not 1."""
    if isinstance(content, str):
        escaped = content.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{visible(escaped, longest=longest)}"'
    if isinstance(content, Mapping):
        return "{" + ", ".join(f"{value(name)}: {value(one, longest=longest)}" for name, one in content.items()) + "}"
    if isinstance(content, list | tuple):
        return "[" + ", ".join(value(one, longest=longest) for one in content) + "]"
    return json.dumps(content)


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as lines with aligned columns."""
    if not rows:
        return []
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _shown(character: str) -> str:
    if character == "\n":
        return "⏎"
    return code(character) if unicodedata.category(character) in _HIDDEN else character
