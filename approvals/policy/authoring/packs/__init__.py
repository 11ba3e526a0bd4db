"""Ready policies for six fields, and the core that every installation has: files to read, load and change.

Each pack comes with scenarios: a believable request, the past it meets, and the route it must take.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from django.db import transaction

from approvals.models import ActionType, Currency, Domain, Rule, Threshold, Tier
from approvals.policy.authoring import files
from approvals.policy.authoring.documents import snapshot_of
from approvals.policy.authoring.fields import ACTION_TYPE, BAND, RULE, TIER, Row
from approvals.policy.authoring.files import Table
from approvals.policy.compiled_policy import Policy, Stage
from approvals.policy.evaluation_input import EvaluationInput, History, RunPast
from approvals.policy.snapshot import compiled
from approvals.policy.worth import worth
from approvals.values import durations
from approvals.values.schema import Json, action_digest, pick

CORE = "core"
FIELDS = ("deployment", "clinical", "finance", "education", "commerce", "legal")
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Scenario:
    """One believable request and the route it must take.

    `level` None: the action type's first level. `past` is what history says: decided, approved, amounts and so on.
    `run` is the agent's key, name and step of its workflow, `at` when it asks, where a rule looks at them. `stages` are
    written as a rule's, and `tier` is that of the first; empty: not looked at.
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
    run: Mapping[str, str] = field(default_factory=dict)
    at: datetime | None = None
    stages: tuple[Stage, ...] = ()
    typed: bool = False

    @property
    def agent(self) -> str:
        return f"{self.pack}-agent"

    def question(self, policy: Policy, *, now: datetime) -> EvaluationInput:
        """The scenario as policy looks at it."""
        type = policy.types[self.action]
        named = pick(self.args, type.subject_path) if type.subject_path else None
        subject = f"{type.subject_kind}:{named}" if named is not None else ""
        digest = action_digest(
            agent=self.agent, action=self.action, schema_version=type.schema_version, args=self.args, subject=subject
        )
        return EvaluationInput(
            type=type,
            agent_id=UUID(int=names().index(self.pack) + 1),
            agent_name=self.agent,
            args=self.args,
            digest=digest,
            now=self.at or now,
            parsed=self.parsed,
            subject=subject,
            value=worth(type, self.args, policy).value,
            stated=self.signals,
            summary=self.summary,
            context=self.context,
            run=self.run.get("key", ""),
            run_name=self.run.get("name", ""),
            run_step=self.run.get("step", ""),
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
    text = (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    file = files.read(text, pack=name)
    [(slug, title)] = file.domains.items()
    return Pack(
        name=name,
        domain=Domain(slug=slug, name=title),
        types=[_type(one, row) for one, row in file.snapshot["types"].items()],
        tiers=[Tier(level=int(level), **TIER.columns(row)) for level, row in file.snapshot["tiers"].items()],
        currencies=[Currency(code=code, rate=Decimal(rate)) for code, rate in file.snapshot["rates"].items()],
        scenarios=[_scenario(name, one) for one in file.scenarios],
    )


def policy(*pack_names: str) -> Policy:
    """The policy of these packs and the core (without names: of all), straight from their files, as version 0."""
    packs = [read(name) for name in dict.fromkeys((CORE, *(pack_names or FIELDS)))]
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


def _type(name: str, row: Row) -> tuple[ActionType, list[Rule], list[Threshold]]:
    type = ActionType(name=name, **ACTION_TYPE.columns(row))
    rules = [Rule(action_type=type, **RULE.columns(rule)) for rule in row["rules"]]
    bands = [(impact, BAND.columns(band)) for impact, band in row["thresholds"].items()]
    return type, rules, [Threshold(action_type=type, impact=impact, **columns) for impact, columns in bands]


def _scenario(pack: str, table: Table) -> Scenario:
    at = datetime.fromisoformat(table["at"]) if "at" in table else None
    past = dict(table.get("past", {}))
    past["amounts"] = tuple(Decimal(amount) for amount in past.get("amounts", []))
    past.setdefault("proposed", past.get("decided", 0))
    if run := dict(past.get("run", {})):
        past["run"] = RunPast(**{**run, "since": durations.read(run.get("since", "0 s"))})
    stages = tuple(Stage(**one) for one in table.get("stages", ()))
    return Scenario(**{**table, "pack": pack, "at": at, "past": History(**past), "stages": stages})
