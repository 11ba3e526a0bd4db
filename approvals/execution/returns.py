"""When the world moved between the verdict and the run: the approval ends there, and people are asked again.

The new request is taken by intake like any other, with what was approved as its proposal and what the executor saw as
its preconditions; a person decides it, whatever policy would do with a first one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from approvals.execution import spending
from approvals.history import audit, recorded
from approvals.history.facts import Returned
from approvals.models import Agent, Approval, AuditEvent, Outcome, Proposal
from approvals.models.states import Source, Status
from approvals.policy.reasons import WorldMoved
from approvals.policy.stages import required_stages_of
from approvals.requests import intake
from approvals.requests.submission import Receipt, ReturnedFrom, RunRef, Submission, as_item
from approvals.values import schema
from approvals.values.schema import Json

# Of the request: what goes back to people as it was, and what is the new one's own. It is decided by itself, a person
# decides it whatever silence would have meant, and who asks is who asked.
COPIED = frozenset(
    {"items", "run", "timeout", "model", "prompt_version", "tool_version", "resume", "callback_url", "labels"}
)
OWN = frozenset({"content_hash", "key", "decide", "on_timeout", "returned"})


def moved_preconditions(approved: Mapping[str, Json], observed: Mapping[str, Json]) -> list[str]:
    """The preconditions that no longer are as they were; of another kind is another value (true is not 1)."""
    return [name for name, value in approved.items() if schema.canonical(value) != schema.canonical(observed[name])]


def bring_back(
    approval: Approval, jti: UUID, moved: Sequence[str], observed: Mapping[str, Json], *, by: Agent, now: datetime
) -> Approval | None:
    """End a released approval whose preconditions `moved`, and ask people again; what was `observed` is what now is.

    Returns the new approval, None where policy takes the request no more. Inside the transaction that holds the
    approval's row.
    """
    # Ended first: to the flags of the new one, the old one must not look like a twin that still may run.
    _end(approval, moved, by=by, now=now)
    proposal = approval.proposal
    if proposal is None:  # erased: there is nothing left to ask about
        return None
    seen = {name: observed[name] for name in proposal.preconditions}
    [answer] = intake.submit(by, [_submission(approval, proposal, jti, seen, moved)])
    return answer.approvals[0] if isinstance(answer, Receipt) else None


def earlier_return(approval: Approval) -> tuple[list[str], Approval | None] | None:
    """What moved and what came of it, of an approval that was brought back before; None of any other."""
    event = AuditEvent.objects.filter(approval=approval, kind=AuditEvent.Kind.RETURNED).first()
    if event is None:
        return None
    new = Approval.objects.select_related("request").filter(returned_from=approval).first()
    return list(Returned.of_event(event).moved), new


def returned_of(approval: Approval) -> ReturnedFrom | None:
    """That it was approved before, to whoever routes it once more: with all that is asked of it. None of any other."""
    if approval.returned_from_id is None:
        return None
    event = AuditEvent.objects.get(approval=approval.returned_from_id, kind=AuditEvent.Kind.RETURNED)
    return ReturnedFrom(
        approval=approval.returned_from_id,
        originally_approved_by=approval.originally_approved_by_id,
        required_stages=required_stages_of(approval),
        typed=approval.typed,
        gate=approval.gate,
        reason=WorldMoved(Returned.of_event(event).moved),
    )


def _submission(
    approval: Approval, proposal: Proposal, jti: UUID, seen: Mapping[str, Json], moved: Sequence[str]
) -> Submission:
    request, run = approval.request, approval.request.run
    ends = approval.expires_at
    item = replace(
        as_item(approval, proposal),
        allowed=tuple(approval.allowed),
        value=approval.value,
        subject=approval.subject,
        current=_current(proposal.current, seen),
        preconditions=seen,
    )
    human = approval.source == Source.HUMAN
    return Submission(
        items=(item,),
        content_hash=schema.digest_of({"returned_from": str(approval.pk), "preconditions": seen}),
        key=f"returned:{jti}",
        run=RunRef(run.key, run.name, request.step) if run else None,
        timeout=ends - approval.created_at if ends else None,
        model=approval.agent_model,
        prompt_version=approval.prompt_version,
        tool_version=approval.tool_version,
        resume=request.resume,
        callback_url=request.callback_url,
        labels=request.labels,
        returned=ReturnedFrom(
            approval=approval.pk,
            originally_approved_by=approval.decided_by_id if human else None,
            required_stages=required_stages_of(approval),
            typed=approval.typed,
            gate=approval.gate,
            reason=WorldMoved(tuple(moved)),
        ),
    )


def _current(before: Json, seen: Mapping[str, Json]) -> Json:
    """The present state for the comparison, with what the executor saw in it."""
    if not isinstance(before, Mapping):
        return before
    return {name: seen.get(name, value) for name, value in before.items()}


def _end(approval: Approval, moved: Sequence[str], *, by: Agent, now: datetime) -> None:
    outcome = Outcome.objects.create(approval=approval, result=Outcome.Result.SKIPPED, reported_at=now)
    audit.move_held(
        audit.Move(
            approval.pk,
            Returned(moved=tuple(moved)),
            audit.Actor.of(by),
            expect={"status": Status.RELEASED, "consumed_at": None},
            sets={"status": Status.SKIPPED},
            digests=recorded.related_digests(outcome=outcome),
        ),
        now=now,
    )
    spending.give_back(approval, Outcome.Result.SKIPPED)
