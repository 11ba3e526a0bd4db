"""Writes a snapshot into the policy tables: a draft discarded, a version restored, a file imported."""

import json
from collections.abc import Iterable, Mapping

from django.db import connection, models, transaction
from django.db.models import JSONField, ProtectedError, Q
from django.db.models.functions import Cast
from django.db.utils import IntegrityError

from approvals.models import ActionType, Capacity, Currency, Domain, DomainTerms, PolicyVersion, Rule, Threshold, Tier
from approvals.policy.authoring import documents
from approvals.policy.authoring.fields import ACTION_TYPE, BAND, CAPACITY, CURRENCY, RULE, TERMS, TIER, Row
from approvals.values.schema import Json


@transaction.atomic
def restore(snapshot: Row, domains: Mapping[str, str] | None = None) -> None:
    """Make the tables say exactly this. `domains` are names for those that there are not yet, by their short name.

    What the snapshot does not name is deleted where no version ever named it and nothing points at it, and else
    switched off. What was switched off before, and what policy does not hold (people, autonomy), stays as it is.
    """
    merge(snapshot, domains)
    for type in ActionType.objects.filter(active=True).exclude(name__in=snapshot["types"]):
        _retire(type, Q(held__types__has_key=type.name))
    for rule in Rule.objects.filter(active=True).select_related("action_type"):
        if not any(row["name"] == rule.name for row in _rules_of(snapshot, rule.action_type_id)):
            _retire(rule, _named_rule(rule))
    # Upwards: what escalates to a tier goes before it.
    for tier in Tier.objects.filter(active=True).exclude(level__in=list(map(int, snapshot["tiers"]))).order_by("level"):
        _retire(tier, Q(**{"held__tiers__has_key": str(tier.level)}))
    Currency.objects.exclude(code__in=snapshot["rates"]).delete()


@transaction.atomic
def merge(snapshot: Row, domains: Mapping[str, str] | None = None) -> None:
    """Put what the snapshot names into the tables: of its action types the bands and the rules, too. The rest stays."""
    names = {slug: slug.replace("-", " ").capitalize() for slug in sorted(documents.domains_of(snapshot))} | dict(
        domains or {}
    )
    Domain.objects.bulk_create([Domain(slug=slug, name=name) for slug, name in names.items()], ignore_conflicts=True)
    # The end of the chain first: a tier refers to the next one, which is above it.
    for level, row in sorted(snapshot["tiers"].items(), key=lambda pair: -int(pair[0])):
        _put(Tier, {"level": int(level)}, {**TIER.columns(row), "active": True})
        _put_queues(Capacity, int(level), map(CAPACITY.columns, row["capacities"]))
        _put_queues(DomainTerms, int(level), map(TERMS.columns, row["terms"]))
    for code, rate in snapshot["rates"].items():
        _put(Currency, {"code": code}, CURRENCY.columns({"rate": rate}))
    for name, row in snapshot["types"].items():
        _put(ActionType, {"name": name}, {**ACTION_TYPE.columns(row), "active": True})
        _put_bands(name, row["thresholds"])
        _put_rules(name, row["rules"])
    _put_rules(None, snapshot["rules"])


def schema_version(name: str, schema: Json, preferred: int | None = None) -> int:
    """The number by which digests know this schema of an action type: one number never stands for two schemas.

    It is `preferred` where no version means another schema by that; else the number that some version gave this schema,
    or the next.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SCHEMAS, {"name": name})
        held: dict[int, Json] = {number: json.loads(found) for number, found in cursor.fetchall()}
    if preferred is not None and held.get(preferred, schema) == schema:
        return preferred
    for number, held_schema in held.items():
        if held_schema == schema:
            return number
    return max(held, default=0) + 1


_SCHEMAS = """
SELECT DISTINCT (type ->> 'schema_version')::int, (type -> 'schema')::text
FROM (SELECT snapshot::jsonb -> 'types' -> %(name)s AS type FROM approvals_policyversion) AS every
WHERE type IS NOT NULL
ORDER BY 1
"""


def _rules_of(snapshot: Row, type: str | None) -> list[Row]:
    rules: list[Row] = snapshot["rules"] if type is None else snapshot["types"].get(type, {}).get("rules", [])
    return rules


def _named_rule(rule: Rule) -> Q:
    named = [{"name": rule.name}]
    if rule.action_type_id is None:
        return Q(held__rules__contains=named)
    return Q(held__types__contains={rule.action_type_id: {"rules": named}})


def _retire(row: ActionType | Rule | Tier, named_by_version: Q) -> None:
    """Delete what no version named and nothing points at; else it is switched off, since history points at it."""
    if not PolicyVersion.objects.annotate(held=Cast("snapshot", JSONField())).filter(named_by_version).exists():
        try:
            with transaction.atomic():
                row.delete()
                return
        except (ProtectedError, IntegrityError):
            pass
    row.active = False
    row.save(update_fields=["active"])


def _put(model: type[models.Model], key: Mapping[str, object], columns: Mapping[str, object]) -> None:
    """Update the row, else insert it; a row that says so already is not touched."""
    queryset = model._default_manager.filter(**key)
    if not queryset.update(**columns):
        model(**{**key, **columns}).save(force_insert=True)


def _put_bands(name: str, bands: Mapping[str, Row]) -> None:
    Threshold.objects.filter(action_type=name).exclude(impact__in=bands).delete()
    for impact, band in bands.items():
        _put(Threshold, {"action_type_id": name, "impact": impact}, BAND.columns(band))


def _put_queues(
    model: type[Capacity | DomainTerms], level: int, columns_of_rows: Iterable[Mapping[str, object]]
) -> None:
    """The rows under a tier, one for each domain: exactly these."""
    kept = set()
    for columns in columns_of_rows:
        _put(model, {"tier_id": level, "domain_id": columns["domain_id"]}, columns)
        kept.add(columns["domain_id"])
    for queue in model._default_manager.filter(tier=level):
        if queue.domain_id not in kept:
            queue.delete()


def _put_rules(name: str | None, rule_rows: Iterable[Row]) -> None:
    for row in rule_rows:
        _put(Rule, {"action_type_id": name, "name": row["name"]}, {**RULE.columns(row), "active": True})
