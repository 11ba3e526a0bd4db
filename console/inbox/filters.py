"""What a list shows: filters that live in the URL, and pages by cursor."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django import forms
from django.db.models import DurationField, ExpressionWrapper, F, Q, QuerySet, Value
from django.db.models.functions import Least
from django.utils.translation import gettext_lazy as _

from approvals.db import cursors
from approvals.db.cursors import Position
from approvals.models import ActionType, Approval, Domain, PostReview, Tier, User
from approvals.models.approval import URGENCY, Status, queue_name
from console.list_filter import ListFilter

PAGE = 50
MOST = 1000
NO_END = datetime.max.replace(tzinfo=UTC)  # in a cursor, of what has no end


class InboxFilter(ListFilter):
    """The filters of the inbox."""

    queue = forms.ChoiceField(required=False, label=_("Queue"))
    type = forms.ChoiceField(required=False, label=_("Action"))
    agent = forms.ChoiceField(required=False, label=_("Agent"))
    urgency = forms.ChoiceField(
        required=False,
        label=_("Urgency"),
        choices=[("", _("Any urgency")), ("late", _("Late")), ("critical", _("Critical")), ("high", _("High and up"))],
    )
    mine = forms.ChoiceField(
        required=False,
        label=_("Claim"),
        choices=[("", _("Everyone's")), ("me", _("Mine")), ("none", _("Unclaimed")), ("snoozed", _("Snoozed"))],
    )

    def __init__(self, data: object, user: User, queues: Iterable[str]) -> None:
        super().__init__(data)
        self.user = user
        mine = frozenset(queues)
        self.queues = {name: title for name, title in titles().items() if name in mine}
        domains = {name.split(".", 1)[1] for name in self.queues}
        types = ActionType.objects.filter(domain__in=domains).order_by("title").values_list("name", "title")
        self.choose("queue", [("", _("All queues")), *self.queues.items()])
        self.choose("type", [("", _("All actions")), *types])

    def apply(self, approvals: QuerySet[Approval], now: datetime) -> QuerySet[Approval]:
        active = self.active
        if text := active.get("q"):
            approvals = approvals.filter(
                Q(proposal__headline__icontains=text) | Q(subject__icontains=text) | Q(agent__name__icontains=text)
            )
        if queue := active.get("queue"):
            tier, domain = queue.split(".", 1)
            approvals = approvals.filter(tier_id=int(tier), domain_id=domain)
        if name := active.get("type"):
            approvals = approvals.filter(action_type_id=name)
        if agent := active.get("agent"):
            approvals = approvals.filter(agent__name=agent)
        if urgency := active.get("urgency"):
            approvals = _urgent(approvals, urgency, now)
        mine = active.get("mine")
        if mine == "snoozed":
            approvals = approvals.filter(snoozed_until__gt=now)
        elif mine:
            claimed = Q(claimed_by=self.user, claim_until__gt=now)
            free = Q(claimed_by=None) | Q(claim_until__lte=now)
            approvals = approvals.filter(claimed if mine == "me" else free)
        return approvals


def titles() -> dict[str, str]:
    """Every queue by its name: "2.finance" is "Specialists · Finance"."""
    domains = list(Domain.objects.all())
    return {
        queue_name(tier.pk, domain.pk): f"{tier.name} · {domain.name}"
        for tier in Tier.objects.all()
        for domain in domains
    }


# The last tier of the chain did not answer in time, and no deadline comes to end it: Approval.overdue.
OVERDUE = Q(status=Status.PENDING, due_at=None, expires_at=None, breaches__gt=0)


def _urgent(approvals: QuerySet[Approval], urgency: str, now: datetime) -> QuerySet[Approval]:
    late = Q(due_at__lte=now) | Q(expires_at__lte=now) | OVERDUE
    if urgency == "late":
        return approvals.filter(late)
    share = 1 - URGENCY[urgency]
    left = ExpressionWrapper(F("expires_at") - Value(now), output_field=DurationField())
    tail = ExpressionWrapper((F("expires_at") - F("created_at")) * Value(share), output_field=DurationField())
    return approvals.annotate(left=left, tail=tail).filter(late | Q(left__lt=F("tail")))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, and the cursor of the next one ("" at the end)."""

    approvals: list[Approval]
    cursor: str


def page_of(approvals: QuerySet[Approval], cursor: str, first: Collection[UUID] = ()) -> Page:
    """The next page by least time left; those named `first` stand above it on the first page, and nowhere else.

    A cursor that is none of ours starts at the beginning.
    """
    approvals = approvals.annotate(at=Least("due_at", "expires_at"))
    cursor_position = cursors.read(cursor, "inbox")
    above = list(approvals.filter(pk__in=first)) if first and cursor_position is None else []
    approvals = approvals.exclude(pk__in=first) if first else approvals
    if cursor_position is not None:
        at, pk = cursor_position
        later = Q(at=None, pk__gt=pk) if at == NO_END else Q(at__gt=at) | Q(at=at, pk__gt=pk) | Q(at=None)
        approvals = approvals.filter(later)
    page_rows: list[Approval] = [*approvals[: PAGE + 1]]
    shown = page_rows[:PAGE]
    if len(page_rows) <= PAGE:
        return Page(above + shown, "")
    last = shown[-1]
    at = min(filter(None, (last.due_at, last.expires_at)), default=NO_END)
    return Page(above + shown, cursors.write("inbox", Position(at, last.pk)))


def count_of(approvals: QuerySet[Approval] | QuerySet[PostReview]) -> int:
    """How many, counted no further than one past a thousand."""
    return approvals.order_by()[: MOST + 1].count()
