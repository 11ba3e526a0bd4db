"""The canonical form of RFC 8785, quick for ordinary JSON.

The library walks every value into a stream; a request's digests and events took a fifth of its taking. What is written
here covers what agents send all day (ASCII keys, numbers without exponents); anything else is the library's, so that
the form never depends on which of the two wrote it. The tests hold them against each other.
"""

from collections.abc import Callable
from json import encoder

import rfc8785

_quote: Callable[[str], str] = encoder.encode_basestring  # escapes as RFC 8785 does
_EXACT = 2**53


class _Extraordinary(Exception):
    """Left to the library."""


def written(value: object) -> bytes:
    """The canonical form in UTF-8. Raises what rfc8785.dumps raises."""
    try:
        return _write(value).encode()
    except (_Extraordinary, UnicodeEncodeError):
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # it refuses what it does not know


def _write(value: object) -> str:
    if isinstance(value, str):
        return _quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if -_EXACT < value < _EXACT:
            return str(int(value))
    elif isinstance(value, float):
        # Between these Python and ECMAScript write the same digits, and neither an exponent.
        if 1e-4 <= abs(value) < 1e15 or value == 0:
            return str(int(value)) if value.is_integer() else repr(value)
    elif isinstance(value, dict):
        # Keys are ordered by UTF-16 code unit; in ASCII that is the order of the text.
        if all(isinstance(key, str) and key.isascii() for key in value):
            return "{" + ",".join([f"{_quote(key)}:{_write(value[key])}" for key in sorted(value)]) + "}"
    elif isinstance(value, list | tuple):
        return "[" + ",".join([_write(one) for one in value]) + "]"
    raise _Extraordinary
