"""Plans: what an approved one lets its agent do without asking again, and what its agent is told of it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from approvals.db import bulk
from approvals.models import Approval, PlannedStep, Proposal
from approvals.models.policy import Gate, Verdict
from approvals.models.states import ItemType, Kind, Status
from approvals.policy import snapshot
from approvals.values import schema
from approvals.values.schema import Json

_PASSES = (Verdict.APPROVE, Verdict.MODIFY)


def write_planned_steps(approvals: Sequence[Approval]) -> None:
    """Write the steps of those among some approvals that are plans and were released to run. Twice is once."""
    rows = [
        row
        for approval in approvals
        if approval.item_type == ItemType.PLAN
        for row in rows_of(
            approval, snapshot.load(approval.policy_id).types[approval.action_type_id or ""].permit_valid
        )
    ]
    bulk.insert_new(rows)


def rows_of(approval: Approval, valid: timedelta) -> list[PlannedStep]:
    """The unsaved steps of a released plan, each good for one use within `valid` of the release."""
    proposal = approval.proposal
    released = approval.status == Status.RELEASED and approval.verdict in _PASSES
    if approval.item_type != ItemType.PLAN or not released or proposal is None or approval.released_at is None:
        return []
    if approval.kind != Kind.REAL:
        return []
    return [
        PlannedStep(
            plan_id=approval.pk,
            agent_id=approval.agent_id,
            step=str(step["id"]),
            position=position,
            action=action_of(step),
            digest=digest,
            depends_on=needs_of(step),
            undo=step.get("undo"),
            expires_at=approval.released_at + valid,
        )
        for position, (step, digest) in enumerate(_steps(proposal))
        if verdict_of(step) in _PASSES
    ]


def api_plan(proposal: Proposal) -> dict[str, Json]:
    """The plan as its agent reads it: the steps in the approved order, removed ones absent, rejected ones named."""
    return {
        "steps": [
            {
                "id": step["id"],
                "verdict": verdict_of(step),
                "action": action_of(step) if verdict_of(step) in _PASSES else None,
                "action_digest": digest if verdict_of(step) in _PASSES else None,
                "depends_on": needs_of(step),
                "undo": step.get("undo"),
                "message": step.get("message"),
            }
            for step, digest in _steps(proposal)
        ]
    }


def verdict_of(step: Mapping[str, Json]) -> str:
    """A person's verdict on a step; what nobody touched is approved with its plan."""
    return str(step.get("verdict") or Verdict.APPROVE)


def needs_of(step: Mapping[str, Json]) -> list[str]:
    """The ids of the steps that come before it."""
    needs = step.get("depends_on")
    return [str(need) for need in needs] if isinstance(needs, list | tuple) else []


def running(proposal: Proposal) -> list[Mapping[str, Json]]:
    """What policy says of the steps that shall run, in their order."""
    passing = {str(step["id"]) for step in proposal.steps if verdict_of(step) in _PASSES}
    return [one for one in proposal.assessed if str(one["id"]) in passing]


def action_of(step: Mapping[str, Json]) -> dict[str, Json]:
    """Name and arguments; an agent may leave the arguments out where there are none."""
    action = step.get("action")
    sent = action if isinstance(action, Mapping) else {}
    return {"name": sent.get("name"), "args": sent.get("args", {})}


def to_type(approval: Approval, proposal: Proposal) -> str:
    """What is typed before it is approved: the value of the step for whose sake that is so, else that step's name."""
    types = snapshot.load(approval.policy_id).types
    manual = {str(one["id"]) for one in proposal.assessed if one["gate"] == Gate.MANUAL or one.get("typed")}
    for step in proposal.steps:
        action = action_of(step)
        kind = types.get(str(action["name"]))
        if str(step["id"]) not in manual or kind is None:
            continue
        for path in (kind.value_path, kind.subject_path):
            picked = schema.pick(action["args"], path) if path else None
            if picked is not None:
                return str(picked)
        return kind.name
    return approval.action_type_id or ""


def _steps(proposal: Proposal) -> list[tuple[Mapping[str, Json], str]]:
    """Each step with the digest of its action, as policy computed it when it classified the step."""
    digests = {str(one["id"]): str(one["digest"]) for one in proposal.assessed}
    return [(step, digests.get(str(step["id"]), "")) for step in proposal.steps]
