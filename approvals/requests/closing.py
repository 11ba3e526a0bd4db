"""When the last approval of a request is settled, the request closes and its answer is written, once."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from uuid import UUID

from approvals.db import bulk
from approvals.decisions import unsent_text
from approvals.execution import plans, runs, spending
from approvals.models import Approval, ApprovalRequest, Decision
from approvals.models.states import OPEN, SETTLED, Status
from approvals.notify import outbox
from approvals.policy.compiled_policy import Policy
from approvals.requests import decision_document


def close_settled(approvals: Sequence[Approval], *, now: datetime) -> list[ApprovalRequest]:
    """Close the requests of these approvals in which nothing is open any more; returns those closed.

    Locks each request, so that of two transactions that settle its last two approvals the second one closes it. With a
    reviewer's rejection the steps of its run are asked to be undone; with a stop everything else in it ends, too.
    What may run now counts as spent. To be called once for what a transaction moved.
    """
    spending.count(approvals)
    runs.lock({approval.request_id for approval in approvals})
    approvals = [*approvals, *runs.stop(approvals, now=now)]
    unsent_text.drop_settled(approvals)
    moved = {approval.pk for approval in approvals}
    ids = sorted({approval.request_id for approval in approvals})
    locked = ApprovalRequest.objects.filter(pk__in=ids).order_by("pk").select_for_update()
    requests = {request.pk: request for request in locked}
    closed: list[tuple[ApprovalRequest, Sequence[Approval]]] = []
    approvals = decision_document.approvals_of(requests.values(), whole=False)
    decisions = decision_document.standing_decisions(approvals)
    policies = decision_document.policies_of(approvals)
    plans.write_planned_steps([approval for approval in approvals if approval.pk in moved])
    runs.roll_back(_runs_to_roll_back(approvals, requests, moved), now=now)
    for pk, group in groupby(approvals, key=lambda approval: approval.request_id):
        request, items = requests[pk], list(group)
        if request.status != ApprovalRequest.Status.PENDING:
            continue
        left = sum(item.status in OPEN for item in items)
        if left:
            if left != request.open_items:
                ApprovalRequest.objects.filter(pk=pk).update(open_items=left)
            continue
        close(request, items, decisions, agent=items[0].agent.name, policies=policies, now=now)
        closed.append((request, items))
    bulk.update([request for request, _ in closed], CLOSING)
    outbox.tell_closed(closed)
    return [request for request, _ in closed]


def _runs_to_roll_back(
    approvals: Sequence[Approval], requests: Mapping[UUID, ApprovalRequest], moved: Collection[UUID]
) -> set[UUID]:
    """The runs whose agent hears of a person's no now: at once, or with the last answer of the request."""
    run_ids = set()
    for pk, group in groupby(approvals, key=lambda approval: approval.request_id):
        request, items = requests[pk], list(group)
        if request.run_id is None or request.status != ApprovalRequest.Status.PENDING:
            continue
        if request.decide == ApprovalRequest.Decide.INDEPENDENTLY:
            answered_items = [item for item in items if item.pk in moved]
        else:
            answered_items = [] if any(item.is_open for item in items) else items
        if runs.rejected_by_person(answered_items):
            run_ids.add(request.run_id)
    return run_ids


# What closing a request writes.
CLOSING = ("status", "open_items", "closed_at", "answer")


def close(
    request: ApprovalRequest,
    approvals: Sequence[Approval],
    decisions: Mapping[object, Decision],
    *,
    agent: str,
    policies: Mapping[int, Policy],
    now: datetime,
) -> None:
    """Give a request whose approvals are all settled its answer; the caller saves it."""
    request.status = _status(approvals)
    request.open_items = 0
    request.closed_at = now
    request.answer = decision_document.decision_document(request, approvals, decisions, agent=agent, policies=policies)


def _status(approvals: Sequence[Approval]) -> str:
    """Decided where any item was; expired only if every one expired."""
    statuses = {approval.status for approval in approvals}
    if statuses & SETTLED:
        return ApprovalRequest.Status.DECIDED
    if statuses == {Status.EXPIRED}:
        return ApprovalRequest.Status.EXPIRED
    return ApprovalRequest.Status.SUPERSEDED if statuses == {Status.SUPERSEDED} else ApprovalRequest.Status.CANCELLED
