"""How the routes of two policies differ for an approval, by reasons that show none of its content."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from approvals.models.policy import CONSENTING
from approvals.models.states import Route
from approvals.policy import flag_reasons, reasons, rehearsal_reasons
from approvals.policy.assessed import Assessment
from approvals.policy.compiled_policy import Policy, Stage
from approvals.policy.evaluation_input import EvaluationInput
from approvals.policy.optimistic import runs_before_review
from approvals.policy.reasons import Reason
from approvals.policy.routing import route
from approvals.policy.routing_decision import AgentStanding, Routing
from approvals.policy.stages import Stages, asks_at_least
from approvals.values.stored import fields_json

GONE = "gone"  # there is no such action type; the agent is told so
UNFIT = "unfit"  # the arguments do not fit the schema; the agent is told so

_FREEDOM = {Route.AUTO.value: 2, Route.REVIEW.value: 1}


@dataclass(frozen=True, slots=True)
class RoutingOutcome:
    """Where one policy sends an approval. All but the route and the reasons only where a person decides.

    With `stages`, tier, approvers and domain are those of the first.
    """

    route: str
    tier: int | None = None
    approvers: int = 1
    gate: str = ""
    domain: str = ""
    silence: str = ""  # a Silence that lets it run at the deadline, else nothing
    stages: Stages = ()
    typed: bool = False
    reasons: tuple[Reason, ...] = ()

    @property
    def required_stages(self) -> Stages:
        """Who is asked, in order."""
        return self.stages or (Stage(self.tier or 0, self.domain, self.approvers),)

    def as_json(self) -> dict[str, Any]:
        return fields_json(self)


@dataclass(frozen=True, slots=True)
class RouteDifference:
    """An approval that two policies send different ways. Rank 0 is looked at first, 3 last."""

    approval_id: UUID
    kind: str
    rank: int
    before: RoutingOutcome
    after: RoutingOutcome
    why: Sequence[Reason]


def outcome(
    question: EvaluationInput, assessment: Assessment, policy: Policy, standing: AgentStanding
) -> RoutingOutcome:
    """Route it, and keep what two policies may differ in."""
    routing = runs_before_review(route(question, assessment, policy, standing), question)
    reasons = tuple(_bare(reason) for reason in routing.reasons)
    if routing.route != Route.REVIEW:
        return RoutingOutcome(routing.route, reasons=reasons)
    return RoutingOutcome(
        routing.route,
        tier=routing.tier,
        approvers=routing.approvers,
        gate=routing.gate,
        domain=routing.domain or question.type.domain,
        silence=_silence(question, routing),
        stages=routing.stages,
        typed=routing.typed,
        reasons=reasons,
    )


def movement_of(before: RoutingOutcome, after: RoutingOutcome) -> str:
    """How it moves, in a word: `review_auto`, `tier_up`, `silence`; empty where it stays."""
    if before.route != after.route:
        return f"{before.route}_{after.route}"
    if before.stages != after.stages:
        return _kind_of_stages(before.required_stages, after.required_stages)
    if before.tier != after.tier:
        return "tier_up" if (after.tier or 0) > (before.tier or 0) else "tier_down"
    if before.approvers != after.approvers:
        return "approvers_more" if after.approvers > before.approvers else "approvers_fewer"
    if before.typed != after.typed:
        return "typed_more" if after.typed else "typed_fewer"
    return next((name for name in ("gate", "domain", "silence") if getattr(before, name) != getattr(after, name)), "")


def _kind_of_stages(before: Stages, after: Stages) -> str:
    """Whatever lacks something that was asked is fewer: less stands between the agent and the world."""
    if not asks_at_least(after, before):
        return "stages_fewer"
    return "stages" if asks_at_least(before, after) else "stages_more"


def loosens(before: RoutingOutcome, after: RoutingOutcome) -> bool:
    """Less stands between the agent and the world than before."""
    if before.route != after.route:
        return _FREEDOM.get(after.route, 0) > _FREEDOM.get(before.route, 0)
    fewer = movement_of(before, after) in ("tier_down", "approvers_fewer", "stages_fewer")
    fewer = fewer or (before.typed and not after.typed)
    return fewer or bool(after.silence and not before.silence)


def reasons_for_change(before: RoutingOutcome, after: RoutingOutcome) -> list[Reason]:
    """The reasons of now that there were not before, else those that there are no longer; none: its type differs."""
    new = [reason for reason in after.reasons if reason not in before.reasons]
    old = tuple(reason for reason in before.reasons if reason not in after.reasons)
    return [*new, *([reasons.NoLonger(old)] if old and (not new or loosens(before, after)) else [])]


def _silence(question: EvaluationInput, routing: Routing) -> str:
    """What the deadline lets run, as intake agrees it where the agent wishes nothing of its own."""
    silence = question.type.silence(routing.gate)
    return "" if routing.strict or silence not in CONSENTING else str(silence)


def _bare(reason: Reason) -> Reason:
    """The reason without what it tells of the approval: a rehearsal is read by who may not open the cards."""
    match reason:
        case flag_reasons.Flagged(flag=flag):
            return rehearsal_reasons.FlagIsUp(flag.name)
        case reasons.AnsweredBefore():
            return rehearsal_reasons.RepeatsRejected()
        case reasons.ValueAboveCeiling(below=below, tier=tier):
            return rehearsal_reasons.ValueRaisesTier(below, tier)
        case reasons.UnknownCurrency():
            return rehearsal_reasons.CurrencyWithoutRate()
        case _:
            return reason
