"""A run's steps, as its agent tells of them: in which order, what each did, and what undoes it.

An agent tells of a step as often as it likes, and what it said stays so. Until it has ended, what undoes it and the
context beside it may be said anew: a reservation's number is known only when the reservation is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models import Max

from approvals.db import bulk, times
from approvals.errors import ReviewError
from approvals.execution import post_review_queue, recall
from approvals.models import Agent, Approval, Outcome, Run, Step
from approvals.models.policy import Verdict
from approvals.models.states import DECIDED, ItemType, Status
from approvals.people import eligibility
from approvals.values import schema
from approvals.values.schema import Json

MOST = 1000  # steps of a run: every rejection in it lists what is to be undone
_PASSED = (Verdict.APPROVE, Verdict.MODIFY, Verdict.ANSWER)


class StepDiffers(ReviewError):
    """The step was told of before, and with other content."""


class RunStopped(ReviewError):
    """A reviewer ended the whole run; nothing more of it may begin."""


class TooManySteps(ReviewError):
    """The run has as many steps as a run may have."""


class NotApproved(ReviewError):
    """Nothing was approved that this step could have run."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """What the agent says of a step now. `fields` holds those of action, undo and context that it named.

    `approval` is what let it run; then the action is what was approved, whatever the agent says.
    """

    key: str
    status: str = Step.Status.DONE
    fields: Mapping[str, Json] = field(default_factory=dict)
    approval: Approval | None = None


class _Content(NamedTuple):
    action: Json
    undo: Json
    context: Json


_NOTHING = _Content({}, None, {})


def run_of(agent: Agent, key: str, name: str = "") -> Run:
    """The agent's run of that key, new where there is none."""
    if not Run.objects.filter(agent=agent, key=key).exists():
        bulk.insert_new([Run.of(agent.pk, key, name, at=times.now())])
    return Run.objects.get(agent=agent, key=key)


@transaction.atomic
def record(run: Run, report: StepReport) -> tuple[Step, bool]:
    """Take what an agent tells of a step; returns the step as it then is, and whether it is new.

    Raises StepDiffers, RunStopped, TooManySteps, NotApproved.
    """
    now = times.now()
    # The next position is computed from the steps there are; and no step slips past a rollback that is being asked for.
    run = Run.objects.select_for_update(no_key=True).get(pk=run.pk)
    _refuse_unless_approved(run, report.approval, report.status)
    step = Step.objects.filter(run=run, key=report.key).first()
    if step is not None:
        return _continue(run, step, report, now=now), False
    return _begin(run, report, now=now), True


def _refuse_unless_approved(run: Run, approval: Approval | None, status: str) -> None:
    if approval is None:
        return
    request = approval.request
    if request.run_id != run.pk:
        raise NotApproved("This was asked in another run; a step is of the run in which it was asked.")
    # What was recalled may begin no more; what ran all the same is recorded, or nobody would know how to undo it.
    recalled = approval.status == Status.RECALLED and status != Step.Status.STARTED
    released = approval.status in DECIDED and approval.verdict in _PASSED and eligibility.agent_knows(request)
    if not released and not recalled:
        raise NotApproved("Nothing was approved here that could have run.")


def _begin(run: Run, report: StepReport, *, now: datetime) -> Step:
    if run.stopped_at is not None and report.status == Step.Status.STARTED:
        raise RunStopped("A reviewer ended this run; nothing more of it may begin.")
    last = Step.objects.filter(run=run).aggregate(last=Max("position"))["last"] or 0
    if last >= MOST:
        raise TooManySteps(f"A run has at most {MOST} steps.")
    content = _content(report, report.approval, _NOTHING)
    step = Step(
        run=run,
        key=report.key,
        position=last + 1,
        approval=report.approval,
        action=content.action,
        undo=content.undo,
        context=content.context,
        started_at=now,
    )
    _end(run, step, report.status, now=now)
    step.save(force_insert=True)
    return step


def _continue(run: Run, step: Step, report: StepReport, *, now: datetime) -> Step:
    """The rest of what began, or the same once more."""
    open_end = step.status == Step.Status.STARTED
    approval = step.approval or report.approval
    if report.approval is not None and approval is not None and approval.pk != report.approval.pk:
        raise StepDiffers("This step was told of before, and another approval let it run.")
    stored = _Content(step.action, step.undo, step.context)
    content = _content(report, approval, stored)
    for name, was, new in zip(_Content._fields, stored, content, strict=True):
        again = open_end and (name != "action" or was == {})
        if not again and schema.canonical(was) != schema.canonical(new):
            raise StepDiffers(f"This step was told of before, with another {name}.")
    if report.approval is not None and step.approval_id is None and not open_end:
        raise StepDiffers("This step was told of before, and nothing was asked for it.")
    ended = Step.Status.DONE if step.done_at else Step.Status.FAILED
    if not open_end:
        if report.status not in (Step.Status.STARTED, ended):
            raise StepDiffers(f"This step was told of before, and it was {ended}.")
        return step
    step.approval, step.action, step.undo, step.context = approval, content.action, content.undo, content.context
    _end(run, step, report.status, now=now)
    step.save()
    return step


def _end(run: Run, step: Step, status: str, *, now: datetime) -> None:
    step.status = status
    if step.approval is not None and step.approval.status == Status.RECALLED:
        failed = status == Step.Status.FAILED
        recall.ran_anyway(step.approval, Outcome.Result.FAILED if failed else Outcome.Result.SUCCEEDED, now=now)
    if status != Step.Status.DONE:
        return
    step.done_at = now
    if step.undo is not None and (run.stopped_at is not None or _objected(step)):
        # It was under way when the run was stopped or somebody objected, and so nobody has asked for this one yet.
        step.status, step.undo_asked_at = Step.Status.UNDOING, now


def _objected(step: Step) -> bool:
    return step.approval_id is not None and post_review_queue.has_objection(step.approval_id)


# --- What it says


def _content(report: StepReport, approval: Approval | None, stored: _Content) -> _Content:
    """The step's content with what is said now; what is not named stays as it was."""
    action = _approved(approval) or report.fields.get("action", stored.action)
    undo = stored.undo
    if "undo" in report.fields:
        undo = _undo(report.fields["undo"], action)
    elif undo is None and approval is not None:
        undo = _planned(approval, action)
    return _Content(action, undo, report.fields.get("context", stored.context))


def _approved(approval: Approval | None) -> Json:
    """Name and arguments as approved, a reviewer's modification included; None for what is no action."""
    if approval is None or approval.item_type != ItemType.ACTION or approval.proposal is None:
        return None
    return {"name": approval.proposal.name, "args": approval.proposal.args}


def _undo(stated: Json, action: Json) -> Json:
    """What undoes it. Without arguments of its own it is given those of the action, as approved."""
    if not isinstance(stated, Mapping):
        return None
    done = action.get("args", {}) if isinstance(action, Mapping) else {}
    return {"name": stated["name"], "args": stated.get("args", done)}


def _planned(approval: Approval, action: Json) -> Json:
    """What the plan that covered it, or the request, said of its undo."""
    planned = getattr(approval, "planned_step", None)
    if planned is not None:
        return _undo(planned.undo, action)
    return _undo(approval.proposal.undo, action) if approval.proposal is not None else None
