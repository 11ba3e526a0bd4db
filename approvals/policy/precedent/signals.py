"""What confidence is made from: the agent's stated numbers, which are hints, and our own, which must carry it.

Each signal lies between 0 and 1 and counts by its weight; missing ones are left out, named, and the rest normalised.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, InvalidOperation

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from approvals.models.policy import Impact, Reversibility
from approvals.models.rule import Rule
from approvals.policy import signal_reasons
from approvals.policy.evaluation_input import EvaluationInput, History
from approvals.policy.reasons import Reason

WEIGHTS: Mapping[str, Decimal] = {
    "stated_confidence": Decimal("0.15"),
    "tool_validity": Decimal("0.20"),
    "retrieval_relevance": Decimal("0.20"),
    "precedent": Decimal("0.25"),
    "policy": Decimal("0.20"),
    "impact": Decimal("0.20"),
}
LABELS: Mapping[str, Promise] = {
    "stated_confidence": _("Stated confidence"),
    "tool_validity": _("Tool result validity"),
    "retrieval_relevance": _("Retrieval relevance"),
    "precedent": _("Action precedent"),
    "policy": _("Policy alignment"),
    "impact": _("Impact"),
}
STATED = ("stated_confidence", "tool_validity", "retrieval_relevance")

# Precedent is the mean of a Beta distribution over "approved unchanged by people". The prior Beta(1, 3) counts a
# newcomer as one approval in four, so that silence of history speaks for nobody: with nothing but a high stated
# confidence the composite stays below the default 0.85 until about six approvals in a row.
PRIOR_APPROVED = 1
PRIOR_DECIDED = 4

# Bands of value in base currency; the upper end belongs to the band.
LOW_TO = Decimal(100)
MEDIUM_TO = Decimal(5000)

# How little there is to lose: reversibility by impact band.
HARMLESS: Mapping[tuple[str, str], Decimal] = {
    (Reversibility.REVERSIBLE, Impact.LOW): Decimal("1.0"),
    (Reversibility.REVERSIBLE, Impact.MEDIUM): Decimal("0.8"),
    (Reversibility.REVERSIBLE, Impact.HIGH): Decimal("0.5"),
    (Reversibility.PARTIAL, Impact.LOW): Decimal("0.7"),
    (Reversibility.PARTIAL, Impact.MEDIUM): Decimal("0.5"),
    (Reversibility.PARTIAL, Impact.HIGH): Decimal("0.25"),
    (Reversibility.IRREVERSIBLE, Impact.HIGH): Decimal("0.0"),
}

# What remains of policy alignment when rules match; each flag that is up takes a tenth more.
ALIGNMENT: Mapping[str, Decimal] = {
    Rule.Effect.ALLOW: Decimal("1.0"),
    Rule.Effect.FLAG: Decimal("0.6"),
    Rule.Effect.REVIEW: Decimal("0.3"),
    Rule.Effect.BLOCK: Decimal("0.0"),
}
PER_FLAG = Decimal("0.1")
_PLACES = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Signal:
    """One part of the confidence. `ours`: computed from our own history and policy, not stated by the agent."""

    name: str
    value: Decimal
    weight: Decimal
    ours: bool
    note: Reason


def impact_of(question: EvaluationInput) -> str:
    """The impact band: by value; without one, by how far the action can be undone. Irreversible is always high."""
    reversibility = question.type.reversibility
    if reversibility == Reversibility.IRREVERSIBLE or question.unvalued:
        return Impact.HIGH
    if question.value is None:
        return Impact.LOW if reversibility == Reversibility.REVERSIBLE else Impact.MEDIUM
    size = abs(question.value)
    if size <= LOW_TO:
        return Impact.LOW
    return Impact.MEDIUM if size <= MEDIUM_TO else Impact.HIGH


def stated(question: EvaluationInput) -> list[Signal]:
    """The agent's own numbers, those that are numbers between 0 and 1."""
    weights = weights_of(question)
    signals = []
    for name in STATED:
        value = _share(question.stated.get(name))
        if value is not None:
            signals.append(Signal(name, value, weights[name], False, signal_reasons.StatedByAgent()))
    return signals


def precedent(question: EvaluationInput, history: History) -> Signal:
    """How often people approved this agent's proposals of this kind unchanged, smoothed."""
    value = Decimal(history.approved + PRIOR_APPROVED) / Decimal(history.decided + PRIOR_DECIDED)
    note = signal_reasons.Precedent(history.approved, history.decided)
    return Signal("precedent", _rounded(value), weights_of(question)["precedent"], True, note)


def impact(question: EvaluationInput) -> Signal:
    """How little there is to lose: reversibility and value."""
    band = impact_of(question)
    value = HARMLESS[question.type.reversibility, band]
    note = signal_reasons.Harm(question.type.reversibility, band)
    return Signal("impact", value, weights_of(question)["impact"], True, note)


def alignment(question: EvaluationInput, *, effects: Sequence[str], flags: int) -> Signal:
    """How the proposal sits with policy: the effects of the rules that matched, and how many flags are up."""
    value = Decimal(0) if question.unchecked else min((ALIGNMENT[effect] for effect in effects), default=Decimal(1))
    note = signal_reasons.Alignment(len(effects), flags, parsed=not question.unchecked)
    weight = weights_of(question)["policy"]
    return Signal("policy", max(value - PER_FLAG * flags, Decimal(0)), weight, True, note)


def composite(signals: Sequence[Signal]) -> Decimal | None:
    """Weighted mean, normalised over the given signals, three places; None when nothing carries weight.

    Rounded down: a display of 0.850 is never a 0.8496 that would not have passed.
    """
    total = sum((signal.weight for signal in signals), Decimal(0))
    if total <= 0:
        return None
    return _rounded(sum((signal.value * signal.weight for signal in signals), Decimal(0)) / total)


def weights_of(question: EvaluationInput) -> dict[str, Decimal]:
    """The default weights with those that the action type sets; 0 silences a signal."""
    own = {name: _weight(weight) for name, weight in question.type.weights.items() if name in WEIGHTS}
    return {**WEIGHTS, **own}


def _weight(weight: float) -> Decimal:
    try:
        return max(Decimal(str(weight)), Decimal(0))
    except InvalidOperation:
        return Decimal(0)


def _share(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    share = Decimal(str(value))
    return share if share.is_finite() and 0 <= share <= 1 else None


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(_PLACES, rounding=ROUND_FLOOR)
