"""One version of policy, compiled: the values that routing reads. `snapshot` makes them of what was published."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from decimal import Decimal

from approvals.models.policy import CONSENTING, Gate, OverloadMode, Silence
from approvals.models.rule import Rule
from approvals.policy.rules.expressions import Expression
from approvals.values.schema import Fault, Json, Validator


@dataclass(frozen=True, slots=True)
class Stage:
    """One of several that approve one after the other. `domain` empty: the action type's own."""

    tier: int
    domain: str = ""
    approvers: int = 1

    def as_json(self) -> dict[str, Json]:
        return {"tier": self.tier, "domain": self.domain, "approvers": self.approvers}


@dataclass(frozen=True, slots=True)
class RulePolicy:
    """A rule of one action type, or of all. `expression` is None when this version's text no longer compiles."""

    name: str
    effect: str
    tier: int | None
    approvers: int
    message: str
    when: str
    expression: Expression | None = field(repr=False, compare=False)
    stages: tuple[Stage, ...] = ()
    typed: bool = False

    @property
    def uses_stated(self) -> bool:
        """It would let pass by what the agent says of itself: none such is saved, but an old version may hold one."""
        return self.effect == Rule.Effect.ALLOW and self.expression is not None and bool(self.expression.stated_names)


@dataclass(frozen=True, slots=True)
class Hours:
    """Working hours: from `opens` on these days of the week (1 is Monday) to the next `closes`, in a time zone."""

    opens: time
    closes: time
    days: frozenset[int]
    zone: str


@dataclass(frozen=True, slots=True)
class CapacityPolicy:
    """How many may wait in a queue (None: any number), and an OverloadMode for a full queue and for an empty roster."""

    limit: int | None
    when_full: str
    when_empty: str


NO_CAPACITY = CapacityPolicy(None, OverloadMode.QUEUE, OverloadMode.QUEUE)


@dataclass(frozen=True, slots=True)
class TierPolicy:
    """Reviewers of one authority. `ceiling` is in base currency, None for no ceiling; `next` None ends the chain."""

    level: int
    name: str
    ceiling: Decimal | None
    sla: timedelta
    hold: timedelta
    claim: timedelta
    next: int | None
    second_factor: bool = False  # who has none may not decide
    seeded: Decimal = Decimal(0)  # for which share of what waits a test case is put in
    hours: Hours | None = None  # in which the SLA runs; None: always
    capacities: Mapping[str, CapacityPolicy] = field(default_factory=dict)  # by domain; "" for every other one

    def capacity(self, domain: str) -> CapacityPolicy:
        """What holds for this tier's queue of a domain."""
        return self.capacities.get(domain) or self.capacities.get("") or NO_CAPACITY


@dataclass(frozen=True, slots=True)
class TypePolicy:
    """Everything policy says of one action type, by the names in `authoring.fields`; rules: its own and the global."""

    name: str
    title: str
    headline: str
    domain: str
    pack: str
    schema: Mapping[str, Json]
    schema_version: int
    policy_text: str
    reversibility: str
    strategy: str
    gate: str
    tier: int
    approvers: int
    allowed: tuple[str, ...]
    level: int
    auto_threshold: Decimal
    review_threshold: Decimal
    weights: Mapping[str, float]
    flags: tuple[str, ...]
    value_path: str
    currency_path: str
    subject_path: str
    subject_kind: str
    expires_after: timedelta
    on_timeout: str
    reason_required: bool
    rules: tuple[RulePolicy, ...]
    thresholds: Mapping[str, tuple[Decimal, Decimal]]  # impact: (auto, review)
    validator: Validator = field(repr=False, compare=False)
    permit_valid: timedelta
    every_steps: int | None
    every_time: timedelta | None
    spend_limit: Decimal | None
    spend_window: timedelta
    spend_of: str
    baseline_path: str
    usual_times: Decimal
    frequency_path: str
    frequency_from: int
    frequency_window: timedelta
    burst_from: int
    burst_window: timedelta
    rejects_repeats: bool
    most_attempts: int | None
    runs_before_review: str
    sample: Decimal
    level_bar: Decimal
    level_time: timedelta
    shadow: bool
    by_law: bool
    horizon: timedelta
    material: tuple[str, ...]
    minimum_view: timedelta
    error_target: Decimal
    error_risk: Decimal
    threshold_start: Decimal | None
    error_cost: Decimal | None
    minute_cost: Decimal
    required: tuple[str, ...]  # what agents must send: names of Accompanying

    def silence(self, gate: str) -> str:
        """What nobody's verdict means at this gate: a soft one proceeds, and is looked at where the type says so."""
        return Silence.APPROVE if gate == Gate.SOFT and self.on_timeout not in CONSENTING else self.on_timeout

    def check(self, args: Json) -> list[Fault]:
        """What is wrong with the arguments, by the compiled schema."""
        return self.validator.check(args)


@dataclass(frozen=True, slots=True)
class Policy:
    """One version: active action types by name, tiers by level, and what one unit of each currency is worth."""

    number: int
    types: Mapping[str, TypePolicy]
    tiers: Mapping[int, TierPolicy]
    rates: Mapping[str, Decimal]
    base: str
    # By the short name of each domain in which a tier has terms of its own.
    tiers_by_domain: Mapping[str, Mapping[int, TierPolicy]] = field(default_factory=dict)

    @property
    def tiers_demanding_factor(self) -> frozenset[int]:
        """In which nobody decides without a second factor."""
        return frozenset(level for level, tier in self.tiers.items() if tier.second_factor)

    def tiers_in(self, domain: str) -> Mapping[int, TierPolicy]:
        """The tiers by level, with the ceiling, the time and the hours that hold in this domain."""
        return self.tiers_by_domain.get(domain, self.tiers)
