"""The policy as it was at one moment: an immutable, numbered, compiled snapshot that every routing uses.

A version is never changed; an approval pins the one it arrived under. People publish by `versions`, which asks more.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from threading import Lock

from django.db import connection, transaction

from approvals.history import chains
from approvals.models import Approval, PolicyVersion, SystemAuditEvent, User
from approvals.policy.authoring import documents
from approvals.policy.authoring.documents import faults_of, snapshot_of_tables
from approvals.policy.authoring.fields import ACTION_TYPE, BAND, CAPACITY, RULE, TERMS, TIER, Row
from approvals.policy.compiled_policy import CapacityPolicy, Hours, Policy, RulePolicy, Stage, TierPolicy, TypePolicy
from approvals.policy.rules.expressions import BadExpression, Expression, compiled_expression
from approvals.values.schema import Fault, Validator

HOURS = ("working", "opens", "closes", "workdays", "time_zone")
KEPT = 16  # compiled versions in memory
_LOCK = 0x61737365  # "asse": one publisher at a time


class NoPolicy(Exception):
    """No policy was published yet, or none has this number."""


class Unpublishable(ValueError):
    """The policy tables hold something that cannot be used; `faults` point at it ("/types/refund/rules/big")."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{fault.pointer}: {fault.message}" for fault in faults))
        self.faults = faults


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
    values = ACTION_TYPE.values(row)
    values |= {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    return TypePolicy(
        name=name,
        **values,
        rules=(*map(_rule, row["rules"]), *shared),
        thresholds={impact: tuple(BAND.values(band).values()) for impact, band in row["thresholds"].items()},
        validator=Validator(row["schema"]),
    )


def _rule(row: Row) -> RulePolicy:
    values = RULE.values(row)
    try:
        expression: Expression | None = compiled_expression(row["when"])
    except BadExpression:
        expression = None  # written for another release: it could not be told, so it asks a person
    values["stages"] = tuple(Stage(**stage) for stage in values["stages"])
    return RulePolicy(**values, expression=expression)


def _tier(level: int, row: Row) -> TierPolicy:
    capacities = [CAPACITY.values(capacity) for capacity in row["capacities"]]
    return TierPolicy(
        level=level,
        **_with_hours(TIER.values(row)),
        capacities={capacity.pop("domain") or "": CapacityPolicy(**capacity) for capacity in capacities},
    )


def _tiers_by_domain(
    tiers: Mapping[int, TierPolicy], rows_of: Mapping[str, Row]
) -> Mapping[str, Mapping[int, TierPolicy]]:
    by_domain: dict[str, dict[int, TierPolicy]] = {}
    for level, row in rows_of.items():
        for terms in map(TERMS.values, row["terms"]):
            own = by_domain.setdefault(terms.pop("domain"), dict(tiers))
            own[int(level)] = replace(tiers[int(level)], **_with_hours(terms))
    return by_domain


def _with_hours(values: Row) -> Row:
    """The terms of a tier, with the five settings of its working hours as one value."""
    working, opens, closes, days, zone = (values.pop(name) for name in HOURS)
    return {**values, "hours": Hours(opens, closes, frozenset(days), zone) if working else None}


def _base(rates: Mapping[str, Decimal]) -> str:
    units = [code for code, rate in rates.items() if rate == 1]
    return "EUR" if "EUR" in units or not units else min(units)
