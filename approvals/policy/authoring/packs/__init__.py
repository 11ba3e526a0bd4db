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

from approvals.models import ActionType, Currency, Tier
from approvals.policy.authoring import files, tables
from approvals.policy.authoring.fields import Row
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
    """A pack as its file says it. `domains` are names by short name."""

    name: str
    domains: Mapping[str, str]
    snapshot: Row
    scenarios: Sequence[Scenario]


def names() -> tuple[str, ...]:
    """Every pack, the core first."""
    return (CORE, *FIELDS)


def read(name: str) -> Pack:
    """A pack from its file; touches no database."""
    text = (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    file = files.read(text, pack=name)
    return Pack(name, file.domains, file.snapshot, [_scenario(name, table) for table in file.scenarios])


def policy(*pack_names: str) -> Policy:
    """The policy of these packs and the core (without names: of all), straight from their files, as version 0."""
    packs = [read(name) for name in dict.fromkeys((CORE, *(pack_names or FIELDS)))]
    parts = ("types", "tiers", "rates")
    named = {part: {key: row for pack in packs for key, row in pack.snapshot[part].items()} for part in parts}
    return compiled(0, {**named, "rules": []})


@transaction.atomic
def load(name: str) -> Pack:
    """Put a pack into the policy tables, the core before it; publishing is up to the caller.

    Action types, their thresholds and their rules of the same name become what the file says; an admin's own rules
    stay. Domains, tiers and currencies that exist are left as they are.
    """
    if name != CORE:
        load(CORE)
    pack = read(name)
    tiers = {str(level) for level in Tier.objects.values_list("level", flat=True)}
    rates = set(Currency.objects.values_list("code", flat=True))
    new = {
        "tiers": {level: row for level, row in pack.snapshot["tiers"].items() if level not in tiers},
        "rates": {code: rate for code, rate in pack.snapshot["rates"].items() if code not in rates},
    }
    for type in ActionType.objects.filter(name__in=pack.snapshot["types"]):
        row = pack.snapshot["types"][type.name]
        row["schema_version"] = type.schema_version + (type.schema != row["schema"])
    tables.merge({**pack.snapshot, **new}, pack.domains)
    return pack


def _scenario(pack: str, table: Table) -> Scenario:
    at = datetime.fromisoformat(table["at"]) if "at" in table else None
    past = dict(table.get("past", {}))
    past["amounts"] = tuple(Decimal(amount) for amount in past.get("amounts", []))
    past.setdefault("proposed", past.get("decided", 0))
    if run := dict(past.get("run", {})):
        past["run"] = RunPast(**{**run, "since": durations.read(run.get("since", "0 s"))})
    stages = tuple(Stage(**one) for one in table.get("stages", ()))
    return Scenario(**{**table, "pack": pack, "at": at, "past": History(**past), "stages": stages})
