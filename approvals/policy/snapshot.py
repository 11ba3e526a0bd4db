"""The policy as it was at one moment: an immutable, numbered, compiled snapshot that every routing uses.

A version is never changed; an approval pins the one it arrived under. People publish by `versions`, which asks more.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import time, timedelta
from decimal import Decimal
from threading import Lock
from typing import Any

from django.db import connection, transaction

from approvals.history import chains
from approvals.models import Approval, PolicyVersion, SystemAuditEvent, User
from approvals.models.policy import CONSENTING, Gate, OptimisticExecution, OverloadMode, Rule, Silence, SpendOf
from approvals.policy.authoring import documents
from approvals.policy.authoring.documents import NUMBERS, SPANS, Row, faults_of, snapshot_of_tables
from approvals.policy.rules.expressions import BadExpression, Expression
from approvals.values.schema import Fault, Json, Validator

KEPT = 16  # compiled versions in memory
_LOCK = 0x61737365  # "asse": one publisher at a time


class NoPolicy(Exception):
    """No policy was published yet, or none has this number."""


class Unpublishable(ValueError):
    """The policy tables hold something that cannot be used; `faults` point at it ("/types/refund/rules/big")."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{fault.pointer}: {fault.message}" for fault in faults))
        self.faults = faults


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
    text: str
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
    hours: Hours | None = None  # in which the SLA runs; None: always
    capacities: Mapping[str, CapacityPolicy] = field(default_factory=dict)  # by domain; "" for every other one

    def capacity(self, domain: str) -> CapacityPolicy:
        """What holds for this tier's queue of a domain."""
        return self.capacities.get(domain) or self.capacities.get("") or NO_CAPACITY


@dataclass(frozen=True, slots=True)
class TypePolicy:
    """Everything policy says of one action type, by the field names of ActionType; rules are its own and the global."""

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
    permit_valid: timedelta = timedelta(hours=24)
    # Versions from before these existed do not say them.
    every_steps: int | None = None
    every_time: timedelta | None = None
    spend_limit: Decimal | None = None
    spend_window: timedelta = timedelta(days=1)
    spend_of: str = SpendOf.AGENT
    baseline_path: str = ""
    usual_times: Decimal = Decimal(3)
    frequency_path: str = ""
    frequency_from: int = 2
    frequency_window: timedelta = timedelta(days=7)
    burst_from: int = 10
    burst_window: timedelta = timedelta(hours=12)
    rejects_repeats: bool = False
    most_attempts: int | None = None
    runs_before_review: str = OptimisticExecution.WAITS
    sample: Decimal = Decimal(0)
    shadow: bool = False
    by_law: bool = False
    required: tuple[str, ...] = ()  # what agents must send: names of Accompanying

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


_cache: OrderedDict[tuple[int, str], Policy] = OrderedDict()
_cache_lock = Lock()


def current() -> Policy:
    """The policy in force: one small query, and a compilation when the version is new here. Raises NoPolicy."""
    with connection.cursor() as cursor:
        # Asked for every set of submissions: rendering it through the ORM took longer than the answer.
        cursor.execute("SELECT number, digest FROM approvals_policyversion ORDER BY number DESC LIMIT 1")
        return _compile_and_cache(cursor.fetchone())


def load(number: int) -> Policy:
    """The version an approval pins. Raises NoPolicy."""
    return _compile_and_cache(PolicyVersion.objects.filter(number=number).values_list("number", "digest").first())


def type_of(approval: Approval) -> TypePolicy | None:
    """An approval's action type in the version that it pins, and so never in a draft; None where that has none."""
    try:
        return load(approval.policy_id).types.get(approval.action_type_id or "")
    except NoPolicy:
        return None


@transaction.atomic
def publish(*, by: User | None, note: str) -> PolicyVersion:
    """Make what the tables say the policy in force, as the next version; without a change, the last version again.

    Raises Unpublishable when a schema or a rule does not compile, there is no tier, or no currency is the base.
    """
    lock_policy_tables()
    snapshot = snapshot_of_tables()
    faults = faults_of(snapshot)
    if faults:
        raise Unpublishable(faults)
    digest = documents.digest(snapshot)
    last = PolicyVersion.objects.order_by("-number").first()
    if last and last.digest == digest:
        return last
    number = last.number + 1 if last else 1
    version = PolicyVersion.objects.create(
        number=number, snapshot=snapshot, digest=digest, note=note[:300], published_by=by
    )
    chains.record(
        SystemAuditEvent.Kind.POLICY_PUBLISHED,
        by=chains.actor_of(by),
        subject=f"policy:{number}",
        detail={"digest": digest, "note": version.note},
    )
    return version


def lock_policy_tables() -> None:
    """Until this transaction ends nobody else publishes, and whoever writes the policy tables as a whole waits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def compiled(number: int, snapshot: Row) -> Policy:
    """A snapshot made ready to route by. Raises BadSchema when a schema of it does not compile."""
    shared = [_rule(row) for row in snapshot["rules"]]
    rates = {code: Decimal(rate) for code, rate in snapshot["rates"].items()}
    tiers = {int(level): _tier(int(level), row) for level, row in sorted(snapshot["tiers"].items())}
    return Policy(
        number=number,
        types={name: _type(name, row, shared) for name, row in snapshot["types"].items()},
        tiers=tiers,
        rates=rates,
        base=_base(rates),
        tiers_by_domain=_tiers_by_domain(tiers, snapshot["tiers"]),
    )


def _compile_and_cache(row: tuple[int, str] | None) -> Policy:
    if row is None:
        raise NoPolicy
    # With the digest, since a number that was rolled back is given again.
    with _cache_lock:
        policy = _cache.get(row)
        if policy:
            _cache.move_to_end(row)
            return policy
    number, _ = row
    policy = compiled(number, PolicyVersion.objects.values_list("snapshot", flat=True).get(number=number))
    with _cache_lock:
        _cache[row] = policy
        while len(_cache) > KEPT:
            _cache.popitem(last=False)
    return policy


def _type(name: str, row: Row, shared: list[RulePolicy]) -> TypePolicy:
    return TypePolicy(
        **{
            **row,
            "name": name,
            "allowed": tuple(row["allowed"]),
            "flags": tuple(row["flags"]),
            "required": tuple(row.get("required", ())),
            **{name: None if row[name] is None else timedelta(seconds=row[name]) for name in SPANS if name in row},
            **{name: None if row[name] is None else Decimal(row[name]) for name in NUMBERS if name in row},
            "rules": (*map(_rule, row["rules"]), *shared),
            "thresholds": {
                impact: (Decimal(auto), Decimal(review)) for impact, (auto, review) in row["thresholds"].items()
            },
        },
        validator=Validator(row["schema"]),
    )


def _rule(row: Row) -> RulePolicy:
    try:
        expression = Expression(row["when"])
    except BadExpression:
        expression = None  # written for another release: it could not be told, so it asks a person
    return RulePolicy(
        name=row["name"],
        effect=row["effect"],
        tier=row["tier"],
        approvers=row["approvers"],
        message=row["message"],
        text=row["when"],
        expression=expression,
        stages=tuple(Stage(one["tier"], one.get("domain") or "", one["approvers"]) for one in row.get("stages", ())),
        typed=row.get("typed", False),
    )


def _tier(level: int, row: Row) -> TierPolicy:
    return TierPolicy(
        level=level,
        name=row["name"],
        **_terms(row),
        hold=timedelta(seconds=row["hold"]),
        claim=timedelta(seconds=row["claim"]),
        next=row["next"],
        second_factor=row.get("second_factor", False),
        capacities={
            capacity["domain"] or "": CapacityPolicy(capacity["limit"], capacity["when_full"], capacity["when_empty"])
            for capacity in row.get("capacities", ())
        },
    )


def _terms(row: Row) -> dict[str, Any]:
    return {
        "ceiling": None if row["ceiling"] is None else Decimal(row["ceiling"]),
        "sla": timedelta(seconds=row["sla"]),
        "hours": _hours(row),
    }


def _tiers_by_domain(
    tiers: Mapping[int, TierPolicy], rows_of: Mapping[str, Row]
) -> Mapping[str, Mapping[int, TierPolicy]]:
    by_domain: dict[str, dict[int, TierPolicy]] = {}
    for level, row in rows_of.items():
        for terms in row.get("terms", ()):
            own = by_domain.setdefault(terms["domain"], dict(tiers))
            own[int(level)] = replace(tiers[int(level)], **_terms(terms))
    return by_domain


def _hours(row: Row) -> Hours | None:
    if not row.get("working"):
        return None
    return Hours(
        time.fromisoformat(row["opens"]),
        time.fromisoformat(row["closes"]),
        frozenset(row["workdays"]),
        row["time_zone"],
    )


def _base(rates: Mapping[str, Decimal]) -> str:
    units = [code for code, rate in rates.items() if rate == 1]
    return "EUR" if "EUR" in units or not units else min(units)
