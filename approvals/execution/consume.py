"""Using a permit: once, on exactly what was approved, and only while the world is as it was when it was approved.

Whoever is refused must not run the action; the sentence says why, the code is for programs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import transaction

from approvals.db import stop_lock, times
from approvals.errors import ReviewError
from approvals.execution import permits, returns
from approvals.history import audit, recorded
from approvals.history.facts import Consumed
from approvals.models import Agent, Approval, Consumption, Decision, PostReview, Recall
from approvals.models.policy import Verdict
from approvals.models.states import RUNNING, ItemType, Status
from approvals.values.schema import Json

CONSUMED = "permit_consumed"
EXPIRED = "permit_expired"
TAMPERED = "permit_tampered"
MISMATCH = "permit_mismatch"
PAUSED = "agent_paused"
STOPPED = "stopped"
RUN_STOPPED = "run_stopped"
VETOED = "vetoed"
RECALLED = "recalled"


class PermitRefused(ReviewError):
    """The permit lets nothing run; `code` is a stable word."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class ForeignPermit(ReviewError):
    """The agent has no such permit."""


class Unobserved(ReviewError):
    """What the approval was given under was not looked at; `names` are the preconditions that are missing."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"Look at these before it runs, and say how they are: {', '.join(names)}.")
        self.names = tuple(names)


class WorldMoved(ReviewError):
    """A precondition no longer holds. `returned` asks the people again; None where policy takes it no more."""

    def __init__(self, names: list[str], returned: Approval | None) -> None:
        text = f"The world moved after this was approved ({', '.join(names)})"
        again = "; people are asked again." if returned else ", and policy no longer takes it as it was: propose anew."
        super().__init__(text + again)
        self.returned = returned


@dataclass(frozen=True, slots=True)
class PermitUse:
    """What an executor presents just before it runs something.

    `digest` is of what it is about to run, computed by itself; `attempt` is its own word for this try, the same when
    it asks again because the answer was lost; `observed` is how the preconditions are now, by name.
    """

    jti: UUID
    permit: str
    digest: str
    attempt: str
    executor: str = ""
    observed: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PermitUsed:
    """A permit that was used by this attempt. `replayed`: the same attempt had used it before."""

    approval: Approval
    consumption: Consumption
    replayed: bool = False


def consume(use: PermitUse, *, by: Agent) -> PermitUsed:
    """Use a permit; of any number of executors at once, one succeeds.

    Raises ForeignPermit, PermitRefused, Unobserved; and WorldMoved, by then the approval has returned to the people.
    """
    used = _consume(use, by=by)
    if isinstance(used, WorldMoved):
        # Raised out here: what it tells of is committed, and asking again finds it.
        raise used
    return used


@transaction.atomic
def _consume(use: PermitUse, *, by: Agent) -> PermitUsed | WorldMoved:
    stopped = stop_lock.lock_shared()  # before any row is locked (see audit.move)
    # Whether it may run is told by several rows; the lock on this one keeps two executors from both reading "unused".
    approval = (
        Approval.objects.select_for_update(of=("self",))
        .select_related("request__run", "proposal")
        .filter(agent=by, decisions=use.jti)
        .first()
    )
    if approval is None:
        raise ForeignPermit("This agent has no such permit.")
    now = times.now()
    claims = _proven(use, now=now)
    _refuse_unless_in_force(use, claims, approval, by=by)
    if stopped:
        raise PermitRefused(STOPPED, "Everything is stopped; nothing may run until that is lifted. Then ask again.")
    earlier = Consumption.objects.filter(approval=approval).first()
    if earlier is not None:
        return _replay(use, approval, earlier)
    if approval.status != Status.RELEASED:
        return _refuse_as_over(approval)
    if permits.is_over(claims, now=now):
        raise PermitRefused(EXPIRED, "The permit was not used in time; ask again.")
    preconditions = approval.proposal.preconditions if approval.proposal else {}
    unobserved = [name for name in preconditions if name not in use.observed]
    if unobserved:
        raise Unobserved(unobserved)
    moved = returns.moved_preconditions(preconditions, use.observed)
    if moved:
        return WorldMoved(moved, returns.bring_back(approval, use.jti, moved, use.observed, by=by, now=now))
    return _used(use, approval, by=by, now=now)


def _proven(use: PermitUse, *, now: datetime) -> Mapping[str, Json]:
    try:
        claims = permits.verified_claims(use.permit, permits.PERMIT, now=now)
    except permits.BadToken as error:
        raise PermitRefused(TAMPERED, str(error)) from error
    if claims.get("jti") != str(use.jti):
        raise PermitRefused(MISMATCH, "The permit is another one than the address names.")
    return claims


def _refuse_unless_in_force(use: PermitUse, claims: Mapping[str, Json], approval: Approval, *, by: Agent) -> None:
    """Check that it is this action in this revision, not practice, and that its agent is not paused.

    Raises PermitRefused.
    """
    if use.digest != claims.get("action_digest"):
        raise PermitRefused(MISMATCH, "What is about to run is not what was approved: its digest is another one.")
    if approval.status == Status.RECALLED:
        raise PermitRefused(RECALLED, _recalled(approval))
    undone = Decision.objects.filter(pk=use.jti, undone_at__isnull=False).exists()
    if undone or (claims.get("revision"), use.digest) != (approval.revision, approval.digest):
        text = f"The permit is of revision {claims.get('revision')}, which no longer stands; read the decision again."
        raise PermitRefused(MISMATCH, text)
    may_run = approval.verdict in (Verdict.APPROVE, Verdict.MODIFY) and approval.item_type == ItemType.ACTION
    if approval.kind not in RUNNING or not may_run:
        raise PermitRefused(MISMATCH, "Nothing was approved here that could run.")
    if by.paused_at is not None:
        raise PermitRefused(PAUSED, "The agent is paused; nothing of it may run, what was approved before neither.")
    run = approval.request.run
    if run is not None and run.stopped_at is not None:
        raise PermitRefused(RUN_STOPPED, "A reviewer stopped this run; nothing more of it may run.")


def _recalled(approval: Approval) -> str:
    by = Recall.objects.select_related("user").get(approval=approval)
    return f"{by.user.name} recalled this at {by.recalled_at:%Y-%m-%d %H:%M:%S} UTC; nothing may run by its permit."


def _replay(use: PermitUse, approval: Approval, earlier: Consumption) -> PermitUsed:
    """The same attempt asks once more because the answer was lost; everybody else comes too late."""
    at = earlier.consumed_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    if approval.status != Status.RELEASED:
        raise PermitRefused(CONSUMED, f"The permit was used at {at}, and what came of it is reported already.")
    if earlier.attempt != use.attempt:
        raise PermitRefused(CONSUMED, f"The permit was used at {at} by another attempt; it lets nothing run twice.")
    return PermitUsed(approval, earlier, replayed=True)


def _refuse_as_over(approval: Approval) -> WorldMoved:
    """It is over though nobody used its permit: a person objected, it came back before, or its outcome was reported."""
    if PostReview.objects.filter(approval=approval, finding=PostReview.Finding.FLAGGED).exists():
        raise PermitRefused(VETOED, "A reviewer objected to this before it ran; nothing may run by its permit.")
    earlier = returns.earlier_return(approval)
    if earlier is None:
        raise PermitRefused(CONSUMED, "What came of this is reported already; it lets nothing more run.")
    return WorldMoved(*earlier)


def _used(use: PermitUse, approval: Approval, *, by: Agent, now: datetime) -> PermitUsed:
    consumption = Consumption.objects.create(
        approval=approval, jti=use.jti, agent=by, attempt=use.attempt, executor=use.executor, consumed_at=now
    )
    used = audit.move_held(
        audit.Move(
            approval.pk,
            Consumed(jti=use.jti, digest=approval.digest),
            audit.Actor.of(by),
            expect={"status": Status.RELEASED, "consumed_at": None},
            sets={"consumed_at": now},
            digests=recorded.related_digests(use=consumption),
        ),
        now=now,
    )
    used.request, used.proposal = approval.request, approval.proposal
    return PermitUsed(used, consumption)
