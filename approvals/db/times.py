"""One clock for the product: the database's.

Web, worker and clock may run on machines whose clocks differ; deadlines are judged by the one they share.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from django.db import connection
from django.db.models import DateTimeField, Func

_pinned: ContextVar[datetime | None] = ContextVar("pinned", default=None)


def now() -> datetime:
    """The database's clock (UTC); inside a transaction, the time of this statement."""
    pinned = _pinned.get()
    if pinned is not None:
        return pinned
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (value,) = cursor.fetchone()
    return value.astimezone(UTC)  # type: ignore[no-any-return]  # psycopg returns an aware datetime


def in_query() -> datetime | Func:
    """The database's clock as an expression, for a query to compare with: saves asking for the time first."""
    return _pinned.get() or Func(function="clock_timestamp", output_field=DateTimeField())


def local_now() -> datetime:
    """This machine's clock (UTC), which costs no query: for expectations, and for nothing that is decided by time."""
    return _pinned.get() or datetime.now(UTC)


def read(text: str) -> datetime | None:
    """Parse an RFC 3339 time with its zone into UTC; None where it is not one, or no calendar has it.

    In UTC, because PostgreSQL refuses offsets as large as 22:37, which RFC 3339 allows.
    """
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


SOON = 0.75  # of a tier's time has gone by when its people are reminded


def remind_at(now: datetime, due_at: datetime | None) -> datetime | None:
    """When little is left of a tier's time that starts now; None where there is no end to it."""
    return None if due_at is None else now + (due_at - now) * SOON


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Pin `now()` for this context: tests of deadlines, and the demo's made-up past."""
    token = _pinned.set(moment)
    try:
        yield
    finally:
        _pinned.reset(token)
