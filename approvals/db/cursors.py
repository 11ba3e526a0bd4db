"""Where a list goes on: opaque to callers, signed, and good for the same list only."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.core import signing
from django.db.models import Q

SALT = "assent.cursor"


class Position(NamedTuple):
    """The last row that was read: the time by which the list is ordered, and its id."""

    at: datetime
    pk: UUID

    def older(self, column: str) -> Q:
        """What comes next where the newest by `column` come first, and of one time the greatest id."""
        # The first condition is implied by the second and is what an index can use.
        return Q(**{f"{column}__lte": self.at}) & ~Q(**{column: self.at, "pk__gte": self.pk})


def write(of: str, position: Position) -> str:
    """A cursor for the list named `of` (its owner and filters)."""
    return signing.dumps([of, position.at.isoformat(), str(position.pk)], salt=SALT, compress=False)


def read(cursor: str, of: str) -> Position | None:
    """The last row read; None for anything this server did not write for this list."""
    try:
        list_name, at, pk = signing.loads(cursor, salt=SALT)
    except signing.BadSignature:
        return None
    return Position(datetime.fromisoformat(at), UUID(pk)) if list_name == of else None
