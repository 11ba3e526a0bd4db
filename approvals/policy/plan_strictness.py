"""A plan is as strict as its strictest step: each step is classified like an action of its own, then all together."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from approvals.models.policy import Gate, Impact, Reversibility
from approvals.models.states import Route
from approvals.policy import flag_reasons, reasons, shadow, stages
from approvals.policy.assessed import Assessment
from approvals.policy.compiled_policy import Stage
from approvals.policy.routing import strictest
from approvals.policy.routing_codes import HIGH_RISK
from approvals.policy.routing_decision import EvaluatedStep, Routing
from approvals.policy.stages import Stages

_ROUTES = (Route.AUTO, Route.REVIEW, Route.REJECT)
_LOSSES = (Reversibility.REVERSIBLE, Reversibility.PARTIAL, Reversibility.IRREVERSIBLE)
_IMPACTS = (Impact.LOW, Impact.MEDIUM, Impact.HIGH)


def plan_routing(own: Routing, steps: Sequence[EvaluatedStep]) -> Routing:
    """The route of a plan: its own, or that of a step that asks for more.

    A refused step refuses the plan and is named. Otherwise: the highest tier, the strictest gate, the most approvers,
    the stages of all, a typed value and a person where any step asks for one.
    """
    parts = [own, *(step.routing for step in steps)]
    worst = max(parts, key=lambda part: _ROUTES.index(Route(part.route)))
    named = [
        reasons.OfStep(number, step.title, reason)
        for number, step in enumerate(steps, start=1)
        for reason in step.routing.reasons
        if _explains_plan(step.routing, own, worst)
    ]
    if worst.route == Route.REJECT:
        return replace(
            own,
            route=Route.REJECT,
            reason_code=worst.reason_code,
            reasons=list(named) or list(own.reasons),
            quoted_message=worst.quoted_message,
            shadowed=None,
        )
    strict = any(part.strict for part in parts)
    # Silence lets a soft plan run, so nothing that a step of it needs a yes for may wait there.
    gate = strictest(part.gate for part in parts)
    if gate in (Gate.SOFT, Gate.CLARIFY) and (strict or hardest_reversibility(steps) != Reversibility.REVERSIBLE):
        gate = Gate.HARD
    tier = max(part.tier for part in parts)
    required_stages = _combined_stages(own, steps)
    all_reasons = [*(own.reasons if own.route == worst.route else ()), *named]
    whole = replace(
        own.asking(required_stages),
        route=worst.route,
        gate=gate,
        reason_code=HIGH_RISK if tier > own.tier else worst.reason_code,
        reasons=reasons.unique([*all_reasons, *stages.reasons_of(required_stages)]),
        approvable=all(part.approvable for part in parts),
        strict=strict,
        typed=any(part.typed for part in parts),
    )
    return shadow.of_plan(whole, steps)


def _combined_stages(own: Routing, steps: Sequence[EvaluatedStep]) -> Stages:
    """Who is asked for the whole of it, in order. Without stages: one tier, of the field that asks for the highest."""
    field = plan_domain(steps)
    staged: Stages = ()
    for part_stages in (own.stages, *(step.routing.stages for step in steps)):
        staged = stages.merged_with(staged, part_stages) if staged and part_stages else staged or part_stages
    if not staged:
        parts = [own, *(step.routing for step in steps)]
        return (Stage(max(part.tier for part in parts), field, max(part.approvers for part in parts)),)
    for step in steps:
        if not step.routing.stages:
            staged = stages.merged_with(step.routing.required_stages(step.type.domain), staged)
    return stages.with_flat_demand(staged, Stage(own.tier, own.domain or staged[0].domain, own.approvers))


def plan_assessment(own: Assessment, steps: Sequence[EvaluatedStep]) -> Assessment:
    """The assessment of a plan: with every flag of its steps, which name the step, and the highest impact."""
    flags = [
        flag_reasons.FlagOfStep(number, step.title, str(step.sent.get("id", "")), flag)
        for number, step in enumerate(steps, start=1)
        for flag in step.assessment.flags
    ]
    impact = max(
        [own.impact, *(step.assessment.impact for step in steps)], key=lambda band: _IMPACTS.index(Impact(band))
    )
    return replace(own, flags=[*own.flags, *flags], impact=impact)


def hardest_reversibility(steps: Sequence[EvaluatedStep]) -> str:
    """The reversibility of the whole: that of the step that is hardest to undo."""
    return max((Reversibility(step.type.reversibility) for step in steps), key=_LOSSES.index)


def plan_value(steps: Sequence[EvaluatedStep]) -> Decimal | None:
    """What all of it is worth in base currency; None where no step has a value."""
    values = [step.worth.value for step in steps if step.worth.value is not None]
    return sum(values, Decimal(0)) if values else None


def plan_domain(steps: Sequence[EvaluatedStep]) -> str:
    """The domain whose queue the plan waits in: that of the step with the highest tier, the first of several."""
    return max(steps, key=lambda step: step.routing.tier).domain


def _explains_plan(routing: Routing, own: Routing, worst: Routing) -> bool:
    """True where a step's reasons are the plan's: it is refused, asks for more than the plan itself, or asks at all."""
    if worst.route == Route.REJECT:
        return routing.route == Route.REJECT
    return routing.route == Route.REVIEW and (routing.strict or routing.tier > own.tier or own.route == Route.AUTO)
