"""A request's body as JSON, or a clear refusal: nothing that two parsers could read differently gets further."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import IO

from django.http import HttpRequest
from rest_framework.parsers import BaseParser

from agents.problems import Problem, invalid
from approvals.values.schema import Fault, Json, pointer_of

LIMIT = 1024 * 1024  # bytes
# RFC 7493: what every JSON implementation holds exactly.
LARGEST = 2**53 - 1
_DIGITS = 17  # more than that is beyond it, and reading many thousands takes long
_SHOWN = 40  # characters of a number in an error


class _Beyond(str):
    """The digits of a number that is beyond what every reader holds exactly."""

    __slots__ = ()


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
    return within_limit(stream.read(LIMIT + 1))


def within_limit(raw: bytes) -> bytes:
    """Raises Problem 413 for what is longer."""
    if len(raw) > LIMIT:
        raise Problem(413, "body_too_large", "The body is larger than 1 MB.")
    return raw


def is_json(kind: str) -> bool:
    """True for the one media type of the API, in its one character set."""
    kind, _, parameters = kind.partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    return kind.strip().lower() == "application/json" and charset in ("", "charset=utf-8")


def loads(raw: bytes) -> dict[str, Json]:
    """A JSON object from UTF-8 bytes. Raises Problem 400 saying what is wrong and where, and Problem 422 that points
    at numbers that readers would not all read alike.

    Depth, NUL and lone surrogates are left to the shapes, which can point at the field.
    """
    beyond: list[_Beyond] = []
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
            parse_float=lambda digits: _number(float(digits), digits, beyond),
            parse_int=lambda digits: _number(int(digits) if len(digits) <= _DIGITS else math.inf, digits, beyond),
        )
        faults = list(_faults(value, [])) if beyond else []
    except json.JSONDecodeError as error:
        raise malformed(f"Not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise malformed("The body is nested too deep.") from None
    if not isinstance(value, dict):
        raise malformed("The body must be a JSON object.")
    if faults:
        raise invalid(faults)
    return value


def empty() -> Problem:
    """400: nothing where something was needed."""
    return malformed("The body is empty.")


def malformed(detail: str) -> Problem:
    """400: the body cannot be read."""
    return Problem(400, "malformed_json", detail)


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise malformed(f"The name {twice[:80]!r} appears twice in one object.")
    return members


def _constant(word: str) -> Json:
    raise malformed(f"{word} is not a JSON number.")


def _number(value: float, digits: str, beyond: list[_Beyond]) -> Json:
    """The number, or its digits where it has to be refused: once all is read, it can be pointed at."""
    if abs(value) <= LARGEST:
        return value
    beyond.append(_Beyond(digits))
    return beyond[-1]


def _faults(value: Json, path: list[str | int]) -> Iterator[Fault]:
    if isinstance(value, _Beyond):
        yield Fault(pointer_of(path), f"The number {value[:_SHOWN]} is beyond 2^53; send it as text.")
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _faults(part, [*path, name])
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _faults(part, [*path, index])
