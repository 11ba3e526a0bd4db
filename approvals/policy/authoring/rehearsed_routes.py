"""How the routes of two policies differ for an approval, in words that show none of its content.

Said in English, as everything that policy says: it is stored with the rehearsal.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from approvals.models.approval import Route
from approvals.models.policy import CONSENTING
from approvals.policy import messages
from approvals.policy.assessed import Assessment
from approvals.policy.compiled_policy import Policy, Stage
from approvals.policy.evaluation_input import EvaluationInput
from approvals.policy.optimistic import runs_before_review
from approvals.policy.precedent.flags import LABELS
from approvals.policy.routing import route
from approvals.policy.routing_decision import AgentStanding, Routing
from approvals.policy.stages import Stages, asks_at_least

GONE = "gone"  # there is no such action type; the agent is told so
UNFIT = "unfit"  # the arguments do not fit the schema; the agent is told so

NOT_KNOWN = "There is no such action type."
UNFIT_ARGUMENTS = "The arguments do not fit the schema: {fields}."
RAISED = "The value is above the ceiling of tier {below}, so tier {tier} decides."
CURRENCY = "The currency has no rate in the policy, so the highest tier decides."
REPEATED = "It nearly repeats what a person rejected: the same answer holds."
NO_LONGER = "No longer: {said}"
# Where no reason differs it is the action type itself that does.
OWN = {
    "tier_up": "The lowest tier of the action type, or what a tier may decide, is higher.",
    "tier_down": "The lowest tier of the action type, or what a tier may decide, is lower.",
    "stages_more": "More people approve, one after the other.",
    "stages_fewer": "Fewer people approve, one after the other, or less senior ones.",
    "stages": "The same people approve in another order.",
    "typed_more": "Who approves types a value.",
    "typed_fewer": "Who approves types no value any more.",
    "approvers_more": "More people must approve.",
    "approvers_fewer": "Fewer people must approve.",
    "gate": "The gate of the action type is another.",
    "domain": "The action type belongs to another domain.",
    "silence": "Silence means something else at the deadline.",
}
_RAISED = re.compile(r"^The value .* is above the ceiling of tier (\d+) .* so tier (\d+) decides\.$")
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
    reasons: tuple[str, ...] = ()

    @property
    def required_stages(self) -> Stages:
        """Who is asked, in order."""
        return self.stages or (Stage(self.tier or 0, self.domain, self.approvers),)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "stages": [stage.as_json() for stage in self.stages]}


@dataclass(frozen=True, slots=True)
class RouteDifference:
    """An approval that two policies send different ways. Rank 0 is looked at first, 3 last."""

    approval_id: UUID
    kind: str
    rank: int
    before: RoutingOutcome
    after: RoutingOutcome
    why: str


def outcome(
    question: EvaluationInput, assessment: Assessment, policy: Policy, standing: AgentStanding
) -> RoutingOutcome:
    """Route it, and keep what two policies may differ in."""
    routing = runs_before_review(route(question, assessment, policy, standing), question)
    reasons = tuple(_bare(reason, assessment) for reason in routing.reasons)
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


def reason_for_change(before: RoutingOutcome, after: RoutingOutcome) -> str:
    """What is said of it now and was not said before; else what is no longer said; else what differs in its type."""
    new = [reason for reason in after.reasons if reason not in before.reasons]
    old = [reason for reason in before.reasons if reason not in after.reasons]
    reasons = [*new, *([NO_LONGER.format(said=" ".join(old))] if old and (not new or loosens(before, after)) else [])]
    return " ".join(reasons) or OWN.get(movement_of(before, after), "")


def _silence(question: EvaluationInput, routing: Routing) -> str:
    """What the deadline lets run, as intake agrees it where the agent wishes nothing of its own."""
    silence = question.type.silence(routing.gate)
    return "" if routing.strict or silence not in CONSENTING else str(silence)


def _bare(reason: str, assessment: Assessment) -> str:
    """The reason without what it tells of the approval: a rehearsal is read by who may not open the cards."""
    for flag in assessment.flags:
        if reason == messages.FLAG.format(text=flag.text):
            return messages.FLAG.format(text=LABELS.get(flag.name, flag.name))
    if reason.startswith(messages.ANSWERED.split("{")[0]):
        return REPEATED
    if match := _RAISED.match(reason):
        return RAISED.format(below=match[1], tier=match[2])
    return CURRENCY if reason.startswith(messages.UNKNOWN_CURRENCY.split("{")[0]) else reason
