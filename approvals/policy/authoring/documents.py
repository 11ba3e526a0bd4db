"""The policy tables as one JSON document, which a policy version stores."""

import json
from collections.abc import Iterable
from datetime import time, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from django.db import models

from approvals.models import ActionType, Currency, Rule, Threshold, Tier
from approvals.models.people import Terms
from approvals.policy.rules.expressions import BadExpression, compiled_expression
from approvals.values.schema import BadSchema, Fault, Validator, digest_of, pointer_of, storable

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
    "every_steps",
    "spend_of",
    "baseline_path",
    "frequency_path",
    "frequency_from",
    "burst_from",
    "rejects_repeats",
    "most_attempts",
    "runs_before_review",
    "shadow",
    "by_law",
    "required",
]
# In seconds, and numbers as text; each NULL where its column is.
SPANS = ["expires_after", "permit_valid", "every_time", "spend_window", "frequency_window", "burst_window"]
NUMBERS = ["auto_threshold", "review_threshold", "spend_limit", "usual_times", "sample"]
TIER_HOURS = ["working", "opens", "closes", "workdays", "time_zone"]


def snapshot_of_tables() -> Row:
    """What the policy tables say now: money and thresholds as text, durations in seconds, inactive types left out."""
    active = ActionType.objects.filter(active=True).prefetch_related("rules", "thresholds")
    return snapshot_of(
        [(type, list(type.rules.all()), list(type.thresholds.all())) for type in active],
        rules=Rule.objects.filter(action_type=None),
        tiers=Tier.objects.filter(active=True).prefetch_related("capacities", "terms"),
        currencies=Currency.objects.all(),
    )


def digest(snapshot: Row) -> str:
    """The digest of a snapshot, in which the order of a schema's fields counts: it is what people are shown."""
    types = {name: {**row, "schema": json.dumps(row["schema"])} for name, row in snapshot["types"].items()}
    return digest_of({**snapshot, "types": types})


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
                **_terms_row(tier),
                "hold": tier.hold.total_seconds(),
                "claim": tier.claim.total_seconds(),
                "next": tier.next_id,
                "second_factor": tier.second_factor,
                "capacities": _capacity_rows(tier),
                "terms": [
                    {"domain": terms.domain_id, **_terms_row(terms)}
                    for terms in sorted(_below(tier, "terms"), key=lambda terms: terms.domain_id)
                ],
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
    return {
        **columns,
        **{name: _duration(row[name]) if name in row else default_of(name) for name in SPANS},
        **{name: _decimal(row[name] if name in row else default_of(name)) for name in NUMBERS},
        "domain_id": row["domain"],
        "tier_id": row["tier"],
        "active": True,
    }


def default_of(name: str, model: type[models.Model] = ActionType) -> Any:
    """What a column says of itself."""
    return next(field.get_default() for field in model._meta.concrete_fields if field.name == name)


def rule_columns(row: Row) -> dict[str, Any]:
    """The columns of an active Rule, its name and action type aside."""
    return {
        "expression": row["when"],
        "effect": row["effect"],
        "tier_id": row["tier"],
        "approvers": row["approvers"],
        "stages": row.get("stages", []),
        "typed": row.get("typed", False),
        "message": row["message"],
        "active": True,
    }


def tier_columns(row: Row) -> dict[str, Any]:
    """The columns of an active Tier, its level, capacities and terms by domain aside."""
    return {
        "name": row["name"],
        "next_id": row["next"],
        **terms_columns(row),
        "hold": timedelta(seconds=row["hold"]),
        "claim": timedelta(seconds=row["claim"]),
        "second_factor": row.get("second_factor", False),
        "active": True,
    }


def terms_columns(row: Row) -> dict[str, Any]:
    """The columns of a tier's terms, its own or a domain's; what an old version lacks has its default."""
    hours = {name: row[name] if name in row else default_of(name, Tier) for name in TIER_HOURS}
    for name in ("opens", "closes"):
        hours[name] = time.fromisoformat(hours[name]) if hours[name] else None
    return {"ceiling": _decimal(row["ceiling"]), "sla": timedelta(seconds=row["sla"]), **hours}


def domains_of(snapshot: Row) -> set[str]:
    """The short name of every domain that the snapshot names: of action types, of queues, of a rule's stages."""
    named = {row["domain"] for row in snapshot["types"].values()}
    for row in snapshot["tiers"].values():
        named |= {queue["domain"] for queue in (*row.get("capacities", ()), *row.get("terms", ()))}
    every = [*snapshot["rules"], *(rule for row in snapshot["types"].values() for rule in row["rules"])]
    named |= {stage["domain"] for rule in every for stage in rule.get("stages", ())}
    return named - {None, ""}


def faults_of(snapshot: Row) -> list[Fault]:
    """What keeps this snapshot from being published, each with its place: /types/refund/rules/big."""
    return storable(snapshot) or _unusable(snapshot)


def _type_row(type: ActionType, rules: Iterable[Rule], thresholds: Iterable[Threshold]) -> Row:
    return {
        **{name: getattr(type, name) for name in AS_THEY_ARE},
        "domain": type.domain_id,
        "tier": type.tier_id,
        **{name: _number(getattr(type, name)) for name in NUMBERS},
        **{name: _seconds(getattr(type, name)) for name in SPANS},
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
            "stages": rule.stages,
            "typed": rule.typed,
            "message": rule.message,
            "when": rule.expression,
        }
        for rule in sorted(rules, key=lambda rule: rule.name)
        if rule.active
    ]


def _capacity_rows(tier: Tier) -> list[Row]:
    return [
        {
            "domain": capacity.domain_id,
            "limit": capacity.limit,
            "when_full": capacity.when_full,
            "when_empty": capacity.when_empty,
        }
        for capacity in sorted(_below(tier, "capacities"), key=lambda capacity: capacity.domain_id or "")
    ]


def _terms_row(terms: Terms) -> Row:
    return {
        "ceiling": None if terms.ceiling is None else number(terms.ceiling),
        "sla": terms.sla.total_seconds(),
        "working": terms.working,
        "opens": _hour(terms.opens),
        "closes": _hour(terms.closes),
        "workdays": sorted(terms.workdays),
        "time_zone": terms.time_zone,
    }


def _below(tier: Tier, name: str) -> Iterable[Any]:
    """The rows under a tier; an unsaved one of a file or pack has none, and cannot be asked."""
    return () if tier._state.adding else getattr(tier, name).all()


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
            compiled_expression(row["when"])
        except BadExpression as error:
            faults.append(Fault(pointer_of([*path, "rules", row["name"]]), str(error)))
    return faults


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


def _decimal(value: Decimal | str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _number(value: Decimal | str | None) -> str | None:
    return None if value is None else number(value)


def _hour(moment: time | None) -> str | None:
    return None if moment is None else moment.isoformat("minutes")


def number(value: Decimal | str) -> str:
    """One spelling of a number, whether it comes from a form, a file or a column: 0.850 is 0.85."""
    return format(Decimal(value).normalize(), "f")
