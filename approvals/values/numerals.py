"""Numbers as people write them: 1,200.50, 1.200,50, 2.3 million, 2,3 Mio. €, 5k, and what each may mean."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

_DIGITS = r"\d+(?:[.,'\u202f\u00a0]\d+)*"
# English, German, French, Spanish, Italian and Dutch.
_WORDS = {
    Decimal(1000): "k thousand tausend duizend mille mila mil tsd",
    Decimal(10) ** 6: "millions millionen millones milioni miljoen million millón milione mio mill mln mn",
    Decimal(10)
    ** 9: "billions billion milliarden milliarde milliards milliard miliardi miliardo miljard mrd mld bln bn",
}
# One letter may be a unit as well (5 m is five metres), so that the number itself counts, too.
_LETTERS = {"m": Decimal(10) ** 6, "b": Decimal(10) ** 9}
_SCALES = {word: scale for scale, words in _WORDS.items() for word in words.split()}
_NUMERAL = re.compile(
    rf"({_DIGITS})(?:[ \u00a0\u202f-]?({'|'.join(sorted(_SCALES, key=len, reverse=True))}|[mb])(?![^\W\d_]))?", re.I
)


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number in a text: as it is written, and every value that it may have."""

    text: str
    values: frozenset[Decimal]
    scaled: bool

    @property
    def telling(self) -> bool:
        """True where the number states a fact: more than one digit, or a unit such as 5k.

        A lone digit only counts things in prose.
        """
        return self.scaled or len(self.text) > 1


def numerals(text: str) -> Iterator[Numeral]:
    """The numbers of a text, from the left."""
    for match in _NUMERAL.finditer(text):
        digits, word = match[1], (match[2] or "").casefold()
        bare = _values(digits)
        if word in _SCALES:
            yield Numeral(match[0], frozenset(value * _SCALES[word] for value in bare), scaled=True)
        elif word:
            yield Numeral(digits, bare | {value * _LETTERS[word] for value in bare}, scaled=False)
        else:
            yield Numeral(digits, bare, scaled=False)


def _values(digits: str) -> frozenset[Decimal]:
    """1,200 is 1200 or 1.2, and 1.234,50 is 1234.50."""
    bare = re.sub(r"['\u202f\u00a0]", "", digits)
    values = set()
    for text in (bare.replace(",", ""), bare.replace(".", "").replace(",", ".")):
        try:
            values.add(Decimal(text))
        except InvalidOperation:
            continue
    return frozenset(values or {Decimal(part) for part in re.split(r"\D", bare) if part})
