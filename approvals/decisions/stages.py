"""The stages of an approval: who is asked in which order, and what of the row changes when it enters one of them.

A stage is a queue of its own: tier, field, time and number of people are the row's while it is in it. Whoever approved
in one stage approves in no other; a new revision or a new round starts with the first.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TypedDict

from django.utils.translation import gettext as _

from approvals.decisions import escalation
from approvals.errors import BadVerdict
from approvals.models import Approval
from approvals.models.approval import NO_CLAIM
from approvals.models.states import queue_name
from approvals.people.authorities import Authority
from approvals.policy import snapshot
from approvals.policy.stages import Stages
from approvals.values.schema import Fault, Json


def stages_column(required_stages: Stages) -> list[Json]:
    """The stages as the row stores them: an empty list where everybody is asked at once."""
    return [stage.as_json() for stage in required_stages] if len(required_stages) > 1 else []


def stage_columns(approval: Approval, required_stages: Stages, number: int, *, now: datetime) -> Mapping[str, object]:
    """The columns that change when an approval enters this stage.

    Its deadline stays; the new queue has its own time to answer.
    """
    stage = required_stages[number]
    queue = queue_name(stage.tier, stage.domain)
    columns: dict[str, object] = {
        "stages": stages_column(required_stages),
        "stage": number,
        "approvers": stage.approvers,
        "votes": 0,
        "claimed_by_id": approval.claimed_by_id,
        "claim_until": approval.claim_until,
        "snoozed_until": None,
        "tier_id": stage.tier,
        "domain_id": stage.domain,
        "tiers_visited": approval.tiers_visited,
        "queues_visited": approval.queues_visited,
        "due_at": approval.due_at,
        "hold": approval.hold,
    }
    if queue == approval.queue:
        return columns
    tiers = snapshot.load(approval.policy_id).tiers_in(stage.domain)
    return {
        **columns,
        **NO_CLAIM,
        "tiers_visited": [*approval.tiers_visited, stage.tier],
        "queues_visited": [*approval.queues_so_far, queue],
        "due_at": escalation.due_of(approval, tiers, stage.tier, now=now),
        "hold": tiers[stage.tier].hold,
    }


def refuse_beyond_authority(approval: Approval, required_stages: Stages, authority: Authority) -> None:
    """Whoever changes it must be able to decide a stage of what it becomes. Raises BadVerdict."""
    if not any(authority.reaches(stage.tier, stage.domain) for stage in required_stages):
        tier = next(
            (stage.tier for stage in required_stages if stage.domain == approval.domain_id), required_stages[0].tier
        )
        raise BadVerdict([Fault("/args", _("This change needs tier %(tier)d, which is above yours.") % {"tier": tier})])


def escalated_columns(approval: Approval, tier: int) -> Mapping[str, object]:
    """The columns that record that its present stage now belongs to another tier."""
    stages = [dict(stage) for stage in approval.stages]
    if stages:
        stages[approval.stage]["tier"] = tier
    before = approval.queues_visited
    return {
        "stages": stages,
        "tiers_visited": [*approval.tiers_visited, tier],
        "queues_visited": [*before, queue_name(tier, approval.domain_id)] if before else [],
    }


class StageNumber(TypedDict, total=False):
    """Facts of a vote or a move: which stage it was in, counted from 1. Nothing where there is but one."""

    stage: int
    stages: int


def number_of_stage(required_stages: Stages, number: int) -> StageNumber:
    """What history says of the stage that a verdict was given in."""
    return {"stage": number + 1, "stages": len(required_stages)} if len(required_stages) > 1 else {}


class ChangeOfStage(TypedDict, total=False):
    """Facts of going to a stage: the tiers from and to, and the fields where that is another."""

    from_tier: int
    to_tier: int
    from_domain: str
    to_domain: str
    due_at: datetime


def change_of_stage(approval: Approval, required_stages: Stages, number: int, due_at: object) -> ChangeOfStage:
    """What history says of going to a stage."""
    stage = required_stages[number]
    change: ChangeOfStage = {"from_tier": approval.tier_id, "to_tier": stage.tier}
    if stage.domain != approval.domain_id:
        change |= {"from_domain": approval.domain_id, "to_domain": stage.domain}
    if isinstance(due_at, datetime):
        change["due_at"] = due_at
    return change
