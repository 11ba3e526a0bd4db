"""Which proposals are alike: the same letter to many people, the same act with another number.

The fingerprint of alike arguments is the same text, so that an index counts them.

*Prose* (arguments with at least eight plain words) is reduced to what a template keeps. In every text numbers, dates,
addresses and links become one sign each, and so do words with a capital letter and the words of the value, the
subject and of mail addresses elsewhere in the arguments: names, wherever they stand and however many there are.
"Dear Anna Maria, your order 456" and "Dear Bob, your order 7" read the same. Of the pairs of neighbouring words that
remain, and of the paths, the fingerprint keeps the smallest under each of three hashes (MinHash, Broder 1997: two
sets agree in one with the probability of their Jaccard similarity). Letters of one template that differ only in what
is masked therefore always have one fingerprint; where a few other words differ, most of them still do: with 5 of 80
pairs of its own, about five letters in six. Different letters have different ones, whatever signature they share up
to about a third of their words; with half of them shared, one pair of letters in eight is taken for alike.

*Anything else* is alike when it is the same but for its numbers and its value: `scale(service, 5)` and
`scale(service, 6)`, but not refunds of two orders, of which all that is the same is that they are refunds.

Limits. A model that words each letter anew is not found: it has no template. Names that are written small are found
only where an address or the subject has them; scripts without capitals or without spaces keep their names. Text in
capitals keeps its words, titles In Capitals lose them. Only the first 4,000 characters of a text, 200 values and 512
pairs are looked at. It tells what is usual to be alike, and nobody is safe behind it who means to evade it.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, pairwise

from approvals.values.schema import Json, canonical, pick

PROSE = 8  # plain words
LEAVES = 200
TEXT = 4000
PAIRS = 512
_CHUNK = 80
_HASHES = 3
_NAME, _NUMBER, _ADDRESS = "*", "#", "@"
_MASKS = frozenset({_NAME, _NUMBER, _ADDRESS})

_DIGITS = re.compile(r"\d+")
_WORD = re.compile(r"[^\W\d_]+")

_Leaf = tuple[str, Json]


def similarity_key(args: Json, *, value: str = "", naming: Sequence[str] = ()) -> str:
    """The fingerprint of arguments, 64 hexadecimal digits; empty where there are none.

    `value` is the path of the value, `naming` are those of what a proposal is about: in prose nothing of either is
    looked at, and their words count as names.
    """
    if args is None:
        return ""
    leaves = list(islice(_leaves(args), LEAVES))
    hidden = [path for path in (value, *naming) if path]
    masked = {_path(path) for path in hidden}
    names = _names(args, leaves, hidden)
    texts = [(path, _tokens(text, names)) for path, text in leaves if isinstance(text, str) and path not in masked]
    if sum(token not in _MASKS for _, tokens in texts for token in tokens) < PROSE:
        return _digest([[path, _bare(one, path == _path(value))] for path, one in leaves])
    paths = ((path, "", "") for path, _ in leaves)
    neighbours = ((path, *pair) for path, tokens in texts for pair in pairwise(("", *tokens)))
    return _sketch([*paths, *islice(neighbours, PAIRS)])


def _leaves(value: Json) -> Iterator[_Leaf]:
    """Every scalar with where it stands; places in lists, and numbers in names, are all one place."""
    waiting: list[tuple[str, Json]] = [("", value)]
    while waiting:
        path, here = waiting.pop()
        if isinstance(here, Mapping):
            waiting.extend((f"{path}.{_DIGITS.sub(_NUMBER, key)}", here[key]) for key in sorted(here, reverse=True))
        elif isinstance(here, Sequence) and not isinstance(here, str):
            waiting.extend((f"{path}.{_NUMBER}", item) for item in reversed(here))
        else:
            yield path, here


def _path(path: str) -> str:
    return "." + _DIGITS.sub(_NUMBER, path.removeprefix("/").replace("/", "."))


def _names(args: Json, leaves: Sequence[_Leaf], hidden: Sequence[str]) -> frozenset[str]:
    """Words that name somebody: of what is hidden, and of the addresses in the arguments."""
    texts = [value for path in hidden if isinstance(value := pick(args, path), str)]
    texts += [value.partition("@")[0] for _, value in leaves if isinstance(value, str) and _is_address(value)]
    return frozenset(word.casefold() for text in texts for word in _WORD.findall(text[:_CHUNK]))


def _is_address(text: str) -> bool:
    return "@" in text and len(text) < _CHUNK and not any(one.isspace() for one in text)


def _tokens(text: str, names: frozenset[str]) -> list[str]:
    """The words of a text, small; names, numbers and addresses as signs, several of a kind in a row as one."""
    loud = text[:TEXT].isupper()
    all_tokens: list[str] = []
    for chunk in text[:TEXT].split():
        if "@" in chunk or "://" in chunk:
            tokens = [_ADDRESS]
        elif _DIGITS.search(chunk):
            tokens = [_NUMBER]
        else:
            tokens = [
                _NAME if (word[0].isupper() and not loud) or word.casefold() in names else word.casefold()
                for word in _WORD.findall(chunk)
            ]
        for token in tokens:
            if token not in _MASKS or all_tokens[-1:] != [token]:
                all_tokens.append(token)
    return all_tokens


def _bare(value: Json, masked: bool) -> str:
    if masked or (isinstance(value, int | float) and not isinstance(value, bool)):
        return _NUMBER
    return value.strip().casefold() if isinstance(value, str) else str(value)


def _sketch(features: Sequence[tuple[str, str, str]]) -> str:
    hashed = [
        hashlib.blake2b("\0".join(one).encode("utf-8", "replace"), digest_size=8 * _HASHES).digest() for one in features
    ]
    least = [min(one[8 * place : 8 * place + 8] for one in hashed) for place in range(_HASHES)]
    return hashlib.sha256(b"".join(least)).hexdigest()


def _digest(content: Json) -> str:
    return hashlib.sha256(canonical(content)).hexdigest()
