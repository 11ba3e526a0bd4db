"""What an agent does with its own pause after submitting: withdraw it, and report what happened."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from approvals import audit, times
from approvals.models import Agent, Approval, Event, Outcome, Pause
from approvals.models.approval import OPEN, Status
from approvals.models.policy import Verdict
from approvals.policy.schema import Json
from approvals.review.errors import ReviewError
from approvals.review.settle import settle

AFTER = {
    Outcome.Result.SUCCEEDED: Status.EXECUTED,
    Outcome.Result.FAILED: Status.FAILED,
    Outcome.Result.SKIPPED: Status.SKIPPED,
    Outcome.Result.COMPENSATED: Status.COMPENSATED,
}
# Columns of a verdict that a withdrawal takes back together with it.
_NO_VERDICT = {"verdict": "", "source": "", "decided_by_id": None, "decided_at": None, "hold_until": None}


class AlreadyClosed(ReviewError):
    """The request is closed; there is nothing left to withdraw."""


class NotDecided(ReviewError):
    """Nothing was approved that could have run."""


class Contradiction(ReviewError):
    """Another outcome was reported before; the first one stands."""


@transaction.atomic
def cancel(pause: Pause, *, by: Agent, reason: str = "") -> Pause:
    """Withdraw what is still open of a pause, a held verdict included. Raises AlreadyClosed."""
    now = times.now()
    waiting = pause.approvals.filter(status__in=OPEN).order_by("pk").select_for_update()
    moved = audit.move(
        [
            audit.Move(
                one.pk,
                Event.Kind.CANCELLED,
                audit.Actor.of(by),
                expect={"status": one.status},
                sets={"status": Status.CANCELLED, **_NO_VERDICT},
                facts={"reason": reason[:200]} if reason else {},
            )
            for one in waiting
        ],
        now=now,
    )
    if not moved:
        raise AlreadyClosed("The request is closed; there is nothing left to withdraw.")
    settle(moved, now=now)
    pause.refresh_from_db()
    return pause


@transaction.atomic
def report_outcome(
    approval: Approval, *, by: Agent, result: str, detail: str = "", data: Mapping[str, Json] | None = None
) -> Outcome:
    """Record what happened when the approved action ran. The first report counts; an identical one is fine.

    Raises NotDecided where nothing was approved, Contradiction where another outcome stands.
    """
    now: datetime = times.now()
    approval = Approval.objects.select_for_update(of=("self",)).select_related("pause").get(pk=approval.pk)
    earlier = Outcome.objects.filter(approval=approval).first()
    if earlier is not None:
        if (earlier.result, earlier.detail, earlier.data) == (result, detail, dict(data or {})):
            return earlier
        raise Contradiction(f"The outcome was reported as {earlier.result} before; the first report stands.")
    approved = approval.verdict in (Verdict.APPROVE, Verdict.MODIFY, Verdict.ANSWER)
    told = approval.pause.status != Pause.Status.PENDING or approval.pause.decide == Pause.Decide.INDEPENDENTLY
    if approval.status != Status.RELEASED or not approved or not told:
        raise NotDecided("Nothing was approved here that could have run.")
    outcome = Outcome.objects.create(
        approval=approval, result=result, detail=detail, data=dict(data or {}), reported_at=now
    )
    audit.move(
        [
            audit.Move(
                approval.pk,
                Event.Kind.OUTCOME,
                audit.Actor.of(by),
                expect={"status": Status.RELEASED},
                sets={"status": AFTER[Outcome.Result(result)]},
                facts={"result": result},
            )
        ],
        now=now,
    )
    return outcome
