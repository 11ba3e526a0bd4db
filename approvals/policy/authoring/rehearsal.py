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

from approvals.models import ActionType, Approval, Autonomy, Proposal
from approvals.models.policy import Impact, Reversibility
from approvals.models.states import ItemType, Kind, Route, Source
from approvals.policy import certified, reasons, rehearsal_reasons
from approvals.policy.assessed import Assessment
from approvals.policy.assessment import recall
from approvals.policy.authoring import rehearsed_routes
from approvals.policy.authoring.fields import ACTION_TYPE, Row
from approvals.policy.authoring.rehearsed_routes import GONE, UNFIT, RouteDifference, RoutingOutcome
from approvals.policy.certified import CERTIFICATES, Certificates, Certified, Version
from approvals.policy.compiled_policy import Policy, TypePolicy
from approvals.policy.evaluation_input import EvaluationInput
from approvals.policy.precedent.past_spending import SpendingCutoff, cutoff_of
from approvals.policy.precedent.past_spending import spending_before as spent_before
from approvals.policy.reasons import Reason
from approvals.policy.routing_decision import AgentStanding
from approvals.policy.snapshot import compiled
from approvals.policy.worth import worth

AT_ONCE = 500
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Period:
    """The newest `last` approvals, of all or of those made from `since` on and before `until`."""

    last: int = AT_ONCE
    since: datetime | None = None
    until: datetime | None = None

    def approvals(self) -> "QuerySet[Approval]":
        queryset = Approval.objects.filter(kind=Kind.REAL).order_by("-created_at", "-id")
        if self.since:
            queryset = queryset.filter(created_at__gte=self.since)
        return queryset.filter(created_at__lt=self.until) if self.until else queryset

    def total(self) -> int:
        return self.approvals()[: self.last].count()


@dataclass(slots=True)
class RehearsalPart:
    """What a rehearsal found, so far or of a part."""

    examined: int = 0
    moved: list[RouteDifference] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def kinds(self) -> Counter[str]:
        """How many moved, by how."""
        return Counter(moved.kind for moved in self.moved)


def rehearse(base: Row, draft: Row, period: Period) -> RehearsalPart:
    """All of it at once."""
    whole = RehearsalPart()
    for part in rehearse_in_parts(base, draft, period):
        whole.examined += part.examined
        whole.moved += part.moved
        whole.left_out += part.left_out
    whole.moved.sort(key=lambda moved: moved.rank)
    return whole


def rehearse_in_parts(base: Row, draft: Row, period: Period) -> Iterator[RehearsalPart]:
    """In parts of at most AT_ONCE approvals, newest first. Raises BadSchema for a snapshot that does not compile."""
    play = _Comparison(base, draft)
    left, after = min(period.last, MOST), None
    while left > 0:
        approvals = period.approvals()
        if after is not None:
            moment, pk = after
            approvals = approvals.filter(Q(created_at__lt=moment) | Q(created_at=moment, id__lt=pk))
        rows = list(approvals.values(*_COLUMNS)[: min(left, AT_ONCE)])
        if not rows:
            return
        yield play.part(rows)
        left -= len(rows)
        after = rows[-1]["created_at"], rows[-1]["id"]


_COLUMNS = (
    *("id", "agent_id", "agent__name", "action_type_id", "item_type", "assessment", "value", "proposal_id", "reasons"),
    *(
        "created_at",
        "subject",
        "policy_id",
        "digest",
        "source",
        "reversibility",
        "returned_from_id",
        "request__run__key",
    ),
    *("request__run__name", "request__step", "request__run_id", "agent_model", "prompt_version", "tool_version"),
)

_CERTIFICATES = f"SELECT agent.id, {CERTIFICATES} FROM approvals_agent AS agent"  # noqa: S608  # constants only

_PATHS = """
SELECT number, (snapshot::jsonb -> 'rates')::text, (
    SELECT jsonb_object_agg(key, jsonb_build_array(value ->> 'value_path', value ->> 'currency_path'))
    FROM jsonb_each(snapshot::jsonb -> 'types')
)::text
FROM approvals_policyversion WHERE number = ANY (%s)
"""


def _levels() -> dict[tuple[object, ...], Autonomy]:
    """Of each agent and action type by the version stated, and without one the newest."""
    rows = list(Autonomy.objects.all())
    newest: dict[tuple[object, ...], Autonomy] = {(row.agent_id, row.action_type_id): row for row in rows if row.newest}
    stated: dict[tuple[object, ...], Autonomy] = {
        (row.agent_id, row.action_type_id, row.agent_model, row.prompt_version, row.tool_version): row for row in rows
    }
    return {**newest, **stated}


def _certificates() -> dict[UUID, Certificates]:
    """The certificates in force, by agent."""
    with connection.cursor() as cursor:
        cursor.execute(_CERTIFICATES, {"names": list(ActionType.objects.values_list("pk", flat=True))})
        return {agent: certified.read(json.loads(rows)) for agent, rows in cursor.fetchall() if rows}


class _Comparison:
    """Both policies, compiled, and what they share: what cannot move is not looked at twice, or at all."""

    def __init__(self, base: Row, draft: Row) -> None:
        self.base, self.draft = compiled(0, base), compiled(0, draft)
        same_rules, same_rates = base["rules"] == draft["rules"], base["rates"] == draft["rates"]
        self.same_tiers = _ceilings(base) == _ceilings(draft)
        self.same = {
            name
            for name in base["types"].keys() & draft["types"].keys()
            if same_rules and same_rates and _routing_part(base["types"][name]) == _routing_part(draft["types"][name])
        }
        self.flagging = {
            name
            for name in base["types"].keys() & draft["types"].keys()
            if _flag_settings(base["types"][name]) != _flag_settings(draft["types"][name])
        }
        self.levels = _levels()
        self.certificates = _certificates()
        # Where both look at spending alike, what was stored says it.
        self.limits = {
            name
            for name in base["types"].keys() | draft["types"].keys()
            if _limit(base["types"].get(name)) != _limit(draft["types"].get(name))
        }
        self.spent: dict[SpendingCutoff, Decimal] = {}
        self.paths: dict[int, tuple[dict[str, Decimal], dict[str, tuple[str, str]]]] = {}

    def part(self, rows: Sequence[dict[str, Any]]) -> RehearsalPart:
        part = RehearsalPart(examined=len(rows))
        affected_rows = []
        for row in rows:
            if why := _why_left_out(row):
                part.left_out[why] += 1
                continue
            if row["action_type_id"] in self.flagging:
                part.left_out["flags"] += 1  # it is rehearsed; what else would have been flagged is left out
            if not (self.same_tiers and row["action_type_id"] in self.same):
                affected_rows.append(row)
        self._read_paths({row["policy_id"] for row in affected_rows})
        self._read_spent(affected_rows)
        proposals = _proposals([row["id"] for row in affected_rows])
        for row in affected_rows:
            proposal = proposals.get(row["id"])
            if proposal is None or not {row["action_type_id"]} & (self.base.types.keys() | self.draft.types.keys()):
                part.left_out["unknown" if proposal else "erased"] += 1
                continue
            before, after = self._outcomes(row, proposal)
            kind = rehearsed_routes.movement_of(before, after)
            if kind:
                rank = self._rank(row, before, after)
                part.moved.append(
                    RouteDifference(
                        row["id"], kind, rank, before, after, rehearsed_routes.reasons_for_change(before, after)
                    )
                )
        return part

    def _outcomes(self, row: dict[str, Any], proposal: Proposal) -> tuple[RoutingOutcome, RoutingOutcome]:
        name = row["action_type_id"]
        kinds = self.base.types.get(name), self.draft.types.get(name)
        checked = all(kinds) and kinds[0].schema != kinds[1].schema  # type: ignore[union-attr]  # both are there
        shared: Assessment | None = None
        before_and_after = []
        for policy, kind in zip((self.base, self.draft), kinds, strict=True):
            if kind is None:
                before_and_after.append(RoutingOutcome(GONE, reasons=(rehearsal_reasons.ActionTypeUnknown(),)))
                continue
            if (
                checked
                and proposal.parsed
                and row["item_type"] == ItemType.ACTION
                and (unfit := _unfit(kind, proposal))
            ):
                before_and_after.append(RoutingOutcome(UNFIT, reasons=(unfit,)))
                continue
            question = self._question(row, proposal, policy, kind)
            assessment = shared if shared is not None and name in self.same else recall(question, row["assessment"])
            shared = assessment
            assessment = self._with_spending(row, kind, assessment)
            pair = row["agent_id"], name
            stated = row["agent_model"], row["prompt_version"], row["tool_version"]
            trust = self.levels.get((*pair, *stated)) or self.levels.get(pair) or Autonomy(level=kind.level)
            standing = AgentStanding(
                paused=reasons.names(row["reasons"], reasons.AgentPaused),
                level=trust.level,
                level_medium=trust.level_medium,
                level_high=trust.level_high,
                shadow=trust.shadow,
                breaker_open=reasons.names(row["reasons"], reasons.BreakerOpen),
                certificates=self._certified(row, name),
            )
            before_and_after.append(rehearsed_routes.outcome(question, assessment, policy, standing))
        return before_and_after[0], before_and_after[1]

    def _certified(self, row: dict[str, Any], name: str) -> dict[str, Certified]:
        """By impact, of what the agent stated of itself then: the certificates in force now."""
        version = Version(row["agent_model"], row["prompt_version"], row["tool_version"])
        held = self.certificates.get(row["agent_id"], {})
        return {impact: held[key] for impact in Impact.values if (key := (name, version, impact)) in held}

    def _with_spending(self, row: dict[str, Any], kind: TypePolicy, assessment: Assessment) -> Assessment:
        """With what had been spent as this action type looks at it, where the two policies differ in that."""
        cutoff = cutoff_of(row, kind) if kind.name in self.limits else None
        return replace(assessment, spent=self.spent.get(cutoff, Decimal(0))) if cutoff else assessment

    def _read_spent(self, rows: Sequence[dict[str, Any]]) -> None:
        kinds = [self.base.types, self.draft.types]
        cutoffs = [
            cutoff
            for row in rows
            if (name := row["action_type_id"]) in self.limits
            for types in kinds
            if name in types and (cutoff := cutoff_of(row, types[name]))
        ]
        self.spent = spent_before(cutoffs, self.base.types.keys() | self.draft.types.keys())

    def _question(self, row: dict[str, Any], proposal: Proposal, policy: Policy, kind: TypePolicy) -> EvaluationInput:
        value = worth(kind, proposal.args, policy).value
        stated = self._stated(row, proposal, kind)
        if stated is not None and (value is None or stated > value):
            value = stated
        return EvaluationInput(
            type=kind,
            agent_id=row["agent_id"],
            agent_name=row["agent__name"],
            args=proposal.args,
            digest=row["digest"],
            now=row["created_at"],
            parsed=proposal.parsed,
            subject=row["subject"],
            value=value,
            stated=proposal.signals,
            summary=proposal.summary,
            context=proposal.context,
            run=row["request__run__key"] or "",
            run_name=row["request__run__name"] or "",
            run_step=row["request__step"],
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

    def _rank(self, row: dict[str, Any], before: RoutingOutcome, after: RoutingOutcome) -> int:
        if before.route == Route.REJECT and after.route == Route.AUTO:
            return 0
        kinds = (self.base.types.get(row["action_type_id"]), self.draft.types.get(row["action_type_id"]))
        irreversible = any(kind is not None and kind.reversibility == Reversibility.IRREVERSIBLE for kind in kinds)
        if irreversible or (before.route == Route.REJECT and after.route == Route.REVIEW):
            return 1
        return 2 if rehearsed_routes.loosens(before, after) else 3


def _ceilings(snapshot: Row) -> dict[tuple[str, str], str | None]:
    """What routing asks of the tiers, by level and, where a domain has terms of its own, that."""
    ceilings = {}
    for level, row in snapshot["tiers"].items():
        ceilings[level, ""] = row["ceiling"]
        ceilings |= {(level, terms["domain"]): terms["ceiling"] for terms in row.get("terms", ())}
    return ceilings


def _limit(row: Row | None) -> tuple[Any, ...]:
    """How an action type looks at spending; versions from before do not say."""
    return tuple((row or {}).get(name) for name in ("spend_limit", "spend_window", "spend_of"))


def _flag_settings(row: Row) -> Row:
    """What flags are made from. They are taken as they were recorded, since history is not what it was then."""
    return {field.name: field.of(row) for field in ACTION_TYPE if field.bears_on == "flags"}


def _routing_part(row: Row) -> Row:
    idle = {field.name for field in ACTION_TYPE if field.bears_on != "route"}
    return {name: value for name, value in row.items() if name not in idle}


def _why_left_out(row: Mapping[str, Any]) -> str:
    """Why it says nothing about policy: what a person had granted before, or what is asked again, is not policy's."""
    if row["source"] == Source.GRANT:
        return "granted"
    return "returned" if row["returned_from_id"] else ""


def _proposals(approvals: Sequence[UUID]) -> dict[UUID, Proposal]:
    """What the agent proposed last, by approval; what a reviewer made of it is no proposal."""
    proposals = Proposal.objects.filter(approval_id__in=approvals, author=None).order_by("approval_id", "-revision")
    columns = ("approval_id", "args", "parsed", "signals", "summary", "context", "undo")
    return {one.approval_id: one for one in proposals.distinct("approval_id").only(*columns)}


def _unfit(kind: TypePolicy, proposal: Proposal) -> Reason | None:
    faults = kind.check(proposal.args)
    if not faults:
        return None
    # Fields that the schema does not name are the agent's words.
    fields = kind.schema.get("properties")
    named = {fault.pointer.split("/")[1] for fault in faults if fault.pointer.count("/")}
    known_fields = sorted(name for name in named if isinstance(fields, Mapping) and name in fields)
    return rehearsal_reasons.ArgumentsUnfit(tuple(known_fields))
