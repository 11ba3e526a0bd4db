"""The lock of the kill switch: shared by whoever releases or uses a permit, taken alone to stop."""

from django.db import connection

_LOCK = 0x5354_4F50  # "STOP"
_STANDS = "EXISTS (SELECT FROM approvals_stop WHERE lifted_at IS NULL)"
# A statement of its own: a statement sees what was committed before it began, so that none may look while it waits.
_HOLD = f"SELECT pg_advisory_xact_lock_shared({_LOCK}); SELECT {_STANDS}"
# As a condition of an UPDATE, for a transaction that holds the lock.
NONE_STANDS = f"NOT {_STANDS}"


def lock_shared() -> bool:
    """Keep any stop from beginning until this transaction ends; True where one stands already.

    Before any row is locked: who stops waits for all that hold it, and would be waited for in a circle.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HOLD)
        cursor.nextset()
        return bool(cursor.fetchone()[0])


def alone() -> None:
    """Wait until no transaction releases or uses a permit, and let none begin until this one ends."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
