"""Reports as CSV: UTF-8 with a byte order mark, one row at a time, and no cell that a spreadsheet would execute."""

import csv
import json
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from asgiref.sync import sync_to_async
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from approvals.db.cursors import Position
from approvals.evidence import decision_log, selection
from approvals.evidence.metrics import FigureGroup, Report, people_with_enough
from approvals.evidence.rates import Rate
from approvals.evidence.selection import Selection
from approvals.evidence.shadows import ShadowCount
from approvals.models import Approval, SystemAuditEvent
from approvals.values.compact import compact
from approvals.values.schema import Json

MARK = "\ufeff"  # without it a spreadsheet reads UTF-8 as the machine's old code page
PAGE = 500
LOG_PAGE = 200
# What makes a spreadsheet take a text for a formula, its full-width twins included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  # full-width is the point

Value = str | int | float | Decimal | datetime | timedelta | None


@dataclass(frozen=True, slots=True)
class CsvColumn:
    name: str
    meaning: Promise
    value: Callable[[Approval], Value]


def _seconds(approval: Approval) -> float | None:
    return (approval.decided_at - approval.created_at).total_seconds() if approval.decided_at else None


def _stages(approval: Approval) -> str:
    return " > ".join(f"{stage['tier']} {stage['domain']}" for stage in approval.stages)


DECISIONS: list[CsvColumn] = [
    CsvColumn("id", _("The approval."), lambda approval: str(approval.pk)),
    CsvColumn("agent", _("Who proposed it."), lambda approval: approval.agent.name),
    CsvColumn("action_type", _("What kind of action."), lambda approval: approval.action_type_id),
    CsvColumn("item_type", _("action, question or plan"), lambda approval: approval.item_type),
    CsvColumn("subject", _("Whom or what it concerns."), lambda approval: approval.subject),
    CsvColumn("route", _("auto, review or reject: what policy did with it."), lambda approval: approval.route),
    CsvColumn("reason_code", _("Why."), lambda approval: approval.reason_code),
    CsvColumn("policy_version", _("The policy it arrived under."), lambda approval: approval.policy_id),
    CsvColumn("confidence", _("Composite confidence, 0 to 1."), lambda approval: approval.confidence),
    CsvColumn("value", _("In base currency."), lambda approval: approval.value),
    CsvColumn("impact", _("low, medium or high"), lambda approval: approval.impact),
    CsvColumn("reversibility", _("reversible, partial or irreversible"), lambda approval: approval.reversibility),
    CsvColumn("tier_started", _("Level of the tier where it started."), lambda approval: _tiers(approval)[0]),
    CsvColumn("tier", _("Level of the tier where it is or ended."), lambda approval: approval.tier_id),
    CsvColumn(
        "stages", _("Who approved one after the other: tier and domain of each; empty for all at once."), _stages
    ),
    CsvColumn(
        "stage",
        _("Which of the stages it is or ended in, from 1."),
        lambda approval: approval.stage + 1 if approval.stages else None,
    ),
    CsvColumn("escalations", _("How often it left a tier."), lambda approval: approval.escalations),
    CsvColumn("breaches", _("How many tiers did not answer in time."), lambda approval: approval.breaches),
    CsvColumn(
        "status", _("pending, held, released, executed, failed, expired, cancelled …"), lambda approval: approval.status
    ),
    CsvColumn(
        "verdict", _("approve, modify, reject, answer or skip; empty while open"), lambda approval: approval.verdict
    ),
    CsvColumn("source", _("human, policy, timeout or grant"), lambda approval: approval.source),
    CsvColumn(
        "decided_by",
        _("The person's user name; empty for one who decided fewer than 20 in the selection."),
        lambda approval: approval.decided_by.username if approval.decided_by else "",
    ),
    CsvColumn("created_at", _("When it arrived, UTC."), lambda approval: approval.created_at),
    CsvColumn("due_at", _("When the tier should have answered, UTC."), lambda approval: approval.due_at),
    CsvColumn("expires_at", _("The deadline, UTC."), lambda approval: approval.expires_at),
    CsvColumn("decided_at", _("When the verdict was given, UTC."), lambda approval: approval.decided_at),
    CsvColumn("released_at", _("When the agent could know it, UTC."), lambda approval: approval.released_at),
    CsvColumn("seconds_to_decision", _("From created_at to decided_at."), _seconds),
    CsvColumn("agent_model", _("As the agent stated it."), lambda approval: approval.agent_model),
    CsvColumn("prompt_version", _("As the agent stated it."), lambda approval: approval.prompt_version),
    CsvColumn("tool_version", _("As the agent stated it."), lambda approval: approval.tool_version),
]

FIGURES = [
    *(
        "group",
        "name",
        "first_day",
        "last_day",
        "submitted",
        "auto",
        "granted",
        "review",
        "refused",
        "open",
        "decided",
        "judged",
    ),
    *("approved", "modified", "rejected", "needless", "escalated", "expired", "late", "missed"),
    *("voted", "viewed_seconds", "let_run", "incidents", "incident_cost"),
    *("approval_rate", "approval_low", "approval_high", "override_rate", "override_low", "override_high"),
    *("escalation_rate", "escalation_low", "escalation_high", "median_seconds", "p95_seconds"),
]


def escaped_cell(value: Value) -> str:
    """A cell as text that a spreadsheet shows and does not run: an apostrophe before what looks like a formula.

    Only texts can be formulas; a negative number stays a number.
    """
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.3f}"
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1 else f"{value:.3f}"
    if not isinstance(value, str):
        return str(value)
    text = value.replace("\0", "")
    return f"'{text}" if text.startswith(_FORMULA) else text


async def decisions(chosen: Selection, row_set: str) -> AsyncIterator[str]:
    """The rows of a row set as CSV, newest first, read page by page: memory does not grow with the selection."""
    yield MARK + _line([column.name for column in DECISIONS])
    cursor: Position | None = None
    named = await sync_to_async(people_with_enough)(chosen)
    while True:
        page = await sync_to_async(_page)(chosen, row_set, cursor, named)
        if page:
            yield "".join(_line([column.value(one) for column in DECISIONS]) for one in page)
        if len(page) < PAGE:
            return
        cursor = Position(page[-1].created_at, page[-1].pk)


async def log(chosen: Selection, row_set: str, *, everybody: bool) -> AsyncIterator[str]:
    """The same as JSON Lines with all that is known of each; `everybody`: whoever decided is named."""
    named = await sync_to_async(decision_log.named_people)(chosen, everybody=everybody)
    cursor: Position | None = None
    while True:
        lines, cursor = await sync_to_async(_log_page)(chosen, row_set, cursor, named)
        if lines:
            yield lines
        if cursor is None:
            return


def system_events(events: Iterable[SystemAuditEvent]) -> Iterator[str]:
    """The audit log of what concerns no approval as CSV, with the hashes that make it a chain."""
    yield MARK + _line(["number", "at", "event", "by", "subject", "detail", "hash"])
    for event in events:
        detail = json.dumps(event.detail, ensure_ascii=False, sort_keys=True)
        yield _line([event.seq, event.at, event.kind, event.actor, event.subject, detail, bytes(event.hash).hex()])


def figures(report: Report) -> Iterator[str]:
    """The figures of a report as CSV: the whole, then by each grouping and span of time."""
    yield MARK + _line(FIGURES)
    yield from map(_line, _figure_rows(report))


def figures_document(report: Report) -> list[dict[str, Json]]:
    """The same lines as JSON, by the names of the CSV's columns: durations in seconds, money as text."""
    return [dict(zip(FIGURES, map(_plain, row), strict=True)) for row in _figure_rows(report)]


def _plain(value: Value) -> Json:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value) if isinstance(value, Decimal | datetime) else value


def _figure_rows(report: Report) -> Iterator[list[Value]]:
    whole = FigureGroup("", "", report.total)
    days = [(span.first, span.last, FigureGroup("", "", span.figures)) for span in report.spans]
    first, last = report.selection.first, report.selection.last
    for kind, groups in (
        ("all", [whole]),
        ("action_type", report.by_type),
        ("agent", report.by_agent),
        ("version", report.by_version),
        ("domain", report.by_domain),
        ("tier", report.by_tier),
        ("person", report.by_person),
    ):
        for group in groups:
            name = group.name if kind in ("agent", "version", "person") else group.key
            yield [kind, name, first.isoformat(), last.isoformat(), *_numbers(group)]
    for start, end, group in days:
        yield ["period", "", start.isoformat(), end.isoformat(), *_numbers(group)]


def shadow(pairs: Sequence[ShadowCount]) -> Iterator[str]:
    """What shadow mode did not ask as CSV: a line for each action type, agent and reason, then the sum of both."""
    yield MARK + _line(["action_type", "agent", "reason_code", "count", "would_ask", "would_refuse"])
    for pair in pairs:
        for code, many in pair.reasons.items():
            yield _line([pair.action_type, pair.agent, code, many, None, None])
        yield _line([pair.action_type, pair.agent, "", pair.all, pair.would_ask, pair.refused])


def _page(chosen: Selection, row_set: str, cursor: Position | None, named: Collection[UUID]) -> list[Approval]:
    """The next rows; who decided too few to be read with a name is not named here either."""
    queryset = selection.rows(chosen, row_set).select_related("agent", "decided_by").defer("assessment", "reasons")
    page = list((queryset.filter(cursor.older("created_at")) if cursor else queryset)[:PAGE])
    for approval in page:
        if approval.decided_by_id not in named:
            approval.decided_by = None
    return page


def _log_page(
    chosen: Selection, row_set: str, cursor: Position | None, named: Collection[UUID] | None
) -> tuple[str, Position | None]:
    """A page of the log, and where the next one starts; None after the last."""
    queryset = selection.rows(chosen, row_set)
    queryset = queryset.filter(cursor.older("created_at")) if cursor else queryset
    ends = list(queryset.values_list("created_at", "pk")[LOG_PAGE - 1 : LOG_PAGE])
    lines = [compact(row) + "\n" for row in decision_log.rows(queryset[:LOG_PAGE], named)]
    return "".join(lines), Position(*ends[0]) if ends else None


def _tiers(approval: Approval) -> list[int]:
    return approval.tiers_visited or [approval.tier_id]


def _numbers(group: FigureGroup) -> list[Value]:
    f = group.figures
    counts = [f.submitted, f.auto, f.granted, f.review, f.refused, f.open, f.decided, f.judged]
    ends = [f.approved, f.modified, f.rejected, f.needless, f.escalated, f.expired, f.late, f.missed]
    beside: list[Value] = [f.voted, f.viewed, f.let_run, f.incidents, f.cost]
    shares = [cell for rate in (f.approval, f.override, f.escalation) for cell in _rate(rate)]
    return [*counts, *ends, *beside, *shares, f.median, f.p95]


def _rate(rate: Rate) -> list[Value]:
    return [rate.share, rate.low, rate.high] if rate.whole else [None, None, None]


class _Echo:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        return text


def _line(values: Sequence[Value]) -> str:
    # The writer returns what its file's write() returns.
    return str(csv.writer(_Echo()).writerow([escaped_cell(value) for value in values]))
