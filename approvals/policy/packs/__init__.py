"""Ready policies for six fields, and the core that every installation has: files to read, load and change.

Each pack comes with scenarios: a believable request, the past it meets, and the route it must take.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from django.db import transaction

from approvals.models import ActionType, Currency, Domain, Rule, Threshold, Tier
from approvals.policy import routing
from approvals.policy.history import History, Question
from approvals.policy.rows import snapshot_of
from approvals.policy.schema import Json, action_digest, pick
from approvals.policy.snapshot import Policy, compiled

CORE = "core"
FIELDS = ("deployment", "clinical", "finance", "education", "commerce", "legal")
_FOLDER = Path(__file__).parent
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

# A table of a TOML file, before its columns make a row of it.
Table: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One believable request and the route it must take.

    `level` None: the action type's first level. `past` is what history says: decided, approved, amounts and so on.
    """

    name: str
    pack: str
    action: str
    args: Json
    route: str
    tier: int
    reason_code: str
    parsed: bool = True
    signals: Mapping[str, float] = field(default_factory=dict)
    summary: str = ""
    reasoning: str = ""
    context: Mapping[str, Json] = field(default_factory=dict)
    level: int | None = None
    past: History = field(default_factory=History)

    @property
    def agent(self) -> str:
        return f"{self.pack}-agent"

    def question(self, policy: Policy, *, now: datetime) -> Question:
        """The scenario as policy looks at it."""
        type = policy.types[self.action]
        named = pick(self.args, type.subject_path) if type.subject_path else None
        about = f"{type.subject_kind}:{named}" if named is not None else ""
        digest = action_digest(
            agent=self.agent, action=self.action, schema_version=type.schema_version, args=self.args, about=about
        )
        return Question(
            type=type,
            agent_id=UUID(int=FIELDS.index(self.pack) + 1),
            agent_name=self.agent,
            args=self.args,
            digest=digest,
            now=now,
            parsed=self.parsed,
            about=about,
            value=routing.worth(type, self.args, policy).value,
            stated=self.signals,
            summary=self.summary,
            context=self.context,
        )


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack as rows that are not saved yet."""

    name: str
    domain: Domain
    types: Sequence[tuple[ActionType, Sequence[Rule], Sequence[Threshold]]]
    tiers: Sequence[Tier]
    currencies: Sequence[Currency]
    scenarios: Sequence[Scenario]


def names() -> tuple[str, ...]:
    """Every pack, the core first."""
    return (CORE, *FIELDS)


def read(name: str) -> Pack:
    """A pack from its file; touches no database."""
    table = tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    domain = Domain(**table["domain"])
    return Pack(
        name=name,
        domain=domain,
        types=[_type(name, domain, one) for one in table["action"]],
        tiers=[_tier(one) for one in table.get("tier", [])],
        currencies=[Currency(code=code, rate=Decimal(rate)) for code, rate in table.get("rates", {}).items()],
        scenarios=[_scenario(name, one) for one in table.get("scenario", [])],
    )


def policy(*wanted: str) -> Policy:
    """The policy of these packs and the core (without names: of all), straight from their files, as version 0."""
    packs = [read(name) for name in dict.fromkeys((CORE, *(wanted or FIELDS)))]
    snapshot = snapshot_of(
        [row for pack in packs for row in pack.types],
        rules=[],
        tiers=[tier for pack in packs for tier in pack.tiers],
        currencies=[currency for pack in packs for currency in pack.currencies],
    )
    return compiled(0, snapshot)


@transaction.atomic
def load(name: str) -> Pack:
    """Put a pack into the policy tables, the core before it; publishing is up to the caller.

    Action types, their thresholds and their rules of the same name become what the file says; an admin's own rules
    stay. Domains, tiers and currencies that exist are left as they are.
    """
    if name != CORE:
        load(CORE)
    pack = read(name)
    Domain.objects.bulk_create([pack.domain], ignore_conflicts=True)
    Currency.objects.bulk_create(pack.currencies, ignore_conflicts=True)
    # The end of the chain first: a tier refers to the next one.
    for tier in reversed(pack.tiers):
        Tier.objects.bulk_create([tier], ignore_conflicts=True)
    for type, rules, thresholds in pack.types:
        _save(type, rules, thresholds)
    return pack


def _save(type: ActionType, rules: Sequence[Rule], thresholds: Sequence[Threshold]) -> None:
    before = ActionType.objects.filter(pk=type.pk).values_list("schema", "schema_version").first()
    if before:
        schema, version = before
        type.schema_version = version if schema == type.schema else version + 1
    type.save(force_insert=not before, force_update=bool(before))
    Threshold.objects.filter(action_type=type).delete()
    Threshold.objects.bulk_create(thresholds)
    Rule.objects.filter(action_type=type, name__in=[rule.name for rule in rules]).delete()
    Rule.objects.bulk_create(rules)


def _type(pack: str, domain: Domain, table: Table) -> tuple[ActionType, list[Rule], list[Threshold]]:
    columns = dict(table)
    tier, rules, thresholds = columns.pop("tier"), columns.pop("rule", []), columns.pop("threshold", {})
    for name in ("auto_threshold", "review_threshold"):
        if name in columns:
            columns[name] = Decimal(columns[name])
    type = ActionType(
        **{
            **columns,
            "pack": pack,
            "domain": domain,
            "tier_id": tier,
            "schema": _in_order(columns["schema"]),
            "expires_after": _span(columns["expires_after"]),
        }
    )
    return (
        type,
        [
            Rule(
                name=rule["name"],
                action_type=type,
                expression=rule["when"],
                effect=rule["effect"],
                tier_id=rule.get("tier"),
                approvers=rule.get("approvers", 1),
                message=rule["message"],
            )
            for rule in rules
        ],
        [
            Threshold(action_type=type, impact=impact, auto=Decimal(band["auto"]), review=Decimal(band["review"]))
            for impact, band in thresholds.items()
        ],
    )


def _tier(table: Table) -> Tier:
    ceiling = table.get("ceiling")
    return Tier(
        level=table["level"],
        name=table["name"],
        ceiling=None if ceiling is None else Decimal(ceiling),
        sla=_span(table["sla"]),
        hold=_span(table["hold"]),
        claim=_span(table["claim"]),
        next_id=table.get("next"),
    )


def _scenario(pack: str, table: Table) -> Scenario:
    past = dict(table.get("past", {}))
    past["amounts"] = tuple(Decimal(amount) for amount in past.get("amounts", []))
    past.setdefault("proposed", past.get("decided", 0))
    return Scenario(**{**table, "pack": pack, "past": History(**past)})


def _in_order(schema: Json) -> Json:
    """The schema with the order of its fields written down (`x-order`): the database sorts the keys of an object."""
    if isinstance(schema, Mapping):
        written = {key: _in_order(value) for key, value in schema.items()}
        properties = schema.get("properties")
        return {**written, "x-order": list(properties)} if isinstance(properties, Mapping) else written
    if isinstance(schema, list):
        return [_in_order(value) for value in schema]
    return schema


def _span(text: str) -> timedelta:
    """90s, 15m, 4h, 2d."""
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
