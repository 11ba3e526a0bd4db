"""Shadow mode: what a person would have been asked, or the agent refused, passes and is recorded instead.

For an action type, or for one agent with it. It asks nobody; it does not undo what policy forbids: a rule that refuses
still refuses, and one that would refuse and could not be evaluated still asks. Nor does it pass what cannot be undone,
a manual gate, what people brought the breaker down on, a paused agent, a stopped run, or arguments that did not parse.
A score too low to be asked about passes: that refusal tells the agent to reformulate, and forbids nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from approvals.models.approval import Route
from approvals.models.policy import Gate, Reversibility, Rule
from approvals.policy import words
from approvals.policy.codes import POLICY_VIOLATION, SHADOW
from approvals.policy.schema import Json

if TYPE_CHECKING:
    from approvals.policy.assess import Assessment
    from approvals.policy.history import Question
    from approvals.policy.planning import Step
    from approvals.policy.routing import Routing, Standing


def holds(routing: "Routing", question: "Question", assessment: "Assessment", standing: "Standing") -> bool:
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


def passed(routing: "Routing") -> "Routing":
    """The same let through, with what would have been asked beside it."""
    return replace(
        routing,
        route=Route.AUTO,
        reason_code=SHADOW,
        reasons=[said(routing), *routing.reasons],
        strict=False,
        shadowed=record(routing),
    )


def of_plan(routing: "Routing", steps: "Sequence[Step]") -> "Routing":
    """The route of a plan some of whose parts pass by shadow mode: it names each, or asks where another part does."""
    if routing.route != Route.AUTO:
        return replace(routing, shadowed=None)
    found = [one for one in (routing.shadowed, *(step.routing.shadowed for step in steps)) if one is not None]
    if not found:
        return routing
    tier = max(int(str(one["tier"])) for one in found)
    hardest = max(found, key=lambda one: (one["route"] == Route.REJECT, one["tier"]))
    reasons = [str(text) for text in _texts(routing.shadowed)]
    for number, step in enumerate(steps, start=1):
        reasons += [
            words.STEP_SAYS.format(number=number, action=step.title, text=text)
            for text in _texts(step.routing.shadowed)
        ]
    refused = hardest["route"] == Route.REJECT
    first = words.SHADOW_REFUSES if refused else words.SHADOW.format(tier=tier)
    approvers = max(int(str(one["approvers"])) for one in found)
    told = {**hardest, "tier": tier, "approvers": approvers, "reasons": list[Json](reasons)}
    return replace(routing, reason_code=SHADOW, reasons=[first, *reasons], shadowed=told)


def _texts(shadowed: Mapping[str, Json] | None) -> Sequence[Json]:
    texts = (shadowed or {}).get("reasons")
    return texts if isinstance(texts, list) else []


def record(routing: "Routing") -> Mapping[str, Json]:
    """What would have been asked, as it is stored and shown."""
    return {
        "route": str(routing.route),
        "gate": str(routing.gate),
        "tier": routing.tier,
        "approvers": routing.approvers,
        "stages": [stage.as_json() for stage in routing.stages],
        "reason_code": routing.reason_code,
        "reasons": list(routing.reasons),
    }


def said(routing: "Routing") -> str:
    if routing.route == Route.REJECT:
        return words.SHADOW_REFUSES
    return words.SHADOW.format(tier=routing.tier)
