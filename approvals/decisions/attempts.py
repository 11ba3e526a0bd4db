"""Attempts: each press of a person has an id, so that a lost answer is looked up and nothing happens twice.

An attempt is written in the transaction of what it does. Looking one up that was not written writes it as void, and a
request that arrives later finds that: what was said not to be recorded stays so.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext as _

from approvals.db import times
from approvals.decisions.card_version import CardVersion, card_version_of, load
from approvals.errors import NoLongerPending, NotAllowed, OutOfDate, ReviewError
from approvals.models import Approval, Attempt, User
from approvals.models.states import Status

KEPT = timedelta(days=2)
T = TypeVar("T")


class Repeated(ReviewError):
    """This attempt was recorded before; nothing happens a second time."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__(_("This was recorded before."))
        self.attempt = attempt


class AttemptVoid(NotAllowed):
    """This attempt was said not to be recorded, before it arrived."""

    def __init__(self) -> None:
        super().__init__(_("This came too late and was not recorded. Try again."))


def change_once(
    key: UUID | None,
    approval_id: UUID,
    *,
    by: User,
    does: str,
    change: Callable[[], T],
    shown: CardVersion | None = None,
) -> T:
    """Make a change under an attempt's id, if it has one, both in one transaction.

    `does` names what the attempt is for: a verdict, or "ask", "undo" … With `shown`, the change is made to what a card
    showed, and to nothing else. Raises Repeated, AttemptVoid, OutOfDate, NoLongerPending, and what `change` raises, in
    which case nothing is recorded.
    """
    with transaction.atomic():
        if key is not None and not _write(key, [approval_id], by=by, does=does, void=False):
            raise _refusal(key, approval_id, by)
        if shown is not None:
            _lock_as_shown(shown)
        return change()


def refuse_unless_shown(shown: CardVersion, approval: Approval) -> None:
    """Raise OutOfDate, or NoLongerPending, where an approval is not in the version that a card showed."""
    now = card_version_of(approval)
    if shown == now:
        return
    if approval.status != Status.PENDING:
        raise NoLongerPending(approval)
    raise OutOfDate(approval, staged=shown.stage < now.stage and replace(shown, stage=now.stage) == now)


def _lock_as_shown(shown: CardVersion) -> None:
    """Keep an approval as a card showed it until the transaction ends: who would change it waits."""
    list(Approval.objects.filter(pk=shown.id).select_for_update(no_key=True).values_list("pk"))
    refuse_unless_shown(shown, load(shown.id))


def recorded(key: UUID | None, approval_id: UUID, *, by: User) -> Attempt | None:
    """What a person's attempt did to an approval; None where it did nothing, or has not yet."""
    if key is None:
        return None
    return Attempt.objects.filter(key=key, approval_id=approval_id, user=by, void=False).first()


def look_up(key: UUID, approval_ids: Iterable[UUID], *, by: User) -> dict[UUID, Attempt]:
    """What became of an attempt at each of these approvals, for certain: where it is void, it will never be recorded.

    Waits for a transaction that is recording it at this moment.
    """
    ids = sorted(approval_ids)
    # Waiting happens in the insert; the row that made it wait is read by the statement after it.
    _write(key, ids, by=by, does="", void=True)
    attempts = Attempt.objects.filter(key=key, approval_id__in=ids, user=by)
    return {attempt.approval_id: attempt for attempt in attempts}


def held_of(key: UUID, *, by: User) -> list[Approval]:
    """The approvals that a person settled with one attempt and can still take back."""
    settled = Approval.objects.filter(attempts__key=key, attempts__user=by, attempts__void=False)
    held = settled.filter(status=Status.HELD, decided_by=by, hold_until__gt=times.now())
    return list(held.select_related("proposal").order_by("decided_at", "pk"))


def forget(now: datetime) -> int:
    """Delete what nobody can ask for any more; at most a few thousand at a time."""
    old = Attempt.objects.filter(at__lt=now - KEPT).order_by("at").values_list("pk", flat=True)[:5000]
    deleted: int = Attempt.objects.filter(pk__in=list(old)).delete()[0]
    return deleted


_WRITE = """
INSERT INTO approvals_attempt (key, approval_id, user_id, does, void, at)
SELECT %(key)s, i.approval, %(user)s, %(does)s, %(void)s, %(at)s FROM unnest(%(approvals)s::uuid[]) AS i(approval)
ORDER BY i.approval
ON CONFLICT (key, approval_id) DO NOTHING
"""


def _write(key: UUID, approval_ids: Sequence[UUID], *, by: User, does: str, void: bool) -> bool:
    """Write the attempts that there are not yet; False where there was any."""
    values: dict[str, Any] = {  # as the driver takes them
        "key": key,
        "user": by.pk,
        "does": does,
        "void": void,
        "at": times.now(),
        "approvals": list(approval_ids),
    }
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, values)
        written: int = cursor.rowcount
    return written == len(approval_ids)


def _refusal(key: UUID, approval_id: UUID, by: User) -> ReviewError:
    """Why an attempt that is there already does nothing now."""
    attempt = recorded(key, approval_id, by=by)
    return Repeated(attempt) if attempt else AttemptVoid()
