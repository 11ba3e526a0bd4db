"""Characters that make a text look like another one: named, and shown as tokens a reader can see.

Code points are those of the Unicode standard (UAX #9 bidirectional controls, UTS #39 confusable detection in spirit:
a word that mixes look-alike alphabets). Nothing is removed: what an agent sent stays what is digested and executed.
"""

import re
import unicodedata

BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
ZERO_WIDTH = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0100-\U000e01ef"
)
TAGS = "\U000e0000-\U000e007f"
BREAKS = "\u0085\u2028\u2029"
CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f" + BREAKS
SURROGATES = "\ud800-\udfff"

SHOWN = "\u2039U+{:04X}\u203a"  # in single angle quotation marks

_KINDS = (
    ("bidi", re.compile(f"[{BIDI}]")),
    ("zero_width", re.compile(f"[{ZERO_WIDTH}]")),
    ("tag", re.compile(f"[{TAGS}]")),
    ("control", re.compile(f"[{CONTROL}{SURROGATES}]")),
)
_HIDDEN = re.compile(f"[{BIDI}{ZERO_WIDTH}{TAGS}{CONTROL}{SURROGATES}]")
_HIDDEN_IN_LINE = re.compile(f"[\\t\\n\\r{BIDI}{ZERO_WIDTH}{TAGS}{CONTROL}{SURROGATES}]")
_WORD = re.compile(r"[^\W\d_]{2,}")

# Alphabets whose letters pass for each other. Japanese next to Latin, say, deceives nobody.
_LOOKALIKE = {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "FULLWIDTH", "MATHEMATICAL"}
# Greek letters that units and formulas mix with Latin ones, and that look like none of them: μg, ΔT, βHCG.
_SCIENCE = frozenset("μΔΩλθσφβδεπΣΦ")


def visible(text: str, *, in_line: bool = False) -> list[tuple[str, bool]]:
    """Split into (text, is_token) segments: every hidden, bidirectional or control character is a token such as U+202E.

    Line breaks and tabs stay text unless `in_line`. Joined again, the segments are what a reader should see.
    """
    segments: list[tuple[str, bool]] = []
    start = 0
    for match in (_HIDDEN_IN_LINE if in_line else _HIDDEN).finditer(text):
        if _is_ordinary(text, match.start()):
            continue
        if match.start() > start:
            segments.append((text[start : match.start()], False))
        segments.append((SHOWN.format(ord(match.group())), True))
        start = match.end()
    if start < len(text):
        segments.append((text[start:], False))
    return segments


def plain(text: str, *, in_line: bool = True) -> str:
    """`visible()` as one string, for headlines and messages."""
    return "".join(segment for segment, _ in visible(text, in_line=in_line))


def suspicious(text: str) -> set[str]:
    """Why a text may not read as it is: of bidi, zero_width, tag, control, mixed_script. Empty for ordinary text."""
    hidden = _HIDDEN.search(text)
    if not hidden and text.isascii():
        return set()
    reasons = {
        name
        for name, pattern in (_KINDS if hidden else ())
        if any(not _is_ordinary(text, match.start()) for match in pattern.finditer(text))
    }
    if not text.isascii() and any(_mixes(word) for word in _WORD.findall(text)):
        reasons.add("mixed_script")
    return reasons


def _is_ordinary(text: str, at: int) -> bool:
    """Joiners and variation selectors that spelling or an emoji needs, as in Persian words or a keycap."""
    char = text[at]
    if at == 0:
        return False
    before = text[at - 1]
    if char == "\ufe0f":
        return before in "#*0123456789" or unicodedata.category(before) in {"So", "Sm", "Sk", "Po"}
    if char in "\u200c\u200d":
        if before == "\ufe0f" or unicodedata.category(before) in {"So", "Sk"}:
            return True
        return unicodedata.category(before) in {"Lo", "Mn", "Mc"}
    return False


def _mixes(word: str) -> bool:
    alphabets = set()
    for char in word:
        if char not in _SCIENCE:
            alphabet = unicodedata.name(char, "").split(" ", 1)[0]
            if alphabet in _LOOKALIKE:
                alphabets.add(alphabet)
    return len(alphabets) > 1
