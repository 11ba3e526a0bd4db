"""What policy knows of a proposal before anything is decided: signals, flags, the rules that matched, the impact."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from approvals.models.rule import Rule
from approvals.policy.assessed import Assessment, RuleMatch
from approvals.policy.compiled_policy import TypePolicy
from approvals.policy.evaluation_input import EvaluationInput, History, Repeat, RunPast
from approvals.policy.flag_reasons import Flag
from approvals.policy.precedent import signals
from approvals.policy.precedent.curves import Observed, ScoreCurve
from approvals.policy.precedent.flags import flags_of
from approvals.policy.precedent.reader import read_histories
from approvals.policy.precedent.signals import Signal
from approvals.policy.reasons import Reason

__all__ = [
    "Assessment",
    "EvaluationInput",
    "Flag",
    "History",
    "RuleMatch",
    "Signal",
    "assess",
    "read_histories",
    "recall",
]


def assess(question: EvaluationInput, history: History) -> Assessment:
    """Weigh one proposal against its type's rules and our history of it. Reads nothing else."""
    precedent = signals.precedent(question, history)
    flags = flags_of(question, history)
    weighed = _weighed(question, precedent, flags, history.run, history.spent, newcomer=not history.decided)
    return replace(weighed, repeat=history.repeat, observed=_observed(question, weighed, history.curve))


def recall(question: EvaluationInput, stored: Mapping[str, Any]) -> Assessment:
    """Weigh a proposal of the past: what history said is taken as it was `stored` then (`as_json`), the rest anew."""
    stored_signals = {row["name"]: row for row in stored.get("signals", ())}
    precedent = signals.precedent(question, History())
    newcomer = "precedent" not in stored_signals or stored.get("without_precedent") is not None
    if "precedent" in stored_signals:
        value, note = Decimal(str(stored_signals["precedent"]["value"])), stored_signals["precedent"]["note"]
        precedent = replace(precedent, value=value, note=Reason.of_json(note))
    flags = [Flag.of_json(row) for row in stored.get("flags", ())]
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


def _observed(question: EvaluationInput, assessment: Assessment, curve: ScoreCurve | None) -> Observed | None:
    return curve.at(assessment.composite, question.type.weights) if curve is not None else None


def _weighed(
    question: EvaluationInput, precedent: Signal, flags: list[Flag], run: RunPast, spent: Decimal, *, newcomer: bool
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


def _matches(question: EvaluationInput, all_signals: Sequence[Signal], run: RunPast) -> list[RuleMatch]:
    if not question.type.rules:
        return []
    facts = question.facts({signal.name: float(signal.value) for signal in all_signals}, run).bound()
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
                uses_stated=rule.uses_stated,
            )
        )
    return matches
