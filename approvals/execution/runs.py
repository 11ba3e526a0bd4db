"""What a run did, what of it is to be undone, and its end by a reviewer.

A person's rejection asks for everything undoable that the run did to be undone, newest first, in the transaction that
lets the agent know; so does a reviewer's stop. What policy refuses asks for nothing: the agent is told what could be
undone, and usually goes on with another proposal.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from approvals.history import audit
from approvals.history.facts import Stopped
from approvals.models import Approval, ApprovalRequest, Decision, Run, Step
from approvals.models.policy import Verdict
from approvals.models.states import OPEN, Source, Status
from approvals.requests import withdrawal
from approvals.values.schema import Json

STOPPED = "A reviewer ended the whole run."

_OVERTAKEN = timedelta(days=1)  # a clock that was off for so long is a matter of its own
_TO_UNDO = (Step.Status.UNDOING, Step.Status.STUCK)


def undoable(run_id: UUID) -> list[Step]:
    """What of a run could be undone or is to be, newest first."""
    return _newest_first(run_id, [Step.Status.DONE, *_TO_UNDO])


def compensations(run_id: UUID) -> list[Json]:
    """The undos of what a run has done, newest first, with the arguments as approved: what its agent is to run."""
    return [compensation(step) for step in undoable(run_id)]


def to_undo(run_id: UUID) -> list[Step]:
    """The steps that somebody asked to be undone and that are not yet, newest first."""
    return _newest_first(run_id, _TO_UNDO)


def compensation(step: Step) -> dict[str, Json]:
    """One undo as its agent reads it."""
    return {"step": step.key, "action": step.action or None, "undo": step.undo}


def _newest_first(run_id: UUID, status: Iterable[str]) -> list[Step]:
    return list(Step.objects.filter(run=run_id, status__in=list(status), undo__isnull=False).order_by("-position"))


def is_stopped(run_id: UUID | None) -> bool:
    """True where a reviewer ended the whole run."""
    return run_id is not None and Run.objects.filter(pk=run_id, stopped_at__isnull=False).exists()


# --- What a verdict asks for


def lock(requests: Collection[UUID]) -> None:
    """Hold the runs of these requests to the end of the transaction: no step is told of while they are rolled back.

    Taken after the approvals that moved and before any request, by everybody alike, so that nobody waits in a circle.
    """
    runs = Run.objects.filter(pk__in=ApprovalRequest.objects.filter(pk__in=requests, run__isnull=False).values("run"))
    list(runs.order_by("pk").select_for_update(no_key=True, of=("self",)).values_list("pk"))


def rejected_by_person(approvals: Iterable[Approval]) -> bool:
    """True where a person said no to one of these, and the agent may know."""
    return any(
        approval.verdict == Verdict.REJECT and approval.source == Source.HUMAN and approval.status == Status.RELEASED
        for approval in approvals
    )


def roll_back(runs: Collection[UUID], *, now: datetime) -> None:
    """Ask for everything that these runs did and that can be undone to be undone."""
    if runs:
        Step.objects.filter(run__in=runs, status=Step.Status.DONE, undo__isnull=False).update(
            status=Step.Status.UNDOING, undo_asked_at=now
        )


def stop(approvals: Sequence[Approval], *, now: datetime) -> list[Approval]:
    """End the runs that a reviewer stopped with the rejection of one of these, now that the agent may know.

    Returns what else waited in them, cancelled. What another transaction holds at this moment is left to the clock: to
    wait for it here could be to wait in a circle.
    """
    if not rejected_by_person(approvals):
        return []
    ending = list(
        Decision.objects.filter(
            approval__in=[approval.pk for approval in approvals],
            verdict=Verdict.REJECT,
            stop=True,
            undone_at=None,
            approval__status=Status.RELEASED,
            approval__request__run__isnull=False,
        ).select_related("user", "approval__request")
    )
    return end_runs({one.approval.request.run_id: _who(one) for one in ending if one.approval.request.run_id}, now=now)


def end_runs(by: Mapping[UUID, audit.Actor], *, now: datetime) -> list[Approval]:
    """End these runs, each by who ended it: what they did is to be undone, and what waits in them is cancelled.

    Returns the cancelled ones. The caller holds the runs, and settles.
    """
    if not by:
        return []
    Run.objects.filter(pk__in=by, stopped_at=None).update(stopped_at=now)
    roll_back(by.keys(), now=now)
    return [
        moved for run in Run.objects.filter(pk__in=by).order_by("pk") for moved in _cancel(run, by[run.pk], now=now)
    ]


def _who(decision: Decision) -> audit.Actor:
    return audit.Actor.person(decision.user) if decision.user else audit.POLICY


def cancel_overtaken(*, now: datetime) -> list[Approval]:
    """Cancel what got into a stopped run at the very moment of the stop. Two at once are harmless."""
    lately = Run.objects.filter(stopped_at__gt=now - _OVERTAKEN)
    left = lately.filter(requests__status=ApprovalRequest.Status.PENDING).distinct()
    return [moved for run in left for moved in _cancel(run, audit.CLOCK, now=now)]


def _cancel(run: Run, by: audit.Actor, *, now: datetime) -> list[Approval]:
    waiting = Approval.objects.filter(request__run=run, status__in=OPEN).order_by("pk")
    held = waiting.select_for_update(skip_locked=True, of=("self",))
    return withdrawal.withdraw(held, Stopped(run=run.key), by, now=now)


# --- What was undone


def mark_undone(approval: Approval, *, now: datetime) -> None:
    """The agent said of an approved action that it is undone: so is the step that ran it."""
    Step.objects.filter(approval=approval).exclude(status__in=[Step.Status.UNDONE, Step.Status.CLOSED]).update(
        status=Step.Status.UNDONE, undone_at=now
    )
