"""Bodies as the gateway reads them: strict JSON, or a refusal that says what is wrong and where."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping

from assent.shapes import Json
from assent.testing.records import Document
from assent.testing.shapes import Refusal, refused

LARGEST_BODY = 1024 * 1024  # bytes
_LARGEST = 2**53 - 1
_DIGITS = 17


class _Beyond(str):
    """The digits of a number that readers would not all read alike."""

    __slots__ = ()


def loads(raw: bytes, kind: str) -> Document:
    """The JSON object in a body that `kind` announces. Raises Refusal 400, 413, 415, 422."""
    if len(raw) > LARGEST_BODY:
        raise Refusal(413, "body_too_large", "The body is larger than 1 MB.")
    if not raw:
        raise malformed("The body is empty.")
    media, _, parameters = kind.partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if media.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise Refusal(415, "unsupported_media_type", "Send the body as application/json in UTF-8.")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise malformed("The body starts with a byte order mark.")
    try:
        value = json.loads(
            raw.decode(), object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_integer
        )
        beyond = [(at, "This number is beyond 2^53; send it as text.") for at in _beyond(value, "")]
    except RecursionError:
        raise malformed("The body is nested too deep.") from None
    except ValueError as error:
        raise malformed(f"Not JSON: {error}") from None
    if not isinstance(value, dict):
        raise malformed("The body must be a JSON object.")
    if beyond:
        raise refused(beyond)
    return value


def malformed(detail: str) -> Refusal:
    """400: the body cannot be read."""
    return Refusal(400, "malformed_json", detail)


def _object(pairs: list[tuple[str, Json]]) -> Document:
    made = dict(pairs)
    if len(made) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise malformed(f"The name {twice[:80]!r} appears twice in one object.")
    return made


def _constant(word: str) -> Json:
    raise malformed(f"{word} is not a JSON number.")


def _float(digits: str) -> Json:
    return float(digits) if abs(float(digits)) <= _LARGEST else _Beyond(digits)


def _integer(digits: str) -> Json:
    number = int(digits) if len(digits) <= _DIGITS else math.inf
    return int(number) if abs(number) <= _LARGEST else _Beyond(digits)


def _beyond(value: Json, at: str) -> Iterator[str]:
    if isinstance(value, _Beyond):
        yield at
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _beyond(part, f"{at}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _beyond(part, f"{at}/{index}")
