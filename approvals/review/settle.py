"""When the last approval of a pause is settled, the pause closes and its answer is written, once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby

from approvals.models import Approval, Decision, Pause
from approvals.models.approval import DECIDED, OPEN, Status
from approvals.policy.snapshot import Policy
from approvals.review import answers


def settle(approvals: Sequence[Approval], *, now: datetime) -> list[Pause]:
    """Close the pauses of these approvals in which nothing is open any more; returns those closed.

    Locks each pause, so that of two transactions that settle its last two approvals the second one closes it.
    """
    ids = sorted({one.pause_id for one in approvals})
    pauses = {one.pk: one for one in Pause.objects.filter(pk__in=ids).order_by("pk").select_for_update()}
    closed = []
    approvals = answers.of_pauses(pauses.values())
    decisions = answers.standing(approvals)
    policies = answers.versions(approvals)
    for pk, group in groupby(approvals, key=lambda one: one.pause_id):
        pause, items = pauses[pk], list(group)
        if pause.status != Pause.Status.PENDING:
            continue
        left = sum(one.status in OPEN for one in items)
        if left:
            if left != pause.open_items:
                Pause.objects.filter(pk=pk).update(open_items=left)
            continue
        close(pause, items, decisions, agent=items[0].agent.name, policies=policies, now=now)
        closed.append(pause)
    Pause.objects.bulk_update(closed, CLOSING)
    return closed


# What closing a pause writes.
CLOSING = ("status", "open_items", "closed_at", "answer")


def close(
    pause: Pause,
    approvals: Sequence[Approval],
    decisions: Mapping[object, Decision],
    *,
    agent: str,
    policies: Mapping[int, Policy],
    now: datetime,
) -> None:
    """Give a pause whose approvals are all settled its answer; the caller saves it."""
    pause.status = _status(approvals)
    pause.open_items = 0
    pause.closed_at = now
    pause.answer = answers.document(pause, approvals, decisions, agent=agent, policies=policies)


def _status(approvals: Sequence[Approval]) -> str:
    """Decided where any item was; expired only if every one expired."""
    found = {one.status for one in approvals}
    if found & DECIDED:
        return Pause.Status.DECIDED
    if found == {Status.EXPIRED}:
        return Pause.Status.EXPIRED
    return Pause.Status.SUPERSEDED if found == {Status.SUPERSEDED} else Pause.Status.CANCELLED
