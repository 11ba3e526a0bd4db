"""Why policy asks, passes or refuses, as data: a value class for each reason, with its parameters.

A reason is stored as JSON: its `code`, which is the name of its class, and its parameters. What it says in a person's
language is made where it is shown, in `messages`. Names of rules, tiers and action types are the admin's own.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, TypeVar, dataclass_transform
from uuid import UUID

from approvals.policy.compiled_policy import Stage
from approvals.values import stored
from approvals.values.schema import Json

CODES: dict[str, type["Reason"]] = {}

Row = Mapping[str, Json]


@dataclass_transform(frozen_default=True)
class Reason:
    """One reason. Each class below has a `code` and typed parameters."""

    code: ClassVar[str]

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True)(cls)
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        CODES[cls.code] = cls

    @property
    def parameters(self) -> dict[str, Json]:
        return stored.fields_json(self)  # type: ignore[arg-type]  # every class below is a dataclass

    def as_json(self) -> dict[str, Json]:
        """As it is stored; `of_json` reads it."""
        return {"code": self.code, **self.parameters}

    @staticmethod
    def of_json(row: Row) -> "Reason":
        return stored.read(CODES[str(row["code"])], {name: value for name, value in row.items() if name != "code"})


_Reason = TypeVar("_Reason", bound=Reason)


def as_json(reasons: Iterable[Reason]) -> list[Json]:
    """As the rows keep them."""
    return [reason.as_json() for reason in reasons]


def read(rows: Iterable[Row]) -> list[Reason]:
    """What a row keeps."""
    return [Reason.of_json(row) for row in rows]


def unique(reasons: Iterable[_Reason]) -> list[_Reason]:
    """Each once, in the order of its first."""
    kept: list[_Reason] = []
    for reason in reasons:
        if reason not in kept:
            kept.append(reason)
    return kept


def names(rows: Iterable[Row], *codes: type[Reason]) -> bool:
    """Whether one of these is among the stored reasons."""
    return not {row["code"] for row in rows}.isdisjoint(reason.code for reason in codes)


# --- What stands above the policy


class AgentPaused(Reason):
    pass


class RunStopped(Reason):
    pass


class EverythingStopped(Reason):
    pass


class ArgumentsUnparsed(Reason):
    pass


class BreakerOpen(Reason):
    pass


class LevelOne(Reason):
    pass


class RequiredByLaw(Reason):
    pass


# --- Rules


class RuleReason(Reason):
    """What a rule that matched does. `message` is the admin's own."""

    rule: str
    message: str


class RuleRefuses(RuleReason):
    pass


class RuleMatched(RuleReason):
    pass


class RuleLetsPass(RuleReason):
    pass


class RuleOverruled(RuleReason):
    pass


class RuleGoesByStated(RuleReason):
    pass


class RuleFailed(Reason):
    """It could not be evaluated."""

    rule: str


# --- Value, kind and gate of the action type


class UnknownCurrency(Reason):
    currency: str


class UnreadableValue(Reason):
    pass


class ValueAboveCeiling(Reason):
    """`value` and `ceiling` are in base currency, `below` is the tier whose ceiling it is, `tier` decides."""

    value: Decimal
    base: str
    below: int
    ceiling: Decimal
    tier: int


class CannotBeUndone(Reason):
    pass


class TypedAndSignedIn(Reason):
    """The manual gate."""


class AlwaysAsks(Reason):
    pass


class NeedsNoPerson(Reason):
    pass


class LevelFour(Reason):
    pass


class NothingAsks(Reason):
    pass


# --- Confidence


class Confidence(Reason):
    """How the confidence stands to the thresholds `auto` and `review` of this impact; `own` is by our signals alone."""

    composite: Decimal
    own: Decimal
    auto: Decimal
    review: Decimal
    impact: str


class ConfidenceEnough(Confidence):
    pass


class ConfidenceUnsupported(Confidence):
    pass


class ConfidenceBetween(Confidence):
    pass


class ConfidenceOfNewcomer(Confidence):
    pass


class ConfidenceTooLow(Confidence):
    pass


class ConfidenceLowered(Confidence):
    """By what people approved of such proposals: `share` of `decided`, `of_agent` of them its own."""

    share: Decimal
    decided: int
    of_agent: int


class ConfidenceCertified(Confidence):
    """It passes below `auto` under a certificate: at or above `threshold` at most `target` are wrong, by `labels`."""

    threshold: Decimal
    target: Decimal
    delta: Decimal
    labels: int


class ConfidenceUnmeasured(Reason):
    pass


# --- Checkpoints


class StepOfRun(Reason):
    step: int
    every: int


class TimeOfRun(Reason):
    since: timedelta
    every: timedelta


class SpendingAboveLimit(Reason):
    """Amounts in base currency. `of` is whose spending counts, a SpendOf."""

    of: str
    spent: Decimal
    value: Decimal
    limit: Decimal
    base: str
    window: timedelta


# --- What people approved or rejected before


class PlannedStepApproved(Reason):
    plan: UUID
    step: int
    name: str


class StandingApprovalGiven(Reason):
    by: str
    day: date


class AnsweredBefore(Reason):
    """It nearly repeats what a person rejected for `reason`; `changed` are JSON pointers into the arguments."""

    day: date
    reason: str
    changed: tuple[str, ...]


class AttemptsExhausted(Reason):
    tries: int


class WorldMoved(Reason):
    """The names of the preconditions that no longer hold."""

    moved: tuple[str, ...]


class AskedBeforeChange(Reason):
    pass


class StaysStrict(Reason):
    stages: tuple[Stage, ...]


# --- Who is asked


class SeveralPeople(Reason):
    approvers: int


class InStages(Reason):
    stages: tuple[Stage, ...]


class AnotherDomain(Reason):
    tier: int
    domain: str


class TypedConfirmation(Reason):
    pass


# --- Ahead of a review, in shadow mode, and where there is no room


class GoesOnUnlessStopped(Reason):
    pass


class GoesOnBeforeReview(Reason):
    pass


class WaitsWithoutUndo(Reason):
    pass


class ShadowAsks(Reason):
    tier: int


class ShadowRefuses(Reason):
    pass


class QueueLacks(Reason):
    """A queue is full (`limit`), or nobody is on duty in it (no limit)."""

    tier: int
    domain: str
    waiting: int
    limit: int | None = None


class RefusedForCapacity(QueueLacks):
    back_at: datetime | None = None


class PassedForCapacity(QueueLacks):
    pass


# --- Of a part


class OfStep(Reason):
    """A reason of one step of a plan."""

    number: int
    action: str
    reason: Reason


class NoLonger(Reason):
    """Reasons that one policy has and the other has not."""

    reasons: tuple[Reason, ...]


def parameters_of(kind: type[Reason]) -> Mapping[str, Any]:
    """The parameters of a reason, each with its type."""
    return stored.hints_of(kind)
