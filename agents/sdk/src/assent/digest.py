"""The one form of an action that is digested, decided and executed: canonical JSON (RFC 8785), and its SHA-256."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from json import encoder

from assent.errors import NotSerialisable
from assent.shapes import Json

_EXACT = 2**53 - 1  # integers beyond it are not the same in every reader


def canonical(value: object) -> bytes:
    """The canonical form in UTF-8. Raises NotSerialisable, naming the field, for what has none (NaN, 2^53, a date)."""
    return _written(value, "").encode()


def digest_of(value: object) -> str:
    """SHA-256 of the canonical form: "sha256:" and 64 hexadecimal digits. Raises NotSerialisable."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


def action_digest(
    *,
    agent: str,
    action: str,
    schema_version: int,
    args: Json,
    subject: str = "",
    attachments: Sequence[str] = (),
) -> str:
    """The digest of what will execute: who runs which action, of which schema version, with what, concerning whom.

    `attachments` are the digests of the files beside it; without any they are not mentioned. Raises NotSerialisable.
    """
    content: dict[str, Json] = {
        "agent": agent,
        "action": action,
        "schema_version": schema_version,
        "args": args,
        "subject": subject,
    }
    if attachments:
        content["attachments"] = list(attachments)
    return digest_of(content)


def plain(value: object, path: str = "") -> None:
    """Make sure that JSON carries a value there and back unchanged. Raises NotSerialisable, naming the field."""
    _written(value, path)


def _written(value: object, path: str) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value, path)
    if type(value) is int:
        if abs(value) > _EXACT:
            raise _not_serialisable(path, f"{value} is beyond 2^53, where readers disagree; send it as text")
        return str(value)
    if type(value) is float:
        return _number(value, path)
    if isinstance(value, Mapping):
        return _object(value, path)
    if isinstance(value, list):
        return "[" + ",".join([_written(one, f"{path}[{place}]") for place, one in enumerate(value)]) + "]"
    raise _not_serialisable(
        path, f"a {type(value).__name__} is not JSON (text, number, true, false, null, list, object)"
    )


def _object(value: Mapping[object, object], path: str) -> str:
    for key in value:
        if not isinstance(key, str):
            raise _not_serialisable(path, f"the key {key!r} is not text")
    # RFC 8785 sorts by UTF-16 code units; surrogates are refused below, so big-endian UTF-16 has that order.
    keys = sorted([str(key) for key in value], key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    members = []
    for key in keys:
        member_path = f"{path}.{key}" if path else key
        members.append(f"{_text(key, member_path)}:{_written(value[key], member_path)}")
    return "{" + ",".join(members) + "}"


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _not_serialisable(path, "half a character (a lone surrogate)") from None
    return str(encoder.encode_basestring(value))  # escapes as RFC 8785 does


def _number(value: float, path: str) -> str:
    """As ECMAScript writes it: the shortest digits that read back the same, an exponent from 1e21 and below 1e-6."""
    if not math.isfinite(value):
        raise _not_serialisable(path, f"{value} is not a JSON number")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    if fraction == "0":
        fraction = ""
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return f"{sign}{digits[0]}{'.' + digits[1:] if count > 1 else ''}{power}"


def _not_serialisable(path: str, why: str) -> NotSerialisable:
    return NotSerialisable(f"{path or 'the value'}: {why}.", path=path)
