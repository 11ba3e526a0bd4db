"""Tries a condition on the latest approvals while it is written, and counts how often it would have been true.

The newest approvals of an action type, as they were proposed; what history said is taken as it was recorded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from approvals.models import ActionType, Approval, Proposal
from approvals.models.states import ItemType, Kind
from approvals.policy.evaluation_input import RunPast, run_facts
from approvals.policy.rules.expressions import Expression, Facts
from approvals.policy.rules.operands import SIGNALS
from approvals.values.schema import Json, pick

LAST = 200


@dataclass(frozen=True, slots=True)
class ConditionTally:
    """Of `looked` approvals it was true of `held`, and could not be told of `failed`."""

    looked: int
    held: int
    failed: int


def try_condition(expression: Expression, type: ActionType | None) -> ConditionTally:
    """Try it on the last approvals of an action type, or of all. Three queries, however long the past is."""
    approvals = Approval.objects.filter(kind=Kind.REAL, item_type=ItemType.ACTION)
    if type is not None:
        approvals = approvals.filter(action_type=type)
    rows = list(
        approvals.select_related("agent", "action_type", "request__run")
        .defer("action_type__schema")
        .order_by("-created_at", "-id")[:LAST]
    )
    # What the agent proposed, not what a reviewer made of it; what was erased says nothing.
    proposals = {
        proposal.approval_id: proposal
        for proposal in Proposal.objects.filter(approval__in=[row.pk for row in rows], author=None, parsed=True)
        .order_by("approval_id", "-revision")
        .distinct("approval_id")
        .only("approval_id", "args", "context")
    }
    answers = [expression.holds(_facts(row, proposals[row.pk])) for row in rows if row.pk in proposals]
    return ConditionTally(len(answers), answers.count(True), answers.count(None))


def _facts(approval: Approval, proposal: Proposal) -> Facts:
    stored: Mapping[str, Any] = approval.assessment
    path = approval.action_type.currency_path if approval.action_type else ""
    currency: Json = pick(proposal.args, path) if path else ""
    run = approval.request.run
    past: Mapping[str, Any] = stored.get("run") or {}
    return Facts(
        args=proposal.args,
        value=approval.value,
        currency=currency if isinstance(currency, str) else "",
        agent=approval.agent.name,
        action=approval.action_type_id or "",
        signals={one["name"]: one["value"] for one in stored.get("signals", ()) if one["name"] in SIGNALS},
        context=proposal.context or {},
        run=run_facts(
            run.key if run else "",
            run.name if run else "",
            approval.request.step,
            RunPast(past["proposed"], past["rejected"], past["steps"], timedelta(seconds=past["since"]))
            if past
            else RunPast(),
        ),
        now=approval.created_at,
    )
