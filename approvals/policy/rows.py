"""The policy tables as one JSON document: what a version stores, and what keeps it from being one."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from approvals.models import ActionType, Currency, Rule, Threshold, Tier
from approvals.policy.expressions import BadExpression, Expression
from approvals.policy.schema import BadSchema, Fault, Validator, pointer_of, storable

# A row of the snapshot as JSON: its shape is that of `snapshot_of()`, and of nothing else.
Row: TypeAlias = dict[str, Any]

# Fields of ActionType that the snapshot holds unchanged.
AS_THEY_ARE = [
    "title",
    "headline",
    "pack",
    "schema",
    "schema_version",
    "policy_text",
    "reversibility",
    "strategy",
    "gate",
    "approvers",
    "allowed",
    "level",
    "weights",
    "flags",
    "value_path",
    "currency_path",
    "subject_path",
    "subject_kind",
    "on_timeout",
    "reason_required",
]
SPANS = ["expires_after", "permit_valid"]


def snapshot_of_tables() -> Row:
    """What the policy tables say now: money and thresholds as text, durations in seconds, inactive types left out."""
    active = ActionType.objects.filter(active=True).prefetch_related("rules", "thresholds")
    return snapshot_of(
        [(type, list(type.rules.all()), list(type.thresholds.all())) for type in active],
        rules=Rule.objects.filter(action_type=None),
        tiers=Tier.objects.filter(active=True),
        currencies=Currency.objects.all(),
    )


def snapshot_of(
    types: Iterable[tuple[ActionType, Iterable[Rule], Iterable[Threshold]]],
    *,
    rules: Iterable[Rule],
    tiers: Iterable[Tier],
    currencies: Iterable[Currency],
) -> Row:
    """The snapshot of these rows, saved or not."""
    return {
        "types": {type.name: _type_row(type, own, thresholds) for type, own, thresholds in types},
        "rules": _rule_rows(rules),
        "tiers": {
            str(tier.level): {
                "name": tier.name,
                "ceiling": None if tier.ceiling is None else number(tier.ceiling),
                "sla": tier.sla.total_seconds(),
                "hold": tier.hold.total_seconds(),
                "claim": tier.claim.total_seconds(),
                "next": tier.next_id,
            }
            for tier in tiers
        },
        "rates": {currency.code: number(currency.rate) for currency in currencies},
    }


def type_columns(row: Row) -> dict[str, Any]:
    """The columns of an active ActionType that this row of a snapshot says; what an old version lacks has its default.

    The inverse of a type in `snapshot_of`, rules and thresholds aside.
    """
    columns = {name: row[name] if name in row else default_of(name) for name in AS_THEY_ARE}
    spans = {name: timedelta(seconds=row[name]) if name in row else default_of(name) for name in SPANS}
    return {
        **columns,
        **spans,
        "domain_id": row["domain"],
        "tier_id": row["tier"],
        "auto_threshold": Decimal(row["auto_threshold"]),
        "review_threshold": Decimal(row["review_threshold"]),
        "active": True,
    }


def default_of(name: str) -> Any:
    """What a column of ActionType says of itself."""
    return next(field.get_default() for field in ActionType._meta.concrete_fields if field.name == name)


def rule_columns(row: Row) -> dict[str, Any]:
    """The columns of an active Rule, its name and action type aside."""
    return {
        "expression": row["when"],
        "effect": row["effect"],
        "tier_id": row["tier"],
        "approvers": row["approvers"],
        "message": row["message"],
        "active": True,
    }


def tier_columns(row: Row) -> dict[str, Any]:
    """The columns of an active Tier, its level aside."""
    return {
        "name": row["name"],
        "ceiling": None if row["ceiling"] is None else Decimal(row["ceiling"]),
        "next_id": row["next"],
        **{name: timedelta(seconds=row[name]) for name in ("sla", "hold", "claim")},
        "active": True,
    }


def faults_of(snapshot: Row) -> list[Fault]:
    """What keeps this snapshot from being published, each with its place: /types/refund/rules/big."""
    return storable(snapshot) or _unusable(snapshot)


def _type_row(type: ActionType, rules: Iterable[Rule], thresholds: Iterable[Threshold]) -> Row:
    return {
        **{name: getattr(type, name) for name in AS_THEY_ARE},
        "domain": type.domain_id,
        "tier": type.tier_id,
        "auto_threshold": number(type.auto_threshold),
        "review_threshold": number(type.review_threshold),
        **{name: getattr(type, name).total_seconds() for name in SPANS},
        "rules": _rule_rows(rules),
        "thresholds": {row.impact: [number(row.auto), number(row.review)] for row in thresholds},
    }


def _rule_rows(rules: Iterable[Rule]) -> list[Row]:
    return [
        {
            "name": rule.name,
            "effect": rule.effect,
            "tier": rule.tier_id,
            "approvers": rule.approvers,
            "message": rule.message,
            "when": rule.expression,
        }
        for rule in sorted(rules, key=lambda rule: rule.name)
        if rule.active
    ]


def _unusable(snapshot: Row) -> list[Fault]:
    faults = []
    if not snapshot["tiers"]:
        faults.append(Fault("/tiers", "There is no tier: nobody could be asked."))
    if snapshot["rates"] and all(Decimal(rate) != 1 for rate in snapshot["rates"].values()):
        faults.append(Fault("/rates", "No currency has the rate 1: one of them is the base."))
    for name, row in snapshot["types"].items():
        try:
            Validator(row["schema"])
        except BadSchema as error:
            faults += [
                Fault(pointer_of(["types", name, "schema"]) + fault.pointer, fault.message) for fault in error.faults
            ]
        faults += _rule_faults(["types", name], row["rules"])
    return faults + _rule_faults([], snapshot["rules"])


def _rule_faults(path: list[str], rules: list[Row]) -> list[Fault]:
    faults = []
    for row in rules:
        try:
            Expression(row["when"])
        except BadExpression as error:
            faults.append(Fault(pointer_of([*path, "rules", row["name"]]), str(error)))
    return faults


def number(said: Decimal | str) -> str:
    """One spelling of a number, whether it comes from a form, a file or a column: 0.850 is 0.85."""
    return format(Decimal(said).normalize(), "f")
