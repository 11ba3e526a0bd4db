"""Several alike approvals at once: what they share, what differs, and each one's own result."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from approvals.db import times
from approvals.decisions import batches
from approvals.decisions.card_version import CardVersion, card_version_of
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import NotAllowed
from approvals.models import Approval, User
from approvals.models.states import Status
from approvals.models.verdict import RejectionReason
from approvals.people import access, eligibility
from approvals.values.schema import Json
from console.card import facts, toasts
from console.card.views import attempt_of
from console.forms import PickForm
from console.http import ConsoleRequest, is_fragment
from console.inbox.views import list_context

OUTLIER = 3.0  # times the median


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One that was selected and cannot be decided together with the rest, and why."""

    approval: Approval
    why: str


A_LINE = 48  # characters of a text that is wide enough to want a column of its own width


@dataclass(frozen=True, slots=True)
class VaryingField:
    """A field that varies. Numbers also have their range and sum."""

    path: str
    numeric: bool
    low: float | None = None
    high: float | None = None
    total: float | None = None


@dataclass(frozen=True, slots=True)
class BatchCell:
    """One value of a varying field; `odd` where the number is far from the others, `long` where it reads in lines."""

    value: facts.Value | None
    numeric: bool
    odd: bool
    long: bool


@dataclass(frozen=True, slots=True)
class BatchLine:
    """One approval and its values of the varying fields."""

    approval: Approval
    cells: list[BatchCell]


class BatchSelection:
    """The selection as a person may decide it: one kind and tier, what is shared, what varies, what is left out."""

    def __init__(self, picked: Sequence[CardVersion], user: User) -> None:
        seen_by_id = {seen.id: seen for seen in picked[: batches.MOST]}
        approvals = (
            access.readable_to(user)
            .filter(pk__in=seen_by_id)
            .select_related("agent", "action_type", "tier", "domain", "proposal", "claimed_by", "decided_by")
        )
        self.approvals: list[Approval] = []
        self.left: list[LeftOut] = []
        for approval in sorted(approvals, key=lambda approval: list(seen_by_id).index(approval.pk)):
            why = self._why_not(approval, seen_by_id[approval.pk], user)
            if why:
                self.left.append(LeftOut(approval, why))
            else:
                self.approvals.append(approval)

    def _why_not(self, approval: Approval, seen: CardVersion, user: User) -> str:
        if approval.status != Status.PENDING:
            return _("settled meanwhile")
        if seen != card_version_of(approval):
            return _("revised meanwhile")
        if not eligibility.batchable(approval):
            return _("has a flag, or needs more than one yes")
        if self.approvals and (approval.action_type_id, approval.tier_id) != (
            self.approvals[0].action_type_id,
            self.approvals[0].tier_id,
        ):
            return _("another action or tier")
        if not {"approve", "reject"} & access.actions_for(approval, user):
            return _("not yours to decide")
        return ""

    @property
    def first(self) -> Approval | None:
        return self.approvals[0] if self.approvals else None

    @property
    def shared(self) -> list[facts.Fact]:
        """The arguments that all have alike."""
        varying = {column.path for column in self.columns}
        first = self.first
        if first is None or first.proposal is None:
            return []
        return [fact for fact in facts.facts_of(first.proposal.args) if fact.path not in varying]

    @property
    def columns(self) -> list[VaryingField]:
        """The fields that differ, in the order of the first one's arguments."""
        values = [self._values(approval) for approval in self.approvals]
        paths = list(dict.fromkeys(path for value in values for path in value))
        return [
            _column(path, [value.get(path) for value in values])
            for path in paths
            if len({facts.plain(value.get(path)) if path in value else None for value in values}) > 1
        ]

    @property
    def numeric(self) -> bool:
        """Whether there is something to add up."""
        return any(column.numeric for column in self.columns)

    @property
    def lines(self) -> list[BatchLine]:
        columns = self.columns
        lines = []
        medians = {column.path: self._median(column.path) for column in columns if column.numeric}
        for approval in self.approvals:
            values = self._values(approval)
            cells = []
            for column in columns:
                number = _number(values.get(column.path)) if column.numeric else None
                middle = medians.get(column.path)
                odd = number is not None and bool(middle) and abs(number) > OUTLIER * abs(middle or 0)
                value = values.get(column.path)
                shown = facts.shown(value) if column.path in values else None
                cells.append(BatchCell(shown, column.numeric, odd, isinstance(value, str) and len(value) > A_LINE))
            lines.append(BatchLine(approval, cells))
        return lines

    def _values(self, approval: Approval) -> dict[str, Json]:
        return dict(facts.leaves(approval.proposal.args)) if approval.proposal else {}

    def _median(self, path: str) -> float:
        numbers = sorted(
            n for approval in self.approvals if (n := _number(self._values(approval).get(path))) is not None
        )
        return numbers[len(numbers) // 2] if numbers else 0.0


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def batch(request: ConsoleRequest) -> HttpResponse:
    """Without a verdict shows the selection (by POST too: a thousand picks fit no address); else settles each."""
    source = request.POST if request.method == "POST" else request.GET
    form = PickForm(source, source.getlist("pick"))
    if request.method != "POST" or not form.is_valid() or not form.cleaned_data["verdict"]:
        return _page(request, {"together": BatchSelection(form.seen, request.user), "reasons": RejectionReason.choices})
    message = form.cleaned_data["message"].strip()
    verdict_input = VerdictInput(message=message or None, reason=form.cleaned_data["reason"], surface="batch")
    verdict = form.cleaned_data["verdict"]
    together = BatchSelection(form.seen, request.user)
    types = [approval.action_type for approval in together.approvals]
    needs = verdict == "reject" and any(kind is None or kind.reason_required for kind in types)
    if needs and not message and verdict_input.reason in ("", "other"):
        fault = _("A rejection needs a reason: choose one or write one.")
        context = {"together": together, "reasons": RejectionReason.choices, "fault": fault, "rejecting": True}
        return _page(request, context, status=422)
    try:
        attempt = attempt_of(request)
        results = batches.decide_many(
            form.seen, by=request.user, verdict=verdict, verdict_input=verdict_input, attempt=attempt
        )
    except NotAllowed as error:
        return _page(
            request, {"together": together, "reasons": RejectionReason.choices, "fault": str(error)}, status=403
        )
    context = outcome(results, request.user, attempt)
    return _page(request, context, status=200 if any(result.ok for result in results) else 409)


@login_required
@require_POST
def undo(request: ConsoleRequest, key: UUID) -> HttpResponse:
    """Take back whatever of one attempt's verdicts is still held: of a batch, all that is left of it."""
    results = batches.undo_many(key, by=request.user)
    return _page(request, {**outcome(results, request.user), "undone": True}, status=200 if results else 409)


def outcome(results: Sequence[batches.BatchResult], user: User, attempt: UUID | None = None) -> dict[str, object]:
    """Show what became of each. Those that still wait can be tried again, those that are held can be taken back."""
    ids: list[UUID] = [result.id for result in results]
    approvals_by_id = access.readable_to(user).select_related("proposal", "agent", "tier", "action_type").in_bulk(ids)
    shown = [(result, approvals_by_id.get(result.id)) for result in results]
    held = {
        pk: approval
        for pk, approval in approvals_by_id.items()
        if approval.status == Status.HELD and approval.decided_by_id == user.pk
    }
    again = [row for result, row in shown if row and not result.ok and row.status == Status.PENDING]
    return {
        "results": shown,
        "done": sum(result.ok for result in results),
        "failed": sum(not result.ok for result in results),
        "toast": toasts.batch(attempt, list(held.values())) if attempt else None,
        "held": held,
        "again": [f"{approval.pk}:{approval.version}" for approval in again],
    }


def _page(request: ConsoleRequest, context: dict[str, object], *, status: int = 200) -> HttpResponse:
    context = {"now": times.now(), "batch": True, **context}
    if is_fragment(request):
        return render(request, "_batch.html", context, status=status)
    return render(request, "inbox.html", {**list_context(request), **context}, status=status)


def _column(path: str, values: Sequence[Json]) -> VaryingField:
    numbers = [_number(value) for value in values]
    present = [number for number in numbers if number is not None]
    if len(present) != len(values) or not present:
        return VaryingField(path, False)
    return VaryingField(path, True, min(present), max(present), sum(present))


def _number(value: Json) -> float | None:
    """A number, or a text that is nothing but one, such as "420.00"."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and "." in value:
        try:
            return float(value)
        except ValueError:
            return None
    return None
