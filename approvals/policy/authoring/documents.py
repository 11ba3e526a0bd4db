"""The policy tables as one JSON document, which a policy version stores."""

import json
from collections.abc import Iterable
from decimal import Decimal

from approvals.models import ActionType, Currency, Rule, Tier
from approvals.policy.authoring.fields import (
    ACTION_TYPE,
    BAND,
    CAPACITY,
    CURRENCY,
    RULE,
    TERMS,
    TIER,
    Row,
)
from approvals.policy.rules.expressions import BadExpression, compiled_expression
from approvals.values.schema import BadSchema, Fault, Validator, digest_of, pointer_of, storable


def snapshot_of_tables() -> Row:
    """What the policy tables say now: money and thresholds as text, durations in seconds, inactive types left out."""
    types = ActionType.objects.filter(active=True).prefetch_related("rules", "thresholds")
    tiers = Tier.objects.filter(active=True).prefetch_related("capacities", "terms")
    return {
        "types": {
            type.name: {
                **ACTION_TYPE.row(type),
                "rules": _rule_rows(type.rules.all()),
                "thresholds": {band.impact: BAND.row(band) for band in type.thresholds.all()},
            }
            for type in types
        },
        "rules": _rule_rows(Rule.objects.filter(action_type=None)),
        "tiers": {
            str(tier.level): {
                **TIER.row(tier),
                "capacities": _by_domain(map(CAPACITY.row, tier.capacities.all())),
                "terms": _by_domain(map(TERMS.row, tier.terms.all())),
            }
            for tier in tiers
        },
        "rates": {currency.code: CURRENCY.row(currency)["rate"] for currency in Currency.objects.all()},
    }


def digest(snapshot: Row) -> str:
    """The digest of a snapshot, in which the order of a schema's fields counts: it is what people are shown."""
    types = {name: {**row, "schema": json.dumps(row["schema"])} for name, row in snapshot["types"].items()}
    return digest_of({**snapshot, "types": types})


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


def _rule_rows(rules: Iterable[Rule]) -> list[Row]:
    return [RULE.row(rule) for rule in sorted(rules, key=lambda rule: rule.name) if rule.active]


def _by_domain(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row["domain"] or "")


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
