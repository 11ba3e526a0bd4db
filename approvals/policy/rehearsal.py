"""What a policy change would have done to the past: every approval of a period, routed under both policies. Reads only.

What was known then is taken as it was recorded: the arguments, the agent's signals, our precedent, the flags. Rules,
thresholds, weights, values, tiers are evaluated anew. Both policies are asked, so that what else changed since (a level
of autonomy, an earlier policy) moves nothing. What comes out names routes and policy's own words, and no content.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from approvals.models import Approval, Autonomy, Proposal
from approvals.models.approval import Kind, Route, Source, Subject
from approvals.models.policy import Reversibility
from approvals.policy import outcomes, words
from approvals.policy.assess import Assessment, Question, recall
from approvals.policy.outcomes import GONE, UNFIT, Moved, Outcome
from approvals.policy.routing import Standing
from approvals.policy.rows import Row, type_columns
from approvals.policy.snapshot import Policy, TypePolicy, compiled
from approvals.policy.spent import Then, then
from approvals.policy.spent import read as spent_before
from approvals.policy.worth import worth

AT_ONCE = 500
MOST = 10_000

# What flags are made from. They are taken as they were recorded, since history is not what it was then.
_FLAGGING = (
    *("usual_path", "usual_times", "frequency_path", "frequency_from", "frequency_window"),
    *("burst_from", "burst_window"),
)
# What an action type says that no routing depends on.
_IDLE = {
    *("title", "headline", "pack", "policy_text", "subject_path", "subject_kind", "reason_required", "allowed"),
    *("schema_version", "expires_after", "permit_valid"),
    *_FLAGGING,
}


@dataclass(frozen=True, slots=True)
class Period:
    """The newest `last` approvals, of all or of those made from `since` on and before `until`."""

    last: int = AT_ONCE
    since: datetime | None = None
    until: datetime | None = None

    def approvals(self) -> "QuerySet[Approval]":
        found = Approval.objects.filter(kind=Kind.REAL).order_by("-created_at", "-id")
        if self.since:
            found = found.filter(created_at__gte=self.since)
        return found.filter(created_at__lt=self.until) if self.until else found

    def total(self) -> int:
        return self.approvals()[: self.last].count()


@dataclass(slots=True)
class Told:
    """What a rehearsal found, so far or of a part."""

    looked: int = 0
    moved: list[Moved] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def kinds(self) -> Counter[str]:
        """How many moved, by how."""
        return Counter(moved.kind for moved in self.moved)


def rehearse(base: Row, draft: Row, period: Period) -> Told:
    """All of it at once."""
    whole = Told()
    for part in told(base, draft, period):
        whole.looked += part.looked
        whole.moved += part.moved
        whole.left_out += part.left_out
    whole.moved.sort(key=lambda moved: moved.rank)
    return whole


def told(base: Row, draft: Row, period: Period) -> Iterator[Told]:
    """In parts of at most AT_ONCE approvals, newest first. Raises BadSchema for a snapshot that does not compile."""
    play = _Play(base, draft)
    left, after = min(period.last, MOST), None
    while left > 0:
        found = period.approvals()
        if after is not None:
            moment, pk = after
            found = found.filter(Q(created_at__lt=moment) | Q(created_at=moment, id__lt=pk))
        rows = list(found.values(*_COLUMNS)[: min(left, AT_ONCE)])
        if not rows:
            return
        yield play.part(rows)
        left -= len(rows)
        after = rows[-1]["created_at"], rows[-1]["id"]


_COLUMNS = (
    *("id", "agent_id", "agent__name", "action_type_id", "subject", "assessment", "value", "proposal_id", "reasons"),
    *("created_at", "about", "policy_id", "digest", "source", "reversibility", "returned_from_id", "pause__run__key"),
    *("pause__run__name", "pause__step", "pause__run_id"),
)

_PATHS = """
SELECT number, (snapshot::jsonb -> 'rates')::text, (
    SELECT jsonb_object_agg(key, jsonb_build_array(value ->> 'value_path', value ->> 'currency_path'))
    FROM jsonb_each(snapshot::jsonb -> 'types')
)::text
FROM approvals_policyversion WHERE number = ANY (%s)
"""


class _Play:
    """Both policies, compiled, and what they share: what cannot move is not looked at twice, or at all."""

    def __init__(self, base: Row, draft: Row) -> None:
        self.base, self.draft = compiled(0, base), compiled(0, draft)
        same_rules, same_rates = base["rules"] == draft["rules"], base["rates"] == draft["rates"]
        self.same_tiers = _ceilings(base) == _ceilings(draft)
        self.same = {
            name
            for name in base["types"].keys() & draft["types"].keys()
            if same_rules and same_rates and _working(base["types"][name]) == _working(draft["types"][name])
        }
        self.flagging = {
            name
            for name in base["types"].keys() & draft["types"].keys()
            if _flagging(base["types"][name]) != _flagging(draft["types"][name])
        }
        self.levels = {
            (agent, type): (level, shadow)
            for agent, type, level, shadow in Autonomy.objects.values_list("agent", "action_type", "level", "shadow")
        }
        # Where both look at spending alike, what was stored says it.
        self.limits = {
            name
            for name in base["types"].keys() | draft["types"].keys()
            if _limit(base["types"].get(name)) != _limit(draft["types"].get(name))
        }
        self.spent: dict[Then, Decimal] = {}
        self.paths: dict[int, tuple[dict[str, Decimal], dict[str, tuple[str, str]]]] = {}

    def part(self, rows: Sequence[dict[str, Any]]) -> Told:
        said = Told(looked=len(rows))
        wanted = []
        for row in rows:
            if why := _untellable(row):
                said.left_out[why] += 1
                continue
            if row["action_type_id"] in self.flagging:
                said.left_out["flags"] += 1  # it is rehearsed; what else would have been flagged is left out
            if not (self.same_tiers and row["action_type_id"] in self.same):
                wanted.append(row)
        self._read_paths({row["policy_id"] for row in wanted})
        self._read_spent(wanted)
        proposals = _proposals([row["id"] for row in wanted])
        for row in wanted:
            proposal = proposals.get(row["id"])
            if proposal is None or not {row["action_type_id"]} & (self.base.types.keys() | self.draft.types.keys()):
                said.left_out["unknown" if proposal else "erased"] += 1
                continue
            before, after = self._both(row, proposal)
            kind = outcomes.kind_of(before, after)
            if kind:
                rank = self._rank(row, before, after)
                said.moved.append(Moved(row["id"], kind, rank, before, after, outcomes.why(before, after)))
        return said

    def _both(self, row: dict[str, Any], proposal: Proposal) -> tuple[Outcome, Outcome]:
        name = row["action_type_id"]
        kinds = self.base.types.get(name), self.draft.types.get(name)
        checked = all(kinds) and kinds[0].schema != kinds[1].schema  # type: ignore[union-attr]  # both are there
        shared: Assessment | None = None
        found = []
        for policy, kind in zip((self.base, self.draft), kinds, strict=True):
            if kind is None:
                found.append(Outcome(GONE, reasons=(outcomes.NOT_KNOWN,)))
                continue
            if checked and proposal.parsed and row["subject"] == Subject.ACTION and (unfit := _unfit(kind, proposal)):
                found.append(Outcome(UNFIT, reasons=(unfit,)))
                continue
            question = self._question(row, proposal, policy, kind)
            assessment = shared if shared is not None and name in self.same else recall(question, row["assessment"])
            shared = assessment
            assessment = self._respent(row, kind, assessment)
            level, shadow = self.levels.get((row["agent_id"], name), (kind.level, False))
            standing = Standing(
                paused=words.PAUSED in row["reasons"],
                level=level,
                shadow=shadow,
                breaker_open=words.BREAKER in row["reasons"],
            )
            found.append(outcomes.outcome(question, assessment, policy, standing))
        return found[0], found[1]

    def _respent(self, row: dict[str, Any], kind: TypePolicy, assessment: Assessment) -> Assessment:
        """With what had been spent as this action type looks at it, where the two policies differ in that."""
        wanted = then(row, kind) if kind.name in self.limits else None
        return replace(assessment, spent=self.spent.get(wanted, Decimal(0))) if wanted else assessment

    def _read_spent(self, rows: Sequence[dict[str, Any]]) -> None:
        kinds = [self.base.types, self.draft.types]
        wanted = [
            one
            for row in rows
            if (name := row["action_type_id"]) in self.limits
            for types in kinds
            if name in types and (one := then(row, types[name]))
        ]
        self.spent = spent_before(wanted, self.base.types.keys() | self.draft.types.keys())

    def _question(self, row: dict[str, Any], proposal: Proposal, policy: Policy, kind: TypePolicy) -> Question:
        value = worth(kind, proposal.args, policy).value
        stated = self._stated(row, proposal, kind)
        if stated is not None and (value is None or stated > value):
            value = stated
        return Question(
            type=kind,
            agent_id=row["agent_id"],
            agent_name=row["agent__name"],
            args=proposal.args,
            digest=row["digest"],
            now=row["created_at"],
            parsed=proposal.parsed,
            about=row["about"],
            value=value,
            stated=proposal.signals,
            summary=proposal.summary,
            context=proposal.context,
            run=row["pause__run__key"] or "",
            run_name=row["pause__run__name"] or "",
            run_step=row["pause__step"],
            approval_id=row["id"],
            undoable=proposal.undo is not None,
        )

    def _stated(self, row: dict[str, Any], proposal: Proposal, kind: TypePolicy) -> Decimal | None:
        """The value in base currency that the agent stated beside its arguments: where it was more than they were."""
        stored: Decimal | None = row["value"]
        if stored is None or row["proposal_id"] != proposal.pk or row["policy_id"] not in self.paths:
            return None
        rates, paths = self.paths[row["policy_id"]]
        value_path, currency_path = paths.get(row["action_type_id"], ("", ""))
        then = worth(
            replace(kind, value_path=value_path, currency_path=currency_path),
            proposal.args,
            replace(self.base, rates=rates),
        ).value
        return stored if then is None or stored > then else None

    def _read_paths(self, numbers: set[int]) -> None:
        """Of the versions that the approvals arrived under: where values stood, and what currencies were worth."""
        with connection.cursor() as cursor:
            cursor.execute(_PATHS, [sorted(numbers - self.paths.keys())])
            for number, rates, paths in cursor.fetchall():
                self.paths[number] = (
                    {code: Decimal(rate) for code, rate in json.loads(rates).items()},
                    {name: (value, currency) for name, (value, currency) in json.loads(paths or "{}").items()},
                )

    def _rank(self, row: dict[str, Any], before: Outcome, after: Outcome) -> int:
        if before.route == Route.REJECT and after.route == Route.AUTO:
            return 0
        kinds = (self.base.types.get(row["action_type_id"]), self.draft.types.get(row["action_type_id"]))
        irreversible = any(kind is not None and kind.reversibility == Reversibility.IRREVERSIBLE for kind in kinds)
        if irreversible or (before.route == Route.REJECT and after.route == Route.REVIEW):
            return 1
        return 2 if outcomes.loosens(before, after) else 3


def _ceilings(snapshot: Row) -> dict[tuple[str, str], str | None]:
    """What routing asks of the tiers, by level and, where a domain has terms of its own, that."""
    found = {}
    for level, row in snapshot["tiers"].items():
        found[level, ""] = row["ceiling"]
        found |= {(level, terms["domain"]): terms["ceiling"] for terms in row.get("terms", ())}
    return found


def _limit(row: Row | None) -> tuple[Any, ...]:
    """How an action type looks at spending; versions from before do not say."""
    return tuple((row or {}).get(name) for name in ("spend_limit", "spend_window", "spend_of"))


def _flagging(row: Row) -> Row:
    columns = type_columns(row)
    return {name: columns[name] for name in _FLAGGING}


def _working(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in _IDLE}


def _untellable(row: Mapping[str, Any]) -> str:
    """Why it says nothing about policy: what a person had granted before, or what is asked again, is not policy's."""
    if row["source"] == Source.GRANT:
        return "granted"
    return "returned" if row["returned_from_id"] else ""


def _proposals(approvals: Sequence[UUID]) -> dict[UUID, Proposal]:
    """What the agent proposed last, by approval; what a reviewer made of it is no proposal."""
    found = Proposal.objects.filter(approval_id__in=approvals, author=None).order_by("approval_id", "-revision")
    columns = ("approval_id", "args", "parsed", "signals", "summary", "context", "undo")
    return {one.approval_id: one for one in found.distinct("approval_id").only(*columns)}


def _unfit(kind: TypePolicy, proposal: Proposal) -> str:
    faults = kind.check(proposal.args)
    if not faults:
        return ""
    # Fields that the schema does not name are the agent's words.
    fields = kind.schema.get("properties")
    named = {fault.pointer.split("/")[1] for fault in faults if fault.pointer.count("/")}
    known = sorted(name for name in named if isinstance(fields, Mapping) and name in fields)
    return outcomes.UNFIT_ARGUMENTS.format(fields=", ".join(known) or "a field that it does not know")
