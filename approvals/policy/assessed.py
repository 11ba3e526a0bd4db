"""What is known of a proposal before anything is decided: the values that routing weighs."""

from dataclasses import dataclass, field
from decimal import Decimal

from approvals.policy import reasons
from approvals.policy.compiled_policy import Stage
from approvals.policy.evaluation_input import Repeat, RunPast
from approvals.policy.flag_reasons import Flag
from approvals.policy.precedent.curves import Observed
from approvals.policy.precedent.signals import WEIGHTS, Signal
from approvals.values.schema import Json


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """A rule that is true of the proposal; or that `failed` to evaluate, and therefore asks a person.

    `uses_stated`: it would let pass by what the agent says of itself, and so lets nothing pass.
    """

    name: str
    effect: str
    tier: int | None
    approvers: int
    message: str
    failed: bool = False
    stages: tuple[Stage, ...] = ()
    typed: bool = False
    uses_stated: bool = False


@dataclass(frozen=True, slots=True)
class Assessment:
    """Everything routing weighs. `composite` and `own` (our signals alone) lie between 0 and 1, None: no weight.

    `without_precedent` is the composite without it, while people have decided nothing of this agent and action yet:
    want of history keeps an agent from passing, but is no ground to refuse it. `thresholds` are (auto, review) of this
    action type at this impact. `observed` is what people made of this agent's composites, where enough was decided.
    """

    signals: list[Signal]
    missing: list[str]
    composite: Decimal | None
    own: Decimal | None
    without_precedent: Decimal | None
    flags: list[Flag]
    impact: str
    matched: list[RuleMatch]
    thresholds: tuple[Decimal, Decimal]
    run: RunPast = field(default_factory=RunPast)
    spent: Decimal = Decimal(0)
    repeat: Repeat | None = None
    observed: Observed | None = None

    @property
    def score(self) -> Decimal | None:
        """The composite, or what was observed of such ones where that is less: what was learned only ever lowers."""
        if self.observed is None or self.composite is None:
            return self.composite
        return min(self.composite, self.observed.share)

    @property
    def parts(self) -> list[int | None]:
        """The composite and each signal in the order of WEIGHTS, in thousandths; None for what is missing."""
        by_name = {signal.name: signal.value for signal in self.signals}
        values = [self.composite, *(by_name.get(name) for name in WEIGHTS)]
        return [None if value is None else int(value * 1000) for value in values]

    def as_json(self) -> dict[str, Json]:
        """What is stored with the approval, and shown: numbers as numbers, every part of the confidence by name."""
        auto, review = self.thresholds
        return {
            "signals": [
                {
                    "name": signal.name,
                    "value": float(signal.value),
                    "weight": float(signal.weight),
                    "ours": signal.ours,
                    "note": signal.note.as_json(),
                }
                for signal in self.signals
            ],
            "missing": self.missing,
            "composite": None if self.composite is None else float(self.composite),
            "own": None if self.own is None else float(self.own),
            "without_precedent": None if self.without_precedent is None else float(self.without_precedent),
            "flags": reasons.as_json(self.flags),
            "rules": [
                {
                    "name": rule.name,
                    "effect": rule.effect,
                    "tier": rule.tier,
                    "approvers": rule.approvers,
                    "message": rule.message,
                    "failed": rule.failed,
                    "stages": [stage.as_json() for stage in rule.stages],
                    "typed": rule.typed,
                    "uses_stated": rule.uses_stated,
                }
                for rule in self.matched
            ],
            "impact": self.impact,
            "thresholds": {"auto": float(auto), "review": float(review)},
            "run": {
                "proposed": self.run.proposed,
                "rejected": self.run.rejected,
                "steps": self.run.steps,
                "since": self.run.since.total_seconds(),
            },
            "spent": str(self.spent),
            "repeat": None if self.repeat is None else self.repeat.as_json(),
            "observed": None
            if self.observed is None
            else {
                "share": float(self.observed.share),
                "decided": self.observed.decided,
                "own": self.observed.own,
            },
        }
