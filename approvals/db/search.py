"""Search by PostgreSQL's full text: by words, their beginnings and whole ids, over a column that is kept up.

Words are cut here, for the column and for what a person types alike. The database's own parser would cut an id or an
amount in another way beside other text, and its letters depend on how the cluster was made.
"""

import re
import unicodedata
from collections.abc import Iterable
from uuid import UUID

from django.contrib.postgres.search import SearchQuery
from django.db.models import Q

# Of a shorter word only the whole is found: a million ids and amounts begin with the same two digits.
SHORTEST_BEGINNING = 3
_WORD = re.compile(r"[^\W_]+")
_LONGEST, _MOST = 60, 20


class _Terms(SearchQuery):
    """A query of terms that are cut already; `to_tsquery` would have its parser cut them again."""

    template = "(%(expressions)s)::tsquery"


def search_words(*texts: str, ids: Iterable[UUID]) -> str:
    """The column: every word of these texts, and these ids as wholes."""
    lexemes = {word for text in texts for word in _words(text)} | {_id_word(pk) for pk in ids}
    return " ".join(f"'{lexeme}'" for lexeme in sorted(lexemes))


def matching(text: str, column: str = "search_words") -> Q:
    """What holds every word of `text`, in any order; all of it where `text` holds none."""
    terms = [term for part in text.split()[:_MOST] for term in _terms(part)]
    return Q(**{column: _Terms(" & ".join(terms[:_MOST]))}) if terms else Q()


def _terms(part: str) -> list[str]:
    try:
        return [f"'{_id_word(UUID(part))}'"]
    except ValueError:
        return [f"'{word}'" + (":*" if len(word) >= SHORTEST_BEGINNING else "") for word in _words(part)]


def _words(text: str) -> list[str]:
    return [word[:_LONGEST] for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold())]


def _id_word(pk: UUID) -> str:
    return f"#{pk.hex}"  # begins as no word does, so that no beginning of a word meets all ids
