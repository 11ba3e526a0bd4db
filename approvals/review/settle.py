"""When the last approval of a pause is settled, the pause closes and its answer is written, once."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from uuid import UUID

from approvals import bulk
from approvals.models import Approval, Decision, Pause
from approvals.models.approval import OPEN, SETTLED, Status
from approvals.policy.snapshot import Policy
from approvals.review import answers, outbox, plans, runs, spending, unsent


def settle(approvals: Sequence[Approval], *, now: datetime) -> list[Pause]:
    """Close the pauses of these approvals in which nothing is open any more; returns those closed.

    Locks each pause, so that of two transactions that settle its last two approvals the second one closes it. With a
    reviewer's rejection the steps of its run are asked to be undone; with a stop everything else in it ends, too.
    What may run now counts as spent. To be called once for what a transaction moved.
    """
    spending.count(approvals)
    runs.lock({one.pause_id for one in approvals})
    approvals = [*approvals, *runs.stop(approvals, now=now)]
    unsent.drop_settled(approvals)
    moved = {one.pk for one in approvals}
    ids = sorted({one.pause_id for one in approvals})
    pauses = {one.pk: one for one in Pause.objects.filter(pk__in=ids).order_by("pk").select_for_update()}
    closed: list[tuple[Pause, Sequence[Approval]]] = []
    approvals = answers.of_pauses(pauses.values(), whole=False)
    decisions = answers.standing(approvals)
    policies = answers.versions(approvals)
    plans.lay([one for one in approvals if one.pk in moved])
    runs.roll_back(_rejected(approvals, pauses, moved), now=now)
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
        closed.append((pause, items))
    bulk.update([pause for pause, _ in closed], CLOSING)
    outbox.tell_closed(closed)
    return [pause for pause, _ in closed]


def _rejected(approvals: Sequence[Approval], pauses: Mapping[UUID, Pause], moved: Collection[UUID]) -> set[UUID]:
    """The runs whose agent hears of a person's no now: at once, or with the last answer of the pause."""
    found = set()
    for pk, group in groupby(approvals, key=lambda one: one.pause_id):
        pause, items = pauses[pk], list(group)
        if pause.run_id is None or pause.status != Pause.Status.PENDING:
            continue
        if pause.decide == Pause.Decide.INDEPENDENTLY:
            told = [one for one in items if one.pk in moved]
        else:
            told = [] if any(one.is_open for one in items) else items
        if runs.rejected(told):
            found.add(pause.run_id)
    return found


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
    if found & SETTLED:
        return Pause.Status.DECIDED
    if found == {Status.EXPIRED}:
        return Pause.Status.EXPIRED
    return Pause.Status.SUPERSEDED if found == {Status.SUPERSEDED} else Pause.Status.CANCELLED
