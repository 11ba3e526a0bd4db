"""What policy knows of a proposal before anything is decided: signals, flags, the rules that matched, the impact."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from approvals.models.policy import Rule
from approvals.policy import signals
from approvals.policy.curves import Curve, Observed
from approvals.policy.flags import Flag, flags_of
from approvals.policy.history import History, Question, RunPast, gather
from approvals.policy.repeats import Repeat
from approvals.policy.schema import Json
from approvals.policy.signals import Signal
from approvals.policy.snapshot import Stage, TypePolicy

__all__ = ["Assessment", "Flag", "History", "Question", "RuleMatch", "Signal", "assess", "gather", "recall"]


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """A rule that is true of the proposal; or that `failed` to evaluate, and therefore asks a person.

    `hearsay`: it would let pass by what the agent says of itself, and so lets nothing pass.
    """

    name: str
    effect: str
    tier: int | None
    approvers: int
    message: str
    failed: bool = False
    stages: tuple[Stage, ...] = ()
    typed: bool = False
    hearsay: bool = False


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
                    "note": signal.note,
                }
                for signal in self.signals
            ],
            "missing": self.missing,
            "composite": None if self.composite is None else float(self.composite),
            "own": None if self.own is None else float(self.own),
            "without_precedent": None if self.without_precedent is None else float(self.without_precedent),
            "flags": [{"name": flag.name, "text": flag.text, "data": flag.data} for flag in self.flags],
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
                    "hearsay": rule.hearsay,
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


def assess(question: Question, history: History) -> Assessment:
    """Weigh one proposal against its type's rules and our history of it. Reads nothing else."""
    precedent = signals.precedent(question, history)
    flags = flags_of(question, history)
    weighed = _weighed(question, precedent, flags, history.run, history.spent, newcomer=not history.decided)
    return replace(weighed, repeat=history.repeat, observed=_observed(question, weighed, history.curve))


def recall(question: Question, stored: Mapping[str, Any]) -> Assessment:
    """Weigh a proposal of the past: what history said is taken as it was `stored` then (`as_json`), the rest anew."""
    said = {row["name"]: row for row in stored.get("signals", ())}
    precedent = signals.precedent(question, History())
    newcomer = "precedent" not in said or stored.get("without_precedent") is not None
    if "precedent" in said:
        value, note = Decimal(str(said["precedent"]["value"])), said["precedent"]["note"]
        precedent = replace(precedent, value=value, note=note)
    flags = [Flag(row["name"], row["text"], row["data"]) for row in stored.get("flags", ())]
    past = stored.get("run") or {}
    run = RunPast(**{**past, "since": timedelta(seconds=past["since"])}) if past else RunPast()
    weighed = _weighed(question, precedent, flags, run, Decimal(stored.get("spent", 0)), newcomer=newcomer)
    if repeat := stored.get("repeat"):
        weighed = replace(weighed, repeat=Repeat.of(repeat))
    seen = stored.get("observed")
    # What was observed is of that composite; what other weights or rules make of it nobody has judged.
    if not seen or weighed.composite is None or stored.get("composite") != float(weighed.composite):
        return weighed
    return replace(weighed, observed=Observed(Decimal(str(seen["share"])), seen["decided"], seen["own"]))


def _observed(question: Question, told: Assessment, curve: Curve | None) -> Observed | None:
    return curve.at(told.composite, question.type.weights) if curve is not None else None


def _weighed(
    question: Question, precedent: Signal, flags: list[Flag], run: RunPast, spent: Decimal, *, newcomer: bool
) -> Assessment:
    impact, stated = signals.impact(question), signals.stated(question)
    matched = _matches(question, [*stated, precedent, impact], run)
    alignment = signals.alignment(
        question,
        effects=[Rule.Effect.REVIEW if match.failed else match.effect for match in matched],
        # That it is the first time is what the precedent says already.
        flags=sum(flag.name != "first_time" for flag in flags),
    )
    own = [precedent, alignment, impact]
    band = signals.impact_of(question)
    return Assessment(
        signals=[*stated, *own],
        missing=[name for name in signals.STATED if name not in {signal.name for signal in stated}],
        composite=signals.composite([*stated, *own]),
        own=signals.composite(own),
        without_precedent=signals.composite([*stated, alignment, impact]) if newcomer else None,
        flags=flags,
        impact=band,
        matched=matched,
        thresholds=thresholds_of(question.type, band),
        run=run,
        spent=spent,
    )


def thresholds_of(type: TypePolicy, impact: str) -> tuple[Decimal, Decimal]:
    """(auto, review) of the impact band, else of the action type."""
    return type.thresholds.get(impact, (type.auto_threshold, type.review_threshold))


def _matches(question: Question, known: Sequence[Signal], run: RunPast) -> list[RuleMatch]:
    if not question.type.rules:
        return []
    facts = question.facts({signal.name: float(signal.value) for signal in known}, run).bound()
    matches = []
    for rule in question.type.rules:
        holds = rule.expression.holds(facts) if rule.expression else None
        if holds is False or (holds is None and question.unchecked):
            continue  # arguments that did not parse fail most rules; routing asks a person for them anyway
        matches.append(
            RuleMatch(
                name=rule.name,
                effect=rule.effect,
                tier=rule.tier,
                approvers=rule.approvers,
                message=rule.message,
                failed=holds is None,
                stages=rule.stages,
                typed=rule.typed,
                hearsay=rule.hearsay,
            )
        )
    return matches
