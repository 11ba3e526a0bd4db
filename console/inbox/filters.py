"""What a list shows: filters that live in the URL, and pages by cursor."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django import forms
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Q, QuerySet, Value
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Least
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from approvals.db import cursors
from approvals.db.cursors import Position
from approvals.db.search import matching
from approvals.models import ActionType, Approval, Domain, PostReview, Run, Tier, User
from approvals.models.states import queue_name
from console import query_filters
from console.list_filter import ListFilter
from console.query import QueryFilter

PAGE = 50
TOP = 1000  # rows of a list that are looked through in its order
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

    def condition(self, now: datetime) -> Q:
        """What the filters that are set ask of an approval; empty where none is."""
        active, query = self.active, self.query(now)
        condition = matching(query.text) & query.condition
        if queue := active.get("queue"):
            tier, domain = queue.split(".", 1)
            condition &= Q(tier_id=int(tier), domain_id=domain)
        if name := active.get("type"):
            condition &= Q(action_type_id=name)
        if agent := active.get("agent"):
            condition &= Q(agent__name=agent)
        if urgency := active.get("urgency"):
            condition &= query_filters.urgent(urgency, now)
        if mine := active.get("mine"):
            condition &= query_filters.claimed(mine, self.user, now)
        return condition

    takes_terms = True

    @cached_property
    def query_filters(self) -> list[QueryFilter]:
        return query_filters.inbox_filters(self.user, self.queues)


def titles() -> dict[str, str]:
    """Every queue by its name: "2.finance" is "Specialists · Finance"."""
    domains = list(Domain.objects.all())
    return {
        queue_name(tier.pk, domain.pk): f"{tier.name} · {domain.name}"
        for tier in Tier.objects.all()
        for domain in domains
    }


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, and the cursor of the next one ("" at the end)."""

    approvals: list[Approval]
    cursor: str


def page_of(approvals: QuerySet[Approval], condition: Q, cursor: str, first: Collection[UUID] = ()) -> Page:
    """The next page by least time left of what meets the condition.

    Those named `first` stand above it on the first page, and nowhere else. A cursor that is none of ours starts at the
    beginning.
    """
    approvals = approvals.annotate(at=Least("due_at", "expires_at"))
    cursor_position = cursors.read(cursor, "inbox")
    above = list(approvals.filter(condition, pk__in=first)) if first and cursor_position is None else []
    approvals = approvals.exclude(pk__in=first) if first else approvals
    # What has no deadline comes last: a part of its own, so that each part is one stretch of the index.
    timed, untimed = approvals.filter(at__isnull=False), approvals.filter(at=None)
    parts = [timed, untimed]
    if cursor_position is not None:
        at, pk = cursor_position
        parts = [untimed.filter(pk__gt=pk)]
        if at != NO_END:
            parts = [timed.filter(Q(at__gt=at) | Q(pk__gt=pk), at__gte=at), untimed]
    shown: list[Approval] = []
    for part in parts:
        if len(shown) <= PAGE:
            shown += first_of(part, condition, F("at"), PAGE + 1 - len(shown))
    more, shown = len(shown) > PAGE, shown[:PAGE]
    if not more:
        return Page(above + shown, "")
    last = shown[-1]
    at = min(filter(None, (last.due_at, last.expires_at)), default=NO_END)
    return Page(above + shown, cursors.write("inbox", Position(at, last.pk)))


def first_of(
    approvals: QuerySet[Approval], condition: Q, moment: F, count: int, *, newest: bool = False
) -> list[Approval]:
    """The first `count` that meet the condition, by that moment and then by key; or the newest.

    The database cannot know whether those that match stand at the top of a list or nowhere in it: it took a word that
    is in no row for one in a hundred, and read a million rows in their order. So the top is looked through first; where
    that is not enough, the condition's own index says which match, and only they are sorted.
    """
    listed = _in_order(approvals, moment, newest=newest)
    if not condition:
        return list(listed[:count])
    # The same moment, as no index has it: else the rows would be read in its order after all.
    sorted_by = ExpressionWrapper(moment + Value(timedelta(0), DurationField()), DateTimeField())
    pks: list[UUID] = []
    for candidates in (approvals.filter(pk__in=listed.values("pk")[:TOP]), approvals):
        matches = _in_order(candidates.filter(condition), sorted_by, newest=newest)
        pks = list(matches.values_list("pk", flat=True)[:count])
        if len(pks) == count:
            break
    rows = {approval.pk: approval for approval in approvals.filter(pk__in=pks)}
    return [rows[pk] for pk in pks if pk in rows]


def _in_order(
    approvals: QuerySet[Approval], moment: "F | ExpressionWrapper[CombinedExpression]", *, newest: bool
) -> QuerySet[Approval]:
    return approvals.order_by(moment.desc(), "-pk") if newest else approvals.order_by(moment.asc(), "pk")


def count_of(approvals: QuerySet[Approval] | QuerySet[PostReview] | QuerySet[Run]) -> int:
    """How many, counted no further than one past a thousand."""
    return approvals.order_by()[: MOST + 1].count()
