"""Shadow mode: what a person would have been asked, or the agent refused, passes and is recorded instead.

For an action type, or for one agent with it. It asks nobody; it does not undo what policy forbids: a rule that refuses
still refuses, and one that would refuse and could not be evaluated still asks. Nor does it pass what cannot be undone,
a manual gate, what people brought the breaker down on, a paused agent, a stopped run, or arguments that did not parse.
A score too low to be asked about passes: that refusal tells the agent to reformulate, and forbids nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from approvals.models.policy import Gate, Reversibility
from approvals.models.rule import Rule
from approvals.models.states import Route
from approvals.policy import reasons
from approvals.policy.assessed import Assessment
from approvals.policy.evaluation_input import EvaluationInput
from approvals.policy.reasons import Reason
from approvals.policy.routing_codes import POLICY_VIOLATION, SHADOW
from approvals.policy.routing_decision import AgentStanding, EvaluatedStep, Routing
from approvals.values.schema import Json


def applies(routing: Routing, question: EvaluationInput, assessment: Assessment, standing: AgentStanding) -> bool:
    """Whether this would be asked or refused, and passes because of shadow mode."""
    kind = question.type
    if not (standing.shadow or kind.shadow) or routing.route == Route.AUTO:
        return False
    if standing.paused or standing.stopped or standing.halted or standing.breaker_open or question.unchecked:
        return False
    if any(match.effect == Rule.Effect.BLOCK for match in assessment.matched):
        return False
    if kind.by_law:
        return False
    if routing.route == Route.REJECT and routing.reason_code == POLICY_VIOLATION:
        return False  # what repeats a person's rejection is answered as it was
    return kind.reversibility != Reversibility.IRREVERSIBLE and Gate.MANUAL not in (kind.gate, routing.gate)


def let_through(routing: Routing) -> Routing:
    """The same let through, with what would have been asked beside it."""
    return replace(
        routing,
        route=Route.AUTO,
        reason_code=SHADOW,
        reasons=[_first_reason(routing), *routing.reasons],
        strict=False,
        shadowed=record(routing),
    )


def of_plan(routing: Routing, steps: Sequence[EvaluatedStep]) -> Routing:
    """The route of a plan some of whose parts pass by shadow mode: it names each, or asks where another part does."""
    if routing.route != Route.AUTO:
        return replace(routing, shadowed=None)
    shadowed_parts = [one for one in (routing.shadowed, *(step.routing.shadowed for step in steps)) if one is not None]
    if not shadowed_parts:
        return routing
    tier = max(int(str(part["tier"])) for part in shadowed_parts)
    hardest = max(shadowed_parts, key=lambda part: (part["route"] == Route.REJECT, part["tier"]))
    shadowed_reasons = _reasons(routing.shadowed)
    for number, step in enumerate(steps, start=1):
        shadowed_reasons += [reasons.OfStep(number, step.title, reason) for reason in _reasons(step.routing.shadowed)]
    refused = hardest["route"] == Route.REJECT
    first = reasons.ShadowRefuses() if refused else reasons.ShadowAsks(tier)
    approvers = max(int(str(part["approvers"])) for part in shadowed_parts)
    shadowed_whole = {**hardest, "tier": tier, "approvers": approvers, "reasons": reasons.as_json(shadowed_reasons)}
    return replace(routing, reason_code=SHADOW, reasons=[first, *shadowed_reasons], shadowed=shadowed_whole)


def _reasons(shadowed: Mapping[str, Json] | None) -> list[Reason]:
    rows = (shadowed or {}).get("reasons")
    return reasons.read(row for row in rows if isinstance(row, Mapping)) if isinstance(rows, list) else []


def record(routing: Routing) -> Mapping[str, Json]:
    """What would have been asked, as it is stored and shown."""
    return {
        "route": str(routing.route),
        "gate": str(routing.gate),
        "tier": routing.tier,
        "approvers": routing.approvers,
        "stages": [stage.as_json() for stage in routing.stages],
        "reason_code": routing.reason_code,
        "reasons": reasons.as_json(routing.reasons),
    }


def _first_reason(routing: Routing) -> Reason:
    return reasons.ShadowRefuses() if routing.route == Route.REJECT else reasons.ShadowAsks(routing.tier)
