"""Outcomes and incidents from a CSV file: checked as a whole, then taken as a whole, through the makers of both.

A row names its approval, what came of it, or the harm that it did. What is there already is left alone, so that a file
can be taken in twice. A time needs its zone; it is kept with the outcome, and written into the incident's account.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.db import transaction
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from approvals.db import times
from approvals.errors import NotAllowed, ReviewError
from approvals.execution import incidents, unconfirmed
from approvals.models import Approval, Incident, Outcome, User
from approvals.people import authorities, eligibility
from approvals.values import texts

MOST_BYTES, MOST_ROWS = 1_000_000, 10_000
COLUMNS = ("approval", "request", "item", "agent", "key", "outcome", "severity", "cost", "time", "note")


@dataclass(frozen=True, slots=True)
class ImportFault:
    """Why a line cannot be taken; 0 is the file as a whole."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class ImportRow:
    """What one line says. `new_outcome`, `new_incident`: whether taking it would write that."""

    line: int
    approval: Approval
    outcome: str
    severity: str
    cost: str
    happened_at: datetime | None
    note: str
    new_outcome: bool
    new_incident: bool

    @property
    def account(self) -> str:
        """The note with the time, as an incident keeps it."""
        at = f" ({self.happened_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC)" if self.happened_at else ""
        return f"{self.note}{at}"


@dataclass(frozen=True, slots=True)
class ImportCheck:
    """What taking a file would do, line by line; with a fault in it nothing is taken."""

    rows: Sequence[ImportRow]
    faults: Sequence[ImportFault]

    @property
    def outcomes(self) -> int:
        return sum(row.new_outcome for row in self.rows)

    @property
    def incidents(self) -> int:
        return sum(row.new_incident for row in self.rows)

    @property
    def unchanged(self) -> int:
        return sum(not row.new_outcome and not row.new_incident for row in self.rows)


class BadImport(ReviewError):
    """A line cannot be taken, so none is."""

    def __init__(self, faults: Sequence[ImportFault]) -> None:
        super().__init__(_("Nothing was taken: %(n)d faults.") % {"n": len(faults)})
        self.faults = tuple(faults)


def check(content: bytes, *, by: User, most: int = MOST_ROWS) -> ImportCheck:
    """What taking a file of at most so many rows would do. Raises NotAllowed for anybody but managers."""
    authority = authorities.authority_of(by)
    if not authority.manager or not by.is_active:
        raise NotAllowed
    lines, faults = _lines(content, most)
    approvals = _Approvals(lines)
    rows: list[ImportRow] = []
    outcomes: dict[UUID, str] = dict(approvals.outcomes)
    accounts: set[tuple[UUID, str, str]] = set(approvals.accounts)
    for line, values in lines:
        reader = _Reader(line, values)
        approval = reader.approval(approvals)
        if approval is not None and approval.agent_id in authority.operates:
            reader.fault(_("You operate this agent: somebody else imports what came of it."))
        row = reader.row(approval, outcomes, accounts)
        faults += reader.faults
        if row is not None and not reader.faults:
            rows.append(row)
    return ImportCheck(rows, faults)


@transaction.atomic
def take(content: bytes, *, by: User, most: int = MOST_ROWS) -> ImportCheck:
    """Take a file, all of it or nothing; what was written. Raises BadImport with its lines, NotAllowed."""
    checked = check(content, by=by, most=most)
    if checked.faults:
        raise BadImport(checked.faults)
    for row in checked.rows:
        try:
            if row.new_outcome:
                unconfirmed.record_outcome(
                    row.approval.pk, by=by, result=row.outcome, note=row.note, happened_at=row.happened_at
                )
            if row.new_incident:
                incidents.open_incident(row.approval, by=by, severity=row.severity, text=row.account, cost=row.cost)
        except ReviewError as error:
            raise BadImport([ImportFault(row.line, str(error))]) from error
    return checked


def _lines(content: bytes, most: int) -> tuple[list[tuple[int, dict[str, str]]], list[ImportFault]]:
    """The lines with their numbers, by column; or why the file is none."""
    if len(content) > MOST_BYTES:
        return [], [ImportFault(0, _("The file is larger than 1 MB. Import it in parts."))]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return [], [ImportFault(0, _("The file is not UTF-8."))]
    if "\0" in text:
        return [], [ImportFault(0, _("The file is no text."))]
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text.replace("\r\n", "\n"), newline=""), delimiter=delimiter, strict=True)
    lines: list[tuple[int, dict[str, str]]] = []
    faults: list[ImportFault] = []
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        if unknown := sorted(set(names) - {*COLUMNS}):
            return [], [ImportFault(1, _("Unknown columns: %(names)s.") % {"names": ", ".join(unknown)[:200]})]
        if len(names) != len(set(names)) or not names:
            return [], [ImportFault(1, _("The first line names each column once."))]
        before = reader.line_num
        for cells in reader:
            number, before = before + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(names):
                facts = {"n": len(cells), "m": len(names)}
                faults.append(ImportFault(number, _("%(n)d cells, where the first line names %(m)d.") % facts))
            else:
                lines.append((number, {name: cell.strip() for name, cell in zip(names, cells, strict=True)}))
            if len(lines) > most:
                return [], [ImportFault(0, _("More than %(most)d rows. Import it in parts.") % {"most": most})]
    except csv.Error as error:
        faults.append(ImportFault(reader.line_num, _("This is no CSV: %(why)s.") % {"why": error}))
    return lines, faults


class _Approvals:
    """The approvals that a file names, with what is known of them, read in five queries."""

    def __init__(self, lines: Sequence[tuple[int, Mapping[str, str]]]) -> None:
        ids = {pk for _line, values in lines if (pk := _uuid(values.get("approval", "")))}
        requests = {pk for _line, values in lines if (pk := _uuid(values.get("request", "")))}
        keys = {key for _line, values in lines if (key := values.get("key"))}
        queryset = Approval.objects.select_related("request", "agent").defer("assessment", "reasons")
        approvals = {approval.pk: approval for approval in queryset.filter(pk__in=ids)}
        approvals |= {approval.pk: approval for approval in queryset.filter(request__in=requests)}
        approvals |= {approval.pk: approval for approval in queryset.filter(request__key__in=keys)}
        self.by_id = approvals
        self.by_request: dict[str, list[Approval]] = {}
        self.by_key: dict[tuple[str, str], list[Approval]] = {}
        for approval in approvals.values():
            self.by_request.setdefault(str(approval.request_id), []).append(approval)
            self.by_key.setdefault((approval.agent.name, approval.request.key or ""), []).append(approval)
        reported = Outcome.objects.filter(approval__in=approvals)
        self.outcomes = {outcome.approval_id: outcome.result for outcome in reported.only("approval", "result")}
        listed = Incident.objects.filter(approval__in=approvals)
        self.accounts = set(listed.values_list("approval_id", "severity", "text"))


class _Reader:
    """One line, and what is wrong with it."""

    def __init__(self, line: int, values: Mapping[str, str]) -> None:
        self.line, self.values = line, {name: values.get(name, "") for name in COLUMNS}
        self.faults: list[ImportFault] = []

    def fault(self, message: str) -> None:
        self.faults.append(ImportFault(self.line, message))

    def approval(self, approvals: _Approvals) -> Approval | None:
        """The one that the line names, by its id, by its request, or by its agent and key."""
        values = self.values
        if values["approval"]:
            pk = _uuid(values["approval"])
            named = [approvals.by_id[pk]] if pk in approvals.by_id else []
        elif values["request"]:
            named = approvals.by_request.get(str(_uuid(values["request"])), [])
        elif values["agent"] and values["key"]:
            named = approvals.by_key.get((values["agent"], values["key"]), [])
        else:
            self.fault(_("Name the approval: by approval, by request, or by agent and key."))
            return None
        if values["item"]:
            named = [approval for approval in named if approval.item == values["item"]]
        if len(named) != 1:
            self.fault(_("There is no such approval.") if not named else _("The request has several items: name one."))
            return None
        return named[0]

    def row(
        self, approval: Approval | None, outcomes: dict[UUID, str], accounts: set[tuple[UUID, str, str]]
    ) -> ImportRow | None:
        """What the line says; `outcomes` and `accounts` are those so far, the file's own among them."""
        outcome, severity, note = self.values["outcome"], self.values["severity"], self.values["note"]
        if not outcome and not severity:
            self.fault(_("Say an outcome or a severity."))
        if outcome and outcome not in Outcome.Result.values:
            self.fault(_("The outcome is succeeded, failed, skipped or compensated."))
        if severity and severity not in Incident.Severity.values:
            self.fault(_("The severity is low, high or critical."))
        if severity and not note:
            self.fault(_("Write what happened."))
        if len(note) > texts.ACCOUNT - 40:
            self.fault(_("At most %(most)d characters.") % {"most": texts.ACCOUNT - 40})
        cost, happened_at = self._cost(severity), self._time(approval)
        if approval is None or self.faults:
            return None
        row = ImportRow(self.line, approval, outcome, severity, cost, happened_at, note, False, False)
        earlier = outcomes.get(approval.pk)
        new_outcome = bool(outcome) and earlier is None
        if outcome and earlier not in (None, outcome):
            self.fault(_("Its outcome is %(earlier)s already.") % {"earlier": earlier})
        elif new_outcome and not unconfirmed.takes_outcome(approval):
            self.fault(_("It was not released, so nothing came of it."))
        account = (approval.pk, severity, row.account)
        new_incident = bool(severity) and account not in accounts
        skipped = outcomes.get(approval.pk, outcome) == Outcome.Result.SKIPPED
        if new_incident and (skipped or not eligibility.may_have_run(approval)):
            self.fault(_("It cannot have run, so no harm came of it."))
        if outcome:
            outcomes[approval.pk] = outcome
        if severity:
            accounts.add(account)
        return ImportRow(self.line, approval, outcome, severity, cost, happened_at, note, new_outcome, new_incident)

    def _cost(self, severity: str) -> str:
        cost = self.values["cost"]
        if not cost:
            return ""
        if not severity:
            self.fault(_("Only an incident has a cost."))
        try:
            if not 0 <= Decimal(cost) < incidents.MOST_COST:
                raise InvalidOperation
        except InvalidOperation:
            self.fault(_("Give an amount in base currency, like 420.00."))
        return cost

    def _time(self, approval: Approval | None) -> datetime | None:
        text = self.values["time"]
        if not text:
            return None
        try:
            happened_at = parse_datetime(text)
        except ValueError:
            happened_at = None
        if happened_at is None or happened_at.tzinfo is None:
            self.fault(_("The time needs its zone, like 2026-11-03T14:05:00+01:00."))
            return None
        if happened_at > times.now() or (approval is not None and happened_at < approval.created_at):
            self.fault(_("The time lies between the proposal and now."))
        return happened_at


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
