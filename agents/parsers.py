"""A request's body as JSON, or a clear refusal: nothing that two parsers could read differently gets further."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import IO

from django.http import HttpRequest
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser

from agents.problems import Problem
from approvals.policy.schema import Json

LIMIT = 1024 * 1024  # bytes
# RFC 7493: what every JSON implementation holds exactly.
LARGEST = 2**53 - 1


class StrictJSONParser(BaseParser):
    """The one media type of the API."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, object] | None = None,
    ) -> dict[str, Json]:
        return loads(read(stream))


def read(stream: IO[bytes] | HttpRequest) -> bytes:
    """The body, never more than the limit of it, whatever length the headers claim. Raises Problem 413."""
    raw = stream.read(LIMIT + 1)
    if len(raw) > LIMIT:
        raise too_large()
    return raw


def body(raw: bytes, kind: str) -> dict[str, Json]:
    """The JSON object in a body, which `kind` must announce. Raises Problem 400, 413, 415."""
    if len(raw) > LIMIT:
        raise too_large()
    if not raw:
        raise empty()
    if not is_json(kind):
        raise UnsupportedMediaType(kind)
    return loads(raw)


def is_json(kind: str) -> bool:
    """True for the one media type of the API, in its one character set."""
    kind, _, parameters = kind.partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    return kind.strip().lower() == "application/json" and charset in ("", "charset=utf-8")


def loads(raw: bytes) -> dict[str, Json]:
    """A JSON object from UTF-8 bytes. Raises Problem 400 saying what is wrong and where.

    Depth, NUL and lone surrogates are left to the shapes, which can point at the field.
    """
    if raw.startswith(b"\xef\xbb\xbf"):
        raise malformed("The body starts with a byte order mark.")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise malformed(f"Byte {error.start} is not UTF-8.") from None
    try:
        value: Json = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        raise malformed(f"Not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise malformed("The body is nested too deep.") from None
    if not isinstance(value, dict):
        raise malformed("The body must be a JSON object.")
    return value


def too_large() -> Problem:
    """413: more than the limit."""
    return Problem(413, "body_too_large", "The body is larger than 1 MB.")


def empty() -> Problem:
    """400: nothing where something was needed."""
    return malformed("The body is empty.")


def malformed(detail: str) -> Problem:
    """400: the body cannot be read."""
    return Problem(400, "malformed_json", detail)


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise malformed(f"The name {twice[:80]!r} appears twice in one object.")
    return found


def _constant(word: str) -> Json:
    raise malformed(f"{word} is not a JSON number.")


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise malformed(f"The number {digits[:40]} is beyond 2^53; send it as text.")
    return value


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > LARGEST:
        raise malformed(f"The integer {digits[:40]} is beyond 2^53; send it as text.")
    return int(digits)
