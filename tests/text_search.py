"""What a text says to a reader: ids, digests and tokens in it say nothing, whatever digits chance has put there."""

import re

# UUIDs, digests and whatever else is long, random and of one piece: permits, CSRF tokens, signatures.
_RANDOM = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?=[\w-]*\d)[\w-]{20,}(?:\.[\w-]{20,})*",
    re.IGNORECASE,
)
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z| UTC|[+-]\d\d:\d\d)?)?|\d\d:\d\d(?::\d\d)?"
)


def mentions(text: str, phrase: str) -> bool:
    """Whether the number or word stands in the text by itself; "420" does not in 4200, in an id or in a moment."""
    plain = _MOMENT.sub(" ", _RANDOM.sub(" ", text))
    return re.search(rf"(?<![\w.,]){re.escape(phrase)}(?![\w]|[.,]\d)", plain) is not None
