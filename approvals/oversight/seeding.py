"""Puts a test case into the inbox: made from a past proposal of the same agent and action type, routed like any other.

It goes the way of a real submission, so that nothing about it differs but its kind, and belongs to an agent of the
house, so that no agent finds it among its own.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from approvals.db import bulk, times
from approvals.db.ids import new_id
from approvals.models import Agent, Approval, Run, SeededCase
from approvals.models.policy import Verdict
from approvals.models.seeded import CaseOutcome, FaultClass
from approvals.models.states import ItemType, Kind, Route, Source, Status
from approvals.oversight import faults
from approvals.policy import snapshot
from approvals.policy.compiled_policy import Policy
from approvals.policy.routing_decision import Routing
from approvals.requests import intake
from approvals.requests.evaluation import Evaluation, evaluate_items
from approvals.requests.submission import AgentSubmission, Item, RunRef, Submission, as_item
from approvals.requests.validation import faults_of

HOUSE = "assent-test-cases"
LOOK_BACK = timedelta(days=180)
FAULTY = 0.5  # of the test cases
_READ = 60  # of the past, newest first
_TRIES = 5
_dice = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Sketch:
    """A test case that could be put in: whence, what of it is wrong, and what it would submit."""

    source: Approval
    fault: str
    pointer: str
    submission: Submission
    run: RunRef | None


@transaction.atomic
def put_in(case_id: UUID, *, dice: random.Random = _dice) -> Approval | None:
    """Make a test case that is due and put it in; None where that cannot be done, or was done. Safe to run twice."""
    now = times.now()
    case = (
        SeededCase.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("beside__request")
        .filter(pk=case_id, approval=None, outcome="", due_at__lte=now)
        .first()
    )
    if case is None:
        return None
    policy = snapshot.current()
    for sketch in _sketches(case, policy, now=now, dice=dice):
        approval = _submit(sketch, case.beside, policy, now=now)
        if approval is not None:
            case.approval, case.source = approval, sketch.source
            case.fault, case.field = sketch.fault, sketch.pointer
            case.save(update_fields=["approval", "source", "fault", "field"])
            return approval
    case.outcome, case.closed_at = CaseOutcome.DROPPED, now
    case.save(update_fields=["outcome", "closed_at"])
    return None


# --- From what


def _sketches(case: SeededCase, policy: Policy, *, now: datetime, dice: random.Random) -> Iterator[Sketch]:
    """Up to a few ways to make it, in the order in which they are tried."""
    beside = case.beside
    kind = policy.types.get(beside.action_type_id or "")
    if kind is None:
        return
    past = _past(beside, now=now)
    arguments = [approval.proposal.args for approval in past if approval.proposal]
    faulty = dice.random() < FAULTY
    right, wrong = _approved(past), _wrong(past)
    for _ in range(_TRIES):
        # A fault of the past as often as one that is made, where there are both.
        again = faulty and bool(wrong) and (not right or dice.random() < FAULTY)
        pool = wrong if again else [(approval, "") for approval in right]
        if not pool:
            return
        source, fault = dice.choice(pool)
        if source.proposal is None:
            continue
        days = max(0, (now - source.created_at).days)
        item, change = faults.freshened(as_item(source, source.proposal), arguments, days=days, dice=dice)
        pointer = ""
        if faulty and not again:
            made = faults.faults_of(item, kind, list(policy.rates), arguments, dice)
            if not made:
                continue
            chosen = dice.choice(made)
            item, fault, pointer = chosen.item, chosen.fault_class.value, chosen.pointer
        run = source.request.run
        named = RunRef(change(run.key), change(run.name), source.request.step) if run else None
        yield Sketch(source, fault, pointer, _submission(item, beside, source, named), named)


def _past(beside: Approval, *, now: datetime) -> list[Approval]:
    """What people decided of this agent's proposals of this action type, newest first, of which no case was made yet.

    Who had read the same amount in two cases would know the third.
    """
    used = SeededCase.objects.filter(source__isnull=False).values("source")
    return list(
        Approval.objects.filter(
            agent=beside.agent_id,
            action_type=beside.action_type_id,
            kind=Kind.REAL,
            item_type=ItemType.ACTION,
            source=Source.HUMAN,
            released_at__isnull=False,
            created_at__gte=now - LOOK_BACK,
            created_at__lte=now,
        )
        .exclude(pk__in=used)
        .exclude(Q(status=Status.RECALLED) | ~Q(proposal__attachments=[]) | Q(proposal__parsed=False))
        .select_related("proposal", "request__run")
        .prefetch_related("incidents")
        .order_by("-created_at")[:_READ]
    )


def _approved(past: Sequence[Approval]) -> list[Approval]:
    """What a person let run as it was proposed, and nobody has found fault with."""
    return [
        approval
        for approval in past
        if approval.verdict == Verdict.APPROVE and approval.faulted_at is None and not approval.incidents.all()
    ]


def _wrong(past: Sequence[Approval]) -> list[tuple[Approval, str]]:
    """What was rejected, objected to or led to an incident, each with its class."""
    wrong: list[tuple[Approval, str]] = []
    for approval in past:
        if approval.incidents.all():
            wrong.append((approval, FaultClass.INCIDENT.value))
        elif approval.verdict == Verdict.REJECT:
            wrong.append((approval, FaultClass.REJECTED.value))
        elif approval.faulted_at is not None:
            wrong.append((approval, FaultClass.OBJECTED.value))
    return wrong


# --- Into the inbox


def _submission(item: Item, beside: Approval, source: Approval, run: RunRef | None) -> Submission:
    """As the agent would send it now: under the versions that it states today."""
    return Submission(
        items=(replace(item, allowed=tuple(source.allowed)),),
        content_hash=f"sha256:{new_id().hex:0>64}",
        run=run,
        decide=source.request.decide,
        timeout=_timeout_of(source),
        model=beside.agent_model,
        prompt_version=beside.prompt_version,
        tool_version=beside.tool_version,
        labels=source.request.labels,
    )


def _timeout_of(source: Approval) -> timedelta | None:
    """How long its agent waited, where it did not leave that to the action type."""
    kind = snapshot.load(source.policy_id).types.get(source.action_type_id or "")
    if source.expires_at is None or kind is None or source.escalations:
        return None
    waited = source.expires_at - source.created_at
    return None if waited == kind.expires_after else waited


def _submit(sketch: Sketch, beside: Approval, policy: Policy, *, now: datetime) -> Approval | None:
    """Store it as one that waits; None where policy would not have it wait for exactly one person."""
    if faults_of(sketch.submission, policy):
        return None
    [[evaluation]] = evaluate_items(
        [AgentSubmission(beside.agent_id, sketch.submission)], policy, now=now, covered=False
    )
    if not _waits_for_one(evaluation, policy):
        return None
    house, _ = Agent.objects.get_or_create(
        name=HOUSE, defaults={"description": "Test cases that are put into the inbox. Nothing of it ever runs."}
    )
    run = None
    if sketch.run is not None:
        bulk.insert_new([Run.of(house.pk, sketch.run.key, sketch.run.name, at=now, stands_for=beside.agent_id)])
        run = Run.objects.get(agent=house, key=sketch.run.key)
    submission = AgentSubmission(beside.agent_id, sketch.submission, Kind.SEEDED, house.pk)
    return intake.store_disguised(submission, evaluation, run, policy, now=now)


def _waits_for_one(evaluation: Evaluation, policy: Policy) -> bool:
    routing: Routing = evaluation.routing
    return routing.route == Route.REVIEW and routing.approvers == 1 and not routing.stages and routing.approvable
