"""The policy as it was at one moment: an immutable, numbered, compiled snapshot that every routing uses.

A version is never changed; an approval pins the one it arrived under. People publish by `versions`, which asks more.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from threading import Lock

from django.db import connection, transaction

from approvals.models import PolicyVersion, User
from approvals.policy.expressions import BadExpression, Expression
from approvals.policy.rows import Row, faults_of, snapshot_of_tables
from approvals.policy.schema import Fault, Json, Validator, digest_of

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
class RulePolicy:
    """A rule of one action type, or of all. `expression` is None when this version's text no longer compiles."""

    name: str
    effect: str
    tier: int | None
    approvers: int
    message: str
    text: str
    expression: Expression | None = field(repr=False, compare=False)


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


_cache: OrderedDict[tuple[int, str], Policy] = OrderedDict()
_cache_lock = Lock()


def current() -> Policy:
    """The policy in force: one small query, and a compilation when the version is new here. Raises NoPolicy."""
    with connection.cursor() as cursor:
        # Asked for every set of submissions: rendering it through the ORM took longer than the answer.
        cursor.execute("SELECT number, digest FROM approvals_policyversion ORDER BY number DESC LIMIT 1")
        return _kept(cursor.fetchone())


def load(number: int) -> Policy:
    """The version an approval pins. Raises NoPolicy."""
    return _kept(PolicyVersion.objects.filter(number=number).values_list("number", "digest").first())


@transaction.atomic
def publish(*, by: User | None, note: str) -> PolicyVersion:
    """Make what the tables say the policy in force, as the next version; without a change, the last version again.

    Raises Unpublishable when a schema or a rule does not compile, there is no tier, or no currency is the base.
    """
    alone()
    snapshot = snapshot_of_tables()
    faults = faults_of(snapshot)
    if faults:
        raise Unpublishable(faults)
    digest = digest_of(snapshot)
    last = PolicyVersion.objects.order_by("-number").first()
    if last and last.digest == digest:
        return last
    number = last.number + 1 if last else 1
    return PolicyVersion.objects.create(
        number=number, snapshot=snapshot, digest=digest, note=note[:300], published_by=by
    )


def alone() -> None:
    """Until this transaction ends nobody else publishes, and whoever writes the policy tables as a whole waits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def compiled(number: int, snapshot: Row) -> Policy:
    """A snapshot made ready to route by. Raises BadSchema when a schema of it does not compile."""
    shared = [_rule(row) for row in snapshot["rules"]]
    rates = {code: Decimal(rate) for code, rate in snapshot["rates"].items()}
    return Policy(
        number=number,
        types={name: _type(name, row, shared) for name, row in snapshot["types"].items()},
        tiers={int(level): _tier(int(level), row) for level, row in sorted(snapshot["tiers"].items())},
        rates=rates,
        base=_base(rates),
    )


def _kept(row: tuple[int, str] | None) -> Policy:
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
            "auto_threshold": Decimal(row["auto_threshold"]),
            "review_threshold": Decimal(row["review_threshold"]),
            "expires_after": timedelta(seconds=row["expires_after"]),
            # Versions from before permits do not say it.
            "permit_valid": timedelta(seconds=row.get("permit_valid", 24 * 3600)),
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
    )


def _tier(level: int, row: Row) -> TierPolicy:
    return TierPolicy(
        level=level,
        name=row["name"],
        ceiling=None if row["ceiling"] is None else Decimal(row["ceiling"]),
        sla=timedelta(seconds=row["sla"]),
        hold=timedelta(seconds=row["hold"]),
        claim=timedelta(seconds=row["claim"]),
        next=row["next"],
    )


def _base(rates: Mapping[str, Decimal]) -> str:
    units = [code for code, rate in rates.items() if rate == 1]
    return "EUR" if "EUR" in units or not units else min(units)
