"""Where a list goes on: opaque to callers, signed, and good for the same list only."""

from datetime import datetime
from uuid import UUID

from django.core import signing

from agents.problems import invalid
from approvals.values.schema import Fault


def write(of: str, at: datetime, pk: UUID) -> str:
    """The place after the row with this time and id, in the list named `of` (its owner and filters)."""
    return signing.dumps([of, at.isoformat(), str(pk)], salt="assent.cursor", compress=False)


def read(cursor: str, of: str) -> tuple[datetime, UUID]:
    """Time and id of the last row read. Raises Problem 422 for anything this server did not write for this list."""
    try:
        list_, at, pk = signing.loads(cursor, salt="assent.cursor")
    except signing.BadSignature:
        raise _bad_cursor() from None
    if list_ != of:
        raise _bad_cursor()
    return datetime.fromisoformat(at), UUID(pk)


def _bad_cursor() -> Exception:
    return invalid([Fault("/cursor", "This cursor is not of this list.")])
