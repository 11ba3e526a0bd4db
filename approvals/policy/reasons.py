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


# --- What ran by a token while we could not be asked


class RanOffline(Reason):
    at: datetime


class RanBeyondApproval(Reason):
    at: datetime
    by: str


class NotGivenForAction(Reason):
    action: str


class ArgumentsOfAnotherAction(Reason):
    pointer: str
    message: str


class AnotherDigest(Reason):
    pass


class ConditionsNotMet(Reason):
    pass


class NotInForce(Reason):
    at: datetime


class NeverUnasked(Reason):
    pass


class TierOutOfReach(Reason):
    tier: int
    most: int


class NoUsesLeft(Reason):
    most: int


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


# --- Flags


class Flag(Reason):
    """Something unusual about a proposal, with the number behind it."""

    @property
    def name(self) -> str:
        """What an action type lists it by."""
        return self.code

    @staticmethod
    def of_json(row: Row) -> "Flag":
        flag = Reason.of_json(row)
        if not isinstance(flag, Flag):
            raise TypeError(f"{flag.code} is no flag")
        return flag


class FirstTime(Flag):
    agent: str
    action: str


class Duplicate(Flag):
    """`status` is that of the twin; no `approval`: it is in the same submission."""

    approval: UUID | None = None
    status: str = ""


class UnusualAmount(Flag):
    """`usual` is the median of the last `count` approved, in base currency; `key` is what it is usual for."""

    ratio: Decimal
    usual: Decimal
    count: int
    key: str = ""


class Frequency(Flag):
    """`uncounted`: there are more than `nth`."""

    nth: int
    subject: str
    window: timedelta
    action: str
    uncounted: bool = False


class Burst(Flag):
    """So many proposals of an action in a short time; `alike`: of one template. `uncounted`: more than that."""

    count: int
    window: timedelta
    action: str
    agent: str
    alike: bool = False
    uncounted: bool = False


class NearRepeat(Flag):
    """The rejected `approval` proposed once more; `reason` is a person's, `changed` are pointers into the arguments."""

    approval: UUID
    attempt: int
    by_person: bool
    day: date
    reason: str
    changed: tuple[str, ...]


class HiddenCharacters(Flag):
    """`more` is at how many further places they stand."""

    kinds: tuple[str, ...]
    where: tuple[str, ...]
    more: int = 0


class NumbersNotInArguments(Flag):
    numbers: tuple[str, ...]
    more: int = 0


class RecipientsNotInArguments(Flag):
    recipients: tuple[str, ...]
    more: int = 0


class Deviates(Flag):
    """How it differs from the `step`, the `number`th, of an approved plan; none: no step is like it.

    `waits` are the steps that come before, `used`: it ran already, `action` is that of the step where it is another,
    `differs` the edits of the arguments.
    """

    plan: UUID
    step: str | None = None
    number: int = 0
    waits: tuple[str, ...] = ()
    used: bool = False
    action: str = ""
    differs: tuple[Mapping[str, Json], ...] = ()


class FlagOfStep(Flag):
    """A flag of one step of a plan; `step` is the agent's own id of it."""

    number: int
    action: str
    step: str
    flag: Flag

    @property
    def name(self) -> str:
        return self.flag.name


class Flagged(Reason):
    """A flag that the action type asks a person for."""

    flag: Flag


# --- What a rehearsal says of approvals that its reader may not open: no content


class ActionTypeUnknown(Reason):
    pass


class ArgumentsUnfit(Reason):
    fields: tuple[str, ...]


class ValueRaisesTier(Reason):
    below: int
    tier: int


class CurrencyWithoutRate(Reason):
    pass


class RepeatsRejected(Reason):
    pass


class FlagIsUp(Reason):
    flag: str


# --- What a signal is made of


class StatedByAgent(Reason):
    pass


class Precedent(Reason):
    """So many of the last `decided` were approved unchanged by people."""

    approved: int
    decided: int


class Alignment(Reason):
    """How many rules matched, and how many flags are up."""

    rules: int
    flags: int
    parsed: bool


class Harm(Reason):
    reversibility: str
    impact: str


def parameters_of(kind: type[Reason]) -> Mapping[str, Any]:
    """The parameters of a reason, each with its type."""
    return stored.hints_of(kind)
