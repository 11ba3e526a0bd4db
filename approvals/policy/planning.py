"""A plan is as strict as its strictest step: each step is classified like an action of its own, then all together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from approvals.models.approval import Route
from approvals.models.policy import Gate, Impact, Reversibility
from approvals.policy import shadow, stages, words
from approvals.policy.assess import Assessment, Flag
from approvals.policy.characters import plain
from approvals.policy.codes import HIGH_RISK
from approvals.policy.routing import Routing, strictest
from approvals.policy.schema import Json, headline
from approvals.policy.snapshot import Stage, TypePolicy
from approvals.policy.stages import Stages
from approvals.policy.worth import Worth

_ROUTES = (Route.AUTO, Route.REVIEW, Route.REJECT)
_LOSSES = (Reversibility.REVERSIBLE, Reversibility.PARTIAL, Reversibility.IRREVERSIBLE)
_IMPACTS = (Impact.LOW, Impact.MEDIUM, Impact.HIGH)


@dataclass(frozen=True, slots=True)
class Step:
    """One step as the agent sent it (`id`, `action`, `depends_on`, `undo`) with what policy says of it.

    `digest` is the one that intake will compute for the agent's later item.
    """

    sent: Mapping[str, Json]
    type: TypePolicy
    worth: Worth
    about: str
    digest: str
    assessment: Assessment
    routing: Routing

    @property
    def title(self) -> str:
        return f"{self.type.name} ({plain(str(self.sent.get('id', '')))[:60]})"

    @property
    def domain(self) -> str:
        """Whose people it asks, or asks first."""
        return self.routing.domain or self.type.domain

    def as_json(self) -> dict[str, Json]:
        """What is stored beside the step, and shown."""
        told = self.assessment.as_json()
        action = self.sent.get("action")
        args = action.get("args") if isinstance(action, Mapping) else None
        return {
            "id": str(self.sent.get("id", "")),
            "action": self.type.name,
            "headline": headline(self.type.headline, args),
            "digest": self.digest,
            "about": self.about,
            "value": None if self.worth.value is None else str(self.worth.value),
            "domain": self.domain,
            "reversibility": self.type.reversibility,
            "route": self.routing.route,
            "gate": self.routing.gate,
            "tier": self.routing.tier,
            "approvers": self.routing.approvers,
            "stages": [stage.as_json() for stage in self.routing.stages],
            "typed": self.routing.typed,
            "reason_code": self.routing.reason_code,
            "reasons": list(self.routing.reasons),
            "flags": told["flags"],
            "rules": told["rules"],
            "impact": told["impact"],
        }


def combined(own: Routing, steps: Sequence[Step]) -> Routing:
    """The route of a plan: its own, or that of a step that asks for more.

    A refused step refuses the plan and is named. Otherwise: the highest tier, the strictest gate, the most approvers,
    the stages of all, a typed value and a person where any step asks for one.
    """
    parts = [own, *(step.routing for step in steps)]
    worst = max(parts, key=lambda one: _ROUTES.index(Route(one.route)))
    named = [
        words.STEP_SAYS.format(number=number, action=step.title, text=text)
        for number, step in enumerate(steps, start=1)
        for text in step.routing.reasons
        if _tells(step.routing, own, worst)
    ]
    if worst.route == Route.REJECT:
        reasons = named or list(own.reasons)
        return replace(
            own,
            route=Route.REJECT,
            reason_code=worst.reason_code,
            reasons=reasons,
            quoted=worst.quoted,
            shadowed=None,
        )
    strict = any(one.strict for one in parts)
    # Silence lets a soft plan run, so nothing that a step of it needs a yes for may wait there.
    gate = strictest(one.gate for one in parts)
    if gate in (Gate.SOFT, Gate.CLARIFY) and (strict or loss(steps) != Reversibility.REVERSIBLE):
        gate = Gate.HARD
    tier = max(one.tier for one in parts)
    asked = _asked(own, steps)
    said = [*(own.reasons if own.route == worst.route else ()), *named]
    whole = replace(
        own.asking(asked),
        route=worst.route,
        gate=gate,
        reason_code=HIGH_RISK if tier > own.tier else worst.reason_code,
        reasons=list(dict.fromkeys([*said, *([stages.said(asked)] if len(asked) > 1 else [])])),
        approvable=all(one.approvable for one in parts),
        strict=strict,
        typed=any(one.typed for one in parts),
    )
    return shadow.of_plan(whole, steps)


def _asked(own: Routing, steps: Sequence[Step]) -> Stages:
    """Who is asked for the whole of it, in order. Without stages: one tier, of the field that asks for the highest."""
    field = domain(steps)
    staged: Stages = ()
    for one in (own.stages, *(step.routing.stages for step in steps)):
        staged = stages.both(staged, one) if staged and one else staged or one
    if not staged:
        parts = [own, *(step.routing for step in steps)]
        return (Stage(max(one.tier for one in parts), field, max(one.approvers for one in parts)),)
    for step in steps:
        if not step.routing.stages:
            staged = stages.both(step.routing.asked(step.type.domain), staged)
    return stages.met(staged, Stage(own.tier, own.domain or staged[0].domain, own.approvers))


def weighed(own: Assessment, steps: Sequence[Step]) -> Assessment:
    """The assessment of a plan: with every flag of its steps, which name the step, and the highest impact."""
    flags = [
        Flag(
            flag.name,
            words.STEP_SAYS.format(number=number, action=step.title, text=flag.text),
            {**flag.data, "step": str(step.sent.get("id", ""))},
        )
        for number, step in enumerate(steps, start=1)
        for flag in step.assessment.flags
    ]
    impact = max([own.impact, *(step.assessment.impact for step in steps)], key=lambda one: _IMPACTS.index(Impact(one)))
    return replace(own, flags=[*own.flags, *flags], impact=impact)


def loss(steps: Sequence[Step]) -> str:
    """The reversibility of the whole: that of the step that is hardest to undo."""
    return max((Reversibility(step.type.reversibility) for step in steps), key=_LOSSES.index)


def value(steps: Sequence[Step]) -> Decimal | None:
    """What all of it is worth in base currency; None where no step has a value."""
    known = [step.worth.value for step in steps if step.worth.value is not None]
    return sum(known, Decimal(0)) if known else None


def domain(steps: Sequence[Step]) -> str:
    """Whose queue it waits in: that of the step for the highest tier, the first of several."""
    return max(steps, key=lambda step: step.routing.tier).domain


def _tells(routing: Routing, own: Routing, worst: Routing) -> bool:
    """True where a step's reasons are the plan's: it is refused, asks for more than the plan itself, or asks at all."""
    if worst.route == Route.REJECT:
        return routing.route == Route.REJECT
    return routing.route == Route.REVIEW and (routing.strict or routing.tier > own.tier or own.route == Route.AUTO)
