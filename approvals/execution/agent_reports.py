"""What an agent does with its own request after submitting: withdraw it, and report what happened."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from approvals.db import times
from approvals.errors import ReviewError
from approvals.execution import recall, runs, spending
from approvals.history import audit, recorded
from approvals.history.facts import Cancelled, Reported, Reversed
from approvals.models import Agent, Approval, ApprovalRequest, Outcome
from approvals.models.policy import Verdict
from approvals.models.states import OPEN, ItemType, Status
from approvals.people import eligibility
from approvals.requests import withdrawal
from approvals.requests.closing import close_settled
from approvals.values.schema import Json

STATUS_AFTER = {
    Outcome.Result.SUCCEEDED: Status.EXECUTED,
    Outcome.Result.FAILED: Status.FAILED,
    Outcome.Result.SKIPPED: Status.SKIPPED,
    Outcome.Result.COMPENSATED: Status.COMPENSATED,
}
_DONE, _UNDONE = Outcome.Result.SUCCEEDED, Outcome.Result.COMPENSATED


class RequestAlreadyClosed(ReviewError):
    """The request is closed; there is nothing left to withdraw."""


class NotDecided(ReviewError):
    """Nothing was approved that could have run."""


class Contradiction(ReviewError):
    """Another outcome was reported before; the first one stands."""


@transaction.atomic
def cancel(request: ApprovalRequest, *, by: Agent, reason: str = "") -> ApprovalRequest:
    """Withdraw what is still open of a request, a held verdict included. Raises RequestAlreadyClosed."""
    now = times.now()
    waiting = request.approvals.filter(status__in=OPEN).order_by("pk").select_for_update()
    moved = withdrawal.withdraw(waiting, Cancelled(reason=reason[:200] or None), audit.Actor.of(by), now=now)
    if not moved:
        raise RequestAlreadyClosed("The request is closed; there is nothing left to withdraw.")
    close_settled(moved, now=now)
    request.refresh_from_db()
    return request


@transaction.atomic
def report_outcome(
    approval: Approval, *, by: Agent, result: str, detail: str = "", data: Mapping[str, Json] | None = None
) -> Outcome:
    """Record what happened when the approved action ran. The first report counts; an identical one is fine.

    That what succeeded was undone since is news of its own, and the same as reporting the undo of its step. What was
    recalled stays so, whatever came of it all the same: that is recorded, and opens an incident. Raises NotDecided
    where nothing was approved, Contradiction where another outcome stands.
    """
    now: datetime = times.now()
    approval = Approval.objects.select_for_update(of=("self",)).select_related("request").get(pk=approval.pk)
    earlier = Outcome.objects.filter(approval=approval).first()
    if earlier is not None:
        # A person who closed it has told it in other words than the agent would have.
        closed = earlier.reported_by_id is not None and earlier.result == result
        if closed or (earlier.result, earlier.detail, earlier.data) == (result, detail, dict(data or {})):
            return earlier
        if (earlier.result, result) == (_DONE, _UNDONE):
            record_reversal(approval, by=by, now=now)
            runs.mark_undone(approval, now=now)
            return Outcome.objects.get(approval=approval)
        if (earlier.result, result) == (_UNDONE, _DONE):
            return earlier  # a late word of what was undone meanwhile
        raise Contradiction(f"The outcome was reported as {earlier.result} before; the first report stands.")
    approved = approval.verdict in (Verdict.APPROVE, Verdict.MODIFY, Verdict.ANSWER)
    recalled = approval.status == Status.RECALLED
    released = approval.status == Status.RELEASED and approved and eligibility.agent_knows(approval.request)
    if not released and not recalled:
        raise NotDecided("Nothing was approved here that could have run.")
    outcome = Outcome.objects.create(
        approval=approval, result=result, detail=detail, data=dict(data or {}), reported_at=now
    )
    audit.move_one(
        audit.Move(
            approval.pk,
            Reported(result=result, permit="not used" if _ran_without_a_permit(approval, result) else None),
            audit.Actor.of(by),
            expect={"status": approval.status},
            sets={} if recalled else {"status": STATUS_AFTER[Outcome.Result(result)]},
            digests=recorded.related_digests(outcome=outcome),
        ),
        now=now,
    )
    if recalled:
        spending.count_anyway(approval, result)
        recall.ran_anyway(approval, result, now=now)
    else:
        spending.give_back(approval, result)
    if result == _UNDONE:
        runs.mark_undone(approval, now=now)
    return outcome


def record_reversal(approval: Approval, *, by: Agent, now: datetime, step: str = "") -> None:
    """Record that what an approval let run was undone: in its history, in its status, and as its outcome.

    `step` is the agent's id of the step that ran it. The caller holds the approval's row. What failed stays
    failed, and what was recalled stays recalled.
    """
    recalled = approval.status == Status.RECALLED
    stands = recalled or approval.status in (Status.RELEASED, Status.EXECUTED)
    stood = stands and approval.item_type == ItemType.ACTION
    outcome = None
    if stood:
        outcome, _ = Outcome.objects.update_or_create(
            approval=approval, defaults={"result": _UNDONE}, create_defaults={"result": _UNDONE, "reported_at": now}
        )
    audit.move_one(
        audit.Move(
            approval.pk,
            Reversed(step=step or None),
            audit.Actor.of(by),
            expect={"status": approval.status},
            sets={"status": Status.COMPENSATED} if stood and not recalled else {},
            digests=recorded.related_digests(outcome=outcome),
        ),
        now=now,
    )


def _ran_without_a_permit(approval: Approval, result: str) -> bool:
    """True where a run is reported and no permit was used for it."""
    ran = result in (Outcome.Result.SUCCEEDED, Outcome.Result.FAILED) and approval.item_type == ItemType.ACTION
    return ran and approval.consumed_at is None
