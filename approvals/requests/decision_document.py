"""The decision document: what the agent reads once its request is closed, the same bytes at every reading."""

import json
from collections.abc import Iterable, Mapping, Sequence

from django.db.models import Q

from approvals.execution import permits, plans, runs
from approvals.models import Approval, ApprovalRequest, Decision, Recall, User
from approvals.models.policy import Verdict
from approvals.models.states import DECIDED, OPEN, RUNNING, ItemType, Source, Status
from approvals.policy import messages, snapshot
from approvals.policy.compiled_policy import Policy
from approvals.policy.stages import required_stages_of
from approvals.values.compact import compact
from approvals.values.schema import Json

NOBODY_DECIDED = "Nobody decided before the deadline."
WITHDRAWN = "The agent withdrew this request."
REPLACED = "The agent replaced this request."
RECALLED = "A reviewer recalled this approval before it ran. It must not run."

_UNDECIDED_STATUS: Mapping[str, tuple[str, str]] = {
    Status.EXPIRED: ("expired", NOBODY_DECIDED),
    Status.CANCELLED: ("cancelled", WITHDRAWN),
    Status.SUPERSEDED: ("cancelled", REPLACED),
}


def decision_document(
    request: ApprovalRequest,
    approvals: Iterable[Approval],
    decisions: Mapping[object, Decision],
    *,
    agent: str,
    policies: Mapping[int, Policy],
) -> str:
    """The closed request as JSON text.

    `decisions` maps an approval's id to the decision that stands, `policies` holds the versions they arrived under,
    `agent` is the agent's name.
    """
    return _text(
        {
            "request": str(request.pk),
            "status": request.status,
            "items": [
                item_document(approval, decisions.get(approval.pk), request, agent=agent, policies=policies)
                for approval in approvals
            ],
            "resume": request.resume,
        }
    )


def newest_document(request: ApprovalRequest) -> str:
    """The decision document that holds now, as JSON text; "" while the request is open."""
    return request.recalled_answer or request.answer


def recalled_document(request: ApprovalRequest, approvals: Iterable[Approval]) -> str:
    """The next decision document of a closed request: as the newest one, with these of its items recalled."""
    decision_document = json.loads(newest_document(request))
    recalled = {approval.item: _recalled(approval) for approval in approvals}
    decision_document["items"] = [recalled.get(item["id"], item) for item in decision_document["items"]]
    return _text(decision_document)


def _text(document: Mapping[str, Json]) -> str:
    return compact(document)


def _recalled(approval: Approval) -> dict[str, Json]:
    """A recalled approval: no verdict and no permit, but who took it back, and why."""
    recall = Recall.objects.select_related("user").get(approval=approval)
    return {
        "id": approval.item,
        "status": "recalled",
        "verdict": None,
        "source": None,
        "action": None,
        "permit": None,
        "plan": None,
        "reason": recall.reason,
        "message": recall.message or RECALLED,
        "recalled_at": recall.recalled_at.isoformat(),
        "recalled_by": {"tier": recall.tier_id, "name": recall.user.name},
    }


def open_document(request: ApprovalRequest, questions: Sequence[Json] = ()) -> dict[str, Json]:
    """What an open request can say: with *independently*, the items that are settled already; and what is asked."""
    settled: list[Json] = []
    if request.decide == ApprovalRequest.Decide.INDEPENDENTLY:
        approvals = [approval for approval in approvals_of([request]) if approval.status not in OPEN]
        decisions = standing_decisions(approvals)
        policies = policies_of(approvals)
        settled = [
            item_document(approval, decisions.get(approval.pk), request, agent=approval.agent.name, policies=policies)
            for approval in approvals
        ]
    partial_document: dict[str, Json] = {"request": str(request.pk), "status": request.status, "items": settled}
    if questions:
        partial_document["questions"] = list(questions)
    return partial_document


# A decision that was neither undone while it was held nor recalled after its release.
STANDS = Q(undone_at=None, recalled_at=None)

# What else was said of it: no answer repeats that, and reading it took most of the time.
_DEFERRED = (
    *("assessment", "proposal__context", "proposal__current", "proposal__preconditions"),
    *("proposal__alternatives", "proposal__signals", "proposal__schema", "proposal__reasoning", "proposal__summary"),
    *("action_type__schema", "action_type__weights", "action_type__flags"),
)


def approvals_of(requests: Iterable[ApprovalRequest], *, whole: bool = True) -> list[Approval]:
    """The approvals of some requests in the agent's order, with what a document reads of them, or without the rest."""
    approvals = Approval.objects.filter(request__in=requests).order_by("request_id", "position")
    approvals = approvals.select_related("proposal", "decided_by", "action_type", "agent")
    return list(approvals if whole else approvals.defer(*_DEFERRED))


def standing_decisions(approvals: Iterable[Approval]) -> dict[object, Decision]:
    """The decisions that stand, by approval id."""
    decisions = Decision.objects.filter(STANDS, approval__in=approvals).select_related("user")
    return {decision.approval_id: decision for decision in decisions}


def policies_of(approvals: Iterable[Approval]) -> dict[int, Policy]:
    """The policy versions that some approvals arrived under."""
    return {number: snapshot.load(number) for number in {approval.policy_id for approval in approvals}}


def item_document(
    approval: Approval,
    decision: Decision | None,
    request: ApprovalRequest,
    *,
    agent: str,
    policies: Mapping[int, Policy],
) -> dict[str, Json]:
    """One settled approval in the words of the API; what may run carries its permit."""
    if approval.status == Status.RECALLED:
        return _recalled(approval)
    if approval.status not in DECIDED or decision is None:
        status, message = _UNDECIDED_STATUS[approval.status]
        if approval.status == Status.CANCELLED and runs.is_stopped(request.run_id):
            message = runs.STOPPED
        return {"id": approval.item, "status": status, "verdict": None, "source": None, "message": message}
    proposal = approval.proposal
    may_run = decision.verdict in (Verdict.APPROVE, Verdict.MODIFY)
    api_item: dict[str, Json] = {
        "id": approval.item,
        "status": "decided",
        "verdict": decision.verdict,
        "alternative": decision.alternative or None,
        "source": decision.source,
        "action": None,
        "action_digest": approval.digest,
        "permit": None,
        "answer": decision.answer,
        "message": messages.message_of(approval, decision),
        "stop": decision.stop,
        "remember": decision.remember,
        "compensate": [],
        "plan": None,
        "guidance": decision.guidance or None,
        "decided_at": decision.decided_at.isoformat(),
        "decided_by": None,
        "approved_by": approved_by(approval) if may_run and decision.source == Source.HUMAN else [],
        "policy_version": approval.policy_id,
    }
    if decision.refused_by_policy:
        api_item["reasons"] = messages.documents(approval.reasons)
    if approval.shadowed is not None:
        api_item["shadow"] = messages.shadow_document(approval.shadowed)
    if decision.verdict == Verdict.REJECT and request.run_id is not None:
        api_item["compensate"] = runs.compensations(request.run_id)
    if decision.source == Source.HUMAN and decision.user is not None:
        api_item["decided_by"] = {"tier": decision.tier_id, "name": decision.user.name}
    if may_run and proposal is not None and approval.item_type == ItemType.ACTION:
        api_item["action"] = {"name": proposal.name, "args": proposal.args}
        kind = policies[approval.policy_id].types.get(proposal.name)
        if approval.kind in RUNNING and kind is not None:
            api_item["permit"] = permits.permit_for(
                approval, decision, agent=agent, schema_version=kind.schema_version, valid=kind.permit_valid
            )
    if may_run and proposal is not None and approval.item_type == ItemType.PLAN:
        api_item["plan"] = plans.api_plan(proposal)
    return api_item


def approved_by(approval: Approval) -> list[Json]:
    """Everybody who approved what it now proposes, in order: name, tier, field, and the stage where there are any."""
    if approval.approvers == 1 and not approval.stages:
        approver = approval.decided_by if approval.verdict in (Verdict.APPROVE, Verdict.MODIFY) else None
        return [] if approver is None else [_approver(approver, approval.tier_id, approval.domain_id, None)]
    required_stages = required_stages_of(approval)
    cast = approval.cast.filter(revision=approval.revision, round=approval.round).select_related("user")
    return [
        _approver(
            vote.user,
            required_stages[vote.stage].tier,
            required_stages[vote.stage].domain,
            vote.stage + 1 if approval.stages else None,
        )
        for vote in cast.order_by("stage", "created_at", "pk")
    ]


def _approver(user: User, tier: int, domain: str, stage: int | None) -> dict[str, Json]:
    return {"name": user.name, "tier": tier, "domain": domain, "stage": stage}
